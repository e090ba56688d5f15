/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk through an object along its table. */
#include "proto/model/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"
#include "proto/model/schema_internal.h"

const struct kind *schema_kind(const char *name_or_plural)
{
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (!strcmp(k->name, name_or_plural) || !strcmp(k->plural, name_or_plural)) {
            return k;
        }
    }
    return NULL;
}

/* --- where a check stands ---------------------------------------------------------------- */

void check_init(struct check *c, const char *path, const char *file, struct diags *diags)
{
    *c = (struct check){.file = file, .diags = diags};
    if (path && *path) {
        check_down(c, path);
    }
}

size_t check_down(struct check *c, const char *key)
{
    size_t before = c->size;
    int n = snprintf(c->path + before, sizeof(c->path) - before, "%s%s", before ? "." : "",
                     key);

    c->size += n < 0 ? 0 : (size_t)n;
    if (c->size >= sizeof(c->path)) {
        c->size = sizeof(c->path) - 1;
    }
    return before;
}

void check_up(struct check *c, size_t size)
{
    c->size = size;
    c->path[size] = '\0';
}

static void complain(struct check *c, const struct node *at, bool key, const char *format,
                     va_list args) __attribute__((format(printf, 4, 0)));

static void complain(struct check *c, const struct node *at, bool key, const char *format,
                     va_list args)
{
    static const struct node nowhere;
    char text[600];

    at = at ? at : &nowhere;
    vsnprintf(text, sizeof(text), format, args);
    diags_add(c->diags, at->file ? at->file : c->file, key ? at->key_line : at->line,
              key ? at->key_column : at->column, c->path, "%s", text);
}

void check_bad(struct check *c, const struct node *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(c, at, false, format, args);
    va_end(args);
}

void check_bad_key(struct check *c, const struct node *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(c, at, true, format, args);
    va_end(args);
}

void check_unknown(struct check *c, const struct node *at, const char *key,
                   const char *const *words)
{
    const char *nearest;
    struct text allowed = {0};
    size_t before;
    char *list;

    if (c->diags->n >= DIAGS_MAX) { /* Nobody reads it; there may be a hundred thousand. */
        c->diags->suppressed++;
        return;
    }
    nearest = schema_nearest(key, words);
    before = check_down(c, key);
    for (size_t i = 0; words[i]; i++) {
        text_printf(&allowed, "%s%s", i ? ", " : "", words[i]);
    }
    list = text_take(&allowed);
    if (nearest) {
        check_bad_key(c, at, "unknown key, did you mean %s? (%s)", nearest, list);
    } else {
        check_bad_key(c, at, "unknown key (%s)", list);
    }
    free(list);
    check_up(c, before);
}

/* --- check ------------------------------------------------------------------------------- */

static struct node *check_map(struct check *c, const struct field *fields,
                              const struct node *x);

static const struct field *find_field(const struct field *fields, const char *name)
{
    for (; fields->name; fields++) {
        if (!strcmp(fields->name, name)) {
            return fields;
        }
    }
    return NULL;
}

static void unknown_key(struct check *c, const struct field *fields, const char *key,
                        const struct node *at)
{
    const char *words[64];
    size_t n = 0;

    for (; fields->name && n < 63; fields++) {
        if (!(fields->flags & FIELD_READONLY) && !fields->later) {
            words[n++] = fields->name;
        }
    }
    words[n] = NULL;
    check_unknown(c, at, key, words);
}

/* Canonical values stand where what they came from stood, for checks that follow. */
static struct node *placed(struct node *value, const struct node *from)
{
    value->line = from->line;
    value->column = from->column;
    value->key_line = from->key_line;
    value->key_column = from->key_column;
    value->file = from->file;
    return value;
}

static struct node *check_scalar(struct check *c, const struct field *f,
                                 const struct node *x)
{
    char why[400];
    struct node *value = schema_value(f, x, why, sizeof(why));

    if (!value) {
        check_bad(c, x, "%s", why);
        return NULL;
    }
    return placed(value, x);
}

static bool holds(const struct node *list, const struct node *value)
{
    for (size_t i = 0; i < list->n; i++) {
        if (node_equal(list->child[i], value)) {
            return true;
        }
    }
    return false;
}

static bool is_scalar(const struct node *x)
{
    return x->kind != NODE_MAP && x->kind != NODE_LIST && x->kind != NODE_NULL;
}

/* A map, or what may stand for one: nothing, or the value of its shorthand key. */
static struct node *check_map_or_short(struct check *c, const struct field *f,
                                       const struct node *x)
{
    struct node *wrapped, *out;

    if (!f->shorthand || !is_scalar(x)) {
        return check_map(c, f->fields, x);
    }
    wrapped = placed(node_map(), x);
    node_set(wrapped, f->shorthand, node_copy(x));
    out = check_map(c, f->fields, wrapped);
    node_free(wrapped);
    return out;
}

