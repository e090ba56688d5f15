/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree itself; node_yaml.c and node_json.c read and print it. */
#include "proto/model/node.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"

struct node *node_new(enum node_kind kind)
{
    struct node *x = xcalloc(1, sizeof(*x));

    x->kind = kind;
    return x;
}

struct node *node_text(const char *text)
{
    struct node *x = node_new(NODE_TEXT);

    x->text = xstrdup(text);
    return x;
}

struct node *node_int(int64_t value)
{
    struct node *x = node_new(NODE_INT);

    x->integer = value;
    return x;
}

struct node *node_bool(bool value)
{
    struct node *x = node_new(NODE_BOOL);

    x->boolean = value;
    return x;
}

struct node *node_map(void)
{
    return node_new(NODE_MAP);
}

struct node *node_list(void)
{
    return node_new(NODE_LIST);
}

void node_free(struct node *x)
{
    if (!x) {
        return;
    }
    for (size_t i = 0; i < x->n; i++) {
        node_free(x->child[i]);
        if (x->key) {
            free(x->key[i]);
        }
    }
    free(x->child);
    free(x->key);
    free(x->text);
    free(x);
}

/* Room for one more child: the arrays grow whenever their number is a power of two. */
static void grow(struct node *x)
{
    if (x->n & (x->n - 1)) {
        return;
    }
    x->child = xrealloc(x->child, (x->n ? x->n * 2 : 1) * sizeof(*x->child));
    if (x->kind == NODE_MAP) {
        x->key = xrealloc(x->key, (x->n ? x->n * 2 : 1) * sizeof(*x->key));
    }
}

void node_append(struct node *list, struct node *value)
{
    grow(list);
    list->child[list->n++] = value;
}

void node_append_key(struct node *map, char *key, struct node *value)
{
    grow(map);
    map->key[map->n] = key;
    map->child[map->n++] = value;
}

static bool find(const struct node *map, const char *key, size_t *at)
{
    if (!map || map->kind != NODE_MAP) {
        return false;
    }
    for (size_t i = 0; i < map->n; i++) {
        if (!strcmp(map->key[i], key)) {
            *at = i;
            return true;
        }
    }
    return false;
}

struct node *node_get(const struct node *map, const char *key)
{
    size_t at;

    return find(map, key, &at) ? map->child[at] : NULL;
}

void node_set(struct node *map, const char *key, struct node *value)
{
    size_t at;

    if (find(map, key, &at)) {
        node_free(map->child[at]);
        map->child[at] = value;
        return;
    }
    node_append_key(map, xstrdup(key), value);
}

void node_set_text(struct node *map, const char *key, const char *value)
{
    node_set(map, key, node_text(value));
}

void node_set_int(struct node *map, const char *key, int64_t value)
{
    node_set(map, key, node_int(value));
}

void node_set_bool(struct node *map, const char *key, bool value)
{
    node_set(map, key, node_bool(value));
}

bool node_remove(struct node *map, const char *key)
{
    size_t at;

    if (!find(map, key, &at)) {
        return false;
    }
    node_free(map->child[at]);
    free(map->key[at]);
    /* The arrays must keep the room that grow() reckons with: a number that falls to a power
     * of two would be reallocated to its own double, which is no less than it has. */
    memmove(&map->child[at], &map->child[at + 1], (map->n - at - 1) * sizeof(*map->child));
    memmove(&map->key[at], &map->key[at + 1], (map->n - at - 1) * sizeof(*map->key));
    map->n--;
    return true;
}

const char *node_get_text(const struct node *map, const char *key, const char *otherwise)
{
    const struct node *x = node_get(map, key);

    return x && x->kind == NODE_TEXT ? x->text : otherwise;
}

int64_t node_get_int(const struct node *map, const char *key, int64_t otherwise)
{
    const struct node *x = node_get(map, key);

    return x && x->kind == NODE_INT ? x->integer : otherwise;
}

bool node_get_bool(const struct node *map, const char *key, bool otherwise)
{
    const struct node *x = node_get(map, key);

    return x && x->kind == NODE_BOOL ? x->boolean : otherwise;
}

struct node *node_copy(const struct node *x)
{
    struct node *copy;

