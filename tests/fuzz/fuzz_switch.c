/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The forwarding path with whatever frames and metadata. The input is a byte of options and then
 * frames: ingress port, tag control information (for the link), size, a virtio header, bytes. An
 * ingress of OPERATION or more sets a state, flushes, or changes a trunk instead.
 *
 * Invariants: a port gets only what it takes (size, offloads), never by the port that the frame
 * came by, never across VLANs or within the horizon group, and all bytes that it is given are
 * readable.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/switch/switch.h"
#include "proto/base/cur.h"
#include "proto/wire/vnet.h"

#define N_PORTS   7u
#define OPERATION 240u
#define TRUNK     5u /* And those behind it. */

struct fuzz_port {
    struct swport sw; /* First. */
    unsigned index;
};

static struct fuzz_port ports[N_PORTS];
static unsigned ingress;
static bool aware;
static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static unsigned tag_of(const struct frame *f)
{
    return (unsigned)f->data[12] << 8 | f->data[13];
}

/* Untagged of the native VLAN, or tagged of one that the trunk carries. */
static void check_trunk(const struct fuzz_port *p, const struct frame *f)
{
    uint16_t vid;

    if (tag_of(f) != 0x8100) {
        must(p->sw.set.vlan && (f->tci & FRAME_TCI_VID) == p->sw.set.vlan);
        return;
    }
    must(f->size >= 18 && f->tci == 0);
    vid = (uint16_t)((unsigned)(f->data[14] & 15) << 8 | f->data[15]);
    must(swport_vlan_has(p->sw.set.trunk, vid) || vid == p->sw.set.vlan);
}

static void check_frame(const struct fuzz_port *p, const struct frame *f)
{
    uint8_t sum = 0;

    must(f->size >= FRAME_SIZE_MIN);
    if (!p->sw.caps)
        must(f->gso == FRAME_GSO_NONE && !(f->flags & FRAME_NEEDS_CSUM));
    if (f->gso == FRAME_GSO_NONE)
        must(f->size <= p->sw.max_frame);
    if (p->sw.is_mirror) /* It may see everything. */
        must(p->sw.set.tagged || p->index == 0);
    else if (p->sw.set.tagged)
        check_trunk(p, f);
    else if (aware && !p->sw.all_vlans)
        must((f->tci & FRAME_TCI_VID) == p->sw.set.vlan && tag_of(f) != 0x8100);
    must(p->sw.state == SWPORT_FORWARDING);
    for (uint32_t i = 0; i < f->size; i++)
        sum = (uint8_t)(sum + f->data[i]);
    /* Drivers write their headers in front. */
    memset(f->data - VNET_HDR_SIZE, 0, VNET_HDR_SIZE);
    sink = sum;
}

static void take(struct swport *sw, struct frame *const *frames, unsigned n)
{
    const struct fuzz_port *p = (const struct fuzz_port *)(void *)sw;

    must(n >= 1 && n <= FRAME_BURST);
    must(p->index != ingress);
    must(!sw->horizon || sw->horizon != ports[ingress].sw.horizon);
    for (unsigned i = 0; i < n; i++)
        check_frame(p, frames[i]);
}

static size_t little_room(struct swport *sw)
{
    (void)sw;
    return 4096;
}

/* 10 and 20 with 10 native, or 20 and 30 without. */
static void set_trunk(struct swport_settings *set, unsigned sort)
{
    *set = (struct swport_settings){.tagged = aware, .isolated = sort & 1};
    if (!aware)
        return;
    set->vlan = sort & 1 ? 10 : 0;
    swport_vlan_add(set->trunk, 20);
    swport_vlan_add(set->trunk, sort & 1 ? 10 : 30);
    set->guards = sort & 2 ? 7 : 0;
    set->macs_max = sort & 4 ? 2 : 0;
    memcpy(set->mirror, sort & 16 ? "first" : "", sort & 16 ? 6 : 1);
    set->storm[SWPORT_BROADCAST].rate = sort & 8 ? 10 : 0;
    set->storm[SWPORT_UNKNOWN].rate = sort & 8 ? 1000 : 0;
    set->storm[SWPORT_UNKNOWN].in_bits = sort & 8;
}

/* 0 takes everything; 1 takes plain frames only; 2 is pinned and has little room; 3 and 4 are
 * links, 5 and 6 trunks. */
