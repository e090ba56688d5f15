/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packet sockets: whole frames (SOCK_RAW) or what is behind their Ethernet header (SOCK_DGRAM). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/sockets/dgramq.h"
#include "libioth/sockets/filter.h"
#include "libioth/sockets/ip_sock.h"
#include "libioth/sockets/kinds.h"
#include "libioth/stack/iface.h"
#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"

#define ETH_SIZE 14u

struct packet_sock {
    struct sock sock;
    struct list link; /* In `all`. */
    struct dgramq rx;
    uint16_t ethertype; /* 0: nothing; ETH_P_ALL. */
    unsigned if_index;  /* 0: every interface. */
    struct filter filter;
};

static struct list all = {&all, &all};

static struct packet_sock *packet_of(struct sock *s)
{
    return (struct packet_sock *)(void *)s;
}

/* --- frames ------------------------------------------------------------------------------------- */

static uint8_t kind_of(const struct iface *i, const uint8_t eth[ETH_SIZE], bool sent)
{
    if (sent)
        return PACKET_OUTGOING;
    if (mac_equal(eth, i->netif.hwaddr))
        return PACKET_HOST;
    return eth[0] == 0xff      ? PACKET_BROADCAST
           : mac_is_group(eth) ? PACKET_MULTICAST
                               : PACKET_OTHERHOST;
}

/* p[ofs…] is the frame behind its Ethernet header. */
static void hand_out(struct packet_sock *k, struct iface *i, const uint8_t eth[ETH_SIZE],
                     const struct pbuf *p, unsigned ofs, bool sent)
{
    size_t head = k->sock.type == SOCK_RAW ? ETH_SIZE : 0;
    struct dgram *d = dgramq_new(&k->rx, p->tot_len - ofs + head, k->sock.rcv_size);
    struct filter_about about;

    if (!d)
        return;
    memcpy(d->data, eth, head);
    pbuf_copy_partial(p, d->data + head, (u16_t)(p->tot_len - ofs), (u16_t)ofs);
    d->if_index = (uint8_t)iface_index(i);
    d->ethertype = load_be16(eth + 12);
    d->pkttype = kind_of(i, eth, sent);
    memcpy(d->from_mac, eth + 6, 6);
    ip_sock_stamp(&k->sock, d);
    about = (struct filter_about){d->ethertype, d->pkttype, d->if_index};
    d->size = (uint32_t)filter_run(&k->filter, d->data, d->size, &about);
    if (d->size == 0) {
        free(d);
        return;
    }
    dgramq_put(&k->rx, d);
    sock_changed(&k->sock, SOCK_IN);
}

static void hand_to_all(struct iface *i, const uint8_t eth[ETH_SIZE], const struct pbuf *p,
                        unsigned ofs, bool sent)
{
    list_for_each (it, &all) {
        struct packet_sock *k = list_entry(it, struct packet_sock, link);

        if ((!k->if_index || k->if_index == iface_index(i)) &&
            (k->ethertype == ETH_P_ALL ||
             (!sent && k->ethertype && k->ethertype == load_be16(eth + 12))))
            hand_out(k, i, eth, p, ofs, sent);
    }
}

static void came(struct iface *i, const uint8_t eth[ETH_SIZE], const struct pbuf *p)
{
    hand_to_all(i, eth, p, 0, false);
}

static void sent_frame(struct iface *i, const struct pbuf *p)
{
    if (p->len >= ETH_SIZE)
        hand_to_all(i, p->payload, p, ETH_SIZE, true);
}

/* --- ops ---------------------------------------------------------------------------------------- */

static int get_ll(const void *sa, socklen_t size, struct sockaddr_ll *ll)
{
    if (!sa || size < offsetof(struct sockaddr_ll, sll_addr))
        return -EINVAL;
    *ll = (struct sockaddr_ll){.sll_family = 0};
    memcpy(ll, sa, size < sizeof *ll ? size : sizeof *ll);
    return ll->sll_family == AF_PACKET ? 0 : -EINVAL;
}

static int bind_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct packet_sock *k = packet_of(s);
    struct sockaddr_ll ll;
    int r = get_ll(sa, size, &ll);

    if (r < 0)
        return r;
    if (ll.sll_ifindex && !iface_by_index((unsigned)ll.sll_ifindex))
        return -ENODEV;
    k->if_index = (unsigned)ll.sll_ifindex;
    if (ll.sll_protocol)
        k->ethertype = ntohs(ll.sll_protocol);
    return 0;
}

static int connect_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    (void)s;
    (void)sa;
    (void)size;
    return -EOPNOTSUPP;
}

static int name_sock(struct sock *s, bool peer, struct sockaddr *sa, socklen_t *size)
{
    const struct packet_sock *k = packet_of(s);
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(k->ethertype),
                             .sll_ifindex = (int)k->if_index,
                             .sll_hatype = ARPHRD_ETHER};
    struct iface *i = k->if_index ? iface_by_index(k->if_index) : NULL;

    if (peer)
        return -EOPNOTSUPP;
    if (i && i->port) {
        ll.sll_halen = 6;
        memcpy(ll.sll_addr, i->netif.hwaddr, 6);
    }
    memcpy(sa, &ll, *size < sizeof ll ? *size : sizeof ll);
    *size = sizeof ll;
    return 0;
}

