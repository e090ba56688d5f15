/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handshake against the published vector of the "cacophony" collection, and its failures. */
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/noise.h"

static size_t unhex(const char *hex, uint8_t *out, size_t room)
{
    size_t size = 0;

    assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &size, NULL), 0);
    return size;
}

static const char prologue_hex[] = "4a6f686e2047616c74";
static const char psk_hex[] =
    "54686973206973206d7920417573747269616e20706572737065637469766521";
static const char init_static_hex[] =
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
static const char init_ephemeral_hex[] =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char resp_public_hex[] =
    "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
static const char resp_static_hex[] =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char resp_ephemeral_hex[] =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
static const char hash_hex[] =
    "ed837c9084f2f0333a7ec60b9bcacd9921394858de8ced118b5966d1147ba390"
    "084dab42326c565a309c29317a6079be30aa1d790d25a517b43287426cb1d36a";

static const struct {
    const char *payload, *sealed;
} vector[] = {
    {"4c756477696720766f6e204d69736573",
     "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
     "b6fe0240b839afac809de1630eaf99d8f9b941394f0512c0554633bbb021d151"
     "76135c0a20e7fdb9a9ed066f22f054b47625b1d5061cb27d6a17f053273db7c2"
     "5216a5addc506ee321bc0618feb5849d"},
    {"4d757272617920526f746862617264",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
     "8f627e69fc120006f746b9d420bf4056cf8481ab32d9e904ffaeeaa56a5290"},
    {"462e20412e20486179656b", "07fc0034398a5f1010322be193d62f94bebf2948a20b3e15d681fe"},
    {"4361726c204d656e676572", "2ea5400f5b8a16971c8b67bde75aeb7987d454b1c0beeb2566932d"},
    {"4a65616e2d426170746973746520536179",
     "96eef918ef51639fc0e156da1823c4f71b33fac5af983f5da9384f7da20d86ed91"},
    {"457567656e2042f6686d20766f6e2042617765726b",
     "f02766a56496e1fbf32e05274baebf6d693c8f3e4c6e0dc7ebdc5ac170f15dae433b92f469"},
};

struct pair {
    struct noise init, resp;
    uint8_t init_ephemeral[32], resp_ephemeral[32];
};

static void pair_begin(struct pair *p)
{
    uint8_t prologue[16], secret[32], public[32], psk[32];
    size_t size = unhex(prologue_hex, prologue, sizeof prologue);

    unhex(init_static_hex, secret, sizeof secret);
    crypto_scalarmult_base(public, secret);
    noise_begin(&p->init, true, prologue, size, secret, public);
    unhex(resp_public_hex, public, sizeof public);
    noise_set_remote(&p->init, public);
    unhex(resp_static_hex, secret, sizeof secret);
    noise_begin(&p->resp, false, prologue, size, secret, public);
    unhex(psk_hex, psk, sizeof psk);
    noise_set_psk(&p->init, psk);
    noise_set_psk(&p->resp, psk);
    unhex(init_ephemeral_hex, p->init_ephemeral, 32);
    unhex(resp_ephemeral_hex, p->resp_ephemeral, 32);
}

static void step(struct noise *from, struct noise *to, const uint8_t ephemeral[32],
                 const char *payload_hex, const char *sealed_hex)
{
    uint8_t payload[64], sealed[256], want[256], got[64];
    size_t payload_size = unhex(payload_hex, payload, sizeof payload);
    size_t want_size = unhex(sealed_hex, want, sizeof want);
    size_t size = 0;

    assert_int_equal(
        noise_write(from, ephemeral, payload, payload_size, sealed, sizeof sealed, &size),
        0);
    assert_int_equal(size, want_size);
    assert_memory_equal(sealed, want, size);
    assert_int_equal(noise_read(to, sealed, size, got, sizeof got, &size), 0);
    assert_int_equal(size, payload_size);
    assert_memory_equal(got, payload, size);
}

