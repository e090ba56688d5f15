/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `iothctl run` makes of its options; names a node finds; what the daemon says of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "ctl/run/plan.h"
#include "libioth/netns/netns.h"
#include "libioth/node/lookup.h"
#include "libioth/node/names.h"

static const struct option_row rows[] = {
    {.name = "net"},   {.name = "name"}, {.name = "ip"},   {.name = "mac"},
    {.name = "stack"}, {.name = "rate"}, {.name = "root"}, {.name = NULL},
};

/* "net=lan1 ip=10.0.0.1 root" as the grammar would give it, with the program `true`. */
static void given(struct args *args, const char *text)
{
    static char buffer[512];
    static char program[] = "true";
    static char *rest[] = {program, NULL};
    char *save = NULL;

    memset(args, 0, sizeof *args);
    args->rest = rest;
    args->n_rest = 1;
    args->has_rest = true;
    (void)snprintf(buffer, sizeof buffer, "%s", text);
    for (char *word = strtok_r(buffer, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        struct given *g = &args->given[args->n_given++];

        if (value)
            *value++ = '\0';
        for (g->option = rows; strcmp(g->option->name, word) != 0;)
            g->option++;
        g->value = value;
    }
}

static int read_plan(const char *text, struct run_plan *plan)
{
    struct args *args = malloc(sizeof *args);
    struct err err = {.why = ""};
    int r;

    assert_non_null(args);
    given(args, text);
    r = run_plan_read(args, plan, &err);
    if (r)
        assert_true(err.why[0]);
    free(args);
    return r;
}

static void test_simple(void **state)
{
    struct run_plan plan;

    (void)state;
    assert_int_equal(read_plan("net=lan1", &plan), 0);
    assert_int_equal(plan.n_nets, 1);
    assert_string_equal(plan.nets[0].network, "lan1");
    assert_int_equal(plan.nets[0].vlan, 0);
    assert_string_equal(plan.name, "");
    assert_false(plan.root);
    assert_string_equal(plan.argv[0], "true");
}

static void test_everything(void **state)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0xaa, 1};
    static const uint8_t four[4] = {10, 9, 8, 7};
    struct run_plan plan;

    (void)state;
    assert_int_equal(
        read_plan("net=a:10 ip=10.9.8.7/16 ip=fd00::1 net=b mac=02:00:00:00:AA:01 "
                  "ip=10.1.1.1 name=web rate=10M root stack=netns",
                  &plan),
        0);
    assert_int_equal(plan.n_nets, 2);
    assert_int_equal(plan.nets[0].vlan, 10);
    assert_int_equal(plan.nets[0].n_addrs, 2);
    assert_int_equal(plan.nets[0].addrs[0].family, 4);
    assert_int_equal(plan.nets[0].addrs[0].prefix, 16);
    assert_memory_equal(plan.nets[0].addrs[0].addr, four, sizeof four);
    assert_int_equal(plan.nets[0].addrs[1].family, 6);
    assert_int_equal(plan.nets[0].addrs[1].prefix, 255);
    assert_int_equal(plan.nets[1].n_addrs, 1);
    assert_memory_equal(plan.nets[1].mac, mac, sizeof mac);
    assert_string_equal(plan.name, "web");
    assert_int_equal(plan.rate, 10000000);
    assert_true(plan.root);
    /* Without a name, twice on one network is two endpoints. */
    assert_int_equal(read_plan("net=office:10 net=office:20", &plan), 0);
    /* Before any --net: the first one's. */
    assert_int_equal(read_plan("ip=10.1.1.1 net=a net=b", &plan), 0);
    assert_int_equal(plan.nets[0].n_addrs, 1);
    assert_int_equal(plan.nets[1].n_addrs, 0);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "name=web",
        "net=",
        "net=Lan",
        "net=1lan",
        "net=lan_1",
        "net=lan:0",
        "net=lan:4095",
        "net=lan:",
        "net=lan:x",
        "net=lan ip=10.0.0",
        "net=lan ip=10.0.0.1/33",
        "net=lan ip=10.0.0.1/",
        "net=lan ip=fd00::1/129",
        "net=lan ip=fd00::1/64x",
        "net=lan mac=02:00:00:00:00",
        "net=lan mac=01:00:00:00:00:01",
        "net=lan mac=00:00:00:00:00:00",
        "net=lan mac=02:00:00:00:00:0g",
        "net=lan mac=02.00.00.00.00.01",
        "net=lan name=-x",
        "net=lan name=Web",
        "net=lan name=a234567890123456789012345678901234567890123456789012345678901234",
        "net=lan stack=kernel",
        "net=lan rate=0",
        "net=lan rate=10X",
        "net=lan rate=-1",
        "net=lan ip=::1 ip=::2 ip=::3 ip=::4 ip=::5 ip=::6 ip=::7 ip=::8 ip=::9",
        "net=a net=b net=c net=d net=e net=f net=g net=h net=i",
        "net=office:10 net=lan net=office:20 name=web",
    };
    struct run_plan plan = {.n_nets = 77};

    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_plan(bad[i], &plan) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(plan.n_nets, 77);
    }
    assert_int_equal(read_plan("net=lan stack=lwip root", &plan), -EINVAL);
    assert_int_equal(read_plan("net=lan stack=lwip", &plan), 0);
    assert_true(plan.lwip);
    assert_string_equal(plan.stack, "lwip");
    assert_int_equal(read_plan("net=lan stack=lwip,rcvbuf=64K,rate=10M", &plan), 0);
    assert_true(plan.lwip);
    assert_string_equal(plan.stack, "lwip,rcvbuf=64K,rate=10M");
    assert_int_equal(read_plan("net=lan stack=lwip,rcvbuf=1", &plan), -EINVAL);
    assert_int_equal(read_plan("net=lan stack=lwipx", &plan), -EINVAL);
    assert_int_equal(read_plan("net=lan stack=netns,rate=1M", &plan), -EINVAL);
    assert_int_equal(read_plan("net=lan stack=netns", &plan), 0);
    assert_false(plan.lwip);
}

