/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables at work: canonical forms, every mistake with its place, what is not built yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

static struct node *yaml(const char *text)
{
    struct diags d;
    struct node *x;

    diags_init(&d);
    x = node_from_yaml(text, strlen(text), NULL, &d);
    if (!x) {
        fail_msg("%s: %s", text, d.list[0].text);
    }
    diags_done(&d);
    return x;
}

/* Checks `text` as an object of the kind. Either it becomes `canonical` (JSON), or its mistakes
 * are `canonical`. */
static void expect_kind(const struct kind *kind, const char *text, const char *canonical)
{
    struct node *x = yaml(text), *out;
    struct diags d;
    char *result;

    diags_init(&d);
    out = schema_check(kind, x, "x", NULL, &d);
    assert_true(!out == (d.n > 0));
    result = out ? node_to_json(out, 0) : diags_print(&d);
    if (strcmp(result, canonical) != 0) {
        fail_msg("%s\nbecame   %s\nexpected %s", text, result, canonical);
    }
    if (out) {
        struct node *minimal = schema_minimal(kind, out);
        struct node *again = schema_check(kind, minimal, "x", NULL, &d);

        assert_true(node_equal(out, again));
        node_free(minimal);
        node_free(again);
    }
    free(result);
    diags_done(&d);
    node_free(out);
    node_free(x);
}

static void expect(const char *kind, const char *text, const char *canonical)
{
    expect_kind(schema_kind(kind), text, canonical);
}

#define NET_REST "\"mtu\":1500,\"forwarding\":\"direct\",\"local\":false"

static void network_in_canonical_form(void **state)
{
    (void)state;
    expect("network", "{}", "{" NET_REST ",\"on\":[\"all\"]}");
    expect("network", "~", "{" NET_REST ",\"on\":[\"all\"]}");
    expect("network", "{ipv4: auto, ipv6: none}",
           "{\"ipv6\":\"none\"," NET_REST ",\"on\":[\"all\"]}");
    expect("network", "{ipv4: 10.80.0.0/16, ipv6: \"FD42:0080:0::/64\"}",
           "{\"ipv4\":\"10.80.0.0/16\",\"ipv6\":\"fd42:80::/64\"," NET_REST
           ",\"on\":[\"all\"]}");
    expect("network",
           "{vlans: {10: staff, 20: {name: guests, ipv4: none}, 30: }, ipv4: none}",
           "{\"vlans\":{\"10\":{\"name\":\"staff\"},\"20\":{\"name\":\"guests\",\"ipv4\":"
           "\"none\"},\"30\":{}}," NET_REST ",\"on\":[\"all\"]}");
    expect("network",
           "{allow: uid:1000, on: [alpha, beta], mtu: 9000, local: true, stp: off}",
           "{\"mtu\":9000,\"forwarding\":\"direct\",\"stp\":{\"mode\":\"off\"},"
           "\"local\":true,\"allow\":[\"uid:1000\"],\"on\":[\"alpha\",\"beta\"]}");
    expect(
        "network",
        "{forwarding: tree, stp: {priority: {alpha: 4096, beta: {value: 0}}, hello: 1}}",
        "{\"mtu\":1500,\"forwarding\":\"tree\",\"stp\":{\"mode\":\"rstp\",\"priority\":"
        "{\"alpha\":{\"value\":4096},\"beta\":{\"value\":0}},\"hello\":1},\"local\":false,"
        "\"on\":[\"all\"]}");
    expect("port", "{tap: t0, stp: {cost: 5, edge: false, p2p: auto}, guard: [bpdu, root]}",
           "{\"tap\":\"t0\",\"vde\":false,\"transparent\":false,\"stp\":{\"cost\":5,"
           "\"edge\":\"false\",\"p2p\":"
           "\"auto\"},\"guard\":[\"bpdu\",\"root\"],\"isolated\":false}");
    expect("link", "{between: [a, b], cost: 10}",
           "{\"between\":[\"a\",\"b\"],\"cost\":10}");
    expect("network", "{name: x, revision: 7, status: {ports: 1}, id: 0011223344556677}",
           "{" NET_REST ",\"on\":[\"all\"]}");
    expect("network", "{on: []}", "{" NET_REST ",\"on\":[]}");
}

