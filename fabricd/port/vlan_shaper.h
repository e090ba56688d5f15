/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rate limits of VLANs of a port, towards its endpoint: stands between the switch and the port's
 * own limit, or the driver. What comes too fast in a VLAN waits in a bounded queue of the VLAN and holds
 * up no other; what does not fit there is dropped and counted.
 */
#ifndef FABRICD_PORT_VLAN_SHAPER_H
#define FABRICD_PORT_VLAN_SHAPER_H

struct port;
struct vlan_shaper;

/* Makes, changes or takes away port->vlan_shaper as port->sw.set says. VLANs whose limit stays keep what
 * waits; of others it goes on at once. Without memory there is no limit. */
void vlan_shaper_follow(struct port *);

/* What waits is lost. Accepts NULL. */
void vlan_shaper_free(struct vlan_shaper *);

#endif
