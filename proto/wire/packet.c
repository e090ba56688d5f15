/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/packet.h"

#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/frame.h"

#define MAC_PAIR        12u
#define IP6_SIZE        40u
#define IP6_HOP_BY_HOP  0u
#define IP6_ROUTING     43u
#define IP6_FRAGMENT    44u
#define IP6_DESTINATION 60u
#define IP6_HEADERS_MAX 8u
#define IP4_MORE        0x2000u
#define IP4_OFFSET      0x1fffu
#define ARP_HW_ETHERNET 1u
#define ICMP6_RS        133u
#define ICMP6_RA        134u
#define ICMP6_NS        135u
#define ICMP6_NA        136u
#define ND_SOURCE_LINK  1u
#define ND_TARGET_LINK  2u
#define ND_OPTION_UNIT  8u

/* A cursor, and where it stands in the frame. */
struct reader {
    struct cur c;
    const uint8_t *start;
};

static uint32_t offset(const struct reader *r)
{
    return (uint32_t)(r->c.p - r->start);
}

static void parse_ports(struct reader *r, uint8_t proto, struct packet *pk)
{
    uint32_t l4 = offset(r);

    if (proto == PACKET_PROTO_TCP) {
        size_t header;

        cur_skip(&r->c, 12);
        header = (size_t)(cur_u8(&r->c) >> 4) * 4;
        cur_skip(&r->c, header < 20 ? SIZE_MAX : header - 13);
        pk->l4 = PACKET_L4_TCP;
        pk->payload_ofs = (uint16_t)offset(r);
    } else if (proto == PACKET_PROTO_UDP) {
        uint16_t size;

        cur_skip(&r->c, 4);
        size = cur_u16(&r->c);
        cur_skip(&r->c, 2);
        /* Lengths that disagree are read differently by different stacks: nobody's UDP. */
        if (size != cur_left(&r->c) + 8)
            return;
        pk->l4 = PACKET_L4_UDP;
        pk->payload_ofs = (uint16_t)offset(r);
    } else if (proto == PACKET_PROTO_ICMP6 && pk->l3 == PACKET_L3_IP6) {
        pk->l4 = PACKET_L4_ICMP6;
    } else {
        return;
    }
    pk->l4_ofs = (uint16_t)l4;
}

static void parse_ip4(struct reader *r, struct packet *pk)
{
    uint8_t version = cur_u8(&r->c);
    size_t header = (size_t)(version & 15) * 4;
    uint16_t total, fragment;
    uint8_t proto;

    cur_skip(&r->c, 1);
    total = cur_u16(&r->c);
    cur_skip(&r->c, 2);
    fragment = cur_u16(&r->c);
    cur_skip(&r->c, 1);
    proto = cur_u8(&r->c);
    cur_skip(&r->c, 10);
    if (version >> 4 != 4 || header < 20 || total < header) {
        r->c.bad = true;
        return;
    }
    cur_skip(&r->c, header - 20);
    r->c = cur_sub(&r->c, total - header);
    pk->l3 = PACKET_L3_IP4;
    pk->has_options = header > 20;
    pk->fragment = fragment & (IP4_MORE | IP4_OFFSET);
    pk->end = (uint32_t)pk->l3_ofs + total;
    if (!pk->fragment)
        parse_ports(r, proto, pk);
}

/*
 * Walks the extension headers [RFC 8200 4]. Stops at the first that is not known: what is behind
 * it is then neither TCP nor UDP. A fragment's upper layer is not looked for at all.
 */
static uint8_t skip_extensions(struct reader *r, uint8_t next, struct packet *pk)
{
    for (unsigned i = 0; i < IP6_HEADERS_MAX; i++) {
        uint8_t after;

        if (next == IP6_FRAGMENT) {
            pk->has_options = true;
            pk->fragment = true;
            return next;
        }
        if (next != IP6_ROUTING && next != IP6_DESTINATION &&
            (next != IP6_HOP_BY_HOP || i > 0))
            return next;
        pk->has_options = true;
        after = cur_u8(&r->c);
        cur_skip(&r->c, (size_t)cur_u8(&r->c) * 8 + 6);
        next = after;
    }
    return IP6_FRAGMENT; /* Too many: not followed. */
}

