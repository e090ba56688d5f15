/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Routing and the forms of answers. */
#include "fabricd/control/api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/perm/perm.h"
#include "proto/base/xalloc.h"

static const char json_type[] = "application/json";
static const char yaml_type[] = "application/yaml";
static const char problem_type[] = "application/problem+json";

/* --- answers ------------------------------------------------------------------------------- */

static void answer(struct api_request *rq, int status, const char *type, char *body)
{
    struct api_answer out = {
        .status = status,
        .type = type,
        .body = body,
        .size = body != NULL ? strlen(body) : 0,
    };

    rq->answered(rq, &out);
}

void api_answer_text(struct api_request *rq, int status, const char *type, char *text)
{
    answer(rq, status, type, text);
}

void api_answer_empty(struct api_request *rq, int status)
{
    answer(rq, status, NULL, NULL);
}

bool api_wants_yaml(const struct api_request *rq)
{
    return rq->accept != NULL && strstr(rq->accept, "yaml") != NULL;
}

void api_answer_node(struct api_request *rq, int status, struct node *node)
{
    bool yaml = api_wants_yaml(rq);
    char *text = yaml ? node_to_yaml(node) : node_to_json(node, 2);

    node_free(node);
    answer(rq, status, yaml ? yaml_type : json_type, text);
}

static const char *title_of(int status)
{
    switch (status) {
    case 400:
        return "Invalid input";
    case 403:
        return "Not permitted";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 409:
        return "Conflict";
    case 412:
        return "Changed meanwhile";
    case 413:
        return "Too large";
    case 415:
        return "Unknown media type";
    case 501:
        return "Not built yet";
    case 503:
        return "Not available now";
    case 507:
        return "Disk full";
    case 421:
        return "Not the right host";
    default:
        return "Failed";
    }
}

static struct node *error_list(const struct diags *diags)
{
    struct node *list = node_list();

    for (size_t i = 0; i < diags->n; i++) {
        const struct diag *diag = &diags->list[i];
        struct node *item = node_map();
        char *pointer = diag_pointer(diag);

        node_set_text(item, "pointer", pointer);
        node_set_text(item, "detail", diag->text);
        if (diag->line > 0) {
            node_set_int(item, "line", diag->line);
            node_set_int(item, "column", diag->column);
        }
        free(pointer);
        node_append(list, item);
    }
    return list;
}

static struct node *problem_node(int status, const struct err *err,
                                 const struct diags *diags)
{
    struct node *problem = node_map();

    node_set_text(problem, "type", "about:blank");
    node_set_text(problem, "title", title_of(status));
    node_set_int(problem, "status", status);
    /* A list of mistakes says more than that there are some. */
    if (diags == NULL || diags->n == 0)
        node_set_text(problem, "detail", err->why[0] != '\0' ? err->why : title_of(status));
    if (err->hint[0] != '\0')
        node_set_text(problem, "hint", err->hint);
    if (diags != NULL && diags->n > 0)
        node_set(problem, "errors", error_list(diags));
    return problem;
}

void api_problem_err(struct api_request *rq, int status, const struct err *err,
                     const struct diags *diags)
{
    struct node *problem = problem_node(status, err, diags);
    char *text = node_to_json(problem, 2);

    node_free(problem);
    answer(rq, status, problem_type, text);
}

void api_problem(struct api_request *rq, int status, const char *format, ...)
{
    struct err err = {.why = ""};
    va_list args;

    va_start(args, format);
    vsnprintf(err.why, sizeof(err.why), format, args);
    va_end(args);
    api_problem_err(rq, status, &err, NULL);
}

void api_answer_result(struct api_request *rq, struct change_result *result)
{
    struct node *value = result->value;

    if (result->status >= 400) {
        api_problem_err(rq, result->status, &result->err, &result->diags);
        return;
    }
    result->value = NULL;
    if (value != NULL)
        api_answer_node(rq, result->status, value);
    else
        api_answer_empty(rq, 204);
}

