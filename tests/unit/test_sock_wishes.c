/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What socket options of the kind lwip do: what is seen of them by who sends and receives. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"

#define PORT        9000
#define GROUP       "239.1.2.3"
#define ICMP_FILTER 1 /* linux/icmp.h and netinet/in.h do not go together. */

static struct ioth *stack;

static int init(void **state)
{
    (void)state;
    stack = ioth_newstack("lwip", NULL);
    return stack ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return ioth_delstack(stack);
}

static struct sockaddr_in at(const char *ip)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    assert_int_equal(inet_pton(AF_INET, ip, &sa.sin_addr), 1);
    return sa;
}

static void set(int fd, int level, int name, int value)
{
    assert_int_equal(ioth_setsockopt(fd, level, name, &value, sizeof value), 0);
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

static int receiver(void)
{
    struct sockaddr_in sa = at("0.0.0.0");
    int fd = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);

    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    assert_int_equal(ioth_bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void say(int fd, const char *to, const char *text)
{
    struct sockaddr_in sa = at(to);

    assert_int_equal(
        ioth_sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sa, sizeof sa),
        strlen(text));
}

struct got {
    ssize_t size;
    char text[64];
    struct msghdr msg;
    _Alignas(struct cmsghdr) char control[256];
};

static const void *part(struct got *g, int level, int type, size_t size)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&g->msg); c; c = CMSG_NXTHDR(&g->msg, c)) {
        if (c->cmsg_level == level && c->cmsg_type == type && c->cmsg_len == CMSG_LEN(size))
            return CMSG_DATA(c);
    }
    return NULL;
}

static void receive(int fd, struct got *g)
{
    struct iovec iov = {.iov_base = g->text, .iov_len = sizeof g->text};

    g->msg = (struct msghdr){.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = g->control,
                             .msg_controllen = sizeof g->control};
    g->size = ioth_recvmsg(fd, &g->msg, MSG_DONTWAIT);
}

/* --- datagrams ---------------------------------------------------------------------------------- */

static void test_stamps(void **state)
{
    int fd = receiver(), from = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
    struct timespec before, after, ns;
    struct timeval us;
    struct got g;

    (void)state;
    say(from, "127.0.0.1", "none");
    receive(fd, &g);
    assert_int_equal(g.msg.msg_controllen, 0);
    assert_int_equal(ioth_ioctl(fd, SIOCGSTAMP_OLD, &us), -1); /* From now on. */
    assert_int_equal(errno, ENOENT);
    clock_gettime(CLOCK_REALTIME, &before);
    say(from, "127.0.0.1", "asked for");
    receive(fd, &g);
    assert_int_equal(g.msg.msg_controllen, 0);
    assert_int_equal(ioth_ioctl(fd, SIOCGSTAMPNS_OLD, &ns), 0);
    assert_in_range(ns.tv_sec, before.tv_sec, before.tv_sec + 60);
    set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    say(from, "127.0.0.1", "ns");
    receive(fd, &g);
    assert_non_null(part(&g, SOL_SOCKET, SO_TIMESTAMPNS, sizeof ns));
    memcpy(&ns, part(&g, SOL_SOCKET, SO_TIMESTAMPNS, sizeof ns), sizeof ns);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_in_range(ns.tv_sec * 1000000000 + ns.tv_nsec,
                    before.tv_sec * 1000000000 + before.tv_nsec,
                    after.tv_sec * 1000000000 + after.tv_nsec);
    set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    say(from, "127.0.0.1", "us");
    receive(fd, &g);
    assert_non_null(part(&g, SOL_SOCKET, SO_TIMESTAMP, sizeof us));
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(from), 0);
}

/* SO_RCVBUF bounds the queue, and SO_RXQ_OVFL tells how many did not fit. */
static void test_drops(void **state)
{
    int fd = receiver(), from = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
    char text[1001];
    uint32_t dropped = 0;
    unsigned came = 0;
    struct got g;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[1000] = 0;
    set(fd, SOL_SOCKET, SO_RCVBUF, 10000);
    set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    for (unsigned i = 0; i < 30; i++)
        say(from, "127.0.0.1", text);
    for (receive(fd, &g); g.size > 0; receive(fd, &g), came++)
        assert_int_equal(g.msg.msg_flags, MSG_TRUNC);
    assert_in_range(came, 5, 9);
    say(from, "127.0.0.1", "last");
    receive(fd, &g);
    assert_non_null(part(&g, SOL_SOCKET, SO_RXQ_OVFL, sizeof dropped));
    memcpy(&dropped, part(&g, SOL_SOCKET, SO_RXQ_OVFL, sizeof dropped), sizeof dropped);
    assert_int_equal(dropped, 30 - came);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(from), 0);
}

