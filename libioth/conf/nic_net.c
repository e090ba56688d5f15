/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engines of an interface, and the sockets that they speak through. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "libioth/conf/datagram4.h"
#include "libioth/conf/iothconf.h"
#include "libioth/conf/nic.h"

#define PORT_CLIENT4 68
#define PORT_SERVER4 67
#define PORT_CLIENT6 546
#define PORT_SERVER6 547
#define PACKET_MAX   2048u
#define PER_TURN     32u /* Messages of one socket. */
#define HOPS         255

static const struct in6_addr all_routers = {{{0xff, 2, [15] = 2}}};
static const struct in6_addr all_servers = {{{0xff, 2, [13] = 1, [15] = 2}}};

/* --- sockets ------------------------------------------------------------------------------------ */

/* Sockets of the library's own do not keep a stack from being deleted. */
static int open_socket(struct nic *i, int domain, int type, int protocol)
{
    int fd =
        ioth_msocket(i->conf->stack, domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

    if (fd >= 0)
        atomic_fetch_add(&i->conf->stack->n_own, 1);
    return fd;
}

static void close_socket(struct nic *i, int *fd)
{
    if (*fd < 0)
        return;
    ioth_close(*fd);
    atomic_fetch_sub(&i->conf->stack->n_own, 1);
    *fd = -1;
}

static bool bind_to(struct nic *i, int *fd, const void *addr, socklen_t size)
{
    if (*fd >= 0 && ioth_bind(*fd, addr, size) == 0)
        return true;
    close_socket(i, fd);
    return false;
}

/* The interface's own link-local address. False: it has none yet. */
static bool link_local(const struct nic *i, struct sockaddr_in6 *out)
{
    struct ifaddrs *all;
    bool found = false;

    if (ioth_getifaddrs(i->conf->stack, &all) < 0)
        return false;
    for (struct ifaddrs *it = all; it && !found; it = it->ifa_next) {
        struct sockaddr_in6 in;

        if (!it->ifa_addr || it->ifa_addr->sa_family != AF_INET6)
            continue;
        memcpy(&in, it->ifa_addr, sizeof in);
        if (!IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr) || in.sin6_scope_id != i->ifindex)
            continue;
        *out = in;
        found = true;
    }
    ioth_freeifaddrs(all);
    return found;
}

static uint32_t draw(void *aux)
{
    (void)aux;
    return randombytes_random();
}

/* --- DHCP --------------------------------------------------------------------------------------- */

static bool open_packet4(struct nic *i)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_IP),
                             .sll_ifindex = (int)i->ifindex};

    if (i->packet4 >= 0)
        return true;
    i->packet4 = open_socket(i, AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
    return bind_to(i, &i->packet4, &ll, sizeof ll);
}

static bool open_udp4(struct nic *i)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT_CLIENT4)};

    if (i->udp4 >= 0)
        return true;
    memcpy(&in.sin_addr, i->dhcp4.lease.addr, 4);
    i->udp4 = open_socket(i, AF_INET, SOCK_DGRAM, 0);
    return bind_to(i, &i->udp4, &in, sizeof in);
}

static bool send_packet4(struct nic *i, const uint8_t mac[6], const uint8_t from[4],
                         const uint8_t to[4], const void *message, size_t size)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_IP),
                             .sll_ifindex = (int)i->ifindex,
                             .sll_halen = ETH_ALEN};
    struct datagram4_end src = {.port = PORT_CLIENT4}, dst = {.port = PORT_SERVER4};
    uint8_t packet[DATAGRAM4_HEADERS + DHCP4_MESSAGE_MAX];

    memcpy(ll.sll_addr, mac, 6);
    memcpy(src.addr, from, 4);
    memcpy(dst.addr, to, 4);
    size = datagram4_wrap(packet, sizeof packet, &src, &dst, message, size);
    return size && open_packet4(i) &&
           ioth_sendto(i->packet4, packet, size, MSG_NOSIGNAL, (const struct sockaddr *)&ll,
                       sizeof ll) >= 0;
}

static bool send4(void *aux, const void *message, size_t size, const uint8_t *to)
{
    static const uint8_t nobody[4], everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct nic *i = aux;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT_SERVER4)};

    if (!to)
        return send_packet4(i, everybody, nobody, everybody, message, size);
    /* The last word: there may be no time to ask where the server is. */
    if (i->dhcp4.state == DHCP4_OFF)
        return send_packet4(i, i->server_mac, i->dhcp4.lease.addr, to, message, size);
    memcpy(&in.sin_addr, to, 4);
    return open_udp4(i) && ioth_sendto(i->udp4, message, size, MSG_NOSIGNAL,
                                       (const struct sockaddr *)&in, sizeof in) >= 0;
}

