/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fabric file in and out, cross-references, and plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

/* The mistakes of a text ("" if it is valid). */
static char *read_text(const char *text, size_t size, struct objects *out)
{
    struct diags d;
    struct node *x;
    char *mistakes;

    diags_init(&d);
    objects_init(out);
    x = node_from_yaml(text, size, "f", &d);
    if (x) {
        assert_true(fabric_file_read(x, "f", out, &d) == (d.n == 0));
    }
    mistakes = diags_print(&d);
    assert_true(!d.n || !out->n);
    diags_done(&d);
    node_free(x);
    return mistakes;
}

static void expect(const char *text, const char *expected)
{
    struct objects o;
    char *mistakes = read_text(text, strlen(text), &o);

    if (strcmp(mistakes, expected) != 0) {
        fail_msg("%s\ngave\n%s\ninstead of\n%s", text, mistakes, expected);
    }
    free(mistakes);
    objects_done(&o);
}

static struct objects objects_of(const char *text)
{
    struct objects o;
    char *mistakes = read_text(text, strlen(text), &o);

    if (*mistakes) {
        fail_msg("%s: %s", text, mistakes);
    }
    free(mistakes);
    return o;
}

static char *example(const char *name, struct objects *out)
{
    char path[512], *text = xcalloc(1, 65536), *mistakes;
    FILE *file;
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", IOTH_EXAMPLES, name);
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(text, 1, 65535, file);
    assert_int_equal(fclose(file), 0);
    mistakes = read_text(text, size, out);
    free(text);
    return mistakes;
}

static void the_smallest_file(void **state)
{
    struct objects o;
    char *mistakes = example("adhoc.yaml", &o);

    (void)state;
    assert_string_equal(mistakes, "");
    assert_int_equal(o.n, 1);
    assert_string_equal(o.list[0].name, "lan1");
    assert_int_equal(node_get_int(o.list[0].body, "mtu", 0), 1500);
    free(mistakes);
    objects_done(&o);
}

/* Everything that the campus needs and is not built, each by its name, in the file's order. */
static void a_file_ahead_of_us(void **state)
{
    struct objects o;
    char *mistakes = example("campus.yaml", &o);

    (void)state;
    assert_string_equal(mistakes, "f:22:3: routers.edge: routers are not built yet\n");
    free(mistakes);
    objects_done(&o);
}

/* The example of the contract: all of it but for what is not built, each by its name. */
static void the_contract(void **state)
{
    struct objects o;
    char *mistakes = example("contract.yaml", &o);

    (void)state;
    assert_string_equal(mistakes, "f:21:3: routers.edge: routers are not built yet\n");
    free(mistakes);
    objects_done(&o);
}

static void heads_and_keys(void **state)
{
    (void)state;
    expect("networks: {}", "f:1:1: version: is missing (1)\n");
    expect("version: 2\nfabric: X\nnetwroks: {}\n",
           "f:1:10: version: not a version that is known (1)\n"
           "f:2:9: fabric: not a name (1-63 of a-z 0-9 -, beginning with a letter)\n"
           "f:3:1: netwroks: unknown key, did you mean networks? (version, fabric, hosts, "
           "links, networks, routers, services, include)\n");
    expect("version: 1\nnetworks: [lan1]\n", "f:2:11: networks: not a map of names\n");
    expect("version: 1\nnetworks: {Lan: {}, a_b: {}}\n",
           "f:2:12: networks.Lan: not a name (1-63 of a-z 0-9 -, beginning with a letter)\n"
           "f:2:21: networks.a_b: not a name (1-63 of a-z 0-9 -, beginning with a "
           "letter)\n");
    expect("version: 1\nhosts: {all: {}}\n",
           "f:2:9: hosts.all: all is not a name of a host: it means every host\n");
    expect(
        "version: 1\ninclude: x.yaml\n",
        "f:2:1: include: files are included by who reads them (iothctl apply -f FILE)\n");
    expect("version: 1\nitems: 3\n", "f:2:8: items: not a list of objects\n");
    expect("just words", "f:1:1: not a fabric file (version: 1, networks: …)\n");
    expect("version: 1\nnetworks: {a: {mtu: 1}, b: {mtu: x, ipv4: 1}}\n",
           "f:2:21: networks.a.mtu: 1 is out of range (1280 to 9216)\n"
           "f:2:34: networks.b.mtu: not a whole number (1280 to 9216)\n"
           "f:2:43: networks.b.ipv4: not a text (an IPv4 prefix as 10.80.0.0/24, auto, "
           "none)\n");
}

