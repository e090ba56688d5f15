/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/carried.h"
#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* --- answers ------------------------------------------------------------------------------ */

void member_fail(change_done_fn *done, void *aux, int status, const char *hint,
                 const char *format, ...)
{
    struct change_result result;
    char why[sizeof(result.err.why)];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    change_result_init(&result);
    change_fail(&result, status, "%s", why);
    if (hint) {
        err_hint(&result.err, "%s", hint);
    }
    done(aux, &result);
    change_result_done(&result);
}

const char *member_founder_name(const struct member *m)
{
    list_for_each (it, &m->control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        if (node_get_bool(host->body, "founder", false)) {
            return host->name;
        }
    }
    return "the founding host";
}

const char *member_founder(const struct control *control)
{
    return control->member != NULL ? member_founder_name(control->member) : "";
}

const struct view_host *member_peer(const struct member_conn *c)
{
    const struct view_host *host;

    if (c->role != ROLE_FOLLOWER && c->role != ROLE_FOUNDER && c->role != ROLE_PEER) {
        return NULL;
    }
    host = view_host_by_number(c->member->control->view, c->host);
    return host && host->has_key &&
                   !memcmp(host->noise_public, c->noise_public, sizeof(c->noise_public))
               ? host
               : NULL;
}

struct node *member_row(const struct member *m, enum store_scope scope, const char *kind,
                        const char *name, uint64_t *revision)
{
    struct store_object object;
    struct diags diags;
    struct node *body;

    if (store_get(m->control->store, scope, kind, "", name, &object) < 0) {
        return NULL;
    }
    diags_init(&diags);
    body = node_from_json(object.body, strlen(object.body), NULL, &diags);
    diags_done(&diags);
    if (revision) {
        *revision = object.revision;
    }
    store_object_done(&object);
    return body;
}

/* --- streams ------------------------------------------------------------------------------ */

struct member_conn *member_conn(struct member *m, uint32_t conn)
{
    list_for_each (it, &m->conns) {
        struct member_conn *c = list_entry(it, struct member_conn, link);

        if (c->conn == conn) {
            return c;
        }
    }
    return NULL;
}

static void frame_out(void *aux, const uint8_t *data, size_t size)
{
    struct member_conn *c = aux;
    struct ipc_stream *frame = c->member->frame;

    frame->conn = c->conn;
    frame->size = (uint32_t)size;
    memcpy(frame->data, data, size);
    chan_send(&c->member->control->switch_, IPC_STREAM_OUT, frame, NULL, 0);
}

static void conn_began(void *aux)
{
    struct member_conn *c = aux;

    call_lost(c); /* What was under way, in both directions. */
    call_unserve(c);
    switch (c->role) {
    case ROLE_FOLLOWER:
        serve_began(c);
        break;
    case ROLE_FOUNDER:
        follow_began(c->member);
        tell_began(c);
        break;
    case ROLE_INVITER:
        join_began(c->member);
        break;
    case ROLE_STRANGER:
    case ROLE_PEER:
    case ROLE_SELF:
    case ROLE_NONE:
        break;
    }
}

/* What members say to one another whatever their roles. True if it was that. */
static bool common_message(struct member_conn *c, struct sync_message *message)
{
    if (c->role == ROLE_STRANGER || c->role == ROLE_INVITER) {
        return false;
    }
    if (message->type == SYNC_CALL) {
        call_serve(c, &message->u.call);
    } else if (message->type == SYNC_ANSWER) {
        call_answer(c, &message->u.answer);
    } else if (message->type == SYNC_TOOK) {
        call_took_up(c, &message->u.took);
    } else if (message->type == SYNC_CANCEL) {
        call_cancelled(c, message->u.cancel);
    } else if (message->type == SYNC_SEEN &&
               (c->role == ROLE_FOLLOWER || c->role == ROLE_FOUNDER)) {
        tell_message(c, &message->u.seen);
    } else {
        return false;
    }
    return true;
}

