/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The MTU of a path, found by probes of growing size that the peer answers, without trust in
 * ICMP (DPLPMTUD, RFC 8899). Sizes are those of IP packets. The search begins at 1280, tries
 * 1500 first, then halves between what worked and what did not; it is done again every ten
 * minutes. When full-sized probes stay unanswered while small ones come back, the path has
 * shrunk: back to 1280, and a new search.
 */
#ifndef PROTO_LINK_PATH_H
#define PROTO_LINK_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/mtime.h"

#define PATH_MTU_MAX 9000u

struct path {
    uint16_t mtu;   /* Known to work. */
    uint16_t limit; /* Of the first hop: larger ones cannot be sent. */
    uint8_t low;    /* Place of mtu in the table of sizes. */
    uint8_t high;   /* First place known not to work, or one past the last. */
    uint8_t trying; /* Place under probe, 0 = none. */
    uint8_t tries;
    uint8_t unheard; /* Probes of the size of mtu in a row that got no answer. */
    mtime_t due;
};

void path_init(struct path *, mtime_t now); /* Begins the search at once. */
void path_stop(struct path *);              /* No deadline any more. */

/* The first hop's MTU is this: nothing larger is tried. */
void path_set_limit(struct path *, uint16_t limit, mtime_t now);

/* At its deadline: the size to probe now, or 0. `wait` is how long an answer may take. */
uint16_t path_run(struct path *, mtime_t now, mtime_t wait);

/* A probe of this size was answered. True if the MTU has changed. */
bool path_answered(struct path *, uint16_t size, mtime_t now);

/* The kernel refused this size at once. True if the MTU has changed. */
bool path_too_big(struct path *, uint16_t size, mtime_t now);

/* A probe of the size of the MTU got no answer, but the peer is there. True if the MTU has
 * changed. */
bool path_unheard(struct path *, mtime_t now);

#endif
