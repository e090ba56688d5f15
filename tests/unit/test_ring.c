/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring against a queue in ordinary memory, and against peers that lie. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/plug/pool.h"
#include "libioth/plug/ringmap.h"
#include "proto/base/shm.h"
#include "tests/unit/frames.h"

#define SIZE      RING_SIZE_MIN
#define POOL_SIZE ((uint64_t)RING_POOL_RATIO * SIZE)

static int fd;
static struct ringmap daemon_side, client;
static uint8_t bytes[FRAME_SUPER_MAX + 1];

static int setup(void **state)
{
    (void)state;
    fd = ringmap_create(SIZE);
    assert_true(fd >= 0);
    assert_int_equal(ringmap_attach(&daemon_side, fd, RINGMAP_DAEMON), 0);
    assert_int_equal(ringmap_attach(&client, fd, RINGMAP_CLIENT), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ringmap_done(&daemon_side);
    ringmap_done(&client);
    close(fd);
    return 0;
}

static struct frame frame_of(uint32_t size, uint8_t mark)
{
    memset(bytes, mark, size);
    return (struct frame){.data = bytes,
                          .size = size,
                          .tci = mark,
                          .gso_size = (uint16_t)size,
                          .hdr_size = 1,
                          .csum_start = 2,
                          .csum_ofs = 3,
                          .gso = FRAME_GSO_TCP4,
                          .flags = FRAME_NEEDS_CSUM};
}

static void check_frame(const struct frame *f, uint32_t size, uint8_t mark)
{
    assert_int_equal(f->size, size);
    assert_int_equal(f->tci, mark);
    assert_int_equal(f->gso_size, (uint16_t)size);
    assert_int_equal(f->gso, FRAME_GSO_TCP4);
    assert_int_equal(f->flags, FRAME_NEEDS_CSUM);
    assert_int_equal(f->hdr_size, 1);
    assert_int_equal(f->csum_start, 2);
    assert_int_equal(f->csum_ofs, 3);
    for (uint32_t i = 0; i < size; i++) {
        if (f->data[i] != mark)
            fail_msg("byte %u of %u is %u, not %u", i, size, f->data[i], mark);
    }
    /* The headroom is the reader's. */
    memset(f->data - FRAME_HEADROOM, 0xee, FRAME_HEADROOM);
}

/* What is in the ring, as a plain queue. */
static struct {
    uint32_t size[8192];
    unsigned first, published, last, rewound;
} model;

/* Times of little and times of much take turns. */
static void model_put(uint64_t *seed)
{
    static const uint32_t limits[] = {64, 1600, 10000, FRAME_SUPER_MAX};
    unsigned kinds = model.last / 512 % 2 ? 4 : 1;
    uint32_t size = 1 + frames_random(seed) % limits[frames_random(seed) % kinds];
    struct frame f = frame_of(size, (uint8_t)model.last);
    bool room = ring_room(&client.tx, size) > 0;
    uint32_t before = client.tx.head;
    int r;

    ring_rewind(&client.tx, 1, size);
    model.rewound += client.tx.head != before;
    r = ring_put(&client.tx, &f);

    assert_int_equal(r, room ? 0 : -ENOBUFS);
    if (r == 0)
        model.size[model.last++ % 8192] = size;
}

static void model_get(uint64_t *seed)
{
    static uint8_t arena[FRAME_HEADROOM + 2 * FRAME_SUPER_MAX];
    struct frame frames[FRAME_BURST];
    unsigned max = 1 + frames_random(seed) % FRAME_BURST;
    size_t room = FRAME_HEADROOM + FRAME_SUPER_MAX + frames_random(seed) % FRAME_SUPER_MAX;
    bool peek = frames_random(seed) % 2;
    size_t used = 0;
    int n = peek ? ring_peek(&daemon_side.rx, frames, max)
                 : ring_get(&daemon_side.rx, arena, room, &used, frames, max);
    unsigned keep;

    assert_true(n >= 0 && used <= room);
    if (n == 0)
        assert_int_equal(model.first, model.published);
    for (unsigned i = 0; i < (unsigned)n; i++) {
        unsigned at = model.first + i;

        check_frame(&frames[i], model.size[at % 8192], (uint8_t)at);
        if (!peek)
            assert_true(frames[i].data + frames[i].size <= arena + room);
    }
    /* Headroom written in place spoils the descriptor, so only copies can come again. */
    keep = peek || n == 0 ? (unsigned)n : frames_random(seed) % ((unsigned)n + 1);
    ring_unget(&daemon_side.rx, (unsigned)n - keep);
    model.first += keep;
    if (frames_random(seed) % 2)
        (void)ring_release(&daemon_side.rx);
}

static void test_random_operations(void **state)
{
    uint64_t seed = 5;

    (void)state;
    model.first = model.published = model.last = 0;
    for (unsigned i = 0; i < 6000; i++) {
        switch (frames_random(&seed) % 4) {
        case 0:
        case 1:
            model_put(&seed);
            break;
        case 2:
            (void)ring_publish(&client.tx);
            model.published = model.last;
            break;
        default:
            model_get(&seed);
            break;
        }
        if (i % 1000 == 999) {
            /* Both sides forget what they know privately, as after a restart. */
            (void)ring_publish(&client.tx);
            model.published = model.last;
            (void)ring_release(&daemon_side.rx);
            ringmap_done(&daemon_side);
            ringmap_done(&client);
            assert_int_equal(ringmap_attach(&daemon_side, fd, RINGMAP_DAEMON), 0);
            assert_int_equal(ringmap_attach(&client, fd, RINGMAP_CLIENT), 0);
        }
    }
    assert_true(model.first > 1500);
    assert_true(model.rewound > 1);
}

/* --- little use ------------------------------------------------------------------------------ */

static void pass_one(uint32_t size)
{
    struct frame f = frame_of(size, 9), got;

    ring_rewind(&client.tx, 1, size);
    assert_int_equal(ring_put(&client.tx, &f), 0);
    (void)ring_publish(&client.tx);
    assert_int_equal(ring_peek(&daemon_side.rx, &got, 1), 1);
    check_frame(&got, size, 9);
    (void)ring_release(&daemon_side.rx);
}

static unsigned pages_touched(void)
{
    unsigned char in[SIZE / 4096];
    unsigned n = 0;

    assert_int_equal(mincore(client.mem[RING_TO_DAEMON], SIZE, in), 0);
    for (unsigned i = 0; i < sizeof in; i++)
        n += in[i] & 1;
    return n;
}

static void test_little_use(void **state)
{
    struct frame f = frame_of(60, 9), got[2];

    (void)state;
    for (unsigned i = 0; i < 4 * SIZE / 128; i++)
        pass_one(60);
    assert_true(pages_touched() <= RING_LOW / 4096 + 1);
    /* Where it is not empty, or where there would be no room, it goes on. */
    while ((client.tx.head & (SIZE - 1)) < RING_LOW)
        pass_one(60);
    assert_int_equal(ring_put(&client.tx, &f), 0);
    (void)ring_publish(&client.tx);
    ring_rewind(&client.tx, 1, 60);
    assert_int_equal(client.tx.head & (SIZE - 1), RING_LOW + 128);
    assert_int_equal(ring_peek(&daemon_side.rx, got, 2), 1);
    (void)ring_release(&daemon_side.rx);
    ring_rewind(&client.tx, 1000, 60);
    ring_rewind(&client.tx, 1, FRAME_SUPER_MAX);
    assert_int_equal(client.tx.head & (SIZE - 1), RING_LOW + 128);
    pass_one(60);
    assert_int_equal(client.tx.head & (SIZE - 1), 128);
    /* After much at a time it takes a while. */
    pass_one(FRAME_SUPER_MAX);
    pass_one(60);
    assert_true((client.tx.head & (SIZE - 1)) > FRAME_SUPER_MAX);
}

static void test_full_and_wrap(void **state)
{
    struct frame f = frame_of(64, 9), got[FRAME_BURST];
    unsigned n = 0;

    (void)state;
    while (ring_put(&client.tx, &f) == 0)
        n++;
    assert_int_equal(n, SIZE / 128);
    assert_int_equal(ring_room(&client.tx, 1), 0);
    assert_false(ring_ready(&daemon_side.rx));
    assert_false(ring_publish(&client.tx));
    assert_true(ring_ready(&daemon_side.rx));
    assert_int_equal(ring_peek(&daemon_side.rx, got, FRAME_BURST + 1), FRAME_BURST);
    assert_int_equal(ring_put(&client.tx, &f), -ENOBUFS); /* Not released yet. */
    assert_false(ring_release(&daemon_side.rx));
    assert_int_equal(ring_room(&client.tx, 64), FRAME_BURST);
    f.size = FRAME_SUPER_MAX + 1;
    assert_int_equal(ring_put(&client.tx, &f), -EMSGSIZE);
}

static void test_small_arena(void **state)
{
    struct frame f = frame_of(1000, 9), got[4];
    uint8_t arena[2 * (FRAME_HEADROOM + 1008)];
    size_t used;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(ring_put(&client.tx, &f), 0);
    (void)ring_publish(&client.tx);
    assert_int_equal(ring_get(&daemon_side.rx, arena, FRAME_HEADROOM + 999, &used, got, 4),
                     0);
    assert_int_equal(ring_get(&daemon_side.rx, arena, sizeof arena, &used, got, 4), 2);
    assert_int_equal(ring_get(&daemon_side.rx, arena, sizeof arena, &used, got, 4), 1);
    assert_int_equal(ring_get(&daemon_side.rx, arena, sizeof arena, &used, got, 4), 0);
}

static void test_doorbells(void **state)
{
    struct frame f = frame_of(60, 9), got[4];

    (void)state;
    /* Nobody sleeps: nobody is rung for. */
    assert_int_equal(ring_put(&client.tx, &f), 0);
    assert_false(ring_publish(&client.tx));
    assert_false(ring_rx_sleep(&daemon_side.rx)); /* There is a frame. */
    ring_rx_wake(&daemon_side.rx);
    assert_int_equal(ring_peek(&daemon_side.rx, got, 4), 1);
    assert_false(ring_release(&daemon_side.rx));

    assert_true(ring_rx_sleep(&daemon_side.rx));
    assert_false(ring_publish(&client.tx)); /* Nothing new. */
    assert_int_equal(ring_put(&client.tx, &f), 0);
    assert_true(ring_publish(&client.tx));
    assert_int_equal(ring_put(&client.tx, &f), 0);
    assert_false(ring_publish(&client.tx)); /* Once is enough. */
    ring_rx_wake(&daemon_side.rx);
    assert_int_equal(ring_peek(&daemon_side.rx, got, 4), 2);

    while (ring_put(&client.tx, &f) == 0)
        ;
    (void)ring_publish(&client.tx);
    assert_true(ring_tx_sleep(&client.tx, 60));
    assert_true(ring_release(&daemon_side.rx));
    assert_false(ring_release(&daemon_side.rx));
    ring_tx_wake(&client.tx);
    assert_false(ring_tx_sleep(&client.tx, 60)); /* There is room now. */
    ring_tx_wake(&client.tx);
}

/* --- lies -------------------------------------------------------------------------------- */

static void set(_Atomic uint32_t *index, uint32_t value)
{
    atomic_store_explicit(index, value, memory_order_release);
}

static void test_head_lies(void **state)
{
    static const uint32_t lies[] = {1, 63, 65, SIZE + 64, 0xffffffc0u, 0x80000000u};
    struct frame got[4];
    size_t used;

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        set(&client.control->dir[RING_TO_DAEMON].head, lies[i]);
        assert_int_equal(ring_peek(&daemon_side.rx, got, 4), -EPROTO);
        assert_int_equal(ring_get(&daemon_side.rx, bytes, sizeof bytes, &used, got, 4),
                         -EPROTO);
    }
    /* A head that is possible over memory that is all zero: empty frames, and no harm. */
    set(&client.control->dir[RING_TO_DAEMON].head, SIZE);
    assert_int_equal(ring_peek(&daemon_side.rx, got, 4), 4);
    assert_int_equal(got[0].size, 0);
    /* Back to before what has been looked at, though not released. */
    while (daemon_side.rx.tail != daemon_side.rx.head)
        assert_true(ring_peek(&daemon_side.rx, got, 4) > 0);
    set(&client.control->dir[RING_TO_DAEMON].head, 64);
    assert_int_equal(ring_peek(&daemon_side.rx, got, 4), -EPROTO);
    set(&client.control->dir[RING_TO_DAEMON].head, SIZE);
    assert_int_equal(ring_peek(&daemon_side.rx, got, 4), 0);
    (void)ring_release(&daemon_side.rx);
    set(&client.control->dir[RING_TO_DAEMON].head, 0); /* Before what was released. */
    assert_int_equal(ring_peek(&daemon_side.rx, got, 4), -EPROTO);
}

