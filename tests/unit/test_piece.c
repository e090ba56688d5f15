/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cutting into pieces, what is kept of those that come in, and superframes put together again in place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/gather.h"
#include "proto/wire/bytes.h"
#include "tests/unit/frames.h"

#define ROOM_MIN (DATAGRAM_MTU_MIN - DATAGRAM_UNDER6 - DATAGRAM_OVERHEAD)

static uint8_t payload[66000];

/* --- cutting ------------------------------------------------------------------------------ */

static void check_plan(uint32_t size, size_t hdr_size, size_t room)
{
    struct piece_plan plan;
    struct piece p = {0};
    uint32_t at = 0;
    unsigned n = 0;

    assert_true(piece_plan_init(&plan, size, hdr_size, room));
    for (; piece_next(&plan, &p); n++) {
        assert_int_equal(p.at, at);
        assert_int_equal(p.index, n);
        assert_true(p.size + (p.has_head ? hdr_size : 0) <= room);
        assert_true(p.last || p.size + (p.has_head ? hdr_size : 0) == room);
        assert_true(n % PIECE_HEAD_EVERY != 0 || p.has_head);
        at += p.size;
        assert_int_equal(p.last, at == size);
        assert_true(!p.last || p.has_head || p.size + hdr_size > room);
    }
    assert_int_equal(at, size);
    assert_in_range(n, 1, PIECE_COUNT);
}

static void plans_cover_the_payload(void **state)
{
    uint64_t random = 3;
    struct piece_plan plan;

    (void)state;
    check_plan(1, 54, ROOM_MIN);
    check_plan(UINT16_MAX, 150, ROOM_MIN);
    for (unsigned i = 0; i < 20000; i++)
        check_plan(1 + frames_random(&random) % UINT16_MAX,
                   54 + frames_random(&random) % 97,
                   ROOM_MIN + frames_random(&random) % 7800);
    assert_false(piece_plan_init(&plan, UINT16_MAX + 1u, 54, 1424));
    assert_false(piece_plan_init(&plan, 0, 54, 1424));
    assert_false(piece_plan_init(&plan, 60000, 54, 100));
    assert_false(piece_plan_init(&plan, 60000, 54, 700)); /* More than PIECE_COUNT. */
    assert_false(piece_plan_init(&plan, 60000, SEGMENT_HDR_MAX + 1, 1424));
}

/* --- headers ------------------------------------------------------------------------------- */

static const uint8_t md5[20] = {1, 1, 19, 18};
static const uint8_t stamps[12] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};

/* The headers of a segment of `size` bytes, and how long they are. */
static size_t headers_of(struct frames_spec spec, uint32_t size, uint8_t *out)
{
    static uint8_t bytes[FRAME_SUPER_MAX];
    uint32_t all;

    spec.payload = payload;
    spec.size = size;
    all = frames_build(&spec, bytes);
    memcpy(out, bytes, all - size);
    return all - size;
}

static bool known(struct frames_spec spec, uint32_t size, size_t cut)
{
    struct piece_heads *hs = calloc(1, sizeof *hs);
    struct inner in = {.type = INNER_PIECE};
    uint8_t headers[300];
    size_t n = headers_of(spec, size, headers) - cut;
    bool good = piece_heads_add(hs, 5, &in, headers, n) != NULL;

    assert_int_equal(piece_heads_find(hs, 5) != NULL, good);
    free(hs);
    return good;
}

static void only_plain_tcp_is_put_together(void **state)
{
    struct frames_spec plain = {.flags = 0x18}, spec = plain;

    (void)state;
    assert_true(known(plain, 0, 0));
    spec.ip6 = true;
    assert_true(known(spec, 0, 0));
    spec.options = stamps;
    spec.options_size = sizeof stamps;
    assert_true(known(spec, 0, 0));
    spec.options = md5;
    spec.options_size = sizeof md5;
    assert_false(known(spec, 0, 0));
    for (unsigned flag = 0x02; flag <= 0x20; flag += flag == 0x02 ? 0x02 : 0x1c) {
        spec = plain; /* SYN, RST, URG */
        spec.flags = (uint8_t)(0x10 | flag);
        assert_false(known(spec, 0, 0));
    }
    assert_false(known(plain, 100, 0)); /* They speak of a payload. */
    assert_false(known(plain, 0, 1));   /* Cut short. */
    spec = plain;
    spec.udp = true;
    assert_false(known(spec, 0, 0));
}

