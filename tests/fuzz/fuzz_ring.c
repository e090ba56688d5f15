/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring whose other side is the fuzzer: each step of the input writes an index or some bytes of
 * the shared memory, or lets the honest side read, write, publish, release or begin anew.
 * Nothing may leave the memory, and what is read lies inside it.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/plug/ringmap.h"
#include "proto/base/cur.h"
#include "proto/base/fd.h"

#define SIZE RING_SIZE_MIN

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t arena[2 * FRAME_SUPER_MAX];

static void check_frames(const struct ringmap *m, const struct frame *frames, int n,
                         bool peek)
{
    const uint8_t *start = peek ? m->mem[RING_TO_DAEMON] : arena;
    const uint8_t *end = start + (peek ? 2 * (size_t)SIZE : sizeof arena);
    unsigned sum = 0;

    for (int i = 0; i < n; i++) {
        assert(frames[i].size <= FRAME_SUPER_MAX);
        assert(frames[i].rest_size <= frames[i].size);
        assert(frames[i].data >= start + FRAME_HEADROOM);
        assert(frames[i].data + frames[i].size - (peek ? frames[i].rest_size : 0) <= end);
        for (uint32_t b = 0; b < frames[i].rest_size; b += 64)
            sum += frames[i].rest[b];
        if (!peek) {
            struct frame whole = frames[i];

            frame_whole(&whole);
        }
        for (uint32_t b = 0; b < frames[i].size - frames[i].rest_size; b += 64)
            sum += frames[i].data[b];
    }
    (void)sum;
}

static void read_some(struct ringmap *m, bool peek, unsigned max)
{
    struct frame frames[FRAME_BURST];
    size_t used = 0;
    int n = peek ? ring_peek(&m->rx, frames, max)
                 : ring_get(&m->rx, arena, sizeof arena, &used, frames, max);

    assert(used <= sizeof arena);
    check_frames(m, frames, n, peek);
    if (n > 1 && !peek)
        ring_unget(&m->rx, (unsigned)n / 2);
}

static void step(struct ringmap *m, int fd, struct cur *c)
{
    struct ring_shared *in = &m->control->dir[RING_TO_DAEMON];
    struct ring_shared *out = &m->control->dir[RING_TO_CLIENT];
    uint8_t what = cur_u8(c);
    uint32_t value = cur_u16(c);
    struct frame f = {.data = arena, .size = value};

    switch (what % 10) {
    case 0:
        atomic_store(&in->head, value * (what & 16 ? 1 : RING_ALIGN));
        break;
    case 1:
        atomic_store(&out->tail, value * (what & 16 ? 1 : RING_ALIGN));
        break;
    case 2: {
        struct ring_desc desc = {.inline_size = value, .gso = what >> 5 & 3};

        if (what & 128)
            desc.skip = value * RING_ALIGN;
        if (what & 16) {
            desc.ref_size = cur_u32(c);
            desc.ref_offset = cur_u32(c);
        }
        memcpy(m->mem[RING_TO_DAEMON] + (size_t)cur_u16(c) * RING_ALIGN % SIZE, &desc,
               sizeof desc);
        break;
    }
    case 3:
        read_some(m, what & 16, value % 70);
        break;
    case 4:
        if (what & 16)
            ring_rewind(&m->tx, 1, value);
        (void)!ring_put(&m->tx, &f);
        break;
    case 5:
        (void)ring_publish(&m->tx);
        break;
    case 6:
        (void)ring_release(&m->rx);
        break;
    case 7:
        (void)ring_room(&m->tx, value);
        (void)ring_rx_sleep(&m->rx);
        break;
    case 8:
        atomic_store(&in->tail, value * RING_ALIGN);
        atomic_store(&out->head, value * RING_ALIGN);
        break;
    default: {
        struct ringmap again;

        if (ringmap_attach(&again, fd, RINGMAP_DAEMON) == 0) {
            ringmap_done(m);
            *m = again;
        }
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    int fd = ringmap_create(SIZE);
    struct ringmap m;

    if (fd < 0 || ringmap_attach(&m, fd, RINGMAP_DAEMON) < 0)
        abort();
    for (unsigned i = 0; i < 2000 && cur_left(&c); i++)
        step(&m, fd, &c);
    ringmap_done(&m);
    fd_close(&fd);
    return 0;
}
