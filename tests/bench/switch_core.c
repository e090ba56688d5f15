/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch_core CASE [CASE…]: how long the forwarding decision takes for a frame, without drivers. A case is
 * PORTS/MACS/VLANS[/tagged][/tree]: MACs behind PORTS ports in VLANS VLANs (0 = transparent), unicast
 * between random ones of the same VLAN in bursts of 32. With `tagged` all ports are trunks, and frames
 * come and go with their tags; with `tree` a spanning tree has the ports. The cases run in turns; printed are the
 * medians of the turns, and of the ratios to the first case in the same turn.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/deaf_tree.h"

#define BURST     32u
#define TURNS     41u
#define BURSTS    6000u /* Of a turn. */
#define CASES_MAX 8u
#define ROOM      (FRAME_HEADROOM + 128u)

struct bench {
    unsigned ports, macs, vlans;
    bool tagged, tree;
    struct switch_ *sw;
    struct tree *stp;
    struct swport *port;
    uint64_t seed;
    double ns[TURNS], ratio[TURNS]; /* Of a frame; to the first case. */
};

static uint8_t bytes[BURST][ROOM];
static struct frame frames[BURST];
static uint64_t sent;

static void count(struct swport *sw, struct frame *const *out, unsigned n)
{
    (void)sw;
    for (unsigned i = 0; i < n; i++)
        sent += out[i]->size > 0;
}

