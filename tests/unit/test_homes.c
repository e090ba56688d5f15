/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Homes of MACs: the table against a naive model, and what the switch makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/switch/homes.h"
#include "tests/unit/switch_ports.h"

#define N_MACS 400u

/* Few different low bytes: many that collide. */
static const uint8_t *mac(unsigned i)
{
    static uint8_t out[6];

    memcpy(out, (uint8_t[]){2, 0, (uint8_t)(i * 7), 0, (uint8_t)(i >> 8), (uint8_t)i}, 6);
    return out;
}

static void check(const struct homes *h, const uint32_t want[N_MACS])
{
    unsigned n = 0;

    for (unsigned i = 0; i < N_MACS; i++) {
        assert_int_equal(homes_of(h, mac(i)), want[i]);
        n += want[i] != HOMES_NONE;
    }
    assert_int_equal(homes_count(h), n);
}

static void random_homes(void **state)
{
    struct homes *h = homes_new(42);
    uint32_t want[N_MACS], seed = 1;

    (void)state;
    for (unsigned i = 0; i < N_MACS; i++)
        want[i] = HOMES_NONE;
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i;
        uint16_t host;

        seed = seed * 1664525u + 1013904223u;
        i = (seed >> 8) % N_MACS;
        host = (uint16_t)(seed >> 28);
        if ((seed >> 24) % 3 == 0) {
            assert_int_equal(homes_remove(h, mac(i)), want[i] != HOMES_NONE);
            want[i] = HOMES_NONE;
        } else {
            assert_int_equal(homes_put(h, mac(i), host), want[i] != host);
            want[i] = host;
        }
        if (step % 500 == 0)
            check(h, want);
    }
    homes_begin(h);
    for (unsigned i = 0; i < N_MACS; i++) {
        if (want[i] != HOMES_NONE && i % 3 == 0)
            assert_false(homes_put(h, mac(i), (uint16_t)want[i]));
        else
            want[i] = HOMES_NONE;
    }
    homes_end(h);
    check(h, want);
    homes_free(h);
}

/* --- in the switch --------------------------------------------------------------------------- */

enum { LOCAL, OTHER, LINK2, LINK3, N_PORTS };

struct world {
    struct switch_ *sw;
    struct fake_port ports[N_PORTS];
};

static int setup(void **state)
{
    static struct world w;
    const struct switch_config config = {.mtu = 1500, .seed = 7};

    memset(&w, 0, sizeof w);
    w.sw = switch_new(&config);
    for (unsigned i = 0; i < N_PORTS; i++) {
        fake_port_init(&w.ports[i], i + 1, 0, false);
        w.ports[i].sw.all_vlans = i >= LINK2;
        w.ports[i].sw.horizon = i >= LINK2;
        w.ports[i].sw.host = (uint16_t)(i >= LINK2 ? i : 0);
        switch_add_port(w.sw, &w.ports[i].sw);
    }
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    fake_switch_free(w->sw, w->ports, N_PORTS);
    return 0;
}

