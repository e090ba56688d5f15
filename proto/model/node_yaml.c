/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * YAML in: libyaml's events become the tree, with a stack of our own, so that depth and number
 * are bounded and nothing is ever expanded. A mistake that leaves the structure clear (a key
 * twice, an alias, a tag) is noted and reading goes on; the others end it.
 */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"

#define BOM "\xef\xbb\xbf"

#define DIRECTIVES_MAX 16

struct level {
    struct node *x;
    char *key; /* Read already, its value is to come. */
    unsigned key_line, key_column;
};

struct builder {
    const char *file;
    struct diags *diags;
    struct level stack[NODE_MAX_DEPTH];
    unsigned depth;
    size_t nodes;
    struct node *root;
    unsigned documents;
    bool bad;   /* Something was noted. */
    bool lost;  /* So much that the rest cannot be told. */
    bool ended; /* Nothing more to read. */
};

static unsigned place(size_t mark)
{
    return mark < 1000000000 ? (unsigned)mark + 1 : 0;
}

/* The path to where the builder stands: networks.office. */
static char *builder_path(const struct builder *b, const char *last)
{
    struct text out = {0};

    for (unsigned i = 0; i < b->depth; i++) {
        const struct level *at = &b->stack[i];

        if (at->x->kind == NODE_LIST) {
            text_printf(&out, "%s%zu", out.size ? "." : "", at->x->n);
        } else if (at->key) {
            text_printf(&out, "%s%s", out.size ? "." : "", at->key);
        }
    }
    if (last) {
        text_printf(&out, "%s%s", out.size ? "." : "", last);
    }
    return text_take(&out);
}

static void complain(struct builder *b, const yaml_event_t *event, const char *what)
{
    char *path = builder_path(b, NULL);

    diags_add(b->diags, b->file, place(event->start_mark.line),
              place(event->start_mark.column), path, "%s", what);
    free(path);
    b->bad = true;
}

static void give_up(struct builder *b, const yaml_event_t *event, const char *what)
{
    complain(b, event, what);
    b->lost = b->ended = true;
}

/* Notes keys that stand twice in the map on top of the stack. */
static void check_keys(struct builder *b)
{
    const struct node *map = b->stack[b->depth - 1].x;
    struct node_index index;

    node_index_init(&index, map);
    for (size_t i = 1; i < index.n; i++) {
        const struct node_entry *entry = &index.list[i];

        if (!strcmp(entry->key, entry[-1].key)) {
            const struct node *second = map->child[entry->at];
            char *path = builder_path(b, entry->key);

            diags_add(b->diags, b->file, second->key_line, second->key_column, path,
                      "stands twice in this map (each key once)");
            free(path);
            b->bad = true;
        }
    }
    node_index_done(&index);
}

static void builder_put(struct builder *b, struct node *x)
{
    struct level *top;

    if (!b->depth) {
        b->root = x;
        return;
    }
    top = &b->stack[b->depth - 1];
    if (top->x->kind == NODE_LIST) {
        node_append(top->x, x);
        return;
    }
    x->key_line = top->key_line;
    x->key_column = top->key_column;
    node_append_key(top->x, top->key, x);
    top->key = NULL;
}

static bool wants_key(const struct builder *b)
{
    return b->depth && b->stack[b->depth - 1].x->kind == NODE_MAP &&
           !b->stack[b->depth - 1].key;
}

static struct node *builder_node(struct builder *b, const yaml_event_t *event,
                                 enum node_kind kind)
{
    struct node *x;

    if (++b->nodes > NODE_MAX_NODES) {
        give_up(b, event, "too large (at most 2000000 values)");
        return NULL;
    }
    x = node_new(kind);
    x->line = place(event->start_mark.line);
    x->column = place(event->start_mark.column);
    x->file = b->file;
    return x;
}

static void on_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    struct node *x;

    if (event->data.scalar.tag) {
        complain(b, event, "tags are not allowed (put a text in quotes)");
    }
    if (event->data.scalar.anchor) {
        complain(b, event, "anchors are not allowed");
    }
    if (strlen(value) != event->data.scalar.length) {
        complain(b, event, "a text may not hold a NUL");
    }
    if (wants_key(b)) {
        struct level *top = &b->stack[b->depth - 1];

        top->key = xstrdup(value);
        top->key_line = place(event->start_mark.line);
        top->key_column = place(event->start_mark.column);
        return;
    }
    x = builder_node(b, event, NODE_TEXT);
    if (!x) {
        return;
    }
    x->text = xstrdup(value);
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
        !node_resolve_plain(x, value)) {
        complain(b, event, "not a finite number (put a text in quotes)");
    }
    builder_put(b, x);
}

