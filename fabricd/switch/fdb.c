/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries live in one array and are chained from hash heads by index; index 0 is "none". Each
 * port keeps its learnt entries in a list ordered by when they were heard, which makes ageing
 * and eviction cost no more than what they remove. An entry knows its port by a slot and the
 * slot's generation. When that rises the whole list is hung onto that of the dead, in one step.
 */
#include "fabricd/switch/fdb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

#define N_VLANS    4096u
#define TOUCH_TIME MTIME_SEC /* An entry's time of hearing is this coarse. */
#define N_HEADS    16u

#define LINE_SIZE 64u

/* What looking up takes, two to a cache line; */
struct entry {
    uint64_t key;
    mtime_t seen;
    uint32_t generation, vlan_generation;
    uint32_t chain; /* Next of the same hash, or of the free list. */
    uint16_t slot;  /* Of its port; 0 = the entry is free. */
    uint8_t moves;  /* Over FDB_MOVES_MAX: damped since `moves_since`. */
    bool fixed;
};

/* and the rest. */
struct place {
    uint32_t older, newer; /* In its port's list, or in that of the dead. */
    uint32_t moves_since;  /* In seconds. */
};

static_assert(sizeof(struct entry) == LINE_SIZE / 2, "two to a cache line");

struct slot {
    struct fdb_port *port; /* NULL = free. */
    uint32_t generation;
};

struct fdb {
    struct entry *entries; /* [room + 1]; 0 is not used. In `memory`. */
    struct place *places;  /* As many. */
    void *memory;
    uint32_t *heads;    /* [mask + 1] */
    struct slot *slots; /* [n_slots]; 0 is not used. */
    uint32_t pardoned;  /* Moves counted since before this second do not count. */
    uint32_t n_slots;
    uint32_t mask;
    uint32_t room;
    uint32_t used; /* entries[1..used] have been taken at least once. */
    uint32_t free; /* First of the free list. */
    uint32_t n;    /* The dead too. */
    uint32_t version;
    uint64_t seed[2];
    mtime_t ageing;
    mtime_t deadline;
    struct list ports;
    struct fdb_list dead; /* Of flushed and removed ports. */
    uint32_t vlan_generation[N_VLANS];
};

struct fdb *fdb_new(uint32_t room, uint64_t seed)
{
    struct fdb *fdb = calloc(1, sizeof *fdb);
    uint32_t n_heads = N_HEADS;

    if (!fdb)
        return NULL;
    while (n_heads < room)
        n_heads *= 2;
    /* Memory that was never touched costs nothing, so it is not cleared here. */
    fdb->memory = calloc((size_t)room + 3, sizeof *fdb->entries);
    fdb->places = calloc((size_t)room + 1, sizeof *fdb->places);
    fdb->heads = calloc(n_heads, sizeof *fdb->heads);
    if (!fdb->memory || !fdb->places || !fdb->heads) {
        fdb_free(fdb);
        return NULL;
    }
    fdb->entries =
        (void *)(((uintptr_t)fdb->memory + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE);
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
    free(fdb->memory);
    free(fdb->places);
    free(fdb->heads);
    free(fdb->slots);
    free(fdb);
}

static uint32_t hash_of(const struct fdb *fdb, uint64_t key)
{
    uint64_t h = (key ^ fdb->seed[0]) * fdb->seed[1];

    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32) & fdb->mask;
}

static uint32_t *head_of(const struct fdb *fdb, uint64_t key)
{
    return &fdb->heads[hash_of(fdb, key)];
}

static uint32_t find(const struct fdb *fdb, uint64_t key)
{
    uint32_t i = *head_of(fdb, key);

    while (i && fdb->entries[i].key != key)
        i = fdb->entries[i].chain;
    return i;
}

/* Entry 0 is none, and 0 is the key of no entry that is taken. */
static uint32_t find_at(const struct fdb *fdb, uint64_t key, uint32_t at)
{
    return at && fdb->entries[at].key == key ? at : find(fdb, key);
}

void fdb_find(const struct fdb *fdb, const uint64_t *keys, uint32_t *at, unsigned n)
{
    const struct entry *entries = fdb->entries;

    for (unsigned i = 0; i < n; i++) {
        at[i] = hash_of(fdb, keys[i]);
        __builtin_prefetch(&fdb->heads[at[i]]);
    }
    for (unsigned i = 0; i < n; i++) {
        at[i] = fdb->heads[at[i]];
        __builtin_prefetch(&entries[at[i]]);
    }
    /* Two of three are the first of their chain; without a branch, which nobody could foresee. */
    for (unsigned i = 0; i < n; i++) {
        const struct entry *e = &entries[at[i]];
        uint32_t missed = (uint32_t)0 - (e->key != keys[i]);

        at[i] = (at[i] & ~missed) | (e->chain & missed);
        __builtin_prefetch(&entries[at[i]]);
    }
    for (unsigned i = 0; i < n; i++) {
        while (at[i] && entries[at[i]].key != keys[i])
            at[i] = entries[at[i]].chain;
    }
}

static bool is_of_flushed(const struct fdb *fdb, const struct entry *e)
{
    return e->generation != fdb->slots[e->slot].generation;
}

