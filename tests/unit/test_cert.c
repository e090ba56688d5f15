/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chains: right ones, and every way of being wrong. */
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/cert.h"

#define NOW ((wall_t)1800000000)

struct fixture {
    uint8_t root[32], root_secret[64];
    uint8_t issuer[32], issuer_secret[64];
    struct cert_issuer issuer_fields;
    struct cert_host host_fields;
    uint8_t chain[CERT_CHAIN_MAX];
    size_t size;
};

static void build(struct fixture *f)
{
    uint8_t cert[256];
    size_t size = 0;

    assert_int_equal(
        cert_issuer_sign(&f->issuer_fields, f->root_secret, cert, sizeof cert, &size), 0);
    assert_int_equal(cert_host_sign(&f->host_fields, f->issuer_secret, cert, size, f->chain,
                                    sizeof f->chain, &f->size),
                     0);
}

static void fixture_init(struct fixture *f)
{
    uint8_t seed[32] = {1};

    memset(f, 0, sizeof *f);
    crypto_sign_seed_keypair(f->root, f->root_secret, seed);
    seed[0] = 2;
    crypto_sign_seed_keypair(f->issuer, f->issuer_secret, seed);
    f->issuer_fields = (struct cert_issuer){
        .fabric = 77, .not_before = NOW - 1000, .not_after = NOW + CERT_ISSUER_LIFE};
    memcpy(f->issuer_fields.sign_public, f->issuer, 32);
    f->host_fields = (struct cert_host){.fabric = 77,
                                        .host = 12,
                                        .name = "alpha",
                                        .not_before = NOW - 10,
                                        .not_after = NOW + CERT_HOST_LIFE,
                                        .tags_size = 14};
    memcpy(f->host_fields.tags, "control\0relay\0", 14);
    memset(f->host_fields.noise_public, 7, 32);
    memset(f->host_fields.sign_public, 8, 32);
    build(f);
}

static int verify(const struct fixture *f, wall_t now)
{
    struct cert_host host;
    struct err err = {0};
    int r = cert_chain_verify(f->chain, f->size, f->root, now, &host, &err);

    assert_true((r == 0) == (err.why[0] == '\0'));
    return r;
}

static void right_chain_gives_its_fields(void **state)
{
    struct fixture f;
    struct cert_host host;

    (void)state;
    fixture_init(&f);
    assert_int_equal(cert_chain_verify(f.chain, f.size, f.root, NOW, &host, NULL), 0);
    assert_string_equal(host.name, "alpha");
    assert_int_equal(host.host, 12);
    assert_int_equal(host.fabric, 77);
    assert_int_equal(host.tags_size, 14);
    assert_memory_equal(host.tags, f.host_fields.tags, 14);
    assert_memory_equal(host.noise_public, f.host_fields.noise_public, 32);
    assert_memory_equal(host.sign_public, f.host_fields.sign_public, 32);
    assert_int_equal(host.not_after, NOW + CERT_HOST_LIFE);
    /* The longest chain leaves room in a first message of 1,200 bytes. */
    memset(f.host_fields.name, 'a', 63);
    f.host_fields.tags_size = 255;
    memset(f.host_fields.tags, 't', 254);
    f.host_fields.tags[254] = '\0';
    build(&f);
    assert_in_range(f.size, 300, 700);
    assert_int_equal(verify(&f, NOW), 0);
}

static void every_changed_byte_is_noticed(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < f.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            f.chain[i] ^= (uint8_t)(1u << bit);
            assert_int_not_equal(verify(&f, NOW), 0);
            f.chain[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(verify(&f, NOW), 0);
    for (size_t size = f.size; size-- > 0;) {
        struct cert_host host;

        assert_int_equal(cert_chain_verify(f.chain, size, f.root, NOW, &host, NULL),
                         -EPROTO);
    }
}

static void other_roots_and_issuers_are_refused(void **state)
{
    struct fixture f;
    uint8_t seed[32] = {9}, other[32], other_secret[64];

    (void)state;
    fixture_init(&f);
    crypto_sign_seed_keypair(other, other_secret, seed);
    memcpy(f.root, other, 32);
    assert_int_equal(verify(&f, NOW), -EKEYREJECTED);
    fixture_init(&f);
    memcpy(f.issuer_secret, other_secret, 64);
    build(&f);
    assert_int_equal(verify(&f, NOW), -EKEYREJECTED);
    fixture_init(&f);
    f.host_fields.fabric = 78;
    build(&f);
    assert_int_equal(verify(&f, NOW), -EKEYREJECTED);
}

static void times_have_a_day_of_slack(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f);
    assert_int_equal(verify(&f, NOW + CERT_HOST_LIFE + CERT_SLACK), 0);
    assert_int_equal(verify(&f, NOW + CERT_HOST_LIFE + CERT_SLACK + 1), -EKEYEXPIRED);
    assert_int_equal(verify(&f, NOW - 10 - CERT_SLACK), 0);
    assert_int_equal(verify(&f, NOW - 11 - CERT_SLACK), -EKEYEXPIRED);
    assert_int_equal(verify(&f, INT64_MAX), -EKEYEXPIRED);
    assert_int_equal(verify(&f, INT64_MIN), -EKEYEXPIRED);
    f.issuer_fields.not_before = 0;
    f.issuer_fields.not_after = NOW - 2 * CERT_SLACK;
    build(&f);
    assert_int_equal(verify(&f, NOW), -EKEYEXPIRED);
}

static void bad_fields_are_not_signed(void **state)
{
    static const char *const names[] = {"", "Alpha", "1a", "a_b", "a b"};
    struct fixture f;
    uint8_t out[CERT_CHAIN_MAX];
    size_t size = 0;

    (void)state;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(f.host_fields.name, sizeof f.host_fields.name, "%s", names[i]);
        assert_int_equal(
            cert_host_sign(&f.host_fields, f.issuer_secret, out, 9, out, 900, &size),
            -EINVAL);
    }
    fixture_init(&f);
    f.host_fields.tags_size = 8;
    memcpy(f.host_fields.tags, "a\0\0bcde", 8);
    assert_int_equal(
        cert_host_sign(&f.host_fields, f.issuer_secret, out, 9, out, 900, &size), -EINVAL);
    fixture_init(&f);
    f.host_fields.host = 0;
    assert_int_equal(
        cert_host_sign(&f.host_fields, f.issuer_secret, out, 9, out, 900, &size), -EINVAL);
    fixture_init(&f);
    assert_int_equal(
        cert_host_sign(&f.host_fields, f.issuer_secret, f.chain, 9, out, 100, &size),
        -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_chain_gives_its_fields),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(other_roots_and_issuers_are_refused),
        cmocka_unit_test(times_have_a_day_of_slack),
        cmocka_unit_test(bad_fields_are_not_signed),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
