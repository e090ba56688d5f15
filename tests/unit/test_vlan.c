/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VLANs, tags, and ports' states in them, rule by rule. Ports: 0 is in 10, 1 in 20, 2 is a trunk of 10 and
 * 20 with 10 native, 3 a trunk of 20 and 30, 4 a link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/bytes.h"
#include "tests/unit/switch_ports.h"

#define N_PORTS 5u
#define NONE    0x10000u /* No tag. */

static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t here[6] = {2, 0, 0, 0, 0, 1}, there[6] = {2, 0, 0, 0, 0, 2};

struct world {
    struct switch_config config;
    struct switch_ *sw;
    struct fake_port ports[N_PORTS];
};

static struct swport_settings trunk(uint16_t a, uint16_t b, uint16_t native)
{
    struct swport_settings set = {.tagged = true, .vlan = native};

    swport_vlan_add(set.trunk, a);
    swport_vlan_add(set.trunk, b);
    return set;
}

static int setup(void **state)
{
    static struct world w;

    memset(&w, 0, sizeof w);
    w.config = (struct switch_config){.mtu = 1500, .seed = 7, .vlan_aware = true};
    for (uint16_t vid = 10; vid <= 30; vid = (uint16_t)(vid + 10))
        swport_vlan_add(w.config.vlans, vid);
    w.sw = switch_new(&w.config);
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_init(&w.ports[i], i + 1, 0, false);
    w.ports[0].sw.set.vlan = 10;
    w.ports[1].sw.set.vlan = 20;
    w.ports[2].sw.set = trunk(10, 20, 10);
    w.ports[3].sw.set = trunk(20, 30, 0);
    w.ports[4].sw.all_vlans = true;
    for (unsigned i = 0; i < N_PORTS; i++)
        switch_add_port(w.sw, &w.ports[i].sw);
    *state = &w;
    return w.sw ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;

    fake_switch_free(w->sw, w->ports, N_PORTS);
    return 0;
}

static void clear(struct world *w)
{
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_clear(&w->ports[i]);
}

/* A frame with these tags (NONE = not there), sent in by a port; a link has `outer` in tci. */
static void send_tags(struct world *w, unsigned in, const uint8_t *dst, const uint8_t *src,
                      uint32_t outer, uint32_t inner)
{
    uint8_t bytes[80] = {0};
    unsigned at = 12;
    struct frame f;

    memcpy(bytes, dst, 6);
    memcpy(bytes + 6, src, 6);
    if (outer != NONE && in != 4) {
        store_be16(bytes + at, 0x8100);
        store_be16(bytes + at + 2, (uint16_t)outer);
        at += 4;
    }
    if (inner != NONE) {
        store_be16(bytes + at, 0x8100);
        store_be16(bytes + at + 2, (uint16_t)inner);
        at += 4;
    }
    store_be16(bytes + at, 0x88b5);
    memset(bytes + at + 2, 0x5a, 46);
    f = fake_frame_of(bytes, at + 48);
    if (in == 4)
        f.tci = (uint16_t)outer;
    switch_input(&w->ports[in].sw, &f, 1, 0);
}

/* What the port got: nothing (-1), or its tag in the bytes (NONE = none). */
static int64_t got(const struct world *w, unsigned port)
{
    const struct fake_frame *f = &w->ports[port].got[0];

    if (w->ports[port].n == 0)
        return -1;
    assert_int_equal(w->ports[port].n, 1);
    assert_memory_equal(f->bytes + f->meta.size - 46, "ZZZZZZZZ", 8);
    return load_be16(f->bytes + 12) == 0x8100 ? load_be16(f->bytes + 14) : NONE;
}

static uint16_t got_tci(const struct world *w, unsigned port)
{
    assert_int_equal(w->ports[port].n, 1);
    return w->ports[port].got[0].meta.tci;
}

static uint64_t dropped(const struct world *w, unsigned port)
{
    return w->ports[port].sw.counters.rx_drops[SWPORT_DROP_VLAN];
}

static void access_to_all_kinds(void **state)
{
    struct world *w = *state;

    send_tags(w, 1, all, here, NONE, NONE);
    assert_int_equal(got(w, 0), -1);
    assert_int_equal(got(w, 2), 20);
    assert_int_equal(got(w, 3), 20);
    assert_int_equal(got(w, 4), NONE);
    assert_int_equal(got_tci(w, 4), 20);
    clear(w);
    send_tags(w, 0, all, here, NONE, NONE); /* Native of one trunk, unknown to the other. */
    assert_int_equal(got(w, 1), -1);
    assert_int_equal(got(w, 2), NONE);
    assert_int_equal(got(w, 3), -1);
    assert_int_equal(got_tci(w, 4), 10);
}

