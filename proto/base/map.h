/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hash map from texts to pointers. It owns copies of its keys, never its values. Keys may come
 * from outside: the hash (SipHash-2-4) has a random key per process, so nobody can choose texts
 * that meet in one bucket. A zeroed map is empty and ready.
 */
#ifndef PROTO_BASE_MAP_H
#define PROTO_BASE_MAP_H

#include <stddef.h>

struct map_entry;

struct map {
    struct map_entry **bucket;
    size_t n_buckets, n;
};

/* Frees all but the values; the map is empty and ready again. */
void map_clear(struct map *);

/* The value of the key, or NULL. */
void *map_get(const struct map *, const char *key);

/* Sets the value, not NULL, in place of one that there was. */
void map_put(struct map *, const char *key, void *value);

/* Takes the key out and returns its value, or NULL. */
void *map_remove(struct map *, const char *key);

#endif
