/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a peer with a session can send: the input is a sequence of records (size 16, inner header
 * and body), each sealed by host 0 and opened by host 1, several in one burst. A size from 0x8000 on skips that
 * many datagrams of the session (as if they were lost) and lets time pass. Invariant: what comes out as a frame is
 * of a network that both have, from the peer itself, and lies where it should; and frames put together of it lie
 * inside the room one behind another, and are as they say.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/vnet.h"
#include "tests/sim/links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM_SIZE 80000u

static uint8_t room[ROOM_SIZE];
static struct gather gather;

static void check(const struct hub_frame *f, const uint8_t *plain, size_t size)
{
    size_t brought = f->size + DATAGRAM_OVERHEAD;

    if (f->slot != 0 || f->inner.source != 1 || f->size > 65536)
        abort();
    if (f->head && (f->piece.size != f->size || f->size == 0 ||
                    f->piece.at + f->size > PIECE_PAYLOAD_MAX))
        abort();
    if (f->head && f->piece.has_head)
        brought += f->head->seg.hdr_size;
    if (!f->whole && !f->more && (f->data != plain + DATAGRAM_INNER || brought > size))
        abort();
    if (!f->whole && !f->more && !f->head && brought != size)
        abort();
}

static void burst_end(void)
{
    const uint8_t *end = room;

    gather_end(&gather);
    for (unsigned i = 0; i < gather.n; i++) {
        struct frame *f = &gather.frames[i];

        if (f->data < end + FRAME_HEADROOM || f->data + f->size > room + ROOM_SIZE)
            abort();
        end = f->data + f->size;
        if (frame_check(f) < 0)
            abort();
    }
    gather_clear(&gather);
}

static void take(const struct hub_frame *f)
{
    if (!gather_has_room(&gather, f->size))
        burst_end();
    gather_add(&gather, f);
}

static void one(struct links *s, const uint8_t *bytes, size_t size)
{
    static uint8_t datagram[70000];
    struct peer *p = links_peer(s, 0, 1);
    struct hub *hub = s->hosts[1].hub;
    struct hub_frame frame;
    uint8_t *plain;
    size_t total;
    bool good;

    if (!p || !p->current || size < DATAGRAM_INNER || size > 9000)
        return;
    memcpy(datagram + DATAGRAM_OUTER, bytes, size);
    total = session_seal(p->current, datagram, size);
    if (!gather_has_room(&gather, total))
        burst_end();
    plain = gather_place(&gather);
    good = hub_input(hub, &s->hosts[0].addr, datagram, total, plain, s->now,
                     (int64_t)1800000000 * 1000000 + s->now, &frame);
    gather_opened(&gather);
    for (; good; good = hub_more(hub, &frame)) {
        check(&frame, plain, total);
        take(&frame);
    }
}

static void skip(struct links *s, size_t n)
{
    const struct peer *p = links_peer(s, 0, 1);

    if (p && p->current)
        p->current->counter += n;
    burst_end();
    links_run(s, 5 * MTIME_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur in = cur_init(data, size);
    struct links *s;

    if (sodium_init() < 0)
        return 0;
    gather_init(&gather, room, sizeof room);
    s = links_new(2, 1);
    links_mesh(s);
    for (unsigned i = 0; i < 2; i++) {
        if (hub_put_net(s->hosts[i].hub, 99, true, NULL, 0, s->now) < 0)
            abort();
    }
    if (links_until(s, links_all_up, 5 * MTIME_SEC) < 0)
        abort();
    links_run(s, 50 * MTIME_MS);
    while (cur_left(&in) > 2) {
        size_t n = cur_u16(&in);

        if (n >= 0x8000) {
            skip(s, n - 0x8000);
            continue;
        }
        n = n < cur_left(&in) ? n : cur_left(&in);
        one(s, cur_bytes(&in, n), n);
    }
    burst_end();
    links_free(s);
    return 0;
}
