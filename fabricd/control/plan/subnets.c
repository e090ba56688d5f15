/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/plan/subnets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

static unsigned *length_of(struct subnets *s, const struct addr *net)
{
    return &s->lengths[net->family == 6][net->prefix <= 128 ? net->prefix : 128];
}

void subnets_clear(struct subnets *s)
{
    free(s->list);
    *s = (struct subnets){0};
}

void subnets_free(struct subnets *s)
{
    if (s == NULL)
        return;
    subnets_clear(s);
    free(s);
}

static int order(const struct addr *a, const struct addr *b)
{
    int r = addr_compare(a, b);

    return r != 0 ? r : (int)a->prefix - (int)b->prefix;
}

/* The first entry at or after the subnet. */
static size_t lower_bound(const struct subnets *s, const struct addr *net)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (order(&s->list[middle].net, net) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void subnets_add(struct subnets *s, const char *owner, const struct addr *net)
{
    size_t at;

    if (net->family == 0)
        return;
    at = lower_bound(s, net);
    if (s->n == s->room) {
        s->room = s->room * 2 + 16;
        s->list = xrealloc(s->list, s->room * sizeof(*s->list));
    }
    memmove(&s->list[at + 1], &s->list[at], (s->n - at) * sizeof(*s->list));
    s->list[at].net = *net;
    snprintf(s->list[at].owner, SUBNETS_OWNER, "%s", owner);
    s->n++;
    ++*length_of(s, net);
}

static void set_free(struct subnets *s, const struct addr *net)
{
    uint32_t first, last;

    if (net->family != 4)
        return;
    first = addr_to_v4(net);
    last = net->prefix < 32 ? first | (UINT32_MAX >> net->prefix) : first;
    s->below = s->below < first ? s->below : first;
    s->above = s->above < ~last ? s->above : ~last;
}

void subnets_drop(struct subnets *s, const char *owner)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].owner, owner) == 0) {
            --*length_of(s, &s->list[i].net);
            set_free(s, &s->list[i].net);
            continue;
        }
        if (kept != i)
            s->list[kept] = s->list[i];
        kept++;
    }
    s->n = kept;
}

/* Those that hold `net` have fewer bits of it: there are few lengths. Those inside of it come
 * right behind it in the order. */
const struct subnet *subnets_overlap(const struct subnets *s, const struct addr *net)
{
    const unsigned *lengths = s->lengths[net->family == 6];
    size_t at;

    for (uint8_t length = 0; length <= net->prefix && length <= 128; length++) {
        struct addr wider = *net;

        if (lengths[length] == 0)
            continue;
        wider.prefix = length;
        addr_mask(&wider);
        at = lower_bound(s, &wider);
        if (at < s->n && order(&s->list[at].net, &wider) == 0)
            return &s->list[at];
    }
    at = lower_bound(s, net);
    return at < s->n && addr_nets_overlap(&s->list[at].net, net) ? &s->list[at] : NULL;
}
