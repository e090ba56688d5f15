/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/checksum.c" /* For what runs on processors without AVX2. */
#include "tests/unit/frames.h"

static void test_against_naive_sum(void **state)
{
    static uint8_t data[70000];
    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)frames_random(&seed);
    for (size_t size = 0; size < 1500; size++) {
        const uint8_t *p = data + frames_random(&seed) % 64;

        assert_int_equal(checksum_fold(checksum_add(0, p, size)), frames_sum(p, size, 0));
    }
    assert_int_equal(checksum_fold(checksum_add(0, data, 65535)),
                     frames_sum(data, 65535, 0));
    memset(data, 0xff, sizeof data);
    assert_int_equal(checksum_fold(checksum_add(0, data, 65536)), 0xffff);
}

static void test_baseline_is_the_same(void **state)
{
    uint8_t data[1024];
    uint64_t seed = 4;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)frames_random(&seed);
    for (size_t size = 64; size <= sizeof data; size += 64) {
        assert_int_equal(checksum_fold(sum_baseline(data, size)),
                         frames_sum(data, size, 0));
        assert_int_equal(checksum_fold(sum_lines(data, size)), frames_sum(data, size, 0));
    }
}

static void test_pieces_add_up(void **state)
{
    uint8_t data[600];
    uint64_t seed = 2;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)frames_random(&seed);
    for (size_t cut = 0; cut <= sizeof data; cut += 2) {
        uint64_t sum = checksum_add(0, data, cut);

        sum = checksum_add(sum, data + cut, sizeof data - cut);
        assert_int_equal(checksum_fold(sum), frames_sum(data, sizeof data, 0));
    }
    /* The example of RFC 1071, section 3. */
    assert_int_equal(checksum_fold(checksum_add(0, "\0\1\xf2\3\xf4\xf5\xf6\xf7", 8)),
                     0xddf2);
    assert_int_equal(checksum_fold(checksum_add_u16(checksum_add_u16(0, 0xf203), 0x0001)),
                     0xf204);
}

static void check_frame(const struct frames_spec *spec)
{
    uint8_t bytes[2000];
    struct frame f = {.data = bytes, .size = frames_build(spec, bytes)};
    struct packet pk;
    uint8_t original[2000];
    uint8_t *field;

    assert_int_equal(packet_parse(bytes, f.size, &pk), 0);
    assert_true(frames_checksums_right(bytes, f.size));
    assert_true(checksum_l4_ok(bytes, &pk));
    memcpy(original, bytes, f.size);

    /* Left open, then completed, it must be what it was. */
    f.csum_start = pk.l4_ofs;
    f.csum_ofs = spec->udp ? 6 : 16;
    f.flags = FRAME_NEEDS_CSUM;
    field = bytes + f.csum_start + f.csum_ofs;
    {
        uint16_t open = checksum_fold(checksum_pseudo(bytes, &pk, pk.end - pk.l4_ofs));

        field[0] = (uint8_t)(open >> 8);
        field[1] = (uint8_t)open;
    }
    checksum_complete(&f);
    assert_int_equal(f.flags & FRAME_NEEDS_CSUM, 0);
    assert_memory_equal(bytes, original, f.size);

    bytes[f.size - 1] ^= 1;
    assert_false(checksum_l4_ok(bytes, &pk));
    if (!spec->ip6) {
        assert_true(checksum_ip4_ok(bytes, &pk));
        bytes[pk.l3_ofs + 8]--;
        assert_false(checksum_ip4_ok(bytes, &pk));
        checksum_set_ip4(bytes, &pk);
        assert_true(checksum_ip4_ok(bytes, &pk));
    }
}

static void test_frames(void **state)
{
    uint8_t payload[1400];
    uint64_t seed = 3;

    (void)state;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)frames_random(&seed);
    for (unsigned i = 0; i < 400; i++) {
        struct frames_spec spec = {.ip6 = (i & 1) != 0,
                                   .udp = (i & 2) != 0,
                                   .flags = 0x10,
                                   .seq = frames_random(&seed),
                                   .src_port = (uint16_t)frames_random(&seed),
                                   .payload = payload,
                                   .size = 1 + frames_random(&seed) % 1400};

        check_frame(&spec);
    }
}

static void test_udp_zero(void **state)
{
    uint8_t bytes[100];
    struct frames_spec spec = {.udp = true, .payload = (const uint8_t *)"xy", .size = 2};
    struct frame f = {.data = bytes, .size = frames_build(&spec, bytes)};
    struct packet pk;

    (void)state;
    assert_int_equal(packet_parse(bytes, f.size, &pk), 0);
    /* A payload that makes the sum 0xffff: its complement would be "no checksum". */
    bytes[42] = bytes[43] = bytes[40] = bytes[41] = 0;
    {
        uint16_t sum =
            checksum_fold(checksum_add(checksum_pseudo(bytes, &pk, 10), bytes + 34, 10));
        uint16_t rest = (uint16_t)~sum;

        bytes[42] = (uint8_t)(rest >> 8);
        bytes[43] = (uint8_t)rest;
        rest = checksum_fold(checksum_pseudo(bytes, &pk, 10));
        bytes[40] = (uint8_t)(rest >> 8);
        bytes[41] = (uint8_t)rest;
    }
    f.flags = FRAME_NEEDS_CSUM;
    f.csum_start = 34;
    f.csum_ofs = 6;
    checksum_complete(&f);
    assert_int_equal(bytes[40] << 8 | bytes[41], 0xffff);
    assert_true(checksum_l4_ok(bytes, &pk));
    /* And none at all is fine over IPv4. */
    bytes[40] = bytes[41] = 0;
    bytes[42] ^= 0x55;
    assert_true(checksum_l4_ok(bytes, &pk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive_sum),
        cmocka_unit_test(test_baseline_is_the_same),
        cmocka_unit_test(test_pieces_add_up),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_udp_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
