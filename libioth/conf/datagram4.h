/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A UDP datagram over IPv4 with its headers, as a packet socket has it: a node without an address sends so. */
#ifndef LIBIOTH_CONF_DATAGRAM4_H
#define LIBIOTH_CONF_DATAGRAM4_H

#include <stddef.h>
#include <stdint.h>

#define DATAGRAM4_HEADERS 28u

struct datagram4_end {
    uint8_t addr[4];
    uint16_t port;
};

/* Returns its size, 0 if there is no room. */
size_t datagram4_wrap(uint8_t *out, size_t room, const struct datagram4_end *from,
                      const struct datagram4_end *to, const void *data, size_t size);

/* What is in one between these ports; NULL: it is none. Its checksum may be open, and is not looked at. */
const uint8_t *datagram4_unwrap(const void *packet, size_t packet_size, uint16_t from_port,
                                uint16_t to_port, size_t *size);

#endif
