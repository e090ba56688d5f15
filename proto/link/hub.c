/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of the hub and the way of a sealed datagram through it. */
#include "proto/link/hub.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"
#include "proto/link/hub_internal.h"

#define TABLE_FIRST 64u
#define TABLE_MAX   8192u /* Four indices for each of all peers, and some. */

struct hub *hub_new(const struct hub_ops *ops, void *aux)
{
    struct hub *h = xcalloc(1, sizeof *h);

    h->ops = ops;
    h->aux = aux;
    list_init(&h->peers);
    h->table_size = TABLE_FIRST;
    h->table = xcalloc(h->table_size, sizeof *h->table);
    h->fragments = fragments_new();
    h->pieces = pieces_new();
    h->deadline = MTIME_NEVER;
    /* Best effort: without the right to lock memory it may be swapped. */
    (void)sodium_mlock(h->self.noise_secret, sizeof h->self.noise_secret);
    ops->random(aux, h->offer_key, sizeof h->offer_key);
    ops->random(aux, h->rate.key, sizeof h->rate.key);
    return h;
}

void hub_free(struct hub *h, mtime_t now)
{
    if (!h)
        return;
    while (!list_empty(&h->peers)) {
        struct peer *p = list_entry(list_first(&h->peers), struct peer, link);

        peer_down(p, true, now);
        hub_peer_free(p);
    }
    for (unsigned i = 0; i < h->n_nets; i++)
        free(h->nets[i].on);
    free(h->nets);
    free(h->invites);
    free(h->table);
    fragments_free(h->fragments);
    pieces_free(h->pieces);
    sodium_munlock(h->self.noise_secret, sizeof h->self.noise_secret);
    sodium_memzero(h, sizeof *h);
    free(h);
}

uint64_t hub_random64(struct hub *h)
{
    uint64_t n = 0;

    while (n == 0)
        h->ops->random(h->aux, &n, sizeof n);
    return n;
}

void hub_soon(struct hub *h, mtime_t due)
{
    h->deadline = mtime_min(h->deadline, due);
}

/* --- indices ----------------------------------------------------------------------------- */

struct hub_index *hub_index_find(const struct hub *h, uint32_t index)
{
    struct hub_index *e = &h->table[index & (h->table_size - 1)];

    return index != 0 && e->index == index ? e : NULL;
}

static void table_grow(struct hub *h)
{
    uint32_t size = 2 * h->table_size;
    struct hub_index *table = xcalloc(size, sizeof *table);

    /* The place is the low bits of the index: an entry moves to one of two places. */
    for (uint32_t i = 0; i < h->table_size; i++) {
        if (h->table[i].index)
            table[h->table[i].index & (size - 1)] = h->table[i];
    }
    free(h->table);
    h->table = table;
    h->table_size = size;
}

/* A random index whose place is free. The table is kept at most half full. */
uint32_t hub_index_new(struct hub *h, struct peer *p, struct session *s)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < h->table_size; i++)
        used += h->table[i].index != 0;
    if (2 * used >= h->table_size && h->table_size < TABLE_MAX)
        table_grow(h);
    for (;;) {
        uint32_t index = (uint32_t)hub_random64(h);
        struct hub_index *e = &h->table[index & (h->table_size - 1)];

        if (index == 0 || e->index != 0)
            continue;
        *e = (struct hub_index){.index = index, .peer = p, .session = s};
        return index;
    }
}

void hub_index_free(struct hub *h, uint32_t index)
{
    struct hub_index *e = hub_index_find(h, index);

    if (e)
        memset(e, 0, sizeof *e);
}

/* --- peers ------------------------------------------------------------------------------- */

struct peer *hub_find_key(const struct hub *h, enum peer_kind kind, const uint8_t key[32])
{
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (p->kind == kind && sodium_memcmp(p->noise_public, key, 32) == 0)
            return p;
    }
    return NULL;
}

struct peer *hub_find_host(const struct hub *h, uint16_t host)
{
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (p->kind == PEER_MEMBER && p->host == host)
            return p;
    }
    return NULL;
}

static bool make_stranger_room(struct hub *h)
{
    struct peer *oldest = NULL;

    if (h->n_strangers < HUB_STRANGERS_MAX)
        return true;
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (p->kind != PEER_MEMBER && !p->up && !p->dial &&
            (!oldest || p->created < oldest->created))
            oldest = p;
    }
    if (!oldest)
        return false;
    hub_peer_free(oldest);
    return true;
}

