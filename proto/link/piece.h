/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pieces of TCP superframes. Most datagrams of a superframe carry payload and nothing else; its Ethernet,
 * IP and TCP headers come behind the payload of the first, of every PIECE_HEAD_EVERY-th, and of the last where
 * there is room. Any of them will do: what a piece needs besides is its place and its index, so a lost datagram
 * costs what it carried, and not the superframe.
 *
 * A superframe is named by the number of the datagram that its first piece went in, that is the piece's own
 * less its index: they are sealed one after another. So the name is as unique as a nonce, and no piece is ever taken
 * for one of another superframe, however late it comes.
 *
 * The receiver keeps the headers of the last PIECE_KNOWN superframes of a session. Pieces that come before any
 * headers wait. Memory and time are bounded: PIECE_WAITING superframes, each for at most PIECE_LIFE, of which
 * one peer may hold PIECE_PER_PEER. When another finds no room, the peer's own oldest goes if it holds its share, else
 * the oldest of all. What goes so, and what waited too long, is counted as lost.
 */
#ifndef PROTO_LINK_PIECE_H
#define PROTO_LINK_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/link/datagram.h"
#include "proto/wire/segment.h"

#define PIECE_COUNT       64u /* Most pieces of a superframe. */
#define PIECE_HEAD_EVERY  16u
#define PIECE_KNOWN       8u
#define PIECE_WAITING     16u
#define PIECE_PER_PEER    4u
#define PIECE_LIFE        (100 * MTIME_MS)
#define PIECE_PAYLOAD_MAX UINT16_MAX

struct piece {
    uint16_t at; /* Payload in front of it. */
    uint16_t size;
    uint8_t index;
    bool last;
    bool has_head; /* Headers follow the payload. */
};

/* --- cutting ------------------------------------------------------------------------------ */

struct piece_plan {
    uint32_t left, done;
    uint16_t room; /* For payload and headers in one datagram. */
    uint16_t hdr_size;
    uint8_t index;
};

/* False if the payload is too large for PIECE_COUNT pieces, or the room for the headers too small. */
bool piece_plan_init(struct piece_plan *, uint32_t payload, size_t hdr_size, size_t room)
    __attribute__((warn_unused_result));
bool piece_next(struct piece_plan *, struct piece *); /* False after the last. */

/* The headers to send with pieces of what `seg` cuts: those of the whole, which say that no payload follows. */
void piece_head_write(const struct segmenter *seg, uint8_t *out);

/* --- receiving: headers that are known ----------------------------------------------------- */

struct piece_head {
    uint64_t number; /* The superframe's. */
    bool used;
    struct inner inner; /* What all its pieces say. */
    struct segmenter seg;
};

/* Of a session. Make it with calloc(), free it with free(). */
struct piece_heads {
    struct piece_head all[PIECE_KNOWN];
    unsigned last; /* Found last. */
    unsigned next; /* To be taken next. */
};

/* What the inner header and the size of the body say of a piece. False if that contradicts itself. */
bool piece_read(const struct inner *, size_t body_size, struct piece *)
    __attribute__((warn_unused_result));

/* The headers of a superframe; NULL = not known. */
const struct piece_head *piece_heads_find(struct piece_heads *, uint64_t number);

/* Keeps those that came with a piece instead of the oldest; NULL if they may not be cut. */
const struct piece_head *piece_heads_add(struct piece_heads *, uint64_t number,
                                         const struct inner *, const uint8_t *headers,
                                         size_t size);

/* Is the piece one of that superframe by all that it says? */
bool piece_agrees(const struct piece_head *, const struct inner *);

/* --- receiving: pieces that wait ------------------------------------------------------------ */

struct pieces;

struct pieces *pieces_new(void); /* Aborts without memory; buffers are made when used. */
void pieces_free(struct pieces *);

/* Whose superframe it is. `lost` is counted up for each piece that goes unused, and may be told of until
 * pieces_drop_peer(). */
struct piece_owner {
    uint32_t peer, session;
    uint64_t number;
    uint64_t *lost;
};

void pieces_wait(struct pieces *, const struct piece_owner *, const struct inner *,
                 const struct piece *, const uint8_t *data, mtime_t now);

/* Are there pieces of that superframe? If so they are those that pieces_next() hands out. */
bool pieces_release(struct pieces *, const struct piece_owner *, mtime_t now)
    __attribute__((warn_unused_result));

/* The next of the pieces that were released, by index; those that do not agree with the headers are passed over and
 * counted. *data is lent until the next call of pieces_wait(). False when there are no more. */
bool pieces_next(struct pieces *, const struct piece_head *, struct piece *, uint8_t **data)
    __attribute__((warn_unused_result));

/* Forgets what a peer has waiting. */
void pieces_drop_peer(struct pieces *, uint32_t peer);

#endif
