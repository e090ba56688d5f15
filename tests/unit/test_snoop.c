/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* IGMP and MLD: what is read, what is asked, and where frames of groups go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/switch/groups.h"
#include "proto/snoop/snoop.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "tests/unit/switch_ports.h"

static const uint8_t src[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t group4[6] = {1, 0, 0x5e, 1, 2, 3}; /* 239.1.2.3 */

/* An IGMP message of `size` bytes in a frame to 239.1.2.3; returns the frame's size. */
static uint32_t igmp(uint8_t *out, const uint8_t *message, uint32_t size, bool from_router)
{
    memset(out, 0, 14 + 20 + size);
    memcpy(out, group4, 6);
    memcpy(out + 6, src, 6);
    store_be16(out + 12, 0x0800);
    out[14] = 0x45;
    store_be16(out + 16, (uint16_t)(20 + size));
    out[22] = 1;
    out[23] = 2;
    if (from_router)
        memcpy(out + 26, (const uint8_t[]){10, 0, 0, 1}, 4);
    memcpy(out + 30, (const uint8_t[]){239, 1, 2, 3}, 4);
    memcpy(out + 34, message, size);
    return 34 + size;
}

static uint32_t mld(uint8_t *out, const uint8_t *message, uint32_t size)
{
    memset(out, 0, 14 + 48 + size);
    memcpy(out, (const uint8_t[]){0x33, 0x33, 0, 0, 0, 0x16}, 6);
    memcpy(out + 6, src, 6);
    store_be16(out + 12, 0x86dd);
    out[14] = 0x60;
    store_be16(out + 18, (uint16_t)(8 + size));
    out[21] = 1;
    out[22] = 0xfe;
    out[23] = 0x80;
    out[38] = 0xff;
    out[39] = 2;
    memcpy(out + 54, (const uint8_t[]){58, 0, 5, 2, 0, 0, 1, 0}, 8);
    memcpy(out + 62, message, size);
    return 62 + size;
}

#define REPORT_V2                                                                          \
    {                                                                                      \
        0x16, 0, 0, 0, 239, 1, 2, 3                                                        \
    }
#define LEAVE                                                                              \
    {                                                                                      \
        0x17, 0, 0, 0, 239, 1, 2, 3                                                        \
    }

static void reads_igmp(void **state)
{
    static const uint8_t v2[] = REPORT_V2, leave[] = LEAVE,
                         query[] = {0x11, 100, 0, 0, 0, 0, 0, 0};
    /* Joins 239.1.2.3, leaves 225.129.0.9, a source of 239.0.0.5, and nonsense. */
    static const uint8_t v3[] = {0x22, 0, 0, 0, 0,   0,   0, 4, 4, 0, 0, 0, 239, 1, 2, 3,
                                 3,    0, 0, 0, 225, 129, 0, 9, 5, 1, 0, 1, 239, 0, 0, 5,
                                 10,   0, 0, 1, 0,   0,   0, 0, 4, 0, 0, 0, 10,  0, 0, 1};
    uint8_t bytes[128];
    struct snoop_message m;

    (void)state;
    snoop_parse(bytes, igmp(bytes, v2, sizeof v2, false), &m);
    assert_int_equal(m.kind, SNOOP_REPORT);
    assert_int_equal(m.n_groups, 1);
    assert_memory_equal(m.groups[0].mac, group4, 6);
    assert_false(m.groups[0].leaves);
    snoop_parse(bytes, igmp(bytes, leave, sizeof leave, false), &m);
    assert_true(m.groups[0].leaves);
    snoop_parse(bytes, igmp(bytes, query, sizeof query, false), &m);
    assert_int_equal(m.kind, SNOOP_QUERY);
    assert_true(m.anonymous);
    snoop_parse(bytes, igmp(bytes, query, sizeof query, true), &m);
    assert_false(m.anonymous);
    snoop_parse(bytes, igmp(bytes, v3, sizeof v3, false), &m);
    assert_int_equal(m.kind, SNOOP_REPORT);
    assert_int_equal(m.n_groups, 3);
    assert_memory_equal(m.groups[1].mac, ((const uint8_t[]){1, 0, 0x5e, 1, 0, 9}), 6);
    assert_true(m.groups[1].leaves);
    assert_false(m.groups[2].leaves);
    snoop_parse(bytes, igmp(bytes, v3, 20, false), &m); /* Cut short. */
    assert_int_equal(m.kind, SNOOP_OTHER);
}

static void reads_mld(void **state)
{
    uint8_t v1[24] = {131}, v2[28] = {143, 0, 0, 0, 0, 0, 0, 1, 4};
    uint8_t bytes[128];
    struct snoop_message m;

    (void)state;
    v1[8] = v2[12] = 0xff;
    v1[9] = v2[13] = 5;
    v1[23] = v2[27] = 9;
    snoop_parse(bytes, mld(bytes, v1, sizeof v1), &m);
    assert_int_equal(m.kind, SNOOP_REPORT);
    assert_true(m.ip6);
    assert_memory_equal(m.groups[0].mac, ((const uint8_t[]){0x33, 0x33, 0, 0, 0, 9}), 6);
    assert_true(snoop_is_link_group(m.groups[0].mac));
    snoop_parse(bytes, mld(bytes, v2, sizeof v2), &m);
    assert_int_equal(m.kind, SNOOP_REPORT);
    assert_int_equal(m.n_groups, 1);
    v1[0] = 132;
    snoop_parse(bytes, mld(bytes, v1, sizeof v1), &m);
    assert_true(m.groups[0].leaves);
    v1[0] = 135; /* Neighbour discovery. */
    snoop_parse(bytes, mld(bytes, v1, sizeof v1), &m);
    assert_int_equal(m.kind, SNOOP_OTHER);
}

static void queries_are_read_back(void **state)
{
    uint8_t bytes[SNOOP_QUERY_SIZE];
    struct snoop_message m;
    struct packet pk;

    (void)state;
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        size_t size = snoop_build_query(ip6, src, bytes);

        snoop_parse(bytes, size, &m);
        assert_int_equal(m.kind, SNOOP_QUERY);
        assert_int_equal(m.ip6, ip6);
        assert_true(m.anonymous);
        assert_int_equal(packet_parse(bytes, size, &pk), 0);
        if (ip6)
            assert_int_equal(checksum_fold(checksum_add(checksum_pseudo(bytes, &pk, 24),
                                                        bytes + pk.l4_ofs, 24)),
                             0xffff);
        else
            assert_true(checksum_ip4_ok(bytes, &pk));
    }
}

