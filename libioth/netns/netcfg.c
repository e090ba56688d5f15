/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtnetlink by libmnl: one socket per call, a request and its acknowledgement at a time. The
 * requests are few, and a node is configured once.
 */
#include "libioth/netns/netcfg.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/wire/announce.h"

union request {
    struct nlmsghdr align;
    char room[512];
};

/* Sends the request in `buf` and waits for its acknowledgement. Returns 0 or -errno. */
static int talk(struct mnl_socket *nl, const struct nlmsghdr *head)
{
    union {
        struct nlmsghdr align;
        char room[4096];
    } answer;
    ssize_t n;

    if (mnl_socket_sendto(nl, head, head->nlmsg_len) < 0)
        return -errno;
    n = mnl_socket_recvfrom(nl, answer.room, sizeof answer.room);
    if (n < 0)
        return -errno;
    n = mnl_cb_run(answer.room, (size_t)n, head->nlmsg_seq, mnl_socket_get_portid(nl), NULL,
                   NULL);
    return n < 0 ? -errno : 0;
}

static struct nlmsghdr *request_start(union request *r, uint16_t type, uint16_t flags,
                                      uint32_t seq)
{
    struct nlmsghdr *head = mnl_nlmsg_put_header(r->room);

    head->nlmsg_type = type;
    head->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    head->nlmsg_seq = seq;
    return head;
}

struct link_change {
    const uint8_t *mac;
    uint32_t mtu;
    bool up;
};

static int set_link(struct mnl_socket *nl, unsigned ifindex, const struct link_change *set,
                    uint32_t seq)
{
    union request r;
    struct nlmsghdr *head = request_start(&r, RTM_NEWLINK, 0, seq);
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(head, sizeof *info);

    info->ifi_family = AF_UNSPEC;
    info->ifi_index = (int)ifindex;
    if (set->up)
        info->ifi_flags = info->ifi_change = IFF_UP;
    if (set->mac)
        mnl_attr_put(head, IFLA_ADDRESS, 6, set->mac);
    if (set->mtu)
        mnl_attr_put_u32(head, IFLA_MTU, set->mtu);
    return talk(nl, head);
}

static size_t addr_size(const struct netcfg_addr *a)
{
    return a->family == 4 ? 4 : 16;
}

static uint8_t addr_family(const struct netcfg_addr *a)
{
    return a->family == 4 ? AF_INET : AF_INET6;
}

static int change_addr(struct mnl_socket *nl, unsigned ifindex, const struct netcfg_addr *a,
                       bool add, uint32_t seq)
{
    union request r;
    uint16_t flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0;
    struct nlmsghdr *head = request_start(&r, add ? RTM_NEWADDR : RTM_DELADDR, flags, seq);
    struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(head, sizeof *info);

    info->ifa_family = addr_family(a);
    info->ifa_prefixlen = a->prefix;
    info->ifa_flags = a->family == 6 ? IFA_F_NODAD : 0;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = ifindex;
    mnl_attr_put(head, IFA_LOCAL, addr_size(a), a->addr);
    mnl_attr_put(head, IFA_ADDRESS, addr_size(a), a->addr);
    if (add && a->family == 4 && a->prefix < 31) {
        uint32_t host = 0xffffffffU >> a->prefix;
        uint8_t broadcast[4];

        for (unsigned i = 0; i < 4; i++)
            broadcast[i] = (uint8_t)(a->addr[i] | (host >> (24 - 8 * i)));
        mnl_attr_put(head, IFA_BROADCAST, sizeof broadcast, broadcast);
    }
    return talk(nl, head);
}

static int add_default(struct mnl_socket *nl, unsigned ifindex,
                       const struct netcfg_addr *via, uint32_t seq)
{
    union request r;
    struct nlmsghdr *head =
        request_start(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, seq);
    struct rtmsg *info = mnl_nlmsg_put_extra_header(head, sizeof *info);

    info->rtm_family = addr_family(via);
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = RTPROT_STATIC;
    info->rtm_scope = RT_SCOPE_UNIVERSE;
    info->rtm_type = RTN_UNICAST;
    /* A gateway given by hand may lie outside the subnet. */
    info->rtm_flags = RTNH_F_ONLINK;
    mnl_attr_put(head, RTA_GATEWAY, addr_size(via), via->addr);
    mnl_attr_put_u32(head, RTA_OIF, ifindex);
    return talk(nl, head);
}

static struct mnl_socket *open_netlink(struct err *err)
{
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

    if (nl && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
        int saved = errno;

        mnl_socket_close(nl);
        errno = saved;
        nl = NULL;
    }
    if (!nl)
        err_set(err, -errno, "no netlink socket: %s", err_text(errno));
    return nl;
}

/* fe80:: and the modified EUI-64 of the MAC (RFC 4291, appendix A). */
static struct netcfg_addr link_local(const uint8_t mac[6])
{
    struct netcfg_addr a = {.family = 6, .prefix = 64, .addr = {0xfe, 0x80}};

