/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/reconcile/reconcile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/events/events.h"
#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/reconcile/reconcile_internal.h"
#include "fabricd/control/view/view.h"
#include "proto/base/err.h"
#include "proto/base/fault.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

/* Entries of the mirror that nobody wants: gathered first, since deleting moves them. */
struct stale {
    struct reconcile *rc;
    struct {
        uint16_t type;
        uint64_t id;
    } * list;
    size_t n;
};

static void add_stale(struct stale *stale, uint16_t type, uint64_t id)
{
    stale->list = xrealloc(stale->list, (stale->n + 1) * sizeof(*stale->list));
    stale->list[stale->n].type = type;
    stale->list[stale->n].id = id;
    stale->n++;
}

static void delete_stale(struct stale *stale)
{
    for (size_t i = 0; i < stale->n; i++)
        mirror_delete(stale->rc, stale->list[i].type, stale->list[i].id);
    free(stale->list);
}

/* --- ports --------------------------------------------------------------------------------- */

static uint32_t new_port_id(struct reconcile *rc)
{
    do {
        rc->next_port += 2;
        if (rc->next_port == 0)
            rc->next_port = 2;
    } while (vault_find(rc->mirror, IPC_PORT, rc->next_port) != NULL);
    return rc->next_port;
}

void reconcile_put_port(struct reconcile *rc, struct ipc_port *port, const int *fds,
                        unsigned n_fds)
{
    port->id = new_port_id(rc);
    mirror_learn_port(rc, port);
    events_port(rc->control, port, true);
    chan_send(&rc->control->parent, IPC_PORT, port, fds, n_fds);
    rc->sent++;
    opened_settle(rc);
}

void reconcile_drop_port(struct reconcile *rc, uint32_t id)
{
    mirror_delete(rc, IPC_PORT, id);
}

void reconcile_port_gone(struct reconcile *rc, uint32_t id)
{
    mirror_forget_port(rc, id);
    reconcile_kick(rc);
}

/* --- one run ------------------------------------------------------------------------------- */

static void run_networks(struct reconcile *rc)
{
    list_for_each (it, &rc->control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);
        struct ipc_net *state = xcalloc(1, sizeof(*state));
        struct ipc_open_vde vde;
        char what[2 * IPC_NAME_SIZE + 8];

        if (wanted_net(rc->control, net, state)) {
            mirror_put(rc, IPC_NET, state->id, state);
            if (wanted_vde(rc->control, net, &vde)) {
                snprintf(what, sizeof(what), "network %s", net->name);
                opened_want(rc, what, OPENED_VDE, &vde, sizeof(vde));
            }
        }
        free(state);
    }
}

static void run_peers(struct reconcile *rc)
{
    bool any = false;

    list_for_each (it, &rc->control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        struct ipc_peer peer;

        if (!wanted_peer(rc->control, host, &peer))
            continue;
        mirror_put(rc, IPC_PEER, peer.host, &peer);
        any = true;
    }
    /* A fabric of several hosts listens; one of a single host has opened nothing. */
    if (any && rc->udp.family == 0 && !rc->udp_asked)
        reconcile_open_udp(rc, NULL, NULL);
}

static int run_invite(void *aux, const struct store_object *object)
{
    struct reconcile *rc = aux;
    struct diags diags;
    struct node *body;
    struct ipc_invite invite = {.id = strtoull(object->name, NULL, 16)};

    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    invite.expires = node_get_int(body, "expires", 0);
    node_free(body);
    if (invite.id != 0 && invite.expires > wall_now())
        mirror_put(rc, IPC_INVITE, invite.id, &invite);
    return 0;
}

static bool is_here(const struct reconcile *rc, const struct view_port *port)
{
    return strcmp(node_get_text(port->body, "host", ""), control_host(rc->control)) == 0;
}

/* Whether clients come to the port by a socket, and what that of `stream` is called. */
static bool door_of(const struct node *body, char door[IPC_NAME_SIZE])
{
    const char *kind = schema_port_kind(body);

    snprintf(door, IPC_NAME_SIZE, "%s", node_get_text(body, "stream", ""));
    return kind != NULL && (strcmp(kind, "stream") == 0 || strcmp(kind, "vde") == 0);
}

