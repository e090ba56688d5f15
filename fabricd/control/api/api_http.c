/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests and answers of HTTP, as libmicrohttpd has them, from and to those that the routes know. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fabricd/control/api/http_internal.h"
#include "fabricd/control/api/routes.h"
#include "proto/base/xalloc.h"

#define DISCARD_MAX                                                                        \
    (64u * 1024u * 1024u)  /* Of a body that is too large; then we hang up. */
#define STREAM_BLOCK 1024u /* Of a stream, at a time. */

struct exchange {
    struct list link; /* While it is suspended. */
    struct api_request rq;
    struct api *api;
    struct conn *conn;
    struct MHD_Connection *mhd;
    size_t room, discarded;
    bool begun, dispatched, suspended, answered, gone;
    const char *wrong; /* With query or headers: why, or NULL. */
    struct api_answer answer;
};

/* --- exchanges ------------------------------------------------------------------------------ */

static void suspend(struct exchange *x)
{
    x->suspended = true;
    list_append(&x->api->suspended, &x->link);
    MHD_suspend_connection(x->mhd);
}

static void resume(struct exchange *x)
{
    if (!x->suspended)
        return;
    x->suspended = false;
    list_remove(&x->link);
    MHD_resume_connection(x->mhd);
    x->api->resumed = true;
    api_arm(x->api);
}

/* libmicrohttpd does not end with suspended connections. */
void http_resume_all(struct api *api)
{
    list_for_each_safe (it, &api->suspended)
        resume(list_entry(it, struct exchange, link));
}

static void free_exchange(struct exchange *x)
{
    if (x->answer.stream != NULL)
        x->answer.stream->ops->free(x->answer.stream);
    api_request_done(&x->rq);
    free(x->answer.body);
    free(x);
}

static void answered(struct api_request *rq, const struct api_answer *answer)
{
    struct exchange *x = list_entry(rq, struct exchange, rq);

    x->answer = *answer;
    x->answered = true;
    if (x->gone) {
        free_exchange(x);
        return;
    }
    resume(x);
}

static void stream_wake(struct api_request *rq, bool behind)
{
    struct exchange *x = list_entry(rq, struct exchange, rq);

    if (behind && !x->suspended && x->conn != NULL)
        conn_hang_up(x->conn); /* It does not read what it has been sent. */
    resume(x);
}

static ssize_t stream_read(void *cls, uint64_t position, char *out, size_t room)
{
    struct exchange *x = cls;
    ssize_t n = x->answer.stream->ops->read(x->answer.stream, out, room);

    (void)position;
    if (n < 0)
        return n == API_STREAM_END ? MHD_CONTENT_READER_END_OF_STREAM
                                   : MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == 0)
        suspend(x);
    return n;
}

static void add_headers(struct MHD_Response *response, const struct api_answer *answer)
{
    char text[24];

    if (answer->type != NULL)
        MHD_add_response_header(response, "Content-Type", answer->type);
    if (answer->allow[0] != '\0')
        MHD_add_response_header(response, "Allow", answer->allow);
    if (answer->revision != 0) {
        snprintf(text, sizeof(text), "\"%" PRIu64 "\"", answer->revision);
        MHD_add_response_header(response, "ETag", text);
    }
    if (answer->retry_after != 0) {
        snprintf(text, sizeof(text), "%u", answer->retry_after);
        MHD_add_response_header(response, "Retry-After", text);
    }
    if (answer->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"ioth\"");
    MHD_add_response_header(response, "Cache-Control", "no-store");
}

static enum MHD_Result queue_answer(struct exchange *x)
{
    char *body = x->answer.body;
    struct MHD_Response *response;
    enum MHD_Result r;

    x->answer.body = NULL;
    if (x->answer.stream != NULL) {
        x->answer.stream->wake = stream_wake;
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                                     stream_read, x, NULL);
    } else if (body == NULL)
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    else
        response =
            MHD_create_response_from_buffer(x->answer.size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    add_headers(response, &x->answer);
    r = MHD_queue_response(x->mhd, (unsigned)x->answer.status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result take_query(void *cls, enum MHD_ValueKind kind, const char *key,
                                  size_t key_size, const char *value, size_t value_size)
{
    struct exchange *x = cls;
    struct api_request *rq = &x->rq;

    (void)kind;
    if (rq->n_query == API_MAX_QUERY)
        x->wrong = "the query has too many parameters";
    else if (strlen(key) != key_size || (value != NULL && strlen(value) != value_size))
        x->wrong = "the query holds a zero byte";
    if (x->wrong != NULL)
        return MHD_NO;
    rq->query[rq->n_query].key = xstrdup(key);
    rq->query[rq->n_query].value = xstrdup(value != NULL ? value : "");
    rq->n_query++;
    return MHD_YES;
}

/* The headers that count. Each says one thing: a second one would be a riddle (RFC 9110, 5.3), but
 * for Accept, which is a list. */
static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct exchange *x = cls;
    struct api_request *rq = &x->rq;
    const struct {
        const char *name, *twice;
        char **out;
    } known[] = {
        {"Accept", NULL, &rq->accept},
        {"Authorization", "Authorization is given twice", &rq->authorization},
        {"Content-Type", "Content-Type is given twice", &rq->content_type},
        {"If-Match", "If-Match is given twice", &rq->if_match},
        {"If-None-Match", "If-None-Match is given twice", &rq->if_none_match},
        {"Ioth-Host", "Ioth-Host is given twice", &rq->to_host},
        {"Last-Event-ID", "Last-Event-ID is given twice", &rq->last_event_id},
    };

    (void)kind;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(known[i].name, key) != 0)
            continue;
        if (*known[i].out == NULL) {
            *known[i].out = xstrdup(value != NULL ? value : "");
        } else if (known[i].twice == NULL) {
            char *both = xasprintf("%s, %s", *known[i].out, value != NULL ? value : "");

            free(*known[i].out);
            *known[i].out = both;
        } else {
            x->wrong = known[i].twice;
        }
        break;
    }
    return MHD_YES;
}

