/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cutting and merging: against frames built one by one, and against each other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/coalesce.h"
#include "proto/wire/segment.h"
#include "proto/wire/vnet.h"
#include "tests/unit/frames.h"

#define FIN 0x01u
#define PSH 0x08u
#define ACK 0x10u
#define URG 0x20u
#define CWR 0x80u

static const uint8_t timestamps[12] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
static uint8_t payload[65000];
static uint8_t big[FRAME_SUPER_MAX];
static uint8_t scratch[2 * FRAME_SUPER_MAX + 64 * 256];

static int setup(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)frames_random(&seed);
    return 0;
}

/* A superframe of the spec in `big`, with its checksum left open. */
static struct frame super(const struct frames_spec *spec, uint16_t gso_size)
{
    struct frame f = {.data = big, .size = frames_build(spec, big)};
    struct packet pk;

    assert_int_equal(packet_parse(big, f.size, &pk), 0);
    f.gso = spec->udp ? FRAME_GSO_UDP : spec->ip6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
    f.gso_size = gso_size;
    f.flags = FRAME_NEEDS_CSUM;
    f.tci = 10;
    f.csum_start = pk.l4_ofs;
    f.csum_ofs = spec->udp ? 6 : 16;
    store_be16(big + f.csum_start + f.csum_ofs,
               checksum_fold(checksum_pseudo(big, &pk, pk.end - pk.l4_ofs)));
    assert_int_equal(frame_check(&f), 0);
    return f;
}

/* The spec of the segment at `at` of what `whole` is. */
static struct frames_spec part(const struct frames_spec *whole, uint32_t mss, uint32_t at)
{
    struct frames_spec s = *whole;
    uint32_t left = whole->size - at;

    s.payload = whole->payload + at;
    s.size = left < mss ? left : mss;
    s.seq += at;
    s.id = (uint16_t)(s.id + at / mss);
    if (at > 0)
        s.flags &= (uint8_t)~CWR;
    if (left > mss)
        s.flags &= (uint8_t) ~(FIN | PSH);
    return s;
}

static void check_cut(const struct frames_spec *spec, uint16_t mss, unsigned flags,
                      size_t room)
{
    static uint8_t expected[10000];
    struct frame f = super(spec, 1000), out[3];
    struct segmenter s;
    uint32_t at = 0;
    unsigned n;

    assert_int_equal(segment_init(&s, &f, mss == 1000 ? 0 : mss, flags), 0);
    assert_int_equal(segment_left(&s), (spec->size + mss - 1) / mss);
    while ((n = segment_fill(&s, scratch, room, out, 3, NULL)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            struct frames_spec want = part(spec, mss, at);
            uint32_t size = frames_build(&want, expected);

            assert_true(out[i].data >= scratch + FRAME_HEADROOM);
            assert_true(out[i].data + out[i].size <= scratch + room);
            assert_int_equal(out[i].size, size);
            assert_int_equal(out[i].tci, 10);
            assert_int_equal(out[i].gso, FRAME_GSO_NONE);
            assert_int_equal(frame_check(&out[i]), 0);
            if (flags & SEGMENT_OPEN_CSUM) {
                assert_true(out[i].flags & FRAME_NEEDS_CSUM);
                checksum_complete(&out[i]);
            }
            assert_memory_equal(out[i].data, expected, size);
            at += want.size;
        }
    }
    assert_int_equal(at, spec->size);
    assert_int_equal(segment_left(&s), 0);
}

