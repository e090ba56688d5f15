/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/piece.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/link/seat.h"

/* What all pieces of a superframe have in common. */
static bool same_superframe(const struct inner *a, const struct inner *b)
{
    return a->channel == b->channel && a->source == b->source && a->tci == b->tci &&
           a->gso_size == b->gso_size && !((a->flags ^ b->flags) & INNER_ISOLATED);
}

/* --- cutting ------------------------------------------------------------------------------ */

bool piece_plan_init(struct piece_plan *p, uint32_t payload, size_t hdr_size, size_t room)
{
    size_t least; /* What each piece carries at least. */

    if (hdr_size > SEGMENT_HDR_MAX || room > UINT16_MAX || room < 2 * hdr_size)
        return false;
    least = room - hdr_size;
    if (payload == 0 || payload > PIECE_PAYLOAD_MAX || payload > least * PIECE_COUNT)
        return false;
    *p = (struct piece_plan){
        .left = payload, .room = (uint16_t)room, .hdr_size = (uint16_t)hdr_size};
    return true;
}

bool piece_next(struct piece_plan *p, struct piece *out)
{
    uint32_t beside = (uint32_t)(p->room - p->hdr_size); /* The headers. */
    bool has_head = p->index % PIECE_HEAD_EVERY == 0 || p->left <= beside;
    uint32_t size = has_head ? beside : p->room;

    if (p->left == 0)
        return false;
    size = size < p->left ? size : p->left;
    *out = (struct piece){.at = (uint16_t)p->done,
                          .size = (uint16_t)size,
                          .index = p->index,
                          .last = size == p->left,
                          .has_head = has_head};
    p->done += size;
    p->left -= size;
    p->index++;
    return true;
}

void piece_head_write(const struct segmenter *seg, uint8_t *out)
{
    struct segment_part whole = {.last = true};

    segment_headers(seg, &whole, out);
}

/* --- headers that are known ------------------------------------------------------------------ */

bool piece_read(const struct inner *in, size_t body_size, struct piece *out)
{
    size_t size = body_size - in->head_size;

    if (in->index >= PIECE_COUNT || in->head_size > SEGMENT_HDR_MAX ||
        in->head_size >= body_size || size > (size_t)PIECE_PAYLOAD_MAX - in->piece_at ||
        (in->index == 0) != (in->piece_at == 0))
        return false;
    *out = (struct piece){.at = in->piece_at,
                          .size = (uint16_t)size,
                          .index = in->index,
                          .last = in->flags & INNER_LAST,
                          .has_head = in->head_size > 0};
    return true;
}

const struct piece_head *piece_heads_find(struct piece_heads *hs, uint64_t number)
{
    if (hs->all[hs->last].used && hs->all[hs->last].number == number)
        return &hs->all[hs->last];
    for (unsigned i = 0; i < PIECE_KNOWN; i++) {
        if (hs->all[i].used && hs->all[i].number == number) {
            hs->last = i;
            return &hs->all[i];
        }
    }
    return NULL;
}

const struct piece_head *piece_heads_add(struct piece_heads *hs, uint64_t number,
                                         const struct inner *in, const uint8_t *headers,
                                         size_t size)
{
    struct piece_head *h = &hs->all[hs->next];

    h->used = segment_init_headers(&h->seg, headers, size) == 0;
    if (!h->used)
        return NULL;
    h->number = number;
    h->inner = *in;
    hs->last = hs->next;
    hs->next = (hs->next + 1) % PIECE_KNOWN;
    return h;
}

bool piece_agrees(const struct piece_head *h, const struct inner *in)
{
    return same_superframe(&h->inner, in) &&
           (in->head_size == 0 || in->head_size == h->seg.hdr_size);
}

/* --- pieces that wait ------------------------------------------------------------------------ */

struct place {
    uint32_t session;
    uint64_t number;
    uint64_t *lost;
    uint64_t have;      /* Bits of the pieces that are here. */
    struct inner inner; /* What they have in common. */
    struct {
        uint16_t at, size;
    } pieces[PIECE_COUNT];
    uint64_t last; /* Bits of those that say they are the last. */
    uint8_t *data; /* Of the whole payload. */
};

