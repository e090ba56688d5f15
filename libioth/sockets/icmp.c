/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/icmp.h"

#include <errno.h>

#include <lwip/ip.h>
#include <lwip/raw.h>

#include "proto/base/cur.h"
#include "proto/wire/packet.h"

#define PROTO_ICMP 1u
#define HEAD_MAX                                                                           \
    128u /* Of a message: its own header, and enough of the packet it is about. */
#define ICMP_HEAD 8u
#define IP4_SIZE  20u

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

/* The packet that a message is about: its protocol, or 0, and where it went. */
static unsigned culprit(struct cur *c, bool ip6, ip_addr_t *to)
{
    unsigned first, proto;

    *to = (ip_addr_t){.type = ip6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4};
    if (ip6) {
        cur_skip(c, 6);
        proto = cur_u8(c);
        cur_skip(c, 1 + 16);
        cur_copy(c, ip_2_ip6(to)->addr, 16);
        return proto;
    }
    first = cur_u8(c);
    cur_skip(c, 8);
    proto = cur_u8(c);
    cur_skip(c, 2 + 4);
    cur_copy(c, &ip_2_ip4(to)->addr, 4);
    cur_skip(c, (first & 0x0f) > 5 ? (first & 0x0fu) * 4 - IP4_SIZE : 0);
    return proto;
}

static u8_t came(void *arg, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    bool ip6 = ip_current_is_v6();
    uint8_t head[HEAD_MAX];
    u16_t size = pbuf_copy_partial(p, head, sizeof head, ip_current_header_tot_len());
    struct cur c = cur_init(head, size);
    unsigned type = cur_u8(&c), code = cur_u8(&c), proto;
    int error = ip6 ? error6(type, code) : error4(type, code);
    uint16_t local, remote;
    ip_addr_t to;

    (void)arg;
    (void)pcb;
    (void)from;
    if (!error)
        return 0;
    cur_skip(&c, ICMP_HEAD - 2);
    proto = culprit(&c, ip6, &to);
    local = cur_u16(&c);
    remote = cur_u16(&c);
    if (c.bad)
        return 0;
    if (proto == PACKET_PROTO_UDP)
        udp_sock_failed(&to, remote, local, error);
    else if (proto == PACKET_PROTO_TCP)
        tcp_sock_failed(&to, remote, local, error);
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
