/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ioth_getifaddrs(): the links and addresses of a stack by two netlink dumps, as a list in which each entry
 * is one piece of memory. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "libioth/api/ioth.h"

#define REPLY_SIZE 8192
#define NAME_SIZE  16

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_ll ll;
};

/* An entry and all that it points to. */
struct entry {
    struct ifaddrs ifa;
    char name[NAME_SIZE];
    union address addr, mask, broadcast;
    unsigned index; /* Of its link. */
};

static struct entry *append(struct ifaddrs ***end)
{
    struct entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->ifa.ifa_name = e->name;
    **end = &e->ifa;
    *end = &e->ifa.ifa_next;
    return e;
}

static int add_link(const struct nlmsghdr *h, struct ifaddrs ***end)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
    struct entry *e = append(end);
    const struct nlattr *a;

    if (!e)
        return -ENOMEM;
    e->index = (unsigned)info->ifi_index;
    e->ifa.ifa_flags = info->ifi_flags;
    e->ifa.ifa_addr = &e->addr.any;
    e->addr.ll = (struct sockaddr_ll){.sll_family = AF_PACKET,
                                      .sll_ifindex = info->ifi_index,
                                      .sll_hatype = info->ifi_type};
    mnl_attr_for_each(a, h, sizeof *info)
    {
        size_t size = mnl_attr_get_payload_len(a);

        if (mnl_attr_get_type(a) == IFLA_IFNAME && size <= NAME_SIZE) {
            memcpy(e->name, mnl_attr_get_payload(a), size);
            e->name[NAME_SIZE - 1] = 0;
        } else if (mnl_attr_get_type(a) == IFLA_ADDRESS && size <= 8) {
            e->addr.ll.sll_halen = (unsigned char)size;
            memcpy(e->addr.ll.sll_addr, mnl_attr_get_payload(a), size);
        }
    }
    return 0;
}

static void set_address(union address *to, int family, const void *bytes, unsigned scope)
{
    if (family == AF_INET) {
        to->in = (struct sockaddr_in){.sin_family = AF_INET};
        memcpy(&to->in.sin_addr, bytes, 4);
        return;
    }
    to->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    memcpy(&to->in6.sin6_addr, bytes, 16);
    if (IN6_IS_ADDR_LINKLOCAL(&to->in6.sin6_addr))
        to->in6.sin6_scope_id = scope;
}

static void set_mask(struct entry *e, int family, unsigned len)
{
    uint8_t bytes[16] = {0};

    for (unsigned i = 0; i < len && i < 128; i++)
        bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
    set_address(&e->mask, family, bytes, 0);
    e->ifa.ifa_netmask = &e->mask.any;
    if (family == AF_INET && e->ifa.ifa_flags & IFF_BROADCAST && len < 31) {
        e->broadcast.in = e->addr.in;
        e->broadcast.in.sin_addr.s_addr |= ~e->mask.in.sin_addr.s_addr;
        e->ifa.ifa_broadaddr = &e->broadcast.any;
    }
}

static int add_addr(const struct nlmsghdr *h, struct ifaddrs *links, struct ifaddrs ***end)
{
    const struct ifaddrmsg *msg = mnl_nlmsg_get_payload(h);
    const void *bytes = NULL;
    struct entry *link = NULL, *e;
    const struct nlattr *a;

    mnl_attr_for_each(a, h, sizeof *msg)
    {
        if (mnl_attr_get_type(a) == IFA_LOCAL ||
            (mnl_attr_get_type(a) == IFA_ADDRESS && !bytes))
            bytes = mnl_attr_get_payload(a);
    }
    for (struct ifaddrs *i = links; i && !link; i = i->ifa_next) {
        struct entry *it = (struct entry *)(void *)i;

        if (i->ifa_addr && i->ifa_addr->sa_family == AF_PACKET &&
            it->index == msg->ifa_index)
            link = it;
    }
    if (!bytes || !link || (msg->ifa_family != AF_INET && msg->ifa_family != AF_INET6))
        return 0;
    e = append(end);
    if (!e)
        return -ENOMEM;
    memcpy(e->name, link->name, sizeof e->name);
    e->ifa.ifa_flags = link->ifa.ifa_flags;
    set_address(&e->addr, msg->ifa_family, bytes, msg->ifa_index);
    e->ifa.ifa_addr = &e->addr.any;
    set_mask(e, msg->ifa_family, msg->ifa_prefixlen);
    return 0;
}

/* One message of a dump. Returns 1 at its end, 0, or -errno. */
static int take(const struct nlmsghdr *h, struct ifaddrs **first, struct ifaddrs ***end)
{
    switch (h->nlmsg_type) {
    case NLMSG_DONE:
        return 1;
    case NLMSG_ERROR:
        return -EOPNOTSUPP;
    case RTM_NEWLINK:
        return add_link(h, end);
    case RTM_NEWADDR:
        return add_addr(h, *first, end);
    default:
        return 0;
    }
}

static int dump(int fd, unsigned type, struct ifaddrs **first, struct ifaddrs ***end)
{
    _Alignas(8) uint8_t data[REPLY_SIZE];
    struct nlmsghdr *h = mnl_nlmsg_put_header(data);
    int done = 0;

    h->nlmsg_type = (uint16_t)type;
    h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    mnl_nlmsg_put_extra_header(h, type == RTM_GETLINK ? sizeof(struct ifinfomsg)
                                                      : sizeof(struct ifaddrmsg));
    if (ioth_send(fd, h, h->nlmsg_len, 0) < 0)
        return -errno;
    while (done == 0) {
        int left = (int)ioth_recv(fd, data, sizeof data, 0);

        if (left <= 0)
            return left < 0 ? -errno : -EIO;
        for (h = (struct nlmsghdr *)(void *)data; done == 0 && mnl_nlmsg_ok(h, left);
             h = mnl_nlmsg_next(h, &left))
            done = take(h, first, end);
    }
    return done < 0 ? done : 0;
}

int ioth_getifaddrs(struct ioth *stack, struct ifaddrs **ifap)
{
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
    struct ifaddrs *first = NULL, **end = &first;
    int fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int r;

    if (fd < 0)
        return -1;
    r = ioth_bind(fd, (const struct sockaddr *)(const void *)&nl, sizeof nl) < 0 ? -errno
                                                                                 : 0;
    if (r == 0)
        r = dump(fd, RTM_GETLINK, &first, &end);
    if (r == 0)
        r = dump(fd, RTM_GETADDR, &first, &end);
    ioth_close(fd);
    if (r < 0) {
        ioth_freeifaddrs(first);
        errno = -r;
        return -1;
    }
    *ifap = first;
    return 0;
}

void ioth_freeifaddrs(struct ifaddrs *ifa)
{
    while (ifa) {
        struct ifaddrs *next = ifa->ifa_next;

        free(ifa);
        ifa = next;
    }
}
