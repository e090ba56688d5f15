/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request of the plug server, from its bytes to the port and the reply. */
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/control/audit/audit.h"
#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/perm/perm.h"
#include "fabricd/control/plugd/plugd_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/services/services.h"
#include "fabricd/control/view/view.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/shm.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"
#include "proto/ring/ring.h"
#include "proto/wire/mac.h"

/* How long a name is waited for that a program has which is alive, or gone; and the steps. */
#define WAIT_ALIVE (300 * MTIME_MS)
#define WAIT_DEAD  (2 * MTIME_SEC)
#define WAIT_STEP  (10 * MTIME_MS)

static void send_reply(struct plug_conn *conn, const struct plug_reply *reply,
                       const int *fds, unsigned n_fds)
{
    uint8_t out[PLUG_MAX_SIZE];
    size_t size = plug_reply_encode(reply, out, sizeof(out));

    if (size > 0 && !conn->closed && fd_send(conn->sock, out, size, fds, n_fds) < 0)
        log_debug("a client went before its answer");
}

void plug_refuse(struct plug_conn *conn, int code, const struct err *err)
{
    struct plug_reply reply = {.code = code};

    snprintf(reply.why, sizeof(reply.why), "%s", err->why);
    snprintf(reply.hint, sizeof(reply.hint), "%s", err->hint);
    send_reply(conn, &reply, NULL, 0);
    plug_conn_free(conn);
}

static int code_of_status(int status)
{
    switch (status) {
    case 400:
        return -EINVAL;
    case 404:
        return -ENOENT;
    case 409:
        return -EADDRINUSE;
    case 503:
        return -EAGAIN;
    case 507:
        return -ENOSPC;
    default:
        return -EIO;
    }
}

/* --- the port ------------------------------------------------------------------------------ */

static struct ipc_port new_port(const struct plug_conn *conn,
                                const struct view_network *net, const char *name)
{
    const struct plug_request *request = &conn->request;
    struct ipc_port port = {
        .kind = request->kind == PLUG_TAP    ? IPC_PORT_TAP
                : request->kind == PLUG_RING ? IPC_PORT_RING
                                             : IPC_PORT_CAPTURE,
        .set = {.vlan = request->vlan},
        .net = net->id,
        .rate = request->rate,
        .caps = request->caps,
        .owner_uid = (uint32_t)conn->peer.uid,
        .owner_pid = (uint32_t)conn->peer.pid,
        .node_pid = request->node_pid,
        .snap = request->snap,
    };

    port.station = (request->flags & PLUG_STATION) != 0 && !mac_is_zero(request->mac);
    memcpy(port.pin_mac, request->mac, sizeof(port.pin_mac));
    snprintf(port.name, sizeof(port.name), "%s", name);
    return port;
}

/* The memory and the doorbell of a ring: what we keep, and what the client gets. Returns 0 or
 * -errno. */
static int make_ring(int fds[2], int client[2])
{
    int bell[2] = {-1, -1};
    void *page = NULL;
    int r = 0;

    fds[0] = shm_create("ioth-ring", ring_memory_size(RING_SIZE_DEFAULT));
    if (fds[0] < 0)
        r = fds[0];
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, bell) < 0)
        r = -errno;
    fds[1] = bell[0];
    fd_refuse_rights(bell[0]);
    client[0] = r == 0 ? dup(fds[0]) : -1;
    client[1] = bell[1];
    if (r == 0 && client[0] < 0)
        r = -errno;
    if (r == 0)
        r = shm_map(fds[0], 0, RING_CONTROL_SIZE, &page);
    if (r == 0) {
        ring_control_init(page, RING_SIZE_DEFAULT);
        shm_unmap(page, RING_CONTROL_SIZE);
    }
    for (int i = 0; r < 0 && i < 2; i++) {
        fd_close(&fds[i]);
        fd_close(&client[i]);
    }
    return r;
}

/* Puts the port, answers, and hands the connection on as the port's lifeline. */
static void finish(struct plug_conn *conn, struct ipc_port *port, struct plug_reply *reply)
{
    int give[3] = {-1, -1, -1}, show[2] = {-1, -1};
    unsigned n_give = 0, n_show = 0;

    if (port->kind == IPC_PORT_RING) {
        struct err err = {.why = "no memory for the ring can be had"};
        int r = make_ring(give, show);

        if (r < 0) {
            plug_refuse(conn, r, &err);
            return;
        }
        n_give = n_show = 2;
    } else if (port->kind == IPC_PORT_TAP) {
        give[n_give++] = conn->tap;
        conn->tap = -1;
    }
    fd_refuse_rights(conn->sock); /* The switch reads what comes from now on. */
    give[n_give++] = dup(conn->sock);
    reconcile_put_port(conn->plugd->control->reconcile, port, give, n_give);
    send_reply(conn, reply, show, n_show);
    for (unsigned i = 0; i < n_show; i++)
        fd_close(&show[i]);
    plug_conn_free(conn);
}

