/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doors of the VDE folders. A client connects, its credentials are checked against the
 * network, it says where its datagram socket is, the parent makes ours and connects the two, and
 * the client gets the path of ours. Then it is a port like any other.
 *
 * The door of a declared port takes one client at a time: a second one is refused, and hears of it
 * as of every refusal, by the end of the connection. A port that is declared as vdeN is that which
 * clients of `ctl` ask for by the number N, too.
 *
 * Clients that have no port yet are bounded in number and in time; the oldest goes first.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/vde/vde.h"

#define CLIENTS_MAX   64u
#define CLIENT_TIME   (10 * MTIME_SEC)
#define NET_PORTS_MAX 1024u /* VDE ports of one network. */

struct entry {
    struct list link;
    struct dataplane *dp;
    struct ipc_listen config;
    int sock; /* The vault's. */
    struct door door;
};

struct client {
    struct list link;
    struct dataplane *dp;
    struct loop_watch watch; /* The control connection. */
    struct loop_timer timeout;
    struct vde_reader reader;
    struct vde_request asked;
    struct fd_peer peer;
    struct ipc_listen entry;
    uint32_t number; /* Of the port, as VDE counts them; 0 = a declared one. */
    char name[IPC_NAME_SIZE];
    uint32_t request; /* To the parent; 0 = not asked yet. */
};

static void client_free(struct client *c)
{
    int fd = c->watch.fd;

    loop_remove(c->dp->loop, &c->watch);
    fd_close(&fd);
    loop_timer_set(c->dp->loop, &c->timeout, MTIME_NEVER);
    list_remove(&c->link);
    c->dp->n_clients--;
    free(c);
}

/* --- who may ------------------------------------------------------------------------------ */

static bool is_allowed(const struct dp_net *net, const struct fd_peer *peer)
{
    gid_t group = net->dp->group;

    if (peer->uid == 0 || peer->uid == geteuid() ||
        (group && fd_peer_in_group(peer, group)))
        return true;
    for (unsigned i = 0; i < net->config.n_allow; i++) {
        const struct ipc_allow *allow = &net->config.allow[i];

        if (allow->is_group ? fd_peer_in_group(peer, allow->id) : peer->uid == allow->id)
            return true;
    }
    return false;
}

static bool is_open_to(struct dataplane *dp, const struct ipc_listen *entry,
                       const struct fd_peer *peer)
{
    const struct dp_net *net = dp_net_find(dp, entry->net);

    return net && is_allowed(net, peer);
}

/* In a network with VLANs a client's port must be in one, or be said to be in none. */
static bool has_vlan(struct dataplane *dp, const struct ipc_listen *entry)
{
    const struct swport_settings *set = &entry->set;
    const struct dp_net *net = dp_net_find(dp, entry->net);

    return net && net->config.vlan_aware == (set->vlan || set->tagged || set->bare);
}

/* --- names of ports ----------------------------------------------------------------------- */

/* The declared port of that number; NULL = there is none. */
static const struct entry *declared(struct dataplane *dp, uint64_t net, uint32_t number)
{
    char name[IPC_NAME_SIZE];

    snprintf(name, sizeof name, "vde%u", number);
    list_for_each (it, &dp->entries) {
        const struct entry *entry = list_entry(it, struct entry, link);

        if (entry->config.net == net && !entry->config.door[0] &&
            strcmp(entry->config.name, name) == 0)
            return entry;
    }
    return NULL;
}

static bool number_is_taken(struct dataplane *dp, uint64_t net, uint32_t number)
{
    char name[IPC_NAME_SIZE];

    snprintf(name, sizeof name, "vde%u", number);
    if (dp_port_named(dp, net, name) || declared(dp, net, number))
        return true;
    list_for_each (it, &dp->clients) {
        const struct client *c = list_entry(it, struct client, link);

        if (c->entry.net == net && c->number == number)
            return true;
    }
    return false;
}

