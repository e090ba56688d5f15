/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spanning trees of whole switches, measured with the frames of stations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/sim/tree_net.h"

#define RING 10u

/* A frame each way every millisecond, from `serial` on, for so many of them. */
static void talk(struct tn *n, unsigned a, unsigned b, uint16_t serial, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        tn_send(n, a, (int)b, (uint16_t)(serial + i));
        tn_send(n, b, (int)a, (uint16_t)(serial + i));
        tn_run(n, n->now + MTIME_MS);
    }
    tn_run(n, n->now + 20 * MTIME_MS);
}

static unsigned most_of(const struct tn_station *s)
{
    unsigned most = 0;

    for (unsigned i = 0; i < TN_SERIALS; i++)
        most = s->got[i] > most ? s->got[i] : most;
    return most;
}

static void forget(struct tn *n)
{
    for (unsigned s = 0; s < n->n_stations; s++) {
        for (unsigned i = 0; i < TN_SERIALS; i++)
            n->stations[s].got[i] = 0;
        n->stations[s].longest = 0;
        n->stations[s].last = 0;
    }
}

/* --- a ring of ten --------------------------------------------------------------------------- */

struct ring {
    struct tn *net;
    struct tn_port *links[RING]; /* i joins i and i + 1. */
};

static struct ring ring_new(void)
{
    struct ring r = {.net = tn_new()};

    for (unsigned i = 0; i < RING; i++)
        tn_switch(r.net, i ? 32768 : 4096, true);
    for (unsigned i = 0; i < RING; i++)
        r.links[i] =
            tn_link(&r.net->nodes[i], &r.net->nodes[(i + 1) % RING], 500 * MTIME_US);
    tn_run(r.net, r.net->now + 20 * MTIME_SEC);
    return r;
}

/* Whichever link is cut: a path for two opposite stations is back within 50 ms of when its ends notice,
 * and no frame comes twice. */
static void test_ring(void **state)
{
    mtime_t longest = 0;

    (void)state;
    for (unsigned cut = 0; cut < RING; cut++) {
        struct ring r = ring_new();
        unsigned a = tn_station(&r.net->nodes[2]), b = tn_station(&r.net->nodes[7]);

        talk(r.net, a, b, 0, 200);
        tn_cut(r.links[cut], true);
        tn_tell(r.links[cut], false);
        talk(r.net, a, b, 1000, 1000);
        for (unsigned s = 0; s < 2; s++) {
            const struct tn_station *st = &r.net->stations[s];

            longest = st->longest > longest ? st->longest : longest;
            assert_int_equal(most_of(st), 1);
            assert_int_equal(st->got[1999], 1);
        }
        /* Mended, it takes as little. */
        forget(r.net);
        talk(r.net, a, b, 3000, 100);
        tn_cut(r.links[cut], false);
        tn_tell(r.links[cut], true);
        talk(r.net, a, b, 4000, 1000);
        for (unsigned s = 0; s < 2; s++) {
            const struct tn_station *st = &r.net->stations[s];

            longest = st->longest > longest ? st->longest : longest;
            assert_int_equal(most_of(st), 1);
            assert_int_equal(st->got[4999], 1);
        }
        tn_free(r.net);
    }
    printf("ring of %u switches: at most %.1f ms between two frames\n", RING,
           (double)longest / 1e3);
    assert_true(longest <= 50 * MTIME_MS);
}

static uint64_t changes_of(const struct ring *r)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < RING; i++) {
        struct rstp_status s;

        assert_true(tree_get(r->net->nodes[i].tree, &s));
        all += s.tc_count;
    }
    return all;
}

/* Cut, and mended as one that was lost too often. */
static void flap(struct tn_port *link)
{
    tn_cut(link, true);
    tn_tell(link, false);
    tn_run(link->node->net, link->node->net->now + 300 * MTIME_MS);
    tn_cut(link, false);
    tn_hold(link, true);
    tn_run(link->node->net, link->node->net->now + 700 * MTIME_MS);
}

/* A link that is held comes and goes without a change of the tree, whichever of the ring it is; it takes over
 * as fast as any other when the only other way is cut, and is as before when it is held no more. */
