/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and routes: RTM_{GET,NEW,DEL}ADDR, RTM_{GET,NEW,DEL}ROUTE. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include <lwip/ip6_addr.h>

#include "libioth/sockets/nl.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/route.h"

/* 4 or 6, and the size of an address; 0 for other families. */
static unsigned family_of(unsigned af, size_t *size)
{
    *size = af == AF_INET ? 4 : 16;
    return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

/* --- addresses ---------------------------------------------------------------------------------- */

static void tell_addr(struct nl_reply *r, struct iface *i, unsigned af, const void *addr,
                      unsigned len, unsigned flags)
{
    struct ifaddrmsg *msg;
    void *body;
    struct nlmsghdr *h = nl_reply_begin(r, RTM_NEWADDR, sizeof *msg, &body);
    size_t size;

    if (!h)
        return;
    family_of(af, &size);
    msg = body;
    msg->ifa_family = (uint8_t)af;
    msg->ifa_prefixlen = (uint8_t)len;
    msg->ifa_flags = (uint8_t)flags;
    msg->ifa_index = iface_index(i);
    mnl_attr_put(h, IFA_ADDRESS, size, addr);
    mnl_attr_put(h, IFA_LOCAL, size, addr);
    if (af == AF_INET)
        mnl_attr_put_strz(h, IFA_LABEL, i->name);
    nl_reply_end(r, h);
}

static unsigned mask_len(const struct netif *netif)
{
    return (unsigned)__builtin_popcount(netif_ip4_netmask(netif)->addr);
}

static void tell_addrs(struct nl_reply *r, struct iface *i, unsigned af)
{
    const struct netif *netif = iface_netif(i);

    if (af != AF_INET6 && !ip4_addr_isany(netif_ip4_addr(netif)))
        tell_addr(r, i, AF_INET, netif_ip4_addr(netif), mask_len(netif), IFA_F_PERMANENT);
    for (unsigned n = 0; n < IFACE_ALIASES && af != AF_INET6; n++) {
        const struct netif *alias = i->aliases[n] ? &i->aliases[n]->netif : NULL;

        if (alias)
            tell_addr(r, i, AF_INET, netif_ip4_addr(alias), mask_len(alias),
                      IFA_F_PERMANENT);
    }
    for (int n = 0; n < LWIP_IPV6_NUM_ADDRESSES && af != AF_INET; n++) {
        u8_t state = netif_ip6_addr_state(netif, n);

        if (!ip6_addr_isinvalid(state))
            tell_addr(r, i, AF_INET6, netif_ip6_addr(netif, n)->addr, i->port ? 64 : 128,
                      ip6_addr_istentative(state)         ? IFA_F_TENTATIVE
                      : ip6_addr_isduplicated(state)      ? IFA_F_DADFAILED
                      : netif_ip6_addr_isstatic(netif, n) ? IFA_F_PERMANENT
                                                          : 0);
    }
}

int nl_get_addr(const struct nlmsghdr *h, struct nl_reply *r)
{
    const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(h);
    unsigned af = h->nlmsg_len >= MNL_NLMSG_HDRLEN + 1 ? msg->ifa_family : AF_UNSPEC;

    if ((h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        return -EOPNOTSUPP;
    list_for_each (it, iface_list())
        tell_addrs(r, list_entry(it, struct iface, link), af);
    return 0;
}

int nl_change_addr(const struct nlmsghdr *h)
{
    const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(h);
    const struct nlattr *attrs[IFA_MAX + 1];
    struct iface *i = iface_by_index(msg->ifa_index);
    size_t size;
    unsigned family = family_of(msg->ifa_family, &size);
    const void *addr;
    int r = nl_attrs(h, sizeof *msg, attrs, IFA_MAX);

    if (r < 0)
        return r;
    if (!family)
        return -EAFNOSUPPORT;
    if (!i)
        return -ENODEV;
    addr = nl_attr_bytes(attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS], size);
    if (!addr)
        return -EINVAL;
    return route_address(i, family, addr, msg->ifa_prefixlen, h->nlmsg_type == RTM_NEWADDR);
}

/* --- routes ------------------------------------------------------------------------------------- */

static void tell_route(struct nl_reply *r, const struct route *route)
{
    struct rtmsg *msg;
    void *body;
    struct nlmsghdr *h = nl_reply_begin(r, RTM_NEWROUTE, sizeof *msg, &body);
    size_t size = route->family == 4 ? 4 : 16;

    if (!h)
        return;
    msg = body;
    msg->rtm_family = route->family == 4 ? AF_INET : AF_INET6;
    msg->rtm_dst_len = route->len;
    msg->rtm_table = RT_TABLE_MAIN;
    msg->rtm_protocol = RTPROT_STATIC;
    msg->rtm_scope = route->has_gw ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    msg->rtm_type = RTN_UNICAST;
    if (route->len)
        mnl_attr_put(h, RTA_DST, size, route->dst);
    if (route->has_gw)
        mnl_attr_put(h, RTA_GATEWAY, size, route->gw);
    mnl_attr_put_u32(h, RTA_OIF, iface_index(route->iface));
    nl_reply_end(r, h);
}

/* The subnet of an interface's IPv4 address is a route, too. */
static void tell_subnet(struct nl_reply *r, struct iface *i, const struct netif *netif)
{
    struct route route = {.family = 4, .len = (uint8_t)mask_len(netif), .iface = i};
    uint32_t net = netif_ip4_addr(netif)->addr & netif_ip4_netmask(netif)->addr;

    if (!i->port || ip4_addr_isany(netif_ip4_addr(netif)))
        return;
    memcpy(route.dst, &net, sizeof net);
    tell_route(r, &route);
}

/* And so is the /64 of each IPv6 address, told once. */
static void tell_subnets6(struct nl_reply *r, struct iface *i)
{
    const struct netif *netif = iface_netif(i);
    struct route route = {.family = 6, .len = 64, .iface = i};

    for (int n = 0; n < LWIP_IPV6_NUM_ADDRESSES && i->port; n++) {
        const ip6_addr_t *addr = netif_ip6_addr(netif, n);
        bool told = ip6_addr_isinvalid(netif_ip6_addr_state(netif, n));

        for (int m = 0; m < n && !told; m++)
            told = !ip6_addr_isinvalid(netif_ip6_addr_state(netif, m)) &&
                   !memcmp(netif_ip6_addr(netif, m)->addr, addr->addr, 8);
        if (told)
            continue;
        memcpy(route.dst, addr->addr, 8);
        tell_route(r, &route);
    }
}

int nl_get_route(const struct nlmsghdr *h, struct nl_reply *r)
{
    const struct rtmsg *msg = mnl_nlmsg_get_payload(h);
    const struct route *table = route_table();
    unsigned af = h->nlmsg_len >= MNL_NLMSG_HDRLEN + 1 ? msg->rtm_family : AF_UNSPEC;

    if ((h->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        return -EOPNOTSUPP;
    if (af != AF_INET6) {
        list_for_each (it, iface_list()) {
            struct iface *i = list_entry(it, struct iface, link);

            tell_subnet(r, i, iface_netif(i));
            for (unsigned n = 0; n < IFACE_ALIASES; n++) {
                if (i->aliases[n])
                    tell_subnet(r, i, &i->aliases[n]->netif);
            }
        }
    }
    if (af != AF_INET) {
        list_for_each (it, iface_list())
            tell_subnets6(r, list_entry(it, struct iface, link));
    }
    for (unsigned n = 0; n < ROUTE_MAX; n++) {
        if (table[n].family == 0 || (af == AF_INET && table[n].family != 4) ||
            (af == AF_INET6 && table[n].family != 6))
            continue;
        tell_route(r, &table[n]);
    }
    return 0;
}

int nl_change_route(const struct nlmsghdr *h)
{
    const struct rtmsg *msg = mnl_nlmsg_get_payload(h);
    const struct nlattr *attrs[RTA_MAX + 1];
    const uint32_t *oif;
    struct iface *i = NULL;
    size_t size;
    unsigned family = family_of(msg->rtm_family, &size);
    const void *dst, *gw;
    int r = nl_attrs(h, sizeof *msg, attrs, RTA_MAX);

    if (r < 0)
        return r;
    if (!family)
        return -EAFNOSUPPORT;
    oif = nl_attr_bytes(attrs[RTA_OIF], sizeof *oif);
    dst = nl_attr_bytes(attrs[RTA_DST], size);
    gw = nl_attr_bytes(attrs[RTA_GATEWAY], size);
    if (oif && *oif) {
        i = iface_by_index(*oif);
        if (!i)
            return -ENODEV;
    }
    if ((attrs[RTA_DST] && !dst) || (attrs[RTA_GATEWAY] && !gw) ||
        (msg->rtm_dst_len && !dst))
        return -EINVAL;
    return h->nlmsg_type == RTM_NEWROUTE ? route_add(family, dst, msg->rtm_dst_len, gw, i)
                                         : route_del(family, dst, msg->rtm_dst_len, gw, i);
}