static struct exchange *new_exchange(struct api *api, bool remote,
                                     struct MHD_Connection *mhd, const char *url,
                                     const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *x = xcalloc(1, sizeof(*x));

    x->api = api;
    x->mhd = mhd;
    x->conn = info != NULL ? info->socket_context : NULL;
    x->rq.control = api->control;
    x->rq.method = xstrdup(method);
    x->rq.path = xstrdup(url);
    x->rq.answered = answered;
    x->rq.peer.uid = (uid_t)-1;
    x->rq.remote = remote;
    if (x->conn != NULL) {
        x->rq.peer = x->conn->peer;
        memcpy(x->rq.address, x->conn->address, sizeof(x->rq.address));
    }
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, take_header, x);
    MHD_get_connection_values_n(mhd, MHD_GET_ARGUMENT_KIND, take_query, x);
    return x;
}

static void too_large(struct exchange *x)
{
    if (!x->dispatched)
        api_problem(&x->rq, 413, "a body has at most %u bytes", API_MAX_BODY);
    x->dispatched = true;
}

/* A piece of the body. A body that is too large is read on for a while, since a client that
 * still sends does not see an answer. */
static enum MHD_Result take_body(struct exchange *x, const char *data, size_t *size)
{
    size_t n = *size;

    *size = 0;
    if (x->dispatched || x->rq.size + n > API_MAX_BODY) {
        too_large(x);
        x->discarded += n;
        return x->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    if (x->rq.size + n + 1 > x->room) {
        x->room = (x->rq.size + n + 1) * 2;
        x->rq.body = xrealloc(x->rq.body, x->room);
    }
    memcpy(x->rq.body + x->rq.size, data, n);
    x->rq.size += n;
    x->rq.body[x->rq.size] = '\0';
    return MHD_YES;
}

static enum MHD_Result dispatch(struct exchange *x)
{
    if (!x->dispatched) {
        x->dispatched = true;
        if (x->conn != NULL)
            x->conn->pending++;
        api_dispatch(&x->rq);
    }
    if (x->answered)
        return queue_answer(x);
    suspend(x);
    return MHD_YES;
}

/* The head has come. Over TCP nobody's body is taken before his token is. */
static enum MHD_Result begin(struct exchange *x)
{
    if (x->rq.remote && !api_admit(&x->rq)) {
        x->dispatched = true;
        return queue_answer(x);
    }
    if (x->conn != NULL)
        x->conn->known = true;
    if (x->wrong != NULL) {
        x->dispatched = true;
        api_problem(&x->rq, 400, "%s", x->wrong);
        return queue_answer(x);
    }
    return MHD_YES;
}

enum MHD_Result http_handle(void *cls, struct MHD_Connection *mhd, const char *url,
                            const char *method, const char *version, const char *upload,
                            size_t *upload_size, void **context)
{
    struct entry *entry = cls;
    struct exchange *x = *context;

    (void)version;
    if (x == NULL) {
        x = *context = new_exchange(entry->api, entry->remote, mhd, url, method);
        return begin(x);
    }
    if (!x->begun) {
        /* An announced length that is too large is answered before the client sends it. */
        const char *length =
            MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
        bool large = length != NULL && strtoull(length, NULL, 10) > API_MAX_BODY;

        x->begun = true;
        if (large && *upload_size == 0 && !x->dispatched)
            too_large(x);
    }
    if (*upload_size > 0)
        return take_body(x, upload, upload_size);
    return dispatch(x);
}

void http_completed(void *cls, struct MHD_Connection *mhd, void **context,
                    enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *context;

    (void)cls;
    (void)mhd;
    (void)code;
    if (x == NULL)
        return;
    *context = NULL;
    if (x->conn != NULL && x->conn->pending > 0)
        x->conn->pending--;
    if (x->conn != NULL && !x->api->freeing)
        conn_touch(x->conn);
    if (x->dispatched && !x->answered)
        x->gone = true; /* Its handler still has it. */
    else
        free_exchange(x);
}
