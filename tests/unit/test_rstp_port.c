/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One RSTP bridge: transmission, old bridges, topology changes, guards, settings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rstp_bridge.h"

static struct bpdu config_of(uint64_t id)
{
    struct bpdu c = bridge_says(id);

    c.type = BPDU_CONFIG;
    return c;
}

static void forward_all(struct bridge *b, unsigned ports)
{
    bridge_wait(b, 23 * MTIME_SEC);
    for (unsigned i = 1; i <= ports; i++)
        assert_int_equal(bridge_port(b, i).state, RSTP_FORWARDING);
    bridge_wait(b, 4 * MTIME_SEC);
}

/* 17.26: one BPDU each HelloTime from a designated port, none from a root port at rest. */
static void test_hello(void **state)
{
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;
    unsigned one, two;

    (void)state;
    bridge_init(&b, 2);
    forward_all(&b, 2);
    bridge_hears(&b, 1, &better);
    for (unsigned i = 0; i < 4; i++) { /* The topology change passes. */
        bridge_wait(&b, 2 * MTIME_SEC);
        bridge_hears(&b, 1, &better);
    }
    one = b.n_sent[1];
    two = b.n_sent[2];
    for (unsigned i = 0; i < 10; i++) {
        bridge_wait(&b, 2 * MTIME_SEC);
        bridge_hears(&b, 1, &better);
    }
    assert_int_equal(b.n_sent[1], one);
    assert_int_equal(b.n_sent[2], two + 10);
    bridge_done(&b);
}

/* Hellos of ports that are not edge ports leave on whole seconds, whenever the ports began. */
static void test_hello_together(void **state)
{
    struct rstp_port_config c = rstp_port_defaults;
    static struct bridge b;

    (void)state;
    c.auto_edge = false;
    bridge_init(&b, 1);
    for (unsigned i = 2; i <= 4; i++) {
        bridge_wait(&b, 270 * MTIME_MS);
        assert_int_equal(rstp_port_add(b.rstp, i, &c, b.now), 0);
        bridge_link(&b, i, true);
    }
    bridge_wait(&b, 5 * MTIME_SEC);
    for (unsigned i = 0; i < 8; i++) {
        unsigned sent = b.n_sent[1] + b.n_sent[2] + b.n_sent[3] + b.n_sent[4];

        bridge_wait(&b, rstp_deadline(b.rstp) - b.now);
        assert_int_equal(b.now % MTIME_SEC, 0);
        assert_in_range(b.n_sent[1] + b.n_sent[2] + b.n_sent[3] + b.n_sent[4] - sent, 1, 4);
    }
    bridge_done(&b);
}

/* 17.19.44: TxHoldCount at once, then one a second; the last news get out. */
static void test_hold(void **state)
{
    struct bpdu say = bridge_says(BETTER);
    static struct bridge b;
    unsigned before;

    (void)state;
    bridge_init(&b, 2);
    bridge_wait(&b, 10 * MTIME_SEC);
    before = b.n_sent[2];
    for (unsigned i = 0; i < 40; i++) {
        say.vector.cost++;
        bridge_hears(&b, 1, &say);
    }
    assert_in_range(b.n_sent[2] - before, 5, 6);
    assert_int_not_equal(b.sent[2].vector.cost, 20040);
    before = b.n_sent[2];
    bridge_wait(&b, MTIME_SEC);
    assert_in_range(b.n_sent[2] - before, 1, 2);
    assert_int_equal(b.sent[2].vector.cost, 20040);
    bridge_done(&b);
}

/* 17.24: an old neighbour is believed after MigrateTime, and spoken to in its way. */
static void test_migration(void **state)
{
    struct bpdu old = config_of(WORSE), young = bridge_says(WORSE);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    bridge_hears(&b, 1, &old);
    bridge_wait(&b, 2900 * MTIME_MS);
    assert_true(bridge_port(&b, 1).rapid);
    bridge_wait(&b, 200 * MTIME_MS);
    bridge_hears(&b, 1, &old);
    assert_false(bridge_port(&b, 1).rapid);
    bridge_wait(&b, 2 * MTIME_SEC);
    assert_int_equal(b.sent[1].type, BPDU_CONFIG);
    /* A new neighbour is not believed before MigrateTime is over either. */
    bridge_hears(&b, 1, &young);
    assert_false(bridge_port(&b, 1).rapid);
    bridge_wait(&b, 1100 * MTIME_MS);
    bridge_hears(&b, 1, &young);
    assert_true(bridge_port(&b, 1).rapid);
    bridge_done(&b);
}

