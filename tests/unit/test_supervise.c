/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervision of a service under virtual time: what it does, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/service/supervise.h"

#define SEC MTIME_SEC
#define MS  MTIME_MS

struct world {
    struct supervise sup;
    mtime_t now;
    char did[400]; /* Effects since the last look. */
};

static void note(struct world *w, const char *what)
{
    size_t n = strlen(w->did);

    snprintf(w->did + n, sizeof w->did - n, "%s%s", n ? " " : "", what);
}

static void on_start(void *aux)
{
    note(aux, "start");
}
static void on_terminate(void *aux)
{
    note(aux, "term");
}
static void on_kill(void *aux)
{
    note(aux, "kill");
}
static void on_check(void *aux)
{
    note(aux, "check");
}
static void on_changed(void *aux)
{
    (void)aux;
}

static const struct supervise_ops ops = {on_start, on_terminate, on_kill, on_check,
                                         on_changed};

static struct supervise_policy policy_of(enum supervise_restart restart, bool check)
{
    return (struct supervise_policy){.restart = restart,
                                     .has_check = check,
                                     .every = 2 * SEC,
                                     .timeout = 1 * SEC,
                                     .failures = 3,
                                     .stop_wait = 5 * SEC};
}

static void begin(struct world *w, enum supervise_restart restart, bool check)
{
    struct supervise_policy policy = policy_of(restart, check);

    *w = (struct world){.now = 1000 * SEC};
    supervise_init(&w->sup, &policy, &ops, w);
    assert_int_equal(supervise_deadline(&w->sup), MTIME_NEVER);
    supervise_want(&w->sup, true, w->now);
}

/* What was done, and in what state it left the service. */
static void expect_at(struct world *w, const char *did, const char *word, int line)
{
    if (strcmp(w->did, did) != 0 || strcmp(supervise_word(&w->sup), word) != 0)
        fail_msg("line %d: did '%s' and is %s, not '%s' and %s", line, w->did,
                 supervise_word(&w->sup), did, word);
    w->did[0] = '\0';
}
#define EXPECT(DID, WORD) expect_at(&w, DID, WORD, __LINE__)

/* Runs what falls due until `until`. */
static void pass(struct world *w, mtime_t time)
{
    mtime_t until = w->now + time;

    for (mtime_t due; (due = supervise_deadline(&w->sup)) <= until;) {
        w->now = due > w->now ? due : w->now;
        supervise_run(&w->sup, w->now);
    }
    w->now = until;
}

static void runs_and_stops(void **state)
{
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_ALWAYS, false);
    EXPECT("start", "starting");
    supervise_started(&w.sup, w.now);
    EXPECT("", "starting"); /* It has to settle first. */
    pass(&w, SUPERVISE_SETTLE - MS);
    EXPECT("", "starting");
    pass(&w, MS);
    EXPECT("", "running");
    assert_string_equal(supervise_health_word(&w.sup), "");
    assert_int_equal(supervise_deadline(&w.sup), MTIME_NEVER); /* Idle costs nothing. */
    supervise_want(&w.sup, false, w.now);
    EXPECT("term", "stopping");
    pass(&w, 4 * SEC);
    EXPECT("", "stopping");
    pass(&w, 2 * SEC);
    EXPECT("kill", "stopping");
    supervise_exited(&w.sup, false, w.now);
    EXPECT("", "stopped");
    assert_int_equal(supervise_deadline(&w.sup), MTIME_NEVER);
    /* Wanted again while it ends: it starts when it has. */
    supervise_want(&w.sup, true, w.now);
    supervise_started(&w.sup, w.now);
    supervise_want(&w.sup, false, w.now);
    supervise_want(&w.sup, true, w.now);
    EXPECT("start term", "stopping");
    supervise_exited(&w.sup, true, w.now);
    EXPECT("start", "starting");
    /* One that has not started yet is ended as well. */
    supervise_want(&w.sup, false, w.now);
    EXPECT("term", "stopping");
}

static void backs_off(void **state)
{
    static const mtime_t waits[] = {100 * MS, 200 * MS, 400 * MS, 800 * MS, 1600 * MS};
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_ALWAYS, false);
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        w.did[0] = '\0';
        supervise_started(&w.sup, w.now);
        supervise_exited(&w.sup, false, w.now);
        EXPECT("", "backoff");
        assert_int_equal(supervise_deadline(&w.sup), w.now + waits[i]);
        pass(&w, waits[i]);
        EXPECT("start", "starting");
    }
    assert_int_equal(w.sup.restarts, 5);
    /* Never longer than the longest, however often. */
    for (int i = 0; i < 100; i++) {
        supervise_exited(&w.sup, false, w.now); /* It could not even be started. */
        assert_true(supervise_deadline(&w.sup) <= w.now + SUPERVISE_AGAIN_MAX);
        pass(&w, SUPERVISE_AGAIN_MAX);
    }
    /* One that was steady begins anew. */
    supervise_started(&w.sup, w.now);
    pass(&w, SUPERVISE_STEADY);
    w.did[0] = '\0';
    supervise_exited(&w.sup, true, w.now);
    assert_int_equal(supervise_deadline(&w.sup), w.now + SUPERVISE_AGAIN_MIN);
    supervise_want(&w.sup, false, w.now);
    EXPECT("", "stopped");
}