static void test_held(void **state)
{
    mtime_t longest = 0;

    (void)state;
    for (unsigned held = 0; held < RING; held++) {
        struct ring r = ring_new();
        struct tn_port *link = r.links[held], *other = r.links[(held + RING / 2) % RING];
        unsigned a = tn_station(&r.net->nodes[(held + 3) % RING]);
        unsigned b = tn_station(&r.net->nodes[(held + 8) % RING]);
        uint64_t changes;

        flap(link);
        tn_run(r.net, r.net->now + 10 * MTIME_SEC);
        changes = changes_of(&r);
        for (unsigned i = 0; i < 50; i++)
            flap(link);
        assert_int_equal(changes_of(&r), changes);
        talk(r.net, a, b, 0, 200);
        assert_int_equal(r.net->stations[a].got[199], 1);
        assert_int_equal(r.net->stations[b].got[199], 1);
        forget(r.net);
        talk(r.net, a, b, 500, 100);
        tn_cut(other, true);
        tn_tell(other, false);
        talk(r.net, a, b, 1000, 3000);
        for (unsigned s = 0; s < 2; s++) {
            const struct tn_station *st = &r.net->stations[s];

            longest = st->longest > longest ? st->longest : longest;
            assert_int_equal(most_of(st), 1);
            assert_int_equal(st->got[3999], 1);
        }
        tn_cut(other, false);
        tn_tell(other, true);
        tn_hold(link, false);
        tn_run(r.net, r.net->now + 20 * MTIME_SEC);
        assert_int_equal(tn_status(link).rstp.path_cost, 2000);
        tn_free(r.net);
    }
    printf("a link that is held: at most %.1f ms until it is used where it is needed\n",
           (double)longest / 1e3);
    assert_true(longest <= 50 * MTIME_MS);
}

/* Down for 200 ms, up for a second. */
static void flap_wire(struct tn_port *wire)
{
    tn_set_up(wire, false);
    tn_run(wire->node->net, wire->node->net->now + 200 * MTIME_MS);
    tn_set_up(wire, true);
    tn_run(wire->node->net, wire->node->net->now + MTIME_SEC);
}

static uint64_t changes_at(const struct tn_node *node)
{
    struct rstp_status s;

    assert_true(tree_get(node->tree, &s));
    return s.tc_count;
}

/* Three switches in a triangle of wires. One whose interfaces go down again and again is taken by the tree a few
 * times and then no more, nobody is cut off, and when it stays up it is as any other after a minute. */
static void test_port_held(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *b = tn_switch(n, 8192, false);
    struct tn_node *c = tn_switch(n, 32768, false);
    struct tn_port *wire = tn_wire(a, c, MTIME_MS), *other;
    unsigned here = tn_station(a), there = tn_station(c);
    uint64_t changes;

    (void)state;
    tn_wire(a, b, MTIME_MS);
    other = tn_wire(b, c, MTIME_MS);
    tn_run(n, n->now + 20 * MTIME_SEC);
    assert_int_equal(tn_status(wire->peer).rstp.role, RSTP_ROLE_ROOT);
    for (unsigned i = 0; i < 7; i++)
        flap_wire(wire);
    changes = changes_at(c);
    assert_int_equal(c->n_events[TREE_EVENT_HELD], 5);
    for (unsigned i = 0; i < 50; i++)
        flap_wire(wire);
    assert_int_equal(changes_at(c), changes);
    assert_int_equal(tn_status(wire->peer).rstp.role, RSTP_ROLE_ALTERNATE);
    assert_true(tn_status(wire->peer).held);
    talk(n, here, there, 0, 200);
    assert_int_equal(n->stations[there].got[199], 1);
    tn_set_up(other, false); /* Where it is needed it is used. */
    talk(n, here, there, 1000, 3000);
    assert_int_equal(n->stations[there].got[3999], 1);
    assert_int_equal(most_of(&n->stations[there]), 1);
    tn_set_up(other, true);
    tn_run(n, n->now + 61 * MTIME_SEC);
    assert_false(tn_status(wire->peer).held);
    assert_int_equal(tn_status(wire->peer).rstp.role, RSTP_ROLE_ROOT);
    assert_int_equal(c->n_events[TREE_EVENT_RELEASED], 1);
    tn_free(n);
}

/* The port of an end station is never held. */
static void test_station_not_held(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *lan = tn_lan(n, false);
    struct tn_port *port = tn_wire(a, lan, MTIME_MS);

    (void)state;
    tn_run(n, n->now + 5 * MTIME_SEC);
    for (unsigned i = 0; i < 9; i++) {
        tree_set_up(a->tree, &port->sw, false, n->now);
        tree_set_up(a->tree, &port->sw, true, n->now);
        assert_int_equal(port->sw.state, SWPORT_FORWARDING);
    }
    assert_int_equal(a->n_events[TREE_EVENT_HELD], 0);
    tn_free(n);
}

