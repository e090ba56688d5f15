/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects as the API shows them: what the store has, and what is. Ports and links are more than
 * what was declared: those that are there are shown too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/change/work.h"
#include "fabricd/control/fabric/fabric.h"
#include "fabricd/control/perm/perm.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/services/services.h"
#include "fabricd/switch/switch.h"
#include "proto/base/log.h"
#include "proto/base/mtime.h"
#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

struct shape {
    struct api_request *rq;
    const struct kind *kind;
    const struct stats *stats;
    const char *network; /* Only of this one; NULL = all. */
    const char *name;    /* Only this one; NULL = all. */
    struct node *list;
};

uint32_t shape_needs(const struct kind *kind)
{
    if (strcmp(kind->name, "network") == 0)
        return IPC_STATS_PORTS | IPC_STATS_FDB | IPC_STATS_TREES | IPC_STATS_VLANS |
               IPC_STATS_MEMBERS;
    if (strcmp(kind->name, "port") == 0)
        return IPC_STATS_PORTS;
    if (strcmp(kind->name, "host") == 0 || strcmp(kind->name, "link") == 0)
        return IPC_STATS_LINKS;
    return 0;
}

bool shape_visible(const struct api_request *rq, const char *network)
{
    const struct view_network *net;

    net = network != NULL ? view_network(rq->control->view, network) : NULL;
    if (rq->from_host[0] != '\0')
        return net == NULL || net->scope != STORE_LOCAL;
    if (rq->full)
        return true;
    return net != NULL && perm_network(&rq->peer, net);
}

static bool is_wanted(const struct shape *shape, const char *network, const char *name)
{
    return (shape->network == NULL || strcmp(shape->network, network) == 0) &&
           (shape->name == NULL || strcmp(shape->name, name) == 0);
}

/* --- networks ------------------------------------------------------------------------------ */

struct degraded {
    const struct control *control;
    const struct view_network *net;
    struct node *pairs;
};

static void add_degraded(void *aux, uint16_t a, uint16_t b)
{
    struct degraded *d = aux;
    const struct view_host *x = view_host_by_number(d->control->view, a);
    const struct view_host *y = view_host_by_number(d->control->view, b);
    bool first;
    char *pair;

    if (x == NULL || y == NULL || !view_network_on(d->net, x->name) ||
        !view_network_on(d->net, y->name))
        return;
    first = strcmp(x->name, y->name) < 0;
    pair = xasprintf("%s-%s", first ? x->name : y->name, first ? y->name : x->name);
    node_append(d->pairs, node_text(pair));
    free(pair);
}

static int by_text(const void *a, const void *b)
{
    const struct node *const *x = a, *const *y = b;

    return strcmp((*x)->text, (*y)->text);
}

struct node *shape_degraded(const struct control *control, const struct view_network *net)
{
    struct degraded d = {control, net, node_list()};

    if (net->scope == STORE_LOCAL)
        return d.pairs;
    seen_each_down(control, add_degraded, &d);
    if (d.pairs->n > 1)
        qsort(d.pairs->child, d.pairs->n, sizeof(d.pairs->child[0]), by_text);
    return d.pairs;
}

static struct node *network_status(const struct shape *shape,
                                   const struct view_network *net)
{
    const struct control *control = shape->rq->control;
    struct node *status = node_map(), *hosts = node_list();
    int64_t ports = 0, macs = 0;

    if (net->scope == STORE_LOCAL) {
        node_append(hosts, node_text(control_host(control)));
    } else {
        list_for_each (it, &control->view->hosts) {
            const struct view_host *host = list_entry(it, struct view_host, link);
            if (host->number != 0 && view_network_on(net, host->name))
                node_append(hosts, node_text(host->name));
        }
    }
    if (hosts->n > 1)
        qsort(hosts->child, hosts->n, sizeof(hosts->child[0]), by_text);
    for (size_t i = 0; i < shape->stats->n_ports; i++)
        ports += shape->stats->ports[i].net == net->id && shape->stats->ports[i].kind != 0;
    for (size_t i = 0; i < shape->stats->n_macs; i++)
        macs += shape->stats->macs[i].net == net->id;
    node_set(status, "hosts", hosts);
    node_set(status, "degraded", shape_degraded(control, net));
    node_set_int(status, "ports", ports);
    node_set_int(status, "macs", macs);
    shape_counters(status, shape->stats, net);
    shape_tree(status, control, net, stats_tree(shape->stats, net->id));
    return status;
}

