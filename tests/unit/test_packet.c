/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/frame.h"
#include "proto/wire/mac.h"
#include "proto/wire/packet.h"
#include "proto/wire/vnet.h"
#include "tests/unit/frames.h"

static const uint8_t payload[64] = "payload";

static void test_mac(void **state)
{
    static const char *const bad[] = {"",
                                      "02:00:00:00:00",
                                      "02:00:00:00:00:09:",
                                      "02:00:00:00:00:0",
                                      "02-00:00:00:00:09",
                                      "020000000009",
                                      "02:00:00:00:00:0g",
                                      " 2:00:00:00:00:09",
                                      "02:00:00:00:00:09 "};
    uint8_t mac[6] = {9, 9, 9, 9, 9, 9};
    char text[MAC_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mac_parse(bad[i], mac));
    assert_int_equal(mac[0], 9);
    assert_true(mac_parse("02:aB:00:fF:10:09", mac));
    mac_format(mac, text);
    assert_string_equal(text, "02:ab:00:ff:10:09");
    assert_true(mac_parse("01-80-c2-00-00-0f", mac));
    assert_true(mac_is_group(mac));
    assert_true(mac_is_reserved(mac));
    mac[5] = 0x10;
    assert_false(mac_is_reserved(mac));
    assert_false(mac_is_zero(mac));
    memset(mac, 0, 6);
    assert_true(mac_is_zero(mac));
}

static void test_offsets(void **state)
{
    uint8_t options[12] = {1, 1, 8, 10};
    uint8_t bytes[256];
    struct packet pk;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct frames_spec spec = {.ip6 = (i & 1) != 0,
                                   .udp = (i & 2) != 0,
                                   .options = options,
                                   .options_size = i & 2 ? 0 : 12,
                                   .payload = payload,
                                   .size = 40};
        uint32_t size = frames_build(&spec, bytes);

        memset(bytes + size, 0, 10); /* Padding. */
        assert_int_equal(packet_parse(bytes, size + 10, &pk), 0);
        assert_int_equal(pk.l3, i & 1 ? PACKET_L3_IP6 : PACKET_L3_IP4);
        assert_int_equal(pk.l4, i & 2 ? PACKET_L4_UDP : PACKET_L4_TCP);
        assert_int_equal(pk.l3_ofs, 14);
        assert_int_equal(pk.l4_ofs, i & 1 ? 54 : 34);
        assert_int_equal(pk.payload_ofs, size - 40);
        assert_int_equal(pk.end, size);
        assert_false(pk.fragment);
        for (uint32_t cut = 0; cut < size; cut++)
            assert_int_equal(packet_parse(bytes, cut, &pk), -EBADMSG);
    }
}

static void test_tags(void **state)
{
    struct frames_spec spec = {.payload = payload, .size = 8};
    uint8_t plain[128], tagged[160];
    uint32_t size = frames_build(&spec, plain);
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    struct packet pk;

    (void)state;
    for (unsigned tags = 0; tags <= 3; tags++) {
        memcpy(tagged, plain, 12);
        for (unsigned i = 0; i < tags; i++)
            memcpy(tagged + 12 + 4 * i, i % 2 ? "\x81\0\0\x0a" : "\x88\xa8\0\x0b", 4);
        memcpy(tagged + 12 + 4 * tags, plain + 12, size - 12);
        assert_int_equal(packet_parse(tagged, size + 4 * tags, &pk), 0);
        assert_int_equal(pk.l3, tags <= 2 ? PACKET_L3_IP4 : PACKET_L3_NONE);
        assert_int_equal(packet_claims(tagged, size + 4 * tags, claims),
                         tags <= 2 ? 1 : -EBADMSG);
    }
}

