/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports of the switch as ports of the engine, and the engine's effects on the switch. */
#include "fabricd/tree/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/tree/tree_internal.h"
#include "proto/wire/mac.h"

const char *tree_event_name(enum tree_event event)
{
    static const char *const names[] = {
        [TREE_EVENT_ROOT] = "root",
        [TREE_EVENT_TOPOLOGY] = "topology-change",
        [TREE_EVENT_BPDU_GUARD] = "bpdu-guard",
        [TREE_EVENT_ROOT_GUARD] = "root-guard",
        [TREE_EVENT_LOOPED] = "looped",
        [TREE_EVENT_PROBE_BLOCKED] = "loop-blocked",
        [TREE_EVENT_PROBE_FREED] = "loop-gone",
        [TREE_EVENT_HEARD] = "bridge-heard",
        [TREE_EVENT_HELD] = "held",
        [TREE_EVENT_RELEASED] = "released",
    };

    return event >= TREE_EVENT_ROOT && event <= TREE_EVENT_RELEASED ? names[event]
                                                                    : "unknown";
}

/* --- the engine's effects -------------------------------------------------------------------- */

static struct tree_port *by_number(const struct tree *t, unsigned number)
{
    return number >= 1 && number <= t->room ? t->ports[number - 1] : NULL;
}

struct tree_port *tree_port_find(const struct tree *t, const struct swport *sw)
{
    return by_number(t, sw->tree_port);
}

struct swport *tree_port_of(const struct tree *t, unsigned number)
{
    const struct tree_port *p = by_number(t, number);

    return p ? p->sw : NULL;
}

void tree_apply_state(struct tree *t, const struct tree_port *p)
{
    static const enum swport_state states[] = {
        [RSTP_DISCARDING] = SWPORT_DISCARDING,
        [RSTP_LEARNING] = SWPORT_LEARNING,
        [RSTP_FORWARDING] = SWPORT_FORWARDING,
    };

    enum swport_state state = p->blocked ? SWPORT_DISCARDING : states[p->state];

    t->moved |= p->sw->state != state;
    switch_set_port_state(p->sw, state);
}

static void on_tx(void *aux, unsigned number, const void *data, size_t size)
{
    struct tree *t = aux;
    const struct tree_port *p = by_number(t, number);
    uint8_t room[FRAME_HEADROOM + BPDU_FRAME_SIZE];
    struct frame f = {.data = room + FRAME_HEADROOM, .size = BPDU_FRAME_SIZE};

    if (p->is_link) {
        t->ops->send_link(t->aux, p->sw, data, size);
        return;
    }
    bpdu_frame_write(t->config.mac, data, size, f.data);
    switch_send(p->sw, &f);
}

static void on_state(void *aux, unsigned number, enum rstp_state state)
{
    struct tree *t = aux;
    struct tree_port *p = by_number(t, number);
    bool begins = state == RSTP_FORWARDING && p->state != state;

    p->state = state;
    tree_apply_state(t, p);
    if (begins)
        probe_send(t, p, number);
}

/* Somewhere the tree is another, though none of our ports may have changed. */
static void on_flush(void *aux, unsigned number)
{
    struct tree *t = aux;

    t->moved = true;
    switch_flush_port(by_number(t, number)->sw);
}

static void on_event(void *aux, unsigned number, enum rstp_event event)
{
    static const enum tree_event events[] = {
        [RSTP_EVENT_ROOT] = TREE_EVENT_ROOT,
        [RSTP_EVENT_TOPOLOGY] = TREE_EVENT_TOPOLOGY,
        [RSTP_EVENT_BPDU_GUARD] = TREE_EVENT_BPDU_GUARD,
        [RSTP_EVENT_ROOT_GUARD] = TREE_EVENT_ROOT_GUARD,
        [RSTP_EVENT_LOOPED] = TREE_EVENT_LOOPED,
    };
    const struct tree *t = aux;
    const struct tree_port *p = by_number(t, number);

    if (event != RSTP_EVENT_ROLE)
        t->ops->event(t->aux, p ? p->sw : NULL, events[event], 0);
}

static const struct rstp_ops rstp_ops = {
    .tx_bpdu = on_tx,
    .set_state = on_state,
    .flush = on_flush,
    .event = on_event,
};

/* --- ports in and out of the engine ---------------------------------------------------------- */

static bool in_engine(const struct tree *t, const struct tree_port *p)
{
    return t->rstp && (!p->is_link || t->config.links);
}

/* At the end of each call. */
static void tell(struct tree *t, mtime_t now)
{
    mtime_t due = tree_deadline(t);

    if (t->moved)
        switch_pardon(t->sw, now);
    t->moved = false;
    if (due == t->told)
        return;
    t->told = due;
    t->ops->wake(t->aux, due);
}