/* The port that was asked for, or the first that is free; 0 = none. */
static uint32_t choose_number(struct dataplane *dp, const struct client *c)
{
    uint32_t number = c->asked.port;

    if (number)
        return number <= NET_PORTS_MAX && !number_is_taken(dp, c->entry.net, number)
                   ? number
                   : 0;
    for (number = 1; number <= NET_PORTS_MAX; number++) {
        if (!number_is_taken(dp, c->entry.net, number))
            return number;
    }
    return 0;
}

/* Whether a client has the declared port, or is about to. */
static bool is_occupied(struct dataplane *dp, const struct client *newcomer)
{
    if (dp_port_named(dp, newcomer->entry.net, newcomer->entry.name))
        return true;
    list_for_each (it, &dp->clients) {
        const struct client *c = list_entry(it, struct client, link);

        if (c != newcomer && c->request && c->entry.id == newcomer->entry.id)
            return true;
    }
    return false;
}

static bool choose_name(struct dataplane *dp, struct client *c)
{
    const struct entry *own = c->entry.name[0] || c->entry.set.vlan || !c->asked.port
                                  ? NULL
                                  : declared(dp, c->entry.net, c->asked.port);

    if (own) {
        c->entry = own->config;
        c->number = c->asked.port;
    }
    if (c->entry.name[0]) {
        memcpy(c->name, c->entry.name, sizeof c->name);
        return !is_occupied(dp, c);
    }
    c->number = choose_number(dp, c);
    snprintf(c->name, sizeof c->name, "vde%u", c->number ? c->number : c->asked.port);
    return c->number != 0;
}

/* --- asking the parent -------------------------------------------------------------------- */

static void ask_for_data_socket(struct client *c)
{
    struct dataplane *dp = c->dp;
    struct ipc_vde_data ask = {.uid = c->peer.uid, .client_size = c->asked.path_size};

    if (!dp_ports_room(dp, c->peer.uid)) {
        log_limited(&dp->clients_said, LOG_LEVEL_INFO,
                    "user %u has too many ports: a VDE client of %s is refused",
                    c->peer.uid, c->entry.path);
        client_free(c);
        return;
    }
    if (!choose_name(dp, c)) {
        log_limited(&dp->clients_said, LOG_LEVEL_INFO,
                    "a VDE client of %s cannot have the port %s", c->entry.path, c->name);
        client_free(c);
        return;
    }
    if (!has_vlan(dp, &c->entry)) {
        log_limited(&dp->clients_said, LOG_LEVEL_INFO,
                    "a VDE client of %s is refused: the network has VLANs, and its port %s "
                    "is in none (iothctl port add NET %s --vde --access VLAN)",
                    c->entry.path, c->name, c->name);
        client_free(c);
        return;
    }
    ask.port = c->number;
    memcpy(ask.folder, c->entry.path, sizeof ask.folder);
    memcpy(ask.client, c->asked.path, c->asked.path_size);
    c->request = ++dp->next_request;
    if (!outbox_send(&dp->parent, IPC_VDE_DATA, c->request, &ask, &c->watch.fd, 1))
        client_free(c);
}

/* Where our data socket is; an empty text if that cannot be told. */
static void path_of(int data_fd, char path[108])
{
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    socklen_t size = sizeof own;

    static_assert(sizeof own.sun_path == 108, "as in struct ipc_port");
    if (getsockname(data_fd, (struct sockaddr *)&own, &size) < 0)
        own.sun_path[0] = '\0';
    memcpy(path, own.sun_path, sizeof own.sun_path);
    path[107] = '\0';
}

static bool answer_client(const struct client *c, const char *path)
{
    uint8_t reply[VDE_REPLY_SIZE];

    return path[0] && vde_reply_build(path, reply) == 0 &&
           send(c->watch.fd, reply, sizeof reply, MSG_DONTWAIT | MSG_NOSIGNAL) ==
               (ssize_t)sizeof reply;
}