static void run_door(struct reconcile *rc, const struct view_network *net,
                     const struct view_port *port)
{
    struct ipc_open_door door = {
        .net = net->id,
        .rate = (uint64_t)node_get_int(port->body, "rate", 0),
    };
    struct ipc_open_vde vde;
    char what[2 * IPC_NAME_SIZE + 8];

    if (!wanted_vde(rc->control, net, &vde))
        return;
    door.mode = vde.mode;
    door_of(port->body, door.door);
    wanted_settings(port->body, &door.set);
    wanted_stp_port(port->body, &door.stp);
    door.stp.heard = heard_at(rc->heard, net->id, port->name);
    snprintf(door.network, sizeof(door.network), "%s", net->name);
    snprintf(door.name, sizeof(door.name), "%s", port->name);
    snprintf(what, sizeof(what), "port %s/%s", port->network, port->name);
    opened_want(rc, what, OPENED_DOOR, &door, sizeof(door));
}

/* The interface that the port opens. */
static void device_of(const struct node *body, struct ipc_open_device *open)
{
    const char *raw = node_get_text(body, "raw", NULL);

    open->port.kind = raw != NULL ? IPC_PORT_RAW : IPC_PORT_TAP;
    snprintf(open->ifname, sizeof(open->ifname), "%s",
             raw != NULL ? raw : node_get_text(body, "tap", ""));
}

static void run_port(struct reconcile *rc, const struct view_port *port)
{
    const struct view_network *net = view_network(rc->control->view, port->network);
    const struct ipc_port *have;
    struct ipc_open_device open;
    char what[2 * IPC_NAME_SIZE + 8], door[IPC_NAME_SIZE];

    if (net == NULL || !is_here(rc, port))
        return;
    if (door_of(port->body, door)) {
        run_door(rc, net, port);
        return;
    }
    open =
        (struct ipc_open_device){.port = {
                                     .net = net->id,
                                     .rate = (uint64_t)node_get_int(port->body, "rate", 0),
                                     .owner_uid = (uint32_t)geteuid(),
                                 }};
    device_of(port->body, &open);
    snprintf(open.port.name, sizeof(open.port.name), "%s", port->name);
    wanted_stp_port(port->body, &open.port.stp);
    if (open.ifname[0] == '\0')
        return;
    wanted_settings(port->body, &open.port.set);
    snprintf(what, sizeof(what), "port %s/%s", port->network, port->name);
    have = reconcile_port(rc, net->id, port->name);
    if (have != NULL &&
        have->kind != open.port.kind) /* What it was before, on its way out. */
        have = NULL;
    /* Of a port that is there the switch knows it itself. */
    open.port.stp.heard =
        have != NULL ? have->stp.heard : heard_at(rc->heard, net->id, port->name);
    /* The parent writes the interface's name into its port. */
    if (have != NULL && memcmp(&have->set, &open.port.set, sizeof(have->set)) == 0 &&
        memcmp(&have->stp, &open.port.stp, sizeof(have->stp)) == 0 &&
        have->rate == open.port.rate &&
        (have->path[0] == '\0' || strcmp(have->path, open.ifname) == 0)) {
        struct opened *o = opened_find(rc, what);
        if (o != NULL)
            o->wanted = true;
        return;
    }
    open.port.id = have != NULL ? have->id : new_port_id(rc);
    if (have != NULL && strcmp(have->path, open.ifname) != 0)
        mirror_delete(rc, IPC_PORT, open.port.id);
    opened_want(rc, what, OPENED_DEVICE, &open, sizeof(open));
}

static void run_ports(struct reconcile *rc)
{
    list_for_each (it, &rc->control->view->ports)
        run_port(rc, list_entry(it, struct view_port, link));
}

static bool door_is_stale(const struct reconcile *rc, const struct ipc_listen *door)
{
    const struct view_network *net = view_network_by_id(rc->control->view, door->net);
    const struct view_port *port =
        net != NULL ? view_port(rc->control->view, net->name, door->name) : NULL;

    char name[IPC_NAME_SIZE];

    return port == NULL || !is_here(rc, port) || !door_of(port->body, name) ||
           strcmp(name, door->door) != 0;
}

/* The port is of the next instance of a service that moves here. */
static bool is_made_ready(const struct reconcile *rc, const struct view_endpoint *ep)
{
    return view_service_of(rc->control->view, ep->network, ep->name) != NULL &&
           migrate_role(rc->control, ep->name) == MIGRATE_READY;
}

