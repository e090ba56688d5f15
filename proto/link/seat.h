/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who holds the places of a table that peers fill. When a newcomer finds no room, the peer's own oldest goes if the peer
 * holds its share, else the oldest of all; so nobody can push out more than that of others.
 */
#ifndef PROTO_LINK_SEAT_H
#define PROTO_LINK_SEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/mtime.h"

struct seat {
    bool busy;
    uint32_t peer;
    mtime_t born; /* Since when it is held. */
};

/* Which one of n a newcomer of the peer takes, whether it is busy or not. */
unsigned seat_choose(const struct seat *seats, unsigned n, unsigned share, uint32_t peer);

#endif
