/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The trial of an apply, under virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/trial/trial.h"

#define SEC MTIME_SEC

struct outcome {
    unsigned verified, failed;
    char why[TRIAL_WHY];
};

static void verified(void *aux)
{
    struct outcome *o = aux;

    o->verified++;
}

static void failed(void *aux, const char *why)
{
    struct outcome *o = aux;

    o->failed++;
    snprintf(o->why, sizeof(o->why), "%s", why);
}

static const struct trial_ops ops = {verified, failed};

/* A trial of three hosts at time 0, all there but those named. */
static void begin(struct trial *t, struct outcome *o, enum trial_require require,
                  mtime_t confirm, const char *away)
{
    static const char *const hosts[] = {"alpha", "beta", "gamma"};

    *o = (struct outcome){0};
    trial_init(t, &ops, o);
    trial_begin(t, require, 10 * SEC, confirm, 0);
    for (size_t i = 0; i < 3; i++)
        trial_add(t, hosts[i], away == NULL || strcmp(away, hosts[i]) != 0);
}

static void tell(struct trial *t, const char *host, bool there, bool has_done,
                 const char *problem, mtime_t now)
{
    struct trial_report report = {.there = there, .done = has_done, .problem = problem};

    trial_report(t, host, &report, now);
}

static void done(struct trial *t, const char *host, mtime_t now)
{
    tell(t, host, true, true, NULL, now);
}

static void test_all(void **state)
{
    struct outcome o;
    struct trial t;

    (void)state;
    begin(&t, &o, TRIAL_ALL, 0, NULL);
    assert_int_equal(trial_deadline(&t), 10 * SEC);
    done(&t, "alpha", 1);
    done(&t, "gamma", 2);
    done(&t, "gamma", 3);
    done(&t, "nobody", 3);
    tell(&t, "beta", true, false, NULL, 4);
    assert_int_equal(o.verified + o.failed, 0);
    done(&t, "beta", 5);
    assert_int_equal(o.verified, 1);
    assert_int_equal(t.phase, TRIAL_OVER);
    assert_true(trial_deadline(&t) == MTIME_NEVER);
    assert_false(trial_accept(&t));
    trial_run(&t, 100 * SEC);
    assert_int_equal(o.verified, 1);
    assert_int_equal(o.failed, 0);
    trial_done(&t);
}

static void test_problem(void **state)
{
    struct outcome o;
    struct trial t;

    (void)state;
    begin(&t, &o, TRIAL_REACHABLE, 60 * SEC, NULL);
    done(&t, "alpha", 1);
    tell(&t, "beta", true, true, "port lab/b: no such device", 2);
    assert_int_equal(o.failed, 1);
    assert_string_equal(o.why, "port lab/b: no such device on host beta");
    done(&t, "beta", 3);
    done(&t, "gamma", 3);
    assert_int_equal(o.verified, 0);
    assert_int_equal(o.failed, 1);
    trial_done(&t);
}

/* What a host waits for after it has carried all out may come and go, and counts at the end. */
static void test_waits(void **state)
{
    struct trial_report waits = {.there = true, .done = true, .waits = "the tree of lab"};
    struct outcome o;
    struct trial t;

    (void)state;
    begin(&t, &o, TRIAL_ALL, 0, NULL);
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    trial_report(&t, "alpha", &waits, 2);
    done(&t, "gamma", 3);
    assert_int_equal(o.verified, 0);
    /* While it carries out something more, nothing is known of it. */
    trial_report(&t, "alpha", &(struct trial_report){.there = true}, 3);
    assert_int_equal(o.verified, 0);
    done(&t, "alpha", 4);
    assert_int_equal(o.verified, 1);

    begin(&t, &o, TRIAL_QUORUM, 0, NULL);
    done(&t, "alpha", 1);
    trial_report(&t, "beta", &waits, 2);
    trial_report(&t, "gamma", &waits, 2);
    trial_run(&t, 10 * SEC);
    assert_int_equal(o.failed, 1);
    assert_string_equal(o.why, "the tree of lab after 10000 ms");
    trial_done(&t);
}

static void test_deadline(void **state)
{
    struct outcome o;
    struct trial t;

    (void)state;
    begin(&t, &o, TRIAL_ALL, 0, NULL);
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    trial_run(&t, 10 * SEC - 1);
    assert_int_equal(o.failed, 0);
    trial_run(&t, 10 * SEC);
    assert_int_equal(o.failed, 1);
    assert_string_equal(o.why, "host gamma has not carried it out within 10000 ms");

    /* Cut off: under `all` it may come back until then. */
    begin(&t, &o, TRIAL_ALL, 0, NULL);
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    tell(&t, "gamma", false, false, NULL, 2);
    assert_int_equal(o.failed, 0);
    tell(&t, "gamma", true, true, NULL, 9 * SEC);
    assert_int_equal(o.verified, 1);
    begin(&t, &o, TRIAL_ALL, 0, NULL);
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    tell(&t, "gamma", false, false, NULL, 2);
    trial_run(&t, 10 * SEC);
    assert_string_equal(
        o.why, "host gamma was cut off and has not carried it out within 10000 ms");
    trial_done(&t);
}

