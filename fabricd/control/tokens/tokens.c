/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/tokens/tokens.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node.h"
#include "proto/model/schema.h"

#define KIND          "token"
#define HEAD          "ioth_"
#define SECRET_SIZE   32
#define SECRET_LEN    43 /* As base64 for URLs, without padding. */
#define HASH_SIZE     32
#define REMEMBER_SEC  (7 * 86400)
#define BASE64        sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define MADE_UP_TRIES 8

_Static_assert(sizeof(HEAD) + TOKENS_NAME_SIZE + 1 + SECRET_LEN <= TOKENS_TEXT_SIZE,
               "the text fits");

/* --- scopes --------------------------------------------------------------------------------- */

static const char *const scope_names[] = {[SCOPE_NONE] = "none",
                                          [SCOPE_READ] = "read",
                                          [SCOPE_WRITE] = "write",
                                          [SCOPE_ADMIN] = "admin"};

const char *scope_name(enum scope scope)
{
    return scope_names[scope];
}

bool scope_parse(const char *text, enum scope *out)
{
    for (unsigned i = SCOPE_READ; i <= SCOPE_ADMIN; i++) {
        if (strcmp(text, scope_names[i]) == 0) {
            *out = (enum scope)i;
            return true;
        }
    }
    return false;
}

/* --- rows ----------------------------------------------------------------------------------- */

static void hash_of(const uint8_t secret[SECRET_SIZE], uint8_t hash[HASH_SIZE])
{
    static const char purpose[] = "ioth API token";

    crypto_generichash(hash, HASH_SIZE, secret, SECRET_SIZE, (const uint8_t *)purpose,
                       sizeof(purpose));
}

/* False if the row is not one of ours. `hash` may be NULL. */
static bool parse_row(const struct store_object *object, struct token_row *row,
                      uint8_t hash[HASH_SIZE])
{
    uint8_t bytes[HASH_SIZE];
    struct diags diags;
    struct node *body;
    bool good = false;
    size_t size = 0;
    const char *hex;

    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (body != NULL && body->kind == NODE_MAP) {
        hex = node_get_text(body, "hash", "");
        *row = (struct token_row){.created = node_get_int(body, "created", 0),
                                  .expires = node_get_int(body, "expires", 0)};
        snprintf(row->name, sizeof(row->name), "%s", object->name);
        good = scope_parse(node_get_text(body, "scope", ""), &row->scope) &&
               sodium_hex2bin(bytes, sizeof(bytes), hex, strlen(hex), NULL, &size, NULL) ==
                   0 &&
               size == sizeof(bytes);
    }
    if (good && hash != NULL)
        memcpy(hash, bytes, sizeof(bytes));
    node_free(body);
    return good;
}

static bool find_row(struct store *store, const char *name, struct token_row *row,
                     uint8_t hash[HASH_SIZE])
{
    struct store_object object;
    bool good;

    if (store_get(store, STORE_LOCAL, KIND, "", name, &object) < 0)
        return false;
    good = parse_row(&object, row, hash);
    store_object_done(&object);
    return good;
}

/* --- making --------------------------------------------------------------------------------- */

struct sweeping {
    struct token_row *old;
    size_t n_old, n;
    wall_t now;
};

static int find_old(void *aux, const struct store_object *object)
{
    struct sweeping *s = aux;
    struct token_row row = {.expires = 0};

    snprintf(row.name, sizeof(row.name), "%s", object->name);
    s->n++;
    if (parse_row(object, &row, NULL) && row.expires + REMEMBER_SEC > s->now)
        return 0;
    s->old = xrealloc(s->old, (s->n_old + 1) * sizeof(*s->old));
    s->old[s->n_old++] = row;
    return 0;
}

/* Forgets those whose time has long been over. How many are left, or -errno. */
static int sweep(struct store *store, wall_t now, struct err *err)
{
    struct sweeping s = {.now = now};
    struct store_op *ops;
    int r = store_each(store, STORE_LOCAL, KIND, "", find_old, &s);

    ops = xcalloc(s.n_old, sizeof(*ops));
    for (size_t i = 0; i < s.n_old; i++)
        ops[i] = (struct store_op){.verb = STORE_DELETE,
                                   .scope = STORE_LOCAL,
                                   .kind = KIND,
                                   .network = "",
                                   .name = s.old[i].name,
                                   .expect = STORE_ANY};
    if (r == 0 && s.n_old > 0)
        r = store_commit(store, ops, s.n_old, NULL, NULL, err);
    free(ops);
    free(s.old);
    return r < 0 ? r : (int)(s.n - s.n_old);
}