static struct plug_reply new_reply(const struct plug_conn *conn,
                                   const struct view_network *net, const char *name)
{
    struct plug_reply reply = {.vlan = conn->request.vlan, .mtu = net->mtu};

    snprintf(reply.name, sizeof(reply.name), "%s", name);
    memcpy(reply.mac, conn->request.mac, sizeof(reply.mac));
    return reply;
}

/* --- endpoints ----------------------------------------------------------------------------- */

static void pin(struct ipc_port *port, struct plug_reply *reply,
                const struct view_endpoint *ep)
{
    port->pinned = 1;
    memcpy(port->pin_mac, ep->mac, sizeof(port->pin_mac));
    memcpy(reply->mac, ep->mac, sizeof(reply->mac));
    for (unsigned i = 0; i < ep->n_addrs && i < PLUG_MAX_ADDRS; i++) {
        port->pins[i].family = ep->addrs[i].family;
        memcpy(port->pins[i].addr, ep->addrs[i].bytes, sizeof(port->pins[i].addr));
        reply->addrs[i].family = ep->addrs[i].family;
        reply->addrs[i].prefix = ep->addrs[i].prefix;
        memcpy(reply->addrs[i].addr, ep->addrs[i].bytes, sizeof(reply->addrs[i].addr));
        port->n_pins++;
        reply->n_addrs++;
    }
}

/* The endpoint is registered: its port is put. */
static void plug_endpoint(struct plug_conn *conn)
{
    struct control *control = conn->plugd->control;
    const struct plug_request *request = &conn->request;
    const struct view_network *net = view_network(control->view, request->network);
    const struct view_endpoint *ep =
        view_endpoint(control->view, request->network, request->name);
    struct ipc_port port;
    struct plug_reply reply;

    if (net == NULL || ep == NULL) {
        struct err err = {.why = "the endpoint was removed meanwhile"};
        plug_refuse(conn, -ENOENT, &err);
        return;
    }
    port = new_port(conn, net, ep->name);
    reply = new_reply(conn, net, ep->name);
    pin(&port, &reply, ep);
    if (!conn->closed) {
        finish(conn, &port, &reply);
        return;
    }
    plugd_port_gone(conn->plugd, &port);
    plug_conn_free(conn);
}

/* Into the audit log: what people run, not how services come and go. */
static void note_run(const struct plug_conn *conn, int status, const char *why)
{
    const struct plug_request *request = &conn->request;
    struct control *control = conn->plugd->control;
    struct node *entry;
    char *path;

    if (control->audit == NULL || (request->flags & PLUG_SERVICE) != 0)
        return;
    entry = node_map();
    path = xasprintf("/v1/endpoints/%s/%s", request->network, request->name);
    audit_set_peer(entry, &conn->peer);
    node_set_text(entry, "method", "RUN");
    node_set_text(entry, "path", path);
    node_set_int(entry, "status", status);
    if (status >= 400)
        node_set_text(entry, "why", why);
    else
        node_set_int(entry, "revision", (int64_t)store_revision(control->store));
    if (status < 400 && perm_full(&conn->peer))
        audit_add(control->audit, entry);
    else
        audit_add_cheap(control->audit, entry, loop_now(control->loop));
    free(path);
}

static void registered(void *aux, struct change_result *result)
{
    struct plug_conn *conn = aux;

    conn->submitted = false;
    note_run(conn, result->status, result->err.why);
    if (result->status >= 400) {
        if (result->status == 400 && result->diags.n > 0)
            snprintf(result->err.why, sizeof(result->err.why), "%s: %s",
                     result->diags.list[0].path, result->diags.list[0].text);
        plug_refuse(conn, code_of_status(result->status), &result->err);
        return;
    }
    plug_endpoint(conn);
}

static struct node *request_body(const struct plug_request *request)
{
    struct node *body = node_map(), *list = node_list();
    char mac[MAC_TEXT_SIZE], text[ADDR_TEXT_SIZE];

