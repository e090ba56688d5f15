/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The token bucket of a rate limit. It may go below zero by one frame: a frame leaves while there is credit,
 * and the next one waits until the debt is paid. So large frames need no large bucket. Pure.
 */
#ifndef FABRICD_PORT_BUCKET_H
#define FABRICD_PORT_BUCKET_H

#include <stdint.h>

#include "proto/base/mtime.h"

struct bucket {
    uint64_t rate;  /* Bytes per second. */
    int64_t credit; /* Bytes; the owner takes what it sends. */
    int64_t most;   /* What it holds: a few milliseconds of the rate. */
    mtime_t refilled;
    uint64_t rest; /* Of a byte, in millionths. */
};

/* A full one, for `rate` bits per second; another rate for one that is in use. */
void bucket_init(struct bucket *, uint64_t rate, mtime_t now);
void bucket_set_rate(struct bucket *, uint64_t rate);

/* Adds what has come up to now, however often it is called. */
void bucket_refill(struct bucket *, mtime_t now);

/* When there is credit if nothing more is taken. */
mtime_t bucket_due(const struct bucket *);

#endif
