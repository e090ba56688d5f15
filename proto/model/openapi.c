/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The OpenAPI 3.1 document: the routes of every kind out of its table, the others out of theirs. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/openapi_table.h"
#include "proto/model/schema_doc.h"

#define SCHEMAS   "#/components/schemas/"
#define RESPONSES "#/components/responses/"

/* --- parts ------------------------------------------------------------------------------- */

static struct node *media(struct node *schema)
{
    return doc_with(node_map(), "schema", schema);
}

/* Objects go both ways as JSON and as YAML. Takes the schema. */
static struct node *object_content(struct node *schema)
{
    struct node *content =
        doc_with(node_map(), "application/json", media(node_copy(schema)));

    return doc_with(content, "application/yaml", media(schema));
}

static struct node *body_of(struct node *content)
{
    struct node *x = doc_with(node_map(), "content", content);

    node_set_bool(x, "required", true);
    return x;
}

/* A success; takes the content, NULL for none. */
static struct node *answer(const char *description, struct node *content)
{
    struct node *x = node_map();

    node_set_text(x, "description", description);
    if (content) {
        node_set(x, "content", content);
    }
    return x;
}

/* An operation with its answer for `code`, and the refusals that every one may have. */
static struct node *operation(const char *id, const char *tag, const char *summary,
                              const char *code, struct node *content)
{
    struct node *x = node_map(), *responses = node_map();

    node_set_text(x, "operationId", id);
    node_set(x, "tags", doc_words(tag));
    node_set_text(x, "summary", summary);
    node_set(responses, code, answer("Done", content));
    node_set(responses, "default", doc_reference(RESPONSES, "problem"));
    node_set(x, "responses", responses);
    return x;
}

static void refusal(struct node *operation, const char *code)
{
    node_set(node_get(operation, "responses"), code, doc_reference(RESPONSES, "problem"));
}

static struct node *parameter_schema(const struct api_parameter *p)
{
    struct node *x = doc_typed(p->type == FIELD_INT ? "integer" : "string");

    switch ((int)p->type) {
    case FIELD_BOOL:
        node_set(x, "enum", doc_words("1|true|0|false"));
        node_append(node_get(x, "enum"), node_text("")); /* The same as 1. */
        break;
    case FIELD_INT:
        node_set_int(x, "minimum", p->min);
        node_set_int(x, "maximum", p->max);
        break;
    case FIELD_NAME:
        node_free(x);
        x = doc_pattern(DOC_NAME_PATTERN);
        break;
    case FIELD_ENUM:
        node_set(x, "enum", doc_words(p->words));
        break;
    default:
        break;
    }
    return p->list ? doc_with(doc_typed("array"), "items", x) : x;
}

static struct node *parameter_node(const struct api_parameter *p)
{
    struct node *x = node_map();

    node_set_text(x, "name", p->name);
    node_set_text(x, "in", p->in);
    node_set_text(x, "description", p->help);
    if (p->type == FIELD_BOOL) {
        node_set_bool(x, "allowEmptyValue", true);
    }
    if (p->list) {
        node_set_text(x, "style", "form");
        node_set_bool(x, "explode", false);
    }
    node_set(x, "schema", parameter_schema(p));
    return x;
}

/* Adds the parameters of these names to an operation. */
static void add_parameters(struct node *operation, const char *names)
{
    struct node *list = node_get(operation, "parameters");

    for (const struct api_parameter *p = api_parameters; names && p->name; p++) {
        if (!schema_has_word(names, p->name)) {
            continue;
        }
        if (!list) {
            list = node_list();
            node_set(operation, "parameters", list);
        }
        node_append(list, parameter_node(p));
    }
}

static void add_operation(struct node *paths, const char *path, const char *method,
                          struct node *operation)
{
    struct node *item = node_get(paths, path);
    char lower[8] = "";

    add_parameters(operation, "Ioth-Host"); /* Any may be asked of another host. */

    if (!item) {
        item = node_map();
        node_set(paths, path, item);
    }
    for (size_t i = 0; method[i] && i + 1 < sizeof(lower); i++) {
        lower[i] = (char)tolower((unsigned char)method[i]);
    }
    node_set(item, lower, operation);
}

/* --- routes of the kinds ----------------------------------------------------------------- */

/* listNetworks, getNetwork, …: the caller's to free(). */
static char *id_of(const char *verb, const char *noun)
{
    return xasprintf("%s%c%s", verb, toupper((unsigned char)noun[0]), noun + 1);
}

static struct node *kind_operation(const struct kind *kind, const char *verb,
                                   const char *summary, const char *code, bool object)
{
    char *id = id_of(verb, kind->name);
    struct node *x =
        operation(id, kind->plural, summary, code,
                  object ? object_content(doc_reference(SCHEMAS, kind->name)) : NULL);

    refusal(x, "404");
    free(id);
    return x;
}

