/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RSTP on random networks. `sim_rstp` runs the kept seeds and a short matrix; `sim_rstp COUNT
 * [FIRST [KIND]]` runs that many seeds of every kind, or of one; `sim_rstp -t KIND SEED` tells what
 * happens in one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/rstp_net.h"

/*
 * What a random network is made of, and what has to hold in it. Where all wires are point-to-point,
 * lose nothing and all bridges speak RSTP, there may be no loop at any moment. The standard itself
 * permits them for a while in two cases:
 *  - STP: a CFG BPDU carries no proposal, so better news may come along two ways of which neither
 *    waits, and forward on both until they meet: no longer than a BPDU takes through the network.
 *  - Lost BPDUs: a port that hears nothing for three hellos takes its neighbour for gone, though
 *    the wire still carries frames; it is over one hello after BPDUs get through again.
 */
struct kind {
    const char *name;
    unsigned bridges; /* At most. */
    bool hubs;
    bool stp;      /* Some bridges speak STP only. */
    unsigned loss; /* Per mille, while changes go on. */
    bool silent;   /* Cuts that nobody is told of. */
    bool held;     /* Some ports are of last resort, for a while. */
    mtime_t quiet, limit;
    mtime_t loop; /* The longest a loop may last; 0 = none at all. */
};

static const struct kind kinds[] = {
    {.name = "wires", .bridges = 12, .quiet = 45 * MTIME_SEC, .limit = 300 * MTIME_SEC},
    {.name = "large", .bridges = 200, .quiet = 45 * MTIME_SEC, .limit = 300 * MTIME_SEC},
    {.name = "hubs",
     .bridges = 12,
     .hubs = true,
     .quiet = 45 * MTIME_SEC,
     .limit = 300 * MTIME_SEC},
    {.name = "stp",
     .bridges = 10,
     .stp = true,
     .quiet = 55 * MTIME_SEC,
     .limit = 400 * MTIME_SEC,
     .loop = 250 * MTIME_MS},
    {.name = "lossy",
     .bridges = 12,
     .hubs = true,
     .loss = 100,
     .silent = true,
     .quiet = 45 * MTIME_SEC,
     .limit = 300 * MTIME_SEC,
     .loop = 8 * MTIME_SEC},
    {.name = "held",
     .bridges = 12,
     .held = true,
     .quiet = 45 * MTIME_SEC,
     .limit = 300 * MTIME_SEC},
};

#define N_KINDS (sizeof kinds / sizeof kinds[0])

struct result {
    uint64_t loops;
    mtime_t loop_longest;
    mtime_t settled; /* The longest time to the last change of a role or state. */
    uint64_t bpdus;
};

/* --- random networks ------------------------------------------------------------------------- */

static struct rstp_port_config draw_port(struct net *n, const struct kind *k)
{
    struct rstp_port_config c = rstp_port_defaults;

    c.path_cost = net_draw(n, 3) ? 20000 : 1 + (uint32_t)net_draw(n, 60000);
    c.priority = (uint8_t)(net_draw(n, 4) ? 128 : 16 * net_draw(n, 16));
    c.auto_edge = net_draw(n, 2);
    c.ample = k->held; /* As links are. */
    return c;
}

static mtime_t draw_delay(struct net *n)
{
    return net_draw(n, 2) ? 1 + (mtime_t)net_draw(n, 200) : 1 + (mtime_t)net_draw(n, 20000);
}

static void join(struct net *n, const struct kind *k, unsigned bridge, unsigned segment)
{
    struct rstp_port_config c = draw_port(n, k);

    if (n->bridges[bridge].n_ports < NET_PORTS_MAX)
        net_join(n, bridge, segment, &c);
}

static void pause_a_bit(struct net *n)
{
    static const mtime_t scale[] = {10, 1000, 30 * MTIME_MS, MTIME_SEC, 4 * MTIME_SEC};

    net_run(n, n->now + (mtime_t)net_draw(n, (uint64_t)scale[net_draw(n, 5)]));
}

