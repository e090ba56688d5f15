/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where no thread is to be had: devices are closed all the same, and who waits for it hears of it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/parent/closer.h"
#include "proto/base/mtime.h"

/* In place of the library's. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                   void *aux)
{
    (void)thread;
    (void)attr;
    (void)run;
    (void)aux;
    return EAGAIN;
}

static void count(void *aux)
{
    ++*(int *)aux;
}

static void without_threads(void **state)
{
    struct loop *loop = loop_new();
    struct closer *closer;
    int idle = 0, fds[2];

    (void)state;
    closer = closer_new(loop, count, &idle);
    assert_int_equal(pipe(fds), 0);
    closer_hold(closer, fds[0]);
    closer_hold(closer, fds[1]);
    assert_true(closer_is_to_ask(closer));
    closer_asked(closer);
    assert_false(closer_is_idle(closer));
    closer_release(closer, false);
    assert_true(closer_is_idle(closer));
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    assert_int_equal(idle, 0); /* From the loop, not from inside the call. */
    loop_turn(loop, mtime_now() + MTIME_SEC);
    assert_int_equal(idle, 1);
    closer_free(closer);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_threads)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