    if (request->vlan != 0)
        node_set_int(body, "vlan", request->vlan);
    if (!mac_is_zero(request->mac)) {
        mac_format(request->mac, mac);
        node_set_text(body, "mac", mac);
    }
    for (unsigned i = 0; i < request->n_addrs; i++) {
        struct addr a = {.family = request->addrs[i].family,
                         .prefix = request->addrs[i].prefix};

        memcpy(a.bytes, request->addrs[i].addr, a.family == 4 ? 4 : 16);
        node_append(list, node_text(addr_print(&a, text)));
    }
    if (request->n_addrs > 0)
        node_set(body, "addresses", list);
    else
        node_free(list);
    return body;
}

/* A name that nobody has: "run-" and eight random digits. */
static void make_up_name(const struct control *control, struct plug_request *request)
{
    do {
        uint32_t random = 0;

        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            continue;
        snprintf(request->name, sizeof(request->name), "run-%08x", random);
    } while (view_endpoint(control->view, request->network, request->name) != NULL);
}

/* The port of a program that was killed goes some moments after it: whoever starts it again at
 * once waits for that. Of a program that is alive, no longer than it may take to end. */
static bool may_go(struct plug_conn *conn, const struct ipc_port *port)
{
    struct loop *loop = conn->plugd->control->loop;
    bool dead =
        port->owner_pid != 0 && kill((pid_t)port->owner_pid, 0) < 0 && errno == ESRCH;
    mtime_t now = loop_now(loop);

    if (conn->waits_since == 0) {
        conn->waits_since = now;
        loop_remove(loop, &conn->watch);
    }
    if (now >= conn->waits_since + (dead ? WAIT_DEAD : WAIT_ALIVE))
        return false;
    loop_timer_set(loop, &conn->again, now + WAIT_STEP);
    return true;
}

/* The name's port on this host: of the same process it is replaced, else it is in the way.
 * -EAGAIN: perhaps not for long, and plug_request_again() comes. */
static int make_way(struct plug_conn *conn, const struct view_network *net, struct err *err)
{
    struct control *control = conn->plugd->control;
    const struct ipc_port *port =
        reconcile_port(control->reconcile, net->id, conn->request.name);

    if (port == NULL)
        return 0;
    if (port->owner_pid != 0 && port->owner_uid == conn->peer.uid &&
        port->owner_pid == (uint32_t)conn->peer.pid) {
        reconcile_drop_port(control->reconcile, port->id);
        return 0;
    }
    if (may_go(conn, port))
        return -EAGAIN;
    err_set(err, -EADDRINUSE, "%s/%s runs on this host already (pid %u)", net->name,
            conn->request.name, port->owner_pid);
    err_hint(err, "iothctl endpoint show %s/%s", net->name, conn->request.name);
    return -EADDRINUSE;
}

/* The founder is out of reach, and the name is this host's as it is asked for: nothing has to be
 * changed now, plugd_founder_back() makes good what is missing. */
static bool runs_without_founder(const struct plug_conn *conn,
                                 const struct view_endpoint *ep)
{
    const struct control *control = conn->plugd->control;
    const struct plug_request *request = &conn->request;

    if (!control_follows(control) || control->member_ops->founder_reachable(control) ||
        ep == NULL || ep->scope != STORE_FABRIC || ep->vlan != request->vlan ||
        strcmp(ep->host, control_host(control)) != 0)
        return false;
    if (!mac_is_zero(request->mac) && !mac_equal(request->mac, ep->mac))
        return false;
    for (unsigned i = 0; i < request->n_addrs; i++) {
        struct addr a = {.family = request->addrs[i].family};
        bool found = false;

        memcpy(a.bytes, request->addrs[i].addr, a.family == 4 ? 4 : 16);
        for (unsigned j = 0; j < ep->n_addrs; j++)
            found = found || addr_compare(&a, &ep->addrs[j]) == 0;
        if (!found)
            return false;
    }
    return true;
}

