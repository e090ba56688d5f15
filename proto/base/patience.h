/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long it is worth it to look again and again for what may come, yielding the processor in between, before
 * one sleeps until a bell. That is learned: where something came soon after the looking had ended it goes on for
 * longer the next time, else for less. And when others want the processor it is left to them. Pure.
 */
#ifndef PROTO_BASE_PATIENCE_H
#define PROTO_BASE_PATIENCE_H

#include <stdbool.h>

#include "proto/base/mtime.h"

#define PATIENCE_MIN (2 * MTIME_US)
#define PATIENCE_MAX (100 * MTIME_US) /* A few times what a wake-up costs. */

struct patience {
    mtime_t span;       /* How long looking has been worth it lately. */
    mtime_t busy_until; /* It is not before then: others want the processor. */
    mtime_t busy_for;   /* How long that was the last time. */
};

/* Is it worth it to look again, if nothing has come since `since`? */
static inline bool patience_lasts(const struct patience *p, mtime_t since, mtime_t now)
{
    return now >= p->busy_until && now - since < p->span;
}

/* The processor was yielded at `before`, and is ours again. */
void patience_yielded(struct patience *, mtime_t before, mtime_t now);

/* After a sleep: something came so long after the looking had begun. */
void patience_learn(struct patience *, mtime_t took);

#endif
