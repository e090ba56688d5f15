/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stack's interfaces, by the calls that ask for the host's. */
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "libioth/api/ioth.h"
#include "libioth/preload/preload.h"

static int list(struct ifaddrs **out)
{
    struct ioth *stack = node_stack();
    int r;

    if (!stack || !preload_enter())
        return -1;
    r = ioth_getifaddrs(stack, out);
    (void)preload_leave(false);
    return r;
}

EXPORT int getifaddrs(struct ifaddrs **out)
{
    return list(out);
}

EXPORT void freeifaddrs(struct ifaddrs *all)
{
    ioth_freeifaddrs(all);
}

static unsigned index_of(const struct ifaddrs *i)
{
    return i->ifa_addr && i->ifa_addr->sa_family == AF_PACKET
               ? (unsigned)((const struct sockaddr_ll *)(const void *)i->ifa_addr)
                     ->sll_ifindex
               : 0;
}

/* The entry of an interface's link, by name or (name NULL) by index. */
static const struct ifaddrs *find(const struct ifaddrs *all, const char *name,
                                  unsigned index)
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (index_of(i) && (name ? !strcmp(i->ifa_name, name) : index_of(i) == index))
            return i;
    return NULL;
}

EXPORT unsigned if_nametoindex(const char *name)
{
    struct ioth *stack = node_stack();
    int index;

    if (!stack || !preload_enter())
        return 0;
    index = ioth_if_nametoindex(stack, name);
    (void)preload_leave(false);
    return index > 0 ? (unsigned)index : 0;
}

EXPORT char *if_indextoname(unsigned index, char name[IF_NAMESIZE])
{
    const struct ifaddrs *i;
    struct ifaddrs *all;

    if (list(&all) < 0)
        return NULL;
    i = find(all, NULL, index);
    if (i)
        (void)snprintf(name, IF_NAMESIZE, "%s", i->ifa_name);
    ioth_freeifaddrs(all);
    if (i)
        return name;
    errno = ENXIO;
    return NULL;
}

EXPORT struct if_nameindex *if_nameindex(void)
{
    struct if_nameindex *out;
    struct ifaddrs *all;
    size_t n = 0;

    if (list(&all) < 0)
        return NULL;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        n += index_of(i) > 0;
    out = calloc(n + 1, sizeof *out);
    n = 0;
    for (const struct ifaddrs *i = all; i && out; i = i->ifa_next) {
        if (!index_of(i))
            continue;
        out[n].if_index = index_of(i);
        out[n++].if_name = strdup(i->ifa_name);
    }
    ioth_freeifaddrs(all);
    return out;
}

EXPORT void if_freenameindex(struct if_nameindex *all)
{
    for (struct if_nameindex *i = all; i->if_name; i++)
        free(i->if_name);
    free(all);
}

/* --- ioctl() ---------------------------------------------------------------------------------------- */

/* The first address of IPv4 of an interface. */
static const struct ifaddrs *find4(const struct ifaddrs *all, const char *name)
{
    for (const struct ifaddrs *i = all; i; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !strcmp(i->ifa_name, name))
            return i;
    return NULL;
}

static int put_addr(struct ifreq *q, const struct sockaddr *addr)
{
    if (!addr) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    memcpy(&q->ifr_addr, addr, sizeof q->ifr_addr);
    return 0;
}

static int put_mac(struct ifreq *q, const struct ifaddrs *link)
{
    const struct sockaddr_ll *ll = (const void *)link->ifa_addr;

    memset(&q->ifr_hwaddr, 0, sizeof q->ifr_hwaddr);
    q->ifr_hwaddr.sa_family =
        link->ifa_flags & IFF_LOOPBACK ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
    memcpy(q->ifr_hwaddr.sa_data, ll->sll_addr, 6);
    return 0;
}

