/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links: RTM_{GET,NEW,SET,DEL}LINK. A link of the kind "vde" is made with the VNL that it plugs into. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

/* Behind <net/if.h>, whose names it then leaves out. */
#include <linux/if.h>

#include <libmnl/libmnl.h>

#include <lwip/etharp.h>
#include <lwip/nd6.h>

#include "libioth/sockets/nl.h"
#include "libioth/stack/iface.h"

#define IFLA_VDE_VNL 1        /* In IFLA_INFO_DATA. */
#define LINK_IS_UP   0x10000u /* IFF_LOWER_UP, which <net/if.h> has not. */
#define MTU_MIN      576u
#define MTU_MAX      65000u
#define LO_MTU       65536u
#define TX_QUEUE     1000u /* What Linux says; nothing is queued here. */
#define NAME_TEXT    (NL_ROOM / 2)

static unsigned flags_of(const struct netif *netif, bool lo)
{
    unsigned flags = lo ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST;

    if (netif_is_up(netif))
        flags |= IFF_UP;
    if (netif_is_up(netif) && netif_is_link_up(netif))
        flags |= IFF_RUNNING | LINK_IS_UP;
    return flags;
}

static uint8_t oper_state(unsigned flags, bool lo)
{
    if (lo)
        return IF_OPER_UNKNOWN;
    return flags & IFF_RUNNING ? IF_OPER_UP : IF_OPER_DOWN;
}

static void describe(struct iface *i, struct nl_reply *r)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t none[6];
    const struct netif *netif = iface_netif(i);
    struct ifinfomsg *info;
    void *body;
    struct nlmsghdr *h = nl_reply_begin(r, RTM_NEWLINK, sizeof *info, &body);

    if (!h)
        return;
    info = body;
    info->ifi_family = AF_UNSPEC;
    info->ifi_type = i->port ? ARPHRD_ETHER : ARPHRD_LOOPBACK;
    info->ifi_index = (int)iface_index(i);
    info->ifi_flags = flags_of(netif, !i->port);
    mnl_attr_put_strz(h, IFLA_IFNAME, i->name);
    mnl_attr_put_u32(h, IFLA_MTU, i->port ? netif->mtu : LO_MTU);
    mnl_attr_put_u32(h, IFLA_TXQLEN, TX_QUEUE);
    mnl_attr_put_u8(h, IFLA_OPERSTATE, oper_state(info->ifi_flags, !i->port));
    mnl_attr_put(h, IFLA_ADDRESS, 6, i->port ? netif->hwaddr : none);
    mnl_attr_put(h, IFLA_BROADCAST, 6, i->port ? broadcast : none);
    nl_reply_end(r, h);
}

static int text_of(const struct nlattr *a, char *out, size_t size)
{
    size_t n = a ? mnl_attr_get_payload_len(a) : 0;

    if (!n || n > size)
        return -EINVAL;
    memcpy(out, mnl_attr_get_payload(a), n);
    if (n == size && out[n - 1])
        return -EINVAL;
    out[n == size ? n - 1 : n] = 0;
    return 0;
}

/* The link that a request names, by index or name; NULL with *r = -ENODEV or -EINVAL. */
static struct iface *named(const struct nlmsghdr *h, const struct nlattr *const *attrs,
                           int *r)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
    char name[IF_NAMESIZE];
    struct iface *i = NULL;

    *r = 0;
    if (info->ifi_index)
        i = iface_by_index((unsigned)info->ifi_index);
    else if (attrs[IFLA_IFNAME])
        *r = text_of(attrs[IFLA_IFNAME], name, sizeof name);
    else
        *r = -EINVAL;
    if (*r == 0 && !info->ifi_index)
        i = iface_by_name(name);
    if (*r == 0 && !i)
        *r = -ENODEV;
    return i;
}

int nl_get_link(const struct nlmsghdr *h, struct nl_reply *reply)
{
    const struct nlattr *attrs[IFLA_MAX + 1];
    struct iface *i;
    int r;

    if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
        list_for_each (it, iface_list())
            describe(list_entry(it, struct iface, link), reply);
        return 0;
    }
    r = nl_attrs(h, sizeof(struct ifinfomsg), attrs, IFLA_MAX);
    if (r < 0)
        return r;
    i = named(h, attrs, &r);
    if (i)
        describe(i, reply);
    return r;
}

