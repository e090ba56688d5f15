/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * At the founder: a stranger shows the secret of a token, and becomes a member. The parent signs
 * first; then one transaction uses the token up (if it is as it was looked at) and makes the
 * host. Of any number who come at once with one token, one gets through; the parent's signature
 * for the others is thrown away.
 *
 * The same host may show the same token again: its WELCOME was lost on the way.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fabricd/control/fabric/member_internal.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/link/cert.h"
#include "proto/model/schema.h"

struct admission {
    struct member *member;
    uint32_t conn;
    struct sync_join join; /* Without the secret. */
    char name[SYNC_NAME_SIZE];
    uint16_t number;
    bool fresh; /* The number is a new one. */
    bool again; /* It used this token before. */
    char invite_name[17];
    struct node *invite;
    uint64_t invite_revision;
    struct ipc_signed signed_;
};

static void admission_free(struct admission *a)
{
    node_free(a->invite);
    free(a);
}

/* Refuses, and ends the admission. */
static void refuse(struct admission *a, uint16_t status, const char *hint,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static void refuse(struct admission *a, uint16_t status, const char *hint,
                   const char *format, ...)
{
    struct member_conn *c = member_conn(a->member, a->conn);
    struct err err = {.why = ""};
    va_list args;

    va_start(args, format);
    vsnprintf(err.why, sizeof(err.why), format, args);
    va_end(args);
    if (hint) {
        err_hint(&err, "%s", hint);
    }
    log_info("a host that calls itself %s is refused: %s",
             schema_name_ok(a->join.name) ? a->join.name : "what is no name", err.why);
    if (c) {
        c->admitting = false;
        member_refuse(c, status, &err);
    }
    admission_free(a);
}

static bool hex_equal(const char *hex, const uint8_t data[32])
{
    uint8_t bytes[32];
    size_t size;

    return !sodium_hex2bin(bytes, sizeof(bytes), hex, strlen(hex), NULL, &size, NULL) &&
           size == sizeof(bytes) && !sodium_memcmp(bytes, data, sizeof(bytes));
}

static const struct view_host *host_with_key(const struct admission *a)
{
    list_for_each (it, &a->member->control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        if (host->has_key && !memcmp(host->noise_public, a->join.noise_public, 32)) {
            return host;
        }
    }
    return NULL;
}

static void print_time(wall_t when, char out[32])
{
    time_t t = (time_t)when;
    struct tm tm;

    if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm)) {
        snprintf(out, 32, "some time ago");
    }
}

/* --- 4: the answer ------------------------------------------------------------------------ */

static void welcome(struct admission *a)
{
    struct member_conn *c = member_conn(a->member, a->conn);
    struct sync_message m = {.type = SYNC_WELCOME};
    const struct ipc_self *self = &a->member->control->id.self;

    if (!c) {
        admission_free(a);
        return;
    }
    m.u.welcome = (struct sync_welcome){
        .fabric = self->fabric, .host = a->number, .chain_size = a->signed_.chain_size};
    memcpy(m.u.welcome.name, a->name, sizeof(m.u.welcome.name));
    memcpy(m.u.welcome.root, a->signed_.root, sizeof(m.u.welcome.root));
    memcpy(m.u.welcome.chain, a->signed_.chain, a->signed_.chain_size);
    c->admitting = false;
    if (!member_send(c, &m)) {
        serve_began(c);
        source_welcome(&c->source);
    }
    admission_free(a);
}

/* --- 3: the transaction ------------------------------------------------------------------- */

static void set_hex(struct node *body, const char *key, const uint8_t data[32])
{
    char text[65];

    sodium_bin2hex(text, sizeof(text), data, 32);
    node_set_text(body, key, text);
}

static char *host_body(const struct admission *a, const struct view_host *declared,
                       const struct ipc_addr *heard)
{
    struct node *body = declared ? node_copy(declared->body) : node_map();
    char *text;

    node_set_int(body, "number", a->number);
    set_hex(body, "key", a->join.noise_public);
    set_hex(body, "sign_key", a->join.sign_public);
    node_set(body, "listens", member_addrs_node(a->join.addrs, a->join.n_addrs, heard));
    text = node_to_json(body, 0);
    node_free(body);
    return text;
}