static void network_mistakes(void **state)
{
    (void)state;
    expect("network", "{mtu: 99}", "x.mtu: 99 is out of range (1280 to 9216)\n");
    expect(
        "network", "{mtu: big, mut: 1500, zzzzzz: 1}",
        "x.mut: unknown key, did you mean mtu? (vlans, ipv4, ipv6, mtu, forwarding, stp, "
        "multicast, local, allow, on)\n"
        "x.zzzzzz: unknown key (vlans, ipv4, ipv6, mtu, forwarding, stp, multicast, local, "
        "allow, "
        "on)\n"
        "x.mtu: not a whole number (1280 to 9216)\n");
    expect("network", "{vlans: {4095: a, 0: b, 010: c, x: d, 7: Staff}}",
           "x.vlans.4095: not a valid key (1 to 4094)\n"
           "x.vlans.0: not a valid key (1 to 4094)\n"
           "x.vlans.010: not a valid key (1 to 4094)\n"
           "x.vlans.x: not a valid key (1 to 4094)\n"
           "x.vlans.7.name: \"Staff\" is not valid (1-63 of a-z 0-9 -, beginning with a "
           "letter)\n");
    expect("network", "{ipv4: 10.1.2.3/24, ipv6: fd00::/48, local: yes}",
           "x.ipv4: 10.1.2.3/24 has bits set behind its length (10.1.2.0/24)\n"
           "x.ipv6: /48 is not a size for an address plan (/64)\n"
           "x.local: not a truth value (true or false)\n");
    expect("network", "{ipv4: 127.0.0.0/8, ipv6: 10.0.0.0/8}",
           "x.ipv4: 127.0.0.0/8 cannot be used for endpoints\n"
           "x.ipv6: \"10.0.0.0/8\" is not valid (an IPv6 prefix as fd42:80::/64, auto, "
           "none)\n");
    expect("network", "{vlans: {10: a}, ipv4: 10.1.0.0/24}",
           "x.ipv4: a network with VLANs has its address plans per VLAN (vlans.ID.ipv4)\n");
    expect("network", "{on: [all, alpha]}",
           "x.on: all stands alone (all, or names of hosts)\n");
    expect("network", "{allow: [uid:1, uid:1, uid:x, bob, uid:4294967295, user:-x]}",
           "x.allow: uid:1 stands twice in the list\n"
           "x.allow: \"uid:x\" is not valid (uid:N, gid:N, user:NAME or group:NAME)\n"
           "x.allow: \"bob\" is not valid (uid:N, gid:N, user:NAME or group:NAME)\n"
           "x.allow: \"uid:4294967295\" is not valid (uid:N, gid:N, user:NAME or "
           "group:NAME)\n"
           "x.allow: \"user:-x\" is not valid (uid:N, gid:N, user:NAME or group:NAME)\n");
    expect("network", "[1]", "x: not a map of keys\n");
}

static void spanning_tree_mistakes(void **state)
{
    (void)state;
    expect("network", "{forwarding: tree, stp: off}",
           "x.stp.mode: tree forwarding needs a spanning tree (forwarding: direct)\n");
    expect("network", "{stp: {priority: {alpha: 5}}}",
           "x.stp.priority: is not a multiple of 4096 (0 to 61440)\n");
    expect("network", "{stp: {max_age: 40}}",
           "x.stp.max_age: is more than 2 * (forward_delay - 1)\n");
    expect("network", "{stp: {max_age: 5, hello: 3, mode: mstp}}",
           "x.stp.mode: \"mstp\" is not valid, did you mean rstp? (rstp, stp, off)\n"
           "x.stp.hello: 3 is out of range (1 to 2)\n"
           "x.stp.max_age: 5 is out of range (6 to 40)\n");
    expect("port", "{tap: t0, stp: {priority: 17, edge: no}}",
           "x.stp.edge: \"no\" is not valid (auto, true, false)\n");
    expect("port", "{tap: t0, stp: {priority: 17}}",
           "x.stp.priority: is not a multiple of 16 (0 to 240)\n");
    expect("link", "{between: [a, b], cost: 0}",
           "x.cost: 0 is out of range (1 to 200000000)\n");
}