static void register_endpoint(struct plug_conn *conn, const struct view_network *net)
{
    struct control *control = conn->plugd->control;
    struct plug_request *request = &conn->request;
    struct err err = {.why = ""};
    char who[PERM_WHO_SIZE];
    const struct view_endpoint *ep;
    struct change *change;
    struct change_item *item;
    int r;

    if (request->name[0] == '\0')
        make_up_name(control, request);
    r = make_way(conn, net, &err);
    if (r == -EAGAIN)
        return;
    if (r < 0) {
        plug_refuse(conn, r, &err);
        return;
    }
    ep = view_endpoint(control->view, net->name, request->name);
    /* The next instance of one that moves: the endpoint is another host's until it has. */
    if (runs_without_founder(conn, ep) ||
        ((request->flags & PLUG_SERVICE) != 0 && ep != NULL &&
         migrate_role(control, request->name) == MIGRATE_READY)) {
        plug_endpoint(conn);
        if (migrate_role(control, request->name) == MIGRATE_READY)
            fault_at(FAULT_MOVE_PLUGGED);
        return;
    }
    change = change_new(control_host(control), "run");
    change_set_who(change, perm_who(&conn->peer, who));
    item = change_add(change, CHANGE_PUT, "endpoint", net->name, request->name,
                      request_body(request));
    item->held = true;
    item->anonymous =
        (request->flags & PLUG_ANONYMOUS) != 0 && (ep == NULL || ep->scope == STORE_LOCAL);
    item->promote = !item->anonymous && net->scope == STORE_FABRIC &&
                    control_follows(control) &&
                    !control->member_ops->founder_reachable(control) &&
                    (ep == NULL || ep->scope == STORE_LOCAL);
    conn->submitted = true;
    loop_remove(control->loop, &conn->watch);
    change_submit(control, change, registered, conn);
}

/* --- ports without an endpoint -------------------------------------------------------------- */

static void plain_port(struct plug_conn *conn, const struct view_network *net)
{
    struct control *control = conn->plugd->control;
    struct err err = {.why = ""};
    struct ipc_port port;
    struct plug_reply reply;
    char name[PLUG_NAME_SIZE];
    int r = 0;

    if (conn->request.kind == PLUG_CAPTURE) {
        uint32_t random = 0;

        r = getrandom(&random, sizeof(random), 0) < 0 ? -errno : 0;
        snprintf(name, sizeof(name), "capture-%08x", random);
    } else if (conn->request.name[0] == '\0') {
        make_up_name(control, &conn->request);
        memcpy(name, conn->request.name, sizeof(name));
    } else {
        memcpy(name, conn->request.name, sizeof(name));
        r = make_way(conn, net, &err);
        if (r == -EAGAIN)
            return;
        if (r == 0 && (view_endpoint(control->view, net->name, name) != NULL ||
                       view_port(control->view, net->name, name) != NULL))
            r = err_set(&err, -EADDRINUSE, "network %s has a port %s already", net->name,
                        name);
    }
    if (r < 0) {
        plug_refuse(conn, r, &err);
        return;
    }
    port = new_port(conn, net, name);
    if (conn->request.kind == PLUG_CAPTURE)
        memcpy(port.watch, conn->request.name, sizeof(port.watch));
    reply = new_reply(conn, net, name);
    finish(conn, &port, &reply);
}

/* --- checking ------------------------------------------------------------------------------ */

static int check_vlan_named(const struct plug_request *request,
                            const struct view_network *net, struct err *err)
{
    if (request->kind == PLUG_CAPTURE)
        return 0;
    if (net->vlan_aware && request->vlan == 0) {
        err_set(err, -EINVAL, "network %s has VLANs: one must be named", net->name);
        err_hint(err, "iothctl net show %s", net->name);
        return -EINVAL;
    }
    if (!net->vlan_aware && request->vlan != 0)
        return err_set(err, -EINVAL, "network %s declares no VLANs", net->name);
    if (view_plan(net, request->vlan) == NULL)
        return err_set(err, -EINVAL, "network %s has no VLAN %u", net->name, request->vlan);
    return 0;
}

/* A launcher may hand us anything. */
static bool is_tap(int fd)
{
    const short want = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    struct ifreq ifr = {.ifr_flags = 0};

    return fd >= 0 && ioctl(fd, TUNGETIFF, &ifr) == 0 &&
           (ifr.ifr_flags & (want | IFF_TUN)) == want;
}

struct port_count {
    uint32_t uid;
    unsigned all, own;
};

static bool count_port(void *aux, const struct ipc_port *port)
{
    struct port_count *count = aux;

    count->all++;
    count->own += port->owner_uid == count->uid;
    return true;
}

static int check_room(const struct plug_conn *conn, struct err *err)
{
    struct port_count count = {.uid = (uint32_t)conn->peer.uid};
    bool bounded = conn->peer.uid != 0 && conn->peer.uid != geteuid();

    reconcile_each_port(conn->plugd->control->reconcile, count_port, &count);
    if (count.all >= IPC_PORTS_MAX)
        err_set(err, -ENOSPC, "this host has %u ports already, and takes no more",
                count.all);
    else if (bounded && count.own >= IPC_PORTS_PER_USER)
        err_set(err, -ENOSPC, "user %u has %u ports already, and may have no more",
                count.uid, count.own);
    else
        return 0;
    err_hint(err, "iothctl port ls");
    return -ENOSPC;
}