struct peer *hub_peer_new(struct hub *h, enum peer_kind kind,
                          const uint8_t noise_public[32], mtime_t now)
{
    struct peer *p;

    if (kind == PEER_MEMBER ? h->n_members >= HUB_PEERS_MAX : !make_stranger_room(h))
        return NULL;
    p = xcalloc(1, sizeof *p);
    p->kind = kind;
    p->hub = h;
    p->id = ++h->next_id;
    memcpy(p->noise_public, noise_public, 32);
    cookie_keys_init(&p->keys, noise_public);
    p->created = now;
    p->hs.due = MTIME_NEVER;
    list_append(&h->peers, &p->link);
    *(kind == PEER_MEMBER ? &h->n_members : &h->n_strangers) += 1;
    peer_begin(p, now);
    hub_soon(h, now);
    return p;
}

/* The peer must be down. */
void hub_peer_free(struct peer *p)
{
    struct hub *h = p->hub;

    h->ops->peer_gone(h->aux, p);
    handshake_abort(p);
    pieces_drop_peer(h->pieces, p->id);
    peer_session_free(p, &p->current);
    peer_session_free(p, &p->previous);
    peer_session_free(p, &p->next);
    for (unsigned i = 0; i < PEER_STREAM_N; i++)
        stream_done(&p->streams[i]);
    channel_done(p);
    list_remove(&p->link);
    *(p->kind == PEER_MEMBER ? &h->n_members : &h->n_strangers) -= 1;
    sodium_memzero(p, sizeof *p);
    free(p);
}

/* --- control streams --------------------------------------------------------------------- */

int hub_stream_send(struct hub *h, uint32_t conn, const void *data, size_t size,
                    mtime_t now)
{
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);
        int r;

        if (p->conn != conn || !p->up)
            continue;
        p->last_use = now;
        r = stream_send(&p->streams[PEER_STREAM_CONTROL], data, size, now);
        hub_soon(h, peer_deadline(p));
        return r;
    }
    return -ENOTCONN;
}

void hub_stream_resume(struct hub *h)
{
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (!p->up)
            continue;
        stream_resume(&p->streams[PEER_STREAM_CONTROL]);
        hub_soon(h, stream_deadline(&p->streams[PEER_STREAM_CONTROL]));
    }
}

/* --- datagrams --------------------------------------------------------------------------- */

/* True if the channel is one on which the peer may send us frames, which is that of *slot. */
static bool take_channel(const struct hub *h, const struct peer *p, uint16_t channel,
                         unsigned *slot)
{
    *slot = (channel - 1u) % HUB_NETS_MAX;
    return *slot < p->n_slots && hub_channel_of(h, *slot) == channel &&
           p->announced[*slot] && p->out[*slot];
}

/* A datagram that was opened. */
struct arrival {
    struct peer *peer;
    struct session *session;
    uint64_t number;
    struct inner inner;
    uint8_t *body;
    size_t size;
    mtime_t now;
};

static bool bad(const struct arrival *a)
{
    a->peer->counters.rx_bad++;
    return false;
}

static bool take_fragment(struct hub *h, const struct arrival *a, struct hub_frame *out)
{
    struct frame whole;

    if (!fragments_input(h->fragments, a->peer->id, &a->inner, a->body, a->size, a->now,
                         &whole, &out->inner))
        return false;
    if (out->inner.channel != a->inner.channel) /* Pieces of one frame in two networks. */
        return bad(a);
    out->data = whole.data;
    out->size = whole.size;
    out->whole = true;
    return true;
}

static const struct piece_head *head_of(const struct arrival *a, const struct piece *piece,
                                        uint64_t number)
{
    struct session *s = a->session;
    const struct piece_head *head;

    if (!s->heads)
        s->heads = calloc(1, sizeof *s->heads);
    head = s->heads ? piece_heads_find(s->heads, number) : NULL;
    if (head || !s->heads || !piece->has_head)
        return head;
    return piece_heads_add(s->heads, number, &a->inner, a->body + piece->size,
                           a->inner.head_size);
}

