/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan of addresses against a naive model. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "fabricd/control/plan/plan.h"

static struct addr net(const char *text)
{
    struct addr a;

    assert_true(addr_parse(text, &a));
    return a;
}

static void assert_addr(const struct addr *a, const char *expected)
{
    char text[ADDR_TEXT_SIZE];

    assert_string_equal(addr_print(a, text), expected);
}

static void test_addr_text(void **state)
{
    static const char *const good[] = {"10.1.2.3",   "10.1.2.3/24", "::/0",
                                       "fd00::1/64", "0.0.0.0/0",   "255.255.255.255/32"};
    static const char *const bad[] = {
        "",    "10.1.2",     "10.1.2.3/33", "10.1.2.3/", "x", "10.1.2.3/08", "fd00::1/129",
        "/24", "1.2.3.4/-1", "fd00::1%eth0"};
    struct addr a;
    char text[ADDR_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(addr_parse(good[i], &a));
        assert_string_equal(addr_print(&a, text), good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(addr_parse(bad[i], &a));
    a = net("::ffff:10.1.2.3/120");
    assert_addr(&a, "10.1.2.3/24");
    assert_false(addr_parse("::ffff:10.1.2.3/80", &a));
    a = net("10.1.2.3/13");
    addr_mask(&a);
    assert_addr(&a, "10.0.0.0/13");
    a = net("fdff:ffff:ffff::1/35");
    addr_mask(&a);
    assert_addr(&a, "fdff:ffff:e000::/35");
}

static void test_overlap(void **state)
{
    struct addr a = net("10.64.0.0/24"), b = net("10.64.0.128/25"), c = net("10.64.1.0/24"),
                all = net("0.0.0.0/0"), six = net("::/0");

    (void)state;
    assert_true(addr_nets_overlap(&a, &b));
    assert_true(addr_nets_overlap(&b, &a));
    assert_false(addr_nets_overlap(&a, &c));
    assert_true(addr_nets_overlap(&a, &all));
    assert_false(addr_nets_overlap(&a, &six));
}

static void add_net(struct subnets *set, const char *owner, const char *text)
{
    struct addr a = net(text);

    subnets_add(set, owner, &a);
}

static void test_pick4(void **state)
{
    struct subnets used = {0};
    struct addr out;

    (void)state;
    assert_int_equal(plan_pick4(&used, false, &out), 0);
    assert_addr(&out, "10.64.0.0/24");
    add_net(&used, "a", "10.64.0.0/24");
    add_net(&used, "b", "10.64.2.128/25");
    add_net(&used, "b", "fd00::/64");
    assert_int_equal(plan_pick4(&used, false, &out), 0);
    assert_addr(&out, "10.64.1.0/24");
    assert_int_equal(plan_pick4(&used, true, &out), 0);
    assert_addr(&out, "10.127.255.0/24");
    add_net(&used, "c", "10.64.0.0/10");
    assert_int_equal(plan_pick4(&used, false, &out), -ENOSPC);
    /* What is given back is found again. */
    subnets_drop(&used, "c");
    assert_int_equal(plan_pick4(&used, false, &out), 0);
    assert_addr(&out, "10.64.1.0/24");
    subnets_drop(&used, "a");
    assert_int_equal(plan_pick4(&used, false, &out), 0);
    assert_addr(&out, "10.64.0.0/24");
    subnets_clear(&used);
}

/* Against every pair of the table, by the plain comparison. */
static void test_subnets(void **state)
{
    static const char *const nets[] = {
        "10.0.0.0/8",     "10.64.0.0/10", "10.64.0.0/24",
        "10.64.0.128/25", "10.64.1.0/24", "192.168.0.0/16",
        "0.0.0.0/0",      "10.64.0.0/32", "255.255.255.255/32",
        "fd00::/64",      "fd00::/8",     "fd00:0:0:1::/64",
        "::/0",
    };
    const size_t n = sizeof(nets) / sizeof(nets[0]);
    struct subnets s = {0};

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct addr held = net(nets[i]);

        add_net(&s, "one", nets[i]);
        for (size_t j = 0; j < n; j++) {
            struct addr asked = net(nets[j]);
            const struct subnet *found = subnets_overlap(&s, &asked);

            assert_int_equal(found != NULL, addr_nets_overlap(&held, &asked));
            assert_true(found == NULL || strcmp(found->owner, "one") == 0);
        }
        subnets_drop(&s, "another");
        assert_int_equal(s.n, 1);
        subnets_drop(&s, "one");
        assert_int_equal(s.n, 0);
    }
    subnets_clear(&s);
}

static void test_pick6(void **state)
{
    struct addr first, again, other, vlan, moved;
    struct subnets used = {0};

    (void)state;
    assert_int_equal(plan_pick6(42, "lan1", 0, &used, &first), 0);
    assert_int_equal(plan_pick6(42, "lan1", 0, &used, &again), 0);
    assert_int_equal(plan_pick6(42, "lan2", 0, &used, &other), 0);
    assert_int_equal(plan_pick6(42, "lan1", 10, &used, &vlan), 0);
    assert_int_equal(addr_compare(&first, &again), 0);
    assert_int_equal(first.bytes[0], 0xfd);
    assert_int_equal(first.prefix, 64);
    assert_memory_equal(first.bytes, other.bytes, 6);
    assert_int_not_equal(addr_compare(&first, &other), 0);
    assert_int_not_equal(addr_compare(&first, &vlan), 0);
    subnets_add(&used, "lan1", &first);
    assert_int_equal(plan_pick6(42, "lan1", 0, &used, &moved), 0);
    assert_int_not_equal(addr_compare(&first, &moved), 0);
    assert_int_equal(plan_pick6(43, "lan1", 0, &used, &other), 0);
    assert_memory_not_equal(first.bytes, other.bytes, 6);
    subnets_clear(&used);
}

static void test_usable(void **state)
{
    static const struct {
        const char *net;
        uint32_t first, n;
    } table[] = {
        {"10.64.0.0/24", 0x0a400002, 253}, {"10.64.0.0/30", 0x0a400001, 2},
        {"10.64.0.0/29", 0x0a400002, 5},   {"10.64.0.4/31", 0x0a400004, 2},
        {"10.64.0.4/32", 0x0a400004, 1},   {"10.0.0.0/8", 0x0a000002, 16777213},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct addr a = net(table[i].net);
        struct plan_block usable = plan_usable(&a);

        assert_int_equal(usable.first, table[i].first);
        assert_int_equal(usable.n, table[i].n);
    }
}

/* Random plans: blocks never overlap, lie in the plan, and in the end every address is given. */
static void test_blocks_fill_the_plan(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 50; round++) {
        struct addr plan = addr_from_v4(0x0a500000, (uint8_t)(22 + rand() % 11));
        struct plan_block all = plan_usable(&plan), held[2048];
        uint8_t *taken = calloc(all.n, 1);
        size_t n = 0;
        uint32_t given = 0;

        while (n < 2048) {
            struct plan_block block;
            int r = plan_take_block(&plan, held, n, &block);

            if (r == -ENOSPC)
                break;
            assert_int_equal(r, 0);
            assert_in_range(block.n, 1, 256);
            for (uint32_t i = 0; i < block.n; i++) {
                assert_in_range(block.first + i, all.first, all.first + all.n - 1);
                assert_int_equal(taken[block.first + i - all.first]++, 0);
            }
            given += block.n;
            /* In any order: what comes first must not matter. */
            held[n++] = block;
            if (n > 1) {
                size_t j = (size_t)rand() % n;
                struct plan_block swap = held[j];
                held[j] = held[n - 1];
                held[n - 1] = swap;
            }
        }
        assert_int_equal(given, all.n);
        free(taken);
    }
}