static void test_tail_lies(void **state)
{
    static const uint32_t lies[] = {1, 128 + 64, 0xffffffc0u, 0x80000000u};
    struct frame f = frame_of(60, 9);

    (void)state;
    assert_int_equal(ring_put(&daemon_side.tx, &f), 0);
    (void)ring_publish(&daemon_side.tx);
    while (ring_put(&daemon_side.tx, &f) == 0)
        ;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        set(&client.control->dir[RING_TO_CLIENT].tail, lies[i]);
        assert_int_equal(ring_put(&daemon_side.tx, &f), -EPROTO);
        assert_int_equal(ring_room(&daemon_side.tx, 60), 0);
    }
    set(&client.control->dir[RING_TO_CLIENT].tail, 128);
    assert_int_equal(ring_put(&daemon_side.tx, &f), 0);
    set(&client.control->dir[RING_TO_CLIENT].tail, 64); /* Back. */
    assert_int_equal(ring_put(&daemon_side.tx, &f), -EPROTO);
}

static void test_descriptor_lies(void **state)
{
    struct ring_desc lies[] = {
        {.inline_size = 65},
        {.inline_size = 0xffffffffu},
        {.inline_size = 0xffffffc0u},
        {.inline_size = FRAME_SUPER_MAX + 1},
        {.inline_size = 60, .ref_size = 1, .ref_offset = POOL_SIZE},
        {.inline_size = 60, .ref_size = 2, .ref_offset = POOL_SIZE - 1},
        {.inline_size = 60, .ref_size = 2, .ref_offset = UINT64_MAX},
        {.inline_size = 60, .ref_size = FRAME_SUPER_MAX - 59},
        {.inline_size = 60, .ref_size = UINT32_MAX},
        {.inline_size = FRAME_SUPER_MAX, .ref_size = 1},
        {.skip = 64},
        {.skip = 128},
        {.skip = SIZE},
        {.skip = UINT32_MAX}};
    static uint8_t arena[FRAME_SUPER_MAX + FRAME_HEADROOM];
    struct frame got[4];
    size_t used;

    (void)state;
    /* Nothing but zeros behind the lie, so that it alone is what is refused. */
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        bool large = lies[i].inline_size / FRAME_SUPER_MAX == 1;

        set(&client.control->dir[RING_TO_DAEMON].head, large ? SIZE : 128);
        memcpy(client.mem[RING_TO_DAEMON], &lies[i], sizeof lies[i]);
        assert_int_equal(ring_peek(&daemon_side.rx, got, 4), -EPROTO);
        assert_int_equal(ring_get(&daemon_side.rx, arena, sizeof arena, &used, got, 4),
                         -EPROTO);
    }
}

