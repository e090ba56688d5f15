/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program is told of errors by ICMP: SO_ERROR, POLLERR, IP_RECVERR and MSG_ERRQUEUE, with the messages of
 * ioth_errors.py. It prints what it sees, which must be the same on the kernel and on a stack. Built twice: as
 * any program, and with libioth (IOTH_NATIVE), where its argument is a VNL.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#ifdef IOTH_NATIVE
#    include <ioth.h>
#    define socket     ioth_socket
#    define close      ioth_close
#    define connect    ioth_connect
#    define bind       ioth_bind
#    define setsockopt ioth_setsockopt
#    define getsockopt ioth_getsockopt
#    define send       ioth_send
#    define sendto     ioth_sendto
#    define recv       ioth_recv
#    define recvmsg    ioth_recvmsg
#    define poll       ioth_poll
#    define epoll_ctl  ioth_epoll_ctl
#    define epoll_wait ioth_epoll_wait
#endif

#define PORT_ECHO 7
#define PORT_OPEN 9
#define PROTO_OWN 200 /* Of raw sockets. */
#define WAIT_MS   3000

union address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static char line[80]; /* What is being tried. */
static bool mapped;   /* IPv4 in a socket of IPv6. */

__attribute__((format(printf, 1, 2))) static void say(const char *form, ...)
{
    va_list args;

    printf("%s: ", line);
    va_start(args, form);
    vprintf(form, args);
    va_end(args);
    putchar('\n');
}

__attribute__((noreturn)) static void die(const char *what)
{
    printf("%s: %s: %s\n", line, what, strerror(errno));
    exit(1);
}

static const char *name_of(int error)
{
    return error ? strerrorname_np(error) : "-";
}

/* --- sockets ------------------------------------------------------------------------------------ */

static union address host(int domain, unsigned last, unsigned port)
{
    union address a = {.in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
    char text[INET6_ADDRSTRLEN];

    if (domain == AF_INET) {
        snprintf(text, sizeof text, "10.74.0.%u", last);
        inet_pton(AF_INET, text, &a.in.sin_addr);
        return a;
    }
    a.in6 =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    snprintf(text, sizeof text, mapped ? "::ffff:10.74.0.%u" : "fd74::%u", last);
    inet_pton(AF_INET6, text, &a.in6.sin6_addr);
    return a;
}

static socklen_t size_of(const union address *a)
{
    return a->sa.sa_family == AF_INET ? sizeof a->in : sizeof a->in6;
}

static const char *text_of(const union address *a, unsigned i)
{
    static char text[2][80];
    char addr[INET6_ADDRSTRLEN] = "?";

    if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
        return "nobody";
    inet_ntop(a->sa.sa_family,
              a->sa.sa_family == AF_INET ? (const void *)&a->in.sin_addr
                                         : &a->in6.sin6_addr,
              addr, sizeof addr);
    snprintf(text[i], sizeof text[i], "%s port %u", addr, ntohs(a->in.sin_port));
    return text[i];
}

static void set(int fd, int level, int name, int value)
{
    if (setsockopt(fd, level, name, &value, sizeof value) < 0)
        die("setsockopt");
}

static bool is_six(int domain)
{
    return domain == AF_INET6 && !mapped;
}

static void ask(int fd, int domain, bool on)
{
    set(fd, is_six(domain) ? IPPROTO_IPV6 : IPPROTO_IP,
        is_six(domain) ? IPV6_RECVERR : IP_RECVERR, on);
}

/* Until the messages about what was sent before are there: what is sent after it comes back. */
static void settle(int domain)
{
    union address to = host(domain, 210, PORT_ECHO);
    int fd = socket(domain, SOCK_DGRAM, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char got[8];

    if (fd < 0 || connect(fd, &to.sa, size_of(&to)) < 0 || send(fd, "echo", 4, 0) != 4)
        die("echo");
    if (poll(&p, 1, WAIT_MS) != 1 || recv(fd, got, sizeof got, 0) != 4)
        die("no echo");
    close(fd);
}

/* --- what is told ------------------------------------------------------------------------------- */

static void say_poll(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 0);

    say("poll %d%s%s%s%s", n, p.revents & POLLIN ? " in" : "",
        p.revents & POLLOUT ? " out" : "", p.revents & POLLERR ? " err" : "",
        p.revents & POLLHUP ? " hup" : "");
}

static void say_error(int fd)
{
    socklen_t size = sizeof(int);
    int error = -1;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        die("SO_ERROR");
    say("SO_ERROR %s", name_of(error));
}

static void say_call(const char *call, ssize_t r)
{
    if (r < 0)
        say("%s %s", call, name_of(errno));
    else
        say("%s %zd", call, r);
}

static void say_control(const struct cmsghdr *c)
{
    struct {
        struct sock_extended_err what;
        union address offender;
    } e = {.offender.sa.sa_family = 0};
    size_t size = c->cmsg_len - CMSG_LEN(0);
    int n = 0;

    if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
        (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
        memcpy(&e, CMSG_DATA(c), size < sizeof e ? size : sizeof e);
        say("  level %d size %zu errno %s origin %u type %u code %u info %u data %u "
            "offender %s",
            c->cmsg_level, size, name_of((int)e.what.ee_errno), e.what.ee_origin,
            e.what.ee_type, e.what.ee_code, e.what.ee_info, e.what.ee_data,
            text_of(&e.offender, 0));
        return;
    }
    memcpy(&n, CMSG_DATA(c), size < sizeof n ? size : sizeof n);
    say("  level %d type %d: %d", c->cmsg_level, c->cmsg_type, n);
}

/* One of the queue; false at its end. */
static bool say_next(int fd, size_t room)
{
    char data[2048], control[512];
    struct iovec iov = {data, room};
    union address to = {.sa.sa_family = 0};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof to,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE);

