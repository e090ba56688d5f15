/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/ip_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <lwip/ip.h>

#include "libioth/sockets/addr.h"
#include "libioth/sockets/errq.h"
#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/mtu.h"
#include "libioth/stack/iface.h"

static struct list stalled = {&stalled, &stalled};

void ip_sock_init(struct ip_sock *u)
{
    ipopt_init(&u->sock);
    dgramq_init(&u->rx);
    dgramq_init(&u->errors);
    list_init(&u->stalled);
    u->mcast_ttl = u->mcast_hops6 = 1;
    u->mcast_loop = u->mcast_all6 = true;
    u->mcast_all4 = u->sock.domain == AF_INET;
}

void ip_sock_done(struct ip_sock *u)
{
    mcast_leave_all(u);
    list_remove(&u->stalled);
    dgramq_clear(&u->rx);
    dgramq_clear(&u->errors);
}

int ip_sock_stall(struct ip_sock *u)
{
    if (list_empty(&u->stalled))
        list_append(&stalled, &u->stalled);
    sock_changed(&u->sock, 0);
    return -EAGAIN;
}

void ip_sock_room(void)
{
    while (!list_empty(&stalled)) {
        struct ip_sock *u = list_entry(list_first(&stalled), struct ip_sock, stalled);

        list_remove(&u->stalled);
        sock_changed(&u->sock, SOCK_OUT);
    }
}

/* --- receiving ---------------------------------------------------------------------------------- */

void ip_sock_mark(struct dgram *d)
{
    d->to = *ip_current_dest_addr();
    d->if_index = netif_get_index(ip_current_input_netif());
    if (ip_current_is_v6()) {
        d->ttl = IP6H_HOPLIM(ip6_current_header());
        d->tos = (uint8_t)IP6H_TC(ip6_current_header());
    } else {
        d->ttl = IPH_TTL(ip4_current_header());
        d->tos = IPH_TOS(ip4_current_header());
    }
}

void ip_sock_came(struct ip_sock *u, const struct pbuf *p, unsigned ofs,
                  const ip_addr_t *from, uint16_t port)
{
    struct dgram *d;

    if (u->rx_shut)
        return;
    if (ip_addr_ismulticast(ip_current_dest_addr()) &&
        !mcast_wants(u, ip_current_dest_addr(), ip_current_src_addr(),
                     netif_get_index(ip_current_input_netif())))
        return;
    d = dgramq_new(&u->rx, p->tot_len - ofs, u->sock.rcv_size);
    if (!d)
        return;
    ip_sock_stamp(&u->sock, d);
    pbuf_copy_partial(p, d->data, (u16_t)d->size, (u16_t)ofs);
    d->from = *from;
    d->from_port = port;
    ip_sock_mark(d);
    dgramq_put(&u->rx, d);
    sock_changed(&u->sock, SOCK_IN);
}

struct ip_sock_controls ip_sock_controls(struct msghdr *msg)
{
    return (struct ip_sock_controls){.msg = msg,
                                     .room = msg->msg_control ? msg->msg_controllen : 0};
}