struct pieces {
    struct seat seats[PIECE_WAITING]; /* Of the places. */
    struct place places[PIECE_WAITING];
    struct place *released;
};

struct pieces *pieces_new(void)
{
    return xcalloc(1, sizeof(struct pieces));
}

void pieces_free(struct pieces *ps)
{
    if (!ps)
        return;
    for (unsigned i = 0; i < PIECE_WAITING; i++)
        free(ps->places[i].data);
    free(ps);
}

static void place_leave(struct pieces *ps, struct place *w)
{
    *w->lost += (unsigned)__builtin_popcountll(w->have);
    w->have = 0;
    ps->seats[w - ps->places].busy = false;
}

void pieces_drop_peer(struct pieces *ps, uint32_t peer)
{
    ps->released = NULL;
    for (unsigned i = 0; i < PIECE_WAITING; i++) {
        if (ps->seats[i].busy && ps->seats[i].peer == peer)
            place_leave(ps, &ps->places[i]);
    }
}

static struct place *place_find(struct pieces *ps, const struct piece_owner *o, mtime_t now)
{
    for (unsigned i = 0; i < PIECE_WAITING; i++) {
        const struct seat *seat = &ps->seats[i];
        struct place *w = &ps->places[i];

        if (seat->busy && now - seat->born > PIECE_LIFE)
            place_leave(ps, w);
        if (seat->busy && seat->peer == o->peer && w->session == o->session &&
            w->number == o->number)
            return w;
    }
    return NULL;
}

static struct place *place_take(struct pieces *ps, const struct piece_owner *o,
                                const struct inner *in, mtime_t now)
{
    unsigned i = seat_choose(ps->seats, PIECE_WAITING, PIECE_PER_PEER, o->peer);
    struct place *w = &ps->places[i];
    uint8_t *data = w->data ? w->data : xcalloc(1, PIECE_PAYLOAD_MAX);

    if (ps->seats[i].busy)
        place_leave(ps, w);
    ps->seats[i] = (struct seat){.busy = true, .peer = o->peer, .born = now};
    *w = (struct place){.session = o->session,
                        .number = o->number,
                        .lost = o->lost,
                        .inner = *in,
                        .data = data};
    return w;
}

void pieces_wait(struct pieces *ps, const struct piece_owner *o, const struct inner *in,
                 const struct piece *p, const uint8_t *data, mtime_t now)
{
    struct place *w = place_find(ps, o, now);
    uint64_t bit = (uint64_t)1 << p->index;

    ps->released = NULL;
    if (!w)
        w = place_take(ps, o, in, now);
    if (w->have & bit || !same_superframe(&w->inner, in)) {
        ++*o->lost;
        return;
    }
    w->have |= bit;
    if (p->last)
        w->last |= bit;
    w->pieces[p->index].at = p->at;
    w->pieces[p->index].size = p->size;
    memcpy(w->data + p->at, data, p->size);
}

bool pieces_release(struct pieces *ps, const struct piece_owner *o, mtime_t now)
{
    ps->released = place_find(ps, o, now);
    return ps->released;
}

bool pieces_next(struct pieces *ps, const struct piece_head *head, struct piece *out,
                 uint8_t **data)
{
    struct place *w = ps->released;
    unsigned i;

    if (!w)
        return false;
    if (w->have == 0 || !same_superframe(&head->inner, &w->inner)) {
        place_leave(ps, w);
        ps->released = NULL;
        return false;
    }
    i = (unsigned)__builtin_ctzll(w->have);
    w->have &= w->have - 1;
    *out = (struct piece){.at = w->pieces[i].at,
                          .size = w->pieces[i].size,
                          .index = (uint8_t)i,
                          .last = w->last >> i & 1};
    *data = w->data + w->pieces[i].at;
    return true;
}