    if (n < 0) {
        say("queue %s", name_of(errno));
        return false;
    }
    say("queue %zd %.*s%s%s to %s (%u)", n, (int)(n < 9 ? n : 9), data,
        m.msg_flags & MSG_ERRQUEUE ? " errqueue" : "",
        m.msg_flags & MSG_TRUNC ? " cut" : "", text_of(&to, 1), m.msg_namelen);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        say_control(c);
    return true;
}

static void say_queue(int fd)
{
    while (say_next(fd, 2048))
        ;
}

static void say_recv(int fd)
{
    char got[64];

    say_call("recv", recv(fd, got, sizeof got, MSG_DONTWAIT));
}

/* --- datagrams ---------------------------------------------------------------------------------- */

struct kase {
    int domain, type;
    unsigned kind, code;
    bool asks, connects;
};

static int open_for(const struct kase *k)
{
    int fd = socket(k->domain, k->type, k->type == SOCK_RAW ? PROTO_OWN : 0);
    bool six = is_six(k->domain);

    if (fd < 0)
        die("socket");
    set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVHOPLIMIT : IP_RECVTTL, 1);
    ask(fd, k->domain, k->asks);
    return fd;
}

static union address target(const struct kase *k)
{
    /* What is said of an MTU is remembered, of another host. */
    bool too_large = is_six(k->domain) ? k->kind == 2 : k->kind == 3 && k->code == 4;

    return host(k->domain, too_large ? 202 : 200,
                k->type == SOCK_RAW ? 0 : k->kind * 256 + k->code);
}

static ssize_t send_one(int fd, const struct kase *k)
{
    union address to = target(k);
    char data[40] = "payload-payload-payload-payload";

    if (k->type == SOCK_RAW) {
        data[0] = (char)k->kind;
        data[1] = (char)k->code;
    }
    return k->connects ? send(fd, data, 31, 0)
                       : sendto(fd, data, 31, 0, &to.sa, size_of(&to));
}

static void provoke(int fd, const struct kase *k, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        if (send_one(fd, k) < 0)
            say_call("send", -1);
    settle(k->domain);
}

static void try_datagrams(const struct kase *k)
{
    union address to = target(k);
    int fd = open_for(k);

    if (k->connects && connect(fd, &to.sa, size_of(&to)) < 0)
        die("connect");
    provoke(fd, k, 1);
    say_poll(fd);
    say_recv(fd);
    say_poll(fd);
    say_queue(fd);
    say_poll(fd);
    say_error(fd);
    /* A call for the next one, and the queue after it. */
    provoke(fd, k, 1);
    say_error(fd);
    say_error(fd);
    say_poll(fd);
    say_queue(fd);
    provoke(fd, k, 1);
    say_call("send", send_one(fd, k));
    settle(k->domain);
    say_recv(fd);
    /* Several, the second of which is the socket's error when the first is taken. */
    say_next(fd, 4);
    say_error(fd);
    say_queue(fd);
    say_error(fd);
    close(fd);
}

