/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON Schema (draft 2020-12) out of the tables: of an object, and of the fabric file. It accepts
 * what the checks accept, and refuses what they refuse as far as JSON Schema can say it: not what
 * depends on other keys or other objects, nor the bits of an address.
 */
#include "proto/model/schema_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"

#define OCTET     "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4      "(" OCTET "\\.){3}" OCTET
#define IPV6      "[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(" IPV4 ")?"
#define LENGTH4   "(3[0-2]|[12]?[0-9])"
#define LENGTH6   "(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
#define PORT      "[0-9]{1,5}"
#define ADDR_PORT "^(" IPV4 "(:" PORT ")?|\\[" IPV6 "\\](:" PORT ")?)$"
#define EITHER_IP "(" IPV4 "|" IPV6 ")"
#define ADDRESS   "^(" IPV4 "(/" LENGTH4 ")?|" IPV6 "(/" LENGTH6 ")?)$"

struct node *doc_typed(const char *type)
{
    struct node *x = node_map();

    node_set_text(x, "type", type);
    return x;
}

struct node *doc_pattern(const char *pattern)
{
    return doc_with(doc_typed("string"), "pattern", node_text(pattern));
}

struct node *doc_reference(const char *base, const char *name)
{
    struct node *x = node_map();
    char *text = xasprintf("%s%s", base, name);

    node_set_text(x, "$ref", text);
    free(text);
    return x;
}

struct node *doc_with(struct node *map, const char *key, struct node *value)
{
    node_set(map, key, value);
    return map;
}

struct node *doc_either(struct node *a, struct node *b)
{
    struct node *list = node_list();

    node_append(list, a);
    node_append(list, b);
    return doc_with(node_map(), "anyOf", list);
}

struct node *doc_words(const char *words)
{
    struct node *list = node_list();

    while (*words) {
        size_t n = strcspn(words, "|");
        char *word = xasprintf("%.*s", (int)n, words);

        node_append(list, node_text(word));
        free(word);
        words += n + (words[n] == '|');
    }
    return list;
}

static struct node *enumerated(const char *words)
{
    return doc_with(doc_typed("string"), "enum", doc_words(words));
}

static struct node *ranged(const struct field *f)
{
    struct node *x = doc_typed("integer");

    node_set_int(x, "minimum", f->min);
    node_set_int(x, "maximum", f->max);
    return x;
}

/* Where a key is absent, nothing may stand as well. */
static struct node *or_nothing(struct node *schema)
{
    return doc_either(schema, doc_typed("null"));
}

static struct node *or_words(const struct field *f, struct node *schema)
{
    return f->words ? doc_either(schema, enumerated(f->words)) : schema;
}

static const struct field *field_named(const struct field *fields, const char *name)
{
    while (fields->name && strcmp(fields->name, name) != 0) {
        fields++;
    }
    return fields;
}

static struct node *value_schema(const struct field *f);

/* A map that the value of its shorthand key may stand for. */
static struct node *or_shorthand(const struct field *f, struct node *object)
{
    return f->shorthand
               ? doc_either(object, value_schema(field_named(f->fields, f->shorthand)))
               : object;
}

static struct node *map_of(const struct field *f)
{
    static const char vlan[] = "^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4])$";
    static const char number[] = "^[1-9][0-9]{0,8}$";
    struct node *x = doc_typed("object");
    const char *pattern = f->key != FIELD_INT ? DOC_NAME_PATTERN
                          : f->max == 4094    ? vlan
                                              : number;

    node_set(x, "propertyNames", doc_with(node_map(), "pattern", node_text(pattern)));
    node_set_int(x, "maxProperties", f->most ? f->most : SCHEMA_LIST_MAX);
    node_set(x, "additionalProperties",
             or_nothing(or_shorthand(f, doc_object(f->fields, false))));
    return x;
}

static struct node *text_schema(const struct field *f)
{
    struct node *x = doc_typed("string");

    if (f->max) {
        node_set_int(x, "minLength", f->min);
        node_set_int(x, "maxLength", f->max);
    }
    return x;
}

static struct node *secret_schema(void)
{
    struct node *properties = doc_with(node_map(), "file", doc_pattern("^/."));
    struct node *x = doc_with(doc_typed("object"), "properties", properties);

    node_set(x, "required", doc_words("file"));
    node_set_bool(x, "additionalProperties", false);
    return x;
}

/* The schema of one value, without list and remarks. */
static struct node *value_schema(const struct field *f)
{
    switch (f->type) {
    case FIELD_BOOL:
        return doc_typed("boolean");
    case FIELD_INT:
        return ranged(f);
    case FIELD_BITS:
        return doc_either(ranged(f), doc_pattern("^[0-9]+(\\.[0-9]+)?[kMGT]?$"));
    case FIELD_RATE:
        return doc_either(doc_with(doc_typed("integer"), "minimum", node_int(f->min)),
                          doc_pattern("^[0-9]+(\\.[0-9]+)?[kMGT]?(pps)?$"));
    case FIELD_NAME:
        return doc_pattern(DOC_NAME_PATTERN);
    case FIELD_ENUM:
        return enumerated(f->words);
    case FIELD_MAC:
        return doc_pattern("^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$");
    case FIELD_SECRET:
        return secret_schema();
    case FIELD_MAP:
        return or_shorthand(f, doc_object(f->fields, false));
    case FIELD_MAP_OF:
        return map_of(f);
    case FIELD_PRINCIPAL:
        return doc_pattern("^((uid|gid):(0|[1-9][0-9]{0,9})|"
                           "(user|group):[A-Za-z0-9_.@$][A-Za-z0-9_.@$-]{0,63})$");
    case FIELD_TIME:
        return doc_pattern("^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$");
    case FIELD_TEXT:
        return text_schema(f);
    case FIELD_IP:
        return doc_pattern("^" EITHER_IP "$");
    case FIELD_CIDR4:
        return or_words(f, doc_pattern("^" IPV4 "/" LENGTH4 "$"));
    case FIELD_CIDR6:
        return or_words(f, doc_pattern("^" IPV6 "/" LENGTH6 "$"));
    case FIELD_CIDR:
        return doc_pattern(ADDRESS);
    case FIELD_ADDR_PORT:
        return doc_pattern(ADDR_PORT);
    }
    return node_map();
}

