/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The spanning trees of the networks: their timers, which ports and links are in them, and what is told
 * of them. That a bridge was heard at a port is state of the vault, so that a new switch process does
 * not take the port for an edge port and close a loop with it.
 */
#include <stdio.h>
#include <string.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/log.h"

#define TC_SAY_EVERY MTIME_SEC

/* --- configuration ------------------------------------------------------------------------ */

static struct tree_config config_of(const struct ipc_stp *s)
{
    struct tree_config c = {
        .on = s->mode != IPC_STP_OFF,
        .links = s->tree,
        .host = s->host,
        .network = s->network,
        .bridge = {.priority = s->priority,
                   .version = s->mode == IPC_STP_STP ? RSTP_VERSION_STP : RSTP_VERSION_RSTP,
                   .hello = s->hello,
                   .max_age = s->max_age,
                   .forward_delay = s->forward_delay,
                   .tx_hold_count = s->tx_hold},
    };

    memcpy(c.mac, s->bridge, sizeof c.mac);
    return c;
}

static enum rstp_p2p p2p_of(uint8_t setting)
{
    static const enum rstp_p2p values[] = {
        [IPC_AUTO] = RSTP_P2P_AUTO, [IPC_YES] = RSTP_P2P_YES, [IPC_NO] = RSTP_P2P_NO};

    return values[setting];
}

/* Towards the endpoint: what the interface has, or less, where a rate is set. 0 = nobody said. */
static uint32_t speed_of(const struct ipc_port *port)
{
    uint32_t rate = (uint32_t)(port->rate / 1000000u);

    return rate && (!port->speed_mbps || rate < port->speed_mbps) ? rate : port->speed_mbps;
}

static struct tree_port_config port_config_of(const struct dp_port *port)
{
    const struct ipc_stp_port *s = &port->config.stp;
    struct tree_port_config c = {
        .rstp = rstp_port_defaults,
        .speed_mbps = speed_of(&port->config),
        .heard = s->edge != IPC_YES && (s->heard || vault_find(port->dp->vault, IPC_HEARD,
                                                               port->config.id) != NULL),
        .down = port->driver->is_down,
        .since = port->since,
    };

    if (s->has_priority)
        c.rstp.priority = s->priority;
    c.rstp.path_cost = s->cost;
    c.rstp.p2p = p2p_of(s->p2p);
    c.rstp.admin_edge = s->edge != IPC_NO;
    c.rstp.auto_edge = s->edge != IPC_NO;
    c.rstp.bpdu_guard = s->bpdu_guard;
    c.rstp.root_guard = s->root_guard;
    c.rstp.bpdu_filter = s->bpdu_filter;
    return c;
}

/* --- what the tree says ------------------------------------------------------------------- */

static void on_wake(void *aux, mtime_t due)
{
    struct dp_net *net = aux;

    loop_timer_set(net->dp->loop, &net->tree_due, due);
}

static void on_send_link(void *aux, struct swport *sw, const void *bpdu, size_t size)
{
    (void)aux;
    link_send_bpdu(sw, bpdu, size);
}

static void on_heard(void *aux, struct swport *sw)
{
    struct dp_net *net = aux;
    struct dataplane *dp = net->dp;
    struct ipc_heard heard = {.port = sw->id};
    struct ipc_tree_event e = {.net = net->config.id, .event = TREE_EVENT_HEARD};

    if (vault_put_body(dp->vault, IPC_HEARD, &heard, NULL, 0, true) < 0)
        log_debug("a bridge at a port is not remembered: the vault is full");
    dp->vault_changed = true;
    if (!sw->name)
        return;
    snprintf(e.port, sizeof e.port, "%s", sw->name);
    outbox_send(&dp->control, IPC_TREE_EVENT, 0, &e, NULL, 0);
}

static void name_of(const struct dp_net *net, unsigned number, char out[IPC_NAME_SIZE])
{
    const struct swport *port = tree_port_of(net->tree, number);

    if (port && port->name)
        snprintf(out, IPC_NAME_SIZE, "%s", port->name);
}

