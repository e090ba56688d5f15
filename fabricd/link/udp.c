/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket: buffers, offloads, addresses, and messages of many datagrams. */
#include <errno.h>
#include <linux/udp.h>
#include <string.h>

#include "fabricd/link/link_internal.h"
#include "proto/link/session.h"

#define BUFFER_SIZE (8 << 20)

static void set_buffer(int fd, int forced, int plain)
{
    int size = BUFFER_SIZE;
    int now = 0;
    socklen_t now_size = sizeof now;

    /* The parent, who has the privilege where anybody has, may have done it. */
    if (getsockopt(fd, SOL_SOCKET, plain, &now, &now_size) == 0 && now >= BUFFER_SIZE)
        return;
    /* More than the machine's limit needs a privilege; the limit will do without. */
    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
}

int udp_prepare(struct link *l, int fd)
{
    union link_sockaddr bound;
    socklen_t size = sizeof bound;
    int on = 1, probe4 = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;

    if (getsockname(fd, &bound.sa, &size) < 0)
        return -errno;
    l->family = bound.sa.sa_family;
    if (l->family != AF_INET && l->family != AF_INET6)
        return -EAFNOSUPPORT;
    set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    /* Datagrams are never fragmented on the way, and the kernel's idea of the path's MTU, which
     * anybody's ICMP may change, is not asked. */
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe4, sizeof probe4);
    if (l->family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof probe6);
    setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    l->no_gso = false;
    return 0;
}

socklen_t udp_to_sockaddr(const struct link *l, const struct link_addr *a,
                          union link_sockaddr *sa)
{
    memset(sa, 0, sizeof *sa);
    if (l->family == AF_INET) {
        if (a->family != 4)
            return 0;
        sa->in.sin_family = AF_INET;
        sa->in.sin_port = htons(a->port);
        memcpy(&sa->in.sin_addr, a->addr, 4);
        return sizeof sa->in;
    }
    sa->in6.sin6_family = AF_INET6;
    sa->in6.sin6_port = htons(a->port);
    if (a->family == 4) { /* ::ffff:a.b.c.d */
        memset(sa->in6.sin6_addr.s6_addr + 10, 0xff, 2);
        memcpy(sa->in6.sin6_addr.s6_addr + 12, a->addr, 4);
    } else {
        memcpy(&sa->in6.sin6_addr, a->addr, 16);
    }
    return sizeof sa->in6;
}

void udp_from_sockaddr(const union link_sockaddr *sa, struct link_addr *a)
{
    memset(a, 0, sizeof *a);
    if (sa->sa.sa_family == AF_INET) {
        a->family = 4;
        a->port = ntohs(sa->in.sin_port);
        memcpy(a->addr, &sa->in.sin_addr, 4);
        return;
    }
    a->port = ntohs(sa->in6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&sa->in6.sin6_addr)) {
        a->family = 4;
        memcpy(a->addr, sa->in6.sin6_addr.s6_addr + 12, 4);
    } else {
        a->family = 6;
        memcpy(a->addr, &sa->in6.sin6_addr, 16);
    }
}

int udp_send(struct link *l, const struct link_addr *to, const uint8_t *data, size_t size)
{
    union link_sockaddr sa;
    socklen_t sa_size = udp_to_sockaddr(l, to, &sa);

    if (l->watch.fd < 0 || sa_size == 0)
        return -ENOTCONN;
    return sendto(l->watch.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, &sa.sa, sa_size) < 0
               ? -errno
               : 0;
}

/* The kernel refused a message: the route cannot do UDP_SEGMENT, or the datagrams are too big. */
static void send_singly(struct link *l, const struct iovec *iov, size_t each)
{
    const uint8_t *p = iov->iov_base;

    for (size_t at = 0; at < iov->iov_len; at += each) {
        size_t size = iov->iov_len - at < each ? iov->iov_len - at : each;
        int code = udp_send(l, &l->tx.peer->addr, p + at, size);

        if (code == -EMSGSIZE)
            hub_too_big(
                l->tx.peer,
                size + (l->tx.peer->addr.family == 4 ? DATAGRAM_UNDER4 : DATAGRAM_UNDER6),
                loop_now(l->loop));
        if (code < 0)
            l->tx.lost++;
    }
}

static size_t each_of(const struct link_tx *tx, unsigned i)
{
    struct msghdr m = tx->messages[i].msg_hdr;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    uint16_t size;

    if (!c)
        return tx->iov[i].iov_len;
    memcpy(&size, CMSG_DATA(c), sizeof size);
    return size;
}

void udp_flush(struct link *l)
{
    struct link_tx *tx = &l->tx;
    unsigned done = 0;

    while (done < tx->n) {
        int sent = sendmmsg(l->watch.fd, tx->messages + done, tx->n - done,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        size_t each = each_of(tx, done);

        if (sent > 0) {
            done += (unsigned)sent;
            continue;
        }
        if (errno == EIO)
            l->no_gso = true;
        if (errno == EIO || errno == EINVAL || errno == EMSGSIZE)
            send_singly(l, &tx->iov[done], each);
        else
            tx->lost += (unsigned)((tx->iov[done].iov_len + each - 1) / each);
        done++;
    }
    tx->n = 0;
    tx->used = 0;
    tx->run_size = 0;
}
