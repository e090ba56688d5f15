/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stacks of the kind lwip cost while nothing goes on: memory that they share, and no wake-ups. */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "tests/unit/wire.h"

#define STACKS 8u

static struct ioth *new_stack(const char *vnl)
{
    struct ioth *s = ioth_newstack("lwip", vnl);

    if (!s)
        fail_msg("no stack: %s", ioth_error());
    return s;
}

/* How often the process's threads have been woken. */
static unsigned long wakeups(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned long sum = 0, n;
    struct dirent *e;

    assert_non_null(tasks);
    while ((e = readdir(tasks))) {
        char path[300], line[200];
        FILE *f;

        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
                sum += n;
        if (f)
            fclose(f);
    }
    closedir(tasks);
    return sum;
}

static void pause_ms(long ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&ts, NULL);
}

/* What woke others than the calling thread within the time. */
static unsigned long woken_in(long ms)
{
    unsigned long before = wakeups();

    pause_ms(ms);
    return wakeups() - before - 1;
}

static void use(struct ioth *s, const char *text)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(700)};
    int fd = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);
    char got[8];

    inet_pton(AF_INET, text, &addr.sin_addr);
    assert_int_equal(ioth_bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(ioth_sendto(fd, "hello", 5, 0, (struct sockaddr *)&addr, sizeof addr),
                     5);
    assert_int_equal(ioth_recv(fd, got, sizeof got, 0), 5);
    assert_int_equal(ioth_close(fd), 0);
}

/* A stack that has just been used soon has nothing to time (reports of groups take half a second), so nothing wakes
 * it. */
static void test_idle(void **state)
{
    struct ioth *stacks[STACKS];
    unsigned tries = 0;

    (void)state;
    for (unsigned i = 0; i < STACKS; i++) {
        stacks[i] = new_stack(NULL);
        use(stacks[i], "127.0.0.1");
    }
    while (woken_in(1500) > 0)
        assert_in_range(++tries, 1, 3);
    for (unsigned i = 0; i < STACKS; i++)
        assert_int_equal(ioth_delstack(stacks[i]), 0);
}

static void *answer(void *aux)
{
    int conn = ioth_accept(*(int *)aux, NULL, NULL);

    assert_true(conn >= 0);
    assert_int_equal(ioth_close(conn), 0);
    return NULL;
}

/* Where one thread sleeps that drives the stack, and nothing is timed, what another one sends and then waits for goes
 * out all the same. */
static void test_two_threads(void **state)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct ioth *s = new_stack(NULL);
    int listener = ioth_msocket(s, AF_INET, SOCK_STREAM, 0);
    int fd = ioth_msocket(s, AF_INET, SOCK_STREAM, 0);
    pthread_t thread;

    (void)state;
    inet_pton(AF_INET, "127.0.0.1", &addr.sin_addr);
    assert_int_equal(ioth_bind(listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(ioth_listen(listener, 1), 0);
    assert_int_equal(pthread_create(&thread, NULL, answer, &listener), 0);
    while (woken_in(1500) > 0)
        ;
    assert_int_equal(ioth_connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(listener), 0);
    assert_int_equal(ioth_delstack(s), 0);
}

static void set_up(struct ioth *s, uint8_t last)
{
    int index = ioth_if_nametoindex(s, "vde0");
    const uint8_t addr[4] = {10, 1, 2, last};

    assert_int_equal(ioth_linksetupdown(s, (unsigned)index, 1), 0);
    assert_int_equal(
        ioth_ipaddr_add(s, AF_INET, (void *)(uintptr_t)addr, 24, (unsigned)index), 0);
}

/* What there is to time is: an address that nobody has is asked for again, a second later. */
static void test_asking(void **state)
{
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(700)};
    struct ioth *left, *right;
    unsigned asked = 0;
    struct wire wire;
    int fd, ear;

    (void)state;
    assert_int_equal(wire_start(&wire), 0);
    left = new_stack("ioth://any");
    right = new_stack("ioth://any");
    set_up(left, 1);
    set_up(right, 2);
    ear = ioth_msocket(right, AF_PACKET, SOCK_DGRAM, htons(0x0806));
    fd = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, "10.1.2.77", &nobody.sin_addr);
    assert_int_equal(
        ioth_sendto(fd, "hello", 5, 0, (struct sockaddr *)&nobody, sizeof nobody), 5);
    while (asked < 3) {
        struct pollfd p = {.fd = ear, .events = POLLIN};
        uint8_t arp[28];

        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_int_equal(ioth_recv(ear, arp, sizeof arp, 0), sizeof arp);
        asked += arp[7] == 1 && arp[27] == 77;
    }
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(ear), 0);
    assert_int_equal(ioth_delstack(left), 0);
    assert_int_equal(ioth_delstack(right), 0);
    assert_int_equal(wire_end(&wire), 0);
}

/* How many mappings of the file, or of memory under its name, may be executed. */
static unsigned mapped(const char *what)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512], rights[8];
    unsigned n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        n += sscanf(line, "%*s %7s", rights) == 1 && !strcmp(rights, "r-xp") &&
             strstr(line, what);
    fclose(f);
    return n;
}

/* The code of all stacks is the same pages. */
static void test_shared(void **state)
{
    struct ioth *stacks[STACKS];

    (void)state;
    for (unsigned i = 0; i < STACKS; i++)
        stacks[i] = new_stack(NULL);
    assert_int_equal(mapped("/ioth_lwip-c.so"), STACKS);
    assert_int_equal(mapped("/memfd:lwip"), 0);
    for (unsigned i = 0; i < STACKS; i++) {
        use(stacks[i], "127.0.0.1");
        assert_int_equal(ioth_delstack(stacks[i]), 0);
    }
    assert_int_equal(mapped("/ioth_lwip-c.so"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_asking),
        cmocka_unit_test(test_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