static void memberships(void **state)
{
    struct groups *g = groups_new(9);
    uint32_t at;

    (void)state;
    groups_join(g, 100, 1, 0);
    groups_join(g, 100, 2, 0);
    groups_join(g, 100, 2, MTIME_SEC);
    groups_join(g, 200, 1, 0);
    assert_int_equal(groups_count(g), 3);
    at = groups_first(g, 100);
    assert_int_not_equal(at, 0);
    assert_int_not_equal(groups_next(g, at), 0);
    assert_int_equal(groups_next(g, groups_next(g, at)), 0);
    groups_leave(g, 100, 1, 2 * MTIME_SEC);
    groups_run(g, 2 * MTIME_SEC + GROUPS_LEAVE);
    assert_int_equal(groups_count(g), 2);
    assert_int_equal(groups_port(g, groups_first(g, 100)), 2);
    groups_run(g, GROUPS_AGE);
    assert_int_equal(groups_count(g), 1);
    groups_remove_port(g, 2);
    assert_int_equal(groups_count(g), 0);
    for (unsigned i = 0; i < 1000; i++) /* One port has its bound, and all have. */
        groups_join(g, 1000 + i, 1, 0);
    assert_int_equal(groups_count(g), GROUPS_PORT_MAX);
    for (unsigned i = 0; i < 20000; i++)
        groups_join(g, i, i % 64, 0);
    assert_int_equal(groups_count(g), GROUPS_MAX);
    groups_free(g);
}

/* Ports: 0 the source, 1 a listener, 2 nobody, 3 a router, 4 a link. */
static void frames_find_listeners(void **state)
{
    static const uint8_t report[] = REPORT_V2, leave[] = LEAVE,
                         query[] = {0x11, 100, 0, 0, 0, 0, 0, 0};
    static struct fake_port ports[5];
    const struct switch_config config = {
        .mtu = 1500, .seed = 7, .snooping = true, .querier = true};
    struct switch_ *sw = switch_new(&config);
    uint8_t bytes[128];
    struct switch_mac listed[4];
    uint32_t cursor = 0;
    struct frame f;
    mtime_t now = MTIME_SEC;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        fake_port_init(&ports[i], i + 1, 0, false);
        ports[i].sw.all_vlans = i == 4;
        switch_add_port(sw, &ports[i].sw);
    }
