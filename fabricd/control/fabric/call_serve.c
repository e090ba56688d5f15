/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is called: requests of other hosts' controls, dispatched to the routes of the API, and their
 * answers on the way back in parts. A caller that is lost or has cancelled is answered no more; a
 * handler that is at work then keeps its request until it has ended it.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/api.h"
#include "fabricd/control/fabric/member_internal.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

static_assert(SYNC_CALL_PAIRS <= API_MAX_QUERY, "all that a call asks is heard");

struct served {
    struct list link; /* Of the member's served, unless `gone`. */
    struct member_conn *conn;
    uint32_t id;
    struct api_request rq;
    struct api_answer answer;
    bool answered;
    bool gone; /* Nobody waits for the answer any more. */
    bool begun;
    size_t sent;   /* Of the answer's body. */
    size_t credit; /* Bytes that the caller still takes. */
    struct loop_timer pump;
};

static void free_served(struct served *s)
{
    loop_timer_set(s->rq.control->loop, &s->pump, MTIME_NEVER);
    if (s->answer.stream != NULL)
        s->answer.stream->ops->free(s->answer.stream);
    free(s->answer.body);
    api_request_done(&s->rq);
    free(s);
}

static void drop(struct served *s)
{
    list_remove(&s->link);
    s->conn->member->n_served--;
    s->gone = true;
    if (s->answered)
        free_served(s);
}

/* --- the answer ---------------------------------------------------------------------------- */

/* One message; false when that was the last, and the call is gone. */
static bool send_part(struct served *s, const void *data, size_t size, uint8_t flags)
{
    struct sync_message m = {.type = SYNC_ANSWER};
    char etag[24];
    struct sync_answer *a = &m.u.answer;
    int r;

    a->id = s->id;
    a->flags = flags | (s->begun ? 0 : SYNC_ANSWER_FIRST);
    a->status = (uint16_t)s->answer.status;
    if (!s->begun && s->answer.type != NULL)
        (void)sync_pairs_add(&a->headers, "Content-Type", s->answer.type);
    if (!s->begun && s->answer.allow[0] != '\0')
        (void)sync_pairs_add(&a->headers, "Allow", s->answer.allow);
    if (!s->begun && s->answer.revision != 0) {
        snprintf(etag, sizeof(etag), "\"%" PRIu64 "\"", s->answer.revision);
        (void)sync_pairs_add(&a->headers, "ETag", etag);
    }
    a->size = (uint32_t)size;
    a->data = xcalloc(1, size + 1);
    if (size > 0)
        memcpy(a->data, data, size);
    s->begun = true;
    s->credit -= size;
    r = member_send(s->conn, &m);
    sync_done(&m);
    if (r == 0 && (flags & (SYNC_ANSWER_LAST | SYNC_ANSWER_BROKEN)) == 0)
        return true;
    if (r < 0)
        log_warn("host %s takes no answer any more", s->rq.from_host);
    drop(s);
    return false;
}

static size_t part_of(const struct served *s, size_t size)
{
    size = size < s->credit ? size : s->credit;
    return size < SYNC_CALL_PART ? size : SYNC_CALL_PART;
}

static void pump_body(struct served *s)
{
    bool last;

    do {
        size_t n = part_of(s, s->answer.size - s->sent);

        last = s->sent + n == s->answer.size;
        if (n == 0 && !last)
            return;
        s->sent += n;
        last = !send_part(s, s->answer.body != NULL ? s->answer.body + s->sent - n : "", n,
                          last ? SYNC_ANSWER_LAST : 0);
    } while (!last);
}

static void pump_stream(struct served *s)
{
    struct api_stream *stream = s->answer.stream;
    char *data = xcalloc(1, SYNC_CALL_PART);
    bool more = true;

    while (more) {
        size_t room = part_of(s, SYNC_CALL_PART);
        ssize_t n = room > 0 ? stream->ops->read(stream, data, room) : 0;

        if (n == 0 && (s->begun || room == 0))
            break;
        more = n >= 0
                   ? send_part(s, data, (size_t)n, 0)
                   : send_part(s, NULL, 0,
                               n == API_STREAM_END ? SYNC_ANSWER_LAST : SYNC_ANSWER_BROKEN);
    }
    free(data);
}

static void pump(struct loop_timer *timer, mtime_t now)
{
    struct served *s = list_entry(timer, struct served, pump);

    (void)now;
    if (s->answer.stream != NULL)
        pump_stream(s);
    else
        pump_body(s);
}

static void schedule(struct served *s)
{
    struct loop *loop = s->rq.control->loop;

    loop_timer_set(loop, &s->pump, loop_now(loop));
}

static void wake(struct api_request *rq, bool behind)
{
    struct served *s = list_entry(rq, struct served, rq);

    (void)behind; /* Reading tells. */
    schedule(s);
}

