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
 * The querier asks where nobody else has asked for SILENCE, in every VLAN and for each family. Routers go before
 * it: a router that fell silent for a switch would not be known as one any more. Of two switches that of the
 * lower MAC asks [RFC 3376 6.6.2, RFC 3810 7.6.2, RFC 4541 2.1.1].
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

static bool is_heard(const struct multicast_asking *a, mtime_t now)
{
    return a->heard && now - a->heard < SILENCE;
}

/* Somebody asks who listens to this sort of groups: so memberships that are not repeated are none. */
static bool is_asked(const struct burst *b, const struct frame *f)
{
    unsigned ip = f->data[0] == 0x33 ? SWPORT_IP6 : SWPORT_IP4;

    return b->sw->config.querier || is_heard(&b->sw->multicast->asking[b->vid][ip], b->now);
}

static bool is_router(const struct burst *b, const struct frame *f, struct swport *port)
{
    if (port->all_vlans && !port->router_until)
        port->router_until = b->now + GROUPS_AGE;
    return port->router_until > b->now || (port->all_vlans && !is_asked(b, f));
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

static void take_query(struct burst *b, const struct frame *f,
                       const struct snoop_message *m)
{
    const struct switch_config *config = &b->sw->config;

    if (!m->anonymous)
        b->in->router_until = b->now + SILENCE;
    if (!m->anonymous || !config->querier ||
        memcmp(f->data + MAC_SIZE, config->mac, MAC_SIZE) < 0)
        b->sw->multicast->asking[b->vid][m->ip6].heard = b->now;
}

static void count(struct swport_heard *heard, const struct snoop_message *m)
{
    unsigned leaving = 0;

    for (unsigned i = 0; i < m->n_groups; i++)
        leaving += m->groups[i].leaves;
    heard->queries += m->kind == SNOOP_QUERY;
    heard->leaves += leaving > 0;
    heard->reports += m->kind == SNOOP_REPORT && (leaving == 0 || leaving < m->n_groups);
}

enum multicast_way multicast_hear(struct burst *b, const struct frame *f)
{
    struct snoop_message m;

    snoop_parse(f->data, f->size, &m);
    if (m.kind != SNOOP_OTHER) {
        count(&b->in->counters.heard[m.ip6], &m);
        count(&b->sw->heard[m.ip6], &m);
    }
    if (m.kind == SNOOP_QUERY) {
        take_query(b, f, &m);
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

    if (way == MULTICAST_ALL || is_router(b, f, port))
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

static void ask(struct switch_ *sw, uint16_t vid, unsigned ip)
{
    uint8_t bytes[FRAME_HEADROOM + SNOOP_QUERY_SIZE];
    struct frame f = {.data = bytes + FRAME_HEADROOM, .tci = vid}, *one = &f;

    f.size = (uint32_t)snoop_build_query(ip == SWPORT_IP6, sw->config.mac, f.data);
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (!set_has(sw->vlans[vid].set, port->index) || port->all_vlans)
            continue;
        port->counters.heard[ip].asked++;
        egress_flush(sw, port, &one, 1);
    }
    sw->heard[ip].asked++;
}

/* Asks if it is time and nobody else does. */
static void look(struct switch_ *sw, uint16_t vid, unsigned ip, mtime_t now)
{
    struct multicast_asking *a = &sw->multicast->asking[vid][ip];

    if (is_heard(a, now)) {
        a->ask_at = a->heard + SILENCE;
        return;
    }
    if (now < a->ask_at)
        return;
    a->ask_at = now + (a->asked < STARTUP_COUNT ? STARTUP : QUERY_INTERVAL);
    a->asked_at = now;
    a->asked++;
    ask(sw, vid, ip);
}

static void run_querier(struct switch_ *sw, mtime_t now)
{
    struct multicast *mc = sw->multicast;

    if (!sw->config.querier || now < mc->run_at)
        return;
    mc->run_at = now + STARTUP; /* A VLAN may have come into use. */
    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++) {
        for (unsigned ip = 0; sw->vlans[vid].set && ip < SWPORT_IP_N; ip++) {
            look(sw, vid, ip, now);
            mc->run_at = mtime_min(mc->run_at, mc->asking[vid][ip].ask_at);
        }
    }
}

void multicast_port_came(struct switch_ *sw, uint16_t vid)
{
    struct multicast *mc = sw->multicast;

    for (unsigned ip = 0; ip < SWPORT_IP_N; ip++) {
        struct multicast_asking *a = &mc->asking[vid][ip];
        mtime_t soon = a->asked ? a->asked_at + MTIME_SEC : 0;

        a->ask_at = mtime_min(a->ask_at, soon);
        mc->run_at = mtime_min(mc->run_at, soon);
    }
    if (sw->config.sooner)
        *sw->config.sooner = true;
}

mtime_t multicast_deadline(const struct switch_ *sw)
{
    const struct multicast *mc = sw->multicast;

    if (!mc)
        return MTIME_NEVER;
    return sw->config.querier ? mtime_min(groups_deadline(mc->groups), mc->run_at)
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
    if (!mc)
        return; /* Everything goes to all, as without it. */
    sw->multicast = mc;
    mc->groups = groups_new(sw->config.seed);
    mc->asking = calloc(SWPORT_VLANS, sizeof *mc->asking);
    if (!mc->groups || !mc->asking) {
        multicast_free(sw);
        return;
    }
    multicast_wait_for_links(sw);
}

void multicast_free(struct switch_ *sw)
{
    if (!sw->multicast)
        return;
    groups_free(sw->multicast->groups);
    free(sw->multicast->asking);
    free(sw->multicast);
    sw->multicast = NULL;
}

void multicast_remove_port(struct switch_ *sw, const struct swport *port)
{
    if (sw->multicast)
        groups_remove_port(sw->multicast->groups, port->index);
}
