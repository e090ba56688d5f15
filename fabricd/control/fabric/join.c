/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * At the host that joins: the token says whom to talk to and which root key to believe. WELCOME
 * brings the certificate chain, which must verify against that key and be for our own keys; then
 * comes the store. Only when all is there does the parent take the new identity, and one
 * transaction makes the store the fabric's.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/identity/identity.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/link/cert.h"

#define OPEN_WITHIN   (20 * MTIME_SEC) /* The switch gives up before. */
#define ANSWER_WITHIN (20 * MTIME_SEC)
#define LISTED_MAX    8u

struct joining {
    struct member *member;
    change_done_fn *done;
    void *aux;
    struct token token;
    uint32_t conn;
    bool asked; /* The switch, for the session. */
    mtime_t due;
    struct member_conn *stream; /* Once the session is open. */
    struct follower follower;
    bool welcome;
    struct ipc_self self;  /* The new identity. */
    bool whole;            /* The rows are all here. */
    bool taking;           /* The parent is being told: no way back. */
    struct sync_rows rows; /* The store of the fabric. */
};

uint32_t join_conn(const struct member *m)
{
    return m->joining ? m->joining->conn : 0;
}

static void joining_free(struct joining *j)
{
    struct member *m = j->member;

    m->joining = NULL;
    if (j->stream) {
        member_drop_conn(j->stream);
    }
    follower_done(&j->follower);
    for (size_t i = 0; i < j->rows.n; i++) {
        sync_row_done(&j->rows.row[i]);
    }
    free(j->rows.row);
    sodium_memzero(&j->token, sizeof(j->token));
    free(j);
}