static void cross_references(void **state)
{
    (void)state;
    expect(
        "version: 1\n"
        "hosts: {alpha: {}, beta: {}}\n"
        "networks:\n"
        "  office:\n"
        "    vlans: {10: staff}\n"
        "    on: [alpha, gamma]\n"
        "    ports:\n"
        "      a: {host: delta, tap: t0, access: 10}\n"
        "      b: {host: alpha, tap: t1, access: 11}\n"
        "      c: {host: alpha, tap: t1}\n"
        "  lab:\n"
        "    ports: {d: {host: beta, tap: t1, access: 10}}\n"
        "    endpoints:\n"
        "      w: {addresses: [10.64.0.2/24]}\n"
        "      x: {addresses: [\"fd00::1\", 10.64.0.2]}\n",
        "f:9:41: networks.office.ports.b.access: network office does not declare VLAN "
        "11\n"
        "f:10:10: networks.office.ports.c.access: is missing: network office has VLANs\n"
        "f:10:29: networks.office.ports.c.tap: interface t1 on host alpha is taken by "
        "port office/b\n"
        "f:12:46: networks.lab.ports.d.access: network lab declares no VLANs\n"
        "f:15:34: networks.lab.endpoints.x.addresses: 10.64.0.2 in network lab is taken by "
        "endpoint lab/w\n");
    expect(
        "version: 1\n"
        "networks:\n"
        "  office:\n"
        "    vlans: {10: staff, 20: }\n"
        "    ports:\n"
        "      a: {tap: t0, trunk: [10, 20], native: 10}\n"
        "      b: {tap: t1, trunk: [10, 30], native: 40}\n"
        "      c: {tap: t2, transparent: true}\n"
        "  lab:\n"
        "    ports:\n"
        "      d: {tap: t3, transparent: true}\n"
        "      e: {tap: t4, trunk: 10}\n",
        "f:7:32: networks.office.ports.b.trunk: network office does not declare VLAN 30\n"
        "f:7:45: networks.office.ports.b.native: network office does not declare VLAN 40\n"
        "f:8:33: networks.office.ports.c.transparent: network office has VLANs: none of "
        "its "
        "ports is transparent\n"
        "f:12:27: networks.lab.ports.e.trunk: network lab declares no VLANs\n");
    /* What failed its own check is known nevertheless. */
    expect("version: 1\n"
           "hosts: {alpha: {adress: x}}\n"
           "networks: {a: {mtu: 1, ports: {p: {host: alpha, tap: t, access: 4}}}}\n",
           "f:2:17: hosts.alpha.adress: unknown key, did you mean address? (address, "
           "labels)\n"
           "f:3:21: networks.a.mtu: 1 is out of range (1280 to 9216)\n");
    /* Hosts may be known to the fabric that the file does not declare. */
    expect("version: 1\nhosts: {alpha: {}}\n"
           "networks: {a: {on: beta, ports: {p: {host: beta, tap: t}}}}\n"
           "links: {x: {between: [alpha, beta]}}\n",
           "");
    expect("version: 1\nnetworks: {a: {on: beta}}\n", "");
    expect("version: 1\n"
           "links: {x: {between: [a, b]}, y: {between: [b, a]}}\n"
           "networks: {n: {}, m: {forwarding: direct}}\n",
           "f:2:44: links.y.between: the pair a-b is taken by link x\n");
}

static const char *forwarding_of(const struct objects *o, const char *network)
{
    for (size_t i = 0; i < o->n; i++) {
        if (strcmp(o->list[i].name, network) == 0)
            return node_get_text(o->list[i].body, "forwarding", "");
    }
    return "";
}

