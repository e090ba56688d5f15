/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw IP sockets over lwIP's raw API: datagrams with their IP header (IPv4) or without (IPv6). */
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/ip.h>
#include <lwip/raw.h>

#include "libioth/sockets/addr.h"
#include "libioth/sockets/errq.h"
#include "libioth/sockets/filter.h"
#include "libioth/sockets/ip_sock.h"
#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/kinds.h"
#include "libioth/sockets/mtu.h"

#define ICMP_FILTER  1 /* Of SOL_RAW; linux/icmp.h has names of lwIP's. */
#define SIZE_MAX_RAW (0xffffu - 40)

struct raw_sock {
    struct ip_sock ip;
    struct list link; /* In `all`. */
    struct raw_pcb *pcb;
    bool own_header; /* IP_HDRINCL */
    bool filtered;
    struct icmp6_filter filter;
    uint32_t filter4; /* ICMP_FILTER: a bit for each type that does not come. */
    struct filter bpf;
};

static struct list all = {&all, &all};

static struct raw_sock *raw_of(struct sock *s)
{
    return (struct raw_sock *)(void *)s;
}

static void apply(struct raw_sock *w)
{
    const struct ip_sock *ip = &w->ip;
    bool ip6 = ip->sock.domain == AF_INET6;

    ipopt_apply(&ip->sock, (struct ip_pcb *)(void *)w->pcb);
    raw_set_multicast_ttl(w->pcb, ip6 ? ip->mcast_hops6 : ip->mcast_ttl);
    if (ip->mcast_loop)
        raw_set_flags(w->pcb, RAW_FLAGS_MULTICAST_LOOP);
    else
        raw_clear_flags(w->pcb, RAW_FLAGS_MULTICAST_LOOP);
    if (w->own_header)
        raw_set_flags(w->pcb, RAW_FLAGS_HDRINCL);
    else
        raw_clear_flags(w->pcb, RAW_FLAGS_HDRINCL);
}

/* What a filter leaves of a packet is whether it comes: it comes whole. */
static bool passes(const struct raw_sock *w, const struct pbuf *p, unsigned ofs)
{
    bool ip6 = w->ip.sock.domain == AF_INET6;
    const struct filter_about about = {.ethertype = ip6 ? ETH_P_IPV6 : ETH_P_IP};
    size_t size = p->tot_len - ofs;
    uint8_t *copy;
    bool pass;

    if (!w->bpf.program)
        return true;
    copy = malloc(size ? size : 1);
    if (!copy)
        return false;
    pbuf_copy_partial(p, copy, (u16_t)size, (u16_t)ofs);
    pass = filter_run(&w->bpf, copy, size, &about) > 0;
    free(copy);
    return pass;
}

/* The types of ICMP that the socket does not want; they may be further ones than its filter has. */
static bool is_unwanted(const struct raw_sock *w, const struct pbuf *p, unsigned ofs)
{
    unsigned type;

    if (w->filtered)
        return ICMP6_FILTER_WILLBLOCK(pbuf_get_at(p, (u16_t)ofs), &w->filter);
    if (!w->filter4)
        return false;
    type = pbuf_get_at(p, (u16_t)(ofs + ip_current_header_tot_len()));
    return type < 32 && w->filter4 >> type & 1;
}

/* The packet with its IP header; others want to see it, too. */
static u8_t on_recv(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    struct raw_sock *w = arg;
    unsigned ofs = w->ip.sock.domain == AF_INET6 ? ip_current_header_tot_len() : 0;

    (void)pcb;
    if (p->tot_len < ofs || !passes(w, p, ofs) || is_unwanted(w, p, ofs))
        return 0;
    ip_sock_came(&w->ip, p, ofs, from, 0);
    return 0;
}

static bool may_have_sent(const struct raw_sock *w, unsigned proto,
                          const struct icmp_failure *f)
{
    return w->pcb->protocol == proto && (w->ip.sock.domain == AF_INET6) == f->ip6 &&
           ipopt_may_send(&w->pcb->local_ip, &f->packet.from) &&
           (!w->ip.connected || ip_addr_eq(&w->ip.remote_ip, &f->packet.to));
}

