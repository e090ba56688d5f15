/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses made of names. The vectors of MD5 were computed by VirtualSquare's own library, those of BLAKE2b
 * by another implementation (Python's hashlib). */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libioth/addr/iothaddr.h"

#define NAME "test.v2.cs.unibo.it"

static void text_is(const uint8_t addr[16], const char *expected)
{
    char text[INET6_ADDRSTRLEN];

    assert_string_equal(inet_ntop(AF_INET6, addr, text, sizeof text), expected);
}

static void base(uint8_t addr[16], const char *text)
{
    assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
}

static void test_published(void **state)
{
    static const uint8_t expected[6] = {0x6a, 0xd6, 0x2f, 0x5a, 0x5a, 0x2e};
    uint8_t addr[16], mac[6];

    (void)state;
    base(addr, "2000:760::");
    iothaddr_hash(addr, NAME, NULL, 0);
    text_is(addr, "2000:760::68d6:2fac:95a:5a2e");
    base(addr, "2000:760::");
    iothaddr_hash(addr, NAME ".", NULL, 0);
    text_is(addr, "2000:760::68d6:2fac:95a:5a2e");
    base(addr, "2000:760::");
    iothaddr_hasheui64(addr, NAME, NULL);
    text_is(addr, "2000:760::68d6:2fff:fe5a:5a2e");
    iothaddr_hashmac(mac, NAME, NULL);
    assert_memory_equal(mac, expected, sizeof mac);
    base(addr, "2000:760::");
    iothaddr_eui64(addr, mac);
    text_is(addr, "2000:760::68d6:2fff:fe5a:5a2e");
}

static void test_with_secret(void **state)
{
    static const struct {
        const char *base, *name;
        uint32_t time;
        const char *expected;
    } cases[] = {
        {"21a:fe43:fbfa:aa3a::", NAME, 0, "21a:fe43:fbfa:aa3a:b8c3:f9dc:3b01:195c"},
        {"fd00::", NAME, 55555, "fd00::884c:4a98:f1c4:81a9"},
        {"25cf:8f5:e9e2:5e53::", "x", 0, "25cf:8f5:e9e2:5e53:4c8a:ec91:1275:d59a"},
        {"d9a8:8775:6570:5a8a::", "x", 0x12345678,
         "d9a8:8775:6570:5a8a:89e:5896:7557:4cba"},
    };
    static const uint8_t mac_of_x[6] = {0x4e, 0x8a, 0xec, 0x75, 0xd5, 0x9a};
    uint8_t addr[16], mac[6];

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        base(addr, cases[i].base);
        iothaddr_hash(addr, cases[i].name, "secret_password", cases[i].time);
        text_is(addr, cases[i].expected);
    }
    iothaddr_hashmac(mac, "x", "secret_password");
    assert_memory_equal(mac, mac_of_x, sizeof mac);
    /* What is in the last bytes already counts, except in those that EUI-64 sets. */
    base(addr, "60aa:d2b2:d085:fa54::82:6498");
    iothaddr_eui64(addr, mac);
    text_is(addr, "60aa:d2b2:d085:fa54:4c8a:ecff:fef7:b102");
}

static void test_keyed(void **state)
{
    static const char key[] = "0123456789abcdef";
    static const uint8_t expected[6] = {0x32, 0xa2, 0x26, 0xad, 0x79, 0xd3};
    uint8_t addr[16], mac[6];

    (void)state;
    base(addr, "fd00::");
    assert_int_equal(iothaddr_keyed(addr, NAME, key, 16, 0), 0);
    text_is(addr, "fd00::28a6:7358:6a1b:420c");
    base(addr, "fd00::");
    assert_int_equal(iothaddr_keyed(addr, "TEST.v2.cs.unibo.it.", key, 16, 55555), 0);
    text_is(addr, "fd00::ccf1:2ee1:7541:d095");
    assert_int_equal(iothaddr_keyedmac(mac, NAME, key, 16), 0);
    assert_memory_equal(mac, expected, sizeof mac);
    assert_int_equal(iothaddr_keyed(addr, NAME, key, 15, 0), -1);
    assert_int_equal(errno, EINVAL);
    text_is(addr, "fd00::ccf1:2ee1:7541:d095");
    assert_int_equal(iothaddr_keyed(addr, NAME, NULL, 16, 0), -1);
    assert_int_equal(iothaddr_keyedmac(mac, NAME, key, IOTHADDR_KEY_MAX + 1), -1);
}

static void test_otiptime(void **state)
{
    time_t before = time(NULL);
    uint32_t now = iothaddr_otiptime(1, 0);

    (void)state;
    assert_int_equal(iothaddr_otiptime(0, 7), 0);
    assert_true(now >= (uint32_t)before && now <= (uint32_t)time(NULL));
    assert_true(iothaddr_otiptime(1000000000, 1000000000) ==
                iothaddr_otiptime(1000000000, 0) + 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_with_secret),
        cmocka_unit_test(test_keyed),
        cmocka_unit_test(test_otiptime),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
