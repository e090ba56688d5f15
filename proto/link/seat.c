/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/seat.h"

unsigned seat_choose(const struct seat *seats, unsigned n, unsigned share, uint32_t peer)
{
    unsigned idle = n, oldest = n, own = n, held = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct seat *s = &seats[i];

        if (!s->busy) {
            idle = i;
            continue;
        }
        if (oldest == n || s->born < seats[oldest].born)
            oldest = i;
        if (s->peer != peer)
            continue;
        held++;
        if (own == n || s->born < seats[own].born)
            own = i;
    }
    if (held >= share)
        return own;
    return idle < n ? idle : oldest;
}