static void test_fragments_are_not_tcp(void **state)
{
    struct frames_spec spec = {.payload = payload, .size = 40};
    uint8_t bytes[256];
    uint32_t size = frames_build(&spec, bytes);
    struct packet pk;

    (void)state;
    bytes[20] = 0x20; /* More fragments. */
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_true(pk.fragment);
    assert_int_equal(pk.l4, PACKET_L4_NONE);
    bytes[20] = 0;
    bytes[21] = 8; /* At an offset. */
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_true(pk.fragment);
    assert_int_equal(pk.l4, PACKET_L4_NONE);
}

/* Puts extension headers between IPv6 and TCP. */
static uint32_t with_extensions(uint8_t *bytes, const uint8_t *ext, uint8_t ext_size)
{
    struct frames_spec spec = {.ip6 = true, .payload = payload, .size = 16};
    uint32_t size = frames_build(&spec, bytes);

    memmove(bytes + 54 + ext_size, bytes + 54, size - 54);
    memcpy(bytes + 54, ext + 1, ext_size);
    bytes[20] = ext[0];
    bytes[19] = (uint8_t)(bytes[19] + ext_size);
    return size + ext_size;
}

static void test_extensions(void **state)
{
    /* The first byte is the type of the first header; then the headers. */
    static const uint8_t known[] = {0, 43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 0, 0,
                                    0, 0,  0, 0, 6, 0, 1, 4, 0, 0,  0, 0};
    static const uint8_t unknown[] = {60, 253, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t fragment[] = {44, 6, 0, 0, 1, 0, 0, 0, 1};
    static const uint8_t late_hop[] = {60, 0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t too_long[] = {60, 6, 200, 1, 4, 0, 0, 0, 0};
    uint8_t many[1 + 8 * 9];
    uint8_t bytes[400];
    struct packet pk;
    uint32_t size;

    (void)state;
    size = with_extensions(bytes, known, 24);
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_TCP);
    assert_int_equal(pk.l4_ofs, 54 + 24);
    assert_true(pk.has_options);

    size = with_extensions(bytes, unknown, 16);
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_NONE);

    size = with_extensions(bytes, fragment, 8);
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_NONE);
    assert_true(pk.fragment);

    size = with_extensions(bytes, late_hop, 16);
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_NONE);

    size = with_extensions(bytes, too_long, 8);
    assert_int_equal(packet_parse(bytes, size, &pk), -EBADMSG);

    many[0] = 60;
    for (unsigned i = 0; i < 9; i++)
        memcpy(many + 1 + 8 * i, i == 8 ? "\6\0\1\4\0\0\0\0" : "\x3c\0\1\4\0\0\0\0", 8);
    size = with_extensions(bytes, many, 72);
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_NONE);
}

