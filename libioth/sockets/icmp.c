/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/icmp.h"

#include <errno.h>

#include <lwip/inet_chksum.h>
#include <lwip/ip.h>
#include <lwip/raw.h>

#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/mtu.h"
#include "proto/base/cur.h"
#include "proto/wire/packet.h"

#define PROTO_ICMP 1u
#define HEAD_MAX                                                                           \
    256u /* Of a message: its own header, and those of the packet that it is about. */
#define IP4_SIZE 20u
#define IP6_SIZE 40u

/* Of IPv6, in front of others. */
#define PROTO_HOP_BY_HOP  0u
#define PROTO_ROUTING     43u
#define PROTO_FRAGMENT    44u
#define PROTO_DESTINATION 60u

enum {
    ICMP4_UNREACHABLE = 3,
    ICMP4_TIME_EXCEEDED = 11,
    ICMP4_PARAMETER = 12,
    ICMP6_UNREACHABLE = 1,
    ICMP6_TOO_BIG = 2,
    ICMP6_TIME_EXCEEDED = 3,
    ICMP6_PARAMETER = 4,
};
#define CODE_TOO_LARGE 4u /* Of ICMP4_UNREACHABLE. */
#define CODE_NOT_JOINED                                                                    \
    1u /* Of time exceeded: the pieces of a packet did not come together. */

static struct raw_pcb *pcbs[2];

struct meaning {
    int error;
    bool is_final;
};

/* As Linux has them. */
static const struct meaning unreachable4[] = {
    {ENETUNREACH, false},  {EHOSTUNREACH, false}, {ENOPROTOOPT, true},
    {ECONNREFUSED, true},  {EMSGSIZE, false},     {EOPNOTSUPP, false},
    {ENETUNREACH, true},   {EHOSTDOWN, true},     {ENONET, true},
    {ENETUNREACH, true},   {EHOSTUNREACH, true},  {ENETUNREACH, false},
    {EHOSTUNREACH, false}, {EHOSTUNREACH, true},  {EHOSTUNREACH, true},
    {EHOSTUNREACH, true},
};
static const struct meaning unreachable6[] = {
    {ENETUNREACH, false}, {EACCES, true}, {EHOSTUNREACH, false}, {EHOSTUNREACH, false},
    {ECONNREFUSED, true}, {EACCES, true}, {EACCES, true},
};

static struct meaning of_code(const struct meaning *table, size_t n, unsigned code,
                              struct meaning other)
{
    return code < n ? table[code] : other;
}

/* An error of 0: nothing that a socket is told. */
static struct meaning meaning4(unsigned type, unsigned code)
{
    switch (type) {
    case ICMP4_UNREACHABLE:
        return of_code(unreachable4, sizeof unreachable4 / sizeof *unreachable4, code,
                       (struct meaning){0, false});
    case ICMP4_TIME_EXCEEDED:
        return (struct meaning){code == CODE_NOT_JOINED ? 0 : EHOSTUNREACH, false};
    case ICMP4_PARAMETER:
        return (struct meaning){EPROTO, true};
    default:
        return (struct meaning){0, false};
    }
}

static struct meaning meaning6(unsigned type, unsigned code)
{
    switch (type) {
    case ICMP6_UNREACHABLE:
        return of_code(unreachable6, sizeof unreachable6 / sizeof *unreachable6, code,
                       (struct meaning){EPROTO, true});
    case ICMP6_TOO_BIG:
        return (struct meaning){EMSGSIZE, false};
    case ICMP6_TIME_EXCEEDED:
        return (struct meaning){EHOSTUNREACH, false};
    case ICMP6_PARAMETER:
        return (struct meaning){EPROTO, true};
    default:
        return (struct meaning){0, false};
    }
}

/* --- the packet that a message is about --------------------------------------------------------- */

/* Past the extension headers of IPv6; *proto is the next header. False where a piece of a packet has no beginning. */
static bool skip_extensions(struct cur *c, unsigned *proto)
{
    unsigned next, size;

    while (!c->bad) {
        switch (*proto) {
        case PROTO_HOP_BY_HOP:
        case PROTO_ROUTING:
        case PROTO_DESTINATION:
            next = cur_u8(c);
            size = (cur_u8(c) + 1u) * 8;
            cur_skip(c, size - 2);
            break;
        case PROTO_FRAGMENT:
            next = cur_u8(c);
            cur_skip(c, 1);
            if (cur_u16(c) & 0xfff8u)
                return false;
            cur_skip(c, 4);
            break;
        default:
            return true;
        }
        *proto = next;
    }
    return false;
}