static void test_cut(void **state)
{
    uint64_t seed = 11;

    (void)state;
    for (unsigned i = 0; i < 240; i++) {
        struct frames_spec spec = {
            .ip6 = (i & 1) != 0,
            .udp = i % 5 == 4,
            .flags =
                (uint8_t)(ACK | (i & 2 ? PSH : 0) | (i & 4 ? FIN : 0) | (i & 8 ? CWR : 0)),
            .options = timestamps,
            .options_size = i & 16 ? 12 : 0,
            .id = 65530,
            .df = (i & 32) != 0,
            .seq = 0xfffffc00u,
            .payload = payload,
            .size = 1001 + frames_random(&seed) % 40000};
        uint16_t mss = spec.udp ? 1000 : (uint16_t)(536 + frames_random(&seed) % 8000);

        if (spec.udp)
            spec.options_size = 0;
        check_cut(&spec, 1000, 0, 4000);
        check_cut(&spec, 1000, SEGMENT_OPEN_CSUM, sizeof scratch);
        if (spec.size > mss)
            check_cut(&spec, mss, i & 1 ? SEGMENT_OPEN_CSUM : 0,
                      FRAME_HEADROOM + SEGMENT_HDR_MAX + mss);
    }
}

static void test_refusals(void **state)
{
    static const uint8_t md5[20] = {1, 1, 19, 18}, ao[16] = {29, 16}, broken[4] = {8, 1};
    static const uint8_t end[4] = {0, 19, 18, 0}; /* What is behind the end is padding. */
    static const struct {
        const uint8_t *options;
        uint8_t size, flags;
    } cases[] = {{md5, 20, ACK},       {ao, 16, ACK},      {broken, 4, ACK},
                 {NULL, 0, ACK | URG}, {NULL, 0, ACK | 2}, {NULL, 0, ACK | 4}};
    struct frames_spec spec = {.payload = payload, .size = 3000};
    struct segmenter s;
    struct frame f;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        spec.flags = cases[i].flags;
        spec.options = cases[i].options;
        spec.options_size = cases[i].size;
        f = super(&spec, 1000);
        assert_int_equal(segment_init(&s, &f, 0, 0), 0);
        assert_int_equal(segment_init(&s, &f, 900, 0), -EINVAL);
    }
    spec = (struct frames_spec){
        .flags = ACK, .options = end, .options_size = 4, .payload = payload, .size = 3000};
    f = super(&spec, 1000);
    assert_int_equal(segment_init(&s, &f, 900, 0), 0);
    spec = (struct frames_spec){.udp = true, .payload = payload, .size = 3000};
    f = super(&spec, 1000);
    assert_int_equal(segment_init(&s, &f, 900, 0), -EINVAL);
    f.gso = FRAME_GSO_NONE;
    assert_int_equal(segment_init(&s, &f, 0, 0), -EINVAL);
    assert_int_equal(segment_init(&s, &f, 1000, 0), -EINVAL);
}

static void test_long_headers(void **state)
{
    struct frames_spec spec = {.ip6 = true, .flags = ACK, .payload = payload, .size = 3000};
    struct frame f = super(&spec, 1000);
    struct segmenter s;

    (void)state;
    /* 128 bytes of destination options between IPv6 and TCP. */
    memmove(big + 54 + 128, big + 54, f.size - 54);
    memset(big + 54, 0, 128);
    big[54] = 6;
    big[55] = 15;
    big[20] = 60;
    f.size += 128;
    store_be16(big + 18, (uint16_t)(f.size - 54));
    f.csum_start = (uint16_t)(f.csum_start + 128);
    assert_int_equal(frame_check(&f), 0);
    assert_int_equal(f.hdr_size, 74 + 128);
    assert_int_equal(segment_init(&s, &f, 0, 0), -E2BIG);
}

/* A datagram whose checksum comes out as 0 says 0xffff instead. */
static void test_udp_zero(void **state)
{
    static uint8_t zeros[2000];
    struct frames_spec spec = {.udp = true, .payload = zeros, .size = 2000};
    struct frame f, out[2];
    struct segmenter s;
    uint8_t one[1100];

    (void)state;
    spec.size = 1000;
    (void)!frames_build(&spec, one);
    memcpy(zeros, one + 40,
           2); /* The checksum itself, so that the rest adds up to nothing. */
    spec.size = 2000;
    f = super(&spec, 1000);
    assert_int_equal(segment_init(&s, &f, 0, 0), 0);
    assert_int_equal(segment_fill(&s, scratch, sizeof scratch, out, 2, NULL), 2);
    assert_int_equal(load_be16(out[0].data + 40), 0xffff);
    assert_true(frames_checksums_right(out[0].data, out[0].size));
}

