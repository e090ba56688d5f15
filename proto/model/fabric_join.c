/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several fabric files as one tree, and the place in it that a pointer means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"
#include "proto/model/node_internal.h"
#include "proto/model/schema_internal.h"

/* --- join -------------------------------------------------------------------------------- */

static bool is_list_of_objects(const struct node *x)
{
    return x->kind == NODE_LIST || (x->kind == NODE_MAP && node_get(x, "kind"));
}

/* Objects as they are printed, brought under the key under which a file may have them. */
static struct node *with_items(struct node *x)
{
    struct node *root, *list = x;

    if (!is_list_of_objects(x)) {
        return x;
    }
    if (x->kind == NODE_MAP) {
        list = node_list();
        node_append(list, x);
    }
    root = node_map();
    root->line = root->column = 1;
    root->file = x->file;
    node_set(root, "items", list);
    return root;
}

/* "1500", or nothing of what does not fit on a line. */
static void brief(const struct node *x, char *buffer, size_t size)
{
    char *text = x->kind == NODE_MAP || x->kind == NODE_LIST ? NULL : node_to_yaml(x);

    snprintf(buffer, size, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
    free(text);
}

static void contradiction(struct check *c, const struct node *here,
                          const struct node *there)
{
    char a[60], b[60];

    brief(here, a, sizeof(a));
    brief(there, b, sizeof(b));
    check_bad(c, here, "%s%sdiffers from %s%s%s:%u:%u (say it once)", a, *a ? " " : "", b,
              *b ? " at " : "", there->file ? there->file : "", there->line, there->column);
}

static void join_maps(struct check *c, struct node *whole, struct node *more);

/* Takes `y`. */
static void join_values(struct check *c, struct node **xp, struct node *y)
{
    struct node *x = *xp;

    if (x->kind == NODE_NULL) {
        *xp = y;
        node_free(x);
        return;
    }
    if (x->kind == NODE_MAP && y->kind == NODE_MAP) {
        join_maps(c, x, y);
        return;
    }
    if (y->kind != NODE_NULL && !node_equal(x, y)) {
        contradiction(c, y, x);
        contradiction(c, x, y);
    }
    node_free(y);
}

/* Moves what `more` has into `whole`; takes `more`. */
static void join_maps(struct check *c, struct node *whole, struct node *more)
{
    struct node_index index;
    size_t at;

    node_index_init(&index, whole);
    for (size_t i = 0; i < more->n; i++) {
        size_t before = check_down(c, more->key[i]);

        if (node_index_find(&index, more->key[i], &at)) {
            join_values(c, &whole->child[at], more->child[i]);
            free(more->key[i]);
        } else {
            node_append_key(whole, more->key[i], more->child[i]);
        }
        check_up(c, before);
    }
    node_index_done(&index);
    more->n = 0;
    node_free(more);
}

/* The objects of both, in one list. Takes `y`. */
static void join_items(struct node *x, struct node *y)
{
    for (size_t i = 0; i < y->n; i++) {
        node_append(x, y->child[i]);
    }
    y->n = 0;
    node_free(y);
}

struct node *fabric_file_join(struct node *whole, struct node *more, struct diags *diags)
{
    struct check c;
    struct node *x, *y;

    if (!whole) {
        return more;
    }
    check_init(&c, "", NULL, diags);
    whole = with_items(whole);
    more = with_items(more);
    if (whole->kind != NODE_MAP || more->kind != NODE_MAP) {
        check_bad(&c, whole->kind != NODE_MAP ? whole : more,
                  "not a fabric file (version: 1, networks: …)");
        node_free(more);
        return whole;
    }
    x = node_get(whole, "items");
    y = node_get(more, "items");
    if (x && y && x->kind == NODE_LIST && y->kind == NODE_LIST) {
        join_items(x, node_copy(y));
        node_remove(more, "items");
    }
    join_maps(&c, whole, more);
    return whole;
}

/* --- places ------------------------------------------------------------------------------ */

/* One part of a pointer, up to `end`, without its escapes (RFC 6901). The paths of our own
 * messages have dots for slashes, so a key may have been cut at its dots: `dots` of them. */
static char *part_of(const char *pointer, const char *end)
{
    char *part = xcalloc(1, (size_t)(end - pointer) + 1), *to = part;

    for (; pointer < end; pointer++) {
        if (pointer[0] == '~' && (pointer[1] == '0' || pointer[1] == '1')) {
            *to++ = *++pointer == '0' ? '~' : '/';
        } else {
            *to++ = *pointer == '/' ? '.' : *pointer;
        }
    }
    return part;
}

static const struct node *child_of(const struct node *x, const char *key)
{
    char *end;
    unsigned long i;

    if (x->kind == NODE_MAP) {
        return node_get(x, key);
    }
    i = strtoul(key, &end, 10);
    return x->kind == NODE_LIST && *key && !*end && i < x->n ? x->child[i] : NULL;
}

/* The next node on the way; *pointer moves behind its part. */
static const struct node *step(const struct node *x, const char **pointer)
{
    const char *end = *pointer;

    while (*end == '/') {
        const struct node *next;
        char *key;

        end += 1 + strcspn(end + 1, "/");
        key = part_of(*pointer + 1, end);
        next = child_of(x, key);
        free(key);
        if (next) {
            *pointer = end;
            return next;
        }
    }
    return NULL;
}

static bool is_text(const struct node *map, const char *key, const char *text, size_t size)
{
    const char *value = node_get_text(map, key, NULL);

    return value && strlen(value) == size && !memcmp(value, text, size);
}

/* An object as it is printed, by its place in a file: /networks/lab/ports/p. */
static const struct node *printed(const struct node *root, const char **pointer)
{
    const struct node *items = root->kind == NODE_LIST ? root : node_get(root, "items");
    const char *part[4], *end = *pointer;
    size_t size[4], n = 0;

    for (; *end == '/' && n < 4; n++) {
        part[n] = end + 1;
        size[n] = strcspn(part[n], "/");
        end = part[n] + size[n];
    }
    for (size_t depth = n & ~(size_t)1; depth; depth -= 2) {
        for (size_t i = 0; i < (items && items->kind == NODE_LIST ? items->n : 1); i++) {
            const struct node *x = items ? items->child[i] : root;
            const struct kind *kind = schema_kind(node_get_text(x, "kind", ""));

            if (kind && strlen(kind->plural) == size[depth - 2] &&
                !memcmp(kind->plural, part[depth - 2], size[depth - 2]) &&
                is_text(x, "name", part[depth - 1], size[depth - 1]) &&
                (depth == 2 || is_text(x, "network", part[1], size[1]))) {
                *pointer = part[depth - 1] + size[depth - 1];
                return x;
            }
        }
    }
    return NULL;
}

const struct node *fabric_file_place(const struct node *root, const char *pointer)
{
    const struct node *next = step(root, &pointer);

    if (!next) {
        next = printed(root, &pointer);
    }
    while (next) {
        root = next;
        next = step(root, &pointer);
    }
    return root;
}
