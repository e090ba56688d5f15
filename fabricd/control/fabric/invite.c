/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tokens. They are made at the founder, whose address and key they carry; a joined host has one
 * made there. Of the secret only the hash is stored. An invitation is remembered for a week
 * after it has expired or been used, so that a late joiner is told why it is refused.
 *
 * The row (STORE_LOCAL, "invite", its id in hexadecimal): hash; until, when it stops being good;
 * expires, when it is forgotten; name, if the joiner gets one; used and used_key, the name and the
 * key of the host that used it.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

#define DEFAULT_SEC  3600
#define REMEMBER_SEC (7 * 86400)
#define INVITES_MAX  2000

struct inviting {
    struct control *control;
    char *name;
    int64_t expires_sec;
    change_done_fn *done;
    void *aux;
};

static void inviting_free(struct inviting *v)
{
    free(v->name);
    free(v);
}

int invite_refresh_self(struct member *m)
{
    struct sync_addr addrs[SYNC_MAX_ADDRS];
    unsigned n = member_sync_addrs(m->control, addrs);
    const struct view_host *self = view_host(m->control->view, control_host(m->control));
    struct store_op op = {
        .verb = STORE_PUT, .scope = STORE_FABRIC, .kind = "host", .network = ""};
    struct err err = {.why = ""};
    struct node *body, *listens;
    char name[VIEW_NAME_SIZE], *text;
    int r = 0;

    if (!self) {
        return -ENOENT;
    }
    memcpy(name, self->name, sizeof(name)); /* The view's goes with the commit. */
    body = node_copy(self->body);
    listens = member_addrs_node(addrs, n, NULL);
    if (!node_equal(listens, node_get(body, "listens"))) {
        node_set(body, "listens", node_copy(listens));
        text = node_to_json(body, 0);
        op.name = name;
        op.expect = self->revision;
        op.body = text;
        r = store_commit(m->control->store, &op, 1, NULL, NULL, &err);
        free(text);
    }
    if (r < 0) {
        log_warn("the addresses of this host are not noted: %s", err.why);
    }
    node_free(listens);
    node_free(body);
    return r;
}

/* --- old ones ----------------------------------------------------------------------------- */

struct sweeping {
    char (*names)[24];
    size_t n, all;
};

static int find_old(void *aux, const struct store_object *object)
{
    struct sweeping *s = aux;
    struct diags diags;
    struct node *body;

    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    s->all++;
    if (node_get_int(body, "expires", 0) <= wall_now()) {
        s->names = xrealloc(s->names, (s->n + 1) * sizeof(*s->names));
        snprintf(s->names[s->n++], sizeof(*s->names), "%s", object->name);
    }
    node_free(body);
    return 0;
}

/* Forgets invitations whose time is over. Returns how many are left, or -errno. */
static int sweep(struct store *store, struct err *err)
{
    struct sweeping s = {.names = NULL};
    struct store_op *ops;
    int r = store_each(store, STORE_LOCAL, "invite", "", find_old, &s);

    ops = xcalloc(s.n, sizeof(*ops));
    for (size_t i = 0; i < s.n; i++) {
        ops[i] = (struct store_op){.verb = STORE_DELETE,
                                   .scope = STORE_LOCAL,
                                   .kind = "invite",
                                   .network = "",
                                   .name = s.names[i],
                                   .expect = STORE_ANY};
    }
    if (!r && s.n) {
        r = store_commit(store, ops, s.n, NULL, NULL, err);
    }
    free(ops);
    free(s.names);
    return r < 0 ? r : (int)(s.all - s.n);
}

bool invite_any(struct store *store)
{
    struct err err = {.why = ""};

    return sweep(store, &err) > 0;
}

/* --- a new one ---------------------------------------------------------------------------- */

static void set_hex(struct node *body, const char *key, const uint8_t *data, size_t size)
{
    char text[2 * 32 + 1];

    sodium_bin2hex(text, sizeof(text), data, size);
    node_set_text(body, key, text);
}

static int store_invite(struct inviting *v, const struct token *token, struct err *err)
{
    struct node *body = node_map();
    uint8_t hash[TOKEN_HASH_SIZE];
    char name[17], *text;
    struct store_op op = {
        .verb = STORE_PUT,
        .scope = STORE_LOCAL,
        .kind = "invite",
        .network = "",
        .name = name,
        .expect = STORE_ABSENT,
        .owner = "daemon",
    };
    int r;

    snprintf(name, sizeof(name), "%016" PRIx64, token->invite);
    token_hash(token->secret, hash);
    set_hex(body, "hash", hash, sizeof(hash));
    node_set_int(body, "until", token->expires);
    node_set_int(body, "expires", token->expires + REMEMBER_SEC);
    if (v->name) {
        node_set_text(body, "name", v->name);
    }
    text = node_to_json(body, 0);
    op.body = text;
    r = store_commit(v->control->store, &op, 1, NULL, NULL, err);
    free(text);
    node_free(body);
    return r;
}

