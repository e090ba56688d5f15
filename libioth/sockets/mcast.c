/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Multicast: which groups a socket is in, and how it sends to groups. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <lwip/igmp.h>
#include <lwip/mld6.h>

#include "libioth/sockets/ip_sock.h"
#include "libioth/stack/iface.h"

/* The interface for a group: the one asked for, the one that has an address, or the first. */
static struct iface *choose(unsigned index, in_addr_t addr)
{
    if (index)
        return iface_by_index(index);
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        if (addr ? netif_ip4_addr(iface_netif(i))->addr == addr : i->port != NULL)
            return i;
    }
    return NULL;
}

static err_t change(const ip_addr_t *ip, struct netif *netif, bool join)
{
    if (IP_IS_V4(ip))
        return join ? igmp_joingroup_netif(netif, ip_2_ip4(ip))
                    : igmp_leavegroup_netif(netif, ip_2_ip4(ip));
    return join ? mld6_joingroup_netif(netif, ip_2_ip6(ip))
                : mld6_leavegroup_netif(netif, ip_2_ip6(ip));
}

static int join(struct ip_sock *u, const ip_addr_t *ip, struct iface *i)
{
    unsigned index = iface_index(i);

    for (unsigned n = 0; n < u->n_groups; n++) {
        if (ip_addr_eq(&u->groups[n].ip, ip) && u->groups[n].if_index == index)
            return -EADDRINUSE;
    }
    if (u->n_groups == IP_SOCK_GROUPS_MAX)
        return -ENOBUFS;
    /* lo has no group management: what is sent there arrives anyway. */
    if (i->port && change(ip, iface_netif(i), true) != ERR_OK)
        return -ENOBUFS;
    u->groups[u->n_groups].ip = *ip;
    u->groups[u->n_groups++].if_index = index;
    return 0;
}

static void leave(struct ip_sock *u, unsigned n)
{
    struct iface *i = iface_by_index(u->groups[n].if_index);

    if (i && i->port)
        change(&u->groups[n].ip, iface_netif(i), false);
    u->groups[n] = u->groups[--u->n_groups];
}

void mcast_leave_all(struct ip_sock *u)
{
    while (u->n_groups)
        leave(u, u->n_groups - 1);
}

static int membership(struct ip_sock *u, const ip_addr_t *ip, struct iface *i, bool joins)
{
    if (!ip_addr_ismulticast(ip))
        return -EINVAL;
    if (!i)
        return -ENODEV;
    if (joins)
        return join(u, ip, i);
    for (unsigned n = 0; n < u->n_groups; n++) {
        if (ip_addr_eq(&u->groups[n].ip, ip) && u->groups[n].if_index == iface_index(i)) {
            leave(u, n);
            return 0;
        }
    }
    return -EADDRNOTAVAIL;
}

