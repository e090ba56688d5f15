/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text: "ioth1." and base64url without padding of: format version 1, invite id, secret, root key,
 * noise key, expiry (64 bits), count and addresses (family, port, 4 or 16 bytes), checksum of
 * 4 bytes (BLAKE2b over all before it). The checksum guards against typing, not against people:
 * whoever alters a token on purpose meets the handshake.
 */
#include "proto/link/token.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "proto/base/cur.h"

#define TOKEN_VERSION  1
#define TOKEN_CHECK    4u
#define TOKEN_BIN_SIZE 320u

static const char prefix[] = "ioth1.";
static const char hash_context[] = "ioth invite 1";

static void check_of(const uint8_t *data, size_t size, uint8_t check[TOKEN_CHECK])
{
    uint8_t hash[32];

    crypto_generichash(hash, sizeof hash, data, size, NULL, 0);
    memcpy(check, hash, TOKEN_CHECK);
}

static bool addr_valid(const struct link_addr *a)
{
    return (a->family == 4 || a->family == 6) && a->port != 0;
}

int token_print(const struct token *t, char *out, size_t room)
{
    uint8_t bin[TOKEN_BIN_SIZE], check[TOKEN_CHECK];
    struct wr w = wr_init(bin, sizeof bin);
    size_t text_size;
    int r = 0;

    if (t->n_addrs == 0 || t->n_addrs > TOKEN_ADDRS_MAX || t->invite == 0)
        return -EINVAL;
    wr_u8(&w, TOKEN_VERSION);
    wr_u64(&w, t->invite);
    wr_bytes(&w, t->secret, 32);
    wr_bytes(&w, t->root, 32);
    wr_bytes(&w, t->noise_public, 32);
    wr_u64(&w, (uint64_t)t->expires);
    wr_u8(&w, t->n_addrs);
    for (unsigned i = 0; i < t->n_addrs; i++) {
        if (!addr_valid(&t->addrs[i]))
            r = -EINVAL;
        wr_u8(&w, t->addrs[i].family);
        wr_u16(&w, t->addrs[i].port);
        wr_bytes(&w, t->addrs[i].addr, t->addrs[i].family == 4 ? 4 : 16);
    }
    check_of(bin, wr_size(&w), check);
    wr_bytes(&w, check, sizeof check);
    text_size =
        sizeof prefix - 1 +
        sodium_base64_ENCODED_LEN(wr_size(&w), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (r == 0 && (w.bad || room < text_size))
        r = -ENOSPC;
    if (r == 0) {
        memcpy(out, prefix, sizeof prefix - 1);
        sodium_bin2base64(out + sizeof prefix - 1, room - (sizeof prefix - 1), bin,
                          wr_size(&w), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    sodium_memzero(bin, sizeof bin);
    return r;
}

static bool bin_parse(const uint8_t *bin, size_t size, struct token *t)
{
    struct cur in = cur_init(bin, size);
    bool valid;

    memset(t, 0, sizeof *t);
    cur_skip(&in, 1);
    t->invite = cur_u64(&in);
    cur_copy(&in, t->secret, 32);
    cur_copy(&in, t->root, 32);
    cur_copy(&in, t->noise_public, 32);
    t->expires = (wall_t)cur_u64(&in);
    t->n_addrs = cur_u8(&in);
    valid = t->invite != 0 && t->n_addrs >= 1 && t->n_addrs <= TOKEN_ADDRS_MAX;
    for (unsigned i = 0; valid && i < t->n_addrs; i++) {
        t->addrs[i].family = cur_u8(&in);
        t->addrs[i].port = cur_u16(&in);
        cur_copy(&in, t->addrs[i].addr, t->addrs[i].family == 4 ? 4 : 16);
        valid = addr_valid(&t->addrs[i]);
    }
    return valid && cur_done(&in);
}

int token_parse(const char *text, struct token *out, struct err *err)
{
    uint8_t bin[TOKEN_BIN_SIZE], check[TOKEN_CHECK];
    const char *end = NULL;
    size_t size = 0, len;
    struct token t;
    int r = 0;

    text += strspn(text, " \t\r\n");
    len = strcspn(text, " \t\r\n");
    if (text[len + strspn(text + len, " \t\r\n")] != '\0' || len <= sizeof prefix - 1 ||
        memcmp(text, prefix, sizeof prefix - 1) != 0)
        return err_set(err, -EBADMSG, "this is not an invite token");
    if (sodium_base642bin(bin, sizeof bin, text + sizeof prefix - 1,
                          len - (sizeof prefix - 1), NULL, &size, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        end != text + len || size < 1 + TOKEN_CHECK) {
        r = err_set(err, -EBADMSG,
                    "the token is damaged: it was cut short or a letter was changed");
        goto out;
    }
    check_of(bin, size - TOKEN_CHECK, check);
    if (sodium_memcmp(check, bin + size - TOKEN_CHECK, TOKEN_CHECK) != 0)
        r = err_set(err, -EBADMSG,
                    "the token is damaged: it was cut short or a letter was changed");
    else if (bin[0] != TOKEN_VERSION)
        r = err_set(err, -EPROTONOSUPPORT,
                    "the token is of version %u, made by a later release", bin[0]);
    else if (!bin_parse(bin, size - TOKEN_CHECK, &t))
        r = err_set(err, -EBADMSG, "the token is malformed");
    if (r == 0)
        *out = t;
    sodium_memzero(&t, sizeof t);
out:
    sodium_memzero(bin, sizeof bin);
    return r;
}

void token_hash(const uint8_t secret[32], uint8_t hash[TOKEN_HASH_SIZE])
{
    crypto_generichash(hash, TOKEN_HASH_SIZE, secret, 32, (const uint8_t *)hash_context,
                       sizeof hash_context - 1);
}
