/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/iface.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/igmp.h>
#include <lwip/ip6.h>
#include <lwip/mld6.h>
#include <lwip/nd6.h>
#include <lwip/priv/tcp_priv.h>

#include "libioth/stack/input.h"
#include "libioth/stack/output.h"
#include "libioth/stack/rate.h"
#include "libioth/stack/route.h"
#include "libioth/stack/settings.h"
#include "libioth/stack/timers.h"

/* What is taken from a port at a time: one superframe. A reader that waits has its bytes then without a copy in
 * between, and what it has no room for stays in the ring, which holds the sender back. */
#define LOOK_SIZE (32u << 10)

struct iface_tap iface_tap;
static struct iface lo;
static struct list all = {&all, &all};

static struct iface *entry(struct list *link)
{
    return list_entry(link, struct iface, link);
}

struct list *iface_list(void)
{
    return &all;
}

struct iface *iface_lo(void)
{
    return &lo;
}

unsigned iface_index(const struct iface *i)
{
    /* lo is lwIP's own netif. */
    return i == &lo ? 1 : netif_get_index(&i->netif);
}

struct iface *iface_by_index(unsigned index)
{
    list_for_each (it, &all) {
        if (iface_index(entry(it)) == index)
            return entry(it);
    }
    return NULL;
}

struct iface *iface_by_name(const char *name)
{
    list_for_each (it, &all) {
        if (!strcmp(entry(it)->name, name))
            return entry(it);
    }
    return NULL;
}

struct netif *iface_netif(struct iface *i)
{
    return i == &lo ? netif_get_by_index(1) : &i->netif;
}

struct pool *iface_pool(const struct netif *netif)
{
    list_for_each (it, &all) {
        struct iface *i = entry(it);

        if (netif && netif->state == i && i->port && i->port->ops->pool)
            return i->port->ops->pool(i->port);
    }
    return NULL;
}

void iface_init(void)
{
    list_init(&all);
    memcpy(lo.name, "lo", 3);
    list_append(&all, &lo.link);
    NETIF_SET_CHECKSUM_CTRL(iface_netif(&lo), NETIF_CHECKSUM_DISABLE_ALL);
    /* Groups are there as anywhere else. */
    iface_netif(&lo)->flags |= NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    igmp_start(iface_netif(&lo));
}

void iface_done(void)
{
    igmp_stop(iface_netif(&lo));
    mld6_stop(iface_netif(&lo));
}

static err_t netif_set_up_driver(struct netif *netif)
{
    const struct iface *i = netif->state;

    netif->name[0] = 'v';
    netif->name[1] = 'd';
    netif->mtu = (u16_t)(i->port->mtu < 65000 ? i->port->mtu : 65000);
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, i->port->mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
                   NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = output_frame;
    NETIF_SET_CHECKSUM_CTRL(netif, INPUT_CHECK_OPEN);
    return ERR_OK;
}

static void make_name(char name[IF_NAMESIZE])
{
    unsigned n = 0;

    do
        snprintf(name, IF_NAMESIZE, "vde%u", n++);
    while (iface_by_name(name));
}

static void take_addresses(struct iface *i)
{
    const struct port *port = i->port;

    for (unsigned n = 0; n < port->n_addrs; n++) {
        const struct plug_addr *a = &port->addrs[n];

        (void)!route_address(i, a->family, a->addr, a->prefix, true);
    }
    if (port->gateway4.family)
        (void)!route_add(4, NULL, 0, port->gateway4.addr, i);
    if (port->gateway6.family)
        (void)!route_add(6, NULL, 0, port->gateway6.addr, i);
}

