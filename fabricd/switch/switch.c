/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Switches and their ports: what they are set to, and what is known of them. The way of a frame
 * is in forward.c. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/switch/switch_internal.h"

#define AGEING_DEFAULT (300 * MTIME_SEC)
#define FDB_DEFAULT    65536u

static_assert(SWPORT_DROP_N == 16, "a name for each cause");

const char *swport_drop_name(enum swport_drop cause)
{
    static const char *const names[SWPORT_DROP_N] = {
        [SWPORT_DROP_MALFORMED] = "malformed", [SWPORT_DROP_TOO_BIG] = "too_big",
        [SWPORT_DROP_VLAN] = "vlan",           [SWPORT_DROP_SOURCE] = "source",
        [SWPORT_DROP_RESERVED] = "reserved",   [SWPORT_DROP_NOWHERE] = "nowhere",
        [SWPORT_DROP_FULL] = "full",           [SWPORT_DROP_IO] = "io",
        [SWPORT_DROP_BLOCKED] = "blocked",     [SWPORT_DROP_STORM] = "storm",
        [SWPORT_DROP_MACS] = "mac_limit",      [SWPORT_DROP_FLAP] = "flap",
        [SWPORT_DROP_GUARD] = "guard",         [SWPORT_DROP_POLICED] = "policed",
        [SWPORT_DROP_ELSEWHERE] = "elsewhere", [SWPORT_DROP_ISOLATED] = "isolated",
    };

    return cause < SWPORT_DROP_N ? names[cause] : "unknown";
}

const char *swport_notice_name(enum swport_notice sort)
{
    static const char *const names[SWPORT_NOTICES] = {
        [SWPORT_NOTICE_STORM] = "storm",     [SWPORT_NOTICE_MACS] = "mac_limit",
        [SWPORT_NOTICE_FLAP] = "mac_flap",   [SWPORT_NOTICE_GUARD] = "guard",
        [SWPORT_NOTICE_SPOOF] = "spoof",     [SWPORT_NOTICE_ISOLATED] = "isolated",
        [SWPORT_NOTICE_POLICED] = "policed",
    };

    return sort < SWPORT_NOTICES ? names[sort] : "unknown";
}

struct switch_ *switch_new(const struct switch_config *config)
{
    struct switch_ *sw = calloc(1, sizeof *sw);

    if (!sw)
        return NULL;
    sw->fdb = fdb_new(config->fdb_room ? config->fdb_room : FDB_DEFAULT, config->seed);
    sw->homes = homes_new(config->seed);
    sw->neighbors = neighbors_new(config->seed);
    sw->cut = calloc(FRAME_BURST, sizeof *sw->cut);
    sw->scratch = malloc(EGRESS_SCRATCH);
    sw->vlans = calloc(SWPORT_VLANS, sizeof *sw->vlans);
    list_init(&sw->ports);
    if (!sw->fdb || !sw->homes || !sw->neighbors || !sw->cut || !sw->scratch ||
        !sw->vlans) {
        switch_free(sw);
        return NULL;
    }
    switch_configure(sw, config);
    return sw;
}

void switch_free(struct switch_ *sw)
{
    if (!sw)
        return;
    assert(list_empty(&sw->ports));
    multicast_free(sw);
    fdb_free(sw->fdb);
    if (sw->vlans)
        vlan_free(sw);
    homes_free(sw->homes);
    neighbors_free(sw->neighbors);
    free(sw->cut);
    free(sw->scratch);
    free(sw->vlans);
    free(sw);
}

void switch_configure(struct switch_ *sw, const struct switch_config *config)
{
    bool changed = sw->config.vlan_aware != config->vlan_aware ||
                   memcmp(sw->config.vlans, config->vlans, sizeof config->vlans) != 0;

    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++) {
        if (swport_vlan_has(sw->config.vlans, vid) && !swport_vlan_has(config->vlans, vid))
            fdb_flush_vlan(sw->fdb, vid);
    }
    if (sw->config.vlan_aware != config->vlan_aware)
        fdb_flush_vlan(sw->fdb, 0);
    sw->config = *config;
    if (!sw->config.ageing)
        sw->config.ageing = AGEING_DEFAULT;
    fdb_set_ageing(sw->fdb, sw->config.ageing);
    multicast_configure(sw);
    if (sw->config.sooner)
        *sw->config.sooner = true;
    if (!changed)
        return;
    list_for_each (it, &sw->ports)
        vlan_update_port(sw, list_entry(it, struct swport, ports_link));
}

/* --- ports -------------------------------------------------------------------------------- */

static void note_settings(struct swport *port)
{
    const struct swport_settings *set = &port->set;

    port->watched = port->pinned || set->guards || set->trust || set->priority ||
                    set->police.rate || set->n_limits;
    port->fdb.limit = set->macs_max;
    memset(port->storm, 0, sizeof port->storm);
    port->police = (struct storm){.credit = 0};
    memset(port->vlan_police, 0, sizeof port->vlan_police);
}