/* --- ports --------------------------------------------------------------------------------- */

static const char *port_kind(uint8_t kind)
{
    static const char *const names[] = {"link",    "tap",    "ring", "vde",
                                        "capture", "stream", "raw"};

    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

/* A port that is there on this host. */
static struct node *live_status(const struct shape *shape, const struct ipc_port *port)
{
    const struct ipc_stats_port *stats = stats_port(shape->stats, port->id);
    struct node *status = node_map(), *owner = node_map();

    node_set_text(status, "state", "up");
    node_set_text(status, "kind", port_kind(port->kind));
    node_set_text(status, "host", control_host(shape->rq->control));
    node_set_int(owner, "uid", port->owner_uid);
    if (port->owner_pid != 0)
        node_set_int(owner, "pid", port->owner_pid);
    node_set(status, "owner", owner);
    if ((port->kind == IPC_PORT_TAP || port->kind == IPC_PORT_RAW) && port->path[0] != '\0')
        node_set_text(status, "interface", port->path);
    if (stats != NULL) {
        if (stats->down != 0)
            node_set_bool(status, "carrier", false);
        shape_tree_port(status, shape->rq->control, stats);
        node_set(status, "counters",
                 shape_port_counters(
                     stats, view_network_by_id(shape->rq->control->view, port->net)));
    }
    return status;
}

static struct node *declared_status(const struct shape *shape, const struct view_port *port)
{
    struct control *control = shape->rq->control;
    const struct view_network *net = view_network(control->view, port->network);
    const char *host = node_get_text(port->body, "host", "");
    const struct ipc_port *live =
        net != NULL ? reconcile_port(control->reconcile, net->id, port->name) : NULL;
    const char *kind = schema_port_kind(port->body);
    const char *problem, *hint;
    struct node *status;

    if (live != NULL)
        return live_status(shape, live);
    status = node_map();
    problem = reconcile_problem(control->reconcile, port->network, port->name, &hint);
    node_set_text(status, "state", seen_port_state(control, port));
    node_set_text(status, "kind", kind != NULL ? kind : "unknown");
    node_set_text(status, "host", host);
    if (problem != NULL)
        node_set_text(status, "problem", problem);
    if (problem != NULL && hint[0] != '\0')
        node_set_text(status, "hint", hint);
    return status;
}

static void add_shown(struct shape *shape, struct node *object, struct node *status)
{
    node_set(object, "status", status);
    node_append(shape->list, object);
}

static struct node *bare_port(const char *network, const char *name, uint16_t vlan)
{
    struct node *body = node_map();

    if (vlan != 0)
        node_set_int(body, "access", vlan);
    return object_shown(body, network, name, 0, NULL);
}

static bool add_live_port(void *aux, const struct ipc_port *port)
{
    struct shape *shape = aux;
    struct control *control = shape->rq->control;
    const struct view_network *net = view_network_by_id(control->view, port->net);

    if (net == NULL || !shape_visible(shape->rq, net->name) ||
        !is_wanted(shape, net->name, port->name) ||
        view_port(control->view, net->name, port->name) != NULL)
        return true;
    add_shown(shape, bare_port(net->name, port->name, port->set.vlan),
              live_status(shape, port));
    return true;
}

static void add_link_ports(struct shape *shape)
{
    struct control *control = shape->rq->control;

    for (size_t i = 0; i < shape->stats->n_ports; i++) {
        const struct ipc_stats_port *stats = &shape->stats->ports[i];
        const struct view_network *net = view_network_by_id(control->view, stats->net);
        const struct view_host *peer = view_host_by_number(control->view, stats->host);
        struct node *status;
        char *name;

        if (stats->kind != 0 || net == NULL || !shape->rq->full)
            continue;
        name = xasprintf("link-%s", peer != NULL ? peer->name : stats->name);
        if (is_wanted(shape, net->name, name)) {
            status = node_map();
            node_set_text(status, "state", "up");
            node_set_text(status, "kind", "link");
            node_set_text(status, "host", control_host(control));
            shape_tree_port(status, control, stats);
            node_set(status, "counters", shape_port_counters(stats, net));
            add_shown(shape, bare_port(net->name, name, 0), status);
        }
        free(name);
    }
}

static void add_ports(struct shape *shape)
{
    struct control *control = shape->rq->control;

    list_for_each (it, &control->view->ports) {
        const struct view_port *port = list_entry(it, struct view_port, link);

        if (is_wanted(shape, port->network, port->name) &&
            shape_visible(shape->rq, port->network))
            add_shown(shape,
                      object_shown(node_copy(port->body), port->network, port->name,
                                   port->revision, port->owner),
                      declared_status(shape, port));
    }
    reconcile_each_port(control->reconcile, add_live_port, shape);
    add_link_ports(shape);
}

/* --- endpoints ----------------------------------------------------------------------------- */

static struct node *endpoint_body(const struct control *control,
                                  const struct view_endpoint *ep)
{
    struct store_object object;
    struct diags diags;
    struct node *body = NULL;

    diags_init(&diags);
    if (store_get(control->store, ep->scope, "endpoint", ep->network, ep->name, &object) ==
        0) {
        body = node_from_json(object.body, strlen(object.body), NULL, &diags);
        store_object_done(&object);
    }
    diags_done(&diags);
    return body != NULL ? body : node_map();
}

/* Whether a program runs under the name on another host, as far as this one has heard. */
static bool runs_elsewhere(const struct control *control, const struct view_endpoint *ep)
{
    static const char *const down[] = {"backoff", "stopped", "failed", "waiting",
                                       "refused"};
    const struct view_service *service =
        view_service_of(control->view, ep->network, ep->name);
    const char *state = service != NULL ? services_state(control, service) : "";

    for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++) {
        if (strcmp(state, down[i]) == 0)
            return false;
    }
    return ep->held;
}