int iface_add(const char *name, struct port *port, struct iface **out)
{
    struct iface *i;
    unsigned n = 0;

    list_for_each (it, &all)
        n++;
    if (n >= IFACE_MAX)
        return -ENOSPC;
    if (iface_by_name(name))
        return -EEXIST;
    if (strlen(name) >= IF_NAMESIZE)
        return -EINVAL;
    i = calloc(1, sizeof *i);
    if (!i)
        return -ENOMEM;
    if (*name)
        memcpy(i->name, name, strlen(name) + 1);
    else
        make_name(i->name);
    i->port = port;
    if (!netif_add_noaddr(&i->netif, i, netif_set_up_driver, input_none)) {
        free(i);
        return -ENOMEM;
    }
    list_append(&all, &i->link);
    netif_create_ip6_linklocal_address(&i->netif, 1);
    netif_set_link_up(&i->netif);
    if (port->n_addrs) {
        netif_set_up(&i->netif);
        take_addresses(i);
    }
    *out = i;
    return 0;
}

void iface_announce(struct iface *i)
{
    if (!ip4_addr_isany(netif_ip4_addr(&i->netif)))
        etharp_gratuitous(&i->netif);
    for (unsigned n = 0; n < IFACE_ALIASES; n++) {
        if (i->aliases[n])
            etharp_gratuitous(&i->aliases[n]->netif);
    }
}

/* --- further addresses of IPv4 ---------------------------------------------------------------------- */

static err_t alias_set_up_driver(struct netif *netif)
{
    err_t r = netif_set_up_driver(netif);

    netif->flags &= (u8_t) ~(NETIF_FLAG_IGMP | NETIF_FLAG_MLD6);
    return r;
}

/* lwIP takes the first interface that fits: that is to be one's first address. */
static void put_last(struct netif *netif)
{
    struct netif **at = &netif_list;

    while (*at != netif)
        at = &(*at)->next;
    *at = netif->next;
    while (*at)
        at = &(*at)->next;
    *at = netif;
    netif->next = NULL;
}

static unsigned find_alias(const struct iface *i, const ip4_addr_t *ip)
{
    unsigned n = 0;

    while (n < IFACE_ALIASES &&
           !(ip ? i->aliases[n] && ip4_addr_eq(netif_ip4_addr(&i->aliases[n]->netif), ip)
                : !i->aliases[n]))
        n++;
    return n;
}

void iface_changed(struct iface *i)
{
    for (unsigned n = 0; n < IFACE_ALIASES; n++) {
        struct netif *netif = i->aliases[n] ? &i->aliases[n]->netif : NULL;

        if (!netif)
            continue;
        memcpy(netif->hwaddr, i->netif.hwaddr, 6);
        netif->mtu = i->netif.mtu;
        if (netif_is_up(&i->netif))
            netif_set_up(netif);
        else
            netif_set_down(netif);
    }
}

int iface_alias_add(struct iface *i, const ip4_addr_t *ip, const ip4_addr_t *mask)
{
    unsigned n = find_alias(i, NULL);
    struct iface_alias *a;

    if (find_alias(i, ip) < IFACE_ALIASES)
        return -EEXIST;
    if (!i->port || n == IFACE_ALIASES)
        return -ENOSPC;
    a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    if (!netif_add(&a->netif, ip, mask, NULL, i, alias_set_up_driver, input_none)) {
        free(a);
        return -ENOMEM;
    }
    put_last(&a->netif);
    i->aliases[n] = a;
    netif_set_link_up(&a->netif);
    iface_changed(i);
    return 0;
}

static void drop_alias(struct iface *i, unsigned n)
{
    netif_remove(&i->aliases[n]->netif);
    free(i->aliases[n]);
    i->aliases[n] = NULL;
}

int iface_alias_remove(struct iface *i, const ip4_addr_t *ip)
{
    unsigned n = find_alias(i, ip);

    if (n == IFACE_ALIASES)
        return -EADDRNOTAVAIL;
    drop_alias(i, n);
    return 0;
}