static void parse_ip6(struct reader *r, struct packet *pk)
{
    uint8_t version = cur_u8(&r->c);
    uint16_t size;
    uint8_t next;

    cur_skip(&r->c, 3);
    size = cur_u16(&r->c);
    next = cur_u8(&r->c);
    cur_skip(&r->c, 33);
    if (version >> 4 != 6) {
        r->c.bad = true;
        return;
    }
    r->c = cur_sub(&r->c, size);
    pk->l3 = PACKET_L3_IP6;
    pk->end = pk->l3_ofs + IP6_SIZE + size;
    next = skip_extensions(r, next, pk);
    if (!pk->fragment)
        parse_ports(r, next, pk);
}

static void parse_arp(struct reader *r, struct packet *pk)
{
    uint8_t hw_size, proto_size;

    cur_skip(&r->c, 4);
    hw_size = cur_u8(&r->c);
    proto_size = cur_u8(&r->c);
    cur_skip(&r->c, 2 + 2 * (size_t)hw_size + 2 * (size_t)proto_size);
    pk->l3 = PACKET_L3_ARP;
}

int packet_parse(const uint8_t *data, size_t size, struct packet *out)
{
    struct reader r = {.c = cur_init(data, size), .start = data};
    struct packet pk = {.end = (uint32_t)size};

    if (size > FRAME_SUPER_MAX)
        return -EBADMSG;
    cur_skip(&r.c, MAC_PAIR);
    pk.ethertype = cur_u16(&r.c);
    while ((pk.ethertype == PACKET_TYPE_VLAN || pk.ethertype == PACKET_TYPE_QINQ) &&
           pk.n_tags < PACKET_TAGS_MAX) {
        cur_skip(&r.c, 2);
        pk.ethertype = cur_u16(&r.c);
        pk.n_tags++;
    }
    pk.l3_ofs = (uint16_t)offset(&r);
    if (pk.ethertype == PACKET_TYPE_IP4)
        parse_ip4(&r, &pk);
    else if (pk.ethertype == PACKET_TYPE_IP6)
        parse_ip6(&r, &pk);
    else if (pk.ethertype == PACKET_TYPE_ARP)
        parse_arp(&r, &pk);
    if (r.c.bad)
        return -EBADMSG;
    *out = pk;
    return 0;
}

bool packet_head_is_tcp(const uint8_t *head, size_t size)
{
    struct reader r = {.c = cur_init(head, size), .start = head};
    uint16_t type, fragment = 0;
    uint8_t first, proto, tcp;

    first = cur_u8(&r.c);
    cur_skip(&r.c, MAC_PAIR - 1);
    type = cur_u16(&r.c);
    if (first & 1 || (type != PACKET_TYPE_IP4 && type != PACKET_TYPE_IP6))
        return false;
    first = cur_u8(&r.c);
    if (type == PACKET_TYPE_IP4) {
        cur_skip(&r.c, 5);
        fragment = cur_u16(&r.c);
        cur_skip(&r.c, 1);
        proto = cur_u8(&r.c);
        cur_skip(&r.c, (first & 15) < 5 ? SIZE_MAX : (size_t)(first & 15) * 4 - 10);
    } else {
        cur_skip(&r.c, 5);
        proto = cur_u8(&r.c);
        cur_skip(&r.c, 33);
    }
    cur_skip(&r.c, 12);
    tcp = cur_u8(&r.c) >> 4;
    cur_skip(&r.c, tcp < 5 ? SIZE_MAX : tcp * 4u - 13);
    return !r.c.bad && first >> 4 == (type == PACKET_TYPE_IP4 ? 4 : 6) &&
           proto == PACKET_PROTO_TCP && !(fragment & (IP4_MORE | IP4_OFFSET));
}

