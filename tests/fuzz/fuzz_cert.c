/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificate chains. The input is taken as a chain, and as the body of a host certificate that
 * a real issuer then signs, so that what is behind the signature is reached. Invariant: a chain
 * that is accepted is what cert_host_sign() makes of its fields: there is one form.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/link/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((wall_t)1800000000)

static uint8_t root[32], root_secret[64], issuer_secret[64], issuer[256];
static size_t issuer_size;

static void make_issuer(void)
{
    struct cert_issuer c = {.fabric = 5, .not_after = NOW + CERT_ISSUER_LIFE};
    uint8_t seed[32] = {1};

    crypto_sign_seed_keypair(root, root_secret, seed);
    seed[0] = 2;
    crypto_sign_seed_keypair(c.sign_public, issuer_secret, seed);
    if (cert_issuer_sign(&c, root_secret, issuer, sizeof issuer, &issuer_size) != 0)
        abort();
}

static void check(const uint8_t *chain, size_t size)
{
    struct cert_host host;
    uint8_t again[CERT_CHAIN_MAX];
    size_t again_size = 0;

    if (cert_chain_verify(chain, size, root, NOW, &host, NULL) != 0)
        return;
    if (cert_host_sign(&host, issuer_secret, issuer, issuer_size, again, sizeof again,
                       &again_size) != 0 ||
        again_size != size || memcmp(again, chain, size) != 0)
        abort();
}

static void check_signed(const uint8_t *body, size_t size)
{
    static const char context[] = "ioth certificate 1";
    uint8_t chain[2048], text[1100];
    struct wr w = wr_init(chain, sizeof chain);
    uint8_t *signature;

    if (size > 1000)
        return;
    wr_u16(&w, (uint16_t)issuer_size);
    wr_bytes(&w, issuer, issuer_size);
    wr_u16(&w, (uint16_t)(size + 64));
    wr_bytes(&w, body, size);
    signature = wr_reserve(&w, 64);
    memcpy(text, context, sizeof context);
    memcpy(text + sizeof context, body, size);
    crypto_sign_detached(signature, NULL, text, sizeof context + size, issuer_secret);
    check(chain, wr_size(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (issuer_size == 0) {
        if (sodium_init() < 0)
            return 0;
        make_issuer();
    }
    check(data, size);
    check_signed(data, size);
    return 0;
}
