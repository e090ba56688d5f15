/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists and indexes of the view, and how they follow the store. Networks, hosts and ports
 * are few and searched in their lists; endpoints may be many and have trees. */
#include "fabricd/control/view/view.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

/* One address of one endpoint, in the tree by address. */
struct by_addr {
    const char *network;
    struct addr addr;
    enum store_scope scope;
    struct view_endpoint *ep;
};

static int cmp_name(const void *a, const void *b)
{
    const struct view_endpoint *x = a, *y = b;
    int r = strcmp(x->network, y->network);

    if (r == 0)
        r = strcmp(x->name, y->name);
    return r != 0 ? r : (int)x->scope - (int)y->scope;
}

static int cmp_mac(const void *a, const void *b)
{
    const struct view_endpoint *x = a, *y = b;
    int r = strcmp(x->network, y->network);

    if (r == 0)
        r = memcmp(x->mac, y->mac, sizeof(x->mac));
    return r != 0 ? r : (int)x->scope - (int)y->scope;
}

static int cmp_addr(const void *a, const void *b)
{
    const struct by_addr *x = a, *y = b;
    int r = strcmp(x->network, y->network);

    if (r == 0)
        r = addr_compare(&x->addr, &y->addr);
    return r != 0 ? r : (int)x->scope - (int)y->scope;
}

static void *tree_find(const void *key, void *const *tree,
                       int (*cmp)(const void *, const void *))
{
    void *const *found = tfind(key, tree, cmp);

    return found != NULL ? *found : NULL;
}

static void tree_add(void *entry, void **tree, int (*cmp)(const void *, const void *))
{
    if (tsearch(entry, tree, cmp) == NULL)
        abort();
}

static void index_endpoint(struct view *view, struct view_endpoint *ep)
{
    tree_add(ep, &view->endpoints_by_name, cmp_name);
    tree_add(ep, &view->endpoints_by_mac, cmp_mac);
    for (unsigned i = 0; i < ep->n_addrs; i++) {
        struct by_addr *entry = xcalloc(1, sizeof(*entry));

        *entry = (struct by_addr){ep->network, ep->addrs[i], ep->scope, ep};
        tree_add(entry, &view->endpoints_by_addr, cmp_addr);
        if (tree_find(entry, &view->endpoints_by_addr, cmp_addr) != entry)
            free(entry); /* Held by another one already: the first keeps it. */
    }
}

static void unindex_endpoint(struct view *view, struct view_endpoint *ep)
{
    tdelete(ep, &view->endpoints_by_name, cmp_name);
    if (tree_find(ep, &view->endpoints_by_mac, cmp_mac) == ep)
        tdelete(ep, &view->endpoints_by_mac, cmp_mac);
    for (unsigned i = 0; i < ep->n_addrs; i++) {
        struct by_addr key = {ep->network, ep->addrs[i], ep->scope, ep};
        struct by_addr *entry = tree_find(&key, &view->endpoints_by_addr, cmp_addr);

        if (entry == NULL || entry->ep != ep)
            continue;
        tdelete(&key, &view->endpoints_by_addr, cmp_addr);
        free(entry);
    }
}

void view_free_network(struct view_network *net)
{
    if (net == NULL)
        return;
    node_free(net->body);
    free(net->plans);
    free(net);
}

static void free_host(struct view_host *host)
{
    node_free(host->body);
    free(host);
}

static void free_port(struct view_port *port)
{
    node_free(port->body);
    free(port);
}

void view_free_block(struct view_block *block)
{
    if (block == NULL)
        return;
    free(block->ranges);
    free(block);
}

struct view_network *view_network_in(const struct view *view, enum store_scope scope,
                                     const char *name)
{
    list_for_each (it, &view->networks) {
        struct view_network *net = list_entry(it, struct view_network, link);
        if (net->scope == scope && strcmp(net->name, name) == 0)
            return net;
    }
    return NULL;
}

struct view_network *view_network(const struct view *view, const char *name)
{
    struct view_network *net = view_network_in(view, STORE_FABRIC, name);

    return net != NULL ? net : view_network_in(view, STORE_LOCAL, name);
}

struct view_network *view_network_by_id(const struct view *view, uint64_t id)
{
    list_for_each (it, &view->networks) {
        struct view_network *net = list_entry(it, struct view_network, link);
        if (net->id == id)
            return net;
    }
    return NULL;
}

