/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON Schema, OpenAPI and the reference, out of the tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"
#include "proto/model/schema_internal.h"

#define NAME_PATTERN "^[a-z][a-z0-9-]{0,62}$"

static struct node *typed(const char *type)
{
    struct node *x = node_map();

    node_set_text(x, "type", type);
    return x;
}

static struct node *reference_to(const char *base, const char *name)
{
    struct node *x = node_map();
    char *text = xasprintf("%s%s", base, name);

    node_set_text(x, "$ref", text);
    free(text);
    return x;
}

/* Takes both; adds a key to a map and gives the map back. */
static struct node *with(struct node *map, const char *key, struct node *value)
{
    node_set(map, key, value);
    return map;
}

static struct node *words_list(const char *words)
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

static struct node *either(struct node *a, struct node *b)
{
    struct node *list = node_list();

    node_append(list, a);
    node_append(list, b);
    return with(node_map(), "anyOf", list);
}

static struct node *with_pattern(const char *pattern)
{
    return with(typed("string"), "pattern", node_text(pattern));
}

static struct node *ranged(const struct field *f)
{
    struct node *x = typed("integer");

    node_set_int(x, "minimum", f->min);
    node_set_int(x, "maximum", f->max);
    return x;
}

static struct node *properties_of(const struct field *fields);

static struct node *object_of(const struct field *fields)
{
    struct node *required = node_list();
    struct node *x = typed("object");

    node_set(x, "properties", properties_of(fields));
    for (const struct field *f = fields; f->name; f++) {
        if (f->flags & FIELD_REQUIRED) {
            node_append(required, node_text(f->name));
        }
    }
    if (required->n) {
        node_set(x, "required", required);
    } else {
        node_free(required);
    }
    node_set_bool(x, "additionalProperties", false);
    return x;
}

/* A map that a scalar (or nothing) may stand for. */
static struct node *or_shorthand(const struct field *f, struct node *object)
{
    static const char *const nothing = "null";

    return f->shorthand ? either(object, either(typed("string"), typed(nothing))) : object;
}

static struct node *map_of(const struct field *f)
{
    struct node *x = typed("object");
    const char *pattern = f->key == FIELD_INT ? "^[1-9][0-9]{0,3}$" : NAME_PATTERN;

    node_set(x, "propertyNames", with(node_map(), "pattern", node_text(pattern)));
    node_set(x, "additionalProperties", or_shorthand(f, object_of(f->fields)));
    return x;
}

/* The schema of one value, without list and remarks. */
static struct node *value_schema(const struct field *f)
{
    struct node *x = NULL;

    switch (f->type) {
    case FIELD_BOOL:
        return typed("boolean");
    case FIELD_INT:
        return ranged(f);
    case FIELD_BITS:
        return either(ranged(f), with_pattern("^[0-9]+(\\.[0-9]+)?[kMGT]?$"));
    case FIELD_RATE:
        return with_pattern("^[0-9]+(\\.[0-9]+)?([kMGT]|pps|[kMGT]pps)?$");
    case FIELD_NAME:
        return with_pattern(NAME_PATTERN);
    case FIELD_ENUM:
        return with(typed("string"), "enum", words_list(f->words));
    case FIELD_MAC:
        return with_pattern("^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$");
    case FIELD_SECRET:
        x = with(typed("object"), "properties",
                 with(node_map(), "file", with_pattern("^/.")));
        node_set(x, "required", words_list("file"));
        node_set_bool(x, "additionalProperties", false);
        return x;
    case FIELD_MAP:
        return or_shorthand(f, object_of(f->fields));
    case FIELD_MAP_OF:
        return map_of(f);
    case FIELD_PRINCIPAL:
        return with_pattern("^((uid|gid):[0-9]+|(user|group):.+)$");
    case FIELD_TIME:
        return with_pattern("^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$");
    case FIELD_TEXT:
        x = typed("string");
        if (f->max) {
            node_set_int(x, "minLength", f->min);
            node_set_int(x, "maxLength", f->max);
        }
        return x;
    case FIELD_IP:
    case FIELD_CIDR4:
    case FIELD_CIDR6:
    case FIELD_CIDR:
    case FIELD_ADDR_PORT:
        break;
    }
    return typed("string"); /* Addresses: the description says of which form. */
}

static struct node *field_schema(const struct field *f)
{
    struct node *x, *items, *otherwise;
    char allowed[128], *help;

    if (!strcmp(f->name, "status")) {
        x = typed("object");
    } else if (f->flags & FIELD_READONLY) {
        x = node_map();
    } else {
        x = value_schema(f);
    }
    if (f->flags & FIELD_LIST) {
        items = with(typed("array"), "items", node_copy(x));
        node_set_int(items, "maxItems", f->most ? f->most : SCHEMA_LIST_MAX);
        x = either(x, items);
    }
    schema_allowed(f, allowed, sizeof(allowed));
    help = f->flags & FIELD_READONLY ? xstrdup(f->help)
                                     : xasprintf("%s (%s)", f->help, allowed);
    node_set_text(x, "description", help);
    free(help);
    if (f->flags & FIELD_READONLY) {
        node_set_bool(x, "readOnly", true);
    }
    otherwise = schema_default(f);
    if (otherwise) {
        node_set(x, "default", otherwise);
    }
    return x;
}