static void test_mcheck(void **state)
{
    struct bpdu old = config_of(WORSE);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    bridge_wait(&b, 4 * MTIME_SEC);
    bridge_hears(&b, 1, &old);
    assert_false(bridge_port(&b, 1).rapid);
    assert_int_equal(rstp_port_mcheck(b.rstp, 1, b.now), 0);
    assert_true(bridge_port(&b, 1).rapid);
    bridge_wait(&b, 2 * MTIME_SEC);
    assert_int_equal(b.sent[1].type, BPDU_RST);
    bridge_done(&b);
}

/* With STP, FwdDelay to learn and again to forward; topology changes go by TCN and are
 * acknowledged. */
static void test_stp(void **state)
{
    struct rstp_bridge_config c = rstp_bridge_defaults;
    struct bpdu better = config_of(BETTER), tcn = {.type = BPDU_TCN};
    static struct bridge b;
    struct rstp_port_config p = rstp_port_defaults;

    (void)state;
    c.version = RSTP_VERSION_STP;
    bridge_init_with(&b, &c, 2, &p);
    assert_int_equal(b.sent[2].type, BPDU_CONFIG);
    assert_false(bridge_port(&b, 1).rapid);
    for (unsigned i = 0; i < 20; i++) {
        bridge_hears(&b, 1, &better);
        bridge_wait(&b, MTIME_SEC);
    }
    assert_int_equal(bridge_port(&b, 1).state, RSTP_LEARNING);
    for (unsigned i = 0; i < 16; i++) {
        bridge_hears(&b, 1, &better);
        bridge_wait(&b, MTIME_SEC);
    }
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_ROOT);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_FORWARDING);
    assert_int_equal(b.sent[1].type, BPDU_TCN);
    assert_true(bridge_port(&b, 1).counters.tx_tcn > 0);
    /* Our own child's is acknowledged in the next CFG BPDU, and passed on. */
    better.tc_ack = true;
    bridge_hears(&b, 1, &better);
    bridge_wait(&b, 5 * MTIME_SEC);
    bridge_hears(&b, 1, &better);
    b.n_sent[1] = 0;
    bridge_hears(&b, 2, &tcn);
    bridge_wait(&b, 2 * MTIME_SEC);
    assert_true(b.n_sent[1] > 0);
    assert_int_equal(b.sent[1].type, BPDU_TCN);
    assert_int_equal(b.sent[2].type, BPDU_CONFIG);
    assert_true(bridge_port(&b, 2).counters.tx_config > 0);
    bridge_done(&b);
}

/* 17.31: a change told by one neighbour is told to the others for HelloTime and a second. */
static void test_topology_change(void **state)
{
    struct rstp_port_config edge = rstp_port_defaults;
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;
    unsigned flushes[5];

    (void)state;
    edge.admin_edge = true;
    bridge_init(&b, 3);
    assert_int_equal(rstp_port_add(b.rstp, 4, &edge, b.now), 0);
    bridge_link(&b, 4, true);
    forward_all(&b, 4);
    bridge_hears(&b, 1, &better);
    bridge_wait(&b, 4 * MTIME_SEC);
    bridge_hears(&b, 1, &better);
    assert_false(b.sent[2].tc);
    for (unsigned i = 1; i <= 4; i++)
        flushes[i] = b.n_flushes[i];
    better.tc = true;
    bridge_hears(&b, 1, &better);
    better.tc = false;
    assert_true(b.sent[2].tc && b.sent[3].tc);
    assert_false(b.sent[4].tc);
    assert_int_equal(b.n_flushes[1], flushes[1]); /* Not where it came from. */
    assert_int_equal(b.n_flushes[2], flushes[2] + 1);
    assert_int_equal(b.n_flushes[3], flushes[3] + 1);
    assert_int_equal(b.n_flushes[4], flushes[4]); /* Nor edge ports. */
    assert_int_equal(bridge_status(&b).tc_cause, RSTP_TC_NOTIFIED);
    assert_int_equal(bridge_status(&b).tc_port, 1);
    assert_int_equal(bridge_status(&b).tc_bridge, BETTER);
    bridge_wait(&b, 2 * MTIME_SEC + 1);
    assert_true(b.sent[2].tc);
    bridge_hears(&b, 1, &better);
    bridge_wait(&b, 3 * MTIME_SEC);
    assert_false(b.sent[2].tc);
    bridge_done(&b);
}

