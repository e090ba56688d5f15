/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/mtu.h"

#include <errno.h>
#include <netinet/in.h>

#include <lwip/ip.h>

#include "libioth/sockets/ipopt.h"
#include "libioth/stack/pmtu.h"
#include "proto/wire/packet.h"

#define IP4_SIZE 20u
#define IP6_SIZE 40u

static uint16_t link_mtu(const struct netif *netif, bool ip6)
{
    uint16_t mtu = ip6 ? netif_mtu6(netif) : netif->mtu;

    return mtu ? mtu : UINT16_MAX; /* `lo` has none. */
}

/* --- options ------------------------------------------------------------------------------------ */

static int get_mtu(const ip_addr_t *peer, bool ip6, void *value, socklen_t *size)
{
    struct netif *netif;

    if (!peer || IP_IS_V6(peer) != ip6)
        return -ENOTCONN;
    netif = ip_route(ip6 ? IP6_ADDR_ANY : IP4_ADDR_ANY, peer);
    if (!netif)
        return -ENETUNREACH;
    return sock_opt_put_int(value, size, pmtu_of(peer, link_mtu(netif, ip6)));
}

int mtu_getopt(const struct sock *s, const ip_addr_t *peer, int level, int name,
               void *value, socklen_t *size)
{
    bool ip6 = s->domain == AF_INET6;

    if (level == IPPROTO_IP && name == IP_MTU_DISCOVER)
        return sock_opt_put_int(value, size, s->pmtu4);
    if (level == IPPROTO_IP && name == IP_MTU)
        return get_mtu(peer, false, value, size);
    if (level == IPPROTO_IPV6 && name == IPV6_MTU_DISCOVER && ip6)
        return sock_opt_put_int(value, size, s->pmtu6);
    if (level == IPPROTO_IPV6 && name == IPV6_MTU && ip6)
        return get_mtu(peer, true, value, size);
    return -ENOPROTOOPT;
}

int mtu_setopt(struct sock *s, int level, int name, const void *value, socklen_t size)
{
    bool four = level == IPPROTO_IP && name == IP_MTU_DISCOVER;
    int n, r;

    if (!four &&
        (level != IPPROTO_IPV6 || name != IPV6_MTU_DISCOVER || s->domain != AF_INET6))
        return -ENOPROTOOPT;
    r = sock_opt_int(value, size, &n);
    if (r < 0)
        return r;
    /* TCP's segments are never to be cut on the way. */
    if (n < IP_PMTUDISC_DONT || n > IP_PMTUDISC_OMIT ||
        (s->type == SOCK_STREAM && n != IP_PMTUDISC_WANT && n != IP_PMTUDISC_DO))
        return -EINVAL;
    *(four ? &s->pmtu4 : &s->pmtu6) = (uint8_t)n;
    return 0;
}

/* --- sending ------------------------------------------------------------------------------------ */

/* Does what routers have said count? */
static bool is_learnt(uint8_t how)
{
    return how == IP_PMTUDISC_WANT || how == IP_PMTUDISC_DO;
}

uint16_t mtu_of(const struct sock *s, const ip_addr_t *to, const struct netif *netif)
{
    bool ip6 = IP_IS_V6(to);
    uint8_t how = ip6 ? s->pmtu6 : s->pmtu4;
    uint16_t link = link_mtu(netif, ip6);

    return is_learnt(how) ? pmtu_of(to, link) : link;
}

int mtu_send(const struct sock *s, const ip_addr_t *to, const struct netif *netif,
             size_t size)
{
    bool ip6 = IP_IS_V6(to);
    uint8_t how = ip6 ? s->pmtu6 : s->pmtu4;
    bool strict = how == IP_PMTUDISC_DO || how == IP_PMTUDISC_PROBE ||
                  how == IP_PMTUDISC_INTERFACE || (ip6 && s->never_cut);
    bool fits = size + (ip6 ? IP6_SIZE : IP4_SIZE) <= mtu_of(s, to, netif);

    if (strict && !fits)
        return -EMSGSIZE;
    pmtu_whole = fits && (is_learnt(how) || how == IP_PMTUDISC_PROBE);
    return 0;
}

void mtu_sent(void)
{
    pmtu_whole = false;
}

/* --- routers ------------------------------------------------------------------------------------ */

void mtu_too_large(unsigned proto, const struct mtu_packet *p, unsigned mtu)
{
    bool udp = proto == PACKET_PROTO_UDP;
    struct netif *netif = ip_route(&p->from, &p->to);

    if (!netif || !ipopt_is_local(&p->from) || (!udp && proto != PACKET_PROTO_TCP) ||
        !(udp ? udp_sock_sent(p) : tcp_sock_sent(p)) ||
        !pmtu_learn(&p->to, mtu, p->size, link_mtu(netif, IP_IS_V6(&p->to))))
        return;
    if (!udp)
        tcp_sock_too_large(p);
}
