/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At a joined host: the copy of the founder's store, and what is asked of the founder. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/carried.h"
#include "fabricd/control/fabric/member_internal.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

#define ANSWER_WITHIN (20 * MTIME_SEC)
#define ROWS_WITHIN   (5 * MTIME_SEC)

/* --- the copy ----------------------------------------------------------------------------- */

/* Names end up in paths, in messages, and in tables of fixed size. */
static bool row_ok(const struct sync_row *row)
{
    const char *name = row->name;

    if (!strcmp(row->kind, "block") && name[strspn(name, "0123456789")] == '.') {
        name += strspn(name, "0123456789") + 1; /* VLAN.HOST */
    }
    return schema_name_ok(row->kind) && schema_name_ok(name) &&
           (!row->network[0] || schema_name_ok(row->network));
}

bool follow_rows_ok(const struct sync_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (!row_ok(&rows->row[i])) {
            return false;
        }
    }
    return true;
}

struct store_op *follow_ops(const struct sync_rows *rows)
{
    struct store_op *ops = xcalloc(rows->n, sizeof(*ops));

    for (size_t i = 0; i < rows->n; i++) {
        const struct sync_row *row = &rows->row[i];

        ops[i] = (struct store_op){
            .verb = row->body ? STORE_PUT : STORE_DELETE,
            .scope = STORE_FABRIC,
            .kind = row->kind,
            .network = row->network,
            .name = row->name,
            .expect = STORE_ANY,
            .revision = row->revision,
            .owner = row->owner[0] ? row->owner : NULL,
            .body = row->body,
        };
    }
    return ops;
}

struct store_op follow_mark_op(uint64_t store, uint64_t revision, char **body)
{
    *body = xasprintf("{\"store\":\"%016" PRIx64 "\",\"revision\":%" PRIu64 "}", store,
                      revision);
    return (struct store_op){
        .verb = STORE_PUT,
        .scope = STORE_LOCAL,
        .kind = MEMBER_KIND,
        .network = "",
        .name = "mark",
        .expect = STORE_ANY,
        .owner = "daemon",
        .body = *body,
    };
}

static int apply(void *aux, const struct sync_rows *rows, bool snapshot)
{
    struct member *m = aux;
    struct store_op *ops = follow_ops(rows);
    struct err err = {.why = ""};
    char *body;
    struct store_op mark = follow_mark_op(rows->store, rows->revision, &body);
    int r;

    fault_at(FAULT_FOLLOW_RECEIVED);
    r = follow_rows_ok(rows)
            ? change_replicate(m->control, ops, rows->n, snapshot, &mark, 1, &err)
            : err_set(&err, -EBADMSG, "an object has no valid name");
    fault_at(FAULT_FOLLOW_STORED);
    if (r < 0) {
        log_warn("what host %s sent is not stored: %s", member_founder_name(m), err.why);
    }
    free(body);
    free(ops);
    return r;
}

static void send_out(void *aux, const void *data, size_t size)
{
    struct member *m = aux;

    if (m->founder && pipe_send(&m->founder->pipe, data, size) < 0) {
        log_warn("host %s takes nothing any more", member_founder_name(m));
    }
}

static const struct follower_ops follower_ops = {apply, send_out};

void follow_init(struct member *m)
{
    follower_init(&m->follower, &follower_ops, m);
}

static void read_mark(const struct member *m, struct sync_follow *at)
{
    struct node *body = member_row(m, STORE_LOCAL, MEMBER_KIND, "mark", NULL);
    int64_t revision = node_get_int(body, "revision", 0);

    at->store = strtoull(node_get_text(body, "store", "0"), NULL, 16);
    at->revision = revision > 0 ? (uint64_t)revision : 0;
    node_free(body);
}

void follow_began(struct member *m)
{
    struct sync_follow at = {0};

    read_mark(m, &at);
    at.n_addrs = (uint8_t)member_sync_addrs(m->control, at.addrs);
    follow_lost(m); /* What was asked over the old stream. */
    follower_up(&m->follower, &at);
    member_schedule(m);
}

/* --- requests ----------------------------------------------------------------------------- */

static void finish(struct forwarded *f)
{
    list_remove(&f->link);
    f->done(f->aux, &f->result);
    change_result_done(&f->result);
    free(f);
}

static void give_up(struct member *m, struct forwarded *f, const char *what)
{
    change_result_done(&f->result);
    change_result_init(&f->result);
    change_fail(&f->result, 503, "host %s %s; the change may have been made",
                member_founder_name(m), what);
    finish(f);
}

void follow_lost(struct member *m)
{
    struct list lost;

    follower_down(&m->follower);
    list_init(&lost);
    while (!list_empty(&m->forwarded)) {
        struct list *first = list_first(&m->forwarded);

        list_remove(first);
        list_append(&lost, first);
    }
    while (!list_empty(&lost)) {
        struct forwarded *f = list_entry(list_first(&lost), struct forwarded, link);

        if (f->answered) {
            finish(f);
        } else {
            give_up(m, f, "was lost before it answered");
        }
    }
}

bool follow_reachable(const struct control *control)
{
    const struct member *m = control->member;

    return m->founder && m->founder->pipe.open;
}

