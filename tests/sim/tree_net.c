/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sim/tree_net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

#define FRAME_ROOM 64u

struct tn_event {
    struct due due;
    struct tn_port *to;   /* A frame, */
    struct tn_node *node; /* or a timer. */
    bool is_bpdu;         /* Over a link. */
    uint32_t size;
    uint8_t data[FRAME_ROOM];
};

#define STORM 2000000u /* Events at a time. */

static void add(struct tn *n, const struct tn_event *e)
{
    assert(n->agenda.n < STORM);
    agenda_add(&n->agenda, e);
}

/* --- frames ---------------------------------------------------------------------------------- */

static uint16_t serial_of(const uint8_t *data)
{
    return (uint16_t)(data[14] << 8 | data[15]);
}

static void arrive(struct tn *n, int station, const uint8_t *data)
{
    struct tn_station *s = &n->stations[station];

    if (data[12] != 0x88 || data[13] != 0xb6)
        return; /* A BPDU, or a probe. */
    if (s->last && n->now - s->last > s->longest)
        s->longest = n->now - s->last;
    s->last = n->now;
    if (s->got[serial_of(data)] < UINT8_MAX)
        s->got[serial_of(data)]++;
}

static void carry(struct tn_port *p, const void *data, uint32_t size, bool is_bpdu)
{
    struct tn *n = p->node->net;
    struct tn_event e = {.due.at = n->now + p->delay, .is_bpdu = is_bpdu, .size = size};

    assert(size <= FRAME_ROOM);
    if (p->station >= 0) {
        arrive(n, p->station, data);
        return;
    }
    if (!p->peer || p->cut)
        return;
    n->n_frames++;
    e.to = p->peer;
    memcpy(e.data, data, size);
    add(n, &e);
}

static void port_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct tn_port *p = (struct tn_port *)(void *)sw;

    for (unsigned i = 0; i < n; i++)
        carry(p, frames[i]->data, frames[i]->size, false);
}

static const struct swport_ops port_ops = {.send = port_send};

static void deliver(struct tn *n, const struct tn_event *e)
{
    uint8_t room[FRAME_HEADROOM + FRAME_ROOM];
    struct frame f = {.data = room + FRAME_HEADROOM, .size = e->size};

    if (e->to->cut || !e->to->in_switch)
        return;
    if (e->is_bpdu) {
        tree_input_link(e->to->node->tree, &e->to->sw, e->data, e->size, n->now);
        return;
    }
    memcpy(f.data, e->data, e->size);
    switch_input(&e->to->sw, &f, 1, n->now);
}

/* --- trees ----------------------------------------------------------------------------------- */

static void on_wake(void *aux, mtime_t due)
{
    struct tn_node *node = aux;
    struct tn_event e = {.due.at = due, .node = node};

    node->wake = due;
    if (due != MTIME_NEVER)
        add(node->net, &e);
}

static void on_send_link(void *aux, struct swport *sw, const void *bpdu, size_t size)
{
    (void)aux;
    carry((struct tn_port *)(void *)sw, bpdu, (uint32_t)size, true);
}

static void on_heard(void *aux, struct swport *sw)
{
    struct tn_node *node = aux;

    (void)sw;
    node->n_heard++;
}

static void on_event(void *aux, const struct swport *sw, enum tree_event event,
                     uint16_t host)
{
    struct tn_node *node = aux;

    (void)sw;
    (void)host;
    node->n_events[event]++;
}

static const struct tree_ops tree_ops = {
    .wake = on_wake, .send_link = on_send_link, .heard = on_heard, .event = on_event};

/* A LAN that passes BPDUs on does so by hand: a switch never would. */
static bool pass_on(void *aux, struct swport *in, const struct frame *f, mtime_t now)
{
    struct tn_node *node = aux;

    (void)now;
    if (!mac_is_reserved(f->data))
        return false;
    for (unsigned i = 0; node->passes_bpdus && i < TN_PORTS; i++) {
        if (node->ports[i].in_switch && &node->ports[i].sw != in)
            carry(&node->ports[i], f->data, f->size, false);
    }
    return true;
}

static struct tn_node *node_new(struct tn *n)
{
    struct tn_node *node = &n->nodes[n->n_nodes];
    const struct switch_config config = {.mtu = 1500, .seed = 7};