/* A text attribute inside a nested one. */
static const struct nlattr *inside(const struct nlattr *outer, unsigned type)
{
    const struct nlattr *a;

    if (!outer)
        return NULL;
    mnl_attr_for_each_nested(a, outer)
    {
        if (mnl_attr_get_type(a) == type)
            return a;
    }
    return NULL;
}

static int create(const struct nlattr *const *attrs)
{
    const struct nlattr *info = attrs[IFLA_LINKINFO];
    const struct nlattr *data = inside(info, IFLA_INFO_DATA);
    char kind[16] = "", name[IF_NAMESIZE] = "", vnl[NAME_TEXT];
    struct port *port;
    struct iface *i;
    int r = text_of(inside(info, IFLA_INFO_KIND), kind, sizeof kind);

    if (r < 0 || strcmp(kind, "vde") != 0)
        return -EOPNOTSUPP;
    if (attrs[IFLA_IFNAME] && text_of(attrs[IFLA_IFNAME], name, sizeof name) < 0)
        return -EINVAL;
    if (iface_by_name(name))
        return -EEXIST;
    r = text_of(inside(data, IFLA_VDE_VNL), vnl, sizeof vnl);
    if (r == 0)
        r = port_open(vnl, &port, NULL);
    if (r < 0)
        return r;
    r = iface_add(name, port, &i);
    if (r < 0) {
        port->ops->free(port);
        return r;
    }
    return (int)iface_index(i);
}

static int set_mac(struct iface *i, const struct nlattr *a)
{
    const uint8_t *mac = nl_attr_bytes(a, 6);

    if (!mac || mac[0] & 1 || !i->port)
        return -EINVAL;
    memcpy(i->netif.hwaddr, mac, 6);
    netif_create_ip6_linklocal_address(&i->netif, 1);
    iface_changed(i);
    iface_announce(i);
    return 0;
}

static int set_mtu(struct iface *i, const struct nlattr *a)
{
    const uint32_t *mtu = nl_attr_bytes(a, sizeof *mtu);

    if (!mtu || *mtu < MTU_MIN || *mtu > MTU_MAX || !i->port)
        return -EINVAL;
    i->netif.mtu = (u16_t)*mtu;
#if LWIP_ND6_ALLOW_RA_UPDATES
    i->netif.mtu6 = (u16_t)*mtu;
#endif
    iface_changed(i);
    return 0;
}

static void set_up(struct iface *i, bool up)
{
    struct netif *netif = iface_netif(i);

    if (up)
        netif_set_up(netif);
    else
        netif_set_down(netif);
    iface_changed(i);
}

int nl_new_link(const struct nlmsghdr *h)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
    const struct nlattr *attrs[IFLA_MAX + 1];
    struct iface *i;
    int r = nl_attrs(h, sizeof *info, attrs, IFLA_MAX);

    if (r < 0)
        return r;
    if (h->nlmsg_type == RTM_NEWLINK && h->nlmsg_flags & NLM_F_CREATE)
        return create(attrs);
    i = named(h, attrs, &r);
    if (r == 0 && attrs[IFLA_ADDRESS])
        r = set_mac(i, attrs[IFLA_ADDRESS]);
    if (r == 0 && attrs[IFLA_MTU])
        r = set_mtu(i, attrs[IFLA_MTU]);
    if (r == 0 && info->ifi_change & IFF_UP)
        set_up(i, info->ifi_flags & IFF_UP);
    return r;
}

int nl_del_link(const struct nlmsghdr *h)
{
    const struct nlattr *attrs[IFLA_MAX + 1];
    struct iface *i;
    int r = nl_attrs(h, sizeof(struct ifinfomsg), attrs, IFLA_MAX);

    if (r < 0)
        return r;
    i = named(h, attrs, &r);
    return i ? iface_remove(i) : r;
}