/* The first bytes of a frame suffice, if all headers are among them and are the plain ones. */
static void test_head_is_tcp(void **state)
{
    static const uint8_t options[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    uint8_t bytes[400];

    (void)state;
    for (int ip6 = 0; ip6 <= 1; ip6++) {
        struct frames_spec spec = {.ip6 = ip6,
                                   .options = options,
                                   .options_size = sizeof options,
                                   .payload = payload,
                                   .size = sizeof payload};
        uint32_t size = frames_build(&spec, bytes), head = size - (uint32_t)sizeof payload;

        for (uint32_t n = 0; n <= size; n++)
            assert_int_equal(packet_head_is_tcp(bytes, n), n >= head);
        bytes[0] |= 1;
        assert_false(packet_head_is_tcp(bytes, size));
        spec.udp = true;
        size = frames_build(&spec, bytes);
        assert_false(packet_head_is_tcp(bytes, size));
    }
    frames_build(&(struct frames_spec){.payload = payload, .size = sizeof payload}, bytes);
    bytes[20] = 0x20; /* More fragments. */
    assert_false(packet_head_is_tcp(bytes, sizeof bytes));
    bytes[20] = 0;
    bytes[14] = 0x44; /* A header of 16 bytes. */
    assert_false(packet_head_is_tcp(bytes, sizeof bytes));
    bytes[14] = 0x65; /* IPv6 under the name of IPv4. */
    assert_false(packet_head_is_tcp(bytes, sizeof bytes));
    bytes[14] = 0x45;
    bytes[14 + 20 + 12] = 0x40; /* A TCP header of 16 bytes. */
    assert_false(packet_head_is_tcp(bytes, sizeof bytes));
    bytes[12] = 0x81;
    assert_false(packet_head_is_tcp(bytes, sizeof bytes));
}

static void test_udp_length_must_agree(void **state)
{
    struct frames_spec spec = {.udp = true, .payload = payload, .size = 16};
    uint8_t bytes[128];
    uint32_t size = frames_build(&spec, bytes);
    struct packet pk;

    (void)state;
    bytes[39]--;
    assert_int_equal(packet_parse(bytes, size, &pk), 0);
    assert_int_equal(pk.l4, PACKET_L4_NONE);
}

static void test_claims_arp(void **state)
{
    /* clang-format off */
    static const uint8_t arp[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 64, 0, 1, 0, 0, 0, 0, 0, 0, 10, 64, 0, 2};
    /* clang-format on */
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    uint8_t bytes[sizeof arp];

    (void)state;
    memcpy(bytes, arp, sizeof arp);
    assert_int_equal(packet_claims(bytes, sizeof arp, claims), 1);
    assert_int_equal(claims[0].family, 4);
    assert_true(claims[0].has_mac);
    assert_memory_equal(claims[0].mac, "\2\0\0\0\0\1", 6);
    assert_memory_equal(claims[0].addr, "\x0a\x40\0\1", 4);
    bytes[18] = 8; /* Another hardware address length. */
    assert_int_equal(packet_claims(bytes, sizeof arp, claims), -EBADMSG);
    assert_int_equal(packet_claims(arp, sizeof arp - 1, claims), -EBADMSG);
}

static uint32_t build_nd(uint8_t *bytes, uint8_t type, const uint8_t *body, uint8_t size)
{
    memset(bytes, 0, 54);
    memcpy(bytes + 6, "\2\0\0\0\0\1\x86\xdd\x60", 9);
    bytes[19] = (uint8_t)(4 + size);
    bytes[20] = 58;
    bytes[21] = 255;
    memset(bytes + 22, 0xfd, 16);
    memset(bytes + 38, 0xff, 16);
    memset(bytes + 54, 0, 4);
    bytes[54] = type;
    memcpy(bytes + 58, body, size);
    return 58u + size;
}

static void test_claims_nd(void **state)
{
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    uint8_t body[44] = {0}, bytes[128];
    uint32_t size;

    (void)state;
    memset(body + 4, 0xaa, 16); /* Target. */
    memcpy(body + 20, "\2\1\2\0\0\0\0\7", 8);
    size = build_nd(bytes, 136, body, 28);
    assert_int_equal(packet_claims(bytes, size, claims), 2);
    assert_false(claims[0].has_mac);
    assert_int_equal(claims[0].addr[0], 0xfd);
    assert_true(claims[1].has_mac);
    assert_int_equal(claims[1].addr[15], 0xaa);
    assert_memory_equal(claims[1].mac, "\2\0\0\0\0\7", 6);

    body[20] = 1; /* A source link-layer address, in a solicitation. */
    size = build_nd(bytes, 135, body, 28);
    assert_int_equal(packet_claims(bytes, size, claims), 1);
    assert_true(claims[0].has_mac);
    assert_memory_equal(claims[0].mac, "\2\0\0\0\0\7", 6);

    memcpy(body + 28, body + 20, 8); /* Twice. */
    size = build_nd(bytes, 135, body, 36);
    assert_int_equal(packet_claims(bytes, size, claims), -EBADMSG);
    body[29] = 0; /* An option of no length. */
    size = build_nd(bytes, 135, body, 36);
    assert_int_equal(packet_claims(bytes, size, claims), -EBADMSG);
    size = build_nd(bytes, 135, body, 18); /* Cut short. */
    assert_int_equal(packet_claims(bytes, size, claims), -EBADMSG);

    memset(body, 0, sizeof body);
    memcpy(body + 4, "\1\1\2\0\0\0\0\6", 8);
    size = build_nd(bytes, 133, body, 12);
    assert_int_equal(packet_claims(bytes, size, claims), 1);
    assert_true(claims[0].has_mac);
    memcpy(body + 12, body + 4, 8);
    size = build_nd(bytes, 134, body, 20);
    assert_int_equal(packet_claims(bytes, size, claims), 1);
    assert_true(claims[0].has_mac);
    size = build_nd(bytes, 128, body, 20); /* An echo request. */
    assert_int_equal(packet_claims(bytes, size, claims), 1);
    assert_false(claims[0].has_mac);
}

static void test_claims_others(void **state)
{
    struct frames_spec spec = {.payload = payload, .size = 16};
    struct packet_claim claims[PACKET_CLAIMS_MAX];
    uint8_t bytes[128];
    uint32_t size = frames_build(&spec, bytes);

    (void)state;
    assert_int_equal(packet_claims(bytes, size, claims), 1);
    assert_memory_equal(claims[0].addr, "\x0a\x40\0\1", 4);
    assert_false(claims[0].has_mac);
    bytes[12] = 0x12;
    assert_int_equal(packet_claims(bytes, size, claims), 0);
    spec.ip6 = true;
    size = frames_build(&spec, bytes);
    assert_int_equal(packet_claims(bytes, size, claims), 1);
    assert_int_equal(claims[0].family, 6);
    assert_int_equal(claims[0].addr[0], 0xfd);
}

static void test_contradictions(void **state)
{
    static const struct {
        uint8_t at, value;
        bool ip6;
    } cases[] = {{14, 0x65, false}, {14, 0x44, false}, {14, 0x40, false}, {17, 19, false},
                 {16, 1, false},    {46, 0x40, false}, {46, 0xf0, false}, {14, 0x45, true},
                 {18, 1, true},     {66, 0x40, true}};
    static uint8_t bytes[FRAME_SUPER_MAX + 1];
    struct packet pk;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frames_spec spec = {.ip6 = cases[i].ip6, .payload = payload, .size = 16};
        uint32_t size = frames_build(&spec, bytes);

        assert_int_equal(packet_parse(bytes, size, &pk), 0);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(packet_parse(bytes, size, &pk), -EBADMSG);
    }
    assert_int_equal(packet_parse(bytes, sizeof bytes, &pk), -EBADMSG);
}