static bool take_piece(struct hub *h, const struct arrival *a, struct hub_frame *out)
{
    struct piece_owner owner = {.peer = a->peer->id,
                                .session = a->session->index,
                                .lost = &a->peer->counters.rx_orphans};
    struct piece *piece = &out->piece;

    if (!piece_read(&a->inner, a->size, piece) ||
        piece->index > (a->number & DATAGRAM_COUNTER_MASK))
        return bad(a);
    owner.number = a->number - piece->index;
    out->size = piece->size;
    out->session = owner.session;
    out->head = head_of(a, piece, owner.number);
    if (out->head && !piece_agrees(out->head, &a->inner))
        return bad(a);
    if (out->head && !piece->has_head)
        return true;
    if (!out->head && piece->has_head)
        return bad(a);
    if (out->head && !pieces_release(h->pieces, &owner, a->now))
        return true;
    pieces_wait(h->pieces, &owner, &a->inner, piece, a->body, a->now);
    if (!out->head || !pieces_release(h->pieces, &owner, a->now))
        return false;
    out->more = true;
    return hub_more(h, out);
}

bool hub_more(struct hub *h, struct hub_frame *f)
{
    if (!f->more || !pieces_next(h->pieces, f->head, &f->piece, &f->data))
        return false;
    f->size = f->piece.size;
    return true;
}

/* A frame or a part of one: may this peer send it to us? */
static bool take_frame(struct hub *h, const struct arrival *a, struct hub_frame *out)
{
    struct peer *p = a->peer;
    unsigned slot;

    if (p->kind != PEER_MEMBER || a->inner.source != p->host ||
        !take_channel(h, p, a->inner.channel, &slot)) {
        p->counters.rx_refused++;
        return false;
    }
    peer_note_frames(p, a->now);
    *out = (struct hub_frame){
        .peer = p, .slot = slot, .inner = a->inner, .data = a->body, .size = a->size};
    if (a->inner.type == INNER_FRAGMENT)
        return take_fragment(h, a, out);
    if (a->inner.type == INNER_PIECE)
        return take_piece(h, a, out);
    return true;
}

/* They say nothing of frames that flow: an idle link stays idle. */
static void take_bpdus(struct hub *h, struct peer *p, const struct inner *in,
                       const uint8_t *body, size_t size)
{
    struct cur c = cur_init(body, size);

    if (p->kind != PEER_MEMBER || in->source != p->host) {
        p->counters.rx_refused++;
        return;
    }
    while (cur_left(&c) > 0) {
        uint16_t channel = cur_u16(&c);
        size_t n = cur_u8(&c);
        const uint8_t *bpdu = cur_bytes(&c, n);
        unsigned slot;

        if (!bpdu) {
            p->counters.rx_bad++;
            return;
        }
        if (take_channel(h, p, channel, &slot))
            h->ops->bpdu(h->aux, p, slot, bpdu, n);
        else
            p->counters.rx_refused++;
    }
}

bool hub_bpdu_add(const struct peer *p, unsigned slot, const void *bpdu, size_t size,
                  uint8_t body[HUB_BPDUS_ROOM], size_t *used)
{
    struct wr w = wr_init(body + *used, HUB_BPDUS_ROOM - *used);
    uint16_t channel = hub_channel(p, slot);

    if (!channel || size > UINT8_MAX)
        return false;
    wr_u16(&w, channel);
    wr_u8(&w, (uint8_t)size);
    wr_bytes(&w, bpdu, size);
    if (w.bad)
        return false;
    *used += wr_size(&w);
    return true;
}

void hub_bpdus_send(struct peer *p, const uint8_t *body, size_t used)
{
    struct inner in = {.type = INNER_BPDUS, .source = p->hub->self.host};

    (void)peer_send(p, &in, body, used); /* Like a lost one: they are said again. */
}

static bool take_inner(struct hub *h, const struct arrival *a, struct hub_frame *out)
{
    const struct inner *in = &a->inner;
    struct peer *p = a->peer;

    switch (in->type) {
    case INNER_FRAME:
    case INNER_FRAGMENT:
    case INNER_PIECE:
        return take_frame(h, a, out);
    case INNER_CONTROL:
        if (in->channel >= PEER_STREAM_N)
            break;
        if (in->channel == PEER_STREAM_CONTROL && a->size > STREAM_HEAD)
            p->last_use = a->now;
        stream_input(&p->streams[in->channel], a->body, a->size, a->now);
        hub_soon(h, stream_deadline(&p->streams[in->channel]));
        return false;
    case INNER_PROBE:
        peer_probe_input(p, a->body, a->size, a->now);
        return false;
    case INNER_PROBE_REPLY:
        peer_probe_reply_input(p, a->body, a->size, a->now);
        return false;
    case INNER_BPDUS:
        take_bpdus(h, p, in, a->body, a->size);
        return false;
    case INNER_CLOSE:
        peer_down(p, false, a->now);
        if (p->dial) /* It is going down: leave it the time. */
            p->hs.due = a->now + MTIME_SEC;
        return false;
    default:
        break;
    }
    return bad(a); /* Of a later version, or reserved. */
}