static void test_bpdu_guard(void **state)
{
    struct rstp_port_config c = rstp_port_defaults;
    struct bpdu worse = bridge_says(WORSE);
    uint8_t rubbish[36] = {1};
    static struct bridge b;

    (void)state;
    c.admin_edge = c.bpdu_guard = true;
    bridge_init_with(&b, &rstp_bridge_defaults, 1, &c);
    assert_int_equal(rstp_input(b.rstp, 1, rubbish, sizeof rubbish, b.now), -EBADMSG);
    assert_int_equal(bridge_port(&b, 1).counters.rx_bad, 1);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_FORWARDING);
    bridge_hears(&b, 1, &worse);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_DISCARDING);
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_DISABLED);
    assert_true(bridge_port(&b, 1).guarded);
    assert_int_equal(b.n_events[RSTP_EVENT_BPDU_GUARD], 1);
    bridge_wait(&b, 60 * MTIME_SEC);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_DISCARDING);
    assert_int_equal(rstp_port_rearm(b.rstp, 1, b.now), 0);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_FORWARDING);
    bridge_done(&b);
}

static void test_root_guard(void **state)
{
    struct rstp_port_config c = rstp_port_defaults;
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    c.root_guard = true;
    c.auto_edge = false;
    bridge_init_with(&b, &rstp_bridge_defaults, 1, &c);
    bridge_wait(&b, 23 * MTIME_SEC);
    bridge_hears(&b, 1, &better);
    assert_int_equal(bridge_status(&b).root_id, OUR_ID);
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_ALTERNATE);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_DISCARDING);
    assert_true(bridge_port(&b, 1).root_refused);
    assert_int_equal(b.n_events[RSTP_EVENT_ROOT_GUARD], 1);
    bridge_wait(&b, 11 * MTIME_SEC); /* It ages out and is over. */
    assert_false(bridge_port(&b, 1).root_refused);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_FORWARDING);
    c.root_guard = false;
    bridge_hears(&b, 1, &better);
    assert_int_equal(rstp_port_set(b.rstp, 1, &c, b.now), 0);
    assert_int_equal(bridge_status(&b).root_id, BETTER);
    bridge_done(&b);
}

static void test_filter(void **state)
{
    struct rstp_port_config c = rstp_port_defaults;
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    c.bpdu_filter = true;
    bridge_init_with(&b, &rstp_bridge_defaults, 1, &c);
    bridge_hears(&b, 1, &better);
    bridge_wait(&b, 30 * MTIME_SEC);
    assert_int_equal(b.n_sent[1], 0);
    assert_int_equal(bridge_status(&b).root_id, OUR_ID);
    assert_int_equal(bridge_port(&b, 1).counters.rx_filtered, 1);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_FORWARDING);
    bridge_done(&b);
}

/* A port that hears itself does not forward, until it no longer does. */
static void test_looped(void **state)
{
    static struct bridge b;

    (void)state;
    bridge_init_with(&b, &rstp_bridge_defaults, 1, &rstp_port_defaults);
    for (unsigned i = 0; i < 40; i++) {
        bridge_hears(&b, 1, &b.sent[1]);
        bridge_wait(&b, MTIME_SEC);
        assert_int_equal(bridge_port(&b, 1).state, RSTP_DISCARDING);
    }
    assert_true(bridge_port(&b, 1).looped);
    assert_int_equal(b.n_events[RSTP_EVENT_LOOPED], 1);
    bridge_wait(&b, 5 * MTIME_SEC);
    assert_int_equal(bridge_port(&b, 1).state, RSTP_FORWARDING);
    bridge_done(&b);
}

/* Table 17-3. */
static void test_cost(void **state)
{
    struct rstp_link link = {.up = true, .p2p = true, .speed_mbps = 100};
    struct rstp_port_config c = rstp_port_defaults;
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    assert_int_equal(rstp_path_cost(10), 2000000);
    assert_int_equal(rstp_path_cost(100), 200000);
    assert_int_equal(rstp_path_cost(1000), 20000);
    assert_int_equal(rstp_path_cost(10000), 2000);
    assert_int_equal(rstp_path_cost(UINT32_MAX), 1);
    assert_int_equal(rstp_path_cost(0), 2000);
    bridge_init(&b, 2);
    bridge_hears(&b, 1, &better);
    bridge_hears(&b, 2, &better);
    assert_int_equal(bridge_status(&b).root_port, 1);
    assert_int_equal(rstp_port_link(b.rstp, 1, &link, b.now), 0);
    assert_int_equal(bridge_status(&b).root_port, 2);
    c.path_cost = 5;
    assert_int_equal(rstp_port_set(b.rstp, 1, &c, b.now), 0);
    assert_int_equal(bridge_status(&b).root_port, 1);
    assert_int_equal(bridge_status(&b).root_cost, 5);
    bridge_done(&b);
}

