/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libioth through ioth.h: stacks of the kind lwip, alone, and two joined by rings or by libvdeplug. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "tests/unit/wire.h"

#define BULK_SIZE (24u << 20)
#define WAIT_MS   10000

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

static struct sockaddr_in6 in6(const char *addr, unsigned port)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

    assert_int_equal(inet_pton(AF_INET6, addr, &in.sin6_addr), 1);
    return in;
}

/* What poll() says at once, or within some milliseconds. */
static int polled(int fd, short events, int ms)
{
    struct pollfd p = {.fd = fd, .events = events};

    assert_true(poll(&p, 1, ms) >= 0);
    return p.revents;
}

static struct ioth *new_stack(const char *vnl)
{
    struct ioth *s = ioth_newstack("lwip", vnl);

    if (!s)
        fail_msg("no stack: %s", ioth_error());
    return s;
}

/* --- pairs -------------------------------------------------------------------------------------- */

/* A connection between two stacks (or of one with itself). */
struct pair {
    int listener, client, server;
};

static void pair_connect(struct pair *p, struct ioth *of_server, struct ioth *of_client,
                         void *addr, socklen_t size)
{
    int domain = sa(addr)->sa_family;

    p->listener = ioth_msocket(of_server, domain, SOCK_STREAM, 0);
    p->client = ioth_msocket(of_client, domain, SOCK_STREAM, 0);
    assert_true(p->listener >= 0 && p->client >= 0);
    assert_int_equal(
        ioth_setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(ioth_bind(p->listener, sa(addr), size), 0);
    assert_int_equal(ioth_listen(p->listener, 5), 0);
    assert_int_equal(polled(p->listener, POLLIN, 0), 0);
    assert_int_equal(ioth_connect(p->client, sa(addr), size), 0);
    assert_int_equal(polled(p->listener, POLLIN, WAIT_MS), POLLIN);
    p->server = ioth_accept(p->listener, NULL, NULL);
    assert_true(p->server >= 0);
}

static void pair_close(struct pair *p)
{
    assert_int_equal(ioth_close(p->client), 0);
    assert_int_equal(ioth_close(p->server), 0);
    assert_int_equal(ioth_close(p->listener), 0);
}

/* --- one stack ---------------------------------------------------------------------------------- */

static void test_loopback(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in addr = in4("127.0.0.1", 80), peer;
    socklen_t size = sizeof peer;
    struct pair p;
    char buf[16];

    (void)state;
    pair_connect(&p, s, s, &addr, sizeof addr);
    assert_int_equal(ioth_getpeername(p.client, sa(&peer), &size), 0);
    assert_int_equal(peer.sin_port, htons(80));
    assert_int_equal(size, sizeof peer);
    assert_int_equal(ioth_write(p.client, "hello", 5), 5);
    assert_int_equal(ioth_recv(p.server, buf, sizeof buf, MSG_PEEK), 5);
    assert_int_equal(ioth_read(p.server, buf, 3), 3);
    assert_int_equal(ioth_read(p.server, buf + 3, sizeof buf - 3), 2);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(ioth_delstack(s), -1);
    assert_int_equal(errno, EBUSY);
    pair_close(&p);
    assert_int_equal(ioth_delstack(s), 0);
}

static void test_readiness(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in addr = in4("127.0.0.1", 80);
    static char block[1 << 16];
    size_t filled = 0, read = 0;
    struct pair p;
    ssize_t n;

    (void)state;
    pair_connect(&p, s, s, &addr, sizeof addr);
    assert_int_equal(polled(p.server, POLLIN | POLLOUT, 0), POLLOUT);
    assert_int_equal(ioth_send(p.client, "x", 1, 0), 1);
    assert_int_equal(polled(p.server, POLLIN | POLLOUT, WAIT_MS), POLLIN | POLLOUT);
    assert_int_equal(ioth_recv(p.server, block, 1, 0), 1);
    assert_int_equal(polled(p.server, POLLIN | POLLOUT, 0), POLLOUT);

    /* Fill both buffers: not writable any more, until the other side reads. */
    assert_int_equal(fcntl(p.client, F_SETFL, O_NONBLOCK), 0);
    while ((n = ioth_send(p.client, block, sizeof block, 0)) > 0)
        filled += (size_t)n;
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(polled(p.client, POLLOUT, 0), 0);
    while (read < filled) {
        n = ioth_recv(p.server, block, sizeof block, 0);
        assert_true(n > 0);
        read += (size_t)n;
    }
    assert_int_equal(polled(p.client, POLLOUT, WAIT_MS), POLLOUT);
    assert_int_equal(ioth_recv(p.client, block, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);

    /* The end of one direction, and of both. */
    assert_int_equal(ioth_shutdown(p.client, SHUT_WR), 0);
    assert_int_equal(polled(p.server, POLLIN | POLLRDHUP, WAIT_MS), POLLIN | POLLRDHUP);
    assert_int_equal(ioth_recv(p.server, block, 1, 0), 0);
    assert_int_equal(ioth_send(p.server, "y", 1, 0), 1);
    assert_int_equal(polled(p.client, POLLIN, WAIT_MS), POLLIN);
    assert_int_equal(ioth_recv(p.client, block, 1, 0), 1);
    pair_close(&p);
    assert_int_equal(ioth_delstack(s), 0);
}

static void test_refused(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in addr = in4("127.0.0.1", 81), far = in4("192.0.2.1", 81);
    int fd = ioth_msocket(s, AF_INET, SOCK_STREAM, 0), error;
    socklen_t size = sizeof error;

    (void)state;
    assert_int_equal(ioth_connect(fd, sa(&addr), sizeof addr), -1);
    assert_int_equal(errno, ECONNREFUSED);
    /* Again, without waiting: the descriptor tells. */
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    if (ioth_connect(fd, sa(&addr), sizeof addr) < 0 && errno == EINPROGRESS) {
        assert_true(polled(fd, POLLOUT, WAIT_MS) & POLLOUT);
        assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
        assert_int_equal(error, ECONNREFUSED);
    }
    assert_int_equal(ioth_connect(fd, sa(&far), sizeof far), -1);
    assert_int_equal(errno, ENETUNREACH);
    assert_int_equal(ioth_send(fd, "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(ioth_recv(fd, &error, 1, 0), -1);
    assert_int_equal(errno, ENOTCONN);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_close(fd), -1);
    assert_int_equal(errno, ENOSYS);
    assert_int_equal(ioth_listen(fd, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(ioth_delstack(s), 0);
}

static void test_udp(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in6 addr = in6("::1", 53), from;
    struct sockaddr_in addr4 = in4("127.0.0.1", 53);
    uint8_t control[256], buf[32];
    struct iovec iov = {buf, sizeof buf};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    int server = ioth_msocket(s, AF_INET6, SOCK_DGRAM, 0);
    int client = ioth_msocket(s, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int client4 = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);
    struct in6_pktinfo info;
    struct cmsghdr *c;

    (void)state;
    addr.sin6_addr = in6addr_any;
    assert_int_equal(ioth_bind(server, sa(&addr), sizeof addr), 0);
    assert_int_equal(
        ioth_setsockopt(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int){1}, sizeof(int)), 0);
    addr = in6("::1", 53);
    assert_int_equal(ioth_recv(client, buf, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(ioth_sendto(client, "six", 3, 0, sa(&addr), sizeof addr), 3);
    assert_int_equal(ioth_recvmsg(server, &msg, 0), 3);
    c = CMSG_FIRSTHDR(&msg);
    assert_non_null(c);
    assert_int_equal(c->cmsg_type, IPV6_PKTINFO);
    memcpy(&info, CMSG_DATA(c), sizeof info);
    assert_memory_equal(&info.ipi6_addr, &in6addr_loopback, 16);
    assert_int_equal(info.ipi6_ifindex, 1);

    /* Both families come to one socket, and the answer goes back. */
    assert_int_equal(ioth_connect(client4, sa(&addr4), sizeof addr4), 0);
    assert_int_equal(ioth_send(client4, "four", 4, 0), 4);
    msg.msg_namelen = sizeof from;
    msg.msg_controllen = sizeof control;
    assert_int_equal(ioth_recvmsg(server, &msg, 0), 4);
    assert_true(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
    assert_int_equal(ioth_sendto(server, "back", 4, 0, sa(&from), sizeof from), 4);
    assert_int_equal(ioth_recv(client4, buf, 2, MSG_TRUNC), 4);
    assert_memory_equal(buf, "ba", 2);
    assert_int_equal(ioth_close(server), 0);
    assert_int_equal(ioth_close(client), 0);
    assert_int_equal(ioth_close(client4), 0);
    assert_int_equal(ioth_delstack(s), 0);
}

/* A time-out of more seconds than microseconds or nanoseconds can be counted in is a long one. */
static void test_long_timeout(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in addr = in4("127.0.0.1", 53);
    int server = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);
    int client = ioth_msocket(s, AF_INET, SOCK_DGRAM, 0);
    struct timespec most = {.tv_sec = INT64_MAX / 1000000000 + 1};
    uint8_t bytes[2];
    struct iovec iov[2] = {{&bytes[0], 1}, {&bytes[1], 1}};
    struct mmsghdr msgs[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
                              {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};

    (void)state;
    assert_int_equal(ioth_bind(server, sa(&addr), sizeof addr), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ioth_sendto(client, "x", 1, 0, sa(&addr), sizeof addr), 1);
    assert_int_equal(ioth_recvmmsg(server, msgs, 2, 0, &most), 2);
    assert_int_equal(ioth_close(server), 0);
    assert_int_equal(ioth_close(client), 0);
    assert_int_equal(ioth_delstack(s), 0);
}

static void test_closed_without_us(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in addr = in4("127.0.0.1", 80);
    struct pair p;
    char byte;

    (void)state;
    pair_connect(&p, s, s, &addr, sizeof addr);
    close(p.server);
    assert_int_equal(polled(p.client, POLLIN, WAIT_MS), POLLIN);
    assert_int_equal(ioth_recv(p.client, &byte, 1, 0), 0);
    assert_int_equal(ioth_close(p.client), 0);
    assert_int_equal(ioth_close(p.listener), 0);
}

static unsigned epolled(int epoll, int ms)
{
    struct epoll_event e = {.events = 0};
    int n = ioth_epoll_wait(epoll, &e, 1, ms);

    assert_true(n >= 0);
    return n ? e.events : 0;
}

static void *send_later(void *aux)
{
    usleep(20000);
    assert_int_equal(ioth_send(*(int *)aux, "z", 1, 0), 1);
    return NULL;
}

/* Waiting that drives the stack, beside other descriptors. */
static void test_waiting(void **state)
{
    struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
    int epoll = epoll_create1(EPOLL_CLOEXEC), pipes[2];
    struct sockaddr_in addr = in4("127.0.0.1", 80);
    struct ioth *s = new_stack(NULL);
    struct pollfd fds[100];
    pthread_t thread;
    struct pair p;
    char buf[8];

    (void)state;
    pair_connect(&p, s, s, &addr, sizeof addr);
    assert_int_equal(pipe(pipes), 0);
    for (unsigned i = 0; i < 100; i++)
        fds[i] = (struct pollfd){.fd = -1};
    fds[0] = (struct pollfd){.fd = p.server, .events = POLLIN};
    fds[99] = (struct pollfd){.fd = pipes[0], .events = POLLIN};
    assert_int_equal(ioth_poll(fds, 100, 0), 0);
    assert_int_equal(ioth_poll(fds, 100, 20), 0);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(ioth_poll(fds, 100, WAIT_MS), 1);
    assert_int_equal(fds[99].revents, POLLIN);
    assert_int_equal(ioth_send(p.client, "a", 1, 0), 1);
    assert_int_equal(ioth_poll(fds, 1, WAIT_MS), 1);
    assert_int_equal(fds[0].revents, POLLIN);

    /* Edges, also where something was there to be read already. */
    assert_int_equal(ioth_epoll_ctl(epoll, EPOLL_CTL_ADD, p.server, &edge), 0);
    assert_int_equal(epolled(epoll, WAIT_MS), EPOLLIN);
    assert_int_equal(epolled(epoll, 5), 0);
    assert_int_equal(ioth_send(p.client, "b", 1, 0), 1);
    assert_int_equal(epolled(epoll, WAIT_MS), EPOLLIN);
    assert_int_equal(ioth_recv(p.server, buf, sizeof buf, 0), 2);
    assert_int_equal(epolled(epoll, 5), 0);
    assert_int_equal(polled(p.server, POLLIN, 0), 0);

    /* While another thread sends, and while one waits in a call. */
    assert_int_equal(pthread_create(&thread, NULL, send_later, &p.client), 0);
    assert_int_equal(epolled(epoll, WAIT_MS), EPOLLIN);
    pthread_join(thread, NULL);
    assert_int_equal(pthread_create(&thread, NULL, send_later, &p.server), 0);
    assert_int_equal(ioth_recv(p.client, buf, 1, 0), 1);
    pthread_join(thread, NULL);
    pair_close(&p);
    close(epoll);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(ioth_delstack(s), 0);
}

static void *send_much_later(void *aux)
{
    static const char much[3000];

    usleep(20000);
    assert_int_equal(ioth_send(*(int *)aux, much, sizeof much, 0), sizeof much);
    return NULL;
}

/* A reader that waited in a call asks poll() the next time: what it has left behind is shown without it. */
static void test_waiting_then_polling(void **state)
{
    struct sockaddr_in addr = in4("127.0.0.1", 80);
    struct ioth *s = new_stack(NULL);
    char buf[4000];
    struct pair p;

    (void)state;
    pair_connect(&p, s, s, &addr, sizeof addr);
    for (unsigned round = 0; round < 3; round++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, send_much_later, &p.client), 0);
        assert_int_equal(ioth_recv(p.server, buf, 1, 0), 1);
        pthread_join(thread, NULL);
        assert_int_equal(polled(p.server, POLLIN, WAIT_MS), POLLIN);
        assert_int_equal(ioth_recv(p.server, buf, 2998, MSG_WAITALL), 2998);
        assert_int_equal(polled(p.server, POLLIN, 0), POLLIN);
        assert_int_equal(ioth_recv(p.server, buf, sizeof buf, 0), 1);
        assert_int_equal(polled(p.server, POLLIN, 0), 0);
        assert_int_equal(ioth_recv(p.server, buf, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
    }
    pair_close(&p);
    assert_int_equal(ioth_delstack(s), 0);
}

/* One socket by several descriptors: it ends with the last, whichever that is. */
static void test_dup(void **state)
{
    struct ioth *s = new_stack(NULL);
    struct sockaddr_in addr = in4("127.0.0.1", 80);
    struct pair p;
    char c;
    int more, high;

    (void)state;
    pair_connect(&p, s, s, &addr, sizeof addr);
    more = ioth_dup(p.client);
    high = ioth_fcntl(p.client, F_DUPFD_CLOEXEC, 200);
    assert_true(more > 2 && high >= 200);
    assert_int_equal(ioth_fcntl(high, F_GETFD, 0), FD_CLOEXEC);
    assert_int_equal(ioth_close(p.client), 0);
    assert_int_equal(ioth_send(more, "x", 1, 0), 1);
    assert_int_equal(ioth_recv(p.server, &c, 1, 0), 1);
    assert_int_equal(polled(more, POLLIN, 0), 0);
    assert_int_equal(ioth_send(p.server, "y", 1, 0), 1);
    assert_int_equal(polled(high, POLLIN, 1000), POLLIN);
    assert_int_equal(ioth_close(more), 0);
    assert_int_equal(ioth_recv(high, &c, 1, 0), 1);
    assert_int_equal(c, 'y');
    assert_int_equal(polled(high, POLLIN, 0), 0);

    /* Onto another socket, which is closed by that; and the last one closed by close(). */
    assert_int_equal(ioth_dup2(high, p.listener), p.listener);
    assert_int_equal(ioth_dup2(high, high), high);
    assert_int_equal(ioth_close(high), 0);
    assert_int_equal(polled(p.server, POLLIN, 20), 0);
    close(p.listener);
    assert_int_equal(polled(p.server, POLLIN, 3000) & POLLIN, POLLIN);
    assert_int_equal(ioth_recv(p.server, &c, 1, 0), 0);
    assert_int_equal(ioth_dup(high), -1);
    assert_int_equal(errno, EBADF);
    ioth_close(p.server);
    ioth_close(p.listener); /* Of whom libioth was not told. */
    assert_int_equal(ioth_delstack(s), 0);
}

/* What is no socket of a stack is not doubled, and no descriptor is left over from it. */
static void test_dup_of_others(void **state)
{
    int other = open("/dev/null", O_RDONLY | O_CLOEXEC), next = dup(other);

    (void)state;
    assert_true(other >= 0 && next >= 0);
    close(next);
    assert_int_equal(ioth_dup(other), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(ioth_fcntl(other, F_DUPFD_CLOEXEC, 0), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(ioth_dup3(other, next, O_CLOEXEC), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(dup(other), next);
    close(next);
    close(other);
}

static void test_options(void **state)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_NODELAY, 1},   {IPPROTO_TCP, TCP_KEEPIDLE, 10},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
        {IPPROTO_IP, IP_TTL, 3},         {IPPROTO_IP, IP_TOS, 16},
        {IPPROTO_IPV6, IPV6_V6ONLY, 1},  {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9},
        {IPPROTO_IPV6, IPV6_TCLASS, 32},
    };
    struct ioth *s = new_stack(NULL);
    int fd = ioth_msocket(s, AF_INET6, SOCK_STREAM, 0), got;
    socklen_t size = sizeof got;

    (void)state;
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
        assert_int_equal(ioth_setsockopt(fd, options[i].level, options[i].name,
                                         &options[i].value, sizeof(int)),
                         0);
        assert_int_equal(
            ioth_getsockopt(fd, options[i].level, options[i].name, &got, &size), 0);
        assert_int_equal(got, options[i].value);
    }
    assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &size), 0);
    assert_int_equal(got, SOCK_STREAM);
    assert_int_equal(ioth_setsockopt(fd, IPPROTO_TCP, 999, &got, size), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    assert_int_equal(ioth_close(fd), 0);
    assert_int_equal(ioth_delstack(s), 0);
}

/* --- two stacks --------------------------------------------------------------------------------- */

static struct wire wire;
static struct ioth *left, *right;

static void configure(struct ioth *s, const char *addr4, const char *addr6)
{
    int index = ioth_if_nametoindex(s, "vde0");
    uint8_t bytes[16];

    assert_true(index > 0);
    assert_int_equal(ioth_linksetupdown(s, (unsigned)index, 1), 0);
    inet_pton(AF_INET, addr4, bytes);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET, bytes, 24, (unsigned)index), 0);
    inet_pton(AF_INET6, addr6, bytes);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET6, bytes, 64, (unsigned)index), 0);
}

static int join(void **state)
{
    (void)state;
    if (wire_start(&wire) < 0)
        return -1;
    left = new_stack("ioth://any");
    right = new_stack("ioth://any");
    configure(left, "10.1.2.1", "fd00::1");
    configure(right, "10.1.2.2", "fd00::2");
    return 0;
}

static int part(void **state)
{
    (void)state;
    assert_int_equal(ioth_delstack(left), 0);
    assert_int_equal(ioth_delstack(right), 0);
    return wire_end(&wire);
}

struct flow {
    int fd;
    size_t size, block;
    unsigned bad;
};

static uint8_t byte_at(size_t ofs)
{
    return (uint8_t)(ofs * 2654435761u >> 24);
}

static void *feed(void *aux)
{
    struct flow *f = aux;
    uint8_t *block = malloc(f->block);
    size_t done = 0;

    while (done < f->size) {
        size_t n = f->block < f->size - done ? f->block : f->size - done;

        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(done + i);
        if (ioth_send(f->fd, block, n, 0) != (ssize_t)n) {
            print_error("send: %s\n", strerror(errno));
            f->bad++;
            break;
        }
        done += n;
    }
    ioth_shutdown(f->fd, SHUT_WR);
    free(block);
    return NULL;
}

static void *drain(void *aux)
{
    struct flow *f = aux;
    uint8_t *block = malloc(f->block);
    size_t done = 0;
    ssize_t n;

    while ((n = ioth_recv(f->fd, block, f->block, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            f->bad += block[i] != byte_at(done + (size_t)i);
        done += (size_t)n;
    }
    if (n < 0 || done != f->size) {
        print_error("%zu bytes of %zu: %s\n", done, f->size, strerror(errno));
        f->bad++;
    }
    free(block);
    return NULL;
}

static void bulk(void *addr, socklen_t size, size_t total, size_t block)
{
    struct pair p;
    struct flow flows[4];
    pthread_t threads[4];

    pair_connect(&p, left, right, addr, size);
    /* In both directions at once. */
    for (unsigned i = 0; i < 4; i++) {
        flows[i] = (struct flow){.fd = i & 1 ? p.client : p.server,
                                 .size = total,
                                 .block = i < 2 ? block : 60000};
        pthread_create(&threads[i], NULL, i < 2 ? feed : drain, &flows[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(flows[i].bad, 0);
    }
    pair_close(&p);
}

/* Sixteen threads on two stacks, four connections: one of each drives, the others are handed to it. */
static void test_threads(void **state)
{
    enum { PAIRS = 4 };
    struct pair pairs[PAIRS];
    struct flow flows[4 * PAIRS];
    pthread_t threads[4 * PAIRS];

    (void)state;
    for (unsigned i = 0; i < PAIRS; i++) {
        struct sockaddr_in addr = in4("10.1.2.1", 6000 + i);

        pair_connect(&pairs[i], left, right, &addr, sizeof addr);
    }
    for (unsigned i = 0; i < 4 * PAIRS; i++) {
        const struct pair *p = &pairs[i / 4];

        flows[i] = (struct flow){.fd = i & 1 ? p->client : p->server,
                                 .size = BULK_SIZE / 16,
                                 .block = 1000 + 7001 * (i / 4)};
        pthread_create(&threads[i], NULL, i % 4 < 2 ? feed : drain, &flows[i]);
    }
    for (unsigned i = 0; i < 4 * PAIRS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(flows[i].bad, 0);
    }
    for (unsigned i = 0; i < PAIRS; i++)
        pair_close(&pairs[i]);
}

static void test_bulk4(void **state)
{
    struct sockaddr_in addr = in4("10.1.2.1", 5001);

    (void)state;
    bulk(&addr, sizeof addr, BULK_SIZE, 65536);
    /* Most of it as superframes, though the network's MTU is 1500. */
    assert_true(atomic_load(&wire.supers) > 100);
    assert_true(atomic_load(&wire.passed) < 2 * BULK_SIZE / 1460 / 2);
    bulk(&addr, sizeof addr, 1 << 20, 700);
}

/* Every hundredth frame is lost: all arrives, and soon, since nothing waits for a time-out of seconds. */
static void test_loss(void **state)
{
    struct sockaddr_in addr = in4("10.1.2.1", 5001);

    (void)state;
    atomic_store(&wire.drop_every, 100);
    bulk(&addr, sizeof addr, BULK_SIZE / 4, 65536);
    atomic_store(&wire.drop_every, 13);
    bulk(&addr, sizeof addr, 1 << 18, 3000);
    assert_true(atomic_load(&wire.dropped) > 10);
}

#ifndef IOTH_SANITIZED
/* Two stacks on networks of libvdeplug, one of which is made by the first that plugs in. */
static void over_vde(const char *first, const char *second)
{
    struct sockaddr_in addr = in4("10.1.2.1", 5001);

    left = new_stack(first);
    right = new_stack(second);
    configure(left, "10.1.2.1", "fd00::1");
    configure(right, "10.1.2.2", "fd00::2");
    bulk(&addr, sizeof addr, BULK_SIZE / 4, 65536);
    assert_int_equal(ioth_delstack(right), 0);
    assert_int_equal(ioth_delstack(left), 0);
}

#endif

/* The same without superframes and rings. The sanitizers cannot load plugins of libvdeplug. */
static void test_vde(void **state)
{
#ifdef IOTH_SANITIZED
    (void)state;
    skip();
#else
    char folder[] = "/tmp/ioth-vde-XXXXXX", ptp[64], hub[64], vde[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(ptp, sizeof ptp, "ptp://%s/wire", folder);
    over_vde(ptp, ptp);
    unlink(ptp + sizeof "ptp://" - 1);
    snprintf(hub, sizeof hub, "hub://%s/hub", folder);
    snprintf(vde, sizeof vde, "vde://%s/hub", folder);
    over_vde(hub, vde); /* A module whose descriptor is an epoll. */
    assert_int_equal(rmdir(folder), 0);
#endif
}

static void test_bulk6(void **state)
{
    struct sockaddr_in6 addr = in6("fd00::1", 5001);

    (void)state;
    bulk(&addr, sizeof addr, BULK_SIZE / 4, 65536);
}

static void test_fragments(void **state)
{
    struct sockaddr_in addr = in4("10.1.2.1", 700);
    static uint8_t sent[9000], got[9001];
    int server = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    int client = ioth_msocket(right, AF_INET, SOCK_DGRAM, 0);

    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = byte_at(i);
    assert_int_equal(ioth_bind(server, sa(&addr), sizeof addr), 0);
    assert_int_equal(ioth_sendto(client, sent, sizeof sent, 0, sa(&addr), sizeof addr),
                     sizeof sent);
    assert_int_equal(polled(server, POLLIN, WAIT_MS), POLLIN);
    assert_int_equal(ioth_recv(server, got, sizeof got, 0), sizeof sent);
    assert_memory_equal(sent, got, sizeof sent);
    assert_int_equal(ioth_close(server), 0);
    assert_int_equal(ioth_close(client), 0);
}

static void test_ifaddrs(void **state)
{
    struct ifaddrs *all;
    unsigned links = 0, four = 0, six = 0;
    uint8_t mac[6], again[6];
    char text[18];

    (void)state;
    assert_int_equal(ioth_getifaddrs(left, &all), 0);
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (strcmp(i->ifa_name, "vde0") != 0)
            continue;
        links += i->ifa_addr->sa_family == AF_PACKET;
        four += i->ifa_addr->sa_family == AF_INET;
        six += i->ifa_addr->sa_family == AF_INET6;
    }
    ioth_freeifaddrs(all);
    assert_int_equal(links, 1);
    assert_int_equal(four, 1);
    assert_int_equal(six, 2); /* One is link-local. */
    assert_int_equal(ioth_linkgetaddr(left, 2, mac), 0);
    assert_ptr_equal(ioth_ntomac(mac, text, sizeof text), text);
    assert_int_equal(ioth_macton(text, again), 1);
    assert_memory_equal(mac, again, 6);
    assert_int_equal(ioth_if_nametoindex(left, "none"), -1);
    assert_int_equal(errno, ENODEV);
}

/* What ICMP tells of a closed port reaches the socket that asked. */
static void test_icmp(void **state)
{
    struct sockaddr_in addr4 = in4("10.1.2.1", 9);
    struct sockaddr_in6 addr6 = in6("fd00::1", 9);
    int four = ioth_msocket(right, AF_INET, SOCK_DGRAM, 0);
    int six = ioth_msocket(right, AF_INET6, SOCK_DGRAM, 0);
    char byte;

    (void)state;
    assert_int_equal(ioth_connect(four, sa(&addr4), sizeof addr4), 0);
    assert_int_equal(ioth_connect(six, sa(&addr6), sizeof addr6), 0);
    assert_int_equal(ioth_send(four, "x", 1, 0), 1);
    assert_int_equal(ioth_recv(four, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(ioth_send(six, "x", 1, 0), 1);
    assert_true(polled(six, POLLIN, WAIT_MS) & POLLIN);
    assert_int_equal(ioth_recv(six, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(ioth_close(four), 0);
    assert_int_equal(ioth_close(six), 0);
}

/* A connection that takes its time: the descriptor is not writable before it is decided. */
static void test_slow_connect(void **state)
{
    struct sockaddr_in addr = in4("10.1.2.99", 9);
    int fd = ioth_msocket(right, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    (void)state;
    assert_int_equal(polled(fd, POLLOUT, 0), POLLOUT);
    assert_int_equal(ioth_connect(fd, sa(&addr), sizeof addr), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(polled(fd, POLLOUT, 0), 0);
    assert_int_equal(ioth_connect(fd, sa(&addr), sizeof addr), -1);
    assert_int_equal(errno, EALREADY);
    assert_int_equal(ioth_close(fd), 0);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_null(ioth_newstack("nonesuch", NULL));
    assert_int_equal(errno, ENOTSUP);
    assert_non_null(strstr(ioth_error(), "nonesuch"));
    assert_null(ioth_newstack("lwip", "ioth://"));
    assert_int_equal(errno, EINVAL);
    assert_null(ioth_newstack("lwip,speed", NULL));
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(ioth_error(), "speed"));
    assert_null(ioth_newstack("../lwip", NULL));
    assert_int_equal(errno, ENOTSUP);
    assert_ptr_equal(ioth_newstack(NULL, NULL), ioth_get_defstack());
    assert_int_equal(ioth_delstack(NULL), -1);
    assert_int_equal(errno, EINVAL);
}

static void test_many_stacks(void **state)
{
    enum { N = 40 };
    struct ioth *stacks[N];
    struct sockaddr_in addr = in4("127.0.0.1", 80);

    (void)state;
    for (unsigned i = 0; i < N; i++)
        stacks[i] = new_stack(NULL);
    for (unsigned i = 0; i < N; i++) {
        struct pair p;

        /* The same port in each: they are apart. */
        pair_connect(&p, stacks[i], stacks[i], &addr, sizeof addr);
        pair_close(&p);
    }
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(ioth_delstack(stacks[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_readiness),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_long_timeout),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_dup_of_others),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_waiting_then_polling),
        cmocka_unit_test(test_closed_without_us),
        cmocka_unit_test(test_many_stacks),
        cmocka_unit_test_setup_teardown(test_ifaddrs, join, part),
        cmocka_unit_test_setup_teardown(test_icmp, join, part),
        cmocka_unit_test_setup_teardown(test_slow_connect, join, part),
        cmocka_unit_test_setup_teardown(test_fragments, join, part),
        cmocka_unit_test_setup_teardown(test_threads, join, part),
        cmocka_unit_test_setup_teardown(test_bulk4, join, part),
        cmocka_unit_test_setup_teardown(test_bulk6, join, part),
        cmocka_unit_test_setup_teardown(test_loss, join, part),
        cmocka_unit_test(test_vde),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
