/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/rate.h"

#include <sodium.h>
#include <string.h>

#define COST (MTIME_SEC / RATE_PER_SECOND)
#define MOST (COST * RATE_BURST)

/* The /64, or the IPv4 address behind what begins no IPv6 address that is routed. Never 0. */
static uint64_t net_of(const struct link_addr *from)
{
    uint8_t bytes[8] = {0, 0, 0, 1};
    uint64_t net;

    if (from->family == 4)
        memcpy(bytes + 4, from->addr, 4);
    else
        memcpy(bytes, from->addr, 8);
    memcpy(&net, bytes, 8);
    return net ? net : 1;
}

static struct rate_source *source_of(struct rate *r, uint64_t net, mtime_t now)
{
    uint8_t hash[crypto_shorthash_BYTES], bytes[8];
    struct rate_source *set, *oldest;

    memcpy(bytes, &net, sizeof bytes);
    crypto_shorthash(hash, bytes, sizeof bytes, r->key);
    oldest = set = r->sources[(hash[0] | (unsigned)hash[1] << 8) & (RATE_SETS - 1)];
    for (unsigned i = 0; i < RATE_WAYS; i++) {
        if (set[i].net == net)
            return &set[i];
        if (set[i].net == 0 || (oldest->net != 0 && set[i].seen < oldest->seen))
            oldest = &set[i];
    }
    *oldest = (struct rate_source){.net = net, .seen = now, .credit = MOST};
    return oldest;
}

bool rate_take(struct rate *r, const struct link_addr *from, mtime_t now)
{
    struct rate_source *s = source_of(r, net_of(from), now);

    s->credit = mtime_min(MOST, s->credit + (now - s->seen));
    s->seen = now;
    if (s->credit < COST)
        return false;
    s->credit -= COST;
    return true;
}