static bool read6(struct cur *c, struct mtu_packet *p, unsigned *proto)
{
    cur_skip(c, 4);
    p->size = cur_u16(c) + IP6_SIZE;
    *proto = cur_u8(c);
    cur_skip(c, 1);
    cur_copy(c, ip_2_ip6(&p->from)->addr, 16);
    cur_copy(c, ip_2_ip6(&p->to)->addr, 16);
    /* As the stack has its own. */
    ip6_addr_assign_zone(ip_2_ip6(&p->from), IP6_UNKNOWN, ip_current_input_netif());
    ip6_addr_assign_zone(ip_2_ip6(&p->to), IP6_UNKNOWN, ip_current_input_netif());
    return skip_extensions(c, proto);
}

static bool read4(struct cur *c, struct mtu_packet *p, unsigned *proto)
{
    unsigned first = cur_u8(c), piece;

    cur_skip(c, 1);
    p->size = cur_u16(c);
    cur_skip(c, 2);
    piece = cur_u16(c) & 0x1fffu;
    cur_skip(c, 1);
    *proto = cur_u8(c);
    cur_skip(c, 2);
    cur_copy(c, &ip_2_ip4(&p->from)->addr, 4);
    cur_copy(c, &ip_2_ip4(&p->to)->addr, 4);
    cur_skip(c, (first & 0x0f) > 5 ? (first & 0x0fu) * 4 - IP4_SIZE : 0);
    return piece == 0;
}

/* Its protocol, or 0. `c` is at its IP header, f->ip_ofs says where that is in the message. */
static unsigned read_packet(struct cur *c, struct icmp_failure *f)
{
    struct mtu_packet *p = &f->packet;
    size_t before = cur_left(c);
    unsigned proto = 0;

    p->from = p->to = (ip_addr_t){.type = f->ip6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4};
    if (!(f->ip6 ? read6(c, p, &proto) : read4(c, p, &proto)))
        return 0;
    f->l4_ofs = f->ip_ofs + (unsigned)(before - cur_left(c));
    p->from_port = cur_u16(c);
    p->to_port = cur_u16(c);
    p->seq = cur_u32(c);
    return c->bad || !ipopt_is_local(&p->from) ? 0 : proto;
}

/* --- messages ----------------------------------------------------------------------------------- */

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

static void tell(unsigned proto, struct icmp_failure *f)
{
    if (f->too_large)
        mtu_too_large(proto, &f->packet, f->info);
    if (proto == PACKET_PROTO_UDP)
        udp_sock_failed(f);
    else if (proto == PACKET_PROTO_TCP && !f->too_large)
        tcp_sock_failed(f);
    raw_sock_failed(proto, f);
}

static u8_t came(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    uint8_t head[HEAD_MAX];
    u16_t size = pbuf_copy_partial(p, head, sizeof head, ip_current_header_tot_len());
    struct cur c = cur_init(head, size);
    struct icmp_failure f = {.ip6 = ip_current_is_v6(), .message = p};
    struct meaning m;
    unsigned proto;

    (void)arg;
    (void)pcb;
    (void)from;
    f.type = cur_u8(&c);
    f.code = cur_u8(&c);
    m = f.ip6 ? meaning6(f.type, f.code) : meaning4(f.type, f.code);
    if (!m.error || !sum_is_good(p, f.ip6))
        return 0;
    f.error = m.error;
    f.is_final = m.is_final;
    f.too_large = f.ip6 ? f.type == ICMP6_TOO_BIG
                        : f.type == ICMP4_UNREACHABLE && f.code == CODE_TOO_LARGE;
    cur_skip(&c, 2);
    f.info = cur_u32(&c);
    if (!f.ip6)
        f.info = f.too_large                 ? f.info & 0xffffu
                 : f.type == ICMP4_PARAMETER ? f.info >> 24
                                             : 0;
    f.ip_ofs = ip_current_header_tot_len() + size - (unsigned)cur_left(&c);
    proto = read_packet(&c, &f);
    if (proto)
        tell(proto, &f);
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
