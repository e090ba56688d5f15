/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transport cipher: both libraries give the same bytes at every size, tampering is noticed. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/aead.h"

static const enum aead_suite suites[] = {AEAD_CHACHA20_POLY1305, AEAD_AES256_GCM};

static const uint8_t key[32] = {1, 2, 3};
static const uint8_t ad[16] = "outer header ...";
static const size_t sizes[] = {16, 17, 64, 255, 256, 479, 480, 481, 512, 1000, 1424, 9000};

/* libsodium alone is the reference. */
static void reference(enum aead_suite suite, uint64_t number, const uint8_t *plain,
                      size_t size, uint8_t *out)
{
    uint8_t nonce[12] = {0};

    for (unsigned i = 0; i < 8; i++) {
        unsigned shift = suite == AEAD_AES256_GCM ? 56 - 8 * i : 8 * i;

        nonce[4 + i] = (uint8_t)(number >> shift);
    }
    if (suite == AEAD_AES256_GCM)
        crypto_aead_aes256gcm_encrypt(out, NULL, plain, size, ad, sizeof ad, NULL, nonce,
                                      key);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, size, ad, sizeof ad,
                                                  NULL, nonce, key);
}

static void seals_as_the_reference(void **state)
{
    static uint8_t plain[9100], want[9100], got[9100], back[9100];

    (void)state;
    randombytes_buf_deterministic(plain, sizeof plain, key);
    for (size_t s = 0; s < 2; s++) {
        struct aead *tx, *rx;

        if (!(aead_available() & suites[s]))
            continue;
        tx = aead_new(suites[s], key, true);
        rx = aead_new(suites[s], key, false);
        assert_non_null(tx);
        assert_non_null(rx);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint64_t number = 0x0102030405060708u * (i + 1);
            size_t size = sizes[i];

            reference(suites[s], number, plain, size, want);
            memcpy(got, plain, size);
            aead_seal(tx, number, ad, sizeof ad, got, size);
            assert_memory_equal(got, want, size + 16);
            assert_true(aead_open(rx, number, ad, sizeof ad, got, size + 16, back));
            assert_memory_equal(back, plain, size);
            assert_true(aead_open(rx, number, ad, sizeof ad, got, size + 16, got));
            assert_memory_equal(got, plain, size);
        }
        aead_free(tx);
        aead_free(rx);
    }
}

static void tampering_is_noticed(void **state)
{
    uint8_t data[600], out[600], other[16];

    (void)state;
    memcpy(other, ad, sizeof other);
    other[3] ^= 1;
    for (size_t s = 0; s < 2; s++) {
        struct aead *tx = aead_new(suites[s], key, true);
        struct aead *rx = aead_new(suites[s], key, false);

        for (size_t size = 40; tx && rx && size <= 500; size += 460) {
            memset(data, 7, sizeof data);
            aead_seal(tx, 5, ad, sizeof ad, data, size);
            for (size_t at = 0; at < size + 16; at++) {
                data[at] ^= 0x80;
                assert_false(aead_open(rx, 5, ad, sizeof ad, data, size + 16, out));
                data[at] ^= 0x80;
            }
            assert_false(aead_open(rx, 6, ad, sizeof ad, data, size + 16, out));
            assert_false(aead_open(rx, 5, other, sizeof other, data, size + 16, out));
            assert_false(aead_open(rx, 5, ad, sizeof ad, data, size + 15, out));
            assert_false(aead_open(rx, 5, ad, sizeof ad, data, 15, out));
            assert_true(aead_open(rx, 5, ad, sizeof ad, data, size + 16, out));
        }
        aead_free(tx);
        aead_free(rx);
    }
}

static void choice_needs_both(void **state)
{
    (void)state;
    assert_int_equal(aead_choose(3, 3), AEAD_AES256_GCM);
    assert_int_equal(aead_choose(1, 3), AEAD_CHACHA20_POLY1305);
    assert_int_equal(aead_choose(3, 1), AEAD_CHACHA20_POLY1305);
    assert_null(aead_new((enum aead_suite)4, key, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seals_as_the_reference),
        cmocka_unit_test(tampering_is_noticed),
        cmocka_unit_test(choice_needs_both),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
