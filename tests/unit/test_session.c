/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions and their datagrams: counters to their very end, replays, lanes, cookies. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/cookie.h"
#include "proto/link/hello.h"
#include "proto/link/session.h"

static const uint8_t one[32] = {1}, two[32] = {2};

struct pair {
    struct session *a, *b;
    uint8_t data[2048], out[2048];
    size_t size;
};

static int setup(void **state)
{
    static struct pair p;

    p.a = session_new(AEAD_CHACHA20_POLY1305, one, two);
    p.b = session_new(AEAD_CHACHA20_POLY1305, two, one);
    p.a->remote_index = p.b->index = 77;
    *state = &p;
    return p.a && p.b ? 0 : -1;
}

static int teardown(void **state)
{
    struct pair *p = *state;

    session_free(p->a);
    session_free(p->b);
    return 0;
}

static void seal(struct pair *p, const char *text)
{
    struct inner in = {.type = INNER_FRAME,
                       .flags = INNER_OPEN_CSUM,
                       .hops = 3,
                       .channel = 4,
                       .source = 5,
                       .tci = 6,
                       .csum_start = 7,
                       .csum_ofs = 8,
                       .gso_size = 9};

    inner_write(&in, p->data + DATAGRAM_OUTER);
    memcpy(p->data + DATAGRAM_OUTER + DATAGRAM_INNER, text, strlen(text));
    p->size = session_seal(p->a, p->data, DATAGRAM_INNER + strlen(text));
}

static enum session_open open_at_b(struct pair *p)
{
    struct outer o;
    bool newest = false;

    assert_true(outer_read(p->data, p->size, &o));
    assert_int_equal(o.index, 77);
    return session_open(p->b, &o, p->data, p->size, p->out, &newest);
}

static void there_and_only_once(void **state)
{
    struct pair *p = *state;
    struct inner in;

    seal(p, "a frame");
    assert_int_equal(p->size, DATAGRAM_OVERHEAD + 7);
    assert_int_equal(open_at_b(p), SESSION_OPEN);
    inner_read(p->out, &in);
    assert_true(in.type == INNER_FRAME && in.flags == INNER_OPEN_CSUM && in.hops == 3 &&
                in.channel == 4 && in.source == 5 && in.tci == 6 && in.csum_start == 7 &&
                in.csum_ofs == 8 && in.gso_size == 9);
    assert_memory_equal(p->out + DATAGRAM_INNER, "a frame", 7);
    assert_int_equal(open_at_b(p), SESSION_REPLAYED);
}

static void outer_header_is_authenticated(void **state)
{
    struct pair *p = *state;

    seal(p, "a frame");
    for (size_t at = 8; at < DATAGRAM_OUTER; at++) {
        struct outer o;
        bool newest;

        p->data[at] ^= 1;
        if (outer_read(p->data, p->size, &o))
            assert_int_equal(session_open(p->b, &o, p->data, p->size, p->out, &newest),
                             SESSION_BAD);
        p->data[at] ^= 1;
    }
    /* A forged datagram has not moved the window. */
    assert_int_equal(open_at_b(p), SESSION_OPEN);
}

static void outer_header_is_strict(void **state)
{
    struct pair *p = *state;
    struct outer o;

    seal(p, "");
    assert_int_equal(p->size, DATAGRAM_OVERHEAD);
    assert_true(outer_read(p->data, p->size, &o));
    assert_false(outer_read(p->data, p->size - 1, &o));
    p->data[2] = 1;
    assert_false(outer_read(p->data, p->size, &o));
    p->data[2] = 0;
    p->data[8] = DATAGRAM_LANES;
    assert_false(outer_read(p->data, p->size, &o));
}

/* The counter is never used twice: seeded near its end, the session stops for good. */
static void counter_has_a_hard_end(void **state)
{
    struct pair *p = *state;

    p->a->counter = SESSION_COUNT_MAX - 2;
    seal(p, "last but one");
    assert_int_equal(open_at_b(p), SESSION_OPEN);
    seal(p, "last");
    assert_int_equal(open_at_b(p), SESSION_OPEN);
    for (unsigned i = 0; i < 3; i++) {
        seal(p, "too many");
        assert_int_equal(p->size, 0);
    }
    assert_true(p->a->counter == SESSION_COUNT_MAX);
}