static void test_room_that_is_used(void **state)
{
    struct frames_spec spec = {.flags = ACK, .payload = payload, .size = 1900};
    struct frame f = super(&spec, 1000), out[3];
    struct segmenter s;
    size_t used = 0;

    (void)state;
    assert_int_equal(segment_init(&s, &f, 0, 0), 0);
    assert_int_equal(segment_fill(&s, scratch, FRAME_HEADROOM + 1053, out, 3, &used), 0);
    assert_int_equal(used, 0);
    assert_int_equal(segment_fill(&s, scratch, FRAME_HEADROOM + 1054, out, 3, &used), 1);
    assert_int_equal(used, FRAME_HEADROOM + 1054);
    assert_int_equal(segment_fill(&s, scratch, sizeof scratch, out, 3, &used), 1);
    assert_in_range(used, FRAME_HEADROOM + 954, FRAME_HEADROOM + 954 + 15);
    assert_int_equal(segment_fill(&s, scratch, sizeof scratch, out, 3, &used), 0);
}

/* A plain frame of a large inner MTU is cut for a link, but not if that hid damage. */
static void test_plain(void **state)
{
    struct frames_spec spec = {.flags = ACK, .payload = payload, .size = 8000};
    struct frame f = {.data = big, .size = frames_build(&spec, big)}, out[8];
    struct segmenter s;

    (void)state;
    assert_int_equal(segment_init(&s, &f, 0, 0), -EINVAL);
    assert_int_equal(segment_init(&s, &f, 1380, 0), 0);
    assert_int_equal(segment_left(&s), 6);
    assert_int_equal(segment_fill(&s, scratch, sizeof scratch, out, 8, NULL), 6);
    for (unsigned i = 0; i < 6; i++)
        assert_true(frames_checksums_right(out[i].data, out[i].size));
    big[f.size - 1] ^= 1;
    assert_int_equal(segment_init(&s, &f, 1380, 0), -EBADMSG);
    f.flags = FRAME_CSUM_VALID;
    assert_int_equal(segment_init(&s, &f, 1380, 0), 0);
    f.flags = 0;
    big[f.size - 1] ^= 1;
    assert_int_equal(segment_init(&s, &f, 1380, 0), 0);
    big[22]--; /* TTL, and with it the header checksum. */
    assert_int_equal(segment_init(&s, &f, 1380, 0), -EBADMSG);
}

static void test_urgent(void **state)
{
    static const uint16_t urgent[] = {1500, 500, 0};
    static const uint8_t flags[] = {URG, URG, 0};
    struct frames_spec spec = {
        .flags = ACK | URG, .urgent = 1500, .payload = payload, .size = 3000};
    struct frame f = super(&spec, 1000);
    struct segmenter s;
    struct segment seg;

    (void)state;
    assert_int_equal(segment_init(&s, &f, 0, 0), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(segment_next(&s, &seg));
        assert_int_equal(load_be16(seg.header + 34 + 18), urgent[i]);
        assert_int_equal(seg.header[34 + 13] & URG, flags[i]);
    }
    assert_false(segment_next(&s, &seg));
}

/* Cuts a superframe into `frames`, which lie in the scratch area. */
static unsigned cut(const struct frames_spec *spec, uint16_t gso_size, unsigned flags,
                    struct frame *frames)
{
    struct frame f = super(spec, gso_size);
    struct segmenter s;
    unsigned n;

    assert_int_equal(segment_init(&s, &f, 0, flags), 0);
    n = segment_fill(&s, scratch, sizeof scratch, frames, FRAME_BURST, NULL);
    assert_int_equal(segment_left(&s), 0);
    return n;
}

