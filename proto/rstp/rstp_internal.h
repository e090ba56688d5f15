/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For the family rstp*.c only.
 *
 * How the machines are run: each call from outside changes a few variables, marks the ports whose
 * conditions may have changed, and settles: port by port every machine takes one transition after
 * the other until none moves; role selection runs when a port asks for it; at the very end, when
 * the whole bridge is at rest, ports transmit, so that a BPDU tells what has come out. Conditions
 * over all ports (allSynced, reRooted) are counts that account() keeps, so a port is looked at in
 * constant time.
 */
#ifndef PROTO_RSTP_RSTP_INTERNAL_H
#define PROTO_RSTP_RSTP_INTERNAL_H

#include "proto/base/list.h"
#include "proto/rstp/rstp.h"

#define MIGRATE_TIME (3 * MTIME_SEC) /* [17.13.9] */
#define AMPLE_EVERY  (100 * MTIME_MS)

/* How long an answer to what was told before may still be on its way. */
#define ANSWER_TIME (200 * MTIME_MS)

/* Timers of a port [17.17] by when they come to zero. */
enum rstp_timer {
    T_EDGE_DELAY, /* edgeDelayWhile [17.17.1] */
    T_FD,         /* fdWhile [17.17.2] */
    T_HELLO,      /* helloWhen [17.17.3] */
    T_MDELAY,     /* mdelayWhile [17.17.4] */
    T_RB,         /* rbWhile [17.17.5] */
    T_RCVD_INFO,  /* rcvdInfoWhile [17.17.6] */
    T_RR,         /* rrWhile [17.17.7] */
    T_TC,         /* tcWhile [17.17.8] */
    T_DOUBT,      /* See `doubt`. */
    T_TX,         /* Counts txCount down once a second [17.19.44, 17.22]. */
    N_TIMERS,
};

#define TIMER_ZERO INT64_MIN
#define TIMER_HELD MTIME_NEVER

enum info_is { INFO_DISABLED, INFO_AGED, INFO_MINE, INFO_RECEIVED }; /* [17.19.10] */

enum ppm_state { PPM_CHECKING_RSTP, PPM_SELECTING_STP, PPM_SENSING }; /* [17.24] */
enum pim_state { PIM_DISABLED, PIM_AGED, PIM_CURRENT };               /* [17.27] */
enum tcm_state { TCM_INACTIVE, TCM_LEARNING, TCM_ACTIVE };            /* [17.31] */

enum prt_state { /* [17.29] */
                 PRT_INIT_PORT,
                 PRT_DISABLE_PORT,
                 PRT_DISABLED_PORT,
                 PRT_ROOT_PORT,
                 PRT_DESIGNATED_PORT,
                 PRT_BLOCK_PORT,
                 PRT_ALTERNATE_PORT,
};

struct rstp_port {
    struct rstp *bridge;
    unsigned number;
    unsigned index;      /* In bridge->ports. */
    unsigned heap_index; /* In bridge->heap. */
    mtime_t due;         /* Key in the heap. */
    struct list dirty;   /* In bridge->dirty when its machines have to be looked at. */
    struct list
        touched; /* In bridge->touched when it has to be looked at for transmission. */

    struct rstp_port_config config;
    struct rstp_link link;
    bool guarded;
    bool root_refused;
    bool looped;
    bool heard; /* A BPDU since the link came up. */

    mtime_t until[N_TIMERS];

    /* The standard's variables [17.19]. */
    bool port_enabled;
    bool oper_edge;
    bool oper_p2p;
    bool agree, agreed;
    bool disputed;
    mtime_t told_at; /* When the port last told something as designated. */
    bool doubt;      /* Answers under way may be to something else than what we tell now. */
    bool forward, forwarding;
    bool learn, learning;
    bool mcheck;
    bool new_info;
    bool proposed, proposing;
    bool rcvd_bpdu, rcvd_msg;
    bool rcvd_rstp, rcvd_stp;
    bool rcvd_tc, rcvd_tc_ack, rcvd_tcn;
    bool re_root;
    bool reselect, selected;
    bool send_rstp;
    bool sync, synced;
    bool tc_ack, tc_prop;
    bool updt_info;
    enum info_is info_is;
    enum rstp_role role, selected_role;
    uint8_t tx_count;
    uint16_t port_id;
    uint32_t path_cost;
    struct rstp_vector designated_priority, msg_priority, port_priority;
    struct rstp_times designated_times, msg_times, port_times;
    struct bpdu msg; /* What was received last. */

    enum ppm_state ppm;
    enum pim_state pim;
    enum prt_state prt;
    enum rstp_state pst; /* [17.30] */
    enum tcm_state tcm;

    /* What this port adds to the counts of the bridge. */
    bool counts_unsynced, counts_rr, counts_reselect, counts_tc;

    mtime_t role_since;
    struct rstp_port_counters counters;
};

