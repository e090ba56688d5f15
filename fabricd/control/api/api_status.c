/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/fabric/carried.h"
#include "fabricd/control/identity/identity.h"
#include "fabricd/control/perm/perm.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/tls/tls.h"
#include "fabricd/control/trial/standing.h"
#include "ioth_version.h"
#include "proto/base/xalloc.h"
#include "proto/link/cert.h"
#include "proto/wire/mac.h"

static void add_problem(void *aux, const char *what, const char *why)
{
    char *text = xasprintf("%s: %s", what, why);

    node_append(aux, node_text(text));
    free(text);
}

#define NAMED 3u /* Networks that one problem names. */

/* "no link works between alpha-beta: lan1, lan2, lan3 and 9 more networks are degraded" of each pair. */
static void add_pairs(const struct node *pairs, struct node *list)
{
    for (size_t i = 0; i < pairs->n; i++) {
        const struct node *nets = pairs->child[i];
        char names[NAMED * 66 + 32] = "", *text;
        size_t used = 0;

        for (size_t k = 0; k < nets->n && k < NAMED; k++)
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                     k > 0 ? ", " : "", nets->child[k]->text);
        if (nets->n > NAMED)
            snprintf(names + used, sizeof(names) - used, " and %zu more", nets->n - NAMED);
        text =
            xasprintf("no link works between %s: network%s %s %s degraded", pairs->key[i],
                      nets->n > 1 ? "s" : "", names, nets->n > 1 ? "are" : "is");
        node_append(list, node_text(text));
        free(text);
    }
}

/* The network under each pair of hosts that it misses. */
static void note_degraded(const struct control *control, const struct view_network *net,
                          struct node *pairs)
{
    struct node *degraded = shape_degraded(control, net);

    for (size_t i = 0; i < degraded->n; i++) {
        const char *pair = degraded->child[i]->text;

        if (node_get(pairs, pair) == NULL)
            node_set(pairs, pair, node_list());
        node_append(node_get(pairs, pair), node_text(net->name));
    }
    node_free(degraded);
}

/* Ports that something keeps from forwarding. */
static void add_blocked(const struct control *control, const struct stats *stats,
                        struct node *list)
{
    for (size_t i = 0; i < stats->n_ports; i++) {
        const struct ipc_stats_port *port = &stats->ports[i];
        const struct view_network *net = view_network_by_id(control->view, port->net);
        const char *why = shape_tree_problem(&port->stp);
        char name[IPC_NAME_SIZE], *text;

        if (net == NULL || why == NULL)
            continue;
        stats_port_name(port, name);
        text = xasprintf("port %s/%s does not forward: %s", net->name, name, why);
        node_append(list, node_text(text));
        free(text);
    }
}

static struct node *problems(const struct control *control, const struct stats *stats)
{
    struct node *list = node_list(), *pairs = node_map();

    add_blocked(control, stats, list);
    reconcile_each_problem(control->reconcile, add_problem, list);
    if (!chan_up(&control->switch_))
        node_append(list, node_text("the switch process is away"));
    if (!chan_up(&control->parent))
        node_append(list, node_text("the parent process is away: start fabricd again"));
    list_for_each (it, &control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);

        note_degraded(control, net, pairs);
        if (net->scope == STORE_LOCAL &&
            view_network_in(control->view, STORE_FABRIC, net->name) != NULL) {
            char *text =
                xasprintf("the local network %s is hidden by one of the fabric", net->name);
            node_append(list, node_text(text));
            free(text);
        }
    }
    add_pairs(pairs, list);
    node_free(pairs);
    return list;
}

static bool count_port(void *aux, const struct ipc_port *port)
{
    int64_t *n = aux;

    (void)port;
    ++*n;
    return true;
}

static struct node *counts(const struct control *control)
{
    struct node *map = node_map();
    int64_t ports = 0;

    reconcile_each_port(control->reconcile, count_port, &ports);
    node_set_int(map, "networks", (int64_t)control->view->n_networks);
    node_set_int(map, "hosts", (int64_t)control->view->n_hosts);
    node_set_int(map, "endpoints", (int64_t)control->view->n_endpoints);
    node_set_int(map, "ports", ports);
    return map;
}