static void answered(struct api_request *rq, const struct api_answer *answer)
{
    struct served *s = list_entry(rq, struct served, rq);

    s->answer = *answer;
    s->answered = true;
    if (s->gone) {
        free_served(s);
        return;
    }
    if (s->answer.stream != NULL)
        s->answer.stream->wake = wake;
    schedule(s);
}

/* --- the call ------------------------------------------------------------------------------ */

static void take_headers(struct api_request *rq, const struct sync_pairs *headers)
{
    const struct {
        const char *name;
        char **out;
    } known[] = {
        {"Accept", &rq->accept},
        {"Content-Type", &rq->content_type},
        {"If-Match", &rq->if_match},
        {"If-None-Match", &rq->if_none_match},
        {"Last-Event-ID", &rq->last_event_id},
    };

    for (unsigned i = 0; i < headers->n; i++) {
        for (unsigned k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
            if (strcmp(headers->pair[i].key, known[k].name) == 0 && *known[k].out == NULL)
                *known[k].out = xstrdup(headers->pair[i].value);
        }
    }
}

static void take_query(struct api_request *rq, const struct sync_pairs *query)
{
    for (unsigned i = 0; i < query->n; i++) {
        rq->query[rq->n_query].key = xstrdup(query->pair[i].key);
        rq->query[rq->n_query++].value = xstrdup(query->pair[i].value);
    }
}

/* For whom the call is: whoever it comes from, but that the founder passes on calls of others. */
static const char *caller(const struct member_conn *c, const struct sync_call *call)
{
    const struct view_host *host;

    if (c->role == ROLE_SELF)
        return control_host(c->member->control);
    if (c->role == ROLE_FOUNDER && call->from[0] != '\0')
        return call->from;
    host = member_peer(c);
    return host != NULL ? host->name : NULL;
}

static struct served *take_call(struct member_conn *c, struct sync_call *call)
{
    struct served *s = xcalloc(1, sizeof(*s));

    s->conn = c;
    s->id = call->id;
    s->credit = SYNC_CALL_WINDOW;
    s->pump.expired = pump;
    list_append(&c->member->served, &s->link);
    c->member->n_served++;
    s->rq.control = c->member->control;
    s->rq.answered = answered;
    s->rq.peer.uid = (uid_t)-1;
    s->rq.read_only = (call->flags & SYNC_CALL_READS) != 0;
    s->rq.method = xstrdup(call->method);
    s->rq.path = xstrdup(call->path);
    take_query(&s->rq, &call->query);
    take_headers(&s->rq, &call->headers);
    s->rq.body = (char *)call->body;
    s->rq.size = call->size;
    call->body = NULL;
    return s;
}

static unsigned served_of(const struct member_conn *c)
{
    unsigned n = 0;

    list_for_each (it, &c->member->served)
        n += list_entry(it, struct served, link)->conn == c;
    return n;
}

static struct served *find(const struct member_conn *c, uint32_t id)
{
    list_for_each (it, &c->member->served) {
        struct served *s = list_entry(it, struct served, link);

        if (s->conn == c && s->id == id)
            return s;
    }
    return NULL;
}

void call_serve(struct member_conn *c, struct sync_call *call)
{
    const char *self = control_host(c->member->control), *from = caller(c, call);
    bool busy = served_of(c) >= CALLS_SERVED;
    struct served *s;

    if (find(c, call->id) != NULL)
        return; /* It has no business to repeat itself. */
    s = take_call(c, call);
    snprintf(s->rq.from_host, sizeof(s->rq.from_host), "%s", from != NULL ? from : "?");
    if (busy)
        api_problem(&s->rq, 503, "host %s serves too many calls of host %s", self,
                    s->rq.from_host);
    else if (from == NULL)
        api_problem(&s->rq, 403, "this host is not in the fabric any more");
    else if (call->host[0] != '\0' && strcmp(call->host, self) != 0 &&
             c->role != ROLE_FOLLOWER)
        api_problem(&s->rq, 421, "host %s passes nothing on", self);
    else {
        if (call->host[0] != '\0')
            s->rq.to_host = xstrdup(call->host);
        api_dispatch(&s->rq);
    }
}

void call_took_up(struct member_conn *c, const struct sync_took *took)
{
    struct served *s = find(c, took->id);

    if (s == NULL)
        return;
    s->credit = took->size < SYNC_CALL_WINDOW - s->credit ? s->credit + took->size
                                                          : SYNC_CALL_WINDOW;
    if (s->answered)
        schedule(s);
}

void call_cancelled(struct member_conn *c, uint32_t id)
{
    struct served *s = find(c, id);

    if (s != NULL)
        drop(s);
}

void call_unserve(struct member_conn *c)
{
    list_for_each_safe (it, &c->member->served) {
        struct served *s = list_entry(it, struct served, link);

        if (s->conn == c)
            drop(s);
    }
}
