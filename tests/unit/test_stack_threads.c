/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sixteen threads on one stack, which do all that a program can: connections, datagrams, waiting of all kinds, options,
 * names, duplicates, descriptors that are closed while somebody waits in them, and other stacks that come and go. Short in
 * the unit tests; IOTH_STRESS_MS makes it longer. It is what ThreadSanitizer watches (docs/architecture.md, 10).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "libioth/dns/iothdns.h"
#include "tests/unit/wire.h"

#define SHORT_MS  1200
#define PORT_ECHO 7
#define BLOCK     65536u

static struct ioth *stack,
    *callers; /* The second is that of who connects: the same, or one behind a ring. */
static struct sockaddr_in echo_at;
static int listener;
static atomic_bool over;
static atomic_ulong done[16]; /* What each has achieved. */

/* Assertions of cmocka are the main thread's. */
#define CHECK(what)                                                                        \
    do {                                                                                   \
        if (!(what)) {                                                                     \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #what,                 \
                    strerror(errno));                                                      \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

static struct sockaddr *sa(void *in)
{
    return in;
}

static struct sockaddr_in local(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint32_t chance(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static int open_of(struct ioth *s, int type)
{
    int fd = ioth_msocket(s, AF_INET, type, 0);

    CHECK(fd >= 0);
    return fd;
}

static int open_one(int type)
{
    return open_of(stack, type);
}

static int udp_at(struct sockaddr_in *at)
{
    int fd = open_one(SOCK_DGRAM);
    socklen_t size = sizeof *at;

    *at = local(0);
    CHECK(ioth_bind(fd, sa(at), size) == 0);
    CHECK(ioth_getsockname(fd, sa(at), &size) == 0);
    return fd;
}

/* --- roles -------------------------------------------------------------------------------------- */

/* Serves whoever connects, until the listener is closed under it. */
static void serve(unsigned me)
{
    static _Thread_local char block[BLOCK];
    int fd;

    while ((fd = ioth_accept(listener, NULL, NULL)) >= 0) {
        ssize_t n;

        while ((n = ioth_recv(fd, block, sizeof block, 0)) > 0)
            if (ioth_send(fd, block, (size_t)n, MSG_NOSIGNAL) < n)
                break;
        ioth_close(fd);
        done[me]++;
    }
    CHECK(errno == EBADF || errno == EINVAL);
}

static bool echo(int fd, const char *out, size_t size)
{
    static _Thread_local char in[BLOCK];

    if (ioth_send(fd, out, size, MSG_NOSIGNAL) != (ssize_t)size ||
        ioth_recv(fd, in, size, MSG_WAITALL) != (ssize_t)size)
        return false;
    CHECK(memcmp(in, out, size) == 0);
    return true;
}

static void call(unsigned me)
{
    static _Thread_local char out[BLOCK];
    uint32_t state = me;

    while (!over) {
        int fd = open_of(callers, SOCK_STREAM);

        for (size_t i = 0; i < sizeof out; i += 7)
            out[i] = (char)chance(&state);
        if (ioth_connect(fd, sa(&echo_at), sizeof echo_at) == 0 && chance(&state) % 8 != 0)
            for (unsigned n = 0; n < 4 && echo(fd, out, chance(&state) % BLOCK + 1); n++)
                done[me]++;
        CHECK(ioth_close(fd) == 0);
    }
}

/* Datagrams to itself and to where nobody is, told of by poll(). */
static void poll_datagrams(unsigned me)
{
    struct sockaddr_in own, nobody = local(1);
    int fd = udp_at(&own);
    char got[64], control[256];

    CHECK(ioth_setsockopt(fd, IPPROTO_IP, IP_RECVERR, &(int){1}, sizeof(int)) == 0);
    while (!over) {
        struct pollfd p[] = {{.fd = fd, .events = POLLIN},
                             {.fd = listener, .events = POLLIN}};
        struct iovec iov = {got, sizeof got};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};

        (void)!ioth_sendto(fd, "here", 4, 0, sa(&own), sizeof own);
        (void)!ioth_sendto(fd, "there", 5, 0, sa(&nobody), sizeof nobody);
        CHECK(ioth_poll(p, 2, 100) >= 0);
        while (ioth_recvmsg(fd, &m, MSG_ERRQUEUE) >= 0)
            m.msg_controllen = sizeof control;
        while (ioth_recv(fd, got, sizeof got, MSG_DONTWAIT) == 4)
            done[me]++;
    }
    CHECK(ioth_close(fd) == 0);
}

static void epoll_datagrams(unsigned me)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    char got[64];

    CHECK(epoll >= 0);
    while (!over) {
        struct sockaddr_in at[4];
        struct epoll_event e[4];
        int fds[4], n;

        for (int i = 0; i < 4; i++) {
            fds[i] = udp_at(&at[i]);
            e[0] = (struct epoll_event){.events = EPOLLIN | (i & 1 ? (uint32_t)EPOLLET : 0),
                                        .data.fd = fds[i]};
            CHECK(ioth_epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], e) == 0);
        }
        for (unsigned round = 0; round < 8; round++) {
            for (int i = 0; i < 4; i++)
                (void)!ioth_sendto(fds[i], "x", 1, 0, sa(&at[(i + 1) % 4]), sizeof *at);
            n = ioth_epoll_wait(epoll, e, 4, 100);
            CHECK(n >= 0);
            for (int i = 0; i < n; i++)
                while (ioth_recv(e[i].data.fd, got, sizeof got, MSG_DONTWAIT) == 1)
                    done[me]++;
        }
        for (int i = 0; i < 4; i++) {
            if (i & 2)
                CHECK(ioth_epoll_ctl(epoll, EPOLL_CTL_DEL, fds[i], e) == 0);
            CHECK(ioth_close(fds[i]) == 0);
        }
    }
    close(epoll);
}

