/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that do not fit a datagram and cannot be cut as TCP go in pieces and are put together
 * again here. Memory and time are bounded: FRAGMENT_SLOTS frames under way, each for at most
 * FRAGMENT_LIFE, of which one peer may hold FRAGMENT_PER_PEER. When a new frame finds no room,
 * the peer's own oldest goes if it holds its share, else the oldest of all.
 */
#ifndef PROTO_LINK_FRAGMENT_H
#define PROTO_LINK_FRAGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/link/datagram.h"
#include "proto/wire/frame.h"

#define FRAGMENT_SLOTS    32u
#define FRAGMENT_PER_PEER 8u
#define FRAGMENT_COUNT    32u /* Most pieces of a frame. */
#define FRAGMENT_LIFE     (500 * MTIME_MS)

struct fragment_head {
    uint32_t id;
    uint8_t index;
    uint8_t count;
    uint16_t total; /* Size of the frame. */
};

void fragment_write(const struct fragment_head *, uint8_t out[DATAGRAM_FRAGMENT]);

struct fragments;

struct fragments *
fragments_new(void); /* Aborts without memory; slots are made when used. */
void fragments_free(struct fragments *);

/*
 * Takes one piece, the fragment header and what follows it, from the peer named `peer`. `inner`
 * is kept from piece 0. When the frame is whole returns true and lends it until the next call:
 * *frame has data (with FRAME_HEADROOM in front) and size, *head the inner header.
 */
bool fragments_input(struct fragments *, uint32_t peer, const struct inner *inner,
                     const uint8_t *data, size_t size, mtime_t now, struct frame *frame,
                     struct inner *head) __attribute__((warn_unused_result));

/* Forgets what a peer has under way. */
void fragments_drop_peer(struct fragments *, uint32_t peer);

#endif