static void fail(struct joining *j, int status, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void fail(struct joining *j, int status, const char *hint, const char *format, ...)
{
    change_done_fn *done = j->done;
    void *aux = j->aux;
    char why[300];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    joining_free(j);
    member_fail(done, aux, status, hint, "%s", why);
}

/* --- 4: the new identity ------------------------------------------------------------------ */

/* The store becomes the fabric's, and says who we are now, in one transaction. */
static int store_fabric(struct joining *j, struct err *err)
{
    struct control *control = j->member->control;
    struct identity id = {.self = j->self, .founder = false};
    struct store_op *ops = follow_ops(&j->rows), also[2];
    char *bodies[2];
    int r;

    also[0] = identity_op(&id, &bodies[0]);
    also[1] = follow_mark_op(j->rows.store, j->rows.revision, &bodies[1]);
    r = change_replicate(control, ops, j->rows.n, true, also, 2, err);
    free(bodies[0]);
    free(bodies[1]);
    free(ops);
    return r ? r : control_set_identity(control, &id, err);
}

static void taken(void *aux, struct ipc_message *reply)
{
    struct joining *j = aux;
    struct member *m = j->member;
    change_done_fn *done = j->done;
    void *done_aux = j->aux;
    struct change_result result;
    struct err err = {.why = ""};

    if (!reply || reply->head.type != IPC_SELF) {
        fail(j, 503, NULL, "the new identity is not taken: %s",
             reply && reply->head.type == IPC_REPLY ? reply->body.reply.why
                                                    : "the daemon's parent is away");
        return;
    }
    j->self = reply->body.self;
    if (store_fabric(j, &err) < 0) {
        fail(j, 507, "iothctl host join TOKEN",
             "the fabric cannot be stored: %s (the same token may be used again)", err.why);
        return;
    }
    log_info("joined fabric %016" PRIx64 " as host %s, number %u", j->self.fabric,
             j->self.name, j->self.host);
    joining_free(j);
    member_begin(m);
    reconcile_kick(m->control->reconcile);
    change_result_init(&result);
    result.status = 200;
    done(done_aux, &result);
    change_result_done(&result);
}

static void take_identity(struct joining *j)
{
    struct ipc_keys *keys = xcalloc(1, sizeof(*keys));

    keys->what = IPC_KEYS_JOINED;
    keys->self = j->self;
    j->taking = true;
    j->due = MTIME_NEVER;
    chan_ask(&j->member->control->parent, IPC_KEYS, keys, 0, taken, j);
    free(keys);
}

/* --- 3: what the founder says ------------------------------------------------------------- */

/* The whole snapshot is here: it is kept until the identity is ours. */
static int keep_rows(void *aux, const struct sync_rows *rows, bool snapshot)
{
    struct joining *j = aux;

    if (!snapshot || j->whole || !follow_rows_ok(rows)) {
        return -EPROTO;
    }
    j->whole = true;
    j->rows = *rows;
    j->rows.row = xcalloc(rows->n, sizeof(*rows->row));
    for (size_t i = 0; i < rows->n; i++) {
        j->rows.row[i] = sync_row_copy(&rows->row[i]);
    }
    return 0;
}

static void send_out(void *aux, const void *data, size_t size)
{
    struct joining *j = aux;

    if (j->stream && pipe_send(&j->stream->pipe, data, size) < 0) {
        log_debug("the inviting host takes nothing any more");
    }
}

static const struct follower_ops follower_ops = {keep_rows, send_out};

static void on_welcome(struct joining *j, const struct sync_welcome *w)
{
    const struct ipc_self *own = &j->member->control->id.self;
    struct err err = {.why = ""};
    struct cert_host cert;
    int r =
        cert_chain_verify(w->chain, w->chain_size, j->token.root, wall_now(), &cert, &err);

    if (r < 0 || memcmp(w->root, j->token.root, sizeof(w->root)) != 0) {
        fail(j, 502, NULL, "the inviting host does not prove the fabric of the token: %s",
             err.why[0] ? err.why : "it has another root key");
        return;
    }
    if (cert.fabric != w->fabric || cert.host != w->host ||
        strcmp(cert.name, w->name) != 0 ||
        memcmp(cert.noise_public, own->noise_public, 32) != 0 ||
        memcmp(cert.sign_public, own->sign_public, 32) != 0) {
        fail(j, 502, NULL, "the certificate from the inviting host is not for this host");
        return;
    }
    j->self = (struct ipc_self){
        .host = w->host, .fabric = w->fabric, .chain_size = w->chain_size};
    memcpy(j->self.name, w->name, sizeof(w->name));
    memcpy(j->self.root, w->root, sizeof(w->root));
    memcpy(j->self.chain, w->chain, w->chain_size);
    memcpy(j->self.noise_public, own->noise_public, 32);
    memcpy(j->self.sign_public, own->sign_public, 32);
    j->welcome = true;
    j->due = loop_now(j->member->control->loop) + ANSWER_WITHIN;
}

void join_message(struct member *m, const struct sync_message *message)
{
    struct joining *j = m->joining;

    if (!j || j->taking) {
        return;
    }
    if (message->type == SYNC_REFUSE) {
        struct sync_refuse refuse = message->u.refuse;
        int status = refuse.status >= 400 && refuse.status < 600 ? refuse.status : 502;

        fail(j, status, refuse.hint[0] ? refuse.hint : NULL, "%s", refuse.why);
    } else if (message->type == SYNC_WELCOME && !j->welcome) {
        on_welcome(j, &message->u.welcome);
    } else if (message->type == SYNC_ROWS && j->welcome) {
        j->due = loop_now(m->control->loop) + ANSWER_WITHIN;
        (void)follower_rows(&j->follower, &message->u.rows, loop_now(m->control->loop));
        if (j->whole) {
            take_identity(j);
        }
    }
}

/* --- 2: the session ----------------------------------------------------------------------- */

void join_began(struct member *m)
{
    struct joining *j = m->joining;
    struct sync_message message = {.type = SYNC_JOIN};
    struct sync_join *join = &message.u.join;
    const struct ipc_self *self = &m->control->id.self;

    if (!j || !j->stream) {
        return;
    }
    join->invite = j->token.invite;
    memcpy(join->secret, j->token.secret, sizeof(join->secret));
    memcpy(join->name, self->name, sizeof(join->name));
    memcpy(join->noise_public, self->noise_public, sizeof(join->noise_public));
    memcpy(join->sign_public, self->sign_public, sizeof(join->sign_public));
    join->n_addrs = (uint8_t)member_sync_addrs(m->control, join->addrs);
    (void)member_send(j->stream, &message);
    sodium_memzero(&message, sizeof(message));
}

static void print_tried(const struct token *token, char *out, size_t size)
{
    size_t n = 0;

    for (unsigned i = 0; i < token->n_addrs && n < size; i++) {
        struct ipc_addr a = {.family = token->addrs[i].family,
                             .port = token->addrs[i].port};
        char text[64];

        memcpy(a.addr, token->addrs[i].addr, sizeof(a.addr));
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "",
                              ipc_addr_print(&a, text, sizeof(text)));
    }
}

static void nobody_answered(struct joining *j)
{
    char tried[200] = "";
    bool old = j->token.expires < wall_now();

    print_tried(&j->token, tried, sizeof(tried));
    fail(j, 503, old ? "iothctl host invite" : NULL, "nobody answers at %s%s", tried,
         old ? "; by this host's clock the token has expired" : "");
}

void join_opened(struct member *m, const struct ipc_joining *state)
{
    struct joining *j = m->joining;
    struct ipc_peer_state peer = {.conn = state->conn};

    if (!j || state->conn != j->conn || j->stream) {
        return;
    }
    if (state->code < 0) {
        nobody_answered(j);
        return;
    }
    j->due = loop_now(m->control->loop) + ANSWER_WITHIN;
    j->stream = member_add_conn(m, &peer, ROLE_INVITER);
    if (!j->stream) {
        fail(j, 503, NULL, "too many sessions");
    }
}

