/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At the founder: rows for those who follow, and what they ask for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/member_internal.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* --- the store, as the engine reads it ---------------------------------------------------- */

struct reading {
    source_row_fn *each;
    void *x;
    const struct sync_row *after;
};

static char *lent(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {.in = text};

    return u.out; /* The engine only reads and copies it. */
}

static int to_row(void *aux, const struct store_object *object)
{
    struct reading *r = aux;
    struct sync_row row = {
        .revision = object->revision,
        .kind = lent(object->kind),
        .network = lent(object->network),
        .name = lent(object->name),
        .owner = lent(object->owner ? object->owner : ""),
        .body = lent(object->body),
    };
    int order = 1;

    if (r->after) {
        order = strcmp(row.kind, r->after->kind);
        order = order ? order : strcmp(row.network, r->after->network);
        order = order ? order : strcmp(row.name, r->after->name);
    }
    return order > 0 ? r->each(r->x, &row) : 0;
}

static struct store *store_of(void *aux)
{
    const struct member_conn *c = aux;

    return c->member->control->store;
}

static uint64_t read_revision(void *aux)
{
    return store_revision(store_of(aux));
}

static int read_history(void *aux, uint64_t from, source_row_fn *each, void *x)
{
    struct reading r = {.each = each, .x = x};

    return store_history(store_of(aux), STORE_FABRIC, from, to_row, &r);
}

static int read_snapshot(void *aux, const struct sync_row *after, source_row_fn *each,
                         void *x)
{
    struct reading r = {.each = each, .x = x, .after = after};

    return store_each(store_of(aux), STORE_FABRIC, NULL, NULL, to_row, &r);
}

static void send_out(void *aux, const void *data, size_t size)
{
    struct member_conn *c = aux;

    if (pipe_send(&c->pipe, data, size) < 0) {
        log_warn("host %u takes nothing any more", c->host);
    }
}

const struct source_ops member_source_ops = {read_revision, read_history, read_snapshot,
                                             send_out};

void serve_began(struct member_conn *c)
{
    if (c->has_source) {
        source_done(&c->source);
    }
    source_init(&c->source, &member_source_ops, c, c->member->store_id);
    c->has_source = true;
}

void serve_changed(struct member *m)
{
    list_for_each (it, &m->conns) {
        struct member_conn *c = list_entry(it, struct member_conn, link);

        if (c->has_source) {
            source_changed(&c->source);
        }
    }
}

/* --- FOLLOW ------------------------------------------------------------------------------- */

/* Where it listens goes into the directory, so that every pair of hosts can meet. */
static void note_addrs(struct member_conn *c, const struct view_host *host,
                       const struct sync_follow *follow)
{
    struct member *m = c->member;
    struct node *body = node_copy(host->body);
    struct node *listens = member_addrs_node(follow->addrs, follow->n_addrs, &c->addr);
    struct store_op op = {
        .verb = STORE_PUT,
        .scope = STORE_FABRIC,
        .kind = "host",
        .network = "",
        .expect = host->revision,
    };
    struct err err = {.why = ""};
    char name[VIEW_NAME_SIZE], *text;

    if (node_equal(listens, node_get(body, "listens"))) {
        node_free(listens);
        node_free(body);
        return;
    }
    node_set(body, "listens", listens);
    text = node_to_json(body, 0);
    memcpy(name, host->name, sizeof(name)); /* The view's goes with the commit. */
    op.name = name;
    op.body = text;
    if (store_commit(m->control->store, &op, 1, NULL, NULL, &err) < 0) {
        log_warn("the addresses of host %u are not noted: %s", c->host, err.why);
    }
    free(text);
    node_free(body);
}

static void on_follow(struct member_conn *c, const struct sync_follow *follow)
{
    const struct view_host *host = member_peer(c);
    struct err err = {.why = ""};

    if (!host) {
        err_set(&err, -ENOENT, "this host is not in the fabric any more");
        err_hint(&err, "iothctl host leave");
        member_refuse(c, 410, &err);
        return;
    }
    log_info("host %s follows, from revision %llu", host->name,
             (unsigned long long)follow->revision);
    note_addrs(c, host, follow);
    source_follow(&c->source, follow);
    tell_began(c);
}

/* --- REQUEST ------------------------------------------------------------------------------ */

/* Whom to answer, by number: the stream may have gone meanwhile. */
struct answering {
    struct member *member;
    uint32_t conn;
    uint32_t id;
};

static void answer(void *aux, struct change_result *result)
{
    struct answering *a = aux;
    struct member_conn *c = member_conn(a->member, a->conn);
    struct sync_message m = {.type = SYNC_RESULT};
    struct node *node = change_result_to_node(result);
    char *json = node_to_json(node, 0);
    size_t size;
    uint8_t *data;

    m.u.result.id = a->id;
    m.u.result.revision = store_revision(a->member->control->store);
    m.u.result.json = json;
    data = c && c->has_source ? sync_encode(&m, &size) : NULL;
    if (data) {
        source_after(&c->source, m.u.result.revision, data, size);
    }
    free(data);
    free(json);
    node_free(node);
    free(a);
}

static void execute(struct member *m, const struct view_host *host, const struct node *body,
                    struct answering *a)
{
    struct change *change = change_from_node(body);

    if (!change) {
        member_fail(answer, a, 400, NULL, "the change was not understood");
        return;
    }
    /* Addresses come out of the blocks of whoever asks, whatever it says. */
    free(change->host);
    change->host = xstrdup(host->name);
    change_execute(m->control, change, answer, a);
}

static void on_request(struct member_conn *c, const struct sync_request *request)
{
    struct member *m = c->member;
    const struct view_host *host = member_peer(c);
    struct answering *a = xcalloc(1, sizeof(*a));
    struct diags diags;
    struct node *body;

    *a = (struct answering){.member = m, .conn = c->conn, .id = request->id};
    diags_init(&diags);
    body = node_from_json(request->json, strlen(request->json), NULL, &diags);
    diags_done(&diags);
    if (!host || !body) {
        member_fail(answer, a, host ? 400 : 403, NULL,
                    host ? "the request was not understood"
                         : "this host is not in the fabric any more");
    } else if (request->verb == SYNC_CHANGE) {
        execute(m, host, body, a);
    } else if (request->verb == SYNC_INVITE) {
        invite_action(m->control, node_get_text(body, "name", NULL),
                      node_get_int(body, "expires", 0), answer, a);
    } else if (request->verb == SYNC_LEAVE) {
        leave_serve(m, host->name, answer, a);
    } else {
        member_fail(answer, a, 501, NULL,
                    "the founding host does not know that request; it is of an older "
                    "version");
    }
    node_free(body);
}

void serve_message(struct member_conn *c, const struct sync_message *message)
{
    if (!c->has_source) {
        return;
    }
    if (message->type == SYNC_FOLLOW) {
        on_follow(c, &message->u.follow);
    } else if (message->type == SYNC_HAVE) {
        source_have(&c->source);
    } else if (message->type == SYNC_REQUEST) {
        on_request(c, &message->u.request);
    } else {
        log_debug("message %u of host %u is not for the founder", (unsigned)message->type,
                  c->host);
    }
}
