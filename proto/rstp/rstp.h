/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Rapid Spanning Tree Protocol [IEEE 802.1D-2004, clause 17] of one bridge. Pure: BPDUs and
 * time are handed in, effects go out through rstp_ops.
 *
 * Machines, variables and procedures are the standard's, under its names in our spelling
 * (rcvdInfoWhile is T_RCVD_INFO, portPriority is port_priority); numbers in brackets are its
 * clauses. What we add to it:
 *  - Timers are deadlines in microseconds, not counts of one-second ticks. A timer that the
 *    standard rewinds as long as a port is in a state is "held" and begins to run when the port
 *    leaves that state. Hellos are due on whole seconds of the clock, ports beside links spread
 *    over the second, so that the hellos of many bridges that share a link leave it together.
 *  - recordDispute() is IEEE 802.1Q's (the text of 2004 sets what it has to clear).
 *  - BPDU guard: a valid BPDU disables the port until rstp_port_rearm() or its link comes anew.
 *    Root guard: 802.1Q's restrictedRole. BPDU filter: nothing sent, nothing taken.
 *  - A port that hears its own BPDU has a loop behind it and is disputed: it does not forward as
 *    long as that lasts.
 *  - Agreements are taken only for what is told now, new root ports that may believe our own old
 *    news wait for the others to sync, and a change of the bridge's priority syncs all ports: so
 *    no loop closes, not even for the microseconds that the standard leaves open, as long as
 *    point-to-point links lose nothing. See record_agreement(), judge_root(), sync_anew().
 *  - On shared media two waiting times are longer: forward_delay() and prx_run() say why. A port
 *    that has heard a bridge since its link came up does not make itself an edge port.
 *  - An edge port proposes in each BPDU until it hears one: a bridge behind it whose port is an alternate one says
 *    nothing unless it is asked, and where nobody syncs an edge port a loop closes for a moment when the tree changes.
 *  - A port of last resort costs RSTP_LAST_RESORT_COST more, and as designated it forwards only
 *    towards a root port: where there is another way, its coming and going changes nothing. With
 *    a neighbour that speaks STP, and on shared media, it only costs more. For ports with a
 *    bridge behind them.
 *  - An ample port may send more BPDUs than TxHoldCount lets go at once: two changes of the tree use up that count,
 *    and each message of the next then waits a second. To hold some back does not help, since nearly all are of
 *    changes of roles. For media of our own, at whose other end nobody minds.
 *  - The timer values that a root tells are passed on as they are, but used here only within the
 *    standard's ranges [Table 17-1], so that nobody can switch the waiting off.
 *
 * Who calls: hand in everything received before rstp_run(), so that a process that was held up
 * does not take its neighbours for dead. Ops are leaf calls: they may not call the engine.
 * Nothing is allocated but in rstp_new() and rstp_port_add().
 */
#ifndef PROTO_RSTP_RSTP_H
#define PROTO_RSTP_RSTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/rstp/bpdu.h"

#define RSTP_PORTS_MAX 4095u /* Port numbers are 1..RSTP_PORTS_MAX [9.2.7]. */

#define RSTP_PRIORITY_DEFAULT      32768u
#define RSTP_PRIORITY_STEP         4096u
#define RSTP_PORT_PRIORITY_DEFAULT 128u
#define RSTP_PORT_PRIORITY_STEP    16u
#define RSTP_COST_MAX              200000000u
#define RSTP_LAST_RESORT_COST      100000000u
#define RSTP_AMPLE_TX              60u /* BPDUs at once, and ten a second. */

struct rstp;

enum rstp_role {
    RSTP_ROLE_DISABLED,
    RSTP_ROLE_ROOT,
    RSTP_ROLE_DESIGNATED,
    RSTP_ROLE_ALTERNATE,
    RSTP_ROLE_BACKUP,
};

enum rstp_state {
    RSTP_DISCARDING,
    RSTP_LEARNING,
    RSTP_FORWARDING,
};

enum rstp_event {
    RSTP_EVENT_ROOT,       /* The root bridge or the root port changed (port 0). */
    RSTP_EVENT_ROLE,       /* The port has another role. */
    RSTP_EVENT_TOPOLOGY,   /* rstp_status.tc_* tell of a topology change. */
    RSTP_EVENT_BPDU_GUARD, /* The port is disabled because it received a BPDU. */
    RSTP_EVENT_ROOT_GUARD, /* The port received better information than the root guard lets in. */
    RSTP_EVENT_LOOPED, /* The port received its own BPDU. */
};

enum rstp_tc_cause {
    RSTP_TC_NONE,
    RSTP_TC_DETECTED, /* A port of ours began to forward. */
    RSTP_TC_NOTIFIED, /* A neighbour said so. */
};

/* Effects. All but `event` are required. */
struct rstp_ops {
    /* Sends a BPDU (from the protocol identifier on; bpdu_frame_write() makes a frame of it). */
    void (*tx_bpdu)(void *aux, unsigned port, const void *data, size_t size);

    /* When it returns, the port behaves so. Also called once when a port is added. */
    void (*set_state)(void *aux, unsigned port, enum rstp_state);

    /* Forgets the addresses learnt on the port. */
    void (*flush)(void *aux, unsigned port);

    void (*event)(void *aux, unsigned port, enum rstp_event);
};

enum rstp_version {
    RSTP_VERSION_STP = 0,
    RSTP_VERSION_RSTP = 2,
};

/* [Table 17-1]; times in seconds. */
struct rstp_bridge_config {
    uint16_t priority; /* A multiple of 4096. */
    enum rstp_version version;
    uint8_t hello;   /* 1..2 */
    uint8_t max_age; /* 6..40, at most 2 * (forward_delay - 1), at least 2 * (hello + 1) */
    uint8_t forward_delay; /* 4..30 */
    uint8_t tx_hold_count; /* 1..10 */
};

