/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Homes of MACs: who is believed, and where frames to it go. */
#include "fabricd/switch/switch_internal.h"

#include "proto/wire/mac.h"

/* Ports ask anew who may use a MAC. */
static void forget_answers(struct switch_ *sw)
{
    list_for_each (it, &sw->ports)
        list_entry(it, struct swport, ports_link)->last.src = 0;
}

/* Frames to the MAC go to the link to its host, before it has said anything itself. */
static void lead_there(struct switch_ *sw, const uint8_t mac[MAC_SIZE], uint16_t vlan,
                       uint16_t host, mtime_t now)
{
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (port->horizon && port->host == host)
            fdb_learn(sw->fdb, fdb_key(mac, vlan), &port->fdb, now);
    }
}

void switch_put_home(struct switch_ *sw, const uint8_t mac[MAC_SIZE], uint16_t vlan,
                     uint16_t host, mtime_t now)
{
    if (!homes_put(sw->homes, mac, host))
        return;
    forget_answers(sw);
    switch_expect_move(sw, mac, vlan);
    if (host != HOMES_HERE)
        lead_there(sw, mac, vlan, host, now);
}

void switch_remove_home(struct switch_ *sw, const uint8_t mac[MAC_SIZE])
{
    homes_remove(sw->homes, mac);
}

void switch_begin_homes(struct switch_ *sw)
{
    homes_begin(sw->homes);
}

void switch_end_homes(struct switch_ *sw)
{
    homes_end(sw->homes);
}

bool place_denies(const struct swport *in, const struct frame *f)
{
    uint32_t home = homes_of(in->sw->homes, f->data + MAC_SIZE);

    if (home == HOMES_NONE)
        return false;
    if (home == HOMES_HERE)
        return in->all_vlans;
    return !in->all_vlans || (in->horizon && in->host != home);
}
