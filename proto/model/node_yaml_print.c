/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * YAML out, as a person would write it: block style, but maps and lists of scalars that fit on
 * their line stay there. A text is left bare only where every reader takes it for a text, those
 * of YAML 1.1 included (`no`, 12:30, 2026-01-01).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/model/node_internal.h"

#define LINE_MAX_COLUMNS 88
#define INDENT           2
#define KEY_MAX          160 /* YAML allows 1024; an escape takes six of them. */

static bool date_like(const char *text)
{
    return strspn(text, "0123456789") == 4 && text[4] == '-' &&
           isdigit((unsigned char)text[5]);
}

static bool old_word(const char *text)
{
    static const char *const words[] = {"y",  "n",   "yes",  "no",
                                        "on", "off", "true", "false"};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcasecmp(text, words[i])) {
            return true;
        }
    }
    return false;
}

/* 12:30, 1_000 and 0b1 are numbers to YAML 1.1; an address has more dots. */
static bool old_number(const char *text)
{
    const char *dot = strchr(text, '.');

    return !strncmp(text, "0b", 2) ||
           (!text[strspn(text, "0123456789_:+-.")] && (!dot || !strchr(dot + 1, '.')));
}

static bool bare_characters(const char *text)
{
    size_t size = strlen(text);

    if (!isalnum((unsigned char)text[0]) && !strchr("/_", text[0])) {
        return false;
    }
    for (const char *p = text; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("/_.:@+-%= ", *p)) {
            return false;
        }
    }
    return !strstr(text, "  ") && !strstr(text, ": ") && !strstr(text, " :") &&
           !strstr(text, "::") && text[size - 1] != ' ' && text[size - 1] != ':';
}

static bool may_be_bare(const char *text)
{
    struct node x = {0};

    return *text && bare_characters(text) && node_resolve_plain(&x, text) &&
           x.kind == NODE_TEXT && !old_word(text) && !date_like(text) && !old_number(text);
}

static void print_text(struct text *out, const char *text)
{
    if (may_be_bare(text)) {
        text_add(out, text);
    } else {
        node_print_quoted(out, text, true);
    }
}

/* A key is always a text to us, so `10: staff` needs no quotes, nor does `on`. */
static void print_key(struct text *out, const char *key)
{
    if (*key && (!key[strspn(key, "0123456789")] || old_word(key))) {
        text_add(out, key);
    } else {
        print_text(out, key);
    }
    text_char(out, ':');
}

static void print_scalar(struct text *out, const struct node *x)
{
    switch (x->kind) {
    case NODE_NULL:
    case NODE_BOOL:
    case NODE_INT:
    case NODE_REAL:
        node_print_plain(out, x);
        break;
    case NODE_TEXT:
        print_text(out, x->text);
        break;
    case NODE_LIST:
        text_add(out, "[]");
        break;
    case NODE_MAP:
        text_add(out, "{}");
        break;
    }
}

static bool simple(const struct node *x)
{
    return (x->kind != NODE_LIST && x->kind != NODE_MAP) || !x->n;
}

static bool simple_list(const struct node *x)
{
    if (x->kind != NODE_LIST) {
        return false;
    }
    for (size_t i = 0; i < x->n; i++) {
        if (!simple(x->child[i]) || x->child[i]->kind == NODE_MAP) {
            return false;
        }
    }
    return true;
}

static bool long_key(const char *key)
{
    return strlen(key) > KEY_MAX;
}

/* What may stand on one line: scalars, lists of scalars, maps of both. */
static bool flat(const struct node *x)
{
    if (simple(x) || simple_list(x)) {
        return true;
    }
    for (size_t i = 0; i < x->n; i++) {
        const struct node *child = x->child[i];

        if (x->kind == NODE_LIST || child->kind == NODE_MAP || long_key(x->key[i]) ||
            (!simple(child) && !simple_list(child))) {
            return false;
        }
    }
    return true;
}

static void print_flow(struct text *out, const struct node *x)
{
    if (simple(x)) {
        print_scalar(out, x);
        return;
    }
    text_char(out, x->kind == NODE_MAP ? '{' : '[');
    for (size_t i = 0; i < x->n; i++) {
        text_add(out, i ? ", " : "");
        if (x->kind == NODE_MAP) {
            print_key(out, x->key[i]);
            text_char(out, ' ');
        }
        print_flow(out, x->child[i]);
    }
    text_char(out, x->kind == NODE_MAP ? '}' : ']');
}

/* True if x was printed on this line, which has `column` characters already. */
static bool print_short(struct text *out, const struct node *x, size_t column)
{
    struct text line = {0};
    bool fits = flat(x);
    char *p;

    if (fits) {
        print_flow(&line, x);
        fits = simple(x) || column + line.size <= LINE_MAX_COLUMNS;
    }
    p = text_take(&line);
    if (fits) {
        text_add(out, p);
    }
    free(p);
    return fits;
}

/* What stands before the value of child i. */
static void print_head(struct text *out, const struct node *x, size_t i, size_t level)
{
    if (x->kind == NODE_LIST) {
        text_char(out, '-');
    } else if (long_key(x->key[i])) {
        text_add(out, "? ");
        node_print_quoted(out, x->key[i], true);
        text_char(out, '\n');
        text_spaces(out, level);
        text_char(out, ':');
    } else {
        print_key(out, x->key[i]);
    }
    text_char(out, ' ');
}

/* The children of a map or list, each beginning a line but for the first, which goes on where
 * the caller stands: `level` columns into its line. */
static void print_block(struct text *out, const struct node *x, size_t level)
{
    for (size_t i = 0; i < x->n; i++) {
        size_t start;

        if (i) {
            text_spaces(out, level);
        }
        start = out->size;
        print_head(out, x, i, level);
        if (print_short(out, x->child[i], level + out->size - start)) {
            text_char(out, '\n');
        } else if (x->kind == NODE_LIST) {
            print_block(out, x->child[i], level + INDENT);
        } else {
            out->p[out->size - 1] = '\n';
            text_spaces(out, level + INDENT);
            print_block(out, x->child[i], level + INDENT);
        }
    }
}

char *node_to_yaml(const struct node *x)
{
    struct text out = {0};

    if (simple(x)) {
        print_scalar(&out, x);
        text_char(&out, '\n');
    } else {
        print_block(&out, x, 0);
    }
    return text_take(&out);
}
