/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tree_core: what the spanning tree costs. Frames between two ports of a switch that has none and of one
 * that has, in turn, and the median of the ratios; then how long a port takes to leave the tree and to
 * come back with few and with many MACs learnt behind it.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/deaf_tree.h"

#define ROUNDS 15u
#define BURST  32u
#define BURSTS 30000u
#define ROOM   (FRAME_HEADROOM + 64u)

static void drop(struct swport *sw, struct frame *const *frames, unsigned n)
{
    (void)sw;
    (void)frames;
    (void)n;
}

static const struct swport_ops port_ops = {.send = drop};

struct bench {
    struct switch_ *sw;
    struct tree *tree; /* NULL = none. */
    struct swport ports[2];
};

static void set_up(struct bench *b, bool tree)
{
    const struct switch_config config = {.mtu = 1500, .seed = 7};
    const struct tree_config on = {
        .on = true, .host = 1, .mac = {2, 0, 0, 0, 0, 9}, .bridge = rstp_bridge_defaults};
    struct tree_port_config c = {.rstp = rstp_port_defaults};

    memset(b, 0, sizeof *b);
    c.rstp.admin_edge = true;
    b->sw = switch_new(&config);
    if (!b->sw)
        errx(1, "no memory");
    b->tree = tree ? tree_new(b->sw, &on, &deaf_tree, b, 0) : NULL;
    for (unsigned i = 0; i < 2; i++) {
        b->ports[i] = (struct swport){
            .ops = &port_ops, .id = i + 1, .caps = FRAME_CAP_ALL, .max_frame = 9000};
        switch_add_port(b->sw, &b->ports[i]);
        if (tree && (!b->tree || !tree_add_port(b->tree, &b->ports[i], &c, 0)))
            errx(1, "no tree");
    }
}

static void tear_down(struct bench *b)
{
    for (unsigned i = 0; i < 2; i++) {
        if (b->tree)
            tree_remove(b->tree, &b->ports[i], 0);
        switch_remove_port(&b->ports[i]);
    }
    tree_free(b->tree);
    switch_free(b->sw);
}

static void send_one(struct bench *b, unsigned in, uint32_t src, uint32_t dst)
{
    uint8_t room[ROOM] = {0};
    struct frame f = {.data = room + FRAME_HEADROOM, .size = 60};
    const uint8_t macs[12] = {
        2, 0, (uint8_t)(dst >> 16), (uint8_t)(dst >> 8), (uint8_t)dst, 1,
        2, 0, (uint8_t)(src >> 16), (uint8_t)(src >> 8), (uint8_t)src, 1};

    memcpy(f.data, macs, sizeof macs);
    switch_input(&b->ports[in], &f, 1, 0);
}

/* Frames per second of one flow in bursts. */
static double forward(struct bench *b)
{
    static uint8_t rooms[BURST][ROOM];
    struct frame frames[BURST];
    mtime_t begin;

    send_one(b, 0, 1, 2);
    send_one(b, 1, 2, 1);
    for (unsigned i = 0; i < BURST; i++) {
        const uint8_t macs[12] = {2, 0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 1};

        memcpy(rooms[i] + FRAME_HEADROOM, macs, sizeof macs);
    }
    begin = mtime_now();
    for (unsigned k = 0; k < BURSTS; k++) {
        for (unsigned i = 0; i < BURST; i++)
            frames[i] = (struct frame){.data = rooms[i] + FRAME_HEADROOM, .size = 60};
        switch_input(&b->ports[0], frames, BURST, 0);
    }
    return (double)BURST * BURSTS / (double)(mtime_now() - begin) * 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void compare(void)
{
    double ratios[ROUNDS], rate = 0;
    struct bench plain, tree;

    set_up(&plain, false);
    set_up(&tree, true);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double without = forward(&plain);

        rate = forward(&tree);
        ratios[i] = rate / without;
    }
    qsort(ratios, ROUNDS, sizeof ratios[0], by_value);
    printf("with a tree %.2f of the rate without (%.1f million frames/s)\n",
           ratios[ROUNDS / 2], rate / 1e6);
    tear_down(&plain);
    tear_down(&tree);
}

static void change(unsigned macs)
{
    double times[ROUNDS];
    struct bench b;

    set_up(&b, true);
    for (unsigned i = 0; i < ROUNDS; i++) {
        mtime_t begin;

        for (uint32_t mac = 0; mac < macs; mac++)
            send_one(&b, 0, mac, 0xffffff);
        begin = mtime_now();
        tree_set_up(b.tree, &b.ports[0], false, 0);
        tree_set_up(b.tree, &b.ports[0], true, 0);
        times[i] = (double)(mtime_now() - begin);
    }
    qsort(times, ROUNDS, sizeof times[0], by_value);
    printf("%u MACs: a port leaves the tree and comes back in %.0f us\n", macs,
           times[ROUNDS / 2]);
    tear_down(&b);
}

int main(void)
{
    compare();
    change(10);
    change(50000);
    return 0;
}
