/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration calls, each one message on a NETLINK_ROUTE socket of the stack. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "libioth/api/ioth.h"
#include "libioth/api/stack.h"

#define MESSAGE_SIZE 2048
#define REPLY_SIZE   8192

struct request {
    _Alignas(8) uint8_t data[MESSAGE_SIZE];
};

static void *begin(struct request *q, unsigned type, unsigned flags, size_t body_size)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(q->data);

    h->nlmsg_type = (uint16_t)type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    h->nlmsg_seq = 1;
    return mnl_nlmsg_put_extra_header(h, body_size);
}

static struct nlmsghdr *header(struct request *q)
{
    return (struct nlmsghdr *)(void *)q->data;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static bool put(struct request *q, unsigned type, const void *data, size_t size)
{
    return mnl_attr_put_check(header(q), sizeof q->data, (uint16_t)type, size, data);
}

/* Sends a message and takes the first reply into reply[REPLY_SIZE]. Returns its size, or -1. */
static ssize_t exchange(void *stack, const struct nlmsghdr *h, void *reply)
{
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
    int fd = ioth_msocket(stack, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t n = -1;
    int error;

    if (fd < 0)
        return -1;
    if (ioth_bind(fd, (const struct sockaddr *)(const void *)&nl, sizeof nl) == 0 &&
        ioth_send(fd, h, h->nlmsg_len, 0) >= 0)
        n = ioth_recv(fd, reply, REPLY_SIZE, 0);
    error = errno;
    ioth_close(fd);
    errno = error;
    return n;
}

int ioth_nldialog(void *stack, void *msg)
{
    _Alignas(8) uint8_t reply[REPLY_SIZE];
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)reply;
    ssize_t n = exchange(stack, msg, reply);
    const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

    if (n < 0)
        return -1;
    if (n < (ssize_t)(MNL_NLMSG_HDRLEN + sizeof *e) || h->nlmsg_type != NLMSG_ERROR)
        return fail(EPROTO);
    return e->error < 0 ? fail(-e->error) : e->error;
}

/* --- links -------------------------------------------------------------------------------------- */

int ioth_if_nametoindex(void *stack, const char *ifname)
{
    _Alignas(8) uint8_t reply[REPLY_SIZE];
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)reply;
    struct request q;
    ssize_t n;

    begin(&q, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    if (!put(&q, IFLA_IFNAME, ifname, strlen(ifname) + 1))
        return fail(ENODEV);
    n = exchange(stack, header(&q), reply);
    if (n < 0)
        return -1;
    if (n >= (ssize_t)(MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg)) &&
        h->nlmsg_type == RTM_NEWLINK)
        return ((const struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
    return fail(ENODEV);
}

static int change_link(void *stack, unsigned ifindex, unsigned type, const void *data,
                       size_t size)
{
    struct request q;
    struct ifinfomsg *info = begin(&q, RTM_NEWLINK, NLM_F_ACK, sizeof *info);

    info->ifi_index = (int)ifindex;
    return put(&q, type, data, size) ? ioth_nldialog(stack, q.data) : fail(EINVAL);
}

int ioth_linksetupdown(void *stack, unsigned ifindex, int up)
{
    struct request q;
    struct ifinfomsg *info = begin(&q, RTM_SETLINK, NLM_F_ACK, sizeof *info);

    info->ifi_index = (int)ifindex;
    info->ifi_flags = up ? IFF_UP : 0;
    info->ifi_change = IFF_UP;
    return ioth_nldialog(stack, q.data);
}

int ioth_linksetaddr(void *stack, unsigned ifindex, void *mac)
{
    return change_link(stack, ifindex, IFLA_ADDRESS, mac, 6);
}

int ioth_linksetmtu(void *stack, unsigned ifindex, unsigned mtu)
{
    return change_link(stack, ifindex, IFLA_MTU, &mtu, sizeof mtu);
}

/* One attribute of a link, which has that size. */
static int get_link(void *stack, unsigned ifindex, unsigned type, void *out, size_t size)
{
    _Alignas(8) uint8_t reply[REPLY_SIZE];
    const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)reply;
    struct request q;
    struct ifinfomsg *info = begin(&q, RTM_GETLINK, 0, sizeof *info);
    const struct nlattr *a;
    ssize_t n;

    info->ifi_index = (int)ifindex;
    n = exchange(stack, header(&q), reply);
    if (n < 0)
        return -1;
    if (!mnl_nlmsg_ok(h, (int)n) || h->nlmsg_type != RTM_NEWLINK)
        return fail(ENODEV);
    mnl_attr_for_each(a, h, sizeof *info)
    {
        if (mnl_attr_get_type(a) == type && mnl_attr_get_payload_len(a) == size) {
            memcpy(out, mnl_attr_get_payload(a), size);
            return 0;
        }
    }
    return fail(ENODEV);
}

int ioth_linkgetaddr(void *stack, unsigned ifindex, void *mac)
{
    return get_link(stack, ifindex, IFLA_ADDRESS, mac, 6);
}

int ioth_linkgetmtu(void *stack, unsigned ifindex)
{
    uint32_t mtu;

    return get_link(stack, ifindex, IFLA_MTU, &mtu, sizeof mtu) < 0 ? -1 : (int)mtu;
}

int ioth_iplink_add(void *stack, const char *ifname, unsigned ifindex, const char *type,
                    struct nl_iplink_data *data, int n_data)
{
    struct request q;
    struct ifinfomsg *info =
        begin(&q, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof *info);
    uint32_t want = ifindex;
    struct nlattr *link, *inner;