/* Every sort of value where another is wanted. */
static void wrong_types(void **state)
{
    static const char *const numbers[] = {"\"1500\"", "1.5e3", "1e3", "1500.0",    "true",
                                          "[1500]",   "{}",    "yes", "2026-01-01"};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        char *text = xasprintf("{mtu: %s}", numbers[i]);
        struct node *x = yaml(text), *out;
        struct diags d;

        diags_init(&d);
        out = schema_check(schema_kind("network"), x, "x", NULL, &d);
        if (out || d.n != 1 || strcmp(d.list[0].path, "x.mtu") != 0) {
            fail_msg("%s", text);
        }
        diags_done(&d);
        node_free(x);
        free(text);
    }
    expect("network", "{mtu: 0x5dc, on: [all]}", "{" NET_REST ",\"on\":[\"all\"]}");
    expect("network", "{mtu: 0o2734}", "{" NET_REST ",\"on\":[\"all\"]}");
    expect(
        "network", "{local: yes, allow: 3, vlans: [10], on: {a: 1}, ipv4: true}",
        "x.vlans: not a map\n"
        "x.ipv4: not a text (an IPv4 prefix as 10.80.0.0/24, auto, none)\n"
        "x.local: not a truth value (true or false)\n"
        "x.allow: not a text (uid:N, gid:N, user:NAME or group:NAME)\n"
        "x.on: a map is not allowed here (1-63 of a-z 0-9 -, beginning with a letter)\n");
    expect("port", "{tap: 3, vde: \"true\", rate: [], access: 10.0}",
           "x.tap: not a text (a text of 1 to 15 bytes)\n"
           "x.vde: not a truth value (true or false)\n"
           "x.access: not a whole number (0 to 4095)\n"
           "x.rate: a list is not allowed here (bits per second, as 64k, 10M or 1.5G)\n");
}

static void what_is_not_built_yet(void **state)
{
    (void)state;
    expect("network", "{forwarding: mesh}",
           "x.forwarding: mesh forwarding is not built yet (direct, tree)\n");
    expect("network", "{forwarding: dirct}",
           "x.forwarding: \"dirct\" is not valid, did you mean direct? (direct, tree)\n");
    expect("link", "{between: [a, b], cost: 10, delay: 1ms}",
           "x.delay: link impairments are not built yet\n");
    expect("router", "{host: alpha}", "x: routers are not built yet\n");
    /* Its keys are checked nevertheless. */
    expect("router",
           "{hots: a, interfaces: {out: {uplink: hosts}},\n"
           " routes: [{to: default, via: 10.0.0.1}, {too: x, via: y}],\n"
           " filter: {rules: {from: a, action: allow, port: [1, x]}}}",
           "x.hots: unknown key, did you mean host? (host, interfaces, routes, dhcp, ra, "
           "dns, nat, filter, tests)\n"
           "x.interfaces.out.uplink: \"hosts\" is not valid, did you mean host? (host)\n"
           "x.routes.1.too: unknown key, did you mean to? (to, via)\n"
           "x.routes.1.to: is missing\n"
           "x.routes.1.via: \"y\" is not valid (an IPv4 or IPv6 address)\n"
           "x.filter.rules.0.port: not a whole number (1 to 65535)\n"
           "x.filter.rules.0.action: \"allow\" is not valid (accept, drop, reject)\n"
           "x: routers are not built yet\n");
}

static void ports(void **state)
{
    (void)state;
    expect("port", "{host: alpha, tap: office0, access: 10, rate: 1.5G}",
           "{\"host\":\"alpha\",\"tap\":\"office0\",\"vde\":false,\"access\":10,"
           "\"transparent\":false,\"rate\":1500000000,\"isolated\":false}");
    expect("port",
           "{tap: a, trunk: [10, 20], native: 10, guard: ra, isolated: true, "
           "mac_limit: 9, storm: {broadcast: 1kpps, unknown: 1500000}}",
           "{\"tap\":\"a\",\"vde\":false,\"trunk\":[10,20],\"native\":10,"
           "\"transparent\":false,\"guard\":[\"ra\"],"
           "\"storm\":{\"broadcast\":\"1000pps\",\"unknown\":\"1500k\"},\"mac_limit\":9,"
           "\"isolated\":true}");
    expect("port", "{tap: a, access: 10, trunk: 20}",
           "x.trunk: a port is an access port or a trunk (one of access and trunk)\n");
    expect("port", "{tap: a, native: 10}",
           "x.native: only a trunk has a native VLAN (trunk: [IDS])\n");
    expect("port", "{tap: a, access: 10, transparent: true}",
           "x.transparent: a transparent port is in no VLAN (one of access, trunk and "
           "transparent)\n");
    expect(
        "port", "{tap: a, storm: {broadcast: 0pps, multicast: 10, unknown: fast}}",
        "x.storm.broadcast: \"0pps\" is out of range\n"
        "x.storm.multicast: \"10\" is out of range\n"
        "x.storm.unknown: \"fast\" is not valid (frames or bits per second, as 1000pps or "
        "10M)\n");
    expect("port", "{vde: true}",
           "{\"vde\":true,\"transparent\":false,\"isolated\":false}");
    expect("port", "{}",
           "x: says nothing of what it is (tap: INTERFACE, raw: INTERFACE, stream: SOCKET, "
           "or vde: "
           "true)\n");
    expect("port", "{tap: a, vde: true}",
           "x: is several things at once (one of tap, raw, stream and vde)\n");
    expect("port", "{tap: abcdefghijklmnop}",
           "x.tap: \"abcdefghijklmnop\" is not valid (a text of 1 to 15 bytes)\n");
    expect("port", "{tap: a/b}",
           "x.tap: is not a name of an interface (no spaces, / : %)\n");
    expect("port", "{tap: a, rate: 1}", "x.rate: out of range (1k to 1T)\n");
    expect("port", "{tap: a, rate: 10Q}",
           "x.rate: \"10Q\" is not valid (bits per second, as 64k, 10M or 1.5G)\n");
}

