/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The invariants of every tree that can be read, whatever language it was read from. */
#ifndef TESTS_FUZZ_FUZZ_MODEL_H
#define TESTS_FUZZ_FUZZ_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

#define MUST(CONDITION)                                                                    \
    do {                                                                                   \
        if (!(CONDITION)) {                                                                \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* Printed and read again it is the same, in both languages. */
static void fuzz_round_trip(const struct node *x)
{
    char *yaml = node_to_yaml(x), *json = node_to_json(x, 2);
    struct diags d;
    struct node *y, *z;

    diags_init(&d);
    y = node_from_yaml(yaml, strlen(yaml), NULL, &d);
    z = node_from_json(json, strlen(json), NULL, &d);
    MUST(y && node_equal(x, y));
    MUST(z && node_equal(x, z));
    node_free(y);
    node_free(z);
    free(yaml);
    free(json);
    diags_done(&d);
}

/* What passes a check is canonical: its minimal form passes and gives the same again. */
static void fuzz_kinds(const struct node *x)
{
    struct diags d;

    diags_init(&d);
    for (const struct kind *k = schema_kinds; k->name; k++) {
        struct node *once = schema_check(k, x, "x", NULL, &d), *minimal, *twice;

        if (!once) {
            continue;
        }
        minimal = schema_minimal(k, once);
        twice = schema_check(k, minimal, "x", NULL, &d);
        MUST(twice && node_equal(once, twice));
        node_free(twice);
        twice = schema_check(k, once, "x", NULL, &d);
        MUST(twice && node_equal(once, twice));
        node_free(once);
        node_free(minimal);
        node_free(twice);
    }
    diags_done(&d);
}

/* Objects as printed may lie in a network that is not among them; a file has it. */
static bool fuzz_whole(const struct objects *o)
{
    for (size_t i = 0; i < o->n; i++) {
        const char *network = o->list[i].network;

        if (network && !objects_find(o, schema_kind("network"), NULL, network)) {
            return false;
        }
    }
    return true;
}

/* A file that is valid is written as one that differs in nothing. */
static void fuzz_file(const struct node *x)
{
    struct objects a, b;
    struct diags d;
    struct plan plan;
    struct node *written;

    diags_init(&d);
    if (fabric_file_read(x, NULL, &a, &d) && fuzz_whole(&a)) {
        written = fabric_file_write(&a);
        MUST(fabric_file_read(written, NULL, &b, &d));
        memcpy(b.declares, a.declares, sizeof(b.declares));
        plan_make(&a, &b, true, &plan);
        MUST(!plan.n && a.n == b.n);
        plan_done(&plan);
        objects_done(&b);
        node_free(written);
    }
    MUST(a.n || d.n || node_get(x, "version") || node_get(x, "items") ||
         x->kind == NODE_LIST || node_get(x, "kind"));
    for (size_t i = 0; i < d.n; i++) {
        free(diag_print(&d.list[i]));
        free(diag_pointer(&d.list[i]));
    }
    objects_done(&a);
    diags_done(&d);
}

/* A file says the same twice without contradiction; and no pointer leads astray. */
static void fuzz_join(const struct node *x)
{
    struct diags d;
    struct node *whole, *copy = node_copy(x);
    bool file = x->kind == NODE_MAP && !node_get(x, "kind") && !node_get(x, "items");

    diags_init(&d);
    whole = fabric_file_join(copy, node_copy(x), &d);
    MUST(!file || (!d.n && node_equal(whole, x)));
    for (size_t i = 0; x->kind == NODE_MAP && i < x->n; i++) {
        char *pointer = xasprintf("/%s/0/1", x->key[i]);

        MUST(fabric_file_place(whole, pointer));
        free(pointer);
    }
    MUST(fabric_file_place(whole, "/networks/lab/ports/p/tap"));
    node_free(whole);
    diags_done(&d);
}

static void fuzz_tree(struct node *x, const struct diags *d)
{
    if (!x) {
        MUST(d->n);
        return;
    }
    fuzz_round_trip(x);
    fuzz_kinds(x);
    fuzz_file(x);
    fuzz_join(x);
    node_free(x);
}

#endif
