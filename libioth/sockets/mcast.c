/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Multicast: which groups a socket is in, and how it sends to groups. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/igmp.h>
#include <lwip/mld6.h>

#include "libioth/sockets/addr.h"
#include "libioth/sockets/ip_sock.h"
#include "libioth/sockets/ipopt.h"
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
    if (change(ip, iface_netif(i), true) != ERR_OK)
        return -ENOBUFS;
    u->groups[u->n_groups].ip = *ip;
    u->groups[u->n_groups].sources = NULL;
    u->groups[u->n_groups++].if_index = index;
    return 0;
}

static void leave(struct ip_sock *u, unsigned n)
{
    struct iface *i = iface_by_index(u->groups[n].if_index);

    if (i)
        change(&u->groups[n].ip, iface_netif(i), false);
    free(u->groups[n].sources);
    u->groups[n] = u->groups[--u->n_groups];
}

void mcast_leave_all(struct ip_sock *u)
{
    while (u->n_groups)
        leave(u, u->n_groups - 1);
}

/* Its place; n_groups: it is not a member. */
static unsigned find(const struct ip_sock *u, const ip_addr_t *ip, unsigned if_index)
{
    unsigned n = 0;

    while (n < u->n_groups &&
           !(ip_addr_eq(&u->groups[n].ip, ip) && u->groups[n].if_index == if_index))
        n++;
    return n;
}

static int membership(struct ip_sock *u, const ip_addr_t *ip, struct iface *i, bool joins)
{
    unsigned n;

    if (!ip_addr_ismulticast(ip))
        return -EINVAL;
    if (!i)
        return -ENODEV;
    if (joins)
        return join(u, ip, i);
    n = find(u, ip, iface_index(i));
    if (n == u->n_groups)
        return -EADDRNOTAVAIL;
    leave(u, n);
    return 0;
}

/* The same for one source of a group; or that one is not heard any more, or again. */
static int source(struct ip_sock *u, const ip_addr_t *ip, const ip_addr_t *from,
                  struct iface *i, enum mcast_change what)
{
    unsigned n;
    bool fresh;
    int r;

    if (!ip_addr_ismulticast(ip) || IP_GET_TYPE(ip) != IP_GET_TYPE(from))
        return -EINVAL;
    if (!i)
        return -ENODEV;
    n = find(u, ip, iface_index(i));
    fresh = n == u->n_groups;
    if (fresh && what != MCAST_JOIN)
        return -EINVAL;
    r = fresh ? join(u, ip, i) : 0;
    if (r < 0)
        return r;
    r = mcast_source_change(&u->groups[n].sources, what, from);
    if (r > 0 || (r < 0 && fresh))
        leave(u, n);
    return r > 0 ? 0 : r;
}

bool mcast_wants(const struct ip_sock *u, const ip_addr_t *group, const ip_addr_t *from,
                 unsigned if_index)
{
    unsigned n = find(u, group, if_index);

    if (n == u->n_groups)
        return IP_IS_V4(group) ? u->mcast_all4 : u->mcast_all6;
    return mcast_source_passes(u->groups[n].sources, from);
}

static int source4(struct ip_sock *u, const void *value, socklen_t size,
                   enum mcast_change what)
{
    struct ip_mreq_source m;
    ip_addr_t ip = {.type = IPADDR_TYPE_V4}, from = {.type = IPADDR_TYPE_V4};

    if (size < sizeof m)
        return -EINVAL;
    memcpy(&m, value, sizeof m);
    ip_2_ip4(&ip)->addr = m.imr_multiaddr.s_addr;
    ip_2_ip4(&from)->addr = m.imr_sourceaddr.s_addr;
    return source(u, &ip, &from, choose(0, m.imr_interface.s_addr), what);
}

/* An address of a level's family, with the interface's zone. */
static bool address_of(int level, const struct sockaddr_storage *sa, struct iface *i,
                       ip_addr_t *out)
{
    uint16_t port;

    if (sa->ss_family != (level == IPPROTO_IP ? AF_INET : AF_INET6) ||
        addr_get(sa->ss_family, false, (const struct sockaddr *)sa, sizeof *sa, out,
                 &port) < 0 ||
        IP_IS_V4(out) != (level == IPPROTO_IP))
        return false;
    if (IP_IS_V6(out) && i)
        ip6_addr_assign_zone(ip_2_ip6(out), IP6_MULTICAST, iface_netif(i));
    return true;
}

