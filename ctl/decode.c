/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/decode.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "proto/base/cur.h"

#define TYPE_IP4  0x0800
#define TYPE_ARP  0x0806
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define TYPE_IP6  0x86dd
#define TYPE_802  1536 /* Below it is a length: IEEE 802.3. */

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

static void put_mac(FILE *out, const uint8_t mac[6])
{
    fprintf(out, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
            mac[5]);
}

static void put_ip(FILE *out, int family, const uint8_t *addr)
{
    char text[INET6_ADDRSTRLEN] = "?";
    inet_ntop(family, addr, text, sizeof(text));
    fputs(text, out);
}

static void put_arp(FILE *out, struct cur c)
{
    uint8_t mac[6], from[4], to[4];
    cur_skip(&c, 6); /* Types and lengths of the addresses. */
    unsigned operation = cur_u16(&c);
    cur_copy(&c, mac, 6);
    cur_copy(&c, from, 4);
    cur_skip(&c, 6);
    cur_copy(&c, to, 4);
    if (c.bad) {
        fputs(", ARP, cut short", out);
    } else if (operation == 1) {
        fputs(", ARP, who has ", out);
        put_ip(out, AF_INET, to);
        fputs(", tell ", out);
        put_ip(out, AF_INET, from);
    } else {
        fputs(", ARP, ", out);
        put_ip(out, AF_INET, from);
        fputs(" is at ", out);
        put_mac(out, mac);
    }
}

static void put_tcp_rest(FILE *out, struct cur c, size_t left)
{
    static const char letters[] = "FSRPAUEC";
    uint32_t seq = cur_u32(&c), ack = cur_u32(&c);
    size_t header = (size_t)(cur_u8(&c) >> 4) * 4;
    unsigned flags = cur_u8(&c);
    unsigned window = cur_u16(&c);
    if (c.bad)
        return;
    fputs(" [", out);
    for (unsigned i = 0; i < 8; i++)
        if (flags & (1u << i))
            fputc(letters[i], out);
    fprintf(out, "] seq %u ack %u win %u length %zu", seq, ack, window,
            left > header ? left - header : 0);
}

/* "echo request" of the types that everybody meets; NULL for others. */
static const char *icmp_name(unsigned proto, unsigned type)
{
    static const struct {
        unsigned proto, type;
        const char *name;
    } known[] = {
        {PROTO_ICMP, 0, "echo reply"},
        {PROTO_ICMP, 3, "unreachable"},
        {PROTO_ICMP, 8, "echo request"},
        {PROTO_ICMP, 11, "time exceeded"},
        {PROTO_ICMP6, 1, "unreachable"},
        {PROTO_ICMP6, 2, "packet too big"},
        {PROTO_ICMP6, 128, "echo request"},
        {PROTO_ICMP6, 129, "echo reply"},
        {PROTO_ICMP6, 133, "router solicitation"},
        {PROTO_ICMP6, 134, "router advertisement"},
        {PROTO_ICMP6, 135, "neighbour solicitation"},
        {PROTO_ICMP6, 136, "neighbour advertisement"},
        {PROTO_ICMP6, 143, "multicast listener report"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].proto == proto && known[i].type == type)
            return known[i].name;
    return NULL;
}

/* Addresses, and ports or type; `left` is what the packet has behind its header. */
static void put_transport(FILE *out, int family, const uint8_t *from, const uint8_t *to,
                          unsigned proto, struct cur c, size_t left)
{
    bool ports = proto == PROTO_TCP || proto == PROTO_UDP;
    unsigned source = ports ? cur_u16(&c) : 0, target = ports ? cur_u16(&c) : 0;
    ports = ports && !c.bad;
    fputs(family == AF_INET ? ", IPv4 " : ", IPv6 ", out);
    put_ip(out, family, from);
    if (ports)
        fprintf(out, ".%u", source);
    fputs(" > ", out);
    put_ip(out, family, to);
    if (ports)
        fprintf(out, ".%u", target);
    if (proto == PROTO_TCP && ports) {
        fputs(", TCP", out);
        put_tcp_rest(out, c, left);
    } else if (proto == PROTO_UDP && ports) {
        fprintf(out, ", UDP length %zu", left > 8 ? left - 8 : 0);
    } else if (proto == PROTO_ICMP || proto == PROTO_ICMP6) {
        unsigned type = cur_u8(&c);
        const char *name = icmp_name(proto, type);
        if (name)
            fprintf(out, ", ICMP %s", name);
        else
            fprintf(out, ", ICMP type %u", type);
    } else {
        fprintf(out, ", protocol %u length %zu", proto, left);
    }
}

static void put_ip4(FILE *out, struct cur c)
{
    uint8_t from[4], to[4];
    struct cur whole = c;
    size_t header = (size_t)(cur_u8(&c) & 15) * 4;
    cur_skip(&c, 1);
    size_t total = cur_u16(&c);
    cur_skip(&c, 2);
    unsigned offset = cur_u16(&c) & 0x1fff;
    cur_skip(&c, 1);
    unsigned proto = cur_u8(&c);
    cur_skip(&c, 2);
    cur_copy(&c, from, 4);
    cur_copy(&c, to, 4);
    cur_skip(&whole, header);
    if (c.bad || whole.bad || header < 20) {
        fputs(", IPv4, cut short", out);
        return;
    }
    if (total < header) /* A superframe does not say how long it is. */
        total = header + cur_left(&whole);
    if (offset > 0)
        proto = 255;
    put_transport(out, AF_INET, from, to, proto, whole, total - header);
    if (offset > 0)
        fprintf(out, " (fragment at %u)", offset * 8);
}

static void put_ip6(FILE *out, struct cur c)
{
    uint8_t from[16], to[16];
    cur_skip(&c, 4);
    size_t left = cur_u16(&c);
    unsigned next = cur_u8(&c);
    cur_skip(&c, 1);
    cur_copy(&c, from, 16);
    cur_copy(&c, to, 16);
    /* Hop-by-hop options stand in front of every multicast listener report. */
    if (next == 0 && cur_left(&c) >= 8) {
        next = cur_u8(&c);
        size_t more = ((size_t)cur_u8(&c) + 1) * 8;
        cur_skip(&c, more - 2);
        left = left > more ? left - more : 0;
    }
    if (c.bad)
        fputs(", IPv6, cut short", out);
    else
        put_transport(out, AF_INET6, from, to, next, c, left);
}

void decode_frame(FILE *out, const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    uint8_t to[6], from[6];
    cur_copy(&c, to, 6);
    cur_copy(&c, from, 6);
    unsigned type = cur_u16(&c);
    put_mac(out, from);
    fputs(" > ", out);
    put_mac(out, to);
    for (unsigned tags = 0; tags < 2 && (type == TYPE_VLAN || type == TYPE_QINQ); tags++) {
        fprintf(out, ", vlan %u", cur_u16(&c) & 0xfffu);
        type = cur_u16(&c);
    }
    if (c.bad)
        fputs(", cut short", out);
    else if (type == TYPE_ARP)
        put_arp(out, c);
    else if (type == TYPE_IP4)
        put_ip4(out, c);
    else if (type == TYPE_IP6)
        put_ip6(out, c);
    else if (type < TYPE_802)
        fprintf(out, ", 802.3 length %u", type);
    else
        fprintf(out, ", type 0x%04x length %zu", type, size);
}
