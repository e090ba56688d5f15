/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/dns/cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libioth/dns/iothdns.h"

struct cache_entry {
    char name[IOTHDNS_MAXNAME]; /* "" = free. */
    int type, error;
    uint8_t *data;
    size_t size;
    mtime_t since, until;
    uint64_t used;
};

/* The last number of an SOA. */
static uint32_t soa_minimum(struct iothdns_pkt *p)
{
    char name[IOTHDNS_MAXNAME];
    uint32_t n = 0;

    iothdns_get_name(p, name);
    iothdns_get_name(p, name);
    for (unsigned i = 0; i < 5; i++)
        n = iothdns_get_int32(p);
    return n;
}

uint32_t cache_ttl(const uint8_t *answer, size_t size)
{
    char name[IOTHDNS_MAXNAME];
    uint32_t ttl = CACHE_TTL_MAX, negative = 0;
    struct iothdns_header h;
    struct iothdns_rr rr;
    struct iothdns_pkt *p = iothdns_get_header(&h, (void *)(uintptr_t)answer, size, name);
    bool found = false;
    int section;

    while (p && (section = iothdns_get_rr(p, &rr, name)) != 0) {
        if (rr.type == TYPE_OPT)
            continue;
        found = found || section == IOTHDNS_SEC_ANSWER;
        if (section == IOTHDNS_SEC_ANSWER && rr.ttl < ttl)
            ttl = rr.ttl;
        if (section == IOTHDNS_SEC_AUTH && rr.type == IOTHDNS_TYPE_SOA) {
            negative = soa_minimum(p);
            if (rr.ttl < negative)
                negative = rr.ttl;
        }
    }
    iothdns_free(p);
    if (!p)
        return 0;
    /* An alias of nothing has records and holds no longer than the nothing. */
    if (!found || IOTHDNS_GET_RCODE(h.flags) != IOTHDNS_RCODE_OK)
        return negative < ttl ? negative : ttl;
    return ttl;
}

static struct cache_entry *find(const struct cache *c, const char *name, int type)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->entries[i].type == type && !strcasecmp(c->entries[i].name, name))
            return &c->entries[i];
    }
    return NULL;
}

static void clear(struct cache_entry *e)
{
    free(e->data);
    memset(e, 0, sizeof *e);
}

static struct cache_entry *make_room(struct cache *c)
{
    struct cache_entry *oldest;

    if (!c->entries)
        c->entries = calloc(IOTHDNS_CACHE_MAX, sizeof *c->entries);
    if (!c->entries)
        return NULL;
    if (c->n < IOTHDNS_CACHE_MAX)
        return &c->entries[c->n++];
    oldest = c->entries;
    for (unsigned i = 1; i < c->n; i++) {
        if (c->entries[i].used < oldest->used)
            oldest = &c->entries[i];
    }
    return oldest;
}

void cache_put(struct cache *c, const char *name, int type, int error,
               const uint8_t *answer, size_t size, mtime_t now)
{
    uint32_t ttl = size <= CACHE_ANSWER_MAX ? cache_ttl(answer, size) : 0;
    struct cache_entry *e = find(c, name, type);

    if (ttl == 0 || strlen(name) >= sizeof e->name)
        return;
    if (!e)
        e = make_room(c);
    if (!e)
        return;
    clear(e);
    e->data = malloc(size);
    if (!e->data)
        return;
    memcpy(e->data, answer, size);
    memcpy(e->name, name, strlen(name) + 1);
    e->type = type;
    e->error = error;
    e->size = size;
    e->since = now;
    e->until = now + ttl * MTIME_SEC;
    e->used = ++c->uses;
}

uint8_t *cache_get(struct cache *c, const char *name, int type, int *error, size_t *size,
                   uint32_t *age_sec, mtime_t now)
{
    struct cache_entry *e = find(c, name, type);
    uint8_t *copy;

    if (!e || !e->data || now >= e->until)
        return NULL;
    copy = malloc(e->size);
    if (!copy)
        return NULL;
    memcpy(copy, e->data, e->size);
    *error = e->error;
    *size = e->size;
    *age_sec = (uint32_t)((now - e->since) / MTIME_SEC);
    e->used = ++c->uses;
    return copy;
}

void cache_clear(struct cache *c)
{
    for (unsigned i = 0; i < c->n; i++)
        clear(&c->entries[i]);
    free(c->entries);
    *c = (struct cache){.n = 0};
}