/* Ports of links are the switch's; they are named after the host at the other end. */
static bool is_link(const struct control *control, const char *name)
{
    return strncmp(name, "link-", 5) == 0 && view_host(control->view, name + 5) != NULL;
}

static int check(const struct plug_conn *conn, const struct view_network *net,
                 struct err *err)
{
    const struct plug_request *request = &conn->request;
    bool endpoint = (request->flags & PLUG_ENDPOINT) != 0;

    if (net == NULL || !view_network_on(net, control_host(conn->plugd->control))) {
        err_set(err, -ENOENT, "there is no network %s%s", request->network,
                net == NULL ? "" : " on this host");
        err_hint(err, "iothctl net create %s", request->network);
        return -ENOENT;
    }
    if ((request->flags & PLUG_SERVICE) != 0) {
        if (!services_is_keeper(conn->plugd->control, &conn->peer, net->name,
                                request->name))
            return err_set(err, -EACCES, "you do not keep a service %s/%s", net->name,
                           request->name);
    } else if (request->name[0] != '\0' && request->kind != PLUG_CAPTURE &&
               view_service_of(conn->plugd->control->view, net->name, request->name)) {
        err_set(err, -EADDRINUSE, "%s/%s is the name of a service", net->name,
                request->name);
        err_hint(err, "iothctl service show %s", request->name);
        return -EADDRINUSE;
    } else if (!perm_network(&conn->peer, net) ||
               (request->kind == PLUG_CAPTURE && !perm_full(&conn->peer))) {
        err_set(err, -EACCES, "network %s is not open to you", net->name);
        err_hint(err, "its owner: iothctl net set %s allow=uid:%u", net->name,
                 (unsigned)conn->peer.uid);
        return -EACCES;
    }
    if (check_room(conn, err) < 0)
        return -ENOSPC;
    if (request->kind == PLUG_TAP && !is_tap(conn->tap))
        return err_set(
            err, -EBADF,
            "no TAP device came with the request (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR)");
    if (request->kind == PLUG_CAPTURE) {
        if (request->name[0] != '\0' &&
            reconcile_port(conn->plugd->control->reconcile, net->id, request->name) ==
                NULL &&
            !is_link(conn->plugd->control, request->name))
            return err_set(err, -ENOENT, "there is no port %s/%s on this host", net->name,
                           request->name);
        return 0;
    }
    if (request->name[0] != '\0' && !schema_name_ok(request->name))
        return err_set(
            err, -EINVAL,
            "\"%s\" is no valid name (1 to 63 of a-z, 0-9 and -, beginning with a "
            "letter)",
            request->name);
    if (endpoint && request->name[0] == '\0' && (request->flags & PLUG_ANONYMOUS) == 0)
        return err_set(err, -EINVAL, "an endpoint needs a name or the word anonymous");
    return check_vlan_named(request, net, err);
}

static int receive(struct plug_conn *conn)
{
    uint8_t data[PLUG_MAX_SIZE];
    int fds[FD_PASS_MAX];
    unsigned n_fds = FD_PASS_MAX;
    ssize_t n = fd_recv(conn->sock, data, sizeof(data), fds, &n_fds);

    if (n <= 0)
        return n == 0 ? -EPIPE : (int)n;
    for (unsigned i = 0; i < n_fds; i++) {
        if (i == 0)
            conn->tap = fds[0];
        else
            fd_close(&fds[i]);
    }
    return plug_request_decode(data, (size_t)n, &conn->request);
}

void plug_request_again(struct plug_conn *conn)
{
    const struct view_network *net =
        view_network(conn->plugd->control->view, conn->request.network);
    struct err err = {.why = ""};
    int r = check(conn, net, &err);

    if (r == -EACCES || r == -EPERM)
        note_run(conn, 403, err.why);
    if (r < 0)
        plug_refuse(conn, r, &err);
    else if ((conn->request.flags & PLUG_ENDPOINT) != 0)
        register_endpoint(conn, net);
    else
        plain_port(conn, net);
}

void plug_request(struct plug_conn *conn)
{
    struct err err = {.why = ""};
    int r = receive(conn);

    if (r == -EAGAIN)
        return;
    if (r == -EPROTO) {
        err_set(&err, r, "the request is not one of this version");
        plug_refuse(conn, r, &err);
        return;
    }
    if (r < 0) {
        plug_conn_free(conn);
        return;
    }
    plug_request_again(conn);
}
