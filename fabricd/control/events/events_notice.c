/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What switches notice at their ports. */
#include "fabricd/control/events/events_internal.h"
#include "fabricd/switch/switch.h"
#include "proto/base/log.h"
#include "proto/wire/mac.h"

static void warn(const char *network, const struct ipc_notice *n, const char *mac)
{
    switch ((enum swport_notice)n->sort) {
    case SWPORT_NOTICE_STORM:
        log_warn("port %s/%s floods the network; storm control drops what is too much",
                 network, n->port);
        break;
    case SWPORT_NOTICE_MACS:
        log_warn("port %s/%s has as many MACs as it may: %s is kept out (mac_limit)",
                 network, n->port, mac);
        break;
    case SWPORT_NOTICE_FLAP:
        log_warn(
            "%s moves between ports of network %s, now to %s: it stays where it was for "
            "three minutes; is there a loop, or the MAC twice?",
            mac, network, n->port);
        break;
    case SWPORT_NOTICE_GUARD:
        log_warn("port %s/%s sent what its guards keep out, from %s", network, n->port,
                 mac);
        break;
    case SWPORT_NOTICE_SPOOF: /* Also what a kernel makes up for itself: no reason to warn. */
        log_info("port %s/%s sent by a MAC or address that is not its own, from %s",
                 network, n->port, mac);
        break;
    case SWPORT_NOTICE_ISOLATED:
        log_warn("port %s/%s is isolated, and %s sent to somebody behind another such port",
                 network, n->port, mac);
        break;
    case SWPORT_NOTICE_POLICED: /* As it was set: no reason to warn. */
        log_info("port %s/%s sends more than it may; policing drops what is too much",
                 network, n->port);
        break;
    case SWPORT_NOTICES:
        break;
    }
}

void events_notice(struct control *control, const struct ipc_notice *n)
{
    const struct view_network *net =
        control->view != NULL ? view_network_by_id(control->view, n->net) : NULL;
    char mac[MAC_TEXT_SIZE];
    struct node *body;

    if (net == NULL || n->sort >= SWPORT_NOTICES)
        return;
    mac_format(n->mac, mac);
    warn(net->name, n, mac);
    if (control->events == NULL)
        return;
    body = events_entry("port", net->name, n->port,
                        swport_notice_name((enum swport_notice)n->sort));
    node_set_text(body, "mac", mac);
    if (n->vlan != 0)
        node_set_int(body, "vlan", n->vlan);
    events_add(control->events, "port", net->name, net->scope == STORE_LOCAL, body);
}
