/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The spanning tree of one network on one host: what stands between the switch and the engine of
 * proto/rstp. It takes BPDUs out of the switch and puts them in, and gives ports their states.
 * Pure: time is handed in, effects outside of the switch go out through tree_ops.
 *
 * A network that forwards `direct` has a bridge of its own on each host, whose ports are the host's
 * own; links are in a horizon group and no part of the tree. In one that forwards by `tree`, links are
 * ports of it like the others. Changing from one to the other opens no loop: a link becomes a port of
 * the tree discarding before it leaves the horizon group, and returns to the group before it
 * forwards; a host that forwards direct is nobody's way through, and says so to those who send it
 * BPDUs (a BPDU of no size), who leave the link alone for as long.
 *
 * Pinned ports are end stations by construction, for nothing but their own MAC comes in by them: they
 * are in no tree, and no hello wakes their programs up. Neither does one wake a program that says that it is an end
 * station (swport.station): its port is in the tree and hears BPDUs and probes like others, but is sent none, until
 * anything comes in by it that is not of the program's own MAC. A loop needs such a frame, and the first one of them
 * sets off a probe at once, as a port does that begins to forward.
 *
 * Loop probes (proto/rstp/loop_probe.h) find what BPDUs cannot: of two ports of this network that hear
 * one another over a foreign LAN, and both forward, the younger one is blocked for as long as it
 * hears the other, if the other is on this host or on one that a link leads to. Where the tree itself
 * sees both, for BPDUs come in by the port, it is left to the tree.
 */
#ifndef FABRICD_TREE_TREE_H
#define FABRICD_TREE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/switch/switch.h"
#include "proto/rstp/loop_probe.h"
#include "proto/rstp/rstp.h"

#define TREE_PROBE_EVERY (2 * MTIME_SEC)
#define TREE_PROBE_LOST                                                                    \
    (3 * TREE_PROBE_EVERY) /* So long a port stays blocked by one probe. */
#define TREE_HORIZON 1u    /* The group of links that forward direct. */

struct tree;

enum tree_event {
    TREE_EVENT_ROOT = 1,   /* The root bridge or the root port is another (no port). */
    TREE_EVENT_TOPOLOGY,   /* A topology change: see rstp_status.tc_* (its port, if any). */
    TREE_EVENT_BPDU_GUARD, /* The port is shut because it received a BPDU. */
    TREE_EVENT_ROOT_GUARD, /* The port received better news than its guard lets in. */
    TREE_EVENT_LOOPED,     /* The port receives its own BPDUs. */
    TREE_EVENT_PROBE_BLOCKED, /* The port hears a probe of an older one: it is blocked. */
    TREE_EVENT_PROBE_FREED,   /* It heard none for a while: it forwards again. */
    TREE_EVENT_HEARD,         /* A bridge is behind the port; told by ops->heard(). */
    TREE_EVENT_HELD, /* The port went down again and again: it is used where there is no other way, */
    TREE_EVENT_RELEASED, /* and as any other from now on. */
};

const char *tree_event_name(enum tree_event); /* "root", "topology-change", … */

/* Leaf calls: they may look at the tree, and not call it otherwise. All are required. */
struct tree_ops {
    /* tree_deadline() is this now. */
    void (*wake)(void *aux, mtime_t due);

    /* Sends a BPDU, or that we forward direct (size 0), to the other end of a link. */
    void (*send_link)(void *aux, struct swport *, const void *bpdu, size_t size);

    /* A BPDU came in by an own port for the first time: whoever adds the port again, after a
     * restart, says so. */
    void (*heard)(void *aux, struct swport *);

    /* `port` is NULL where the event is the bridge's; `host` the other end of a probe, else 0. */
    void (*event)(void *aux, const struct swport *port, enum tree_event, uint16_t host);
};