static void trunk_lets_in_its_own(void **state)
{
    struct world *w = *state;

    send_tags(w, 2, all, here, NONE, NONE); /* Native. */
    assert_int_equal(got(w, 0), NONE);
    assert_int_equal(got(w, 1), -1);
    clear(w);
    send_tags(w, 2, all, here, 20, NONE);
    assert_int_equal(got(w, 1), NONE);
    assert_int_equal(got(w, 3), 20);
    clear(w);
    send_tags(w, 2, all, here, 10, NONE); /* The native one with its tag. */
    assert_int_equal(got(w, 0), NONE);
    clear(w);
    assert_int_equal(dropped(w, 2), 0);
    send_tags(w, 2, all, here, 30, NONE);   /* Declared, and not the trunk's. */
    send_tags(w, 2, all, here, 40, NONE);   /* Not declared. */
    send_tags(w, 2, all, here, 4095, NONE); /* Reserved. */
    assert_int_equal(dropped(w, 2), 3);
    send_tags(w, 3, all, here, NONE, NONE); /* No native VLAN. */
    send_tags(w, 3, all, here, 0xa000, NONE);
    assert_int_equal(dropped(w, 3), 2);
    for (unsigned i = 0; i < N_PORTS; i++)
        assert_int_equal(got(w, i), -1);
}

/* PCP 5 with DEI: kept from any way in to every way out that has a tag. */
static void priority_is_kept(void **state)
{
    struct world *w = *state;

    send_tags(w, 3, all, here, 0xb000 | 20, NONE);
    assert_int_equal(got(w, 2), 0xb000 | 20);
    assert_int_equal(got_tci(w, 4), 0xb000 | 20);
    clear(w);
    send_tags(w, 4, all, here, 0xb000 | 20, NONE);
    assert_int_equal(got(w, 2), 0xb000 | 20);
    assert_int_equal(got(w, 1), NONE);
    clear(w);
    send_tags(w, 1, all, here, 0xb000, NONE); /* A priority tag on an access port, */
    assert_int_equal(got(w, 2), 0xb000 | 20);
    clear(w);
    send_tags(w, 2, all, here, 0xb000, NONE); /* and on a trunk: its native VLAN. */
    assert_int_equal(got(w, 0), NONE);
    assert_int_equal(got_tci(w, 4), 0xb000 | 10);
}

/* Nobody reaches another VLAN by a second tag. */
static void tags_inside(void **state)
{
    struct world *w = *state;

    send_tags(w, 0, all, here, 20, NONE);
    send_tags(w, 0, all, here, 0, 20);
    assert_int_equal(dropped(w, 0), 2);
    for (unsigned i = 0; i < N_PORTS; i++)
        assert_int_equal(got(w, i), -1);
    send_tags(w, 4, all, here, 10,
              20); /* Would leave untagged by the trunk and the access. */
    assert_int_equal(got(w, 2), 10);
    assert_int_equal(load_be16(w->ports[2].got[0].bytes + 18), 20);
    assert_int_equal(got(w, 0), -1);
    assert_int_equal(w->ports[0].sw.counters.tx_drops[SWPORT_DROP_VLAN], 1);
    clear(w);
    send_tags(w, 2, all, here, 20, 30); /* From trunk to trunk both stay. */
    assert_int_equal(got(w, 3), 20);
    assert_int_equal(load_be16(w->ports[3].got[0].bytes + 18), 30);
}

static void learning_is_independent(void **state)
{
    struct world *w = *state;

    send_tags(w, 2, all, here, NONE, NONE);
    send_tags(w, 3, all, here, 20, NONE); /* The same MAC in another VLAN elsewhere. */
    clear(w);
    send_tags(w, 0, here, there, NONE, NONE);
    assert_int_equal(got(w, 2), NONE);
    assert_int_equal(got(w, 4), -1);
    clear(w);
    send_tags(w, 1, here, there, NONE, NONE);
    assert_int_equal(got(w, 3), 20);
    assert_int_equal(got(w, 2), -1);
    assert_int_equal(switch_vlan_counters(w->sw, 20).rx_frames, 2);
    assert_int_equal(switch_vlan_counters(w->sw, 10).rx_frames, 2);
    assert_true(switch_vlan_counters(w->sw, 10).rx_bytes > 0);
}