static struct node *properties_of(const struct field *fields)
{
    struct node *map = node_map();

    for (const struct field *f = fields; f->name; f++) {
        if (!f->later) {
            node_set(map, f->name, field_schema(f));
        }
    }
    return map;
}

/* --- JSON Schema of the fabric file ------------------------------------------------------ */

static struct node *named(const struct kind *kind, const char *base)
{
    struct node *x = typed("object");

    node_set(x, "propertyNames", with(node_map(), "pattern", node_text(NAME_PATTERN)));
    node_set(x, "additionalProperties",
             either(reference_to(base, kind->name), typed("null")));
    return x;
}

static struct node *kind_schema(const struct kind *kind)
{
    struct node *x = object_of(kind->fields);

    node_set_text(x, "description", kind->help);
    return x;
}

struct node *schema_json_schema(void)
{
    static const char base[] = "#/$defs/";
    struct node *root = node_map(), *defs = node_map(), *properties = node_map();

    node_set_text(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
    node_set_text(root, "title", "Fabric file");
    node_set_text(root, "type", "object");
    node_set(properties, "version", with(node_map(), "const", node_int(1)));
    node_set(properties, "fabric", with_pattern(NAME_PATTERN));
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (k->later) {
            continue;
        }
        node_set(defs, k->name, kind_schema(k));
        if (!k->in_network) {
            node_set(properties, k->plural, named(k, base));
        } else {
            /* Networks come first in the table, so theirs is there. */
            node_set(node_get(node_get(defs, "network"), "properties"), k->plural,
                     named(k, base));
        }
    }
    node_set(root, "properties", properties);
    node_set(root, "required", words_list("version"));
    node_set_bool(root, "additionalProperties", false);
    node_set(root, "$defs", defs);
    return root;
}

/* --- OpenAPI ----------------------------------------------------------------------------- */

#define COMPONENTS "#/components/schemas/"

static struct node *body_of(struct node *schema)
{
    struct node *json = with(node_map(), "schema", node_copy(schema));
    struct node *yaml = with(node_map(), "schema", schema);
    struct node *content = with(node_map(), "application/json", json);

    return with(content, "application/yaml", yaml);
}

static struct node *answer(const char *description, struct node *schema)
{
    struct node *x = node_map();

    node_set_text(x, "description", description);
    if (schema) {
        node_set(x, "content",
                 with(node_map(), "application/json", with(node_map(), "schema", schema)));
    }
    return x;
}

static struct node *problem(void)
{
    struct node *x = node_map();

    node_set_text(x, "description", "What is wrong");
    node_set(x, "content",
             with(node_map(), "application/problem+json",
                  with(node_map(), "schema", reference_to(COMPONENTS, "problem"))));
    return x;
}

/* An operation with its answer for `code`; takes the schema. */
static struct node *operation(const char *summary, const char *code, struct node *schema)
{
    struct node *x = node_map(), *responses = node_map();

    node_set_text(x, "summary", summary);
    node_set(responses, code, answer(summary, schema));
    node_set(responses, "default", problem());
    node_set(x, "responses", responses);
    return x;
}

static struct node *parameter(const char *name, const char *in, const char *pattern)
{
    struct node *x = node_map();

    node_set_text(x, "name", name);
    node_set_text(x, "in", in);
    node_set_bool(x, "required", !strcmp(in, "path"));
    node_set(x, "schema", pattern ? with_pattern(pattern) : typed("string"));
    return x;
}

static struct node *writing(const struct kind *kind, const char *summary)
{
    struct node *x = operation(summary, "200", reference_to(COMPONENTS, kind->name));
    struct node *parameters = node_list();

    node_append(parameters, parameter("If-Match", "header", NULL));
    node_append(parameters, parameter("If-None-Match", "header", NULL));
    node_set(x, "parameters", parameters);
    node_set(x, "requestBody",
             with(node_map(), "content", body_of(reference_to(COMPONENTS, kind->name))));
    return x;
}

static struct node *item_path(const struct kind *kind)
{
    struct node *x = node_map(), *parameters = node_list();

    if (kind->in_network) {
        node_append(parameters, parameter("network", "path", NAME_PATTERN));
    }
    node_append(parameters, parameter("name", "path", NAME_PATTERN));
    node_set(x, "parameters", parameters);
    node_set(x, "get",
             operation("One object", "200", reference_to(COMPONENTS, kind->name)));
    node_set(x, "put", writing(kind, "Make or replace the object"));
    node_set(x, "patch", writing(kind, "Change keys of the object (RFC 7396)"));
    node_set(x, "delete", operation("Remove the object", "204", NULL));
    return x;
}

