/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Channels. A host tells each peer, on the link's own stream, by which 16-bit number it wants to
 * be sent the frames of a network: the receiver chooses, so it knows every number that it may
 * be sent, and a frame can never overtake the meaning of its channel. Offering a channel also
 * says that the network is here and that the peer may enter it; whoever was not offered one sends
 * nothing. Our number for a network says its slot, and changes when that gets another network.
 *
 * Messages: kind 8, count 16, then for OFFER id 64 and channel 16 each, for WITHDRAW id 64 each. The
 * stream also carries that an end holds the link (damping.h): HOLD, and as count the seconds.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"
#include "proto/link/hub_internal.h"
#include "proto/wire/bytes.h"

enum { KIND_OFFER = 1, KIND_WITHDRAW = 2, KIND_HOLD = 3 };

#define BATCH_MAX 512u

static void slots_grow(struct peer *p)
{
    unsigned n = p->hub->n_nets;

    if (p->n_slots >= n)
        return;
    p->out = xrealloc(p->out, n * sizeof *p->out);
    p->announced = xrealloc(p->announced, n * sizeof *p->announced);
    memset(p->out + p->n_slots, 0, (n - p->n_slots) * sizeof *p->out);
    memset(p->announced + p->n_slots, 0, (n - p->n_slots) * sizeof *p->announced);
    p->n_slots = n;
}

/*
 * What the peer has offered: a hash table with open addressing, since a peer may offer and withdraw
 * as fast as it can send. Its order is our secret. Channel 0 is an offer that was withdrawn, the
 * network 0 is none.
 */
static struct peer_offer *offer_place(const struct peer *p, uint64_t net)
{
    uint32_t mask = p->room_offers - 1;
    uint8_t text[8], hash[crypto_shorthash_BYTES];
    uint32_t i;

    store_be32(text, (uint32_t)(net >> 32));
    store_be32(text + 4, (uint32_t)net);
    crypto_shorthash(hash, text, sizeof text, p->hub->offer_key);
    i = load_be32(hash) & mask;
    while (p->offers[i].net != 0 && p->offers[i].net != net)
        i = (i + 1) & mask;
    return &p->offers[i];
}

static const struct peer_offer *offer_find(const struct peer *p, uint64_t net)
{
    const struct peer_offer *o = p->room_offers ? offer_place(p, net) : NULL;

    return o && o->channel ? o : NULL;
}

/* Makes the table anew, without what was withdrawn, and at most half full. */
static void offers_renew(struct peer *p)
{
    struct peer_offer *old = p->offers;
    uint32_t room = 16, n = p->room_offers;

    while (room < 2 * (p->n_offers + 1))
        room *= 2;
    p->offers = xcalloc(room, sizeof *p->offers);
    p->room_offers = room;
    p->used_offers = p->n_offers;
    for (uint32_t i = 0; i < n; i++) {
        if (old[i].channel)
            *offer_place(p, old[i].net) = old[i];
    }
    free(old);
}

static void detach(struct peer *p, unsigned slot)
{
    if (slot >= p->n_slots || !p->out[slot])
        return;
    p->out[slot] = 0;
    p->hub->ops->detach(p->hub->aux, p, slot);
}

/* Attaches or detaches the slot as things are now. */
static void slot_settle(struct peer *p, unsigned slot)
{
    const struct peer_offer *o = NULL;

    slots_grow(p);
    if (hub_allowed(p->hub, slot, p) && p->up)
        o = offer_find(p, p->hub->nets[slot].id);
    if (!o) {
        detach(p, slot);
    } else if (p->out[slot] != o->channel) {
        bool fresh = p->out[slot] == 0;

        p->out[slot] = o->channel;
        if (fresh)
            p->hub->ops->attach(p->hub->aux, p, slot);
    }
}