    assert(n->n_nodes < TN_NODES);
    node->net = n;
    node->index = n->n_nodes++;
    node->sw = switch_new(&config);
    node->wake = MTIME_NEVER;
    assert(node->sw);
    return node;
}

struct tn_node *tn_switch(struct tn *n, uint16_t priority, bool tree)
{
    struct tn_node *node = node_new(n);

    node->config = (struct tree_config){.on = true,
                                        .links = tree,
                                        .host = (uint16_t)(node->index + 1),
                                        .mac = {2, 0, 0, 0, 1, (uint8_t)(node->index + 1)},
                                        .network = 77,
                                        .bridge = rstp_bridge_defaults};
    node->config.bridge.priority = priority;
    node->tree = tree_new(node->sw, &node->config, &tree_ops, node, n->now);
    assert(node->tree);
    return node;
}

struct tn_node *tn_lan(struct tn *n, bool passes_bpdus)
{
    struct tn_node *node = node_new(n);

    node->passes_bpdus = passes_bpdus;
    node->pass = (struct switch_trap){.take = pass_on, .aux = node};
    switch_set_trap(node->sw, &node->pass);
    return node;
}

/* --- ports ----------------------------------------------------------------------------------- */

static struct tree_port_config config_of(const struct tn_port *p, bool heard)
{
    struct tree_port_config c = {
        .rstp = rstp_port_defaults, .heard = heard, .since = p->node->net->now};

    c.rstp.admin_edge = true;
    return c;
}

static struct tn_port *port_new(struct tn_node *node, bool is_link, mtime_t delay)
{
    unsigned i = 0;
    struct tn_port *p;

    while (i < TN_PORTS && node->ports[i].used)
        i++;
    assert(i < TN_PORTS);
    p = &node->ports[i];
    *p = (struct tn_port){
        .node = node, .used = true, .is_link = is_link, .station = -1, .delay = delay};
    p->sw.ops = &port_ops;
    p->sw.id = i + 1;
    p->sw.caps = FRAME_CAP_ALL;
    p->sw.max_frame = FRAME_SIZE_MAX;
    if (is_link) {
        p->sw.all_vlans = true;
        p->sw.horizon = TREE_HORIZON;
    }
    return p;
}

static void set_way(struct tn_port *p, bool alive, bool held)
{
    struct tree_way way = {.alive = alive, .answer = 10 * MTIME_MS, .held = held};

    assert(tree_set_link(p->node->tree, &p->sw, &way, p->node->net->now));
}

static void port_start(struct tn_port *p, bool heard)
{
    mtime_t now = p->node->net->now;
    struct tree_port_config c = config_of(p, heard);

    switch_add_port(p->node->sw, &p->sw);
    p->in_switch = true;
    if (!p->node->tree)
        return;
    if (p->is_link) {
        assert(tree_add_link(p->node->tree, &p->sw, (uint16_t)(p->peer->node->index + 1),
                             now));
        set_way(p, true, false);
    } else {
        assert(tree_add_port(p->node->tree, &p->sw, &c, now));
    }
}

static void port_stop(struct tn_port *p)
{
    if (p->in_switch && p->node->tree)
        tree_remove(p->node->tree, &p->sw, p->node->net->now);
    switch_remove_port(&p->sw);
    p->in_switch = false;
}

static struct tn_port *join(struct tn_node *a, struct tn_node *b, bool is_link,
                            mtime_t delay)
{
    struct tn_port *p = port_new(a, is_link, delay), *q = port_new(b, is_link, delay);

    p->peer = q;
    q->peer = p;
    port_start(p, false);
    port_start(q, false);
    return p;
}

struct tn_port *tn_wire(struct tn_node *a, struct tn_node *b, mtime_t delay)
{
    return join(a, b, false, delay);
}

struct tn_port *tn_program(struct tn_node *a, struct tn_node *lan, mtime_t delay)
{
    struct tn_port *p = port_new(a, false, delay), *q = port_new(lan, false, delay);

    p->sw.station = true;
    memcpy(p->sw.pin_mac, (uint8_t[]){2, 0, 0, 0, 3, (uint8_t)p->sw.id}, 6);
    p->peer = q;
    q->peer = p;
    port_start(p, false);
    port_start(q, false);
    return p;
}

