/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole switches with their spanning trees, joined by wires and by links, under virtual time: frames
 * are real, and so is what the switches do with them. A LAN is a switch without a tree; it passes BPDUs
 * on or swallows them. Stations send numbered frames and count how often each comes.
 */
#ifndef TESTS_SIM_TREE_NET_H
#define TESTS_SIM_TREE_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/tree/tree.h"
#include "tests/sim/agenda.h"

#define TN_NODES    16u
#define TN_PORTS    16u
#define TN_STATIONS 4u
#define TN_SERIALS  65536u

struct tn;
struct tn_node;

struct tn_port {
    struct swport sw; /* First. */
    struct tn_node *node;
    bool used, is_link, in_switch;
    struct tn_port *peer; /* NULL = a station's, or no wire. */
    int station;          /* -1 = none. */
    bool cut;             /* The wire carries nothing. */
    mtime_t delay;
};

struct tn_node {
    struct tn *net;
    unsigned index;
    struct switch_ *sw;
    struct tree *tree; /* NULL = a LAN. */
    struct tree_config config;
    bool passes_bpdus;
    struct switch_trap pass;
    mtime_t wake;
    unsigned n_events[TREE_EVENT_RELEASED + 1];
    unsigned n_heard;
    struct tn_port ports[TN_PORTS];
};

struct tn_station {
    struct tn_port *at;
    uint8_t mac[6];
    uint8_t got[TN_SERIALS]; /* How often each number came. */
    mtime_t last;            /* When one came last, */
    mtime_t longest;         /* and the longest time between two. */
};

struct tn {
    mtime_t now;
    struct tn_node nodes[TN_NODES];
    struct tn_station stations[TN_STATIONS];
    unsigned n_nodes, n_stations;
    uint64_t n_frames;    /* Sent over wires and links, BPDUs included. */
    struct agenda agenda; /* Of what is under way. */
};

struct tn *tn_new(void);
void tn_free(struct tn *);

/* A host's switch; its number in the fabric is its index + 1. */
struct tn_node *tn_switch(struct tn *, uint16_t priority, bool tree);
struct tn_node *tn_lan(struct tn *, bool passes_bpdus);

/* A wire between own ports, and a link between hosts. The port of the first is returned. */
struct tn_port *tn_wire(struct tn_node *, struct tn_node *, mtime_t delay);
/* A program's port that says that it is an end station; behind it is a LAN all the same. */
struct tn_port *tn_program(struct tn_node *, struct tn_node *lan, mtime_t delay);
struct tn_port *tn_link(struct tn_node *, struct tn_node *, mtime_t delay);
unsigned tn_station(struct tn_node *);

/* Cuts the way without telling; tn_tell() tells both ends of a link that it is dead or alive. */
void tn_cut(struct tn_port *, bool cut);
void tn_tell(struct tn_port *, bool alive);
void tn_hold(struct tn_port *, bool held); /* Alive, but lost too often. */
void tn_set_up(struct tn_port *, bool up); /* The interfaces at both ends of a wire. */
void tn_unplug(struct tn_port *);          /* Takes both ends of a wire out for good. */

void tn_configure(struct tn_node *, bool tree);

/* The node's switch begins anew with the ports that it had; `remember`: where bridges were heard. */
void tn_restart(struct tn_node *, bool remember);

/* Station `from` sends number `serial` to `to`, or to all (-1). */
void tn_send(struct tn *, unsigned from, int to, uint16_t serial);

void tn_run(struct tn *, mtime_t until);
struct tree_port_status tn_status(const struct tn_port *);

#endif
