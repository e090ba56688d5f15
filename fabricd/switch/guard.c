/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a pinned port may send. Everything that a frame says about its sender must be the port's
 * own; and it may neither answer DHCP nor advertise routers. What cannot be understood is
 * refused where it could hide one of these.
 */
#include <string.h>

#include "fabricd/switch/switch_internal.h"
#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"
#include "proto/wire/packet.h"

#define PORT_DHCP4_SERVER   67
#define PORT_DHCP6_SERVER   547
#define ICMP6_ROUTER_ADVERT 134
#define ICMP6_REDIRECT      137
#define ICMP6_ND_FIRST      133
#define ICMP6_ND_LAST       137
#define ICMP6_CSUM_OFS      2u
#define L4_LOOKED_AT        6u /* Ports, and the length of UDP. */
#define IP4_FRAGMENT_OFFSET 0x1fffu
#define IP6_HEADER_SIZE     40u
#define IP6_HEADERS_MAX     8u /* Extension headers that are looked behind. */
#define IP6_HOP_BY_HOP      0
#define IP6_ROUTING         43
#define IP6_FRAGMENT        44
#define IP6_DEST_OPTIONS    60

static bool is_unspecified(const struct packet_claim *claim)
{
    static const uint8_t zero[16];

    return memcmp(claim->addr, zero, claim->family == 4 ? 4 : 16) == 0;
}

/* fe80::/64 with the interface identifier made of the MAC [RFC 4291 appendix A]. */
static bool is_link_local_of(const uint8_t addr[16], const uint8_t mac[MAC_SIZE])
{
    const uint8_t want[16] = {0xfe,
                              0x80,
                              0,
                              0,
                              0,
                              0,
                              0,
                              0, //
                              (uint8_t)(mac[0] ^ 2),
                              mac[1],
                              mac[2],
                              0xff,
                              0xfe,
                              mac[3],
                              mac[4],
                              mac[5]};

    return memcmp(addr, want, sizeof want) == 0;
}

static bool is_own(const struct swport *port, const struct packet_claim *claim)
{
    size_t size = claim->family == 4 ? 4 : 16;

    for (unsigned i = 0; i < port->n_pin_addrs; i++) {
        if (port->pin_addrs[i].family == claim->family &&
            memcmp(port->pin_addrs[i].addr, claim->addr, size) == 0)
            return true;
    }
    return claim->family == 6 && is_link_local_of(claim->addr, port->pin_mac);
}

static bool claim_allowed(const struct swport *port, const struct packet_claim *claim)
{
    if (claim->has_mac && !mac_equal(claim->mac, port->pin_mac))
        return false;
    return is_unspecified(claim) || is_own(port, claim);
}

/* Skips IPv6 extension headers; false if the header behind them is not in this frame: it is in
 * a later fragment, or cut short. `next` is the number of the first header. */
static bool skip_extensions(struct cur *c, uint8_t *next, bool *whole)
{
    *whole = true;
    for (unsigned i = 0; i < IP6_HEADERS_MAX; i++) {
        uint8_t number = *next;

        if (number != IP6_HOP_BY_HOP && number != IP6_ROUTING && number != IP6_FRAGMENT &&
            number != IP6_DEST_OPTIONS)
            return true;
        *next = cur_u8(c);
        if (number == IP6_FRAGMENT) {
            cur_skip(c, 1);
            if (cur_u16(c) >> 3) /* Not the first. */
                return false;
            cur_skip(c, 4);
        } else {
            cur_skip(c, 6u + 8u * cur_u8(c));
        }
        *whole = !c->bad;
        if (c->bad)
            return false;
    }
    *whole = false;
    return false;
}

/* The transport header of a packet or of its first fragment, as `protocol` and a cursor behind
 * the IP headers. False if it has none; *whole is false where that cannot be told. */
static bool find_transport(const struct frame *f, const struct packet *pk, struct cur *c,
                           uint8_t *protocol, bool *whole)
{
    const uint8_t *ip = f->data + pk->l3_ofs;

    *whole = true;
    *c = cur_init(ip, pk->end - pk->l3_ofs);
    if (pk->l3 == PACKET_L3_IP4) {
        *protocol = ip[9];
        cur_skip(c, (ip[0] & 0x0fu) * 4u);
        return (load_be16(ip + 6) & IP4_FRAGMENT_OFFSET) == 0;
    }
    if (pk->l3 != PACKET_L3_IP6)
        return false;
    *protocol = ip[6];
    cur_skip(c, IP6_HEADER_SIZE);
    return skip_extensions(c, protocol, whole);
}

