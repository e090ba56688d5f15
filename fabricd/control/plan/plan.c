/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/plan/plan.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define POOL      0x0a400000u /* 10.64.0.0/10 */
#define POOL_NETS (1u << 14)  /* of /24 */
#define BLOCK_MAX 256u

/* How many of the pool's subnets, from that end of it, need not be looked at. */
static uint32_t passed_of(const struct subnets *used, bool from_top)
{
    uint32_t last = POOL + (POOL_NETS << 8) - 1;

    if (from_top)
        return ~used->above < last ? (last - ~used->above) >> 8 : 0;
    return used->below > POOL ? (used->below - POOL) >> 8 : 0;
}

int plan_pick4(struct subnets *used, bool from_top, struct addr *out)
{
    for (uint32_t i = passed_of(used, from_top); i < POOL_NETS; i++) {
        uint32_t index = from_top ? POOL_NETS - 1 - i : i;
        uint32_t first = POOL + (index << 8);
        struct addr net = addr_from_v4(first, 24);

        if (subnets_overlap(used, &net) == NULL) {
            *out = net;
            if (from_top)
                used->above = ~(first | 255);
            else
                used->below = first;
            return 0;
        }
    }
    return -ENOSPC;
}

/* BLAKE2b over the domain, the numbers and the texts, each text with its NUL. */
static void digest(const char *domain, uint64_t fabric, uint32_t number,
                   const char *network, const char *name, uint8_t out[32])
{
    crypto_generichash_state h;
    uint8_t numbers[12];

    for (unsigned i = 0; i < 8; i++)
        numbers[i] = (uint8_t)(fabric >> (56 - 8 * i));
    for (unsigned i = 0; i < 4; i++)
        numbers[8 + i] = (uint8_t)(number >> (24 - 8 * i));
    crypto_generichash_init(&h, NULL, 0, 32);
    crypto_generichash_update(&h, (const uint8_t *)domain, strlen(domain) + 1);
    crypto_generichash_update(&h, numbers, sizeof(numbers));
    crypto_generichash_update(&h, (const uint8_t *)network, strlen(network) + 1);
    crypto_generichash_update(&h, (const uint8_t *)name, strlen(name) + 1);
    crypto_generichash_final(&h, out, 32);
}

int plan_pick6(uint64_t fabric, const char *network, uint16_t vlan,
               const struct subnets *used, struct addr *out)
{
    struct addr net = {.family = 6, .prefix = 64};
    uint8_t h[32];
    uint16_t subnet;

    digest("ioth ula", fabric, 0, "", "", h);
    net.bytes[0] = 0xfd;
    memcpy(net.bytes + 1, h, 5);
    digest("ioth ula subnet", fabric, vlan, network, "", h);
    subnet = (uint16_t)(h[0] << 8 | h[1]);
    for (uint32_t i = 0; i <= UINT16_MAX; i++, subnet++) {
        net.bytes[6] = (uint8_t)(subnet >> 8);
        net.bytes[7] = (uint8_t)subnet;
        if (subnets_overlap(used, &net) == NULL) {
            *out = net;
            return 0;
        }
    }
    return -ENOSPC;
}

struct plan_block plan_usable(const struct addr *net)
{
    uint32_t first = addr_to_v4(net);
    uint64_t n = (uint64_t)1 << (32 - net->prefix);

    if (net->prefix >= 31) /* [RFC 3021]: no broadcast, nothing to spare for a router. */
        return (struct plan_block){first, (uint32_t)n};
    if (net->prefix == 30)
        return (struct plan_block){first + 1, 2};
    n = n > UINT32_MAX ? UINT32_MAX : n;
    return (struct plan_block){first + 2, (uint32_t)(n - 3)};
}

static int by_first(const void *a, const void *b)
{
    const struct plan_block *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* The holes between sorted blocks inside `all`: the first that holds `want`, else the largest.
 * *free becomes their sum. */
static struct plan_block find_hole(struct plan_block all, const struct plan_block *held,
                                   size_t n, uint32_t want, uint64_t *free_out)
{
    struct plan_block best = {0, 0};
    uint64_t at = all.first, end = (uint64_t)all.first + all.n, total = 0;

    for (size_t i = 0; i <= n; i++) {
        uint64_t stop = i < n ? held[i].first : end;
        uint64_t next = i < n ? (uint64_t)held[i].first + held[i].n : end;

        stop = stop < end ? stop : end;
        if (stop > at) {
            total += stop - at;
            if (best.n < want && stop - at > best.n)
                best = (struct plan_block){(uint32_t)at, (uint32_t)(stop - at)};
        }
        at = next > at ? next : at;
    }
    *free_out = total;
    return best;
}

int plan_take_block(const struct addr *net, const struct plan_block *held, size_t n_held,
                    struct plan_block *out)
{
    struct plan_block all = plan_usable(net), hole;
    struct plan_block *sorted = malloc((n_held + 1) * sizeof(*sorted));
    uint64_t free_now;
    uint32_t want;

    if (sorted == NULL)
        return -ENOMEM;
    if (n_held > 0) /* held may be NULL then */
        memcpy(sorted, held, n_held * sizeof(*sorted));
    qsort(sorted, n_held, sizeof(*sorted), by_first);
    find_hole(all, sorted, n_held, 0, &free_now);
    want = (uint32_t)(free_now / 16);
    want = want < 1 ? 1 : want > BLOCK_MAX ? BLOCK_MAX : want;
    hole = find_hole(all, sorted, n_held, want, &free_now);
    free(sorted);
    if (hole.n == 0)
        return -ENOSPC;
    hole.n = hole.n < want ? hole.n : want;
    *out = hole;
    return 0;
}

int plan_take_addr(const struct plan_block *blocks, size_t n_blocks,
                   bool (*used)(const void *aux, uint32_t address), const void *aux,
                   uint32_t *out)
{
    for (size_t i = 0; i < n_blocks; i++) {
        for (uint32_t j = 0; j < blocks[i].n; j++) {
            if (!used(aux, blocks[i].first + j)) {
                *out = blocks[i].first + j;
                return 0;
            }
        }
    }
    return -ENOSPC;
}

void plan_mac(uint64_t fabric, const char *network, const char *name, unsigned salt,
              uint8_t mac[6])
{
    uint8_t h[32];

    digest("ioth mac", fabric, salt, network, name, h);
    memcpy(mac, h, 6);
    mac[0] = (uint8_t)((mac[0] | 2) & ~1);
}

struct addr plan_addr6(const struct addr *net, uint64_t fabric, const char *network,
                       const char *name, unsigned salt)
{
    struct addr a = {.family = 6, .prefix = net->prefix};
    struct addr mask = {.family = 6, .prefix = net->prefix};
    uint8_t h[32];

    digest("ioth address", fabric, salt, network, name, h);
    memset(mask.bytes, 0xff, sizeof(mask.bytes));
    addr_mask(&mask);
    for (unsigned i = 0; i < 16; i++)
        a.bytes[i] = (uint8_t)((net->bytes[i] & mask.bytes[i]) | (h[i] & ~mask.bytes[i]));
    return a;
}
