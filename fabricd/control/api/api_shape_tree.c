/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spanning trees as the API shows them. */
#include <stdio.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/tree/tree.h"

static void set_bridge(struct node *out, const char *key, const struct control *control,
                       const struct view_network *net, uint64_t bridge)
{
    const char *host = stp_host(control, net, bridge);
    char of[32];

    stp_set_bridge(out, key, bridge);
    snprintf(of, sizeof(of), "%s_host", key);
    if (host != NULL)
        node_set_text(out, of, host);
}

static struct node *change_node(const struct control *control,
                                const struct view_network *net,
                                const struct ipc_stats_tree *tree)
{
    struct node *change = node_map();

    node_set_int(change, "count", (int64_t)tree->tc_count);
    if (tree->tc_age_us < 0)
        return change;
    node_set_int(change, "ago_ms", tree->tc_age_us / 1000);
    node_set_text(change, "cause",
                  tree->tc_cause == RSTP_TC_DETECTED ? "port began to forward"
                                                     : "told by a neighbour");
    if (tree->tc_port[0] != '\0')
        node_set_text(change, "port", tree->tc_port);
    if (tree->tc_bridge != 0)
        set_bridge(change, "from", control, net, tree->tc_bridge);
    return change;
}

void shape_tree(struct node *status, const struct control *control,
                const struct view_network *net, const struct ipc_stats_tree *tree)
{
    struct node *stp;

    if (tree == NULL)
        return;
    stp = node_map();
    set_bridge(stp, "root", control, net, tree->root);
    set_bridge(stp, "bridge", control, net, tree->bridge);
    node_set_int(stp, "cost", tree->cost);
    if (tree->root_port[0] != '\0')
        node_set_text(stp, "root_port", tree->root_port);
    node_set_int(stp, "hello", tree->hello);
    node_set_int(stp, "max_age", tree->max_age);
    node_set_int(stp, "forward_delay", tree->forward_delay);
    node_set(stp, "topology_changes", change_node(control, net, tree));
    node_set(status, "stp", stp);
}

const char *shape_tree_problem(const struct ipc_stats_stp_port *stp)
{
    if (stp->guarded)
        return "shut by the BPDU guard";
    if (stp->looped)
        return "hears its own BPDUs";
    if (stp->blocked)
        return "the same LAN is attached elsewhere";
    if (stp->root_refused)
        return "kept back by the root guard";
    return NULL;
}

void shape_tree_port(struct node *status, const struct control *control,
                     const struct ipc_stats_port *port)
{
    const struct ipc_stats_stp_port *s = &port->stp;
    const struct view_network *net = view_network_by_id(control->view, port->net);
    const struct view_host *host = view_host_by_number(control->view, s->blocked_by);
    const char *problem = shape_tree_problem(s);
    struct node *stp;

    if (s->number == 0 || net == NULL)
        return;
    stp = node_map();
    node_set_text(stp, "role", rstp_role_name((enum rstp_role)s->role));
    node_set_text(stp, "state",
                  s->blocked ? "discarding" : rstp_state_name((enum rstp_state)s->state));
    node_set_int(stp, "cost", s->cost);
    node_set_int(stp, "number", s->number);
    node_set_int(stp, "priority", s->port_id >> 12 << 4);
    node_set_bool(stp, "edge", s->edge != 0);
    node_set_bool(stp, "p2p", s->p2p != 0);
    node_set_text(stp, "protocol", s->rapid ? "rstp" : "stp");
    if (s->last_resort)
        node_set_text(stp, "held",
                      s->spare ? "not needed" : "used where there is no other way");
    if (s->held_ms > 0)
        node_set_int(stp, "held_ms", s->held_ms);
    if (s->losses > 0)
        node_set_int(stp, "losses", s->losses);
    if (s->designated_bridge != 0)
        set_bridge(stp, "designated", control, net, s->designated_bridge);
    if (problem != NULL)
        node_set_text(stp, "problem", problem);
    if (s->blocked && host != NULL)
        node_set_text(stp, "blocked_by", host->name);
    node_set_int(stp, "forwarded", (int64_t)s->forwarded);
    node_set_int(stp, "rx_bpdus", (int64_t)s->rx_bpdus);
    node_set_int(stp, "tx_bpdus", (int64_t)s->tx_bpdus);
    if (s->rx_bad > 0)
        node_set_int(stp, "rx_bad", (int64_t)s->rx_bad);
    node_set(status, "stp", stp);
}