/* The endpoint of a program's port has gone, or lives on another host since, with a higher epoch. */
static bool endpoint_is_elsewhere(const struct reconcile *rc,
                                  const struct view_network *net, const char *name)
{
    const struct view_endpoint *ep = view_endpoint(rc->control->view, net->name, name);

    return ep == NULL ||
           (ep->scope == STORE_FABRIC && strcmp(ep->host, control_host(rc->control)) != 0 &&
            !is_made_ready(rc, ep));
}

static bool port_is_stale(struct reconcile *rc, const struct ipc_port *port)
{
    const struct view_network *net = view_network_by_id(rc->control->view, port->net);
    const struct view_port *declared;
    struct ipc_open_device device = {.ifname = ""};
    char door[IPC_NAME_SIZE];

    if (port->id % 2 != 0) /* The switch made it: its business. */
        return false;
    if (net == NULL)
        return true;
    if (port->kind == IPC_PORT_CAPTURE)
        return false;
    if (port->pinned)
        return endpoint_is_elsewhere(rc, net, port->name);
    if (port->owner_pid != 0) /* A program's, without an endpoint: goes with the program. */
        return false;
    declared = view_port(rc->control->view, net->name, port->name);
    if (declared == NULL || door_of(declared->body, door))
        return true;
    device_of(declared->body, &device);
    return device.port.kind != port->kind;
}

static bool find_stale(void *aux, const struct vault_entry *e)
{
    struct stale *stale = aux;
    struct control *control = stale->rc->control;
    struct ipc_peer peer;
    struct ipc_net *net;
    const struct view_network *vn;
    const struct view_host *host;
    bool wanted = true;

    if (e->type == IPC_NET) {
        vn = view_network_by_id(control->view, e->id);
        net = xcalloc(1, sizeof(*net));
        wanted = vn != NULL && wanted_net(control, vn, net);
        free(net);
    } else if (e->type == IPC_PEER) {
        host = view_host_by_number(control->view, (uint16_t)e->id);
        wanted = host != NULL && wanted_peer(control, host, &peer);
    } else if (e->type == IPC_INVITE) {
        struct store_object object;
        char name[17];

        snprintf(name, sizeof(name), "%016llx", (unsigned long long)e->id);
        wanted = e->body->invite.expires > wall_now() &&
                 store_get(control->store, STORE_LOCAL, "invite", "", name, &object) == 0;
        if (wanted)
            store_object_done(&object);
    } else if (e->type == IPC_LISTEN) {
        wanted = !door_is_stale(stale->rc, &e->body->listen);
    } else if (e->type == IPC_PORT) {
        wanted = !port_is_stale(stale->rc, &e->body->port);
    }
    if (!wanted)
        add_stale(stale, e->type, e->id);
    return true;
}

static void run(struct loop_timer *timer, mtime_t now)
{
    struct reconcile *rc = list_entry(timer, struct reconcile, run);
    struct stale stale = {.rc = rc};

    (void)now;
    if (!reconcile_ready(rc) || !chan_up(&rc->control->parent))
        return;
    rc->dirty = false;
    rc->runs++;
    mirror_put(rc, IPC_SELF, 0, &rc->control->id.self);
    vault_each(rc->mirror, find_stale, &stale);
    delete_stale(&stale);
    run_networks(rc);
    run_peers(rc);
    if (store_each(rc->control->store, STORE_LOCAL, "invite", "", run_invite, rc) < 0)
        log_error("the invitations cannot be read");
    run_ports(rc);
    opened_drop_unwanted(rc);
    fault_at(FAULT_RECONCILE_SENT);
    opened_settle(rc);
}

uint64_t reconcile_runs(const struct reconcile *rc)
{
    return rc->runs;
}

void reconcile_kick(struct reconcile *rc)
{
    if (rc == NULL)
        return;
    rc->dirty = true;
    loop_timer_set(rc->control->loop, &rc->run, loop_now(rc->control->loop));
}

static void retry(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    reconcile_kick(list_entry(timer, struct reconcile, retry));
}

static void changed(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    bool any = false;

    (void)revision;
    /* Nothing of the data path follows from blocks of addresses, nor from how far a follower is. */
    for (size_t i = 0; i < n && !any; i++)
        any = strcmp(changes[i].kind, "block") != 0 &&
              strcmp(changes[i].kind, "sync") != 0 && strcmp(changes[i].kind, "heard") != 0;
    if (any)
        reconcile_kick(list_entry(watch, struct reconcile, watch));
}