/* A trunk loses 20 and gets 30, and keeps what it knows of 10. */
static void live_change(void **state)
{
    struct world *w = *state;
    struct swport_settings set = trunk(10, 30, 10);

    send_tags(w, 2, all, here, NONE, NONE);
    send_tags(w, 2, all, here, 20, NONE);
    assert_int_equal(switch_count_macs(w->sw), 2);
    clear(w);
    switch_set_port(&w->ports[2].sw, &set);
    assert_int_equal(switch_count_macs(w->sw), 1);
    send_tags(w, 1, here, there, NONE, NONE); /* Unknown there now, and no member. */
    assert_int_equal(got(w, 2), -1);
    assert_int_equal(got(w, 3), 20);
    clear(w);
    send_tags(w, 0, here, there, NONE, NONE);
    assert_int_equal(got(w, 2), NONE);
    assert_int_equal(got(w, 4), -1);
    clear(w);
    send_tags(w, 3, all, there, 30, NONE);
    assert_int_equal(got(w, 2), 30);
    set = (struct swport_settings){.vlan = 20}; /* It becomes an access port. */
    switch_set_port(&w->ports[2].sw, &set);
    clear(w);
    send_tags(w, 1, all, there, NONE, NONE);
    assert_int_equal(got(w, 2), NONE);
    /* A VLAN of the network goes. */
    w->config.vlans[20 / 8] = 0;
    switch_configure(w->sw, &w->config);
    clear(w);
    send_tags(w, 1, all, there, NONE, NONE);
    assert_int_equal(got(w, 2), -1);
    assert_int_equal(dropped(w, 1), 1);
}

/* More ports than one word of the sets has. */
static void many_ports(void **state)
{
    struct world *w = *state;
    struct fake_port *more = calloc(200, sizeof *more);
    unsigned reached = 0;

    assert_non_null(more);
    for (unsigned i = 0; i < 200; i++) {
        fake_port_init(&more[i], 100 + i, i % 2 ? 10 : 20, false);
        switch_add_port(w->sw, &more[i].sw);
    }
    send_tags(w, 0, all, here, NONE, NONE);
    for (unsigned i = 0; i < 200; i++) {
        reached += more[i].n;
        assert_int_equal(more[i].n, i % 2);
    }
    assert_int_equal(reached, 100);
    for (unsigned i = 0; i < 200; i++) {
        switch_remove_port(&more[i].sw);
        fake_port_clear(&more[i]);
    }
    free(more);
}

/* --- states -------------------------------------------------------------------------------- */

static void states(void **state)
{
    struct world *w = *state;
    struct swport *port = &w->ports[2].sw;

    switch_set_port_state(port, SWPORT_DISCARDING);
    send_tags(w, 1, all, there, NONE, NONE);
    assert_int_equal(got(w, 2), -1);
    assert_int_equal(got(w, 3), 20);
    clear(w);
    send_tags(w, 2, all, here, 20, NONE);
    assert_int_equal(got(w, 1), -1);
    assert_int_equal(port->counters.rx_drops[SWPORT_DROP_BLOCKED], 1);
    assert_int_equal(switch_count_macs(w->sw), 1);
    switch_set_port_state(port, SWPORT_LEARNING); /* Learning. */
    send_tags(w, 2, all, here, 20, NONE);
    send_tags(w, 2, all, here, 30, NONE); /* Not of its VLANs: not learnt. */
    assert_int_equal(got(w, 1), -1);
    assert_int_equal(switch_count_macs(w->sw), 2);
    switch_set_port_state(port, SWPORT_FORWARDING);
    send_tags(w, 1, here, there, NONE, NONE);
    assert_int_equal(got(w, 2), 20);
    assert_int_equal(got(w, 3), -1);
    clear(w);
    switch_flush_port(port);
    assert_int_equal(switch_count_macs(w->sw), 1);
    send_tags(w, 1, here, there, NONE, NONE);
    assert_int_equal(got(w, 3), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(access_to_all_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(trunk_lets_in_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(priority_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(learning_is_independent, setup, teardown),
        cmocka_unit_test_setup_teardown(live_change, setup, teardown),
        cmocka_unit_test_setup_teardown(many_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(states, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
