/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/plug/plug.h"

static uint8_t bytes[PLUG_MAX_SIZE];

static struct plug_request request(void)
{
    struct plug_request r = {.kind = PLUG_TAP,
                             .flags = PLUG_ENDPOINT,
                             .network = "lan1",
                             .vlan = 10,
                             .name = "web",
                             .mac = {2, 0, 0, 0, 0, 1},
                             .n_addrs = 2,
                             .rate = 1000000,
                             .caps = 15,
                             .node_pid = 42,
                             .snap = 96};

    r.addrs[0] = (struct plug_addr){.family = 4, .prefix = 24, .addr = {10, 64, 0, 2}};
    r.addrs[1] = (struct plug_addr){.family = 6, .prefix = 255, .addr = {0xfd}};
    return r;
}

static void test_request(void **state)
{
    struct plug_request r = request(), out;
    size_t size;

    (void)state;
    memset(&out, 0xee, sizeof out);
    size = plug_request_encode(&r, bytes, sizeof bytes);
    assert_true(size > 0);
    assert_int_equal(plug_request_decode(bytes, size, &out), 0);
    assert_string_equal(out.network, "lan1");
    assert_string_equal(out.name, "web");
    assert_memory_equal(out.mac, r.mac, 6);
    assert_memory_equal(out.addrs, r.addrs, sizeof r.addrs);
    assert_int_equal(out.kind, r.kind);
    assert_int_equal(out.flags, r.flags);
    assert_int_equal(out.vlan, 10);
    assert_int_equal(out.n_addrs, 2);
    assert_int_equal(out.rate, 1000000);
    assert_int_equal(out.caps, 15);
    assert_int_equal(out.node_pid, 42);
    assert_int_equal(out.snap, 96);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(plug_request_decode(bytes, cut, &out), -EPROTO);
    for (size_t room = 0; room < size; room++)
        assert_int_equal(plug_request_encode(&r, bytes, room), 0);
    assert_int_equal(plug_request_encode(&r, bytes, size), size);
}

static void test_request_refused(void **state)
{
    struct plug_request r = request(), out = {.kind = 77};
    size_t size;

    (void)state;
    memset(r.name, 'x', sizeof r.name); /* No end. */
    assert_int_equal(plug_request_encode(&r, bytes, sizeof bytes), 0);
    r = request();
    r.n_addrs = PLUG_MAX_ADDRS + 1;
    assert_int_equal(plug_request_encode(&r, bytes, sizeof bytes), 0);

#define REFUSED(change)                                                                    \
    r = request();                                                                         \
    change;                                                                                \
    size = plug_request_encode(&r, bytes, sizeof bytes);                                   \
    assert_int_equal(plug_request_decode(bytes, size, &out), -EPROTO)
    REFUSED(r.kind = 0);
    REFUSED(r.kind = 4);
    REFUSED(r.vlan = 4095);
    REFUSED(r.flags = 128);
    REFUSED(r.addrs[0].family = 5);
    REFUSED(r.addrs[0].family = 0);
    REFUSED(r.addrs[0].prefix = 33);
    REFUSED(r.addrs[1].prefix = 129);
    r = request();
    size = plug_request_encode(&r, bytes, sizeof bytes);
    bytes[0]++;
    assert_int_equal(plug_request_decode(bytes, size, &out), -EPROTO);
    bytes[0]--;
    bytes[4]++;
    assert_int_equal(plug_request_decode(bytes, size, &out), -EPROTO);
    bytes[4]--;
    bytes[11] = 0; /* A NUL inside "lan1". */
    assert_int_equal(plug_request_decode(bytes, size, &out), -EPROTO);
    assert_int_equal(out.kind, 77);
}

static void test_reply(void **state)
{
    struct plug_reply r = {.code = 0, .name = "web", .vlan = 7, .mtu = 1500, .n_addrs = 1};
    struct plug_reply out;
    size_t size;

    (void)state;
    r.addrs[0] = (struct plug_addr){.family = 4, .prefix = 24, .addr = {10, 64, 0, 2}};
    r.gateway4 = (struct plug_addr){.family = 4, .prefix = 24, .addr = {10, 64, 0, 1}};
    size = plug_reply_encode(&r, bytes, sizeof bytes);
    assert_int_equal(plug_reply_decode(bytes, size, &out), 0);
    assert_int_equal(out.code, 0);
    assert_string_equal(out.name, "web");
    assert_int_equal(out.mtu, 1500);
    assert_int_equal(out.vlan, 7);
    assert_memory_equal(&out.gateway4, &r.gateway4, sizeof r.gateway4);
    assert_int_equal(out.gateway6.family, 0);
    assert_memory_equal(out.addrs, r.addrs, sizeof r.addrs);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(plug_reply_decode(bytes, cut, &out), -EPROTO);

    r.code = -EEXIST;
    memset(r.why, 'w', sizeof r.why - 1);
    memset(r.hint, 'h', sizeof r.hint - 1);
    size = plug_reply_encode(&r, bytes, sizeof bytes);
    assert_int_equal(plug_reply_decode(bytes, size, &out), 0);
    assert_int_equal(out.code, -EEXIST);
    assert_int_equal(strlen(out.why), sizeof r.why - 1);
    assert_int_equal(strlen(out.hint), sizeof r.hint - 1);
    r.code = 1;
    size = plug_reply_encode(&r, bytes, sizeof bytes);
    assert_int_equal(plug_reply_decode(bytes, size, &out), -EPROTO);
    r.code = 0;
    r.gateway4.family = 6;
    size = plug_reply_encode(&r, bytes, sizeof bytes);
    assert_int_equal(plug_reply_decode(bytes, size, &out), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_refused),
        cmocka_unit_test(test_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