/* --- direct and tree ------------------------------------------------------------------------- */

/* Hosts change one after another, and back, while a station speaks to all: nothing goes round. A frame
 * under way at the moment of a change may come once more. */
static void test_modes(void **state)
{
    enum { HOSTS = 5 };
    struct tn *n = tn_new();
    unsigned from, to;
    uint16_t serial = 0;

    (void)state;
    for (unsigned i = 0; i < HOSTS; i++)
        tn_switch(n, (uint16_t)(4096 * (i + 1)), false);
    for (unsigned i = 0; i < HOSTS; i++) {
        for (unsigned k = i + 1; k < HOSTS; k++)
            tn_link(&n->nodes[i], &n->nodes[k], 300 * MTIME_US);
    }
    from = tn_station(&n->nodes[3]);
    to = tn_station(&n->nodes[4]);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < HOSTS; i++) {
            tn_configure(&n->nodes[(i + round) % HOSTS], round % 2 == 0);
            for (unsigned k = 0; k < 100 + 900 * (i % 2); k++) {
                tn_send(n, from, -1, serial++);
                tn_run(n, n->now + MTIME_MS);
            }
        }
        for (unsigned k = 0; k < 8000; k++) {
            if (k % 10 == 0)
                tn_send(n, from, -1, serial++);
            tn_run(n, n->now + MTIME_MS);
        }
        assert_true(most_of(&n->stations[to]) <= 2);
        assert_true(most_of(&n->stations[from]) <= 1);
        assert_int_equal(n->stations[to].got[serial - 2], 1);
        assert_int_equal(n->stations[from].got[serial - 2], 0);
    }
    /* What one broadcast costs at most: each host hears it once from each other. */
    assert_true(n->n_frames < (uint64_t)serial * HOSTS * HOSTS);
    tn_free(n);
}

/* --- loop probes ----------------------------------------------------------------------------- */

/* A LAN at two hosts of a network that forwards direct: the younger port gives way, within a round trip
 * of its coming up, and comes back when the LAN leaves the other. */
static void foreign_lan(bool passes_bpdus)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *b = tn_switch(n, 8192, false);
    struct tn_node *lan = tn_lan(n, passes_bpdus);
    struct tn_port *first, *second;
    unsigned from = tn_station(lan), to = tn_station(b);

    tn_link(a, b, 500 * MTIME_US);
    first = tn_wire(a, lan, 200 * MTIME_US);
    tn_run(n, n->now + 5 * MTIME_SEC);
    second = tn_wire(b, lan, 200 * MTIME_US);
    tn_run(n, n->now + 2 * MTIME_MS);
    assert_true(tn_status(second).blocked);
    assert_int_equal(tn_status(second).blocked_by, 1);
    assert_false(tn_status(first).blocked);
    assert_int_equal(b->n_events[TREE_EVENT_PROBE_BLOCKED], 1);
    for (uint16_t i = 0; i < 20000; i++) {
        tn_send(n, from, -1, i);
        tn_run(n, n->now + MTIME_MS);
    }
    assert_int_equal(most_of(&n->stations[to]), 1);
    assert_true(tn_status(second).blocked);
    /* The LAN leaves the first host. */
    tn_unplug(first);
    tn_run(n, n->now + TREE_PROBE_LOST + TREE_PROBE_EVERY + MTIME_SEC);
    assert_false(tn_status(second).blocked);
    assert_int_equal(b->n_events[TREE_EVENT_PROBE_FREED], 1);
    forget(n);
    tn_send(n, from, -1, 5);
    tn_run(n, n->now + MTIME_SEC);
    assert_int_equal(n->stations[to].got[5], 1);
    tn_free(n);
}

static void test_foreign_lan(void **state)
{
    (void)state;
    foreign_lan(false);
    foreign_lan(true);
}