static bool is_dead(const struct fdb *fdb, const struct entry *e)
{
    return !e->fixed && (is_of_flushed(fdb, e) ||
                         e->vlan_generation != fdb->vlan_generation[e->key % N_VLANS]);
}

static void list_put_newest(struct fdb *fdb, struct fdb_list *list, uint32_t i)
{
    struct place *e = &fdb->places[i];

    e->newer = 0;
    e->older = list->newest;
    if (list->newest)
        fdb->places[list->newest].newer = i;
    else
        list->oldest = i;
    list->newest = i;
    list->n++;
}

static void list_take(struct fdb *fdb, uint32_t i)
{
    const struct entry *e = &fdb->entries[i];
    const struct place *at = &fdb->places[i];
    struct fdb_list *list =
        is_of_flushed(fdb, e) ? &fdb->dead : &fdb->slots[e->slot].port->learnt;

    if (at->older)
        fdb->places[at->older].newer = at->newer;
    else
        list->oldest = at->newer;
    if (at->newer)
        fdb->places[at->newer].older = at->older;
    else
        list->newest = at->older;
    list->n--;
}

/* All of the list, behind what is dead already. */
static void list_bury(struct fdb *fdb, struct fdb_list *list)
{
    struct fdb_list *dead = &fdb->dead;

    if (!list->n)
        return;
    if (dead->newest) {
        fdb->places[dead->newest].newer = list->oldest;
        fdb->places[list->oldest].older = dead->newest;
    } else {
        dead->oldest = list->oldest;
    }
    dead->newest = list->newest;
    dead->n += list->n;
    *list = (struct fdb_list){.n = 0};
}

static void fixed_take(struct fdb *fdb, uint32_t i)
{
    const struct place *at = &fdb->places[i];

    if (at->older)
        fdb->places[at->older].newer = at->newer;
    else
        fdb->slots[fdb->entries[i].slot].port->fixed = at->newer;
    if (at->newer)
        fdb->places[at->newer].older = at->older;
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
    memset(&fdb->places[i], 0, sizeof fdb->places[i]);
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

        if (!most || port->learnt.n > most->learnt.n)
            most = port;
    }
    if (!most || !most->learnt.oldest)
        return false;
    forget(fdb, most->learnt.oldest);
    return true;
}

