/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the headers of a frame lie: Ethernet II, 802.1Q and 802.1ad tags, ARP, IPv4 with
 * options, IPv6 with extension headers, TCP, UDP, ICMPv6. Fails closed: what is not understood
 * for certain is never taken for TCP or UDP, so nobody segments, merges or trusts it.
 */
#ifndef PROTO_WIRE_PACKET_H
#define PROTO_WIRE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_TAGS_MAX   2u /* Tags that are looked behind. */
#define PACKET_CLAIMS_MAX 3u

#define PACKET_TYPE_IP4  0x0800u
#define PACKET_TYPE_ARP  0x0806u
#define PACKET_TYPE_VLAN 0x8100u
#define PACKET_TYPE_IP6  0x86ddu
#define PACKET_TYPE_QINQ 0x88a8u

#define PACKET_PROTO_TCP   6u
#define PACKET_PROTO_UDP   17u
#define PACKET_PROTO_ICMP6 58u

#define PACKET_TCP_FIN 0x01u
#define PACKET_TCP_SYN 0x02u
#define PACKET_TCP_RST 0x04u
#define PACKET_TCP_PSH 0x08u
#define PACKET_TCP_ACK 0x10u
#define PACKET_TCP_URG 0x20u
#define PACKET_TCP_ECE 0x40u
#define PACKET_TCP_CWR 0x80u

enum packet_l3 { PACKET_L3_NONE, PACKET_L3_ARP, PACKET_L3_IP4, PACKET_L3_IP6 };

enum packet_l4 { PACKET_L4_NONE, PACKET_L4_TCP, PACKET_L4_UDP, PACKET_L4_ICMP6 };

/* Offsets count from the destination MAC. */
struct packet {
    uint8_t l3; /* enum packet_l3 */
    uint8_t l4; /* enum packet_l4; NONE for fragments, whatever they carry. */
    uint8_t n_tags;
    bool fragment;      /* An IP fragment, the first one included. */
    bool has_options;   /* IPv4 options or IPv6 extension headers. */
    uint16_t ethertype; /* Behind the tags. */
    uint16_t l3_ofs;
    uint16_t l4_ofs;      /* 0 with PACKET_L4_NONE. */
    uint16_t payload_ofs; /* Of TCP or UDP; 0 with others. */
    uint32_t end; /* Of the IP packet; bytes behind are padding. Else the frame's. */
};

/*
 * Finds the headers of data[size]. Returns 0, or -EBADMSG for a frame whose ARP, IP, TCP or UDP
 * header is cut short or contradicts itself (`out` is then untouched). Other ethertypes are
 * fine and have PACKET_L3_NONE.
 */
int packet_parse(const uint8_t *data, size_t size, struct packet *out)
    __attribute__((warn_unused_result));

/*
 * True if the `size` bytes at `head`, the first of a longer frame to one station, hold all of its headers, and they
 * are Ethernet, IPv4 or IPv6 without extensions, and TCP, no fragment: then nothing of what is behind
 * them is anybody's header.
 */
bool packet_head_is_tcp(const uint8_t *head, size_t size);

/* An address that a frame says is its sender's own. */
struct packet_claim {
    uint8_t family; /* 4 or 6 */
    bool has_mac;   /* The message also ties the address to `mac` (ARP, ND). */
    uint8_t addr[16];
    uint8_t mac[6];
};

/*
 * Lists what data[size] claims about its sender: the IP source; ARP's sender pair; in neighbour
 * discovery [RFC 4861] the source link-layer address, and the target of an advertisement.
 * Looks behind up to PACKET_TAGS_MAX tags. The unspecified address (0.0.0.0, ::) is listed as
 * any other: DHCP, ARP probes and DAD use it. Returns the number, 0 for frames that are none of
 * these, or -EBADMSG for a frame that is malformed or has more tags: a pinned port drops it.
 */
int packet_claims(const uint8_t *data, size_t size,
                  struct packet_claim claims[PACKET_CLAIMS_MAX])
    __attribute__((warn_unused_result));

#endif