static void the_newest_headers_are_kept(void **state)
{
    struct piece_heads *hs = calloc(1, sizeof *hs);
    struct frames_spec spec = {.flags = 0x10};
    struct inner in = {.type = INNER_PIECE};
    uint8_t headers[300];
    size_t n = headers_of(spec, 0, headers);

    (void)state;
    assert_null(piece_heads_find(hs, 0));
    for (uint64_t number = 0; number < 3 * PIECE_KNOWN; number++)
        assert_non_null(piece_heads_add(hs, number, &in, headers, n));
    for (uint64_t number = 0; number < 3 * PIECE_KNOWN; number++)
        assert_int_equal(piece_heads_find(hs, number) != NULL, number >= 2 * PIECE_KNOWN);
    assert_null(piece_heads_add(hs, 99, &in, headers, n - 1));
    assert_null(piece_heads_find(hs, 99));
    free(hs);
}

static void pieces_that_contradict_themselves(void **state)
{
    struct inner good = {.type = INNER_PIECE, .index = 3, .piece_at = 100, .head_size = 54};
    struct inner in = good;
    struct piece p;

    (void)state;
    assert_true(piece_read(&good, 154, &p));
    assert_int_equal(p.size, 100);
    assert_true(p.has_head);
    assert_false(piece_read(&good, 54, &p)); /* No payload. */
    assert_false(piece_read(&good, 10, &p));
    assert_false(piece_read(&good, UINT16_MAX, &p)); /* It would end behind the largest. */
    in.index = PIECE_COUNT;
    assert_false(piece_read(&in, 154, &p));
    in = good;
    in.index = 0; /* The first begins at 0, and no other. */
    assert_false(piece_read(&in, 154, &p));
    in.piece_at = 0;
    assert_true(piece_read(&in, 154, &p));
    in.index = 1;
    assert_false(piece_read(&in, 154, &p));
    in = good;
    in.head_size = SEGMENT_HDR_MAX + 1;
    assert_false(piece_read(&in, 1000, &p));
    in = good;
    in.piece_at = UINT16_MAX - 99;
    assert_false(piece_read(&in, 154, &p));
    in.piece_at--;
    assert_true(piece_read(&in, 154, &p));
}

/* --- waiting -------------------------------------------------------------------------------- */

static void wait_one(struct pieces *ps, struct piece_owner owner, unsigned index,
                     mtime_t now)
{
    struct inner in = {.type = INNER_PIECE, .channel = 1};
    struct piece p = {.index = (uint8_t)index, .at = (uint16_t)(index * 10), .size = 10};

    pieces_wait(ps, &owner, &in, &p, payload + index * 10, now);
}

static unsigned released(struct pieces *ps, struct piece_owner owner, uint16_t channel,
                         mtime_t now)
{
    struct piece_head head = {.inner = {.channel = channel}};
    struct piece p;
    uint8_t *data;
    unsigned n = 0;
    int before = -1;

    if (!pieces_release(ps, &owner, now))
        return 0;
    for (; pieces_next(ps, &head, &p, &data); n++) {
        assert_true((int)p.index > before);
        assert_memory_equal(data, payload + p.at, p.size);
        before = p.index;
    }
    assert_false(pieces_release(ps, &owner, now));
    return n;
}