/* A free entry chained under `key`, or 0. */
static uint32_t take(struct fdb *fdb, uint64_t key)
{
    uint32_t i;
    uint32_t *head;

    if (fdb->dead.oldest)
        forget(fdb, fdb->dead.oldest);
    else if (fdb->n == fdb->room && !evict(fdb))
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

static void set_port(struct fdb *fdb, struct entry *e, const struct fdb_port *port)
{
    e->slot = (uint16_t)port->slot;
    e->generation = fdb->slots[port->slot].generation;
    e->vlan_generation = fdb->vlan_generation[e->key % N_VLANS];
}

static void heard(struct fdb *fdb, uint32_t i, struct fdb_port *port, mtime_t now)
{
    fdb->entries[i].seen = now;
    set_port(fdb, &fdb->entries[i], port);
    list_put_newest(fdb, &port->learnt, i);
    fdb->deadline = mtime_min(fdb->deadline, now + fdb->ageing);
}

/* Counts a move of a live entry; FDB_HEARD if it may be made. */
static enum fdb_heard judge_move(struct fdb *fdb, uint32_t i, mtime_t now)
{
    struct entry *e = &fdb->entries[i];
    uint32_t *since = &fdb->places[i].moves_since;
    uint32_t second = (uint32_t)(now / MTIME_SEC);

    if (!e->moves || *since < fdb->pardoned ||
        second - *since >= FDB_MOVES_TIME / MTIME_SEC) {
        e->moves = 0;
        *since = second;
    }
    if (e->moves > FDB_MOVES_MAX)
        return FDB_DAMPED;
    if (++e->moves <= FDB_MOVES_MAX)
        return FDB_HEARD;
    *since = second;
    return FDB_FLAPPED;
}

static bool is_full(const struct fdb_port *port)
{
    return port->limit && port->learnt.n >= port->limit;
}

static enum fdb_heard learn_new(struct fdb *fdb, uint64_t key, struct fdb_port *port,
                                mtime_t now)
{
    uint32_t i;

    if (is_full(port))
        return FDB_LIMIT;
    i = take(fdb, key);
    if (i)
        heard(fdb, i, port, now);
    return FDB_HEARD;
}

/* Between links, where the fabric itself moves MACs about. */
static bool is_inner_move(const struct fdb *fdb, const struct entry *e,
                          const struct fdb_port *to)
{
    return to->inner && fdb->slots[e->slot].port->inner;
}

enum fdb_heard fdb_learn(struct fdb *fdb, uint64_t key, uint32_t at, struct fdb_port *port,
                         mtime_t now)
{
    uint32_t i = find_at(fdb, key, at);
    struct entry *e = &fdb->entries[i];
    enum fdb_heard verdict;
    bool here;

    if (!i)
        return learn_new(fdb, key, port, now);
    if (e->fixed)
        return FDB_HEARD;
    here = e->slot == port->slot && !is_of_flushed(fdb, e);
    if (is_dead(fdb, e)) {
        if (!here && is_full(port))
            return FDB_LIMIT;
        e->moves = 0;
        fdb->version++;
    } else if (!here) {
        verdict = is_full(port)                 ? FDB_LIMIT
                  : is_inner_move(fdb, e, port) ? FDB_HEARD
                                                : judge_move(fdb, i, now);
        if (verdict != FDB_HEARD)
            return verdict;
        fdb->version++;
    } else if (now - e->seen < TOUCH_TIME) {
        return FDB_HEARD;
    }
    list_take(fdb, i);
    heard(fdb, i, port, now);
    return FDB_HEARD;
}

void fdb_pardon(struct fdb *fdb, mtime_t now)
{
    fdb->pardoned = (uint32_t)(now / MTIME_SEC) + 1;
}

void fdb_expect_move(struct fdb *fdb, uint64_t key)
{
    fdb->entries[find(fdb, key)].moves = 0; /* Of none: entry 0, which is not used. */
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
    set_port(fdb, e, port);
    e->seen = now;
    e->fixed = true;
    fdb->places[i].older = 0;
    fdb->places[i].newer = port->fixed;
    if (port->fixed)
        fdb->places[port->fixed].older = i;
    port->fixed = i;
    return true;
}

struct fdb_port *fdb_lookup(const struct fdb *fdb, uint64_t key, uint32_t at)
{
    uint32_t i = find_at(fdb, key, at);
    const struct entry *e = &fdb->entries[i];

    return i && !is_dead(fdb, e) ? fdb->slots[e->slot].port : NULL;
}

struct fdb_port *fdb_peek(const struct fdb *fdb, uint32_t at)
{
    return at ? fdb->slots[fdb->entries[at].slot].port : NULL;
}

void fdb_set_ageing(struct fdb *fdb, mtime_t ageing)
{
    fdb->ageing = ageing;
    fdb->deadline = fdb->n ? 0 : MTIME_NEVER;
}

/* A slot keeps its generation when it changes hands, so nobody inherits entries. */
static uint32_t free_slot(struct fdb *fdb)
{
    uint32_t i = 1, n = fdb->n_slots;

    while (i < n && fdb->slots[i].port)
        i++;
    if (i < n)
        return i;
    fdb->n_slots = n ? 2 * n : 8;
    fdb->slots = xrealloc(fdb->slots, fdb->n_slots * sizeof *fdb->slots);
    memset(fdb->slots + n, 0, (fdb->n_slots - n) * sizeof *fdb->slots);
    return n ? n : 1;
}

void fdb_add_port(struct fdb *fdb, struct fdb_port *port)
{
    *port = (struct fdb_port){
        .limit = port->limit, .inner = port->inner, .slot = free_slot(fdb)};
    assert(port->slot <= UINT16_MAX);
    fdb->slots[port->slot].port = port;
    list_append(&fdb->ports, &port->link);
}

void fdb_flush_port(struct fdb *fdb, struct fdb_port *port)
{
    fdb->slots[port->slot].generation++;
    list_bury(fdb, &port->learnt);
    fdb->version++;
}

void fdb_remove_port(struct fdb *fdb, struct fdb_port *port)
{
    while (port->fixed)
        forget(fdb, port->fixed);
    fdb_flush_port(fdb, port);
    fdb->slots[port->slot].port = NULL;
    list_remove(&port->link);
}

void fdb_keep_vlans(struct fdb *fdb, struct fdb_port *port, const uint8_t vlans[4096 / 8])
{
    uint32_t next;

    for (uint32_t i = port->learnt.oldest; i; i = next) {
        uint64_t vlan = fdb->entries[i].key % N_VLANS;

        next = fdb->places[i].newer;
        if (!(vlans[vlan / 8] >> (vlan % 8) & 1))
            forget(fdb, i);
    }
}

void fdb_flush_vlan(struct fdb *fdb, uint16_t vlan)
{
    fdb->vlan_generation[vlan % N_VLANS]++;
    fdb->version++;
}

uint32_t fdb_version(const struct fdb *fdb)
{
    return fdb->version;
}

uint32_t fdb_count(const struct fdb *fdb)
{
    return fdb->n - fdb->dead.n;
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

        while (port->learnt.oldest &&
               fdb->entries[port->learnt.oldest].seen + fdb->ageing <= now)
            forget(fdb, port->learnt.oldest);
        if (port->learnt.oldest)
            next = mtime_min(next, fdb->entries[port->learnt.oldest].seen + fdb->ageing);
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

        if (!e->slot || is_dead(fdb, e))
            continue;
        for (unsigned k = 0; k < 6; k++)
            out[n].mac[k] = (uint8_t)(e->key >> (56 - 8 * k));
        out[n].vlan = (uint16_t)(e->key % N_VLANS);
        out[n].fixed = e->fixed;
        out[n].port = fdb->slots[e->slot].port;
        out[n++].seen = e->seen;
    }
    *cursor = i < fdb->used ? i : 0;
    return n;
}