/* A secret: {file: PATH}. Whoever writes it out is not shown it again. */
static struct node *check_secret(struct check *c, const struct node *x)
{
    static const struct field fields[] = {{.name = "file",
                                           .type = FIELD_TEXT,
                                           .flags = FIELD_REQUIRED,
                                           .min = 2,
                                           .max = 4095},
                                          {0}};
    const char *path;
    struct node *out;

    if (x->kind != NODE_MAP) {
        check_bad(c, x,
                  "a secret does not stand here but in a file of its own "
                  "({file: /PATH})");
        return NULL;
    }
    out = check_map(c, fields, x);
    path = node_get_text(out, "file", "/");
    if (*path != '/') {
        check_bad(c, node_get(x, "file"), "\"%.80s\" does not begin with /", path);
    }
    return out;
}

/* One value of a field that may be a list. */
static struct node *check_item(struct check *c, const struct field *f, const struct node *x)
{
    if (f->type == FIELD_MAP) {
        return check_map_or_short(c, f, x);
    }
    return f->type == FIELD_SECRET ? check_secret(c, x) : check_scalar(c, f, x);
}

/* A list in canonical form; mistakes of single items do not end it. */
static struct node *check_list(struct check *c, const struct field *f, const struct node *x)
{
    size_t most = f->most ? f->most : SCHEMA_LIST_MAX;
    struct node *list = placed(node_list(), x);

    if (x->kind == NODE_LIST && x->n > most) {
        check_bad(c, x, "%zu items are too many (at most %zu)", x->n, most);
        return list;
    }
    for (size_t i = 0; i < (x->kind == NODE_LIST ? x->n : 1); i++) {
        const struct node *item = x->kind == NODE_LIST ? x->child[i] : x;
        char number[24];
        size_t before = c->size;
        struct node *value;

        if (f->type == FIELD_MAP) { /* Whose keys have a place of their own. */
            snprintf(number, sizeof(number), "%zu", i);
            check_down(c, number);
        }
        value = check_item(c, f, item);
        check_up(c, before);
        if (value && f->type != FIELD_MAP && !(f->flags & FIELD_REPEAT) &&
            holds(list, value)) {
            check_bad(c, item, "%s stands twice in the list",
                      value->text ? value->text : "a value");
            node_free(value);
        } else if (value) {
            node_append(list, value);
        }
    }
    return list;
}

/* The canonical key of a FIELD_MAP_OF, checked. */
static bool check_key(struct check *c, const struct field *f, const struct node *at,
                      const char *key)
{
    struct field number = {.type = FIELD_INT, .min = f->min, .max = f->max};
    char allowed[64];
    bool ok = schema_name_ok(key);

    if (f->key == FIELD_INT) {
        size_t size = strlen(key);
        long long value = size && size < 10 && !key[strspn(key, "0123456789")]
                              ? strtoll(key, NULL, 10)
                              : -1;

        ok = value >= f->min && value <= f->max && (*key != '0' || size == 1);
        schema_allowed(&number, allowed, sizeof(allowed));
    } else {
        number.type = FIELD_NAME;
        schema_allowed(&number, allowed, sizeof(allowed));
    }
    if (!ok) {
        check_bad_key(c, at, "not a valid key (%s)", allowed);
    }
    return ok;
}

static struct node *check_map_of(struct check *c, const struct field *f,
                                 const struct node *x)
{
    struct node *out = placed(node_map(), x);
    size_t most = f->most ? f->most : SCHEMA_LIST_MAX;

    if (x->kind != NODE_MAP) {
        check_bad(c, x, "not a map");
        return out;
    }
    if (x->n > most) {
        check_bad(c, x, "%zu entries are too many (at most %zu)", x->n, most);
        return out;
    }
    for (size_t i = 0; i < x->n; i++) {
        size_t before = check_down(c, x->key[i]);

        if (check_key(c, f, x->child[i], x->key[i])) {
            node_append_key(out, xstrdup(x->key[i]), check_map_or_short(c, f, x->child[i]));
        }
        check_up(c, before);
    }
    return out;
}

/* The canonical value of a field that was given, or NULL: with a mistake noted, or because it
 * says no more than leaving it out. */
static struct node *check_field(struct check *c, const struct field *f,
                                const struct node *x)
{
    struct node *value;

    if (f->later) {
        check_bad_key(c, x, "%s", f->later);
        return NULL;
    }
    if (f->flags & FIELD_RESOLVED && x->kind == NODE_TEXT && !strcmp(x->text, "auto")) {
        return NULL;
    }
    if (f->type == FIELD_MAP_OF) {
        value = check_map_of(c, f, x);
    } else if (f->flags & FIELD_LIST) {
        value = check_list(c, f, x);
    } else {
        value = check_item(c, f, x);
    }
    if (!value ||
        (f->type != FIELD_MAP && f->type != FIELD_MAP_OF && !(f->flags & FIELD_LIST))) {
        return value;
    }
    if (!value->n && !f->otherwise) { /* Empty is the same as absent. */
        node_free(value);
        return NULL;
    }
    return value;
}