void raw_sock_failed(unsigned proto, const struct icmp_failure *f)
{
    list_for_each (it, &all) {
        struct raw_sock *w = list_entry(it, struct raw_sock, link);
        const struct sock *s = &w->ip.sock;
        struct icmp_failure told = *f;

        if (!may_have_sent(w, proto, f))
            continue;
        if (f->too_large)
            told.is_final =
                f->ip6 ? s->pmtu6 == IP_PMTUDISC_DO : s->pmtu4 != IP_PMTUDISC_DONT;
        errq_came(&w->ip, &told, 0, w->own_header ? f->ip_ofs : f->l4_ofs);
    }
}

static int bind_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct raw_sock *w = raw_of(s);
    ip_addr_t ip;
    u16_t port;
    int r = addr_get(s->domain, true, sa, size, &ip, &port);

    if (r == 0 && !s->free_bind && !ipopt_is_local(&ip) && !ip_addr_ismulticast(&ip))
        r = -EADDRNOTAVAIL;
    return r < 0 ? r : addr_error(raw_bind(w->pcb, &ip));
}

static int connect_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct raw_sock *w = raw_of(s);
    ip_addr_t ip;
    u16_t port;
    int r = addr_get(s->domain, true, sa, size, &ip, &port);

    if (r == 0)
        r = addr_error(raw_connect(w->pcb, &ip));
    if (r < 0)
        return r;
    w->ip.connected = true;
    w->ip.remote_ip = ip;
    return 0;
}

static int name_sock(struct sock *s, bool peer, struct sockaddr *sa, socklen_t *size)
{
    const struct raw_sock *w = raw_of(s);

    if (peer && !w->ip.connected)
        return -ENOTCONN;
    addr_put(s->domain, peer ? &w->ip.remote_ip : &w->pcb->local_ip, 0, sa, size);
    return 0;
}

static ssize_t send_sock(struct sock *s, const struct msghdr *msg, int flags)
{
    struct raw_sock *w = raw_of(s);
    size_t size = sock_iov_size(msg);
    struct ip_sock_way way;
    const ip_addr_t *from;
    bool lent;
    struct pbuf *p;
    int r = ip_sock_way(&w->ip, msg, &way);
    err_t err;

    if (r == 0 && (flags & MSG_OOB))
        r = -EOPNOTSUPP;
    if (r == 0 && size > SIZE_MAX_RAW)
        r = -EMSGSIZE;
    if (r < 0)
        return r;
    from = way.has_from                        ? &way.from
           : !ip_addr_isany(&w->pcb->local_ip) ? &w->pcb->local_ip
                                               : ip_netif_get_local_ip(way.netif, &way.to);
    if (!from)
        return -EADDRNOTAVAIL;
    if (!w->own_header) {
        r = ip_sock_fits(&w->ip, &way, size);
        if (r < 0)
            return r;
    }
    p = pbuf_alloc(PBUF_IP, (u16_t)size, PBUF_RAM);
    if (!p) {
        mtu_sent();
        return -ENOBUFS;
    }
    sock_iov_in(msg, 0, p->payload, size);
    lent = ip_sock_lend(&way, (struct ip_pcb *)(void *)w->pcb);
    if (lent && way.is_lo)
        raw_clear_flags(w->pcb, RAW_FLAGS_MULTICAST_LOOP);
    err = raw_sendto_if_src(w->pcb, p, &way.to, way.netif, from);
    if (lent)
        apply(w);
    mtu_sent();
    pbuf_free(p);
    if (err == ERR_MEM)
        return ip_sock_stall(&w->ip);
    r = addr_error(err);
    return r < 0 ? r : (ssize_t)size;
}

static bool is_checksum(const struct raw_sock *w, int level, int name)
{
    return (level == IPPROTO_IPV6 || level == SOL_RAW) && name == IPV6_CHECKSUM &&
           w->ip.sock.domain == AF_INET6;
}