static struct node *name_parameter(const char *name, const char *help)
{
    struct node *x = node_map();

    node_set_text(x, "name", name);
    node_set_text(x, "in", "path");
    node_set_bool(x, "required", true);
    node_set_text(x, "description", help);
    node_set(x, "schema", doc_pattern(DOC_NAME_PATTERN));
    return x;
}

static struct node *writing(const struct kind *kind, const char *verb, const char *summary,
                            const char *method, struct node *content)
{
    static const char *const codes[] = {"400", "403", "409", "412", "413", "415"};
    struct node *x = kind_operation(kind, verb, summary, "200", true);

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        refusal(x, codes[i]);
    }
    add_parameters(x, api_kind_parameters(kind, method, false));
    node_set(x, "requestBody", body_of(content));
    return x;
}

static struct node *put_operation(const struct kind *kind)
{
    struct node *x = writing(kind, "put", "Make the object, or replace it", "PUT",
                             object_content(doc_reference(SCHEMAS, kind->name)));

    node_set(node_get(x, "responses"), "201",
             answer("Made", object_content(doc_reference(SCHEMAS, kind->name))));
    return x;
}

static struct node *patch_operation(const struct kind *kind)
{
    struct node *patch = doc_typed("object"), *content;

    node_set_text(patch, "description", "Keys to change (RFC 7396); null takes a key away");
    content = doc_with(node_map(), "application/merge-patch+json", media(node_copy(patch)));
    node_set(content, "application/json", media(node_copy(patch)));
    node_set(content, "application/yaml", media(patch));
    return writing(kind, "patch", "Change keys of the object (RFC 7396)", "PATCH", content);
}

static struct node *delete_operation(const struct kind *kind)
{
    struct node *x = kind_operation(kind, "delete", "Remove the object", "204", false);

    refusal(x, "403");
    refusal(x, "409");
    refusal(x, "412");
    add_parameters(x, api_kind_parameters(kind, "DELETE", false));
    return x;
}

static struct node *list_operation(const struct kind *kind)
{
    struct node *items =
        doc_with(doc_typed("array"), "items", doc_reference(SCHEMAS, kind->name));
    struct node *list =
        doc_with(doc_typed("object"), "properties", doc_with(node_map(), "items", items));
    char *id = id_of("list", kind->plural);
    struct node *x;

    node_set(node_get(list, "properties"), "next", doc_typed("string"));
    node_set(list, "required", doc_words("items"));
    x = operation(id, kind->plural, "All objects of the kind", "200", object_content(list));
    add_parameters(x, api_kind_parameters(kind, "GET", true));
    refusal(x, "400");
    refusal(x, "404");
    free(id);
    return x;
}

static void add_kind(struct node *paths, const struct kind *kind)
{
    struct node *parameters = node_list();
    char *all = xasprintf("/v1/%s", kind->plural);
    char *one = xasprintf("%s/%s{name}", all, kind->in_network ? "{network}/" : "");

    add_operation(paths, all, "GET", list_operation(kind));
    add_operation(paths, one, "GET",
                  kind_operation(kind, "get", "One object", "200", true));
    add_operation(paths, one, "PUT", put_operation(kind));
    add_operation(paths, one, "PATCH", patch_operation(kind));
    add_operation(paths, one, "DELETE", delete_operation(kind));
    if (kind->in_network) {
        node_append(parameters, name_parameter("network", "Its network"));
    }
    node_append(parameters, name_parameter("name", "Its name"));
    node_set(node_get(paths, one), "parameters", parameters);
    free(all);
    free(one);
}

/* --- the other routes -------------------------------------------------------------------- */

static struct node *content_of(const struct api_operation *o, const struct field *fields)
{
    if (o->type) {
        return doc_with(node_map(), o->type, media(doc_typed("string")));
    }
    if (!fields) {
        return NULL;
    }
    return object_content(fields == api_fabric_file ? doc_reference(SCHEMAS, "fabric-file")
                                                    : doc_object(fields, true));
}

/* The parameters that stand in a path: {name}, {network}, {revision}. */
static void add_path_parameters(struct node *operation, const char *path)
{
    struct node *list = node_get(operation, "parameters");

    if (!strchr(path, '{')) {
        return;
    }
    if (!list) {
        list = node_list();
        node_set(operation, "parameters", list);
    }
    while ((path = strchr(path, '{'))) {
        size_t size = strcspn(++path, "}");
        char *name = xasprintf("%.*s", (int)size, path);
        struct node *x = name_parameter(name, "A part of the path");

        if (!strcmp(name, "revision")) {
            node_set(x, "schema", doc_typed("integer"));
        }
        node_append(list, x);
        free(name);
    }
}

