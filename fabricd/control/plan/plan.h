/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan of addresses. Pure: what is in use comes in, what to take goes out.
 *
 * A network (or each of its VLANs) has an IPv4 subnet and an IPv6 one. Of the IPv4 subnet each
 * host holds blocks, so that it can give addresses away alone; the first address is kept free
 * for a router where the subnet has room for one. IPv6 addresses and MACs need no blocks: they
 * follow from the fabric's id, the network and the name by BLAKE2b, so the same name has the
 * same ones on whatever host; `salt` counts up on the collision that nobody will see.
 */
#ifndef FABRICD_CONTROL_PLAN_PLAN_H
#define FABRICD_CONTROL_PLAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/control/plan/addr.h"
#include "fabricd/control/plan/subnets.h"

/* A /24 out of 10.64.0.0/10 that overlaps none of `used`: the lowest, or with from_top the
 * highest. Returns 0 or -ENOSPC. */
int plan_pick4(struct subnets *used, bool from_top, struct addr *out)
    __attribute__((warn_unused_result));

/* A ULA /64 [RFC 4193]: fd, 40 bits from the fabric's id, 16 bits from network and VLAN, moved on
 * while it overlaps one of `used`. Returns 0 or -ENOSPC. */
int plan_pick6(uint64_t fabric, const char *network, uint16_t vlan,
               const struct subnets *used, struct addr *out)
    __attribute__((warn_unused_result));

/* n IPv4 addresses from `first` on. */
struct plan_block {
    uint32_t first;
    uint32_t n;
};

/* What of an IPv4 subnet may be given away. */
struct plan_block plan_usable(const struct addr *net);

/*
 * A block out of the subnet that touches none of `held` (blocks of all hosts): a sixteenth of
 * what is free, at least 1 and at most 256 addresses, falling to what the largest hole has.
 * Returns 0 or -ENOSPC.
 */
int plan_take_block(const struct addr *net, const struct plan_block *held, size_t n_held,
                    struct plan_block *out) __attribute__((warn_unused_result));

/* The lowest address of the blocks for which used() is false. Returns 0 or -ENOSPC. */
int plan_take_addr(const struct plan_block *blocks, size_t n_blocks,
                   bool (*used)(const void *aux, uint32_t address), const void *aux,
                   uint32_t *out) __attribute__((warn_unused_result));

/* Locally administered, unicast. */
void plan_mac(uint64_t fabric, const char *network, const char *name, unsigned salt,
              uint8_t mac[6]);

/* The address of the name in an IPv6 subnet (its length up to 126 is kept). */
struct addr plan_addr6(const struct addr *net, uint64_t fabric, const char *network,
                       const char *name, unsigned salt);

#endif