struct view_endpoint *view_endpoint_in(const struct view *view, enum store_scope scope,
                                       const char *network, const char *name)
{
    struct view_endpoint key = {.scope = scope};

    if (strlen(network) >= VIEW_NAME_SIZE || strlen(name) >= VIEW_NAME_SIZE)
        return NULL;
    memcpy(key.network, network, strlen(network));
    memcpy(key.name, name, strlen(name));
    return tree_find(&key, &view->endpoints_by_name, cmp_name);
}

struct view_endpoint *view_endpoint(const struct view *view, const char *network,
                                    const char *name)
{
    struct view_endpoint *ep = view_endpoint_in(view, STORE_FABRIC, network, name);

    return ep != NULL ? ep : view_endpoint_in(view, STORE_LOCAL, network, name);
}

static struct view_port *port_in(const struct view *view, enum store_scope scope,
                                 const char *network, const char *name)
{
    list_for_each (it, &view->ports) {
        struct view_port *port = list_entry(it, struct view_port, link);
        if (port->scope == scope && strcmp(port->network, network) == 0 &&
            strcmp(port->name, name) == 0)
            return port;
    }
    return NULL;
}

struct view_port *view_port(const struct view *view, const char *network, const char *name)
{
    struct view_port *port = port_in(view, STORE_FABRIC, network, name);

    return port != NULL ? port : port_in(view, STORE_LOCAL, network, name);
}

struct view_host *view_host(const struct view *view, const char *name)
{
    list_for_each (it, &view->hosts) {
        struct view_host *host = list_entry(it, struct view_host, link);
        if (strcmp(host->name, name) == 0)
            return host;
    }
    return NULL;
}

struct view_host *view_host_by_number(const struct view *view, uint16_t number)
{
    list_for_each (it, &view->hosts) {
        struct view_host *host = list_entry(it, struct view_host, link);
        if (host->number == number && number != 0)
            return host;
    }
    return NULL;
}

struct view_block *view_block(const struct view *view, const char *network, uint16_t vlan,
                              const char *host)
{
    list_for_each (it, &view->blocks) {
        struct view_block *block = list_entry(it, struct view_block, link);
        if (block->vlan == vlan && strcmp(block->network, network) == 0 &&
            strcmp(block->host, host) == 0)
            return block;
    }
    return NULL;
}

struct view_endpoint *view_endpoint_by_addr(const struct view *view, const char *network,
                                            const struct addr *addr)
{
    struct by_addr key = {network, *addr, STORE_FABRIC, NULL};
    struct by_addr *entry = tree_find(&key, &view->endpoints_by_addr, cmp_addr);

    if (entry == NULL) {
        key.scope = STORE_LOCAL;
        entry = tree_find(&key, &view->endpoints_by_addr, cmp_addr);
    }
    return entry != NULL ? entry->ep : NULL;
}

struct view_endpoint *view_endpoint_by_mac(const struct view *view, const char *network,
                                           const uint8_t mac[6])
{
    struct view_endpoint key = {.scope = STORE_FABRIC};
    struct view_endpoint *found;

    if (strlen(network) >= VIEW_NAME_SIZE)
        return NULL;
    memcpy(key.network, network, strlen(network));
    memcpy(key.mac, mac, sizeof(key.mac));
    found = tree_find(&key, &view->endpoints_by_mac, cmp_mac);
    if (found == NULL) {
        key.scope = STORE_LOCAL;
        found = tree_find(&key, &view->endpoints_by_mac, cmp_mac);
    }
    return found;
}

const struct view_plan *view_plan(const struct view_network *net, uint16_t vlan)
{
    for (size_t i = 0; i < net->n_plans; i++) {
        if (net->plans[i].vlan == vlan)
            return &net->plans[i];
    }
    return NULL;
}

bool view_network_on(const struct view_network *net, const char *host)
{
    const struct node *on = node_get(net->body, "on");

    if (net->scope == STORE_LOCAL || on == NULL || on->kind != NODE_LIST || on->n == 0)
        return true;
    for (size_t i = 0; i < on->n; i++) {
        const char *text = on->child[i]->text;
        if (text != NULL && (strcmp(text, host) == 0 || strcmp(text, "all") == 0))
            return true;
    }
    return false;
}

/* --- following the store ------------------------------------------------------------------- */

static void drop_endpoint(struct view *view, struct view_endpoint *ep)
{
    unindex_endpoint(view, ep);
    list_remove(&ep->link);
    view->n_endpoints--;
    free(ep);
}

static void forget_block(struct view *view, const struct store_object *object)
{
    const char *dot = strchr(object->name, '.');
    struct view_block *block;

    if (dot == NULL)
        return;
    block = view_block(view, object->network, (uint16_t)strtoul(object->name, NULL, 10),
                       dot + 1);
    if (block != NULL) {
        list_remove(&block->link);
        view_free_block(block);
    }
}

