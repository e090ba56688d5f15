/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The codec of BPDUs [IEEE 802.1D-2004, 9.3]. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/rstp/bpdu.h"

/* A RST BPDU as a designated port with a proposal sends it, octet by octet [Figure 9-3]. */
static const uint8_t rst[36] = {
    0,    0,    2,    2,                            /* Protocol, version, type. */
    0x0e,                                           /* Designated, proposal. */
    0x10, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, /* Root. */
    0x00, 0x00, 0x4e, 0x20,                         /* Path cost 20000. */
    0x80, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02, /* Bridge. */
    0x80, 0x03,                                     /* Port. */
    0x01, 0x00, 0x14, 0x00, 0x02, 0x00, 0x0f, 0x00, /* 1, 20, 2, 15 s. */
    0,                                              /* Version 1 length. */
};

static int decode_changed(size_t at, uint8_t value, size_t size)
{
    uint8_t data[36];
    struct bpdu b;

    memcpy(data, rst, sizeof data);
    data[at] = value;
    return bpdu_decode(data, size, &b);
}

static void test_rst(void **state)
{
    uint8_t out[BPDU_SIZE_MAX];
    struct bpdu b;

    (void)state;
    assert_int_equal(bpdu_decode(rst, sizeof rst, &b), 0);
    assert_int_equal(b.type, BPDU_RST);
    assert_int_equal(b.role, BPDU_ROLE_DESIGNATED);
    assert_true(b.proposal);
    assert_false(b.agreement || b.tc || b.learning || b.forwarding);
    assert_int_equal(b.vector.root, 0x1000020000000001);
    assert_int_equal(b.vector.cost, 20000);
    assert_int_equal(b.vector.bridge, 0x8000020000000002);
    assert_int_equal(b.vector.port, 0x8003);
    assert_int_equal(b.times.message_age, RSTP_SECOND);
    assert_int_equal(b.times.max_age, 20 * RSTP_SECOND);
    assert_int_equal(b.times.hello, 2 * RSTP_SECOND);
    assert_int_equal(b.times.forward_delay, 15 * RSTP_SECOND);
    assert_int_equal(bpdu_encode(&b, out), 36);
    assert_memory_equal(out, rst, 36);
}