static void conn_message(void *aux, const uint8_t *data, size_t size)
{
    struct member_conn *c = aux;
    struct sync_message message;
    int r = sync_decode(data, size, &message);

    if (r < 0) {
        log_at(c->role == ROLE_STRANGER ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
               "a message of host %u was not understood: %s", c->host,
               r == -EPROTONOSUPPORT ? "it is of another version" : "malformed");
        return;
    }
    if (common_message(c, &message)) {
        sync_done(&message);
        return;
    }
    switch (c->role) {
    case ROLE_FOLLOWER:
        serve_message(c, &message);
        break;
    case ROLE_FOUNDER:
        follow_message(c->member, &message);
        break;
    case ROLE_STRANGER:
        admit_message(c, &message);
        break;
    case ROLE_INVITER:
        join_message(c->member, &message);
        break;
    case ROLE_PEER:
    case ROLE_SELF:
    case ROLE_NONE:
        break;
    }
    sodium_memzero(&message.u.join, sizeof(message.u.join) * (message.type == SYNC_JOIN));
    sync_done(&message);
}

static const struct pipe_ops pipe_ops = {frame_out, conn_began, conn_message};

static uint64_t random_number(void)
{
    uint64_t number = 0;

    while (!number) {
        randombytes_buf(&number, sizeof(number));
    }
    return number;
}

struct member_conn *member_add_conn(struct member *m, const struct ipc_peer_state *state,
                                    enum member_role role)
{
    struct member_conn *c;

    if (m->n_conns >= MAX_CONNS) {
        log_warn("too many hosts: one is not listened to");
        return NULL;
    }
    c = xcalloc(1, sizeof(*c));
    c->member = m;
    c->conn = state->conn;
    c->role = role;
    c->host = state->host;
    c->addr = state->addr;
    memcpy(c->noise_public, state->noise_public, sizeof(c->noise_public));
    list_append(&m->conns, &c->link);
    m->n_conns++;
    if (role == ROLE_FOUNDER) {
        m->founder = c;
    }
    pipe_init(&c->pipe, &pipe_ops, c,
              role == ROLE_STRANGER ? SYNC_MAX_JOIN : SYNC_MAX_MESSAGE, random_number());
    return c;
}

void member_drop_conn(struct member_conn *c)
{
    struct member *m = c->member;

    list_remove(&c->link);
    m->n_conns--;
    if (m->founder == c) {
        m->founder = NULL;
        follow_lost(m);
    }
    call_lost(c);
    call_unserve(c);
    tell_lost(c);
    join_stream_gone(m, c);
    pipe_done(&c->pipe);
    if (c->has_source) {
        source_done(&c->source);
    }
    free(c);
}

/* What this host says to itself, for the next turn. */
struct own_message {
    struct list link;
    size_t size;
    uint8_t data[];
};

static int send_self(struct member *m, const uint8_t *data, size_t size)
{
    struct own_message *own = xcalloc(1, sizeof(*own) + size);

    own->size = size;
    memcpy(own->data, data, size);
    list_append(&m->loopback, &own->link);
    loop_timer_set(m->control->loop, &m->loopback_timer, loop_now(m->control->loop));
    return 0;
}

static void loopback_expired(struct loop_timer *timer, mtime_t now)
{
    struct member *m = list_entry(timer, struct member, loopback_timer);

    (void)now;
    while (!list_empty(&m->loopback)) {
        struct own_message *own =
            list_entry(list_first(&m->loopback), struct own_message, link);

        list_remove(&own->link);
        conn_message(&m->self, own->data, own->size);
        free(own);
    }
}

static void init_self(struct member *m)
{
    list_init(&m->calls);
    list_init(&m->served);
    list_init(&m->loopback);
    m->loopback_timer.expired = loopback_expired;
    m->self = (struct member_conn){.member = m, .role = ROLE_SELF};
}

static void done_self(struct member *m)
{
    call_lost(&m->self);
    call_unserve(&m->self);
    loop_timer_set(m->control->loop, &m->loopback_timer, MTIME_NEVER);
    list_for_each_safe (it, &m->loopback) {
        free(list_entry(it, struct own_message, link));
    }
}