static struct frame superframe(uint8_t *bytes, bool ip6, bool udp, uint32_t size)
{
    static uint8_t big[65000];
    struct frames_spec spec = {
        .ip6 = ip6, .udp = udp, .flags = 0x10, .payload = big, .size = size};
    struct frame f = {.data = bytes, .flags = FRAME_NEEDS_CSUM, .gso_size = 1000};

    f.size = frames_build(&spec, bytes);
    f.gso = udp ? FRAME_GSO_UDP : ip6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
    f.csum_start = ip6 ? 54 : 34;
    f.csum_ofs = udp ? 6 : 16;
    return f;
}

/* Field by field: what lies between the fields is nobody's. */
static void assert_same_metadata(const struct frame *a, const struct frame *b)
{
    assert_ptr_equal(a->data, b->data);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->tci, b->tci);
    assert_int_equal(a->gso_size, b->gso_size);
    assert_int_equal(a->hdr_size, b->hdr_size);
    assert_int_equal(a->csum_start, b->csum_start);
    assert_int_equal(a->csum_ofs, b->csum_ofs);
    assert_int_equal(a->gso, b->gso);
    assert_int_equal(a->flags, b->flags);
}

static void test_metadata(void **state)
{
    static uint8_t bytes[FRAME_SUPER_MAX + 100];
    uint8_t hdr[VNET_HDR_SIZE];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct frame f = superframe(bytes, i & 1, i & 2, 60000);
        struct frame g = {.data = bytes, .size = f.size};

        assert_int_equal(frame_check(&f), 0);
        assert_int_equal(f.hdr_size, f.size - 60000);
        vnet_encode(&f, hdr);
        assert_int_equal(vnet_decode(hdr, &g), 0);
        assert_same_metadata(&f, &g);

        g = f;
        g.gso_size = 0;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.gso_size = 59; /* 1017 segments, and 1035. */
        assert_int_equal(frame_check(&g), 0);
        g.gso_size = 58;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.flags = 0;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.csum_start++;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.csum_ofs = 4;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.size--;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.size++;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.gso = 77;
        assert_int_equal(frame_check(&g), -EBADMSG);
        g = f;
        g.gso = i & 2 ? FRAME_GSO_TCP4 : FRAME_GSO_UDP;
        assert_int_equal(frame_check(&g), -EBADMSG);
        bytes[12] = 0x12; /* No IP at all. */
        assert_int_equal(frame_check(&f), -EBADMSG);
    }
}