int iface_remove(struct iface *i)
{
    if (i == &lo)
        return -EPERM;
    if (i->mending)
        return -EBUSY;
    route_forget(i);
    if (netif_dhcp_data(&i->netif))
        dhcp_release_and_stop(&i->netif);
    iface_flush();
    for (unsigned n = 0; n < IFACE_ALIASES; n++) {
        if (i->aliases[n])
            drop_alias(i, n);
    }
    netif_remove(&i->netif);
    if (netif_dhcp_data(&i->netif))
        dhcp_cleanup(&i->netif);
    list_remove(&i->link);
    i->port->ops->free(i->port);
    free(i);
    return 0;
}

/* What a stack sends to itself waits in the interface; taking it may send more. */
static void poll_own(void)
{
    const struct netif *netif;
    bool more = true;

    while (more) {
        netif_poll_all();
        more = false;
        NETIF_FOREACH(netif)
        more = more || netif->loop_first;
    }
}

/* Takes what has come by one interface, up to LOOK_SIZE: returns how many frames that were. */
static unsigned take_from(struct iface *i, bool *used)
{
    const struct port_ops *ops = i->port->ops;
    struct frame frames[FRAME_BURST];
    unsigned n = ops->recv(i->port, frames, FRAME_BURST), done = 0;
    size_t size = 0;

    if (!n)
        return 0;
    while (done < n && (size < LOOK_SIZE || !ops->recv_back)) {
        size += frames[done].size;
        *used |= input_frame(i, &frames[done++]);
    }
    if (done < n)
        ops->recv_back(i->port, n - done);
    ops->recv_done(i->port);
    return done;
}

unsigned iface_poll(bool *used)
{
    unsigned total = 0;

    list_for_each (it, &all) {
        struct iface *i = entry(it);

        if (i->port)
            total += take_from(i, used);
    }
    return total;
}

/* Sending is refused per segment, so all that have something unsent try again. */
static void tcp_go_on(bool only_acks)
{
    struct tcp_pcb *next;

    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = next) {
        next = pcb->next;
        if (pcb->flags & TF_ACK_NOW ||
            (!only_acks && (pcb->unsent || recovery_pending(pcb))))
            tcp_output(pcb);
    }
}

/* Which of those that have something to send had its last turn first; NULL: all have had one since `start`. */
static struct tcp_pcb *first_of_turns(uint64_t start)
{
    struct tcp_pcb *first = NULL;

    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->limits.turn <= start && (pcb->unsent || recovery_pending(pcb)) &&
            (!first || pcb->limits.turn < first->limits.turn))
            first = pcb;
    }
    return first;
}

/* As far as the stack's rate goes, one connection after the other. */
static void tcp_take_turns(void)
{
    static uint64_t turn;
    uint64_t start = turn;
    struct tcp_pcb *pcb;

    rate_begin_turns();
    while ((pcb = first_of_turns(start)) != NULL && rate_allows(RATE_TCP, timers_now())) {
        pcb->limits.turn = ++turn;
        tcp_output(pcb);
    }
    rate_end_turns();
    tcp_go_on(true);
}

bool iface_flush(void)
{
    bool again = false;

    poll_own();
    list_for_each (it, &all) {
        struct iface *i = entry(it);

        if (!i->port)
            continue;
        i->port->ops->flush(i->port);
        if (i->stalled && i->port->ops->room(i->port)) {
            i->stalled = false;
            again = true;
        }
    }
    if (rate_is_due(timers_now()))
        again = true;
    if (again) {
        if (stack_settings.rate)
            tcp_take_turns();
        else
            tcp_go_on(false);
        list_for_each (it, &all) {
            if (entry(it)->port)
                entry(it)->port->ops->flush(entry(it)->port);
        }
    }
    return again;
}

int iface_send_raw(struct iface *i, struct pbuf *p)
{
    if (!i->port || !netif_is_up(&i->netif))
        return -ENETDOWN;
    switch (output_frame(&i->netif, p)) {
    case ERR_OK:
        return 0;
    case ERR_MEM:
        return -ENOBUFS;
    default:
        return -EMSGSIZE;
    }
}