/* Where a message goes: the interface, and for SOCK_DGRAM the rest of the header. */
static int get_way(const struct packet_sock *k, const struct msghdr *msg, struct iface **i,
                   struct sockaddr_ll *ll)
{
    int r = 0;

    *ll = (struct sockaddr_ll){.sll_ifindex = (int)k->if_index,
                               .sll_protocol = htons(k->ethertype)};
    if (msg->msg_name && msg->msg_namelen)
        r = get_ll(msg->msg_name, msg->msg_namelen, ll);
    else if (k->sock.type == SOCK_DGRAM)
        r = -EDESTADDRREQ;
    if (r < 0)
        return r;
    *i = iface_by_index((unsigned)(ll->sll_ifindex ? ll->sll_ifindex : (int)k->if_index));
    return *i ? 0 : -ENXIO;
}

static ssize_t send_sock(struct sock *s, const struct msghdr *msg, int flags)
{
    struct packet_sock *k = packet_of(s);
    size_t size = sock_iov_size(msg), head = s->type == SOCK_DGRAM ? ETH_SIZE : 0;
    struct sockaddr_ll ll;
    struct iface *i;
    struct pbuf *p;
    uint8_t *at;
    int r = get_way(k, msg, &i, &ll);

    (void)flags;
    if (r < 0)
        return r;
    if (size + head < ETH_SIZE)
        return -EINVAL;
    if (size + head > iface_netif(i)->mtu + ETH_SIZE)
        return -EMSGSIZE;
    p = pbuf_alloc(PBUF_RAW, (u16_t)(size + head), PBUF_RAM);
    if (!p)
        return -ENOBUFS;
    at = p->payload;
    if (head) {
        memcpy(at, ll.sll_addr, 6);
        memcpy(at + 6, i->netif.hwaddr, 6);
        store_be16(at + 12, ntohs(ll.sll_protocol));
    }
    sock_iov_in(msg, 0, at + head, size);
    r = iface_send_raw(i, p);
    pbuf_free(p);
    return r < 0 ? r : (ssize_t)size;
}

static ssize_t recv_sock(struct sock *s, struct msghdr *msg, int flags)
{
    struct packet_sock *k = packet_of(s);
    const struct dgram *d = dgramq_first(&k->rx);
    struct ip_sock_controls c;
    ssize_t n;

    if (!d)
        return -EAGAIN;
    n = dgramq_copy(d, msg, flags);
    c = ip_sock_controls(msg);
    ip_sock_put_general(s, d, k->rx.dropped, &c);
    msg->msg_controllen = c.used;
    if (msg->msg_name) {
        struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                                 .sll_protocol = htons(d->ethertype),
                                 .sll_ifindex = d->if_index,
                                 .sll_hatype = ARPHRD_ETHER,
                                 .sll_pkttype = d->pkttype,
                                 .sll_halen = 6};

        memcpy(ll.sll_addr, d->from_mac, 6);
        memcpy(msg->msg_name, &ll,
               msg->msg_namelen < sizeof ll ? msg->msg_namelen : sizeof ll);
        msg->msg_namelen = sizeof ll;
    }
    if (!(flags & MSG_PEEK)) {
        s->came_at = d->at;
        dgramq_pop(&k->rx);
        sock_changed(s, 0);
    }
    return n;
}

static int get_option(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    return level == SOL_SOCKET ? sock_getopt(s, name, value, size) : -ENOPROTOOPT;
}

static int set_option(struct sock *s, int level, int name, const void *value,
                      socklen_t size)
{
    int r = level == SOL_SOCKET ? filter_setopt(&packet_of(s)->filter, name, value, size)
                                : -ENOPROTOOPT;

    if (r == -ENOPROTOOPT && level == SOL_SOCKET)
        r = sock_setopt(s, name, value, size);
    if (r == 0 && name == SO_BINDTODEVICE)
        packet_of(s)->if_index = (unsigned)s->bound_if;
    return r;
}

static unsigned ready(const struct sock *s)
{
    return SOCK_OUT |
           (dgramq_first(&((const struct packet_sock *)(const void *)s)->rx) ? SOCK_IN : 0);
}

static size_t pending(const struct sock *s)
{
    const struct dgram *d =
        dgramq_first(&((const struct packet_sock *)(const void *)s)->rx);

    return d ? d->size : 0;
}

static void close_sock(struct sock *s)
{
    struct packet_sock *k = packet_of(s);

    sock_done(s);
    list_remove(&k->link);
    if (list_empty(&all))
        iface_tap = (struct iface_tap){NULL, NULL};
    dgramq_clear(&k->rx);
    filter_done(&k->filter);
    free(k);
}

static const struct sock_ops ops = {
    .bind = bind_sock,
    .connect = connect_sock,
    .name = name_sock,
    .send = send_sock,
    .recv = recv_sock,
    .getopt = get_option,
    .setopt = set_option,
    .ready = ready,
    .pending = pending,
    .close = close_sock,
};

int packet_sock_new(int type, int protocol, struct sock **out)
{
    struct packet_sock *k = calloc(1, sizeof *k);

    if (!k)
        return -ENOMEM;
    sock_init(&k->sock, &ops, AF_PACKET, type, protocol);
    k->ethertype = ntohs((uint16_t)protocol);
    dgramq_init(&k->rx);
    list_append(&all, &k->link);
    iface_tap = (struct iface_tap){came, sent_frame};
    *out = &k->sock;
    return 0;
}
