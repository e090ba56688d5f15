/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which port is whose mirror. Settings name a mirror by its name, which may come later or go. */
#include <string.h>

#include "fabricd/switch/switch_internal.h"

static struct swport *port_named(struct switch_ *sw, const char *name)
{
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (port->name && strcmp(port->name, name) == 0)
            return port;
    }
    return NULL;
}

static bool is_named(const struct switch_ *sw, const struct swport *mirror)
{
    list_for_each (it, &sw->ports) {
        if (list_entry(it, struct swport, ports_link)->mirror == mirror)
            return true;
    }
    return false;
}

void mirror_resolve(struct switch_ *sw)
{
    bool any = false;

    list_for_each (it, &sw->ports)
        any |= list_entry(it, struct swport, ports_link)->set.mirror[0] != '\0';
    if (!any && !sw->mirrors)
        return;
    sw->mirrors = any;
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        port->mirror = port->set.mirror[0] ? port_named(sw, port->set.mirror) : NULL;
        if (port->mirror == port)
            port->mirror = NULL;
    }
    list_for_each (it, &sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);
        bool was = port->is_mirror;

        port->is_mirror = is_named(sw, port);
        if (port->is_mirror == was)
            continue;
        vlan_update_port(sw, port);
        fdb_flush_port(sw->fdb, &port->fdb);
    }
}

void mirror_in(struct switch_ *sw, struct swport *in, struct frame *frames, unsigned n,
               uint64_t which)
{
    struct frame *vector[FRAME_BURST];
    unsigned n_vector = 0;

    for (unsigned i = 0; i < n; i++) {
        if (which >> i & 1)
            vector[n_vector++] = &frames[i];
    }
    if (n_vector)
        egress_mirror(sw, in, vector, n_vector);
}
