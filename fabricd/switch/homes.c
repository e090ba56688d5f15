/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Open addressing with linear probing, at most half full; a removal closes its gap. */
#include "fabricd/switch/homes.h"

#include <stdlib.h>

#define ROOM_LEAST 16u

struct home {
    uint64_t mac; /* With a bit above it set; 0 = empty. */
    uint16_t host;
    uint16_t generation;
};

struct homes {
    struct home *list; /* [mask + 1] */
    uint32_t mask;
    uint32_t n;
    uint16_t generation;
    uint64_t seed;
};

struct homes *homes_new(uint64_t seed)
{
    struct homes *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    h->list = calloc(ROOM_LEAST, sizeof *h->list);
    h->mask = ROOM_LEAST - 1;
    h->seed = seed;
    if (!h->list) {
        free(h);
        return NULL;
    }
    return h;
}

void homes_free(struct homes *h)
{
    if (!h)
        return;
    free(h->list);
    free(h);
}

static uint64_t key_of(const uint8_t mac[6])
{
    return (uint64_t)1 << 48 | (uint64_t)mac[0] << 40 | (uint64_t)mac[1] << 32 |
           (uint64_t)mac[2] << 24 | (uint64_t)mac[3] << 16 | (uint64_t)mac[4] << 8 | mac[5];
}

static uint32_t slot_of(const struct homes *h, uint64_t key)
{
    uint64_t x = (key ^ h->seed) * 0x9e3779b97f4a7c15u;

    return (uint32_t)(x >> 32) & h->mask;
}

/* Where the key is, or would be. */
static uint32_t find(const struct homes *h, uint64_t key)
{
    uint32_t i = slot_of(h, key);

    while (h->list[i].mac && h->list[i].mac != key)
        i = (i + 1) & h->mask;
    return i;
}

static bool grow(struct homes *h)
{
    struct homes larger = *h;

    larger.mask = h->mask * 2 + 1;
    larger.list = calloc((size_t)larger.mask + 1, sizeof *larger.list);
    if (!larger.list)
        return false;
    for (uint32_t i = 0; i <= h->mask; i++) {
        if (h->list[i].mac)
            larger.list[find(&larger, h->list[i].mac)] = h->list[i];
    }
    free(h->list);
    *h = larger;
    return true;
}

bool homes_put(struct homes *h, const uint8_t mac[6], uint16_t host)
{
    uint64_t key = key_of(mac);
    uint32_t i = find(h, key);
    bool changed = !h->list[i].mac || h->list[i].host != host;

    if (!h->list[i].mac) {
        if (h->n * 2 > h->mask && !grow(h))
            return false;
        i = find(h, key);
        h->n++;
    }
    h->list[i] = (struct home){key, host, h->generation};
    return changed;
}

/* Takes slot i out: what was pushed past it by a collision moves up. */
static void take_out(struct homes *h, uint32_t i)
{
    uint32_t next = i;

    h->n--;
    for (;;) {
        uint32_t want;

        h->list[i] = (struct home){0};
        do {
            next = (next + 1) & h->mask;
            if (!h->list[next].mac)
                return;
            want = slot_of(h, h->list[next].mac);
        } while (((next - want) & h->mask) < ((next - i) & h->mask));
        h->list[i] = h->list[next];
        i = next;
    }
}

bool homes_remove(struct homes *h, const uint8_t mac[6])
{
    uint32_t i = find(h, key_of(mac));

    if (!h->list[i].mac)
        return false;
    take_out(h, i);
    return true;
}

void homes_begin(struct homes *h)
{
    h->generation++;
}

void homes_end(struct homes *h)
{
    uint32_t i = 0;

    while (i <= h->mask) {
        /* What moves up into the slot is looked at again. */
        if (h->list[i].mac && h->list[i].generation != h->generation)
            take_out(h, i);
        else
            i++;
    }
}

uint32_t homes_of(const struct homes *h, const uint8_t mac[6])
{
    uint32_t i;

    if (h->n == 0)
        return HOMES_NONE;
    i = find(h, key_of(mac));
    return h->list[i].mac ? h->list[i].host : HOMES_NONE;
}

unsigned homes_count(const struct homes *h)
{
    return h->n;
}
