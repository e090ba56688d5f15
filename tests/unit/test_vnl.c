/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VNL of the fabric says: ioth://NET[:VLAN][options]. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libioth/port/port.h"

static void test_good(void **state)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9}, addr[4] = {10, 0, 0, 7};
    static const struct {
        const char *text;
        uint64_t rate;
    } rates[] = {{"0", 0},          {"1000", 1000},        {"64k", 64000},
                 {"10M", 10000000}, {"1.5G", 1500000000u}, {"2T", 2000000000000u}};
    struct err err;

    (void)state;
    for (unsigned i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct plug_request q = {.flags = 0};
        char vnl[128];

        snprintf(vnl, sizeof vnl,
                 "lan1:7[name=web/ip=10.0.0.7,24/mac=02:00:00:00:00:09/rate=%s]",
                 rates[i].text);
        assert_int_equal(port_ring_parse(vnl, &q, &err), 0);
        assert_string_equal(q.network, "lan1");
        assert_string_equal(q.name, "web");
        assert_int_equal(q.vlan, 7);
        assert_int_equal(q.n_addrs, 1);
        assert_memory_equal(q.addrs[0].addr, addr, 4);
        assert_int_equal(q.addrs[0].prefix, 24);
        assert_memory_equal(q.mac, mac, 6);
        assert_int_equal(q.rate, rates[i].rate);
        assert_true(q.flags & PLUG_ENDPOINT);
    }
}

static void test_anonymous(void **state)
{
    static const char *const vnls[] = {"lan1", "lan1/rate=10M", "lan1[rate=10M]"};
    struct err err;

    (void)state;
    for (unsigned i = 0; i < sizeof vnls / sizeof *vnls; i++) {
        struct plug_request q = {.flags = 0};

        assert_int_equal(port_ring_parse(vnls[i], &q, &err), 0);
        assert_string_equal(q.network, "lan1");
        assert_false(q.flags & PLUG_ENDPOINT);
        assert_int_equal(q.mac[0] & 3, 2); /* Its own, made up. */
        assert_int_equal(q.rate, i ? 10000000 : 0);
    }
}

static void test_wrong(void **state)
{
    static const struct {
        const char *vnl, *why;
    } table[] = {{"", "no network is named"},
                 {"[name=x]", "no network is named"},
                 {"lan1:0", "0 is no VLAN (1-4094)"},
                 {"lan1[name=x", "the brackets of ioth://lan1[name=x do not close"},
                 {"lan1]", "the brackets of ioth://lan1] do not close"},
                 {"lan1/name=x]", "the brackets of ioth://lan1/name=x] do not close"},
                 {"lan1[name]", "option name has no value"},
                 {"lan1[size=2]", "unknown option size (name, ip, mac, rate)"},
                 {"lan1[ip=10.0.0.1]", "ip needs a name"},
                 {"lan1[name=x/ip=10]", "10 is no address"},
                 {"lan1[mac=2]", "2 is no MAC"},
                 {"lan1[rate=]", " is no rate (bits per second: 10M, 1.5G)"},
                 {"lan1[rate=M]", "M is no rate (bits per second: 10M, 1.5G)"},
                 {"lan1[rate=10Mb]", "10Mb is no rate (bits per second: 10M, 1.5G)"},
                 {"lan1[rate=9999T]", "9999T is no rate (bits per second: 10M, 1.5G)"}};

    (void)state;
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        struct plug_request q = {.flags = 0};
        struct err err;

        assert_int_equal(port_ring_parse(table[i].vnl, &q, &err), -EINVAL);
        assert_string_equal(err.why, table[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_anonymous),
        cmocka_unit_test(test_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