static void test_reachable(void **state)
{
    struct outcome o;
    struct trial t;

    (void)state;
    begin(&t, &o, TRIAL_REACHABLE, 0, "gamma");
    done(&t, "alpha", 1);
    assert_int_equal(o.verified, 0);
    done(&t, "beta", 1);
    assert_int_equal(o.verified, 1);

    begin(&t, &o, TRIAL_REACHABLE, 0, NULL);
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    tell(&t, "gamma", false, false, NULL, 2);
    assert_int_equal(o.verified, 1);

    /* There, but it does not do it. */
    begin(&t, &o, TRIAL_REACHABLE, 0, "beta");
    done(&t, "alpha", 1);
    trial_run(&t, 10 * SEC);
    assert_int_equal(o.failed, 1);
    trial_done(&t);
}

static void test_quorum(void **state)
{
    struct outcome o;
    struct trial t;

    (void)state;
    /* Two of three at the deadline will do. */
    begin(&t, &o, TRIAL_QUORUM, 0, NULL);
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    assert_int_equal(o.verified, 0);
    trial_run(&t, 10 * SEC);
    assert_int_equal(o.verified, 1);
    /* One is not enough. */
    begin(&t, &o, TRIAL_QUORUM, 0, NULL);
    done(&t, "alpha", 1);
    trial_run(&t, 10 * SEC);
    assert_int_equal(o.failed, 1);
    /* And when it cannot be any more, nobody waits. */
    begin(&t, &o, TRIAL_QUORUM, 0, "gamma");
    done(&t, "alpha", 1);
    tell(&t, "beta", false, false, NULL, 2);
    assert_int_equal(o.failed, 1);
    assert_string_equal(o.why, "more than half of the hosts cannot be reached any more");
    trial_done(&t);
}

static void test_confirm(void **state)
{
    struct outcome o;
    struct trial t;

    (void)state;
    begin(&t, &o, TRIAL_ALL, 60 * SEC, NULL);
    assert_false(trial_accept(&t));
    done(&t, "alpha", 1);
    done(&t, "beta", 1);
    done(&t, "gamma", 2 * SEC);
    assert_int_equal(o.verified, 1);
    assert_int_equal(t.phase, TRIAL_CONFIRM);
    assert_int_equal(trial_deadline(&t), 62 * SEC);
    /* What hosts report now changes nothing. */
    tell(&t, "beta", true, true, "port lab/b: gone", 3 * SEC);
    trial_run(&t, 62 * SEC - 1);
    assert_int_equal(o.failed, 0);
    assert_true(trial_accept(&t));
    assert_false(trial_accept(&t));
    trial_run(&t, 100 * SEC);
    assert_int_equal(o.failed, 0);

    begin(&t, &o, TRIAL_ALL, 60 * SEC, NULL);
    done(&t, "alpha", 0);
    done(&t, "beta", 0);
    done(&t, "gamma", 0);
    trial_run(&t, 60 * SEC);
    assert_int_equal(o.failed, 1);
    assert_string_equal(o.why, "it was not accepted in time");
    assert_false(trial_accept(&t));

    /* What was left of it when the process before died. */
    o = (struct outcome){0};
    trial_resume_confirm(&t, 5 * SEC, 1000 * SEC);
    trial_run(&t, 1004 * SEC);
    assert_int_equal(o.failed, 0);
    trial_run(&t, 1005 * SEC);
    assert_int_equal(o.failed, 1);
    trial_done(&t);
}

static void test_may_begin(void **state)
{
    static const struct {
        enum trial_require require;
        size_t there, all;
        bool may;
    } table[] = {
        {TRIAL_ALL, 3, 3, true},       {TRIAL_ALL, 2, 3, false},
        {TRIAL_QUORUM, 2, 3, true},    {TRIAL_QUORUM, 1, 2, false},
        {TRIAL_QUORUM, 2, 4, false},   {TRIAL_QUORUM, 1, 1, true},
        {TRIAL_REACHABLE, 1, 9, true},
    };
    enum trial_require parsed;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(trial_may_begin(table[i].require, table[i].there, table[i].all),
                         table[i].may);
        assert_true(trial_require_parse(trial_require_name(table[i].require), &parsed));
        assert_int_equal(parsed, table[i].require);
    }
    assert_false(trial_require_parse("most", &parsed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),       cmocka_unit_test(test_waits),
        cmocka_unit_test(test_problem),   cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_reachable), cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_confirm),   cmocka_unit_test(test_may_begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
