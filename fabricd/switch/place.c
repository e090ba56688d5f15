/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Homes of MACs: who is believed, and where frames to it go. The port of a program whose MAC lives
 * elsewhere is fenced: it takes and gives nothing, and forwards at the moment at which its host
 * becomes the home. So the next instance of an endpoint can be made ready beside the one that works.
 */
#include "fabricd/switch/switch_internal.h"

#include "proto/wire/mac.h"

static bool is_away(const struct switch_ *sw, const uint8_t mac[MAC_SIZE])
{
    uint32_t home = homes_of(sw->homes, mac);

    return home != HOMES_NONE && home != HOMES_HERE;
}

void place_port(struct swport *port)
{
    struct switch_ *sw = port->sw;
    bool fenced = is_away(sw, port->pin_mac);

    /* Its MAC is nobody else's, however loudly somebody else uses it as a source. */
    if (!fenced)
        (void)fdb_fix(sw->fdb, fdb_key(port->pin_mac, port->set.vlan), &port->fdb, 0);
    if (fenced == (port->state == SWPORT_DISCARDING))
        return;
    if (fenced) {
        fdb_remove_port(sw->fdb, &port->fdb);
        fdb_add_port(sw->fdb, &port->fdb);
    }
    switch_set_port_state(port, fenced ? SWPORT_DISCARDING : SWPORT_FORWARDING);
}

/* Of the MAC, or of all: NULL. */
static void place_ports(struct switch_ *sw, const uint8_t *mac)
{
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        port->last.src = 0; /* It is asked anew who may use a MAC. */
        if (port->pinned && (!mac || mac_equal(port->pin_mac, mac)))
            place_port(port);
    }
}

/* Frames to the MAC go to the link to its host, before it has said anything itself. */
static void lead_there(struct switch_ *sw, const uint8_t mac[MAC_SIZE], uint16_t vlan,
                       uint16_t host, mtime_t now)
{
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (port->horizon && port->host == host)
            fdb_learn(sw->fdb, fdb_key(mac, vlan), 0, &port->fdb, now);
    }
}

bool switch_put_home(struct switch_ *sw, const uint8_t mac[MAC_SIZE], uint16_t vlan,
                     uint16_t host, mtime_t now)
{
    bool away = is_away(sw, mac);

    if (!homes_put(sw->homes, mac, host))
        return false;
    switch_expect_move(sw, mac, vlan);
    place_ports(sw, mac);
    if (host != HOMES_HERE)
        lead_there(sw, mac, vlan, host, now);
    return away && host == HOMES_HERE;
}

void switch_remove_home(struct switch_ *sw, const uint8_t mac[MAC_SIZE])
{
    if (homes_remove(sw->homes, mac))
        place_ports(sw, mac);
}

void switch_begin_homes(struct switch_ *sw)
{
    homes_begin(sw->homes);
    neighbors_begin(sw->neighbors);
}

void switch_end_homes(struct switch_ *sw)
{
    homes_end(sw->homes);
    neighbors_end(sw->neighbors);
    place_ports(sw, NULL);
}

bool place_denies(const struct swport *in, const struct frame *f)
{
    uint32_t home = homes_of(in->sw->homes, f->data + MAC_SIZE);

    if (home == HOMES_NONE)
        return false;
    if (home == HOMES_HERE)
        return in->all_vlans;
    if (in->transit)
        return false;
    return !in->all_vlans || (in->horizon && in->host != home);
}
