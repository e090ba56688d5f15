/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/input.h"

#include <assert.h>
#include <string.h>

#include <lwip/etharp.h>
#include <lwip/ip4.h>
#include <lwip/ip6.h>
#include <lwip/priv/tcp_priv.h>

#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"
#include "proto/wire/packet.h"

#define ETH_SIZE     14u
#define ARP_SIZE     28u
#define ARP_TARGET   24u
#define IP4_SIZE     20u
#define IP6_SIZE     40u
#define IN_PLACE_MIN 2048u /* Payload below that is not worth it. */
#define HEAD_MAX     128u  /* Headers of a segment that may stay in place. */

err_t input_none(struct pbuf *p, struct netif *netif)
{
    (void)p;
    (void)netif;
    return ERR_IF;
}

/* --- in place --------------------------------------------------------------------------------- */

static struct pbuf_custom payload_pbuf;
static bool payload_held;

static void payload_freed(struct pbuf *p)
{
    (void)p;
    payload_held = false;
}

static bool same_end(const struct tcp_pcb *pcb, const uint8_t *ip, bool ip6)
{
    if (ip6)
        return IP_IS_V6(&pcb->local_ip) && IP_IS_V6(&pcb->remote_ip) &&
               !memcmp(ip_2_ip6(&pcb->remote_ip)->addr, ip + 8, 16) &&
               !memcmp(ip_2_ip6(&pcb->local_ip)->addr, ip + 24, 16);
    return IP_IS_V4(&pcb->local_ip) && IP_IS_V4(&pcb->remote_ip) &&
           !memcmp(&ip_2_ip4(&pcb->remote_ip)->addr, ip + 12, 4) &&
           !memcmp(&ip_2_ip4(&pcb->local_ip)->addr, ip + 16, 4);
}

/* Whether lwIP hands the payload on at once: nothing before it is missing, and there is room. What
 * waits in a queue must be a copy. */
static bool taken_at_once(const uint8_t *ip, const uint8_t *tcp, bool ip6, uint32_t payload)
{
    uint16_t from = load_be16(tcp), to = load_be16(tcp + 2);
    uint32_t seq = load_be32(tcp + 4);

    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->remote_port == from && pcb->local_port == to && same_end(pcb, ip, ip6))
            return pcb->state == ESTABLISHED && pcb->rcv_nxt == seq && !pcb->ooseq &&
                   !pcb->refused_data && payload <= pcb->rcv_wnd;
    }
    return false;
}

/* The size of the headers if the payload may stay in place, else 0. Reads a copy of them. */
static uint32_t in_place(const uint8_t head[HEAD_MAX], uint32_t size)
{
    uint16_t type = load_be16(head + 12);
    bool ip6 = type == PACKET_TYPE_IP6;
    uint32_t ip_total, tcp_at, data_at;

    if (ip6) {
        tcp_at = ETH_SIZE + 40;
        ip_total = 40u + load_be16(head + ETH_SIZE + 4);
        if (head[ETH_SIZE + 6] != PACKET_PROTO_TCP)
            return 0;
    } else {
        tcp_at = ETH_SIZE + (head[ETH_SIZE] & 0x0fu) * 4;
        ip_total = load_be16(head + ETH_SIZE + 2);
        if (type != PACKET_TYPE_IP4 || head[ETH_SIZE + 9] != PACKET_PROTO_TCP ||
            load_be16(head + ETH_SIZE + 6) & 0x3fff)
            return 0;
    }
    if (tcp_at + 20 > HEAD_MAX || ip_total + ETH_SIZE != size)
        return 0;
    data_at = tcp_at + (head[tcp_at + 12] >> 4) * 4u;
    if (data_at < tcp_at + 20 || data_at > HEAD_MAX || data_at + IN_PLACE_MIN > size)
        return 0;
    return taken_at_once(head + ETH_SIZE, head + tcp_at, ip6, size - data_at) ? data_at : 0;
}

/* --- copies ----------------------------------------------------------------------------------- */

static struct pbuf *copy_of(const uint8_t *data, uint32_t size)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)size, PBUF_RAM);

    if (p)
        memcpy(p->payload, data, size);
    return p;
}

