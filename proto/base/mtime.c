/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/mtime.h"

#include <time.h>

mtime_t mtime_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (mtime_t)ts.tv_sec * MTIME_SEC + ts.tv_nsec / 1000;
}

mtime_t mtime_deadline(const struct timespec *timeout)
{
    mtime_t now;

    if (!timeout)
        return MTIME_NEVER;
    now = mtime_now();
    if (timeout->tv_sec >= (MTIME_NEVER - now) / MTIME_SEC - 1)
        return MTIME_NEVER;
    return now + timeout->tv_sec * MTIME_SEC + (timeout->tv_nsec + 999) / 1000;
}

wall_t wall_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (wall_t)ts.tv_sec;
}

int64_t wall_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * MTIME_SEC + ts.tv_nsec / 1000;
}
