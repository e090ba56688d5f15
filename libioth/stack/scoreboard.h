/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of a connection's data in flight the other end has told to have (SACK), as ranges of sequence numbers. Pure.
 *
 * A range that begins where none of SCOREBOARD_MAX is left is not noted: its bytes count as in flight, and are sent
 * again after a time-out at the worst.
 */
#ifndef LIBIOTH_STACK_SCOREBOARD_H
#define LIBIOTH_STACK_SCOREBOARD_H

#include <stdbool.h>
#include <stdint.h>

#define SCOREBOARD_MAX 64u

struct scoreboard {
    uint32_t n, bytes; /* Ranges, and what is in them. */
    struct scoreboard_range {
        uint32_t left, right;
    } at[SCOREBOARD_MAX]; /* In order, apart from each other. */
};

void scoreboard_clear(struct scoreboard *);

/* Notes [left, right), which the caller has found to be in flight. True if it tells something new. */
bool scoreboard_add(struct scoreboard *, uint32_t left, uint32_t right);

/* All before `una` is acknowledged: forgets ranges that begin there or before. */
void scoreboard_forget(struct scoreboard *, uint32_t una);

/* The end of what is lost [RFC 6675, IsLost]: holes before it have three ranges, or more than two segments' bytes,
 * behind them. `una` if nothing is. */
uint32_t scoreboard_lost(const struct scoreboard *, uint32_t una, uint32_t mss);

/* Where the last range begins, `una` if there is none. */
uint32_t scoreboard_last(const struct scoreboard *, uint32_t una);

/* The first hole of [from, to): *left and *right; false if there is none. */
bool scoreboard_hole(const struct scoreboard *, uint32_t from, uint32_t to, uint32_t *left,
                     uint32_t *right);

/* The bytes of all holes of [from, to). */
uint32_t scoreboard_holes(const struct scoreboard *, uint32_t from, uint32_t to);

/* Sequence numbers wrap. */
static inline bool seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_before(a, b) ? b : a;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_before(a, b) ? a : b;
}

#endif