static void endpoints(void **state)
{
    (void)state;
    expect("endpoint", "{mac: 02-00-00-00-0A-09, addresses: 10.64.0.2/24}",
           "{\"mac\":\"02:00:00:00:0a:09\",\"addresses\":[\"10.64.0.2/24\"]}");
    expect("endpoint", "{addresses: [10.64.0.2, \"fd00:0::2\"], vlan: 10, host: beta}",
           "{\"vlan\":10,\"addresses\":[\"10.64.0.2\",\"fd00::2\"],\"host\":\"beta\"}");
    expect("endpoint", "{mac: \"01:00:5e:00:00:01\", addresses: [224.0.0.1/4, 300.1.1.1]}",
           "x.mac: 01:00:5e:00:00:01 is not the MAC of one station\n"
           "x.addresses: 224.0.0.1/4 is not an address of an endpoint\n"
           "x.addresses: \"300.1.1.1\" is not valid (an address as 10.64.0.2/24 or "
           "fd42::2/64)\n");
    expect("endpoint", "{mac: 02:00:00:00:00}",
           "x.mac: \"02:00:00:00:00\" is not valid (a MAC as 02:00:00:00:00:09)\n");
}

static void hosts_and_links(void **state)
{
    (void)state;
    expect("host", "{address: 198.51.100.1:4655}", "{\"address\":[\"198.51.100.1:4655\"]}");
    expect("host", "{address: [198.51.100.1, \"[2001:DB8::1]:99\"]}",
           "{\"address\":[\"198.51.100.1:4655\",\"[2001:db8::1]:99\"]}");
    expect("host", "{}", "{}");
    expect("host",
           "{address: [\"1.2.3.4:0\", \"fd00::1\", \"[fd00::1]x\", \"[1.2.3.4]:1\", a]}",
           "x.address: \"1.2.3.4:0\" is not valid (ADDRESS:PORT as 192.0.2.1:4655 or "
           "[2001:db8::1]:4655)\n"
           "x.address: \"fd00::1\" is not valid (ADDRESS:PORT as 192.0.2.1:4655 or "
           "[2001:db8::1]:4655)\n"
           "x.address: \"[fd00::1]x\" is not valid (ADDRESS:PORT as 192.0.2.1:4655 or "
           "[2001:db8::1]:4655)\n"
           "x.address: \"[1.2.3.4]:1\" is not valid (ADDRESS:PORT as 192.0.2.1:4655 or "
           "[2001:db8::1]:4655)\n"
           "x.address: \"a\" is not valid (ADDRESS:PORT as 192.0.2.1:4655 or "
           "[2001:db8::1]:4655)\n");
    expect("link", "{between: [alpha, beta], address: 192.0.2.1:1}",
           "{\"between\":[\"alpha\",\"beta\"],\"address\":\"192.0.2.1:1\"}");
    expect("link", "{between: alpha}",
           "x.between: a link is between two hosts ([alpha, beta])\n");
    expect("link", "{}", "x.between: is missing\n");
}