static void test_merge_is_the_inverse(void **state)
{
    static uint8_t before[FRAME_SUPER_MAX];
    struct frame frames[FRAME_BURST];
    uint64_t seed = 13;

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        struct frames_spec spec = {
            .ip6 = (i & 1) != 0,
            .flags = (uint8_t)(ACK | (i & 2 ? PSH : 0) | (i & 4 ? FIN : 0)),
            .options = timestamps,
            .options_size = i & 8 ? 12 : 0,
            .id = 65530,
            .df = (i & 16) != 0,
            .seq = 0xffffff00u,
            .payload = payload,
            .size = 1301 + frames_random(&seed) % 62000};
        struct frame f = super(&spec, 1300);

        memcpy(before, big, f.size);
        assert_in_range(cut(&spec, 1300, i & 32 ? SEGMENT_OPEN_CSUM : 0, frames), 2, 64);
        assert_int_equal(coalesce(frames, f.size / 1300 + (f.size % 1300 > f.hdr_size)), 1);
        assert_int_equal(frames[0].size, f.size);
        assert_memory_equal(frames[0].data, before, f.size);
        assert_int_equal(frames[0].gso_size, 1300);
        assert_int_equal(frames[0].tci, 10);
        assert_int_equal(frames[0].hdr_size, f.hdr_size);
        assert_int_equal(frame_check(&frames[0]), 0);
    }
}

/* One change to the second of three segments, and how many frames are left. */
static void check_not_merged(void (*change)(struct frame *), bool ip6, unsigned left)
{
    struct frames_spec spec = {
        .ip6 = ip6, .flags = ACK, .id = 5, .payload = payload, .size = 3000};
    struct frame frames[FRAME_BURST];
    uint32_t sizes[3];
    uint8_t *second;

    assert_int_equal(cut(&spec, 1000, 0, frames), 3);
    change(&frames[1]);
    second = frames[1].data;
    for (unsigned i = 0; i < 3; i++)
        sizes[i] = frames[i].size;
    assert_int_equal(coalesce(frames, 3), left);
    if (left == 3) {
        assert_ptr_equal(frames[1].data, second);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(frames[i].size, sizes[i]);
            assert_int_equal(frames[i].gso, FRAME_GSO_NONE);
        }
    }
}

/* Changes that keep the checksums right, so that it is the change itself that is seen. */
static void fix(struct frame *f)
{
    struct packet pk;

    f->flags = FRAME_NEEDS_CSUM;
    assert_int_equal(packet_parse(f->data, f->size, &pk), 0);
    f->csum_start = pk.l4_ofs;
    f->csum_ofs = 16;
    if (pk.l3 == PACKET_L3_IP4)
        checksum_set_ip4(f->data, &pk);
    store_be16(f->data + pk.l4_ofs + 16,
               checksum_fold(checksum_pseudo(f->data, &pk, pk.end - pk.l4_ofs)));
    checksum_complete(f);
}

#define CHANGE(name, statement)                                                            \
    static void name(struct frame *f)                                                      \
    {                                                                                      \
        statement;                                                                         \
        fix(f);                                                                            \
    }
CHANGE(change_source_mac, f->data[6] ^= 4)
CHANGE(change_tci, f->tci++)
CHANGE(change_tos, f->data[15] ^= 4)
CHANGE(change_ttl, f->data[22]--)
CHANGE(change_df, f->data[20] ^= 0x40)
CHANGE(change_id, f->data[19] ^= 0x10)
CHANGE(change_address, f->data[29] ^= 1)
CHANGE(change_port, f->data[35] ^= 1)
CHANGE(change_seq, f->data[41] ^= 1)
CHANGE(change_ack, f->data[45] ^= 1)
CHANGE(change_window, f->data[49] ^= 1)
CHANGE(change_cwr, f->data[47] |= CWR)
CHANGE(change_rst, f->data[47] |= 4)
CHANGE(change_urg, f->data[47] |= URG)
CHANGE(change_ece, f->data[47] |= 0x40)
CHANGE(change_flow, f->data[17] ^= 1)
CHANGE(change_hops, f->data[21] ^= 1)
CHANGE(change_psh, f->data[47] |= PSH)

