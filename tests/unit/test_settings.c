/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings of a stack of the kind lwip, when it is made and later. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "tests/unit/wire.h"

static struct wire wire;
static struct ioth *left, *right;

static void set_up(struct ioth *s, uint8_t last)
{
    unsigned index = (unsigned)ioth_if_nametoindex(s, "vde0");
    uint8_t addr[4] = {10, 1, 2, last};

    assert_int_equal(ioth_linksetupdown(s, index, 1), 0);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET, addr, 24, index), 0);
}

/* A connection from the right to the left: the MSS that it has at its ends. */
static int mss(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = ioth_msocket(left, AF_INET, SOCK_STREAM, 0), got;
    int client = ioth_msocket(right, AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof got;

    inet_pton(AF_INET, "10.1.2.1", &to.sin_addr);
    assert_int_equal(ioth_bind(listener, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(ioth_listen(listener, 5), 0);
    assert_int_equal(ioth_connect(client, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(ioth_getsockopt(client, IPPROTO_TCP, TCP_MAXSEG, &got, &size), 0);
    assert_int_equal(ioth_close(client), 0);
    assert_int_equal(ioth_close(listener), 0);
    return got;
}

/* Of a stack that is there: all that are named, or none. */
static void change_settings(struct ioth *s)
{
    static const char *const wrong[] = {"rcvbuf=1K,rtomin=5", "mtu=1300", "rtomin=0ms",
                                        "synretries=0",       "fast=1",   "keepidle=10"};
    char *was = ioth_getstack(s), *is;
    int fd, got;
    socklen_t size = sizeof got;

    assert_non_null(was);
    assert_string_equal(was, "rcvbuf=1M,sndbuf=64K,rtoinit=1s,rtomin=200ms,delack=10ms,"
                             "synretries=6,usertimeout=0,timewait=4s,keepidle=2h,"
                             "keepintvl=75s,keepcnt=9,rate=0");
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ioth_setstack(s, wrong[i]), -1);
        assert_int_equal(errno, i == 1 ? EBUSY : EINVAL);
        assert_true(*ioth_error());
    }
    is = ioth_getstack(s);
    assert_string_equal(is, was);
    free(is);
    fd = ioth_msocket(s, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &size), 0);
    assert_int_equal(got, 2 * 65536); /* As Linux tells it. */
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_setstack(s, "rcvbuf=20K,keepidle=1m,synretries=2"), 0);
    fd = ioth_msocket(s, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &size), 0);
    assert_int_equal(got, 2 * 20480);
    assert_int_equal(ioth_getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &got, &size), 0);
    assert_int_equal(got, 60);
    assert_int_equal(ioth_getsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &got, &size), 0);
    assert_int_equal(got, 2);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_setstack(s, was), 0);
    free(was);
    assert_int_equal(ioth_setstack(NULL, "rcvbuf=20K"), -1); /* The kernel's own. */
    assert_int_equal(errno, ENOSYS);
    assert_null(ioth_getstack(NULL));
}

/* What a stack is told when it is made, and later. */
static void test_settings(void **state)
{
    static const char *const wrong[] = {"lwip,mtu",      "lwip,mtu=1000", "lwip,mtu=x",
                                        "lwip,sndbuf=1", "lwip,dhcp=1",   "lwip,fast",
                                        "lwip,rate=10",  "lwip,rtomin=9"};
    unsigned index;

    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(ioth_newstack(wrong[i], NULL));
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(wire_start(&wire), 0);
    left = ioth_newstack("lwip,mtu=1400,sndbuf=65536", "ioth://any");
    right = ioth_newstack("lwip", "ioth://any");
    assert_non_null(left);
    assert_non_null(right);
    set_up(left, 1);
    set_up(right, 2);
    index = (unsigned)ioth_if_nametoindex(left, "vde0");
    assert_int_equal(mss(5001), 1360);
    change_settings(left);
    assert_int_equal(ioth_linkgetmtu(left, index), 1400);
    assert_int_equal(ioth_linksetmtu(left, index, 1300), 0);
    assert_int_equal(ioth_linkgetmtu(left, index), 1300);
    assert_int_equal(ioth_linkgetmtu(left, 99), -1);
    assert_int_equal(mss(5002), 1260);
    assert_int_equal(ioth_delstack(left), 0);
    assert_int_equal(ioth_delstack(right), 0);
    assert_int_equal(wire_end(&wire), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
