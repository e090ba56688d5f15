/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The documents out of the tables: whole, and of what is built only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/model/schema.h"

/* Counts the references in a document; each must lead somewhere. */
static unsigned follow(const struct node *root, const struct node *x)
{
    unsigned n = 0;

    for (size_t i = 0; i < x->n; i++) {
        if (x->kind == NODE_MAP && !strcmp(x->key[i], "$ref")) {
            const char *name = strrchr(x->child[i]->text, '/') + 1;
            const struct node *defs = node_get(root, "$defs");

            if (!defs) {
                defs = node_get(node_get(root, "components"), "schemas");
            }
            assert_non_null(node_get(defs, name));
            n++;
        }
        n += follow(root, x->child[i]);
    }
    return n;
}

static void openapi_is_whole(void **state)
{
    struct node *doc = schema_openapi("1.2.3");
    const struct node *paths = node_get(doc, "paths");

    (void)state;
    assert_string_equal(node_get_text(doc, "openapi", ""), "3.1.0");
    assert_true(follow(doc, doc) > 20);
    assert_non_null(node_get(node_get(paths, "/v1/ports/{network}/{name}"), "patch"));
    assert_non_null(node_get(node_get(paths, "/v1/networks"), "get"));
    assert_null(node_get(paths, "/v1/routers"));
    node_free(doc);
}

static void json_schema_has_what_is_built(void **state)
{
    struct node *doc = schema_json_schema();
    const struct node *network =
        node_get(node_get(node_get(doc, "$defs"), "network"), "properties");
    const struct node *mtu = node_get(network, "mtu");
    const struct node *number = node_get(mtu, "anyOf")->child[0]; /* Or nothing. */

    (void)state;
    assert_true(follow(doc, doc) >= 5);
    assert_int_equal(node_get_int(mtu, "default", 0), 1500);
    assert_int_equal(node_get_int(number, "maximum", 0), 9216);
    assert_non_null(node_get(network, "ports"));
    assert_null(node_get(node_get(doc, "properties"), "routers"));
    assert_null(
        node_get(node_get(node_get(node_get(doc, "$defs"), "link"), "properties"), "loss"));
    node_free(doc);
}

static void reference_names_every_key(void **state)
{
    char *text = schema_reference();

    (void)state;
    for (const struct kind *k = schema_kinds; k->name; k++) {
        for (const struct field *f = k->fields; f && f->name; f++) {
            assert_true(k->later || f->later || strstr(text, f->name));
        }
        assert_non_null(strstr(text, k->plural));
    }
    assert_non_null(strstr(text, "Refused: routers are not built yet."));
    assert_non_null(strstr(text, "`vlans.ID.ipv4`"));
    free(text);
}

/* What tables promise to the code that reads them. */
static void fields_are_sound(const struct field *fields)
{
    for (const struct field *f = fields; f->name; f++) {
        bool map = f->type == FIELD_MAP || f->type == FIELD_MAP_OF;

        assert_non_null(f->help);
        assert_true(f->type != FIELD_ENUM || f->words || f->later);
        assert_true(!map || f->fields || f->later);
        if (f->fields) {
            fields_are_sound(f->fields);
        }
    }
}

static void tables_are_sound(void **state)
{
    (void)state;
    for (const struct kind *k = schema_kinds; k->name; k++) {
        assert_true(k->fields || k->later);
        if (k->fields) {
            fields_are_sound(k->fields);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openapi_is_whole),
        cmocka_unit_test(json_schema_has_what_is_built),
        cmocka_unit_test(reference_names_every_key),
        cmocka_unit_test(tables_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
