/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a link that is lost again and again is held back, be it to another host or what an interface of a port leads to.
 * Each time a spanning tree takes it again the
 * whole tree changes, so from its third loss in a row on a link that comes back is held for a time that
 * doubles with each further loss: a tree uses it meanwhile only where there is no other way. Losses
 * are forgotten one by one, one for each minute since the last.
 *
 *     losses  1  2  3   4   5   6   7 and more
 *     held    0  0  5  10  20  40  60 s
 *
 * So whatever a link does: it is held for at most a minute after it came back for good; if it falls more
 * often than once a minute, the tree takes it and leaves it at most seven times, and no more from then on;
 * otherwise once a minute at most. A link that fails now and then is never held.
 *
 * Rejected: the decaying penalty of RFC 2439. It needs powers of fractions, and nobody sees from a
 * penalty of 2,314 when the link comes back.
 */
#ifndef PROTO_BASE_DAMPING_H
#define PROTO_BASE_DAMPING_H

#include <stdbool.h>

#include "proto/base/mtime.h"

#define DAMPING_FREE   2u /* Losses that cost nothing. */
#define DAMPING_FIRST  (5 * MTIME_SEC)
#define DAMPING_MAX    (60 * MTIME_SEC)
#define DAMPING_FORGET (60 * MTIME_SEC)

struct damping {
    unsigned losses;   /* That count. */
    bool lost;         /* And has not come back yet. */
    mtime_t forget_at; /* When one of them is forgotten next. */
    mtime_t until;     /* Held so long; it is not from then on. */
};

/* The link is lost. Of no effect if it was already. */
void damping_lost(struct damping *, mtime_t now);

/* It is back. How long it is held from now on, 0 if not at all; of no effect, and 0, if it was not lost. */
mtime_t damping_back(struct damping *, mtime_t now);

/* The other end holds it for that long. Whatever it says, it is not longer than DAMPING_MAX. */
void damping_told(struct damping *, mtime_t lasts, mtime_t now);

static inline bool damping_held(const struct damping *d, mtime_t now)
{
    return now < d->until;
}

#endif