static void test_metadata_plain(void **state)
{
    static uint8_t bytes[FRAME_SUPER_MAX];
    struct frame f = superframe(bytes, false, false, 900);

    (void)state;
    /* A superframe of one segment is a plain frame. */
    assert_int_equal(frame_check(&f), 0);
    assert_int_equal(f.gso, FRAME_GSO_NONE);
    assert_int_equal(f.gso_size, 0);
    assert_int_equal(f.flags, FRAME_NEEDS_CSUM);

    f = (struct frame){.data = bytes, .size = 13};
    assert_int_equal(frame_check(&f), -EBADMSG);
    f.size = 14;
    assert_int_equal(frame_check(&f), 0);
    f.size = FRAME_SIZE_MAX;
    assert_int_equal(frame_check(&f), 0);
    f.size++;
    assert_int_equal(frame_check(&f), -EBADMSG);
    f.size = 60;
    f.flags = FRAME_NEEDS_CSUM;
    f.csum_start = 34;
    f.csum_ofs = 24;
    assert_int_equal(frame_check(&f), 0);
    f.csum_ofs = 25;
    assert_int_equal(frame_check(&f), -EBADMSG);
    f.csum_start = 65535;
    f.csum_ofs = 65535;
    assert_int_equal(frame_check(&f), -EBADMSG);
    f.csum_start = 12;
    f.csum_ofs = 6;
    assert_int_equal(frame_check(&f), -EBADMSG);
}

static void test_vnet_types(void **state)
{
    static uint8_t bytes[FRAME_SUPER_MAX];
    uint8_t hdr[VNET_HDR_SIZE] = {2, 0x80}, again[VNET_HDR_SIZE];
    struct frame f = {.data = bytes, .size = 60};

    (void)state;
    assert_int_equal(vnet_decode(hdr, &f), 0);
    assert_int_equal(f.flags & FRAME_CSUM_VALID, FRAME_CSUM_VALID);
    vnet_encode(&f, again);
    assert_int_equal(again[0], 2);
    assert_int_equal(again[1], 0);
    hdr[1] = 3; /* Fragmentation offload, obsolete. */
    assert_int_equal(vnet_decode(hdr, &f), -EBADMSG);
    hdr[1] = 0x20;
    assert_int_equal(vnet_decode(hdr, &f), -EBADMSG);
    f = superframe(bytes, false, false, 3000);
    f.flags |= FRAME_GSO_ECN;
    assert_int_equal(frame_check(&f), 0);
    vnet_encode(&f, hdr);
    assert_int_equal(hdr[1], 0x81);
    f = (struct frame){.data = bytes, .size = f.size};
    assert_int_equal(vnet_decode(hdr, &f), 0);
    assert_int_equal(f.flags, FRAME_NEEDS_CSUM | FRAME_GSO_ECN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_fragments_are_not_tcp),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_head_is_tcp),
        cmocka_unit_test(test_udp_length_must_agree),
        cmocka_unit_test(test_claims_arp),
        cmocka_unit_test(test_claims_nd),
        cmocka_unit_test(test_claims_others),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_metadata_plain),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_vnet_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