static void build(struct net *n, const struct kind *k, unsigned n_bridges)
{
    unsigned extra = 1 + (unsigned)net_draw(n, n_bridges);
    bool slow = net_draw(n, 2);

    for (unsigned i = 0; i < n_bridges; i++) {
        struct rstp_bridge_config c = rstp_bridge_defaults;

        c.priority = (uint16_t)(4096 * net_draw(n, 16));
        c.max_age = 40;
        c.forward_delay = 21;
        if (k->stp && net_draw(n, 3) == 0)
            c.version = RSTP_VERSION_STP;
        net_add_bridge(n, &c);
        if (i > 0) {
            unsigned s = net_add_segment(n, draw_delay(n));

            join(n, k, i, s);
            join(n, k, (unsigned)net_draw(n, i), s);
        }
        if (slow && i % 16 == 0)
            pause_a_bit(n);
    }
    for (unsigned i = 0; i < extra; i++) {
        unsigned s = net_add_segment(n, draw_delay(n));
        unsigned ends = k->hubs && net_draw(n, 2) ? 3 + (unsigned)net_draw(n, 3) : 2;

        n->segments[s].hub = ends > 2;
        for (unsigned e = 0; e < ends; e++)
            join(n, k, (unsigned)net_draw(n, n_bridges), s);
    }
}

static void change_port(struct net *n, const struct kind *k, unsigned bridge)
{
    struct net_bridge *b = &n->bridges[bridge];
    unsigned port;

    if (b->n_ports == 0)
        return;
    port = 1 + (unsigned)net_draw(n, b->n_ports);
    b->ports[port - 1].config = draw_port(n, k);
    if (k->held)
        b->ports[port - 1].config.last_resort = net_draw(n, 2);
    assert_int_equal(rstp_port_set(b->rstp, port, &b->ports[port - 1].config, n->now), 0);
    net_touched(n, bridge);
}

static void change(struct net *n, const struct kind *k)
{
    unsigned bridge = (unsigned)net_draw(n, n->n_bridges);
    unsigned segment = (unsigned)net_draw(n, n->n_segments);
    struct net_bridge *b = &n->bridges[bridge];

    switch (net_draw(n, 6)) {
    case 0:
    case 1:
        net_set_segment(n, segment, !n->segments[segment].up,
                        k->silent && net_draw(n, 2) ? NET_SILENT
                                                    : 1 + (mtime_t)net_draw(n, 20000));
        if (!k->silent) /* A link is down long enough to be noticed. */
            net_run(n, n->now + 25 * MTIME_MS);
        break;
    case 2:
        change_port(n, k, bridge);
        break;
    case 3:
        net_restart(n, bridge, net_draw(n, 2));
        break;
    case 4:
        b->config.priority = (uint16_t)(4096 * net_draw(n, 16));
        assert_int_equal(rstp_set_bridge(b->rstp, &b->config, n->now), 0);
        net_touched(n, bridge);
        break;
    default:
        join(n, k, bridge,
             n->segments[segment].n_ends == 1 ? segment
                                              : net_add_segment(n, draw_delay(n)));
        break;
    }
}

/* Every cut that nobody was told of is told, so that the trees can be compared. */
static void tell(struct net *n)
{
    net_run(n, n->now + 25 * MTIME_MS); /* What is being told already comes first. */
    for (unsigned s = 0; s < n->n_segments; s++)
        net_set_segment(n, s, n->segments[s].up, 0);
}

static const char *settle(struct net *n, const struct kind *k, struct result *r)
{
    static char why[256];
    mtime_t from = n->now;

    if (!net_settle(n, k->quiet, k->limit))
        return "does not settle";
    if (n->changed - from > r->settled)
        r->settled = n->changed - from;
    if (!net_is_tree(n, why, sizeof why))
        return why;
    if (n->looped)
        return "a loop stays";
    if (n->loop_longest > k->loop)
        return "a loop";
    return n->n_bad ? "a BPDU that is not valid, or on a port that is down" : NULL;
}

/* Runs one seed; NULL, or what is wrong. */
static const char *run_seed(const struct kind *k, uint64_t seed, struct result *r,
                            FILE *trace)
{
    struct net *n = net_new(seed, k->bridges, 3 * k->bridges + 64);
    unsigned n_bridges = 2 + (unsigned)net_draw(n, k->bridges - 1);
    unsigned changes = 1 + (unsigned)net_draw(n, 8);
    const char *why;

    n->trace = trace;
    build(n, k, n_bridges);
    why = settle(n, k, r);
    for (unsigned round = 0; !why && round < 2; round++) {
        n->loss = k->loss;
        for (unsigned i = 0; i < changes; i++) {
            change(n, k);
            pause_a_bit(n);
        }
        n->loss = 0;
        if (k->silent)
            tell(n);
        why = settle(n, k, r);
    }
    /* Nobody is further from the root than Max Age allows; such a network has no right tree. */
    if (why && net_depth(n) >= 38)
        why = NULL;
    r->loops += n->n_loops;
    r->bpdus += n->n_bpdus;
    if (n->loop_longest > r->loop_longest)
        r->loop_longest = n->loop_longest;
    net_free(n);
    return why;
}

