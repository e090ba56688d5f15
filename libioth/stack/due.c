/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/due.h"

#include <stdbool.h>

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/igmp.h>
#include <lwip/ip4_frag.h>
#include <lwip/ip6_frag.h>
#include <lwip/mld6.h>
#include <lwip/nd6.h>
#include <lwip/netif.h>
#include <lwip/priv/nd6_priv.h>
#include <lwip/prot/dhcp.h>

static unsigned sooner(unsigned a, unsigned b)
{
    if (a == DUE_NEVER)
        return b;
    return b == DUE_NEVER || a < b ? a : b;
}

static unsigned now_if(bool busy)
{
    return busy ? 1 : DUE_NEVER;
}

/* --- groups ------------------------------------------------------------------------------------- */

static unsigned igmp_due(void)
{
    unsigned due = DUE_NEVER;
    struct netif *netif;

    NETIF_FOREACH(netif)
    for (const struct igmp_group *g = netif_igmp_data(netif); g; g = g->next)
        due = sooner(due, g->timer);
    return due;
}

static unsigned mld_due(void)
{
    unsigned due = DUE_NEVER;
    struct netif *netif;

    NETIF_FOREACH(netif)
    for (const struct mld_group *g = netif_mld6_data(netif); g; g = g->next)
        due = sooner(due, g->timer);
    return due;
}

/* --- IPv6 --------------------------------------------------------------------------------------- */

static bool has_tentative(struct netif *netif)
{
    for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
        if (ip6_addr_istentative(netif_ip6_addr_state(netif, i)))
            return true;
    }
    return false;
}

/* lwIP asks for routers from an address that is known to be its own; on `lo` there are none. */
static bool asks_for_routers(struct netif *netif)
{
    u8_t first = netif_ip6_addr_state(netif, 0);

    return netif->rs_count > 0 && netif->flags & NETIF_FLAG_ETHERNET &&
           !ip6_addr_isinvalid(first) && !ip6_addr_isduplicated(first);
}

static unsigned nd6_due(void)
{
    struct netif *netif;

    for (unsigned i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        const struct nd6_neighbor_cache_entry *n = &neighbor_cache[i];

        if (n->state == ND6_INCOMPLETE || n->state == ND6_DELAY || n->state == ND6_PROBE ||
            n->q)
            return 1;
    }
    NETIF_FOREACH(netif)
    {
        if (netif_is_up(netif) && netif_is_link_up(netif) &&
            (has_tentative(netif) || asks_for_routers(netif)))
            return 1;
    }
    return DUE_NEVER;
}

/* --- DHCP --------------------------------------------------------------------------------------- */

static unsigned lease_due(void)
{
    unsigned due = DUE_NEVER;
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        const struct dhcp *d = netif_dhcp_data(netif);

        if (!d || d->state == DHCP_STATE_OFF)
            continue;
        due = sooner(due, d->t1_renew_time);
        due = sooner(due, d->t2_rebind_time);
        if (d->t0_timeout > d->lease_used)
            due = sooner(due, d->t0_timeout - d->lease_used);
    }
    return due;
}

static unsigned request_due(void)
{
    unsigned due = DUE_NEVER;
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        const struct dhcp *d = netif_dhcp_data(netif);

        due = sooner(due, d ? d->request_timeout : DUE_NEVER);
    }
    return due;
}

unsigned due_in(lwip_cyclic_timer_handler handler)
{
    if (handler == etharp_tmr)
        return now_if(etharp_is_asking());
    if (handler == ip_reass_tmr)
        return now_if(ip_reass_is_waiting());
    if (handler == ip6_reass_tmr)
        return now_if(ip6_reass_is_waiting());
    if (handler == nd6_tmr)
        return nd6_due();
    if (handler == igmp_tmr)
        return igmp_due();
    if (handler == mld6_tmr)
        return mld_due();
    if (handler == dhcp_coarse_tmr)
        return lease_due();
    if (handler == dhcp_fine_tmr)
        return request_due();
    return 1; /* Whatever it is. */
}
