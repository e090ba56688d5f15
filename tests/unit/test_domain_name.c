/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domain names as the DNS writes them: texts, pointers, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire/domain_name.h"

static char name[DOMAIN_NAME_SIZE];

/* Reads at `at` of the bytes of a text; where it ended in *end. */
#define READ(BYTES, AT, END)                                                               \
    (*(END) = (AT),                                                                        \
     domain_name_read((const uint8_t *)(BYTES), sizeof(BYTES) - 1, END, true, name))

static void texts(void **state)
{
    size_t end;

    (void)state;
    assert_int_equal(READ("\3www\7example\0rest", 0, &end), DOMAIN_NAME_READ);
    assert_string_equal(name, "www.example");
    assert_int_equal(end, 13);
    assert_int_equal(READ("\0", 0, &end), DOMAIN_NAME_READ);
    assert_string_equal(name, "");
    assert_int_equal(end, 1);
    /* One that is no text is passed over as a whole. */
    assert_int_equal(READ("\3w.w\2ab\0\1x\0", 0, &end), DOMAIN_NAME_UNSPOKEN);
    assert_string_equal(name, "");
    assert_int_equal(end, 8);
    assert_int_equal(READ("\1\0\0", 0, &end), DOMAIN_NAME_UNSPOKEN);
}

static void pointers(void **state)
{
    static const char message[] = "\1a\0\1b\xc0\0\1c\xc0\3\2";
    size_t end = 0;

    (void)state;
    assert_int_equal(READ(message, 3, &end), DOMAIN_NAME_READ);
    assert_string_equal(name, "b.a");
    assert_int_equal(end, 7);
    assert_int_equal(READ(message, 7, &end), DOMAIN_NAME_READ);
    assert_string_equal(name, "c.b.a");
    assert_int_equal(end, 11); /* Behind the first. */
    /* To itself, in a ring, out of the message, cut, and where there may be none. */
    assert_int_equal(READ("\xc0\0", 0, &end), DOMAIN_NAME_BROKEN);
    assert_int_equal(READ("\1a\xc0\0", 0, &end), DOMAIN_NAME_BROKEN);
    assert_int_equal(READ("\xc0\5\0", 0, &end), DOMAIN_NAME_BROKEN);
    assert_int_equal(READ("\1a\xc0", 0, &end), DOMAIN_NAME_BROKEN);
    end = 3;
    assert_int_equal(
        domain_name_read((const uint8_t *)message, sizeof message, &end, false, name),
        DOMAIN_NAME_BROKEN);
    assert_int_equal(end, 3);
}

static void borders(void **state)
{
    uint8_t longest[300] = {0};
    size_t end = 0;

    (void)state;
    assert_int_equal(READ("\3ab", 0, &end), DOMAIN_NAME_BROKEN);
    assert_int_equal(READ("\1a", 0, &end), DOMAIN_NAME_BROKEN);
    assert_int_equal(READ("\x40", 0, &end), DOMAIN_NAME_BROKEN);
    assert_int_equal(READ("", 0, &end), DOMAIN_NAME_BROKEN);
    /* 255 bytes are a name, one more is none. */
    for (unsigned i = 0; i < 4; i++) {
        longest[64 * i] = i < 3 ? 63 : 61;
        memset(longest + 64 * i + 1, 'x', 63);
    }
    memset(longest + 254, 0, 46);
    end = 0;
    assert_int_equal(domain_name_read(longest, sizeof longest, &end, true, name),
                     DOMAIN_NAME_READ);
    assert_int_equal(end, 255);
    assert_int_equal(strlen(name), 253);
    longest[192] = 62;
    longest[254] = 'x';
    end = 0;
    assert_int_equal(domain_name_read(longest, sizeof longest, &end, true, name),
                     DOMAIN_NAME_BROKEN);
    assert_int_equal(end, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(pointers),
        cmocka_unit_test(borders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
