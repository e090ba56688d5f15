/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/icmp.h"

#include <errno.h>

#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/raw.h>

#include "libioth/sockets/mtu.h"
#include "proto/base/cur.h"
#include "proto/wire/packet.h"

#define PROTO_ICMP 1u
#define HEAD_MAX                                                                           \
    128u /* Of a message: its own header, and enough of the packet it is about. */
#define IP4_SIZE 20u
#define IP6_SIZE 40u

static struct raw_pcb *pcbs[2];

static int error4(unsigned type, unsigned code)
{
    static const int of_code[] = {ENETUNREACH, EHOSTUNREACH, ENOPROTOOPT, ECONNREFUSED};

    if (type != 3 || code == 4) /* 4: the packet was too large, which is not the end. */
        return 0;
    return code < sizeof of_code / sizeof *of_code ? of_code[code] : EHOSTUNREACH;
}

static int error6(unsigned type, unsigned code)
{
    static const int of_code[] = {ENETUNREACH, EACCES, EHOSTUNREACH, EHOSTUNREACH,
                                  ECONNREFUSED};

    if (type != 1)
        return 0;
    return code < sizeof of_code / sizeof *of_code ? of_code[code] : EHOSTUNREACH;
}

/* The packet that a message is about: its protocol, or 0. */
static unsigned culprit(struct cur *c, bool ip6, struct mtu_packet *p)
{
    unsigned first, proto;

    p->from = p->to = (ip_addr_t){.type = ip6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4};
    if (ip6) {
        cur_skip(c, 4);
        p->size = cur_u16(c) + IP6_SIZE;
        proto = cur_u8(c);
        cur_skip(c, 1);
        cur_copy(c, ip_2_ip6(&p->from)->addr, 16);
        cur_copy(c, ip_2_ip6(&p->to)->addr, 16);
    } else {
        first = cur_u8(c);
        cur_skip(c, 1);
        p->size = cur_u16(c);
        cur_skip(c, 5);
        proto = cur_u8(c);
        cur_skip(c, 2);
        cur_copy(c, &ip_2_ip4(&p->from)->addr, 4);
        cur_copy(c, &ip_2_ip4(&p->to)->addr, 4);
        cur_skip(c, (first & 0x0f) > 5 ? (first & 0x0fu) * 4 - IP4_SIZE : 0);
    }
    p->from_port = cur_u16(c);
    p->to_port = cur_u16(c);
    p->seq = cur_u32(c);
    return proto;
}

static bool is_too_large(bool ip6, unsigned type, unsigned code)
{
    return ip6 ? type == 2 : type == 3 && code == 4;
}

/* Raw control blocks are asked before anybody has looked at the sum; lwIP has checked that of ICMPv6 already, and where
 * none is checked (`lo`) none is made. */
static bool sum_is_good(struct pbuf *p, bool ip6)
{
    u16_t head = ip_current_header_tot_len();
    bool good;

    if (ip6 || !(ip_current_input_netif()->chksum_flags & NETIF_CHECKSUM_CHECK_ICMP))
        return true;
    if (pbuf_remove_header(p, head))
        return false;
    good = inet_chksum_pbuf(p) == 0;
    pbuf_add_header_force(p, head);
    return good;
}

static u8_t came(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    bool ip6 = ip_current_is_v6(), too_large;
    uint8_t head[HEAD_MAX];
    u16_t size = pbuf_copy_partial(p, head, sizeof head, ip_current_header_tot_len());
    struct cur c = cur_init(head, size);
    unsigned type = cur_u8(&c), code = cur_u8(&c), proto, mtu;
    int error = ip6 ? error6(type, code) : error4(type, code);
    struct mtu_packet about;

    (void)arg;
    (void)pcb;
    (void)from;
    too_large = is_too_large(ip6, type, code);
    if ((!error && !too_large) || !sum_is_good(p, ip6))
        return 0;
    cur_skip(&c, ip6 ? 2 : 4);
    mtu = ip6 ? cur_u32(&c) : cur_u16(&c);
    proto = culprit(&c, ip6, &about);
    if (c.bad)
        return 0;
    if (too_large)
        mtu_too_large(proto, &about, mtu);
    else if (proto == PACKET_PROTO_UDP)
        udp_sock_failed(&about.to, about.to_port, about.from_port, error);
    else if (proto == PACKET_PROTO_TCP)
        tcp_sock_failed(&about.to, about.to_port, about.from_port, error);
    return 0;
}

int icmp_start(void)
{
    pcbs[0] = raw_new_ip_type(IPADDR_TYPE_V4, PROTO_ICMP);
    pcbs[1] = raw_new_ip_type(IPADDR_TYPE_V6, PACKET_PROTO_ICMP6);
    if (!pcbs[0] || !pcbs[1])
        return -ENOBUFS;
    raw_recv(pcbs[0], came, NULL);
    raw_recv(pcbs[1], came, NULL);
    return 0;
}

void icmp_stop(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (pcbs[i])
            raw_remove(pcbs[i]);
        pcbs[i] = NULL;
    }
}