static void changed4(void *aux)
{
    static const struct conf_set nothing;
    struct nic *i = aux;

    (void)nic_apply(i, SOURCE_DHCP4, i->dhcp4.bound ? &i->dhcp4.lease.set : &nothing);
}

static const struct dhcp4_ops ops4 = {.send = send4, .changed = changed4, .random = draw};

/* --- DHCPv6 ------------------------------------------------------------------------------------- */

static bool send6(void *aux, const void *message, size_t size)
{
    struct nic *i = aux;
    struct sockaddr_in6 in;
    struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                              .sin6_port = htons(PORT_SERVER6),
                              .sin6_addr = all_servers,
                              .sin6_scope_id = i->ifindex};

    if (i->udp6 < 0) {
        if (!link_local(i, &in))
            return false;
        in.sin6_port = htons(PORT_CLIENT6);
        i->udp6 = open_socket(i, AF_INET6, SOCK_DGRAM, 0);
        if (!bind_to(i, &i->udp6, &in, sizeof in))
            return false;
    }
    return ioth_sendto(i->udp6, message, size, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                       sizeof to) >= 0;
}

static void changed6(void *aux)
{
    static const struct conf_set nothing;
    struct nic *i = aux;

    (void)nic_apply(i, SOURCE_DHCP6, i->dhcp6.bound ? &i->dhcp6.answer.set : &nothing);
}

static const struct dhcp6_ops ops6 = {.send = send6, .changed = changed6, .random = draw};

/* --- router discovery --------------------------------------------------------------------------- */

static bool open_raw6(struct nic *i)
{
    struct icmp6_filter filter;
    int hops = HOPS, one = 1, index = (int)i->ifindex;

    if (i->raw6 >= 0)
        return true;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
    i->raw6 = open_socket(i, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    if (i->raw6 >= 0 &&
        ioth_setsockopt(i->raw6, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) ==
            0 &&
        ioth_setsockopt(i->raw6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof one) == 0 &&
        ioth_setsockopt(i->raw6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) ==
            0 &&
        ioth_setsockopt(i->raw6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) ==
            0)
        return true;
    close_socket(i, &i->raw6);
    return false;
}

static bool solicit(void *aux, const void *message, size_t size)
{
    struct nic *i = aux;
    struct sockaddr_in6 own;
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_addr = all_routers, .sin6_scope_id = i->ifindex};

    /* A solicitation that names our MAC needs an address of ours (RFC 4861, 4.1). */
    return open_raw6(i) && link_local(i, &own) &&
           ioth_sendto(i->raw6, message, size, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                       sizeof to) >= 0;
}

static void advertised(void *aux)
{
    struct nic *i = aux;
    struct conf_set set;

    rd_set(&i->rd, &set);
    (void)nic_apply(i, SOURCE_RD, &set);
}

static const struct rd_ops ops_rd = {.send = solicit, .changed = advertised};

/* --- methods ------------------------------------------------------------------------------------ */

static void start4(struct nic *i, const struct options *o, const uint8_t mac[6],
                   mtime_t now)
{
    i->dhcp4 = (struct dhcp4){.ops = &ops4, .aux = i};
    memcpy(i->dhcp4.mac, mac, 6);
    memcpy(i->dhcp4.name, o->fqdn, sizeof o->fqdn);
    dhcp4_start(&i->dhcp4, now);
}

static void start6(struct nic *i, const struct options *o, const uint8_t mac[6],
                   mtime_t now)
{
    i->dhcp6 = (struct dhcp6){.ops = &ops6, .aux = i};
    memcpy(i->dhcp6.mac, mac, 6);
    memcpy(i->dhcp6.name, o->fqdn, sizeof o->fqdn);
    dhcp6_start(&i->dhcp6, now);
}

static void start_rd(struct nic *i, const struct options *o, const uint8_t mac[6],
                     mtime_t now)
{
    i->rd = (struct rd){.ops = &ops_rd, .aux = i, .slaac = o->on & OPTIONS_SLAAC};
    memcpy(i->rd.mac, mac, 6);
    memcpy(i->rd.name, o->fqdn, sizeof o->fqdn);
    rd_start(&i->rd, now);
}