/* --- the pool ----------------------------------------------------------------------------- */

static uint8_t arena_of_pool[FRAME_HEADROOM + FRAME_SUPER_MAX];

/* A superframe of TCP; returns the size of its headers. */
static uint32_t super_of(struct frame *f, uint32_t payload, bool ip6)
{
    struct frames_spec spec = {.ip6 = ip6, .payload = arena_of_pool, .size = payload};
    uint32_t size = frames_build(&spec, bytes);

    *f = (struct frame){.data = bytes,
                        .size = size,
                        .gso = ip6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4,
                        .gso_size = 1460,
                        .flags = FRAME_NEEDS_CSUM};
    return size - payload;
}

static struct frame get_one(void)
{
    struct frame got = {.data = NULL};
    size_t used;

    (void)ring_publish(&client.tx);
    assert_int_equal(
        ring_get(&daemon_side.rx, arena_of_pool, sizeof arena_of_pool, &used, &got, 1), 1);
    return got;
}

static void test_rest(void **state)
{
    struct pool *pool = pool_new(fd, SIZE, &client.tx);
    uint8_t *block = pool_take(pool);
    uint64_t offset;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct frame f, got;
        uint32_t payload = 20000 + i, head = super_of(&f, payload, i & 1);
        struct ring_piece piece = {bytes, head};
        bool in_pool = i & 2;

        memset(bytes + head, (int)i + 1, payload);
        memset(block, (int)i + 1, payload);
        assert_true(pool_has(pool, block, payload, &offset));
        assert_int_equal(in_pool ? ring_put_ref(&client.tx, &f, &piece, 1, offset, payload)
                                 : ring_put(&client.tx, &f),
                         0);
        got = get_one();
        assert_int_equal(got.size, f.size);
        assert_true(got.rest_size > 0 && got.rest_size <= payload);
        assert_int_equal(in_pool ? got.rest - daemon_side.pool : 0, in_pool ? offset : 0);
        /* What the headers say does not change any more, whatever happens in the ring. */
        memset(client.mem[RING_TO_DAEMON] + 64, 0, head);
        assert_memory_equal(got.data, bytes, head);
        frame_whole(&got);
        assert_int_equal(got.rest_size, 0);
        assert_memory_equal(got.data, bytes, f.size);
        (void)ring_release(&daemon_side.rx);
        client.tx.head = client.tx.published;
    }
    pool_give(pool, block);
    pool_leave(pool);
}

