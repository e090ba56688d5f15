/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What control asks about: counters of ports and links, learnt MACs. */
#include <string.h>

#include "fabricd/dataplane/internal.h"

struct asked {
    struct dataplane *dp;
    uint32_t request;
};

static void send_port(void *aux, const struct ipc_stats_port *stats)
{
    const struct asked *a = aux;

    outbox_send(&a->dp->control, IPC_STATS_PORT, a->request, stats, NULL, 0);
}

/* A link's port, of whose tree the link knows nothing but the number. */
static void send_link_port(void *aux, const struct ipc_stats_port *stats)
{
    const struct asked *a = aux;
    const struct dp_net *net = dp_net_find(a->dp, stats->net);
    const struct swport *sw = net ? tree_port_of(net->tree, stats->stp.number) : NULL;
    struct ipc_stats_port full = *stats;

    full.stp = (struct ipc_stats_stp_port){.number = 0};
    if (sw)
        dp_tree_stats_port(net, sw, &full.stp);
    send_port(aux, &full);
}

static void send_link(void *aux, const struct ipc_stats_link *stats)
{
    const struct asked *a = aux;

    outbox_send(&a->dp->control, IPC_STATS_LINK, a->request, stats, NULL, 0);
}

static void send_own_port(struct asked *a, const struct dp_port *port)
{
    const struct swport_counters *c =
        port->driver ? &port->driver->sw.counters : &port->capture.counters;
    struct ipc_stats_port stats = {
        .id = port->config.id,
        .net = port->config.net,
        .kind = port->config.kind,
        .vlan = port->config.set.vlan,
        .owner_uid = port->config.owner_uid,
        .owner_pid = port->config.owner_pid,
        .node_pid = port->config.node_pid,
        .rx_frames = c->rx_frames,
        .rx_bytes = c->rx_bytes,
        .tx_frames = c->tx_frames,
        .tx_bytes = c->tx_bytes,
        .mirrored = c->mirrored,
        .down = port->driver && port->driver->is_down,
    };

    const struct dp_net *net = dp_net_find(a->dp, port->config.net);

    memcpy(stats.name, port->config.name, sizeof stats.name);
    if (port->driver && net)
        dp_tree_stats_port(net, &port->driver->sw, &stats.stp);
    memcpy(stats.rx_drops, c->rx_drops, sizeof c->rx_drops);
    memcpy(stats.tx_drops, c->tx_drops, sizeof c->tx_drops);
    memcpy(stats.heard, c->heard, sizeof c->heard);
    send_port(a, &stats);
}

static void send_ports(struct asked *a, uint64_t net)
{
    list_for_each (it, &a->dp->ports) {
        const struct dp_port *port = list_entry(it, struct dp_port, link);

        if (net && port->config.net != net)
            continue;
        if (port->driver)
            port_count(port->driver);
        send_own_port(a, port);
    }
    link_list_ports(a->dp->link, net, send_link_port, a);
}

/* IPC_STATS_MACS, how long ago each was heard; or IPC_STATS_GROUPS, how long each lasts. */
static void send_macs(struct asked *a, const struct dp_net *net, enum ipc_type type)
{
    bool groups = type == IPC_STATS_GROUPS;
    struct switch_mac found[256];
    mtime_t now = loop_now(a->dp->loop);
    uint32_t cursor = 0;

    do {
        struct ipc_stats_macs macs = {.net = net->config.id};

        macs.n = groups ? switch_list_groups(net->sw, found, 256, &cursor)
                        : switch_list_macs(net->sw, found, 256, &cursor);
        for (unsigned i = 0; i < macs.n; i++) {
            mtime_t age = groups ? found[i].seen - now : now - found[i].seen;

            memcpy(macs.macs[i].mac, found[i].mac, sizeof macs.macs[i].mac);
            macs.macs[i].vlan = found[i].vlan;
            macs.macs[i].fixed = found[i].fixed;
            macs.macs[i].port = found[i].port_id;
            macs.macs[i].age_ms = age > 0 ? (uint32_t)(age / MTIME_MS) : 0;
        }
        if (macs.n)
            outbox_send(&a->dp->control, type, a->request, &macs, NULL, 0);
    } while (cursor);
}

/* Of those that something came in by. */
static void send_vlans(struct asked *a, const struct dp_net *net)
{
    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++) {
        struct switch_vlan counters = switch_vlan_counters(net->sw, vid);
        struct ipc_stats_vlan stats = {.net = net->config.id,
                                       .vlan = vid,
                                       .rx_frames = counters.rx_frames,
                                       .rx_bytes = counters.rx_bytes,
                                       .policed = counters.policed};

        if (stats.rx_frames || stats.policed)
            outbox_send(&a->dp->control, IPC_STATS_VLAN, a->request, &stats, NULL, 0);
    }
}

static void send_net(struct asked *a, const struct dp_net *net)
{
    struct ipc_stats_net stats = {.net = net->config.id};

    for (unsigned ip = 0; ip < SWPORT_IP_N; ip++)
        stats.heard[ip] = switch_heard(net->sw, ip == SWPORT_IP6);
    outbox_send(&a->dp->control, IPC_STATS_NET, a->request, &stats, NULL, 0);
}

static void send_trees(struct asked *a, uint64_t id)
{
    list_for_each (it, &a->dp->nets) {
        const struct dp_net *net = list_entry(it, struct dp_net, link);
        struct ipc_stats_tree tree;

        if ((!id || net->config.id == id) &&
            dp_tree_stats(net, loop_now(a->dp->loop), &tree))
            outbox_send(&a->dp->control, IPC_STATS_TREE, a->request, &tree, NULL, 0);
    }
}

void dp_stats(struct dataplane *dp, uint32_t request, const struct ipc_stats_request *what)
{
    struct asked a = {.dp = dp, .request = request};

    if (what->what & IPC_STATS_PORTS)
        send_ports(&a, what->net);
    if (what->what & IPC_STATS_TREES)
        send_trees(&a, what->net);
    list_for_each (it, &dp->nets) {
        const struct dp_net *net = list_entry(it, struct dp_net, link);

        if (what->net && net->config.id != what->net)
            continue;
        if (what->what & IPC_STATS_FDB)
            send_macs(&a, net, IPC_STATS_MACS);
        if (what->what & IPC_STATS_VLANS)
            send_vlans(&a, net);
        if (what->what & IPC_STATS_MEMBERS) {
            send_macs(&a, net, IPC_STATS_GROUPS);
            send_net(&a, net);
        }
    }
    if (what->what & IPC_STATS_LINKS)
        link_list_peers(dp->link, send_link, &a);
    outbox_send(&dp->control, IPC_STATS_END, request, what, NULL, 0);
}