static void damage(struct frame *f)
{
    f->flags = 0;
    f->data[f->size - 1] ^= 1;
}

static void damage_ip(struct frame *f)
{
    f->data[24] ^= 1;
}

static void test_not_merged(void **state)
{
    static void (*const changes4[])(struct frame *) = {
        change_source_mac, change_tci,  change_tos, change_ttl, change_df,  change_id,
        change_address,    change_port, change_seq, change_ack, change_cwr, change_window,
        change_rst,        change_urg,  change_ece, damage,     damage_ip};
    static void (*const changes6[])(struct frame *) = {change_flow, change_hops, damage};

    (void)state;
    for (size_t i = 0; i < sizeof changes4 / sizeof changes4[0]; i++)
        check_not_merged(changes4[i], false, 3);
    for (size_t i = 0; i < sizeof changes6 / sizeof changes6[0]; i++)
        check_not_merged(changes6[i], true, 3);
    check_not_merged(change_psh, false, 2);
}

static void test_others_pass_between(void **state)
{
    struct frames_spec spec = {.flags = ACK, .df = true, .payload = payload, .size = 2000};
    struct frames_spec udp = {.udp = true, .payload = payload, .size = 10};
    struct frame frames[FRAME_BURST];

    (void)state;
    assert_int_equal(cut(&spec, 1000, 0, frames), 2);
    frames[2] = frames[1];
    frames[1] = (struct frame){.data = scratch + 30000};
    frames[1].size = frames_build(&udp, frames[1].data);
    assert_int_equal(coalesce(frames, 3), 3);
    frames[1].size = 20; /* Not even whole. */
    assert_int_equal(coalesce(frames, 3), 3);
}

static void test_short_one_ends_a_run(void **state)
{
    struct frames_spec spec = {.flags = ACK, .df = true, .payload = payload, .size = 2500};
    struct frames_spec next = {
        .flags = ACK, .df = true, .payload = payload, .size = 1000, .seq = 2500};
    struct frame frames[FRAME_BURST];
    uint8_t *end;

    (void)state;
    assert_int_equal(cut(&spec, 1000, 0, frames), 3);
    end = frames[2].data + frames[2].size + FRAME_HEADROOM;
    frames[3] = (struct frame){.data = end, .tci = 10};
    frames[3].size = frames_build(&next, end);
    assert_int_equal(coalesce(frames, 4), 2);
    assert_int_equal(frames[0].size, 54 + 2500);
    assert_int_equal(frames[1].size, 54 + 1000);
    assert_memory_equal(frames[1].data + 54, payload, 1000);
}

/* Link pieces: superframes that are full merge on; padding of a short frame is cut off. */
static void test_superframes_merge(void **state)
{
    struct frames_spec a = {.flags = ACK, .df = true, .payload = payload, .size = 4000};
    struct frames_spec b = {.flags = ACK | PSH,
                            .df = true,
                            .payload = payload + 4000,
                            .size = 3500,
                            .seq = 4000};
    struct frame frames[2];

    (void)state;
    frames[0] = super(&a, 1000);
    memcpy(scratch, big, frames[0].size);
    frames[0].data = scratch;
    frames[1] = super(&b, 1000);
    memcpy(scratch + 5000, big, frames[1].size);
    frames[1].data = scratch + 5000;
    assert_int_equal(coalesce(frames, 2), 1);
    assert_int_equal(frames[0].size, 54 + 7500);
    assert_memory_equal(frames[0].data + 54, payload, 7500);
    assert_int_equal(frames[0].data[47], ACK | PSH);
    assert_int_equal(frame_check(&frames[0]), 0);
}

