/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time. Engines never read a clock: they are handed `now` and tell their next deadline.
 * mtime_t counts microseconds of a monotonic clock whose origin is arbitrary; wall_t counts
 * seconds since 1970 and is only for what people and certificates need.
 */
#ifndef PROTO_BASE_MTIME_H
#define PROTO_BASE_MTIME_H

#include <stdint.h>
#include <time.h>

typedef int64_t mtime_t;
typedef int64_t wall_t;

#define MTIME_NEVER INT64_MAX
#define MTIME_US    ((mtime_t)1)
#define MTIME_MS    ((mtime_t)1000)
#define MTIME_SEC   ((mtime_t)1000000)

static inline mtime_t mtime_min(mtime_t a, mtime_t b)
{
    return a < b ? a : b;
}

/* What poll() takes to wait until then: milliseconds, rounded up; -1 = for ever. */
static inline int mtime_timeout(mtime_t until, mtime_t now)
{
    mtime_t ms = until <= now ? 0 : (until - now) / MTIME_MS + 1;

    if (until == MTIME_NEVER)
        return -1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* The monotonic clock (CLOCK_MONOTONIC). For loops and drivers, never for engines. */
mtime_t mtime_now(void);

/* When a time-out that begins now is over: MTIME_NEVER for NULL, and for more than there is. */
mtime_t mtime_deadline(const struct timespec *timeout);

/* Wall-clock seconds since 1970. */
wall_t wall_now(void);

/* The same in microseconds. */
int64_t wall_now_us(void);

#endif