void switch_add_port(struct switch_ *sw, struct swport *port)
{
    port->sw = sw;
    port->pending = 0;
    port->last.src = port->last.dst = 0;
    port->last.dst_port = NULL;
    list_append(&sw->ports, &port->ports_link);
    list_init(&port->dirty_link);
    note_settings(port);
    port->fdb.inner = port->all_vlans;
    fdb_add_port(sw->fdb, &port->fdb);
    port->mirror = NULL;
    port->is_mirror = false;
    port->router_until = 0;
    vlan_add_port(sw, port);
    mirror_resolve(sw);
    if (port->pinned)
        place_port(port);
}

void switch_remove_port(struct swport *port)
{
    if (!port->sw)
        return;
    multicast_remove_port(port->sw, port);
    vlan_remove_port(port->sw, port);
    fdb_remove_port(port->sw->fdb, &port->fdb);
    list_remove(&port->ports_link);
    list_remove(&port->dirty_link);
    mirror_resolve(port->sw);
    port->sw = NULL;
}

void switch_set_port(struct swport *port, const struct swport_settings *set)
{
    struct switch_ *sw = port->sw;
    uint8_t kept[SWPORT_VLANS / 8] = {0};

    port->set = *set;
    note_settings(port);
    if (!sw)
        return;
    mirror_resolve(sw);
    vlan_update_port(sw, port);
    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++) {
        if (switch_is_member(port, vid))
            swport_vlan_add(kept, vid);
    }
    fdb_keep_vlans(sw->fdb, &port->fdb, kept);
}

void switch_set_port_state(struct swport *port, enum swport_state state)
{
    bool changed = (port->state == SWPORT_FORWARDING) != (state == SWPORT_FORWARDING);

    port->state = state;
    if (state != SWPORT_FORWARDING)
        port->pending = 0;
    if (changed && port->sw)
        vlan_update_port(port->sw, port);
}

void switch_flush_port(struct swport *port)
{
    if (port->sw)
        fdb_flush_port(port->sw->fdb, &port->fdb);
}

void switch_send(struct swport *port, struct frame *frame)
{
    const struct switch_capture *capture = port->sw->capture;
    struct frame *one[1] = {frame};

    if (capture)
        capture->out(capture->aux, port, one, 1);
    port->ops->send(port, one, 1);
}

/* --- who listens -------------------------------------------------------------------------- */

void switch_set_capture(struct switch_ *sw, const struct switch_capture *capture)
{
    sw->capture = capture;
}

void switch_set_trap(struct switch_ *sw, const struct switch_trap *trap)
{
    sw->trap = trap;
}

void switch_set_notices(struct switch_ *sw, const struct switch_notices *notices)
{
    sw->notices = notices;
}

/* --- MACs and VLANs ----------------------------------------------------------------------- */

mtime_t switch_deadline(const struct switch_ *sw)
{
    return mtime_min(fdb_deadline(sw->fdb), multicast_deadline(sw));
}

void switch_run(struct switch_ *sw, mtime_t now)
{
    fdb_run(sw->fdb, now);
    multicast_run(sw, now);
}

void switch_pardon(struct switch_ *sw, mtime_t now)
{
    fdb_pardon(sw->fdb, now);
    multicast_wait_for_links(sw);
}

void switch_expect_move(struct switch_ *sw, const uint8_t mac[6], uint16_t vlan)
{
    fdb_expect_move(sw->fdb, fdb_key(mac, vlan));
}

void switch_flush_vlan(struct switch_ *sw, uint16_t vlan)
{
    fdb_flush_vlan(sw->fdb, vlan);
}

unsigned switch_list_macs(const struct switch_ *sw, struct switch_mac *out, unsigned room,
                          uint32_t *cursor)
{
    unsigned n = 0;

    while (n < room) {
        struct fdb_mac mac;

        if (!fdb_list(sw->fdb, &mac, 1, cursor))
            break;
        memcpy(out[n].mac, mac.mac, sizeof out[n].mac);
        out[n].vlan = mac.vlan;
        out[n].fixed = mac.fixed;
        out[n].port_id = list_entry(mac.port, struct swport, fdb)->id;
        out[n++].seen = mac.seen;
        if (!*cursor)
            break;
    }
    return n;
}

unsigned switch_list_groups(const struct switch_ *sw, struct switch_mac *out, unsigned room,
                            uint32_t *cursor)
{
    unsigned n = 0;
    uint64_t key;

    while (sw->multicast && n < room) {
        *cursor = groups_walk(sw->multicast->groups, *cursor, &key, &out[n].seen);
        if (!*cursor)
            return n;
        for (unsigned k = 0; k < 6; k++)
            out[n].mac[k] = (uint8_t)(key >> (56 - 8 * k));
        out[n].vlan = key & FRAME_TCI_VID;
        out[n].fixed = false;
        out[n++].port_id = sw->port_at[groups_port(sw->multicast->groups, *cursor)]->id;
    }
    return n;
}

unsigned switch_count_groups(const struct switch_ *sw)
{
    return sw->multicast ? groups_count(sw->multicast->groups) : 0;
}

unsigned switch_count_macs(const struct switch_ *sw)
{
    return fdb_count(sw->fdb);
}

struct swport_heard switch_heard(const struct switch_ *sw, bool ip6)
{
    return sw->heard[ip6 ? SWPORT_IP6 : SWPORT_IP4];
}

struct switch_vlan switch_vlan_counters(const struct switch_ *sw, uint16_t vlan)
{
    return sw->vlans[vlan % SWPORT_VLANS].counters;
}