/* One message has a TTL and a class of its own; the next one has the socket's. */
static void test_of_one_message(void **state)
{
    int fd = receiver(), from = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = at("127.0.0.1");
    struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
    _Alignas(struct cmsghdr) char control[2 * CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr msg = {.msg_name = &to,
                         .msg_namelen = sizeof to,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    struct got g;

    (void)state;
    set(fd, IPPROTO_IP, IP_RECVTTL, 1);
    set(fd, IPPROTO_IP, IP_RECVTOS, 1);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_TTL};
    memcpy(CMSG_DATA(c), &(int){7}, sizeof(int));
    c = CMSG_NXTHDR(&msg, c);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_TOS};
    memcpy(CMSG_DATA(c), &(int){16}, sizeof(int));
    assert_int_equal(ioth_sendmsg(from, &msg, 0), 1);
    receive(fd, &g);
    assert_int_equal(*(const int *)part(&g, IPPROTO_IP, IP_TTL, sizeof(int)), 7);
    assert_int_equal(*(const uint8_t *)part(&g, IPPROTO_IP, IP_TOS, 1), 16);
    say(from, "127.0.0.1", "plain");
    receive(fd, &g);
    assert_int_equal(*(const int *)part(&g, IPPROTO_IP, IP_TTL, sizeof(int)), 64);
    assert_int_equal(*(const uint8_t *)part(&g, IPPROTO_IP, IP_TOS, 1), 0);
    memcpy(CMSG_DATA(c), &(int){256}, sizeof(int));
    assert_int_equal(ioth_sendmsg(from, &msg, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(from), 0);
}

/* --- groups ------------------------------------------------------------------------------------- */

static bool hears(int fd, int from)
{
    struct got g;

    say(from, GROUP, "hello");
    receive(fd, &g);
    return g.size > 0;
}

static void source(int fd, int what, const char *ip)
{
    struct ip_mreq_source s = {.imr_multiaddr.s_addr = inet_addr(GROUP),
                               .imr_interface.s_addr = htonl(INADDR_LOOPBACK),
                               .imr_sourceaddr.s_addr = inet_addr(ip)};

    assert_int_equal(ioth_setsockopt(fd, IPPROTO_IP, what, &s, sizeof s), 0);
}

static void test_sources(void **state)
{
    int fd = receiver(), other = receiver(),
        from = ioth_msocket(stack, AF_INET, SOCK_DGRAM, 0);
    struct ip_mreqn m = {.imr_multiaddr.s_addr = inet_addr(GROUP), .imr_ifindex = 1};

    (void)state;
    assert_int_equal(ioth_setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof m), 0);
    assert_false(hears(fd, from));
    assert_int_equal(ioth_setsockopt(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m),
                     0);
    assert_true(hears(fd, from)); /* Another one is in it. */
    set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    assert_false(hears(fd, from));
    assert_int_equal(ioth_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof m), 0);
    assert_true(hears(fd, from));
    source(fd, IP_BLOCK_SOURCE, "127.0.0.1");
    assert_false(hears(fd, from));
    source(fd, IP_BLOCK_SOURCE, "10.0.0.1");
    source(fd, IP_UNBLOCK_SOURCE, "127.0.0.1");
    assert_true(hears(fd, from));
    assert_int_equal(ioth_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m), 0);
    assert_false(hears(fd, from));
    source(fd, IP_ADD_SOURCE_MEMBERSHIP, "10.0.0.1");
    assert_false(hears(fd, from));
    source(fd, IP_ADD_SOURCE_MEMBERSHIP, "127.0.0.1");
    assert_true(hears(fd, from));
    source(fd, IP_DROP_SOURCE_MEMBERSHIP, "127.0.0.1");
    assert_false(hears(fd, from));
    source(fd, IP_DROP_SOURCE_MEMBERSHIP, "10.0.0.1");
    assert_int_equal(ioth_setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof m), -1);
    assert_int_equal(ioth_close(other), 0);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(from), 0);
}

/* --- raw sockets -------------------------------------------------------------------------------- */

static void test_icmp_filter(void **state)
{
    int fd = ioth_msocket(stack, AF_INET, SOCK_RAW, IPPROTO_ICMP);
    struct sockaddr_in to = at("127.0.0.1");
    const uint8_t ping[8] = {8, 0, 0xf7, 0xff};
    uint32_t filter = 1u << 8; /* No requests, only answers. */
    struct got g;

    (void)state;
    assert_int_equal(ioth_setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter), 0);
    assert_int_equal(
        ioth_sendto(fd, ping, sizeof ping, 0, (struct sockaddr *)&to, sizeof to),
        sizeof ping);
    receive(fd, &g);
    assert_int_equal(g.size, 28);
    assert_int_equal(g.text[20], 0);
    receive(fd, &g);
    assert_int_equal(g.size, -1);
    assert_int_equal(ioth_close(fd), 0);
}

/* --- streams ------------------------------------------------------------------------------------ */

static void connect_pair(int pair[2])
{
    struct sockaddr_in sa = at("127.0.0.1");
    int listener = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);

    set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    assert_int_equal(ioth_bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(ioth_listen(listener, 1), 0);
    pair[0] = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(ioth_connect(pair[0], (struct sockaddr *)&sa, sizeof sa), 0);
    pair[1] = ioth_accept(listener, NULL, NULL);
    assert_true(pair[1] >= 0);
    assert_int_equal(ioth_close(listener), 0);
}

