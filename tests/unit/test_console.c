/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/vde/console.h"

static void words_are_taken_apart(void **state)
{
    struct console_request r;

    (void)state;
    console_parse("  port/setvlan  5\t10 \r\n", 22, &r);
    assert_non_null(r.row);
    assert_int_equal(r.row->command, CONSOLE_PORT_SETVLAN);
    assert_true(r.row->changes);
    assert_int_equal(r.n_args, 2);
    assert_string_equal(r.arg[0], "5");
    assert_string_equal(r.arg[1], "10");
    console_parse("# port/print", 12, &r);
    assert_true(r.empty);
    console_parse("", 0, &r);
    assert_true(r.empty);
    /* A menu is no command, nor is the beginning of one or more than one. */
    for (unsigned i = 0; i < 3; i++) {
        static const char *const lines[] = {"port", "port/pri", "port/printxyz"};

        console_parse(lines[i], strlen(lines[i]), &r);
        assert_false(r.empty);
        assert_null(r.row);
    }
}

static void numbers_are_whole(void **state)
{
    uint32_t n = 7;

    (void)state;
    assert_true(console_number("4095", 4095, &n));
    assert_int_equal(n, 4095);
    assert_false(console_number("4096", 4095, &n));
    assert_false(console_number("", 4095, &n));
    assert_false(console_number("-1", 4095, &n));
    assert_false(console_number("1x", 4095, &n));
    assert_false(console_number("99999999999999999999", UINT32_MAX, &n));
    assert_int_equal(n, 4095);
}

static void lines_come_in_pieces(void **state)
{
    struct console_reader r = {.size = 0};
    char long_line[CONSOLE_LINE_MAX + 10];
    size_t used;

    (void)state;
    assert_int_equal(console_reader_feed(&r, "port/", 5, &used), CONSOLE_MORE);
    assert_int_equal(console_reader_feed(&r, "print\nvlan", 10, &used), CONSOLE_LINE);
    assert_int_equal(used, 6);
    assert_memory_equal(r.line, "port/print\n", r.size);
    /* What has no end, after a while. */
    assert_int_equal(console_reader_feed(&r, "vlan", 4, &used), CONSOLE_MORE);
    assert_int_equal(console_reader_end(&r), CONSOLE_LINE);
    assert_int_equal(r.size, 4);
    assert_int_equal(console_reader_end(&r), CONSOLE_MORE);
    memset(long_line, 'x', sizeof long_line);
    assert_int_equal(console_reader_feed(&r, long_line, sizeof long_line, &used),
                     CONSOLE_MORE);
    assert_int_equal(console_reader_feed(&r, "\nhelp\n", 6, &used), CONSOLE_LONG);
    assert_int_equal(used, 1);
    assert_int_equal(console_reader_feed(&r, "help\n", 5, &used), CONSOLE_LINE);
    assert_int_equal(r.size, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_taken_apart),
        cmocka_unit_test(numbers_are_whole),
        cmocka_unit_test(lines_come_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