static void fill_token(const struct inviting *v, struct token *token)
{
    const struct ipc_self *self = &v->control->id.self;
    struct ipc_addr addrs[TOKEN_ADDRS_MAX];
    unsigned n = member_addrs(v->control, addrs, TOKEN_ADDRS_MAX);

    *token = (struct token){.expires = wall_now() + v->expires_sec, .n_addrs = (uint8_t)n};
    while (!token->invite) {
        randombytes_buf(&token->invite, sizeof(token->invite));
    }
    randombytes_buf(token->secret, sizeof(token->secret));
    memcpy(token->root, self->root, sizeof(token->root));
    memcpy(token->noise_public, self->noise_public, sizeof(token->noise_public));
    for (unsigned i = 0; i < n; i++) {
        token->addrs[i] =
            (struct link_addr){.family = addrs[i].family, .port = addrs[i].port};
        memcpy(token->addrs[i].addr, addrs[i].addr, sizeof(token->addrs[i].addr));
    }
}

static void tell(struct inviting *v, const char *text, wall_t expires)
{
    struct change_result result;
    struct tm tm;
    char when[32] = "";
    time_t t = (time_t)expires;

    if (gmtime_r(&t, &tm)) {
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    change_result_init(&result);
    result.status = 201;
    result.value = node_map();
    node_set_text(result.value, "token", text);
    node_set_text(result.value, "expires", when);
    v->done(v->aux, &result);
    change_result_done(&result);
}

static void make(struct inviting *v)
{
    struct err err = {.why = ""};
    char text[TOKEN_TEXT_SIZE];
    struct token token;
    int r = sweep(v->control->store, &err);

    if (r >= INVITES_MAX) {
        member_fail(v->done, v->aux, 409, NULL,
                    "%d invitations are open; wait until some have expired", r);
        return;
    }
    fill_token(v, &token);
    if (!token.n_addrs) {
        member_fail(v->done, v->aux, 409, NULL,
                    "this host has no address at which others could reach it");
        return;
    }
    r = r < 0 ? r : token_print(&token, text, sizeof(text));
    r = r < 0 ? r : store_invite(v, &token, &err);
    if (r < 0) {
        member_fail(v->done, v->aux, change_status_of(r), NULL, "no token can be made: %s",
                    err.why[0] ? err.why : err_text(r));
    } else {
        (void)invite_refresh_self(v->control->member);
        tell(v, text, token.expires);
    }
    sodium_memzero(&token, sizeof(token));
    sodium_memzero(text, sizeof(text));
}

static void udp_open(void *aux, int code, uint16_t port, const char *why)
{
    struct inviting *v = aux;

    (void)port;
    if (code < 0) {
        member_fail(v->done, v->aux, 503, NULL, "no socket for the links: %s", why);
    } else {
        make(v);
    }
    inviting_free(v);
}

static void forward(struct control *control, const char *name, int64_t expires_sec,
                    change_done_fn *done, void *aux)
{
    struct node *body = node_map();

    if (name) {
        node_set_text(body, "name", name);
    }
    node_set_int(body, "expires", expires_sec);
    follow_request(control->member, SYNC_INVITE, body, 0, done, aux);
    node_free(body);
}

void invite_action(struct control *control, const char *name, int64_t expires_sec,
                   change_done_fn *done, void *aux)
{
    struct inviting *v;

    if (expires_sec <= 0 || expires_sec > INT64_C(366) * 86400) {
        expires_sec = DEFAULT_SEC;
    }
    if (!control->id.founder) {
        forward(control, name, expires_sec, done, aux);
        return;
    }
    if (name && (!schema_name_ok(name) || !strcmp(name, "all"))) {
        member_fail(done, aux, 400, NULL, "\"%.80s\" is no name of a host", name);
        return;
    }
    if (name && view_host(control->view, name) && view_host(control->view, name)->number) {
        member_fail(done, aux, 409, "iothctl host ls",
                    "there is a host %s in the fabric already", name);
        return;
    }
    v = xcalloc(1, sizeof(*v));
    *v = (struct inviting){.control = control,
                           .name = name ? xstrdup(name) : NULL,
                           .expires_sec = expires_sec,
                           .done = done,
                           .aux = aux};
    reconcile_open_udp(control->reconcile, udp_open, v);
}
