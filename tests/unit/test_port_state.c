/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a switch does at ports that do not forward, and the trap of the bridge protocols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/mac.h"
#include "tests/unit/switch_ports.h"

#define N_PORTS 3u

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t bridges[6] = {0x01, 0x80, 0xc2, 0, 0, 0};
static const uint8_t slow[6] = {0x01, 0x80, 0xc2, 0, 0, 2};
static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 2};

struct world {
    struct switch_ *sw;
    struct fake_port ports[N_PORTS];
    struct switch_trap trap;
    unsigned taken;
    unsigned no_stations;
    struct swport *stop; /* The trap makes it discard. */
};

static int setup(void **state)
{
    static struct world w;
    const struct switch_config config = {.mtu = 1500, .seed = 7};

    memset(&w, 0, sizeof w);
    w.sw = switch_new(&config);
    for (unsigned i = 0; i < N_PORTS; i++) {
        fake_port_init(&w.ports[i], i + 1, 0, false);
        switch_add_port(w.sw, &w.ports[i].sw);
    }
    *state = &w;
    return w.sw ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;

    fake_switch_free(w->sw, w->ports, N_PORTS);
    return 0;
}

static void send_one(struct world *w, unsigned in, const uint8_t dst[6],
                     const uint8_t src[6])
{
    struct frame f = fake_frame(dst, src, 60, 0);

    switch_input(&w->ports[in].sw, &f, 1, 0);
}

static void discarding_ports_neither_take_nor_give(void **state)
{
    struct world *w = *state;

    switch_set_port_state(&w->ports[1].sw, SWPORT_DISCARDING);
    send_one(w, 0, broadcast, mac_a);
    assert_int_equal(w->ports[1].n, 0);
    assert_int_equal(w->ports[2].n, 1);
    send_one(w, 1, broadcast, mac_b);
    assert_int_equal(w->ports[0].n, 0);
    assert_int_equal(w->ports[1].sw.counters.rx_drops[SWPORT_DROP_BLOCKED], 1);
    assert_int_equal(switch_count_macs(w->sw), 1);
    switch_set_port_state(&w->ports[1].sw, SWPORT_FORWARDING);
    send_one(w, 1, broadcast, mac_b);
    assert_int_equal(w->ports[0].n, 1);
}

static void learning_ports_learn(void **state)
{
    struct world *w = *state;

    switch_set_port_state(&w->ports[1].sw, SWPORT_LEARNING);
    send_one(w, 1, broadcast, mac_b);
    assert_int_equal(w->ports[0].n, 0);
    assert_int_equal(switch_count_macs(w->sw), 1);
    /* It is known to be there, and nothing goes there yet. */
    send_one(w, 0, mac_b, mac_a);
    assert_int_equal(w->ports[1].n + w->ports[2].n, 0);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_NOWHERE], 1);
}

static void flushed_ports_are_not_known(void **state)
{
    struct world *w = *state;

    send_one(w, 1, broadcast, mac_b);
    send_one(w, 0, mac_b, mac_a);
    assert_int_equal(w->ports[2].n, 1); /* The broadcast. */
    switch_flush_port(&w->ports[1].sw);
    send_one(w, 0, mac_b, mac_a);
    assert_int_equal(w->ports[2].n, 2); /* Not known: to all. */
    assert_int_equal(w->ports[1].n, 2);
}

static bool take(void *aux, struct swport *in, const struct frame *f, mtime_t now)
{
    struct world *w = aux;

    (void)in;
    (void)now;
    if (w->stop)
        switch_set_port_state(w->stop, SWPORT_DISCARDING);
    if (memcmp(f->data, slow, 6) == 0)
        return false;
    w->taken++;
    return true;
}

static void the_trap_is_asked_first(void **state)
{
    struct world *w = *state;

    w->trap = (struct switch_trap){.take = take, .aux = w};
    switch_set_trap(w->sw, &w->trap);
    switch_set_port_state(&w->ports[0].sw, SWPORT_DISCARDING);
    send_one(w, 0, bridges, mac_a);
    send_one(w, 0, mac_loop_probe, mac_a);
    assert_int_equal(w->taken, 2);
    send_one(w, 0, slow, mac_a);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_RESERVED], 1);
    /* A pinned port is an end station. */
    w->ports[1].sw.pinned = true;
    memcpy(w->ports[1].sw.pin_mac, mac_b, 6);
    send_one(w, 1, bridges, mac_b);
    assert_int_equal(w->taken, 2);
    assert_int_equal(w->ports[1].sw.counters.rx_drops[SWPORT_DROP_RESERVED], 1);
    /* Without a trap a probe is a frame like any other. */
    switch_set_trap(w->sw, NULL);
    send_one(w, 2, mac_loop_probe, mac_a);
    assert_int_equal(w->taken, 2);
    assert_int_equal(w->ports[1].n, 1);
}

static void no_station(void *aux, struct swport *in, mtime_t now)
{
    struct world *w = aux;

    (void)in;
    (void)now;
    w->no_stations++;
}

static void a_station_is_one_until_others_are_heard(void **state)
{
    struct world *w = *state;

    w->trap = (struct switch_trap){.take = take, .no_station = no_station, .aux = w};
    switch_set_trap(w->sw, &w->trap);
    w->ports[0].sw.station = true;
    memcpy(w->ports[0].sw.pin_mac, mac_a, 6);
    send_one(w, 0, broadcast, mac_a);
    send_one(w, 1, broadcast, mac_b);
    assert_true(w->ports[0].sw.station);
    send_one(w, 0, broadcast, mac_b);
    assert_false(w->ports[0].sw.station);
    send_one(w, 0, broadcast, mac_b);
    assert_int_equal(w->no_stations, 1);
}

/* What the burst had decided before is not delivered any more. */
static void a_stop_takes_effect_within_the_burst(void **state)
{
    struct world *w = *state;
    struct frame frames[2] = {fake_frame(broadcast, mac_a, 60, 1),
                              fake_frame(bridges, mac_a, 60, 2)};

    w->trap = (struct switch_trap){.take = take, .aux = w};
    w->stop = &w->ports[1].sw;
    switch_set_trap(w->sw, &w->trap);
    switch_input(&w->ports[0].sw, frames, 2, 0);
    assert_int_equal(w->ports[1].n, 0);
    assert_int_equal(w->ports[2].n, 1);
}

static void own_frames_leave_by_any_port(void **state)
{
    struct world *w = *state;
    struct frame f = fake_frame(bridges, mac_a, 60, 0);

    switch_set_port_state(&w->ports[1].sw, SWPORT_DISCARDING);
    switch_send(&w->ports[1].sw, &f);
    assert_int_equal(w->ports[1].n, 1);
    assert_int_equal(w->ports[0].n + w->ports[2].n, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(discarding_ports_neither_take_nor_give),
        TEST(learning_ports_learn),
        TEST(flushed_ports_are_not_known),
        TEST(the_trap_is_asked_first),
        TEST(a_station_is_one_until_others_are_heard),
        TEST(a_stop_takes_effect_within_the_burst),
        TEST(own_frames_leave_by_any_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
