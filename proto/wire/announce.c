/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/announce.h"

#include <string.h>

#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"

#define ARP_REQUEST      1
#define ND_ADVERT        136
#define ND_OVERRIDE      0x20000000u
#define ND_OPTION_TARGET 2
#define ICMP6_SIZE       32u

static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};

static void ethernet(uint8_t *out, const uint8_t dst[MAC_SIZE], const uint8_t src[MAC_SIZE],
                     uint16_t type)
{
    memcpy(out, dst, MAC_SIZE);
    memcpy(out + MAC_SIZE, src, MAC_SIZE);
    store_be16(out + 12, type);
}

void announce_arp(uint8_t out[ANNOUNCE_ARP_SIZE], const uint8_t mac[MAC_SIZE],
                  const uint8_t addr[4])
{
    static const uint8_t head[8] = {0, 1, 8, 0, MAC_SIZE, 4, 0, ARP_REQUEST};
    static const uint8_t broadcast[MAC_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    memset(out, 0, ANNOUNCE_ARP_SIZE);
    ethernet(out, broadcast, mac, PACKET_TYPE_ARP);
    memcpy(out + 14, head, sizeof head);
    memcpy(out + 22, mac, MAC_SIZE);
    memcpy(out + 28, addr, 4);
    memcpy(out + 38, addr, 4);
}

void announce_na(uint8_t out[ANNOUNCE_NA_SIZE], const uint8_t mac[MAC_SIZE],
                 const uint8_t addr[16])
{
    static const uint8_t group[MAC_SIZE] = {0x33, 0x33, 0, 0, 0, 1};
    uint8_t *ip = out + 14, *icmp = ip + 40;
    uint64_t sum;

    memset(out, 0, ANNOUNCE_NA_SIZE);
    ethernet(out, group, mac, PACKET_TYPE_IP6);
    ip[0] = 0x60;
    store_be16(ip + 4, ICMP6_SIZE);
    ip[6] = PACKET_PROTO_ICMP6;
    ip[7] = 255;
    memcpy(ip + 8, addr, 16);
    memcpy(ip + 24, all_nodes, 16);
    icmp[0] = ND_ADVERT;
    store_be32(icmp + 4, ND_OVERRIDE);
    memcpy(icmp + 8, addr, 16);
    icmp[24] = ND_OPTION_TARGET;
    icmp[25] = 1;
    memcpy(icmp + 26, mac, MAC_SIZE);
    sum = checksum_add(0, ip + 8, 32);
    sum = checksum_add_u16(checksum_add_u16(sum, ICMP6_SIZE), PACKET_PROTO_ICMP6);
    sum = checksum_add(sum, icmp, ICMP6_SIZE);
    store_be16(icmp + 2, (uint16_t)~checksum_fold(sum));
}
