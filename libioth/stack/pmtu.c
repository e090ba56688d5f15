/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/pmtu.h"

#include <string.h>

#include <lwip/prot/ip.h>

#include "libioth/stack/hooks.h"
#include "libioth/stack/timers.h"

struct path {
    ip_addr_t to;
    uint16_t mtu;
    bool cut; /* Routers may cut packets there. */
    mtime_t until;
};

bool pmtu_whole;
static struct path paths[PMTU_ROOM];
static unsigned n_paths;

static bool is_to(const struct path *p, const ip_addr_t *to)
{
    if (IP_GET_TYPE(&p->to) != IP_GET_TYPE(to))
        return false;
    return IP_IS_V6(to) ? !memcmp(ip_2_ip6(&p->to)->addr, ip_2_ip6(to)->addr, 16)
                        : ip_2_ip4(&p->to)->addr == ip_2_ip4(to)->addr;
}

/* NULL: nobody said anything, or long ago. */
static struct path *find(const ip_addr_t *to)
{
    for (unsigned i = 0; i < n_paths; i++) {
        if (!is_to(&paths[i], to))
            continue;
        if (timers_now() < paths[i].until)
            return &paths[i];
        paths[i] = paths[--n_paths];
        return NULL;
    }
    return NULL;
}

uint16_t pmtu_of(const ip_addr_t *to, uint16_t link)
{
    const struct path *p = n_paths ? find(to) : NULL;

    return p && p->mtu < link ? p->mtu : link;
}

void pmtu_clear(void)
{
    n_paths = 0;
}

/* A place for a path to there: that of the oldest, where there is no other. */
static struct path *place(const ip_addr_t *to)
{
    struct path *p = find(to);

    if (p)
        return p;
    if (n_paths < PMTU_ROOM)
        return &paths[n_paths++];
    p = &paths[0];
    for (unsigned i = 1; i < PMTU_ROOM; i++)
        p = paths[i].until < p->until ? &paths[i] : p;
    return p;
}

/* What a router of before RFC 1191 may have meant [RFC 1191 7.1]. */
static unsigned plateau_below(unsigned size)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352,
                                        2002,  1492,  1006, PMTU_LEAST4};
    unsigned i = 0;

    while (plateaus[i] >= size && plateaus[i] > PMTU_LEAST4)
        i++;
    return plateaus[i];
}

bool pmtu_learn(const ip_addr_t *to, unsigned mtu, unsigned size, uint16_t link)
{
    bool ip6 = IP_IS_V6(to), cut = false;
    struct path *p;

    if (mtu == 0 && !ip6)
        mtu = plateau_below(size);
    if (mtu < (ip6 ? PMTU_LEAST6 : 68) || mtu >= size || mtu >= pmtu_of(to, link))
        return false;
    if (!ip6 && mtu < PMTU_LEAST4) {
        cut = true;
        mtu = PMTU_LEAST4;
    }
    p = place(to);
    *p = (struct path){.mtu = (uint16_t)mtu, .cut = cut, .until = timers_now() + PMTU_AGE};
    ip_addr_copy(p->to, *to);
    return true;
}

/* --- lwIP asks ---------------------------------------------------------------------------------- */

u16_t pmtu_ip4(const struct netif *netif, const ip4_addr_t *dest)
{
    ip_addr_t to;

    if (!n_paths)
        return netif->mtu;
    ip_addr_copy_from_ip4(to, *dest);
    return pmtu_of(&to, netif->mtu);
}

u16_t pmtu_ip6(const struct netif *netif, const ip6_addr_t *dest)
{
    ip_addr_t to;

    if (!n_paths)
        return netif_mtu6(netif);
    ip_addr_copy_from_ip6(to, *dest);
    return pmtu_of(&to, netif_mtu6(netif));
}

bool pmtu_is_whole(u8_t proto, const ip4_addr_t *dest)
{
    const struct path *p = NULL;
    ip_addr_t to;

    if (proto != IP_PROTO_TCP && !pmtu_whole)
        return false;
    if (n_paths) {
        ip_addr_copy_from_ip4(to, *dest);
        p = find(&to);
    }
    return !p || !p->cut;
}
