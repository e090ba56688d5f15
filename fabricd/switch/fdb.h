/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filtering database of a switch: which port a MAC was last heard behind, per VLAN.
 *
 * The table is of fixed size and made once. Outsiders fill it, so it is bounded and fair: when
 * it is full, the port that holds the most entries loses the one it has not heard for longest.
 * Slots are found by a keyed hash, so that nobody can choose MACs that collide. An entry that is
 * heard again is written at most once a second.
 *
 * Forgetting what is behind a port, or what is in a VLAN, costs the same however much there is:
 * each has a generation, entries of an older one are dead and are used again first.
 *
 * A MAC that moves between ports more than FDB_MOVES_MAX times within FDB_MOVES_TIME is damped: it
 * stays where it is for FDB_MOVES_TIME. Moves that are expected are not counted: those of
 * entries that were flushed or fixed in between, after fdb_expect_move(), before fdb_pardon(), and
 * between inner ports.
 *
 * `version` changes whenever an answer of fdb_lookup() may change, so callers can cache one.
 */
#ifndef FABRICD_SWITCH_FDB_H
#define FABRICD_SWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/list.h"
#include "proto/base/mtime.h"
#include "proto/wire/bytes.h"

#define FDB_MOVES_MAX  5u
#define FDB_MOVES_TIME (180 * MTIME_SEC)

struct fdb;

/* Learnt entries in the order in which they were heard. */
struct fdb_list {
    uint32_t oldest, newest;
    uint32_t n;
};

/* A port's share of the table. Embedded in the port; the fdb's own inside, but for `limit`. */
struct fdb_port {
    struct list link;
    struct fdb_list learnt;
    uint32_t fixed; /* Static entries. */
    uint32_t slot;  /* Its number in the table. */
    uint32_t limit; /* Most learnt entries; 0 = no limit. Kept by fdb_add_port(). */
    bool inner;     /* Moves between two of these are not counted. Kept, too. */
};

struct fdb_mac {
    uint8_t mac[6];
    uint16_t vlan;
    bool fixed;
    struct fdb_port *port;
    mtime_t seen;
};

/* `room`: most entries (>= 1). `seed`: random. NULL if there is no memory. */
struct fdb *fdb_new(uint32_t room, uint64_t seed);
void fdb_free(struct fdb *); /* Ports must have been removed. */

void fdb_set_ageing(struct fdb *, mtime_t ageing);

void fdb_add_port(struct fdb *, struct fdb_port *);
void fdb_remove_port(struct fdb *, struct fdb_port *); /* Forgets all its entries. */

/* Forgets what was learnt: behind a port (static entries stay), or in a VLAN. One increment. */
void fdb_flush_port(struct fdb *, struct fdb_port *);
void fdb_flush_vlan(struct fdb *, uint16_t vlan);

/* Forgets what was learnt behind the port in VLANs that are not in the bitmap. Walks the port's
 * entries. */
void fdb_keep_vlans(struct fdb *, struct fdb_port *, const uint8_t vlans[4096 / 8]);

/* The key of a MAC in a VLAN (0 = none). */
static inline uint64_t fdb_key(const uint8_t mac[6], uint16_t vlan)
{
    return (uint64_t)load_be32(mac) << 32 | (uint32_t)load_be16(mac + 4) << 16 | vlan;
}

enum fdb_heard {
    FDB_HEARD,   /* It is known, or as good: static, or there was no room. */
    FDB_LIMIT,   /* Not learnt: the port has as many as it may. */
    FDB_FLAPPED, /* Just damped: it stays where it was. */
    FDB_DAMPED,  /* The same, as said before. */
};

/*
 * Where the entries of many keys are: while memory brings what one key takes, it is asked for that
 * of the others. at[i] is a hint for fdb_learn() and fdb_lookup(), which see for themselves whether it
 * still holds; 0 = none.
 */
void fdb_find(const struct fdb *, const uint64_t *keys, uint32_t *at, unsigned n);

/* `key` was heard behind `port`. A static entry is not moved. `at`: a hint, or 0. */
enum fdb_heard fdb_learn(struct fdb *, uint64_t key, uint32_t at, struct fdb_port *port,
                         mtime_t now);

/* The next move of the MAC is no flap, and it is not damped any more. */
void fdb_expect_move(struct fdb *, uint64_t key);

/* All that moved until now, to the second, is forgotten, and nothing is damped any more: what made it
 * move has been found. Costs the same however many there are. */
void fdb_pardon(struct fdb *, mtime_t now);

/* Fixes `key` to `port` until the port goes: it neither ages, nor moves, nor is evicted. False
 * if the table is full of static entries. */
bool fdb_fix(struct fdb *, uint64_t key, struct fdb_port *port, mtime_t now);

/* NULL if unknown. `at`: a hint, or 0. */
struct fdb_port *fdb_lookup(const struct fdb *, uint64_t key, uint32_t at);

/* Where a hint leads, alive or not; NULL if it is none. */
struct fdb_port *fdb_peek(const struct fdb *, uint32_t at);

uint32_t fdb_version(const struct fdb *);
uint32_t fdb_count(const struct fdb *); /* Without those of flushed and removed ports. */

/* Not later than the moment at which the next entry ages; MTIME_NEVER if there is none. */
mtime_t fdb_deadline(const struct fdb *);
void fdb_run(struct fdb *, mtime_t now);

/* Copies up to `room` entries from position *cursor on (0 = the start; 0 again at the end). */
unsigned fdb_list(const struct fdb *, struct fdb_mac *out, unsigned room, uint32_t *cursor);

#endif
