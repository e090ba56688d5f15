/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/snoop/snoop.h"

#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"

#define PROTO_IGMP      2u
#define IGMP_QUERY      0x11u
#define IGMP_REPORT_V1  0x12u
#define IGMP_REPORT_V2  0x16u
#define IGMP_LEAVE      0x17u
#define IGMP_REPORT_V3  0x22u
#define MLD_QUERY       130u
#define MLD_REPORT_V1   131u
#define MLD_DONE        132u
#define MLD_REPORT_V2   143u
#define RESPONSE_TENTHS 100u /* Of a second: 10 s [RFC 2236 8.3]. */

/* Types of records [RFC 3376 4.2.12, RFC 3810 5.2.12]. */
enum {
    IS_INCLUDE = 1,
    IS_EXCLUDE = 2,
    TO_INCLUDE = 3,
    TO_EXCLUDE = 4,
    ALLOW = 5,
};

static void add(struct snoop_message *m, const uint8_t *addr, bool leaves)
{
    struct snoop_group *g = &m->groups[m->n_groups];

    if (m->n_groups == SNOOP_GROUPS_MAX)
        return;
    if (m->ip6) {
        g->mac[0] = g->mac[1] = 0x33;
        memcpy(g->mac + 2, addr + 12, 4);
    } else {
        memcpy(g->mac, (const uint8_t[]){0x01, 0x00, 0x5e}, 3);
        g->mac[3] = addr[1] & 0x7f;
        memcpy(g->mac + 4, addr + 2, 2);
    }
    g->leaves = leaves;
    m->n_groups++;
}

static bool is_group(const struct snoop_message *m, const uint8_t *addr)
{
    return m->ip6 ? addr[0] == 0xff : addr[0] >= 224 && addr[0] <= 239;
}

/* The records of an IGMPv3 or MLDv2 report, behind their number. */
static void read_records(struct cur *c, struct snoop_message *m, unsigned n)
{
    size_t size = m->ip6 ? 16 : 4;

    for (unsigned i = 0; i < n && m->n_groups < SNOOP_GROUPS_MAX; i++) {
        uint8_t type = cur_u8(c), aux = cur_u8(c), addr[16] = {0};
        unsigned n_sources = cur_u16(c);

        cur_copy(c, addr, size);
        cur_skip(c, n_sources * size + 4u * aux);
        if (c->bad)
            return;
        if (!is_group(m, addr) || type < IS_INCLUDE || type > ALLOW)
            continue;
        if (type == IS_EXCLUDE || type == TO_EXCLUDE || n_sources)
            add(m, addr, false);
        else if (type == TO_INCLUDE)
            add(m, addr, true);
    }
}

static void read_group(struct cur *c, struct snoop_message *m, bool leaves)
{
    uint8_t addr[16] = {0};

    cur_copy(c, addr, m->ip6 ? 16 : 4);
    if (!c->bad && is_group(m, addr))
        add(m, addr, leaves);
    else
        m->kind = SNOOP_OTHER;
}

static void read_igmp(struct cur *c, struct snoop_message *m)
{
    uint8_t type = cur_u8(c);

    cur_skip(c, 3); /* Response time, checksum. */
    m->kind = SNOOP_REPORT;
    switch (type) {
    case IGMP_QUERY:
        m->kind = SNOOP_QUERY;
        break;
    case IGMP_REPORT_V1:
    case IGMP_REPORT_V2:
        read_group(c, m, false);
        break;
    case IGMP_LEAVE:
        read_group(c, m, true);
        break;
    case IGMP_REPORT_V3:
        cur_skip(c, 2);
        read_records(c, m, cur_u16(c));
        break;
    default:
        m->kind = SNOOP_OTHER;
    }
}

/* fe80::ffff:/80: what snoop_build_query() has in front of the MAC. */
static const uint8_t switch_prefix[10] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void read_mld(struct cur *c, struct snoop_message *m)
{
    uint8_t type = cur_u8(c);

    cur_skip(c, 3); /* Code, checksum. */
    m->kind = SNOOP_REPORT;
    switch (type) {
    case MLD_QUERY:
        m->kind = SNOOP_QUERY;
        break;
    case MLD_REPORT_V1:
    case MLD_DONE:
        cur_skip(c, 4);
        read_group(c, m, type == MLD_DONE);
        break;
    case MLD_REPORT_V2:
        cur_skip(c, 2);
        read_records(c, m, cur_u16(c));
        break;
    default:
        m->kind = SNOOP_OTHER;
    }
}