/* Secrets, lists of maps: types that no kind uses yet, in a table of the test's own. */
static void types_to_come(void **state)
{
    static const struct field rule[] = {
        {.name = "port", .type = FIELD_INT, .flags = FIELD_LIST, .min = 1, .max = 9},
        {.name = "log", .type = FIELD_BOOL, .otherwise = "false"},
        {0}};
    static const struct field fields[] = {
        {.name = "key", .type = FIELD_SECRET},
        {.name = "rules", .type = FIELD_MAP, .flags = FIELD_LIST, .fields = rule},
        {0}};
    static const struct kind kind = {.name = "t", .plural = "ts", .fields = fields};

    (void)state;
    expect_kind(&kind,
                "{key: {file: /etc/key}, rules: [{port: 1}, {log: true}, {log: true}]}",
                "{\"key\":{\"file\":\"/etc/key\"},\"rules\":[{\"port\":[1],\"log\":false},"
                "{\"log\":true},{\"log\":true}]}");
    expect_kind(&kind, "{rules: {port: 2}}", "{\"rules\":[{\"port\":[2],\"log\":false}]}");
    expect_kind(&kind, "{key: hunter2}",
                "x.key: a secret does not stand here but in a file of its own "
                "({file: /PATH})\n");
    expect_kind(&kind, "{key: {file: key.txt, mode: 1}}",
                "x.key.mode: unknown key (file)\n"
                "x.key: \"key.txt\" does not begin with /\n");
    expect_kind(&kind, "{key: {}, rules: [1]}",
                "x.key.file: is missing\nx.rules.0: not a map of keys\n");
}

static void fixed_keys(void **state)
{
    struct node *a = yaml("{local: true, mtu: 1500}"),
                *b = yaml("{local: false, mtu: 9000}");
    struct diags d;

    (void)state;
    diags_init(&d);
    assert_true(schema_change_ok(schema_kind("network"), a, a, "n", &d));
    assert_false(schema_change_ok(schema_kind("networks"), a, b, "n", &d));
    assert_int_equal(d.n, 1);
    assert_string_equal(d.list[0].path, "n.local");
    diags_done(&d);
    node_free(a);
    node_free(b);
}

static void nearest_word(void **state)
{
    static const char *const words[] = {"create", "show", "rm", "ls", "set", NULL};

    (void)state;
    assert_string_equal(schema_nearest("craete", words), "create");
    assert_string_equal(schema_nearest("shwo", words), "show");
    assert_string_equal(schema_nearest("cre", words), "create");
    assert_string_equal(schema_nearest("lss", words), "ls");
    assert_null(schema_nearest("banana", words));
    assert_null(schema_nearest("", words));
}

static void units(void **state)
{
    static const struct {
        const char *in, *out;
        int64_t value;
    } bits[] = {{"64k", "64k", 64000}, {"1.5G", "1500M", 1500000000}, {"10", "10", 10},
                {"0", "0", 0},         {"2T", "2T", 2000000000000},   {"0.001k", "1", 1}},
      times[] = {{"1h", "1h", 3600000}, {"1h30m", "90m", 5400000}, {"250ms", "250ms", 250},
                 {"90s", "90s", 90000}, {"1.5s", "1500ms", 1500},  {"2d", "2d", 172800000}};
    static const char *const bad[] = {"",       "k",           "1x",  "1.k",
                                      ".5k",    "-1",          "1 k", "9999999999999",
                                      "0.0001", "99999999999T"};
    char buffer[24];
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
        assert_true(schema_parse_bits(bits[i].in, &value));
        assert_int_equal(value, bits[i].value);
        schema_print_bits(value, buffer);
        assert_string_equal(buffer, bits[i].out);
        assert_true(schema_parse_time(times[i].in, &value));
        assert_int_equal(value, times[i].value);
        schema_print_time(value, buffer);
        assert_string_equal(buffer, times[i].out);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (schema_parse_bits(bad[i], &value)) {
            fail_msg("%s is no rate", bad[i]);
        }
    }
    assert_false(schema_parse_time("1", &value));
    assert_false(schema_parse_time("1h30", &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_in_canonical_form),
        cmocka_unit_test(network_mistakes),
        cmocka_unit_test(spanning_tree_mistakes),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(what_is_not_built_yet),
        cmocka_unit_test(ports),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(hosts_and_links),
        cmocka_unit_test(types_to_come),
        cmocka_unit_test(fixed_keys),
        cmocka_unit_test(nearest_word),
        cmocka_unit_test(units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