struct rstp {
    const struct rstp_ops *ops;
    void *aux;
    mtime_t now; /* Of the call that is under way. */
    bool busy;   /* Inside of it, to catch ops that call back. */
    uint64_t address;
    struct rstp_bridge_config config;

    /* [17.18] */
    uint64_t bridge_id;
    struct rstp_times bridge_times;
    struct rstp_vector root_priority;
    struct rstp_times root_times;
    struct rstp_port *root_port;
    struct rstp_vector feasible; /* Root and cost only; see rstp_roles.c, judge_root(). */
    mtime_t root_since;          /* When root_priority changed last. */
    bool wary;

    struct rstp_port **ports; /* All, in no order. */
    struct rstp_port **heap;  /* By `due`. */
    unsigned n_ports;
    unsigned room; /* In both. */
    struct rstp_port **by_number;
    unsigned n_numbers;
    struct list dirty;
    struct list touched;

    unsigned n_unsynced; /* Ports that keep allSynced from being true [17.20.3]. */
    unsigned n_rr;       /* Ports with rrWhile running [17.20.10]. */
    unsigned n_reselect;
    unsigned n_tc; /* Ports with tcWhile running. */

    uint64_t tc_count;
    enum rstp_tc_cause tc_cause;
    uint16_t tc_port;
    uint64_t tc_bridge;
    mtime_t tc_at;
};

/* --- rstp_timer.c --- */

static inline bool timer_zero(const struct rstp_port *p, enum rstp_timer t)
{
    return p->until[t] == TIMER_ZERO;
}

static inline bool timer_held(const struct rstp_port *p, enum rstp_timer t)
{
    return p->until[t] == TIMER_HELD;
}

/* The port waits for somebody whose root port is at the other end; see rstp.h. */
static inline bool waits_to_be_needed(const struct rstp_port *p)
{
    return p->config.last_resort && p->send_rstp && p->oper_p2p && !p->forward;
}

void timer_start(struct rstp_port *, enum rstp_timer, mtime_t lasts);
void timer_stop(struct rstp_port *, enum rstp_timer); /* To zero. */

/* Keeps the timer at its value; timer_release() lets it run, if it was held. */
void timer_hold(struct rstp_port *, enum rstp_timer);
void timer_release(struct rstp_port *, enum rstp_timer, mtime_t lasts);

void heap_insert(struct rstp *, struct rstp_port *);
void heap_remove(struct rstp *, struct rstp_port *);
void heap_update(struct rstp *, struct rstp_port *);

/* Brings timers to zero that are due and marks their ports. */
void timers_expire(struct rstp *);

/* --- rstp.c --- */

/* The machines of this port have to be looked at. */
void port_mark(struct rstp_port *);

/* Brings the counts of the bridge up to date with this port. */
void port_account(struct rstp_port *);

void port_event(struct rstp_port *, enum rstp_event);

/* Conditions and parameters [17.20], as times to wait here. */
mtime_t hello_time(const struct rstp_port *);
mtime_t fwd_delay(const struct rstp_port *);
mtime_t forward_delay(const struct rstp_port *);
mtime_t max_age(const struct rstp_port *);
mtime_t edge_delay(const struct rstp_port *);

static inline mtime_t answer_time(const struct rstp_port *p)
{
    return p->link.answer > 0 ? p->link.answer : ANSWER_TIME;
}

/* Transmit Hold Count [17.13.12], and how often txCount falls by one [17.22]. */
static inline unsigned tx_hold_count(const struct rstp_port *p)
{
    return p->config.ample ? RSTP_AMPLE_TX : p->bridge->config.tx_hold_count;
}

static inline mtime_t tx_time(const struct rstp_port *p)
{
    return p->config.ample ? AMPLE_EVERY : MTIME_SEC;
}

static inline bool rstp_version(const struct rstp *r)
{
    return r->config.version >= RSTP_VERSION_RSTP;
}

/* The machines: each takes at most one transition (with those that follow it unconditionally)
 * and says whether it did. */
bool prx_run(struct rstp_port *); /* Port receive [17.23] */
bool ppm_run(struct rstp_port *); /* Port protocol migration [17.24] */
bool bdm_run(struct rstp_port *); /* Bridge detection [17.25] */
bool pim_run(struct rstp_port *); /* Port information [17.27] */
bool prt_run(struct rstp_port *); /* Port role transitions [17.29] */
bool pst_run(struct rstp_port *); /* Port state transition [17.30] */
bool tcm_run(struct rstp_port *); /* Topology change [17.31] */
void ptx_run(struct rstp_port *); /* Port transmit [17.26]: all it has to. */
void prs_run(struct rstp *);      /* Port role selection [17.28] */

/* BEGIN for the machines of one port. */
void prx_begin(struct rstp_port *);
void ppm_begin(struct rstp_port *);
void bdm_begin(struct rstp_port *);
void pim_begin(struct rstp_port *);
void prt_begin(struct rstp_port *);
void pst_begin(struct rstp_port *);
void tcm_begin(struct rstp_port *);
void ptx_begin(struct rstp_port *);

#endif
