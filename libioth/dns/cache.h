/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers that a resolver keeps, for as long as they say. Pure: the caller has the lock and the clock. When it is full
 * the answer goes that was used the longest ago.
 */
#ifndef LIBIOTH_DNS_CACHE_H
#define LIBIOTH_DNS_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"

#define CACHE_ANSWER_MAX 4096u /* A larger one is not kept. */
#define CACHE_TTL_MAX    3600u /* In seconds. */

#define TYPE_OPT 41 /* Of EDNS0: about the message, not the name. */

struct cache_entry;

struct cache {
    struct cache_entry *entries; /* NULL: nothing was kept yet. */
    unsigned n;
    uint64_t uses;
};

/* For how many seconds an answer holds: its shortest time to live, or what its SOA says of a name that
 * is not there (RFC 2308); 0: it is not to be kept. */
uint32_t cache_ttl(const uint8_t *answer, size_t size);

/* Keeps a copy of an answer, which says of the name that it is there or (`error`) that it is not. */
void cache_put(struct cache *, const char *name, int type, int error, const uint8_t *answer,
               size_t size, mtime_t now);

/* An answer that holds: a copy, to be freed, with its age in seconds. NULL: there is none. */
uint8_t *cache_get(struct cache *, const char *name, int type, int *error, size_t *size,
                   uint32_t *age_sec, mtime_t now);

void cache_clear(struct cache *);

#endif
