/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links that are lost again and again, under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/link/hub_internal.h"
#include "tests/sim/links.h"

static bool attached(struct links *s)
{
    return s->hosts[0].n_attached == 1 && s->hosts[1].n_attached == 1;
}

/* Two hosts link up and carry a network. */
static void meet(struct links *s)
{
    links_mesh(s);
    for (unsigned i = 0; i < 2; i++)
        assert_true(hub_put_net(s->hosts[i].hub, 99, true, NULL, 0, s->now) >= 0);
    assert_true(links_until(s, attached, 5 * MTIME_SEC) >= 0);
}

static bool both_silent(struct links *s)
{
    return links_peer(s, 0, 1)->silent && links_peer(s, 1, 0)->silent;
}

static bool none_silent(struct links *s)
{
    return !links_peer(s, 0, 1)->silent && !links_peer(s, 1, 0)->silent;
}

/* A link that falls silent again and again is held at both ends, longer each time, and at last is
 * as any other; whoever hears of it takes it seven times. */
static void a_link_that_falls_often_is_held(void **state)
{
    struct links *s = links_new(2, 23);
    struct links_path path = s->paths[0][1];
    struct peer *p;
    unsigned takes;

    (void)state;
    meet(s);
    p = links_peer(s, 0, 1);
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned k = 0; k < 300; k++) {
            links_frame(s, 0, 1, 0, 500);
            links_run(s, 10 * MTIME_MS);
        }
        path.cut = true;
        links_set(s, 0, 1, path);
        assert_true(links_until(s, both_silent, MTIME_SEC) >= 0);
        path.cut = false;
        links_set(s, 0, 1, path);
        assert_true(links_until(s, none_silent, MTIME_SEC) >= 0);
        assert_int_equal(p->held, i >= 2);
        assert_int_equal(links_peer(s, 1, 0)->held, i >= 2);
    }
    assert_true(links_all_up(s));
    takes = s->hosts[0].n_takes;
    assert_in_range(takes, 2, 7);
    links_run(s, 59 * MTIME_SEC);
    assert_true(p->held);
    links_run(s, 2 * MTIME_SEC);
    assert_false(p->held);
    assert_false(links_peer(s, 1, 0)->held);
    assert_int_equal(s->hosts[0].n_takes, takes + 1);
    links_free(s);
}

static bool down_at_one(struct links *s)
{
    return !links_peer(s, 0, 1)->up;
}

/* An end that alone hears nothing tells the other; what ends with a goodbye, or is a new beginning by
 * hand, is no loss. */
static void the_other_end_is_told(void **state)
{
    struct links *s = links_new(2, 24);
    struct links_path path = s->paths[1][0];

    (void)state;
    meet(s);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned k = 0; k < 100; k++) {
            links_frame(s, 0, 1, 0, 500);
            links_run(s, 10 * MTIME_MS);
        }
        s->paths[1][0].cut = true;
        for (unsigned k = 0; k < 30; k++) {
            links_frame(s, 0, 1, 0, 500);
            links_run(s, 10 * MTIME_MS);
        }
        assert_true(links_peer(s, 0, 1)->silent);
        s->paths[1][0] = path;
        links_run(s, 200 * MTIME_MS);
    }
    assert_int_equal(s->hosts[1].n_silences, 0);
    assert_true(links_peer(s, 0, 1)->held);
    assert_true(links_peer(s, 1, 0)->held);
    links_free(s);
    s = links_new(2, 25);
    meet(s);
    for (unsigned i = 0; i < 5; i++) {
        peer_down(links_peer(s, 1, 0), true, s->now);
        assert_true(links_until(s, down_at_one, MTIME_SEC) >= 0);
        assert_true(links_until(s, links_all_up, 5 * MTIME_SEC) >= 0);
    }
    assert_false(links_peer(s, 0, 1)->held || links_peer(s, 1, 0)->held);
    links_free(s);
}

/* One whose process dies and begins anew, over and over, is held as well. */
static void restarts_without_a_word_are_losses(void **state)
{
    struct links *s = links_new(2, 26);

    (void)state;
    meet(s);
    for (unsigned i = 0; i < 3; i++) {
        links_run(s, 2 * MTIME_SEC);
        links_restart(s, 1);
        assert_true(links_until(s, links_all_up, 20 * MTIME_SEC) >= 0);
        assert_int_equal(links_peer(s, 0, 1)->held, i >= 2);
    }
    links_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_falls_often_is_held),
        cmocka_unit_test(the_other_end_is_told),
        cmocka_unit_test(restarts_without_a_word_are_losses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