static int membership4(struct ip_sock *u, const void *value, socklen_t size, bool joins)
{
    struct ip_mreqn m = {.imr_ifindex = 0};
    ip_addr_t ip = {.type = IPADDR_TYPE_V4};

    if (size < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(&m, value, size < sizeof m ? size : sizeof m);
    ip_2_ip4(&ip)->addr = m.imr_multiaddr.s_addr;
    return membership(u, &ip, choose((unsigned)m.imr_ifindex, m.imr_address.s_addr), joins);
}

static int membership6(struct ip_sock *u, const void *value, socklen_t size, bool joins)
{
    struct ipv6_mreq m;
    ip_addr_t ip = {.type = IPADDR_TYPE_V6};
    struct iface *i;

    if (size < sizeof m)
        return -EINVAL;
    memcpy(&m, value, sizeof m);
    i = choose(m.ipv6mr_interface, 0);
    memcpy(ip_2_ip6(&ip)->addr, &m.ipv6mr_multiaddr, 16);
    if (i)
        ip6_addr_assign_zone(ip_2_ip6(&ip), IP6_MULTICAST, iface_netif(i));
    return membership(u, &ip, i, joins);
}

static int set_if4(struct ip_sock *u, const void *value, socklen_t size)
{
    struct ip_mreqn m = {.imr_ifindex = 0};
    struct iface *i;

    if (size == sizeof(struct in_addr))
        memcpy(&m.imr_address, value, size);
    else if (size >= sizeof(struct ip_mreq))
        memcpy(&m, value, size < sizeof m ? size : sizeof m);
    else
        return -EINVAL;
    if (!m.imr_ifindex && !m.imr_address.s_addr) {
        u->mcast_if = 0;
        return 0;
    }
    i = choose((unsigned)m.imr_ifindex, m.imr_address.s_addr);
    if (!i)
        return -EADDRNOTAVAIL;
    u->mcast_if = iface_index(i);
    return 0;
}

static int set_if6(struct ip_sock *u, int index)
{
    if (index < 0 || (index && !iface_by_index((unsigned)index)))
        return -ENODEV;
    u->mcast_if = (unsigned)index;
    return 0;
}

static int set_hops(uint8_t *hops, int n)
{
    if (n == -1)
        n = 1;
    if (n < 0 || n > 255)
        return -EINVAL;
    *hops = (uint8_t)n;
    return 0;
}

static int set4(struct ip_sock *u, int name, const void *value, socklen_t size)
{
    int n = 0;

    switch (name) {
    case IP_ADD_MEMBERSHIP:
        return membership4(u, value, size, true);
    case IP_DROP_MEMBERSHIP:
        return membership4(u, value, size, false);
    case IP_MULTICAST_IF:
        return set_if4(u, value, size);
    case IP_MULTICAST_TTL:
        return sock_opt_int(value, size, &n) < 0 ? -EINVAL : set_hops(&u->mcast_ttl, n);
    case IP_MULTICAST_LOOP:
        if (sock_opt_int(value, size, &n) < 0)
            return -EINVAL;
        u->mcast_loop = n != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int set6(struct ip_sock *u, int name, const void *value, socklen_t size)
{
    int n = 0;

    switch (name) {
    case IPV6_JOIN_GROUP:
        return membership6(u, value, size, true);
    case IPV6_LEAVE_GROUP:
        return membership6(u, value, size, false);
    case IPV6_MULTICAST_IF:
        return sock_opt_int(value, size, &n) < 0 ? -EINVAL : set_if6(u, n);
    case IPV6_MULTICAST_HOPS:
        return sock_opt_int(value, size, &n) < 0 ? -EINVAL : set_hops(&u->mcast_hops6, n);
    case IPV6_MULTICAST_LOOP:
        if (sock_opt_int(value, size, &n) < 0)
            return -EINVAL;
        u->mcast_loop = n != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int mcast_setopt(struct ip_sock *u, int level, int name, const void *value, socklen_t size)
{
    return level == IPPROTO_IP     ? set4(u, name, value, size)
           : level == IPPROTO_IPV6 ? set6(u, name, value, size)
                                   : -ENOPROTOOPT;
}

int mcast_getopt(struct ip_sock *u, int level, int name, void *value, socklen_t *size)
{
    bool ip4 = level == IPPROTO_IP, ip6 = level == IPPROTO_IPV6;

    if (ip4 && name == IP_MULTICAST_TTL)
        return sock_opt_put_int(value, size, u->mcast_ttl);
    if (ip6 && name == IPV6_MULTICAST_HOPS)
        return sock_opt_put_int(value, size, u->mcast_hops6);
    if ((ip4 && name == IP_MULTICAST_LOOP) || (ip6 && name == IPV6_MULTICAST_LOOP))
        return sock_opt_put_int(value, size, u->mcast_loop);
    if (ip6 && name == IPV6_MULTICAST_IF)
        return sock_opt_put_int(value, size, (int)u->mcast_if);
    return -ENOPROTOOPT;
}
