/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/datagram4.h"

#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"

#define IP_SIZE       20u
#define UDP_SIZE      8u
#define PROTOCOL_UDP  17u
#define TTL           64u
#define FRAGMENT_BITS 0x3fffu /* More to come, or not the first. */

size_t datagram4_wrap(uint8_t *out, size_t room, const struct datagram4_end *from,
                      const struct datagram4_end *to, const void *data, size_t size)
{
    struct wr w = wr_init(out, room);
    size_t total = DATAGRAM4_HEADERS + size;
    uint64_t sum;
    uint16_t folded;

    if (total > UINT16_MAX)
        return 0;
    wr_u16(&w, 0x4500);
    wr_u16(&w, (uint16_t)total);
    wr_u32(&w, 0);
    wr_u8(&w, TTL);
    wr_u8(&w, PROTOCOL_UDP);
    wr_u16(&w, 0);
    wr_bytes(&w, from->addr, 4);
    wr_bytes(&w, to->addr, 4);
    wr_u16(&w, from->port);
    wr_u16(&w, to->port);
    wr_u16(&w, (uint16_t)(UDP_SIZE + size));
    wr_u16(&w, 0);
    wr_bytes(&w, data, size);
    if (w.bad)
        return 0;
    store_be16(out + 10, (uint16_t)~checksum_fold(checksum_add(0, out, IP_SIZE)));
    sum = checksum_add_u16(0, PROTOCOL_UDP);
    sum = checksum_add_u16(sum, (uint16_t)(UDP_SIZE + size));
    sum = checksum_add(sum, out + 12, 8);
    folded = (uint16_t)~checksum_fold(checksum_add(sum, out + IP_SIZE, UDP_SIZE + size));
    store_be16(out + IP_SIZE + 6, folded ? folded : 0xffff);
    return total;
}

const uint8_t *datagram4_unwrap(const void *packet, size_t packet_size, uint16_t from_port,
                                uint16_t to_port, size_t *size)
{
    struct cur c = cur_init(packet, packet_size);
    uint8_t first = cur_u8(&c), protocol;
    uint16_t total, fragment, from, to, udp_size;

    cur_skip(&c, 1);
    total = cur_u16(&c);
    cur_skip(&c, 2);
    fragment = cur_u16(&c);
    cur_skip(&c, 1);
    protocol = cur_u8(&c);
    cur_skip(&c, 10);
    if ((first & 0x0f) > 5)
        cur_skip(&c, ((first & 0x0fu) - 5) * 4);
    from = cur_u16(&c);
    to = cur_u16(&c);
    udp_size = cur_u16(&c);
    cur_skip(&c, 2);
    if (c.bad || first >> 4 != 4 || (first & 0x0f) < 5 || fragment & FRAGMENT_BITS ||
        protocol != PROTOCOL_UDP || from != from_port || to != to_port ||
        total > packet_size || udp_size < UDP_SIZE || udp_size - UDP_SIZE > cur_left(&c))
        return NULL;
    *size = udp_size - UDP_SIZE;
    return cur_bytes(&c, *size);
}
