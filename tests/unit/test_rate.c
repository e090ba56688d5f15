/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/rate.h"

static struct rate rate;

static int setup(void **state)
{
    (void)state;
    memset(&rate, 0, sizeof rate);
    memset(rate.key, 0x5a, sizeof rate.key);
    return 0;
}

static struct link_addr ip4(uint32_t number)
{
    return (struct link_addr){
        .family = 4,
        .port = (uint16_t)number,
        .addr = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

/* How many of n are taken, one every `gap`. */
static unsigned taken(const struct link_addr *from, unsigned n, mtime_t gap, mtime_t now)
{
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++)
        good += rate_take(&rate, from, now + (mtime_t)i * gap);
    return good;
}

static void test_burst_and_rate(void **state)
{
    struct link_addr a = ip4(1), b = ip4(2);

    (void)state;
    assert_int_equal(taken(&a, 100, 0, MTIME_SEC), RATE_BURST);
    assert_int_equal(taken(&b, 100, 0, MTIME_SEC),
                     RATE_BURST); /* Nobody else's business. */
    assert_int_equal(taken(&a, 1000, MTIME_MS, 2 * MTIME_SEC),
                     RATE_BURST + RATE_PER_SECOND - 1);
    assert_int_equal(taken(&a, 40, MTIME_SEC / RATE_PER_SECOND, 9 * MTIME_SEC), 40);
}

/* Ports, and what is behind a /64, make no difference; IPv4 and IPv6 are apart. */
static void test_sources(void **state)
{
    struct link_addr a = ip4(1), b = a;
    struct link_addr c = {.family = 6, .addr = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1}}, d = c;

    (void)state;
    b.port = 99;
    assert_int_equal(taken(&a, 9, 0, 0), RATE_BURST);
    assert_int_equal(taken(&b, 9, 0, 0), 0);
    assert_int_equal(taken(&c, 9, 0, 0), RATE_BURST);
    d.addr[15] = 7;
    assert_int_equal(taken(&d, 9, 0, 0), 0);
    d.addr[7] = 2;
    assert_int_equal(taken(&d, 9, 0, 0), RATE_BURST);
}

/* Whoever is silent longest gives way: one that comes all the time stays held whatever a flood of
 * other addresses does, and each of those gets its burst. */
static void test_full(void **state)
{
    struct link_addr busy = ip4(0);
    unsigned good = 0;

    (void)state;
    assert_int_equal(taken(&busy, 9, 0, 0), RATE_BURST);
    for (uint32_t i = 1; i <= 100000; i++) {
        struct link_addr other = ip4(i);

        assert_true(rate_take(&rate, &other, (mtime_t)i));
        good += rate_take(&rate, &busy, (mtime_t)i);
    }
    /* 0.1 s have gone by. */
    assert_in_range(good, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_burst_and_rate, setup),
        cmocka_unit_test_setup(test_sources, setup),
        cmocka_unit_test_setup(test_full, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