static const struct {
    unsigned kind, code;
} messages4[] = {{3, 0},  {3, 1},  {3, 2},  {3, 3},  {3, 4},  {3, 5},
                 {3, 6},  {3, 7},  {3, 9},  {3, 13}, {3, 15}, {3, 16},
                 {11, 0}, {11, 1}, {12, 0}, {5, 1},  {4, 0}},
  messages6[] = {{1, 0}, {1, 1}, {1, 3}, {1, 4}, {1, 6}, {1, 9}, {2, 0}, {3, 0}, {4, 1}};

static void try_all(const char *name, int domain, int type)
{
    bool six = is_six(domain);
    size_t n =
        six ? sizeof messages6 / sizeof *messages6 : sizeof messages4 / sizeof *messages4;

    for (size_t i = 0; i < n; i++)
        for (unsigned how = 0; how < 4; how++) {
            struct kase k = {.domain = domain,
                             .type = type,
                             .kind = six ? messages6[i].kind : messages4[i].kind,
                             .code = six ? messages6[i].code : messages4[i].code,
                             .asks = how & 1,
                             .connects = how & 2};

            snprintf(line, sizeof line, "%s %u/%u%s%s", name, k.kind, k.code,
                     k.asks ? " asked" : "", k.connects ? " connected" : "");
            try_datagrams(&k);
        }
}

/* --- the stack's own ---------------------------------------------------------------------------- */

static void try_large(int domain, bool connects, int how, size_t size)
{
    static const char large[100000];
    struct kase k = {
        .domain = domain, .type = SOCK_DGRAM, .asks = true, .connects = connects};
    union address to = host(domain, 203, 1);
    bool six = is_six(domain);
    int fd = open_for(&k);

    snprintf(line, sizeof line, "udp%d large %zu/%d", six ? 6 : 4, size, how);
    set(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
        how);
    if (connects && connect(fd, &to.sa, size_of(&to)) < 0)
        die("connect");
    say_call("send", connects ? send(fd, large, size, 0)
                              : sendto(fd, large, size, 0, &to.sa, size_of(&to)));
    say_poll(fd);
    say_error(fd);
    say_queue(fd);
    say_poll(fd);
    close(fd);
}

static void try_all_large(void)
{
    static const int hows[] = {IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT};
    static const size_t sizes[] = {1600, 65530, 70000};

    for (unsigned h = 0; h < 3; h++)
        for (unsigned i = hows[h] == IP_PMTUDISC_WANT; i < 3; i++)
            for (unsigned connects = 0; connects < 2; connects++) {
                try_large(AF_INET, connects, hows[h], sizes[i]);
                try_large(AF_INET6, connects, hows[h], sizes[i]);
            }
}

static void try_unasking(int domain)
{
    struct kase k = {.domain = domain,
                     .type = SOCK_DGRAM,
                     .kind = domain == AF_INET ? 3 : 1,
                     .code = domain == AF_INET ? 1 : 3,
                     .asks = true};
    int fd = open_for(&k), value = -1;
    socklen_t size = sizeof value;

    provoke(fd, &k, 1);
    (void)getsockopt(fd, domain == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                     domain == AF_INET ? IP_RECVERR : IPV6_RECVERR, &value, &size);
    say("asks %d", value);
    ask(fd, domain, false);
    say_queue(fd);
    say_error(fd);
    say_poll(fd);
    close(fd);
}

/* --- waiting ------------------------------------------------------------------------------------ */