#define SEND(PORT, FRAME)                                                                  \
    do {                                                                                   \
        for (unsigned k = 0; k < 5; k++)                                                   \
            fake_port_clear(&ports[k]);                                                    \
        f = (FRAME);                                                                       \
        switch_input(&ports[PORT].sw, &f, 1, now);                                         \
    } while (0)
#define GOT(A, B, C, D, E)                                                                 \
    do {                                                                                   \
        const unsigned want[5] = {A, B, C, D, E};                                          \
        for (unsigned k = 0; k < 5; k++)                                                   \
            assert_int_equal(ports[k].n, want[k]);                                         \
    } while (0)
    SEND(0, fake_frame(group4, src, 100, 0)); /* Nobody has joined: to all. */
    GOT(0, 1, 1, 1, 1);
    SEND(3, fake_frame_of(bytes, igmp(bytes, query, sizeof query, true)));
    GOT(1, 1, 1, 0, 1);
    SEND(1, fake_frame_of(bytes, igmp(bytes, report, sizeof report, false)));
    GOT(0, 0, 0, 1, 1);
    assert_int_equal(switch_count_groups(sw), 1);
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 0, 1, 1);
    SEND(1, fake_frame_of(bytes, igmp(bytes, leave, sizeof leave, false)));
    now += GROUPS_LEAVE;
    assert_true(switch_deadline(sw) <= now);
    for (unsigned k = 0; k < 5; k++)
        fake_port_clear(&ports[k]);
    switch_run(sw, now); /* A router asks by IGMP, so the querier asks by MLD only. */
    GOT(1, 1, 1, 1, 0);
    assert_int_equal(ports[0].got[0].meta.size, SNOOP_QUERY_SIZE);
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 1, 1, 1);
    for (unsigned k = 0; k < 5; k++)
        fake_port_clear(&ports[k]);
    now += 300 * MTIME_SEC; /* The router has gone. */
    switch_run(sw, now);
    GOT(2, 2, 2, 2, 0);
    /* The link is there for longer than a membership lasts: it gets what is listened to behind it. */
    SEND(1, fake_frame_of(bytes, igmp(bytes, report, sizeof report, false)));
    GOT(0, 0, 0, 0, 1);
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 0, 0, 0);
    SEND(4, fake_frame_of(bytes, igmp(bytes, report, sizeof report, false)));
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 0, 0, 1);
    assert_int_equal(switch_list_groups(sw, listed, 4, &cursor), 2);
    assert_int_equal(cursor, 0);
    assert_memory_equal(listed[0].mac, group4, 6);
    /* One of many there leaves: that says nothing of the others. */
    SEND(4, fake_frame_of(bytes, igmp(bytes, leave, sizeof leave, false)));
    now += GROUPS_LEAVE;
    switch_run(sw, now);
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 0, 0, 1);
    /* Not told for long: nobody listens there any more. After a change of the tree, anybody may. */
    now += GROUPS_AGE - MTIME_SEC;
    SEND(1, fake_frame_of(bytes, igmp(bytes, report, sizeof report, false)));
    switch_run(sw, now);
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 0, 0, 0);
    switch_pardon(sw, now);
    SEND(0, fake_frame(group4, src, 100, 0));
    GOT(0, 1, 0, 0, 1);
#undef SEND
#undef GOT
    fake_switch_free(sw, ports, 5);
}

/* A switch with VLANs 10 and 20, ports 0 and 1 trunks of both: `mac` is the one by which it asks. */
static struct switch_ *trunks(struct fake_port ports[2], uint8_t mac)
{
    struct switch_config config = {.mtu = 1500,
                                   .seed = 7,
                                   .vlan_aware = true,
                                   .snooping = true,
                                   .querier = true,
                                   .mac = {2, 0, 0, 0, 1, mac}};
    struct switch_ *sw;