static struct node *endpoint_status(const struct control *control,
                                    const struct view_endpoint *ep)
{
    const struct view_network *net = view_network(control->view, ep->network);
    const struct ipc_port *port =
        net != NULL ? reconcile_port(control->reconcile, net->id, ep->name) : NULL;
    bool here = strcmp(ep->host, control_host(control)) == 0;
    const struct view_host *host = view_host(control->view, ep->host);
    struct node *status = node_map();

    if (here || (host != NULL && seen_alive(control, host->number)))
        node_set_text(status, "state",
                      (here ? port != NULL : runs_elsewhere(control, ep)) ? "up" : "down");
    else /* The name was held when its host was heard of last. */
        node_set_text(status, "state", ep->held ? "unknown" : "down");
    if (here && port != NULL)
        node_set_int(status, "pid", port->node_pid != 0 ? port->node_pid : port->owner_pid);
    return status;
}

static void add_endpoint(struct shape *shape, const struct view_endpoint *ep)
{
    const struct control *control = shape->rq->control;
    struct node *object;

    if (!is_wanted(shape, ep->network, ep->name) || !shape_visible(shape->rq, ep->network))
        return;
    object = object_shown(endpoint_body(control, ep), ep->network, ep->name, ep->revision,
                          ep->owner);
    node_set_bool(object, "anonymous", ep->anonymous);
    add_shown(shape, object, endpoint_status(control, ep));
}

static void add_endpoints(struct shape *shape)
{
    struct view *view = shape->rq->control->view;

    if (shape->name != NULL && shape->network != NULL) {
        const struct view_endpoint *ep = view_endpoint(view, shape->network, shape->name);
        if (ep != NULL)
            add_endpoint(shape, ep);
        return;
    }
    list_for_each (it, &view->endpoints)
        add_endpoint(shape, list_entry(it, struct view_endpoint, link));
}

/* --- hosts and links ----------------------------------------------------------------------- */

static void set_peer_state(struct node *status, const struct ipc_peer_state *peer)
{
    char text[80];

    if (peer == NULL || peer->up == 0) {
        node_set_text(status, "state", "down");
        return;
    }
    node_set_text(status, "state", "up");
    if (ipc_addr_print(&peer->addr, text, sizeof(text))[0] != '\0')
        node_set_text(status, "address", text);
    node_set_int(status, "rtt_us", peer->rtt_us);
    node_set_int(status, "mtu", peer->mtu);
    node_set_text(status, "cipher", peer->cipher);
    if (peer->losses > 0)
        node_set_int(status, "losses", peer->losses);
    if (peer->held_ms > 0)
        node_set_int(status, "held_ms", peer->held_ms);
}

