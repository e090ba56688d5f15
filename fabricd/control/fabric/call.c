/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who calls: calls under way, and the answers that come to them. */
#include "fabricd/control/fabric/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/member_internal.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

struct call {
    struct list link; /* Of the member's calls, while it is under way. */
    struct control *control;
    struct member_conn *conn; /* NULL: not under way, its timer tells. */
    uint32_t id;
    char host[VIEW_NAME_SIZE];
    const struct call_ops *ops;
    void *aux;
    struct loop_timer timer;
    int status; /* Of the end that the timer tells; 0 = of the time being over. */
    struct err err;
    size_t untaken; /* Bytes that call_took() has not confirmed. */
    bool begun;     /* The head has come. */
    bool calling;   /* One of its ops is being called. */
    bool cancelled; /* Meanwhile. */
    bool ended;     /* done() is being called. */
};

/* --- the end ------------------------------------------------------------------------------- */

static void leave(struct call *call)
{
    if (call->conn != NULL) {
        list_remove(&call->link);
        call->control->member->n_calls--;
        call->conn = NULL;
    }
}

static void free_call(struct call *call)
{
    leave(call);
    loop_timer_set(call->control->loop, &call->timer, MTIME_NEVER);
    free(call);
}

static void say_cancel(struct call *call)
{
    struct sync_message m = {.type = SYNC_CANCEL, .u.cancel = call->id};

    if (call->conn != NULL && member_send(call->conn, &m) < 0)
        log_debug("host %s does not hear that a call is over", call->host);
}

static void end(struct call *call, int status, const struct err *why)
{
    call->ended = true; /* A cancel from in there is late, and does no harm. */
    leave(call);
    call->ops->done(call->aux, status, why);
    free_call(call);
}

void call_cancel(struct call *call)
{
    if (call == NULL || call->ended || call->cancelled)
        return;
    say_cancel(call);
    leave(call);
    if (call->ops->dropped != NULL)
        call->ops->dropped(call->aux);
    if (call->calling)
        call->cancelled = true;
    else
        free_call(call);
}

/* At the next turn: whoever fails is in the middle of something. */
__attribute__((format(printf, 3, 4))) static void fail(struct call *call, int status,
                                                       const char *format, ...)
{
    va_list args;

    leave(call);
    call->status = status;
    va_start(args, format);
    vsnprintf(call->err.why, sizeof(call->err.why), format, args);
    va_end(args);
    loop_timer_set(call->control->loop, &call->timer, loop_now(call->control->loop));
}

static void expired(struct loop_timer *timer, mtime_t now)
{
    struct call *call = list_entry(timer, struct call, timer);

    (void)now;
    if (call->status == 0) {
        say_cancel(call);
        call->status = 503;
        err_set(&call->err, -ETIMEDOUT,
                "host %s did not answer in time; what was asked may have been done",
                call->host);
    }
    end(call, call->status, &call->err);
}

/* --- the beginning ------------------------------------------------------------------------- */

static struct member_conn *conn_to(const struct member *m, const struct view_host *host)
{
    struct member_conn *found = NULL;

    list_for_each (it, &m->conns) {
        struct member_conn *c = list_entry(it, struct member_conn, link);

        if (member_peer(c) == host && c->pipe.open)
            found = c;
    }
    return found;
}

/* The way to the host; *via if the founder is to pass the call on. NULL: it has been failed. */
static struct member_conn *find_way(struct call *call, const char *name, bool *via)
{
    struct control *control = call->control;
    struct member *m = control->member;
    const struct view_host *host = view_host(control->view, name);
    struct member_conn *c = NULL;

    *via = false;
    if (m == NULL || m->n_calls >= CALLS_MAX) {
        fail(call, 503, "too many calls of other hosts are under way");
        return NULL;
    }
    if (strcmp(name, control_host(control)) == 0)
        return &m->self;
    if (host == NULL) {
        err_hint(&call->err, "iothctl host ls");
        fail(call, 404, "there is no host %s", name);
        return NULL;
    }
    if (host->number == 0) {
        fail(call, 503, "host %s has not joined yet", name);
        return NULL;
    }
    c = conn_to(m, host);
    if (c == NULL && m->founder != NULL && m->founder->pipe.open) {
        c = m->founder;
        *via = true;
    }
    if (c == NULL) {
        err_hint(&call->err, "iothctl host show %s", host->name);
        fail(call, 503, "host %s cannot be reached", name);
    }
    return c;
}

