/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames with hostile metadata: 13 bytes of it, then the frame. Whatever is accepted must be cut
 * into valid pieces that hold the same payload; and merged again they must be what they were.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/checksum.h"
#include "proto/wire/coalesce.h"
#include "proto/wire/packet.h"
#include "proto/wire/segment.h"
#include "proto/wire/vnet.h"

#define PIECES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t scratch[4 * FRAME_SUPER_MAX];

/* The payloads of the pieces, one after the other, are the payload of the whole. */
static void check_pieces(const struct frame *whole, const struct frame *pieces, unsigned n)
{
    struct packet pk;
    uint32_t at;

    assert(packet_parse(whole->data, whole->size, &pk) == 0);
    at = pk.payload_ofs;
    for (unsigned i = 0; i < n; i++) {
        struct packet piece;
        struct frame f = pieces[i];

        assert(f.data >= scratch && f.data + f.size <= scratch + sizeof scratch);
        assert(f.gso == FRAME_GSO_NONE);
        assert(packet_parse(f.data, f.size, &piece) == 0);
        assert(piece.l4 == pk.l4 && piece.payload_ofs == pk.payload_ofs &&
               piece.end == f.size);
        assert(f.size - piece.payload_ofs <= pk.end - at);
        assert(memcmp(f.data + piece.payload_ofs, whole->data + at,
                      f.size - piece.payload_ofs) == 0);
        at += f.size - piece.payload_ofs;
        assert(piece.l3 != PACKET_L3_IP4 || checksum_ip4_ok(f.data, &piece));
        checksum_complete(&f);
        assert(checksum_l4_ok(f.data, &piece));
    }
    assert(at == pk.end);
}

/* Merged, what was cut is one frame again, with the same payload. */
static void check_merged(const struct frame *whole, struct frame *pieces, unsigned n)
{
    struct packet pk, merged;

    assert(packet_parse(whole->data, whole->size, &pk) == 0);
    n = coalesce(pieces, n);
    assert(n >= 1);
    for (unsigned i = 0; i < n; i++)
        assert(frame_check(&pieces[i]) == 0);
    if (n != 1 || whole->gso == FRAME_GSO_UDP || pieces[0].gso == FRAME_GSO_NONE)
        return;
    assert(pieces[0].size == pk.end);
    assert(packet_parse(pieces[0].data, pieces[0].size, &merged) == 0);
    assert(memcmp(pieces[0].data + merged.payload_ofs, whole->data + pk.payload_ofs,
                  pk.end - pk.payload_ofs) == 0);
}

static void check_cut(const struct frame *f, uint16_t mss, unsigned flags)
{
    struct frame pieces[PIECES];
    struct segmenter s;
    unsigned n;

    if (segment_init(&s, f, mss, flags) < 0 || segment_left(&s) > PIECES)
        return;
    n = segment_fill(&s, scratch, sizeof scratch, pieces, PIECES, NULL);
    assert(segment_left(&s) == 0);
    check_pieces(f, pieces, n);
    check_merged(f, pieces, n);
}

/* The rest of the input as several frames in a row, for merging as it comes. */
static void check_burst(const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    struct frame frames[FRAME_BURST];
    unsigned n = 0;
    size_t at = 0;

    while (n < FRAME_BURST && cur_left(&c) > 2) {
        size_t piece = cur_u16(&c) % 2048;
        const uint8_t *bytes = cur_bytes(&c, piece);

        if (!bytes)
            break;
        memcpy(scratch + at, bytes, piece);
        frames[n] = (struct frame){.data = scratch + at, .size = (uint32_t)piece};
        at += piece;
        if (frame_check(&frames[n]) == 0)
            n++;
    }
    n = coalesce(frames, n);
    for (unsigned i = 0; i < n; i++)
        assert(frame_check(&frames[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    const uint8_t *hdr = cur_bytes(&c, VNET_HDR_SIZE);
    uint16_t mss = (uint16_t)(cur_u8(&c) * 16);
    size_t frame_size = cur_left(&c);
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    struct frame f = {.size = (uint32_t)frame_size};
    uint8_t again[VNET_HDR_SIZE];

    if (c.bad || frame_size > FRAME_SUPER_MAX)
        return 0;
    /* Of the exact size, so that a sanitizer sees what goes beyond. */
    f.data = malloc(frame_size ? frame_size : 1);
    if (!f.data)
        return 0;
    memcpy(f.data, c.p, frame_size);
    (void)!packet_claims(f.data, frame_size, claims);
    if (vnet_decode(hdr, &f) == 0) {
        struct frame copy = {.data = f.data, .size = f.size};

        vnet_encode(&f, again);
        assert(vnet_decode(again, &copy) == 0);
        assert(copy.gso == f.gso && copy.gso_size == f.gso_size);
        check_cut(&f, 0, 0);
        check_cut(&f, 0, SEGMENT_OPEN_CSUM);
        if (mss)
            check_cut(&f, mss, SEGMENT_OPEN_CSUM);
        if (f.gso == FRAME_GSO_NONE)
            checksum_complete(&f);
    }
    free(f.data);
    check_burst(data, size);
    return 0;
}
