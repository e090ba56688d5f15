/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree that has to come out, found the plain way: shortest paths from the best bridge of each
 * connected part, then who is designated on each segment, then roles. */
#include <stdlib.h>

#include "proto/base/xalloc.h"
#include "tests/sim/rstp_net.h"

struct tree {
    const struct net *net;
    uint64_t *root; /* By bridge. */
    uint64_t *cost;
    struct net_end *designated; /* By segment; port 0 = nobody. */
};

static uint64_t id_of(const struct net *n, unsigned bridge)
{
    struct rstp_status s;

    rstp_get(n->bridges[bridge].rstp, &s);
    return s.bridge_id;
}

static struct rstp_port_status port_of(const struct net *n, unsigned bridge, unsigned port)
{
    struct rstp_port_status s = {0};

    if (rstp_port_get(n->bridges[bridge].rstp, port, &s) < 0)
        abort();
    return s;
}

static bool live(const struct net *n, unsigned bridge, unsigned i)
{
    const struct net_port *p = &n->bridges[bridge].ports[i];

    return p->used && p->up && n->segments[p->segment].up;
}

/* Takes the better root, or the nearer way to it, from the other ends of the port's segment. */
static bool improve(struct tree *t, unsigned bridge, unsigned i)
{
    const struct net *n = t->net;
    const struct net_segment *s = &n->segments[n->bridges[bridge].ports[i].segment];
    uint32_t cost = port_of(n, bridge, i + 1).path_cost;
    bool better = false;

    for (unsigned e = 0; e < s->n_ends; e++) {
        unsigned other = s->ends[e].bridge;
        uint64_t via = t->cost[other] + cost;

        if (other == bridge || !live(n, other, s->ends[e].port - 1))
            continue;
        if (t->root[other] < t->root[bridge] ||
            (t->root[other] == t->root[bridge] && via < t->cost[bridge])) {
            t->root[bridge] = t->root[other];
            t->cost[bridge] = via;
            better = true;
        }
    }
    return better;
}

static bool nearer(const struct tree *t, struct net_end a, struct net_end b)
{
    uint64_t ia = id_of(t->net, a.bridge), ib = id_of(t->net, b.bridge);

    if (t->cost[a.bridge] != t->cost[b.bridge])
        return t->cost[a.bridge] < t->cost[b.bridge];
    if (ia != ib)
        return ia < ib;
    return port_of(t->net, a.bridge, a.port).port_id <
           port_of(t->net, b.bridge, b.port).port_id;
}

static void choose_designated(struct tree *t)
{
    const struct net *n = t->net;

    for (unsigned i = 0; i < n->n_segments; i++) {
        const struct net_segment *s = &n->segments[i];

        for (unsigned e = 0; e < s->n_ends; e++)
            if (live(n, s->ends[e].bridge, s->ends[e].port - 1) &&
                (!t->designated[i].port || nearer(t, s->ends[e], t->designated[i])))
                t->designated[i] = s->ends[e];
    }
}

/* What a port offers to its bridge [17.5]: lower is better, component by component. */
struct offer {
    uint64_t cost, bridge;
    uint16_t port, own;
};

static bool offers_more(const struct offer *a, const struct offer *b)
{
    if (a->cost != b->cost)
        return a->cost < b->cost;
    if (a->bridge != b->bridge)
        return a->bridge < b->bridge;
    return a->port != b->port ? a->port < b->port : a->own < b->own;
}

/* The number of the bridge's root port; 0 = it is a root. */
static unsigned root_port_of(const struct tree *t, unsigned bridge)
{
    const struct net *n = t->net;
    struct offer best = {0};
    unsigned port = 0;

    for (unsigned i = 0; i < n->bridges[bridge].n_ports; i++) {
        struct net_end from = t->designated[n->bridges[bridge].ports[i].segment];
        struct rstp_port_status own;
        struct offer o;

        if (!live(n, bridge, i) || from.bridge == bridge)
            continue;
        own = port_of(n, bridge, i + 1);
        o = (struct offer){.cost = t->cost[from.bridge] + own.path_cost,
                           .bridge = id_of(n, from.bridge),
                           .port = port_of(n, from.bridge, from.port).port_id,
                           .own = own.port_id};
        if (o.cost == t->cost[bridge] && (!port || offers_more(&o, &best))) {
            best = o;
            port = i + 1;
        }
    }
    return port;
}