static void waiting_is_bounded(void **state)
{
    struct pieces *ps = pieces_new();
    uint64_t lost[40] = {0};
    struct piece_owner owner = {.peer = 1, .session = 5, .lost = &lost[1]};

    (void)state;
    wait_one(ps, owner, 3, 0);
    wait_one(ps, owner, 1, 0);
    wait_one(ps, owner, 3, 0); /* A second time: nobody's. */
    assert_int_equal(lost[1], 1);
    owner.session = 6;
    assert_int_equal(released(ps, owner, 1, 0), 0);
    owner.session = 5;
    assert_int_equal(released(ps, owner, 1, 0), 2);
    wait_one(ps, owner, 1, 0);
    assert_int_equal(released(ps, owner, 1, PIECE_LIFE + 1), 0);
    assert_int_equal(lost[1], 2);
    wait_one(ps, owner, 1, 0);
    assert_int_equal(released(ps, owner, 2, 0),
                     0); /* Of another network, say the headers. */
    assert_int_equal(lost[1], 3);
    /* One peer has its share, and takes from nobody else. */
    owner.peer = 2;
    owner.lost = &lost[2];
    wait_one(ps, owner, 7, 0);
    owner.peer = 1;
    owner.lost = &lost[1];
    for (owner.number = 0; owner.number < 100; owner.number++)
        wait_one(ps, owner, 7, 1);
    assert_int_equal(lost[1], 3 + 100 - PIECE_PER_PEER);
    owner.number = 99;
    assert_int_equal(released(ps, owner, 1, 1), 1);
    owner = (struct piece_owner){.peer = 2, .session = 5, .lost = &lost[2]};
    assert_int_equal(released(ps, owner, 1, 1), 1);
    /* Many peers take all; the oldest goes. */
    for (owner.peer = 10; owner.peer < 10 + PIECE_WAITING + 2; owner.peer++) {
        owner.lost = &lost[owner.peer];
        wait_one(ps, owner, 7, (mtime_t)owner.peer);
    }
    assert_int_equal(lost[10], 1);
    assert_int_equal(lost[10 + PIECE_WAITING + 1], 0);
    pieces_drop_peer(ps, 10 + PIECE_WAITING + 1);
    assert_int_equal(lost[10 + PIECE_WAITING + 1], 1);
    pieces_free(ps);
}

/* --- gathering ------------------------------------------------------------------------------- */

static _Alignas(64) uint8_t room[200000];
static struct gather g;
static struct piece_head head;

/* Opens a piece of the payload to where the gather says, and hands it in. */
static void give(uint32_t at, unsigned index, uint32_t size, bool last, bool elsewhere)
{
    struct hub_frame in = {.size = size,
                           .head = &head,
                           .piece = {.at = (uint16_t)at,
                                     .size = (uint16_t)size,
                                     .index = (uint8_t)index,
                                     .last = last}};
    uint8_t *out = gather_place(&g);

    memset(out, 0xee, DATAGRAM_INNER);
    memcpy(out + DATAGRAM_INNER, payload + at, size);
    in.data = elsewhere ? payload + at : out + DATAGRAM_INNER;
    gather_opened(&g);
    gather_add(&g, &in);
}

static void give_frame(const uint8_t *frame, uint32_t size)
{
    struct hub_frame in = {.size = size, .inner = {.type = INNER_FRAME}};
    uint8_t *out = gather_place(&g);

    memset(out, 0xee, DATAGRAM_INNER);
    memcpy(out + DATAGRAM_INNER, frame, size);
    in.data = out + DATAGRAM_INNER;
    gather_opened(&g);
    gather_add(&g, &in);
}

static void head_make(uint8_t flags, uint16_t gso_size)
{
    struct frames_spec spec = {.flags = flags, .id = 70, .seq = 1000, .ack = 1, .df = true};
    uint8_t headers[300];
    size_t n = headers_of(spec, 0, headers);

    head = (struct piece_head){.inner = {.tci = 0x2005, .gso_size = gso_size}, .number = 9};
    assert_int_equal(segment_init_headers(&head.seg, headers, n), 0);
    gather_init(&g, room, sizeof room);
}

