/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/fragment.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"
#include "proto/link/seat.h"
#include "proto/wire/bytes.h"

struct slot {
    uint8_t count;
    uint16_t total;
    uint16_t piece; /* Size of all pieces but the last. */
    uint32_t id;
    uint32_t have; /* Bits of the pieces that are here. */
    struct inner inner;
    uint8_t *data; /* FRAME_HEADROOM + FRAME_SIZE_MAX */
};

struct fragments {
    struct seat seats[FRAGMENT_SLOTS]; /* Of the slots. */
    struct slot slots[FRAGMENT_SLOTS];
};

void fragment_write(const struct fragment_head *h, uint8_t out[DATAGRAM_FRAGMENT])
{
    store_be32(out, h->id);
    out[4] = h->index;
    out[5] = h->count;
    store_be16(out + 6, h->total);
}

struct fragments *fragments_new(void)
{
    return xcalloc(1, sizeof(struct fragments));
}

void fragments_free(struct fragments *fs)
{
    if (!fs)
        return;
    for (unsigned i = 0; i < FRAGMENT_SLOTS; i++)
        free(fs->slots[i].data);
    free(fs);
}

void fragments_drop_peer(struct fragments *fs, uint32_t peer)
{
    for (unsigned i = 0; i < FRAGMENT_SLOTS; i++) {
        if (fs->seats[i].peer == peer)
            fs->seats[i].busy = false;
    }
}

static struct slot *slot_find(struct fragments *fs, uint32_t peer, uint32_t id, mtime_t now)
{
    for (unsigned i = 0; i < FRAGMENT_SLOTS; i++) {
        struct seat *seat = &fs->seats[i];

        if (seat->busy && now - seat->born > FRAGMENT_LIFE)
            seat->busy = false;
        if (seat->busy && seat->peer == peer && fs->slots[i].id == id)
            return &fs->slots[i];
    }
    return NULL;
}

/* The size of the pieces but the last that this one implies, or 0 if it contradicts itself. */
static uint32_t piece_size(const struct fragment_head *h, size_t size)
{
    uint32_t piece = (uint32_t)size;

    if (h->count < 2 || h->count > FRAGMENT_COUNT || h->index >= h->count ||
        h->total < FRAME_SIZE_MIN || h->total > FRAME_SIZE_MAX || size == 0 ||
        size > h->total)
        return 0;
    if (h->index == h->count - 1) {
        if ((h->total - piece) % (h->count - 1u) != 0)
            return 0;
        piece = (h->total - piece) / (h->count - 1u);
    }
    if (piece * (h->count - 1u) >= h->total || piece * h->count < h->total)
        return 0;
    return piece;
}

static struct slot *slot_take(struct fragments *fs, uint32_t peer,
                              const struct fragment_head *h, uint32_t piece, mtime_t now)
{
    unsigned i = seat_choose(fs->seats, FRAGMENT_SLOTS, FRAGMENT_PER_PEER, peer);
    struct slot *s = &fs->slots[i];
    uint8_t *data = s->data ? s->data : xcalloc(1, FRAME_HEADROOM + FRAME_SIZE_MAX);

    fs->seats[i] = (struct seat){.busy = true, .peer = peer, .born = now};
    *s = (struct slot){.count = h->count,
                       .total = h->total,
                       .piece = (uint16_t)piece,
                       .id = h->id,
                       .data = data};
    return s;
}

bool fragments_input(struct fragments *fs, uint32_t peer, const struct inner *inner,
                     const uint8_t *data, size_t size, mtime_t now, struct frame *frame,
                     struct inner *head)
{
    struct cur in = cur_init(data, size);
    struct fragment_head h;
    uint32_t piece, at;
    struct slot *s;

    h.id = cur_u32(&in);
    h.index = cur_u8(&in);
    h.count = cur_u8(&in);
    h.total = cur_u16(&in);
    if (in.bad)
        return false;
    size = cur_left(&in);
    piece = piece_size(&h, size);
    if (piece == 0)
        return false;
    s = slot_find(fs, peer, h.id, now);
    if (!s)
        s = slot_take(fs, peer, &h, piece, now);
    at = (uint32_t)(h.index == h.count - 1 ? h.total - size : h.index * piece);
    if (s->count != h.count || s->total != h.total || s->piece != piece ||
        (s->have >> h.index & 1))
        return false;
    cur_copy(&in, s->data + FRAME_HEADROOM + at, size);
    s->have |= (uint32_t)1 << h.index;
    if (h.index == 0)
        s->inner = *inner;
    if (s->have != (uint32_t)(((uint64_t)1 << s->count) - 1))
        return false;
    fs->seats[s - fs->slots].busy = false;
    *head = s->inner;
    memset(frame, 0, sizeof *frame);
    frame->data = s->data + FRAME_HEADROOM;
    frame->size = s->total;
    return true;
}