/*
 * An open checksum is completed after this check, with a value that the sender can choose, at a
 * place that the sender names: it must lie behind everything that was looked at.
 */
static bool csum_is_harmless(const struct frame *f, const struct packet *pk)
{
    uint32_t at = (uint32_t)f->csum_start + f->csum_ofs;
    uint32_t headers;

    if (pk->l4 == PACKET_L4_ICMP6)
        return at == pk->l4_ofs + ICMP6_CSUM_OFS;
    if (pk->fragment || pk->l3 == PACKET_L3_ARP)
        return false;
    if (pk->l3 == PACKET_L3_NONE)
        return at >= pk->l3_ofs;
    if (pk->l4 != PACKET_L4_NONE)
        return at >= pk->l4_ofs + L4_LOOKED_AT;
    if (pk->l3 == PACKET_L3_IP6)
        headers = pk->has_options ? UINT16_MAX : IP6_HEADER_SIZE;
    else
        headers = (f->data[pk->l3_ofs] & 0x0fu) * 4u;
    return at >= pk->l3_ofs + headers + L4_LOOKED_AT;
}

/* Which of SWPORT_GUARD_* the frame runs into; all of them where it cannot be told. */
static unsigned plays(const struct frame *f)
{
    const unsigned any = SWPORT_GUARD_DHCP | SWPORT_GUARD_RA;
    struct packet pk;
    struct cur c;
    uint8_t protocol;
    uint8_t type;
    bool whole;

    if (packet_parse(f->data, f->size, &pk) < 0)
        return any;
    if (f->flags & FRAME_NEEDS_CSUM && !csum_is_harmless(f, &pk))
        return any;
    if (!find_transport(f, &pk, &c, &protocol, &whole))
        return whole ? 0 : any;
    if (protocol == PACKET_PROTO_UDP) {
        unsigned server = pk.l3 == PACKET_L3_IP4 ? PORT_DHCP4_SERVER : PORT_DHCP6_SERVER;

        return cur_u16(&c) == server || c.bad ? SWPORT_GUARD_DHCP : 0;
    }
    if (protocol != PACKET_PROTO_ICMP6 || pk.l3 != PACKET_L3_IP6)
        return 0;
    type = cur_u8(&c);
    /* Nobody fragments neighbour discovery [RFC 6980]; it would only hide something. */
    return type == ICMP6_ROUTER_ADVERT || type == ICMP6_REDIRECT || c.bad ||
                   (pk.fragment && type >= ICMP6_ND_FIRST && type <= ICMP6_ND_LAST)
               ? SWPORT_GUARD_RA
               : 0;
}

/* True if the frame says that it comes from an endpoint that control has told of. No endpoint is
 * behind a port with this guard: those of programs are pinned instead. */
static bool spoofs(const struct switch_ *sw, const struct frame *f)
{
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    uint16_t vid = f->tci & FRAME_TCI_VID;
    int n;

    if (homes_of(sw->homes, f->data + MAC_SIZE) != HOMES_NONE)
        return true;
    n = packet_claims(f->data, f->size, claims);
    for (int i = 0; i < n; i++) {
        if (neighbors_find(sw->neighbors, vid, claims[i].family, claims[i].addr) ||
            (claims[i].has_mac && homes_of(sw->homes, claims[i].mac) != HOMES_NONE))
            return true;
    }
    return n < 0;
}

bool guard_lets_in(const struct swport *in, const struct frame *f)
{
    unsigned guards = in->set.guards, runs_into = plays(f);

    if (guards & SWPORT_GUARD_SPOOF &&
        (runs_into == (SWPORT_GUARD_DHCP | SWPORT_GUARD_RA) || spoofs(in->sw, f)))
        return false;
    return (guards & runs_into) == 0;
}

bool guard_allows(const struct swport *port, const struct frame *f)
{
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    int n;

    if (!mac_equal(f->data + MAC_SIZE, port->pin_mac))
        return false;
    n = packet_claims(f->data, f->size, claims);
    for (int i = 0; i < n; i++) {
        if (!claim_allowed(port, &claims[i]))
            return false;
    }
    return n >= 0 && plays(f) == 0;
}
