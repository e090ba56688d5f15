/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/gather.h"

#include <assert.h>
#include <string.h>

#include "proto/wire/vnet.h"

#define ALIGN         64u
#define TCP_CSUM      16u
#define TCP_FLAGS     13u
#define IP6_TYPE_HIGH 0x86u

static_assert(GATHER_LEAD >= FRAME_HEADROOM + SEGMENT_HDR_MAX, "");

void gather_init(struct gather *g, uint8_t *room, size_t size)
{
    *g = (struct gather){.room = room, .size = size};
}

void gather_clear(struct gather *g)
{
    g->n = 0;
    g->used = 0;
    g->open = false;
    g->n_bad = g->n_bad_bytes = 0;
}

/* Where the payload of what comes next belongs, unless it continues what is open. */
static size_t fresh_place(const struct gather *g)
{
    return (g->used + ALIGN - 1) / ALIGN * ALIGN + GATHER_LEAD;
}

bool gather_has_room(const struct gather *g, size_t size)
{
    return g->n + g->open < FRAME_BURST && fresh_place(g) + size <= g->size;
}

uint8_t *gather_place(struct gather *g)
{
    uint8_t *at = g->room + (g->open ? g->used : fresh_place(g)) - DATAGRAM_INNER;

    if (g->open)
        memcpy(g->kept, at, DATAGRAM_INNER);
    return at;
}

void gather_opened(struct gather *g)
{
    if (g->open)
        memcpy(g->room + g->used - DATAGRAM_INNER, g->kept, DATAGRAM_INNER);
}

/* Takes the frame at frames[n] into the burst if it is as it says. */
static void keep(struct gather *g)
{
    struct frame *f = &g->frames[g->n];

    if (frame_check(f) < 0) {
        g->n_bad++;
        g->n_bad_bytes += f->size;
        return;
    }
    g->n++;
}

static void close_open(struct gather *g)
{
    const struct segmenter *seg = &g->head.seg;
    const struct inner *in = &g->head.inner;
    struct frame *f = &g->frames[g->n];

    if (!g->open)
        return;
    g->open = false;
    *f = (struct frame){.data = g->room + g->from - seg->hdr_size,
                        .size = seg->hdr_size + g->part.size,
                        .tci = in->tci,
                        .gso_size = in->gso_size,
                        .csum_start = seg->pk.l4_ofs,
                        .csum_ofs = TCP_CSUM,
                        .flags = FRAME_NEEDS_CSUM};
    segment_headers(seg, &g->part, f->data);
    if (in->flags & INNER_ISOLATED)
        f->flags |= FRAME_ISOLATED;
    if (in->gso_size > 0)
        f->gso = seg->pk.l3 == PACKET_L3_IP4 ? FRAME_GSO_TCP4 : FRAME_GSO_TCP6;
    if (in->gso_size > 0 && f->data[seg->pk.l4_ofs + TCP_FLAGS] & PACKET_TCP_CWR)
        f->flags |= FRAME_GSO_ECN;
    keep(g);
}

static bool continues(const struct gather *g, const struct hub_frame *in)
{
    return g->open && in->head->number == g->head.number && in->session == g->session &&
           in->piece.at == g->next_at;
}

static void add_piece(struct gather *g, const struct hub_frame *in)
{
    if (!continues(g, in)) {
        close_open(g);
        g->from = g->used = fresh_place(g);
        g->open = true;
        g->head = *in->head;
        g->session = in->session;
        g->part = (struct segment_part){.done = in->piece.at, .index = in->piece.index};
    }
    if (in->data != g->room + g->used)
        memmove(g->room + g->used, in->data, in->size);
    g->used += in->size;
    g->part.size += (uint32_t)in->size;
    g->part.last = in->piece.last;
    g->next_at = (uint16_t)(in->piece.at + in->size);
    if (in->piece.last)
        close_open(g);
}

static void add_frame(struct gather *g, const struct hub_frame *in)
{
    struct frame *f;
    uint8_t *at;

    close_open(g);
    at = g->room + fresh_place(g);
    if (in->data != at)
        memmove(at, in->data, in->size);
    f = &g->frames[g->n];
    *f = (struct frame){.data = at,
                        .size = (uint32_t)in->size,
                        .tci = in->inner.tci,
                        .gso_size = in->inner.gso_size};
    if (in->inner.flags & INNER_OPEN_CSUM) {
        f->flags = FRAME_NEEDS_CSUM;
        f->csum_start = in->inner.csum_start;
        f->csum_ofs = in->inner.csum_ofs;
    } else if (in->inner.flags & INNER_CSUM_VALID) {
        f->flags = FRAME_CSUM_VALID;
    }
    if (in->inner.flags & INNER_ISOLATED)
        f->flags |= FRAME_ISOLATED;
    /* Several segments, merged by the sender's switch: frame_check() looks closer. */
    if (f->gso_size > 0)
        f->gso =
            f->size > 13 && f->data[12] == IP6_TYPE_HIGH ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
    g->used = (size_t)(at - g->room) + in->size;
    keep(g);
}

void gather_add(struct gather *g, const struct hub_frame *in)
{
    if (in->head)
        add_piece(g, in);
    else
        add_frame(g, in);
}

void gather_end(struct gather *g)
{
    close_open(g);
}