/* Where others reach this host; not the wildcard that its socket is bound to. */
static void set_own_addresses(struct node *status, const struct control *control)
{
    struct ipc_addr addrs[SYNC_MAX_ADDRS], udp;
    struct node *list;
    char text[80];
    unsigned n;

    if (!reconcile_udp(control->reconcile, &udp))
        return;
    n = member_addrs(control, addrs, SYNC_MAX_ADDRS);
    list = node_list();
    for (unsigned i = 0; i < n; i++) {
        ipc_addr_print(&addrs[i], text, sizeof(text));
        node_append(list, node_text(text));
        if (i == 0)
            node_set_text(status, "address", text);
    }
    node_set(status, "addresses", list);
}

static struct node *host_status(const struct control *control, const struct view_host *host)
{
    struct node *status = node_map();

    if (host->number == 0) {
        node_set_text(status, "state", "pending");
    } else if (host->number == control->id.self.host) {
        node_set_text(status, "state", "self");
        set_own_addresses(status, control);
    } else {
        set_peer_state(status, observe_peer(control->observe, host->number));
    }
    return status;
}

static void add_hosts(struct shape *shape)
{
    const struct control *control = shape->rq->control;

    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        if (is_wanted(shape, "", host->name))
            add_shown(shape,
                      object_shown(node_copy(host->body), "", host->name, host->revision,
                                   host->owner),
                      host_status(control, host));
    }
}

static char *link_name(const char *a, const char *b)
{
    return strcmp(a, b) < 0 ? xasprintf("%s-%s", a, b) : xasprintf("%s-%s", b, a);
}

/* Of two other hosts: what they tell. */
static struct node *told_link_status(const struct control *control, uint16_t a, uint16_t b)
{
    static const char *const names[] = {
        [SEEN_UNKNOWN] = "unknown", [SEEN_DOWN] = "down", [SEEN_UP] = "up"};
    const struct sync_seen_peer *told;
    struct node *status = node_map();

    node_set_text(status, "state", names[seen_pair(control, a, b, &told)]);
    if (told != NULL) {
        node_set_int(status, "rtt_us", told->rtt_us);
        node_set_int(status, "mtu", told->mtu);
        node_set_text(status, "cipher", told->cipher);
    }
    return status;
}

static struct node *link_status(const struct shape *shape, const struct view_host *a,
                                const struct view_host *b)
{
    const struct control *control = shape->rq->control;
    uint16_t self = control->id.self.host;
    uint16_t peer = a->number == self ? b->number : a->number;
    const struct ipc_stats_link *link = stats_link(shape->stats, peer);
    struct node *status;

    if (a->number != self && b->number != self)
        return told_link_status(control, a->number, b->number);
    status = node_map();
    set_peer_state(status, observe_peer(control->observe, peer));
    if (link == NULL)
        return status;
    node_set_int(status, "rx_datagrams", (int64_t)link->rx_datagrams);
    node_set_int(status, "rx_bytes", (int64_t)link->rx_bytes);
    node_set_int(status, "tx_datagrams", (int64_t)link->tx_datagrams);
    node_set_int(status, "tx_bytes", (int64_t)link->tx_bytes);
    node_set_int(status, "rx_bad", (int64_t)link->rx_bad);
    node_set_int(status, "rx_replayed", (int64_t)link->rx_replayed);
    node_set_int(status, "rx_refused", (int64_t)link->rx_refused);
    node_set_int(status, "rx_orphans", (int64_t)link->rx_orphans);
    node_set_int(status, "handshakes", (int64_t)link->handshakes);
    return status;
}

/* Declared links, by their pairs. */
static int gather_declared(void *aux, const struct store_object *object)
{
    struct node *declared = aux, *body, *between, *entry;
    struct diags diags;
    char *pair;

    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    between = body != NULL ? node_get(body, "between") : NULL;
    if (between == NULL || between->kind != NODE_LIST || between->n != 2 ||
        between->child[0]->text == NULL || between->child[1]->text == NULL) {
        node_free(body);
        return 0;
    }
    pair = link_name(between->child[0]->text, between->child[1]->text);
    entry = node_map();
    node_set(entry, "body", body);
    node_set_int(entry, "revision", (int64_t)object->revision);
    node_set_text(entry, "owner", object->owner);
    node_set_text(entry, "name", object->name);
    node_set(declared, pair, entry);
    free(pair);
    return 0;
}

static struct node *link_body(const struct node *declared, const char *a, const char *b)
{
    struct node *body, *between;