    if (!x) {
        return NULL;
    }
    copy = node_new(x->kind);
    copy->line = x->line;
    copy->column = x->column;
    copy->key_line = x->key_line;
    copy->key_column = x->key_column;
    copy->file = x->file;
    copy->boolean = x->boolean;
    copy->integer = x->integer;
    copy->real = x->real;
    copy->text = x->text ? xstrdup(x->text) : NULL;
    for (size_t i = 0; i < x->n; i++) {
        if (x->kind == NODE_MAP) {
            node_append_key(copy, xstrdup(x->key[i]), node_copy(x->child[i]));
        } else {
            node_append(copy, node_copy(x->child[i]));
        }
    }
    return copy;
}

static int by_key(const void *a, const void *b)
{
    const struct node_entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->at > y->at) - (x->at < y->at);
}

void node_index_init(struct node_index *index, const struct node *map)
{
    index->n = map->n;
    index->list = xcalloc(map->n + 1, sizeof(*index->list));
    for (size_t i = 0; i < map->n; i++) {
        index->list[i] = (struct node_entry){.key = map->key[i], .at = i};
    }
    qsort(index->list, index->n, sizeof(*index->list), by_key);
}

void node_index_done(struct node_index *index)
{
    free(index->list);
}

bool node_index_find(const struct node_index *index, const char *key, size_t *at)
{
    size_t low = 0, high = index->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(index->list[mid].key, key);

        if (!order) {
            *at = index->list[mid].at;
            return true;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return false;
}

static bool maps_equal(const struct node *a, const struct node *b)
{
    struct node_index index;
    bool equal = true;

    node_index_init(&index, b);
    for (size_t i = 0; i < a->n && equal; i++) {
        size_t at;

        equal = node_index_find(&index, a->key[i], &at) &&
                node_equal(a->child[i], b->child[at]);
    }
    node_index_done(&index);
    return equal;
}

/* Maps are mostly equal in their order, too. */
static bool same_order(const struct node *a, const struct node *b)
{
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->key[i], b->key[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool children_equal(const struct node *a, const struct node *b)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!node_equal(a->child[i], b->child[i])) {
            return false;
        }
    }
    return true;
}

bool node_equal(const struct node *a, const struct node *b)
{
    if (!a || !b || a->kind != b->kind || a->n != b->n) {
        return a == b;
    }
    switch (a->kind) {
    case NODE_NULL:
        return true;
    case NODE_BOOL:
        return a->boolean == b->boolean;
    case NODE_INT:
        return a->integer == b->integer;
    case NODE_REAL:
        return a->real <= b->real && a->real >= b->real;
    case NODE_TEXT:
        return !strcmp(a->text, b->text);
    case NODE_LIST:
        return children_equal(a, b);
    case NODE_MAP:
        return same_order(a, b) ? children_equal(a, b) : maps_equal(a, b);
    }
    return false;
}

/* What the base has and the patch does not take away, merged; each key of the patch is marked in
 * used[]. */
static struct node *merge_kept(const struct node *base, const struct node *patch,
                               bool *used)
{
    struct node *out = node_map();
    struct node_index index;
    size_t at;

    node_index_init(&index, patch);
    for (size_t i = 0; i < base->n; i++) {
        const struct node *old = base->child[i];

        if (!node_index_find(&index, base->key[i], &at)) {
            node_append_key(out, xstrdup(base->key[i]), node_copy(old));
            continue;
        }
        used[at] = true;
        if (patch->child[at]->kind != NODE_NULL) {
            node_append_key(out, xstrdup(base->key[i]), node_merge(old, patch->child[at]));
        }
    }
    node_index_done(&index);
    return out;
}

struct node *node_merge(const struct node *base, const struct node *patch)
{
    struct node *out;
    bool *used;

    if (patch->kind != NODE_MAP) {
        return node_copy(patch);
    }
    used = xcalloc(patch->n + 1, sizeof(*used));
    out = base && base->kind == NODE_MAP ? merge_kept(base, patch, used) : node_map();
    for (size_t i = 0; i < patch->n; i++) {
        if (!used[i] && patch->child[i]->kind != NODE_NULL) {
            node_append_key(out, xstrdup(patch->key[i]), node_merge(NULL, patch->child[i]));
        }
    }
    free(used);
    return out;
}
