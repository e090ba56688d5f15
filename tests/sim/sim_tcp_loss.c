/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection of the stack lwip over a path that loses: 20 ms there and back, 1 Gbit/s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/far_end.h"

#define RUNS  10u
#define LIMIT (600 * MTIME_SEC)

static int init(void **state)
{
    (void)state;
    far_end_init();
    return 0;
}

static const struct far_end_setup path = {
    .delay = 10 * MTIME_MS,
    .rate = 1000000000,
    .queue = 2 << 20,
    .mss = 1460,
};

/* kbit/s, the mean of several runs. */
static uint64_t goodput(struct far_end_setup setup, uint64_t bytes)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < RUNS; i++) {
        struct far_end_result r;

        setup.seed = i + 1;
        r = far_end_run(&setup, bytes, LIMIT);
        assert_true(r.done);
        sum += bytes * 8 * (MTIME_SEC / 1000) / (uint64_t)r.time;
    }
    return sum / RUNS;
}

/* Against what Reno reaches, MSS / RTT * 1.22 / sqrt(loss) [Mathis et al. 1997]: 22.5 and 7.1 Mbit/s. */
static void test_goodput(void **state)
{
    struct far_end_setup s = path;

    (void)state;
    for (int sack = 0; sack < 2; sack++) {
        s.sack = sack;
        s.loss = 0;
        assert_true(goodput(s, 64 << 20) > 200000);
        s.loss = 1000;
        assert_true(goodput(s, 32 << 20) > 20000);
        s.loss = 10000;
        assert_true(goodput(s, 8 << 20) > 5700);
    }
}

/* Everything is lost now and then, also what is sent again: it takes time, and does not stand. */
static void test_progress(void **state)
{
    struct far_end_setup s = path;

    (void)state;
    s.loss = 80000;
    s.ack_loss = 80000;
    for (s.seed = 1; s.seed <= 100; s.seed++) {
        s.sack = s.seed & 1;
        assert_true(far_end_run(&s, 1 << 18, 60 * MTIME_SEC).done);
    }
}

/* A queue that is too short for a whole window: many are lost at once. */
static void test_short_queue(void **state)
{
    struct far_end_setup s = path;

    (void)state;
    s.rate = 20000000;
    s.queue = 32 << 10;
    for (s.seed = 1; s.seed <= 2; s.seed++) {
        struct far_end_result r;

        s.sack = s.seed & 1;
        r = far_end_run(&s, 16 << 20, LIMIT);
        assert_true(r.done);
        assert_true(r.lost > 10);
        assert_true(r.sent_again < r.bytes / 20);
        assert_true(r.time < 16 * MTIME_SEC); /* 7 s at full rate. */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goodput),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_short_queue),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