/* Where no link joins the hosts, or the tree does, the LAN is no loop, or RSTP's business. */
static void test_no_loop(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *b = tn_switch(n, 8192, false);
    struct tn_node *lan = tn_lan(n, true);
    struct tn_port *first = tn_wire(a, lan, 200), *second = tn_wire(b, lan, 200), *link;

    (void)state;
    tn_run(n, n->now + 60 * MTIME_SEC);
    assert_false(tn_status(first).blocked);
    assert_false(tn_status(second).blocked);
    /* The link comes: now it is one. */
    link = tn_link(a, b, 500 * MTIME_US);
    tn_run(n, n->now + TREE_PROBE_EVERY + 10 * MTIME_MS);
    assert_true(tn_status(first).blocked || tn_status(second).blocked);
    assert_false(tn_status(first).blocked && tn_status(second).blocked);
    /* With a tree the link and the LAN are two ways, of which one blocks. */
    tn_configure(a, true);
    tn_configure(b, true);
    tn_run(n, n->now + 60 * MTIME_SEC);
    assert_false(tn_status(first).blocked || tn_status(second).blocked);
    assert_int_equal((tn_status(first).rstp.state == RSTP_FORWARDING) +
                         (tn_status(second).rstp.state == RSTP_FORWARDING) +
                         (tn_status(link).rstp.state == RSTP_FORWARDING) +
                         (tn_status(link->peer).rstp.state == RSTP_FORWARDING),
                     3);
    tn_free(n);
}

/* Both ends of a cable in one switch; with BPDUs swallowed in between it takes a probe. */
static void test_cable(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *lan;
    struct tn_port *cable = tn_wire(a, a, 100), *p, *q;
    unsigned to = tn_station(a), from = tn_station(a);

    (void)state;
    tn_run(n, n->now + 10 * MTIME_SEC);
    assert_int_equal(tn_status(cable).rstp.role, RSTP_ROLE_DESIGNATED);
    assert_int_equal(tn_status(cable->peer).rstp.role, RSTP_ROLE_BACKUP);
    lan = tn_lan(n, false);
    p = tn_wire(a, lan, 100);
    q = tn_wire(a, lan, 100);
    tn_run(n, n->now + 10 * MTIME_MS);
    assert_true(tn_status(p).blocked != tn_status(q).blocked);
    for (uint16_t i = 0; i < 1000; i++) {
        tn_send(n, from, -1, i);
        tn_run(n, n->now + MTIME_MS);
    }
    assert_int_equal(most_of(&n->stations[to]), 1);
    tn_free(n);
}

/* What a probe has found is the tree's as soon as it sees it too: at the first BPDU, and not when the probe's
 * time is over. */
static void test_probe_then_tree(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *lan = tn_lan(n, false);
    struct tn_port *p = tn_wire(a, lan, 100), *q = tn_wire(a, lan, 100);

    (void)state;
    tn_run(n, n->now + 5 * MTIME_SEC);
    assert_true(tn_status(p).blocked != tn_status(q).blocked);
    lan->passes_bpdus = true;
    tn_run(n, n->now + 2100 * MTIME_MS); /* A hello later. */
    assert_false(tn_status(p).blocked || tn_status(q).blocked);
    assert_true((tn_status(p).rstp.state == RSTP_FORWARDING) !=
                (tn_status(q).rstp.state == RSTP_FORWARDING));
    tn_free(n);
}

/* A switch that has forgotten its neighbours begins with edge ports, and its neighbour, to whom it says nothing new, has
 * nothing to say to it: unless it is asked. */
static void test_edge_asks(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *b = tn_switch(n, 8192, false);
    struct tn_port *one, *two;

    (void)state;
    b->config.network = 2;
    tn_configure(b, false);
    one = tn_wire(a, b, 100);
    two = tn_wire(a, b, 100);
    tn_run(n, n->now + 5 * MTIME_SEC);
    assert_int_equal(tn_status(one->peer).rstp.role, RSTP_ROLE_ROOT);
    assert_int_equal(tn_status(two->peer).rstp.role, RSTP_ROLE_ALTERNATE);
    tn_restart(a, false);
    tn_run(n, n->now + 10 * MTIME_MS);
    assert_false(tn_status(one).rstp.edge || tn_status(two).rstp.edge);
    assert_int_equal(tn_status(one).rstp.state, RSTP_FORWARDING);
    assert_int_equal(tn_status(two).rstp.state, RSTP_FORWARDING);
    tn_free(n);
}

/* Each station speaks to all, so that frames go round where there is a loop. */
static void all_speak(struct tn *n, uint16_t *serial, mtime_t until)
{
    while (n->now < until) {
        for (unsigned s = 0; s < n->n_stations; s++)
            tn_send(n, s, -1, (*serial)++);
        tn_run(n, n->now + 10 * MTIME_MS);
    }
}

static void assert_all_reached(struct tn *n, uint16_t *serial)
{
    for (unsigned s = 0; s < n->n_stations; s++) {
        for (unsigned to = 0; to < n->n_stations; to++) {
            if (to == s)
                continue;
            tn_send(n, s, (int)to, ++*serial);
            tn_run(n, n->now + 10 * MTIME_MS);
            assert_int_equal(n->stations[to].got[*serial], 1);
        }
    }
}

