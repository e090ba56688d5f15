/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/ipopt.h"

#include <errno.h>
#include <netinet/in.h>

#include <lwip/netif.h>

#define TTL_DEFAULT 64
#define CALLERS     -1 /* "The default", where an option takes it. */
#define ECN_BITS    3

void ipopt_init(struct sock *s)
{
    s->ttl = s->hops6 = TTL_DEFAULT;
    s->pmtu4 = s->pmtu6 = IP_PMTUDISC_WANT;
}

void ipopt_inherit(struct sock *s, const struct sock *l)
{
    s->ttl = l->ttl;
    s->tos = l->tos;
    s->hops6 = l->hops6;
    s->tclass6 = l->tclass6;
    s->pmtu4 = l->pmtu4;
    s->pmtu6 = l->pmtu6;
    s->only_v6 = l->only_v6;
    s->free_bind = l->free_bind;
    s->errors4 = l->errors4;
    s->errors6 = l->errors6;
    s->rcv_size = l->rcv_size;
    s->snd_size = l->snd_size;
    s->keep_alive = l->keep_alive;
    s->reuse_addr = l->reuse_addr;
    s->priority = l->priority;
    s->rcv_low = l->rcv_low;
    s->linger = l->linger;
    s->rcv_timeout = l->rcv_timeout;
    s->snd_timeout = l->snd_timeout;
}

void ipopt_apply(const struct sock *s, struct ip_pcb *pcb)
{
    bool ip6 = s->domain == AF_INET6;

    pcb->ttl = ip6 ? s->hops6 : s->ttl;
    pcb->tos = ip6 ? s->tclass6 : s->tos;
    pcb->netif_idx = (u8_t)s->bound_if;
    pcb->so_options &= (u8_t) ~(SOF_REUSEADDR | SOF_KEEPALIVE | SOF_BROADCAST);
    if (s->reuse_addr || s->reuse_port)
        pcb->so_options |= SOF_REUSEADDR;
    if (s->keep_alive)
        pcb->so_options |= SOF_KEEPALIVE;
    if (s->broadcast)
        pcb->so_options |= SOF_BROADCAST;
}

int ipopt_octet(uint8_t *out, int n, int least, uint8_t none)
{
    if (n == CALLERS)
        n = none;
    else if (n < least || n > 255)
        return -EINVAL;
    *out = (uint8_t)n;
    return 0;
}

/* Flags of IPv4's level, or of IPv6's. */
static bool *flag_of(struct sock *s, int level, int name)
{
    if (level == IPPROTO_IP)
        return name == IP_FREEBIND               ? &s->free_bind
               : name == IP_BIND_ADDRESS_NO_PORT ? &s->port_later
               : name == IP_RECVERR              ? &s->errors4
                                                 : NULL;
    return name == IPV6_FREEBIND   ? &s->free_bind
           : name == IPV6_DONTFRAG ? &s->never_cut
           : name == IPV6_RECVERR  ? &s->errors6
                                   : NULL;
}

static int get4(const struct sock *s, int name, void *value, socklen_t *size)
{
    switch (name) {
    case IP_TTL:
        return sock_opt_put_int(value, size, s->ttl);
    case IP_TOS:
        return sock_opt_put_int(value, size, s->tos);
    case IP_TRANSPARENT:
        return sock_opt_put_int(value, size, 0);
    default:
        return -ENOPROTOOPT;
    }
}

static int get6(const struct sock *s, int name, void *value, socklen_t *size)
{
    switch (name) {
    case IPV6_UNICAST_HOPS:
        return sock_opt_put_int(value, size, s->hops6);
    case IPV6_TCLASS:
        return sock_opt_put_int(value, size, s->tclass6);
    case IPV6_V6ONLY:
        return sock_opt_put_int(value, size, s->only_v6);
    case IPV6_TRANSPARENT:
        return sock_opt_put_int(value, size, 0);
    default:
        return -ENOPROTOOPT;
    }
}

