/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What guards the edge, with fake ports: storm control, limits, isolation, mirrors, notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/bytes.h"
#include "tests/unit/switch_ports.h"

#define N_PORTS 4u

static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
static const uint8_t nobody[6] = {2, 0, 0, 0, 0, 99};

struct world {
    struct switch_ *sw;
    struct fake_port ports[N_PORTS];
    struct switch_notices notices;
    unsigned told[SWPORT_NOTICES];
    mtime_t now;
};

static void tell(void *aux, const struct swport *port, enum swport_notice sort,
                 const uint8_t mac[6], uint16_t vlan)
{
    struct world *w = aux;

    (void)mac;
    assert_int_equal(vlan, 0);
    assert_non_null(port);
    assert_true(swport_notice_name(sort)[0] != '\0');
    w->told[sort]++;
}

static int setup(void **state)
{
    static const char *const names[N_PORTS] = {"a", "b", "c", "d"};
    static struct world w;
    const struct switch_config config = {.mtu = 1500, .seed = 7};

    memset(&w, 0, sizeof w);
    w.now = 1000 * MTIME_SEC;
    w.sw = switch_new(&config);
    w.notices = (struct switch_notices){.noticed = tell, .aux = &w};
    switch_set_notices(w.sw, &w.notices);
    for (unsigned i = 0; i < N_PORTS; i++) {
        fake_port_init(&w.ports[i], i + 1, 0, false);
        w.ports[i].sw.name = names[i];
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

static void clear(struct world *w)
{
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_clear(&w->ports[i]);
    fake_frames_drop();
}

static void send_one(struct world *w, unsigned in, const uint8_t *dst, uint8_t src)
{
    const uint8_t mac[6] = {2, 0, 0, 0, 0, src};
    struct frame f = fake_frame(dst, mac, 100, 0);

    switch_input(&w->ports[in].sw, &f, 1, w->now);
}

static unsigned passed(struct world *w, const uint8_t *dst, unsigned n)
{
    unsigned before = w->ports[1].n;

    for (unsigned i = 0; i < n; i++)
        send_one(w, 0, dst, 1);
    return w->ports[1].n - before;
}

/* 50 a second of broadcast, one of each other sort: a tenth of a second's worth at once, then as
 * many as the rate says. */
static void storm_is_bounded(void **state)
{
    struct world *w = *state;
    struct swport_settings set = {.storm[SWPORT_BROADCAST].rate = 50,
                                  .storm[SWPORT_MULTICAST].rate = 8000,
                                  .storm[SWPORT_MULTICAST].in_bits = true};

    switch_set_port(&w->ports[0].sw, &set);
    assert_int_equal(passed(w, all, 20), 6);
    assert_int_equal(w->told[SWPORT_NOTICE_STORM], 1);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_STORM], 14);
    clear(w);
    assert_int_equal(passed(w, nobody, 20), 20); /* Unknown unicast is not limited here, */
    clear(w);
    assert_int_equal(passed(w, group, 20), 2); /* 800 bits each, 801 to begin with. */
    clear(w);
    for (unsigned i = 0; i < 100; i++) { /* Two seconds. */
        w->now += 20 * MTIME_MS;
        passed(w, all, 3);
    }
    assert_in_range(w->ports[1].n, 98, 101);
    assert_int_equal(w->told[SWPORT_NOTICE_STORM], 1);
    w->now += SWPORT_NOTICE_TIME;
    clear(w);
    assert_int_equal(passed(w, all, 20), 6); /* No more is made up for than that. */
    assert_int_equal(w->told[SWPORT_NOTICE_STORM], 2);
}

/* Frames of broadcast that pass in the time, offered one by one at these intervals. */
static unsigned passes(struct world *w, struct swport_limit limit, mtime_t every,
                       mtime_t time)
{
    struct swport_settings set = {.storm[SWPORT_BROADCAST] = limit};
    mtime_t end = w->now + time;
    unsigned n = 0;

    switch_set_port(&w->ports[0].sw, &set);
    for (; w->now < end; w->now += every) {
        n += passed(w, all, 1);
        clear(w);
    }
    return n;
}

/* However a rate and the times at which frames come divide, what passes is the rate, beside a tenth of a
 * second's worth and one at the beginning. */