static struct rstp_port_config engine_config(const struct tree_port *p)
{
    struct rstp_port_config c = p->config.rstp;

    c.admin_edge = c.admin_edge && !p->heard && !p->is_link;
    c.silent = p->sw->station && c.admin_edge;
    c.last_resort |= p->held;
    return c;
}

static struct rstp_link link_of(const struct tree_port *p)
{
    return (struct rstp_link){.up = p->alive && !p->direct,
                              .p2p = true,
                              .speed_mbps = p->config.speed_mbps,
                              .answer = p->answer};
}

/* Where links are ports of the tree, a bridge at an own port may be the way to another host. */
static void set_transit(const struct tree *t, struct tree_port *p)
{
    p->sw->transit = t->rstp && t->config.links && !p->is_link && p->heard;
}

/* Out of the engine: as a port of a network without a tree. */
static void set_free(struct tree *t, struct tree_port *p)
{
    if (p->is_link)
        p->sw->horizon = TREE_HORIZON;
    p->state = RSTP_FORWARDING;
    p->blocked = false;
    p->sw->transit = false;
    tree_apply_state(t, p);
}

/* False if there is no memory or the settings are not valid; then it discards. */
static bool enter(struct tree *t, struct tree_port *p, mtime_t now)
{
    unsigned number = p->sw->tree_port;
    struct rstp_port_config config = engine_config(p);
    struct rstp_link link;

    p->state = RSTP_DISCARDING;
    p->direct = false;
    set_transit(t, p);
    tree_apply_state(t, p);
    if (p->is_link) {
        p->sw->horizon = 0;
        switch_flush_port(p->sw);
    }
    if (rstp_port_add(t->rstp, number, &config, now) < 0)
        return false;
    link = link_of(p);
    (void)rstp_port_link(t->rstp, number, &link, now);
    return true;
}

/* To the other end of a link: we forward this network direct. */
static void say_direct(struct tree *t, const struct tree_port *p)
{
    t->ops->send_link(t->aux, p->sw, "", 0);
}

static void leave(struct tree *t, struct tree_port *p, mtime_t now)
{
    (void)rstp_port_remove(t->rstp, p->sw->tree_port, now);
    set_free(t, p);
    say_direct(t, p);
}

/* What the port is set to goes to the engine. False if a value is out of range. */
static bool update(struct tree *t, const struct tree_port *p, mtime_t now)
{
    struct rstp_port_config config = engine_config(p);
    struct rstp_link link = link_of(p);

    if (!in_engine(t, p))
        return true;
    if (!link.up) /* Before its settings might have it used. */
        (void)rstp_port_link(t->rstp, p->sw->tree_port, &link, now);
    if (rstp_port_set(t->rstp, p->sw->tree_port, &config, now) < 0)
        return false;
    (void)rstp_port_link(t->rstp, p->sw->tree_port, &link, now);
    tell(t, now);
    return true;
}

void tree_update(struct tree *t, const struct tree_port *p, mtime_t now)
{
    (void)update(t, p, now);
}

/* The port is an ordinary one from now on, and whoever else is there hears of it at once. */
static void no_station(void *aux, struct swport *in, mtime_t now)
{
    struct tree *t = aux;
    struct tree_port *p = tree_port_find(t, in);

    in->station = false;
    if (!p || !in_engine(t, p))
        return;
    tree_update(t, p, now);
    probe_send(t, p, in->tree_port);
}

/* --- the bridge ------------------------------------------------------------------------------ */

static bool take(void *aux, struct swport *in, const struct frame *f, mtime_t now)
{
    struct tree *t = aux;
    struct tree_port *p = tree_port_find(t, in);
    struct loop_probe probe;
    const uint8_t *bpdu;
    size_t size;

    if (!p || p->is_link || !t->rstp)
        return false;
    if (in->station)
        no_station(t, in, now);
    if (mac_is_loop_probe(f->data)) {
        if (!loop_probe_read(f->data, f->size, &probe) ||
            probe.network != t->config.network)
            return false;
        probe_input(t, p, in->tree_port, &probe, now);
        return true;
    }
    bpdu = bpdu_frame_find(f->data, f->size, &size);
    if (!bpdu)
        return false;
    if (rstp_input(t->rstp, in->tree_port, bpdu, size, now) == 0 && !p->heard &&
        !p->config.rstp.bpdu_filter) {
        p->heard = true;
        set_transit(t, p);
        probe_leave_to_tree(t, p);
        t->ops->heard(t->aux, in);
        hold_look(t, p, now);
        if (p->held)
            tree_update(t, p, now);
    }
    tell(t, now);
    return true;
}

