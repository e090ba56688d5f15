/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring as a process with a stack has it, whose other side, the switch, is the fuzzer: each step of the input writes an
 * index, a descriptor or the geometry of the shared memory, or lets the honest side read, write, refer to its pool, take
 * blocks of it and give them back, or plug in anew. Nothing may leave the memory, what is read lies inside the arena, and no
 * block of the pool is handed out twice. (fuzz_ring.c is the other direction.)
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/plug/pool.h"
#include "libioth/plug/ringmap.h"
#include "proto/base/cur.h"
#include "proto/base/fd.h"

#define SIZE       RING_SIZE_MIN
#define BLOCKS_OUT 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arena[2 * FRAME_SUPER_MAX];

struct side {
    int fd;
    struct ringmap m;
    struct pool *pool;
    uint8_t *out[BLOCKS_OUT];
    unsigned n_out;
};

static void read_some(struct ringmap *m, unsigned max)
{
    struct frame frames[FRAME_BURST];
    size_t used = 0;
    int n = ring_get(&m->rx, arena, sizeof arena, &used, frames, max);
    unsigned sum = 0;

    assert(used <= sizeof arena && n <= (int)FRAME_BURST);
    for (int i = 0; i < n; i++) {
        assert(frames[i].size <= FRAME_SUPER_MAX);
        assert(frames[i].rest_size <= frames[i].size);
        assert(frames[i].data >= arena + FRAME_HEADROOM);
        assert(frames[i].data + frames[i].size <= arena + sizeof arena);
        for (uint32_t b = 0; b < frames[i].rest_size; b += 64)
            sum += frames[i].rest[b];
        frame_whole(&frames[i]);
        for (uint32_t b = 0; b < frames[i].size; b += 64)
            sum += frames[i].data[b];
    }
    (void)sum;
    if (n > 1)
        ring_unget(&m->rx, (unsigned)n / 2);
}

static void take_block(struct side *s)
{
    uint64_t offset;
    uint8_t *block = s->n_out < BLOCKS_OUT && s->pool ? pool_take(s->pool) : NULL;

    if (!block)
        return;
    assert(pool_has(s->pool, block, POOL_BLOCK_SIZE, &offset));
    for (unsigned i = 0; i < s->n_out; i++)
        assert(s->out[i] != block);
    block[0] = block[POOL_BLOCK_SIZE - 1] = 1;
    s->out[s->n_out++] = block;
}

/* A frame, with its end in the pool where there is a block. */
static void write_one(struct side *s, uint32_t size, bool refers)
{
    struct frame f = {.data = arena, .size = size};
    const struct ring_piece head = {arena, size / 2};
    uint64_t offset;

    if (refers && s->n_out && size <= FRAME_SUPER_MAX &&
        pool_has(s->pool, s->out[0], size - size / 2, &offset))
        (void)!ring_put_ref(&s->m.tx, &f, &head, 1, (uint32_t)offset, size - size / 2);
    else
        (void)!ring_put(&s->m.tx, &f);
}

static void give_blocks(struct side *s)
{
    while (s->n_out)
        pool_give(s->pool, s->out[--s->n_out]);
}

static void unplug(struct side *s)
{
    give_blocks(s);
    pool_leave(s->pool);
    ringmap_done(&s->m);
    s->pool = NULL;
}

static bool plug(struct side *s)
{
    if (ringmap_attach(&s->m, s->fd, RINGMAP_CLIENT) < 0)
        return false;
    s->pool = pool_new(s->fd, s->m.ring_size, &s->m.tx);
    assert(s->pool);
    return true;
}

/* What only the other side writes. False: it was lied to so that the port is gone. */
static void lie(struct side *s, struct cur *c, uint8_t what, uint32_t value)
{
    struct ring_shared *in = &s->m.control->dir[RING_TO_CLIENT];
    struct ring_shared *out = &s->m.control->dir[RING_TO_DAEMON];
    uint32_t index = value * (what & 16 ? 1 : RING_ALIGN);

    if (what % 3 == 0) {
        atomic_store(&in->head, index);
    } else if (what % 3 == 1) {
        atomic_store(&out->tail, index);
    } else {
        struct ring_desc desc = {.inline_size = value, .gso = what >> 5 & 3};

        if (what & 128)
            desc.skip = value * RING_ALIGN;
        if (what & 16) { /* It has no pool to refer to. */
            desc.ref_size = cur_u32(c);
            desc.ref_offset = cur_u32(c);
        }
        memcpy(s->m.mem[RING_TO_CLIENT] + (size_t)cur_u16(c) * RING_ALIGN % SIZE, &desc,
               sizeof desc);
    }
}

static bool step(struct side *s, struct cur *c)
{
    uint8_t what = cur_u8(c), how = cur_u8(c);
    uint32_t value = cur_u16(c);

    switch (what % 8) {
    case 0:
    case 1:
        lie(s, c, how, value);
        return true;
    case 2:
        read_some(&s->m, value % 70);
        (void)ring_release(&s->m.rx);
        return true;
    case 3:
        if (how & 1)
            ring_rewind(&s->m.tx, 1, value);
        write_one(s, value, how & 2);
        return true;
    case 4:
        (void)ring_publish(&s->m.tx);
        (void)ring_room(&s->m.tx, value);
        (void)ring_rx_sleep(&s->m.rx);
        (void)ring_tx_sleep(&s->m.tx, value % FRAME_SUPER_MAX);
        return true;
    case 5:
        take_block(s);
        return true;
    case 6:
        give_blocks(s);
        return true;
    default: /* The geometry, which is looked at when it is plugged in, and only then. */
        memcpy((uint8_t *)s->m.control + how % 16u * 4,
               &(uint32_t){value * (how & 128 ? 1024 : 1)}, sizeof(uint32_t));
        unplug(s);
        return plug(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    struct side s = {.fd = ringmap_create(SIZE)};

    if (s.fd < 0 || !plug(&s))
        abort();
    for (unsigned i = 0; i < 2000 && cur_left(&c) >= 4; i++)
        if (!step(&s, &c))
            break;
    if (s.pool)
        unplug(&s);
    fd_close(&s.fd);
    return 0;
}
