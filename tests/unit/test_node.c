/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree: what is read, what is refused, and that printing is the inverse of reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/xalloc.h"
#include "proto/model/node.h"

static struct node *yaml(const char *text)
{
    struct diags d;
    struct node *x;

    diags_init(&d);
    x = node_from_yaml(text, strlen(text), NULL, &d);
    assert_true(!x == (d.n > 0));
    diags_done(&d);
    return x;
}

static struct node *json(const char *text)
{
    struct diags d;
    struct node *x;

    diags_init(&d);
    x = node_from_json(text, strlen(text), NULL, &d);
    assert_true(!x == (d.n > 0));
    diags_done(&d);
    return x;
}

/* All mistakes of a text, one to a line. */
static char *mistakes(const char *text)
{
    struct diags d;
    char *all = xstrdup("");

    diags_init(&d);
    assert_null(node_from_yaml(text, strlen(text), "f", &d));
    for (size_t i = 0; i < d.n; i++) {
        char *line = diag_print(&d.list[i]);
        char *more = xasprintf("%s%s\n", all, line);

        free(line);
        free(all);
        all = more;
    }
    diags_done(&d);
    return all;
}

static void expect_mistakes(const char *text, const char *expected)
{
    char *all = mistakes(text);

    assert_string_equal(all, expected);
    free(all);
}

static void scalars_of_the_core_schema(void **state)
{
    static const struct {
        const char *text;
        enum node_kind kind;
        int64_t integer;
    } table[] = {
        {"~", NODE_NULL, 0},
        {"null", NODE_NULL, 0},
        {"nUll", NODE_TEXT, 0},
        {"true", NODE_BOOL, 1},
        {"False", NODE_BOOL, 0},
        {"yes", NODE_TEXT, 0},
        {"0", NODE_INT, 0},
        {"-12", NODE_INT, -12},
        {"+7", NODE_INT, 7},
        {"007", NODE_INT, 7},
        {"0o17", NODE_INT, 15},
        {"0x1F", NODE_INT, 31},
        {"0x", NODE_TEXT, 0},
        {"1.5", NODE_REAL, 0},
        {".5", NODE_REAL, 0},
        {"1e3", NODE_REAL, 0},
        {"1e", NODE_TEXT, 0},
        {"10.64.0.0/24", NODE_TEXT, 0},
        {"10.64.0.1", NODE_TEXT, 0},
        {"fd42::1", NODE_TEXT, 0},
        {"02:00:00:00:00:09", NODE_TEXT, 0},
        {"9223372036854775807", NODE_INT, INT64_MAX},
        {"9223372036854775808", NODE_REAL, 0},
        {"\"12\"", NODE_TEXT, 0},
        {"'true'", NODE_TEXT, 0},
        {"-", NODE_LIST, 0},
        {".", NODE_TEXT, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct node *x = yaml(table[i].text);

        assert_non_null(x);
        if (x->kind != table[i].kind) {
            fail_msg("%s: kind %d", table[i].text, (int)x->kind);
        }
        if (x->kind == NODE_INT) {
            assert_int_equal(x->integer, table[i].integer);
        }
        if (x->kind == NODE_BOOL) {
            assert_int_equal(x->boolean, table[i].integer);
        }
        node_free(x);
    }
}

static void places(void **state)
{
    struct node *x = yaml("# note\nnetworks:\n  lab: {mtu: 9000}\n");
    struct node *mtu = node_get(node_get(node_get(x, "networks"), "lab"), "mtu");

    (void)state;
    assert_int_equal(mtu->integer, 9000);
    assert_int_equal(mtu->line, 3);
    assert_int_equal(mtu->column, 14);
    assert_int_equal(mtu->key_column, 9);
    node_free(x);
}

static void refused_with_places(void **state)
{
    (void)state;
    expect_mistakes("a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\n",
                    "f:2:17: b.c: stands twice in this map (each key once)\n"
                    "f:3:1: a: stands twice in this map (each key once)\n");
    expect_mistakes("a: !!str 1\nb: &x 2\nc: *x\n",
                    "f:1:4: a: tags are not allowed (put a text in quotes)\n"
                    "f:2:4: b: anchors are not allowed\n"
                    "f:3:4: c: aliases are not allowed (write the value out)\n");
    expect_mistakes("a: .inf\n", "f:1:4: a: not a finite number (put a text in quotes)\n");
    expect_mistakes("a: 1\n---\nb: 1\n", "f:2:1: a second document (one to a file)\n");
    expect_mistakes("", "f: there is nothing in it\n");
    expect_mistakes("{[a]: 1}", "f:1:2: a key is a plain word, not a map or list\n");
    expect_mistakes("a: \"x\\0y\"", "f:1:4: a: a text may not hold a NUL\n");
}

static void bad_grammar_has_a_place(void **state)
{
    char *all = mistakes("a: [1, 2\nb: 3\n");

    (void)state;
    assert_memory_equal(all, "f:2:", 4);
    assert_non_null(strstr(all, "not YAML"));
    free(all);
}

static void depth_is_bounded(void **state)
{
    char text[2 * NODE_MAX_DEPTH + 3];
    struct node *x;

    (void)state;
    memset(text, '[', NODE_MAX_DEPTH);
    memset(text + NODE_MAX_DEPTH, ']', NODE_MAX_DEPTH);
    text[2 * NODE_MAX_DEPTH] = '\0';
    x = yaml(text);
    assert_non_null(x);
    node_free(x);
    x = json(text);
    assert_non_null(x);
    node_free(x);
    memset(text, '[', NODE_MAX_DEPTH + 1);
    memset(text + NODE_MAX_DEPTH + 1, ']', NODE_MAX_DEPTH + 1);
    text[2 * NODE_MAX_DEPTH + 2] = '\0';
    assert_null(yaml(text));
    assert_null(json(text));
}

static void json_is_strict(void **state)
{
    (void)state;
    assert_null(json("{\"a\":1,\"a\":2}"));
    assert_null(json("{\"a\":1} x"));
    assert_null(json("{'a':1}"));
    assert_null(json("\"\\u0000\""));
    assert_null(json("\"\xff\""));
    assert_null(json(""));
}

static void print_is_the_inverse(void **state)
{
    static const char *const texts[] = {
        "{\"a\":{\"b\":[1,2,{\"c\":null}],\"d\":{}},\"e\":[],\"\":\"\"}",
        "[\"yes\",\"12\",\"1.5\",\"null\",\" x\",\"a: b\",\"#\",\"fd42::\",\"12:30\"]",
        "[\"2026-01-01\",\"\\u0001\\u007f\\u2028\\ufeff\",\"a\\nb\\t\\\"\\\\\",\"- x\"]",
        "[1.0,1e20,0.1,-3.25e-9,9223372036854775807,-9223372036854775808]",
        "[[[[1]],[{\"a\":[{\"b\":{\"c\":1}},{}]}]],true,false]",
        "\"text\"",
        "{\"true\":1,\"10\":2,\"1.5\":3,\"~\":4,\"a b\":5,\"?\":6,\"0x1\":7}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct node *x = json(texts[i]);
        char *as_yaml = node_to_yaml(x);
        char *as_json = node_to_json(x, 2);
        struct node *y = yaml(as_yaml);
        struct node *z = json(as_json);
        char *compact = node_to_json(x, 0);

        if (!node_equal(x, y)) {
            fail_msg("%s became\n%s", texts[i], as_yaml);
        }
        assert_true(node_equal(x, z));
        if (i < 3 || i > 3) { /* Numbers are printed in our own form. */
            struct node *again = json(compact);

            assert_true(node_equal(x, again));
            node_free(again);
        }
        free(as_yaml);
        free(as_json);
        free(compact);
        node_free(x);
        node_free(y);
        node_free(z);
    }
}

static void yaml_as_a_person_writes_it(void **state)
{
    static const char text[] = "networks:\n"
                               "  office:\n"
                               "    vlans:\n"
                               "      10: {name: staff, ipv4: 10.64.1.0/24}\n"
                               "    mac: \"02:00:00:00:00:09\"\n"
                               "    ports:\n"
                               "      core: {host: alpha, tap: office0, trunk: [10, 20]}\n"
                               "  lan1: {}\n"
                               "hosts:\n"
                               "  alpha: {address: 198.51.100.1:4655}\n";
    struct node *x = yaml(text);
    char *printed = node_to_yaml(x);

    (void)state;
    assert_string_equal(printed, text);
    free(printed);
    node_free(x);
}

static void long_keys_and_lines(void **state)
{
    char key[600];
    struct node *x = node_map(), *inner = node_map(), *y;
    char *text;

    (void)state;
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    node_set_int(inner, key, 1);
    key[300] = '\n';
    node_set(inner, key, node_list());
    node_set(x, "a", inner);
    text = node_to_yaml(x);
    y = yaml(text);
    assert_true(node_equal(x, y));
    free(text);
    node_free(x);
    node_free(y);
}

static void maps(void **state)
{
    struct node *x = node_map();
    char key[8];

    (void)state;
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        node_set_int(x, key, i);
    }
    for (int i = 0; i < 40; i += 3) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_true(node_remove(x, key));
        assert_false(node_remove(x, key));
    }
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(node_get_int(x, key, -1), i % 3 ? i : -1);
    }
    node_set_text(x, "k1", "one");
    assert_string_equal(node_get_text(x, "k1", ""), "one");
    assert_int_equal(node_get_int(x, "k1", 5), 5);
    node_free(x);
}

