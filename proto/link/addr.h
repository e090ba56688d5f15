/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An underlay address: where datagrams of a link go to. IPv4-mapped IPv6 addresses are made
 * plain IPv4 at the edge, so that one place has one form. */
#ifndef PROTO_LINK_ADDR_H
#define PROTO_LINK_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct link_addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint16_t port;  /* Host order. */
    uint8_t addr[16];
};

static inline bool link_addr_equal(const struct link_addr *a, const struct link_addr *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

#endif
