/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/plug/pool.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/shm.h"

/* Blocks are known by number. Those that were used last are handed out first, since they are in the cache. */
struct pool {
    uint8_t *mem;
    size_t size;
    struct ring_tx *tx; /* NULL: the port has gone. */
    unsigned n_blocks, n_out;
    unsigned n_free, n_waiting, first_waiting;
    struct waiting {
        uint64_t mark; /* Free once the daemon has taken everything before it. */
        unsigned block;
    } * waiting;     /* A circle, in the order in which they were given back. */
    unsigned free[]; /* A stack. */
};

struct pool *pool_new(int fd, uint32_t ring_size, struct ring_tx *tx)
{
    size_t size = (size_t)RING_POOL_RATIO * ring_size;
    unsigned n = (unsigned)(size / POOL_BLOCK_SIZE);
    struct pool *p = calloc(1, sizeof *p + n * sizeof p->free[0]);
    struct waiting *waiting = calloc(n, sizeof *waiting);
    void *mem;

    if (!p || !waiting ||
        shm_map(fd, RING_CONTROL_SIZE + (size_t)RING_DIRECTIONS * ring_size, size, &mem) <
            0) {
        free(waiting);
        free(p);
        return NULL;
    }
    *p = (struct pool){.mem = mem, .size = size, .tx = tx, .n_blocks = n};
    p->waiting = waiting;
    p->n_free = n;
    for (unsigned i = 0; i < n; i++)
        p->free[i] = n - 1 - i;
    return p;
}

static void end_if_unused(struct pool *p)
{
    if (p->tx || p->n_out)
        return;
    shm_unmap(p->mem, p->size);
    free(p->waiting);
    free(p);
}

void pool_leave(struct pool *p)
{
    if (!p)
        return;
    p->tx = NULL;
    end_if_unused(p);
}

uint8_t *pool_take(struct pool *p)
{
    while (p->tx && p->n_waiting && ring_taken(p->tx, p->waiting[p->first_waiting].mark)) {
        p->free[p->n_free++] = p->waiting[p->first_waiting].block;
        p->first_waiting = (p->first_waiting + 1) % p->n_blocks;
        p->n_waiting--;
    }
    if (!p->tx || !p->n_free)
        return NULL;
    p->n_out++;
    return p->mem + (size_t)p->free[--p->n_free] * POOL_BLOCK_SIZE;
}

void pool_give(struct pool *p, uint8_t *block)
{
    unsigned number = (unsigned)((size_t)(block - p->mem) / POOL_BLOCK_SIZE);

    assert(number < p->n_blocks && p->n_out);
    p->n_out--;
    if (!p->tx) {
        end_if_unused(p);
        return;
    }
    p->waiting[(p->first_waiting + p->n_waiting) % p->n_blocks] =
        (struct waiting){.mark = p->tx->put, .block = number};
    p->n_waiting++;
}

bool pool_has(const struct pool *p, const void *data, size_t size, uint64_t *offset)
{
    size_t at = (size_t)((uintptr_t)data - (uintptr_t)p->mem);

    *offset = at;
    return at < p->size && size <= p->size - at;
}
