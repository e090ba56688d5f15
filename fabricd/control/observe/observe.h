/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is, as against what is wanted: the state of the peers as the switch tells it, and its
 * statistics, which are asked for when somebody wants to see them.
 */
#ifndef FABRICD_CONTROL_OBSERVE_OBSERVE_H
#define FABRICD_CONTROL_OBSERVE_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/control/context.h"

struct observe *observe_new(struct control *);
void observe_free(struct observe *);

/* A peer's session changed; a new switch process knows of none. */
void observe_peer_state(struct observe *, const struct ipc_peer_state *);
void observe_forget_peers(struct observe *);

/* The last state of the peer, or NULL if none was told. */
const struct ipc_peer_state *observe_peer(const struct observe *, uint16_t host);

struct observed_mac {
    uint64_t net;
    struct ipc_mac mac;
};

struct stats {
    bool complete; /* False: the switch did not answer in time; what there is, is shown. */
    struct ipc_stats_port *ports;
    size_t n_ports;
    struct ipc_stats_link *links;
    size_t n_links;
    struct observed_mac *macs;
    size_t n_macs;
    struct ipc_stats_tree *trees;
    size_t n_trees;
    struct ipc_stats_vlan *vlans;
    size_t n_vlans;
    struct ipc_stats_net *nets;
    size_t n_nets;
    struct observed_mac *groups; /* Memberships; age_ms is how long they last. */
    size_t n_groups;
};

/* `what` is IPC_STATS_PORTS and the like; net 0 = all. `done` is called once, within a second;
 * the stats are lent until it returns. */
typedef void observe_stats_fn(void *aux, const struct stats *);
void observe_stats(struct observe *, uint64_t net, uint32_t what, observe_stats_fn *done,
                   void *aux);

/* The same about all networks, as it is now: never what was asked for before. */
void observe_stats_anew(struct observe *, uint32_t what, observe_stats_fn *done, void *aux);

/* NULL if the switch has not told. */
const struct ipc_stats_net *stats_net(const struct stats *, uint64_t net);

/* NULL if the network has no spanning tree. */
const struct ipc_stats_tree *stats_tree(const struct stats *, uint64_t net);
const struct ipc_stats_port *stats_port(const struct stats *, uint32_t id);
const struct ipc_stats_link *stats_link(const struct stats *, uint16_t host);

/* What a port is called: a link's port link-HOST. */
void stats_port_name(const struct ipc_stats_port *, char out[IPC_NAME_SIZE]);

#endif
