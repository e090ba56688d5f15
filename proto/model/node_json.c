/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON: read by jansson, which has no places for values, so only errors of grammar have one. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"

struct reader {
    const char *file;
    struct diags *diags;
    size_t nodes;
    bool bad;
};

static struct node *convert(struct reader *r, const json_t *json, unsigned depth);

static struct node *convert_object(struct reader *r, const json_t *json, unsigned depth)
{
    struct node *map = node_map();
    const char *key;
    json_t *value;
    /* jansson iterates only over what it may change; nothing is changed here. */
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = json};

    json_object_foreach(object.out, key, value)
    {
        node_append_key(map, xstrdup(key), convert(r, value, depth + 1));
        if (r->bad) {
            break;
        }
    }
    return map;
}

static struct node *convert_array(struct reader *r, const json_t *json, unsigned depth)
{
    struct node *list = node_list();

    for (size_t i = 0; i < json_array_size(json) && !r->bad; i++) {
        node_append(list, convert(r, json_array_get(json, i), depth + 1));
    }
    return list;
}

static struct node *convert_real(double value)
{
    struct node *x = node_new(NODE_REAL);

    x->real = value;
    return x;
}

static struct node *convert(struct reader *r, const json_t *json, unsigned depth)
{
    if (depth > NODE_MAX_DEPTH || ++r->nodes > NODE_MAX_NODES) {
        if (!r->bad) {
            diags_add(r->diags, r->file, 0, 0, "",
                      "too deep or too large (at most %d levels and %d values)",
                      NODE_MAX_DEPTH, NODE_MAX_NODES);
        }
        r->bad = true;
        return node_new(NODE_NULL);
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return convert_object(r, json, depth);
    case JSON_ARRAY:
        return convert_array(r, json, depth);
    case JSON_STRING:
        return node_text(json_string_value(json));
    case JSON_INTEGER:
        return node_int(json_integer_value(json));
    case JSON_REAL:
        return convert_real(json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return node_bool(json_is_true(json));
    case JSON_NULL:
        break;
    }
    return node_new(NODE_NULL);
}

struct node *node_from_json(const char *text, size_t size, const char *file,
                            struct diags *diags)
{
    struct reader r = {.file = file, .diags = diags};
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    struct node *root;

    if (!json) {
        diags_add(diags, file, error.line > 0 ? (unsigned)error.line : 0,
                  error.column > 0 ? (unsigned)error.column : 0, "", "not JSON: %s",
                  error.text);
        return NULL;
    }
    root = convert(&r, json, 1);
    json_decref(json);
    if (r.bad) {
        node_free(root);
        return NULL;
    }
    return root;
}

static void print(struct text *out, const struct node *x, unsigned indent, unsigned level);

static void print_children(struct text *out, const struct node *x, unsigned indent,
                           unsigned level)
{
    bool map = x->kind == NODE_MAP;

    text_char(out, map ? '{' : '[');
    for (size_t i = 0; i < x->n; i++) {
        if (i) {
            text_char(out, ',');
        }
        if (indent) {
            text_char(out, '\n');
            text_spaces(out, (size_t)indent * (level + 1));
        }
        if (map) {
            node_print_quoted(out, x->key[i], false);
            text_add(out, indent ? ": " : ":");
        }
        print(out, x->child[i], indent, level + 1);
    }
    if (indent && x->n) {
        text_char(out, '\n');
        text_spaces(out, (size_t)indent * level);
    }
    text_char(out, map ? '}' : ']');
}

static void print(struct text *out, const struct node *x, unsigned indent, unsigned level)
{
    switch (x->kind) {
    case NODE_NULL:
    case NODE_BOOL:
    case NODE_INT:
    case NODE_REAL:
        node_print_plain(out, x);
        break;
    case NODE_TEXT:
        node_print_quoted(out, x->text, false);
        break;
    case NODE_LIST:
    case NODE_MAP:
        print_children(out, x, indent, level);
        break;
    }
}

char *node_to_json(const struct node *x, unsigned indent)
{
    struct text out = {0};

    print(&out, x, indent, 0);
    if (indent) {
        text_char(&out, '\n');
    }
    return text_take(&out);
}