static void add_pair(struct sync_pairs *pairs, const char *name, const char *value)
{
    if (value != NULL)
        (void)sync_pairs_add(pairs, name,
                             value); /* There are fewer than SYNC_CALL_PAIRS. */
}

static int send_call(struct call *call, const struct call_request *rq, const char *via)
{
    struct sync_message m = {.type = SYNC_CALL};
    struct sync_call *c = &m.u.call;
    int r = -EMSGSIZE;

    c->id = call->id;
    c->flags = rq->read_only ? SYNC_CALL_READS : 0;
    snprintf(c->host, sizeof(c->host), "%s", via != NULL ? via : "");
    snprintf(c->from, sizeof(c->from), "%s", rq->from != NULL ? rq->from : "");
    snprintf(c->method, sizeof(c->method), "%s", rq->method);
    c->path = xstrdup(rq->path);
    add_pair(&c->headers, "Content-Type", rq->content_type);
    add_pair(&c->headers, "Accept", rq->accept);
    add_pair(&c->headers, "If-Match", rq->if_match);
    add_pair(&c->headers, "If-None-Match", rq->if_none_match);
    add_pair(&c->headers, "Last-Event-ID", rq->last_event_id);
    for (unsigned i = 0; i < rq->n_query; i++)
        add_pair(&c->query, rq->query[i].key, rq->query[i].value);
    if (rq->size <= SYNC_CALL_BODY) {
        c->size = (uint32_t)rq->size;
        c->body = xcalloc(1, rq->size + 1);
        if (rq->size > 0)
            memcpy(c->body, rq->body, rq->size);
        r = member_send(call->conn, &m);
    }
    sync_done(&m);
    return r;
}

struct call *call_begin(struct control *control, const char *host,
                        const struct call_request *rq, const struct call_ops *ops,
                        void *aux)
{
    struct call *call = xcalloc(1, sizeof(*call));
    struct member_conn *c;
    bool via;
    int r;

    call->control = control;
    call->ops = ops;
    call->aux = aux;
    call->timer.expired = expired;
    snprintf(call->host, sizeof(call->host), "%s", host);
    c = find_way(call, host, &via);
    if (c == NULL)
        return call;
    call->conn = c;
    call->id = ++control->member->last_call;
    list_append(&control->member->calls, &call->link);
    control->member->n_calls++;
    r = send_call(call, rq, via ? host : NULL);
    if (r == -EMSGSIZE)
        fail(call, 400, "the call of host %s is too long, or has control characters", host);
    else if (r < 0)
        fail(call, 503, "host %s takes nothing any more", host);
    else
        loop_timer_set(control->loop, &call->timer,
                       loop_now(control->loop) +
                           (rq->within != 0 ? rq->within : CALL_WITHIN));
    return call;
}

/* --- what comes ---------------------------------------------------------------------------- */

static const char *header_of(const struct sync_pairs *pairs, const char *name)
{
    for (unsigned i = 0; i < pairs->n; i++) {
        if (strcmp(pairs->pair[i].key, name) == 0)
            return pairs->pair[i].value;
    }
    return NULL;
}

void call_took(struct call *call, size_t size)
{
    struct sync_message m = {.type = SYNC_TOOK};

    call->untaken -= size < call->untaken ? size : call->untaken;
    m.u.took = (struct sync_took){call->id, (uint32_t)size};
    if (call->conn != NULL && size > 0 && member_send(call->conn, &m) < 0)
        log_debug("host %s does not hear what was taken", call->host);
}

static struct call *find_call(const struct member_conn *c, uint32_t id)
{
    list_for_each (it, &c->member->calls) {
        struct call *call = list_entry(it, struct call, link);

        if (call->conn == c && call->id == id)
            return call;
    }
    return NULL;
}

/* An answer says its head once, first, and no more than it may. */
static bool in_order(const struct call *call, const struct sync_answer *answer)
{
    bool first = (answer->flags & SYNC_ANSWER_FIRST) != 0;

    return (first ? !call->begun
                  : call->begun || (answer->flags & SYNC_ANSWER_BROKEN) != 0) &&
           call->untaken + answer->size <= SYNC_CALL_WINDOW;
}

