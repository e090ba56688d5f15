/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks of the kind netns (vdestack), beside those of the kind lwip in one process. Skipped where the machine
 * allows no user namespaces or has no TAPs. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"

#define SKIPPED 77
#define WAIT_MS 10000

static struct sockaddr *sa(void *in)
{
    return in;
}

static struct sockaddr_in in4(const char *addr, unsigned port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    assert_int_equal(inet_pton(AF_INET, addr, &in.sin_addr), 1);
    return in;
}

static struct ioth *new_stack(const char *kind, const char *vnl)
{
    struct ioth *s = ioth_newstack(kind, vnl);

    if (!s)
        fail_msg("no stack: %s", ioth_error());
    return s;
}

/* Says hello from one stack to another. */
static void hello(struct ioth *of_server, struct ioth *of_client, const char *addr)
{
    struct sockaddr_in at = in4(addr, 80);
    int listener = ioth_msocket(of_server, AF_INET, SOCK_STREAM, 0);
    int client = ioth_msocket(of_client, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int server;
    char text[8];

    assert_true(listener >= 0 && client >= 0);
    assert_int_equal(ioth_bind(listener, sa(&at), sizeof at), 0);
    assert_int_equal(ioth_listen(listener, 1), 0);
    assert_int_equal(ioth_connect(client, sa(&at), sizeof at), 0);
    server = ioth_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(server >= 0);
    assert_int_equal(ioth_send(client, "hello", 5, 0), 5);
    assert_int_equal(ioth_recv(server, text, sizeof text, 0), 5);
    assert_memory_equal(text, "hello", 5);
    /* Real descriptors: the kernel's own calls do as well. */
    assert_int_equal(fcntl(client, F_GETFD), FD_CLOEXEC);
    assert_int_equal(ioth_close(listener), 0);
    assert_int_equal(ioth_close(client), 0);
    assert_int_equal(ioth_close(server), 0);
}

#ifndef IOTH_SANITIZED
static void configure(struct ioth *s, const char *name, const char *addr)
{
    int index = ioth_if_nametoindex(s, name);
    struct in_addr in;

    assert_true(index > 0);
    inet_pton(AF_INET, addr, &in);
    assert_int_equal(ioth_linksetupdown(s, (unsigned)index, 1), 0);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET, &in, 24, (unsigned)index), 0);
}

/* An address of IPv6 that a program gives is its own at once: nobody probes for it first. */
static void good_at_once(struct ioth *s, const char *name, const char *addr)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    int fd = ioth_msocket(s, AF_INET6, SOCK_STREAM, 0);

    assert_int_equal(inet_pton(AF_INET6, addr, &at.sin6_addr), 1);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET6, &at.sin6_addr, 64,
                                     (unsigned)ioth_if_nametoindex(s, name)),
                     0);
    assert_int_equal(ioth_bind(fd, sa(&at), sizeof at), 0);
    assert_int_equal(ioth_close(fd), 0);
}
#endif

static void test_alone(void **state)
{
    struct ioth *a = new_stack("netns", NULL), *b = new_stack("vdestack", NULL);
    struct sockaddr_in at = in4("127.0.0.1", 80);
    int in_a = ioth_msocket(a, AF_INET, SOCK_STREAM, 0), in_b, fd;

    (void)state;
    /* Two nodes: what listens in one is not there in the other, nor on the host. */
    assert_int_equal(ioth_bind(in_a, sa(&at), sizeof at), 0);
    assert_int_equal(ioth_listen(in_a, 1), 0);
    in_b = ioth_msocket(b, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(ioth_connect(in_b, sa(&at), sizeof at), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(ioth_delstack(a), -1);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(ioth_close(in_a), 0);
    hello(a, a, "127.0.0.1");
    /* All kinds of sockets. */
    fd = ioth_msocket(a, AF_INET, SOCK_RAW, IPPROTO_ICMP);
    assert_true(fd >= 0);
    assert_int_equal(ioth_close(fd), 0);
    fd = ioth_msocket(a, AF_PACKET, SOCK_RAW, 0);
    assert_true(fd >= 0);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_msocket(a, AF_INET, 99, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(ioth_close(in_b), 0);
    assert_int_equal(ioth_delstack(a), 0);
    assert_int_equal(ioth_delstack(b), 0);
    /* A program that waits for its children finds no holder among them. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_refused(void **state)
{
    (void)state;
    assert_null(ioth_newstack("netns,fast", NULL));
    assert_int_equal(errno, EINVAL);
    assert_string_equal(ioth_error(), "the stack netns has no option fast");
    assert_null(ioth_newstack("netns", "ioth://"));
    assert_string_equal(ioth_error(), "no network is named");
    assert_null(ioth_newstack("netns", "averyverylongname:ioth://a"));
    assert_int_equal(errno, EINVAL);
}

/* One network, two nodes of two kinds in one process; plugins of libvdeplug and sanitizers do not go
 * together. */
static void test_together(void **state)
{
#ifdef IOTH_SANITIZED
    (void)state;
    skip();
#else
    char folder[] = "/tmp/ioth-ptp-XXXXXX", vnl[64], named[80];
    struct ioth *one, *two;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(vnl, sizeof vnl, "ptp://%s/wire", folder);
    snprintf(named, sizeof named, "lan:%s", vnl);
    one = new_stack("netns", vnl);
    two = new_stack("lwip", named);
    configure(one, "vde0", "10.9.0.1");
    configure(two, "lan", "10.9.0.2");
    hello(one, two, "10.9.0.1");
    hello(two, one, "10.9.0.2");
    good_at_once(one, "vde0", "fd09::1");
    good_at_once(two, "lan", "fd09::2");
    assert_int_equal(ioth_delstack(one), 0);
    assert_int_equal(ioth_delstack(two), 0);
    unlink(vnl + sizeof "ptp://" - 1);
    assert_int_equal(rmdir(folder), 0);
#endif
}

/* As many as one likes. */
static void test_many(void **state)
{
    struct ioth *all[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        all[i] = new_stack(i & 1 ? "lwip" : "netns", NULL);
    for (unsigned i = 0; i < 8; i++)
        hello(all[i], all[i], "127.0.0.1");
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(ioth_delstack(all[i]), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_many),
    };
    struct ioth *probe = ioth_newstack("netns", NULL);

    if (!probe || access("/dev/net/tun", R_OK | W_OK) < 0) {
        printf("skipped: %s\n", probe ? "no /dev/net/tun" : ioth_error());
        return SKIPPED;
    }
    ioth_delstack(probe);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