/* All ports that belong into it enter it. False if one could not: it discards. */
static bool start(struct tree *t, mtime_t now)
{
    bool all = true;

    for (unsigned i = 0; i < t->room; i++) {
        struct tree_port *p = t->ports[i];

        if (p && in_engine(t, p))
            all &= enter(t, p, now);
    }
    return all;
}

static void stop(struct tree *t)
{
    rstp_free(t->rstp);
    t->rstp = NULL;
    for (unsigned i = 0; i < t->room; i++) {
        if (t->ports[i])
            set_free(t, t->ports[i]);
    }
}

/* The links become ports of the running tree, or cease to be. */
static bool move_links(struct tree *t, bool in, mtime_t now)
{
    bool all = true;

    for (unsigned i = 0; i < t->room; i++) {
        struct tree_port *p = t->ports[i];

        if (p)
            set_transit(t, p);
        if (!p || !p->is_link)
            continue;
        if (in)
            all &= enter(t, p, now);
        else
            leave(t, p, now);
    }
    return all;
}

bool tree_configure(struct tree *t, const struct tree_config *c, mtime_t now)
{
    bool anew = !t->rstp || memcmp(t->config.mac, c->mac, sizeof c->mac) != 0;
    bool moved = c->links != t->config.links, done = true;
    struct rstp *rstp = NULL;

    if (c->on && anew)
        rstp = rstp_new(c->mac, &c->bridge, &rstp_ops, t, now);
    if (c->on && (anew ? !rstp : rstp_set_bridge(t->rstp, &c->bridge, now) < 0))
        return false;
    if (t->rstp && (!c->on || anew))
        stop(t);
    t->config = *c;
    if (rstp) {
        t->rstp = rstp;
        done = start(t, now);
    } else if (t->rstp && moved) {
        done = move_links(t, c->links, now);
    }
    probe_arm(t, now);
    tell(t, now);
    return done;
}

struct tree *tree_new(struct switch_ *sw, const struct tree_config *c,
                      const struct tree_ops *ops, void *aux, mtime_t now)
{
    struct tree *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->sw = sw;
    t->ops = ops;
    t->aux = aux;
    t->probe_at = t->told = t->held_until = MTIME_NEVER;
    if (!tree_configure(t, c, now)) {
        tree_free(t);
        return NULL;
    }
    t->trap = (struct switch_trap){.take = take, .no_station = no_station, .aux = t};
    switch_set_trap(sw, &t->trap);
    return t;
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    assert(t->n_own + t->n_links == 0);
    switch_set_trap(t->sw, NULL);
    rstp_free(t->rstp);
    free(t->ports);
    free(t);
}

/* --- ports ----------------------------------------------------------------------------------- */

/* The lowest number that is free; 0 if there is none. */
static unsigned take_number(struct tree *t)
{
    unsigned n = 0, room = t->room ? 2 * t->room : 8;
    struct tree_port **ports;

    while (n < t->room && t->ports[n])
        n++;
    if (n == RSTP_PORTS_MAX)
        return 0;
    if (n == t->room) {
        room = room < RSTP_PORTS_MAX ? room : RSTP_PORTS_MAX;
        ports = realloc(t->ports, room * sizeof(struct tree_port *));
        if (!ports)
            return 0;
        memset(ports + t->room, 0, (room - t->room) * sizeof(struct tree_port *));
        t->ports = ports;
        t->room = room;
    }
    return n + 1;
}

static bool add(struct tree *t, struct swport *sw, const struct tree_port *how, mtime_t now)
{
    unsigned number = take_number(t);
    struct tree_port *p = number ? malloc(sizeof *p) : NULL;
    bool done = p != NULL;

    sw->tree_port = 0;
    if (!p) {
        switch_set_port_state(sw, SWPORT_DISCARDING);
        return false;
    }
    *p = *how;
    p->sw = sw;
    p->answered = now - MTIME_SEC;
    t->ports[number - 1] = p;
    sw->tree_port = (uint16_t)number;
    *(p->is_link ? &t->n_links : &t->n_own) += 1;
    if (in_engine(t, p))
        done = enter(t, p, now);
    else
        set_free(t, p);
    probe_arm(t, now);
    tell(t, now);
    return done;
}

bool tree_add_port(struct tree *t, struct swport *sw, const struct tree_port_config *c,
                   mtime_t now)
{
    struct tree_port p = {.config = *c, .alive = !c->down, .heard = c->heard};

    return add(t, sw, &p, now);
}

bool tree_set_port(struct tree *t, struct swport *sw, const struct tree_port_config *c,
                   mtime_t now)
{
    struct tree_port *p = tree_port_find(t, sw);
    struct tree_port_config before;

    if (!p)
        return false;
    before = p->config;
    p->config = *c;
    p->config.since = before.since;
    if (update(t, p, now))
        return true;
    p->config = before;
    return false;
}

