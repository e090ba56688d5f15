/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to spanning trees. */
#include <stdio.h>

#include "fabricd/control/events/events_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/tree/tree.h"
#include "proto/base/log.h"

static void warn(const struct control *control, const struct view_network *net,
                 const struct ipc_tree_event *e)
{
    const struct view_host *host = view_host_by_number(control->view, e->host);

    switch ((enum tree_event)e->event) {
    case TREE_EVENT_BPDU_GUARD:
        log_warn(
            "port %s/%s received a BPDU and is shut (guard: bpdu); iothctl port set %s/%s "
            "guard= opens it",
            net->name, e->port, net->name, e->port);
        break;
    case TREE_EVENT_ROOT_GUARD:
        log_warn("port %s/%s hears of a better root and does not forward (guard: root)",
                 net->name, e->port);
        break;
    case TREE_EVENT_LOOPED:
        log_warn(
            "port %s/%s hears itself: there is a loop behind it, and it does not forward",
            net->name, e->port);
        break;
    case TREE_EVENT_PROBE_BLOCKED:
        if (e->host == control->id.self.host)
            log_warn(
                "port %s/%s is blocked: the LAN behind it is attached at another port of "
                "this host too",
                net->name, e->port);
        else
            log_warn("port %s/%s is blocked: the LAN behind it is attached at host %s too; "
                     "iothctl net set %s forwarding=tree uses both",
                     net->name, e->port, host != NULL ? host->name : "?", net->name);
        break;
    case TREE_EVENT_HELD:
        log_warn(
            "port %s/%s goes down again and again: the spanning tree uses it only where "
            "there is no other way, until it has held for %u s",
            net->name, e->port, (e->held_ms + 999) / 1000);
        break;
    case TREE_EVENT_ROOT:
    case TREE_EVENT_TOPOLOGY:
    case TREE_EVENT_PROBE_FREED:
    case TREE_EVENT_HEARD:
    case TREE_EVENT_RELEASED:
        break;
    }
}

void events_tree(struct control *control, const struct ipc_tree_event *e)
{
    const struct view_network *net =
        control->view != NULL ? view_network_by_id(control->view, e->net) : NULL;
    const struct view_host *host;
    const char *bridge;
    struct node *body;

    if (net == NULL)
        return;
    warn(control, net, e);
    if (control->events == NULL)
        return;
    body = e->port[0] != '\0' ? events_entry("port", net->name, e->port,
                                             tree_event_name((enum tree_event)e->event))
                              : events_entry("network", "", net->name,
                                             tree_event_name((enum tree_event)e->event));
    bridge = e->bridge != 0 ? stp_host(control, net, e->bridge) : NULL;
    host = e->host != 0 ? view_host_by_number(control->view, e->host) : NULL;
    if (bridge != NULL || host != NULL)
        node_set_text(body, "host", bridge != NULL ? bridge : host->name);
    if (e->bridge != 0)
        stp_set_bridge(body, "bridge", e->bridge);
    if (e->held_ms > 0)
        node_set_int(body, "held_ms", e->held_ms);
    if (e->event == TREE_EVENT_HELD || e->event == TREE_EVENT_RELEASED)
        node_set_int(body, "losses", e->losses);
    events_add(control->events, "tree", net->name, net->scope == STORE_LOCAL, body);
}
