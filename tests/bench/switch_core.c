/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch_core PORTS MACS VLANS [tagged]: how many frames a second the forwarding decision takes, without
 * drivers: MACs behind PORTS ports in VLANS VLANs (0 = transparent), unicast between random ones
 * of the same VLAN in bursts of 32. With `tagged` frames come and go with their tags. Prints
 * frames per second.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/switch/switch.h"

#define BURST  32u
#define FRAMES 4000000u
#define ROOM   (FRAME_HEADROOM + 128u)

static uint64_t sent;

static void count(struct swport *sw, struct frame *const *frames, unsigned n)
{
    (void)sw;
    for (unsigned i = 0; i < n; i++)
        sent += frames[i]->size > 0;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static struct {
    unsigned ports, macs, vlans;
    bool tagged;
    struct swport *port;
    uint8_t bytes[BURST][ROOM];
    struct frame frames[BURST];
} b;

/* MAC i is behind port i % ports, whose VLAN is its number modulo vlans. */
static void write_mac(uint8_t *out, uint32_t i)
{
    const uint8_t mac[6] = {2, 0, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

    memcpy(out, mac, 6);
}

static unsigned vlan_of(uint32_t mac)
{
    return b.vlans ? mac % b.ports % b.vlans + 1 : 0;
}

static void make_frame(unsigned i, uint32_t src, uint32_t dst)
{
    uint8_t *data = b.bytes[i] + FRAME_HEADROOM;
    unsigned at = 12;

    write_mac(data, dst);
    write_mac(data + 6, src);
    if (b.tagged) {
        const uint8_t tag[4] = {0x81, 0, (uint8_t)(vlan_of(src) >> 8),
                                (uint8_t)vlan_of(src)};

        memcpy(data + 12, tag, 4);
        at = 16;
    }
    data[at] = 0x88;
    data[at + 1] = 0xb5;
    b.frames[i] = (struct frame){.data = data, .size = 60 + at - 12};
}

static void declare(struct swport *port, unsigned i)
{
    port->id = i + 1;
    if (b.tagged) {
        port->set.tagged = true;
        memset(port->set.trunk, 0xff, sizeof port->set.trunk);
    } else {
        port->set.vlan = (uint16_t)vlan_of(i);
    }
}

static struct switch_ *set_up(const struct swport_ops *ops)
{
    struct switch_config config = {.mtu = 1500, .seed = 42, .vlan_aware = b.vlans > 0};
    struct switch_ *sw;

    for (unsigned v = 1; v <= b.vlans; v++)
        config.vlans[v / 8] = (uint8_t)(config.vlans[v / 8] | 1u << v % 8);
    sw = switch_new(&config);
    b.port = calloc(b.ports, sizeof *b.port);
    if (!sw || !b.port)
        err(1, "no memory");
    for (unsigned i = 0; i < b.ports; i++) {
        b.port[i].ops = ops;
        b.port[i].caps = FRAME_CAP_ALL;
        b.port[i].max_frame = FRAME_SIZE_MAX;
        declare(&b.port[i], i);
        switch_add_port(sw, &b.port[i]);
    }
    for (uint32_t m = 0; m < b.macs; m++) {
        make_frame(0, m, (m + b.ports) % b.macs);
        switch_input(&b.port[m % b.ports], b.frames, 1, 0);
    }
    return sw;
}

/* Another MAC of the same VLAN, behind another port. */
static uint32_t peer_of(uint32_t src, uint64_t *seed)
{
    unsigned step = b.vlans ? b.vlans : 1;

    for (;;) {
        uint32_t dst = (src + step * (1 + next_random(seed) % (b.macs / step))) % b.macs;

        if (vlan_of(dst) == vlan_of(src) && dst % b.ports != src % b.ports)
            return dst;
    }
}

static double run(void)
{
    uint64_t seed = 7;
    mtime_t spent = 0;
    unsigned done = 0;

    while (done < FRAMES) {
        unsigned in = next_random(&seed) % b.ports;
        mtime_t start;

        for (unsigned i = 0; i < BURST; i++) {
            uint32_t src = in + b.ports * (next_random(&seed) % (b.macs / b.ports));

            make_frame(i, src, peer_of(src, &seed));
        }
        start = mtime_now();
        switch_input(&b.port[in], b.frames, BURST, 1);
        spent += mtime_now() - start;
        done += BURST;
    }
    return (double)done * 1e6 / (double)spent;
}

int main(int argc, char **argv)
{
    static const struct swport_ops ops = {.send = count};
    struct switch_ *sw;
    double rate;

    if (argc < 4)
        errx(2, "usage: switch_core PORTS MACS VLANS [tagged]");
    b.ports = (unsigned)strtoul(argv[1], NULL, 10);
    b.macs = (unsigned)strtoul(argv[2], NULL, 10);
    b.vlans = (unsigned)strtoul(argv[3], NULL, 10);
    b.tagged = argc > 4;
    if (b.ports < 2 || b.macs < b.ports)
        errx(2, "at least two ports, and a MAC behind each");
    sw = set_up(&ops);
    sent = 0;
    rate = run();
    printf("%.0f frames/s, %.1f ns each, %.3f delivered\n", rate, 1e9 / rate,
           (double)sent / FRAMES);
    for (unsigned i = 0; i < b.ports; i++)
        switch_remove_port(&b.port[i]);
    switch_free(sw);
    free(b.port);
    return 0;
}
