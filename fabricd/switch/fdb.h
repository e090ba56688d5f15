/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filtering database of a switch: which port a MAC was last heard behind, per VLAN.
 *
 * The table is of fixed size and made once. Outsiders fill it, so it is bounded and fair: when
 * it is full, the port that holds the most entries loses the one it has not heard for longest.
 * Slots are found by a keyed hash, so that nobody can choose MACs that collide. An entry that is
 * heard again is written at most once a second.
 *
 * `version` changes whenever an answer of fdb_lookup() may change, so callers can cache one.
 */
#ifndef FABRICD_SWITCH_FDB_H
#define FABRICD_SWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/list.h"
#include "proto/base/mtime.h"

struct fdb;

/* A port's share of the table. Embedded in the port; the fdb's own inside. */
struct fdb_port {
    struct list link;
    uint32_t oldest, newest; /* Learnt entries in the order in which they were heard. */
    uint32_t fixed;          /* Static entries. */
    uint32_t n;              /* Learnt entries. */
};

struct fdb_mac {
    uint8_t mac[6];
    uint16_t vlan;
    struct fdb_port *port;
    mtime_t seen;
};

/* `room`: most entries (>= 1). `seed`: random. NULL if there is no memory. */
struct fdb *fdb_new(uint32_t room, uint64_t seed);
void fdb_free(struct fdb *); /* Ports must have been removed. */

void fdb_set_ageing(struct fdb *, mtime_t ageing);

void fdb_add_port(struct fdb *, struct fdb_port *);
void fdb_remove_port(struct fdb *, struct fdb_port *); /* Forgets all its entries. */

/* Forgets what was learnt: behind a port (static entries stay), or in a VLAN. The first walks
 * the port's entries, the second is one increment. */
void fdb_flush_port(struct fdb *, struct fdb_port *);
void fdb_flush_vlan(struct fdb *, uint16_t vlan);

/* The key of a MAC in a VLAN (0 = none). */
static inline uint64_t fdb_key(const uint8_t mac[6], uint16_t vlan)
{
    return (uint64_t)mac[0] << 56 | (uint64_t)mac[1] << 48 | (uint64_t)mac[2] << 40 |
           (uint64_t)mac[3] << 32 | (uint64_t)mac[4] << 24 | (uint64_t)mac[5] << 16 | vlan;
}

/* `key` was heard behind `port`. A static entry is not moved. */
void fdb_learn(struct fdb *, uint64_t key, struct fdb_port *port, mtime_t now);

/* Fixes `key` to `port` until the port goes: it neither ages, nor moves, nor is evicted. False
 * if the table is full of static entries. */
bool fdb_fix(struct fdb *, uint64_t key, struct fdb_port *port, mtime_t now);

/* NULL if unknown. */
struct fdb_port *fdb_lookup(const struct fdb *, uint64_t key);

uint32_t fdb_version(const struct fdb *);
uint32_t fdb_count(const struct fdb *);

/* Not later than the moment at which the next entry ages; MTIME_NEVER if there is none. */
mtime_t fdb_deadline(const struct fdb *);
void fdb_run(struct fdb *, mtime_t now);

/* Copies up to `room` entries from position *cursor on (0 = the start; 0 again at the end). */
unsigned fdb_list(const struct fdb *, struct fdb_mac *out, unsigned room, uint32_t *cursor);

#endif
