/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms of answers, and what handlers ask of a request. */
#include "fabricd/control/api/api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fabricd/control/api/media.h"
#include "fabricd/control/api/routes.h"
#include "fabricd/control/perm/perm.h"
#include "proto/base/xalloc.h"

static const char json_type[] = "application/json";
static const char yaml_type[] = "application/yaml";
static const char problem_type[] = "application/problem+json";

/* --- answers ------------------------------------------------------------------------------- */

void api_finish(struct api_request *rq, const struct api_answer *out)
{
    api_audit_note(rq, out);
    rq->answered(rq, out);
}

static void answer_object(struct api_request *rq, int status, const char *type, char *body,
                          uint64_t revision)
{
    struct api_answer out = {
        .status = status,
        .type = type,
        .body = body,
        .size = body != NULL ? strlen(body) : 0,
        .revision = revision,
        .retry_after = rq->retry_after,
    };

    memcpy(out.allow, rq->allow, sizeof(out.allow));
    api_finish(rq, &out);
}

static void answer(struct api_request *rq, int status, const char *type, char *body)
{
    answer_object(rq, status, type, body, 0);
}

void api_answer_text(struct api_request *rq, int status, const char *type, char *text)
{
    answer(rq, status, type, text);
}

void api_answer_empty(struct api_request *rq, int status)
{
    answer(rq, status, NULL, NULL);
}

/* What has been done is told, whatever the client takes. */
void api_answer_node(struct api_request *rq, int status, struct node *node)
{
    enum media wanted = media_wanted(rq->accept);
    bool yaml = wanted == MEDIA_YAML;
    int64_t revision = node->kind == NODE_MAP ? node_get_int(node, "revision", 0) : 0;
    char *text;

    if (wanted == MEDIA_NONE && strcmp(rq->method, "GET") == 0) {
        node_free(node);
        api_problem(rq, 406, "answers are application/json or application/yaml");
        return;
    }
    text = yaml ? node_to_yaml(node) : node_to_json(node, 2);
    node_free(node);
    answer_object(rq, status, yaml ? yaml_type : json_type, text,
                  revision > 0 ? (uint64_t)revision : 0);
}

static const char *title_of(int status)
{
    switch (status) {
    case 400:
        return "Invalid input";
    case 401:
        return "Token needed";
    case 403:
        return "Not permitted";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 406:
        return "Not acceptable";
    case 409:
        return "Conflict";
    case 412:
        return "Condition not met";
    case 413:
        return "Too large";
    case 415:
        return "Unknown media type";
    case 421:
        return "Not the right host";
    case 429:
        return "Too many tries";
    case 501:
        return "Not built yet";
    case 503:
        return "Not available now";
    case 507:
        return "Disk full";
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
    if (diags != NULL && diags->suppressed > 0)
        node_set_int(problem, "left_out", (int64_t)diags->suppressed);
    return problem;
}

void api_problem_err(struct api_request *rq, int status, const struct err *err,
                     const struct diags *diags)
{
    struct node *problem = problem_node(status, err, diags);
    char *text = node_to_json(problem, 2);

    node_free(problem);
    if (status != 400)
        snprintf(rq->why, sizeof(rq->why), "%s", err->why);
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
    free(rq->pieces);
    for (unsigned i = 0; i < rq->n_query; i++) {
        free(rq->query[i].key);
        free(rq->query[i].value);
    }
    free(rq->to_host);
    free(rq->authorization);
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

    return value != NULL && api_flag_parse(value);
}

/* With `list_too` a list is taken as {items: list}, in which form the API itself gives lists. */
static struct node *read_body(struct api_request *rq, bool list_too)
{
    enum media media = media_of_body(rq->content_type);
    struct err err = {.why = "the body cannot be read"};
    struct diags diags;
    struct node *body, *list;

    if (rq->size == 0)
        return node_map();
    if (media == MEDIA_NONE) {
        snprintf(err.why, sizeof(err.why),
                 "bodies are application/json or application/yaml, not %.60s",
                 rq->content_type);
        err_hint(&err, "curl -H 'Content-Type: application/json' …");
        api_problem_err(rq, 415, &err, NULL);
        return NULL;
    }
    diags_init(&diags);
    body = media == MEDIA_YAML ? node_from_yaml(rq->body, rq->size, NULL, &diags)
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

struct node *api_action(struct api_request *rq)
{
    const struct kind action = {.name = "action", .fields = rq->fields};
    struct node *body = read_body(rq, false), *checked;
    struct err err = {.why = "the body cannot be read"};
    struct diags diags;

    if (body == NULL)
        return NULL;
    diags_init(&diags);
    checked = schema_check(&action, body, "", NULL, &diags);
    if (checked == NULL)
        api_problem_err(rq, 400, &err, &diags);
    diags_done(&diags);
    node_free(body);
    return checked;
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
    else if (rq->remote)
        snprintf(who, sizeof(who), "token %s", rq->token);
    else
        perm_who(&rq->peer, who);
    change_set_who(change, who);
    return change;
}

void api_set_time(struct node *map, const char *key, wall_t when)
{
    time_t t = (time_t)when;
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&t, &tm) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    node_set_text(map, key, text);
}