static struct node *peers(const struct control *control)
{
    struct node *list = node_list();

    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        const struct ipc_peer_state *state = observe_peer(control->observe, host->number);
        struct node *peer;

        if (host->number == 0 || host->number == control->id.self.host)
            continue;
        peer = node_map();
        node_set_text(peer, "host", host->name);
        node_set_text(peer, "state", state != NULL && state->up != 0 ? "up" : "down");
        if (state != NULL && state->up != 0) {
            node_set_int(peer, "rtt_us", state->rtt_us);
            node_set_text(peer, "cipher", state->cipher);
        }
        node_append(list, peer);
    }
    return list;
}

/* The API over TCP, as a client has to know it. */
static struct node *api_node(const struct control *control)
{
    const struct tls *tls = api_tls(control->api);
    struct node *node = node_map();
    char text[80];

    node_set_text(node, "address", ipc_addr_print(&control->start.api, text, sizeof(text)));
    node_set_text(node, "pin", tls->pin);
    api_set_time(node, "expires", tls->expires);
    return node;
}

/* Until when this host is known to the others. Nothing where there are none, yet. */
static void put_certificate(const struct control *control, struct node *status)
{
    const struct ipc_self *self = &control->id.self;
    struct node *node = node_map();
    struct cert_host cert;
    int r = self->chain_size > 0 ? cert_chain_verify(self->chain, self->chain_size,
                                                     self->root, wall_now(), &cert, NULL)
                                 : -ENOENT;

    if (r == 0)
        api_set_time(node, "expires", cert.not_after);
    else if (r == -EKEYEXPIRED)
        node_set_bool(node, "expired", true);
    if (r == 0 || r == -EKEYEXPIRED)
        node_set(status, "certificate", node);
    else
        node_free(node);
}

static void answer_status(void *aux, const struct stats *stats)
{
    struct api_request *rq = aux;
    const struct control *control = rq->control;
    struct node *status = node_map(), *pids = node_map(), *standing;
    char *fabric = identity_fabric_name(control);

    node_set_text(status, "version", IOTH_VERSION_TEXT);
    node_set_text(status, "host", control_host(control));
    api_set_time(status, "time", wall_now());
    if (rq->full) {
        if (fabric != NULL)
            node_set_text(status, "fabric", fabric);
        else
            node_set(status, "fabric", node_new(NODE_NULL));
        standing = standing_show(control);
        if (standing != NULL)
            node_set(status, "apply", standing);
        node_set_int(pids, "parent", control->parent_pid);
        node_set_int(pids, "switch", control->switch_pid);
        node_set_int(pids, "control", getpid());
        node_set(status, "pids", pids);
        node_set_text(status, "run_dir", control->start.run_dir);
        node_set_text(status, "state_dir", control->start.state_dir);
        node_set(status, "counts", counts(control));
        node_set(status, "peers", peers(control));
        node_set(status, "problems", problems(control, stats));
        put_certificate(control, status);
        if (api_tls(control->api) != NULL)
            node_set(status, "api", api_node(control));
    } else {
        node_free(pids);
    }
    free(fabric);
    api_answer_node(rq, 200, status);
}

static void carried(void *aux)
{
    struct api_request *rq = aux;
    static const struct stats none = {.complete = true};

    if (rq->full)
        observe_stats(rq->control->observe, 0, IPC_STATS_PORTS, answer_status, rq);
    else
        answer_status(rq, &none);
}

void api_status(struct api_request *rq)
{
    const char *revision = api_query(rq, "revision");

    if (revision != NULL)
        carried_here(rq->control, strtoull(revision, NULL, 10), carried, rq);
    else
        carried(rq);
}

/* --- the rest ------------------------------------------------------------------------------ */

void api_stop(struct api_request *rq)
{
    struct node *answer = node_map();

    if (!chan_up(&rq->control->parent)) {
        node_free(answer);
        api_problem(rq, 503, "the daemon's parent process is away");
        return;
    }
    node_set_bool(answer, "stopping", true);
    api_answer_node(rq, 202, answer);
    chan_send(&rq->control->parent, IPC_STOP, NULL, NULL, 0);
}