static void keeps_its_policy(void **state)
{
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_NEVER, false);
    supervise_started(&w.sup, w.now);
    supervise_exited(&w.sup, false, w.now);
    EXPECT("start", "failed");
    supervise_restart(&w.sup, w.now); /* Somebody asks for it. */
    EXPECT("start", "starting");
    supervise_started(&w.sup, w.now);
    supervise_exited(&w.sup, true, w.now);
    EXPECT("", "stopped");

    begin(&w, SUPERVISE_ON_FAILURE, false);
    supervise_started(&w.sup, w.now);
    supervise_exited(&w.sup, false, w.now);
    EXPECT("start", "backoff");
    pass(&w, SEC);
    supervise_started(&w.sup, w.now);
    supervise_exited(&w.sup, true, w.now);
    EXPECT("start", "stopped");
}

static void restarts_when_asked(void **state)
{
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_ALWAYS, false);
    supervise_started(&w.sup, w.now);
    supervise_restart(&w.sup, w.now);
    EXPECT("start term", "stopping");
    supervise_exited(&w.sup, true, w.now);
    EXPECT("start", "starting"); /* At once. */
    supervise_started(&w.sup, w.now);
    supervise_exited(&w.sup, false, w.now);
    EXPECT("", "backoff");
    supervise_restart(&w.sup, w.now); /* Does not wait for the back-off. */
    EXPECT("start", "starting");
    supervise_want(&w.sup, false, w.now);
    supervise_restart(&w.sup, w.now); /* Not wanted: nothing. */
    supervise_exited(&w.sup, true, w.now);
    EXPECT("term", "stopped");
}

static void checks(void **state)
{
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_ALWAYS, true);
    supervise_started(&w.sup, w.now);
    EXPECT("start", "starting"); /* Until the first success. */
    assert_string_equal(supervise_health_word(&w.sup), "unknown");
    pass(&w, SUPERVISE_PROBE);
    EXPECT("check", "starting");
    pass(&w, 500 * MS); /* One at a time. */
    EXPECT("", "starting");
    supervise_checked(&w.sup, false, w.now);
    pass(&w, SUPERVISE_PROBE);
    EXPECT("check", "starting");
    supervise_checked(&w.sup, true, w.now);
    EXPECT("", "running");
    /* Two failures are no illness, the third is; a check that is not answered has failed. */
    pass(&w, 2 * SEC);
    supervise_checked(&w.sup, false, w.now);
    pass(&w, 2 * SEC);
    supervise_checked(&w.sup, true, w.now);
    for (int i = 0; i < 2; i++) {
        pass(&w, 2 * SEC);
        supervise_checked(&w.sup, false, w.now);
    }
    EXPECT("check check check check", "running");
    pass(&w, 2 * SEC);
    EXPECT("check", "running");
    pass(&w, 1 * SEC);
    EXPECT("term", "stopping");
    supervise_checked(&w.sup, true, w.now); /* Too late. */
    supervise_exited(&w.sup, false, w.now);
    EXPECT("", "backoff");
    assert_string_equal(supervise_health_word(&w.sup), "unhealthy");
}

static void never_well(void **state)
{
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_ALWAYS, true);
    supervise_started(&w.sup, w.now);
    for (mtime_t end = w.now + 60 * SEC; w.now < end && w.sup.state == SUPERVISE_RUNNING;) {
        pass(&w, SUPERVISE_PROBE);
        supervise_checked(&w.sup, false, w.now);
    }
    /* As long as three checks may take: 3 * (2 + 1) seconds. */
    assert_int_equal((w.now - w.sup.began) / SEC, 9);
    assert_int_equal(w.sup.state, SUPERVISE_STOPPING);

    /* With the policy never it only shows. */
    begin(&w, SUPERVISE_NEVER, true);
    supervise_started(&w.sup, w.now);
    for (int i = 0; i < 200; i++) {
        pass(&w, SUPERVISE_PROBE);
        supervise_checked(&w.sup, false, w.now);
    }
    assert_string_equal(supervise_word(&w.sup), "unhealthy");
    pass(&w, 2 * SEC);
    supervise_checked(&w.sup, true, w.now);
    assert_string_equal(supervise_word(&w.sup), "running");
}

static void takes_another_policy(void **state)
{
    struct supervise_policy policy = policy_of(SUPERVISE_ALWAYS, true);
    struct world w;

    (void)state;
    begin(&w, SUPERVISE_ALWAYS, false);
    supervise_started(&w.sup, w.now);
    pass(&w, SUPERVISE_SETTLE);
    EXPECT("start", "running");
    supervise_configure(&w.sup, &policy, w.now);
    pass(&w, 0);
    EXPECT("check", "starting");
    policy.has_check = false;
    supervise_configure(&w.sup, &policy, w.now);
    supervise_checked(&w.sup, false, w.now);
    pass(&w, 60 * SEC);
    EXPECT("", "running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_and_stops),
        cmocka_unit_test(backs_off),
        cmocka_unit_test(keeps_its_policy),
        cmocka_unit_test(restarts_when_asked),
        cmocka_unit_test(checks),
        cmocka_unit_test(never_well),
        cmocka_unit_test(takes_another_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