/* What is not certainly TCP is copied whole before anybody looks at it. */
static void test_no_rest(void **state)
{
    struct frame f, got;
    uint32_t head = super_of(&f, 20000, false);
    struct ring_piece piece = {bytes, head};

    (void)state;
    bytes[23] = 17; /* UDP under the name of TCP. */
    assert_int_equal(ring_put(&client.tx, &f), 0);
    got = get_one();
    assert_int_equal(got.rest_size, 0);
    assert_memory_equal(got.data, bytes, f.size);
    bytes[23] = 6;
    piece.size = head - 1; /* Not all of the headers. */
    assert_int_equal(ring_put_ref(&client.tx, &f, &piece, 1, 0, f.size - piece.size), 0);
    assert_int_equal(get_one().rest_size, 0);
    piece.size = head;
    f.gso = FRAME_GSO_NONE; /* No superframe. */
    assert_int_equal(ring_put_ref(&client.tx, &f, &piece, 1, 0, f.size - head), 0);
    assert_int_equal(get_one().rest_size, 0);
    bytes[0] |= 1; /* To a group. */
    f.gso = FRAME_GSO_TCP4;
    assert_int_equal(ring_put_ref(&client.tx, &f, &piece, 1, 0, f.size - head), 0);
    assert_int_equal(get_one().rest_size, 0);
}