static void on_start(struct builder *b, const yaml_event_t *event, enum node_kind kind)
{
    const yaml_char_t *tag =
        kind == NODE_MAP ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *anchor = kind == NODE_MAP ? event->data.mapping_start.anchor
                                                 : event->data.sequence_start.anchor;
    struct node *x;

    if (tag) {
        complain(b, event, "tags are not allowed");
    }
    if (anchor) {
        complain(b, event, "anchors are not allowed");
    }
    if (b->depth == NODE_MAX_DEPTH || wants_key(b)) {
        give_up(b, event,
                wants_key(b) ? "a key is a plain word, not a map or list"
                             : "too deep (at most 32 levels)");
        return;
    }
    x = builder_node(b, event, kind);
    if (x) {
        b->stack[b->depth++] = (struct level){.x = x};
    }
}

static void on_end(struct builder *b)
{
    struct node *x = b->stack[b->depth - 1].x;

    if (x->kind == NODE_MAP && x->n) {
        check_keys(b);
    }
    b->depth--;
    builder_put(b, x);
}

static void on_alias(struct builder *b, const yaml_event_t *event)
{
    static const char what[] = "aliases are not allowed (write the value out)";
    struct node *x;

    if (wants_key(b)) {
        give_up(b, event, what);
        return;
    }
    complain(b, event, what);
    x = builder_node(b, event, NODE_NULL);
    if (x) {
        builder_put(b, x);
    }
}

static void on_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        on_scalar(b, event);
        break;
    case YAML_MAPPING_START_EVENT:
        on_start(b, event, NODE_MAP);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_start(b, event, NODE_LIST);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        on_end(b);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, event);
        break;
    case YAML_DOCUMENT_START_EVENT:
        if (++b->documents > 1) {
            give_up(b, event, "a second document (one to a file)");
        }
        break;
    case YAML_STREAM_END_EVENT:
        b->ended = true;
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
}

static void complain_grammar(struct builder *b, const yaml_parser_t *parser)
{
    diags_add(b->diags, b->file, place(parser->problem_mark.line),
              place(parser->problem_mark.column), "", "not YAML: %s%s%s",
              parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
              parser->context ? parser->context : "");
    b->bad = b->lost = b->ended = true;
}

static void builder_done(struct builder *b)
{
    while (b->depth) {
        struct level *top = &b->stack[--b->depth];

        free(top->key);
        node_free(top->x);
    }
}

/* libyaml's time grows with the square of the %TAG lines before a document, and it reports nothing
 * until it has them all. We take no tags, so a few of them are told by the parser and more by us. */
static bool has_many_tags(struct builder *b, const char *text, size_t size)
{
    const char *at = text, *end = text + size;
    unsigned line = 1;

    for (unsigned n = 0; n < DIRECTIVES_MAX; n++) {
        const char *found = at < end ? memmem(at, (size_t)(end - at), "%TAG", 4) : NULL;

        if (!found) {
            return false;
        }
        for (; at < found + 4; at++) {
            line += *at == '\n';
        }
    }
    diags_add(b->diags, b->file, line, 1, "", "tags are not allowed (%%TAG)");
    return true;
}

struct node *node_from_yaml_partly(const char *text, size_t size, const char *file,
                                   struct diags *diags)
{
    struct builder b = {.file = file, .diags = diags};
    yaml_parser_t parser;
    yaml_event_t event;

    if (has_many_tags(&b, text, size)) {
        return NULL;
    }
    if (!yaml_parser_initialize(&parser)) {
        diags_add(diags, file, 0, 0, "", "out of memory");
        return NULL;
    }
    if (size >= sizeof(BOM) - 1 && !memcmp(text, BOM, sizeof(BOM) - 1)) {
        text += sizeof(BOM) - 1; /* As editors of other systems begin UTF-8. */
        size -= sizeof(BOM) - 1;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    while (!b.ended) {
        if (!yaml_parser_parse(&parser, &event)) {
            complain_grammar(&b, &parser);
            break;
        }
        on_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    builder_done(&b);
    if (!b.root && !b.bad) {
        diags_add(diags, file, 0, 0, "", "there is nothing in it");
    }
    if (b.lost) {
        node_free(b.root);
        return NULL;
    }
    return b.root;
}

struct node *node_from_yaml(const char *text, size_t size, const char *file,
                            struct diags *diags)
{
    size_t before = diags->n + diags->suppressed;
    struct node *root = node_from_yaml_partly(text, size, file, diags);

    if (diags->n + diags->suppressed > before) {
        node_free(root);
        return NULL;
    }
    return root;
}