static bool take_sealed(struct hub *h, const struct link_addr *from, const uint8_t *data,
                        size_t size, uint8_t *plain, mtime_t now, struct hub_frame *out)
{
    struct hub_index *e;
    struct arrival a;
    struct session *s;
    struct outer o;
    struct peer *p;
    bool newest = false;

    e = outer_read(data, size, &o) ? hub_index_find(h, o.index) : NULL;
    if (!e || !e->session) {
        h->counters.rx_garbage++;
        return false;
    }
    s = e->session;
    p = e->peer;
    switch (session_open(s, &o, data, size, plain, &newest)) {
    case SESSION_BAD:
        p->counters.rx_bad++;
        return false;
    case SESSION_REPLAYED:
        p->counters.rx_replayed++;
        return false;
    case SESSION_OPEN:
        break;
    }
    p->counters.rx_datagrams++;
    p->counters.rx_bytes += size;
    if (s == p->next) {
        p->addr = *from;
        peer_promote(p, s, now);
    }
    peer_heard(p, from, newest, now);
    a = (struct arrival){.peer = p,
                         .session = s,
                         .number = outer_number(&o),
                         .body = plain + DATAGRAM_INNER,
                         .size = size - DATAGRAM_OVERHEAD,
                         .now = now};
    inner_read(plain, &a.inner);
    return take_inner(h, &a, out);
}

bool hub_input(struct hub *h, const struct link_addr *from, const uint8_t *data,
               size_t size, uint8_t *out, mtime_t now, int64_t wall_us,
               struct hub_frame *frame)
{
    h->wall_us = wall_us;
    if (size < DATAGRAM_OUTER || !h->has_self) {
        h->counters.rx_garbage++;
        return false;
    }
    if (data[0] == DATAGRAM_SEALED)
        return take_sealed(h, from, data, size, out, now, frame);
    handshake_input(h, from, data, size, now);
    return false;
}

uint16_t hub_channel(const struct peer *p, unsigned slot)
{
    return slot < p->n_slots ? p->out[slot] : 0;
}

uint16_t hub_host(const struct hub *h)
{
    return h->self.host;
}

uint64_t hub_net_id(const struct hub *h, unsigned slot)
{
    return slot < h->n_nets ? h->nets[slot].id : 0;
}

void hub_too_big(struct peer *p, size_t ip_size, mtime_t now)
{
    if (path_too_big(&p->path, (uint16_t)(ip_size > UINT16_MAX ? UINT16_MAX : ip_size),
                     now) &&
        p->up)
        p->hub->ops->peer_changed(p->hub->aux, p);
    hub_soon(p->hub, now);
}

void hub_path_limit(struct hub *h, const struct link_addr *to, uint32_t mtu, mtime_t now)
{
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (p->up && link_addr_equal(&p->addr, to)) {
            path_set_limit(&p->path, (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu), now);
            hub_soon(h, now);
        }
    }
}

/* --- time -------------------------------------------------------------------------------- */

mtime_t hub_deadline(const struct hub *h)
{
    return h->deadline;
}

void hub_run(struct hub *h, mtime_t now, int64_t wall_us)
{
    mtime_t late = now - h->deadline;

    h->wall_us = wall_us;
    if (late < 0)
        return;
    if (late > PEER_ATTENTIVE && late < now) {
        list_for_each (it, &h->peers)
            list_entry(it, struct peer, link)->attentive_since = now;
    }
    /* If this process did not get to run, the others' silence says nothing. */
    if (late > 200 * MTIME_MS && late < now) {
        list_for_each (it, &h->peers)
            list_entry(it, struct peer, link)->quiet_since = now;
    }
    h->deadline = MTIME_NEVER;
    list_for_each_safe (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (now < peer_deadline(p) || peer_run(p, now))
            hub_soon(h, peer_deadline(p));
    }
}

struct peer *hub_first(const struct hub *h)
{
    struct list *first = list_first(&h->peers);

    return first ? list_entry(first, struct peer, link) : NULL;
}

struct peer *hub_next(const struct hub *h, const struct peer *p)
{
    return p->link.next == &h->peers ? NULL : list_entry(p->link.next, struct peer, link);
}

const struct hub_counters *hub_counters(const struct hub *h)
{
    return &h->counters;
}