static void rates_are_exact(void **state)
{
    static const struct {
        uint64_t rate;
        mtime_t every, time;
        unsigned n, begin;
    } cases[] = {
        {1, 900 * MTIME_MS, 900 * MTIME_SEC, 900, 2},
        {3, 7 * MTIME_MS, 100 * MTIME_SEC, 300, 2},
        {7, MTIME_SEC, 50 * MTIME_SEC, 50, 0}, /* All. */
        {30000, 21, 10 * MTIME_SEC, 300000, 3002},
        {700000, 1, MTIME_SEC / 10, 70000, 70002}, /* All but nothing. */
        {300000, 1, MTIME_SEC, 300000, 30002},
    };
    struct world *w = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct swport_limit limit = {.rate = cases[i].rate};
        unsigned n = passes(w, limit, cases[i].every, cases[i].time);

        assert_in_range(n, cases[i].n - 1, cases[i].n + cases[i].begin);
    }
    /* 800 bits each. One that goes far into debt is paid for, whether or not somebody asks meanwhile. */
    assert_in_range(
        passes(w, (struct swport_limit){1000, true}, 10 * MTIME_MS, 80 * MTIME_SEC), 100,
        102);
    assert_in_range(
        passes(w, (struct swport_limit){100, true}, 8 * MTIME_SEC, 800 * MTIME_SEC), 100,
        101);
}

/* What a port sends over its limit is told of, once in a while, by the VLAN that it was in. */
static void policing_is_told(void **state)
{
    struct world *w = *state;
    struct swport_settings set = {.police.rate = 50};

    switch_set_port(&w->ports[0].sw, &set);
    assert_int_equal(passed(w, nobody, 6), 6);
    assert_int_equal(w->told[SWPORT_NOTICE_POLICED], 0);
    assert_int_equal(passed(w, nobody, 20), 0);
    assert_int_equal(w->told[SWPORT_NOTICE_POLICED], 1);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_POLICED], 20);
    w->now += SWPORT_NOTICE_TIME;
    passed(w, nobody, 20);
    assert_int_equal(w->told[SWPORT_NOTICE_POLICED], 2);
    set = (struct swport_settings){.n_limits = 1, .limits[0] = {.police.rate = 50}};
    switch_set_port(&w->ports[0].sw, &set); /* The limit of a VLAN, which is 0 here. */
    w->now += SWPORT_NOTICE_TIME;
    clear(w);
    assert_int_equal(passed(w, nobody, 20), 6);
    assert_int_equal(w->told[SWPORT_NOTICE_POLICED], 3);
    assert_int_equal(switch_vlan_counters(w->sw, 0).policed, 14);
}

static void macs_are_limited(void **state)
{
    struct world *w = *state;
    const struct swport_settings set = {.macs_max = 2};

    switch_set_port(&w->ports[0].sw, &set);
    for (uint8_t src = 1; src <= 5; src++)
        send_one(w, 0, all, src);
    assert_int_equal(w->ports[1].n, 2);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_MACS], 3);
    assert_int_equal(w->told[SWPORT_NOTICE_MACS], 1);
    send_one(w, 0, all, 2); /* One of them. */
    assert_int_equal(w->ports[1].n, 3);
}

static void flapping_is_dropped(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 20; i++)
        send_one(w, i % 2, all, 1);
    assert_int_equal(w->told[SWPORT_NOTICE_FLAP], 1);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_FLAP], 7);
    assert_int_equal(w->ports[1].sw.counters.rx_drops[SWPORT_DROP_FLAP], 0);
    assert_int_equal(w->ports[2].n, 13);
}

static void isolated_ports(void **state)
{
    struct world *w = *state;
    const struct swport_settings set = {.isolated = true};
    struct frame from_elsewhere = fake_frame(all, nobody, 100, 0);
    const uint8_t one[6] = {2, 0, 0, 0, 0, 1};

    switch_set_port(&w->ports[0].sw, &set);
    switch_set_port(&w->ports[1].sw, &set);
    send_one(w, 0, all, 1);
    assert_int_equal(w->ports[1].n, 0);
    assert_int_equal(w->ports[2].n, 1);
    send_one(w, 1, one, 2); /* Known, and isolated. */
    assert_int_equal(w->ports[0].n, 0);
    assert_int_equal(w->ports[1].sw.counters.rx_drops[SWPORT_DROP_ISOLATED], 1);
    assert_int_equal(w->ports[1].sw.counters.tx_drops[SWPORT_DROP_ISOLATED], 1);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_ISOLATED], 0);
    assert_int_equal(w->ports[2].sw.counters.tx_drops[SWPORT_DROP_ISOLATED], 0);
    send_one(w, 2, all, 3);
    assert_int_equal(w->ports[0].n, 1);
    assert_int_equal(w->ports[1].n, 1);
    clear(w);
    from_elsewhere = fake_frame(all, nobody, 100, 0); /* From another host's, by a link. */
    from_elsewhere.flags = FRAME_ISOLATED;
    switch_input(&w->ports[3].sw, &from_elsewhere, 1, w->now);
    assert_int_equal(w->ports[0].n, 0);
    assert_int_equal(w->ports[2].n, 1);
}

