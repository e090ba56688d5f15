/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cutting a frame into segments.
 *
 * Towards a port that takes no superframes, at the size that the frame itself asks for
 * (gso_size; TCP over IPv4 and IPv6, and UDP). Towards a link, at whatever size fills a datagram
 * of its path: TCP only, since a byte stream has no marks; and not where URG, MD5 or AO
 * [RFC 2385, 5925] say otherwise.
 *
 * Each segment: lengths, IPv4 identification (+1 each) and header checksum, TCP sequence number;
 * FIN and PSH on the last only, CWR on the first only; TCP or UDP checksum computed, or left
 * open (SEGMENT_OPEN_CSUM) for somebody later.
 *
 * segment_next() hands out patched headers and a view of the payload, so that a link seals both
 * without copying; segment_fill() copies whole frames into a scratch area, as many as there is
 * room for, and goes on where it stopped.
 */
#ifndef PROTO_WIRE_SEGMENT_H
#define PROTO_WIRE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/frame.h"
#include "proto/wire/packet.h"

#define SEGMENT_HDR_MAX 192u /* Longer headers (IPv6 extensions) are refused. */

enum { SEGMENT_OPEN_CSUM = 1 };

struct segmenter {
    struct packet pk;
    const uint8_t *payload; /* What has not been cut yet. */
    uint32_t left;
    uint32_t done; /* Payload bytes handed out. */
    uint16_t mss;
    uint16_t hdr_size;
    uint16_t tci;
    uint16_t index; /* Of the next segment. */
    uint16_t ip_id;
    uint16_t urgent; /* Urgent pointer of the whole, 0 = none. */
    uint32_t seq;
    uint8_t tcp_flags;
    bool open_csum;
    uint8_t header[SEGMENT_HDR_MAX];
};

struct segment {
    const uint8_t *header; /* Inside the segmenter; valid until the next call. */
    const uint8_t *payload;
    uint32_t payload_size;
    uint16_t hdr_size;
    uint16_t csum_start; /* With SEGMENT_OPEN_CSUM, as in struct frame. */
    uint16_t csum_ofs;
};

/*
 * Prepares to cut `f`, which has passed frame_check() and stays alive and unchanged until all
 * segments were taken. mss = payload bytes of each segment; 0 = f->gso_size. Returns 0, or
 *   -EINVAL  it is not a superframe, or not TCP, URG/MD5/AO/SYN/RST (with an mss of one's own);
 *   -EBADMSG a plain frame whose checksum is wrong: cutting would hide that;
 *   -E2BIG   headers over SEGMENT_HDR_MAX.
 */
int segment_init(struct segmenter *s, const struct frame *f, uint16_t mss, unsigned flags)
    __attribute__((warn_unused_result));

/* How many segments are still to come. */
unsigned segment_left(const struct segmenter *s);

/* The next segment; false after the last. */
bool segment_next(struct segmenter *s, struct segment *out);

/*
 * For whoever carries the headers apart from the payload, and cuts as he likes (TCP only, open
 * checksums). segment_init_headers() takes `size` bytes of headers that say of themselves that no payload follows;
 * returns 0, -EINVAL for what may not be cut anywhere, or -E2BIG. segment_headers() writes the hdr_size bytes of
 * headers of a part of the payload, of a segmenter that was made by it or by segment_init().
 */
struct segment_part {
    uint32_t done; /* Payload in front of it. */
    uint32_t size;
    uint16_t index; /* Counted up in the IPv4 identification; 0 only where done is 0. */
    bool last;
};

int segment_init_headers(struct segmenter *s, const uint8_t *headers, size_t size)
    __attribute__((warn_unused_result));
void segment_headers(const struct segmenter *s, const struct segment_part *, uint8_t *out);

/*
 * Writes up to `max` of the next segments as frames into scratch[room], each with
 * FRAME_HEADROOM in front. Returns how many; 0 when all are done or not one fits (a room of
 * FRAME_HEADROOM + SEGMENT_HDR_MAX + mss always does). *used, if not NULL, is the room taken.
 */
unsigned segment_fill(struct segmenter *s, uint8_t *scratch, size_t room,
                      struct frame *frames, unsigned max, size_t *used);

#endif
