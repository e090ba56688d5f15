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
    .delay_ack = 40 * MTIME_MS,
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

/* What comes late is not taken for lost: without a margin for it a connection has 7 Mbit/s here. */
static void test_late(void **state)
{
    struct far_end_setup s = path;

    (void)state;
    s.late = 10000;
    for (int sack = 0; sack < 2; sack++) {
        s.sack = sack;
        s.lateness = 3 * MTIME_MS;
        assert_true(goodput(s, 16 << 20) > 120000);
        s.lateness = 10 * MTIME_MS;
        assert_true(goodput(s, 16 << 20) > 90000);
    }
    /* And what is lost beside it still goes again in time. */
    s.lateness = 3 * MTIME_MS;
    s.loss = 10000;
    assert_true(goodput(s, 8 << 20) > 5400);
}

/* The last segment of several, and a single one, are not waited for until a time-out. */
static void test_tail(void **state)
{
    struct far_end_setup s = path;
    mtime_t most = 0, sum = 0;

    (void)state;
    s.sack = true;
    s.loss = 100000;
    for (s.seed = 1; s.seed <= 200; s.seed++) {
        struct far_end_result r = far_end_run(&s, s.seed & 1 ? 1000 : 5000, LIMIT);

        assert_true(r.done);
        sum += r.time;
        most = r.time > most ? r.time : most;
    }
    assert_true(sum / 200 < 130 * MTIME_MS); /* 40 is what it takes without loss. */
    assert_true(most < 600 * MTIME_MS);
}

/* Who keeps acknowledgements of single segments back for long, and says that one came twice, is not asked again. */
static void test_kept_back(void **state)
{
    struct far_end_setup s = path;
    struct far_end_result r;

    (void)state;
    s.sack = true;
    s.piece = 100;
    s.pause = 500 * MTIME_MS;
    r = far_end_run(&s, 2000, LIMIT);
    assert_true(r.done);
    assert_int_equal(r.sent_again, 0);
    s.delay_ack = 180 * MTIME_MS;
    r = far_end_run(&s, 2000, LIMIT);
    assert_true(r.done);
    assert_int_equal(r.sent_again, 100);
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
        cmocka_unit_test(test_goodput),  cmocka_unit_test(test_late),
        cmocka_unit_test(test_tail),     cmocka_unit_test(test_kept_back),
        cmocka_unit_test(test_progress), cmocka_unit_test(test_short_queue),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