static void mirrors(void **state)
{
    struct world *w = *state;
    struct swport_settings set = {.mirror = "d"};
    const uint8_t one[6] = {2, 0, 0, 0, 0, 1};

    switch_set_port(&w->ports[0].sw, &set);
    send_one(w, 0, all, 1); /* In, once, */
    assert_int_equal(w->ports[3].n, 1);
    assert_int_equal(w->ports[1].n, 1);
    send_one(w, 1, one, 2); /* out, once, */
    assert_int_equal(w->ports[3].n, 2);
    assert_int_equal(w->ports[0].n, 1);
    send_one(w, 1, all, 2); /* and not as a part of the network. */
    assert_int_equal(w->ports[3].n, 3);
    assert_int_equal(w->ports[0].sw.counters.mirrored.frames, 3);
    assert_int_equal(w->ports[0].sw.counters.mirrored.lost, 0);
    w->ports[3].sw.max_frame = 60; /* What the mirror does not take is told of too. */
    send_one(w, 1, all, 2);
    w->ports[3].sw.max_frame = FRAME_SIZE_MAX;
    assert_int_equal(w->ports[3].n, 3);
    assert_int_equal(w->ports[0].sw.counters.mirrored.frames, 4);
    assert_int_equal(w->ports[0].sw.counters.mirrored.lost, 1);
    assert_int_equal(w->ports[1].sw.counters.mirrored.frames, 0);
    fake_port_clear(&w->ports[0]);
    send_one(w, 1, all, 2);
    send_one(w, 1, all, 2);
    send_one(w, 3, all, 4);
    assert_int_equal(w->ports[1].n, 1);
    assert_int_equal(w->ports[3].sw.counters.rx_drops[SWPORT_DROP_BLOCKED], 1);
    /* It may go and come back. */
    switch_remove_port(&w->ports[3].sw);
    send_one(w, 0, all, 1);
    fake_port_clear(&w->ports[3]);
    switch_add_port(w->sw, &w->ports[3].sw);
    send_one(w, 0, all, 1);
    assert_int_equal(w->ports[3].n, 1);
    set.mirror[0] = '\0';
    switch_set_port(&w->ports[0].sw, &set);
    send_one(w, 3, all, 4);
    assert_int_equal(w->ports[0].n, 3);
}

/* The mirror sees VLANs, whether the mirrored port does or not. */
static void mirror_shows_tags(void **state)
{
    struct world *w = *state;
    struct switch_config config = {.mtu = 1500, .vlan_aware = true};
    struct swport_settings set = {.vlan = 10, .mirror = "d"};

    (void)state;
    swport_vlan_add(config.vlans, 10);
    switch_configure(w->sw, &config);
    w->notices.noticed = NULL;
    switch_set_notices(w->sw, NULL);
    switch_set_port(&w->ports[0].sw, &set);
    set.mirror[0] = '\0';
    switch_set_port(&w->ports[1].sw, &set);
    send_one(w, 0, all, 1);
    send_one(w, 1, all, 2);
    assert_int_equal(w->ports[3].n, 2);
    assert_int_equal(w->ports[0].n, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(load_be16(w->ports[3].got[i].bytes + 12), 0x8100);
        assert_int_equal(load_be16(w->ports[3].got[i].bytes + 14), 10);
    }
    assert_int_equal(load_be16(w->ports[0].got[0].bytes + 12), 0x88b5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(storm_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(rates_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(policing_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(macs_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(flapping_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(isolated_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(mirrors, setup, teardown),
        cmocka_unit_test_setup_teardown(mirror_shows_tags, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