static void merge_patch(void **state)
{
    /* RFC 7396, appendix A. */
    static const char *const table[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
         "{\"a\":{\"b\":\"d\"}}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct node *base = json(table[i][0]), *patch = json(table[i][1]);
        struct node *merged = node_merge(base, patch);
        char *text = node_to_json(merged, 0);

        assert_string_equal(text, table[i][2]);
        free(text);
        node_free(base);
        node_free(patch);
        node_free(merged);
    }
}

static void pointer_of_a_path(void **state)
{
    struct diags d;
    char *p;

    (void)state;
    diags_init(&d);
    diags_add(&d, NULL, 0, 0, "networks.a/b~c.vlans", "%s", "no");
    p = diag_pointer(&d.list[0]);
    assert_string_equal(p, "/networks/a~1b~0c/vlans");
    free(p);
    p = diag_print(&d.list[0]);
    assert_string_equal(p, "networks.a/b~c.vlans: no");
    free(p);
    for (int i = 0; i < DIAGS_MAX + 5; i++) {
        diags_add(&d, "f", 1, 2, "", "again");
    }
    assert_int_equal(d.n, DIAGS_MAX);
    assert_int_equal(d.suppressed, 6);
    diags_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_of_the_core_schema),
        cmocka_unit_test(places),
        cmocka_unit_test(refused_with_places),
        cmocka_unit_test(bad_grammar_has_a_place),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(json_is_strict),
        cmocka_unit_test(print_is_the_inverse),
        cmocka_unit_test(yaml_as_a_person_writes_it),
        cmocka_unit_test(long_keys_and_lines),
        cmocka_unit_test(maps),
        cmocka_unit_test(merge_patch),
        cmocka_unit_test(pointer_of_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