/* Options of raw sockets alone; -ENOPROTOOPT for others. */
static int set_raw(struct raw_sock *w, int level, int name, const void *value,
                   socklen_t size)
{
    int n, r;

    if (level == IPPROTO_IP && name == IP_HDRINCL && w->ip.sock.domain == AF_INET)
        return sock_opt_bool(value, size, &w->own_header);
    if (level == SOL_RAW && name == ICMP_FILTER && w->ip.sock.domain == AF_INET) {
        if (w->ip.sock.protocol != IPPROTO_ICMP)
            return -EOPNOTSUPP;
        memcpy(&w->filter4, value, size < sizeof w->filter4 ? size : sizeof w->filter4);
        return 0;
    }
    if (level == IPPROTO_ICMPV6 && name == ICMP6_FILTER &&
        w->ip.sock.protocol == IPPROTO_ICMPV6) {
        if (size > sizeof w->filter)
            size = sizeof w->filter;
        memcpy(&w->filter, value, size);
        w->filtered = true;
        return 0;
    }
    if (is_checksum(w, level, name)) {
        r = sock_opt_int(value, size, &n);
        /* As Linux: ping says where it is by SOL_RAW, where the other level refuses [RFC 3542 3.1]. */
        if (r < 0 || (level == IPPROTO_IPV6 && w->ip.sock.protocol == IPPROTO_ICMPV6) ||
            (n != -1 && (n < 0 || n & 1 || n > 0xfffe)))
            return -EINVAL;
        w->pcb->chksum_reqd = n >= 0;
        w->pcb->chksum_offset = n >= 0 ? (u16_t)n : 0;
        return 0;
    }
    return -ENOPROTOOPT;
}

static int set_option(struct sock *s, int level, int name, const void *value,
                      socklen_t size)
{
    struct raw_sock *w = raw_of(s);
    int r = level == SOL_SOCKET ? filter_setopt(&w->bpf, name, value, size)
                                : set_raw(w, level, name, value, size);

    if (r == -ENOPROTOOPT)
        r = ip_sock_setopt(s, level, name, value, size);
    if (r == 0)
        apply(w);
    return r;
}

static int get_option(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    const struct raw_sock *w = raw_of(s);

    if (level == IPPROTO_IP && name == IP_HDRINCL && s->domain == AF_INET)
        return sock_opt_put_int(value, size, w->own_header);
    if (level == SOL_RAW && name == ICMP_FILTER && s->domain == AF_INET)
        return s->protocol == IPPROTO_ICMP
                   ? sock_opt_put(value, size, &w->filter4, sizeof w->filter4)
                   : -EOPNOTSUPP;
    if (is_checksum(w, level, name))
        return sock_opt_put_int(value, size,
                                w->pcb->chksum_reqd ? w->pcb->chksum_offset : -1);
    if (level == IPPROTO_ICMPV6 && name == ICMP6_FILTER)
        return sock_opt_put(value, size, &raw_of(s)->filter, sizeof(struct icmp6_filter));
    return ip_sock_getopt(s, level, name, value, size);
}

static void close_sock(struct sock *s)
{
    struct raw_sock *w = raw_of(s);

    sock_done(s);
    list_remove(&w->link);
    ip_sock_done(&w->ip);
    filter_done(&w->bpf);
    raw_remove(w->pcb);
    free(w);
}

static const struct sock_ops ops = {
    .bind = bind_sock,
    .connect = connect_sock,
    .name = name_sock,
    .send = send_sock,
    .recv = ip_sock_recv,
    .recv_error = errq_recv,
    .shutdown = ip_sock_shutdown,
    .getopt = get_option,
    .setopt = set_option,
    .ready = ip_sock_ready,
    .pending = ip_sock_pending,
    .close = close_sock,
};

int raw_sock_new(int domain, int protocol, struct sock **out)
{
    struct raw_sock *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->pcb = raw_new_ip_type(domain == AF_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6,
                             (u8_t)protocol);
    if (!w->pcb) {
        free(w);
        return -ENOBUFS;
    }
    sock_init(&w->ip.sock, &ops, domain, SOCK_RAW, protocol);
    ip_sock_init(&w->ip);
    if (protocol == IPPROTO_ICMPV6 && domain == AF_INET6) {
        w->pcb->chksum_reqd = 1; /* RFC 3542, 3.1 */
        w->pcb->chksum_offset = 2;
    }
    w->ip.sock.reuse_addr = 1; /* As Linux tells it. */
    w->own_header = protocol == IPPROTO_RAW && domain == AF_INET;
    raw_recv(w->pcb, on_recv, w);
    list_append(&all, &w->link);
    apply(w);
    *out = &w->ip.sock;
    return 0;
}