/* Is it on already, and the same? */
static bool goes_on(const struct nic *i, enum source source, const struct options *o,
                    const uint8_t mac[6])
{
    if (!i->on[source] || !nic_done(i, source))
        return false;
    switch (source) {
    case SOURCE_DHCP4:
        return !memcmp(i->dhcp4.mac, mac, 6) && !strcmp(i->dhcp4.name, o->fqdn);
    case SOURCE_DHCP6:
        return !memcmp(i->dhcp6.mac, mac, 6) && !strcmp(i->dhcp6.name, o->fqdn);
    case SOURCE_RD:
        return !memcmp(i->rd.mac, mac, 6) && !strcmp(i->rd.name, o->fqdn) &&
               i->rd.slaac == !!(o->on & OPTIONS_SLAAC);
    case SOURCE_STATIC:
    case N_SOURCES:
        break;
    }
    return true;
}

void nic_start(struct nic *i, enum source source, const struct options *o, mtime_t now)
{
    uint8_t mac[6] = {0};

    (void)ioth_linkgetaddr(i->conf->stack, i->ifindex, mac);
    if (goes_on(i, source, o, mac))
        return;
    nic_stop(i, source);
    if (source == SOURCE_DHCP4)
        start4(i, o, mac, now);
    else if (source == SOURCE_DHCP6)
        start6(i, o, mac, now);
    else if (source == SOURCE_RD)
        start_rd(i, o, mac, now);
    i->on[source] = true;
}

/* What begins anew has addresses of now, as after a change of the MAC. */
static void close_sockets(struct nic *i, enum source source)
{
    if (source == SOURCE_DHCP4) {
        close_socket(i, &i->packet4);
        close_socket(i, &i->udp4);
    } else if (source == SOURCE_DHCP6) {
        close_socket(i, &i->udp6);
    } else if (source == SOURCE_RD) {
        close_socket(i, &i->raw6);
    }
}

void nic_stop(struct nic *i, enum source source)
{
    static const struct conf_set nothing;

    if (i->on[source] && source == SOURCE_DHCP4)
        dhcp4_stop(&i->dhcp4);
    else if (i->on[source] && source == SOURCE_DHCP6)
        dhcp6_stop(&i->dhcp6);
    else if (i->on[source] && source == SOURCE_RD)
        rd_stop(&i->rd);
    close_sockets(i, source);
    i->on[source] = false;
    (void)nic_apply(i, source, &nothing);
}

bool nic_done(const struct nic *i, enum source source)
{
    if (i->errors[source] < 0)
        return false;
    switch (source) {
    case SOURCE_DHCP4:
        return i->dhcp4.bound;
    case SOURCE_DHCP6:
        return i->dhcp6.bound;
    case SOURCE_RD:
        return i->rd.heard;
    case SOURCE_STATIC:
    case N_SOURCES:
        break;
    }
    return true;
}

struct nic *nic_new(struct conf *conf, unsigned ifindex, const char *name)
{
    struct nic *i = calloc(1, sizeof *i);

    if (!i)
        return NULL;
    i->conf = conf;
    i->ifindex = ifindex;
    strncpy(i->name, name, sizeof i->name - 1);
    i->packet4 = i->udp4 = i->udp6 = i->raw6 = -1;
    list_append(&conf->nics, &i->link);
    return i;
}

void nic_free(struct nic *i)
{
    if (i->on[SOURCE_DHCP4])
        dhcp4_stop(&i->dhcp4);
    if (i->on[SOURCE_DHCP6])
        dhcp6_stop(&i->dhcp6);
    for (unsigned s = 0; s < N_SOURCES; s++)
        close_sockets(i, s);
    list_remove(&i->link);
    free(i);
}

/* --- for the loop -------------------------------------------------------------------------------- */

unsigned nic_fds(const struct nic *i, struct pollfd fds[NIC_FDS])
{
    const int all[NIC_FDS] = {i->packet4, i->udp4, i->udp6, i->raw6};

    for (unsigned n = 0; n < NIC_FDS; n++)
        fds[n] = (struct pollfd){.fd = all[n], .events = POLLIN};
    return NIC_FDS;
}

