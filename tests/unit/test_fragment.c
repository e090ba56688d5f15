/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fragments in any order, and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/fragment.h"

static uint8_t whole[FRAME_SIZE_MAX];

/* Feeds piece `index` of a frame of `total` bytes cut to `piece`. */
static bool feed(struct fragments *fs, uint32_t peer, uint32_t id, unsigned index,
                 size_t total, size_t piece, mtime_t now, struct frame *f)
{
    uint8_t data[DATAGRAM_FRAGMENT + FRAME_SIZE_MAX];
    struct fragment_head h = {.id = id,
                              .index = (uint8_t)index,
                              .count = (uint8_t)((total + piece - 1) / piece),
                              .total = (uint16_t)total};
    struct inner in = {.type = INNER_FRAGMENT, .tci = (uint16_t)(index + 1)}, head;
    size_t at = index * piece, size = total - at < piece ? total - at : piece;

    fragment_write(&h, data);
    memcpy(data + DATAGRAM_FRAGMENT, whole + at, size);
    if (!fragments_input(fs, peer, &in, data, DATAGRAM_FRAGMENT + size, now, f, &head))
        return false;
    assert_int_equal(head.tci, 1); /* Piece 0's header counts. */
    return true;
}

static void any_order(void **state)
{
    static const unsigned orders[][4] = {
        {0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {3, 0, 1, 2}};
    struct fragments *fs = fragments_new();
    struct frame f;

    (void)state;
    for (uint32_t o = 0; o < 4; o++) {
        for (unsigned i = 0; i < 4; i++) {
            bool done = feed(fs, 1, o, orders[o][i], 4000, 1200, 0, &f);

            assert_int_equal(done, i == 3);
            assert_false(!done && feed(fs, 1, o, orders[o][i], 4000, 1200, 0, &f));
        }
        assert_int_equal(f.size, 4000);
        assert_memory_equal(f.data, whole, 4000);
    }
    fragments_free(fs);
}

static void largest_and_smallest(void **state)
{
    struct fragments *fs = fragments_new();
    struct frame f;
    size_t piece =
        DATAGRAM_MTU_MIN - DATAGRAM_UNDER6 - DATAGRAM_OVERHEAD - DATAGRAM_FRAGMENT;
    unsigned n = (unsigned)((FRAME_SIZE_MAX + piece - 1) / piece);

    (void)state;
    assert_in_range(n, 2, FRAGMENT_COUNT);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(feed(fs, 1, 7, i, FRAME_SIZE_MAX, piece, 0, &f), i == n - 1);
    assert_memory_equal(f.data, whole, FRAME_SIZE_MAX);
    assert_false(feed(fs, 1, 8, 0, 14, 13, 0, &f));
    assert_true(feed(fs, 1, 8, 1, 14, 13, 0, &f));
    fragments_free(fs);
}

static void peers_and_time_are_kept_apart(void **state)
{
    struct fragments *fs = fragments_new();
    struct frame f;

    (void)state;
    assert_false(feed(fs, 1, 7, 0, 2000, 1200, 0, &f));
    assert_false(feed(fs, 2, 7, 1, 2000, 1200, 0, &f));
    assert_true(feed(fs, 1, 7, 1, 2000, 1200, 0, &f));
    assert_false(feed(fs, 1, 8, 0, 2000, 1200, 0, &f));
    assert_false(feed(fs, 1, 8, 1, 2000, 1200, FRAGMENT_LIFE + 1, &f)); /* Too late. */
    assert_false(feed(fs, 3, 9, 0, 2000, 1200, 0, &f));
    fragments_drop_peer(fs, 3);
    assert_false(feed(fs, 3, 9, 1, 2000, 1200, 0, &f));
    fragments_free(fs);
}

/* One peer that never finishes does not keep the others from theirs. */
static void a_greedy_peer_harms_itself(void **state)
{
    struct fragments *fs = fragments_new();
    struct frame f;

    (void)state;
    assert_false(feed(fs, 2, 1, 0, 2000, 1200, 0, &f));
    for (uint32_t id = 0; id < 1000; id++)
        assert_false(feed(fs, 1, id, 0, 2000, 1200, 1 + id, &f));
    assert_true(feed(fs, 2, 1, 1, 2000, 1200, 1000, &f));
    /* Its newest are there, its oldest were given up. */
    assert_true(feed(fs, 1, 999, 1, 2000, 1200, 1000, &f));
    assert_false(feed(fs, 1, 999 - FRAGMENT_PER_PEER, 1, 2000, 1200, 1000, &f));
    fragments_free(fs);
}

static void lies_are_ignored(void **state)
{
    static const struct {
        struct fragment_head head;
        size_t size;
    } lies[] = {
        {{1, 0, 1, 1000}, 1000},               /* Not a fragment at all. */
        {{1, 0, 0, 1000}, 500},                /* None of none. */
        {{1, 2, 2, 1000}, 500},                /* Behind the last. */
        {{1, 0, 2, 1000}, 0},                  /* Empty. */
        {{1, 0, 2, 1000}, 499},                /* Two of these are too little. */
        {{1, 0, 2, 1000}, 1000},               /* One is all. */
        {{1, 0, 3, 1000}, 500},                /* The third would be empty. */
        {{1, 2, 3, 1000}, 501},                /* The rest cannot be halved. */
        {{1, 1, 2, 1000}, 600},                /* The last is longer than the first. */
        {{1, 0, 33, 9000}, 280},               /* Too many. */
        {{1, 0, 2, FRAME_SIZE_MAX + 1}, 5000}, /* Too long. */
        {{1, 0, 2, 13}, 7},                    /* Shorter than a frame. */
    };
    struct fragments *fs = fragments_new();
    uint8_t data[6000] = {0};
    struct inner in = {.type = INNER_FRAGMENT}, head;
    struct frame f;

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        fragment_write(&lies[i].head, data);
        for (unsigned twice = 0; twice < 2; twice++)
            assert_false(fragments_input(fs, 1, &in, data, DATAGRAM_FRAGMENT + lies[i].size,
                                         0, &f, &head));
    }
    /* None of them has taken a place: a right one of the same id goes through. */
    assert_false(feed(fs, 1, 1, 0, 2000, 1200, 0, &f));
    assert_false(feed(fs, 1, 1, 1, 2100, 1200, 0, &f)); /* Of another frame. */
    assert_true(feed(fs, 1, 1, 1, 2000, 1200, 0, &f));
    assert_false(fragments_input(fs, 1, &in, data, 7, 0, &f, &head));
    fragments_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order),
        cmocka_unit_test(largest_and_smallest),
        cmocka_unit_test(peers_and_time_are_kept_apart),
        cmocka_unit_test(a_greedy_peer_harms_itself),
        cmocka_unit_test(lies_are_ignored),
    };

    for (size_t i = 0; i < sizeof whole; i++)
        whole[i] = (uint8_t)(i * 7 + i / 256);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
