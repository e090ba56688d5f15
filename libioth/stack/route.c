/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/route.h"

#include <errno.h>
#include <string.h>

#include <lwip/ip6_addr.h>
#include <lwip/nd6.h>

#include "libioth/stack/hooks.h"

static struct route table[ROUTE_MAX];

const struct route *route_table(void)
{
    return table;
}

/* --- addresses -------------------------------------------------------------------------------- */

static int address4(struct iface *i, const void *addr, unsigned len, bool add)
{
    struct netif *netif = iface_netif(i);
    ip4_addr_t ip, mask;

    memcpy(&ip.addr, addr, 4);
    mask.addr = lwip_htonl(len ? 0xffffffffu << (32 - len) : 0);
    if (!add) {
        if (!ip4_addr_eq(netif_ip4_addr(netif), &ip))
            return iface_alias_remove(i, &ip);
        netif_set_addr(netif, NULL, NULL, NULL);
        return 0;
    }
    if (ip4_addr_eq(netif_ip4_addr(netif), &ip))
        return -EEXIST;
    if (!ip4_addr_isany(netif_ip4_addr(netif)))
        return iface_alias_add(i, &ip, &mask);
    netif_set_addr(netif, &ip, &mask, NULL);
    return 0;
}

static int address6(struct netif *netif, const void *addr, bool add)
{
    ip6_addr_t ip;
    s8_t at;

    memcpy(ip.addr, addr, 16);
    ip6_addr_clear_zone(&ip);
    ip6_addr_assign_zone(&ip, IP6_UNICAST, netif);
    at = netif_get_ip6_addr_match(netif, &ip);
    if (!add) {
        if (at < 0)
            return -EADDRNOTAVAIL;
        netif_ip6_addr_set_state(netif, at, IP6_ADDR_INVALID);
        return 0;
    }
    if (at >= 0)
        return -EEXIST;
    if (netif_add_ip6_address(netif, &ip, &at) != ERR_OK || at < 0)
        return -ENOSPC;
    netif_ip6_addr_set_state(netif, at, IP6_ADDR_PREFERRED);
    return 0;
}

int route_address(struct iface *i, unsigned family, const void *addr, unsigned len,
                  bool add)
{
    struct netif *netif = iface_netif(i);
    int r;

    if ((family == 4 && len > 32) || (family == 6 && len > 128) ||
        (family != 4 && family != 6))
        return -EINVAL;
    if (family == 4)
        return address4(i, addr, len, add);
    r = address6(netif, addr, add);
    if (r == 0 && len < 64 && add)
        (void)!route_add(6, addr, len, NULL, i);
    else if (r == 0 && len < 64)
        (void)!route_del(6, addr, len, NULL, i);
    return r;
}

/* --- the table -------------------------------------------------------------------------------- */

static bool in_prefix(const uint8_t *addr, const uint8_t *prefix, unsigned len)
{
    unsigned bytes = len / 8, bits = len % 8;

    if (memcmp(addr, prefix, bytes) != 0)
        return false;
    return !bits || ((addr[bytes] ^ prefix[bytes]) & (0xff00u >> bits) & 0xff) == 0;
}

static size_t addr_size(unsigned family)
{
    return family == 4 ? 4 : 16;
}

static bool usable(struct iface *i)
{
    struct netif *netif = iface_netif(i);

    return netif_is_up(netif) && netif_is_link_up(netif);
}

static const struct route *look_up(unsigned family, const void *dst, const struct netif *by)
{
    const struct route *best = NULL;

    for (unsigned n = 0; n < ROUTE_MAX; n++) {
        const struct route *r = &table[n];

        if (r->family == family && (!by || iface_netif(r->iface) == by) &&
            usable(r->iface) && in_prefix(dst, r->dst, r->len) &&
            (!best || r->len > best->len))
            best = r;
    }
    return best;
}

static bool in_subnet(const struct netif *netif, const uint8_t *addr)
{
    const uint8_t *own = (const void *)&netif_ip4_addr(netif)->addr;
    const uint8_t *mask = (const void *)&netif_ip4_netmask(netif)->addr;
    bool match = !ip4_addr_isany(netif_ip4_addr(netif));

    for (unsigned b = 0; b < 4 && match; b++)
        match = ((own[b] ^ addr[b]) & mask[b]) == 0;
    return match;
}

