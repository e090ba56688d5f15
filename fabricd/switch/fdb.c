/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries live in one array and are chained from hash heads by index; index 0 is "none". Each
 * port keeps its learnt entries in a list ordered by when they were heard, which makes ageing,
 * eviction and flushing cost no more than what they remove.
 */
#include "fabricd/switch/fdb.h"

#include <stdlib.h>
#include <string.h>

#define N_VLANS    4096u
#define TOUCH_TIME MTIME_SEC /* An entry's time of hearing is this coarse. */

struct entry {
    uint64_t key;
    struct fdb_port *port; /* NULL = free. */
    mtime_t seen;
    uint32_t chain;        /* Next of the same hash, or of the free list. */
    uint32_t older, newer; /* In its port's list. */
    uint16_t vlan_epoch;
    bool fixed;
};

struct fdb {
    struct entry *entries; /* [room + 1]; 0 is not used. */
    uint32_t *heads;       /* [mask + 1] */
    uint32_t mask;
    uint32_t room;
    uint32_t used; /* entries[1..used] have been taken at least once. */
    uint32_t free; /* First of the free list. */
    uint32_t n;
    uint32_t version;
    uint64_t seed[2];
    mtime_t ageing;
    mtime_t deadline;
    struct list ports;
    uint16_t vlan_epoch[N_VLANS];
};

struct fdb *fdb_new(uint32_t room, uint64_t seed)
{
    struct fdb *fdb = calloc(1, sizeof *fdb);
    uint32_t n_heads = 16;

    if (!fdb)
        return NULL;
    while (n_heads < room)
        n_heads *= 2;
    fdb->entries = calloc((size_t)room + 1, sizeof *fdb->entries);
    fdb->heads = calloc(n_heads, sizeof *fdb->heads);
    if (!fdb->entries || !fdb->heads) {
        fdb_free(fdb);
        return NULL;
    }
    fdb->mask = n_heads - 1;
    fdb->room = room;
    fdb->seed[0] = seed;
    fdb->seed[1] = (seed * 0x9e3779b97f4a7c15u) | 1;
    fdb->ageing = 300 * MTIME_SEC;
    fdb->deadline = MTIME_NEVER;
    list_init(&fdb->ports);
    return fdb;
}

void fdb_free(struct fdb *fdb)
{
    if (!fdb)
        return;
    free(fdb->entries);
    free(fdb->heads);
    free(fdb);
}

static uint32_t *head_of(const struct fdb *fdb, uint64_t key)
{
    uint64_t h = (key ^ fdb->seed[0]) * fdb->seed[1];

    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return &fdb->heads[(h >> 32) & fdb->mask];
}

static uint32_t find(const struct fdb *fdb, uint64_t key)
{
    uint32_t i = *head_of(fdb, key);

    while (i && fdb->entries[i].key != key)
        i = fdb->entries[i].chain;
    return i;
}

/* Flushing a VLAN only raises its epoch; its entries are dead from then on. */
static bool is_dead(const struct fdb *fdb, const struct entry *e)
{
    return !e->fixed && e->vlan_epoch != fdb->vlan_epoch[e->key % N_VLANS];
}

static void list_put_newest(struct fdb *fdb, uint32_t i)
{
    struct entry *e = &fdb->entries[i];
    struct fdb_port *port = e->port;

    e->newer = 0;
    e->older = port->newest;
    if (port->newest)
        fdb->entries[port->newest].newer = i;
    else
        port->oldest = i;
    port->newest = i;
    port->n++;
}

static void list_take(struct fdb *fdb, uint32_t i)
{
    struct entry *e = &fdb->entries[i];
    struct fdb_port *port = e->port;

    if (e->older)
        fdb->entries[e->older].newer = e->newer;
    else
        port->oldest = e->newer;
    if (e->newer)
        fdb->entries[e->newer].older = e->older;
    else
        port->newest = e->older;
    port->n--;
}

static void fixed_take(struct fdb *fdb, uint32_t i)
{
    struct entry *e = &fdb->entries[i];

    if (e->older)
        fdb->entries[e->older].newer = e->newer;
    else
        e->port->fixed = e->newer;
    if (e->newer)
        fdb->entries[e->newer].older = e->older;
}

static void forget(struct fdb *fdb, uint32_t i)
{
    struct entry *e = &fdb->entries[i];
    uint32_t *link = head_of(fdb, e->key);

    while (*link != i)
        link = &fdb->entries[*link].chain;
    *link = e->chain;
    if (e->fixed)
        fixed_take(fdb, i);
    else
        list_take(fdb, i);
    memset(e, 0, sizeof *e);
    e->chain = fdb->free;
    fdb->free = i;
    fdb->n--;
    fdb->version++;
}

static bool evict(struct fdb *fdb)
{
    struct fdb_port *most = NULL;

    list_for_each (it, &fdb->ports) {
        struct fdb_port *port = list_entry(it, struct fdb_port, link);

        if (!most || port->n > most->n)
            most = port;
    }
    if (!most || !most->oldest)
        return false;
    forget(fdb, most->oldest);
    return true;
}