    swport_vlan_add(config.vlans, 10);
    swport_vlan_add(config.vlans, 20);
    sw = switch_new(&config);
    for (unsigned i = 0; i < 2; i++) {
        fake_port_init(&ports[i], i + 1, 0, false);
        ports[i].sw.set.tagged = true;
        swport_vlan_add(ports[i].sw.set.trunk, 10);
        swport_vlan_add(ports[i].sw.set.trunk, 20);
        switch_add_port(sw, &ports[i].sw);
    }
    return sw;
}

static void drop_trunks(struct switch_ *sw, struct fake_port ports[2])
{
    for (unsigned i = 0; i < 2; i++) {
        switch_remove_port(&ports[i].sw);
        fake_port_clear(&ports[i]);
    }
    fake_frames_drop();
    switch_free(sw);
}

/* Puts the tag into a frame without one. */
static uint32_t tagged(uint8_t *bytes, uint32_t size, uint16_t vlan)
{
    memmove(bytes + 16, bytes + 12, size - 12);
    store_be16(bytes + 12, 0x8100);
    store_be16(bytes + 14, vlan);
    return size + 4;
}

/* How many queries of the family the port was given in the VLAN since it was cleared last. */
static unsigned queries_in(const struct fake_port *port, uint16_t vlan, bool ip6)
{
    unsigned n = 0;

    for (unsigned i = 0; i < port->n; i++) {
        struct snoop_message m;
        uint8_t bytes[SNOOP_QUERY_SIZE] = {0};

        if (load_be16(port->got[i].bytes + 14) != vlan)
            continue;
        memcpy(bytes, port->got[i].bytes, 12);
        memcpy(bytes + 12, port->got[i].bytes + 16, port->got[i].meta.size - 16);
        snoop_parse(bytes, port->got[i].meta.size - 4, &m);
        n += m.kind == SNOOP_QUERY && m.ip6 == ip6;
    }
    return n;
}

static unsigned asks(struct switch_ *sw, struct fake_port *port, mtime_t now, uint16_t vlan,
                     bool ip6)
{
    fake_port_clear(port);
    switch_run(sw, now);
    return queries_in(port, vlan, ip6);
}

/* A router's query silences the querier in its VLAN and for its family, and nowhere else; when the router has
 * gone for 255 s, and not later, the switch asks again. */
static void routers_go_before_the_querier(void **state)
{
    static const uint8_t query[] = {0x11, 100, 0, 0, 0, 0, 0, 0};
    static struct fake_port ports[2];
    struct switch_ *sw = trunks(ports, 5);
    uint8_t bytes[128];
    mtime_t now = MTIME_SEC, heard;
    struct frame f;

    (void)state;
    assert_int_equal(asks(sw, &ports[0], now, 10, false), 1);
    assert_int_equal(queries_in(&ports[0], 10, true), 1);
    assert_int_equal(queries_in(&ports[0], 20, false), 1);
    assert_int_equal(switch_heard(sw, false).asked, 2);
    assert_int_equal(ports[0].sw.counters.heard[SWPORT_IP4].asked, 2);
    now = heard = now + 10 * MTIME_SEC;
    f = fake_frame_of(bytes, tagged(bytes, igmp(bytes, query, sizeof query, true), 10));
    switch_input(&ports[1].sw, &f, 1, now);
    assert_int_equal(switch_heard(sw, false).queries, 1);
    for (; now < heard + 255 * MTIME_SEC; now += MTIME_SEC)
        assert_int_equal(asks(sw, &ports[0], now, 10, false), 0);
    assert_true(switch_deadline(sw) <= now);
    assert_int_equal(asks(sw, &ports[0], now, 10, false), 1);
    assert_int_equal(switch_heard(sw, false).asked,
                     2 + 1 + 3); /* At 31, 156, 281 in VLAN 20. */
    assert_int_equal(switch_heard(sw, true).asked, 2 + 2 * 3);
    drop_trunks(sw, ports);
}