/* Takes out what the view has of the object's key. */
static void forget(struct view *view, const struct store_object *object)
{
    if (strcmp(object->kind, "network") == 0) {
        struct view_network *net = view_network_in(view, object->scope, object->name);
        if (net != NULL) {
            list_remove(&net->link);
            view->n_networks--;
            view_free_network(net);
        }
    } else if (strcmp(object->kind, "endpoint") == 0) {
        struct view_endpoint *ep =
            view_endpoint_in(view, object->scope, object->network, object->name);
        if (ep != NULL)
            drop_endpoint(view, ep);
    } else if (strcmp(object->kind, "port") == 0) {
        struct view_port *port =
            port_in(view, object->scope, object->network, object->name);
        if (port != NULL) {
            list_remove(&port->link);
            view->n_ports--;
            free_port(port);
        }
    } else if (strcmp(object->kind, "host") == 0) {
        struct view_host *host = view_host(view, object->name);
        if (host != NULL) {
            list_remove(&host->link);
            view->n_hosts--;
            free_host(host);
        }
    } else if (strcmp(object->kind, "block") == 0) {
        forget_block(view, object);
    }
}

/* Takes the body. */
static void learn(struct view *view, const struct store_object *object, struct node *body)
{
    bool kept = false;

    if (strcmp(object->kind, "network") == 0) {
        struct view_network *net = view_parse_network(object, body);
        list_append(&view->networks, &net->link);
        view->n_networks++;
        kept = true;
    } else if (strcmp(object->kind, "endpoint") == 0) {
        struct view_endpoint *ep = view_parse_endpoint(object, body);
        list_append(&view->endpoints, &ep->link);
        index_endpoint(view, ep);
        view->n_endpoints++;
    } else if (strcmp(object->kind, "port") == 0) {
        struct view_port *port = view_parse_port(object, body);
        list_append(&view->ports, &port->link);
        view->n_ports++;
        kept = true;
    } else if (strcmp(object->kind, "host") == 0) {
        struct view_host *host = view_parse_host(object, body);
        list_append(&view->hosts, &host->link);
        view->n_hosts++;
        kept = true;
    } else if (strcmp(object->kind, "block") == 0) {
        struct view_block *block = view_parse_block(object, body);
        list_append(&view->blocks, &block->link);
    }
    if (!kept)
        node_free(body);
}

static bool is_ours(const char *kind)
{
    static const char *const kinds[] = {"network", "endpoint", "port", "host", "block"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    }
    return false;
}

static void follow(struct view *view, const struct store_object *object)
{
    struct diags diags;
    struct node *body;

    if (!is_ours(object->kind))
        return;
    forget(view, object);
    if (object->body == NULL)
        return;
    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (body != NULL)
        learn(view, object, body);
}

static void changed(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    struct view *view = list_entry(watch, struct view, watch);

    (void)revision;
    for (size_t i = 0; i < n; i++)
        follow(view, &changes[i]);
}

static int read_one(void *aux, const struct store_object *object)
{
    follow(aux, object);
    return 0;
}

struct view *view_new(struct store *store, struct err *err)
{
    struct view *view = xcalloc(1, sizeof(*view));
    int r;

    view->store = store;
    list_init(&view->networks);
    list_init(&view->endpoints);
    list_init(&view->hosts);
    list_init(&view->ports);
    list_init(&view->blocks);
    r = store_each(store, STORE_FABRIC, NULL, NULL, read_one, view);
    if (r == 0)
        r = store_each(store, STORE_LOCAL, NULL, NULL, read_one, view);
    if (r != 0) {
        err_set(err, r, "the store cannot be read: %s", err_text(r));
        view_free(view);
        return NULL;
    }
    view->watch.changed = changed;
    store_watch_add(store, &view->watch);
    return view;
}

void view_free(struct view *view)
{
    if (view == NULL)
        return;
    store_watch_remove(&view->watch);
    list_for_each_safe (it, &view->endpoints)
        drop_endpoint(view, list_entry(it, struct view_endpoint, link));
    list_for_each_safe (it, &view->networks)
        view_free_network(list_entry(it, struct view_network, link));
    list_for_each_safe (it, &view->hosts)
        free_host(list_entry(it, struct view_host, link));
    list_for_each_safe (it, &view->ports)
        free_port(list_entry(it, struct view_port, link));
    list_for_each_safe (it, &view->blocks)
        view_free_block(list_entry(it, struct view_block, link));
    free(view);
}