void ip_sock_control(struct ip_sock_controls *c, int level, int type, const void *data,
                     size_t size)
{
    struct cmsghdr head = {
        .cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
    uint8_t *at = (uint8_t *)c->msg->msg_control + c->used;

    if (c->room - c->used < CMSG_LEN(size)) {
        c->msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    memcpy(at, &head, sizeof head);
    memcpy(at + CMSG_LEN(0), data, size);
    c->used += CMSG_SPACE(size) < c->room - c->used ? CMSG_SPACE(size) : c->room - c->used;
}

void ip_sock_stamp(const struct sock *s, struct dgram *d)
{
    if (s->stamps != SOCK_STAMPS_NONE)
        clock_gettime(CLOCK_REALTIME, &d->at);
}

void ip_sock_put_general(const struct sock *s, const struct dgram *d, uint64_t dropped,
                         struct ip_sock_controls *c)
{
    struct timeval tv = {.tv_sec = d->at.tv_sec, .tv_usec = d->at.tv_nsec / 1000};
    uint32_t n = (uint32_t)dropped;

    if (s->stamps == SOCK_STAMPS_US && d->at.tv_sec)
        ip_sock_control(c, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof tv);
    if (s->stamps == SOCK_STAMPS_NS && d->at.tv_sec)
        ip_sock_control(c, SOL_SOCKET, SCM_TIMESTAMPNS, &d->at, sizeof d->at);
    if (s->tells_drops && dropped)
        ip_sock_control(c, SOL_SOCKET, SO_RXQ_OVFL, &n, sizeof n);
}

void ip_sock_put_controls(const struct ip_sock *u, const struct dgram *d,
                          struct ip_sock_controls *c)
{
    int n;

    ip_sock_put_general(&u->sock, d, u->rx.dropped, c);
    if (u->info4 && IP_IS_V4(&d->to)) {
        struct in_pktinfo info = {.ipi_ifindex = d->if_index};

        info.ipi_addr.s_addr = info.ipi_spec_dst.s_addr = ip_2_ip4(&d->to)->addr;
        ip_sock_control(c, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (u->info6 && u->sock.domain == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_ifindex = d->if_index};
        struct sockaddr_in6 to;
        socklen_t size = sizeof to;

        addr_put(AF_INET6, &d->to, 0, (struct sockaddr *)(void *)&to, &size);
        info.ipi6_addr = to.sin6_addr;
        ip_sock_control(c, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    n = d->ttl;
    if (u->recv_ttl && IP_IS_V4(&d->to))
        ip_sock_control(c, IPPROTO_IP, IP_TTL, &n, sizeof n);
    if (u->recv_hops6 && IP_IS_V6(&d->to))
        ip_sock_control(c, IPPROTO_IPV6, IPV6_HOPLIMIT, &n, sizeof n);
    if (u->recv_old_hops6 && IP_IS_V6(&d->to))
        ip_sock_control(c, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &n, sizeof n);
    if (u->recv_tos && IP_IS_V4(&d->to))
        ip_sock_control(c, IPPROTO_IP, IP_TOS, &d->tos, sizeof d->tos);
    n = d->tos;
    if (u->recv_tclass6 && IP_IS_V6(&d->to))
        ip_sock_control(c, IPPROTO_IPV6, IPV6_TCLASS, &n, sizeof n);
}

ssize_t ip_sock_recv(struct sock *s, struct msghdr *msg, int flags)
{
    struct ip_sock *u = ip_sock_of(s);
    struct dgram *d = dgramq_first(&u->rx);
    struct ip_sock_controls c;
    ssize_t n;

    if (s->error)
        return -sock_take_error(s);
    if (!d)
        return u->rx_shut ? 0 : -EAGAIN;
    n = dgramq_copy(d, msg, flags);
    if (msg->msg_name)
        addr_put(s->domain, &d->from, d->from_port, msg->msg_name, &msg->msg_namelen);
    c = ip_sock_controls(msg);
    ip_sock_put_controls(u, d, &c);
    msg->msg_controllen = c.used;
    if (!(flags & MSG_PEEK)) {
        s->came_at = d->at;
        dgramq_pop(&u->rx);
        sock_changed(s, 0);
    }
    return n;
}

unsigned ip_sock_ready(const struct sock *s)
{
    const struct ip_sock *u = (const struct ip_sock *)(const void *)s;

    return (dgramq_first(&u->rx) || u->rx_shut ? SOCK_IN : 0) |
           (s->error || dgramq_first(&u->errors) ? SOCK_ERR : 0) |
           (list_empty(&u->stalled) ? SOCK_OUT : 0) | (u->rx_shut ? SOCK_RDHUP : 0);
}

size_t ip_sock_pending(const struct sock *s)
{
    const struct dgram *d = dgramq_first(&((const struct ip_sock *)(const void *)s)->rx);

    return d ? d->size : 0;
}

int ip_sock_shutdown(struct sock *s, int how)
{
    struct ip_sock *u = ip_sock_of(s);

    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (!u->connected)
        return -ENOTCONN;
    u->rx_shut = u->rx_shut || how != SHUT_WR;
    u->tx_shut = u->tx_shut || how != SHUT_RD;
    sock_changed(s, SOCK_IN | SOCK_OUT);
    return 0;
}

/* --- sending ------------------------------------------------------------------------------------ */

/* A number of a control message, from `least` on. -EINVAL. */
static int control_number(const struct cmsghdr *c, int least, int *out)
{
    int n;

    if (c->cmsg_len == CMSG_LEN(1))
        n = *(const uint8_t *)CMSG_DATA(c);
    else if (c->cmsg_len == CMSG_LEN(sizeof n))
        memcpy(&n, CMSG_DATA(c), sizeof n);
    else
        return -EINVAL;
    if (n < least || n > 255)
        return -EINVAL;
    *out = n;
    return 0;
}

/* How this one message is to be sent; -ENOPROTOOPT: another control message. */
static int way_number(const struct ip_sock *u, const struct cmsghdr *c,
                      struct ip_sock_way *way)
{
    bool six = c->cmsg_level == IPPROTO_IPV6 && u->sock.domain == AF_INET6;

    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
        return control_number(c, 1, &way->ttl);
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
        return control_number(c, 0, &way->tos);
    if (six && c->cmsg_type == IPV6_HOPLIMIT)
        return control_number(c, -1, &way->ttl);
    if (six && c->cmsg_type == IPV6_TCLASS)
        return control_number(c, -1, &way->tos);
    return -ENOPROTOOPT;
}

bool ip_sock_lend(const struct ip_sock_way *way, struct ip_pcb *pcb)
{
    if (way->ttl >= 0)
        pcb->ttl = (u8_t)way->ttl;
    if (way->tos >= 0)
        pcb->tos = (u8_t)way->tos;
    return way->ttl >= 0 || way->tos >= 0 || way->is_lo;
}

static int way_control(struct ip_sock *u, const struct cmsghdr *c, struct ip_sock_way *way)
{
    struct in_pktinfo info4;
    struct in6_pktinfo info6;
    const struct iface *i;
    unsigned index;

    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
        c->cmsg_len >= CMSG_LEN(sizeof info4)) {
        memcpy(&info4, CMSG_DATA(c), sizeof info4);
        index = (unsigned)info4.ipi_ifindex;
        way->has_from = info4.ipi_spec_dst.s_addr != 0;
        IP_SET_TYPE(&way->from, IPADDR_TYPE_V4);
        ip_2_ip4(&way->from)->addr = info4.ipi_spec_dst.s_addr;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
               u->sock.domain == AF_INET6 && c->cmsg_len >= CMSG_LEN(sizeof info6)) {
        struct sockaddr_in6 from = {.sin6_family = AF_INET6};
        uint16_t port;

        memcpy(&info6, CMSG_DATA(c), sizeof info6);
        index = info6.ipi6_ifindex;
        from.sin6_addr = info6.ipi6_addr;
        from.sin6_scope_id = index;
        way->has_from = !IN6_IS_ADDR_UNSPECIFIED(&info6.ipi6_addr);
        if (addr_get(AF_INET6, false, (const struct sockaddr *)(const void *)&from,
                     sizeof from, &way->from, &port) < 0)
            return -EINVAL;
    } else {
        int r = way_number(u, c, way);

        return r == -ENOPROTOOPT ? 0 : r;
    }
    if (way->has_from && !ipopt_is_local(&way->from))
        return -EADDRNOTAVAIL;
    if (index) {
        i = iface_by_index(index);
        if (!i)
            return -ENODEV;
        way->netif = netif_get_by_index((u8_t)index);
    }
    return 0;
}

int ip_sock_way(struct ip_sock *u, const struct msghdr *msg, struct ip_sock_way *way)
{
    struct msghdr m = *msg; /* CMSG_NXTHDR wants one that it might change. */
    int r = 0;

    *way = (struct ip_sock_way){.port = u->remote_port, .ttl = -1, .tos = -1};
    if (msg->msg_name && msg->msg_namelen) {
        r = addr_get(u->sock.domain, u->sock.only_v6, msg->msg_name, msg->msg_namelen,
                     &way->to, &way->port);
    } else if (u->connected) {
        way->to = u->remote_ip;
    } else {
        r = -EDESTADDRREQ;
    }
    if (r < 0)
        return r;
    if (ip_addr_isany(&way->to))
        ip_addr_copy(way->to,
                     *(IP_IS_V4(&way->to) ? ipopt_loopback4() : ipopt_loopback6()));
    if (u->sock.bound_if)
        way->netif = netif_get_by_index((u8_t)u->sock.bound_if);
    else if (ip_addr_ismulticast(&way->to) && u->mcast_if)
        way->netif = netif_get_by_index((u8_t)u->mcast_if);
    for (const struct cmsghdr *c = m.msg_control ? CMSG_FIRSTHDR(&m) : NULL; c && r == 0;
         c = CMSG_NXTHDR(&m, (struct cmsghdr *)(uintptr_t)c))
        r = way_control(u, c, way);
    if (r == 0 && !way->netif)
        way->netif = ip_route(way->has_from        ? &way->from
                              : IP_IS_V6(&way->to) ? IP6_ADDR_ANY
                                                   : IP4_ADDR_ANY,
                              &way->to);
    if (r == 0 && !way->netif)
        r = -ENETUNREACH;
    way->is_lo = ip_addr_ismulticast(&way->to) && way->netif == iface_netif(iface_lo());
    if (r == 0 && IP_IS_V4(&way->to) && !u->sock.broadcast &&
        ip4_addr_isbroadcast(ip_2_ip4(&way->to), way->netif))
        r = -EACCES;
    return r;
}

int ip_sock_fits(struct ip_sock *u, const struct ip_sock_way *way, size_t size)
{
    int r = mtu_send(&u->sock, &way->to, way->netif, size);

    if (r == -EMSGSIZE)
        errq_too_large(u, way, mtu_of(&u->sock, &way->to, way->netif));
    return r;
}

/* --- options ------------------------------------------------------------------------------------ */

static bool *wish(struct ip_sock *u, int level, int name)
{
    if (!ipopt_has_level(&u->sock, level))
        return NULL;
    if (level == IPPROTO_IP)
        return name == IP_PKTINFO   ? &u->info4
               : name == IP_RECVTTL ? &u->recv_ttl
               : name == IP_RECVTOS ? &u->recv_tos
                                    : NULL;
    if (level == IPPROTO_IPV6)
        return name == IPV6_RECVPKTINFO    ? &u->info6
               : name == IPV6_RECVHOPLIMIT ? &u->recv_hops6
               : name == IPV6_RECVTCLASS   ? &u->recv_tclass6
               : name == IPV6_2292HOPLIMIT ? &u->recv_old_hops6
                                           : NULL;
    return NULL;
}

int ip_sock_getopt(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    struct ip_sock *u = ip_sock_of(s);
    const bool *wished = wish(u, level, name);
    int r;

    if (level == SOL_SOCKET)
        return sock_getopt(s, name, value, size);
    if (!ipopt_has_level(s, level))
        return -ENOPROTOOPT;
    if (wished)
        return sock_opt_put_int(value, size, *wished);
    r = mtu_getopt(s, u->connected ? &u->remote_ip : NULL, level, name, value, size);
    if (r != -ENOPROTOOPT)
        return r;
    r = mcast_getopt(u, level, name, value, size);
    return r == -ENOPROTOOPT ? ipopt_get(s, level, name, value, size) : r;
}

int ip_sock_setopt(struct sock *s, int level, int name, const void *value, socklen_t size)
{
    struct ip_sock *u = ip_sock_of(s);
    bool *wished = wish(u, level, name);
    int r;

    if (level == SOL_SOCKET)
        return sock_setopt(s, name, value, size);
    if (!ipopt_has_level(s, level))
        return -ENOPROTOOPT;
    if (wished)
        return sock_opt_bool(value, size, wished);
    r = mtu_setopt(s, level, name, value, size);
    if (r != -ENOPROTOOPT)
        return r;
    r = mcast_setopt(u, level, name, value, size);
    if (r != -ENOPROTOOPT)
        return r;
    r = ipopt_set(s, level, name, value, size);
    if (r == 0)
        errq_asked(u);
    return r;
}
