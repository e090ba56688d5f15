/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses on the link that nobody has: who sends there is told, as by Linux (patch 0020). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "proto/base/mtime.h"
#include "tests/unit/wire.h"

#define PORT 80

static struct wire wire;
static struct ioth *stack;

union any {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static union any at(const char *text)
{
    union any a = {.in = {.sin_family = AF_INET, .sin_port = htons(PORT)}};

    if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1)
        return a;
    a = (union any){.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)}};
    assert_int_equal(inet_pton(AF_INET6, text, &a.in6.sin6_addr), 1);
    return a;
}

static int join(void **state)
{
    union any own4 = at("10.1.2.1"), own6 = at("fd00::1");
    unsigned index;

    (void)state;
    assert_int_equal(wire_start(&wire), 0);
    stack = ioth_newstack("lwip", "ioth://any");
    assert_non_null(stack);
    index = (unsigned)ioth_if_nametoindex(stack, "vde0");
    assert_int_equal(ioth_linksetupdown(stack, index, 1), 0);
    assert_int_equal(ioth_ipaddr_add(stack, AF_INET, &own4.in.sin_addr, 24, index), 0);
    assert_int_equal(ioth_ipaddr_add(stack, AF_INET6, &own6.in6.sin6_addr, 64, index), 0);
    return 0;
}

static int part(void **state)
{
    (void)state;
    assert_int_equal(ioth_delstack(stack), 0);
    return wire_end(&wire);
}

/* A socket that has begun to talk to nobody. */
static int talk(const char *text, int type)
{
    union any to = at(text);
    int fd = ioth_msocket(stack, to.sa.sa_family, type | SOCK_NONBLOCK, 0), one = 1;
    bool four = to.sa.sa_family == AF_INET;
    socklen_t size = four ? sizeof to.in : sizeof to.in6;
    int r = ioth_connect(fd, &to.sa, size);

    if (type == SOCK_STREAM) {
        assert_int_equal(r, -1);
        assert_int_equal(errno, EINPROGRESS);
        return fd;
    }
    assert_int_equal(r, 0);
    assert_int_equal(ioth_setsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6,
                                     four ? IP_RECVERR : IPV6_RECVERR, &one, sizeof one),
                     0);
    assert_int_equal(ioth_send(fd, "x", 1, 0), 1);
    return fd;
}

static void test_nobody(void **state)
{
    struct pollfd fds[] = {{.fd = talk("10.1.2.99", SOCK_STREAM), .events = POLLOUT},
                           {.fd = talk("fd00::99", SOCK_STREAM), .events = POLLOUT},
                           {.fd = talk("10.1.2.98", SOCK_DGRAM)},
                           {.fd = talk("fd00::98", SOCK_DGRAM)}};
    mtime_t begin = mtime_now();

    (void)state;
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
        int error = 0;
        socklen_t size = sizeof error;

        assert_int_equal(ioth_poll(&fds[i], 1, 10000), 1);
        assert_int_equal(ioth_getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size),
                         0);
        assert_int_equal(error, EHOSTUNREACH);
    }
    assert_in_range((mtime_now() - begin) / MTIME_MS, 1900, 6000);
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        assert_int_equal(ioth_close(fds[i].fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody, join, part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