static struct node *check_map(struct check *c, const struct field *fields,
                              const struct node *x)
{
    struct node *out = placed(node_map(), x);

    if (x->kind != NODE_MAP && x->kind != NODE_NULL) {
        check_bad(c, x, "not a map of keys");
        return out;
    }
    for (size_t i = 0; i < x->n; i++) {
        if (!find_field(fields, x->key[i])) {
            unknown_key(c, fields, x->key[i], x->child[i]);
        }
    }
    for (const struct field *f = fields; f->name; f++) {
        const struct node *given = node_get(x, f->name);
        size_t before = check_down(c, f->name);
        struct node *value = NULL;

        if (f->flags & FIELD_READONLY) {
            given = NULL;
        } else if (!given || given->kind == NODE_NULL) {
            value = schema_default(f);
            if (f->flags & FIELD_REQUIRED) {
                check_bad(c, x, "is missing");
            }
        } else {
            value = check_field(c, f, given);
        }
        if (value) {
            node_append_key(out, xstrdup(f->name), value);
        }
        check_up(c, before);
    }
    return out;
}

struct node *schema_check(const struct kind *kind, const struct node *object,
                          const char *path, const char *file, struct diags *diags)
{
    struct check c;
    size_t mistakes = diags->n + diags->suppressed;
    struct node *out;

    check_init(&c, path, file, diags);
    out = kind->fields ? check_map(&c, kind->fields, object) : node_map();
    if (kind->later) {
        check_bad_key(&c, object, "%s", kind->later);
    } else if (diags->n + diags->suppressed == mistakes) {
        schema_rules(&c, kind, object, out);
    }
    if (diags->n + diags->suppressed != mistakes) {
        node_free(out);
        return NULL;
    }
    return out;
}

bool schema_change_ok(const struct kind *kind, const struct node *before,
                      const struct node *after, const char *path, struct diags *diags)
{
    struct check c;
    bool ok = true;

    check_init(&c, path, NULL, diags);
    for (const struct field *f = kind->fields; f && f->name; f++) {
        size_t up = check_down(&c, f->name);

        if (f->flags & FIELD_IMMUTABLE &&
            !node_equal(node_get(before, f->name), node_get(after, f->name))) {
            check_bad(&c, NULL, "cannot be changed (remove the %s and make it anew)",
                      kind->name);
            ok = false;
        }
        check_up(&c, up);
    }
    return ok;
}

/* --- minimal ----------------------------------------------------------------------------- */

static struct node *minimal_map(const struct field *fields, const struct node *x);

static struct node *minimal_map_of(const struct field *f, const struct node *x)
{
    struct node *out = node_map();

    for (size_t i = 0; i < x->n; i++) {
        struct node *entry = minimal_map(f->fields, x->child[i]);
        const struct node *only =
            f->shorthand && entry->n == 1 ? node_get(entry, f->shorthand) : NULL;

        if (only && is_scalar(only)) {
            struct node *value = node_copy(only);

            node_free(entry);
            entry = value;
        }
        node_append_key(out, xstrdup(x->key[i]), entry);
    }
    return out;
}

static struct node *minimal_list(const struct field *f, const struct node *x)
{
    struct node *out = node_list();

    for (size_t i = 0; i < x->n; i++) {
        node_append(out, minimal_map(f->fields, x->child[i]));
    }
    return out;
}

static struct node *minimal_value(const struct field *f, const struct node *x)
{
    char bits[24];

    if (f->type == FIELD_MAP_OF && x->kind == NODE_MAP) {
        return minimal_map_of(f, x);
    }
    if (f->type == FIELD_MAP && x->kind == NODE_MAP) {
        return minimal_map(f->fields, x);
    }
    if (f->type == FIELD_MAP && x->kind == NODE_LIST) {
        return minimal_list(f, x);
    }
    if (f->type == FIELD_BITS && x->kind == NODE_INT && x->integer % 1000 == 0) {
        schema_print_bits(x->integer, bits);
        return node_text(bits);
    }
    if (f->flags & FIELD_LIST && x->kind == NODE_LIST && x->n == 1) {
        return node_copy(x->child[0]);
    }
    return node_copy(x);
}

static struct node *minimal_map(const struct field *fields, const struct node *x)
{
    struct node *out = node_map();

    for (const struct field *f = fields; f->name; f++) {
        const struct node *value = node_get(x, f->name);
        struct node *otherwise;

        if (!value || f->flags & FIELD_READONLY || f->later) {
            continue;
        }
        otherwise = schema_default(f);
        if (!node_equal(value, otherwise)) {
            node_append_key(out, xstrdup(f->name), minimal_value(f, value));
        }
        node_free(otherwise);
    }
    return out;
}

struct node *schema_minimal(const struct kind *kind, const struct node *object)
{
    return kind->fields ? minimal_map(kind->fields, object) : node_map();
}
