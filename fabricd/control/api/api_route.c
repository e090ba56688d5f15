/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a request to the row of the route table that answers it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "proto/base/xalloc.h"

static bool is_for_another(const struct api_request *rq)
{
    return rq->to_host != NULL && rq->to_host[0] != '\0' &&
           strcmp(rq->to_host, control_host(rq->control)) != 0;
}

/* --- paths --------------------------------------------------------------------------------- */

static bool split_path(struct api_request *rq)
{
    char *at;

    free(rq->pieces);
    at = rq->pieces = xstrdup(rq->path);
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

/* --- methods ------------------------------------------------------------------------------- */

/* In the order in which Allow lists them. */
static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

static unsigned method_bit(const char *method)
{
    for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(method, methods[i]) == 0)
            return 1u << i;
    }
    return 0;
}

static void list_methods(unsigned mask, char out[API_ALLOW_SIZE])
{
    size_t n = 0;

    for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if ((mask >> i & 1) != 0)
            n += (size_t)snprintf(out + n, API_ALLOW_SIZE - n, "%s%s, ", methods[i],
                                  i == 0 ? ", HEAD" : "");
    }
    snprintf(out + n, API_ALLOW_SIZE - n, "OPTIONS");
}

/* --- the table ----------------------------------------------------------------------------- */

/* The row of path and method; without one NULL, and *mask says which methods the path has. */
static const struct route *find_route(const struct api_request *rq, const char *method,
                                      unsigned *mask)
{
    *mask = 0;
    for (const struct route *route = routes; route->method != NULL; route++) {
        if (!path_matches(route->path, rq) || !kind_fits(rq, route))
            continue;
        if (strcmp(route->method, method) == 0)
            return route;
        *mask |= method_bit(route->method);
    }
    return NULL;
}

const struct route *api_route_of(const char *method, const char *path)
{
    struct api_request probe = {.path = xstrdup(path)};
    const struct route *route = NULL;
    unsigned mask;

    if (split_path(&probe))
        route = find_route(&probe, method, &mask);
    free(probe.pieces);
    free(probe.path);
    return route;
}

/* What the operation's table knows, and nothing else: a parameter that is not heard would make
 * something else of a request than was meant. False: answered. */
static bool query_ok(struct api_request *rq, const struct route *route,
                     const struct api_operation *operation)
{
    bool kinds = strstr(route->path, "KIND") != NULL;
    struct err err = {.why = ""};

    if (rq->n_query == 0)
        return true;
    if (api_query_check(kinds               ? api_kind_parameters(schema_kind(rq->parts[1]),
                                                                  route->method, rq->n_parts == 2)
                        : operation != NULL ? operation->parameters
                                            : NULL,
                        rq->query, rq->n_query, &err) == 0)
        return true;
    api_problem_err(rq, 400, &err, NULL);
    return false;
}

/* An action without keys takes no body that has some. False: answered. */
static bool body_ok(struct api_request *rq, const struct api_operation *operation)
{
    static const struct field none[] = {{.name = NULL}};
    struct node *body;

    rq->fields = operation != NULL ? operation->body : NULL;
    if (rq->size == 0 || operation == NULL || operation->body != NULL ||
        strcmp(operation->method, "POST") != 0)
        return true;
    rq->fields = none;
    body = api_action(rq);
    node_free(body);
    return body != NULL;
}

static void carry_out(struct api_request *rq, const struct route *route)
{
    const struct api_operation *operation = api_operation_of(route->method, route->path);

    if (query_ok(rq, route, operation) && body_ok(rq, operation))
        route->handle(rq);
}

static void handle(struct api_request *rq, const struct route *route)
{
    const struct kind *kind = rq->n_parts > 1 ? schema_kind(rq->parts[1]) : NULL;

    rq->audited = strcmp(route->method, "GET") != 0 && !api_query_flag(rq, "dry_run");
    if (route->later != NULL) {
        api_problem(rq, 501, "%s", route->later);
    } else if (strstr(route->path, "KIND") != NULL && kind->later != NULL) {
        api_problem(rq, 501, "%s", kind->later);
    } else if (api_permit(rq, route)) {
        if (is_for_another(rq))
            api_pass(rq);
        else
            carry_out(rq, route);
    }
}

static void no_route(struct api_request *rq, unsigned mask)
{
    if (mask == 0) {
        api_problem(rq, 404, "there is no such path");
        return;
    }
    list_methods(mask, rq->allow);
    if (strcmp(rq->method, "OPTIONS") == 0)
        api_answer_empty(rq, 204);
    else
        api_problem(rq, 405, "%s is not for this path (allowed: %s)", rq->method,
                    rq->allow);
}

void api_dispatch(struct api_request *rq)
{
    const char *method = strcmp(rq->method, "HEAD") == 0 ? "GET" : rq->method;
    const struct route *route;
    unsigned mask = 0;

    if (!api_admit(rq))
        return;
    if (strcmp(rq->method, "OPTIONS") == 0 && strcmp(rq->path, "*") == 0) {
        no_route(rq, (1u << sizeof(methods) / sizeof(methods[0])) - 1);
        return;
    }
    route = split_path(rq) ? find_route(rq, method, &mask) : NULL;
    if (route != NULL)
        handle(rq, route);
    else
        no_route(rq, mask);
}
