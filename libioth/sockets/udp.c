/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UDP sockets over lwIP's raw API. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <lwip/udp.h>

#include "libioth/sockets/addr.h"
#include "libioth/sockets/errq.h"
#include "libioth/sockets/icmp.h"
#include "libioth/sockets/ip_sock.h"
#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/kinds.h"
#include "libioth/sockets/mtu.h"

/* With the headers that pbuf and IP count in 16 bits. */
#define SIZE_MAX4   (0xffffu - 20 - 8)
#define SIZE_MAX6   (0xffffu - 40 - 8)
#define COUNTED_MAX 0xffffu /* Of more Linux says nothing where it is of IPv4. */

struct udp_sock {
    struct ip_sock ip;
    struct udp_pcb *pcb;
};

static struct udp_sock *udp_of(struct sock *s)
{
    return (struct udp_sock *)(void *)s;
}

static void apply(struct udp_sock *u)
{
    const struct ip_sock *ip = &u->ip;

    ipopt_apply(&ip->sock, (struct ip_pcb *)(void *)u->pcb);
    udp_set_multicast_ttl(u->pcb,
                          ip->sock.domain == AF_INET6 ? ip->mcast_hops6 : ip->mcast_ttl);
    if (ip->mcast_loop)
        udp_set_flags(u->pcb, UDP_FLAGS_MULTICAST_LOOP);
    else
        udp_clear_flags(u->pcb, UDP_FLAGS_MULTICAST_LOOP);
    if (ip->sock.no_check && ip->sock.domain == AF_INET)
        udp_set_flags(u->pcb, UDP_FLAGS_NOCHKSUM);
    else
        udp_clear_flags(u->pcb, UDP_FLAGS_NOCHKSUM);
}

static void on_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                    u16_t port)
{
    struct udp_sock *u = arg;

    (void)pcb;
    ip_sock_came(&u->ip, p, 0, from, port);
    pbuf_free(p);
}

/* How well a socket fits a packet that one of them has sent; 0: it has not. */
static unsigned fitness(const struct udp_pcb *pcb, const struct mtu_packet *p)
{
    bool connected = pcb->flags & UDP_FLAGS_CONNECTED;

    if (pcb->recv != on_recv || pcb->local_port != p->from_port ||
        !ipopt_may_send(&pcb->local_ip, &p->from))
        return 0;
    if (connected &&
        (pcb->remote_port != p->to_port || !ip_addr_eq(&pcb->remote_ip, &p->to)))
        return 0;
    return connected ? 3 : ip_addr_isany(&pcb->local_ip) ? 1 : 2;
}

/* Of how a path takes large packets some sockets do not want to hear, and some ask for no answer. */
static bool heeds_mtu(const struct sock *s, bool ip6)
{
    return !ip6 || (s->pmtu6 != IP_PMTUDISC_INTERFACE && s->pmtu6 != IP_PMTUDISC_OMIT);
}

void udp_sock_failed(const struct icmp_failure *f)
{
    struct icmp_failure told = *f;
    struct udp_sock *u = NULL;
    unsigned best = 0, n;

    for (struct udp_pcb *pcb = udp_pcbs; pcb; pcb = pcb->next) {
        n = fitness(pcb, &f->packet);
        if (n > best) {
            best = n;
            u = pcb->recv_arg;
        }
    }
    if (!u || (f->too_large && !heeds_mtu(&u->ip.sock, f->ip6)))
        return;
    if (f->too_large)
        told.is_final = (f->ip6 ? u->ip.sock.pmtu6 : u->ip.sock.pmtu4) != IP_PMTUDISC_DONT;
    errq_came(&u->ip, &told, f->packet.to_port, f->l4_ofs + UDP_HLEN);
}

/* One that has just sent such a packet. */
static const struct udp_pcb *sender(const struct mtu_packet *p)
{
    for (const struct udp_pcb *pcb = udp_pcbs; pcb; pcb = pcb->next) {
        const struct udp_sock *u = pcb->recv_arg;

        if (pcb->recv == on_recv && pcb->local_port == p->from_port &&
            u->ip.last_port == p->to_port && ip_addr_eq(&u->ip.last_ip, &p->to) &&
            (ip_addr_isany(&pcb->local_ip) || ip_addr_eq(&pcb->local_ip, &p->from)))
            return pcb;
    }
    return NULL;
}

bool udp_sock_sent(const struct mtu_packet *p)
{
    return sender(p) != NULL;
}

static int bind_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct udp_sock *u = udp_of(s);
    ip_addr_t ip;
    u16_t port;
    int r = addr_get(s->domain, s->only_v6, sa, size, &ip, &port);

    if (r == 0 && u->pcb->local_port)
        r = -EINVAL;
    if (r == 0 && !s->free_bind && !ipopt_is_local(&ip) && !ip_addr_ismulticast(&ip))
        r = -EADDRNOTAVAIL;
    if (r < 0)
        return r;
    if (s->domain == AF_INET6 && ip_addr_isany(&ip))
        IP_SET_TYPE(&ip, s->only_v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY);
    return addr_error(udp_bind(u->pcb, &ip, port));
}