/* What would not come apart again as it was: a superframe of smaller segments in a run. */
static void test_other_sizes_stay_apart(void **state)
{
    struct frames_spec a = {.flags = ACK, .df = true, .payload = payload, .size = 2000};
    struct frames_spec b = {.flags = ACK, .df = true, .payload = payload, .seq = 2000};
    struct frame frames[2];

    (void)state;
    for (unsigned gso_size = 500; gso_size <= 1500; gso_size += 500) {
        b.size = 3 * gso_size;
        frames[0] = super(&a, 1000);
        memcpy(scratch, big, frames[0].size);
        frames[0].data = scratch;
        frames[1] = super(&b, (uint16_t)gso_size);
        memcpy(scratch + 5000, big, frames[1].size);
        frames[1].data = scratch + 5000;
        assert_int_equal(coalesce(frames, 2), gso_size == 1000 ? 1 : 2);
    }
}

/* Timestamps that differ, and an urgent pointer without its flag. */
static void test_other_options_stay_apart(void **state)
{
    struct frames_spec spec = {.flags = ACK,
                               .df = true,
                               .payload = payload,
                               .size = 2000,
                               .options = timestamps,
                               .options_size = 12};
    struct frame frames[FRAME_BURST];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(cut(&spec, 1000, 0, frames), 2);
        frames[1].data[i == 0 ? 53 : 65] ^= i < 2;
        fix(&frames[1]);
        assert_int_equal(coalesce(frames, 2), i < 2 ? 2 : 1);
    }
}

static void test_padding(void **state)
{
    struct frame frames[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct frames_spec s = {
            .flags = ACK, .df = true, .payload = payload + 3 * i, .size = 3, .seq = 3 * i};
        uint8_t *at = scratch + 100 * i;

        frames[i] = (struct frame){.data = at, .size = 60};
        memset(at, 0xee, 60);
        assert_int_equal(frames_build(&s, at), 57);
    }
    assert_int_equal(coalesce(frames, 2), 1);
    assert_int_equal(frames[0].size, 60);
    assert_memory_equal(frames[0].data + 54, payload, 6);
    assert_int_equal(frames[0].gso_size, 3);
}

static void test_limit_of_64k(void **state)
{
    struct frame frames[50];
    unsigned n = 50, left;
    uint32_t total = 0;

    (void)state;
    for (unsigned i = 0; i < n; i++) {
        struct frames_spec s = {.flags = ACK,
                                .df = true,
                                .payload = payload + 1400 * i % 4000,
                                .size = 1400,
                                .seq = 1400 * i};
        uint8_t *at = scratch + 1500 * i;

        frames[i] = (struct frame){.data = at, .size = frames_build(&s, at)};
    }
    left = coalesce(frames, n);
    assert_int_equal(left, 2);
    for (unsigned i = 0; i < left; i++) {
        assert_int_equal(frame_check(&frames[i]), 0);
        total += frames[i].size - 54;
    }
    assert_int_equal(total, 50 * 1400);
    assert_in_range(frames[0].size, 64000, 65549);
}

static void test_not_in_order_of_address(void **state)
{
    struct frames_spec spec = {.flags = ACK, .df = true, .payload = payload, .size = 2000};
    struct frame frames[FRAME_BURST], first;

    (void)state;
    assert_int_equal(cut(&spec, 1000, 0, frames), 2);
    first = frames[0];
    memcpy(scratch + 10000, first.data, first.size);
    frames[0].data = scratch + 10000;
    assert_int_equal(coalesce(frames, 2), 2);
    assert_int_equal(coalesce(frames, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_udp_zero),
        cmocka_unit_test(test_room_that_is_used),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_merge_is_the_inverse),
        cmocka_unit_test(test_not_merged),
        cmocka_unit_test(test_others_pass_between),
        cmocka_unit_test(test_short_one_ends_a_run),
        cmocka_unit_test(test_superframes_merge),
        cmocka_unit_test(test_other_sizes_stay_apart),
        cmocka_unit_test(test_other_options_stay_apart),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_limit_of_64k),
        cmocka_unit_test(test_not_in_order_of_address),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