/* A block comes again when the daemon is done with it, and lives as long as somebody has it. */
static void test_blocks(void **state)
{
    struct pool *pool = pool_new(fd, SIZE, &client.tx);
    struct frame f = frame_of(60, 1);
    uint8_t *blocks[POOL_SIZE / POOL_BLOCK_SIZE];
    unsigned n = sizeof blocks / sizeof blocks[0];
    uint64_t offset;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        blocks[i] = pool_take(pool);
        assert_non_null(blocks[i]);
        assert_true(pool_has(pool, blocks[i], POOL_BLOCK_SIZE, &offset));
        assert_int_equal(offset % POOL_BLOCK_SIZE, 0);
    }
    assert_null(pool_take(pool));
    assert_false(pool_has(pool, blocks[n - 1] + (n == 1), POOL_SIZE, &offset));
    assert_false(pool_has(pool, bytes, 1, &offset));
    pool_give(pool, blocks[0]); /* Nothing is under way. */
    assert_ptr_equal(pool_take(pool), blocks[0]);
    assert_int_equal(ring_put(&client.tx, &f), 0);
    pool_give(pool, blocks[0]);
    assert_null(pool_take(pool));
    (void)ring_publish(&client.tx);
    assert_int_equal(ring_peek(&daemon_side.rx, &f, 1), 1);
    assert_null(pool_take(pool));
    (void)ring_release(&daemon_side.rx);
    assert_ptr_equal(pool_take(pool), blocks[0]);
    /* However much goes through the ring before anybody asks. */
    pool_give(pool, blocks[0]);
    client.tx.put += UINT64_C(5) << 29;
    assert_ptr_equal(pool_take(pool), blocks[0]);
    pool_leave(pool);
    assert_null(pool_take(pool));
    for (unsigned i = 0; i < n; i++) {
        memset(blocks[i], 1, POOL_BLOCK_SIZE);
        pool_give(pool, blocks[i]);
    }
}