/* The join that asked for it may be over, and another have begun. */
static void udp_open(void *aux, int code, uint16_t port, const char *why)
{
    struct member *m = aux;
    struct joining *j = m->joining;
    struct ipc_join ask = {.conn = join_conn(m)};

    (void)port;
    if (!j || j->asked) {
        return;
    }
    j->asked = true;
    ask.invite = j->token.invite;
    if (code < 0) {
        fail(j, 503, NULL, "no socket for the links: %s", why);
        return;
    }
    memcpy(ask.noise_public, j->token.noise_public, sizeof(ask.noise_public));
    ask.n_addrs = j->token.n_addrs;
    for (unsigned i = 0; i < ask.n_addrs; i++) {
        ask.addrs[i].family = j->token.addrs[i].family;
        ask.addrs[i].port = j->token.addrs[i].port;
        memcpy(ask.addrs[i].addr, j->token.addrs[i].addr, sizeof(ask.addrs[i].addr));
    }
    j->due = loop_now(j->member->control->loop) + OPEN_WITHIN;
    chan_send(&j->member->control->switch_, IPC_JOIN, &ask, NULL, 0);
    member_schedule(j->member);
}

/* --- 1: may we? --------------------------------------------------------------------------- */

/* Objects of our own that the join would drop. */
struct own {
    const char *self;
    char text[200];
    size_t size, n;
};

static int list_own(void *aux, const struct store_object *object)
{
    struct own *own = aux;
    int n;

    if (!strcmp(object->kind, "fabric") || !strcmp(object->kind, "block") ||
        (!strcmp(object->kind, "host") && !strcmp(object->name, own->self))) {
        return 0;
    }
    own->n++;
    if (own->n > LISTED_MAX || own->size >= sizeof(own->text)) {
        return 0;
    }
    n = snprintf(own->text + own->size, sizeof(own->text) - own->size, "%s%s %s%s%s",
                 own->size ? ", " : "", object->kind, object->network,
                 object->network[0] ? "/" : "", object->name);
    own->size += n > 0 ? (size_t)n : 0;
    return 0;
}

/* False: refused, and said so. */
static bool may_join(struct control *control, bool discard, change_done_fn *done, void *aux)
{
    struct own own = {.self = control_host(control)};
    unsigned members = 0;

    list_for_each (it, &control->view->hosts) {
        members += list_entry(it, struct view_host, link)->number != 0;
    }
    if (!control->id.founder || members > 1) {
        member_fail(done, aux, 409, "iothctl host leave",
                    "this host is in a fabric with others already");
        return false;
    }
    if (control->member->joining) {
        member_fail(done, aux, 409, NULL, "this host is joining a fabric already");
        return false;
    }
    if (store_each(control->store, STORE_FABRIC, NULL, NULL, list_own, &own) < 0) {
        member_fail(done, aux, 500, NULL, "the store cannot be read");
        return false;
    }
    if (own.n && !discard) {
        member_fail(done, aux, 409, "iothctl host join TOKEN --discard",
                    "this host has objects of its own, which joining would drop: %s%s",
                    own.text, own.n > LISTED_MAX ? ", and more" : "");
        return false;
    }
    return true;
}

void join_action(struct control *control, const char *token, bool discard,
                 change_done_fn *done, void *aux)
{
    struct err err = {.why = ""};
    struct joining *j;
    struct token parsed;

    if (token_parse(token, &parsed, &err) < 0) {
        member_fail(done, aux, 400, "iothctl host invite", "%s", err.why);
        return;
    }
    if (!may_join(control, discard, done, aux)) {
        sodium_memzero(&parsed, sizeof(parsed));
        return;
    }
    j = xcalloc(1, sizeof(*j));
    j->member = control->member;
    j->done = done;
    j->aux = aux;
    j->token = parsed;
    j->conn = 1 + randombytes_uniform(0x7ffffffe); /* Those of the switch are above. */
    j->due = loop_now(control->loop) + OPEN_WITHIN;
    follower_init(&j->follower, &follower_ops, j);
    follower_welcome(&j->follower);
    control->member->joining = j;
    sodium_memzero(&parsed, sizeof(parsed));
    reconcile_open_udp(control->reconcile, udp_open, control->member);
    member_schedule(control->member);
}

void join_stream_gone(struct member *m, const struct member_conn *c)
{
    if (m->joining && m->joining->stream == c) {
        m->joining->stream = NULL;
    }
}

void join_lost(struct member *m)
{
    struct joining *j = m->joining;

    if (j && !j->taking) {
        fail(j, 503, NULL, "the session with the inviting host was lost");
    }
}

mtime_t join_deadline(const struct member *m)
{
    return m->joining ? m->joining->due : MTIME_NEVER;
}

void join_run(struct member *m, mtime_t now)
{
    struct joining *j = m->joining;

    if (!j || j->due > now) {
        return;
    }
    if (!j->stream) {
        nobody_answered(j);
    } else {
        fail(j, 504, NULL, "the inviting host did not answer in time");
    }
}
