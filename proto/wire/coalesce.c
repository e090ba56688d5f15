/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/coalesce.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"

#define TCP_CSUM   16u
#define IP_MAX     65535u
#define IP4_DF     0x40u
#define LAST_FLAGS (PACKET_TCP_PSH | PACKET_TCP_FIN)

/* A frame that may be part of a run. */
struct piece {
    struct frame *f;
    struct packet pk;
    uint32_t seq;
    uint32_t size; /* Of the payload. */
    uint16_t mss;  /* gso_size, or the payload of a plain frame. */
    uint16_t id;
    uint8_t flags;
};

/* The superframe being made out of its first piece. */
struct run {
    struct piece first;
    bool open; /* More may follow. */
    bool checked;
    unsigned merged;
    unsigned segments;
    uint32_t end; /* Bytes of the frame so far. */
    uint8_t flags;
};

static unsigned segments_of(const struct piece *p)
{
    return (p->size + p->mss - 1u) / p->mss;
}

/* Fills in the piece if the frame is a TCP segment with data and nothing unusual about it. */
static bool piece_init(struct piece *p, struct frame *f)
{
    const uint8_t *tcp;

    if (f->gso == FRAME_GSO_UDP || packet_parse(f->data, f->size, &p->pk) < 0 ||
        p->pk.l4 != PACKET_L4_TCP || p->pk.has_options)
        return false;
    tcp = f->data + p->pk.l4_ofs;
    p->f = f;
    p->flags = tcp[13];
    p->size = p->pk.end - p->pk.payload_ofs;
    if ((p->flags & ~(LAST_FLAGS | PACKET_TCP_ECE)) != PACKET_TCP_ACK || p->size == 0 ||
        p->size > IP_MAX)
        return false;
    p->mss = f->gso == FRAME_GSO_NONE ? (uint16_t)p->size : f->gso_size;
    p->seq = load_be32(tcp + 4);
    p->id = p->pk.l3 == PACKET_L3_IP4 ? load_be16(f->data + p->pk.l3_ofs + 4) : 0;
    return true;
}

static bool checksums_right(const struct piece *p)
{
    const struct frame *f = p->f;

    if (p->pk.l3 == PACKET_L3_IP4 && !checksum_ip4_ok(f->data, &p->pk))
        return false;
    if (f->flags & FRAME_NEEDS_CSUM)
        return f->csum_start == p->pk.l4_ofs && f->csum_ofs == TCP_CSUM;
    return f->flags & FRAME_CSUM_VALID || checksum_l4_ok(f->data, &p->pk);
}

static bool same_ip(const struct piece *a, const struct piece *b)
{
    const uint8_t *x = a->f->data + a->pk.l3_ofs;
    const uint8_t *y = b->f->data + b->pk.l3_ofs;

    if (a->pk.l3 == PACKET_L3_IP4)
        return x[1] == y[1] && memcmp(x + 6, y + 6, 4) == 0 &&
               memcmp(x + 12, y + 12, 8) == 0;
    return memcmp(x, y, 4) == 0 && memcmp(x + 6, y + 6, 34) == 0;
}

static bool same_tcp(const struct piece *a, const struct piece *b)
{
    const uint8_t *x = a->f->data + a->pk.l4_ofs;
    const uint8_t *y = b->f->data + b->pk.l4_ofs;
    size_t size = (size_t)(a->pk.payload_ofs - a->pk.l4_ofs);

    return memcmp(x, y, 4) == 0 && memcmp(x + 8, y + 8, 5) == 0 &&
           ((a->flags ^ b->flags) & ~LAST_FLAGS) == 0 && memcmp(x + 14, y + 14, 2) == 0 &&
           memcmp(x + 18, y + 18, size - 18) == 0;
}