/* Each host gets something, even of a small plan. */
static void test_blocks_shrink(void **state)
{
    struct addr plan = net("10.64.0.0/24");
    struct plan_block held[64];
    size_t n = 0;

    (void)state;
    while (n < 64) {
        assert_int_equal(plan_take_block(&plan, held, n, &held[n]), 0);
        assert_true(n == 0 || held[n].n <= held[n - 1].n);
        n++;
    }
    assert_int_equal(held[0].n, 253 / 16);
    assert_int_equal(held[63].n, 1);
}

struct model {
    uint32_t used[64];
    size_t n;
};

static bool model_used(const void *aux, uint32_t address)
{
    const struct model *model = aux;

    for (size_t i = 0; i < model->n; i++) {
        if (model->used[i] == address)
            return true;
    }
    return false;
}

static void test_take_addr(void **state)
{
    static const struct plan_block blocks[] = {{100, 3}, {200, 2}};
    static const uint32_t expected[] = {100, 101, 102, 200, 201};
    struct model model = {.n = 0};
    uint32_t out = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(plan_take_addr(blocks, 2, model_used, &model, &out), 0);
        assert_int_equal(out, expected[i]);
        model.used[model.n++] = out;
    }
    assert_int_equal(plan_take_addr(blocks, 2, model_used, &model, &out), -ENOSPC);
    model.used[1] = 0; /* Given back. */
    assert_int_equal(plan_take_addr(blocks, 2, model_used, &model, &out), 0);
    assert_int_equal(out, 101);
}

static void test_names(void **state)
{
    struct addr plan = net("fd42:80::/64"), a, b;
    uint8_t mac[6], again[6], other[6];

    (void)state;
    plan_mac(1, "lan1", "web", 0, mac);
    plan_mac(1, "lan1", "web", 0, again);
    assert_memory_equal(mac, again, 6);
    assert_int_equal(mac[0] & 3, 2); /* Locally administered, of one station. */
    plan_mac(1, "lan1", "web", 1, other);
    assert_memory_not_equal(mac, other, 6);
    plan_mac(2, "lan1", "web", 0, other);
    assert_memory_not_equal(mac, other, 6);
    plan_mac(1, "lan", "1web", 0, other);
    assert_memory_not_equal(mac, other, 6);
    a = plan_addr6(&plan, 1, "lan1", "web", 0);
    b = plan_addr6(&plan, 1, "lan1", "db", 0);
    assert_memory_equal(a.bytes, plan.bytes, 8);
    assert_int_equal(a.prefix, 64);
    assert_int_not_equal(addr_compare(&a, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_text),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_subnets),
        cmocka_unit_test(test_pick4),
        cmocka_unit_test(test_pick6),
        cmocka_unit_test(test_usable),
        cmocka_unit_test(test_blocks_fill_the_plan),
        cmocka_unit_test(test_blocks_shrink),
        cmocka_unit_test(test_take_addr),
        cmocka_unit_test(test_names),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