/* Who comes is asked at once, but not more than once in a second, however often. */
static void who_comes_is_asked(void **state)
{
    static struct fake_port ports[2];
    struct switch_ *sw = trunks(ports, 5);
    mtime_t now = 100 * MTIME_SEC;

    (void)state;
    assert_int_equal(asks(sw, &ports[1], now, 10, false), 1);
    for (unsigned i = 0; i < 100; i++, now += 100 * MTIME_MS) {
        switch_set_port_state(&ports[1].sw, SWPORT_DISCARDING);
        switch_set_port_state(&ports[1].sw, SWPORT_FORWARDING);
        switch_run(sw, now);
    }
    assert_in_range(switch_heard(sw, false).asked, 2 * 10, 2 * 11);
    assert_true(switch_deadline(sw) <= now);
    assert_int_equal(asks(sw, &ports[1], now + MTIME_SEC, 10, false), 1);
    drop_trunks(sw, ports);
}

/* Of two queriers on one LAN the one with the lower MAC goes on asking. */
static void the_lower_querier_asks(void **state)
{
    static struct fake_port ports[2];
    static const uint8_t mine = 5;

    (void)state;
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        for (unsigned other = 4; other <= 6; other += 2) {
            const uint8_t mac[6] = {2, 0, 0, 0, 1, (uint8_t)other};
            struct switch_ *sw = trunks(ports, mine);
            uint8_t bytes[SNOOP_QUERY_SIZE + 4];
            mtime_t now = 2 * MTIME_SEC;
            struct frame f;

            assert_int_equal(asks(sw, &ports[0], MTIME_SEC, 20, ip6), 1);
            f = fake_frame_of(
                bytes, tagged(bytes, (uint32_t)snoop_build_query(ip6, mac, bytes), 20));
            switch_input(&ports[1].sw, &f, 1, now);
            now += 31 * MTIME_SEC;
            assert_int_equal(asks(sw, &ports[0], now, 20, ip6), other > mine);
            assert_int_equal(queries_in(&ports[0], 10, ip6), 1);
            assert_int_equal(queries_in(&ports[0], 20, !ip6), 1);
            drop_trunks(sw, ports);
        }
    }
}

/* By kind and family, at the port and of all ports, also when the port has gone. */
static void messages_are_counted(void **state)
{
    static const uint8_t report[] = REPORT_V2, leave[] = LEAVE;
    static const uint8_t both[] = {0x22, 0, 0, 0, 0, 0, 0, 2, 4,   0,   0, 0,
                                   239,  1, 2, 3, 3, 0, 0, 0, 225, 129, 0, 9};
    uint8_t done[24] = {132, [8] = 0xff, [9] = 5, [23] = 9};
    static struct fake_port ports[2];
    struct switch_ *sw = trunks(ports, 5);
    uint8_t bytes[128];
    struct {
        const uint8_t *message;
        uint32_t size;
        struct swport_heard want; /* After it. */
    } cases[] = {
        {report, sizeof report, {.reports = 1}},
        {leave, sizeof leave, {.reports = 1, .leaves = 1}},
        {both, sizeof both, {.reports = 2, .leaves = 2}},
        {both, sizeof both - 1, {.reports = 2, .leaves = 2}}, /* Malformed. */
    };
    struct frame f;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct swport_heard got;

        f = fake_frame_of(
            bytes, tagged(bytes, igmp(bytes, cases[i].message, cases[i].size, false), 10));
        switch_input(&ports[0].sw, &f, 1, MTIME_SEC);
        got = switch_heard(sw, false);
        assert_memory_equal(&got, &cases[i].want, sizeof got);
        assert_memory_equal(&ports[0].sw.counters.heard[SWPORT_IP4], &got, sizeof got);
    }
    f = fake_frame_of(bytes, tagged(bytes, mld(bytes, done, sizeof done), 10));
    switch_input(&ports[1].sw, &f, 1, MTIME_SEC);
    assert_int_equal(ports[1].sw.counters.heard[SWPORT_IP6].leaves, 1);
    assert_int_equal(ports[1].sw.counters.heard[SWPORT_IP4].leaves, 0);
    switch_remove_port(&ports[1].sw);
    assert_int_equal(switch_heard(sw, true).leaves, 1);
    drop_trunks(sw, ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_igmp),
        cmocka_unit_test(reads_mld),
        cmocka_unit_test(queries_are_read_back),
        cmocka_unit_test(memberships),
        cmocka_unit_test(frames_find_listeners),
        cmocka_unit_test(routers_go_before_the_querier),
        cmocka_unit_test(who_comes_is_asked),
        cmocka_unit_test(the_lower_querier_asks),
        cmocka_unit_test(messages_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
