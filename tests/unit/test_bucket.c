/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/port/bucket.h"

#define RATE  100000u /* Bits per second: 12500 bytes. */
#define FRAME 1500

/* Sends as much as it may, looking every `step`. Returns how many bytes in `span`. */
static int64_t sent_in(struct bucket *b, mtime_t start, mtime_t span, mtime_t step)
{
    int64_t sent = 0;

    for (mtime_t now = start; now <= start + span; now += step) {
        bucket_refill(b, now);
        while (b->credit > 0) {
            b->credit -= FRAME;
            sent += FRAME;
        }
    }
    return sent;
}

/* The rate is the same whether it looks seldom or all the time. */
static void rate_is_that_of_the_clock(void **state)
{
    static const mtime_t steps[] = {1, 7, 50, 79, 80, 81, 1000, 5000};

    (void)state;
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct bucket b;

        bucket_init(&b, RATE, 1000);
        assert_in_range(sent_in(&b, 1000, 2 * MTIME_SEC, steps[i]), 25000 - FRAME,
                        25000 + b.most + FRAME);
    }
}

/* A frame that takes more than a second, as all others, is paid for when it is said. */
static void debt_is_paid_when_due(void **state)
{
    static const int64_t debts[] = {0, 1, 99, 1499, 12500, 62500};

    (void)state;
    for (unsigned i = 0; i < sizeof debts / sizeof *debts; i++) {
        struct bucket b;
        mtime_t due;

        bucket_init(&b, RATE, 5);
        b.credit = -debts[i];
        due = bucket_due(&b);
        assert_in_range(due - 5, (debts[i] + 1) * 80, (debts[i] + 1) * 80 + 1);
        bucket_refill(&b, due - 2);
        assert_true(b.credit <= 0);
        bucket_refill(&b, due);
        assert_int_equal(b.credit, 1);
    }
}

static void pause_fills_it_and_no_more(void **state)
{
    struct bucket b;

    (void)state;
    bucket_init(&b, RATE, 0);
    assert_int_equal(b.credit, 63); /* 5 ms, and one. */
    b.credit = -1000;
    bucket_refill(&b, 3600 * MTIME_SEC);
    assert_int_equal(b.credit, 63);
    assert_in_range(bucket_due(&b), 3600 * MTIME_SEC, 3600 * MTIME_SEC + 1);
    bucket_set_rate(&b, 2 * RATE);
    bucket_refill(&b, 7200 * MTIME_SEC);
    assert_int_equal(b.credit, 126);
    bucket_set_rate(&b, 0);
    assert_int_equal(b.rate, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_is_that_of_the_clock),
        cmocka_unit_test(debt_is_paid_when_due),
        cmocka_unit_test(pause_fills_it_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
