/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/output.h"

#include <errno.h>

#include "libioth/stack/iface.h"
#include "libioth/stack/rate.h"
#include "libioth/stack/settings.h"
#include "libioth/stack/timers.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"

#define ETH_SIZE      14u
#define IP4_SIZE      20u
#define IP6_SIZE      40u
#define TCP_SIZE      20u
#define TCP_CSUM      16u
#define UDP_SIZE      8u /* And of ICMP's header. */
#define FRAGMENT_SIZE 8u

#define PROTO_ICMP     1u
#define PROTO_FRAGMENT 44u
#define PROTO_ICMP6    58u
#define PIECES_MAX     32u

/* Where the TCP header of a frame that lwIP made begins, 0 if it has none. The headers lie in its first
 * `size` bytes. */
static uint32_t tcp_at(const uint8_t *eth, size_t size)
{
    uint16_t type = load_be16(eth + 12);
    uint32_t at = 0;

    if (type == PACKET_TYPE_IP4 && size >= ETH_SIZE + IP4_SIZE &&
        eth[23] == PACKET_PROTO_TCP && !(load_be16(eth + 20) & 0x3fff))
        at = ETH_SIZE + (eth[14] & 0x0fu) * 4;
    else if (type == PACKET_TYPE_IP6 && size >= ETH_SIZE + IP6_SIZE &&
             eth[20] == PACKET_PROTO_TCP)
        at = ETH_SIZE + IP6_SIZE;
    return at && size >= at + TCP_SIZE ? at : 0;
}

/* Puts the pseudo-header's sum into the TCP checksum and says so in the frame's metadata. */
static void open_checksum(uint8_t *eth, uint32_t at, struct frame *f)
{
    bool ip6 = at == ETH_SIZE + IP6_SIZE && load_be16(eth + 12) == PACKET_TYPE_IP6;
    uint32_t size = f->size - at;
    uint64_t sum = ip6 ? checksum_add(0, eth + 22, 32) : checksum_add(0, eth + 26, 8);

    sum = checksum_add_u16(sum, (uint16_t)size);
    sum = checksum_add_u16(sum, PACKET_PROTO_TCP);
    store_be16(eth + at + TCP_CSUM, checksum_fold(sum));
    f->flags |= FRAME_NEEDS_CSUM;
    f->csum_start = (uint16_t)at;
    f->csum_ofs = TCP_CSUM;
    f->hdr_size = (uint16_t)(at + (eth[at + 12] >> 4) * 4u);
    if (f->gso_size)
        f->gso = ip6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
}

static unsigned gather(const struct pbuf *p, struct ring_piece pieces[PIECES_MAX])
{
    unsigned n = 0;

    for (; p; p = p->next) {
        if (n == PIECES_MAX)
            return 0;
        pieces[n++] = (struct ring_piece){p->payload, p->len};
    }
    return n;
}

static int send_pieces(struct iface *i, struct pbuf *p, const struct frame *meta)
{
    struct ring_piece pieces[PIECES_MAX];
    unsigned n = gather(p, pieces);
    struct pbuf *whole;
    int r;

    if (n)
        return i->port->ops->send(i->port, meta, pieces, n);
    whole = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    if (!whole)
        return -ENOBUFS;
    n = gather(whole, pieces);
    r = i->port->ops->send(i->port, meta, pieces, n);
    pbuf_free(whole);
    return r;
}

/* --- the stack's rate ----------------------------------------------------------------------------- */

struct load {
    enum rate_kind kind;
    size_t payload; /* 0: nothing that counts. */
    bool goes_on;   /* It is the rest of a datagram of which a piece has gone. */
};

static uint32_t behind_tcp(const uint8_t *eth, uint32_t at, size_t size)
{
    return at + 13 <= size ? at + (eth[at + 12] >> 4) * 4u : at;
}

/* What is for the network itself: groups, routers, neighbours. */
static bool is_of_network(uint8_t icmp6_type)
{
    return (icmp6_type >= 130 && icmp6_type <= 137) || icmp6_type == 143;
}

/* The headers lie in the first `size` bytes. */
static struct load load_of(const uint8_t *eth, size_t size, size_t whole)
{
    uint16_t type = size > ETH_SIZE ? load_be16(eth + 12) : 0;
    struct load l = {.kind = RATE_DATAGRAM};
    uint32_t at = 0, proto = 0;

    if (type == PACKET_TYPE_IP4 && size >= ETH_SIZE + IP4_SIZE) {
        at = ETH_SIZE + (eth[14] & 0x0fu) * 4;
        proto = eth[23];
        l.goes_on = load_be16(eth + 20) & 0x1fff;
    } else if (type == PACKET_TYPE_IP6 && size >= ETH_SIZE + IP6_SIZE + FRAGMENT_SIZE) {
        at = ETH_SIZE + IP6_SIZE;
        proto = eth[20];
        if (proto == PROTO_FRAGMENT) {
            proto = eth[at];
            l.goes_on = load_be16(eth + at + 2) & 0xfff8;
            at += FRAGMENT_SIZE;
        }
    }
    if (!at || (proto == PROTO_ICMP6 && at < size && is_of_network(eth[at])))
        return l;
    if (proto == PACKET_PROTO_TCP) {
        l.kind = RATE_TCP;
        at = behind_tcp(eth, at, size);
    } else {
        l.kind = proto == PROTO_ICMP || proto == PROTO_ICMP6 ? RATE_MESSAGE : RATE_DATAGRAM;
        at += l.goes_on ? 0 : UDP_SIZE;
    }
    l.payload = whole > at ? whole - at : 0;
    return l;
}

static err_t send_frame(struct netif *netif, struct pbuf *p);

/* TCP has been asked already, per segment (tcp_limits_may_send). */
static err_t send_rated(struct netif *netif, struct pbuf *p)
{
    struct load l = load_of(p->payload, p->len, p->tot_len);
    struct iface *i = netif->state;
    err_t err;

    if (l.payload && l.kind != RATE_TCP && !l.goes_on &&
        !rate_allows(l.kind, timers_now())) {
        if (l.kind == RATE_DATAGRAM)
            return ERR_MEM;
        i->tx_dropped++;
        return ERR_OK; /* Nobody would send it again. */
    }
    err = send_frame(netif, p);
    if (err == ERR_OK)
        rate_sent(l.kind, l.payload, timers_now());
    return err;
}

err_t output_frame(struct netif *netif, struct pbuf *p)
{
    return stack_settings.rate ? send_rated(netif, p) : send_frame(netif, p);
}

static err_t send_frame(struct netif *netif, struct pbuf *p)
{
    struct iface *i = netif->state;
    struct frame meta = {.size = p->tot_len, .gso_size = p->gso_size};
    uint32_t tcp = p->len >= ETH_SIZE ? tcp_at(p->payload, p->len) : 0;
    int r;

    if (tcp)
        open_checksum(p->payload, tcp, &meta);
    r = send_pieces(i, p, &meta);
    if (r == -ENOBUFS) {
        i->stalled = true;
        return ERR_MEM;
    }
    if (iface_tap.sent)
        iface_tap.sent(i, p);
    if (r < 0) {
        i->tx_dropped++;
        return ERR_OK; /* Lost, as on any wire. */
    }
    i->tx_frames++;
    i->tx_bytes += meta.size;
    return ERR_OK;
}
