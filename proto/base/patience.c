/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/patience.h"

/* Whoever has the processor for longer than our peers ever do works for somebody else. */
#define OTHERS_TURN (1 * MTIME_MS)
#define BUSY_MIN    (20 * MTIME_MS)
#define BUSY_MAX    (1 * MTIME_SEC)

/* It is left to others for longer each time that they still want it. */
void patience_yielded(struct patience *p, mtime_t before, mtime_t now)
{
    if (now - before < OTHERS_TURN)
        return;
    p->busy_for = now - p->busy_until < BUSY_MAX
                      ? mtime_min(2 * p->busy_for + BUSY_MIN, BUSY_MAX)
                      : BUSY_MIN;
    p->busy_until = now + p->busy_for;
}

void patience_learn(struct patience *p, mtime_t took)
{
    if (took <= PATIENCE_MAX)
        p->span = mtime_min(PATIENCE_MAX, 4 * (p->span + PATIENCE_MIN));
    else
        p->span = p->span / 2 < PATIENCE_MIN ? PATIENCE_MIN : p->span / 2;
}