/* One thread waits in a socket that the other one closes. The waiting one may find another's socket by the number, so
 * it takes nothing. */
static _Atomic int lent = -1;

static void lend(unsigned me)
{
    while (!over) {
        struct sockaddr_in at;
        int fd = me & 1 ? udp_at(&at) : open_of(callers, SOCK_STREAM), expected = -1;

        if (!(me & 1) && ioth_connect(fd, sa(&echo_at), sizeof echo_at) < 0) {
            ioth_close(fd);
            continue;
        }
        if (atomic_compare_exchange_strong(&lent, &expected, fd))
            while (lent == fd && !over)
                (void)!poll(NULL, 0, 1);
        CHECK(ioth_close(fd) == 0);
        done[me]++;
    }
}

static void wait_in_lent(unsigned me)
{
    char byte;

    while (!over) {
        int fd = atomic_exchange(&lent, -1);
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (fd < 0) {
            (void)!poll(NULL, 0, 1);
            continue;
        }
        if (me & 1)
            CHECK(ioth_recv(fd, &byte, 1, MSG_PEEK) <= 1);
        else
            (void)!ioth_poll(&p, 1, 50);
        done[me]++;
    }
}

static void set_options(unsigned me)
{
    /* Buffers as they are: through a window of less than a segment the others would get nowhere. */
    static const int options[][3] = {
        {SOL_SOCKET, SO_RCVBUF, 1 << 20}, {SOL_SOCKET, SO_SNDBUF, 1 << 20},
        {SOL_SOCKET, SO_KEEPALIVE, 1},    {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 64},  {IPPROTO_IP, IP_TTL, 64},
        {IPPROTO_IP, IP_TOS, 64}};
    int mine = open_one(SOCK_STREAM);

    while (!over) {
        for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
            const int *o = options[i];
            socklen_t size = sizeof(int);
            int value;

            (void)!ioth_setsockopt(i & 1 ? mine : listener, o[0], o[1], &o[2], sizeof o[2]);
            (void)!ioth_getsockopt(i & 1 ? listener : mine, o[0], o[1], &value, &size);
        }
        done[me]++;
    }
    CHECK(ioth_close(mine) == 0);
}

static void ask_names(unsigned me)
{
    while (!over) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
        struct ifaddrs *ifs = NULL;

        if (ioth_getaddrinfo(stack, "localhost", "80", &hints, &list) == 0)
            ioth_freeaddrinfo(list);
        CHECK(ioth_getaddrinfo(stack, "127.0.0.1", "80", &hints, &list) == 0);
        ioth_freeaddrinfo(list);
        CHECK(ioth_getifaddrs(stack, &ifs) == 0);
        ioth_freeifaddrs(ifs);
        CHECK(ioth_if_nametoindex(stack, "lo") > 0);
        done[me]++;
    }
}