struct tree_config {
    bool on;    /* False: no spanning tree; every port forwards. */
    bool links; /* Forwarding `tree`; without `on` it has no effect. */
    uint16_t host;
    uint8_t mac[6];   /* Of the bridge: no other host or network has it. */
    uint64_t network; /* As loop_probe.network. */
    struct rstp_bridge_config bridge;
};

struct tree_port_config {
    struct rstp_port_config rstp;
    uint32_t speed_mbps; /* 0 = not known. */
    bool heard;    /* A bridge was heard there before: it does not begin as an edge port. */
    bool down;     /* Its interface is, as it is added; afterwards by tree_set_up(). */
    int64_t since; /* When it came up: wall clock, microseconds. */
};

/* Of a link. */
struct tree_way {
    bool alive;     /* It answers, */
    mtime_t answer; /* and no later than this; 0 = not known. */
    bool held;      /* It was lost too often: used only where there is no other. */
    uint32_t cost;  /* 0 = from the speed. */
};

struct tree_port_status {
    struct rstp_port_status rstp; /* Zero where it is in no tree. */
    bool blocked;                 /* By a loop probe, */
    uint16_t blocked_by;          /* of that host. */
    bool held;                    /* Its interface went down too often of late. */
    mtime_t held_until;
    unsigned losses; /* That count for that. */
};

/* `sw` outlives the tree. Ops are borrowed. NULL if there is no memory. */
struct tree *tree_new(struct switch_ *sw, const struct tree_config *,
                      const struct tree_ops *ops, void *aux, mtime_t now);

/* Takes its trap off the switch. Ports must have been removed. Accepts NULL. */
void tree_free(struct tree *);

/* False if there is no memory or a value is out of range: then all is as before. */
bool tree_configure(struct tree *, const struct tree_config *, mtime_t now)
    __attribute__((warn_unused_result));

/* An own port that is in the switch already. Its state is set before this returns: an edge port
 * forwards at once. False if there is no memory or no number left: then it discards. */
bool tree_add_port(struct tree *, struct swport *, const struct tree_port_config *,
                   mtime_t now) __attribute__((warn_unused_result));

/* False if a value is out of range. */
bool tree_set_port(struct tree *, struct swport *, const struct tree_port_config *,
                   mtime_t now) __attribute__((warn_unused_result));

/* What is at the port's other side went down or came up. A port that is down is left at once. */
void tree_set_up(struct tree *, struct swport *, bool up, mtime_t now);

/* The port towards a host, in the switch already. */
bool tree_add_link(struct tree *, struct swport *, uint16_t host, mtime_t now)
    __attribute__((warn_unused_result));

/* What is known of the way to the other end. A link that does not answer is left at once. False if there
 * is no such link, or the cost is out of range. */
bool tree_set_link(struct tree *, struct swport *, const struct tree_way *, mtime_t now)
    __attribute__((warn_unused_result));

/* Before the port leaves the switch. Harmless if it was not added. */
void tree_remove(struct tree *, struct swport *, mtime_t now);

/* A BPDU came in over a link; of size 0: the other end forwards this network direct. */
void tree_input_link(struct tree *, struct swport *, const void *bpdu, size_t size,
                     mtime_t now);

/* Enables a port that the BPDU guard has shut. */
void tree_rearm(struct tree *, struct swport *, mtime_t now);

mtime_t tree_deadline(const struct tree *); /* MTIME_NEVER if idle. */
void tree_run(struct tree *, mtime_t now);

/* False if there is no spanning tree. */
bool tree_get(const struct tree *, struct rstp_status *);
void tree_get_port(const struct tree *, const struct swport *, struct tree_port_status *);

/* A port of the spanning tree that is to forward and does not yet, and how far it is; NULL if there is
 * none: the tree has settled here. One that a guard, a probe or its own echo keeps shut waits for nobody. */
const struct swport *tree_unsettled(const struct tree *, enum rstp_state *);

/* The port of a number, NULL if there is none. */
struct swport *tree_port_of(const struct tree *, unsigned number);

#endif