/* A free entry chained under `key`, or 0. */
static uint32_t take(struct fdb *fdb, uint64_t key)
{
    uint32_t i;
    uint32_t *head;

    if (fdb->n == fdb->room && !evict(fdb))
        return 0;
    i = fdb->free;
    if (i)
        fdb->free = fdb->entries[i].chain;
    else
        i = ++fdb->used;
    head = head_of(fdb, key);
    fdb->entries[i].key = key;
    fdb->entries[i].chain = *head;
    *head = i;
    fdb->n++;
    fdb->version++;
    return i;
}

static void heard(struct fdb *fdb, uint32_t i, mtime_t now)
{
    fdb->entries[i].seen = now;
    fdb->entries[i].vlan_epoch = fdb->vlan_epoch[fdb->entries[i].key % N_VLANS];
    list_put_newest(fdb, i);
    fdb->deadline = mtime_min(fdb->deadline, now + fdb->ageing);
}

void fdb_learn(struct fdb *fdb, uint64_t key, struct fdb_port *port, mtime_t now)
{
    uint32_t i = find(fdb, key);
    struct entry *e;

    if (!i) {
        i = take(fdb, key);
        if (!i)
            return;
        fdb->entries[i].port = port;
        heard(fdb, i, now);
        return;
    }
    e = &fdb->entries[i];
    if (e->fixed)
        return;
    if (e->port == port && now - e->seen < TOUCH_TIME && !is_dead(fdb, e))
        return;
    if (e->port != port || is_dead(fdb, e))
        fdb->version++;
    list_take(fdb, i);
    e->port = port;
    heard(fdb, i, now);
}

bool fdb_fix(struct fdb *fdb, uint64_t key, struct fdb_port *port, mtime_t now)
{
    uint32_t i = find(fdb, key);
    struct entry *e;

    if (i)
        forget(fdb, i);
    i = take(fdb, key);
    if (!i)
        return false;
    e = &fdb->entries[i];
    e->port = port;
    e->seen = now;
    e->fixed = true;
    e->older = 0;
    e->newer = port->fixed;
    if (port->fixed)
        fdb->entries[port->fixed].older = i;
    port->fixed = i;
    return true;
}

struct fdb_port *fdb_lookup(const struct fdb *fdb, uint64_t key)
{
    uint32_t i = find(fdb, key);
    const struct entry *e = &fdb->entries[i];

    return i && !is_dead(fdb, e) ? e->port : NULL;
}

void fdb_set_ageing(struct fdb *fdb, mtime_t ageing)
{
    fdb->ageing = ageing;
    fdb->deadline = fdb->n ? 0 : MTIME_NEVER;
}

void fdb_add_port(struct fdb *fdb, struct fdb_port *port)
{
    *port = (struct fdb_port){.n = 0};
    list_append(&fdb->ports, &port->link);
}

void fdb_flush_port(struct fdb *fdb, struct fdb_port *port)
{
    while (port->oldest)
        forget(fdb, port->oldest);
}

void fdb_remove_port(struct fdb *fdb, struct fdb_port *port)
{
    fdb_flush_port(fdb, port);
    while (port->fixed)
        forget(fdb, port->fixed);
    list_remove(&port->link);
}

void fdb_flush_vlan(struct fdb *fdb, uint16_t vlan)
{
    fdb->vlan_epoch[vlan % N_VLANS]++;
    fdb->version++;
}

uint32_t fdb_version(const struct fdb *fdb)
{
    return fdb->version;
}

uint32_t fdb_count(const struct fdb *fdb)
{
    return fdb->n;
}

mtime_t fdb_deadline(const struct fdb *fdb)
{
    return fdb->deadline;
}

void fdb_run(struct fdb *fdb, mtime_t now)
{
    mtime_t next = MTIME_NEVER;

    list_for_each (it, &fdb->ports) {
        struct fdb_port *port = list_entry(it, struct fdb_port, link);

        while (port->oldest && fdb->entries[port->oldest].seen + fdb->ageing <= now)
            forget(fdb, port->oldest);
        if (port->oldest)
            next = mtime_min(next, fdb->entries[port->oldest].seen + fdb->ageing);
    }
    fdb->deadline = next;
}

unsigned fdb_list(const struct fdb *fdb, struct fdb_mac *out, unsigned room,
                  uint32_t *cursor)
{
    unsigned n = 0;
    uint32_t i = *cursor;

    while (n < room && i < fdb->used) {
        const struct entry *e = &fdb->entries[++i];

        if (!e->port || is_dead(fdb, e))
            continue;
        for (unsigned k = 0; k < 6; k++)
            out[n].mac[k] = (uint8_t)(e->key >> (56 - 8 * k));
        out[n].vlan = (uint16_t)(e->key % N_VLANS);
        out[n].port = e->port;
        out[n++].seen = e->seen;
    }
    *cursor = i < fdb->used ? i : 0;
    return n;
}
