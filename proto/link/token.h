/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Invite tokens. The text is URL-safe, one word, and carries a checksum, so that a token damaged
 * in copying is told from one that is wrong. It lets the joiner prove itself (the secret) and
 * know the fabric (its root key) and the host to talk to (its key and addresses). The public id
 * is all that the network sees of it; at rest only token_hash() of the secret is kept.
 */
#ifndef PROTO_LINK_TOKEN_H
#define PROTO_LINK_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/mtime.h"
#include "proto/link/addr.h"

#define TOKEN_ADDRS_MAX 8u
#define TOKEN_TEXT_SIZE 512u /* Room for every token's text and its NUL. */
#define TOKEN_HASH_SIZE 32u

struct token {
    uint64_t invite;          /* Public id; random, never 0. */
    uint8_t secret[32];       /* Random. Wipe it after use (sodium_memzero). */
    uint8_t root[32];         /* The fabric's Ed25519 root key. */
    uint8_t noise_public[32]; /* Of the inviting host. */
    wall_t expires;
    uint8_t n_addrs; /* 1..TOKEN_ADDRS_MAX */
    struct link_addr addrs[TOKEN_ADDRS_MAX];
};

/* Writes the text, NUL-terminated. Returns 0, -EINVAL (no address, unknown family) or -ENOSPC. */
int token_print(const struct token *, char *out, size_t room)
    __attribute__((warn_unused_result));

/*
 * Reads a text; white space around it is ignored. Returns 0, or with the reason in `err` (may be
 * NULL): -EBADMSG (damaged: not a token, cut short, a letter changed), -EPROTONOSUPPORT (of a
 * later version). Expiry is the caller's to check, against the inviting host's clock best of all.
 */
int token_parse(const char *text, struct token *, struct err *err)
    __attribute__((warn_unused_result));

/* What is kept of a secret at rest. */
void token_hash(const uint8_t secret[32], uint8_t hash[TOKEN_HASH_SIZE]);

#endif
