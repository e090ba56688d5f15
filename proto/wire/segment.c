/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/segment.h"

#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"

#define TCP_OPTION_END 0u
#define TCP_OPTION_NOP 1u
#define TCP_OPTION_MD5 19u
#define TCP_OPTION_AO  29u
#define TCP_SEQ        4u
#define TCP_FLAGS      13u
#define TCP_CSUM       16u
#define TCP_URGENT     18u
#define UDP_SIZE       4u
#define UDP_CSUM       6u
#define SCRATCH_ALIGN  16u

/* True if the options hold nothing that is bound to the segment's own length or bytes. */
static bool options_may_be_cut(const uint8_t *data, const struct packet *pk)
{
    struct cur c = cur_init(data, pk->payload_ofs);

    cur_skip(&c, pk->l4_ofs + 20u);
    while (cur_left(&c)) {
        uint8_t kind = cur_u8(&c);
        uint8_t size;

        if (kind == TCP_OPTION_END)
            break;
        if (kind == TCP_OPTION_NOP)
            continue;
        size = cur_u8(&c);
        if (size < 2 || kind == TCP_OPTION_MD5 || kind == TCP_OPTION_AO)
            return false;
        cur_skip(&c, size - 2u);
    }
    return !c.bad;
}

static bool may_be_cut_anywhere(const struct frame *f, const struct packet *pk)
{
    const uint8_t never = PACKET_TCP_SYN | PACKET_TCP_RST | PACKET_TCP_URG;

    return pk->l4 == PACKET_L4_TCP && !(f->data[pk->l4_ofs + TCP_FLAGS] & never) &&
           options_may_be_cut(f->data, pk);
}

static void read_headers(struct segmenter *s, const struct frame *f)
{
    const uint8_t *l3 = f->data + s->pk.l3_ofs;
    const uint8_t *l4 = f->data + s->pk.l4_ofs;

    if (s->pk.l3 == PACKET_L3_IP4)
        s->ip_id = load_be16(l3 + 4);
    if (s->pk.l4 == PACKET_L4_UDP)
        return;
    s->seq = load_be32(l4 + TCP_SEQ);
    s->tcp_flags = l4[TCP_FLAGS];
    s->urgent = s->tcp_flags & PACKET_TCP_URG ? load_be16(l4 + TCP_URGENT) : 0;
}

int segment_init(struct segmenter *s, const struct frame *f, uint16_t mss, unsigned flags)
{
    struct packet pk;

    if ((mss == 0 && f->gso == FRAME_GSO_NONE) || packet_parse(f->data, f->size, &pk) < 0)
        return -EINVAL;
    if (pk.l4 != PACKET_L4_TCP && (pk.l4 != PACKET_L4_UDP || f->gso != FRAME_GSO_UDP))
        return -EINVAL;
    if (mss != 0 && mss != f->gso_size && !may_be_cut_anywhere(f, &pk))
        return -EINVAL;
    if (pk.payload_ofs > SEGMENT_HDR_MAX)
        return -E2BIG;
    if (!(f->flags & (FRAME_NEEDS_CSUM | FRAME_CSUM_VALID)) &&
        (!checksum_l4_ok(f->data, &pk) ||
         (pk.l3 == PACKET_L3_IP4 && !checksum_ip4_ok(f->data, &pk))))
        return -EBADMSG;

    *s = (struct segmenter){.pk = pk,
                            .payload = f->data + pk.payload_ofs,
                            .left = pk.end - pk.payload_ofs,
                            .mss = mss ? mss : f->gso_size,
                            .hdr_size = pk.payload_ofs,
                            .tci = f->tci,
                            .open_csum = flags & SEGMENT_OPEN_CSUM};
    memcpy(s->header, f->data, s->hdr_size);
    read_headers(s, f);
    return 0;
}

unsigned segment_left(const struct segmenter *s)
{
    if (s->left == 0)
        return s->index == 0;
    return (s->left + s->mss - 1) / s->mss;
}

static void patch_ip(struct segmenter *s, uint32_t size)
{
    uint8_t *l3 = s->header + s->pk.l3_ofs;
    uint32_t l3_size = (uint32_t)(s->hdr_size - s->pk.l3_ofs) + size;

    if (s->pk.l3 == PACKET_L3_IP4) {
        store_be16(l3 + 2, (uint16_t)l3_size);
        store_be16(l3 + 4, (uint16_t)(s->ip_id + s->index));
        checksum_set_ip4(s->header, &s->pk);
    } else {
        store_be16(l3 + 4, (uint16_t)(l3_size - 40));
    }
}

