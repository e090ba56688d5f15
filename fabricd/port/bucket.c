/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/port/bucket.h"

#define BUCKET_TIME (5 * MTIME_MS)   /* Of the rate, after a pause. */
#define LONGEST     (60 * MTIME_SEC) /* No more than this is made up for at once. */
#define MILLION     1000000u

void bucket_set_rate(struct bucket *b, uint64_t rate)
{
    b->rate = rate / 8 ? rate / 8 : 1;
    b->most = (int64_t)(b->rate * BUCKET_TIME / MTIME_SEC) + 1;
}

void bucket_init(struct bucket *b, uint64_t rate, mtime_t now)
{
    *b = (struct bucket){.refilled = now};
    bucket_set_rate(b, rate);
    b->credit = b->most;
}

void bucket_refill(struct bucket *b, mtime_t now)
{
    uint64_t passed = (uint64_t)mtime_min(now - b->refilled, LONGEST);
    uint64_t grown = b->rate * passed + b->rest; /* Millionths. */

    b->credit += (int64_t)(grown / MILLION);
    b->rest = grown % MILLION;
    if (b->credit > b->most)
        b->credit = b->most;
    b->refilled = now;
}

mtime_t bucket_due(const struct bucket *b)
{
    uint64_t debt = b->credit > 0 ? 0 : (uint64_t)(1 - b->credit);

    return b->refilled + (mtime_t)(debt * MILLION / b->rate) + 1;
}