static int put_mtu(struct ifreq *q, const struct ifaddrs *link)
{
    struct ioth *stack = node_stack();
    int mtu = 65536; /* As Linux has it. */

    if (!(link->ifa_flags & IFF_LOOPBACK)) {
        if (!stack || !preload_enter())
            return -1;
        mtu = ioth_linkgetmtu(stack, index_of(link));
        (void)preload_leave(false);
    }
    if (mtu < 0)
        return -1;
    q->ifr_mtu = mtu;
    return 0;
}

static int ask_about(const struct ifaddrs *all, unsigned long request, struct ifreq *q)
{
    const struct ifaddrs *link, *in4;

    q->ifr_name[IFNAMSIZ - 1] = '\0';
    link = request == SIOCGIFNAME ? find(all, NULL, (unsigned)q->ifr_ifindex)
                                  : find(all, q->ifr_name, 0);
    in4 = link ? find4(all, link->ifa_name) : NULL;
    if (!link) {
        errno = ENODEV;
        return -1;
    }
    switch (request) {
    case SIOCGIFNAME:
        (void)snprintf(q->ifr_name, IFNAMSIZ, "%s", link->ifa_name);
        return 0;
    case SIOCGIFINDEX:
        q->ifr_ifindex = (int)index_of(link);
        return 0;
    case SIOCGIFFLAGS:
        q->ifr_flags = (short)link->ifa_flags;
        return 0;
    case SIOCGIFADDR:
        return put_addr(q, in4 ? in4->ifa_addr : NULL);
    case SIOCGIFNETMASK:
        return put_addr(q, in4 ? in4->ifa_netmask : NULL);
    case SIOCGIFBRDADDR:
        return put_addr(q, in4 ? in4->ifa_broadaddr : NULL);
    case SIOCGIFHWADDR:
        return put_mac(q, link);
    default:
        return put_mtu(q, link);
    }
}

static int list_addresses(const struct ifaddrs *all, struct ifconf *conf)
{
    struct ifreq *q = conf->ifc_req;
    int room = conf->ifc_len, size = 0;

    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        if (q && size + (int)sizeof *q > room)
            break;
        if (q) {
            memset(q, 0, sizeof *q);
            (void)snprintf(q->ifr_name, IFNAMSIZ, "%s", i->ifa_name);
            memcpy(&q->ifr_addr, i->ifa_addr, sizeof q->ifr_addr);
            q++;
        }
        size += (int)sizeof(struct ifreq);
    }
    conf->ifc_len = size;
    return 0;
}

static int about_interfaces(unsigned long request, void *arg)
{
    struct ifaddrs *all;
    int r;

    if (list(&all) < 0)
        return -1;
    r = request == SIOCGIFCONF ? list_addresses(all, arg) : ask_about(all, request, arg);
    ioth_freeifaddrs(all);
    return r;
}

static int control(int fd, unsigned long request, void *arg)
{
    switch (request) {
    case SIOCGIFNAME:
    case SIOCGIFINDEX:
    case SIOCGIFFLAGS:
    case SIOCGIFADDR:
    case SIOCGIFNETMASK:
    case SIOCGIFBRDADDR:
    case SIOCGIFHWADDR:
    case SIOCGIFMTU:
    case SIOCGIFCONF:
        return about_interfaces(request, arg);
    case SIOCATMARK:
        *(int *)arg = 0;
        return 0;
    case SIOCSIFNAME:
    case SIOCSIFFLAGS:
    case SIOCSIFADDR:
    case SIOCSIFNETMASK:
    case SIOCSIFBRDADDR:
    case SIOCSIFHWADDR:
    case SIOCSIFMTU:
        return refuse(REFUSE_CHANGE);
    case FIOASYNC:
    case FIOSETOWN:
    case SIOCSPGRP:
        return refuse(REFUSE_ASYNC);
    default:
        IN_STACK(int, ioth_ioctl(fd, request, arg));
    }
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    return ours(fd) ? control(fd, request, arg) : libc()->ioctl(fd, request, arg);
}