static void add_action(struct node *paths, const struct api_operation *o)
{
    struct node *x = operation(o->id, "fabric", o->summary, o->code ? o->code : "200",
                               content_of(o, o->answer));

    add_parameters(x, o->parameters);
    add_path_parameters(x, o->path);
    refusal(x, "403");
    if (o->body) {
        refusal(x, "400");
        refusal(x, "413");
        refusal(x, "415");
        node_set(x, "requestBody",
                 body_of(object_content(o->body == api_fabric_file
                                            ? doc_reference(SCHEMAS, "fabric-file")
                                            : doc_object(o->body, false))));
    }
    add_operation(paths, o->path, o->method, x);
}

/* --- the document ------------------------------------------------------------------------ */

static struct node *problem_schema(void)
{
    static const char *const texts[] = {"type", "title", "detail", "hint"};
    struct node *properties = node_map(), *error = node_map(), *list;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        node_set(properties, texts[i], doc_typed("string"));
    }
    node_set(properties, "status", doc_typed("integer"));
    node_set(error, "pointer", doc_typed("string"));
    node_set(error, "detail", doc_typed("string"));
    node_set(error, "line", doc_typed("integer"));
    node_set(error, "column", doc_typed("integer"));
    list = doc_with(doc_typed("array"), "items",
                    doc_with(doc_typed("object"), "properties", error));
    node_set_text(list, "description",
                  "The mistakes, 200 at most, each with a pointer to its key");
    node_set(properties, "errors", list);
    list = doc_typed("integer");
    node_set_text(list, "description", "How many more mistakes there are");
    node_set(properties, "left_out", list);
    return doc_with(doc_typed("object"), "properties", properties);
}

/* A fabric file, loosely: /v1/apply takes objects as they are printed too. Its exact schema is
 * that of schema_json_schema(). */
static struct node *file_schema(void)
{
    struct node *list = doc_with(doc_typed("array"), "items", doc_typed("object"));
    struct node *x = doc_either(doc_typed("object"), list);

    node_set_text(x, "description",
                  "A fabric file, or an object or a list of objects with their kind");
    return x;
}

static struct node *responses_node(void)
{
    struct node *problem = doc_with(node_map(), "application/problem+json",
                                    media(doc_reference(SCHEMAS, "problem")));

    return doc_with(node_map(), "problem", answer("What is wrong (RFC 9457)", problem));
}

static struct node *info_node(const char *version)
{
    struct node *info = node_map(), *license = node_map();

    node_set_text(info, "title", "Ioth Fabric");
    node_set_text(info, "version", version);
    node_set_text(
        info, "description",
        "The daemon's interface. On the socket the peer's credentials say who asks, "
        "over TCP a bearer token.");
    node_set_text(license, "name", "LGPL-2.1-or-later");
    node_set_text(license, "identifier", "LGPL-2.1-or-later");
    node_set(info, "license", license);
    return info;
}

/* Nothing on the socket, or a token over TCP. */
static struct node *security_node(void)
{
    struct node *list = node_list();

    node_append(list, node_map());
    node_append(list, doc_with(node_map(), "token", node_list()));
    return list;
}

static struct node *token_scheme(void)
{
    struct node *x = doc_with(node_map(), "type", node_text("http"));

    node_set_text(x, "scheme", "bearer");
    node_set_text(
        x, "description",
        "A token of iothctl token create, over TCP; its scope is read, write or admin");
    return doc_with(node_map(), "token", x);
}

static struct node *tags_node(void)
{
    struct node *list = node_list(), *tag = node_map();

    node_set_text(tag, "name", "fabric");
    node_set_text(tag, "description", "The fabric as a whole, and this host's daemon");
    node_append(list, tag);
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (!k->later) {
            tag = node_map();
            node_set_text(tag, "name", k->plural);
            node_set_text(tag, "description", k->help);
            node_append(list, tag);
        }
    }
    return list;
}

struct node *schema_openapi(const char *version)
{
    struct node *root = node_map(), *paths = node_map(), *schemas = node_map();
    struct node *servers = node_list(), *components = node_map();

    node_set_text(root, "openapi", "3.1.0");
    node_set(root, "info", info_node(version));
    node_append(servers, doc_with(node_map(), "url", node_text("/")));
    node_set(root, "servers", servers);
    node_set(root, "security", security_node());
    node_set(root, "tags", tags_node());
    for (const struct api_operation *o = api_operations; o->method; o++) {
        add_action(paths, o);
    }
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (!k->later) {
            add_kind(paths, k);
            node_set(schemas, k->name, doc_kind(k));
        }
    }
    node_set(schemas, "fabric-file", file_schema());
    node_set(schemas, "problem", problem_schema());
    node_set(root, "paths", paths);
    node_set(components, "schemas", schemas);
    node_set(components, "responses", responses_node());
    node_set(components, "securitySchemes", token_scheme());
    node_set(root, "components", components);
    return root;
}
