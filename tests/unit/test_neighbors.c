/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of endpoints: the table, and where requests for them go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/switch/homes.h"
#include "fabricd/switch/neighbors.h"
#include "proto/wire/bytes.h"
#include "tests/unit/switch_ports.h"

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1}, mac_b[6] = {2, 0, 0, 0, 0, 2};
static const struct neighbor_addr v4 = {4, {10, 0, 0, 1}}, other4 = {4, {10, 0, 0, 2}};
static const struct neighbor_addr v6 = {
    6, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56}};

static void table(void **state)
{
    struct neighbors *t = neighbors_new(5);
    const struct neighbor_addr both[2] = {v4, v6};

    (void)state;
    neighbors_put(t, mac_a, 10, both, 2);
    assert_memory_equal(neighbors_find(t, 10, 4, v4.addr), mac_a, 6);
    assert_memory_equal(neighbors_find(t, 10, 6, v6.addr), mac_a, 6);
    assert_null(neighbors_find(t, 20, 4, v4.addr));
    assert_null(neighbors_find(t, 10, 4, other4.addr));
    neighbors_put(t, mac_a, 10, &other4, 1); /* Others than before. */
    assert_null(neighbors_find(t, 10, 4, v4.addr));
    assert_int_equal(neighbors_count(t), 1);
    neighbors_put(t, mac_b, 10, &other4, 1); /* It has a new owner. */
    assert_memory_equal(neighbors_find(t, 10, 4, other4.addr), mac_b, 6);
    neighbors_begin(t);
    neighbors_put(t, mac_a, 10, &v4, 1);
    neighbors_end(t);
    assert_null(neighbors_find(t, 10, 4, other4.addr));
    neighbors_remove(t, mac_a);
    assert_int_equal(neighbors_count(t), 0);
    for (unsigned i = 0; i < 70000; i++) { /* It grows, to its bound. */
        const uint8_t mac[6] = {2, 1, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        struct neighbor_addr a = {4,
                                  {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

        neighbors_put(t, mac, 0, &a, 1);
    }
    assert_int_equal(neighbors_count(t), NEIGHBORS_MAX);
    assert_non_null(neighbors_find(t, 0, 4, (const uint8_t[]){10, 0, 1, 2}));
    neighbors_free(t);
}

static struct frame arp(uint8_t op, const uint8_t *from, const uint8_t *target)
{
    uint8_t bytes[60] = {0};

    memset(bytes, 0xff, 6);
    memcpy(bytes + 6, mac_b, 6);
    store_be16(bytes + 12, 0x0806);
    memcpy(bytes + 14, (const uint8_t[]){0, 1, 8, 0, 6, 4, 0, op}, 8);
    memcpy(bytes + 22, mac_b, 6);
    memcpy(bytes + 28, from, 4);
    memcpy(bytes + 38, target, 4);
    return fake_frame_of(bytes, sizeof bytes);
}

static struct frame solicit(const uint8_t *target)
{
    uint8_t bytes[86] = {0x33, 0x33, 0xff, target[13], target[14], target[15]};

    memcpy(bytes + 6, mac_b, 6);
    store_be16(bytes + 12, 0x86dd);
    bytes[14] = 0x60;
    bytes[19] = 32;
    bytes[20] = 58;
    bytes[21] = 255;
    bytes[22] = 0xfe;
    bytes[38] = 0xff;
    bytes[54] = 135;
    memcpy(bytes + 62, target, 16);
    return fake_frame_of(bytes, sizeof bytes);
}

/* Ports: 0 has mac_a, 1 asks, 2 is somebody else. */
static void requests_go_to_the_owner(void **state)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static struct fake_port ports[3];
    const struct switch_config config = {.mtu = 1500, .suppression = true};
    const struct neighbor_addr both[2] = {v4, v6};
    const uint8_t me[4] = {10, 0, 0, 9};
    struct switch_ *sw = switch_new(&config);
    struct frame f;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        fake_port_init(&ports[i], i + 1, 0, false);
        switch_add_port(sw, &ports[i].sw);
    }
#define ASK(FRAME, A, B)                                                                   \
    do {                                                                                   \
        fake_port_clear(&ports[0]);                                                        \
        fake_port_clear(&ports[2]);                                                        \
        f = (FRAME);                                                                       \
        switch_input(&ports[1].sw, &f, 1, 1);                                              \
        assert_int_equal(ports[0].n, A);                                                   \
        assert_int_equal(ports[2].n, B);                                                   \
    } while (0)
    switch_put_neighbor(sw, mac_a, 0, both, 2);
    ASK(arp(1, me, v4.addr), 1, 1); /* Where mac_a is, is not known. */
    f = fake_frame(all, mac_a, 60, 0);
    switch_input(&ports[0].sw, &f, 1, 1);
    ASK(arp(1, me, v4.addr), 1, 0);
    ASK(arp(1, (const uint8_t[4]){0}, v4.addr), 1, 0); /* A probe finds the owner. */
    ASK(arp(1, me, other4.addr), 1, 1);
    ASK(arp(1, v4.addr, v4.addr), 1, 1); /* An announcement is for all, */
    ASK(arp(2, me, v4.addr), 1, 1);      /* and so is an answer. */
    ASK(solicit(v6.addr), 1, 0);
    ASK(solicit(other4.addr), 1, 1);
    assert_int_equal(ports[1].sw.counters.heard[SWPORT_IP4].suppressed, 2);
    assert_int_equal(switch_heard(sw, true).suppressed, 1);
    switch_remove_neighbor(sw, mac_a);
    ASK(arp(1, me, v4.addr), 1, 1);
    assert_int_equal(switch_heard(sw, false).suppressed, 2);
#undef ASK
    fake_switch_free(sw, ports, 3);
}

/* A port with the guard uses no endpoint's MAC, nor an address, whatever says so. */
static void nobody_speaks_for_endpoints(void **state)
{
    static struct fake_port ports[2];
    const struct switch_config config = {.mtu = 1500};
    const struct neighbor_addr both[2] = {v4, v6};
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct switch_ *sw = switch_new(&config);
    struct frame f;

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        fake_port_init(&ports[i], i + 1, 0, false);
    ports[1].sw.set.guards = SWPORT_GUARD_SPOOF;
    for (unsigned i = 0; i < 2; i++)
        switch_add_port(sw, &ports[i].sw);
    switch_put_home(sw, mac_a, 0, HOMES_HERE, 1);
    switch_put_neighbor(sw, mac_a, 0, both, 2);
#define SAY(FRAME, PASSES)                                                                 \
    do {                                                                                   \
        fake_port_clear(&ports[0]);                                                        \
        f = (FRAME);                                                                       \
        switch_input(&ports[1].sw, &f, 1, 1);                                              \
        assert_int_equal(ports[0].n, PASSES);                                              \
    } while (0)
    SAY(fake_frame(all, mac_b, 60, 0), 1);
    SAY(fake_frame(all, mac_a, 60, 0), 0); /* The MAC, */
    SAY(arp(1, other4.addr, v4.addr), 1);  /* asking for it is free, */
    SAY(arp(1, v4.addr, other4.addr), 0);  /* the address in ARP, */
    f = solicit(v6.addr);
    memcpy(f.data + 22, v6.addr, 16);
    SAY(f, 0); /* and as a source. */
#undef SAY
    assert_int_equal(ports[1].sw.counters.rx_drops[SWPORT_DROP_GUARD], 3);
    fake_switch_free(sw, ports, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(requests_go_to_the_owner),
        cmocka_unit_test(nobody_speaks_for_endpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
