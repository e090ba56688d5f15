/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/switch/groups.h"

#include <stdlib.h>
#include <string.h>

#define N_HEADS 1024u

struct entry {
    uint64_t key;
    mtime_t expires;
    uint32_t chain; /* Next of the same hash, or free. */
    unsigned port;
    bool used;
};

struct groups {
    uint64_t seed;
    uint32_t free; /* First of the free list. */
    unsigned n;
    mtime_t deadline;
    uint32_t heads[N_HEADS];
    struct entry entries[GROUPS_MAX + 1]; /* 0 is not used. */
};

struct groups *groups_new(uint64_t seed)
{
    struct groups *g = calloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->seed = seed | 1;
    groups_clear(g);
    return g;
}

void groups_free(struct groups *g)
{
    free(g);
}

void groups_clear(struct groups *g)
{
    memset(g->heads, 0, sizeof g->heads);
    for (uint32_t i = 1; i <= GROUPS_MAX; i++)
        g->entries[i] = (struct entry){.chain = i < GROUPS_MAX ? i + 1 : 0};
    g->free = 1;
    g->n = 0;
    g->deadline = MTIME_NEVER;
}

static uint32_t *head_of(struct groups *g, uint64_t key)
{
    return &g->heads[(key * g->seed >> 32) % N_HEADS];
}

static uint32_t find(const struct groups *g, uint32_t i, uint64_t key)
{
    while (i && g->entries[i].key != key)
        i = g->entries[i].chain;
    return i;
}

uint32_t groups_first(const struct groups *g, uint64_t key)
{
    return find(g, g->heads[(key * g->seed >> 32) % N_HEADS], key);
}

uint32_t groups_next(const struct groups *g, uint32_t at)
{
    return find(g, g->entries[at].chain, g->entries[at].key);
}

unsigned groups_port(const struct groups *g, uint32_t at)
{
    return g->entries[at].port;
}

unsigned groups_count(const struct groups *g)
{
    return g->n;
}

static uint32_t membership(const struct groups *g, uint64_t key, unsigned port)
{
    uint32_t i = groups_first(g, key);

    while (i && g->entries[i].port != port)
        i = groups_next(g, i);
    return i;
}

static bool is_full(const struct groups *g, unsigned port)
{
    unsigned n = 0;

    for (uint32_t i = 1; i <= GROUPS_MAX; i++)
        n += g->entries[i].used && g->entries[i].port == port;
    return n >= GROUPS_PORT_MAX;
}

static void forget(struct groups *g, uint32_t i)
{
    uint32_t *link = head_of(g, g->entries[i].key);

    while (*link != i)
        link = &g->entries[*link].chain;
    *link = g->entries[i].chain;
    g->entries[i] = (struct entry){.chain = g->free};
    g->free = i;
    g->n--;
}

bool groups_join(struct groups *g, uint64_t key, unsigned port, mtime_t now)
{
    uint32_t i = membership(g, key, port), *head;

    if (!i) {
        i = g->free;
        if (!i || is_full(g, port))
            return false;
        g->free = g->entries[i].chain;
        head = head_of(g, key);
        g->entries[i] =
            (struct entry){.key = key, .port = port, .chain = *head, .used = true};
        *head = i;
        g->n++;
    }
    g->entries[i].expires = now + GROUPS_AGE;
    g->deadline = mtime_min(g->deadline, now + GROUPS_AGE);
    return true;
}

uint32_t groups_walk(const struct groups *g, uint32_t at, uint64_t *key, mtime_t *expires)
{
    for (at++; at <= GROUPS_MAX && !g->entries[at].used; at++)
        ;
    if (at > GROUPS_MAX)
        return 0;
    *key = g->entries[at].key;
    *expires = g->entries[at].expires;
    return at;
}

void groups_leave(struct groups *g, uint64_t key, unsigned port, mtime_t now)
{
    uint32_t i = membership(g, key, port);

    if (!i)
        return;
    g->entries[i].expires = mtime_min(g->entries[i].expires, now + GROUPS_LEAVE);
    g->deadline = mtime_min(g->deadline, g->entries[i].expires);
}

void groups_remove_port(struct groups *g, unsigned port)
{
    for (uint32_t i = 1; g->n && i <= GROUPS_MAX; i++) {
        if (g->entries[i].used && g->entries[i].port == port)
            forget(g, i);
    }
}

mtime_t groups_deadline(const struct groups *g)
{
    return g->deadline;
}

void groups_run(struct groups *g, mtime_t now)
{
    mtime_t next = MTIME_NEVER;

    if (now < g->deadline)
        return;
    for (uint32_t i = 1; i <= GROUPS_MAX; i++) {
        if (!g->entries[i].used)
            continue;
        if (g->entries[i].expires <= now)
            forget(g, i);
        else
            next = mtime_min(next, g->entries[i].expires);
    }
    g->deadline = next;
}
