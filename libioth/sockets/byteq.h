/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A queue of bytes in chunks that stay where they are: what TCP has taken from a program and may send
 * again until it is acknowledged, and what it has received. Chunks of a size come from a common store
 * that keeps some, so that bulk data does not go through malloc; or they are blocks of a port's pool, out of
 * which the port sends without copying.
 */
#ifndef LIBIOTH_SOCKETS_BYTEQ_H
#define LIBIOTH_SOCKETS_BYTEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byteq_chunk;
struct pool;

struct byteq {
    struct byteq_chunk *first, *last;
    size_t size;
    size_t most; /* It is not to hold more than that: no chunk is larger, either. */
};

/* Room for at least one and at most `size` bytes behind the last; *room says how many. NULL: no memory.
 * byteq_add() then says how many were written. */
uint8_t *byteq_room(struct byteq *, size_t size, size_t *room);

/* True if byteq_room() would begin a chunk. */
bool byteq_full(const struct byteq *);

/* Begins one, with a block of the pool of which a multiple of `unit` bytes is used; false if the pool has none. */
bool byteq_begin(struct byteq *, struct pool *, size_t unit);

void byteq_add(struct byteq *, size_t size);

/* The next bytes, in one piece; *size says how many, 0 = none. */
const uint8_t *byteq_front(const struct byteq *, size_t *size);

/* A piece that begins `ofs` bytes behind the front. */
const uint8_t *byteq_at(const struct byteq *, size_t ofs, size_t *size);

/* Drops the first `size` bytes, which are there. */
void byteq_drop(struct byteq *, size_t size);

void byteq_clear(struct byteq *);

/* Gives the common store back, when no queue is left. */
void byteq_end(void);

#endif
