/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/xalloc.h"

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
    void *value;
    char key[];
};

static uint64_t seed[2];

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-2-4. */
static uint64_t hash_of(const char *key)
{
    uint64_t v[4] = {0x736f6d6570736575u ^ seed[0], 0x646f72616e646f6du ^ seed[1],
                     0x6c7967656e657261u ^ seed[0], 0x7465646279746573u ^ seed[1]};
    size_t size = strlen(key);
    uint64_t word = 0;

    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)(uint8_t)key[i] << (8 * (i % 8));
        if (i % 8 == 7) {
            sip_word(v, word);
            word = 0;
        }
    }
    sip_word(v, word | (uint64_t)size << 56);
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Where the entry hangs, or would hang. */
static struct map_entry **place(const struct map *map, const char *key, uint64_t hash)
{
    struct map_entry **at = &map->bucket[hash & (map->n_buckets - 1)];

    while (*at != NULL && ((*at)->hash != hash || strcmp((*at)->key, key) != 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct map *map)
{
    struct map wider = {.n_buckets = map->n_buckets == 0 ? 64 : map->n_buckets * 2};

    wider.bucket = xcalloc(wider.n_buckets, sizeof(struct map_entry *));
    for (size_t i = 0; i < map->n_buckets; i++) {
        struct map_entry *next;

        for (struct map_entry *e = map->bucket[i]; e != NULL; e = next) {
            struct map_entry **head = &wider.bucket[e->hash & (wider.n_buckets - 1)];

            next = e->next;
            e->next = *head;
            *head = e;
        }
    }
    free(map->bucket);
    map->bucket = wider.bucket;
    map->n_buckets = wider.n_buckets;
}

void map_clear(struct map *map)
{
    for (size_t i = 0; i < map->n_buckets; i++) {
        struct map_entry *next;

        for (struct map_entry *e = map->bucket[i]; e != NULL; e = next) {
            next = e->next;
            free(e);
        }
    }
    free(map->bucket);
    *map = (struct map){0};
}

void *map_get(const struct map *map, const char *key)
{
    struct map_entry *e = map->n == 0 ? NULL : *place(map, key, hash_of(key));

    return e != NULL ? e->value : NULL;
}

void map_put(struct map *map, const char *key, void *value)
{
    struct map_entry **at, *e;
    size_t size = strlen(key) + 1;
    uint64_t hash;

    while (seed[0] == 0 && getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
    }
    hash = hash_of(key);
    if (map->n >= map->n_buckets)
        grow(map);
    at = place(map, key, hash);
    if (*at == NULL) {
        e = xcalloc(1, sizeof(*e) + size);
        e->hash = hash;
        memcpy(e->key, key, size);
        *at = e;
        map->n++;
    }
    (*at)->value = value;
}

void *map_remove(struct map *map, const char *key)
{
    struct map_entry **at = map->n == 0 ? NULL : place(map, key, hash_of(key));
    struct map_entry *e = at != NULL ? *at : NULL;
    void *value;

    if (e == NULL)
        return NULL;
    value = e->value;
    *at = e->next;
    free(e);
    map->n--;
    return value;
}
