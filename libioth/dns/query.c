/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One question to the name servers, by c-ares, whose sockets are those of a stack: it has servers in turn,
 * growing time-outs, random ids and ports, EDNS0 and the way back from it, and TCP for what is cut.
 */
#include <ares.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/dns/resolver.h"

#define EDNS_SIZE                                                                          \
    1232 /* What goes through everywhere without fragments (DNS flag day 2020). */
#define TRIES 3

struct question {
    struct ioth *stack;
    const struct dns_setting *set;
    struct dns_answer *out;
    int result; /* 1: none yet. */
};

/* --- the sockets -------------------------------------------------------------------------------- */

static ares_socket_t open_socket(int domain, int type, int protocol, void *aux)
{
    const struct question *q = aux;

    return ioth_msocket(q->stack, domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *aux)
{
    (void)aux;
    return ioth_close(fd);
}

/* c-ares knows no scopes. */
static int connect_socket(ares_socket_t fd, const struct sockaddr *addr,
                          ares_socklen_t size, void *aux)
{
    const struct question *q = aux;
    struct sockaddr_in6 in6;

    if (addr->sa_family != AF_INET6 || size != sizeof in6)
        return ioth_connect(fd, addr, size);
    memcpy(&in6, addr, sizeof in6);
    for (unsigned i = 0; i < q->set->n_servers; i++) {
        if (!memcmp(&q->set->servers[i].sin6_addr, &in6.sin6_addr, sizeof in6.sin6_addr))
            in6.sin6_scope_id = q->set->servers[i].sin6_scope_id;
    }
    return ioth_connect(fd, (const struct sockaddr *)&in6, sizeof in6);
}

static ares_ssize_t receive(ares_socket_t fd, void *data, size_t size, int flags,
                            struct sockaddr *from, ares_socklen_t *from_size, void *aux)
{
    (void)aux;
    return ioth_recvfrom(fd, data, size, flags, from, from_size);
}

static ares_ssize_t send_pieces(ares_socket_t fd, const struct iovec *iov, int n, void *aux)
{
    const struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                               .msg_iovlen = (size_t)n};

    (void)aux;
    return ioth_sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static const struct ares_socket_functions sockets = {
    .asocket = open_socket,
    .aclose = close_socket,
    .aconnect = connect_socket,
    .arecvfrom = receive,
    .asendv = send_pieces,
};

/* --- a channel ----------------------------------------------------------------------------------- */

static int set_servers(ares_channel channel, const struct dns_setting *set)
{
    struct ares_addr_port_node nodes[IOTHDNS_MAXNS];

    memset(nodes, 0, sizeof nodes);
    for (unsigned i = 0; i < set->n_servers; i++) {
        const struct in6_addr *a = &set->servers[i].sin6_addr;

        nodes[i].next = i + 1 < set->n_servers ? &nodes[i + 1] : NULL;
        nodes[i].udp_port = nodes[i].tcp_port = ntohs(set->servers[i].sin6_port);
        nodes[i].family = IN6_IS_ADDR_V4MAPPED(a) ? AF_INET : AF_INET6;
        if (nodes[i].family == AF_INET)
            memcpy(&nodes[i].addr.addr4, a->s6_addr + 12, 4);
        else
            memcpy(&nodes[i].addr.addr6, a, 16);
    }
    return ares_set_servers_ports(channel, nodes) == ARES_SUCCESS ? 0 : -ENOMEM;
}

/* Everything is set here, so that it looks into no file. */
static int open_channel(ares_channel *out, bool tcp)
{
    char lookups[] = "b";
    struct ares_options o = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                 (tcp ? ARES_FLAG_USEVC : 0),
        .timeout = IOTHDNS_TIMEOUT_MS,
        .tries = TRIES,
        .ndots = 1,
        .lookups = lookups,
        .ednspsz = EDNS_SIZE,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
               ARES_OPT_SORTLIST;

    return ares_init_options(out, &o, mask) == ARES_SUCCESS ? 0 : -ENOMEM;
}

static int result_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return 0;
    case ARES_ENOTFOUND:
        return -ENOENT;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
        return -ETIMEDOUT;
    case ARES_EBADNAME:
        return -EINVAL;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EFORMERR:
    case ARES_EBADRESP:
        return -EBADMSG;
    default:
        return -EIO;
    }
}

static void answered(void *aux, int status, int timeouts, unsigned char *data, int size)
{
    struct question *q = aux;

    (void)timeouts;
    q->result = result_of(status);
    if (!data || size <= 0)
        return;
    q->out->data = malloc((size_t)size);
    if (!q->out->data)
        return;
    memcpy(q->out->data, data, (size_t)size);
    q->out->size = (size_t)size;
}

static void process(ares_channel channel)
{
    ares_socket_t all[ARES_GETSOCK_MAXNUM];
    struct pollfd fds[ARES_GETSOCK_MAXNUM];
    int bits = ares_getsock(channel, all, ARES_GETSOCK_MAXNUM);
    struct timeval most = {.tv_sec = 1}, tv;
    struct timeval *wait = ares_timeout(channel, &most, &tv);
    nfds_t n = 0;

    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = (short)((ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
                               (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0));

        if (events)
            fds[n++] = (struct pollfd){.fd = all[i], .events = events};
    }
    if (poll(fds, n, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) + 1) <= 0) {
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        return;
    }
    for (nfds_t i = 0; i < n; i++) {
        bool in = fds[i].revents & (POLLIN | POLLHUP | POLLERR);
        bool out = fds[i].revents & (POLLOUT | POLLERR);

        if (in || out)
            ares_process_fd(channel, in ? fds[i].fd : ARES_SOCKET_BAD,
                            out ? fds[i].fd : ARES_SOCKET_BAD);
    }
}

int dns_query(struct ioth *stack, const struct dns_setting *set, const char *name, int type,
              bool tcp, struct dns_answer *out)
{
    struct question q = {.stack = stack, .set = set, .out = out, .result = 1};
    ares_channel channel;
    int r;

    *out = (struct dns_answer){.data = NULL};
    if (set->n_servers == 0)
        return -ENOTCONN;
    r = open_channel(&channel, tcp);
    if (r < 0)
        return r;
    r = set_servers(channel, set);
    if (r == 0) {
        ares_set_socket_functions(channel, &sockets, &q);
        ares_query(channel, name, IOTHDNS_CLASS_IN, type, answered, &q);
        while (q.result > 0)
            process(channel);
        r = q.result;
    }
    ares_destroy(channel);
    return r < 0 || out->data ? r : -ENOMEM;
}