static char *used_body(const struct admission *a)
{
    struct node *body = node_copy(a->invite);
    char *text;

    node_set_text(body, "used", a->name);
    set_hex(body, "used_key", a->join.noise_public);
    text = node_to_json(body, 0);
    node_free(body);
    return text;
}

/* Whether, while the parent signed, the name became another's, or the key came in under another
 * name. */
static bool overtaken(const struct admission *a, const struct view_host *declared)
{
    const struct view_host *same = host_with_key(a);

    return (same && same != declared) ||
           (declared && declared->number && declared->number != a->number);
}

static int commit(struct admission *a, size_t *failed, struct err *err)
{
    struct member *m = a->member;
    const struct view_host *declared = view_host(m->control->view, a->name);
    const struct member_conn *c = member_conn(m, a->conn);
    char *used = used_body(a), *host = host_body(a, declared, c ? &c->addr : NULL);
    char *next = xasprintf("{\"host\":%u}", m->next_number);
    struct store_op ops[] = {
        {.verb = STORE_PUT,
         .scope = STORE_LOCAL,
         .kind = "invite",
         .network = "",
         .name = a->invite_name,
         .expect = a->invite_revision,
         .body = used},
        {.verb = STORE_PUT,
         .scope = STORE_FABRIC,
         .kind = "host",
         .network = "",
         .name = a->name,
         .expect = declared ? declared->revision : STORE_ABSENT,
         .owner = declared ? NULL : "daemon",
         .body = host},
        {.verb = STORE_PUT,
         .scope = STORE_LOCAL,
         .kind = MEMBER_KIND,
         .network = "",
         .name = "next",
         .expect = STORE_ANY,
         .owner = "daemon",
         .body = next},
    };
    /* The number only rises: it stands for a certificate that is good for a year. */
    int r = store_commit(m->control->store, ops, a->fresh ? 3 : 2, NULL, failed, err);

    free(used);
    free(host);
    free(next);
    return r;
}

static void signed_now(void *aux, struct ipc_message *reply)
{
    struct admission *a = aux;
    struct err err = {.why = ""};
    size_t failed = SIZE_MAX;
    int r;

    if (!reply || reply->head.type != IPC_SIGNED || reply->body.signed_.code < 0) {
        refuse(a, 503, NULL, "the founding host cannot sign certificates now");
        return;
    }
    a->signed_ = reply->body.signed_;
    if (!a->again && overtaken(a, view_host(a->member->control->view, a->name))) {
        refuse(a, 409, "iothctl host invite --name OTHER",
               "a host %s came into the fabric meanwhile", a->name);
        return;
    }
    r = a->again ? 0 : commit(a, &failed, &err);
    if (!r) {
        log_info("host %s has %s the fabric, number %u", a->name,
                 a->again ? "come again into" : "joined", a->number);
        welcome(a);
    } else if (failed == 0) {
        refuse(a, 410, "iothctl host invite", "the token was used already");
    } else if (failed == 1) {
        refuse(a, 409, "iothctl host invite --name OTHER",
               "a host %s came into the fabric meanwhile", a->name);
    } else {
        refuse(a, (uint16_t)change_status_of(r), NULL, "the founding host: %s", err.why);
    }
}

/* --- 2: the number, and the signature ----------------------------------------------------- */

static uint16_t next_number(struct member *m)
{
    struct node *body = member_row(m, STORE_LOCAL, MEMBER_KIND, "next", NULL);
    int64_t next = node_get_int(body, "host", 2);

    node_free(body);
    list_for_each (it, &m->control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        next = host->number >= next ? host->number + 1 : next;
    }
    next = m->next_number > next ? m->next_number : next;
    if (next > UINT16_MAX - 1) {
        return 0;
    }
    m->next_number = (uint16_t)(next + 1);
    return (uint16_t)next;
}