/* Makes the client a port: into our vault, the parent's, and to control. */
static void make_port(struct client *c, struct ipc_message *reply, const char *path)
{
    struct dataplane *dp = c->dp;
    const int fds[2] = {reply->fds[0], c->watch.fd};
    struct ipc_port port = {
        .id = dp_new_client_id(dp),
        .kind = IPC_PORT_VDE,
        .stp = c->entry.stp,
        .set = c->entry.set,
        .net = c->entry.net,
        .owner_uid = c->peer.uid,
        .owner_pid = (uint32_t)c->peer.pid,
        .rate = c->entry.rate,
    };

    memcpy(port.name, c->name, sizeof port.name);
    memcpy(port.path, path, sizeof port.path);
    reply->n_fds = 0;
    /* The port takes the connection over. */
    loop_remove(dp->loop, &c->watch);
    c->watch.fd = -1;
    dp_port_put_own(dp, &port, fds, 2);
}

/* Nobody is there any more who could use the socket: the parent removes its name, as it does when
 * a port goes. */
static void give_back(struct dataplane *dp, const struct ipc_message *reply,
                      const char *path)
{
    struct ipc_port port = {.id = dp_new_client_id(dp), .kind = IPC_PORT_VDE};
    struct ipc_delete del = {.type = IPC_PORT, .id = port.id};

    memcpy(port.path, path, sizeof port.path);
    if (outbox_send(&dp->parent, IPC_PORT, 0, &port, reply->fds, 1))
        outbox_send(&dp->parent, IPC_DELETE, 0, &del, NULL, 0);
}

static struct client *client_of_request(struct dataplane *dp, uint32_t request)
{
    list_for_each (it, &dp->clients) {
        struct client *c = list_entry(it, struct client, link);

        if (c->request && c->request == request)
            return c;
    }
    return NULL;
}

bool dp_vde_reply(struct dataplane *dp, struct ipc_message *msg)
{
    struct client *c = client_of_request(dp, msg->head.request);
    char path[108] = "";

    if (!c && !msg->n_fds)
        return false;
    if (msg->n_fds)
        path_of(msg->fds[0], path);
    if (!msg->n_fds || msg->body.reply.code < 0)
        log_limited(&dp->clients_said, LOG_LEVEL_INFO, "a VDE client of %s is refused: %s",
                    c ? c->entry.path : "a network",
                    msg->body.reply.why[0] ? msg->body.reply.why
                                           : err_text(msg->body.reply.code));
    else if (c && answer_client(c, path))
        make_port(c, msg, path);
    else
        give_back(dp, msg, path);
    if (c)
        client_free(c);
    return true;
}

/* --- the connection ----------------------------------------------------------------------- */

static void client_ready(struct loop_watch *w, uint32_t events)
{
    struct client *c = list_entry(w, struct client, watch);
    uint8_t bytes[VDE_REQUEST_MAX];
    ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    int code;

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_free(c);
        return;
    }
    code = vde_reader_feed(&c->reader, bytes, (size_t)n, &c->asked);
    if (code < 0) {
        log_limited(&c->dp->clients_said, LOG_LEVEL_INFO,
                    "a VDE client of %s sent what is no request", c->entry.path);
        client_free(c);
    } else if (code == 1 && !c->request) {
        ask_for_data_socket(c);
    }
}

static void client_expired(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    client_free(list_entry(timer, struct client, timeout));
}

static void client_new(struct entry *entry, int fd, const struct fd_peer *peer)
{
    struct dataplane *dp = entry->dp;
    struct client *c;

    if (dp->n_clients == CLIENTS_MAX)
        client_free(list_entry(dp->clients.next, struct client, link));
    c = xcalloc(1, sizeof *c);
    c->dp = dp;
    c->peer = *peer;
    c->entry = entry->config;
    c->watch.ready = client_ready;
    c->watch.fd = -1;
    c->timeout.expired = client_expired;
    list_append(&dp->clients, &c->link);
    dp->n_clients++;
    if (loop_add(dp->loop, &c->watch, fd, EPOLLIN | EPOLLRDHUP) < 0) {
        fd_close(&fd);
        client_free(c);
        return;
    }
    loop_timer_set(dp->loop, &c->timeout, loop_now(dp->loop) + CLIENT_TIME);
}