bool ipopt_has_level(const struct sock *s, int level)
{
    if (level == IPPROTO_IP)
        return s->domain == AF_INET || s->type != SOCK_RAW;
    return level == IPPROTO_IPV6 && s->domain == AF_INET6;
}

int ipopt_get(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    const bool *flag;

    if (!ipopt_has_level(s, level))
        return -ENOPROTOOPT;
    flag = flag_of(s, level, name);
    if (flag)
        return sock_opt_put_int(value, size, *flag);
    return level == IPPROTO_IP ? get4(s, name, value, size) : get6(s, name, value, size);
}

/* The two bits of ECN are TCP's own. */
static uint8_t class_of(const struct sock *s, uint8_t is, int n)
{
    if (s->type == SOCK_STREAM)
        return (uint8_t)((n & ~ECN_BITS) | (is & ECN_BITS));
    return (uint8_t)n;
}

static int set4(struct sock *s, int name, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r < 0)
        return r;
    switch (name) {
    case IP_TTL:
        return ipopt_octet(&s->ttl, n, 1, TTL_DEFAULT);
    case IP_TOS:
        s->tos = class_of(s, s->tos, n);
        return 0;
    case IP_TRANSPARENT: /* As of one without privilege: nobody hands over what is not ours. */
        return n ? -EPERM : 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int set_class6(struct sock *s, int n)
{
    uint8_t octet;
    int r = ipopt_octet(&octet, n, 0, 0);

    if (r == 0)
        s->tclass6 = class_of(s, s->tclass6, octet);
    return r;
}

static int set6(struct sock *s, int name, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r < 0)
        return r;
    switch (name) {
    case IPV6_UNICAST_HOPS:
        return ipopt_octet(&s->hops6, n, 0, TTL_DEFAULT);
    case IPV6_TCLASS:
        return set_class6(s, n);
    case IPV6_V6ONLY:
        if (s->type == SOCK_RAW)
            return -EINVAL;
        s->only_v6 = n != 0;
        return 0;
    case IPV6_TRANSPARENT:
        return n ? -EPERM : 0;
    default:
        return -ENOPROTOOPT;
    }
}

int ipopt_set(struct sock *s, int level, int name, const void *value, socklen_t size)
{
    bool *flag;

    if (!ipopt_has_level(s, level))
        return -ENOPROTOOPT;
    flag = flag_of(s, level, name);
    if (flag)
        return sock_opt_bool(value, size, flag);
    return level == IPPROTO_IP ? set4(s, name, value, size) : set6(s, name, value, size);
}

bool ipopt_is_local(const ip_addr_t *ip)
{
    struct netif *netif;

    if (ip_addr_isany(ip))
        return true;
    NETIF_FOREACH(netif)
    {
        if (IP_IS_V4(ip)) {
            if (ip4_addr_eq(ip_2_ip4(ip), netif_ip4_addr(netif)))
                return true;
        } else if (netif_get_ip6_addr_match(netif, ip_2_ip6(ip)) >= 0) {
            return true;
        }
    }
    return IP_IS_V4(ip) && ip4_addr_isloopback(ip_2_ip4(ip));
}

bool ipopt_may_send(const ip_addr_t *own, const ip_addr_t *from)
{
    if (IP_IS_ANY_TYPE_VAL(*own))
        return true;
    return IP_GET_TYPE(own) == IP_GET_TYPE(from) &&
           (ip_addr_isany(own) || ip_addr_eq(own, from));
}

const ip_addr_t *ipopt_loopback4(void)
{
    static const ip_addr_t ip = IPADDR4_INIT_BYTES(127, 0, 0, 1);

    return &ip;
}

const ip_addr_t *ipopt_loopback6(void)
{
    static const ip_addr_t ip = IPADDR6_INIT_HOST(0, 0, 0, 1);

    return &ip;
}
