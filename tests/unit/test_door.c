/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/door.h"
#include "proto/base/fd.h"

#define CLIENTS 40

struct house {
    struct door door;
    struct loop *loop;
    unsigned n;
    int guests[CLIENTS];
    int clients[CLIENTS];
    int sock;
    bool shuts; /* With the first one. */
};

static struct house house;

static void came(struct door *door, int fd)
{
    struct house *h = list_entry(door, struct house, door);

    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    h->guests[h->n++] = fd;
    if (h->shuts)
        assert_int_equal(door_close(door), h->sock);
}

/* An abstract address that the kernel chooses. */
static int setup(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    socklen_t size = sizeof addr;

    (void)state;
    memset(&house, 0, sizeof house);
    house.loop = loop_new();
    house.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!house.loop ||
        bind(house.sock, (const struct sockaddr *)&addr, sizeof addr.sun_family) < 0 ||
        listen(house.sock, CLIENTS) < 0 ||
        getsockname(house.sock, (struct sockaddr *)&addr, &size) < 0)
        return -1;
    for (unsigned i = 0; i < CLIENTS; i++) {
        house.clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(house.clients[i], (const struct sockaddr *)&addr, size) < 0)
            return -1;
    }
    return door_open(&house.door, house.loop, house.sock, came);
}

static int teardown(void **state)
{
    (void)state;
    door_close(&house.door);
    for (unsigned i = 0; i < house.n; i++)
        close(house.guests[i]);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(house.clients[i]);
    close(house.sock);
    loop_free(house.loop);
    return 0;
}

static void turn(mtime_t wait)
{
    loop_turn(house.loop, mtime_now() + wait);
}

static void test_so_many_in_a_turn(void **state)
{
    (void)state;
    turn(MTIME_SEC);
    assert_int_equal(house.n, DOOR_PER_TURN);
    turn(MTIME_SEC);
    turn(MTIME_SEC);
    assert_int_equal(house.n, CLIENTS);
}

/* With no descriptor left the loop sleeps; later those who waited come in. */
static void test_rests(void **state)
{
    struct rlimit old, few;
    mtime_t began;
    int probe = dup(house.sock);

    (void)state;
    assert_true(probe >= 0);
    close(probe);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){.rlim_cur = (rlim_t)probe + 2, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    turn(MTIME_SEC);
    assert_int_equal(house.n, 2);
    began = mtime_now();
    turn(DOOR_REST / 2); /* Nothing wakes it, though many wait. */
    assert_true(mtime_now() - began >= DOOR_REST / 2);
    assert_int_equal(house.n, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (unsigned i = 0; i < 10 && house.n < CLIENTS; i++)
        turn(MTIME_SEC);
    assert_int_equal(house.n, CLIENTS);
}

static void test_closed_from_inside(void **state)
{
    (void)state;
    house.shuts = true;
    turn(MTIME_SEC);
    turn(0);
    assert_int_equal(house.n, 1);
    assert_int_equal(door_close(&house.door), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_so_many_in_a_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_from_inside, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