static enum rstp_role role_of(const struct tree *t, unsigned bridge, unsigned port,
                              unsigned root)
{
    struct net_end d = t->designated[t->net->bridges[bridge].ports[port - 1].segment];

    if (!live(t->net, bridge, port - 1))
        return RSTP_ROLE_DISABLED;
    if (d.bridge == bridge)
        return d.port == port ? RSTP_ROLE_DESIGNATED : RSTP_ROLE_BACKUP;
    return port == root ? RSTP_ROLE_ROOT : RSTP_ROLE_ALTERNATE;
}

static void tree_done(struct tree *t)
{
    free(t->root);
    free(t->cost);
    free(t->designated);
}

static void tree_init(struct tree *t, const struct net *n)
{
    bool better;

    t->net = n;
    t->root = xcalloc(n->n_bridges, sizeof *t->root);
    t->cost = xcalloc(n->n_bridges, sizeof *t->cost);
    t->designated = xcalloc(n->n_segments, sizeof *t->designated);
    for (unsigned b = 0; b < n->n_bridges; b++)
        t->root[b] = id_of(n, b);
    do {
        better = false;
        for (unsigned b = 0; b < n->n_bridges; b++)
            for (unsigned i = 0; i < n->bridges[b].n_ports; i++)
                if (live(n, b, i))
                    better |= improve(t, b, i);
    } while (better);
    choose_designated(t);
}

unsigned net_depth(const struct net *n)
{
    struct tree t;
    unsigned deepest = 0;

    tree_init(&t, n);
    for (unsigned b = 0; b < n->n_bridges; b++) {
        unsigned at = b, depth = 0, port;

        while (depth <= n->n_bridges && (port = root_port_of(&t, at))) {
            at = t.designated[n->bridges[at].ports[port - 1].segment].bridge;
            depth++;
        }
        deepest = depth > deepest ? depth : deepest;
    }
    tree_done(&t);
    return deepest;
}

/* A port of last resort that nobody's root port faces may forward, or wait. */
static bool may_wait(const struct tree *t, unsigned bridge, unsigned port)
{
    const struct net_port *p = &t->net->bridges[bridge].ports[port - 1];
    const struct net_segment *s = &t->net->segments[p->segment];

    if (!p->config.last_resort)
        return false;
    for (unsigned e = 0; e < s->n_ends; e++) {
        if (s->ends[e].bridge != bridge &&
            root_port_of(t, s->ends[e].bridge) == s->ends[e].port)
            return false;
    }
    return true;
}

static bool bridge_is_right(const struct tree *t, unsigned b, char *why, size_t why_size)
{
    const struct net *n = t->net;
    unsigned root = root_port_of(t, b);
    struct rstp_status s;

    rstp_get(n->bridges[b].rstp, &s);
    if (s.root_id != t->root[b] || s.root_cost != t->cost[b] || s.root_port != root) {
        snprintf(why, why_size, "bridge %u: root %llx cost %u port %u, not %llx %llu %u", b,
                 (unsigned long long)s.root_id, s.root_cost, s.root_port,
                 (unsigned long long)t->root[b], (unsigned long long)t->cost[b], root);
        return false;
    }
    for (unsigned i = 0; i < n->bridges[b].n_ports; i++) {
        struct rstp_port_status p = port_of(n, b, i + 1);
        enum rstp_role role = role_of(t, b, i + 1, root);
        bool forwards = role == RSTP_ROLE_ROOT || role == RSTP_ROLE_DESIGNATED;

        if (role == RSTP_ROLE_DESIGNATED && p.role == role && p.spare &&
            p.state == RSTP_DISCARDING && may_wait(t, b, i + 1))
            continue;
        if (p.role != role || p.state != (forwards ? RSTP_FORWARDING : RSTP_DISCARDING) ||
            p.state != n->bridges[b].ports[i].state) {
            snprintf(why, why_size, "port %u.%u: %s %s, not %s", b, i + 1,
                     rstp_role_name(p.role), rstp_state_name(p.state),
                     rstp_role_name(role));
            return false;
        }
    }
    return true;
}

bool net_is_tree(const struct net *n, char *why, size_t why_size)
{
    struct tree t;
    bool right = true;

    tree_init(&t, n);
    for (unsigned b = 0; right && b < n->n_bridges; b++)
        right = bridge_is_right(&t, b, why, why_size);
    tree_done(&t);
    return right;
}