/* Where links are declared the tree is the default, but for a network that has none. */
static void links_make_a_tree(void **state)
{
    struct objects o =
        objects_of("version: 1\n"
                   "hosts: {a: {}, b: {}}\n"
                   "links: {x: {between: [a, b], cost: 7}}\n"
                   "networks: {n: {}, m: {forwarding: direct}, k: {stp: off}, "
                   "l: }\n");

    (void)state;
    assert_string_equal(forwarding_of(&o, "n"), "tree");
    assert_string_equal(forwarding_of(&o, "m"), "direct");
    assert_string_equal(forwarding_of(&o, "k"), "direct");
    assert_string_equal(forwarding_of(&o, "l"), "tree");
    objects_done(&o);
    o = objects_of("version: 1\nnetworks: {n: {}}\n");
    assert_string_equal(forwarding_of(&o, "n"), "direct");
    objects_done(&o);
}

/* What a file names and does not declare is the daemon's to judge; it can be told. */
static void names_from_outside(void **state)
{
    struct objects o = objects_of(
        "version: 1\n"
        "hosts: {alpha: {}}\n"
        "networks: {a: {on: [alpha, beta]}, b: {on: all, ports: {p: {host: gamma, tap: "
        "t}}}}\n"
        "links: {x: {between: [alpha, beta]}}\n"
        "services: {s: {network: lan1, host: delta, command: [sleep, inf], after: t}}\n");
    char *outside = objects_outside(&o);

    (void)state;
    assert_string_equal(outside, "network lan1, hosts beta, delta and gamma, service t");
    free(outside);
    objects_done(&o);
    o = objects_of("- {kind: port, network: lab, name: p, tap: t0}\n");
    outside = objects_outside(&o);
    assert_string_equal(outside, "network lab");
    free(outside);
    objects_done(&o);
    o = objects_of("version: 1\nnetworks: {a: {on: all}}\n");
    assert_null(objects_outside(&o));
    objects_done(&o);
}

static void objects_as_printed(void **state)
{
    struct objects o = objects_of("- {kind: network, name: lab, revision: 3, mtu: 9000}\n"
                                  "- {kind: port, network: lab, name: p, tap: t0}\n");

    (void)state;
    assert_int_equal(o.n, 2);
    assert_non_null(objects_find(&o, schema_kind("port"), "lab", "p"));
    assert_null(objects_find(&o, schema_kind("port"), NULL, "p"));
    objects_done(&o);
    o = objects_of("items:\n- {kind: host, name: alpha, number: 1, address: 192.0.2.1}\n");
    assert_int_equal(o.n, 1);
    objects_done(&o);
    o = objects_of("- {kind: port, network: lab, name: link-beta, revision: 0}\n");
    assert_int_equal(o.n, 0);
    objects_done(&o);
    expect("{kind: netwrok, name: a}",
           "f:1:8: kind \"netwrok\" is not known, did you mean network (network, port, "
           "endpoint, host, link, service)\n");
    expect("{kind: port, name: a}", "f:1:1: network is missing\n");
    expect("{kind: router, name: edge}", "f: routers.edge: routers are not built yet\n");
    expect("- {kind: host, name: a}\n- {kind: host, name: a}\n",
           "f:2:3: hosts.a: stands twice\n");
}

static const char full[] =
    "version: 1\n"
    "fabric: campus\n"
    "hosts:\n"
    "  alpha: {address: 198.51.100.1:4655}\n"
    "  beta: {}\n"
    "networks:\n"
    "  lab: {ipv4: 10.80.0.0/24, ipv6: none, mtu: 9000}\n"
    "  office:\n"
    "    vlans:\n"
    "      10: staff\n"
    "      20: {name: guests, ipv4: 10.65.0.0/24}\n"
    "    allow: uid:1000\n"
    "    on: [alpha, beta]\n"
    "    ports:\n"
    "      core: {host: alpha, tap: office0, access: 10, rate: 10M}\n"
    "    endpoints:\n"
    "      web: {vlan: 20, addresses: 10.65.0.9/24}\n";