static bool same_flow(const struct piece *a, const struct piece *b)
{
    return a->pk.l3 == b->pk.l3 && a->pk.l3_ofs == b->pk.l3_ofs &&
           a->pk.l4_ofs == b->pk.l4_ofs && a->pk.payload_ofs == b->pk.payload_ofs &&
           a->f->tci == b->f->tci && !((a->f->flags ^ b->f->flags) & FRAME_ISOLATED) &&
           memcmp(a->f->data, b->f->data, a->pk.l3_ofs) == 0 && same_ip(a, b) &&
           same_tcp(a, b);
}

static bool follows(const struct run *r, const struct piece *p)
{
    const struct piece *first = &r->first;
    uint32_t done = r->end - first->pk.payload_ofs;

    if (p->seq != first->seq + done || p->mss > first->mss ||
        (p->mss < first->mss && p->f->gso != FRAME_GSO_NONE) ||
        r->end - first->pk.l3_ofs + p->size > IP_MAX)
        return false;
    if (first->pk.l3 == PACKET_L3_IP4 && !(first->f->data[first->pk.l3_ofs + 6] & IP4_DF) &&
        p->id != (uint16_t)(first->id + r->segments))
        return false;
    return (uintptr_t)p->f->data >= (uintptr_t)(first->f->data + r->end);
}

static void run_begin(struct run *r, const struct piece *p)
{
    *r = (struct run){.first = *p,
                      .open = p->size % p->mss == 0 && !(p->flags & LAST_FLAGS),
                      .segments = segments_of(p),
                      .end = p->pk.end,
                      .flags = p->flags};
}

static bool run_take(struct run *r, const struct piece *p)
{
    if (!r->open || !follows(r, p) || !same_flow(&r->first, p) || !checksums_right(p))
        return false;
    if (!r->checked && !checksums_right(&r->first)) {
        r->open = false;
        return false;
    }
    r->checked = true;
    memmove(r->first.f->data + r->end, p->f->data + p->pk.payload_ofs, p->size);
    r->end += p->size;
    r->segments += segments_of(p);
    r->flags |= p->flags;
    r->merged++;
    r->open =
        (r->end - r->first.pk.payload_ofs) % r->first.mss == 0 && !(p->flags & LAST_FLAGS);
    return true;
}

/* Writes the headers of what was merged. */
static void run_end(struct run *r)
{
    struct frame *f = r->first.f;
    struct packet *pk = &r->first.pk;
    uint8_t *l3 = f->data + pk->l3_ofs;
    uint8_t *tcp = f->data + pk->l4_ofs;
    uint32_t l3_size = r->end - pk->l3_ofs;

    if (pk->l3 == PACKET_L3_IP4) {
        store_be16(l3 + 2, (uint16_t)l3_size);
        checksum_set_ip4(f->data, pk);
    } else {
        store_be16(l3 + 4, (uint16_t)(l3_size - 40));
    }
    tcp[13] = r->flags;
    store_be16(tcp + TCP_CSUM,
               checksum_fold(checksum_pseudo(f->data, pk, r->end - pk->l4_ofs)));
    f->size = r->end;
    f->gso = pk->l3 == PACKET_L3_IP4 ? FRAME_GSO_TCP4 : FRAME_GSO_TCP6;
    f->gso_size = r->first.mss;
    f->hdr_size = pk->payload_ofs;
    f->csum_start = pk->l4_ofs;
    f->csum_ofs = TCP_CSUM;
    f->flags = (uint8_t)(FRAME_NEEDS_CSUM | (f->flags & FRAME_ISOLATED));
}

unsigned coalesce(struct frame *frames, unsigned n)
{
    struct run run = {.open = false};
    unsigned out = 0;

    for (unsigned i = 0; i < n; i++) {
        struct piece p;
        bool fits = piece_init(&p, &frames[i]);

        if (fits && run_take(&run, &p))
            continue;
        if (run.merged)
            run_end(&run);
        if (out != i)
            frames[out] = frames[i];
        run = (struct run){.open = false};
        if (fits) {
            p.f = &frames[out];
            run_begin(&run, &p);
        }
        out++;
    }
    if (run.merged)
        run_end(&run);
    return out;
}