static void test_settings(void **state)
{
    struct rstp_bridge_config c = rstp_bridge_defaults;
    struct rstp_port_config p = rstp_port_defaults;
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 2);
    c.priority = 100;
    assert_int_equal(rstp_set_bridge(b.rstp, &c, b.now), -EINVAL);
    c.priority = 0;
    c.max_age = 29; /* More than twice (forward_delay - 1). */
    assert_int_equal(rstp_set_bridge(b.rstp, &c, b.now), -EINVAL);
    p.priority = 129;
    assert_int_equal(rstp_port_set(b.rstp, 1, &p, b.now), -EINVAL);
    assert_int_equal(rstp_port_add(b.rstp, 1, &rstp_port_defaults, b.now), -EEXIST);
    assert_int_equal(rstp_port_add(b.rstp, 0, &rstp_port_defaults, b.now), -EINVAL);
    assert_int_equal(rstp_port_add(b.rstp, 4096, &rstp_port_defaults, b.now), -EINVAL);
    assert_int_equal(rstp_port_remove(b.rstp, 3, b.now), -ENOENT);
    bridge_hears(&b, 1, &better);
    c.max_age = 20;
    assert_int_equal(rstp_set_bridge(b.rstp, &c, b.now), 0);
    assert_int_equal(bridge_status(&b).root_id, 0x20000000005);
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_DESIGNATED);
    assert_int_equal(b.sent[2].vector.root, 0x20000000005);
    bridge_done(&b);
}

static void test_remove(void **state)
{
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 3);
    bridge_hears(&b, 1, &better);
    bridge_hears(&b, 2, &better);
    assert_int_equal(rstp_port_remove(b.rstp, 1, b.now), 0);
    assert_int_equal(b.state[1], RSTP_DISCARDING);
    assert_int_equal(bridge_status(&b).root_port, 2);
    assert_int_equal(bridge_port(&b, 2).state, RSTP_FORWARDING);
    assert_int_equal(rstp_port_remove(b.rstp, 2, b.now), 0);
    assert_int_equal(bridge_status(&b).root_id, OUR_ID);
    bridge_wait(&b, 30 * MTIME_SEC);
    assert_int_equal(bridge_port(&b, 3).state, RSTP_FORWARDING);
    assert_int_equal(rstp_port_remove(b.rstp, 3, b.now), 0);
    assert_true(rstp_deadline(b.rstp) == MTIME_NEVER);
    bridge_done(&b);
}

/* As many ports as there are numbers: one root port among them, all timers, all changes. */
static void test_many(void **state)
{
    static struct bridge b;
    struct bpdu better = bridge_says(BETTER);

    (void)state;
    bridge_init(&b, RSTP_PORTS_MAX);
    assert_int_equal(rstp_port_add(b.rstp, RSTP_PORTS_MAX, &rstp_port_defaults, b.now),
                     -EEXIST);
    forward_all(&b, RSTP_PORTS_MAX);
    better.proposal = true;
    bridge_hears(&b, 1234, &better);
    assert_int_equal(bridge_status(&b).root_port, 1234);
    assert_true(b.sent[1234].agreement);
    better.tc = true;
    bridge_hears(&b, 1234, &better);
    for (unsigned i = 1; i <= RSTP_PORTS_MAX; i++) {
        assert_true(b.sent[i].tc == (i != 1234)); /* Not back to where it came from. */
        assert_int_equal(b.sent[i].vector.root, BETTER);
    }
    bridge_wait(&b, 10 * MTIME_SEC);
    assert_int_equal(bridge_status(&b).root_id, OUR_ID);
    for (unsigned i = 1; i <= RSTP_PORTS_MAX; i++)
        assert_int_equal(rstp_port_remove(b.rstp, i, b.now), 0);
    bridge_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_hello_together),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_migration),
        cmocka_unit_test(test_mcheck),
        cmocka_unit_test(test_stp),
        cmocka_unit_test(test_topology_change),
        cmocka_unit_test(test_bpdu_guard),
        cmocka_unit_test(test_root_guard),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_looped),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
