/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What switches have counted, in the status of networks and ports. */
#include <stdio.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/switch/switch.h"
#include "proto/wire/mac.h"

/* What came in on this host, by VLAN. */
static struct node *vlan_counters(const struct stats *stats, uint64_t net)
{
    struct node *all = node_map();

    for (size_t i = 0; i < stats->n_vlans; i++) {
        const struct ipc_stats_vlan *vlan = &stats->vlans[i];
        struct node *one;
        char id[8];

        if (vlan->net != net || vlan->vlan == 0)
            continue;
        one = node_map();
        node_set_int(one, "rx_frames", (int64_t)vlan->rx_frames);
        node_set_int(one, "rx_bytes", (int64_t)vlan->rx_bytes);
        if (vlan->policed > 0)
            node_set_int(one, "policed", (int64_t)vlan->policed);
        snprintf(id, sizeof(id), "%u", vlan->vlan);
        node_set(all, id, one);
    }
    return all;
}

/* Who listens to which group, as this host's switch has heard. */
static struct node *memberships(const struct stats *stats, uint64_t net)
{
    struct node *all = node_list();

    for (size_t i = 0; i < stats->n_groups; i++) {
        const struct ipc_mac *group = &stats->groups[i].mac;
        struct node *one;
        char text[MAC_TEXT_SIZE], name[IPC_NAME_SIZE];

        if (stats->groups[i].net != net)
            continue;
        one = node_map();
        mac_format(group->mac, text);
        node_set_text(one, "group", text);
        if (group->vlan != 0)
            node_set_int(one, "vlan", group->vlan);
        for (size_t k = 0; k < stats->n_ports; k++) {
            const struct ipc_stats_port *port = &stats->ports[k];

            if (port->id != group->port)
                continue;
            stats_port_name(port, name);
            node_set_text(one, "port", name);
        }
        node_set_int(one, "lasts_ms", group->age_ms);
        node_append(all, one);
    }
    return all;
}

static struct node *suppressed(const struct swport_heard *heard)
{
    struct node *all = node_map();

    node_set_int(all, "arp", (int64_t)heard[SWPORT_IP4].suppressed);
    node_set_int(all, "nd", (int64_t)heard[SWPORT_IP6].suppressed);
    return all;
}

static struct node *snooped(const struct swport_heard *heard)
{
    static const char *const protocols[SWPORT_IP_N] = {"igmp", "mld"};
    struct node *all = node_map();

    for (unsigned ip = 0; ip < SWPORT_IP_N; ip++) {
        struct node *one = node_map();

        node_set_int(one, "queries", (int64_t)heard[ip].queries);
        node_set_int(one, "asked", (int64_t)heard[ip].asked);
        node_set_int(one, "reports", (int64_t)heard[ip].reports);
        node_set_int(one, "leaves", (int64_t)heard[ip].leaves);
        node_set(all, protocols[ip], one);
    }
    return all;
}

/* What the switch understood of the protocols of groups and addresses, as far as it is told to listen. */
static void add_heard(struct node *status, const struct view_network *net,
                      const struct swport_heard *heard)
{
    const struct node *multicast = node_get(net->body, "multicast");

    if (node_get_bool(multicast, "snooping", false))
        node_set(status, "snooping", snooped(heard));
    if (node_get_bool(multicast, "suppression", false))
        node_set(status, "suppressed", suppressed(heard));
}

void shape_counters(struct node *status, const struct stats *stats,
                    const struct view_network *net)
{
    const struct ipc_stats_net *heard = stats_net(stats, net->id);

    if (net->vlan_aware)
        node_set(status, "vlans", vlan_counters(stats, net->id));
    if (node_get_bool(node_get(net->body, "multicast"), "snooping", false))
        node_set(status, "memberships", memberships(stats, net->id));
    if (heard != NULL)
        add_heard(status, net, heard->heard);
}

struct node *shape_port_counters(const struct ipc_stats_port *stats,
                                 const struct view_network *net)
{
    struct node *counters = node_map(), *drops = node_map();

    node_set_int(counters, "rx_frames", (int64_t)stats->rx_frames);
    node_set_int(counters, "rx_bytes", (int64_t)stats->rx_bytes);
    node_set_int(counters, "tx_frames", (int64_t)stats->tx_frames);
    node_set_int(counters, "tx_bytes", (int64_t)stats->tx_bytes);
    for (unsigned i = 0; i < SWPORT_DROP_N; i++) {
        uint64_t n = stats->rx_drops[i] + stats->tx_drops[i];
        if (n > 0)
            node_set_int(drops, swport_drop_name((enum swport_drop)i), (int64_t)n);
    }
    node_set(counters, "drops", drops);
    if (net != NULL)
        add_heard(counters, net, stats->heard);
    if (stats->mirrored.frames > 0) {
        struct node *mirrored = node_map();

        node_set_int(mirrored, "frames", (int64_t)stats->mirrored.frames);
        node_set_int(mirrored, "lost", (int64_t)stats->mirrored.lost);
        node_set(counters, "mirrored", mirrored);
    }
    return counters;
}
