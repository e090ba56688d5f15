/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses and routes of a stack, as its configuration calls see them. Addresses are 4 or 16 bytes in
 * network order, families 4 and 6. An interface has up to 1 + IFACE_ALIASES IPv4 addresses, of which the
 * first is the source where a socket has not chosen another, and LWIP_IPV6_NUM_ADDRESSES of IPv6. An IPv4 address brings the route to its subnet, an IPv6 address that to its /64, whatever its
 * prefix length: lwIP knows no other; longer or shorter ones are routes of the table here.
 */
#ifndef LIBIOTH_STACK_ROUTE_H
#define LIBIOTH_STACK_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "libioth/stack/iface.h"

#define ROUTE_MAX 64u

struct route {
    uint8_t family; /* 4 or 6; 0: the entry is free. */
    uint8_t len;    /* Of the prefix. */
    bool has_gw;
    uint8_t dst[16];
    uint8_t gw[16];
    struct iface *iface;
};

/* Adds or removes an address, which is good at once: whoever gives it answers for it, or the fabric does.
 * Addresses that the stack makes itself are probed for first. 0; -EEXIST; -EADDRNOTAVAIL (remove: not there); -ENOSPC: the interface
 * has as many as it can; -EINVAL. */
int route_address(struct iface *, unsigned family, const void *addr, unsigned len, bool add)
    __attribute__((warn_unused_result));

/* Adds a route; dst NULL or len 0 = default; gw NULL = on the link; iface NULL = where the gateway
 * is. 0, -EEXIST, -ENETUNREACH, -ENOSPC, -EINVAL. */
int route_add(unsigned family, const void *dst, unsigned len, const void *gw,
              struct iface *) __attribute__((warn_unused_result));

/* 0 or -ESRCH. gw NULL and iface NULL match any. */
int route_del(unsigned family, const void *dst, unsigned len, const void *gw,
              struct iface *) __attribute__((warn_unused_result));

/* The ROUTE_MAX entries, for a dump. */
const struct route *route_table(void);

/* Forgets the routes of an interface that goes. */
void route_forget(const struct iface *);

#endif