static bool send_batch(struct peer *p, uint8_t kind, const uint16_t *slots, unsigned n,
                       mtime_t now)
{
    uint8_t text[3 + BATCH_MAX * 10];
    struct wr w = wr_init(text, sizeof text);

    if (n == 0)
        return true;
    wr_u8(&w, kind);
    wr_u16(&w, (uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        wr_u64(&w, p->hub->nets[slots[i]].id);
        if (kind == KIND_OFFER)
            wr_u16(&w, hub_channel_of(p->hub, slots[i]));
    }
    return stream_send(&p->streams[PEER_STREAM_LINK], text, wr_size(&w), now) == 0;
}

/* Tells the peer what it has not been told; what does not fit waits for the stream's room. */
void channel_sync(struct peer *p, mtime_t now)
{
    uint16_t slots[BATCH_MAX] = {0};
    unsigned n = 0;

    p->announce_later = false;
    if (p->kind != PEER_MEMBER || !p->up)
        return;
    slots_grow(p);
    for (unsigned slot = 0; slot < p->hub->n_nets; slot++) {
        if (p->announced[slot] || !hub_allowed(p->hub, slot, p))
            continue;
        slots[n++] = (uint16_t)slot;
        if (n < BATCH_MAX && slot + 1 < p->hub->n_nets)
            continue;
        if (!send_batch(p, KIND_OFFER, slots, n, now))
            return;
        for (unsigned i = 0; i < n; i++)
            p->announced[slots[i]] = 1;
        n = 0;
    }
    if (!send_batch(p, KIND_OFFER, slots, n, now))
        return;
    for (unsigned i = 0; i < n; i++)
        p->announced[slots[i]] = 1;
}

static void offer_note(struct peer *p, uint64_t net, uint16_t channel)
{
    struct peer_offer *o;

    if (net == 0 || (p->n_offers == HUB_NETS_MAX && !offer_find(p, net)))
        return; /* More than any host may have. */
    if (4 * (p->used_offers + 1) > 3 * p->room_offers)
        offers_renew(p);
    o = offer_place(p, net);
    p->used_offers += o->net == 0;
    p->n_offers += o->channel == 0;
    *o = (struct peer_offer){net, channel};
}

static void offer_drop(struct peer *p, uint64_t net)
{
    struct peer_offer *o = p->room_offers ? offer_place(p, net) : NULL;

    if (!o || !o->channel)
        return;
    o->channel = 0;
    p->n_offers--;
}

static void offers_forget(struct peer *p)
{
    free(p->offers);
    p->offers = NULL;
    p->n_offers = p->used_offers = p->room_offers = 0;
}

static void settle_net(struct peer *p, uint64_t net)
{
    for (unsigned slot = 0; slot < p->hub->n_nets; slot++) {
        if (p->hub->nets[slot].used && p->hub->nets[slot].id == net)
            slot_settle(p, slot);
    }
}

void channel_input(struct peer *p, const uint8_t *data, size_t size)
{
    struct cur in = cur_init(data, size);
    uint8_t kind = cur_u8(&in);
    unsigned n = cur_u16(&in);

    if (p->kind == PEER_MEMBER && kind == KIND_HOLD && !in.bad) {
        p->told_held = (uint16_t)n;
        hub_soon(p->hub, 0);
        return;
    }
    if (p->kind != PEER_MEMBER || (kind != KIND_OFFER && kind != KIND_WITHDRAW))
        return;
    for (unsigned i = 0; i < n && !in.bad; i++) {
        uint64_t net = cur_u64(&in);
        uint16_t channel = kind == KIND_OFFER ? cur_u16(&in) : 0;

        if (in.bad)
            break;
        if (kind == KIND_OFFER && channel != 0)
            offer_note(p, net, channel);
        else
            offer_drop(p, net);
        settle_net(p, net);
    }
}

bool channel_hold(struct peer *p, mtime_t lasts, mtime_t now)
{
    uint8_t text[3];
    struct wr w = wr_init(text, sizeof text);

    wr_u8(&w, KIND_HOLD);
    wr_u16(&w, (uint16_t)(lasts / MTIME_SEC));
    return stream_send(&p->streams[PEER_STREAM_LINK], text, wr_size(&w), now) == 0;
}

void channel_reset(struct peer *p)
{
    for (unsigned slot = 0; slot < p->n_slots; slot++) {
        detach(p, slot);
        p->announced[slot] = 0;
    }
    offers_forget(p);
    p->announce_later = false;
}

void channel_net_new(struct hub *h, unsigned slot, mtime_t now)
{
    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (p->kind != PEER_MEMBER || !p->up)
            continue;
        slots_grow(p);
        if (p->announced[slot] && !hub_allowed(h, slot, p)) {
            uint16_t one = (uint16_t)slot;

            p->announced[slot] = 0;
            if (!send_batch(p, KIND_WITHDRAW, &one, 1, now))
                peer_down(p, true, now); /* It may not go on thinking so. */
        }
        channel_sync(p, now);
        slot_settle(p, slot);
    }
    hub_soon(h, now);
}

void channel_net_gone(struct hub *h, unsigned slot, mtime_t now)
{
    uint16_t one = (uint16_t)slot;

    list_for_each (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (slot >= p->n_slots)
            continue;
        detach(p, slot);
        if (!p->announced[slot])
            continue;
        p->announced[slot] = 0;
        if (p->up && !send_batch(p, KIND_WITHDRAW, &one, 1, now))
            peer_down(p, true, now);
    }
    hub_soon(h, now);
}

void channel_done(struct peer *p)
{
    free(p->out);
    free(p->announced);
    offers_forget(p);
}