void call_answer(struct member_conn *c, const struct sync_answer *answer)
{
    struct call *call = find_call(c, answer->id);

    if (call == NULL)
        return; /* It was cancelled. */
    if (!in_order(call, answer)) {
        say_cancel(call);
        fail(call, 502, "the answer of host %s was not understood", call->host);
        return;
    }
    call->calling = true;
    if ((answer->flags & SYNC_ANSWER_FIRST) != 0) {
        call->begun = true;
        loop_timer_set(call->control->loop, &call->timer, MTIME_NEVER);
        call->ops->head(
            call->aux, answer->status, header_of(&answer->headers, "Content-Type"),
            header_of(&answer->headers, "Allow"), header_of(&answer->headers, "ETag"));
    }
    call->untaken += answer->size;
    if (!call->cancelled && answer->size > 0)
        call->ops->part(call->aux, answer->data, answer->size);
    call->calling = false;
    if (call->cancelled) {
        free_call(call);
    } else if ((answer->flags & SYNC_ANSWER_BROKEN) != 0) {
        err_set(&call->err, -ECONNRESET, "the answer of host %s broke off", call->host);
        end(call, 503, &call->err);
    } else if ((answer->flags & SYNC_ANSWER_LAST) != 0) {
        end(call, 0, NULL);
    }
}

void call_lost(struct member_conn *c)
{
    list_for_each_safe (it, &c->member->calls) {
        struct call *call = list_entry(it, struct call, link);

        if (call->conn == c)
            fail(call, 503,
                 "host %s was lost before it had answered; what was asked may have been "
                 "done",
                 call->host);
    }
}

/* --- answers that are a tree --------------------------------------------------------------- */

struct tree_call {
    struct call *call;
    call_tree_fn *done;
    void *aux;
    char host[VIEW_NAME_SIZE];
    int status;
    bool json;
    char *text;
    size_t size, room;
    bool too_large;
};

static void tree_head(void *aux, int status, const char *type, const char *allow,
                      const char *etag)
{
    struct tree_call *t = aux;

    (void)allow;
    (void)etag;
    t->status = status;
    t->json = type != NULL && strstr(type, "json") != NULL;
}

static void tree_part(void *aux, const void *data, size_t size)
{
    struct tree_call *t = aux;

    call_took(t->call, size);
    if (t->too_large || t->size + size > CALL_TREE_MAX) {
        t->too_large = true;
        return;
    }
    if (t->size + size > t->room) {
        t->room = (t->size + size) * 2;
        t->text = xrealloc(t->text, t->room);
    }
    memcpy(t->text + t->size, data, size);
    t->size += size;
}

static struct node *tree_of(const struct tree_call *t)
{
    struct diags diags;
    struct node *body;

    if (!t->json || t->size == 0)
        return NULL;
    diags_init(&diags);
    body = node_from_json(t->text, t->size, NULL, &diags);
    diags_done(&diags);
    return body;
}

static void tree_dropped(void *aux)
{
    struct tree_call *t = aux;

    free(t->text);
    free(t);
}

static void tree_done(void *aux, int status, const struct err *why)
{
    struct tree_call *t = aux;
    struct err err = {.why = ""};
    struct node *body = NULL;

    if (why != NULL) {
        t->status = status;
        err = *why;
    } else if (t->too_large) {
        t->status = 502;
        err_set(&err, -EMSGSIZE, "the answer of host %s is too large", t->host);
    } else {
        body = tree_of(t);
        if (t->status >= 400) {
            err_set(&err, -EREMOTEIO, "host %s: %s", t->host,
                    node_get_text(body, "detail", node_get_text(body, "title", "failed")));
            err_hint(&err, "%s", node_get_text(body, "hint", ""));
        }
    }
    t->done(t->aux, t->status, body, t->status >= 400 ? &err : NULL);
    node_free(body);
    tree_dropped(t);
}

static const struct call_ops tree_ops = {tree_head, tree_part, tree_done, tree_dropped};

struct call *call_tree(struct control *control, const char *host,
                       const struct call_request *rq, call_tree_fn *done, void *aux)
{
    struct tree_call *t = xcalloc(1, sizeof(*t));

    t->done = done;
    t->aux = aux;
    snprintf(t->host, sizeof(t->host), "%s", host);
    t->call = call_begin(control, host, rq, &tree_ops, t);
    return t->call;
}