static void written_as_read(void **state)
{
    struct objects o = objects_of(full);
    struct node *x = fabric_file_write(&o);
    char *text = node_to_yaml(x);

    (void)state;
    assert_string_equal(text, full);
    free(text);
    node_free(x);
    objects_add(&o, schema_kind("link"), NULL, "alpha-beta", node_map());
    x = fabric_file_write(&o);
    assert_string_equal(
        node_get_text(node_get(node_get(x, "networks"), "lab"), "forwarding", ""),
        "direct");
    node_free(x);
    objects_done(&o);
}

/* The plan as one text: "update network lab: mtu: 1500 -> 9000 (flap)". */
static char *plan_text(struct objects *now, struct objects *wanted, bool prune)
{
    struct plan plan;
    struct node *answer;
    const struct node *list;
    char *all = xstrdup("");

    plan_make(now, wanted, prune, &plan);
    answer = plan_to_node(&plan);
    list = node_get(answer, "steps");
    for (size_t i = 0; i < list->n; i++) {
        const struct node *s = list->child[i];
        const char *network = node_get_text(s, "network", NULL);
        char *more =
            xasprintf("%s%s %s %s%s%s: %s (%s)\n", all, node_get_text(s, "verb", ""),
                      node_get_text(s, "kind", ""), network ? network : "",
                      network ? "/" : "", node_get_text(s, "name", ""),
                      node_get_text(s, "what", ""), node_get_text(s, "impact", ""));

        free(all);
        all = more;
    }
    node_free(answer);
    plan_done(&plan);
    return all;
}

static void expect_plan(const char *now, const char *wanted, bool prune,
                        const char *expected)
{
    struct objects a = objects_of(now), b = objects_of(wanted);
    char *text = plan_text(&a, &b, prune);

    assert_string_equal(text, expected);
    free(text);
    objects_done(&a);
    objects_done(&b);
}

static void plans(void **state)
{
    (void)state;
    expect_plan(full, full, true, "");
    expect_plan("{version: 1}", "{version: 1, networks: {a: {ports: {p: {tap: t}}}}}",
                false,
                "create network a: new (live)\n"
                "create port a/p: new (live)\n");
    expect_plan(
        "{version: 1, networks: {a: {vlans: {10: x, 20: y, 30: z}, mtu: 1400}}}",
        "{version: 1, networks: {a: {vlans: {10: w, 20: y, 40: }, on: [b]}}}", false,
        "update network a: vlans.10.name: x -> w; vlans.40: added; vlans.30: removed; "
        "mtu: 1400 -> 1500; on: [all] -> [b] (destroy)\n");
    /* Nobody uses a bridge priority: without it the bridge has the default. */
    expect_plan("{version: 1, networks: {a: {stp: {priority: {b: 4096, c: 8192}}}}}",
                "{version: 1, networks: {a: {stp: {priority: {c: 8192}}}}}", false,
                "update network a: stp.priority.b: removed (live)\n");
    expect_plan("{version: 1, networks: {a: {local: true}}}",
                "{version: 1, networks: {a: }}", false,
                "update network a: local: true -> false (destroy)\n");
    /* What a service may use is set when it starts. */
    expect_plan("{version: 1, services: {s: {network: a, command: x, limits: {cpu: 10}}}}",
                "{version: 1, services: {s: {network: a, command: x, limits: {cpu: 20}}}}",
                false, "update service s: limits.cpu: 10 -> 20 (restart)\n");
}

/* What is written in another form than it is kept in is no change. */
static void the_same_in_other_words(void **state)
{
    (void)state;
    expect_plan(
        "- {kind: endpoint, network: a, name: e, addresses: [10.64.0.2/24, fd00::2/64]}",
        "- {kind: endpoint, network: a, name: e, addresses: [10.64.0.2, \"fd00:0::2\"]}",
        false, "");
    expect_plan(
        "- {kind: endpoint, network: a, name: e, addresses: [10.64.0.20/24]}",
        "- {kind: endpoint, network: a, name: e, addresses: [10.64.0.2]}", false,
        "update endpoint a/e: addresses: [10.64.0.20/24] -> [10.64.0.2] (restart)\n");
}