static int store_row(struct store *store, const struct token_row *row,
                     const uint8_t secret[SECRET_SIZE], struct err *err)
{
    struct node *body = node_map();
    uint8_t hash[HASH_SIZE];
    char hex[2 * HASH_SIZE + 1], *text;
    struct store_op op = {.verb = STORE_PUT,
                          .scope = STORE_LOCAL,
                          .kind = KIND,
                          .network = "",
                          .name = row->name,
                          .expect = STORE_ABSENT,
                          .owner = "daemon"};
    int r;

    hash_of(secret, hash);
    node_set_text(body, "hash", sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
    node_set_text(body, "scope", scope_name(row->scope));
    node_set_int(body, "created", row->created);
    node_set_int(body, "expires", row->expires);
    text = node_to_json(body, 0);
    op.body = text;
    r = store_commit(store, &op, 1, NULL, NULL, err);
    free(text);
    node_free(body);
    return r;
}

static void make_up_name(char name[TOKENS_NAME_SIZE])
{
    snprintf(name, TOKENS_NAME_SIZE, "t-%08x", (unsigned)randombytes_random());
}

int tokens_create(struct store *store, const char *name, enum scope scope, int64_t seconds,
                  wall_t now, struct token_row *row, char text[TOKENS_TEXT_SIZE],
                  struct err *err)
{
    uint8_t secret[SECRET_SIZE];
    char base64[SECRET_LEN + 1];
    int r = sweep(store, now, err);

    if (r < 0)
        return r;
    if ((unsigned)r >= TOKENS_MAX)
        return err_set(err, -E2BIG, "there are %d tokens, which is the most", r);
    *row = (struct token_row){.scope = scope, .created = now, .expires = now + seconds};
    randombytes_buf(secret, sizeof(secret));
    for (int i = 0; i < (name != NULL ? 1 : MADE_UP_TRIES); i++) {
        if (name != NULL)
            snprintf(row->name, sizeof(row->name), "%s", name);
        else
            make_up_name(row->name);
        r = store_row(store, row, secret, err);
        if (r != -EEXIST)
            break;
        err_set(err, r, "there is a token %s already", row->name);
    }
    if (r == 0) {
        sodium_bin2base64(base64, sizeof(base64), secret, sizeof(secret), BASE64);
        snprintf(text, TOKENS_TEXT_SIZE, HEAD "%s_%s", row->name, base64);
        sodium_memzero(base64, sizeof(base64));
    }
    sodium_memzero(secret, sizeof(secret));
    return r;
}

/* --- judging -------------------------------------------------------------------------------- */

/* Takes the text to pieces; false if it cannot be a token's. */
static bool parse_text(const char *text, char name[TOKENS_NAME_SIZE],
                       uint8_t secret[SECRET_SIZE])
{
    const char *at = text + strlen(HEAD), *end;
    size_t size = 0;

    if (strncmp(text, HEAD, strlen(HEAD)) != 0)
        return false;
    end = strchr(at, '_');
    if (end == NULL || (size_t)(end - at) >= TOKENS_NAME_SIZE)
        return false;
    snprintf(name, TOKENS_NAME_SIZE, "%.*s", (int)(end - at), at);
    return schema_name_ok(name) && strlen(end + 1) == SECRET_LEN &&
           sodium_base642bin(secret, SECRET_SIZE, end + 1, SECRET_LEN, NULL, &size, NULL,
                             BASE64) == 0 &&
           size == SECRET_SIZE;
}

enum token_verdict tokens_check(struct store *store, const char *text, wall_t now,
                                struct token_row *row)
{
    uint8_t secret[SECRET_SIZE] = {0}, hash[HASH_SIZE] = {0}, shown[HASH_SIZE];
    char name[TOKENS_NAME_SIZE] = "";
    struct token_row found = {.expires = 0};
    bool good = parse_text(text, name, secret);

    good = find_row(store, good ? name : "", &found, hash) && good;
    hash_of(secret, shown);
    good = sodium_memcmp(hash, shown, sizeof(hash)) == 0 && good;
    sodium_memzero(secret, sizeof(secret));
    if (!good)
        return TOKEN_UNKNOWN;
    *row = found;
    return found.expires > now ? TOKEN_GOOD : TOKEN_EXPIRED;
}

bool tokens_alive(struct store *store, const char *name, wall_t now)
{
    struct token_row row;

    return find_row(store, name, &row, NULL) && row.expires > now;
}

/* --- the others ----------------------------------------------------------------------------- */

int tokens_remove(struct store *store, const char *name, struct err *err)
{
    struct store_object object;
    struct store_op op = {.verb = STORE_DELETE,
                          .scope = STORE_LOCAL,
                          .kind = KIND,
                          .network = "",
                          .name = name,
                          .expect = STORE_ANY};
    int r = store_get(store, STORE_LOCAL, KIND, "", name, &object);

    if (r < 0)
        return err_set(err, r, "there is no token %.80s", name);
    store_object_done(&object);
    return store_commit(store, &op, 1, NULL, NULL, err);
}

struct each {
    void (*each)(void *aux, const struct token_row *);
    void *aux;
};

static int each_row(void *aux, const struct store_object *object)
{
    const struct each *e = aux;
    struct token_row row;

    if (parse_row(object, &row, NULL))
        e->each(e->aux, &row);
    return 0;
}

int tokens_each(struct store *store, void (*each)(void *aux, const struct token_row *),
                void *aux)
{
    struct each e = {each, aux};

    return store_each(store, STORE_LOCAL, KIND, "", each_row, &e);
}