    if (declared != NULL)
        return node_copy(node_get(declared, "body"));
    body = node_map();
    between = node_list();
    node_append(between, node_text(strcmp(a, b) < 0 ? a : b));
    node_append(between, node_text(strcmp(a, b) < 0 ? b : a));
    node_set(body, "between", between);
    return body;
}

/* Under the name that it was declared with, or that of its pair. */
static void add_link(struct shape *shape, const struct node *all_declared,
                     const struct view_host *a, const struct view_host *b)
{
    char *pair = link_name(a->name, b->name);
    const struct node *declared = node_get(all_declared, pair);
    const char *name = node_get_text(declared, "name", pair);

    if (is_wanted(shape, "", name)) {
        add_shown(shape,
                  object_shown(link_body(declared, a->name, b->name), "", name,
                               (uint64_t)node_get_int(declared, "revision", 0),
                               node_get_text(declared, "owner", NULL)),
                  link_status(shape, a, b));
    }
    free(pair);
}

static void add_links(struct shape *shape)
{
    struct control *control = shape->rq->control;
    struct node *declared = node_map();

    if (store_each(control->store, STORE_FABRIC, "link", "", gather_declared, declared) < 0)
        log_warn("the declared links cannot be read");
    list_for_each (it, &control->view->hosts) {
        const struct view_host *a = list_entry(it, struct view_host, link);

        for (struct list *next = it->next; next != &control->view->hosts;
             next = next->next) {
            const struct view_host *b = list_entry(next, struct view_host, link);

            if (a->number != 0 && b->number != 0)
                add_link(shape, declared, a, b);
        }
    }
    node_free(declared);
}

/* --- services ------------------------------------------------------------------------------ */

static struct node *service_status(const struct control *control,
                                   const struct view_service *service)
{
    struct node *status = services_status(control, service);
    int64_t since = node_get_int(status, "since", 0); /* Milliseconds. */
    int64_t starts_at = node_get_int(status, "starts_at", 0);
    int64_t left = starts_at - wall_now_us() / 1000;

    if (since > 0)
        api_set_time(status, "since", since / 1000);
    if (node_remove(status, "starts_at"))
        node_set_int(status, "starts_in_ms", left > 0 ? left : 0);
    return status;
}

static void add_services(struct shape *shape)
{
    const struct control *control = shape->rq->control;

    list_for_each (it, &control->view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);

        if (is_wanted(shape, "", service->name) &&
            shape_visible(shape->rq, service->network) &&
            (shape->network == NULL || strcmp(shape->network, service->network) == 0))
            add_shown(shape,
                      object_shown(node_copy(service->body), "", service->name,
                                   service->revision, service->owner),
                      service_status(control, service));
    }
}

/* --- all ----------------------------------------------------------------------------------- */

static void add_networks(struct shape *shape)
{
    list_for_each (it, &shape->rq->control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);

        if (is_wanted(shape, "", net->name) && shape_visible(shape->rq, net->name))
            add_shown(shape,
                      object_shown(node_copy(net->body), "", net->name, net->revision,
                                   net->owner),
                      network_status(shape, net));
    }
}

static struct node *shape_list(struct shape *shape)
{
    static const struct {
        const char *kind;
        void (*add)(struct shape *);
    } adders[] = {
        {"network", add_networks}, {"port", add_ports}, {"endpoint", add_endpoints},
        {"host", add_hosts},       {"link", add_links}, {"service", add_services},
    };

    shape->list = node_list();
    for (size_t i = 0; i < sizeof(adders) / sizeof(adders[0]); i++) {
        if (strcmp(shape->kind->name, adders[i].kind) == 0)
            adders[i].add(shape);
    }
    return shape->list;
}

struct node *shape_all(struct api_request *rq, const struct kind *kind, const char *network,
                       const struct stats *stats)
{
    struct shape shape = {.rq = rq, .kind = kind, .stats = stats, .network = network};

    return shape_list(&shape);
}

struct node *shape_one(struct api_request *rq, const struct kind *kind, const char *network,
                       const char *name, const struct stats *stats)
{
    struct shape shape = {
        .rq = rq, .kind = kind, .stats = stats, .network = network, .name = name};
    struct node *list = shape_list(&shape);
    struct node *one = list->n > 0 ? node_copy(list->child[0]) : NULL;

    node_free(list);
    return one;
}
