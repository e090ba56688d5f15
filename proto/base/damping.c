/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/damping.h"

/* The loss from which on the longest time holds. */
#define LOSSES_MAX (DAMPING_FREE + 5u)

static void forget(struct damping *d, mtime_t now)
{
    while (d->losses > 0 && now >= d->forget_at) {
        d->losses--;
        d->forget_at += DAMPING_FORGET;
    }
}

static mtime_t hold_after(unsigned losses)
{
    mtime_t hold = DAMPING_FIRST;

    if (losses <= DAMPING_FREE)
        return 0;
    for (unsigned i = DAMPING_FREE + 1; i < losses; i++)
        hold *= 2;
    return mtime_min(hold, DAMPING_MAX);
}

static void hold(struct damping *d, mtime_t lasts, mtime_t now)
{
    if (now + lasts > d->until)
        d->until = now + lasts;
}

void damping_lost(struct damping *d, mtime_t now)
{
    if (d->lost)
        return;
    forget(d, now);
    d->lost = true;
    d->losses += d->losses < LOSSES_MAX;
    d->forget_at = now + DAMPING_FORGET;
}

mtime_t damping_back(struct damping *d, mtime_t now)
{
    mtime_t lasts;

    if (!d->lost)
        return 0;
    forget(d, now);
    d->lost = false;
    lasts = hold_after(d->losses);
    hold(d, lasts, now);
    return lasts;
}

void damping_told(struct damping *d, mtime_t lasts, mtime_t now)
{
    hold(d, mtime_min(lasts, DAMPING_MAX), now);
}
