/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens: there and back, and altered ones. */
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/token.h"

static struct token sample(unsigned n_addrs)
{
    struct token t = {.invite = 0x1122334455667788, .expires = 1800000000};

    memset(t.secret, 1, 32);
    memset(t.root, 2, 32);
    memset(t.noise_public, 3, 32);
    t.n_addrs = (uint8_t)n_addrs;
    for (unsigned i = 0; i < n_addrs && i < TOKEN_ADDRS_MAX; i++) {
        t.addrs[i].family = i % 2 == 0 ? 6 : 4;
        t.addrs[i].port = (uint16_t)(4655 + i);
        memset(t.addrs[i].addr, (int)(10 + i), i % 2 == 0 ? 16 : 4);
    }
    return t;
}

static void there_and_back(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= TOKEN_ADDRS_MAX; n++) {
        struct token t = sample(n), got;
        char text[TOKEN_TEXT_SIZE], padded[TOKEN_TEXT_SIZE + 8];

        assert_int_equal(token_print(&t, text, sizeof text), 0);
        assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789-_."),
                         strlen(text));
        snprintf(padded, sizeof padded, " \t%s\r\n", text);
        assert_int_equal(token_parse(padded, &got, NULL), 0);
        assert_memory_equal(got.secret, t.secret, 32);
        assert_memory_equal(got.root, t.root, 32);
        assert_memory_equal(got.noise_public, t.noise_public, 32);
        assert_true(got.invite == t.invite && got.expires == t.expires);
        assert_int_equal(got.n_addrs, n);
        for (unsigned i = 0; i < n; i++)
            assert_true(link_addr_equal(&got.addrs[i], &t.addrs[i]));
    }
}

static void damage_is_noticed(void **state)
{
    struct token t = sample(2), got;
    char text[TOKEN_TEXT_SIZE], changed[2 * TOKEN_TEXT_SIZE + 2];
    size_t len;

    (void)state;
    assert_int_equal(token_print(&t, text, sizeof text), 0);
    len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        struct err err = {0};

        memcpy(changed, text, len + 1);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_int_equal(token_parse(changed, &got, &err), -EBADMSG);
        assert_string_not_equal(err.why, "");
        memcpy(changed, text, len + 1);
        changed[i] = '\0';
        assert_int_equal(token_parse(changed, &got, &err), -EBADMSG);
    }
    snprintf(changed, sizeof changed, "%s %s", text, text);
    assert_int_equal(token_parse(changed, &got, NULL), -EBADMSG);
    snprintf(changed, sizeof changed, "%sA", text);
    assert_int_equal(token_parse(changed, &got, NULL), -EBADMSG);
    assert_int_equal(token_parse("", &got, NULL), -EBADMSG);
    assert_int_equal(token_parse("ioth1.", &got, NULL), -EBADMSG);
    assert_int_equal(token_parse("ioth1.AAAAAA", &got, NULL), -EBADMSG);
}

/* A token of another version with a right checksum is named as such. */
static void later_versions_are_told(void **state)
{
    uint8_t bin[64] = {2}, hash[32];
    char text[128] = "ioth1.";
    struct token got;

    (void)state;
    crypto_generichash(hash, sizeof hash, bin, 60, NULL, 0);
    memcpy(bin + 60, hash, 4);
    sodium_bin2base64(text + 6, sizeof text - 6, bin, 64,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert_int_equal(token_parse(text, &got, NULL), -EPROTONOSUPPORT);
}

static void bad_tokens_are_not_printed(void **state)
{
    struct token t = sample(1);
    char text[TOKEN_TEXT_SIZE];

    (void)state;
    assert_int_equal(token_print(&t, text, 50), -ENOSPC);
    t.n_addrs = 0;
    assert_int_equal(token_print(&t, text, sizeof text), -EINVAL);
    t.n_addrs = TOKEN_ADDRS_MAX + 1;
    assert_int_equal(token_print(&t, text, sizeof text), -EINVAL);
    t = sample(1);
    t.addrs[0].family = 5;
    assert_int_equal(token_print(&t, text, sizeof text), -EINVAL);
    t = sample(1);
    t.invite = 0;
    assert_int_equal(token_print(&t, text, sizeof text), -EINVAL);
}

static void hash_hides_the_secret(void **state)
{
    struct token t = sample(1);
    uint8_t one[TOKEN_HASH_SIZE], two[TOKEN_HASH_SIZE], plain[32];

    (void)state;
    token_hash(t.secret, one);
    token_hash(t.secret, two);
    assert_memory_equal(one, two, sizeof one);
    crypto_generichash(plain, sizeof plain, t.secret, 32, NULL, 0);
    assert_memory_not_equal(one, plain, sizeof one);
    t.secret[31] ^= 1;
    token_hash(t.secret, two);
    assert_memory_not_equal(one, two, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(later_versions_are_told),
        cmocka_unit_test(bad_tokens_are_not_printed),
        cmocka_unit_test(hash_hides_the_secret),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