bool follow_is_current(const struct control *control)
{
    return follow_reachable(control) && control->member->follower.current;
}

void follow_request(struct member *m, enum sync_verb verb, const struct node *body,
                    mtime_t more, change_done_fn *done, void *aux)
{
    struct sync_message message = {.type = SYNC_REQUEST};
    struct forwarded *f;
    char *json;
    int r;

    if (!follow_reachable(m->control)) {
        member_fail(done, aux, 503, "iothctl host ls",
                    "host %s, which keeps the store of the fabric, cannot be reached",
                    member_founder_name(m));
        return;
    }
    json = node_to_json(body, 0);
    message.u.request =
        (struct sync_request){.id = ++m->last_request, .verb = (uint8_t)verb, .json = json};
    r = member_send(m->founder, &message);
    free(json);
    if (r < 0) {
        member_fail(done, aux, 413, NULL, "the change is too large to be forwarded");
        return;
    }
    fault_at(FAULT_FORWARD_SENT);
    f = xcalloc(1, sizeof(*f));
    f->id = m->last_request;
    f->done = done;
    f->aux = aux;
    f->due = loop_now(m->control->loop) + ANSWER_WITHIN + more;
    change_result_init(&f->result);
    list_append(&m->forwarded, &f->link);
    member_schedule(m);
}

void follow_forward(struct control *control, struct change *change, change_done_fn *done,
                    void *aux)
{
    struct node *body = change_to_node(change);
    mtime_t more =
        change->n > 0 && (change->items[0].verb == CHANGE_APPLY ||
                          change->items[0].verb == CHANGE_ROLLBACK)
            ? (change->terms.within_ms > 0 ? change->terms.within_ms : CHANGE_WITHIN) *
                  MTIME_MS
            : 0;

    change_free(change);
    follow_request(control->member, SYNC_CHANGE, body, more, done, aux);
    node_free(body);
}

static struct forwarded *find(struct member *m, uint32_t id)
{
    list_for_each (it, &m->forwarded) {
        struct forwarded *f = list_entry(it, struct forwarded, link);

        if (f->id == id && !f->answered) {
            return f;
        }
    }
    return NULL;
}

/* Finishes one request that is due, if there is one. Whoever asked may ask again meanwhile. */
static bool finish_one(struct member *m, mtime_t now)
{
    list_for_each (it, &m->forwarded) {
        struct forwarded *f = list_entry(it, struct forwarded, link);
        bool late = f->due <= now;

        /* Rows come before their answer, but for a store that could not take them: then the
         * answer waits until it has caught up. */
        if (f->answered &&
            (late || !m->follower.deaf || f->revision <= m->follower.at.revision)) {
            finish(f);
            return true;
        }
        if (!f->answered && late) {
            give_up(m, f, "did not answer in time");
            return true;
        }
    }
    return false;
}

static void finish_due(struct member *m)
{
    while (finish_one(m, loop_now(m->control->loop))) {
    }
}

static void on_result(struct member *m, const struct sync_result *result)
{
    struct forwarded *f = find(m, result->id);
    struct diags diags;
    struct node *body;

    if (!f) {
        return;
    }
    fault_at(FAULT_FORWARD_ANSWERED);
    diags_init(&diags);
    body = node_from_json(result->json, strlen(result->json), NULL, &diags);
    diags_done(&diags);
    change_result_done(&f->result);
    if (!body || !change_result_from_node(body, &f->result)) {
        change_result_init(&f->result);
        change_fail(&f->result, 502, "the answer of host %s was not understood",
                    member_founder_name(m));
    }
    node_free(body);
    f->answered = true;
    f->revision = result->revision;
    f->due = loop_now(m->control->loop) + ROWS_WITHIN;
    finish_due(m);
}

static void on_rows(struct member *m, const struct sync_rows *rows)
{
    bool before = m->follower.current;
    int r = follower_rows(&m->follower, rows, loop_now(m->control->loop));

    if (r == -EPROTO) {
        log_warn("host %s sent rows out of order; it is asked again",
                 member_founder_name(m));
    }
    if (m->follower.current && !before) {
        log_info("following host %s, revision %llu", member_founder_name(m),
                 (unsigned long long)m->follower.at.revision);
        control_founder_back(m->control);
    }
    finish_due(m);
    carried_look(m);
}

void follow_message(struct member *m, const struct sync_message *message)
{
    if (message->type == SYNC_ROWS) {
        on_rows(m, &message->u.rows);
    } else if (message->type == SYNC_RESULT) {
        on_result(m, &message->u.result);
    } else if (message->type == SYNC_REFUSE) {
        log_warn("host %s refuses us: %s", member_founder_name(m), message->u.refuse.why);
    } else {
        log_debug("message %u is not for a follower", (unsigned)message->type);
    }
}

/* --- time --------------------------------------------------------------------------------- */

mtime_t follow_deadline(const struct member *m)
{
    mtime_t due = follower_deadline(&m->follower);

    list_for_each (it, &m->forwarded) {
        due = mtime_min(due, list_entry(it, struct forwarded, link)->due);
    }
    return due;
}

void follow_run(struct member *m, mtime_t now)
{
    follower_run(&m->follower, now);
    finish_due(m);
}
