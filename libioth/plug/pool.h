/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool of a ring port (proto/ring/ring.h) as its owner uses it: blocks of one size, for bytes that are to be
 * sent without being copied into the ring. A block that is given back is not handed out again before the
 * daemon has taken every frame that may refer to it. Whoever holds a block holds the memory: it outlives its
 * port. One thread at a time.
 */
#ifndef LIBIOTH_PLUG_POOL_H
#define LIBIOTH_PLUG_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/ring/ring.h"

#define POOL_BLOCK_SIZE 131072u

struct pool;

/* Maps the pool of a port's memory; `tx` is the ring towards the daemon, until pool_leave(). NULL: no memory. */
struct pool *pool_new(int fd, uint32_t ring_size, struct ring_tx *tx);

/* The port has gone, or has another pool: nothing is handed out any more, and the memory goes with the last
 * block. Accepts NULL. */
void pool_leave(struct pool *);

/* POOL_BLOCK_SIZE bytes, the caller's until pool_give(); NULL if none is free. */
uint8_t *pool_take(struct pool *);
void pool_give(struct pool *, uint8_t *block);

/* True if data[size] lies in the pool; *offset says where. */
bool pool_has(const struct pool *, const void *data, size_t size, uint64_t *offset);

#endif