static void test_flags(void **state)
{
    static const struct {
        uint8_t flags;
        struct bpdu b;
    } cases[] = {
        {0x05, {.role = BPDU_ROLE_ALTERNATE_BACKUP, .tc = true}},
        {0x48, {.role = BPDU_ROLE_ROOT, .agreement = true}},
        {0x3c, {.role = BPDU_ROLE_DESIGNATED, .learning = true, .forwarding = true}},
        {0x1c, {.role = BPDU_ROLE_DESIGNATED, .learning = true}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t data[36], out[BPDU_SIZE_MAX];
        const struct bpdu *want = &cases[i].b;
        struct bpdu b;

        memcpy(data, rst, sizeof data);
        data[4] = cases[i].flags;
        assert_int_equal(bpdu_decode(data, sizeof data, &b), 0);
        assert_int_equal(b.role, want->role);
        assert_true(b.tc == want->tc && b.agreement == want->agreement &&
                    b.learning == want->learning && b.forwarding == want->forwarding &&
                    !b.proposal && !b.tc_ack);
        assert_int_equal(bpdu_encode(&b, out), 36);
        assert_memory_equal(out, data, 36);
    }
}

/* 9.3.4: what is taken, by size, type and version. */
static void test_validation(void **state)
{
    uint8_t data[64] = {0};
    struct bpdu b;

    (void)state;
    for (size_t size = 0; size < 36; size++)
        assert_int_equal(bpdu_decode(rst, size, &b), -EBADMSG);
    assert_int_equal(decode_changed(0, 1, 36), -EBADMSG); /* Protocol. */
    assert_int_equal(decode_changed(1, 1, 36), -EBADMSG);
    assert_int_equal(decode_changed(2, 0, 36),
                     -EBADMSG); /* RST needs version 2 or later. */
    assert_int_equal(decode_changed(2, 1, 36), -EBADMSG);
    assert_int_equal(decode_changed(2, 3, 36), 0);
    assert_int_equal(decode_changed(2, 255, 36), 0);
    assert_int_equal(decode_changed(3, 1, 36), -EBADMSG); /* Type. */
    assert_int_equal(decode_changed(3, 0x81, 36), -EBADMSG);
    assert_int_equal(decode_changed(3, 0, 35), 0); /* A CFG BPDU of any version. */
    assert_int_equal(decode_changed(3, 0, 34), -EBADMSG);
    assert_int_equal(decode_changed(3, 0x80, 4), 0);
    assert_int_equal(decode_changed(3, 0x80, 3), -EBADMSG);
    /* More than is known is not looked at. */
    memcpy(data, rst, 36);
    memset(data + 36, 0xff, sizeof data - 36);
    assert_int_equal(bpdu_decode(data, sizeof data, &b), 0);
}

static void test_config(void **state)
{
    uint8_t data[36], out[BPDU_SIZE_MAX];
    struct bpdu b;

    (void)state;
    memcpy(data, rst, sizeof data);
    data[2] = data[3] = 0;
    data[4] = 0xff; /* All but the first and the last have no meaning in a CFG BPDU. */
    assert_int_equal(bpdu_decode(data, 35, &b), 0);
    assert_int_equal(b.type, BPDU_CONFIG);
    assert_int_equal(b.role, BPDU_ROLE_DESIGNATED);
    assert_true(b.tc && b.tc_ack);
    assert_false(b.proposal || b.agreement || b.learning || b.forwarding);
    assert_int_equal(bpdu_encode(&b, out), 35);
    data[4] = 0x81;
    assert_memory_equal(out, data, 35);
    /* Message Age has to be less than Max Age; for RST BPDUs it has not. */
    data[27] = 20;
    assert_int_equal(bpdu_decode(data, 35, &b), -EBADMSG);
    data[27] = 19;
    assert_int_equal(bpdu_decode(data, 35, &b), 0);
    assert_int_equal(decode_changed(27, 20, 36), 0);
}

/* 9.2.9, note: a RST BPDU of unknown role is treated as a CFG BPDU. */
static void test_unknown_role(void **state)
{
    uint8_t data[36];
    struct bpdu b;

    (void)state;
    memcpy(data, rst, sizeof data);
    data[4] = 0xf3;
    assert_int_equal(bpdu_decode(data, 36, &b), 0);
    assert_int_equal(b.type, BPDU_CONFIG);
    assert_int_equal(b.role, BPDU_ROLE_DESIGNATED);
    assert_true(b.tc);
    assert_false(b.proposal || b.agreement || b.learning || b.forwarding || b.tc_ack);
}

static void test_frame(void **state)
{
    static const uint8_t source[6] = {2, 0, 0, 0, 0, 9};
    static const uint8_t head[17] = {0x01, 0x80, 0xc2, 0, 0,    0,    2,    0,   0,
                                     0,    0,    9,    0, 0x27, 0x42, 0x42, 0x03};
    uint8_t frame[BPDU_FRAME_SIZE];
    const uint8_t *found;
    size_t size = 0;

    (void)state;
    bpdu_frame_write(source, rst, sizeof rst, frame);
    assert_memory_equal(frame, head, sizeof head);
    assert_memory_equal(frame + 17, rst, 36);
    found = bpdu_frame_find(frame, sizeof frame, &size);
    assert_ptr_equal(found, frame + 17);
    assert_int_equal(size, 36); /* Without the padding. */
    assert_null(bpdu_frame_find(frame, 52, &size));
    assert_non_null(bpdu_frame_find(frame, 53, &size));
    for (size_t at = 0; at < 17; at++) {
        if (at >= 6 && at < 12)
            continue; /* Anybody's source address. */
        frame[at] ^= at == 13 ? 0x20 : 0xff;
        found = bpdu_frame_find(frame, sizeof frame, &size);
        assert_true(at == 13 ? size == 4 : found == NULL);
        frame[at] ^= at == 13 ? 0x20 : 0xff;
    }
}

static void test_order(void **state)
{
    static const struct rstp_vector best = {.root = 1, .cost = 1, .bridge = 1, .port = 1};
    static const struct rstp_vector worse[] = {
        {.root = 2, .cost = 0, .bridge = 0, .port = 0},
        {.root = 1, .cost = 2, .bridge = 0, .port = 0},
        {.root = 1, .cost = 1, .bridge = 2, .port = 0},
        {.root = 1, .cost = 1, .bridge = 1, .port = 2},
    };

    (void)state;
    assert_int_equal(rstp_vector_compare(&best, &best), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(rstp_vector_compare(&best, &worse[i]) < 0);
        assert_true(rstp_vector_compare(&worse[i], &best) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rst),          cmocka_unit_test(test_flags),
        cmocka_unit_test(test_validation),   cmocka_unit_test(test_config),
        cmocka_unit_test(test_unknown_role), cmocka_unit_test(test_frame),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