/* The root that the event speaks of, or who told of the change. False: it is not worth telling. */
static bool tell_bridge(struct dp_net *net, struct ipc_tree_event *e)
{
    mtime_t now = loop_now(net->dp->loop);
    struct rstp_status s;

    if (!tree_get(net->tree, &s))
        return true;
    if (e->event == TREE_EVENT_ROOT)
        e->bridge = s.root_id;
    if (e->event != TREE_EVENT_TOPOLOGY)
        return true;
    e->bridge = s.tc_bridge;
    name_of(net, s.tc_port, e->port);
    if (net->tc_said && now - net->tc_said < TC_SAY_EVERY)
        return false;
    net->tc_said = now;
    return true;
}

static uint32_t held_ms(const struct dp_net *net, const struct tree_port_status *s)
{
    mtime_t left = s->held_until - loop_now(net->dp->loop);

    return s->held && left > 0 ? (uint32_t)((left + MTIME_MS - 1) / MTIME_MS) : 0;
}

static void tell_hold(const struct dp_net *net, const struct swport *sw,
                      struct ipc_tree_event *e)
{
    struct tree_port_status s;

    tree_get_port(net->tree, sw, &s);
    e->losses = (uint8_t)s.losses;
    e->held_ms = held_ms(net, &s);
}

static void on_event(void *aux, const struct swport *sw, enum tree_event event,
                     uint16_t host)
{
    struct dp_net *net = aux;
    struct ipc_tree_event e = {
        .net = net->config.id, .event = (uint8_t)event, .host = host};

    if (sw && sw->name)
        snprintf(e.port, sizeof e.port, "%s", sw->name);
    if (event == TREE_EVENT_HELD || event == TREE_EVENT_RELEASED)
        tell_hold(net, sw, &e);
    if (net->tree && tell_bridge(net, &e))
        outbox_send(&net->dp->control, IPC_TREE_EVENT, 0, &e, NULL, 0);
}

static const struct tree_ops tree_ops = {
    .wake = on_wake,
    .send_link = on_send_link,
    .heard = on_heard,
    .event = on_event,
};

static void expired(struct loop_timer *timer, mtime_t now)
{
    struct dp_net *net = list_entry(timer, struct dp_net, tree_due);

    tree_run(net->tree, now);
}

/* --- networks and ports ------------------------------------------------------------------- */

bool dp_tree_open(struct dp_net *net)
{
    struct tree_config c = config_of(&net->config.stp);

    net->tree_due.expired = expired;
    net->tree = tree_new(net->sw, &c, &tree_ops, net, loop_now(net->dp->loop));
    return net->tree != NULL;
}

void dp_tree_configure(struct dp_net *net)
{
    struct tree_config c = config_of(&net->config.stp);

    if (!tree_configure(net->tree, &c, loop_now(net->dp->loop)))
        log_error("network %s: the spanning tree cannot be set", net->config.name);
}

void dp_tree_close(struct dp_net *net)
{
    tree_free(net->tree);
    net->tree = NULL;
    loop_timer_set(net->dp->loop, &net->tree_due, MTIME_NEVER);
}

void dp_tree_add(struct dp_net *net, struct dp_port *port)
{
    struct tree_port_config c = port_config_of(port);

    if (port->config.pinned)
        return;
    if (!tree_add_port(net->tree, &port->driver->sw, &c, loop_now(net->dp->loop)))
        log_limited(&net->dp->ports_said, LOG_LEVEL_ERROR,
                    "port %s/%s forwards nothing: the spanning tree has no room for it",
                    net->config.name, port->config.name);
}

void dp_tree_set(struct dp_net *net, struct dp_port *port)
{
    struct tree_port_config c = port_config_of(port);

    if (port->driver->sw.tree_port &&
        !tree_set_port(net->tree, &port->driver->sw, &c, loop_now(net->dp->loop)))
        log_error("port %s/%s: its settings in the spanning tree are out of range",
                  net->config.name, port->config.name);
}

void dp_tree_set_up(struct dp_net *net, struct dp_port *port)
{
    tree_set_up(net->tree, &port->driver->sw, !port->driver->is_down,
                loop_now(net->dp->loop));
}

void dp_tree_remove(struct dp_net *net, struct dp_port *port)
{
    tree_remove(net->tree, &port->driver->sw, loop_now(net->dp->loop));
}

/* --- links -------------------------------------------------------------------------------- */