static void test_attach_refuses(void **state)
{
    struct ringmap m;
    int other;

    (void)state;
    set(&client.control->dir[RING_TO_CLIENT].tail, 64);
    assert_int_equal(ringmap_attach(&m, fd, RINGMAP_DAEMON), -EPROTO);
    assert_int_equal(ringmap_attach(&m, fd, RINGMAP_CLIENT), -EPROTO);
    set(&client.control->dir[RING_TO_CLIENT].tail, 0);
    client.control->ring_size *= 2; /* The daemon does not care, a client refuses. */
    assert_int_equal(ringmap_attach(&m, fd, RINGMAP_CLIENT), -EPROTO);
    assert_int_equal(ringmap_attach(&m, fd, RINGMAP_DAEMON), 0);
    assert_int_equal(m.ring_size, SIZE);
    ringmap_done(&m);

    other = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(other, (off_t)ring_memory_size(SIZE)), 0);
    assert_int_equal(ringmap_attach(&m, other, RINGMAP_DAEMON), -EPERM);
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(ringmap_attach(&m, other, RINGMAP_DAEMON), -EPERM);
    close(other);
    other = shm_create("test", RING_CONTROL_SIZE + 3 * SIZE);
    assert_int_equal(ringmap_attach(&m, other, RINGMAP_DAEMON), -EPROTO);
    close(other);
    other = shm_create("test", 4096);
    assert_int_equal(ringmap_attach(&m, other, RINGMAP_DAEMON), -EPROTO);
    assert_int_equal(ftruncate(other, 0), -1);
    close(other);
    assert_int_equal(ringmap_create(SIZE + 1), -EINVAL);
    assert_int_equal(ringmap_create(SIZE / 2), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_little_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_and_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_arena, setup, teardown),
        cmocka_unit_test_setup_teardown(test_doorbells, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tail_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_descriptor_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attach_refuses, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