void tree_set_up(struct tree *t, struct swport *sw, bool up, mtime_t now)
{
    struct tree_port *p = tree_port_find(t, sw);

    if (!p || p->alive == up)
        return;
    p->alive = up;
    hold_note(t, p, now);
    tree_update(t, p, now);
    tell(t, now);
}

bool tree_add_link(struct tree *t, struct swport *sw, uint16_t host, mtime_t now)
{
    struct tree_port p = {.is_link = true, .alive = true, .host = host};

    p.config.rstp = rstp_port_defaults;
    p.config.rstp.auto_edge = false;
    p.config.rstp.ample = true; /* BPDUs of a link share datagrams. */
    return add(t, sw, &p, now);
}

bool tree_set_link(struct tree *t, struct swport *sw, const struct tree_way *way,
                   mtime_t now)
{
    struct tree_port *p = tree_port_find(t, sw);

    if (!p)
        return false;
    if (p->alive == way->alive && p->answer == way->answer &&
        p->config.rstp.last_resort == way->held && p->config.rstp.path_cost == way->cost)
        return true;
    p->alive = way->alive;
    p->answer = way->answer;
    p->config.rstp.last_resort = way->held;
    p->config.rstp.path_cost = way->cost;
    return update(t, p, now);
}

void tree_remove(struct tree *t, struct swport *sw, mtime_t now)
{
    struct tree_port *p = tree_port_find(t, sw);

    if (!p)
        return;
    if (in_engine(t, p))
        (void)rstp_port_remove(t->rstp, sw->tree_port, now);
    hold_forget(t, p);
    t->ports[sw->tree_port - 1] = NULL;
    *(p->is_link ? &t->n_links : &t->n_own) -= 1;
    sw->tree_port = 0;
    free(p);
    probe_arm(t, now);
    tell(t, now);
}

void tree_rearm(struct tree *t, struct swport *sw, mtime_t now)
{
    const struct tree_port *p = tree_port_find(t, sw);

    if (!p || !in_engine(t, p))
        return;
    (void)rstp_port_rearm(t->rstp, sw->tree_port, now);
    tell(t, now);
}

/* --- input, time, looking -------------------------------------------------------------------- */

void tree_input_link(struct tree *t, struct swport *sw, const void *bpdu, size_t size,
                     mtime_t now)
{
    struct tree_port *p = tree_port_find(t, sw);
    bool direct = size == 0;

    if (!p || !p->is_link)
        return;
    if (!in_engine(t, p)) {
        if (!direct)
            say_direct(t, p);
        return;
    }
    if (direct != p->direct) {
        p->direct = direct;
        tree_update(t, p, now);
    }
    if (!direct)
        (void)rstp_input(t->rstp, sw->tree_port, bpdu, size,
                         now); /* Bad ones are counted. */
    tell(t, now);
}

mtime_t tree_deadline(const struct tree *t)
{
    mtime_t due = t->rstp ? rstp_deadline(t->rstp) : MTIME_NEVER;

    return mtime_min(mtime_min(due, t->held_until), probe_deadline(t));
}

void tree_run(struct tree *t, mtime_t now)
{
    t->told = MTIME_NEVER; /* Whoever calls was woken, and has no other deadline now. */
    if (t->rstp && now >= rstp_deadline(t->rstp))
        rstp_run(t->rstp, now);
    hold_run(t, now);
    probe_run(t, now);
    tell(t, now);
}

bool tree_get(const struct tree *t, struct rstp_status *out)
{
    if (t->rstp)
        rstp_get(t->rstp, out);
    return t->rstp != NULL;
}

void tree_get_port(const struct tree *t, const struct swport *sw,
                   struct tree_port_status *out)
{
    const struct tree_port *p = tree_port_find(t, sw);

    *out = (struct tree_port_status){.blocked = p && p->blocked,
                                     .blocked_by = p && p->blocked ? p->blocked_by : 0,
                                     .held = p && p->held,
                                     .held_until = p ? p->damping.until : 0,
                                     .losses = p ? p->damping.losses : 0};
    if (p && in_engine(t, p))
        (void)rstp_port_get(t->rstp, sw->tree_port, &out->rstp);
}

const struct swport *tree_unsettled(const struct tree *t, enum rstp_state *state)
{
    for (unsigned i = 0; t->rstp && i < t->room; i++) {
        const struct tree_port *p = t->ports[i];
        struct rstp_port_status s;

        if (!p || !in_engine(t, p) || p->state == RSTP_FORWARDING)
            continue;
        if (rstp_port_get(t->rstp, i + 1, &s) < 0 || !s.enabled || s.guarded || s.looped ||
            s.spare || s.root_refused ||
            (s.role != RSTP_ROLE_ROOT && s.role != RSTP_ROLE_DESIGNATED))
            continue;
        *state = p->state;
        return p->sw;
    }
    return NULL;
}