static const struct swport_ops port_ops = {.send = count};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* MAC i is behind port i % ports. */
static void write_mac(uint8_t *out, uint32_t i)
{
    const uint8_t mac[6] = {2, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

    memcpy(out, mac, 6);
}

/* That of its port; behind a trunk are MACs of all VLANs. */
static unsigned vlan_of(const struct bench *b, uint32_t mac)
{
    if (!b->vlans)
        return 0;
    return (b->tagged ? mac / b->ports : mac % b->ports) % b->vlans + 1;
}

static void make_frame(const struct bench *b, unsigned i, uint32_t src, uint32_t dst)
{
    uint8_t *data = bytes[i] + FRAME_HEADROOM;
    unsigned at = 12;

    write_mac(data, dst);
    write_mac(data + 6, src);
    if (b->tagged) {
        const uint8_t tag[4] = {0x81, 0, (uint8_t)(vlan_of(b, src) >> 8),
                                (uint8_t)vlan_of(b, src)};

        memcpy(data + 12, tag, 4);
        at = 16;
    }
    data[at] = 0x88;
    data[at + 1] = 0xb5;
    frames[i] = (struct frame){.data = data, .size = 60 + at - 12};
}

static void add_port(struct bench *b, unsigned i)
{
    struct swport *port = &b->port[i];
    struct tree_port_config config = {.rstp = rstp_port_defaults};

    port->ops = &port_ops;
    port->caps = FRAME_CAP_ALL;
    port->max_frame = FRAME_SIZE_MAX;
    port->id = i + 1;
    if (b->tagged) {
        port->set.tagged = true;
        memset(port->set.trunk, 0xff, sizeof port->set.trunk);
    } else {
        port->set.vlan = (uint16_t)vlan_of(b, i);
    }
    switch_add_port(b->sw, port);
    config.rstp.admin_edge = true;
    if (b->tree && !tree_add_port(b->stp, port, &config, 0))
        errx(1, "the tree has no room for the port");
}

static void set_up(struct bench *b)
{
    const struct tree_config tree = {
        .on = true, .host = 1, .mac = {2, 0, 0, 0, 0, 9}, .bridge = rstp_bridge_defaults};
    struct switch_config config = {.mtu = 1500, .seed = 42, .vlan_aware = b->vlans > 0};

    for (unsigned v = 1; v <= b->vlans; v++)
        swport_vlan_add(config.vlans, (uint16_t)v);
    b->seed = 7;
    b->sw = switch_new(&config);
    b->port = calloc(b->ports, sizeof *b->port);
    b->stp = b->sw && b->tree ? tree_new(b->sw, &tree, &deaf_tree, NULL, 0) : NULL;
    if (!b->sw || !b->port || (b->tree && !b->stp))
        errx(1, "no memory");
    for (unsigned i = 0; i < b->ports; i++)
        add_port(b, i);
    for (uint32_t m = 0; m < b->macs; m++) {
        make_frame(b, 0, m, (m + b->ports) % b->macs);
        switch_input(&b->port[m % b->ports], frames, 1, 0);
    }
}

static void tear_down(struct bench *b)
{
    for (unsigned i = 0; i < b->ports; i++) {
        if (b->stp)
            tree_remove(b->stp, &b->port[i], 0);
        switch_remove_port(&b->port[i]);
    }
    tree_free(b->stp);
    switch_free(b->sw);
    free(b->port);
}

/* Another MAC of the same VLAN, behind another port. */
static uint32_t peer_of(struct bench *b, uint32_t src)
{
    unsigned vlans = b->vlans ? b->vlans : 1, behind = b->macs / b->ports;

    for (;;) {
        uint32_t port = src % b->ports, place = src / b->ports, dst;

        if (b->tagged) {
            port = next_random(&b->seed) % b->ports;
            place = (place + vlans * (next_random(&b->seed) % behind)) % behind;
        } else {
            port = (port + vlans * (next_random(&b->seed) % b->ports)) % b->ports;
            place = next_random(&b->seed) % behind;
        }
        dst = place * b->ports + port;
        if (vlan_of(b, dst) == vlan_of(b, src) && port != src % b->ports)
            return dst;
    }
}

/* One turn: nanoseconds of a frame. */
static double run(struct bench *b)
{
    uint64_t spent = 0, before = sent;

    for (unsigned k = 0; k < BURSTS; k++) {
        unsigned in = next_random(&b->seed) % b->ports;
        uint64_t start;

        for (unsigned i = 0; i < BURST; i++) {
            uint32_t src = in + b->ports * (next_random(&b->seed) % (b->macs / b->ports));

            make_frame(b, i, src, peer_of(b, src));
        }
        start = now_ns();
        switch_input(&b->port[in], frames, BURST, 1);
        spent += now_ns() - start;
    }
    if (sent - before != (uint64_t)BURSTS * BURST)
        errx(1, "frames got lost");
    return (double)spent / (BURSTS * BURST);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool read_case(struct bench *b, const char *text)
{
    int n = 0;

    if (sscanf(text, "%u/%u/%u%n", &b->ports, &b->macs, &b->vlans, &n) != 3)
        return false;
    text += n;
    b->tagged = strncmp(text, "/tagged", 7) == 0;
    text += b->tagged ? 7 : 0;
    b->tree = strcmp(text, "/tree") == 0;
    return (b->tree || !*text) && b->ports >= 2 && b->macs >= b->ports &&
           (b->tagged ? b->vlans > 0 : b->ports >= 2 * b->vlans);
}

int main(int argc, char **argv)
{
    static struct bench cases[CASES_MAX];
    unsigned n = (unsigned)argc - 1;

    for (unsigned i = 0; i < n && i < CASES_MAX; i++) {
        if (!read_case(&cases[i], argv[i + 1]))
            errx(2,
                 "%s: PORTS/MACS/VLANS[/tagged][/tree] is wanted, a MAC for each port, "
                 "two ports for each VLAN where they are no trunks",
                 argv[i + 1]);
        set_up(&cases[i]);
    }
    if (!n || n > CASES_MAX)
        errx(2, "usage: switch_core CASE... (at most %u)", CASES_MAX);
    for (unsigned t = 0; t < TURNS; t++) {
        for (unsigned i = 0; i < n; i++) {
            cases[i].ns[t] = run(&cases[i]);
            cases[i].ratio[t] = cases[i].ns[t] / cases[0].ns[t];
        }
    }
    for (unsigned i = 0; i < n; i++) {
        qsort(cases[i].ns, TURNS, sizeof(double), by_value);
        qsort(cases[i].ratio, TURNS, sizeof(double), by_value);
        printf(
            "%-24s %6.1f ns a frame, %.2f of the first's (9 of 10 turns: %.1f to %.1f)\n",
            argv[i + 1], cases[i].ns[TURNS / 2], cases[i].ratio[TURNS / 2],
            cases[i].ns[TURNS / 20], cases[i].ns[TURNS - 1 - TURNS / 20]);
        tear_down(&cases[i]);
    }
    return 0;
}