struct tn_port *tn_link(struct tn_node *a, struct tn_node *b, mtime_t delay)
{
    return join(a, b, true, delay);
}

unsigned tn_station(struct tn_node *node)
{
    struct tn *n = node->net;
    struct tn_station *s = &n->stations[n->n_stations];

    assert(n->n_stations < TN_STATIONS);
    s->at = port_new(node, false, 1);
    s->at->station = (int)n->n_stations;
    memcpy(s->mac, (uint8_t[]){2, 0, 0, 0, 2, (uint8_t)(n->n_stations + 1)}, 6);
    port_start(s->at, false);
    return n->n_stations++;
}

void tn_cut(struct tn_port *p, bool cut)
{
    p->cut = p->peer->cut = cut;
}

void tn_tell(struct tn_port *p, bool alive)
{
    set_way(p, alive, false);
    set_way(p->peer, alive, false);
}

void tn_hold(struct tn_port *p, bool held)
{
    set_way(p, true, held);
    set_way(p->peer, true, held);
}

void tn_set_up(struct tn_port *p, bool up)
{
    tn_cut(p, !up);
    tree_set_up(p->node->tree, &p->sw, up, p->node->net->now);
    tree_set_up(p->peer->node->tree, &p->peer->sw, up, p->node->net->now);
}

void tn_unplug(struct tn_port *p)
{
    tn_cut(p, true);
    port_stop(p->peer);
    port_stop(p);
}

void tn_configure(struct tn_node *node, bool tree)
{
    node->config.links = tree;
    assert(tree_configure(node->tree, &node->config, node->net->now));
}

void tn_restart(struct tn_node *node, bool remember)
{
    const struct switch_config config = {.mtu = 1500, .seed = 7};

    for (unsigned i = 0; i < TN_PORTS; i++) {
        if (node->ports[i].in_switch)
            port_stop(&node->ports[i]);
    }
    tree_free(node->tree);
    switch_free(node->sw);
    node->sw = switch_new(&config);
    node->tree = tree_new(node->sw, &node->config, &tree_ops, node, node->net->now);
    assert(node->sw && node->tree);
    for (unsigned i = 0; i < TN_PORTS; i++) {
        struct tn_port *p = &node->ports[i];

        if (p->used)
            port_start(p, remember && p->station < 0);
    }
}

void tn_send(struct tn *n, unsigned from, int to, uint16_t serial)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct tn_station *s = &n->stations[from];
    uint8_t room[FRAME_HEADROOM + 60] = {0};
    struct frame f = {.data = room + FRAME_HEADROOM, .size = 60};

    memcpy(f.data, to < 0 ? all : n->stations[to].mac, 6);
    memcpy(f.data + 6, s->mac, 6);
    f.data[12] = 0x88;
    f.data[13] = 0xb6;
    f.data[14] = (uint8_t)(serial >> 8);
    f.data[15] = (uint8_t)serial;
    switch_input(&s->at->sw, &f, 1, n->now);
}

/* --- time ------------------------------------------------------------------------------------ */

void tn_run(struct tn *n, mtime_t until)
{
    struct tn_event e;

    while (agenda_take(&n->agenda, until, &e)) {
        if (e.due.at > n->now)
            n->now = e.due.at;
        if (!e.node)
            deliver(n, &e);
        else if (e.node->wake == e.due.at)
            tree_run(e.node->tree, n->now);
    }
    n->now = until;
}

struct tree_port_status tn_status(const struct tn_port *p)
{
    struct tree_port_status s;

    tree_get_port(p->node->tree, &p->sw, &s);
    return s;
}

struct tn *tn_new(void)
{
    struct tn *n = xcalloc(1, sizeof *n);

    n->agenda.size = sizeof(struct tn_event);
    n->now = 1000 * MTIME_SEC;
    return n;
}

void tn_free(struct tn *n)
{
    for (unsigned i = 0; i < n->n_nodes; i++) {
        for (unsigned k = 0; k < TN_PORTS; k++) {
            if (n->nodes[i].ports[k].in_switch)
                port_stop(&n->nodes[i].ports[k]);
        }
        tree_free(n->nodes[i].tree);
        switch_free(n->nodes[i].sw);
    }
    agenda_free(&n->agenda);
    free(n);
}