void snoop_parse(const uint8_t *data, size_t size, struct snoop_message *m)
{
    struct packet pk;
    const uint8_t *ip;
    struct cur c;

    memset(m, 0, offsetof(struct snoop_message, groups));
    if (packet_parse(data, size, &pk) < 0 || pk.fragment)
        return;
    ip = data + pk.l3_ofs;
    if (pk.l3 == PACKET_L3_IP4 && ip[9] == PROTO_IGMP) {
        c = cur_init(ip, pk.end - pk.l3_ofs);
        cur_skip(&c, (ip[0] & 0x0fu) * 4u);
        m->anonymous = load_be16(ip + 12) == 0 && load_be16(ip + 14) == 0;
        read_igmp(&c, m);
    } else if (pk.l3 == PACKET_L3_IP6 && pk.l4 == PACKET_L4_ICMP6) {
        c = cur_init(data + pk.l4_ofs, pk.end - pk.l4_ofs);
        m->ip6 = true;
        m->anonymous = memcmp(ip + 8, switch_prefix, sizeof switch_prefix) == 0;
        read_mld(&c, m);
    }
    if (m->kind != SNOOP_OTHER && c.bad)
        m->kind = SNOOP_OTHER;
}

bool snoop_is_link_group(const uint8_t mac[MAC_SIZE])
{
    static const uint8_t local4[5] = {0x01, 0x00, 0x5e, 0x00, 0x00};
    static const uint8_t local6[5] = {0x33, 0x33, 0x00, 0x00, 0x00};
    static const uint8_t solicited[3] = {0x33, 0x33, 0xff};

    return memcmp(mac, local4, sizeof local4) == 0 ||
           memcmp(mac, local6, sizeof local6) == 0 ||
           memcmp(mac, solicited, sizeof solicited) == 0;
}

static size_t build_igmp(const uint8_t *mac, uint8_t *out)
{
    static const uint8_t all[] = {0x01, 0x00, 0x5e, 0x00, 0x00, 0x01};
    uint8_t *ip = out + 14, *igmp = ip + 24;

    memcpy(out, all, 6);
    memcpy(out + 6, mac, 6);
    store_be16(out + 12, PACKET_TYPE_IP4);
    ip[0] = 0x46; /* With the router alert option [RFC 2113]. */
    ip[1] = 0xc0;
    store_be16(ip + 2, 32);
    ip[8] = 1;
    ip[9] = PROTO_IGMP;
    memcpy(ip + 16, (const uint8_t[]){224, 0, 0, 1, 0x94, 0x04, 0, 0}, 8);
    store_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, 24)));
    igmp[0] = IGMP_QUERY;
    igmp[1] = RESPONSE_TENTHS;
    store_be16(igmp + 2, (uint16_t)~checksum_fold(checksum_add(0, igmp, 8)));
    return 60;
}

static size_t build_mld(const uint8_t *mac, uint8_t *out)
{
    static const uint8_t all[] = {0x33, 0x33, 0, 0, 0, 1};
    static const uint8_t to[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    /* Hop-by-hop: ICMPv6 follows, router alert for MLD [RFC 2711], padding. */
    static const uint8_t options[8] = {PACKET_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0};
    uint8_t pseudo[40] = {0}, *ip = out + 14, *mld = ip + 48;

    memcpy(out, all, 6);
    memcpy(out + 6, mac, 6);
    store_be16(out + 12, PACKET_TYPE_IP6);
    ip[0] = 0x60;
    store_be16(ip + 4, 32);
    ip[7] = 1;
    memcpy(ip + 8, switch_prefix, sizeof switch_prefix);
    memcpy(ip + 18, mac, 6);
    memcpy(ip + 24, to, 16);
    memcpy(ip + 40, options, 8);
    mld[0] = MLD_QUERY;
    store_be16(mld + 4, RESPONSE_TENTHS * 100u);
    memcpy(pseudo, ip + 8, 32);
    pseudo[35] = 24;
    pseudo[39] = PACKET_PROTO_ICMP6;
    store_be16(mld + 2, (uint16_t)~checksum_fold(
                            checksum_add(checksum_add(0, pseudo, 40), mld, 24)));
    return 86;
}

size_t snoop_build_query(bool ip6, const uint8_t mac[MAC_SIZE],
                         uint8_t out[SNOOP_QUERY_SIZE])
{
    memset(out, 0, SNOOP_QUERY_SIZE);
    return ip6 ? build_mld(mac, out) : build_igmp(mac, out);
}