/* Without its Ethernet header, of which *eth is a copy. */
static struct pbuf *make_pbuf(const struct frame *f, uint8_t eth[ETH_SIZE], bool checked)
{
    uint8_t head[HEAD_MAX];
    uint32_t head_size = 0;
    struct pbuf *p;

    if (checked && f->size >= HEAD_MAX + IN_PLACE_MIN) {
        memcpy(head, f->data, sizeof head);
        memcpy(eth, head, ETH_SIZE);
        head_size = in_place(head, f->size);
    } else {
        memcpy(eth, f->data, ETH_SIZE);
    }
    if (!head_size)
        return copy_of(f->data + ETH_SIZE, f->size - ETH_SIZE);
    p = copy_of(head + ETH_SIZE, head_size - ETH_SIZE);
    if (!p)
        return NULL;
    payload_pbuf.custom_free_function = payload_freed;
    pbuf_cat(p, pbuf_alloced_custom(PBUF_RAW, (u16_t)(f->size - head_size), PBUF_REF,
                                    &payload_pbuf, f->data + head_size,
                                    (u16_t)(f->size - head_size)));
    payload_held = true;
    return p;
}

/* lwIP reads the fixed part of these headers before it looks at the packet's length. */
static size_t least(uint16_t type)
{
    return type == PACKET_TYPE_ARP   ? ARP_SIZE
           : type == PACKET_TYPE_IP4 ? IP4_SIZE
                                     : IP6_SIZE;
}

/* Whoever asks for one of an interface's further addresses, or answers it. */
static struct netif *asked_for(struct iface *i, const struct pbuf *p)
{
    for (unsigned n = 0; n < IFACE_ALIASES; n++) {
        const struct iface_alias *a = i->aliases[n];

        if (a && !memcmp(&netif_ip4_addr(&a->netif)->addr,
                         (const uint8_t *)p->payload + ARP_TARGET, 4))
            return &i->aliases[n]->netif;
    }
    return &i->netif;
}

/* Returns whether it is of a protocol that lwIP knows. */
static bool pass_on(struct iface *i, struct netif *netif, struct pbuf *p, uint16_t type)
{
    p->if_idx = netif_get_index(netif);
    if (p->len < least(type)) {
        pbuf_free(p);
        return false;
    }
    switch (type) {
    case PACKET_TYPE_IP4:
        ip4_input(p, netif);
        break;
    case PACKET_TYPE_ARP:
        etharp_input(p, asked_for(i, p));
        break;
    case PACKET_TYPE_IP6:
        ip6_input(p, netif);
        break;
    default:
        pbuf_free(p);
        return false;
    }
    return true;
}

bool input_frame(struct iface *i, const struct frame *f)
{
    bool good = f->flags & (FRAME_NEEDS_CSUM | FRAME_CSUM_VALID);
    uint8_t eth[ETH_SIZE];
    struct pbuf *p;
    bool known;

    i->rx_frames++;
    i->rx_bytes += f->size;
    if (f->size < ETH_SIZE || f->size - ETH_SIZE > 0xffff || !netif_is_up(&i->netif)) {
        i->rx_dropped++;
        return false;
    }
    p = make_pbuf(f, eth, good);
    if (!p) {
        i->rx_dropped++;
        return false;
    }
    if (iface_tap.came)
        iface_tap.came(i, eth, p);
    if (!mac_is_group(eth) && !mac_equal(eth, i->netif.hwaddr)) {
        pbuf_free(p);
        return false;
    }
    if (mac_is_group(eth))
        p->flags |= eth[0] == 0xff ? PBUF_FLAG_LLBCAST : PBUF_FLAG_LLMCAST;
    NETIF_SET_CHECKSUM_CTRL(&i->netif, good ? INPUT_CHECK_OPEN : INPUT_CHECK_ALL);
    known = pass_on(i, &i->netif, p, load_be16(eth + 12));
    NETIF_SET_CHECKSUM_CTRL(&i->netif, INPUT_CHECK_OPEN);
    assert(!payload_held);
    return known;
}
