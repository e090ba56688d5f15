/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One RSTP bridge against clause 17 of IEEE 802.1D-2004: roles, agreements, states, timers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/rstp_bridge.h"

/* What a neighbour that follows us answers: it is our child, or hears the same root elsewhere. */
static struct bpdu agreement_of(uint64_t root, enum bpdu_role role)
{
    struct bpdu a = bridge_says(WORSE);

    a.role = role;
    a.agreement = true;
    a.vector.root = root;
    a.vector.cost = 40000;
    return a;
}

static void assert_port(const struct bridge *b, unsigned port, enum rstp_role role,
                        enum rstp_state state)
{
    struct rstp_port_status s = bridge_port(b, port);

    assert_string_equal(rstp_role_name(s.role), rstp_role_name(role));
    assert_string_equal(rstp_state_name(s.state), rstp_state_name(state));
}

/* 17.29.3: without an answer, Max Age to learn and, sending RST BPDUs, HelloTime to forward. */
static void test_no_answer(void **state)
{
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    assert_true(b.sent[1].proposal);
    bridge_wait(&b, 20 * MTIME_SEC - 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_wait(&b, 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_LEARNING);
    bridge_wait(&b, 2 * MTIME_SEC - 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_LEARNING);
    bridge_wait(&b, 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    bridge_done(&b);
}

/* 17.21.9: an agreement lets a designated port forward at once, if all its conditions are met. */
static void test_agreement(void **state)
{
    struct bpdu good = agreement_of(OUR_ID, BPDU_ROLE_ROOT), bad;
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    bad = good;
    bad.agreement = false;
    bridge_hears(&b, 1, &bad);
    bad = good;
    bad.vector.root = WORSE; /* About another root than we tell. */
    bridge_hears(&b, 1, &bad);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_hears(&b, 1, &good);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_false(b.sent[1].proposal);
    assert_true(b.sent[1].forwarding && b.sent[1].tc);
    bridge_done(&b);

    bridge_init(&b, 1);
    good.role = BPDU_ROLE_ALTERNATE_BACKUP;
    bridge_hears(&b, 1, &good);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    bridge_done(&b);
}

static void test_agreement_shared(void **state)
{
    struct rstp_port_config c = rstp_port_defaults;
    struct bpdu good = agreement_of(OUR_ID, BPDU_ROLE_ROOT);
    static struct bridge b;

    (void)state;
    c.p2p = RSTP_P2P_NO;
    c.auto_edge = false;
    bridge_init_with(&b, &rstp_bridge_defaults, 1, &c);
    bridge_hears(&b, 1, &good);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_done(&b);
}

/* An agreement that may answer what was told before is not taken; a new one is asked for. */
static void test_late_agreement(void **state)
{
    struct bpdu better = bridge_says(BETTER), good = agreement_of(OUR_ID, BPDU_ROLE_ROOT);
    static struct bridge b;
    unsigned sent;

    (void)state;
    bridge_init(&b, 2);
    bridge_hears(&b, 1, &better);
    assert_int_equal(b.sent[2].vector.root, BETTER);
    bridge_link(&b, 1, false);
    assert_int_equal(b.sent[2].vector.root, OUR_ID);
    sent = b.n_sent[2];
    bridge_hears(&b, 2, &good);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_wait(&b, 250 * MTIME_MS);
    assert_int_equal(b.n_sent[2], sent + 1);
    assert_true(b.sent[2].proposal);
    bridge_hears(&b, 2, &good);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    bridge_done(&b);
}

/* 17.29.2: a proposal makes designated ports sync; the agreement goes out when they have. A port
 * that was agreed on for something worse need not; here the agreement was lost before. */
static void test_proposal(void **state)
{
    struct bpdu better = bridge_says(BETTER), best = bridge_says(BETTER & 0xffffffffffff);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 4);
    bridge_wait(&b, 23 * MTIME_SEC);
    bridge_hears(&b, 3, &better);
    bridge_link(&b, 4, false);
    bridge_link(&b, 4, true);
    bridge_link(&b, 3, false);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    bridge_wait(&b, 4 * MTIME_SEC);
    best.proposal = true;
    bridge_hears(&b, 1, &best);
    assert_port(&b, 1, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    assert_int_equal(b.sent[1].role, BPDU_ROLE_ROOT);
    assert_true(b.sent[1].agreement);
    assert_int_equal(b.sent[1].vector.root, best.vector.root);
    assert_int_equal(b.sent[1].vector.cost, 20000);
    assert_true(b.sent[2].proposal);
    assert_int_equal(b.sent[2].times.message_age, RSTP_SECOND);
    /* Synced already, it agrees to the next one without a pause. */
    bridge_hears(&b, 2,
                 &(struct bpdu){.type = BPDU_RST,
                                .role = BPDU_ROLE_ROOT,
                                .agreement = true,
                                .vector = {.root = best.vector.root, .cost = 40000}});
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    bridge_hears(&b, 1, &best);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_true(b.sent[1].agreement);
    bridge_done(&b);
}

/* Without a proposal, designated ports go on. */
static void test_better_root(void **state)
{
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 2);
    bridge_wait(&b, 23 * MTIME_SEC);
    bridge_hears(&b, 1, &better);
    assert_port(&b, 1, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_int_equal(bridge_status(&b).root_id, BETTER);
    assert_int_equal(bridge_status(&b).root_port, 1);
    assert_int_equal(bridge_status(&b).root_cost, 20000);
    bridge_done(&b);
}

/* Edge ports neither wait nor sync nor make topology changes. */
static void test_edge(void **state)
{
    struct rstp_port_config c = rstp_port_defaults;
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    c.admin_edge = true;
    bridge_init_with(&b, &rstp_bridge_defaults, 2, &c);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_true(bridge_port(&b, 1).edge);
    assert_int_equal(bridge_status(&b).tc_count, 0);
    better.proposal = true;
    bridge_hears(&b, 2, &better);
    assert_false(bridge_port(&b, 2).edge);
    assert_port(&b, 2, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_true(b.sent[2].agreement);
    /* When the link comes anew, it is an edge port again. */
    bridge_link(&b, 2, false);
    assert_port(&b, 2, RSTP_ROLE_DISABLED, RSTP_DISCARDING);
    bridge_link(&b, 2, true);
    assert_true(bridge_port(&b, 2).edge);
    bridge_done(&b);
}

/* 17.25: nobody answers the proposal for MigrateTime; where a bridge was heard, time does not make
 * an edge port, until the link comes anew. */
static void test_auto_edge(void **state)
{
    struct bpdu worse = bridge_says(WORSE);
    static struct bridge b;

    (void)state;
    bridge_init_with(&b, &rstp_bridge_defaults, 2, &rstp_port_defaults);
    bridge_wait(&b, 2 * MTIME_SEC);
    bridge_hears(&b, 2, &worse);
    bridge_wait(&b, MTIME_SEC - 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_wait(&b, 1);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_true(bridge_port(&b, 1).edge);
    bridge_wait(&b, 10 * MTIME_SEC);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_link(&b, 2, false);
    bridge_link(&b, 2, true);
    bridge_wait(&b, 3 * MTIME_SEC);
    assert_port(&b, 2, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    assert_true(bridge_port(&b, 2).edge);
    bridge_done(&b);
}

/* 17.29.2: when the root port goes, an alternate port takes its place in the same instant. */
static void test_alternate(void **state)
{
    struct bpdu better = bridge_says(BETTER), longer = bridge_says(0x2000020000000002);
    static struct bridge b;

    (void)state;
    longer.vector.root = BETTER;
    longer.vector.cost = 4;
    longer.proposal = true;
    bridge_init(&b, 3);
    bridge_hears(&b, 1, &better);
    bridge_hears(&b, 2, &longer);
    assert_port(&b, 1, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_port(&b, 2, RSTP_ROLE_ALTERNATE, RSTP_DISCARDING);
    assert_int_equal(b.sent[2].role, BPDU_ROLE_ALTERNATE_BACKUP);
    assert_true(b.sent[2].agreement);
    bridge_link(&b, 1, false);
    assert_port(&b, 1, RSTP_ROLE_DISABLED, RSTP_DISCARDING);
    assert_port(&b, 2, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_int_equal(bridge_status(&b).root_cost, 20004);
    assert_int_equal(bridge_status(&b).tc_cause, RSTP_TC_DETECTED);
    assert_int_equal(bridge_status(&b).tc_port, 2);
    assert_int_equal(bridge_status(&b).tc_at, b.now);
    bridge_done(&b);
}

/* 17.29.2: the old root port is discarding before the new one forwards. */
static void test_reroot(void **state)
{
    struct bpdu near = bridge_says(0x2000020000000002), better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    near.vector.root = BETTER;
    near.vector.cost = 30000;
    bridge_init(&b, 2);
    bridge_hears(&b, 1, &near);
    assert_port(&b, 1, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    bridge_hears(&b, 2, &better);
    assert_port(&b, 2, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_done(&b);
}

/* A root port whose news may be our own old ones forwards only when all others are synced. */
static void test_wary(void **state)
{
    struct bpdu better = bridge_says(BETTER), far = bridge_says(WORSE);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 3);
    bridge_wait(&b, 23 * MTIME_SEC);
    bridge_hears(&b, 1, &better);
    bridge_link(&b, 2, false);
    bridge_link(&b, 2, true);
    bridge_link(&b, 1, false);
    assert_port(&b, 3, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    far.vector.root = BETTER;
    far.vector.cost = 50000;
    bridge_hears(&b, 2, &far);
    assert_port(&b, 2, RSTP_ROLE_ROOT, RSTP_FORWARDING);
    assert_port(&b, 3, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_done(&b);
}

/* 17.21.23: what was received is good for three hellos of its sender. */
static void test_ageing(void **state)
{
    struct bpdu better = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    bridge_hears(&b, 1, &better);
    bridge_wait(&b, 3 * MTIME_SEC);
    bridge_hears(&b, 1, &better);
    bridge_wait(&b, 6 * MTIME_SEC - 1);
    assert_int_equal(bridge_status(&b).root_id, BETTER);
    bridge_wait(&b, 1);
    assert_int_equal(bridge_status(&b).root_id, OUR_ID);
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_DESIGNATED);
    /* Message Age, one more and rounded, may be Max Age but not beyond. */
    better.times.message_age = 19 * RSTP_SECOND + 127;
    bridge_hears(&b, 1, &better);
    assert_int_equal(bridge_status(&b).root_id, BETTER);
    assert_int_equal(bridge_status(&b).times.message_age, 20 * RSTP_SECOND);
    better.times.message_age = 19 * RSTP_SECOND + 128;
    bridge_hears(&b, 1, &better);
    assert_int_equal(bridge_status(&b).root_id, OUR_ID);
    bridge_done(&b);
}

/* 17.6: worse news of the very same designated port are believed, of another they are not. */
static void test_superior(void **state)
{
    struct bpdu say = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    bridge_hears(&b, 1, &say);
    say.vector.cost = 7;
    say.vector.bridge = 0x2000020000000002;
    bridge_hears(&b, 1, &say);
    assert_int_equal(bridge_status(&b).root_cost, 20000);
    say.vector.bridge = BETTER ^ 0x3000000000000000; /* Its address, another priority. */
    bridge_hears(&b, 1, &say);
    assert_int_equal(bridge_status(&b).root_cost, 20007);
    say.vector.port = 0x4001; /* Its number, another priority. */
    say.vector.cost = 9;
    bridge_hears(&b, 1, &say);
    assert_int_equal(bridge_status(&b).root_cost, 20009);
    bridge_done(&b);
}

/* 17.21.25: ties go by root, cost, bridge, its port, our port. */
static void test_ties(void **state)
{
    struct bpdu say = bridge_says(BETTER);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 5);
    bridge_hears(&b, 5, &say);
    bridge_hears(&b, 4, &say);
    assert_int_equal(bridge_status(&b).root_port, 4); /* Our own port. */
    say.vector.port = 0x7fff;
    bridge_hears(&b, 3, &say);
    assert_int_equal(bridge_status(&b).root_port, 3); /* Its port. */
    say.vector.bridge = BETTER - 1;
    say.vector.port = 0xffff;
    bridge_hears(&b, 2, &say);
    assert_int_equal(bridge_status(&b).root_port, 2); /* Bridge. */
    assert_int_equal(bridge_port(&b, 5).role, RSTP_ROLE_ALTERNATE);
    bridge_done(&b);
}

/* 17.21.25 k): a second port of ours on one segment. */
static void test_backup(void **state)
{
    static struct bridge b;

    (void)state;
    bridge_init(&b, 2);
    bridge_hears(&b, 2, &b.sent[1]);
    assert_port(&b, 2, RSTP_ROLE_BACKUP, RSTP_DISCARDING);
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_DESIGNATED);
    bridge_hears(&b, 1, &b.sent[2]);
    assert_int_equal(bridge_port(&b, 1).role, RSTP_ROLE_DESIGNATED);
    bridge_done(&b);
}

/* 17.21.10: another designated port that forwards, though it should know better. */
static void test_dispute(void **state)
{
    struct bpdu worse = bridge_says(WORSE), good = agreement_of(OUR_ID, BPDU_ROLE_ROOT);
    static struct bridge b;

    (void)state;
    bridge_init(&b, 1);
    bridge_hears(&b, 1, &good);
    bridge_hears(&b, 1, &worse);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_FORWARDING);
    worse.learning = true;
    bridge_hears(&b, 1, &worse);
    assert_port(&b, 1, RSTP_ROLE_DESIGNATED, RSTP_DISCARDING);
    bridge_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_agreement_shared),
        cmocka_unit_test(test_late_agreement),
        cmocka_unit_test(test_proposal),
        cmocka_unit_test(test_better_root),
        cmocka_unit_test(test_edge),
        cmocka_unit_test(test_auto_edge),
        cmocka_unit_test(test_alternate),
        cmocka_unit_test(test_reroot),
        cmocka_unit_test(test_wary),
        cmocka_unit_test(test_ageing),
        cmocka_unit_test(test_superior),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_dispute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