void api_request_done(struct api_request *rq)
{
    free(rq->method);
    free(rq->path);
    for (unsigned i = 0; i < rq->n_query; i++) {
        free(rq->query[i].key);
        free(rq->query[i].value);
    }
    free(rq->to_host);
    free(rq->accept);
    free(rq->content_type);
    free(rq->if_match);
    free(rq->if_none_match);
    free(rq->last_event_id);
    free(rq->body);
}

const char *api_known_type(const char *type)
{
    static const char *const types[] = {json_type,    yaml_type,
                                        problem_type, "text/event-stream",
                                        "text/plain", "application/octet-stream"};

    for (unsigned i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (strncmp(type, types[i], strlen(types[i])) == 0)
            return types[i];
    }
    return NULL;
}

/* --- what handlers ask of a request --------------------------------------------------------- */

const char *api_query(const struct api_request *rq, const char *key)
{
    for (unsigned i = 0; i < rq->n_query; i++) {
        if (strcmp(rq->query[i].key, key) == 0)
            return rq->query[i].value;
    }
    return NULL;
}

bool api_query_flag(const struct api_request *rq, const char *key)
{
    const char *value = api_query(rq, key);

    return value != NULL &&
           (value[0] == '\0' || strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

/* With `list_too` a list is taken as {items: list}, in which form the API itself gives lists. */
static struct node *read_body(struct api_request *rq, bool list_too)
{
    bool yaml = rq->content_type != NULL && strstr(rq->content_type, "yaml") != NULL;
    struct err err = {.why = "the body cannot be read"};
    struct diags diags;
    struct node *body, *list;

    if (rq->size == 0)
        return node_map();
    if (!yaml && rq->content_type != NULL && strstr(rq->content_type, "json") == NULL &&
        strstr(rq->content_type, "x-www-form-urlencoded") == NULL) {
        api_problem(rq, 415, "bodies are application/json or application/yaml");
        return NULL;
    }
    diags_init(&diags);
    body = yaml ? node_from_yaml(rq->body, rq->size, NULL, &diags)
                : node_from_json(rq->body, rq->size, NULL, &diags);
    if (body != NULL && body->kind == NODE_LIST && list_too) {
        list = body;
        body = node_map();
        node_set(body, "items", list);
    }
    if (body != NULL && body->kind != NODE_MAP) {
        diags_add(&diags, NULL, body->line, body->column, "", "a map is wanted here");
        node_free(body);
        body = NULL;
    }
    if (body == NULL)
        api_problem_err(rq, 400, &err, &diags);
    diags_done(&diags);
    return body;
}

struct node *api_body(struct api_request *rq)
{
    return read_body(rq, false);
}

struct node *api_file(struct api_request *rq)
{
    return read_body(rq, true);
}

struct change *api_change(const struct api_request *rq, const char *owner)
{
    struct change *change = change_new(control_host(rq->control), owner);
    char who[PERM_WHO_SIZE];

    change->foreign = rq->from_host[0] != '\0';
    if (change->foreign)
        snprintf(who, sizeof(who), "host %s", rq->from_host);
    else
        perm_who(&rq->peer, who);
    change_set_who(change, who);
    return change;
}

/* --- routing ------------------------------------------------------------------------------- */

static bool split_path(struct api_request *rq)
{
    char *at = rq->path;

    rq->n_parts = 0;
    while (*at == '/') {
        *at++ = '\0';
        if (*at == '\0')
            return true; /* One slash at the end does no harm. */
        if (rq->n_parts == API_MAX_PARTS)
            return false;
        rq->parts[rq->n_parts++] = at;
        at += strcspn(at, "/");
    }
    return *at == '\0';
}

static bool part_matches(const char *pattern, size_t size, const char *part)
{
    if (size == 1 && pattern[0] == '*')
        return true;
    if (size == 4 && memcmp(pattern, "KIND", 4) == 0) {
        const struct kind *kind = schema_kind(part);
        return kind != NULL && strcmp(kind->plural, part) == 0;
    }
    return strlen(part) == size && memcmp(pattern, part, size) == 0;
}

static bool path_matches(const char *pattern, const struct api_request *rq)
{
    unsigned i = 0;

    while (*pattern == '/') {
        size_t size = strcspn(++pattern, "/");

        if (size == 0)
            break;
        if (i == rq->n_parts || !part_matches(pattern, size, rq->parts[i]))
            return false;
        i++;
        pattern += size;
    }
    return i == rq->n_parts;
}

/* Objects that live in a network have one part more than others. */
static bool kind_fits(const struct api_request *rq, const struct route *route)
{
    const struct kind *kind;

    if (strstr(route->path, "KIND") == NULL)
        return true;
    kind = schema_kind(rq->parts[1]);
    return rq->n_parts == 2 || rq->n_parts == (kind->in_network ? 4u : 3u);
}

static void wrong_method(struct api_request *rq, const char *allow)
{
    struct err err = {.why = ""};
    struct node *problem;
    struct api_answer out = {.status = 405, .type = problem_type, .allow = allow};

    snprintf(err.why, sizeof(err.why), "%s is not for this path (allowed: %s)", rq->method,
             allow);
    problem = problem_node(405, &err, NULL);
    out.body = node_to_json(problem, 2);
    out.size = strlen(out.body);
    node_free(problem);
    rq->answered(rq, &out);
}

static const char *const method_lists[] = {"",
                                           "GET",
                                           "POST",
                                           "GET, POST",
                                           "PUT",
                                           "GET, PUT",
                                           "POST, PUT",
                                           "GET, POST, PUT",
                                           "PATCH",
                                           "GET, PATCH",
                                           "POST, PATCH",
                                           "GET, POST, PATCH",
                                           "PUT, PATCH",
                                           "GET, PUT, PATCH",
                                           "POST, PUT, PATCH",
                                           "GET, POST, PUT, PATCH",
                                           "GET, PUT, PATCH, DELETE"};

static const char *allowed_methods(unsigned mask)
{
    /* Only objects take DELETE, and they take all but POST. */
    return method_lists[mask < 16 ? mask : 16];
}

const char *api_known_methods(const char *allow)
{
    for (unsigned i = 0; allow != NULL && i < sizeof(method_lists) / sizeof(char *); i++) {
        if (strcmp(method_lists[i], allow) == 0)
            return method_lists[i];
    }
    return NULL;
}

static unsigned method_bit(const char *method)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

    for (unsigned i = 0; i < 5; i++) {
        if (strcmp(method, methods[i]) == 0)
            return 1u << i;
    }
    return 0;
}

static void handle(struct api_request *rq, const struct route *route)
{
    const struct kind *kind = rq->n_parts > 1 ? schema_kind(rq->parts[1]) : NULL;

    if (route->later != NULL) {
        api_problem(rq, 501, "%s", route->later);
    } else if (strstr(route->path, "KIND") != NULL && kind->later != NULL) {
        api_problem(rq, 501, "%s", kind->later);
    } else if (rq->read_only && strcmp(route->method, "GET") != 0) {
        api_problem(rq, 403, "whoever asks may read only");
    } else if (route->who == API_OWN && rq->from_host[0] != '\0') {
        api_problem(rq, 403, "that is done on host %s itself", control_host(rq->control));
    } else if (route->who != API_READ && !rq->full) {
        api_problem(rq, 403, "only the daemon's owner, root and group ioth may do that");
    } else {
        route->handle(rq);
    }
}

void api_dispatch(struct api_request *rq)
{
    unsigned seen = 0;
    bool is_head = strcmp(rq->method, "HEAD") == 0;
    const char *method = is_head ? "GET" : rq->method;

    if (rq->to_host != NULL && rq->to_host[0] != '\0' &&
        strcmp(rq->to_host, control_host(rq->control)) != 0) {
        api_pass(rq);
        return;
    }
    rq->full = rq->from_host[0] != '\0' || perm_full(&rq->peer);
    if (!split_path(rq)) {
        api_problem(rq, 404, "there is no such path");
        return;
    }
    for (const struct route *route = routes; route->method != NULL; route++) {
        if (!path_matches(route->path, rq) || !kind_fits(rq, route))
            continue;
        if (strcmp(route->method, method) == 0) {
            handle(rq, route);
            return;
        }
        seen |= method_bit(route->method);
    }
    if (seen != 0)
        wrong_method(rq, allowed_methods(seen));
    else
        api_problem(rq, 404, "there is no such path");
}
