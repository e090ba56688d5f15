/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The topologies of IEEE 802.1D-2004, figures 17-4 to 17-7, and the roles that the ports have there. Bridges stand in
 * the order of their identifiers, the best one first; LANs have letters, '.' is a LAN of the port's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/rstp_net.h"

#define BRIDGES_MAX 8u
#define LANS        26u
#define COST        10u
#define DELAY       (200 * MTIME_US)

struct figure {
    const char *name;
    struct {
        const char *lans;  /* One letter for each port, in the order of their numbers. */
        const char *roles; /* R root, D designated, A alternate, B backup. */
    } bridges[BRIDGES_MAX];
};

static const struct figure figure_4 = {
    "17-4",
    {{"abec", "DDDD"},
     {"abdf", "RADD"},
     {"cdljhg", "RADDDD"},
     {"efnmki", "RADDDD"},
     {"gi..", "RADD"},
     {"hk..", "RADD"},
     {"jm..", "RADD"},
     {"ln..", "RADD"}},
};

/* As before, with two ports of the last bridge on one LAN. */
static const struct figure figure_5 = {
    "17-5",
    {{"abec", "DDDD"},
     {"abdf", "RADD"},
     {"cdljhg", "RADDDD"},
     {"efnmki", "RADDDD"},
     {"gi..", "RADD"},
     {"hk..", "RADD"},
     {"jm..", "RADD"},
     {"lnoo", "RADB"}},
};

static const struct figure figure_6 = {
    "17-6",
    {{"abl", "DDD"},
     {"bcd", "RDD"},
     {"def", "RDD"},
     {"fgh", "RDA"},
     {"jhi", "RDD"},
     {"ljk", "RDD"}},
};

static const struct figure figure_7 = {
    "17-7",
    {{"b", "D"}, {"abdfhgec", "DRDDDDDD"}, {"ghjlnmki", "ARDDDDDD"}},
};

/* Once the second bridge prefers its port to LAN g. */
static const char *const figure_7_after = "RADDDDDD";

static char role_of(const struct net *n, unsigned bridge, unsigned port)
{
    static const char letters[] = {
        [RSTP_ROLE_DISABLED] = '-',  [RSTP_ROLE_ROOT] = 'R',   [RSTP_ROLE_DESIGNATED] = 'D',
        [RSTP_ROLE_ALTERNATE] = 'A', [RSTP_ROLE_BACKUP] = 'B',
    };
    struct rstp_port_status s;

    assert_int_equal(rstp_port_get(n->bridges[bridge].rstp, port, &s), 0);
    assert_int_equal(s.state, s.role == RSTP_ROLE_ROOT || s.role == RSTP_ROLE_DESIGNATED
                                  ? RSTP_FORWARDING
                                  : RSTP_DISCARDING);
    return letters[s.role];
}

static void settle(struct net *n)
{
    char why[256] = "";

    assert_true(net_settle(n, 30 * MTIME_SEC, 120 * MTIME_SEC));
    if (!net_is_tree(n, why, sizeof why))
        fail_msg("%s", why);
}

static void assert_roles(const struct net *n, unsigned bridge, const char *roles)
{
    char found[NET_PORTS_MAX + 1] = "";

    for (unsigned i = 0; roles[i]; i++)
        found[i] = role_of(n, bridge, i + 1);
    assert_string_equal(found, roles);
}

static unsigned segment_of(struct net *n, int *lans, char lan)
{
    if (lan == '.')
        return net_add_segment(n, DELAY);
    if (lans[lan - 'a'] < 0)
        lans[lan - 'a'] = (int)net_add_segment(n, DELAY);
    return (unsigned)lans[lan - 'a'];
}

/* A net at rest. */
static struct net *draw(const struct figure *f)
{
    struct net *n = net_new(1, BRIDGES_MAX, 2 * LANS);
    struct rstp_port_config port = rstp_port_defaults;
    int lans[LANS];

    port.path_cost = COST;
    memset(lans, -1, sizeof lans);
    for (unsigned i = 0; i < BRIDGES_MAX && f->bridges[i].lans; i++) {
        struct rstp_bridge_config bridge = rstp_bridge_defaults;

        bridge.priority = (uint16_t)(4096 * i);
        net_add_bridge(n, &bridge);
        for (const char *lan = f->bridges[i].lans; *lan; lan++)
            net_join(n, i, segment_of(n, lans, *lan), &port);
    }
    settle(n);
    return n;
}

static void assert_figure(const struct net *n, const struct figure *f)
{
    for (unsigned i = 0; i < BRIDGES_MAX && f->bridges[i].lans; i++)
        assert_roles(n, i, f->bridges[i].roles);
}

static void test_figures(void **state)
{
    const struct figure *const figures[] = {&figure_4, &figure_5, &figure_6, &figure_7};

    (void)state;
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        struct net *n = draw(figures[i]);

        print_message("figure %s\n", figures[i]->name);
        assert_figure(n, figures[i]);
        net_free(n);
    }
}

/* Of two ways to the same bridge the one by its better port is taken: the order turns with the port's priority. */
static void test_port_priority(void **state)
{
    struct net *n = draw(&figure_7);
    unsigned port =
        (unsigned)(strchr(figure_7.bridges[1].lans, 'g') - figure_7.bridges[1].lans) + 1;
    struct net_port *p = &n->bridges[1].ports[port - 1];

    (void)state;
    p->config.priority = 112;
    assert_int_equal(rstp_port_set(n->bridges[1].rstp, port, &p->config, n->now), 0);
    net_touched(n, 1);
    settle(n);
    assert_roles(n, 1, figure_7.bridges[1].roles);
    assert_roles(n, 2, figure_7_after);
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_port_priority),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