/* Of a key that is the daemon's: what it says, if it says it. */
static struct node *read_only_schema(const struct field *f)
{
    struct node *x = node_map();

    if (!strcmp(f->name, "status")) {
        x = doc_with(x, "type", node_text("object"));
    } else if (!strcmp(f->name, "name")) {
        x = doc_with(x, "type", node_text("string"));
    } else if (!strcmp(f->name, "revision")) {
        x = doc_with(x, "type", node_text("integer"));
    }
    node_set_text(x, "description", f->help);
    node_set_bool(x, "readOnly", true);
    return x;
}

static struct node *listed(const struct field *f, struct node *x)
{
    struct node *items = doc_with(doc_typed("array"), "items", node_copy(x));

    node_set_int(items, "maxItems", f->most ? f->most : SCHEMA_LIST_MAX);
    if (f->type != FIELD_MAP) {
        node_set_bool(items, "uniqueItems", true);
    }
    return doc_either(x, items);
}

static struct node *field_schema(const struct field *f)
{
    struct node *x, *otherwise = schema_default(f);
    char allowed[128], *help;

    if (f->flags & FIELD_READONLY) {
        return read_only_schema(f);
    }
    x = value_schema(f);
    if (f->flags & FIELD_LIST) {
        x = listed(f, x);
    }
    if (f->flags & FIELD_RESOLVED && !schema_has_word(f->words, "auto")) {
        x = doc_either(x, enumerated("auto"));
    }
    if (!(f->flags & FIELD_REQUIRED)) {
        x = or_nothing(x);
    }
    schema_allowed(f, allowed, sizeof(allowed));
    help = xasprintf("%s (%s)", f->help, allowed);
    node_set_text(x, "description", help);
    free(help);
    if (otherwise) {
        node_set(x, "default", otherwise);
    }
    return x;
}

struct node *doc_object(const struct field *fields, bool open)
{
    struct node *required = node_list(), *properties = node_map();
    struct node *x = doc_typed("object");

    for (const struct field *f = fields; f->name; f++) {
        if (!f->later) {
            node_set(properties, f->name, field_schema(f));
        }
        if (f->flags & FIELD_REQUIRED) {
            node_append(required, node_text(f->name));
        }
    }
    node_set(x, "properties", properties);
    if (required->n) {
        node_set(x, "required", required);
    } else {
        node_free(required);
    }
    if (!open) {
        node_set_bool(x, "additionalProperties", false);
    }
    return x;
}

struct node *doc_kind(const struct kind *kind)
{
    struct node *x = doc_object(kind->fields, false);

    node_set_text(x, "description", kind->help);
    return x;
}

/* --- the fabric file --------------------------------------------------------------------- */

#define DEFS "#/$defs/"

/* A section of the file: names, and what stands under each. */
static struct node *section(const struct kind *kind)
{
    struct node *x = doc_typed("object");
    struct node *names = doc_with(node_map(), "pattern", node_text(DOC_NAME_PATTERN));

    if (!strcmp(kind->name, "host")) {
        node_set(names, "not", doc_with(node_map(), "const", node_text("all")));
    }
    node_set(x, "propertyNames", names);
    node_set(x, "additionalProperties", or_nothing(doc_reference(DEFS, kind->name)));
    x = or_nothing(x);
    node_set_text(x, "description", kind->help);
    return x;
}

struct node *schema_json_schema(void)
{
    static const struct field include = {.name = "include",
                                         .type = FIELD_TEXT,
                                         .flags = FIELD_LIST,
                                         .min = 1,
                                         .max = 4095,
                                         .most = 64,
                                         .help =
                                             "Files that belong to this one, relative to "
                                             "it"};
    struct node *root = node_map(), *defs = node_map(), *properties = node_map();

    node_set_text(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
    node_set_text(root, "title", "Fabric file of Ioth Fabric");
    node_set_text(root, "type", "object");
    node_set(properties, "version", doc_with(node_map(), "const", node_int(1)));
    node_set(properties, "fabric", or_nothing(doc_pattern(DOC_NAME_PATTERN)));
    node_set(properties, include.name, field_schema(&include));
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (k->later) {
            continue;
        }
        node_set(defs, k->name, doc_kind(k));
        if (!k->in_network) {
            node_set(properties, k->plural, section(k));
        } else {
            /* Networks come first in the table, so theirs is there. */
            node_set(node_get(node_get(defs, "network"), "properties"), k->plural,
                     section(k));
        }
    }
    node_set(root, "properties", properties);
    node_set(root, "required", doc_words("version"));
    node_set_bool(root, "additionalProperties", false);
    node_set(root, "$defs", defs);
    return root;
}