/* A ring of three networks closes unnoticed, as where a wire comes up later than its ends: MACs move about in it
 * until the next hellos, though one of the switches has no port to shut. Afterwards all are where they are found. */
static void test_damped_in_a_ring(void **state)
{
    (void)state;
    for (unsigned closed_at = 0; closed_at < 20; closed_at++) {
        struct tn *n = tn_new();
        struct tn_node *sw[3];
        struct tn_port *late;
        uint16_t serial = 0;

        for (unsigned i = 0; i < 3; i++) {
            sw[i] = tn_switch(n, (uint16_t)(4096 * (i + 1)), false);
            sw[i]->config.network = i + 1;
            tn_configure(sw[i], false);
            tn_station(sw[i]);
        }
        tn_wire(sw[0], sw[1], 100);
        tn_wire(sw[1], sw[2], 100);
        late = tn_wire(sw[2], sw[0], 100);
        tn_cut(late, true);
        tn_run(n, n->now + 3 * MTIME_SEC + closed_at * 100 * MTIME_MS);
        tn_cut(late, false);
        all_speak(n, &serial, n->now + 3 * MTIME_SEC); /* A hello is among these. */
        tn_run(n, n->now + 3 * MTIME_SEC);
        assert_all_reached(n, &serial);
        tn_free(n);
    }
}

/* Two ports of one switch that say that they are end stations are sent nothing; when frames go round through
 * them all the same, one is blocked within as long as a probe takes. */
static void liars(bool passes_bpdus)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *lan = tn_lan(n, passes_bpdus);
    struct tn_port *p = tn_program(a, lan, 100), *q = tn_program(a, lan, 100);
    unsigned to = tn_station(a), from = tn_station(a);

    tn_run(n, n->now + 60 * MTIME_SEC);
    assert_int_equal(n->n_frames, 0);
    assert_true(p->sw.station && q->sw.station);
    tn_send(n, from, -1, 1);
    tn_run(n, n->now + 2 * MTIME_MS);
    assert_true(tn_status(p).blocked != tn_status(q).blocked ||
                (tn_status(p).rstp.state == RSTP_FORWARDING) !=
                    (tn_status(q).rstp.state == RSTP_FORWARDING));
    assert_false(p->sw.station || q->sw.station);
    assert_true(n->n_frames < 60);
    for (uint16_t i = 2; i < 20000; i++) {
        tn_send(n, from, -1, i);
        tn_run(n, n->now + MTIME_MS);
    }
    for (unsigned i = 2; i < TN_SERIALS; i++)
        assert_true(n->stations[to].got[i] <= 1);
    tn_free(n);
}

static void test_liars(void **state)
{
    (void)state;
    liars(false);
    liars(true);
}

/* --- a new switch process -------------------------------------------------------------------- */

/* Two switches with two wires between them: the second one's process is another. What remembers where
 * bridges were heard opens no loop, and stations are served at once. */
static void test_restart(void **state)
{
    struct tn *n = tn_new();
    struct tn_node *a = tn_switch(n, 4096, false), *b = tn_switch(n, 8192, false);
    unsigned from, to;

    (void)state;
    tn_wire(a, b, 200 * MTIME_US);
    tn_wire(a, b, 200 * MTIME_US);
    from = tn_station(b);
    to = tn_station(b);
    tn_run(n, n->now + 30 * MTIME_SEC);
    assert_int_equal(b->n_heard, 2);
    assert_int_equal(a->n_heard, 2);
    n->n_frames = 0;
    tn_restart(b, true);
    tn_send(n, from, -1, 1);
    tn_run(n, n->now + MTIME_MS);
    assert_int_equal(n->stations[to].got[1], 1);
    for (uint16_t i = 2; i < 2000; i++) {
        tn_send(n, from, -1, i);
        tn_run(n, n->now + MTIME_MS);
    }
    assert_int_equal(most_of(&n->stations[to]), 1);
    assert_true(n->n_frames < 3 * 2000);
    tn_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_port_held),
        cmocka_unit_test(test_station_not_held),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_foreign_lan),
        cmocka_unit_test(test_no_loop),
        cmocka_unit_test(test_cable),
        cmocka_unit_test(test_liars),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_probe_then_tree),
        cmocka_unit_test(test_edge_asks),
        cmocka_unit_test(test_damped_in_a_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
