/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The MACs that the switches of this host know. */
#include <stdio.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/identity/identity.h"
#include "fabricd/control/perm/perm.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

static struct node *mac_node(const struct control *control, const struct view_network *net,
                             const struct ipc_mac *mac, const struct stats *stats)
{
    const struct ipc_port *port = reconcile_port_by_id(control->reconcile, mac->port);
    const struct view_endpoint *ep =
        view_endpoint_by_mac(control->view, net->name, mac->mac);
    struct node *node = node_map();
    char text[MAC_TEXT_SIZE], link[IPC_NAME_SIZE];

    mac_format(mac->mac, text);
    node_set_text(node, "mac", text);
    node_set_text(node, "network", net->name);
    if (mac->vlan != 0)
        node_set_int(node, "vlan", mac->vlan);
    for (size_t i = 0; port == NULL && i < stats->n_ports; i++) {
        const struct view_host *peer;

        if (stats->ports[i].id != mac->port)
            continue;
        peer = view_host_by_number(control->view, stats->ports[i].host);
        if (peer == NULL)
            continue;
        node_set_text(node, "host", peer->name);
        snprintf(link, sizeof(link), "link-%.58s", peer->name);
        node_set_text(node, "port", link);
    }
    if (port != NULL) {
        node_set_text(node, "host", control_host(control));
        node_set_text(node, "port", port->name);
    }
    if (ep != NULL)
        node_set_text(node, "endpoint", ep->name);
    if (mac->fixed != 0)
        node_set_bool(node, "fixed", true);
    else
        node_set_int(node, "age_ms", mac->age_ms);
    return node;
}

static void answer_macs(void *aux, const struct stats *stats)
{
    struct api_request *rq = aux;
    struct node *answer = node_map(), *items = node_list();
    const char *network = api_query(rq, "network");

    for (size_t i = 0; i < stats->n_macs; i++) {
        const struct view_network *net =
            view_network_by_id(rq->control->view, stats->macs[i].net);
        if (net != NULL && shape_visible(rq, net->name) &&
            (network == NULL || strcmp(net->name, network) == 0))
            node_append(items, mac_node(rq->control, net, &stats->macs[i].mac, stats));
    }
    node_set(answer, "items", items);
    api_answer_node(rq, 200, answer);
}

void api_macs(struct api_request *rq)
{
    const char *network = api_query(rq, "network");
    const struct view_network *net =
        network != NULL ? view_network(rq->control->view, network) : NULL;

    if (network != NULL && (net == NULL || !shape_visible(rq, network)))
        api_problem(rq, 404, "there is no network %s", network);
    else
        observe_stats(rq->control->observe, net != NULL ? net->id : 0,
                      IPC_STATS_PORTS | IPC_STATS_FDB, answer_macs, rq);
}