static void ask_signature(struct admission *a)
{
    struct ipc_sign sign = {.host = a->number, .not_after = wall_now() + CERT_HOST_LIFE};

    memcpy(sign.name, a->name, sizeof(sign.name));
    memcpy(sign.noise_public, a->join.noise_public, sizeof(sign.noise_public));
    memcpy(sign.sign_public, a->join.sign_public, sizeof(sign.sign_public));
    chan_ask(&a->member->control->parent, IPC_SIGN, &sign, IPC_SIGNED, signed_now, a);
}

/* --- 1: the token, the name, the keys ----------------------------------------------------- */

/* The name is free, or this very host's of before. */
static void check_name(struct admission *a)
{
    const struct view_host *host = view_host(a->member->control->view, a->name);
    const struct view_host *same = host_with_key(a);

    if (!schema_name_ok(a->name) || !strcmp(a->name, "all")) {
        refuse(a, 400, NULL, "what this host calls itself is no name of a host");
        return;
    }
    if (same && same != host) {
        refuse(a, 409, NULL, "this host is in the fabric already, as %s", same->name);
        return;
    }
    if (host && host->number && !same) {
        refuse(a, 409, "iothctl host invite --name OTHER",
               "there is a host %s in the fabric already", a->name);
        return;
    }
    a->fresh = !same;
    a->number = same ? same->number : next_number(a->member);
    if (!a->number) {
        refuse(a, 507, NULL, "the fabric has no number left for a host");
        return;
    }
    ask_signature(a);
}

static void check_token(struct admission *a, const uint8_t secret[32])
{
    uint8_t hash[TOKEN_HASH_SIZE];
    const char *used, *name;
    char when[32];
    wall_t until;

    token_hash(secret, hash);
    if (!a->invite) {
        refuse(a, 404, "iothctl host invite", "the token is not known here");
        return;
    }
    if (!hex_equal(node_get_text(a->invite, "hash", ""), hash)) {
        refuse(a, 403, "iothctl host invite",
               "the token's secret is wrong: it was altered");
        return;
    }
    used = node_get_text(a->invite, "used", NULL);
    until = node_get_int(a->invite, "until", 0);
    a->again = used && host_with_key(a) && !strcmp(host_with_key(a)->name, used) &&
               hex_equal(node_get_text(a->invite, "used_key", ""), a->join.noise_public);
    if (used && !a->again) {
        refuse(a, 410, "iothctl host invite", "the token was used already, by host %s",
               used);
        return;
    }
    if (until < wall_now()) {
        print_time(until, when);
        refuse(a, 410, "iothctl host invite", "the token expired at %s", when);
        return;
    }
    name = used ? used : node_get_text(a->invite, "name", a->join.name);
    memcpy(a->name, name, strnlen(name, sizeof(a->name) - 1));
    check_name(a);
}

void admit_message(struct member_conn *c, const struct sync_message *message)
{
    struct admission *a;

    if (message->type == SYNC_HAVE && c->has_source) {
        source_have(&c->source);
        if (!c->source.paging && !c->source.under_way) { /* The rest it gets as a member. */
            source_done(&c->source);
            c->has_source = false;
        }
        return;
    }
    if (message->type != SYNC_JOIN || c->admitting) {
        return;
    }
    a = xcalloc(1, sizeof(*a));
    a->member = c->member;
    a->conn = c->conn;
    a->join = message->u.join;
    sodium_memzero(a->join.secret, sizeof(a->join.secret));
    c->admitting = true;
    /* The key that proves itself in the session is the one that is certified. */
    if (memcmp(c->noise_public, a->join.noise_public, sizeof(c->noise_public)) != 0) {
        refuse(a, 400, NULL, "the session was opened with another key");
        return;
    }
    snprintf(a->invite_name, sizeof(a->invite_name), "%016" PRIx64, a->join.invite);
    a->invite =
        member_row(a->member, STORE_LOCAL, "invite", a->invite_name, &a->invite_revision);
    check_token(a, message->u.join.secret);
}
