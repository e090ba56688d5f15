/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/cur.h"

static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void test_reads(void **state)
{
    struct cur c = cur_init(data, sizeof data);
    uint8_t copy[2] = {0xee, 0xee};

    (void)state;
    assert_int_equal(cur_u8(&c), 1);
    assert_int_equal(cur_u16(&c), 0x0203);
    assert_int_equal(cur_u32(&c), 0x04050607);
    assert_int_equal(cur_left(&c), 8);
    assert_true(cur_u64(&c) == 0x08090a0b0c0d0e0fu);
    assert_true(cur_done(&c));
    assert_int_equal(cur_left(&c), 0);
    assert_int_equal(cur_u8(&c), 0);
    assert_true(c.bad);
    assert_false(cur_done(&c));

    c = cur_init(data, 3);
    cur_copy(&c, copy, 2);
    assert_memory_equal(copy, data, 2);
    cur_copy(&c, copy, 2);
    assert_memory_equal(copy, "\0\0", 2);
    assert_true(c.bad);
}

static void test_sticky(void **state)
{
    struct cur c = cur_init(data, 3);

    (void)state;
    assert_int_equal(cur_u32(&c), 0);
    assert_true(c.bad);
    /* What would still fit is not given any more. */
    assert_int_equal(cur_u8(&c), 0);
    assert_int_equal(cur_left(&c), 0);
    assert_null(cur_bytes(&c, 0));
    c = cur_init(data, 3);
    assert_null(cur_bytes(&c, SIZE_MAX));
    assert_true(c.bad);
    c = cur_init(data, 7);
    assert_true(cur_u64(&c) == 0);
    assert_true(c.bad);
    c = cur_init(NULL, 10);
    assert_int_equal(cur_left(&c), 0);
    assert_true(cur_done(&c));
    assert_non_null(cur_bytes(&c, 0));
}

static void test_native(void **state)
{
    uint8_t bytes[14];
    struct wr w = wr_init(bytes, sizeof bytes);
    uint32_t v = 0x01020304;
    struct cur c;

    (void)state;
    wr_u16_ne(&w, 0x1234);
    wr_u32_ne(&w, v);
    wr_u64_ne(&w, 0x1122334455667788u);
    assert_false(w.bad);
    assert_memory_equal(bytes + 2, &v, 4);
    c = cur_init(bytes, sizeof bytes);
    assert_int_equal(cur_u16_ne(&c), 0x1234);
    assert_int_equal(cur_u32_ne(&c), v);
    assert_true(cur_u64_ne(&c) == 0x1122334455667788u);
    assert_true(cur_done(&c));
    assert_int_equal(cur_u32_ne(&c), 0);
}

static void test_sub(void **state)
{
    struct cur c = cur_init(data, 6);
    struct cur sub = cur_sub(&c, 4);

    (void)state;
    assert_int_equal(cur_u32(&sub), 0x01020304);
    assert_int_equal(cur_u8(&sub), 0);
    assert_true(sub.bad);
    assert_false(c.bad);
    assert_int_equal(cur_u16(&c), 0x0506);
    sub = cur_sub(&c, 1);
    assert_true(sub.bad);
    assert_true(c.bad);
}

static void test_texts(void **state)
{
    uint8_t bytes[300];
    char text[8], long_text[300];
    struct wr w = wr_init(bytes, sizeof bytes);
    struct cur c;

    (void)state;
    wr_str8(&w, "seven..");
    wr_str8(&w, "");
    c = cur_init(bytes, wr_size(&w));
    cur_str8(&c, text, sizeof text);
    assert_string_equal(text, "seven..");
    cur_str8(&c, text, sizeof text);
    assert_string_equal(text, "");
    assert_true(cur_done(&c));
    c = cur_init(bytes, wr_size(&w));
    cur_str8(&c, text, 7);
    assert_true(c.bad);
    assert_string_equal(text, "");
    bytes[3] = 0;
    c = cur_init(bytes, wr_size(&w));
    cur_str8(&c, text, sizeof text);
    assert_true(c.bad);
    memset(long_text, 'x', sizeof long_text);
    long_text[256] = '\0';
    wr_str8(&w, long_text);
    assert_true(w.bad);
    w = wr_init(bytes, sizeof bytes);
    long_text[255] = '\0';
    wr_str8(&w, long_text);
    assert_false(w.bad);
    assert_int_equal(wr_size(&w), 256);
}

static void test_writer(void **state)
{
    uint8_t bytes[15], guard[16];
    struct wr w = wr_init(bytes, sizeof bytes);

    (void)state;
    wr_u8(&w, 1);
    wr_u16(&w, 0x0203);
    wr_u32(&w, 0x04050607);
    wr_u64(&w, 0x08090a0b0c0d0e0fu);
    assert_false(w.bad);
    assert_memory_equal(bytes, data, sizeof data);
    assert_int_equal(wr_left(&w), 0);
    wr_u8(&w, 9);
    assert_true(w.bad);
    assert_int_equal(wr_size(&w), 15);

    memset(guard, 0xee, sizeof guard);
    w = wr_init(guard, 3);
    wr_u32(&w, 1);
    assert_true(w.bad);
    wr_u8(&w, 1); /* Sticky. */
    assert_int_equal(wr_size(&w), 0);
    assert_null(wr_reserve(&w, 1));
    for (unsigned i = 0; i < sizeof guard; i++)
        assert_int_equal(guard[i], 0xee);
    w = wr_init(guard, sizeof guard);
    assert_null(wr_reserve(&w, SIZE_MAX));
    w = wr_init(guard, sizeof guard);
    assert_ptr_equal(wr_reserve(&w, 16), guard);
    assert_int_equal(wr_left(&w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),  cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_native), cmocka_unit_test(test_sub),
        cmocka_unit_test(test_texts),  cmocka_unit_test(test_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
