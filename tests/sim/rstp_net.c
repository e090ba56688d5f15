/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sim/rstp_net.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

uint64_t net_draw(struct net *n, uint64_t below)
{
    n->random ^= n->random << 13;
    n->random ^= n->random >> 7;
    n->random ^= n->random << 17;
    return (n->random >> 11) % below;
}

/* --- loops ----------------------------------------------------------------------------------- */

static unsigned group_of(struct net *n, unsigned i)
{
    while (n->group[i] != i)
        i = n->group[i] = n->group[n->group[i]];
    return i;
}

/* Bridges and segments are the nodes, forwarding ports the edges; a second way is a loop. */
static bool find_loop(struct net *n)
{
    for (unsigned i = 0; i < n->n_bridges + n->n_segments; i++)
        n->group[i] = i;
    for (unsigned b = 0; b < n->n_bridges; b++) {
        for (unsigned i = 0; i < n->bridges[b].n_ports; i++) {
            const struct net_port *p = &n->bridges[b].ports[i];
            unsigned x, y;

            if (!p->used || p->state != RSTP_FORWARDING || !n->segments[p->segment].up)
                continue;
            x = group_of(n, b);
            y = group_of(n, n->n_bridges + p->segment);
            if (x == y)
                return true;
            n->group[x] = y;
        }
    }
    return false;
}

static void look_for_loop(struct net *n)
{
    bool was = n->looped;

    if (!n->look_for_loop)
        return;
    n->look_for_loop = false;
    n->looped = find_loop(n);
    if (n->trace && n->looped != was)
        fprintf(n->trace, "%10.6f *** %s\n", (double)n->now / 1e6,
                n->looped ? "a loop" : "no loop any more");
    if (n->looped && !was) {
        n->n_loops++;
        n->loop_since = n->now;
    }
    if (was && n->now - n->loop_since > n->loop_longest)
        n->loop_longest = n->now - n->loop_since;
}

/* --- effects --------------------------------------------------------------------------------- */

static void trace_bpdu(const struct net *n, const struct net_bridge *b, unsigned port,
                       const void *data, size_t size)
{
    struct bpdu m;

    if (!n->trace || bpdu_decode(data, size, &m) < 0)
        return;
    fprintf(n->trace,
            "%10.6f %u.%u sends type %02x role %u%s%s%s%s root %llx cost %u age %u\n",
            (double)n->now / 1e6, b->index, port, (unsigned)m.type, (unsigned)m.role,
            m.proposal ? " P" : "", m.agreement ? " A" : "", m.tc ? " TC" : "",
            m.forwarding ? " F" : "", (unsigned long long)m.vector.root, m.vector.cost,
            m.times.message_age / RSTP_SECOND);
}

static void on_tx(void *aux, unsigned port, const void *data, size_t size)
{
    struct net_bridge *b = aux;
    struct net *n = b->net;
    const struct net_segment *s = &n->segments[b->ports[port - 1].segment];
    struct net_event e = {
        .due.at = n->now + s->delay, .kind = NET_FRAME, .size = (uint8_t)size};

    n->n_bpdus++;
    trace_bpdu(n, b, port, data, size);
    memcpy(e.data, data, size);
    /* No BPDU leaves a port that is not enabled. */
    n->n_bad += !b->ports[port - 1].up;
    for (unsigned i = 0; s->up && i < s->n_ends; i++) {
        e.to = s->ends[i];
        if (e.to.bridge == b->index && e.to.port == port)
            continue;
        if (net_draw(n, 1000) >= n->loss)
            agenda_add(&n->agenda, &e);
    }
}

static void on_state(void *aux, unsigned port, enum rstp_state state)
{
    struct net_bridge *b = aux;
    struct net_port *p = &b->ports[port - 1];

    if (p->state == state)
        return;
    p->state = state;
    b->net->n_forwarded += state == RSTP_FORWARDING;
    b->net->look_for_loop |= state == RSTP_FORWARDING || b->net->looped;
    b->net->changed = b->net->now;
    if (b->net->trace)
        fprintf(b->net->trace, "%10.6f %u.%u is %s\n", (double)b->net->now / 1e6, b->index,
                port, rstp_state_name(state));
}