/* The interface on whose subnet an address is. */
static struct iface *on_link(unsigned family, const uint8_t *addr)
{
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);
        struct netif *netif = iface_netif(i);
        bool match = family == 4 && in_subnet(netif, addr);

        for (unsigned n = 0; n < IFACE_ALIASES && family == 4 && !match; n++)
            match = i->aliases[n] && in_subnet(&i->aliases[n]->netif, addr);
        for (unsigned a = 0; a < LWIP_IPV6_NUM_ADDRESSES && family == 6 && !match; a++)
            match = ip6_addr_isvalid(netif_ip6_addr_state(netif, a)) &&
                    !memcmp(netif_ip6_addr(netif, a)->addr, addr, 8);
        if (match)
            return i;
    }
    return NULL;
}

static struct route *find(unsigned family, const void *dst, unsigned len, const void *gw,
                          const struct iface *i)
{
    for (unsigned n = 0; n < ROUTE_MAX; n++) {
        struct route *r = &table[n];

        if (r->family == family && r->len == len && (!len || in_prefix(dst, r->dst, len)) &&
            (!gw || (r->has_gw && !memcmp(r->gw, gw, addr_size(family)))) &&
            (!i || r->iface == i))
            return r;
    }
    return NULL;
}

int route_add(unsigned family, const void *dst, unsigned len, const void *gw,
              struct iface *i)
{
    struct route *free_entry = find(0, NULL, 0, NULL, NULL);

    if ((family != 4 && family != 6) || len > addr_size(family) * 8 || (len && !dst))
        return -EINVAL;
    if (!i && gw)
        i = on_link(family, gw);
    if (!i)
        return -ENETUNREACH;
    if (find(family, dst, len, gw, i))
        return -EEXIST;
    if (!free_entry)
        return -ENOSPC;
    *free_entry = (struct route){
        .family = (uint8_t)family, .len = (uint8_t)len, .has_gw = gw != NULL, .iface = i};
    if (len)
        memcpy(free_entry->dst, dst, addr_size(family));
    if (gw)
        memcpy(free_entry->gw, gw, addr_size(family));
    if (family == 6)
        nd6_clear_destination_cache();
    return 0;
}

int route_del(unsigned family, const void *dst, unsigned len, const void *gw,
              struct iface *i)
{
    struct route *r = find(family, dst, len, gw, i);

    if (!r)
        return -ESRCH;
    r->family = 0;
    r->len = 0;
    if (family == 6)
        nd6_clear_destination_cache();
    return 0;
}

void route_forget(const struct iface *i)
{
    for (unsigned n = 0; n < ROUTE_MAX; n++) {
        if (table[n].iface == i)
            table[n] = (struct route){.family = 0};
    }
}

/* --- lwIP asks -------------------------------------------------------------------------------- */

struct netif *route_ip4(const ip4_addr_t *dst)
{
    const struct route *r = look_up(4, &dst->addr, NULL);

    return r ? iface_netif(r->iface) : NULL;
}

/* What goes to one of an interface's further addresses stays here, though another may have the same subnet. */
struct netif *route_own4(const ip4_addr_t *dst)
{
    list_for_each (it, iface_list()) {
        struct iface *i = list_entry(it, struct iface, link);

        for (unsigned n = 0; n < IFACE_ALIASES; n++) {
            if (i->aliases[n] && ip4_addr_eq(netif_ip4_addr(&i->aliases[n]->netif), dst))
                return &i->aliases[n]->netif;
        }
    }
    return NULL;
}

const ip4_addr_t *route_gateway4(struct netif *netif, const ip4_addr_t *dst)
{
    static ip4_addr_t gateway;
    const struct route *r = look_up(4, &dst->addr, netif);

    if (!r)
        return NULL;
    if (!r->has_gw)
        return dst;
    memcpy(&gateway.addr, r->gw, 4);
    return &gateway;
}

/* lwIP asks us first, so what an address's own /64 covers is left to it. */
struct netif *route_ip6(const ip6_addr_t *src, const ip6_addr_t *dst)
{
    const struct route *r;

    (void)src;
    if (on_link(6, (const uint8_t *)dst->addr))
        return NULL;
    r = look_up(6, dst->addr, NULL);
    return r ? iface_netif(r->iface) : NULL;
}

const ip6_addr_t *route_gateway6(struct netif *netif, const ip6_addr_t *dst)
{
    static ip6_addr_t gateway;
    const struct route *r = look_up(6, dst->addr, netif);

    if (!r)
        return NULL;
    if (!r->has_gw)
        return dst;
    memcpy(gateway.addr, r->gw, 16);
    ip6_addr_clear_zone(&gateway);
    ip6_addr_assign_zone(&gateway, IP6_UNICAST, netif);
    return &gateway;
}