static void close_pair(const int pair[2])
{
    assert_int_equal(ioth_close(pair[0]), 0);
    assert_int_equal(ioth_close(pair[1]), 0);
}

static void test_low_water(void **state)
{
    struct timeval soon = {.tv_usec = 20000};
    char text[64];
    int pair[2];

    (void)state;
    connect_pair(pair);
    set(pair[1], SOL_SOCKET, SO_RCVLOWAT, 10);
    assert_int_equal(ioth_send(pair[0], "12345", 5, 0), 5);
    assert_false(readable(pair[1], 0));
    assert_int_equal(ioth_setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon),
                     0);
    assert_int_equal(ioth_recv(pair[1], text, 3, 0), 3); /* As much as is wanted. */
    assert_int_equal(ioth_recv(pair[1], text, sizeof text, 0), 2); /* It has waited. */
    assert_int_equal(ioth_send(pair[0], "1234567890", 10, 0), 10);
    assert_true(readable(pair[1], 10000)); /* Shown later, after calls that waited. */
    assert_int_equal(ioth_recv(pair[1], text, sizeof text, 0), 10);
    close_pair(pair);
}

static void test_outgoing(void **state)
{
    static char much[1 << 18];
    struct tcp_info info;
    socklen_t size = sizeof info;
    int pair[2], n, queued;

    (void)state;
    connect_pair(pair);
    set(pair[1], SOL_SOCKET, SO_RCVBUF, 4096);
    set(pair[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, 10000);
    queued = (int)ioth_send(pair[0], much, sizeof much, MSG_DONTWAIT);
    assert_true(queued > 0);
    assert_int_equal(ioth_ioctl(pair[1], FIONREAD, &n), 0);
    while (ioth_send(pair[0], much, 1000, MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(ioth_ioctl(pair[0], SIOCOUTQNSD, &n), 0);
    assert_in_range(n, 10000, sizeof much + 10000);
    assert_int_equal(ioth_getsockopt(pair[0], IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
    assert_true(info.tcpi_options & TCPI_OPT_WSCALE && info.tcpi_options & TCPI_OPT_SACK);
    assert_true(info.tcpi_snd_mss > 500 && info.tcpi_snd_cwnd > 0 && info.tcpi_rto > 0);
    assert_int_equal(info.tcpi_retransmits, 0);
    assert_int_equal(ioth_ioctl(pair[0], SIOCOUTQ, &queued), 0);
    assert_true(queued >= n);
    close_pair(pair);
}

static double seconds_to_close(int fd)
{
    struct timespec start, end;

    clock_gettime(CLOCK_MONOTONIC, &start);
    assert_int_equal(ioth_close(fd), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - start.tv_sec) +
           (double)(end.tv_nsec - start.tv_nsec) / 1e9;
}

/* SO_LINGER: as long as something is under way, and no longer than it says. */
static void test_linger(void **state)
{
    static char much[1 << 16];
    const struct linger l = {.l_onoff = 1, .l_linger = 1};
    int pair[2];

    (void)state;
    for (int full = 0; full < 2; full++) {
        connect_pair(pair);
        set(pair[1], SOL_SOCKET, SO_RCVBUF, 4096);
        assert_int_equal(ioth_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &l, sizeof l), 0);
        assert_int_equal(ioth_send(pair[0], "hello", 5, 0), 5);
        assert_int_equal(ioth_recv(pair[1], much, 5, MSG_WAITALL), 5);
        while (full && ioth_send(pair[0], much, sizeof much, MSG_DONTWAIT) > 0)
            ;
        if (full)
            assert_true(seconds_to_close(pair[0]) >= 1);
        else
            assert_true(seconds_to_close(pair[0]) < 0.9);
        assert_int_equal(ioth_close(pair[1]), 0);
    }
}

/* IP_FREEBIND: an address that is not there yet. */
static void test_free_bind(void **state)
{
    struct sockaddr_in sa = at("10.9.9.9");
    int fd;

    (void)state;
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        fd = ioth_msocket(stack, AF_INET, type, 0);
        assert_int_equal(ioth_bind(fd, (struct sockaddr *)&sa, sizeof sa), -1);
        assert_int_equal(errno, EADDRNOTAVAIL);
        set(fd, IPPROTO_IP, IP_FREEBIND, 1);
        assert_int_equal(ioth_bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
        assert_int_equal(ioth_close(fd), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamps),         cmocka_unit_test(test_drops),
        cmocka_unit_test(test_of_one_message), cmocka_unit_test(test_sources),
        cmocka_unit_test(test_icmp_filter),    cmocka_unit_test(test_low_water),
        cmocka_unit_test(test_outgoing),       cmocka_unit_test(test_linger),
        cmocka_unit_test(test_free_bind),
    };

    return cmocka_run_group_tests(tests, init, end);
}