static void came(struct door *door, int fd)
{
    struct entry *entry = list_entry(door, struct entry, door);
    struct fd_peer peer;

    fd_refuse_rights(fd);
    if (fd_peer_get(fd, &peer) == 0 && is_open_to(entry->dp, &entry->config, &peer) &&
        (!entry->config.door[0] || has_vlan(entry->dp, &entry->config))) {
        if (entry->config.door[0])
            dp_stream_client(entry->dp, &entry->config, fd, &peer);
        else
            client_new(entry, fd, &peer);
        return;
    }
    log_limited(&entry->dp->clients_said, LOG_LEVEL_INFO, "a client is refused at %s",
                entry->config.path);
    fd_close(&fd);
}

static void entry_open(struct entry *entry)
{
    if (door_open(&entry->door, entry->dp->loop, entry->sock, came) < 0)
        log_error("%s cannot be listened on", entry->config.path);
}

/* Nobody comes in before all ports of the vault are there: a new one could take the number of one
 * that is still to come. */
void dp_entries_open(struct dataplane *dp)
{
    if (dp->replayed)
        return;
    dp->replayed = true;
    list_for_each (it, &dp->entries)
        entry_open(list_entry(it, struct entry, link));
}

static bool is_clients(const struct dp_port *port)
{
    return port->config.kind == IPC_PORT_VDE || port->config.kind == IPC_PORT_STREAM;
}

/* The client that a declared port has follows what is declared. */
static void follow_entry(struct dataplane *dp, const struct ipc_listen *config)
{
    struct dp_port *port = dp_port_named(dp, config->net, config->name);
    struct ipc_port now;

    if (!config->name[0] || !port || !is_clients(port) ||
        (memcmp(&port->config.set, &config->set, sizeof config->set) == 0 &&
         port->config.rate == config->rate &&
         memcmp(&port->config.stp, &config->stp, sizeof config->stp) == 0))
        return;
    now = port->config;
    now.stp = config->stp;
    now.set = config->set;
    now.rate = config->rate;
    dp_port_put_own(dp, &now, NULL, 0);
}

void dp_entry_close(struct dataplane *dp, uint32_t id)
{
    list_for_each_safe (it, &dp->clients) {
        struct client *c = list_entry(it, struct client, link);

        if (c->entry.id == id)
            client_free(c);
    }
    list_for_each (it, &dp->entries) {
        const struct entry *entry = list_entry(it, struct entry, link);
        struct dp_port *port;

        if (entry->config.id != id || !entry->config.name[0])
            continue;
        port = dp_port_named(dp, entry->config.net, entry->config.name);
        if (port && is_clients(port))
            dp_port_end(port);
    }
}

void dp_entry_put(struct dataplane *dp, const struct ipc_listen *config, int fd)
{
    struct entry *entry;
    char key[DP_KEY_SIZE];

    dp_entry_delete(dp, config->id);
    entry = xcalloc(1, sizeof *entry);
    entry->dp = dp;
    entry->config = *config;
    entry->sock = fd;
    list_append(&dp->entries, &entry->link);
    map_put(&dp->entry_by_id, dp_key(key, config->id), entry);
    if (dp->replayed)
        entry_open(entry);
    list_for_each (it, &dp->clients) {
        struct client *c = list_entry(it, struct client, link);

        if (c->entry.id == config->id)
            c->entry = *config;
    }
    follow_entry(dp, config);
}

void dp_entry_delete(struct dataplane *dp, uint32_t id)
{
    char key[DP_KEY_SIZE];
    struct entry *entry = map_remove(&dp->entry_by_id, dp_key(key, id));

    if (!entry)
        return;
    door_close(&entry->door);
    list_remove(&entry->link);
    free(entry);
}

void dp_vde_free(struct dataplane *dp)
{
    while (!list_empty(&dp->clients))
        client_free(list_entry(dp->clients.next, struct client, link));
    while (!list_empty(&dp->entries))
        dp_entry_delete(dp, list_entry(dp->entries.next, struct entry, link)->config.id);
    map_clear(&dp->entry_by_id);
}
