/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/byteq.h"

#include <assert.h>
#include <stdlib.h>

#include "libioth/plug/pool.h"

#define SMALL_SIZE (4096u - sizeof(struct byteq_chunk))
#define LARGE_SIZE (131072u - sizeof(struct byteq_chunk))
#define STORE_MAX  32u /* Large chunks that are kept. */

struct byteq_chunk {
    struct byteq_chunk *next;
    uint32_t size; /* Of data. */
    uint32_t head, tail;
    struct pool *pool; /* Whose block data is; NULL: it lies behind. */
    uint8_t *data;
};

static struct byteq_chunk *store;
static unsigned n_stored;

static struct byteq_chunk *chunk_new(size_t size)
{
    struct byteq_chunk *c = store;

    if (size > SMALL_SIZE && c) {
        store = c->next;
        n_stored--;
    } else {
        size = size > SMALL_SIZE ? LARGE_SIZE : SMALL_SIZE;
        c = malloc(sizeof *c + size);
        if (!c)
            return NULL;
        c->size = (uint32_t)size;
        c->pool = NULL;
        c->data = (uint8_t *)(c + 1);
    }
    c->next = NULL;
    c->head = c->tail = 0;
    return c;
}

static void chunk_free(struct byteq_chunk *c)
{
    if (c->pool) {
        pool_give(c->pool, c->data);
        free(c);
    } else if (c->size == LARGE_SIZE && n_stored < STORE_MAX) {
        c->next = store;
        store = c;
        n_stored++;
    } else {
        free(c);
    }
}

static void append(struct byteq *q, struct byteq_chunk *c)
{
    if (q->last)
        q->last->next = c;
    else
        q->first = c;
    q->last = c;
}

bool byteq_full(const struct byteq *q)
{
    return !q->last || q->last->tail == q->last->size;
}

bool byteq_begin(struct byteq *q, struct pool *pool, size_t unit)
{
    uint8_t *block = q->most < POOL_BLOCK_SIZE ? NULL : pool_take(pool);
    struct byteq_chunk *c = block ? malloc(sizeof *c) : NULL;

    if (!c) {
        if (block)
            pool_give(pool, block);
        return false;
    }
    *c = (struct byteq_chunk){.pool = pool, .data = block, .size = POOL_BLOCK_SIZE};
    if (unit < POOL_BLOCK_SIZE)
        c->size -= (uint32_t)(POOL_BLOCK_SIZE % unit);
    append(q, c);
    return true;
}

uint8_t *byteq_room(struct byteq *q, size_t size, size_t *room)
{
    struct byteq_chunk *c = q->last;

    if (byteq_full(q)) {
        c = chunk_new(q->most < LARGE_SIZE ? SMALL_SIZE : q->first ? LARGE_SIZE : size);
        if (!c)
            return NULL;
        append(q, c);
    }
    *room = c->size - c->tail < size ? c->size - c->tail : size;
    return c->data + c->tail;
}

void byteq_add(struct byteq *q, size_t size)
{
    q->last->tail += (uint32_t)size;
    q->size += size;
}

const uint8_t *byteq_at(const struct byteq *q, size_t ofs, size_t *size)
{
    for (const struct byteq_chunk *c = q->first; c; c = c->next) {
        size_t here = c->tail - c->head;

        if (ofs < here) {
            *size = here - ofs;
            return c->data + c->head + ofs;
        }
        ofs -= here;
    }
    *size = 0;
    return NULL;
}

const uint8_t *byteq_front(const struct byteq *q, size_t *size)
{
    return byteq_at(q, 0, size);
}

void byteq_drop(struct byteq *q, size_t size)
{
    assert(size <= q->size);
    q->size -= size;
    while (q->first) {
        struct byteq_chunk *c = q->first;
        size_t here = c->tail - c->head;

        if (size < here) {
            c->head += (uint32_t)size;
            return;
        }
        size -= here;
        q->first = c->next;
        if (!q->first)
            q->last = NULL;
        chunk_free(c);
    }
}

void byteq_clear(struct byteq *q)
{
    byteq_drop(q, q->size);
}

void byteq_end(void)
{
    while (store) {
        struct byteq_chunk *c = store;

        store = c->next;
        free(c);
    }
    n_stored = 0;
}