static void on_flush(void *aux, unsigned port)
{
    struct net_bridge *b = aux;

    (void)port;
    b->net->n_flushes++;
}

static void on_event(void *aux, unsigned port, enum rstp_event event)
{
    struct net_bridge *b = aux;

    (void)port;
    if (event == RSTP_EVENT_ROLE || event == RSTP_EVENT_ROOT)
        b->net->changed = b->net->now;
}

static const struct rstp_ops ops = {
    .tx_bpdu = on_tx,
    .set_state = on_state,
    .flush = on_flush,
    .event = on_event,
};

/* --- building -------------------------------------------------------------------------------- */

struct net *net_new(uint64_t seed, unsigned max_bridges, unsigned max_segments)
{
    struct net *n = xcalloc(1, sizeof *n);

    n->agenda.size = sizeof(struct net_event);
    n->now = 1000 * MTIME_SEC;
    n->changed = n->now;
    n->random = seed * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < 8; i++)
        (void)net_draw(n, 2);
    n->bridges = xcalloc(max_bridges, sizeof *n->bridges);
    n->segments = xcalloc(max_segments, sizeof *n->segments);
    n->room_bridges = max_bridges;
    n->room_segments = max_segments;
    n->group = xcalloc(max_bridges + max_segments, sizeof *n->group);
    return n;
}

void net_free(struct net *n)
{
    for (unsigned i = 0; i < n->n_bridges; i++)
        rstp_free(n->bridges[i].rstp);
    for (unsigned i = 0; i < n->n_segments; i++)
        free(n->segments[i].ends);
    free(n->bridges);
    free(n->segments);
    free(n->group);
    agenda_free(&n->agenda);
    free(n);
}

static void start(struct net *n, struct net_bridge *b)
{
    uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(b->index >> 8), (uint8_t)b->index};

    b->rstp = rstp_new(mac, &b->config, &ops, b, n->now);
    b->wake = MTIME_NEVER;
    if (!b->rstp)
        abort();
}

unsigned net_add_bridge(struct net *n, const struct rstp_bridge_config *config)
{
    struct net_bridge *b = &n->bridges[n->n_bridges];

    if (n->n_bridges == n->room_bridges)
        abort();
    b->net = n;
    b->index = n->n_bridges++;
    b->config = *config;
    start(n, b);
    return b->index;
}

unsigned net_add_segment(struct net *n, mtime_t delay)
{
    if (n->n_segments == n->room_segments)
        abort();
    n->segments[n->n_segments].up = true;
    n->segments[n->n_segments].delay = delay;
    return n->n_segments++;
}

void net_touched(struct net *n, unsigned bridge)
{
    struct net_bridge *b = &n->bridges[bridge];
    mtime_t due = rstp_deadline(b->rstp);
    struct net_event e = {.due.at = due, .kind = NET_TIMER, .to = {.bridge = bridge}};

    if (due != b->wake && due != MTIME_NEVER)
        agenda_add(&n->agenda, &e);
    b->wake = due;
    look_for_loop(n);
}

static void set_link(struct net *n, struct net_end end, bool up)
{
    struct net_bridge *b = &n->bridges[end.bridge];
    struct net_port *p = &b->ports[end.port - 1];
    struct rstp_link link = {.up = up, .p2p = !n->segments[p->segment].hub};

    link.speed_mbps = 1000;
    link.answer = n->answer;
    p->up = up;
    if (n->trace)
        fprintf(n->trace, "%10.6f %u.%u on segment %u: link %s\n", (double)n->now / 1e6,
                end.bridge, end.port, p->segment, up ? "up" : "down");
    if (rstp_port_link(b->rstp, end.port, &link, n->now) < 0)
        abort();
    net_touched(n, end.bridge);
}