static void try_waiting(int domain)
{
    struct kase k = {.domain = domain,
                     .type = SOCK_DGRAM,
                     .kind = domain == AF_INET ? 3 : 1,
                     .code = domain == AF_INET ? 3 : 4,
                     .asks = true,
                     .connects = true};
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x1234567890}, got;
    union address to = target(&k);
    int fd = open_for(&k), epoll = epoll_create1(0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char data[8];

    if (connect(fd, &to.sa, size_of(&to)) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        die("connect");
    /* A call that waits ends. */
    (void)!send_one(fd, &k);
    say_call("waiting recv", recv(fd, data, sizeof data, 0));
    say_queue(fd);
    (void)!send_one(fd, &k);
    say("waiting poll %d %s", poll(&p, 1, WAIT_MS),
        p.revents == POLLERR ? "err" : "otherwise");
    say_error(fd);
    say_queue(fd);
    (void)!send_one(fd, &k);
    say("waiting epoll %d", epoll_wait(epoll, &got, 1, WAIT_MS));
    say("%s %d", got.events == EPOLLERR ? "err" : "otherwise",
        got.data.u64 == 0x1234567890);
    say_recv(fd);
    say("epoll %d %s", epoll_wait(epoll, &got, 1, 0),
        got.events == EPOLLERR ? "err" : "otherwise");
    say_queue(fd);
    say("epoll %d", epoll_wait(epoll, &got, 1, 0));
    close(fd);
    close(epoll);
}

#ifndef IOTH_NATIVE
static void try_select(void)
{
    struct kase k = {
        .domain = AF_INET, .type = SOCK_DGRAM, .kind = 3, .code = 3, .asks = true};
    struct timeval second = {.tv_sec = 1};
    int fd = open_for(&k), n;
    fd_set in, out;

    provoke(fd, &k, 1);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(fd, &in);
    FD_SET(fd, &out);
    n = select(fd + 1, &in, &out, NULL, &second);
    say("select %d%s%s", n, FD_ISSET(fd, &in) ? " in" : "",
        FD_ISSET(fd, &out) ? " out" : "");
    close(fd);
}
#endif

/* --- connections -------------------------------------------------------------------------------- */

static void try_connect(int domain, unsigned kind, unsigned code)
{
    union address to = host(domain, 200, kind * 256 + code);
    int fd = socket(domain, SOCK_STREAM, 0);

    say_call("connect", connect(fd, &to.sa, size_of(&to)));
    say_error(fd);
    close(fd);
}

/* One that is open goes on, whatever is said of it. */
static void try_open(int domain, unsigned kind, unsigned code, bool asks)
{
    union address to = host(domain, 200, PORT_OPEN);
    int fd = socket(domain, SOCK_STREAM, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char data[4] = {(char)kind, (char)code, 'x', 'y'}, got[8];

    ask(fd, domain, asks);
    if (connect(fd, &to.sa, size_of(&to)) < 0)
        die("connect");
    for (unsigned i = 0; i < 2; i++) {
        say_call("send", send(fd, data, sizeof data, 0));
        /* It is told of the error before there is an answer. */
        do
            p.revents = 0;
        while (poll(&p, 1, WAIT_MS) == 1 && !(p.revents & POLLIN));
        say_error(fd);
        say_call("recv", recv(fd, got, sizeof got, 0));
        say_call("queue", recv(fd, got, sizeof got, MSG_ERRQUEUE));
    }
    close(fd);
}

static void try_connections(const char *name, int domain)
{
    bool six = domain == AF_INET6;

    for (unsigned asks = 0; asks < 2; asks++)
        for (unsigned i = 0; i < (six ? 3 : 4); i++) {
            static const unsigned four[][2] = {{3, 1}, {3, 3}, {11, 0}, {12, 0}},
                                  of_six[][2] = {{1, 3}, {1, 4}, {3, 0}};
            const unsigned *m = six ? of_six[i] : four[i];

            snprintf(line, sizeof line, "%s %u/%u%s", name, m[0], m[1],
                     asks ? " asked" : "");
            if (!asks)
                try_connect(domain, m[0], m[1]);
            try_open(domain, m[0], m[1], asks);
        }
}

static void try_others(void)
{
    try_all_large();
    snprintf(line, sizeof line, "udp4 asks no more");
    try_unasking(AF_INET);
    snprintf(line, sizeof line, "udp6 asks no more");
    try_unasking(AF_INET6);
    snprintf(line, sizeof line, "udp4 waiting");
    try_waiting(AF_INET);
    snprintf(line, sizeof line, "udp6 waiting");
    try_waiting(AF_INET6);
#ifndef IOTH_NATIVE
    snprintf(line, sizeof line, "select");
    try_select();
#endif
}

int main(int argc, char **argv)
{
#ifdef IOTH_NATIVE
    struct ioth *s = argc > 1 ? ioth_newstack("lwip", argv[1]) : NULL;

    if (!s) {
        fprintf(stderr, "error_calls: %s\n", argc > 1 ? ioth_error() : "which network?");
        return 1;
    }
    ioth_set_defstack(s);
#else
    (void)argc;
    (void)argv;
#endif
    try_all("udp4", AF_INET, SOCK_DGRAM);
    try_all("udp6", AF_INET6, SOCK_DGRAM);
    mapped = true;
    try_all("udp4 mapped", AF_INET6, SOCK_DGRAM);
    mapped = false;
    try_all("raw4", AF_INET, SOCK_RAW);
    try_all("raw6", AF_INET6, SOCK_RAW);
    try_others();
    try_connections("tcp4", AF_INET);
    try_connections("tcp6", AF_INET6);
    return 0;
}
