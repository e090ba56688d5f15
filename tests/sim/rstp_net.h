/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A network of RSTP engines in virtual time: bridges, and segments that join their ports with a
 * delay, in order, and with loss if asked. A segment with more than two ports is a hub; both ends
 * may be on one bridge. After each event in which a port began to forward, the net looks for a
 * closed loop of forwarding ports.
 */
#ifndef TESTS_SIM_RSTP_NET_H
#define TESTS_SIM_RSTP_NET_H

#include <stdio.h>

#include "proto/rstp/rstp.h"
#include "tests/sim/agenda.h"

#define NET_PORTS_MAX 128u /* Of one bridge. */
#define NET_SILENT    ((mtime_t)-1)

struct net_port {
    unsigned segment;
    bool used;
    bool up; /* As its bridge was told. */
    enum rstp_state state;
    struct rstp_port_config config;
};

struct net_bridge {
    struct net *net;
    unsigned index;
    struct rstp *rstp;
    struct rstp_bridge_config config;
    mtime_t wake; /* When the timer event that counts is due. */
    unsigned n_ports;
    struct net_port ports[NET_PORTS_MAX]; /* Port number 1 is ports[0]. */
};

struct net_end {
    unsigned bridge;
    unsigned port; /* Its number. */
};

struct net_segment {
    bool up;
    bool hub; /* Ports are told that it is not point-to-point. */
    mtime_t delay;
    unsigned n_ends, room;
    struct net_end *ends;
};

struct net_event {
    struct due due;
    enum { NET_TIMER, NET_FRAME, NET_LINK, NET_NOTHING } kind;
    struct net_end to;
    bool up;
    uint8_t size;
    uint8_t data[BPDU_SIZE_MAX];
};

struct net {
    mtime_t now;
    uint64_t random;
    unsigned loss;  /* Per mille of BPDUs. */
    mtime_t answer; /* What ports are told of how long an answer takes. */
    unsigned n_bridges, n_segments;
    struct net_bridge *bridges; /* Fixed room: bridges do not move. */
    struct net_segment *segments;
    unsigned room_bridges, room_segments;

    struct agenda agenda; /* Of struct net_event. */

    bool look_for_loop;
    bool looped; /* There is a loop just now. */
    mtime_t loop_since, loop_longest;
    uint64_t n_loops;
    mtime_t changed; /* When a role or state changed last. */
    uint64_t n_bpdus, n_flushes, n_forwarded, n_bad;
    unsigned *group; /* For the search for loops. */
    FILE *trace;
};

struct net *net_new(uint64_t seed, unsigned max_bridges, unsigned max_segments);
void net_free(struct net *);
uint64_t net_draw(struct net *, uint64_t below);

unsigned net_add_bridge(struct net *, const struct rstp_bridge_config *);
unsigned net_add_segment(struct net *, mtime_t delay);

/* Joins the bridge to the segment by a new port, whose link comes up; returns its number. */
unsigned net_join(struct net *, unsigned bridge, unsigned segment,
                  const struct rstp_port_config *);

/* Cuts or mends the segment. Its ports learn of it `stagger` later at most, each in its time; with
 * NET_SILENT they do not. */
void net_set_segment(struct net *, unsigned segment, bool up, mtime_t stagger);

/* The bridge forgets everything and begins anew; `flap`: its neighbours see the links go. */
void net_restart(struct net *, unsigned bridge, bool flap);

/* After a change made at the bridge's engine directly. */
void net_touched(struct net *, unsigned bridge);

void net_run(struct net *, mtime_t until);

/* Runs until no role or state has changed for `quiet`; false if that is not by `limit` from now. */
bool net_settle(struct net *, mtime_t quiet, mtime_t limit);

/* Compares roles, states, roots and costs of all bridges with the tree that has to come out. Says
 * the first difference in `why` (of at least 200 bytes). */
bool net_is_tree(const struct net *, char *why, size_t why_size);

/* The greatest distance from a root in the tree that has to come out, in bridges. */
unsigned net_depth(const struct net *);

#endif
