/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts with real link engines, joined by a network that delays, loses, doubles, reorders and
 * cuts, under virtual time. Everything follows from the seed.
 */
#ifndef TESTS_SIM_LINKS_H
#define TESTS_SIM_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/link/gather.h"
#include "proto/link/hub.h"

#define LINKS_HOSTS_MAX 256u
#define LINKS_MESSAGES  64u /* Kept of what came in on a control stream. */

struct links_message {
    uint32_t conn;
    size_t size;
    uint32_t head; /* The first four bytes. */
};

struct links_host {
    struct links *sim;
    unsigned place;
    struct hub *hub;
    struct hub_self self;
    struct link_addr addr;
    uint16_t number;
    int64_t clock_skew; /* Of its wall clock, microseconds. */
    struct links_message messages[LINKS_MESSAGES];
    unsigned n_messages;
    unsigned n_changes;
    unsigned n_attached; /* Slots of peers that take frames now. */
    unsigned n_frames;
    unsigned n_silences; /* How often a peer fell silent. */
    unsigned n_takes;    /* How often a tree was told that the link is as good as any. */
    mtime_t silence_changed;
    unsigned n_bpdus;
    unsigned last_bpdu_slot;
    size_t last_bpdu_size;
    uint8_t last_bpdu_byte;
    uint64_t last_conn;
    int joined; /* What ops->joining said; 1 = not yet. */
    bool refuse_messages;
};

struct links_path {
    mtime_t delay, jitter;
    unsigned loss;      /* Per thousand. */
    unsigned duplicate; /* Per thousand. */
    uint16_t mtu;       /* Of IP packets; larger ones vanish. */
    bool cut;
};

struct links {
    mtime_t now;
    uint64_t random;
    struct links_host hosts[LINKS_HOSTS_MAX];
    unsigned n_hosts;
    struct links_path paths[LINKS_HOSTS_MAX][LINKS_HOSTS_MAX]; /* From, to. */
    struct links_packet *queue;                                /* A heap by time. */
    unsigned n_queue, room_queue;
    uint64_t n_sent, n_lost;
    uint64_t order;
    uint8_t root[32], root_secret[64], issuer_secret[64];
    uint8_t issuer_cert[256];
    size_t issuer_size;
    struct gather gather; /* Of the frames that come to one host in one moment. */
    unsigned gathers;     /* Which host. */
    void (*on_frame)(void *aux, const struct frame *); /* May be NULL. */
    void *aux;
    uint8_t *tape; /* The last datagram sent, for replays. */
    size_t tape_size;
};

struct links *links_new(unsigned n_hosts, uint64_t seed);
void links_free(struct links *);

/* Gives host i its place in the fabric; without it it is a stranger with keys only. */
void links_enrol(struct links *, unsigned i);

/* Makes a and b know each other. */
void links_acquaint(struct links *, unsigned a, unsigned b, bool dial);
void links_mesh(struct links *);

/* All paths, or both ways of one. */
void links_set_all(struct links *, struct links_path);
void links_set(struct links *, unsigned a, unsigned b, struct links_path);

void links_run(struct links *, mtime_t for_);

/* Runs until the condition holds for at most `limit`; returns how long it took, or -1. */
mtime_t links_until(struct links *, bool (*condition)(struct links *), mtime_t limit);

struct peer *links_peer(struct links *, unsigned at, unsigned of);
bool links_all_up(struct links *);

/* Seals one frame from a to b in the slot, as the data path does, and sends it. */
bool links_frame(struct links *, unsigned a, unsigned b, unsigned slot, size_t size);

/* Sends a TCP superframe in pieces, as the data path does. */
bool links_super(struct links *, unsigned a, unsigned b, unsigned slot,
                 const struct frame *);

/* Puts bytes on the wire that no engine has sent. */
void links_inject(struct links *, unsigned from, unsigned to, const void *data,
                  size_t size);

/* The engine of host i dies without a word and begins anew with the same keys. */
void links_restart(struct links *, unsigned i);

#endif