static void test_rates(void **state)
{
    uint64_t rate = 0;

    (void)state;
    assert_true(run_rate_read("1000", &rate));
    assert_int_equal(rate, 1000);
    assert_true(run_rate_read("64k", &rate));
    assert_int_equal(rate, 64000);
    assert_true(run_rate_read("1.5G", &rate));
    assert_int_equal(rate, 1500000000);
    assert_true(run_rate_read("10Mbit/s", &rate));
    assert_int_equal(rate, 10000000);
    assert_false(run_rate_read("", &rate));
    assert_false(run_rate_read("nan", &rate));
    assert_false(run_rate_read("1e99", &rate));
    assert_false(run_rate_read("10Mb", &rate));
}

static void test_nsswitch(void **state)
{
    char out[256];

    (void)state;
    assert_true(
        names_nsswitch("passwd: files systemd\n  hosts: files mdns4_minimal resolve dns\n"
                       "networks: files",
                       out, sizeof out));
    assert_string_equal(out, "passwd: files systemd\nnetworks: files\nhosts: files dns\n");
    assert_true(names_nsswitch("", out, sizeof out));
    assert_string_equal(out, "hosts: files dns\n");
    assert_int_equal(names_nsswitch("passwd: files\n", out, 24), 0);
}

static int read_body(const char *body, struct answer_result *out)
{
    memset(out, 0, sizeof *out);
    return lookup_read(body, strlen(body), out);
}

static void test_lookup_read(void **state)
{
    struct answer_result out;
    char many[2048];
    size_t size = 0;

    (void)state;
    assert_int_equal(read_body("{\"found\":true,\"answers\":[\"10.64.0.2\"]}", &out), 0);
    assert_true(out.found);
    assert_int_equal(out.n, 1);
    assert_string_equal(out.texts[0], "10.64.0.2");
    assert_int_equal(read_body("{\"found\":false,\"answers\":[]}", &out), 0);
    assert_false(out.found);
    assert_int_equal(read_body("{\"found\":1,\"answers\":[]}", &out), -EPROTO);
    assert_int_equal(read_body("{\"found\":true,\"answers\":[1]}", &out), -EPROTO);
    assert_int_equal(read_body("{\"found\":true}", &out), -EPROTO);
    assert_int_equal(read_body("[]", &out), -EPROTO);
    assert_int_equal(read_body("{", &out), -EPROTO);
    size += (size_t)snprintf(many, sizeof many, "{\"found\":true,\"answers\":[\"1\"");
    for (unsigned i = 0; i < 100; i++)
        size += (size_t)snprintf(many + size, sizeof many - size, ",\"1\"");
    (void)snprintf(many + size, sizeof many - size, "]}");
    assert_int_equal(read_body(many, &out), 0);
    assert_int_equal(out.n, ANSWER_MAX);
}

static void test_subids(void **state)
{
    char path[] = "/tmp/test_subids.XXXXXX";
    static const char text[] = "alice:100000:65536\nbroken\nbob:1:\n1000:200000:1000\n";
    int fd = mkstemp(path);
    unsigned long first = 0, count = 0;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_int_equal(netns_subids(path, "alice", 7, &first, &count), 0);
    assert_int_equal(first, 100000);
    assert_int_equal(count, 65536);
    assert_int_equal(netns_subids(path, NULL, 1000, &first, &count), 0);
    assert_int_equal(first, 200000);
    assert_int_equal(netns_subids(path, "bob", 7, &first, &count), -ENOENT);
    assert_int_equal(netns_subids(path, "ali", 7, &first, &count), -ENOENT);
    unlink(path);
    assert_int_equal(netns_subids(path, "alice", 7, &first, &count), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple),   cmocka_unit_test(test_everything),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_rates),
        cmocka_unit_test(test_nsswitch), cmocka_unit_test(test_lookup_read),
        cmocka_unit_test(test_subids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
