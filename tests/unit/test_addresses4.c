/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several IPv4 addresses of one interface. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "tests/unit/wire.h"

#define PORT 80

static struct wire wire;
static struct ioth *left, *right;

static struct sockaddr_in at(const char *addr, unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    assert_int_equal(inet_pton(AF_INET, addr, &in.sin_addr), 1);
    return in;
}

static void check(const struct sockaddr_in *in, const char *expected)
{
    char text[INET_ADDRSTRLEN];

    assert_non_null(inet_ntop(AF_INET, &in->sin_addr, text, sizeof text));
    assert_string_equal(text, expected);
}

static struct sockaddr *sa(struct sockaddr_in *in)
{
    return (struct sockaddr *)in;
}

static int add(struct ioth *s, const char *addr)
{
    struct sockaddr_in in = at(addr, 0);

    return ioth_ipaddr_add(s, AF_INET, &in.sin_addr, 24,
                           (unsigned)ioth_if_nametoindex(s, "vde0"));
}

static int del(struct ioth *s, const char *addr)
{
    struct sockaddr_in in = at(addr, 0);

    return ioth_ipaddr_del(s, AF_INET, &in.sin_addr, 24,
                           (unsigned)ioth_if_nametoindex(s, "vde0"));
}

static int join(void **state)
{
    (void)state;
    assert_int_equal(wire_start(&wire), 0);
    left = ioth_newstack("lwip", "ioth://any");
    right = ioth_newstack("lwip", "ioth://any");
    assert_non_null(left);
    assert_non_null(right);
    assert_int_equal(
        ioth_linksetupdown(left, (unsigned)ioth_if_nametoindex(left, "vde0"), 1), 0);
    assert_int_equal(
        ioth_linksetupdown(right, (unsigned)ioth_if_nametoindex(right, "vde0"), 1), 0);
    assert_int_equal(add(left, "10.1.2.1"), 0);
    assert_int_equal(add(left, "10.1.2.11"), 0);
    assert_int_equal(add(left, "192.168.7.1"), 0);
    assert_int_equal(add(right, "10.1.2.2"), 0);
    assert_int_equal(add(right, "192.168.7.2"), 0);
    return 0;
}

static int part(void **state)
{
    (void)state;
    assert_int_equal(ioth_delstack(left), 0);
    assert_int_equal(ioth_delstack(right), 0);
    return wire_end(&wire);
}

static unsigned count(struct ioth *s)
{
    struct ifaddrs *all;
    unsigned n = 0;

    assert_int_equal(ioth_getifaddrs(s, &all), 0);
    for (struct ifaddrs *a = all; a; a = a->ifa_next)
        n += a->ifa_addr && a->ifa_addr->sa_family == AF_INET &&
             !strcmp(a->ifa_name, "vde0");
    ioth_freeifaddrs(all);
    return n;
}

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(count(left), 3);
    assert_int_equal(add(left, "10.1.2.11"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(del(left, "10.1.2.12"), -1);
    assert_int_equal(errno, EADDRNOTAVAIL);
    assert_int_equal(del(left, "10.1.2.11"), 0);
    assert_int_equal(count(left), 2);
    /* The first goes, the other stays; and comes again. */
    assert_int_equal(del(left, "10.1.2.1"), 0);
    assert_int_equal(count(left), 1);
    assert_int_equal(add(left, "10.1.2.1"), 0);
    for (unsigned i = 0; i < 15; i++) {
        char text[20];

        snprintf(text, sizeof text, "10.1.3.%u", i + 1);
        assert_int_equal(add(left, text), 0);
    }
    assert_int_equal(add(left, "10.1.3.100"), -1);
    assert_int_equal(errno, ENOSPC);
}

/* One server on each address, all on one port; whoever asks gets the one that it asked. */
static void test_servers(void **state)
{
    static const char *const addrs[] = {"10.1.2.1", "10.1.2.11", "192.168.7.1"};
    static const char *const sources[] = {"10.1.2.2", "10.1.2.2", "192.168.7.2"};
    int servers[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sockaddr_in in = at(addrs[i], PORT);

        servers[i] = ioth_msocket(left, AF_INET, SOCK_STREAM, 0);
        assert_int_equal(ioth_bind(servers[i], sa(&in), sizeof in), 0);
        assert_int_equal(ioth_listen(servers[i], 1), 0);
    }
    for (unsigned own = 0; own < 2; own++) {
        for (unsigned i = 0; i < 3; i++) {
            struct sockaddr_in in = at(addrs[i], PORT), peer;
            int fd = ioth_msocket(own ? left : right, AF_INET, SOCK_STREAM, 0), conn;
            socklen_t size = sizeof peer;
            char got[4];

            assert_int_equal(ioth_connect(fd, sa(&in), sizeof in), 0);
            conn = ioth_accept(servers[i], sa(&peer), &size);
            assert_true(conn >= 0);
            if (!own)
                check(&peer, sources[i]);
            assert_int_equal(ioth_send(fd, "hey", 3, 0), 3);
            assert_int_equal(ioth_recv(conn, got, sizeof got, 0), 3);
            ioth_close(conn);
            ioth_close(fd);
        }
    }
    for (unsigned i = 0; i < 3; i++)
        ioth_close(servers[i]);
}

/* The first address is the source, unless the socket has another one. */
static void test_source(void **state)
{
    struct sockaddr_in to = at("10.1.2.2", 700), from, own = at("10.1.2.11", 0);
    int ear = ioth_msocket(right, AF_INET, SOCK_DGRAM, 0);
    int any = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    int bound = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    socklen_t size = sizeof from;
    char got[8];

    (void)state;
    assert_int_equal(ioth_bind(ear, sa(&to), sizeof to), 0);
    assert_int_equal(ioth_bind(bound, sa(&own), sizeof own), 0);
    assert_int_equal(ioth_sendto(any, "any", 3, 0, sa(&to), sizeof to), 3);
    assert_int_equal(ioth_recvfrom(ear, got, sizeof got, 0, sa(&from), &size), 3);
    check(&from, "10.1.2.1");
    assert_int_equal(ioth_sendto(bound, "bound", 5, 0, sa(&to), sizeof to), 5);
    assert_int_equal(ioth_recvfrom(ear, got, sizeof got, 0, sa(&from), &size), 5);
    check(&from, "10.1.2.11");
    /* And the answer comes. */
    assert_int_equal(ioth_sendto(ear, "back", 4, 0, sa(&from), sizeof from), 4);
    assert_int_equal(ioth_recv(bound, got, sizeof got, 0), 4);
    ioth_close(bound);
    assert_int_equal(del(left, "10.1.2.11"), 0);
    bound = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(ioth_bind(bound, sa(&own), sizeof own), -1);
    assert_int_equal(errno, EADDRNOTAVAIL);
    ioth_close(bound);
    ioth_close(any);
    ioth_close(ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list, join, part),
        cmocka_unit_test_setup_teardown(test_servers, join, part),
        cmocka_unit_test_setup_teardown(test_source, join, part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