static int connect_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct udp_sock *u = udp_of(s);
    ip_addr_t ip;
    u16_t port;
    int r;

    if (sa && size >= sizeof sa->sa_family && sa->sa_family == AF_UNSPEC) {
        udp_disconnect(u->pcb);
        u->ip.connected = false;
        return 0;
    }
    r = addr_get(s->domain, s->only_v6, sa, size, &ip, &port);
    if (r < 0)
        return r;
    if (ip_addr_isany(&ip))
        ip_addr_copy(ip, *(IP_IS_V4(&ip) ? ipopt_loopback4() : ipopt_loopback6()));
    if (ip_addr_isany(&u->pcb->local_ip)) {
        /* So that getsockname() tells who we are to this peer. */
        struct netif *netif = ip_route(&u->pcb->local_ip, &ip);
        const ip_addr_t *own = netif ? ip_netif_get_local_ip(netif, &ip) : NULL;

        if (!netif)
            return -ENETUNREACH;
        if (own && !u->pcb->local_port) {
            r = addr_error(udp_bind(u->pcb, own, 0));
            if (r < 0)
                return r;
        }
    }
    r = addr_error(udp_connect(u->pcb, &ip, port));
    if (r < 0)
        return r;
    u->ip.connected = true;
    u->ip.remote_ip = ip;
    u->ip.remote_port = port;
    return 0;
}

static int name_sock(struct sock *s, bool peer, struct sockaddr *sa, socklen_t *size)
{
    const struct udp_sock *u = udp_of(s);

    if (peer && !u->ip.connected)
        return -ENOTCONN;
    if (peer)
        addr_put(s->domain, &u->ip.remote_ip, u->ip.remote_port, sa, size);
    else
        addr_put(s->domain, &u->pcb->local_ip, u->pcb->local_port, sa, size);
    return 0;
}

static int send_pbuf(struct udp_sock *u, struct pbuf *p, const struct ip_sock_way *way)
{
    const ip_addr_t *from =
        way->has_from ? &way->from
        : !ip_addr_isany(&u->pcb->local_ip) && !ip_addr_ismulticast(&u->pcb->local_ip)
            ? &u->pcb->local_ip
            : ip_netif_get_local_ip(way->netif, &way->to);
    err_t err;
    int r;

    if (!from)
        return -EADDRNOTAVAIL;
    r = ip_sock_fits(&u->ip, way, p->tot_len + UDP_HLEN);
    if (r < 0)
        return r;
    u->ip.last_ip = way->to;
    u->ip.last_port = way->port;
    if (ip_sock_lend(way, (struct ip_pcb *)(void *)u->pcb)) {
        if (way->ttl >= 0)
            udp_set_multicast_ttl(u->pcb, (u8_t)way->ttl);
        udp_clear_flags(u->pcb, way->is_lo ? UDP_FLAGS_MULTICAST_LOOP : 0);
        err = udp_sendto_if_src(u->pcb, p, &way->to, way->port, way->netif, from);
        apply(u);
    } else {
        err = udp_sendto_if_src(u->pcb, p, &way->to, way->port, way->netif, from);
    }
    mtu_sent();
    return err == ERR_MEM ? ip_sock_stall(&u->ip) : addr_error(err);
}

static ssize_t send_sock(struct sock *s, const struct msghdr *msg, int flags)
{
    struct udp_sock *u = udp_of(s);
    size_t size = sock_iov_size(msg);
    struct ip_sock_way way;
    struct pbuf *p;
    int r = ip_sock_way(&u->ip, msg, &way);

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (u->ip.tx_shut)
        return -EPIPE;
    if (s->error)
        r = -sock_take_error(s);
    if (r == 0 && way.port == 0)
        r = -EINVAL;
    if (r == 0 && size > (IP_IS_V4(&way.to) ? SIZE_MAX4 : SIZE_MAX6)) {
        if (IP_IS_V6(&way.to) || size <= COUNTED_MAX)
            errq_too_large(&u->ip, &way, mtu_of(s, &way.to, way.netif));
        r = -EMSGSIZE;
    }
    if (r == 0 && !u->pcb->local_port) {
        ip_addr_t any = u->pcb->local_ip;

        r = addr_error(udp_bind(u->pcb, &any, 0));
    }
    if (r < 0)
        return r;
    p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)size, PBUF_RAM);
    if (!p)
        return -ENOBUFS;
    sock_iov_in(msg, 0, p->payload, size);
    r = send_pbuf(u, p, &way);
    pbuf_free(p);
    return r < 0 ? r : (ssize_t)size;
}

static int set_option(struct sock *s, int level, int name, const void *value,
                      socklen_t size)
{
    struct udp_sock *u = udp_of(s);
    int r = ip_sock_setopt(s, level, name, value, size);

    if (r == 0)
        apply(u);
    return r;
}

static void close_sock(struct sock *s)
{
    struct udp_sock *u = udp_of(s);

    sock_done(s);
    ip_sock_done(&u->ip);
    udp_remove(u->pcb);
    free(u);
}

static const struct sock_ops ops = {
    .bind = bind_sock,
    .connect = connect_sock,
    .name = name_sock,
    .send = send_sock,
    .recv = ip_sock_recv,
    .recv_error = errq_recv,
    .shutdown = ip_sock_shutdown,
    .getopt = ip_sock_getopt,
    .setopt = set_option,
    .ready = ip_sock_ready,
    .pending = ip_sock_pending,
    .close = close_sock,
};

int udp_sock_new(int domain, struct sock **out)
{
    struct udp_sock *u = calloc(1, sizeof *u);

    if (!u)
        return -ENOMEM;
    u->pcb = udp_new_ip_type(domain == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
    if (!u->pcb) {
        free(u);
        return -ENOBUFS;
    }
    sock_init(&u->ip.sock, &ops, domain, SOCK_DGRAM, IPPROTO_UDP);
    ip_sock_init(&u->ip);
    udp_recv(u->pcb, on_recv, u);
    apply(u);
    *out = &u->ip.sock;
    return 0;
}