static int claims_arp(struct cur c, struct packet_claim *claims)
{
    uint16_t hw_type = cur_u16(&c);
    uint16_t proto = cur_u16(&c);
    uint8_t hw_size = cur_u8(&c);
    uint8_t proto_size = cur_u8(&c);

    if (hw_type != ARP_HW_ETHERNET || proto != PACKET_TYPE_IP4 || hw_size != 6 ||
        proto_size != 4)
        return -EBADMSG;
    cur_skip(&c, 2);
    claims[0] = (struct packet_claim){.family = 4, .has_mac = true};
    cur_copy(&c, claims[0].mac, 6);
    cur_copy(&c, claims[0].addr, 4);
    return c.bad ? -EBADMSG : 1;
}

/* Finds a link-layer address option. Returns 1, 0, or -EBADMSG. */
static int nd_option(struct cur c, uint8_t wanted, uint8_t mac[6])
{
    int found = 0;

    while (cur_left(&c)) {
        uint8_t type = cur_u8(&c);
        size_t size = (size_t)cur_u8(&c) * ND_OPTION_UNIT;
        struct cur body;

        if (size == 0)
            return -EBADMSG;
        body = cur_sub(&c, size - 2);
        if (body.bad)
            return -EBADMSG;
        if (type != wanted)
            continue;
        /* Two would let one be checked and the other be believed. */
        if (found || size != ND_OPTION_UNIT)
            return -EBADMSG;
        cur_copy(&body, mac, 6);
        found = 1;
    }
    return found;
}

/* What neighbour discovery adds to the claim of the IP source, which is claims[0]. */
static int claims_nd(struct cur c, struct packet_claim *claims)
{
    uint8_t type = cur_u8(&c);
    uint8_t source_mac[6] = {0}, target_mac[6] = {0}, target[16] = {0};
    int has_source, has_target, n = 1;

    if (type < ICMP6_RS || type > ICMP6_NA)
        return n;
    cur_skip(&c, type == ICMP6_RA ? 15 : 7);
    if (type == ICMP6_NS || type == ICMP6_NA)
        cur_copy(&c, target, sizeof target);
    if (c.bad)
        return -EBADMSG;
    has_source = nd_option(c, ND_SOURCE_LINK, source_mac);
    has_target = nd_option(c, ND_TARGET_LINK, target_mac);
    if (has_source < 0 || has_target < 0)
        return -EBADMSG;
    if (has_source) {
        claims[0].has_mac = true;
        memcpy(claims[0].mac, source_mac, 6);
    }
    if (type == ICMP6_NA) {
        claims[n] = (struct packet_claim){.family = 6, .has_mac = has_target};
        memcpy(claims[n].addr, target, sizeof target);
        memcpy(claims[n].mac, target_mac, 6);
        n++;
    }
    return n;
}

int packet_claims(const uint8_t *data, size_t size,
                  struct packet_claim claims[PACKET_CLAIMS_MAX])
{
    struct cur c = cur_init(data, size);
    struct packet pk;

    if (packet_parse(data, size, &pk) < 0 || pk.ethertype == PACKET_TYPE_VLAN ||
        pk.ethertype == PACKET_TYPE_QINQ)
        return -EBADMSG;
    cur_skip(&c, pk.l3_ofs);
    if (pk.l3 == PACKET_L3_ARP)
        return claims_arp(c, claims);
    if (pk.l3 == PACKET_L3_NONE)
        return 0;
    claims[0] = (struct packet_claim){.family = pk.l3 == PACKET_L3_IP4 ? 4 : 6};
    if (pk.l3 == PACKET_L3_IP4) {
        cur_skip(&c, 12);
        cur_copy(&c, claims[0].addr, 4);
        return 1;
    }
    cur_skip(&c, 8);
    cur_copy(&c, claims[0].addr, 16);
    if (pk.l4 != PACKET_L4_ICMP6)
        return 1;
    c = cur_init(data, pk.end);
    cur_skip(&c, pk.l4_ofs);
    return claims_nd(c, claims);
}
