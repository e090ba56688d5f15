/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the files of the switch process only. */
#ifndef FABRICD_DATAPLANE_INTERNAL_H
#define FABRICD_DATAPLANE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/dataplane/outbox.h"
#include "fabricd/ipc/ipc.h"
#include "fabricd/ipc/vault.h"
#include "fabricd/link/link.h"
#include "fabricd/port/capture.h"
#include "fabricd/port/port.h"
#include "fabricd/switch/switch.h"
#include "fabricd/tree/tree.h"
#include "proto/base/door.h"
#include "proto/base/fd.h"
#include "proto/base/list.h"
#include "proto/base/log.h"
#include "proto/base/loop.h"
#include "proto/base/map.h"

struct dataplane;

/* A network and its switch. */
struct dp_net {
    struct list link;
    struct dataplane *dp;
    struct ipc_net config;
    struct switch_ *sw;
    struct loop_timer ageing;
    struct tree *tree;
    struct loop_timer tree_due;
    mtime_t tc_said; /* When a topology change was told last. */
    struct list captures;
    struct switch_capture capture;
    struct switch_notices notices;
};

/* A port of the vault: its descriptors are the vault entry's. It waits without a driver until
 * its network is there. */
struct dp_port {
    struct list link;
    struct list gone_link; /* In dp->gone while it waits for the end of the turn; */
    struct list
        up_link; /* in dp->up while its tree has to be told that it is up, or down. */
    struct dataplane *dp;
    struct ipc_port config;
    struct port *driver;        /* NULL = none: waiting, or a capture. */
    struct capture capture;     /* In the network's list while it runs. */
    int64_t since;              /* When it came up: wall clock, microseconds. */
    struct loop_watch lifeline; /* fd < 0 = it has none. */
};

/* Homes of a network that is still on its way from the parent. */
struct dp_homes {
    struct list link;
    struct ipc_homes homes;
};

#define DP_HOMES_MAX     256u /* Of these; the oldest goes. */
#define DP_ANNOUNCES_MAX 256u /* Under way; the oldest goes. */

#define DP_MTU_ASKED 16u /* Questions to the parent that are remembered. */

struct dp_mtu_asked {
    uint32_t request;
    struct ipc_addr addr;
};

struct dataplane {
    struct loop *loop;
    struct port_env env;
    struct vault *vault;
    struct link *link;
    struct ipc_pids pids;
    gid_t group; /* `ioth`; 0 = none. */
    struct outbox parent, control;
    /* The channel to control until the vault has been replayed: control asks at once which ports
     * there are, and would take those that are still to come for gone. -1 = none. */
    int early_control;
    struct door adoption; /* The listening RUN/switch.sock. */
    struct list nets, ports, gone, up;
    struct map net_by_id, entry_by_id; /* Of nets and entries: state.c has the keys. */
    struct list homes;                 /* struct dp_homes */
    unsigned n_homes;
    struct list announces; /* announce.c */
    unsigned n_announces;
    struct list entries; /* VDE listeners: vde_entry.c. */
    struct list clients; /* VDE clients that have no port yet. */
    unsigned n_clients;
    uint32_t next_request;
    uint32_t next_port_id; /* Odd, like all that we make; links have the upper half. */
    uint32_t next_link_id;
    struct dp_mtu_asked mtu_asked[DP_MTU_ASKED];
    uint32_t udp_listen; /* Id of the IPC_LISTEN whose socket the link has; 0 = none. */
    struct log_limit clients_said, ports_said;
    bool age_sooner;    /* A switch is to age earlier than its timer says. */
    bool vault_changed; /* The parent has to be told. */
    bool replayed;      /* The vault has come whole. */
    bool replaying;     /* To a new parent: IPC_REPLAY_END is still to come. */
};

/* --- state.c: what the vault says, made so. The message's descriptors are taken. ------------ */
void dp_state_put(struct dataplane *, struct ipc_message *);
void dp_state_delete(struct dataplane *, const struct ipc_delete *);
#define DP_KEY_SIZE 17 /* Of an id in a map. */
const char *dp_key(char out[DP_KEY_SIZE], uint64_t id);
struct dp_net *dp_net_find(struct dataplane *, uint64_t id);
uint32_t dp_new_port_id(void *dp);             /* For a link's port. */
uint32_t dp_new_client_id(struct dataplane *); /* Not used by any port of the vault. */
void dp_arm_ageing(struct dataplane *);
void dp_put_homes(struct dataplane *, const struct ipc_homes *);
void dp_free_state(struct dataplane *);

