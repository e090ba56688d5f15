/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/patience.h"

static void what_comes_soon_is_waited_for(void **state)
{
    struct patience p = {.span = 0};

    (void)state;
    assert_false(patience_lasts(&p, 0, 0));
    for (unsigned i = 0; i < 5; i++)
        patience_learn(&p, PATIENCE_MAX);
    assert_int_equal(p.span, PATIENCE_MAX);
    assert_true(patience_lasts(&p, 1000, 1000 + PATIENCE_MAX - 1));
    assert_false(patience_lasts(&p, 1000, 1000 + PATIENCE_MAX));
    for (unsigned i = 0; i < 10; i++)
        patience_learn(&p, PATIENCE_MAX + 1);
    assert_int_equal(p.span, PATIENCE_MIN);
}

static void others_have_the_processor(void **state)
{
    struct patience p = {.span = PATIENCE_MAX};
    mtime_t now = 10 * MTIME_SEC, last = 0;

    (void)state;
    patience_yielded(&p, now - MTIME_MS + 1, now);
    assert_true(patience_lasts(&p, now, now));
    patience_yielded(&p, now - MTIME_MS, now);
    assert_int_equal(p.busy_for, 20 * MTIME_MS);
    assert_false(patience_lasts(&p, now, now));
    /* Each time that they still want it, for longer; up to a second. */
    for (unsigned i = 0; i < 8; i++) {
        now = p.busy_until;
        assert_true(patience_lasts(&p, now, now));
        last = p.busy_for;
        patience_yielded(&p, now - MTIME_MS, now);
        assert_true(p.busy_for > last || p.busy_for == MTIME_SEC);
    }
    assert_int_equal(p.busy_for, MTIME_SEC);
    now = p.busy_until + MTIME_SEC;
    patience_yielded(&p, now - MTIME_MS, now);
    assert_int_equal(p.busy_for, 20 * MTIME_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_soon_is_waited_for),
        cmocka_unit_test(others_have_the_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
