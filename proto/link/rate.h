/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many handshakes a source address may have worked on while we are under load: RATE_PER_SECOND,
 * and RATE_BURST at once (WireGuard's figures). An IPv4 address is one source, and so is an IPv6
 * /64, in which anybody has as many addresses as he likes.
 *
 * The table is of fixed size. A source has RATE_WAYS places, chosen by a keyed hash; when all are
 * others', the one that was seen last the longest ago gives its place up, and begins with a full
 * burst when it comes again. So a flood of addresses locks nobody out.
 */
#ifndef PROTO_LINK_RATE_H
#define PROTO_LINK_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/link/addr.h"

#define RATE_PER_SECOND 20
#define RATE_BURST      5
#define RATE_SETS       256u /* A power of two. */
#define RATE_WAYS       4u

struct rate_source {
    uint64_t net; /* The source: see rate.c; 0 = the place is free. */
    mtime_t seen;
    mtime_t credit; /* Time saved up. */
};

struct rate {
    uint8_t key[16]; /* Random: nobody can choose who shares his places. */
    struct rate_source sources[RATE_SETS][RATE_WAYS];
};

/* Takes one handshake of the source. False: it has had enough. All zero but for the key to begin
 * with. */
bool rate_take(struct rate *, const struct link_addr *from, mtime_t now)
    __attribute__((warn_unused_result));

#endif
