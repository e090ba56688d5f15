/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The datagrams of a link, format version 1 (docs/protocol.md). All numbers big-endian.
 *
 * In the clear, and authenticated, is an outer header of 16 bytes:
 *     type 8, zero 24, receiver's index 32, lane 8, counter 56
 * and under the seal an inner header of 16 bytes, then what its type says, then the tag:
 *     type 8, flags 8, channel 16, source host 16, hops 8, index 8,
 *     VLAN tag (TCI) 16, checksum start 16, checksum offset 16, segment size 16
 * (of a piece of a superframe the index is its own; else 0. Where the two of the checksum are, it has the place of
 * its payload and the size of the headers that follow the payload.)
 * Both are multiples of the cipher's block, so that what follows is sealed at full speed.
 */
#ifndef PROTO_LINK_DATAGRAM_H
#define PROTO_LINK_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATAGRAM_VERSION  1u
#define DATAGRAM_OUTER    16u
#define DATAGRAM_INNER    16u
#define DATAGRAM_TAG      16u
#define DATAGRAM_OVERHEAD (DATAGRAM_OUTER + DATAGRAM_INNER + DATAGRAM_TAG)
#define DATAGRAM_FRAGMENT 8u /* The further header of a fragment. */

#define DATAGRAM_COUNTER_MASK (((uint64_t)1 << 56) - 1)
#define DATAGRAM_LANES        4u /* Lanes that a receiver accepts; senders use lane 0. */

/* IP and UDP headers in front of a datagram. */
#define DATAGRAM_UNDER4  28u
#define DATAGRAM_UNDER6  48u
#define DATAGRAM_MTU_MIN 1280u /* Every path takes this. */

/* The whole of a handshake datagram; the first must stay under 1,200. */
#define DATAGRAM_HANDSHAKE_MAX 1200u
#define DATAGRAM_MAC           16u

enum datagram_type {
    DATAGRAM_INIT = 1,     /* type, zero 24, sender's index 32, Noise, mac1, mac2 */
    DATAGRAM_RESPONSE = 2, /* type, zero 24, sender's, receiver's index, Noise, macs */
    DATAGRAM_COOKIE = 3,   /* type, zero 24, receiver's index 32, nonce 24 bytes, cookie */
    DATAGRAM_SEALED = 4,
};

#define DATAGRAM_INIT_HEAD     8u
#define DATAGRAM_RESPONSE_HEAD 12u
#define DATAGRAM_COOKIE_SIZE   (8u + 24u + 16u + 16u)

enum inner_type {
    INNER_FRAME = 1,
    INNER_FRAGMENT = 2,    /* A piece of a frame: id 32, index 8, count 8, total size 16. */
    INNER_CONTROL = 3,     /* A segment of the stream whose number is in `channel`. */
    INNER_PROBE = 4,       /* The sender's clock 64, then padding. Answered at once. */
    INNER_PROBE_REPLY = 5, /* Clock 64 of the probe, its whole size 16. */
    INNER_CLOSE = 6,       /* The sender ends the session. */
    INNER_RELAY = 7,       /* Reserved: carried for another pair of hosts. */
    INNER_PIECE = 8,       /* A piece of a superframe's payload: proto/link/piece.h. */
    INNER_BPDUS = 9, /* BPDUs of any number of networks: channel 16, size 8, bytes each. */
};

enum {
    INNER_OPEN_CSUM = 1,  /* Complete the checksum, at start + offset, from start to end. */
    INNER_CSUM_VALID = 2, /* The sending host has verified it. */
    INNER_ISOLATED = 4,   /* Not for isolated ports. */
    INNER_LAST = 8,       /* A piece: the last one. */
};

struct inner {
    uint8_t type;
    uint8_t flags;
    uint8_t hops;
    uint8_t index; /* Of a piece; else 0. */
    uint16_t channel;
    uint16_t source;
    uint16_t tci;
    union {
        uint16_t csum_start;
        uint16_t piece_at; /* INNER_PIECE: payload in front of it. */
    };
    union {
        uint16_t csum_ofs;
        uint16_t head_size; /* INNER_PIECE: of the headers behind the payload; 0 = none. */
    };
    uint16_t gso_size; /* TCP payload per segment where the frame holds several; else 0. */
};

struct outer {
    uint32_t index;
    uint8_t lane;
    uint64_t counter; /* 56 bits */
};

void outer_write(const struct outer *, uint8_t out[DATAGRAM_OUTER]);

/* False unless data[size] is a sealed datagram of the least size. */
bool outer_read(const uint8_t *data, size_t size, struct outer *)
    __attribute__((warn_unused_result));

void inner_write(const struct inner *, uint8_t out[DATAGRAM_INNER]);
void inner_read(const uint8_t in[DATAGRAM_INNER], struct inner *);

/* The nonce's number: lane and counter as they travel. */
static inline uint64_t outer_number(const struct outer *o)
{
    return (uint64_t)o->lane << 56 | o->counter;
}

#endif