void dp_link_port_added(void *aux, uint64_t id, struct swport *sw, uint16_t host)
{
    struct dataplane *dp = aux;
    struct dp_net *net = dp_net_find(dp, id);

    if (net && !tree_add_link(net->tree, sw, host, loop_now(dp->loop)))
        log_limited(&dp->ports_said, LOG_LEVEL_ERROR,
                    "network %s: the spanning tree has no room for %s", net->config.name,
                    sw->name);
}

void dp_link_port_removed(void *aux, uint64_t id, struct swport *sw)
{
    struct dataplane *dp = aux;
    struct dp_net *net = dp_net_find(dp, id);

    if (net)
        tree_remove(net->tree, sw, loop_now(dp->loop));
}

void dp_link_port_link(void *aux, uint64_t id, struct swport *sw,
                       const struct link_below *below)
{
    struct dataplane *dp = aux;
    struct dp_net *net = dp_net_find(dp, id);
    struct tree_way way = {.alive = below->alive,
                           .answer = below->answer,
                           .held = below->held,
                           .cost = below->cost};

    if (net && !tree_set_link(net->tree, sw, &way, loop_now(dp->loop)))
        log_debug("network %s: %s is not in the tree", net->config.name, sw->name);
}

void dp_link_bpdu(void *aux, uint64_t id, struct swport *sw, const void *bpdu, size_t size)
{
    struct dataplane *dp = aux;
    struct dp_net *net = dp_net_find(dp, id);

    if (net)
        tree_input_link(net->tree, sw, bpdu, size, loop_now(dp->loop));
}

/* --- looking ------------------------------------------------------------------------------ */

bool dp_tree_stats(const struct dp_net *net, mtime_t now, struct ipc_stats_tree *out)
{
    const struct swport *unsettled;
    enum rstp_state state;
    struct rstp_status s;

    if (!tree_get(net->tree, &s))
        return false;
    *out = (struct ipc_stats_tree){
        .net = net->config.id,
        .bridge = s.bridge_id,
        .root = s.root_id,
        .cost = s.root_cost,
        .tc_count = s.tc_count,
        .tc_bridge = s.tc_bridge,
        .tc_age_us = s.tc_at == MTIME_NEVER ? -1 : now - s.tc_at,
        .tc_cause = (uint8_t)s.tc_cause,
        .hello = (uint8_t)(s.times.hello / RSTP_SECOND),
        .max_age = (uint8_t)(s.times.max_age / RSTP_SECOND),
        .forward_delay = (uint8_t)(s.times.forward_delay / RSTP_SECOND),
    };
    name_of(net, s.root_port, out->root_port);
    name_of(net, s.tc_port, out->tc_port);
    unsettled = tree_unsettled(net->tree, &state);
    if (unsettled) {
        name_of(net, unsettled->tree_port, out->unsettled);
        out->unsettled_state = (uint8_t)state;
    }
    return true;
}

void dp_tree_stats_port(const struct dp_net *net, const struct swport *sw,
                        struct ipc_stats_stp_port *out)
{
    struct tree_port_status s;

    *out = (struct ipc_stats_stp_port){.number = 0};
    tree_get_port(net->tree, sw, &s);
    if (!s.rstp.port_id)
        return;
    *out = (struct ipc_stats_stp_port){
        .number = sw->tree_port,
        .role = (uint8_t)s.rstp.role,
        .state = (uint8_t)s.rstp.state,
        .edge = s.rstp.edge,
        .p2p = s.rstp.p2p,
        .rapid = s.rstp.rapid,
        .guarded = s.rstp.guarded,
        .root_refused = s.rstp.root_refused,
        .looped = s.rstp.looped,
        .last_resort = s.rstp.last_resort,
        .spare = s.rstp.spare,
        .losses = (uint8_t)s.losses,
        .held_ms = held_ms(net, &s),
        .blocked = s.blocked,
        .blocked_by = s.blocked_by,
        .port_id = s.rstp.port_id,
        .designated_port = s.rstp.designated.port,
        .cost = s.rstp.path_cost,
        .designated_bridge = s.rstp.designated.bridge,
        .rx_bpdus =
            s.rstp.counters.rx_config + s.rstp.counters.rx_tcn + s.rstp.counters.rx_rst,
        .tx_bpdus =
            s.rstp.counters.tx_config + s.rstp.counters.tx_tcn + s.rstp.counters.tx_rst,
        .rx_bad = s.rstp.counters.rx_bad,
        .forwarded = s.rstp.counters.forwarded,
    };
}
