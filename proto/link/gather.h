/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that come by one port of a link, gathered in one memory until there is a burst of them. Datagrams are opened
 * right where what they carry belongs: the next piece of a superframe lands behind the payload that is there
 * already, so a superframe is put together without a copy. What its inner header overwrites meanwhile, the end of
 * that payload, is kept and put back.
 *
 * A superframe of which a piece is missing becomes two: TCP has no marks. What others said of a frame is checked
 * (frame_check()) when it is complete.
 */
#ifndef PROTO_LINK_GATHER_H
#define PROTO_LINK_GATHER_H

#include "proto/link/hub.h"

#define GATHER_LEAD     256u /* In front of payload: FRAME_HEADROOM and any headers. */
#define GATHER_SIZE_MAX UINT16_MAX /* Of what one datagram brings. */

struct gather {
    uint8_t *room;
    size_t size;
    size_t used;
    struct frame frames[FRAME_BURST];
    unsigned n;
    uint64_t n_bad, n_bad_bytes; /* Frames that said what is not so, and their bytes. */

    /* The superframe at the end, to which more may come. */
    bool open;
    struct piece_head head;
    uint32_t session;
    size_t from;      /* Where its payload begins in the room. */
    uint16_t next_at; /* Of the piece that continues it. */
    struct segment_part part;
    uint8_t kept[DATAGRAM_INNER];
};

/* The room must have GATHER_LEAD and GATHER_SIZE_MAX bytes at the least. It stays the caller's. */
void gather_init(struct gather *, uint8_t *room, size_t size);

/* True if what a datagram of `size` bytes brings surely finds room; else gather_end() must come first. */
bool gather_has_room(const struct gather *, size_t size);

/* Where to open the next datagram to, with room for its size; gather_opened() must follow. */
uint8_t *gather_place(struct gather *);
void gather_opened(struct gather *);

/* Takes what came out. It is copied or moved unless it lies where it belongs. gather_has_room(in->size) must hold. */
void gather_add(struct gather *, const struct hub_frame *in);

/* The burst is complete: closes what is open. The frames are at g->frames; g->n of them. */
void gather_end(struct gather *);

/* Begins anew; what lies behind the frames that were there stays as it is until something is added. */
void gather_clear(struct gather *);

#endif
