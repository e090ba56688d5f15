/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/damping.h"

#define START (1000 * MTIME_SEC)

static mtime_t fall(struct damping *d, mtime_t now)
{
    damping_lost(d, now);
    return damping_back(d, now + MTIME_SEC);
}

static void times_double_up_to_a_minute(void **state)
{
    static const int seconds[] = {0, 0, 5, 10, 20, 40, 60, 60, 60};
    struct damping d = {0};
    mtime_t now = START;

    (void)state;
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++, now += 2 * MTIME_SEC) {
        assert_int_equal(fall(&d, now), seconds[i] * MTIME_SEC);
        assert_int_equal(damping_held(&d, now + MTIME_SEC), seconds[i] > 0);
    }
    now -= MTIME_SEC; /* When it came back for good. */
    assert_true(damping_held(&d, now + DAMPING_MAX - 1));
    assert_false(damping_held(&d, now + DAMPING_MAX));
}

/* Silence and then the end of the session are one loss, and what was never lost does not come back. */
static void a_loss_counts_once(void **state)
{
    struct damping d = {0};

    (void)state;
    assert_int_equal(damping_back(&d, START), 0);
    for (unsigned i = 0; i < 10; i++)
        damping_lost(&d, START + i);
    assert_int_equal(d.losses, 1);
    assert_int_equal(damping_back(&d, START + 20), 0);
    assert_int_equal(damping_back(&d, START + 21), 0);
    assert_false(damping_held(&d, START + 21));
}

static void losses_are_forgotten(void **state)
{
    struct damping d = {0};
    mtime_t now = START;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        fall(&d, now += MTIME_SEC);
    assert_int_equal(d.losses, 5);
    assert_int_equal(fall(&d, now += 3 * DAMPING_FORGET), 5 * MTIME_SEC); /* 5 - 3 + 1 */
    assert_int_equal(fall(&d, now += 60 * DAMPING_FORGET), 0);
    /* One that was away for long is not held for what was before. */
    for (unsigned i = 0; i < 6; i++)
        fall(&d, now += MTIME_SEC);
    damping_lost(&d, now += MTIME_SEC);
    assert_int_equal(damping_back(&d, now + 10 * DAMPING_FORGET), 0);
}

/* How often a tree takes a link that falls every `period`, in an hour. */
static unsigned taken(mtime_t period)
{
    struct damping d = {0};
    unsigned times = 0;

    for (mtime_t now = START; now < START + 3600 * MTIME_SEC; now += period) {
        damping_lost(&d, now);
        damping_back(&d, now + period / 10);
        times += !damping_held(&d, now + period - 1);
    }
    return times;
}

static void changes_are_bounded(void **state)
{
    (void)state;
    for (mtime_t period = 100 * MTIME_MS; period < 54 * MTIME_SEC; period += 700 * MTIME_MS)
        assert_in_range(taken(period), 2, 7);
    for (mtime_t period = 54 * MTIME_SEC; period < 200 * MTIME_SEC; period += MTIME_SEC)
        assert_in_range(taken(period), 2, 3600 * MTIME_SEC / period + 1);
}

static void the_other_end_is_believed_within_bounds(void **state)
{
    struct damping d = {0};

    (void)state;
    damping_told(&d, 10 * MTIME_SEC, START);
    assert_true(damping_held(&d, START + 9 * MTIME_SEC));
    damping_told(&d, 2 * MTIME_SEC, START); /* Never shorter. */
    assert_true(damping_held(&d, START + 9 * MTIME_SEC));
    damping_told(&d, 65535 * MTIME_SEC, START);
    assert_false(damping_held(&d, START + DAMPING_MAX));
    assert_int_equal(d.losses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_double_up_to_a_minute),
        cmocka_unit_test(a_loss_counts_once),
        cmocka_unit_test(losses_are_forgotten),
        cmocka_unit_test(changes_are_bounded),
        cmocka_unit_test(the_other_end_is_believed_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
