/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/path.h"

#include <string.h>

#define TRIES_MAX    3u
#define UNHEARD_MAX  2u
#define SEARCH_EVERY (600 * MTIME_SEC)

/* 1492: PPPoE; 1480: IP in IP; 1420-1460: common tunnels; 8900: virtual clouds. */
static const uint16_t sizes[] = {1280, 1340, 1380, 1400, 1420, 1440, 1460, 1480,
                                 1492, 1500, 2000, 4000, 6000, 8000, 8900, 9000};
#define N_SIZES  ((uint8_t)(sizeof sizes / sizeof *sizes))
#define ETHERNET 9u /* The place of 1500. */

void path_init(struct path *p, mtime_t now)
{
    memset(p, 0, sizeof *p);
    p->mtu = sizes[0];
    p->limit = PATH_MTU_MAX;
    p->high = N_SIZES;
    p->due = now;
}

void path_stop(struct path *p)
{
    p->due = MTIME_NEVER;
}

static uint8_t next_try(const struct path *p)
{
    if (p->high - p->low <= 1)
        return 0;
    if (p->low < ETHERNET && p->high > ETHERNET)
        return ETHERNET;
    if (p->high == N_SIZES)
        return N_SIZES - 1;
    return (uint8_t)((p->low + p->high) / 2);
}

static void search_on(struct path *p, mtime_t now)
{
    p->trying = 0;
    p->tries = 0;
    p->due = next_try(p) ? now : now + SEARCH_EVERY;
}

void path_set_limit(struct path *p, uint16_t limit, mtime_t now)
{
    p->limit = limit < sizes[0] ? sizes[0] : limit;
    if (p->mtu > p->limit) {
        p->mtu = sizes[0];
        p->low = 0;
    }
    p->high = N_SIZES;
    search_on(p, now);
}

uint16_t path_run(struct path *p, mtime_t now, mtime_t wait)
{
    if (now < p->due)
        return 0;
    if (!p->trying && next_try(p) == 0)
        p->high = N_SIZES; /* Search again: the path may have grown. */
    if (p->trying && p->tries >= TRIES_MAX) {
        p->high = p->trying;
        p->trying = 0;
    }
    if (!p->trying) {
        p->trying = next_try(p);
        p->tries = 0;
    }
    while (p->trying && sizes[p->trying] > p->limit) {
        p->high = p->trying;
        p->trying = next_try(p);
    }
    if (!p->trying) {
        p->due = now + SEARCH_EVERY;
        return 0;
    }
    p->tries++;
    p->due = now + wait;
    return sizes[p->trying];
}

bool path_answered(struct path *p, uint16_t size, mtime_t now)
{
    uint8_t place = p->trying;

    if (size >= p->mtu)
        p->unheard = 0;
    if (!place || sizes[place] != size || size <= p->mtu)
        return false;
    p->low = place;
    p->mtu = size;
    search_on(p, now);
    return true;
}

bool path_too_big(struct path *p, uint16_t size, mtime_t now)
{
    bool changed = p->mtu >= size && p->mtu > sizes[0];

    if (changed) {
        p->mtu = sizes[0];
        p->low = 0;
    }
    for (uint8_t i = 1; i < p->high; i++) {
        if (sizes[i] >= size) {
            p->high = i;
            break;
        }
    }
    search_on(p, now);
    return changed;
}

bool path_unheard(struct path *p, mtime_t now)
{
    if (p->mtu == sizes[0] || ++p->unheard < UNHEARD_MAX)
        return false;
    p->unheard = 0;
    p->mtu = sizes[0];
    p->low = 0;
    p->high = N_SIZES;
    search_on(p, now);
    return true;
}
