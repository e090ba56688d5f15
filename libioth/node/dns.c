/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/dns.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/door.h"
#include "proto/base/fd.h"
#include "proto/base/loop.h"

#define MESSAGE_MAX 4096 /* Of a query, and of a reply over TCP. */
#define PER_TURN    16   /* Datagrams, so that TCP has its turn too. */

struct server;

struct conn {
    struct loop_watch watch; /* watch.fd < 0 = free. */
    struct server *server;
    mtime_t heard;
    size_t have;
    uint8_t in[2 + MESSAGE_MAX];
};

struct listener {
    struct loop_watch watch; /* UDP. */
    struct door door;        /* TCP, Unix. */
    struct server *server;
};

struct server {
    struct loop *loop;
    answer_lookup *lookup;
    void *aux;
    struct listener listeners[DNS_SOCKETS];
    struct loop_timer idle; /* Armed while there are connections. */
    struct conn conns[DNS_CONNECTIONS];
};

static int open_one(int family, int type, unsigned port)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr *addr = family == AF_INET
                                      ? (const struct sockaddr *)(const void *)&in4
                                      : (const struct sockaddr *)(const void *)&in6;
    socklen_t size = family == AF_INET ? sizeof in4 : sizeof in6;
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    int r = 0;

    if (fd < 0)
        return -errno;
    /* So that a program of the node may still serve port 53 on all its addresses. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, addr, size) < 0 ||
        (type == SOCK_STREAM && listen(fd, DNS_CONNECTIONS) < 0))
        r = -errno;
    if (r)
        close(fd);
    return r ? r : fd;
}

int dns_open(int sockets[DNS_SOCKETS], unsigned port, struct err *err)
{
    static const struct {
        int family, type;
    } kinds[DNS_SOCKETS] = {
        [DNS_UDP4] = {AF_INET, SOCK_DGRAM},
        [DNS_UDP6] = {AF_INET6, SOCK_DGRAM},
        [DNS_TCP4] = {AF_INET, SOCK_STREAM},
        [DNS_TCP6] = {AF_INET6, SOCK_STREAM},
    };

    for (unsigned i = 0; i < DNS_SOCKETS; i++)
        sockets[i] = -1;
    for (unsigned i = 0; i < DNS_SOCKETS; i++) {
        int fd = open_one(kinds[i].family, kinds[i].type, port);

        if (fd < 0 && kinds[i].family == AF_INET6)
            continue;
        if (fd < 0) {
            for (unsigned j = 0; j < i; j++)
                fd_close(&sockets[j]);
            return err_set(err, fd, "cannot serve names on loopback: %s", err_text(fd));
        }
        sockets[i] = fd;
    }
    return 0;
}

/* --- UDP --------------------------------------------------------------------------------- */

static void udp_ready(struct loop_watch *watch, uint32_t events)
{
    struct listener *listener = list_entry(watch, struct listener, watch);
    const struct server *server = listener->server;
    uint8_t in[MESSAGE_MAX], out[MESSAGE_MAX];

    (void)events;
    for (unsigned i = 0; i < PER_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t from_size = sizeof from;
        struct sockaddr *peer = (struct sockaddr *)(void *)&from;
        ssize_t n = recvfrom(watch->fd, in, sizeof in, 0, peer, &from_size);
        size_t size;

        if (n < 0)
            return;
        size = answer_message(in, (size_t)n, true, server->lookup, server->aux, out,
                              sizeof out);
        if (size)
            (void)sendto(watch->fd, out, size, 0, peer, from_size);
    }
}

/* --- TCP --------------------------------------------------------------------------------- */

static void conn_close(struct conn *conn)
{
    int fd = conn->watch.fd;

    loop_remove(conn->server->loop, &conn->watch);
    conn->watch.fd = -1;
    fd_close(&fd);
}

