/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bearer tokens for the API over TCP. They are this host's own: a row (STORE_LOCAL, "token", its
 * name) keeps scope, times and the hash of the secret. The text, ioth_NAME_SECRET, is known to
 * whoever was given it only. An expired one is remembered for a week, so that its holder is told.
 */
#ifndef FABRICD_CONTROL_TOKENS_TOKENS_H
#define FABRICD_CONTROL_TOKENS_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/store/store.h"
#include "proto/base/err.h"
#include "proto/base/mtime.h"

#define TOKENS_MAX       1000u
#define TOKENS_TEXT_SIZE 128
#define TOKENS_NAME_SIZE 64
#define TOKENS_EXPIRES   (INT64_C(90) * 86400)  /* Seconds, where nobody says otherwise. */
#define TOKENS_LONGEST   (INT64_C(366) * 86400) /* Seconds. */

/* What a request may do; each includes those before it. */
enum scope {
    SCOPE_NONE,
    SCOPE_READ,
    SCOPE_WRITE, /* Objects and files. */
    SCOPE_ADMIN  /* Membership, tokens, the daemon, the audit log. */
};

const char *scope_name(enum scope); /* "none" … "admin" */
bool scope_parse(const char *text, enum scope *out);

struct token_row {
    char name[TOKENS_NAME_SIZE];
    enum scope scope;
    wall_t created, expires;
};

/*
 * Makes a token that lasts `seconds`. `name` NULL = one is made up. `text` receives what its holder
 * shows: wipe it. Returns 0; -EEXIST (the name is taken), -E2BIG (TOKENS_MAX), or the store's
 * error, with `err`.
 */
int tokens_create(struct store *, const char *name, enum scope, int64_t seconds, wall_t now,
                  struct token_row *row, char text[TOKENS_TEXT_SIZE], struct err *err)
    __attribute__((warn_unused_result));

enum token_verdict { TOKEN_GOOD, TOKEN_EXPIRED, TOKEN_UNKNOWN };

/* Judges what somebody shows; `row` is filled in unless it is unknown. It takes the same time for
 * a wrong secret as for an unknown name. */
enum token_verdict tokens_check(struct store *, const char *text, wall_t now,
                                struct token_row *row);

/* Whether a token that was good still is. */
bool tokens_alive(struct store *, const char *name, wall_t now);

/* 0, -ENOENT, or the store's error with `err`. */
int tokens_remove(struct store *, const char *name, struct err *err)
    __attribute__((warn_unused_result));

/* All of them, by name. Returns 0 or -errno. */
int tokens_each(struct store *, void (*each)(void *aux, const struct token_row *),
                void *aux) __attribute__((warn_unused_result));

#endif