int member_send(struct member_conn *c, const struct sync_message *message)
{
    size_t size;
    uint8_t *data = sync_encode(message, &size);
    int r = !data                  ? -EMSGSIZE
            : c->role == ROLE_SELF ? send_self(c->member, data, size)
                                   : pipe_send(&c->pipe, data, size);

    if (data) {
        sodium_memzero(data, message->type == SYNC_JOIN ? size : 0);
    }
    free(data);
    return r;
}

void member_refuse(struct member_conn *c, uint16_t status, const struct err *err)
{
    struct sync_message m = {.type = SYNC_REFUSE, .u.refuse.status = status};

    snprintf(m.u.refuse.why, sizeof(m.u.refuse.why), "%s", err->why);
    snprintf(m.u.refuse.hint, sizeof(m.u.refuse.hint), "%s", err->hint);
    if (member_send(c, &m) < 0) {
        log_debug("a refusal could not be sent");
    }
}

/* --- what the switch tells ---------------------------------------------------------------- */

static enum member_role role_of(const struct member *m, const struct ipc_peer_state *state)
{
    const struct control *control = m->control;
    const struct view_host *host;

    if (state->joining) {
        return control->id.founder ? ROLE_STRANGER : ROLE_NONE;
    }
    if (control->id.founder) {
        return ROLE_FOLLOWER;
    }
    host = view_host_by_number(control->view, state->host);
    return host && node_get_bool(host->body, "founder", false) ? ROLE_FOUNDER : ROLE_PEER;
}

static void learn_peer(struct member *m, const struct ipc_peer_state *state)
{
    struct member_conn *c = member_conn(m, state->conn);
    enum member_role role;

    if (!state->conn || state->conn == join_conn(m)) {
        if (!state->up && state->conn) {
            join_lost(m);
        }
        return;
    }
    if (!state->up) {
        if (c) {
            member_drop_conn(c);
        }
        return;
    }
    if (c) {
        c->addr = state->addr;
        return;
    }
    role = role_of(m, state);
    if (role == ROLE_FOUNDER && m->founder) { /* A new session took the old one's place. */
        member_drop_conn(m->founder);
    }
    if (role != ROLE_NONE) {
        (void)member_add_conn(m, state, role);
    }
}

static void peer_state(struct control *control, const struct ipc_peer_state *state)
{
    learn_peer(control->member, state);
    tell_kick(control);
    member_schedule(control->member);
}

/* Only a fault brings a member's stream here: both begin anew. A stranger is not heard again. */
static void out_of_order(struct member_conn *c)
{
    if (c->role == ROLE_STRANGER) {
        log_debug("a stranger's stream is out of order, and ignored");
        member_drop_conn(c);
        return;
    }
    log_warn("the stream of host %u is out of order, and begun anew", c->host);
    pipe_done(&c->pipe);
    pipe_init(&c->pipe, &pipe_ops, c, SYNC_MAX_MESSAGE, random_number());
}

static void stream_in(struct control *control, const struct ipc_stream *stream)
{
    struct member_conn *c = member_conn(control->member, stream->conn);
    int r;

    if (!c) {
        return;
    }
    r = pipe_input(&c->pipe, stream->data, stream->size);
    /* The handler of a message may have dropped it. */
    if (r < 0 && member_conn(control->member, stream->conn) == c) {
        out_of_order(c);
    }
    member_schedule(control->member);
}

static void stream_room(struct control *control, uint32_t conn)
{
    /* The pipe never sends more than the stream takes. */
    (void)control;
    (void)conn;
}

static void joining(struct control *control, const struct ipc_joining *state)
{
    join_opened(control->member, state);
    member_schedule(control->member);
}

static void drop_all(struct member *m)
{
    while (!list_empty(&m->conns)) {
        member_drop_conn(list_entry(list_first(&m->conns), struct member_conn, link));
    }
}

static void learn_all(void *aux, const struct stats *stats)
{
    struct control *control = aux;

    for (size_t i = 0; control->member && i < stats->n_links; i++) {
        learn_peer(control->member, &stats->links[i].state);
    }
}

void member_begin(struct member *m)
{
    drop_all(m);
    m->next_number = 0;
    observe_stats(m->control->observe, 0, IPC_STATS_LINKS, learn_all, m->control);
    member_schedule(m);
}