static void open_all_kinds(unsigned me)
{
    static const int kinds[][3] = {{AF_INET, SOCK_STREAM, 0},
                                   {AF_INET6, SOCK_DGRAM, 0},
                                   {AF_INET, SOCK_RAW, IPPROTO_ICMP},
                                   {AF_PACKET, SOCK_RAW, 0x0300},
                                   {AF_NETLINK, SOCK_RAW, 0}};

    while (!over) {
        for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            int fd = ioth_msocket(stack, kinds[i][0], kinds[i][1], kinds[i][2]), twin;

            CHECK(fd >= 0);
            twin = ioth_dup(fd);
            CHECK(twin >= 0);
            if (i & 1)
                close(fd); /* Behind the stack's back. */
            else
                CHECK(ioth_close(fd) == 0);
            CHECK(ioth_close(twin) == 0);
        }
        done[me]++;
    }
}

static void make_stacks(unsigned me)
{
    while (!over) {
        struct ioth *other = ioth_newstack("lwip", NULL);
        int fd = other ? ioth_msocket(other, AF_INET, SOCK_DGRAM, 0) : -1;
        struct sockaddr_in to = local(9);

        CHECK(fd >= 0);
        (void)!ioth_sendto(fd, "x", 1, 0, sa(&to), sizeof to);
        CHECK(ioth_close(fd) == 0);
        CHECK(ioth_delstack(other) == 0);
        done[me]++;
    }
}

static const struct role {
    void (*run)(unsigned me);
    const char *what;
} roles[16] = {
    {serve, "serves"},
    {serve, "serves"},
    {serve, "serves"},
    {call, "calls"},
    {call, "calls"},
    {call, "calls"},
    {lend, "lends a connection"},
    {lend, "lends a datagram socket"},
    {wait_in_lent, "waits by poll"},
    {wait_in_lent, "waits in a call"},
    {poll_datagrams, "polls"},
    {epoll_datagrams, "polls by epoll"},
    {set_options, "sets options"},
    {ask_names, "asks names"},
    {open_all_kinds, "opens all kinds"},
    {make_stacks, "makes stacks"},
};

static void *play(void *aux)
{
    unsigned me = (unsigned)(uintptr_t)aux;

    roles[me].run(me);
    return NULL;
}

/* All of them, with connections to 10.1.2.1 or, of one stack alone, to 127.0.0.1. */
static void play_all(void)
{
    const char *ms = getenv("IOTH_STRESS_MS");
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT_ECHO)};
    pthread_t threads[16];

    over = false;
    lent = -1;
    listener = open_one(SOCK_STREAM);
    assert_int_equal(ioth_bind(listener, sa(&any), sizeof any), 0);
    assert_int_equal(ioth_listen(listener, 16), 0);
    for (uintptr_t i = 0; i < 16; i++) {
        done[i] = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, play, (void *)i), 0);
    }
    (void)!poll(NULL, 0, ms ? (int)strtol(ms, NULL, 10) : SHORT_MS);
    over = true;
    for (unsigned i = 3; i < 16; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(ioth_close(listener), 0); /* Under those that wait in it. */
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 16; i++)
        if (!done[i])
            fail_msg("thread %u, which %s, has done nothing", i, roles[i].what);
}

static struct ioth *new_stack(const char *vnl, uint8_t last)
{
    struct ioth *s = ioth_newstack("lwip", vnl);
    uint8_t addr[4] = {10, 1, 2, last};
    unsigned index;

    if (!s)
        fail_msg("no stack: %s", ioth_error());
    if (!vnl)
        return s;
    index = (unsigned)ioth_if_nametoindex(s, "vde0");
    assert_int_equal(ioth_linksetupdown(s, index, 1), 0);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET, addr, 24, index), 0);
    return s;
}

static void test_alone(void **state)
{
    (void)state;
    stack = callers = new_stack(NULL, 0);
    echo_at = local(PORT_ECHO);
    play_all();
    assert_int_equal(ioth_delstack(stack), 0);
}

static void test_by_ring(void **state)
{
    static struct wire wire;

    (void)state;
    assert_int_equal(wire_start(&wire), 0);
    stack = new_stack("ioth://any", 1);
    callers = new_stack("ioth://any", 2);
    echo_at = local(PORT_ECHO);
    inet_pton(AF_INET, "10.1.2.1", &echo_at.sin_addr);
    play_all();
    assert_int_equal(ioth_delstack(callers), 0);
    assert_int_equal(ioth_delstack(stack), 0);
    assert_int_equal(wire_end(&wire), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone),
                                       cmocka_unit_test(test_by_ring)};

    alarm(240); /* One that hangs is named by it. */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