mtime_t nic_deadline(const struct nic *i)
{
    mtime_t next = MTIME_NEVER;

    if (i->on[SOURCE_DHCP4])
        next = dhcp4_deadline(&i->dhcp4);
    if (i->on[SOURCE_DHCP6])
        next = mtime_min(next, dhcp6_deadline(&i->dhcp6));
    if (i->on[SOURCE_RD])
        next = mtime_min(next, rd_deadline(&i->rd));
    return next;
}

static void hear4(struct nic *i, mtime_t now)
{
    uint8_t packet[PACKET_MAX];
    ssize_t n;

    for (unsigned k = 0; i->packet4 >= 0 && k < PER_TURN; k++) {
        struct sockaddr_ll from = {.sll_family = AF_PACKET};
        socklen_t from_size = sizeof from;
        const uint8_t *message;
        size_t size;

        n = ioth_recvfrom(i->packet4, packet, sizeof packet, MSG_DONTWAIT,
                          (struct sockaddr *)&from, &from_size);
        if (n < 0)
            break;
        message = datagram4_unwrap(packet, (size_t)n, PORT_SERVER4, PORT_CLIENT4, &size);
        if (message)
            dhcp4_input(&i->dhcp4, message, size, now);
        if (message && i->dhcp4.state == DHCP4_BOUND)
            memcpy(i->server_mac, from.sll_addr, 6);
    }
    for (unsigned k = 0; i->udp4 >= 0 && k < PER_TURN; k++) {
        n = ioth_recv(i->udp4, packet, sizeof packet, MSG_DONTWAIT);
        if (n < 0)
            break;
        dhcp4_input(&i->dhcp4, packet, (size_t)n, now);
    }
}

/* All packets of the link come to a packet socket: it is there only while it is needed. */
static void tend4(struct nic *i)
{
    enum dhcp4_state s = i->on[SOURCE_DHCP4] ? i->dhcp4.state : DHCP4_OFF;

    if (s == DHCP4_OFF || s == DHCP4_BOUND || s == DHCP4_RENEWING)
        close_socket(i, &i->packet4);
    if (s != DHCP4_RENEWING)
        close_socket(i, &i->udp4);
}

static void hear6(struct nic *i, mtime_t now)
{
    uint8_t message[PACKET_MAX];
    ssize_t n;

    for (unsigned k = 0; i->udp6 >= 0 && k < PER_TURN; k++) {
        n = ioth_recv(i->udp6, message, sizeof message, MSG_DONTWAIT);
        if (n < 0)
            break;
        dhcp6_input(&i->dhcp6, message, (size_t)n, now);
    }
    if (!i->on[SOURCE_DHCP6])
        close_socket(i, &i->udp6);
}

static int hop_limit(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        int hops;

        if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_HOPLIMIT)
            continue;
        memcpy(&hops, CMSG_DATA(c), sizeof hops);
        return hops;
    }
    return -1;
}

static void hear_routers(struct nic *i, mtime_t now)
{
    for (unsigned k = 0; i->raw6 >= 0 && k < PER_TURN; k++) {
        _Alignas(struct cmsghdr) uint8_t control[256];
        uint8_t message[PACKET_MAX];
        struct sockaddr_in6 from = {.sin6_family = AF_INET6};
        struct iovec iov = {message, sizeof message};
        struct msghdr msg = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
        ssize_t n = ioth_recvmsg(i->raw6, &msg, MSG_DONTWAIT);

        if (n < 0)
            break;
        if (from.sin6_scope_id == i->ifindex)
            rd_input(&i->rd, message, (size_t)n, from.sin6_addr.s6_addr, hop_limit(&msg),
                     now);
    }
    if (!i->on[SOURCE_RD])
        close_socket(i, &i->raw6);
}

void nic_serve(struct nic *i, mtime_t now)
{
    bool stateless;

    hear4(i, now);
    hear6(i, now);
    hear_routers(i, now);
    stateless = i->on[SOURCE_RD] && i->rd.heard && !i->rd.managed && i->rd.other;
    if (i->on[SOURCE_DHCP6] && stateless && !i->dhcp6.stateless)
        dhcp6_go_stateless(&i->dhcp6, now);
    if (i->on[SOURCE_DHCP4])
        dhcp4_run(&i->dhcp4, now);
    if (i->on[SOURCE_DHCP6])
        dhcp6_run(&i->dhcp6, now);
    if (i->on[SOURCE_RD])
        rd_run(&i->rd, now);
    tend4(i);
}