static void switch_restarted(struct control *control)
{
    drop_all(control->member);
    join_lost(control->member);
    observe_stats(control->observe, 0, IPC_STATS_LINKS, learn_all, control);
}

/* --- time --------------------------------------------------------------------------------- */

void member_schedule(struct member *m)
{
    loop_timer_set(m->control->loop, &m->timer,
                   mtime_min(follow_deadline(m), join_deadline(m)));
}

static void expired(struct loop_timer *timer, mtime_t now)
{
    struct member *m = list_entry(timer, struct member, timer);

    follow_run(m, now);
    join_run(m, now);
    member_schedule(m);
}

static void committed(struct store_watch *watch, uint64_t revision,
                      const struct store_object *changes, size_t n)
{
    struct member *m = list_entry(watch, struct member, watch);

    (void)revision;
    (void)changes;
    (void)n;
    loop_timer_set(m->control->loop, &m->changed, loop_now(m->control->loop));
    tell_kick(m->control);
}

static void tell_followers(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    serve_changed(list_entry(timer, struct member, changed));
}

/* --- life --------------------------------------------------------------------------------- */

static const struct member_ops member_ops = {
    .forward = follow_forward,
    .founder_reachable = follow_reachable,
    .is_current = follow_is_current,
    .invite = invite_action,
    .join = join_action,
    .leave = leave_action,
    .peer_state = peer_state,
    .stream_in = stream_in,
    .stream_room = stream_room,
    .joining = joining,
    .switch_restarted = switch_restarted,
    .noticed = tell_kick,
};

/* A name for this host's store, so that a revision of another one is not taken for its. */
static int name_store(struct member *m, struct err *err)
{
    struct node *body = member_row(m, STORE_LOCAL, MEMBER_KIND, "store", NULL);
    struct store_op op = {
        .verb = STORE_PUT,
        .scope = STORE_LOCAL,
        .kind = MEMBER_KIND,
        .network = "",
        .name = "store",
        .expect = STORE_ABSENT,
        .owner = "daemon",
    };
    char text[40];

    m->store_id = strtoull(node_get_text(body, "id", "0"), NULL, 16);
    node_free(body);
    if (m->store_id) {
        return 0;
    }
    m->store_id = random_number();
    snprintf(text, sizeof(text), "{\"id\":\"%016" PRIx64 "\"}", m->store_id);
    op.body = text;
    return store_commit(m->control->store, &op, 1, NULL, NULL, err);
}

static void udp_open(void *aux, int code, uint16_t port, const char *why)
{
    struct control *control = aux;

    (void)port;
    (void)why;
    if (!code && control->member && control->id.founder) {
        (void)invite_refresh_self(control->member);
    }
}

int member_start(struct control *control, struct err *err)
{
    struct member *m = xcalloc(1, sizeof(*m));
    int r;

    m->control = control;
    r = name_store(m, err);
    if (r < 0) {
        free(m);
        return r;
    }
    list_init(&m->conns);
    list_init(&m->forwarded);
    list_init(&m->carried);
    init_self(m);
    m->frame = xcalloc(1, sizeof(*m->frame));
    m->timer.expired = expired;
    m->changed.expired = tell_followers;
    m->tell.expired = tell_expired;
    seen_clear(control->seen);
    m->watch.changed = committed;
    store_watch_add(control->store, &m->watch);
    follow_init(m);
    control->member = m;
    control->member_ops = &member_ops;
    if (control->view->n_hosts > 1 || invite_any(control->store)) {
        reconcile_open_udp(control->reconcile, udp_open, control);
    }
    member_begin(m);
    return 0;
}

void member_free(struct member *m)
{
    if (!m) {
        return;
    }
    carried_end(m);
    drop_all(m);
    done_self(m);
    join_lost(m);
    store_watch_remove(&m->watch);
    loop_timer_set(m->control->loop, &m->timer, MTIME_NEVER);
    loop_timer_set(m->control->loop, &m->changed, MTIME_NEVER);
    loop_timer_set(m->control->loop, &m->tell, MTIME_NEVER);
    sync_seen_done(&m->own_seen);
    follower_done(&m->follower);
    m->control->member = NULL;
    m->control->member_ops = NULL;
    free(m->frame);
    free(m);
}