static void patch_tcp(struct segmenter *s, bool last)
{
    uint8_t *tcp = s->header + s->pk.l4_ofs;
    uint8_t flags = s->tcp_flags;

    if (s->index > 0)
        flags &= (uint8_t)~PACKET_TCP_CWR;
    if (!last)
        flags &= (uint8_t) ~(PACKET_TCP_FIN | PACKET_TCP_PSH);
    /* The urgent pointer counts from the segment's own sequence number [RFC 9293 3.8.5]. */
    if (s->tcp_flags & PACKET_TCP_URG) {
        bool ahead = s->urgent > s->done || s->index == 0;

        if (!ahead)
            flags &= (uint8_t)~PACKET_TCP_URG;
        store_be16(tcp + TCP_URGENT, ahead ? (uint16_t)(s->urgent - s->done) : 0);
    }
    store_be32(tcp + TCP_SEQ, s->seq + s->done);
    tcp[TCP_FLAGS] = flags;
}

static void patch_csum(struct segmenter *s, uint32_t size)
{
    uint32_t l4_header = (uint32_t)s->hdr_size - s->pk.l4_ofs;
    uint8_t *l4 = s->header + s->pk.l4_ofs;
    uint8_t *field = l4 + (s->pk.l4 == PACKET_L4_TCP ? TCP_CSUM : UDP_CSUM);
    uint64_t sum = checksum_pseudo(s->header, &s->pk, l4_header + size);
    uint16_t folded;

    if (s->open_csum) {
        store_be16(field, checksum_fold(sum));
        return;
    }
    store_be16(field, 0);
    sum = checksum_add(checksum_add(sum, l4, l4_header), s->payload, size);
    folded = (uint16_t)~checksum_fold(sum);
    if (folded == 0 && s->pk.l4 == PACKET_L4_UDP)
        folded = UINT16_MAX;
    store_be16(field, folded);
}

int segment_init_headers(struct segmenter *s, const uint8_t *headers, size_t size)
{
    struct frame f = {.data = s->header, .size = (uint32_t)size};
    struct packet pk;

    if (size > SEGMENT_HDR_MAX)
        return -E2BIG;
    if (packet_parse(headers, size, &pk) < 0 || pk.payload_ofs != size || pk.end != size)
        return -EINVAL;
    *s = (struct segmenter){.pk = pk, .hdr_size = pk.payload_ofs, .open_csum = true};
    memcpy(s->header, headers, size);
    if (!may_be_cut_anywhere(&f, &pk))
        return -EINVAL;
    read_headers(s, &f);
    return 0;
}

void segment_headers(const struct segmenter *s, const struct segment_part *part,
                     uint8_t *out)
{
    struct segmenter at = *s;

    at.index = part->index;
    at.done = part->done;
    patch_ip(&at, part->size);
    patch_tcp(&at, part->last);
    patch_csum(&at, part->size);
    memcpy(out, at.header, at.hdr_size);
}

bool segment_next(struct segmenter *s, struct segment *out)
{
    uint32_t size = s->left < s->mss ? s->left : s->mss;

    if (s->left == 0 && s->index > 0)
        return false;
    patch_ip(s, size);
    if (s->pk.l4 == PACKET_L4_TCP)
        patch_tcp(s, size == s->left);
    else
        store_be16(s->header + s->pk.l4_ofs + UDP_SIZE, (uint16_t)(size + 8));
    patch_csum(s, size);
    *out = (struct segment){.header = s->header,
                            .payload = s->payload,
                            .payload_size = size,
                            .hdr_size = s->hdr_size,
                            .csum_start = s->pk.l4_ofs,
                            .csum_ofs = s->pk.l4 == PACKET_L4_TCP ? TCP_CSUM : UDP_CSUM};
    s->payload += size;
    s->left -= size;
    s->done += size;
    s->index++;
    return true;
}

unsigned segment_fill(struct segmenter *s, uint8_t *scratch, size_t room,
                      struct frame *frames, unsigned max, size_t *used)
{
    size_t at = 0;
    unsigned n = 0;

    while (n < max && segment_left(s)) {
        size_t size = s->hdr_size + (size_t)(s->left < s->mss ? s->left : s->mss);
        uint8_t *data = scratch + at + FRAME_HEADROOM;
        struct segment seg;

        if (room - at < FRAME_HEADROOM + size || !segment_next(s, &seg))
            break;
        memcpy(data, seg.header, seg.hdr_size);
        memcpy(data + seg.hdr_size, seg.payload, seg.payload_size);
        frames[n++] =
            (struct frame){.data = data,
                           .size = (uint32_t)size,
                           .tci = s->tci,
                           .hdr_size = seg.hdr_size,
                           .csum_start = s->open_csum ? seg.csum_start : 0,
                           .csum_ofs = s->open_csum ? seg.csum_ofs : 0,
                           .flags = s->open_csum ? FRAME_NEEDS_CSUM : FRAME_CSUM_VALID};
        at += FRAME_HEADROOM + size;
        at += -at & (SCRATCH_ALIGN - 1);
        if (at > room)
            at = room;
    }
    if (used)
        *used = at;
    return n;
}