unsigned net_join(struct net *n, unsigned bridge, unsigned segment,
                  const struct rstp_port_config *config)
{
    struct net_bridge *b = &n->bridges[bridge];
    struct net_segment *s = &n->segments[segment];
    unsigned number = ++b->n_ports;
    struct net_end end = {.bridge = bridge, .port = number};

    if (number > NET_PORTS_MAX)
        abort();
    b->ports[number - 1] =
        (struct net_port){.segment = segment, .used = true, .config = *config};
    if (s->n_ends == s->room) {
        s->room = s->room ? 2 * s->room : 2;
        s->ends = xrealloc(s->ends, s->room * sizeof *s->ends);
    }
    s->ends[s->n_ends++] = end;
    if (rstp_port_add(b->rstp, number, config, n->now) < 0)
        abort();
    if (s->up)
        set_link(n, end, true);
    return number;
}

static void link_later(struct net *n, struct net_end end, bool up, mtime_t stagger)
{
    struct net_event e = {.due.at = n->now, .kind = NET_LINK, .to = end, .up = up};

    if (stagger)
        e.due.at += (mtime_t)net_draw(n, (uint64_t)stagger);
    agenda_add(&n->agenda, &e);
}

/* What was on its way on the segment is gone. */
static void drop_frames(struct net *n, unsigned segment)
{
    for (unsigned i = 0; i < n->agenda.n; i++) {
        struct net_event *e = agenda_at(&n->agenda, i);

        if (e->kind == NET_FRAME &&
            n->bridges[e->to.bridge].ports[e->to.port - 1].segment == segment)
            e->kind = NET_NOTHING;
    }
}

void net_set_segment(struct net *n, unsigned segment, bool up, mtime_t stagger)
{
    struct net_segment *s = &n->segments[segment];

    s->up = up;
    if (!up)
        drop_frames(n, segment);
    for (unsigned i = 0; stagger != NET_SILENT && i < s->n_ends; i++)
        link_later(n, s->ends[i], up, stagger);
    n->look_for_loop = true;
    look_for_loop(n);
}

void net_restart(struct net *n, unsigned bridge, bool flap)
{
    struct net_bridge *b = &n->bridges[bridge];

    if (n->trace)
        fprintf(n->trace, "%10.6f %u restarts\n", (double)n->now / 1e6, bridge);
    rstp_free(b->rstp);
    start(n, b);
    for (unsigned i = 0; i < b->n_ports; i++) {
        struct net_port *p = &b->ports[i];
        const struct net_segment *s = &n->segments[p->segment];

        p->state = RSTP_DISCARDING;
        if (rstp_port_add(b->rstp, i + 1, &p->config, n->now) < 0)
            abort();
        if (!s->up)
            continue;
        drop_frames(n,
                    p->segment); /* It takes longer to start than a frame is under way. */
        for (unsigned e = 0; flap && s->n_ends == 2 && e < 2; e++) {
            if (s->ends[e].bridge == bridge)
                continue;
            set_link(n, s->ends[e], false);
            set_link(n, s->ends[e], true);
        }
        set_link(n, (struct net_end){.bridge = bridge, .port = i + 1}, true);
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void happen(struct net *n, const struct net_event *e)
{
    struct net_bridge *b = &n->bridges[e->to.bridge];

    switch (e->kind) {
    case NET_TIMER:
        if (e->due.at != b->wake)
            return;
        b->wake = MTIME_NEVER;
        rstp_run(b->rstp, n->now);
        break;
    case NET_FRAME:
        /* A CFG BPDU may have become too old on its way; nothing else is refused. */
        if (rstp_input(b->rstp, e->to.port, e->data, e->size, n->now) < 0)
            n->n_bad += e->data[3] != BPDU_CONFIG;
        break;
    case NET_LINK:
        set_link(n, e->to, e->up);
        return;
    case NET_NOTHING:
        return;
    }
    net_touched(n, e->to.bridge);
}

void net_run(struct net *n, mtime_t until)
{
    struct net_event e;

    while (agenda_take(&n->agenda, until, &e)) {
        n->now = e.due.at;
        happen(n, &e);
    }
    n->now = until;
}

bool net_settle(struct net *n, mtime_t quiet, mtime_t limit)
{
    mtime_t end = n->now + limit;

    if (n->changed < n->now)
        n->changed = n->now;
    while (n->now < end) {
        net_run(n, mtime_min(n->changed + quiet, end));
        if (n->now >= n->changed + quiet)
            return true;
    }
    return false;
}