/* The options that are the same for both families [RFC 3678 5]. */
static int set_any(struct ip_sock *u, int level, int name, const void *value,
                   socklen_t size)
{
    bool plain = name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP;
    struct group_source_req r = {.gsr_interface = 0};
    ip_addr_t ip, from;
    struct iface *i;

    if (size < (plain ? sizeof(struct group_req) : sizeof r))
        return -EINVAL;
    /* They begin alike. */
    memcpy(&r, value, plain ? sizeof(struct group_req) : sizeof r);
    i = choose(r.gsr_interface, 0);
    if (!address_of(level, &r.gsr_group, i, &ip))
        return -EINVAL;
    if (plain)
        return membership(u, &ip, i, name == MCAST_JOIN_GROUP);
    if (!address_of(level, &r.gsr_source, i, &from))
        return -EADDRNOTAVAIL;
    return source(u, &ip, &from, i,
                  name == MCAST_JOIN_SOURCE_GROUP    ? MCAST_JOIN
                  : name == MCAST_LEAVE_SOURCE_GROUP ? MCAST_LEAVE
                  : name == MCAST_BLOCK_SOURCE       ? MCAST_BLOCK
                                                     : MCAST_UNBLOCK);
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

static int set_hops(uint8_t *hops, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    return r < 0 ? r : ipopt_octet(hops, n, 0, 1);
}

/* 0 or 1, and nothing else. */
static int set_choice(bool *out, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r == 0 && n != 0 && n != 1)
        r = -EINVAL;
    if (r == 0)
        *out = n;
    return r;
}

static int set4(struct ip_sock *u, int name, const void *value, socklen_t size)
{
    switch (name) {
    case IP_ADD_MEMBERSHIP:
        return membership4(u, value, size, true);
    case IP_DROP_MEMBERSHIP:
        return membership4(u, value, size, false);
    case IP_ADD_SOURCE_MEMBERSHIP:
        return source4(u, value, size, MCAST_JOIN);
    case IP_DROP_SOURCE_MEMBERSHIP:
        return source4(u, value, size, MCAST_LEAVE);
    case IP_BLOCK_SOURCE:
        return source4(u, value, size, MCAST_BLOCK);
    case IP_UNBLOCK_SOURCE:
        return source4(u, value, size, MCAST_UNBLOCK);
    case IP_MULTICAST_ALL:
        return set_choice(&u->mcast_all4, value, size);
    case IP_MULTICAST_IF:
        return set_if4(u, value, size);
    case IP_MULTICAST_TTL:
        return set_hops(&u->mcast_ttl, value, size);
    case IP_MULTICAST_LOOP:
        return sock_opt_bool(value, size, &u->mcast_loop);
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
        return set_hops(&u->mcast_hops6, value, size);
    case IPV6_MULTICAST_LOOP:
        return set_choice(&u->mcast_loop, value, size);
    case IPV6_MULTICAST_ALL:
        return sock_opt_bool(value, size, &u->mcast_all6);
    default:
        return -ENOPROTOOPT;
    }
}

int mcast_setopt(struct ip_sock *u, int level, int name, const void *value, socklen_t size)
{
    if (level != IPPROTO_IP && level != IPPROTO_IPV6)
        return -ENOPROTOOPT;
    if (name >= MCAST_JOIN_GROUP && name <= MCAST_LEAVE_SOURCE_GROUP)
        return set_any(u, level, name, value, size);
    return level == IPPROTO_IP ? set4(u, name, value, size) : set6(u, name, value, size);
}

static int get4(const struct ip_sock *u, int name, void *value, socklen_t *size)
{
    struct iface *i = u->mcast_if ? iface_by_index(u->mcast_if) : NULL;
    struct in_addr addr = {.s_addr = i ? netif_ip4_addr(iface_netif(i))->addr : 0};

    switch (name) {
    case IP_MULTICAST_TTL:
        return sock_opt_put_int(value, size, u->mcast_ttl);
    case IP_MULTICAST_LOOP:
        return sock_opt_put_int(value, size, u->mcast_loop);
    case IP_MULTICAST_ALL:
        return sock_opt_put_int(value, size, u->mcast_all4);
    case IP_MULTICAST_IF:
        return sock_opt_put(value, size, &addr, sizeof addr);
    default:
        return -ENOPROTOOPT;
    }
}

static int get6(const struct ip_sock *u, int name, void *value, socklen_t *size)
{
    switch (name) {
    case IPV6_MULTICAST_HOPS:
        return sock_opt_put_int(value, size, u->mcast_hops6);
    case IPV6_MULTICAST_LOOP:
        return sock_opt_put_int(value, size, u->mcast_loop);
    case IPV6_MULTICAST_ALL:
        return sock_opt_put_int(value, size, u->mcast_all6);
    case IPV6_MULTICAST_IF:
        return sock_opt_put_int(value, size, (int)u->mcast_if);
    default:
        return -ENOPROTOOPT;
    }
}

int mcast_getopt(struct ip_sock *u, int level, int name, void *value, socklen_t *size)
{
    return level == IPPROTO_IP     ? get4(u, name, value, size)
           : level == IPPROTO_IPV6 ? get6(u, name, value, size)
                                   : -ENOPROTOOPT;
}