/* Whether a frame of the MAC is let in by that port. */
static bool lets_in(struct world *w, unsigned in, const uint8_t *src)
{
    uint64_t before = w->ports[in].sw.counters.rx_drops[SWPORT_DROP_ELSEWHERE];
    struct frame f =
        fake_frame((const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, src, 60, 0);
    unsigned to = in == OTHER ? LOCAL : OTHER;
    unsigned got;

    fake_port_clear(&w->ports[to]);
    switch_input(&w->ports[in].sw, &f, 1, 0);
    got = w->ports[to].n;
    assert_int_equal(w->ports[in].sw.counters.rx_drops[SWPORT_DROP_ELSEWHERE] - before,
                     got == 0);
    return got == 1;
}

static void only_one_instance_is_believed(void **state)
{
    struct world *w = *state;
    uint8_t web[6];

    memcpy(web, mac(1), 6);
    for (unsigned in = 0; in < N_PORTS; in++)
        assert_true(lets_in(w, in, web));
    switch_put_home(w->sw, web, 0, HOMES_HERE, 0);
    assert_true(lets_in(w, LOCAL, web));
    assert_false(lets_in(w, LINK2, web));
    assert_false(lets_in(w, LINK3, web));
    assert_true(lets_in(w, LINK2, mac(2)));

    /* It moves, while frames of it are under way: answers remembered for a port do not outlive it. */
    switch_put_home(w->sw, web, 0, LINK2, 0);
    assert_false(lets_in(w, LOCAL, web));
    assert_true(lets_in(w, LINK2, web));
    assert_false(lets_in(w, LINK3, web));
    switch_put_home(w->sw, web, 0, LINK3, 0);
    assert_false(lets_in(w, LINK2, web));
    assert_true(lets_in(w, LINK3, web));

    /* In a tree a frame may come by any link. */
    w->ports[LINK2].sw.horizon = 0;
    assert_true(lets_in(w, LINK2, web));
    assert_false(lets_in(w, LOCAL, web));

    switch_begin_homes(w->sw);
    switch_end_homes(w->sw);
    assert_true(lets_in(w, LOCAL, web));
}

static void frames_follow_before_it_speaks(void **state)
{
    struct world *w = *state;
    uint8_t web[6];
    struct frame f;

    memcpy(web, mac(1), 6);
    switch_put_home(w->sw, web, 0, LINK2, 0);
    assert_true(lets_in(w, LINK2, web));
    switch_put_home(w->sw, web, 0, LINK3, 0);
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_clear(&w->ports[i]);
    f = fake_frame(web, mac(2), 60, 0);
    switch_input(&w->ports[LOCAL].sw, &f, 1, 0);
    assert_int_equal(w->ports[LINK2].n, 0);
    assert_int_equal(w->ports[LINK3].n, 1);
}

/* However often an endpoint moves from host to host, that is no flapping; what moves by itself is. */
static void moves_by_migration_are_no_flaps(void **state)
{
    struct world *w = *state;
    uint8_t web[6];
    unsigned let_in = 0;

    memcpy(web, mac(1), 6);
    for (unsigned i = 0; i < 20; i++) {
        bool here = i % 2 == 0;

        switch_put_home(w->sw, web, 0, here ? HOMES_HERE : LINK2, 0);
        assert_true(lets_in(w, here ? LOCAL : LINK2, web));
    }
    for (unsigned i = 0; i < 20; i++) {
        struct frame f = fake_frame((const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
                                    mac(3), 60, 0);
        unsigned in = i % 2 == 0 ? LOCAL : LINK2;

        fake_port_clear(&w->ports[OTHER]);
        switch_input(&w->ports[in].sw, &f, 1, 0);
        let_in += w->ports[OTHER].n;
    }
    assert_in_range(let_in, 6, 19);
    assert_int_equal(w->ports[LOCAL].sw.counters.rx_drops[SWPORT_DROP_FLAP] +
                         w->ports[LINK2].sw.counters.rx_drops[SWPORT_DROP_FLAP],
                     20 - let_in);
}

/* The next instance is made ready beside the one that works. */
static void a_second_port_is_fenced(void **state)
{
    struct world *w = *state;
    struct fake_port next;
    uint8_t web[6];
    struct frame f;

    memcpy(web, mac(1), 6);
    assert_false(switch_put_home(w->sw, web, 0, LINK2, 0));
    fake_port_init(&next, 9, 0, false);
    next.sw.pinned = true;
    memcpy(next.sw.pin_mac, web, 6);
    switch_add_port(w->sw, &next.sw);
    assert_int_equal(next.sw.state, SWPORT_DISCARDING);
    f = fake_frame(web, mac(2), 60, 0);
    switch_input(&w->ports[LOCAL].sw, &f, 1, 0);
    assert_int_equal(next.n, 0);
    f = fake_frame(mac(2), web, 60, 0);
    switch_input(&next.sw, &f, 1, 0);
    assert_int_equal(w->ports[LOCAL].n, 0);

    assert_true(switch_put_home(w->sw, web, 0, HOMES_HERE, 0));
    f = fake_frame(web, mac(2), 60, 0);
    switch_input(&w->ports[LOCAL].sw, &f, 1, 0);
    assert_int_equal(next.n, 1);
    f = fake_frame(mac(2), web, 60, 0);
    switch_input(&next.sw, &f, 1, 0);
    assert_int_equal(w->ports[LOCAL].n, 1);

    /* And the one that is left behind, before anybody takes it away. */
    fake_port_clear(&next);
    assert_false(switch_put_home(w->sw, web, 0, LINK3, 0));
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_clear(&w->ports[i]);
    f = fake_frame(web, mac(2), 60, 0);
    switch_input(&w->ports[LOCAL].sw, &f, 1, 0);
    assert_int_equal(next.n, 0);
    assert_int_equal(w->ports[LINK3].n, 1);
    switch_remove_home(w->sw, web);
    assert_int_equal(next.sw.state, SWPORT_FORWARDING);
    switch_remove_port(&next.sw);
    fake_port_clear(&next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_homes),
        cmocka_unit_test_setup_teardown(only_one_instance_is_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_follow_before_it_speaks, setup, teardown),
        cmocka_unit_test_setup_teardown(moves_by_migration_are_no_flaps, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_port_is_fenced, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
