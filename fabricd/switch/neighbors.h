/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which MAC has an address, for the endpoints that control has told of: requests of ARP and neighbour
 * discovery for them go to that MAC's port alone. NEIGHBORS_MAX addresses; further ones are not
 * remembered, and requests for them go to all.
 */
#ifndef FABRICD_SWITCH_NEIGHBORS_H
#define FABRICD_SWITCH_NEIGHBORS_H

#include <stdbool.h>
#include <stdint.h>

#define NEIGHBORS_MAX 65536u

struct neighbors;

struct neighbor_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t addr[16];
};

struct neighbors *neighbors_new(uint64_t seed); /* NULL if there is no memory. */
void neighbors_free(struct neighbors *);

/* The MAC has these addresses in the VLAN, and no others. */
void neighbors_put(struct neighbors *, const uint8_t mac[6], uint16_t vlan,
                   const struct neighbor_addr *, unsigned n);
void neighbors_remove(struct neighbors *, const uint8_t mac[6]);

/* Those that are not put between the two are removed. */
void neighbors_begin(struct neighbors *);
void neighbors_end(struct neighbors *);

/* The MAC with the address, or NULL. Borrowed until the table changes. */
const uint8_t *neighbors_find(const struct neighbors *, uint16_t vlan, uint8_t family,
                              const uint8_t *addr);
unsigned neighbors_count(const struct neighbors *);

#endif