static void add_ports(struct switch_ *sw)
{
    static const struct swport_ops ops = {.send = take};
    static const struct swport_ops held_ops = {.send = take, .room = little_room};

    memset(ports, 0, sizeof ports);
    for (unsigned i = 0; i < N_PORTS; i++) {
        ports[i].index = i;
        ports[i].sw.ops = i == 2 ? &held_ops : &ops;
        ports[i].sw.caps = i == 1 ? 0 : FRAME_CAP_ALL;
        ports[i].sw.max_frame = i == 1 ? 1514 : FRAME_SIZE_MAX;
        ports[i].sw.set.vlan = aware ? 10 : 0;
        if (i >= TRUNK) {
            set_trunk(&ports[i].sw.set, i);
        } else if (i >= 3) {
            ports[i].sw.set.vlan = 0;
            ports[i].sw.all_vlans = true;
            ports[i].sw.horizon = 1;
        }
    }
    ports[0].sw.name = "first";
    ports[2].sw.pinned = true;
    memcpy(ports[2].sw.pin_mac, (uint8_t[]){2, 0, 0, 0, 0, 2}, 6);
    ports[2].sw.pin_addrs[0].family = 4;
    memcpy(ports[2].sw.pin_addrs[0].addr, (uint8_t[]){10, 64, 0, 2}, 4);
    ports[2].sw.n_pin_addrs = 1;
    for (unsigned i = 0; i < N_PORTS; i++)
        switch_add_port(sw, &ports[i].sw);
}

/* What a control process or a spanning tree does meanwhile. False at the end. */
static bool operate(struct cur *c)
{
    uint8_t what = cur_u8(c), how = cur_u8(c);
    struct swport *port = &ports[what % N_PORTS].sw;
    struct swport_settings set;

    if (what < 64) {
        switch_set_port_state(port, (enum swport_state)(how % 3));
    } else if (what < 128) {
        switch_flush_port(port);
    } else if (port->set.tagged) {
        set_trunk(&set, how);
        switch_set_port(port, &set);
    }
    return !c->bad;
}

/* Reads one frame into memory of its own, so that a step outside is seen. False at the end. */
static bool read_frame(struct cur *c, struct frame *f, uint8_t **memory)
{
    uint8_t header[VNET_HDR_SIZE];
    uint32_t size;
    uint16_t tci;

    *memory = NULL;
    f->size = 0;
    ingress = cur_u8(c);
    if (ingress >= OPERATION)
        return operate(c);
    ingress %= N_PORTS;
    tci = cur_u16(c);
    size = cur_u16(c);
    cur_copy(c, header, sizeof header);
    if (c->bad)
        return false;
    if (size > cur_left(c))
        size = (uint32_t)cur_left(c);
    *memory = malloc(FRAME_HEADROOM + (size_t)size);
    if (!*memory)
        return false;
    *f = (struct frame){.data = *memory + FRAME_HEADROOM, .size = size};
    cur_copy(c, f->data, size);
    if (vnet_decode(header, f) < 0)
        f->size = 0;
    f->tci = ingress == 3 || ingress == 4 ? tci : 0;
    return true;
}

static void feed(struct cur *c)
{
    struct frame f;
    uint8_t *memory;
    mtime_t now = 0;

    while (read_frame(c, &f, &memory)) {
        struct swport *in = &ports[ingress % N_PORTS].sw;
        struct swport *blocked;

        now += MTIME_MS;
        if (f.size) {
            if (switch_input_held(in, &f, 1, now, &blocked) == 0)
                switch_input(in, &f, 1, now);
        }
        free(memory);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    struct switch_config config = {.mtu = 1500, .fdb_room = 8};
    struct switch_ *sw;
    uint8_t options = cur_u8(&c);

    aware = options & 1;
    config.mtu = options & 2 ? 9216 : 1500;
    config.vlan_aware = aware;
    config.snooping = options & 4;
    config.querier = options & 8;
    config.suppression = options & 16;
    for (uint16_t vid = 10; vid <= 30; vid = (uint16_t)(vid + 10))
        swport_vlan_add(config.vlans, vid);
    sw = switch_new(&config);
    if (!sw)
        return 0;
    add_ports(sw);
    switch_put_neighbor(sw, (uint8_t[]){2, 0, 0, 0, 0, 2}, aware ? 10 : 0,
                        &(struct neighbor_addr){4, {10, 64, 0, 2}}, 1);
    feed(&c);
    for (unsigned i = 0; i < N_PORTS; i++)
        switch_remove_port(&ports[i].sw);
    switch_free(sw);
    return 0;
}
