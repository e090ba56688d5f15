/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The search for a path's MTU, against paths of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/link/path.h"

/* Runs the search for `span` over a path that takes `real`; returns how many probes it took. */
static unsigned search(struct path *p, uint16_t real, mtime_t *now, mtime_t span)
{
    mtime_t end = *now + span;
    unsigned n = 0;

    while (p->due <= end) {
        uint16_t size;

        *now = p->due > *now ? p->due : *now;
        size = path_run(p, *now, 300 * MTIME_MS);
        if (!size)
            continue;
        n++;
        if (size <= real)
            path_answered(p, size, *now + MTIME_MS);
    }
    *now = end;
    return n;
}

static void finds_what_fits(void **state)
{
    (void)state;
    for (uint16_t real = 1280; real <= 9100; real = (uint16_t)(real + 7)) {
        struct path p;
        mtime_t now = 0;

        path_init(&p, 0);
        assert_in_range(search(&p, real, &now, 60 * MTIME_SEC), 1, 20);
        assert_true(p.mtu <= real);
        assert_true(p.mtu + (real < 1500 ? 60 : 2000) > real);
    }
}

static void the_usual_is_found_at_once(void **state)
{
    struct path p;

    (void)state;
    path_init(&p, 0);
    assert_int_equal(path_run(&p, 0, 300000), 1500);
    assert_true(path_answered(&p, 1500, 1000));
    assert_int_equal(p.mtu, 1500);
    assert_int_equal(path_run(&p, 1000, 300000), 9000);
    assert_false(path_too_big(&p, 9000, 1000)); /* The interface said so: no waiting. */
    assert_int_equal(p.mtu, 1500);
    assert_false(path_answered(&p, 9000, 2000)); /* Nobody asked any more. */
}

static void limits_are_kept(void **state)
{
    struct path p;
    mtime_t now = 0;

    (void)state;
    path_init(&p, 0);
    path_set_limit(&p, 1400, 0);
    search(&p, 9000, &now, 60 * MTIME_SEC);
    assert_int_equal(p.mtu, 1400);
    path_set_limit(&p, 9000, now);
    search(&p, 9000, &now, 60 * MTIME_SEC);
    assert_int_equal(p.mtu, 9000);
    path_set_limit(&p, 100, now); /* Nobody's path is that narrow. */
    assert_int_equal(p.mtu, 1280);
}

static void shrinking_is_noticed(void **state)
{
    struct path p;
    mtime_t now = 0;

    (void)state;
    path_init(&p, 0);
    search(&p, 1500, &now, 60 * MTIME_SEC);
    assert_int_equal(p.mtu, 1500);
    assert_false(path_unheard(&p, now));
    path_answered(&p, 1500, now); /* It was only one loss. */
    assert_false(path_unheard(&p, now));
    assert_true(path_unheard(&p, now));
    assert_int_equal(p.mtu, 1280);
    search(&p, 1420, &now, 60 * MTIME_SEC);
    assert_int_equal(p.mtu, 1420);
    assert_true(path_too_big(&p, 1420, now));
    assert_int_equal(p.mtu, 1280);
}

static void growth_is_found_later(void **state)
{
    struct path p;
    mtime_t now = 0;
    unsigned n;

    (void)state;
    path_init(&p, 0);
    search(&p, 1500, &now, 60 * MTIME_SEC);
    n = search(&p, 9000, &now, 500 * MTIME_SEC);
    assert_int_equal(n, 0); /* Silence in between. */
    search(&p, 9000, &now, 700 * MTIME_SEC);
    assert_int_equal(p.mtu, 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_fits),
        cmocka_unit_test(the_usual_is_found_at_once),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(shrinking_is_noticed),
        cmocka_unit_test(growth_is_found_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