enum rstp_p2p {
    RSTP_P2P_AUTO, /* As rstp_link says. */
    RSTP_P2P_YES,
    RSTP_P2P_NO,
};

struct rstp_port_config {
    uint8_t priority;   /* A multiple of 16, at most 240. */
    uint32_t path_cost; /* 1..RSTP_COST_MAX; 0 = from the link's speed. */
    enum rstp_p2p p2p;
    bool admin_edge; /* Forwards at once, until a BPDU comes. */
    bool auto_edge;  /* Becomes an edge port when nobody is there. */
    bool bpdu_guard;
    bool root_guard;
    bool bpdu_filter;
    bool last_resort; /* To be used only where there is no other way. */
    bool silent;      /* Sends none, but hears them. */
    bool ample;       /* Tells what is new at once, as often as RSTP_AMPLE_TX says. */
};

/* What is below the port. */
struct rstp_link {
    bool up;
    bool p2p;            /* Has at most one bridge at the other end. */
    uint32_t speed_mbps; /* 0 = not known, taken for 10 Gb/s. */
    mtime_t answer;      /* A neighbour's answer takes no longer; 0 = not known, 200 ms. */
};

struct rstp_status {
    uint64_t bridge_id;
    uint64_t root_id;
    uint32_t root_cost;
    uint16_t root_port; /* Its number; 0 = this bridge is the root. */
    struct rstp_times times;
    uint64_t tc_count;
    enum rstp_tc_cause tc_cause;
    uint16_t tc_port;   /* Where it was detected or notified. */
    uint64_t tc_bridge; /* Who notified; 0 if detected here, or by a TCN BPDU. */
    mtime_t tc_at;      /* MTIME_NEVER if there was none. */
};

struct rstp_port_counters {
    uint64_t rx_config, rx_tcn, rx_rst;
    uint64_t rx_bad;      /* Not valid. */
    uint64_t rx_own;      /* The port's own. */
    uint64_t rx_filtered; /* By the BPDU filter, or on a port that is not enabled. */
    uint64_t tx_config, tx_tcn, tx_rst;
    uint64_t forwarded; /* How often the port began to forward. */
};

struct rstp_port_status {
    enum rstp_role role;
    enum rstp_state state;
    uint16_t port_id;
    uint32_t path_cost;
    bool enabled;
    bool edge;
    bool p2p;
    bool rapid; /* Sends RST BPDUs; false: an old bridge is there, or STP was asked for. */
    bool guarded;      /* Disabled by the BPDU guard. */
    bool root_refused; /* The root guard keeps it from forwarding. */
    bool looped;       /* Hears itself. */
    bool last_resort;  /* As it was set. */
    bool spare;        /* For that it does not forward though it is designated. */
    mtime_t role_since;
    struct rstp_vector designated; /* portPriority: who is designated here. */
    struct rstp_port_counters counters;
};

extern const struct rstp_bridge_config rstp_bridge_defaults;
extern const struct rstp_port_config rstp_port_defaults;

/* --- life --- */

/* A bridge of that address, without ports. NULL if there is no memory or the settings are not
 * valid. `ops` is borrowed for as long as the bridge lives. */
struct rstp *rstp_new(const uint8_t mac[6], const struct rstp_bridge_config *,
                      const struct rstp_ops *ops, void *aux, mtime_t now);

/* Ends it without an effect on the ports. Accepts NULL. */
void rstp_free(struct rstp *);

/* --- settings; each -EINVAL if not valid, -ENOENT if there is no such port --- */

/* Another version starts all machines anew [17.13.4]; the rest is taken as it runs. */
int rstp_set_bridge(struct rstp *, const struct rstp_bridge_config *, mtime_t now)
    __attribute__((warn_unused_result));

/* The port begins with its link down. Also -EEXIST, -ENOMEM. */
int rstp_port_add(struct rstp *, unsigned number, const struct rstp_port_config *,
                  mtime_t now) __attribute__((warn_unused_result));

int rstp_port_set(struct rstp *, unsigned number, const struct rstp_port_config *,
                  mtime_t now) __attribute__((warn_unused_result));

/* The link below went up or down, or is another. Down takes effect before this returns. */
int rstp_port_link(struct rstp *, unsigned number, const struct rstp_link *, mtime_t now);

/* Takes it out of the tree, discarding, and forgets it. */
int rstp_port_remove(struct rstp *, unsigned number, mtime_t now);

/* Tries RSTP again with an old neighbour [17.19.13]. */
int rstp_port_mcheck(struct rstp *, unsigned number, mtime_t now);

/* Enables a port that the BPDU guard disabled. */
int rstp_port_rearm(struct rstp *, unsigned number, mtime_t now);

/* --- running --- */

/* A BPDU came in. -EBADMSG if it is not valid (and counted), else 0. */
int rstp_input(struct rstp *, unsigned number, const void *data, size_t size, mtime_t now);

mtime_t rstp_deadline(const struct rstp *); /* MTIME_NEVER if idle. */
void rstp_run(struct rstp *, mtime_t now);  /* Fires what is due. */

/* --- looking --- */

void rstp_get(const struct rstp *, struct rstp_status *);
int rstp_port_get(const struct rstp *, unsigned number, struct rstp_port_status *);

const char *rstp_role_name(enum rstp_role);
const char *rstp_state_name(enum rstp_state);

/* The recommended path cost for a speed [Table 17-3]: 20,000,000 divided by it. */
uint32_t rstp_path_cost(uint32_t speed_mbps);

#endif
