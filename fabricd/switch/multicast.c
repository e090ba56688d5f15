/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snooping [RFC 4541] in the forwarding path. Reports go to routers only: to ports by which a query
 * came, and to links. Frames of a group that somebody has joined go to
 * its listeners and to routers; those that nobody has joined go to all, as without snooping: they
 * are of protocols whose listeners do not report.
 *
 * Reports travel over links, so a host learns what is listened to at the others, and frames go only where
 * they are wanted. A link counts as the port of a router until all that is behind it must have reported: for
 * GROUPS_AGE since it came, since the tree changed, and since a report did not fit the table; and always
 * where nobody asks, since nobody answers then. Behind a link are many: that one of them leaves means
 * nothing, memberships there age.
 *
 * The querier asks where no other query was heard for SILENCE, in every VLAN.
 */
#include <stdlib.h>
#include <string.h>

#include "fabricd/switch/multicast.h"
#include "fabricd/switch/switch_internal.h"
#include "proto/snoop/snoop.h"

#define QUERY_INTERVAL (125 * MTIME_SEC) /* [RFC 2236 8.2] */
#define SILENCE        (255 * MTIME_SEC) /* [RFC 2236 8.5] */
#define STARTUP        (31 * MTIME_SEC)
#define STARTUP_COUNT  2u

/* --- what is heard ------------------------------------------------------------------------ */

/* Somebody asks who listens: so memberships that are not repeated are none. */
static bool is_asked(const struct switch_ *sw, mtime_t now)
{
    const struct multicast *mc = sw->multicast;

    return sw->config.querier || (mc->heard && now - mc->heard < SILENCE);
}

static bool is_router(const struct switch_ *sw, struct swport *port, mtime_t now)
{
    if (port->all_vlans && !port->router_until)
        port->router_until = now + GROUPS_AGE;
    return port->router_until > now || (port->all_vlans && !is_asked(sw, now));
}

void multicast_wait_for_links(struct switch_ *sw)
{
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (port->all_vlans)
            port->router_until = 0;
    }
}

static void take_report(struct burst *b, const struct snoop_message *m)
{
    struct multicast *mc = b->sw->multicast;

    for (unsigned i = 0; i < m->n_groups; i++) {
        const struct snoop_group *g = &m->groups[i];
        uint64_t key = fdb_key(g->mac, b->vid);

        if (snoop_is_link_group(g->mac))
            continue;
        if (g->leaves && !b->in->all_vlans)
            groups_leave(mc->groups, key, b->in->index, b->now);
        else if (!g->leaves && !groups_join(mc->groups, key, b->in->index, b->now))
            b->in->router_until = b->now + GROUPS_AGE; /* It gets all. */
    }
    if (b->sw->config.sooner)
        *b->sw->config.sooner = true;
}

enum multicast_way multicast_hear(struct burst *b, const struct frame *f)
{
    struct snoop_message m;

    snoop_parse(f->data, f->size, &m);
    if (m.kind == SNOOP_QUERY) {
        if (!m.anonymous)
            b->in->router_until = b->now + SILENCE;
        b->sw->multicast->heard = b->now;
        return MULTICAST_ALL;
    }
    if (m.kind == SNOOP_REPORT) {
        take_report(b, &m);
        return MULTICAST_ROUTERS;
    }
    if (snoop_is_link_group(f->data) ||
        !groups_first(b->sw->multicast->groups, fdb_key(f->data, b->vid)))
        return MULTICAST_ALL;
    return MULTICAST_LISTENERS;
}

bool multicast_reaches(const struct burst *b, const struct frame *f, enum multicast_way way,
                       struct swport *port)
{
    const struct groups *groups = b->sw->multicast->groups;
    uint32_t at;

    if (way == MULTICAST_ALL || is_router(b->sw, port, b->now))
        return true;
    if (way == MULTICAST_ROUTERS)
        return port->all_vlans;
    for (at = groups_first(groups, fdb_key(f->data, b->vid)); at;
         at = groups_next(groups, at)) {
        if (groups_port(groups, at) == port->index)
            return true;
    }
    return false;
}

/* --- the querier -------------------------------------------------------------------------- */

static void ask(struct switch_ *sw, uint16_t vid)
{
    static const uint8_t mac[MAC_SIZE] = {0x02, 0x69, 0x6f, 0x74, 0x68, 0x02};
    uint8_t bytes[FRAME_HEADROOM + SNOOP_QUERY_SIZE];

    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        struct frame f = {.data = bytes + FRAME_HEADROOM, .tci = vid};

        f.size = (uint32_t)snoop_build_query(ip6, mac, f.data);
        list_for_each (it, &sw->ports) {
            struct swport *port = list_entry(it, struct swport, ports_link);

            if (set_has(sw->vlans[vid].set, port->index) && !port->all_vlans)
                egress_one(sw, port, &f);
        }
    }
}

static void run_querier(struct switch_ *sw, mtime_t now)
{
    struct multicast *mc = sw->multicast;

    if (!sw->config.querier || now < mc->ask_at)
        return;
    mc->ask_at = now + (mc->asked < STARTUP_COUNT ? STARTUP : QUERY_INTERVAL);
    if (mc->heard && now - mc->heard < SILENCE)
        return;
    mc->asked++;
    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++) {
        if (sw->vlans[vid].set)
            ask(sw, vid);
    }
}

mtime_t multicast_deadline(const struct switch_ *sw)
{
    const struct multicast *mc = sw->multicast;

    if (!mc)
        return MTIME_NEVER;
    return sw->config.querier ? mtime_min(groups_deadline(mc->groups), mc->ask_at)
                              : groups_deadline(mc->groups);
}

void multicast_run(struct switch_ *sw, mtime_t now)
{
    if (!sw->multicast)
        return;
    groups_run(sw->multicast->groups, now);
    run_querier(sw, now);
}

/* --- life --------------------------------------------------------------------------------- */

void multicast_configure(struct switch_ *sw)
{
    struct multicast *mc = sw->multicast;

    if (!sw->config.snooping) {
        multicast_free(sw);
        return;
    }
    if (mc)
        return;
    mc = calloc(1, sizeof *mc);
    if (mc)
        mc->groups = groups_new(sw->config.seed);
    if (!mc || !mc->groups) {
        free(mc);
        return; /* Everything goes to all, as without it. */
    }
    sw->multicast = mc;
    multicast_wait_for_links(sw);
}

void multicast_free(struct switch_ *sw)
{
    if (!sw->multicast)
        return;
    groups_free(sw->multicast->groups);
    free(sw->multicast);
    sw->multicast = NULL;
}

void multicast_remove_port(struct switch_ *sw, const struct swport *port)
{
    if (sw->multicast)
        groups_remove_port(sw->multicast->groups, port->index);
}
