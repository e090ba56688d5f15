/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A request for the API of another host: asked there over the link, and its answer handed back. One
 * that comes whole in a part is answered whole, everything else as a stream, read no faster than
 * the client takes it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/fabric/call.h"
#include "proto/base/xalloc.h"
#include "proto/sync/message.h"

/* Moves of services take their time; a host that is lost is noticed anyway. */
#define PASS_WITHIN (150 * MTIME_SEC)

struct passing {
    struct api_stream stream;
    struct call *call;
    struct api_answer head;
    char *data; /* What has come and was not read yet, from `at`. */
    size_t at, size;
    bool streaming, ended, broken;
    struct loop_timer begin; /* Of the stream: the answer was not whole at once. */
};

static void free_passing(struct passing *p)
{
    loop_timer_set(p->stream.rq->control->loop, &p->begin, MTIME_NEVER);
    free(p->data);
    free(p);
}

/* Of what the other host says, only what can be understood is said here. */
static void head(void *aux, int status, const char *type, const char *allow,
                 const char *etag)
{
    struct passing *p = aux;

    p->head.status = status;
    p->head.type = api_known_type(type);
    if (allow != NULL && strspn(allow, "ABCDEFGHIJKLMNOPQRSTUVWXYZ, ") == strlen(allow))
        snprintf(p->head.allow, sizeof(p->head.allow), "%s", allow);
    if (etag != NULL && etag[0] == '"')
        p->head.revision = strtoull(etag + 1, NULL, 10);
    loop_timer_set(p->stream.rq->control->loop, &p->begin,
                   loop_now(p->stream.rq->control->loop));
}

static void wake(struct passing *p)
{
    if (p->stream.wake != NULL)
        p->stream.wake(p->stream.rq, false);
}

/* The answer is more than one part: its head is sent, what comes is read from it. */
static void begin_stream(struct passing *p)
{
    struct api_answer answer = p->head;

    answer.stream = &p->stream;
    p->streaming = true;
    api_finish(p->stream.rq, &answer);
}

static void part(void *aux, const void *data, size_t size)
{
    struct passing *p = aux;

    /* At most SYNC_CALL_WINDOW bytes, since only reading lets more come. */
    memmove(p->data, p->data + p->at, p->size - p->at);
    p->size -= p->at;
    p->at = 0;
    memcpy(p->data + p->size, data, size);
    p->size += size;
    if (p->streaming)
        wake(p);
}

static void done(void *aux, int status, const struct err *why)
{
    struct passing *p = aux;
    struct api_request *rq = p->stream.rq;
    struct api_answer answer = p->head;

    p->call = NULL;
    p->ended = true;
    p->broken = why != NULL;
    if (p->streaming) {
        wake(p);
        return;
    }
    answer.size = p->size;
    if (p->size > 0) {
        answer.body = p->data;
        p->data = NULL;
    }
    free_passing(p);
    if (why == NULL) {
        api_finish(rq, &answer);
    } else {
        free(answer.body);
        api_problem_err(rq, status, why, NULL);
    }
}

static void begin_expired(struct loop_timer *timer, mtime_t now)
{
    struct passing *p = list_entry(timer, struct passing, begin);

    (void)now;
    begin_stream(p);
}

static const struct call_ops pass_ops = {head, part, done, NULL};

/* --- the stream ---------------------------------------------------------------------------- */

static ssize_t read_passed(struct api_stream *stream, char *out, size_t room)
{
    struct passing *p = list_entry(stream, struct passing, stream);
    size_t n = p->size - p->at;

    if (n == 0)
        return !p->ended ? 0 : p->broken ? API_STREAM_BROKEN : API_STREAM_END;
    n = n < room ? n : room;
    memcpy(out, p->data + p->at, n);
    p->at += n;
    if (p->call != NULL)
        call_took(p->call, n);
    return (ssize_t)n;
}

static void free_passed(struct api_stream *stream)
{
    struct passing *p = list_entry(stream, struct passing, stream);

    call_cancel(p->call);
    free_passing(p);
}

static const struct api_stream_ops pass_stream_ops = {read_passed, free_passed};

/* --- the request --------------------------------------------------------------------------- */

static void begin_call(struct api_request *rq)
{
    struct passing *p = xcalloc(1, sizeof(*p));
    struct call_request call = {
        .method = rq->method,
        .path = rq->path,
        .n_query = rq->n_query,
        .content_type = rq->content_type,
        .accept = rq->accept,
        .if_match = rq->if_match,
        .if_none_match = rq->if_none_match,
        .last_event_id = rq->last_event_id,
        .body = rq->body,
        .size = rq->size,
        .within = PASS_WITHIN,
        .read_only = rq->scope < SCOPE_WRITE,
        .from = rq->from_host[0] != '\0' ? rq->from_host : NULL,
    };

    for (unsigned i = 0; i < rq->n_query; i++) {
        call.query[i].key = rq->query[i].key;
        call.query[i].value = rq->query[i].value;
    }
    p->stream = (struct api_stream){.ops = &pass_stream_ops, .rq = rq};
    p->begin.expired = begin_expired;
    p->data = xcalloc(1, SYNC_CALL_WINDOW);
    p->call = call_begin(rq->control, rq->to_host, &call, &pass_ops, p);
}

void api_pass_to(struct api_request *rq, const char *host, char *path)
{
    free(rq->to_host);
    rq->to_host = xstrdup(host);
    free(rq->path);
    rq->path = path;
    api_pass(rq);
}

void api_pass(struct api_request *rq)
{
    if (!rq->full)
        api_problem(rq, 403,
                    "only the daemon's owner, root and group ioth may ask other hosts");
    else
        begin_call(rq);
}