static void vector_matches(void **state)
{
    struct pair p;
    uint8_t init_keys[2][32], resp_keys[2][32], hash[64];

    (void)state;
    pair_begin(&p);
    step(&p.init, &p.resp, p.init_ephemeral, vector[0].payload, vector[0].sealed);
    step(&p.resp, &p.init, p.resp_ephemeral, vector[1].payload, vector[1].sealed);
    assert_int_equal(noise_split(&p.init, init_keys[0], init_keys[1]), 0);
    assert_int_equal(noise_split(&p.resp, resp_keys[1], resp_keys[0]), 0);
    assert_memory_equal(init_keys, resp_keys, sizeof init_keys);
    unhex(hash_hex, hash, sizeof hash);
    assert_memory_equal(p.init.hash, hash, sizeof hash);
    assert_memory_equal(p.resp.hash, hash, sizeof hash);
    for (size_t i = 2; i < sizeof vector / sizeof *vector; i++) {
        uint8_t nonce[12] = {0}, payload[64], want[64], sealed[64];
        size_t size = unhex(vector[i].payload, payload, sizeof payload);

        nonce[4] = (uint8_t)((i - 2) / 2);
        unhex(vector[i].sealed, want, sizeof want);
        crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, payload, size, NULL, 0,
                                                  NULL, nonce, init_keys[i % 2]);
        assert_memory_equal(sealed, want, size + 16);
    }
}

static void tampering_is_noticed(void **state)
{
    (void)state;
    for (size_t at = 0; at < 112; at++) {
        struct pair p;
        uint8_t sealed[256], got[64];
        size_t size = 0;

        pair_begin(&p);
        assert_int_equal(noise_write(&p.init, p.init_ephemeral, "sixteen letters!", 16,
                                     sealed, sizeof sealed, &size),
                         0);
        assert_int_equal(size, NOISE_FIRST_OVERHEAD + 16);
        sealed[at] ^= 1;
        assert_int_not_equal(noise_read(&p.resp, sealed, size, got, sizeof got, &size), 0);
        assert_int_equal(p.resp.stage, NOISE_STAGE_DEAD);
        assert_true(sodium_is_zero(p.resp.static_secret, 32));
    }
}

static void other_secrets_fail(void **state)
{
    struct pair p;
    uint8_t sealed[256], got[64], psk[32] = {1};
    size_t size = 0;

    (void)state;
    pair_begin(&p);
    noise_set_psk(&p.resp, psk);
    assert_int_equal(
        noise_write(&p.init, p.init_ephemeral, "", 0, sealed, sizeof sealed, &size), 0);
    assert_int_equal(noise_read(&p.resp, sealed, size, got, sizeof got, &size), 0);
    assert_int_equal(
        noise_write(&p.resp, p.resp_ephemeral, "", 0, sealed, sizeof sealed, &size), 0);
    assert_int_equal(noise_read(&p.init, sealed, size, got, sizeof got, &size), -EBADMSG);

    /* The same message for a responder with another key. */
    pair_begin(&p);
    assert_int_equal(
        noise_write(&p.init, p.init_ephemeral, "", 0, sealed, sizeof sealed, &size), 0);
    noise_begin(&p.resp, false, "John Galt", 9, psk, psk);
    assert_int_not_equal(noise_read(&p.resp, sealed, size, got, sizeof got, &size), 0);
}

static void low_order_points_are_refused(void **state)
{
    struct pair p;
    uint8_t sealed[256] = {0}, got[64];
    size_t size = 0;

    (void)state;
    pair_begin(&p);
    assert_int_equal(noise_read(&p.resp, sealed, 112, got, sizeof got, &size), -EPROTO);
}

static void turns_and_room_are_kept(void **state)
{
    struct pair p;
    uint8_t sealed[256], got[8];
    size_t size = 0;

    (void)state;
    pair_begin(&p);
    assert_int_equal(noise_write(&p.resp, p.resp_ephemeral, "", 0, sealed, 256, &size),
                     -EPROTO);
    assert_int_equal(noise_read(&p.init, sealed, 112, got, sizeof got, &size), -EPROTO);
    assert_int_equal(noise_write(&p.init, p.init_ephemeral, "abc", 3, sealed, 98, &size),
                     -ENOSPC);
    assert_int_equal(
        noise_write(&p.init, p.init_ephemeral, "123456789", 9, sealed, 256, &size), 0);
    assert_int_equal(noise_read(&p.resp, sealed, size, got, sizeof got, &size), -ENOSPC);
    assert_int_equal(noise_read(&p.resp, sealed, 111 - 16, got, sizeof got, &size),
                     -EBADMSG);
    assert_int_equal(noise_split(&p.init, sealed, sealed + 32), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_matches),
        cmocka_unit_test(tampering_is_noticed),
        cmocka_unit_test(other_secrets_fail),
        cmocka_unit_test(low_order_points_are_refused),
        cmocka_unit_test(turns_and_room_are_kept),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