    memcpy(a.addr + 8, mac, 3);
    a.addr[8] ^= 2;
    a.addr[11] = 0xff;
    a.addr[12] = 0xfe;
    memcpy(a.addr + 13, mac + 3, 3);
    return a;
}

/* All addresses, the link-local one first; those of IPv6 only where the kernel has it. */
static int add_addrs(struct mnl_socket *nl, unsigned ifindex, const struct netcfg *cfg,
                     uint32_t *seq)
{
    bool ipv6 = access("/proc/sys/net/ipv6", F_OK) == 0;
    int r = 0;

    if (ipv6 && cfg->has_mac) {
        struct netcfg_addr own = link_local(cfg->mac);

        r = change_addr(nl, ifindex, &own, true, (*seq)++);
    }
    for (unsigned i = 0; i < cfg->n_addrs && r == 0; i++)
        if (ipv6 || cfg->addrs[i].family == 4)
            r = change_addr(nl, ifindex, &cfg->addrs[i], true, (*seq)++);
    return r;
}

static int configure(struct mnl_socket *nl, unsigned ifindex, const struct netcfg *cfg,
                     struct err *err)
{
    /* The MAC comes before the interface is up, and is known to nobody yet. */
    struct link_change first = {.mac = cfg->has_mac ? cfg->mac : NULL, .mtu = cfg->mtu};
    struct link_change second = {.up = true};
    uint32_t seq = 1;
    int r = 0;

    if (first.mac || first.mtu)
        r = set_link(nl, ifindex, &first, seq++);
    if (r == 0 && !cfg->down)
        r = set_link(nl, ifindex, &second, seq++);
    if (r == 0 && cfg->down)
        return 0;
    if (r)
        return err_set(err, r, "cannot set up %s: %s", cfg->ifname, err_text(r));
    r = add_addrs(nl, ifindex, cfg, &seq);
    if (r)
        return err_set(err, r, "cannot add the addresses of %s: %s", cfg->ifname,
                       err_text(r));
    if (cfg->gateway4.family)
        r = add_default(nl, ifindex, &cfg->gateway4, seq++);
    if (r == 0 && cfg->gateway6.family)
        r = add_default(nl, ifindex, &cfg->gateway6, seq++);
    if (r)
        return err_set(err, r, "cannot add the default route by %s: %s", cfg->ifname,
                       err_text(r));
    return 0;
}

/* Tells the neighbours what addresses are here now: one that asked before anybody was here to answer would
 * ask again after a second only. It does without if this cannot be sent. */
static void announce(unsigned ifindex, const struct netcfg *cfg)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    for (unsigned i = 0; fd >= 0 && i < cfg->n_addrs; i++) {
        uint8_t frame[ANNOUNCE_NA_SIZE];
        size_t size = ANNOUNCE_ARP_SIZE;

        if (cfg->addrs[i].family == 4) {
            announce_arp(frame, cfg->mac, cfg->addrs[i].addr);
        } else {
            announce_na(frame, cfg->mac, cfg->addrs[i].addr);
            size = ANNOUNCE_NA_SIZE;
        }
        (void)!sendto(fd, frame, size, 0, (const struct sockaddr *)&to, sizeof to);
    }
    if (fd >= 0)
        close(fd);
}

int netns_configure(const struct netcfg *cfg, struct err *err)
{
    unsigned ifindex = if_nametoindex(cfg->ifname);
    struct mnl_socket *nl;
    int r;

    if (ifindex == 0)
        return err_set(err, -errno, "no interface %s: %s", cfg->ifname, err_text(errno));
    if (cfg->n_addrs > NETCFG_MAX_ADDRS)
        return err_set(err, -EINVAL, "too many addresses");
    nl = open_netlink(err);
    if (!nl)
        return -errno;
    r = configure(nl, ifindex, cfg, err);
    mnl_socket_close(nl);
    if (r == 0 && cfg->has_mac && !cfg->down)
        announce(ifindex, cfg);
    return r;
}

int netns_address_remove(const char *ifname, const struct netcfg_addr *addr,
                         struct err *err)
{
    unsigned ifindex = if_nametoindex(ifname);
    struct mnl_socket *nl;
    int r;

    if (ifindex == 0)
        return err_set(err, -errno, "no interface %s: %s", ifname, err_text(errno));
    nl = open_netlink(err);
    if (!nl)
        return -errno;
    r = change_addr(nl, ifindex, addr, false, 1);
    mnl_socket_close(nl);
    if (r == -EADDRNOTAVAIL)
        r = 0;
    return r ? err_set(err, r, "cannot remove an address of %s: %s", ifname, err_text(r))
             : 0;
}

int netns_link_up(const char *ifname, struct err *err)
{
    struct netcfg cfg = {.n_addrs = 0};

    strncpy(cfg.ifname, ifname, sizeof cfg.ifname - 1);
    return netns_configure(&cfg, err);
}