/* Answers the whole messages that have come. False if the connection is of no more use. */
static bool conn_answer(struct conn *conn)
{
    const struct server *server = conn->server;
    uint8_t out[2 + MESSAGE_MAX];

    while (conn->have >= 2) {
        size_t size = (size_t)conn->in[0] << 8 | conn->in[1];
        size_t n;

        if (size > MESSAGE_MAX)
            return false;
        if (conn->have < 2 + size)
            return true;
        n = answer_message(conn->in + 2, size, false, server->lookup, server->aux, out + 2,
                           MESSAGE_MAX);
        if (n == 0)
            return false;
        out[0] = (uint8_t)(n >> 8);
        out[1] = (uint8_t)n;
        /* A client that does not read what it asked for loses the connection. */
        if (send(conn->watch.fd, out, n + 2, MSG_NOSIGNAL) != (ssize_t)(n + 2))
            return false;
        conn->have -= 2 + size;
        memmove(conn->in, conn->in + 2 + size, conn->have);
    }
    return true;
}

static void conn_ready(struct loop_watch *watch, uint32_t events)
{
    struct conn *conn = list_entry(watch, struct conn, watch);
    ssize_t n = recv(watch->fd, conn->in + conn->have, sizeof conn->in - conn->have, 0);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        conn->have += (size_t)n;
        conn->heard = loop_now(conn->server->loop);
    }
    if (n <= 0 || !conn_answer(conn))
        conn_close(conn);
}

static void idle_expired(struct loop_timer *timer, mtime_t now)
{
    struct server *server = list_entry(timer, struct server, idle);
    mtime_t next = MTIME_NEVER;

    for (unsigned i = 0; i < DNS_CONNECTIONS; i++) {
        struct conn *conn = &server->conns[i];

        if (conn->watch.fd < 0)
            continue;
        if (conn->heard + DNS_PATIENCE_SEC * MTIME_SEC <= now)
            conn_close(conn);
        else
            next = mtime_min(next, conn->heard + DNS_PATIENCE_SEC * MTIME_SEC);
    }
    loop_timer_set(server->loop, timer, next);
}

static struct conn *conn_room(struct server *server)
{
    struct conn *oldest = &server->conns[0];

    for (unsigned i = 0; i < DNS_CONNECTIONS; i++) {
        struct conn *conn = &server->conns[i];

        if (conn->watch.fd < 0)
            return conn;
        if (conn->heard < oldest->heard)
            oldest = conn;
    }
    conn_close(oldest);
    return oldest;
}

/* At a Unix socket: somebody else than this user. */
static bool is_foreign(int fd)
{
    struct fd_peer peer;
    socklen_t size = sizeof(int);
    int domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           domain == AF_UNIX && (fd_peer_get(fd, &peer) < 0 || peer.uid != geteuid());
}

static void came(struct door *door, int fd)
{
    struct server *server = list_entry(door, struct listener, door)->server;
    struct conn *conn;

    if (is_foreign(fd)) {
        close(fd);
        return;
    }
    conn = conn_room(server);
    conn->have = 0;
    conn->heard = loop_now(server->loop);
    conn->watch.ready = conn_ready;
    if (loop_add(server->loop, &conn->watch, fd, EPOLLIN)) {
        close(fd);
        conn->watch.fd = -1;
        return;
    }
    loop_timer_set(server->loop, &server->idle, loop_now(server->loop) + MTIME_SEC);
}

int dns_serve(const int sockets[DNS_SOCKETS], answer_lookup *lookup, void *aux)
{
    struct server *server = calloc(1, sizeof *server);
    int r = 0;

    if (!server)
        return -ENOMEM;
    server->lookup = lookup;
    server->aux = aux;
    server->idle.expired = idle_expired;
    server->loop = loop_new();
    if (!server->loop)
        r = -errno;
    for (unsigned i = 0; i < DNS_CONNECTIONS; i++) {
        server->conns[i].server = server;
        server->conns[i].watch.fd = -1;
    }
    for (unsigned i = 0; i < DNS_SOCKETS && r == 0; i++) {
        struct listener *listener = &server->listeners[i];

        listener->server = server;
        listener->watch.ready = udp_ready;
        if (sockets[i] >= 0)
            r = i < DNS_TCP4 ? loop_add(server->loop, &listener->watch, sockets[i], EPOLLIN)
                             : door_open(&listener->door, server->loop, sockets[i], came);
    }
    if (r == 0)
        loop_run(server->loop);
    loop_free(server->loop);
    free(server);
    return r;
}
