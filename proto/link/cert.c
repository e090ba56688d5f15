/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Layout. A certificate: version 1, kind, fields, signature of 64 bytes over a context text and
 * everything before it. A chain: for each of issuer and host a size of 16 bits and the
 * certificate. The context keeps a signature from meaning anything elsewhere.
 */
#include "proto/link/cert.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "proto/base/cur.h"

#define CERT_VERSION 1
#define SIGN_SIZE    64u

enum { KIND_ISSUER = 1, KIND_HOST = 2 };

static const char context[] = "ioth certificate 1";

/* Signing in several parts would need the pre-hashed variant; a copy is as simple. */
#define SIGNED_MAX (sizeof context + CERT_CHAIN_MAX)

static bool name_valid(const char *name)
{
    size_t len = strnlen(name, CERT_NAME_SIZE);

    if (len == 0 || len >= CERT_NAME_SIZE || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* Texts, each of at least one character and ended by NUL. */
static bool tags_valid(const char *tags, size_t size)
{
    if (size > CERT_TAGS_MAX || (size > 0 && tags[size - 1] != '\0'))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (tags[i] == '\0' && (i == 0 || tags[i - 1] == '\0'))
            return false;
    }
    return true;
}

static size_t signed_text(uint8_t out[SIGNED_MAX], const void *body, size_t size)
{
    memcpy(out, context, sizeof context);
    memcpy(out + sizeof context, body, size);
    return sizeof context + size;
}

static void sign(struct wr *w, size_t from, const uint8_t secret[64])
{
    uint8_t text[SIGNED_MAX], signature[SIGN_SIZE];
    size_t size = wr_size(w) - from;

    if (w->bad || size > CERT_CHAIN_MAX) {
        w->bad = true;
        return;
    }
    size = signed_text(text, w->start + from, size);
    crypto_sign_detached(signature, NULL, text, size, secret);
    wr_bytes(w, signature, sizeof signature);
}

/* libsodium refuses non-canonical S and points of small order: one signature has one form. */
static bool signature_good(const uint8_t *cert, size_t size, const uint8_t public[32])
{
    uint8_t text[SIGNED_MAX];

    if (size < SIGN_SIZE || size > CERT_CHAIN_MAX)
        return false;
    return crypto_sign_verify_detached(cert + size - SIGN_SIZE, text,
                                       signed_text(text, cert, size - SIGN_SIZE),
                                       public) == 0;
}

int cert_issuer_sign(const struct cert_issuer *c, const uint8_t root_secret[64],
                     uint8_t *out, size_t room, size_t *sizep)
{
    struct wr w = wr_init(out, room);

    if (c->not_after < c->not_before)
        return -EINVAL;
    wr_u8(&w, CERT_VERSION);
    wr_u8(&w, KIND_ISSUER);
    wr_u64(&w, c->fabric);
    wr_bytes(&w, c->sign_public, 32);
    wr_u64(&w, (uint64_t)c->not_before);
    wr_u64(&w, (uint64_t)c->not_after);
    sign(&w, 0, root_secret);
    if (w.bad)
        return -ENOSPC;
    *sizep = wr_size(&w);
    return 0;
}

int cert_host_sign(const struct cert_host *c, const uint8_t issuer_secret[64],
                   const uint8_t *issuer_cert, size_t issuer_size, uint8_t *out,
                   size_t room, size_t *sizep)
{
    struct wr w = wr_init(out, room);
    uint8_t *size_field;
    size_t from;

    if (c->host == 0 || !name_valid(c->name) || !tags_valid(c->tags, c->tags_size) ||
        c->not_after < c->not_before || issuer_size > UINT16_MAX)
        return -EINVAL;
    wr_u16(&w, (uint16_t)issuer_size);
    wr_bytes(&w, issuer_cert, issuer_size);
    size_field = wr_reserve(&w, 2);
    from = wr_size(&w);
    wr_u8(&w, CERT_VERSION);
    wr_u8(&w, KIND_HOST);
    wr_u64(&w, c->fabric);
    wr_u16(&w, c->host);
    wr_str8(&w, c->name);
    wr_bytes(&w, c->noise_public, 32);
    wr_bytes(&w, c->sign_public, 32);
    wr_u8(&w, c->tags_size);
    wr_bytes(&w, c->tags, c->tags_size);
    wr_u64(&w, (uint64_t)c->not_before);
    wr_u64(&w, (uint64_t)c->not_after);
    sign(&w, from, issuer_secret);
    if (w.bad || wr_size(&w) > CERT_CHAIN_MAX)
        return -ENOSPC;
    size_field[0] = (uint8_t)((wr_size(&w) - from) >> 8);
    size_field[1] = (uint8_t)(wr_size(&w) - from);
    *sizep = wr_size(&w);
    return 0;
}

static bool issuer_parse(const uint8_t *cert, size_t size, struct cert_issuer *c)
{
    struct cur in = cur_init(cert, size);
    bool known = cur_u8(&in) == CERT_VERSION && cur_u8(&in) == KIND_ISSUER;

    c->fabric = cur_u64(&in);
    cur_copy(&in, c->sign_public, 32);
    c->not_before = (wall_t)cur_u64(&in);
    c->not_after = (wall_t)cur_u64(&in);
    cur_skip(&in, SIGN_SIZE);
    return known && cur_done(&in);
}

static bool host_parse(const uint8_t *cert, size_t size, struct cert_host *c)
{
    struct cur in = cur_init(cert, size);
    bool known = cur_u8(&in) == CERT_VERSION && cur_u8(&in) == KIND_HOST;

    memset(c, 0, sizeof *c);
    c->fabric = cur_u64(&in);
    c->host = cur_u16(&in);
    cur_str8(&in, c->name, sizeof c->name);
    cur_copy(&in, c->noise_public, 32);
    cur_copy(&in, c->sign_public, 32);
    c->tags_size = cur_u8(&in);
    cur_copy(&in, c->tags, c->tags_size);
    c->not_before = (wall_t)cur_u64(&in);
    c->not_after = (wall_t)cur_u64(&in);
    cur_skip(&in, SIGN_SIZE);
    return known && cur_done(&in) && c->host != 0 && name_valid(c->name) &&
           tags_valid(c->tags, c->tags_size);
}

/* Compares without adding to the dates, which may be anything. */
static int time_check(wall_t not_before, wall_t not_after, wall_t now, const char *whose,
                      struct err *err)
{
    if (now < INT64_MAX - CERT_SLACK && now + CERT_SLACK < not_before)
        return err_set(err, -EKEYEXPIRED, "the %s certificate is not valid yet", whose);
    if (now > INT64_MIN + CERT_SLACK && now - CERT_SLACK > not_after)
        return err_set(err, -EKEYEXPIRED, "the %s certificate has expired", whose);
    return 0;
}

int cert_chain_verify(const void *chain, size_t size, const uint8_t root[32], wall_t now,
                      struct cert_host *host, struct err *err)
{
    struct cur in = cur_init(chain, size);
    size_t issuer_size, host_size;
    const uint8_t *issuer_cert, *host_cert;
    struct cert_issuer issuer;
    struct cert_host leaf;
    int r;

    issuer_size = cur_u16(&in);
    issuer_cert = cur_bytes(&in, issuer_size);
    host_size = cur_u16(&in);
    host_cert = cur_bytes(&in, host_size);
    if (!cur_done(&in) || size > CERT_CHAIN_MAX || !issuer_cert || !host_cert ||
        !issuer_parse(issuer_cert, issuer_size, &issuer) ||
        !host_parse(host_cert, host_size, &leaf))
        return err_set(err, -EPROTO, "the certificate chain is malformed");
    if (!signature_good(issuer_cert, issuer_size, root))
        return err_set(err, -EKEYREJECTED, "the issuer is not of this fabric");
    if (!signature_good(host_cert, host_size, issuer.sign_public))
        return err_set(err, -EKEYREJECTED,
                       "the host certificate is not signed by its issuer");
    if (issuer.fabric != leaf.fabric)
        return err_set(err, -EKEYREJECTED, "host and issuer are of different fabrics");
    r = time_check(issuer.not_before, issuer.not_after, now, "issuer", err);
    if (r == 0)
        r = time_check(leaf.not_before, leaf.not_after, now, "host", err);
    if (r != 0)
        return r;
    *host = leaf;
    return 0;
}
