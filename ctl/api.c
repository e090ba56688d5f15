/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/output.h"
#include "proto/base/xalloc.h"

#define TIMEOUT_SEC      30u
#define SLOW_TIMEOUT_SEC 120u
#define IN_A_LINE        3u  /* As many mistakes make one line; */
#define SHOWN            10u /* of more the first are shown, a line each. */

static int exit_of_status(unsigned status)
{
    switch (status) {
    case 400: /* Bad request */
    case 413: /* Body too large */
    case 415: /* Media type */
    case 422: /* Fails the checks */
        return CTL_USAGE;
    case 404:
        return CTL_MISSING;
    default:
        return CTL_REFUSED;
    }
}

/* "networks.lab.ports.p: there is no host far", as a mistake of a file is shown. */
static void print_reason(FILE *out, const struct node *e)
{
    char *path = text_dotted(node_get_text(e, "pointer", ""));
    fprintf(out, "%s%s%s", path, *path ? ": " : "", node_get_text(e, "detail", ""));
    free(path);
}

/* "KEY: what; KEY: what" of a problem's errors, or its detail or title. */
static char *problem_text(const struct node *problem, unsigned status)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    const char *detail = node_get_text(problem, "detail", "");
    const char *title = node_get_text(problem, "title", "");
    const struct node *errors = node_get(problem, "errors");
    size_t n = errors && errors->kind == NODE_LIST ? errors->n : 0;
    if (*detail)
        fputs(detail, out);
    for (size_t i = 0; i < n; i++) {
        const struct node *e = errors->child[i];
        if (strcmp(node_get_text(e, "detail", ""), detail) == 0)
            continue;
        fputs(ftell(out) > 0 ? "; " : "", out);
        print_reason(out, e);
    }
    if (!*detail && n == 0) {
        if (*title)
            fputs(title, out);
        else
            fprintf(out, "the daemon answered with HTTP status %u", status);
    }
    if (fclose(out) != 0)
        abort();
    return text;
}

/* Many mistakes: how many, and the first of them. */
static int refused_by_many(struct ctl *ctl, unsigned status, const struct node *problem,
                           const struct node *errors)
{
    size_t all = errors->n + (size_t)node_get_int(problem, "left_out", 0), size = 0;
    char *lines = NULL;
    FILE *out = open_memstream(&lines, &size);
    if (!out)
        abort();
    for (size_t i = 0; i < errors->n && i < SHOWN; i++) {
        print_reason(out, errors->child[i]);
        fputc('\n', out);
    }
    if (all > SHOWN)
        fprintf(out, "and %zu more\n", all - SHOWN);
    if (fclose(out) != 0)
        abort();
    int r = ctl_fail(ctl, exit_of_status(status), "refused for %zu reasons", all);
    ctl_reasons(ctl, lines);
    return r;
}

int api_refused(struct ctl *ctl, unsigned status, const struct node *problem)
{
    if (problem && problem->kind != NODE_MAP)
        problem = NULL;
    const struct node *errors = problem ? node_get(problem, "errors") : NULL;
    int r;
    if (errors && errors->kind == NODE_LIST && errors->n > IN_A_LINE) {
        r = refused_by_many(ctl, status, problem, errors);
    } else {
        char *text = problem ? problem_text(problem, status)
                             : xasprintf("the daemon answered with HTTP status %u", status);
        r = ctl_fail(ctl, exit_of_status(status), "%s", text);
        free(text);
    }
    if (problem && *node_get_text(problem, "hint", ""))
        ctl_hint(ctl, "%s", node_get_text(problem, "hint", ""));
    return r;
}

/* Shows that we are still at it, on a terminal. */
static bool still_waiting(void *aux)
{
    unsigned *seconds = aux;
    fprintf(stderr, "\r... %us", ++*seconds);
    fflush(stderr);
    return true;
}

static struct node *parse_json(const struct http_reply *reply)
{
    if (!reply->body || !strstr(reply->type, "json"))
        return NULL;
    struct diags diags;
    diags_init(&diags);
    struct node *n = node_from_json(reply->body, reply->size, NULL, &diags);
    diags_done(&diags);
    return n;
}

/* No answer. One that was lost on its way says nothing about what was done. */
static int unanswered(struct ctl *ctl, int r, const struct err *err)
{
    ctl_fail_err(ctl, CTL_UNREACHABLE, err);
    if (ctl->outcome && (r == -ECONNRESET || r == -ETIMEDOUT))
        ctl_hint(ctl, "%s shows whether it was done", ctl->outcome);
    return CTL_UNREACHABLE;
}