    if (ifindex && ifindex != (unsigned)-1)
        info->ifi_index = (int)ifindex;
    if (ifname && *ifname && !put(&q, IFLA_IFNAME, ifname, strlen(ifname) + 1))
        return fail(EINVAL);
    if (ifindex == (unsigned)-1)
        (void)!put(&q, IFLA_NEW_IFINDEX, &want, sizeof want);
    link = mnl_attr_nest_start_check(header(&q), sizeof q.data, IFLA_LINKINFO);
    if (!link || !put(&q, IFLA_INFO_KIND, type, strlen(type) + 1))
        return fail(EINVAL);
    inner = mnl_attr_nest_start_check(header(&q), sizeof q.data, IFLA_INFO_DATA);
    for (int i = 0; inner && i < n_data; i++) {
        if (data[i].data_len < 0 ||
            !put(&q, (unsigned)data[i].tag, data[i].data, (size_t)data[i].data_len))
            return fail(EINVAL);
    }
    if (!inner)
        return fail(EINVAL);
    mnl_attr_nest_end(header(&q), inner);
    mnl_attr_nest_end(header(&q), link);
    return ioth_nldialog(stack, q.data);
}

int ioth_iplink_del(void *stack, const char *ifname, unsigned ifindex)
{
    struct request q;
    struct ifinfomsg *info = begin(&q, RTM_DELLINK, NLM_F_ACK, sizeof *info);

    info->ifi_index = (int)ifindex;
    if (ifname && *ifname && !put(&q, IFLA_IFNAME, ifname, strlen(ifname) + 1))
        return fail(EINVAL);
    return ioth_nldialog(stack, q.data);
}

/* --- addresses and routes ------------------------------------------------------------------------ */

static size_t addr_size(int family)
{
    return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* Whoever gives an address answers for it, or the fabric does: nobody probes for it first, so that it is good at once.
 * What is on the host's own networks is the kernel's affair. */
static unsigned addr_flags(void *stack, unsigned type, int family)
{
    return type == RTM_NEWADDR && family == AF_INET6 &&
                   stack_or_default(stack) != &stack_kernel
               ? IFA_F_NODAD
               : 0;
}

static int change_addr(void *stack, unsigned type, unsigned flags, int family,
                       const void *addr, int len, unsigned ifindex)
{
    struct request q;
    struct ifaddrmsg *msg = begin(&q, type, NLM_F_ACK | flags, sizeof *msg);
    size_t size = addr_size(family);

    if (!size || len < 0 || len > (int)size * 8)
        return fail(EINVAL);
    msg->ifa_family = (uint8_t)family;
    msg->ifa_prefixlen = (uint8_t)len;
    msg->ifa_flags = (uint8_t)addr_flags(stack, type, family);
    msg->ifa_index = ifindex;
    if (!put(&q, IFA_LOCAL, addr, size) || !put(&q, IFA_ADDRESS, addr, size))
        return fail(EINVAL);
    return ioth_nldialog(stack, q.data);
}

int ioth_ipaddr_add(void *stack, int family, void *addr, int prefixlen, unsigned ifindex)
{
    return change_addr(stack, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, family, addr,
                       prefixlen, ifindex);
}

int ioth_ipaddr_del(void *stack, int family, void *addr, int prefixlen, unsigned ifindex)
{
    return change_addr(stack, RTM_DELADDR, 0, family, addr, prefixlen, ifindex);
}

static int change_route(void *stack, unsigned type, unsigned flags, int family,
                        const void *dst, int len, const void *gw, unsigned ifindex)
{
    struct request q;
    struct rtmsg *msg = begin(&q, type, NLM_F_ACK | flags, sizeof *msg);
    size_t size = addr_size(family);

    if (!size || len < 0 || len > (int)size * 8)
        return fail(EINVAL);
    msg->rtm_family = (uint8_t)family;
    msg->rtm_dst_len = dst ? (uint8_t)len : 0;
    msg->rtm_table = RT_TABLE_MAIN;
    msg->rtm_protocol = RTPROT_BOOT;
    msg->rtm_scope = gw ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    msg->rtm_type = RTN_UNICAST;
    if ((dst && !put(&q, RTA_DST, dst, size)) || (gw && !put(&q, RTA_GATEWAY, gw, size)) ||
        (ifindex && !put(&q, RTA_OIF, &ifindex, sizeof ifindex)))
        return fail(EINVAL);
    return ioth_nldialog(stack, q.data);
}

int ioth_iproute_add(void *stack, int family, void *dst, int dst_prefixlen, void *gw,
                     unsigned ifindex)
{
    return change_route(stack, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, family, dst,
                        dst_prefixlen, gw, ifindex);
}

int ioth_iproute_del(void *stack, int family, void *dst, int dst_prefixlen, void *gw,
                     unsigned ifindex)
{
    return change_route(stack, RTM_DELROUTE, 0, family, dst, dst_prefixlen, gw, ifindex);
}
