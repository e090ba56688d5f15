/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries are chained twice, by address and by MAC, from heads that grow with the table. */
#include "fabricd/switch/neighbors.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

#define ROOM_LEAST 64u

struct entry {
    uint8_t addr[16];
    uint8_t mac[6];
    uint16_t vlan;
    uint8_t family; /* 0 = free. */
    uint8_t generation;
    uint32_t next_addr, next_mac; /* Of the same hash; next_addr of the free list. */
};

struct neighbors {
    struct entry *entries;      /* [room + 1]; 0 is not used. */
    uint32_t *by_addr, *by_mac; /* Heads, [room]. */
    uint32_t room, free, n;
    uint64_t seed;
    uint8_t generation;
};

static uint64_t mix(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static uint64_t words(const uint8_t *bytes, unsigned size)
{
    uint64_t x = 0;

    memcpy(&x, bytes, size);
    return x;
}

static uint32_t addr_slot(const struct neighbors *t, uint16_t vlan, uint8_t family,
                          const uint8_t *addr)
{
    uint64_t x = t->seed ^ vlan;

    if (family == 4)
        return (uint32_t)(mix(x ^ words(addr, 4) << 16) >> 32) & (t->room - 1);
    return (uint32_t)(mix(mix(x ^ words(addr, 8)) ^ words(addr + 8, 8)) >> 32) &
           (t->room - 1);
}

static uint32_t mac_slot(const struct neighbors *t, const uint8_t mac[6])
{
    return (uint32_t)(mix(t->seed ^ words(mac, 6)) >> 32) & (t->room - 1);
}

static void chain(struct neighbors *t, uint32_t i)
{
    struct entry *e = &t->entries[i];
    uint32_t *a = &t->by_addr[addr_slot(t, e->vlan, e->family, e->addr)];
    uint32_t *m = &t->by_mac[mac_slot(t, e->mac)];

    e->next_addr = *a;
    *a = i;
    e->next_mac = *m;
    *m = i;
}

/* To `room`, a power of two; new entries are free. */
static void grow(struct neighbors *t, uint32_t room)
{
    uint32_t old = t->room;

    t->entries = xrealloc(t->entries, (room + 1) * sizeof *t->entries);
    memset(t->entries + (old ? old + 1 : 0), 0,
           (room - old + (old ? 0 : 1)) * sizeof *t->entries);
    t->by_addr = xrealloc(t->by_addr, room * sizeof *t->by_addr);
    t->by_mac = xrealloc(t->by_mac, room * sizeof *t->by_mac);
    memset(t->by_addr, 0, room * sizeof *t->by_addr);
    memset(t->by_mac, 0, room * sizeof *t->by_mac);
    t->room = room;
    for (uint32_t i = 1; i <= old; i++)
        chain(t, i);
    for (uint32_t i = room; i > old; i--) {
        t->entries[i].next_addr = t->free;
        t->free = i;
    }
}

struct neighbors *neighbors_new(uint64_t seed)
{
    struct neighbors *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->seed = seed;
    grow(t, ROOM_LEAST);
    return t;
}

void neighbors_free(struct neighbors *t)
{
    if (!t)
        return;
    free(t->entries);
    free(t->by_addr);
    free(t->by_mac);
    free(t);
}

static void forget(struct neighbors *t, uint32_t i)
{
    struct entry *e = &t->entries[i];
    uint32_t *link = &t->by_addr[addr_slot(t, e->vlan, e->family, e->addr)];

    while (*link != i)
        link = &t->entries[*link].next_addr;
    *link = e->next_addr;
    link = &t->by_mac[mac_slot(t, e->mac)];
    while (*link != i)
        link = &t->entries[*link].next_mac;
    *link = e->next_mac;
    *e = (struct entry){.next_addr = t->free};
    t->free = i;
    t->n--;
}

void neighbors_remove(struct neighbors *t, const uint8_t mac[6])
{
    uint32_t i = t->by_mac[mac_slot(t, mac)];

    while (i) {
        uint32_t next = t->entries[i].next_mac;

        if (memcmp(t->entries[i].mac, mac, 6) == 0)
            forget(t, i);
        i = next;
    }
}

static uint32_t find(const struct neighbors *t, uint16_t vlan, uint8_t family,
                     const uint8_t *addr)
{
    uint32_t i = t->by_addr[addr_slot(t, vlan, family, addr)];

    while (i && (t->entries[i].vlan != vlan || t->entries[i].family != family ||
                 memcmp(t->entries[i].addr, addr, family == 4 ? 4 : 16) != 0))
        i = t->entries[i].next_addr;
    return i;
}

static void add(struct neighbors *t, const uint8_t mac[6], uint16_t vlan,
                const struct neighbor_addr *a)
{
    uint32_t i = find(t, vlan, a->family, a->addr);
    struct entry *e;

    if (i) /* It was another's: the newer holds. */
        forget(t, i);
    if (!t->free && t->room == NEIGHBORS_MAX)
        return;
    if (!t->free)
        grow(t, 2 * t->room);
    i = t->free;
    e = &t->entries[i];
    t->free = e->next_addr;
    *e = (struct entry){.vlan = vlan, .family = a->family, .generation = t->generation};
    memcpy(e->addr, a->addr, a->family == 4 ? 4 : 16);
    memcpy(e->mac, mac, 6);
    chain(t, i);
    t->n++;
}

void neighbors_put(struct neighbors *t, const uint8_t mac[6], uint16_t vlan,
                   const struct neighbor_addr *addrs, unsigned n)
{
    neighbors_remove(t, mac);
    for (unsigned i = 0; i < n; i++)
        add(t, mac, vlan, &addrs[i]);
}

void neighbors_begin(struct neighbors *t)
{
    t->generation++;
}

void neighbors_end(struct neighbors *t)
{
    for (uint32_t i = 1; i <= t->room; i++) {
        if (t->entries[i].family && t->entries[i].generation != t->generation)
            forget(t, i);
    }
}

const uint8_t *neighbors_find(const struct neighbors *t, uint16_t vlan, uint8_t family,
                              const uint8_t *addr)
{
    uint32_t i = find(t, vlan, family, addr);

    return i ? t->entries[i].mac : NULL;
}

unsigned neighbors_count(const struct neighbors *t)
{
    return t->n;
}