int api_exchange_problem(struct ctl *ctl, struct http_request *q, unsigned flags,
                         struct http_reply *reply, struct node **problem)
{
    struct err err = {0};
    unsigned seconds = 0;
    *reply = (struct http_reply){0};
    *problem = NULL;
    int r = ctl_connect(ctl);
    if (r)
        return r;
    q->host = ctl->host;
    q->timeout_sec = flags & API_SLOW ? SLOW_TIMEOUT_SEC : TIMEOUT_SEC;
    if (!q->waiting && !ctl->quiet && isatty(STDERR_FILENO)) {
        q->waiting = still_waiting;
        q->aux = &seconds;
    }
    ctl_detail(ctl, "> %s %s", q->method ? q->method : "GET", q->path);
    r = http_call(ctl->http, q, reply, &err);
    if (seconds > 0)
        fputs("\r         \r", stderr);
    if (r)
        return unanswered(ctl, r, &err);
    ctl_detail(ctl, "< %u, %zu bytes", reply->status, reply->size);
    if (reply->status < 400)
        return 0;
    *problem = parse_json(reply);
    r = api_refused(ctl, reply->status, *problem);
    http_reply_done(reply);
    return r;
}

int api_exchange(struct ctl *ctl, struct http_request *q, unsigned flags,
                 struct http_reply *reply)
{
    struct node *problem;
    int r = api_exchange_problem(ctl, q, flags, reply, &problem);
    node_free(problem);
    return r;
}

int api_stream(struct ctl *ctl, struct http_request *q, struct http_reply *reply)
{
    struct err err = {0};
    struct node *problem;
    *reply = (struct http_reply){0};
    int r = ctl_connect(ctl);
    if (r)
        return r;
    q->host = ctl->host;
    ctl_detail(ctl, "> GET %s", q->path);
    r = http_call(ctl->http, q, reply, &err);
    if (r)
        return ctl_fail_err(ctl, CTL_UNREACHABLE, &err);
    if (reply->status < 400)
        return 0;
    problem = parse_json(reply);
    r = api_refused(ctl, reply->status, problem);
    node_free(problem);
    return r;
}

int api_call(struct ctl *ctl, const char *method, const char *path, const struct node *body,
             unsigned flags, struct node **out)
{
    char *text = body ? node_to_json(body, 0) : NULL;
    struct http_reply reply;
    struct http_request q = {
        .method = method,
        .path = path,
        .body = text,
        .size = text ? strlen(text) : 0,
        .create_only = flags & API_CREATE,
    };
    if (strcmp(method, "PATCH") == 0)
        q.type = "application/merge-patch+json";
    if (out)
        *out = NULL;
    int r = api_exchange(ctl, &q, flags, &reply);
    free(text);
    if (r)
        return r;
    if (out && reply.size > 0) {
        *out = parse_json(&reply);
        if (!*out)
            r = ctl_fail(ctl, CTL_REFUSED, "the daemon's answer to %s %s is not JSON",
                         method, path);
    }
    http_reply_done(&reply);
    return r;
}

static int by_name(const void *one, const void *other)
{
    const struct node *a = *(struct node *const *)one, *b = *(struct node *const *)other;
    int r = strcmp(node_get_text(a, "network", ""), node_get_text(b, "network", ""));
    return r ? r : strcmp(node_get_text(a, "name", ""), node_get_text(b, "name", ""));
}

static void sort_items(struct node *answer)
{
    struct node *items = answer->kind == NODE_MAP ? node_get(answer, "items") : NULL;
    if (items && items->kind == NODE_LIST && items->n > 1)
        qsort(items->child, items->n, sizeof(struct node *), by_name);
}

int api_get(struct ctl *ctl, const char *path, struct node **out)
{
    int r = api_call(ctl, "GET", path, NULL, 0, out);
    if (!r && !*out)
        r = ctl_fail(ctl, CTL_REFUSED, "the daemon's answer to GET %s is empty", path);
    if (!r)
        sort_items(*out);
    return r;
}

int api_get_allowed(struct ctl *ctl, const char *path, struct node **out)
{
    int r = api_get(ctl, path, out);
    if (r != CTL_REFUSED)
        return r;
    ctl_forget(ctl);
    return 0;
}

const struct node *api_items(const struct node *answer)
{
    static const struct node none = {.kind = NODE_LIST};
    if (answer && answer->kind == NODE_LIST)
        return answer;
    const struct node *items =
        answer && answer->kind == NODE_MAP ? node_get(answer, "items") : NULL;
    return items && items->kind == NODE_LIST ? items : &none;
}
