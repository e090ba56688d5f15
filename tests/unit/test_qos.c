/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Priorities: from DSCP and tags, marked where frames come in, and policing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/switch/qos.h"
#include "tests/unit/switch_ports.h"

static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t src[6] = {2, 0, 0, 0, 0, 1};

/* An IP frame with that traffic class octet, behind a tag unless it is 0x10000. */
static struct frame ip_frame(bool six, uint8_t octet, uint32_t tag)
{
    uint8_t bytes[80] = {0};
    unsigned at = 12;

    memcpy(bytes, all, 6);
    memcpy(bytes + 6, src, 6);
    if (tag != 0x10000) {
        bytes[12] = 0x81;
        bytes[14] = (uint8_t)(tag >> 8);
        bytes[15] = (uint8_t)tag;
        at = 16;
    }
    bytes[at] = six ? 0x86 : 0x08;
    bytes[at + 1] = six ? 0xdd : 0x00;
    bytes[at + 2] = six ? (uint8_t)(0x60 | octet >> 4) : 0x45;
    bytes[at + 3] = six ? (uint8_t)(octet << 4) : octet;
    return fake_frame_of(bytes, sizeof bytes);
}

static void priority_of_dscp(void **state)
{
    struct frame f;

    (void)state;
    f = ip_frame(false, 0xb8, 0x10000); /* EF */
    assert_int_equal(qos_dscp(&f), 5);
    f = ip_frame(true, 0xb8, 0x10000);
    assert_int_equal(qos_dscp(&f), 5);
    f = ip_frame(true, 0x28, 10); /* AF11, tagged. */
    assert_int_equal(qos_dscp(&f), 1);
    f = fake_frame(all, src, 60, 0);
    assert_int_equal(qos_dscp(&f), -1);
    f = ip_frame(false, 0xb8, 0x10000);
    f.size = 15;
    assert_int_equal(qos_dscp(&f), -1);
    fake_frames_drop();
}

static void marks(void **state)
{
    const struct swport_settings pcp = {.priority = 3}, none = {.trust = SWPORT_TRUST_NONE},
                                 dscp = {.trust = SWPORT_TRUST_DSCP, .priority = 2};
    struct frame f = ip_frame(false, 0xb8, 0x10000);

    (void)state;
    f.tci = 0x600a; /* Priority 3, VLAN 10. */
    qos_mark(&none, &f);
    assert_int_equal(f.tci, 0x000a);
    qos_mark(&pcp, &f);
    assert_int_equal(f.tci, 0x600a);
    f.tci = 0xe00a;
    qos_mark(&pcp, &f); /* It told one. */
    assert_int_equal(f.tci, 0xe00a);
    qos_mark(&dscp, &f);
    assert_int_equal(f.tci, 0xa00a);
    assert_int_equal(qos_priority(&pcp, &f), 5);
    f = ip_frame(false, 0, 0xc00a); /* A tag in the bytes, as in a transparent network. */
    assert_int_equal(qos_priority(&pcp, &f), 6);
    qos_mark(&pcp, &f);
    assert_int_equal(f.tci, 0xc000);
    f = ip_frame(false, 0, 0x10000);
    qos_mark(&dscp, &f);
    assert_int_equal(f.tci, 0x4000);
    fake_frames_drop();
}

static void background_is_below_best_effort(void **state)
{
    bool used[SWPORT_PRIORITIES] = {false};

    (void)state;
    for (unsigned p = 0; p < SWPORT_PRIORITIES; p++)
        used[qos_queue(p)] = true;
    for (unsigned q = 0; q < SWPORT_PRIORITIES; q++)
        assert_true(used[q]);
    assert_true(qos_queue(1) < qos_queue(0));
    assert_true(qos_queue(0) < qos_queue(2));
}

/* Through a switch without VLANs: the priority goes along, the bytes stay as they are. */
static void through_a_switch(void **state)
{
    const struct switch_config config = {.mtu = 1500};
    struct switch_ *sw = switch_new(&config);
    static struct fake_port ports[2];
    struct swport_settings set = {.trust = SWPORT_TRUST_DSCP};
    struct frame f;

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        fake_port_init(&ports[i], i + 1, 0, false);
    ports[0].sw.set.trust = SWPORT_TRUST_DSCP;
    ports[0].sw.set.police = (struct swport_limit){.rate = 100};
    for (unsigned i = 0; i < 2; i++)
        switch_add_port(sw, &ports[i].sw);
    for (unsigned i = 0; i < 20; i++) {
        f = ip_frame(false, 0xb8, 0x10000);
        switch_input(&ports[0].sw, &f, 1, MTIME_SEC);
    }
    assert_int_equal(ports[1].n, 11); /* A tenth of a second's, and one. */
    assert_int_equal(ports[0].sw.counters.rx_drops[SWPORT_DROP_POLICED], 9);
    assert_int_equal(ports[1].got[0].meta.tci, 0xa000);
    assert_int_equal(ports[1].got[0].meta.size, 80);
    /* A limit of another VLAN is none of its; one of its own is told at the VLAN too. */
    set.limits[0] = (struct swport_vlan_limit){.vlan = 7, .police = {.rate = 10}};
    set.n_limits = 1;
    switch_set_port(&ports[0].sw, &set);
    f = ip_frame(false, 0xb8, 0x10000);
    switch_input(&ports[0].sw, &f, 1, 2 * MTIME_SEC);
    assert_int_equal(ports[1].n, 12);
    assert_int_equal(switch_vlan_counters(sw, 0).policed, 0);
    /* As it comes by a link it is no tag into a VLAN. */
    f = ip_frame(false, 0xb8, 0x10000);
    f.tci = 0xa000;
    switch_input(&ports[1].sw, &f, 1, MTIME_SEC);
    assert_int_equal(ports[0].n, 1);
    fake_switch_free(sw, ports, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_of_dscp),
        cmocka_unit_test(marks),
        cmocka_unit_test(background_is_below_best_effort),
        cmocka_unit_test(through_a_switch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