static struct node *list_path(const struct kind *kind)
{
    struct node *items =
        with(typed("array"), "items", reference_to(COMPONENTS, kind->name));
    struct node *schema =
        with(typed("object"), "properties", with(node_map(), "items", items));

    return with(node_map(), "get", operation("All objects of the kind", "200", schema));
}

static struct node *problem_schema(void)
{
    static const char *const texts[] = {"type", "title", "detail", "hint"};
    struct node *properties = node_map(), *error = node_map();

    for (size_t i = 0; i < 4; i++) {
        node_set(properties, texts[i], typed("string"));
    }
    node_set(properties, "status", typed("integer"));
    node_set(error, "pointer", typed("string"));
    node_set(error, "detail", typed("string"));
    node_set(error, "line", typed("integer"));
    node_set(error, "column", typed("integer"));
    node_set(properties, "errors",
             with(typed("array"), "items", with(typed("object"), "properties", error)));
    return with(typed("object"), "properties", properties);
}

struct action {
    const char *path, *method, *summary;
};

static const struct action actions[] = {
    {"/v1/fabric", "get", "The fabric: name, id, hosts"},
    {"/v1/fabric/rename", "post", "Rename the fabric"},
    {"/v1/fabric/key/export", "post", "Take the root key off this host"},
    {"/v1/fabric/key/import", "post", "Bring the root key back"},
    {"/v1/fabric/key/drop", "post", "Forget the root key"},
    {"/v1/hosts/invite", "post", "A token with which one host may join"},
    {"/v1/hosts/join", "post", "Join the fabric that a token names"},
    {"/v1/hosts/leave", "post", "Leave the fabric"},
    {"/v1/apply", "post", "Make what is into what a fabric file says"},
    {"/v1/export", "get", "The fabric file of what is"},
    {"/v1/status", "get", "The daemon's state"},
    {"/v1/daemon/stop", "post", "End the daemon"},
    {"/v1/resolve", "get", "A name of the fabric to addresses, or back"},
    {"/v1/macs", "get", "MAC tables of this host's switches"},
    {"/metrics", "get", "Counters in Prometheus' text format"},
    {"/openapi.json", "get", "This document"},
};

struct node *schema_openapi(const char *version)
{
    struct node *root = node_map(), *paths = node_map(), *schemas = node_map();
    struct node *info = node_map();
    char path[80];

    node_set_text(root, "openapi", "3.1.0");
    node_set_text(info, "title", "Ioth Fabric");
    node_set_text(info, "version", version);
    node_set(root, "info", info);
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (k->later) {
            continue;
        }
        snprintf(path, sizeof(path), "/v1/%s", k->plural);
        node_set(paths, path, list_path(k));
        snprintf(path, sizeof(path), "/v1/%s/%s{name}", k->plural,
                 k->in_network ? "{network}/" : "");
        node_set(paths, path, item_path(k));
        node_set(schemas, k->name, kind_schema(k));
    }
    for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
        node_set(paths, actions[i].path,
                 with(node_map(), actions[i].method,
                      operation(actions[i].summary, "200", node_map())));
    }
    node_set(schemas, "problem", problem_schema());
    node_set(root, "paths", paths);
    node_set(root, "components", with(node_map(), "schemas", schemas));
    return root;
}

/* --- the reference ----------------------------------------------------------------------- */

static void reference_rows(struct text *out, const struct field *fields, const char *path)
{
    for (const struct field *f = fields; f->name; f++) {
        char allowed[128], *inner;

        if (f->later) {
            continue;
        }
        schema_allowed(f, allowed, sizeof(allowed));
        text_printf(out, "| `%s%s` | %s%s | %s | %s |\n", path, f->name,
                    f->flags & FIELD_READONLY ? "read-only" : allowed,
                    f->flags & FIELD_LIST ? ", or a list of such" : "",
                    f->otherwise                ? f->otherwise
                    : f->flags & FIELD_RESOLVED ? "chosen when made"
                    : f->flags & FIELD_REQUIRED ? "required"
                                                : "",
                    f->help);
        if (f->fields) {
            inner = xasprintf("%s%s.%s", path, f->name,
                              f->type != FIELD_MAP_OF ? ""
                              : f->key == FIELD_INT   ? "ID."
                                                      : "NAME.");
            reference_rows(out, f->fields, inner);
            free(inner);
        }
    }
}

char *schema_reference(void)
{
    struct text out = {0};

    text_add(&out, "# Keys of the fabric file and of the API\n");
    for (const struct kind *k = schema_kinds; k->name; k++) {
        text_printf(&out, "\n## %s\n\n%s.", k->plural, k->help);
        if (k->later) {
            text_printf(&out, " Refused: %s.\n", k->later);
            continue;
        }
        if (k->in_network) {
            text_printf(&out, " Stands under its network; in the API it is named "
                              "NETWORK/NAME.");
        }
        text_add(&out,
                 "\n\n| key | values | default | meaning |\n| --- | --- | --- | --- |\n");
        reference_rows(&out, k->fields, "");
    }
    return text_take(&out);
}
