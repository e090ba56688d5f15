/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/ipopt.h"

#include <errno.h>
#include <netinet/in.h>

#include <lwip/netif.h>

#define TTL_DEFAULT 64
#define CALLERS     -1 /* "The default", where an option takes it. */

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
    s->errors4 = l->errors4;
    s->errors6 = l->errors6;
    s->rcv_size = l->rcv_size;
    s->snd_size = l->snd_size;
    s->keep_alive = l->keep_alive;
    s->reuse_addr = l->reuse_addr;
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

static int set_u8(uint8_t *out, const void *value, socklen_t size, int lowest, uint8_t none)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r == 0 && n == CALLERS)
        n = none;
    else if (r == 0 && (n < lowest || n > 255))
        r = -EINVAL;
    if (r == 0)
        *out = (uint8_t)n;
    return r;
}

int ipopt_get(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    if (level == IPPROTO_IP && name == IP_TTL)
        return sock_opt_put_int(value, size, s->ttl);
    if (level == IPPROTO_IP && name == IP_TOS)
        return sock_opt_put_int(value, size, s->tos);
    if (level == IPPROTO_IP && name == IP_RECVERR)
        return sock_opt_put_int(value, size, s->errors4);
    if (level == IPPROTO_IPV6 && s->domain == AF_INET6) {
        switch (name) {
        case IPV6_UNICAST_HOPS:
            return sock_opt_put_int(value, size, s->hops6);
        case IPV6_TCLASS:
            return sock_opt_put_int(value, size, s->tclass6);
        case IPV6_V6ONLY:
            return sock_opt_put_int(value, size, s->only_v6);
        case IPV6_RECVERR:
            return sock_opt_put_int(value, size, s->errors6);
        default:
            break;
        }
    }
    return -ENOPROTOOPT;
}

static int set_bool(bool *out, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r == 0)
        *out = n != 0;
    return r;
}

int ipopt_set(struct sock *s, int level, int name, const void *value, socklen_t size)
{
    if (level == IPPROTO_IP && name == IP_TTL)
        return set_u8(&s->ttl, value, size, 1, TTL_DEFAULT);
    if (level == IPPROTO_IP && name == IP_TOS)
        return set_u8(&s->tos, value, size, 0, 0);
    if (level == IPPROTO_IP && name == IP_RECVERR)
        return set_bool(&s->errors4, value, size);
    if (level == IPPROTO_IPV6 && s->domain == AF_INET6) {
        switch (name) {
        case IPV6_UNICAST_HOPS:
            return set_u8(&s->hops6, value, size, 0, TTL_DEFAULT);
        case IPV6_TCLASS:
            return set_u8(&s->tclass6, value, size, 0, 0);
        case IPV6_V6ONLY:
            return set_bool(&s->only_v6, value, size);
        case IPV6_RECVERR:
            return set_bool(&s->errors6, value, size);
        default:
            break;
        }
    }
    return -ENOPROTOOPT;
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
