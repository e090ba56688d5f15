/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of subnets, each with its owner, that is asked for what overlaps. Pure. */
#ifndef FABRICD_CONTROL_PLAN_SUBNETS_H
#define FABRICD_CONTROL_PLAN_SUBNETS_H

#include <stddef.h>
#include <stdint.h>

#include "fabricd/control/plan/addr.h"

#define SUBNETS_OWNER 72 /* Bytes of an owner's name with its NUL. */

struct subnet {
    struct addr net;
    char owner[SUBNETS_OWNER];
};

/* Sorted by address and length. A zeroed one is empty. */
struct subnets {
    struct subnet *list;
    size_t n, room;
    unsigned lengths[2][129]; /* How many there are of each, of IPv4 and of IPv6. */
    /* plan_pick4()'s: below the one address, and above the complement of the other, nothing of the
     * pool is known to be free; what is dropped there moves them back. */
    uint32_t below, above;
};

void subnets_free(struct subnets *); /* Of the heap; NULL is fine. */
void subnets_clear(struct subnets *);

/* `net` without bits behind its prefix; one of family 0 is passed over. */
void subnets_add(struct subnets *, const char *owner, const struct addr *net);

/* Takes out all that the owner has. */
void subnets_drop(struct subnets *, const char *owner);

/* One that overlaps, or NULL. Borrowed until the next change. */
const struct subnet *subnets_overlap(const struct subnets *, const struct addr *net);

#endif