static void lanes_have_windows_of_their_own(void **state)
{
    struct pair *p = *state;
    struct outer o = {.index = 77, .lane = 3, .counter = 0};
    struct aead *tx;
    uint8_t key[32], text[17] = "ioth transport 1";
    bool newest;

    seal(p, "lane 0");
    assert_int_equal(open_at_b(p), SESSION_OPEN);
    /* The same counter in lane 3 is another number. */
    text[16] = AEAD_CHACHA20_POLY1305;
    crypto_generichash(key, 32, text, sizeof text, one, 32);
    tx = aead_new(AEAD_CHACHA20_POLY1305, key, true);
    outer_write(&o, p->data);
    memset(p->data + DATAGRAM_OUTER, 9, DATAGRAM_INNER);
    aead_seal(tx, outer_number(&o), p->data, DATAGRAM_OUTER, p->data + DATAGRAM_OUTER,
              DATAGRAM_INNER);
    p->size = DATAGRAM_OVERHEAD;
    assert_int_equal(session_open(p->b, &o, p->data, p->size, p->out, &newest),
                     SESSION_OPEN);
    assert_true(newest);
    assert_int_equal(session_open(p->b, &o, p->data, p->size, p->out, &newest),
                     SESSION_REPLAYED);
    aead_free(tx);
}

static void cookies_prove_the_address(void **state)
{
    struct link_addr from = {.family = 4, .port = 1000, .addr = {10, 0, 0, 1}};
    struct link_addr other = {.family = 4, .port = 1001, .addr = {10, 0, 0, 1}};
    uint8_t data[200] = {DATAGRAM_INIT, 0, 0, 0, 1, 2, 3, 4}, reply[DATAGRAM_COOKIE_SIZE];
    uint8_t secret[32] = {5}, nonce[24] = {6}, cookie[COOKIE_SIZE], mac1[DATAGRAM_MAC];
    struct cookie_keys keys, wrong;

    (void)state;
    cookie_keys_init(&keys, one);
    cookie_keys_init(&wrong, two);
    cookie_sign(&keys, NULL, data, sizeof data);
    assert_true(cookie_mac1_good(&keys, data, sizeof data));
    assert_false(cookie_mac1_good(&wrong, data, sizeof data));
    assert_false(cookie_mac2_good(secret, &from, data, sizeof data));
    cookie_reply(&keys, secret, &from, data, sizeof data, nonce, reply);
    assert_memory_equal(reply + 4, data + 4, 4);
    memcpy(mac1, data + sizeof data - 2 * DATAGRAM_MAC, sizeof mac1);
    assert_true(cookie_open(&keys, mac1, reply, sizeof reply, cookie));
    assert_false(cookie_open(&wrong, mac1, reply, sizeof reply, cookie));
    mac1[0] ^= 1;
    assert_false(cookie_open(&keys, mac1, reply, sizeof reply, cookie));
    mac1[0] ^= 1;
    assert_true(cookie_open(&keys, mac1, reply, sizeof reply, cookie));
    cookie_sign(&keys, cookie, data, sizeof data);
    assert_true(cookie_mac2_good(secret, &from, data, sizeof data));
    assert_false(cookie_mac2_good(secret, &other, data, sizeof data));
    data[9] ^= 1;
    assert_false(cookie_mac1_good(&keys, data, sizeof data));
    assert_false(cookie_mac2_good(secret, &from, data, sizeof data));
}

static void hellos_there_and_back(void **state)
{
    struct hello h = {.version = 1,
                      .suites = 3,
                      .instance = 0x1122334455667788,
                      .timestamp = 99,
                      .invite = 7,
                      .chain_size = 5,
                      .chain = {1, 2, 3, 4, 5}},
                 got;
    uint8_t text[HELLO_FIXED + CERT_CHAIN_MAX + 4] = {0};
    size_t size = hello_write(&h, text, sizeof text);

    (void)state;
    assert_int_equal(size, HELLO_FIXED + 5);
    assert_true(hello_read(text, size + 4, &got)); /* Later versions may add. */
    assert_true(got.instance == h.instance && got.timestamp == 99 && got.invite == 7 &&
                got.suites == 3 && got.version == 1 && got.chain_size == 5);
    assert_memory_equal(got.chain, h.chain, 5);
    for (size_t n = 0; n < size; n++)
        assert_false(hello_read(text, n, &got));
    assert_int_equal(hello_write(&h, text, size - 1), 0);
    text[28] = 0x10; /* A chain longer than any. */
    assert_false(hello_read(text, sizeof text, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_only_once, setup, teardown),
        cmocka_unit_test_setup_teardown(outer_header_is_authenticated, setup, teardown),
        cmocka_unit_test_setup_teardown(outer_header_is_strict, setup, teardown),
        cmocka_unit_test_setup_teardown(counter_has_a_hard_end, setup, teardown),
        cmocka_unit_test_setup_teardown(lanes_have_windows_of_their_own, setup, teardown),
        cmocka_unit_test(cookies_prove_the_address),
        cmocka_unit_test(hellos_there_and_back),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
