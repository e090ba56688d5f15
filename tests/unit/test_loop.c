/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/loop.h"
#include "tests/unit/frames.h"

#define N 40

struct event {
    struct loop_watch watch;
    unsigned called;
    struct event *kills; /* Removed by the handler. */
};

static struct loop *loop;
static struct event events[N];

static int setup(void **state)
{
    (void)state;
    memset(events, 0, sizeof events);
    loop = loop_new();
    return loop ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N; i++) {
        int fd = events[i].watch.fd;

        loop_remove(loop, &events[i].watch);
        if (fd > 0)
            close(fd);
    }
    loop_free(loop);
    return 0;
}

static void ready(struct loop_watch *w, uint32_t what)
{
    struct event *e = (struct event *)(void *)w;

    assert_true(what & EPOLLIN);
    e->called++;
    if (e->kills) {
        close(e->kills->watch.fd);
        loop_remove(loop, &e->kills->watch);
    }
}

static void add(struct event *e)
{
    e->watch.ready = ready;
    assert_int_equal(loop_add(loop, &e->watch, eventfd(1, EFD_CLOEXEC), EPOLLIN), 0);
}

static void test_watches(void **state)
{
    (void)state;
    add(&events[0]);
    add(&events[1]);
    loop_turn(loop, 0);
    loop_turn(loop, 0);
    assert_int_equal(events[0].called, 2); /* Level-triggered. */
    loop_set_events(loop, &events[0].watch, 0);
    loop_turn(loop, 0);
    assert_int_equal(events[0].called, 2);
    assert_int_equal(events[1].called, 3);
    loop_set_events(loop, &events[0].watch, EPOLLIN);
    loop_turn(loop, 0);
    assert_int_equal(events[0].called, 3);
    assert_true(loop_add(loop, &events[2].watch, -1, EPOLLIN) < 0);
    loop_remove(loop, &events[2].watch); /* Never added. */
    assert_int_equal(loop_add(loop, &events[2].watch, STDERR_FILENO + 100, EPOLLIN), -9);
}

/* Of two that are ready in one turn, each removes the other: only one is called. */
static void test_removed_is_never_called(void **state)
{
    (void)state;
    add(&events[0]);
    add(&events[1]);
    events[0].kills = &events[1];
    events[1].kills = &events[0];
    loop_turn(loop, 0);
    assert_int_equal(events[0].called + events[1].called, 1);
    loop_turn(loop, 0);
    assert_int_equal(events[0].called + events[1].called, 2);
}

static struct event *victim, *successor;

static void replace(struct loop_watch *w, uint32_t what)
{
    int fd = victim->watch.fd;

    (void)what;
    loop_remove(loop, w);
    loop_remove(loop, &victim->watch);
    close(fd);
    add(successor); /* Takes the slot, and likely the descriptor, of the one that went. */
}

/* An event fetched for one that went is not given to the one that took its slot. */
static void test_slot_reuse(void **state)
{
    int first;

    (void)state;
    victim = &events[1];
    successor = &events[2];
    add(&events[0]);
    add(victim);
    first = events[0].watch.fd;
    events[0].watch.ready = replace;
    victim->watch.ready = replace; /* Whichever comes first. */
    loop_turn(loop, 0);
    assert_int_equal(successor->called, 0);
    loop_turn(loop, 0);
    assert_int_equal(successor->called, 1);
    close(first);
}

struct alarm {
    struct loop_timer timer;
    unsigned fired;
    mtime_t want;
};

static mtime_t last_due;

static void expired(struct loop_timer *t, mtime_t now)
{
    struct alarm *a = (struct alarm *)(void *)t;

    assert_true(t->due <= now);
    assert_true(t->due >= last_due);
    assert_int_equal(t->due, a->want);
    last_due = t->due;
    a->fired++;
}

static void test_timers_in_order(void **state)
{
    static struct alarm alarms[200];
    mtime_t now = loop_now_fresh(loop);
    uint64_t seed = 3;
    unsigned due = 0;

    (void)state;
    last_due = 0;
    memset(alarms, 0, sizeof alarms);
    for (unsigned i = 0; i < 2000; i++) {
        struct alarm *a = &alarms[frames_random(&seed) % 200];

        a->timer.expired = expired;
        a->want = frames_random(&seed) % 4 == 0
                      ? MTIME_NEVER
                      : now - 1000000 + frames_random(&seed) % 1000000;
        if (frames_random(&seed) % 8 == 0)
            a->want = now + 3600 * MTIME_SEC;
        loop_timer_set(loop, &a->timer, a->want);
    }
    for (unsigned i = 0; i < 200; i++)
        due += alarms[i].timer.index && alarms[i].want <= now;
    loop_turn(loop, 0);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(alarms[i].fired, alarms[i].want <= now && alarms[i].timer.expired);
        due -= alarms[i].fired;
        loop_timer_set(loop, &alarms[i].timer, MTIME_NEVER);
    }
    assert_int_equal(due, 0);
}

static unsigned rearmed, turn_ends;

static void again(struct loop_timer *t, mtime_t now)
{
    rearmed++;
    loop_timer_set(loop, t, now - 1);
}

static void turn_end(void *aux)
{
    (*(unsigned *)aux)++;
}

/* A timer that is always due does not keep a turn from ending. */
static void test_greedy_timer(void **state)
{
    struct loop_timer t = {.expired = again};

    (void)state;
    rearmed = turn_ends = 0;
    loop_set_turn_end(loop, turn_end, &turn_ends);
    add(&events[0]);
    loop_timer_set(loop, &t, loop_now(loop));
    loop_turn(loop, 0);
    loop_turn(loop, MTIME_NEVER);
    assert_int_equal(rearmed, 2);
    assert_int_equal(turn_ends, 2);
    assert_int_equal(events[0].called, 2);
    loop_timer_set(loop, &t, MTIME_NEVER);
}

static bool polled(void *aux)
{
    return (*(unsigned *)aux)++ < 2;
}

/* Who polls as well keeps the loop from waiting, but not from looking. */
static void test_poll_does_not_wait(void **state)
{
    unsigned n = 0;
    mtime_t until;

    (void)state;
    loop_set_poll(loop, polled, &n);
    loop_turn(loop, MTIME_NEVER);
    add(&events[0]);
    loop_turn(loop, MTIME_NEVER);
    assert_int_equal(n, 2);
    assert_int_equal(events[0].called, 1);
    loop_set_events(loop, &events[0].watch, 0);
    until = mtime_now() + 2 * MTIME_MS;
    loop_turn(loop, until);
    assert_true(mtime_now() >= until);
    loop_set_poll(loop, NULL, NULL);
    loop_turn(loop, 0);
    assert_int_equal(n, 3);
}

static void stop(struct loop_timer *t, mtime_t now)
{
    (void)t;
    (void)now;
    loop_stop(loop);
}

static void test_run_waits(void **state)
{
    struct loop_timer t = {.expired = stop};
    mtime_t start = mtime_now();

    (void)state;
    loop_timer_set(loop, &t, start + 3 * MTIME_MS);
    loop_run(loop);
    assert_true(mtime_now() - start >= 3 * MTIME_MS);
    assert_true(loop_now(loop) >= start + 3 * MTIME_MS);
    start = mtime_now();
    loop_turn(loop, start + MTIME_MS);
    assert_true(mtime_now() >= start + MTIME_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_is_never_called, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slot_reuse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timers_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_greedy_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll_does_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_waits, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