/* --- life ---------------------------------------------------------------------------------- */

void reconcile_learn(struct reconcile *rc, const struct ipc_message *msg)
{
    struct ipc_message *copy = xcalloc(1, sizeof(*copy));
    bool is_new;

    copy->head = msg->head;
    memcpy(&copy->body, &msg->body, msg->head.size);
    if (msg->head.type == IPC_PORT_NEW)
        copy->head.type = IPC_PORT;
    is_new =
        copy->head.type == IPC_PORT && reconcile_port_by_id(rc, copy->body.port.id) == NULL;
    if (copy->head.type == IPC_LISTEN && copy->body.listen.kind == IPC_LISTEN_UDP)
        rc->udp = copy->body.listen.addr;
    if (copy->head.type == IPC_PORT)
        mirror_learn_port(rc, &copy->body.port);
    else if ((copy->head.type != IPC_LISTEN || copy->body.listen.name[0] != '\0') &&
             vault_put(rc->mirror, copy, false) < 0)
        log_warn("too many ports: one of the switch's is not shown");
    if (rc->replayed && is_new)
        events_port(rc->control, &copy->body.port, true);
    free(copy);
}

void reconcile_heard(struct reconcile *rc, uint64_t net, const char *port)
{
    heard_note(rc->heard, net, port);
}

/* What was heard while no control listened. */
static bool note_heard(void *aux, const struct vault_entry *e)
{
    struct reconcile *rc = aux;
    const struct ipc_port *port =
        e->type == IPC_HEARD ? reconcile_port_by_id(rc, e->body->heard.port) : NULL;

    if (port != NULL)
        heard_note(rc->heard, port->net, port->name);
    return true;
}

void reconcile_replayed(struct reconcile *rc)
{
    vault_each(rc->mirror, note_heard, rc);
    rc->replayed = true;
    reconcile_kick(rc);
}

bool reconcile_ready(const struct reconcile *rc)
{
    return rc->replayed && rc->control->id.self.host != 0;
}

static bool not_a_port(void *aux, const struct vault_entry *e)
{
    if (e->type != IPC_PORT)
        add_stale(aux, e->type, e->id);
    return true;
}

void reconcile_forget(struct reconcile *rc)
{
    struct stale all = {.rc = rc};

    vault_each(rc->mirror, not_a_port, &all);
    for (size_t i = 0; i < all.n; i++)
        vault_delete(rc->mirror, all.list[i].type, all.list[i].id, false);
    free(all.list);
    list_for_each (it, &rc->opened) {
        struct opened *o = list_entry(it, struct opened, link);
        if (o->kind != OPENED_DEVICE)
            o->failed = true; /* Asked for again: it may not have been done. */
    }
    reconcile_kick(rc);
}

struct reconcile *reconcile_new(struct control *control)
{
    struct reconcile *rc = xcalloc(1, sizeof(*rc));

    rc->control = control;
    rc->mirror = vault_new();
    rc->run.expired = run;
    rc->retry.expired = retry;
    rc->settle_late.expired = opened_settle_late;
    list_init(&rc->settling);
    list_init(&rc->opened);
    list_init(&rc->udp_waiters);
    rc->heard = heard_new(control);
    rc->watch.changed = changed;
    store_watch_add(control->store, &rc->watch);
    return rc;
}

void reconcile_free(struct reconcile *rc)
{
    if (rc == NULL)
        return;
    heard_free(rc->heard);
    loop_timer_set(rc->control->loop, &rc->run, MTIME_NEVER);
    loop_timer_set(rc->control->loop, &rc->retry, MTIME_NEVER);
    loop_timer_set(rc->control->loop, &rc->settle_late, MTIME_NEVER);
    chan_forget(&rc->control->parent, rc->fence);
    list_for_each_safe (it, &rc->settling)
        free(list_entry(it, struct settle_waiter, link));
    store_watch_remove(&rc->watch);
    list_for_each_safe (it, &rc->opened)
        opened_free(list_entry(it, struct opened, link));
    list_for_each_safe (it, &rc->udp_waiters)
        free(list_entry(it, struct udp_waiter, link));
    vault_free(rc->mirror);
    map_clear(&rc->opened_by_what);
    map_clear(&rc->port_by_name);
    free(rc);
}