static void pruning(void **state)
{
    static const char now[] =
        "version: 1\n"
        "hosts: {alpha: {}, beta: {}}\n"
        "networks:\n"
        "  a: {ports: {p: {tap: t1}, q: {tap: t2}}, endpoints: {e: {}}}\n"
        "  b: {ports: {r: {tap: t3}}}\n"
        "  c: {local: true, ports: {s: {tap: t4}}}\n";

    (void)state;
    expect_plan(now, "{version: 1, networks: {a: }}", true,
                "delete port b/r: no longer declared (destroy)\n"
                "delete network b: no longer declared (destroy)\n");
    expect_plan(now, "{version: 1, networks: {a: {ports: {z: {tap: t1}}}, b: }}", true,
                "delete port a/p: no longer declared (destroy)\n"
                "delete port a/q: no longer declared (destroy)\n"
                "delete port b/r: no longer declared (destroy)\n"
                "create port a/z: new (live)\n");
    expect_plan(now, "{version: 1, networks: {a: }}", false, "");
    expect_plan(now, "{version: 1, hosts: {alpha: }}", true, "");
}

/* An object of every kind that is built has its step. */
static void no_kind_is_forgotten(void **state)
{
    struct objects now, wanted;
    struct plan plan;
    size_t n = 0;

    (void)state;
    objects_init(&now);
    objects_init(&wanted);
    for (const struct kind *k = schema_kinds; k->name; k++) {
        if (!k->later) {
            objects_add(&wanted, k, k->in_network ? "net" : NULL, "x", node_map());
            n++;
        }
    }
    plan_make(&now, &wanted, false, &plan);
    assert_int_equal(plan.n, n);
    plan_done(&plan);
    objects_done(&wanted);
}

static void resolved_values_stay(void **state)
{
    struct objects now = objects_of("{version: 1, networks: {a: , v: {vlans: {10: x}}}}");
    struct objects same = objects_of("{version: 1, networks: {a: , v: {vlans: {10: x}}}}");
    struct objects other = objects_of(
        "{version: 1, networks: {a: {vlans: {7: }}, v: {vlans: {10: {ipv4: none}}}}}");
    struct plan plan;
    char *text;

    (void)state;
    node_set_text(now.list[0].body, "ipv4", "10.64.0.0/24");
    node_set_text(now.list[0].body, "id", "0011223344556677");
    node_set_text(node_get(node_get(now.list[1].body, "vlans"), "10"), "ipv4",
                  "10.64.1.0/24");
    text = plan_text(&now, &same, true);
    assert_string_equal(text, "");
    free(text);
    plan_make(&now, &other, false, &plan);
    assert_int_equal(plan.n, 2);
    assert_string_equal(plan.list[0].what, "vlans.7: added; ipv4: 10.64.0.0/24 -> none");
    assert_string_equal(node_get_text(plan.list[0].after, "id", ""), "0011223344556677");
    assert_null(node_get(plan.list[0].after, "ipv4"));
    assert_string_equal(plan.list[1].what,
                        "vlans.10.name: x -> none; vlans.10.ipv4: 10.64.1.0/24 -> none");
    plan_done(&plan);
    objects_done(&now);
    objects_done(&same);
    objects_done(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_file),
        cmocka_unit_test(a_file_ahead_of_us),
        cmocka_unit_test(the_contract),
        cmocka_unit_test(heads_and_keys),
        cmocka_unit_test(cross_references),
        cmocka_unit_test(links_make_a_tree),
        cmocka_unit_test(names_from_outside),
        cmocka_unit_test(objects_as_printed),
        cmocka_unit_test(written_as_read),
        cmocka_unit_test(plans),
        cmocka_unit_test(the_same_in_other_words),
        cmocka_unit_test(no_kind_is_forgotten),
        cmocka_unit_test(pruning),
        cmocka_unit_test(resolved_values_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