/* --- ports.c ------------------------------------------------------------------------------ */

void dp_port_put(struct dataplane *, struct ipc_message *); /* Into the vault, too. */
/* The same for a port that we made ourselves: parent and control are told. Takes the descriptors;
 * without any it keeps those that it has. */
void dp_port_put_own(struct dataplane *, const struct ipc_port *, const int *fds,
                     unsigned n_fds);
void dp_port_delete(struct dataplane *, uint32_t id);
/* NULL if there is none, or it is about to go. */
struct dp_port *dp_port_named(struct dataplane *, uint64_t net, const char *name);
/* Whether a user may have one more, whom the limits of ipc.h hold. */
bool dp_ports_room(struct dataplane *, uint32_t uid);
void dp_port_end(struct dp_port *);                        /* At the end of the turn. */
void dp_ports_attach(struct dataplane *, struct dp_net *); /* The network has come, */
void dp_ports_detach(struct dataplane *, struct dp_net *); /* or is about to go. */
void dp_ports_sweep(struct dataplane *); /* Ends the ports whose other side went. */
void dp_port_gone(void *dp, struct port *);
void dp_port_changed(void *dp, struct port *);
void dp_ports_tell_up(struct dataplane *); /* The trees. */

/* --- trees.c: the spanning tree of each network --------------------------------------------- */

/* False if there is no memory. */
bool dp_tree_open(struct dp_net *);
void dp_tree_configure(struct dp_net *);
void dp_tree_close(struct dp_net *); /* Its ports have been removed. */
void dp_tree_add(struct dp_net *, struct dp_port *);
void dp_tree_set(struct dp_net *, struct dp_port *);    /* Its settings are others. */
void dp_tree_set_up(struct dp_net *, struct dp_port *); /* It is up, or down. */
void dp_tree_remove(struct dp_net *, struct dp_port *);
void dp_tree_stats_port(const struct dp_net *, const struct swport *,
                        struct ipc_stats_stp_port *);
bool dp_tree_stats(const struct dp_net *, mtime_t now, struct ipc_stats_tree *);

/* Callbacks of the links; aux is the dataplane. */
void dp_link_port_added(void *dp, uint64_t net, struct swport *, uint16_t host);
void dp_link_port_removed(void *dp, uint64_t net, struct swport *);
void dp_link_port_link(void *dp, uint64_t net, struct swport *, const struct link_below *);
void dp_link_bpdu(void *dp, uint64_t net, struct swport *, const void *bpdu, size_t size);

/* --- stream_entry.c: clients at the doors of stream ports ------------------------------------ */
/* Takes the connection. */
void dp_stream_client(struct dataplane *, const struct ipc_listen *, int fd,
                      const struct fd_peer *);

/* --- vde_entry.c: clients at the doors of the VDE folders ----------------------------------- */
void dp_entry_put(struct dataplane *, const struct ipc_listen *, int fd);
void dp_entry_delete(struct dataplane *, uint32_t id);
/* The same for good: the client of a declared port goes with it. */
void dp_entry_close(struct dataplane *, uint32_t id);
void dp_entries_open(struct dataplane *); /* The vault has been replayed. */
/* The parent's answer to an IPC_VDE_DATA; takes the descriptors. False if it is not ours. */
bool dp_vde_reply(struct dataplane *, struct ipc_message *);
void dp_vde_free(struct dataplane *);

/* --- announce.c --------------------------------------------------------------------------- */
void dp_announce(struct dataplane *, uint64_t net, const uint8_t mac[6]);
void dp_announce_free(struct dataplane *);

/* --- notices.c ---------------------------------------------------------------------------- */
void dp_notices_open(struct dp_net *);

/* --- stats.c ------------------------------------------------------------------------------ */
void dp_stats(struct dataplane *, uint32_t request, const struct ipc_stats_request *);

/* --- adopt.c: a parent that comes after the first ------------------------------------------- */
void dp_adopt_listen(struct dataplane *, int fd);
void dp_parent_sync(struct dataplane *); /* Tells the parent what changed in the vault. */

/* --- dataplane.c -------------------------------------------------------------------------- */
void dp_set_parent(struct dataplane *, int fd); /* Takes fd. */

#endif