static unsigned run_matrix(const struct kind *k, uint64_t first, uint64_t count)
{
    struct result r = {0};
    unsigned failed = 0;

    for (uint64_t seed = first; seed < first + count; seed++) {
        const char *why = run_seed(k, seed, &r, NULL);

        if (why) {
            failed++;
            printf("%s, seed %llu: %s\n", k->name, (unsigned long long)seed, why);
        }
    }
    printf("%s: %llu networks, %u wrong, %llu BPDUs, settled within %.3f s, %llu loops of "
           "at most "
           "%.3f s\n",
           k->name, (unsigned long long)count, failed, (unsigned long long)r.bpdus,
           (double)r.settled / 1e6, (unsigned long long)r.loops,
           (double)r.loop_longest / 1e6);
    return failed;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void run_short(unsigned kind, uint64_t count)
{
    assert_int_equal(run_matrix(&kinds[kind], 1, count), 0);
}

static void test_wires(void **state)
{
    (void)state;
    run_short(0, 150);
}

static void test_large(void **state)
{
    (void)state;
    run_short(1, 10);
}

static void test_hubs(void **state)
{
    (void)state;
    run_short(2, 60);
}

static void test_stp(void **state)
{
    (void)state;
    run_short(3, 60);
}

static void test_lossy(void **state)
{
    (void)state;
    run_short(4, 60);
}

static void test_last_resort(void **state)
{
    (void)state;
    run_short(5, 150);
}

/* Seeds that showed something once. */
static void test_kept(void **state)
{
    static const struct {
        unsigned kind;
        uint64_t seed;
    } kept[] = {
        {0, 213},  {0, 216},   {0, 241},  {0, 253},  {0, 262},  {0, 289}, {0, 295},
        {0, 317},  {0, 360},   {0, 362},  {0, 380},  {0, 436},  {0, 914}, {0, 1804},
        {1, 31},   {1, 32},    {2, 83},   {2, 95},   {2, 457},  {2, 462}, {2, 540},
        {2, 1559}, {2, 2306},  {2, 4092}, {3, 92},   {3, 184},  {3, 333}, {3, 343},
        {3, 348},  {3, 379},   {3, 1215}, {3, 2254}, {3, 3122}, {4, 365}, {4, 502},
        {4, 4313}, {4, 21760},
    };

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_int_equal(run_matrix(&kinds[kept[i].kind], kept[i].seed, 1), 0);
}

#define RING       10u
#define RING_DELAY MTIME_MS

/* A ring of ten at rest: segment i joins bridge i and its next. */
static struct net *ring(uint64_t seed, uint8_t hold, bool ample)
{
    struct net *n = net_new(seed, RING, RING);
    struct rstp_port_config c = rstp_port_defaults;
    char why[256];

    c.ample = ample;
    n->answer = 10 * RING_DELAY;
    for (unsigned i = 0; i < RING; i++) {
        struct rstp_bridge_config b = rstp_bridge_defaults;

        b.tx_hold_count = hold;

        b.priority = i ? 32768 : 4096;
        net_add_bridge(n, &b);
        net_add_segment(n, RING_DELAY);
    }
    for (unsigned i = 0; i < RING; i++) {
        net_join(n, i, i, &c);
        net_join(n, (i + 1) % RING, i, &c);
    }
    assert_true(net_settle(n, 30 * MTIME_SEC, 120 * MTIME_SEC));
    assert_true(net_is_tree(n, why, sizeof why));
    return n;
}

/* Whichever wire of ten is cut: all is well within a few round trips from one end to the other. */
static void test_ring(void **state)
{
    mtime_t longest = 0, longest_mend = 0;
    char why[256];

    (void)state;
    for (unsigned cut = 0; cut < RING; cut++) {
        struct net *n = ring(cut + 1, 6, false);
        mtime_t at = n->now + MTIME_SEC + (mtime_t)cut * 37 * MTIME_MS;

        net_run(n, at);
        net_set_segment(n, cut, false, 0);
        assert_true(net_settle(n, 30 * MTIME_SEC, 120 * MTIME_SEC));
        assert_true(net_is_tree(n, why, sizeof why));
        longest = n->changed - at > longest ? n->changed - at : longest;
        at = n->now;
        net_set_segment(n, cut, true, 0);
        assert_true(net_settle(n, 30 * MTIME_SEC, 120 * MTIME_SEC));
        assert_true(net_is_tree(n, why, sizeof why));
        longest_mend = n->changed - at > longest_mend ? n->changed - at : longest_mend;
        assert_int_equal(n->n_loops, 0);
        net_free(n);
    }
    printf("ring of %u, %.1f ms a wire: healed %.3f ms after a cut at most, settled %.3f "
           "ms after "
           "mending\n",
           RING, (double)RING_DELAY / 1e3, (double)longest / 1e3,
           (double)longest_mend / 1e3);
    assert_true(longest <= 3 * RING * RING_DELAY);
    assert_true(longest_mend <= 3 * RING * RING_DELAY);
}

/* How long it takes at most until all is well after a wire was cut that had come and gone so often before, whichever
 * it is. */
static mtime_t heals_after(unsigned flaps, mtime_t every, uint8_t hold, bool ample)
{
    mtime_t longest = 0;
    char why[256];

    for (unsigned cut = 0; cut < RING; cut++) {
        struct net *n = ring(cut + 1, hold, ample);
        mtime_t at;

        for (unsigned i = 0; i < flaps; i++) {
            net_set_segment(n, cut, false, 0);
            net_run(n, n->now + every / 2);
            net_set_segment(n, cut, true, 0);
            net_run(n, n->now + every / 2);
        }
        at = n->now;
        net_set_segment(n, cut, false, 0);
        assert_true(net_settle(n, 30 * MTIME_SEC, 120 * MTIME_SEC));
        assert_true(net_is_tree(n, why, sizeof why));
        longest = n->changed - at > longest ? n->changed - at : longest;
        assert_int_equal(n->n_loops, 0);
        net_free(n);
    }
    return longest;
}

static void print_burst(const char *what, mtime_t every, uint8_t hold, bool ample)
{
    printf(
        "%s, a wire that comes and goes in %.0f ms, 0 to 8 times, and is cut: healed after",
        what, (double)every / 1e3);
    for (unsigned flaps = 0; flaps <= 8; flaps++) {
        mtime_t took = heals_after(flaps, every, hold, ample);

        printf(" %.0f", (double)took / 1e3);
        if (ample || flaps == 0 || (hold == 10 && flaps == 1))
            assert_true(took <= 3 * RING * RING_DELAY);
    }
    printf(" ms\n");
}

/* Changes that follow one another closely: where ports are ample, each heals as the first does. With TxHoldCount as
 * the standard has it the count is used up by the second, with 10 by the third. */
static void test_burst(void **state)
{
    (void)state;
    for (mtime_t every = 100 * MTIME_MS; every <= 800 * MTIME_MS; every *= 8) {
        print_burst("TxHoldCount 6", every, 6, false);
        print_burst("TxHoldCount 10", every, 10, false);
        print_burst("ample ports", every, 6, true);
    }
}

/* The root dies with all its links: the other nine have a new one as fast. */
static void test_ring_root(void **state)
{
    struct net *n = ring(99, 10, false);
    mtime_t at = n->now;
    char why[256];

    (void)state;
    net_set_segment(n, 0, false, 0);
    net_set_segment(n, 0, false, 0);
    net_set_segment(n, RING - 1, false, 0);
    assert_true(net_settle(n, 30 * MTIME_SEC, 120 * MTIME_SEC));
    assert_true(net_is_tree(n, why, sizeof why));
    printf("ring of %u, root lost: healed %.3f ms after\n", RING,
           (double)(n->changed - at) / 1e3);
    assert_int_equal(n->n_loops, 0);
    assert_true(n->changed - at <= MTIME_SEC);
    net_free(n);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wires),     cmocka_unit_test(test_large),
        cmocka_unit_test(test_hubs),      cmocka_unit_test(test_stp),
        cmocka_unit_test(test_lossy),     cmocka_unit_test(test_last_resort),
        cmocka_unit_test(test_kept),      cmocka_unit_test(test_ring),
        cmocka_unit_test(test_ring_root), cmocka_unit_test(test_burst),
    };
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned failed = 0;

    if (argc == 4 && strcmp(argv[1], "-t") == 0) {
        for (unsigned i = 0; i < N_KINDS; i++) {
            struct result r = {0};
            const char *why;

            if (strcmp(kinds[i].name, argv[2]) != 0)
                continue;
            why = run_seed(&kinds[i], strtoull(argv[3], NULL, 10), &r, stdout);
            printf("%s\n", why ? why : "right");
            return why != NULL;
        }
        return 2;
    }
    if (count == 0)
        return cmocka_run_group_tests(tests, NULL, NULL);
    for (unsigned i = 0; i < N_KINDS; i++)
        if (argc < 4 || strcmp(kinds[i].name, argv[3]) == 0)
            failed += run_matrix(&kinds[i], first,
                                 kinds[i].bridges > 50 ? (count + 9) / 10 : count);
    return failed != 0;
}