/* Frame i is that much of the payload, with the headers of that place. */
static void expect(unsigned i, uint32_t at, unsigned index, uint32_t size, uint8_t flags)
{
    const struct frame *f = &g.frames[i];

    assert_true(i < g.n);
    assert_int_equal(f->size, 54 + size);
    assert_int_equal(f->tci, 0x2005);
    assert_memory_equal(f->data + 54, payload + at, size);
    assert_int_equal(load_be16(f->data + 16), 40 + size);
    assert_int_equal(load_be16(f->data + 18), 70 + index);
    assert_int_equal(load_be32(f->data + 38), 1000 + at);
    assert_int_equal(f->data[47], flags);
    assert_int_equal(f->gso_size, size > 1448 ? 1448 : 0);
    assert_true(f->data >= room + FRAME_HEADROOM);
}

static void pieces_come_together_in_place(void **state)
{
    (void)state;
    head_make(0x18 | 0x80, 1448); /* PSH, ACK, CWR */
    give(0, 0, 1370, false, false);
    give(1370, 1, 1424, false, false);
    give(2794, 2, 1424, false, true); /* It had waited. */
    give(4218, 3, 500, true, false);
    assert_int_equal(g.n, 1);
    expect(0, 0, 0, 4718, 0x98);
    assert_true(g.frames[0].flags & FRAME_GSO_ECN);
    give(0, 0, 1370, false, false); /* Number 9 again: after its end it is another. */
    gather_end(&g);
    expect(1, 0, 0, 1370, 0x90);
}

static void a_gap_makes_two(void **state)
{
    static const uint8_t other[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 1};

    (void)state;
    head_make(0x19, 1448); /* FIN, PSH, ACK */
    give(0, 0, 1370, false, false);
    give(1370, 1, 1424, false, false);
    give(4218, 3, 1424, false, false);
    give(5642, 4, 1424, true, false);
    assert_int_equal(g.n, 2);
    expect(0, 0, 0, 2794, 0x10);
    expect(1, 4218, 3, 2848, 0x19);
    /* A frame of another kind comes between. */
    give(0, 0, 1370, false, false);
    give_frame(other, sizeof other);
    give(1370, 1, 1424, false, false);
    head.number++;
    give(2794, 2, 1424, false, false);
    gather_end(&g);
    assert_int_equal(g.n, 6);
    expect(2, 0, 0, 1370, 0x10);
    assert_memory_equal(g.frames[3].data, other, sizeof other);
    expect(4, 1370, 1, 1424, 0x10);
    expect(5, 2794, 2, 1424, 0x10);
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    head_make(0x18, 1448);
    for (unsigned i = 0; i < 46; i++)
        give(i * 1424, i, i == 45 ? 1455 : 1424, i == 45,
             false); /* IP's length has no room. */
    assert_int_equal(g.n, 0);
    assert_int_equal(g.n_bad, 1);
    gather_clear(&g);
    head_make(0x18, 0); /* It says that it is one segment. */
    for (unsigned i = 0; i < 9; i++)
        give(i * 1424, i, 1424, i == 8, false);
    assert_int_equal(g.n, 0);
    assert_int_equal(g.n_bad, 1);
}

static void the_room_ends(void **state)
{
    unsigned n = 0;

    (void)state;
    head_make(0x10, 1448);
    for (; gather_has_room(&g, 1424); n++)
        give((n % 2) * 1424, n % 2, 1424, n % 2, false);
    gather_end(&g);
    assert_int_equal(g.n, FRAME_BURST);
    gather_clear(&g);
    gather_init(&g, room, 10000);
    for (n = 0; gather_has_room(&g, 1424); n++)
        give(n * 1424, n, 1424, false, false);
    assert_int_equal(n, 6);
    assert_true(g.used <= 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_cover_the_payload),
        cmocka_unit_test(only_plain_tcp_is_put_together),
        cmocka_unit_test(the_newest_headers_are_kept),
        cmocka_unit_test(pieces_that_contradict_themselves),
        cmocka_unit_test(waiting_is_bounded),
        cmocka_unit_test(pieces_come_together_in_place),
        cmocka_unit_test(a_gap_makes_two),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(the_room_ends),
    };

    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 11 + i / 253);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
