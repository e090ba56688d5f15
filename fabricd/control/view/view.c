/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists and indexes of the view, and how they follow the store. Hosts are few and searched in
 * their list; whatever there may be thousands of has an index. */
#include "fabricd/control/view/view.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

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

static void free_service(struct view_service *service)
{
    node_free(service->body);
    free(service);
}

void view_free_block(struct view_block *block)
{
    if (block == NULL)
        return;
    free(block->ranges);
    free(block);
}

/* Keys of the indexes. Names are of 63 bytes at the most, names of interfaces of 15; what is
 * longer was never put in, and cut it is not found. */
#define KEY_SIZE (VIEW_NAME_SIZE + VIEW_CLAIM_SIZE + 24)

static const char *name_key(char key[KEY_SIZE], enum store_scope scope, const char *network,
                            const char *name)
{
    snprintf(key, KEY_SIZE, "%d %s/%s", scope == STORE_LOCAL, network, name);
    return key;
}

static const char *id_key(char key[KEY_SIZE], uint64_t id)
{
    snprintf(key, KEY_SIZE, "%016" PRIx64, id);
    return key;
}

static const char *claim_key(char key[KEY_SIZE], const char *host, const char *claim)
{
    snprintf(key, KEY_SIZE, "%s %s", host, claim);
    return key;
}

static const char *plan_key(char key[KEY_SIZE], const char *network, uint16_t vlan)
{
    snprintf(key, KEY_SIZE, "%s %u", network, vlan);
    return key;
}

struct view_network *view_network_in(const struct view *view, enum store_scope scope,
                                     const char *name)
{
    char key[KEY_SIZE];

    return strlen(name) < VIEW_NAME_SIZE
               ? map_get(&view->network_by_name, name_key(key, scope, "", name))
               : NULL;
}

struct view_network *view_network(const struct view *view, const char *name)
{
    struct view_network *net = view_network_in(view, STORE_FABRIC, name);

    return net != NULL ? net : view_network_in(view, STORE_LOCAL, name);
}

struct view_network *view_network_by_id(const struct view *view, uint64_t id)
{
    char key[KEY_SIZE];

    return map_get(&view->network_by_id, id_key(key, id));
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
    char key[KEY_SIZE];

    return strlen(network) < VIEW_NAME_SIZE && strlen(name) < VIEW_NAME_SIZE
               ? map_get(&view->port_by_name, name_key(key, scope, network, name))
               : NULL;
}

void view_port_claim(const char *network, const char *name, const struct node *body,
                     char claim[VIEW_CLAIM_SIZE])
{
    const char *kind = schema_port_kind(body);

    claim[0] = '\0';
    if (kind == NULL)
        return;
    if (strcmp(kind, "vde") == 0 || strcmp(kind, "stream") == 0)
        snprintf(claim, VIEW_CLAIM_SIZE, "socket %.63s/%.63s", network,
                 node_get_text(body, "stream", name));
    else
        snprintf(claim, VIEW_CLAIM_SIZE, "interface %.15s", node_get_text(body, kind, ""));
}

struct view_port *view_port_by_claim(const struct view *view, const char *host,
                                     const char *claim)
{
    char key[KEY_SIZE];

    return map_get(&view->port_by_claim, claim_key(key, host, claim));
}

struct view_port *view_port(const struct view *view, const char *network, const char *name)
{
    struct view_port *port = port_in(view, STORE_FABRIC, network, name);

    return port != NULL ? port : port_in(view, STORE_LOCAL, network, name);
}

struct view_service *view_service_in(const struct view *view, enum store_scope scope,
                                     const char *name)
{
    list_for_each (it, &view->services) {
        struct view_service *service = list_entry(it, struct view_service, link);
        if (service->scope == scope && strcmp(service->name, name) == 0)
            return service;
    }
    return NULL;
}

struct view_service *view_service(const struct view *view, const char *name)
{
    struct view_service *service = view_service_in(view, STORE_FABRIC, name);

    return service != NULL ? service : view_service_in(view, STORE_LOCAL, name);
}

struct view_service *view_service_of(const struct view *view, const char *network,
                                     const char *name)
{
    struct view_service *service = view_service(view, name);

    return service != NULL && strcmp(service->network, network) == 0 ? service : NULL;
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

struct list *view_blocks(const struct view *view, const char *network, uint16_t vlan)
{
    char key[KEY_SIZE];

    return map_get(&view->plan_blocks, plan_key(key, network, vlan));
}

struct view_block *view_block(const struct view *view, const char *network, uint16_t vlan,
                              const char *host)
{
    struct list *blocks = view_blocks(view, network, vlan);

    if (blocks == NULL)
        return NULL;
    list_for_each (it, blocks) {
        struct view_block *block = list_entry(it, struct view_block, plan);
        if (strcmp(block->host, host) == 0)
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

static void drop_network(struct view *view, struct view_network *net)
{
    char key[KEY_SIZE];

    map_remove(&view->network_by_name, name_key(key, net->scope, "", net->name));
    if (view_network_by_id(view, net->id) == net)
        map_remove(&view->network_by_id, id_key(key, net->id));
    list_remove(&net->link);
    view->n_networks--;
    view_free_network(net);
}

static void add_network(struct view *view, struct view_network *net)
{
    char key[KEY_SIZE];

    map_put(&view->network_by_name, name_key(key, net->scope, "", net->name), net);
    if (net->id != 0)
        map_put(&view->network_by_id, id_key(key, net->id), net);
    list_append(&view->networks, &net->link);
    view->n_networks++;
}

static const char *claim_key_of(char key[KEY_SIZE], const struct view_port *port)
{
    char claim[VIEW_CLAIM_SIZE];

    view_port_claim(port->network, port->name, port->body, claim);
    return claim_key(key, node_get_text(port->body, "host", ""), claim);
}

static void drop_port(struct view *view, struct view_port *port)
{
    char key[KEY_SIZE];

    map_remove(&view->port_by_name, name_key(key, port->scope, port->network, port->name));
    if (map_get(&view->port_by_claim, claim_key_of(key, port)) == port)
        map_remove(&view->port_by_claim, key);
    list_remove(&port->link);
    view->n_ports--;
    free_port(port);
}

static void add_port(struct view *view, struct view_port *port)
{
    char key[KEY_SIZE];

    map_put(&view->port_by_name, name_key(key, port->scope, port->network, port->name),
            port);
    map_put(&view->port_by_claim, claim_key_of(key, port), port);
    list_append(&view->ports, &port->link);
    view->n_ports++;
}

static void add_block(struct view *view, struct view_block *block)
{
    struct list *blocks = view_blocks(view, block->network, block->vlan);
    char key[KEY_SIZE];

    if (blocks == NULL) {
        blocks = xcalloc(1, sizeof(*blocks));
        list_init(blocks);
        map_put(&view->plan_blocks, plan_key(key, block->network, block->vlan), blocks);
    }
    list_append(blocks, &block->plan);
    list_append(&view->blocks, &block->link);
}

static void drop_block(struct view *view, struct view_block *block)
{
    struct list *blocks = view_blocks(view, block->network, block->vlan);
    char key[KEY_SIZE];

    list_remove(&block->link);
    list_remove(&block->plan);
    if (blocks != NULL && list_empty(blocks))
        free(map_remove(&view->plan_blocks, plan_key(key, block->network, block->vlan)));
    view_free_block(block);
}

static void forget_block(struct view *view, const struct store_object *object)
{
    const char *dot = strchr(object->name, '.');
    struct view_block *block;

    if (dot == NULL)
        return;
    block = view_block(view, object->network, (uint16_t)strtoul(object->name, NULL, 10),
                       dot + 1);
    if (block != NULL)
        drop_block(view, block);
}

/* Takes out what the view has of the object's key. */
static void forget(struct view *view, const struct store_object *object)
{
    if (strcmp(object->kind, "network") == 0) {
        struct view_network *net = view_network_in(view, object->scope, object->name);
        if (net != NULL)
            drop_network(view, net);
    } else if (strcmp(object->kind, "endpoint") == 0) {
        struct view_endpoint *ep =
            view_endpoint_in(view, object->scope, object->network, object->name);
        if (ep != NULL)
            drop_endpoint(view, ep);
    } else if (strcmp(object->kind, "port") == 0) {
        struct view_port *port =
            port_in(view, object->scope, object->network, object->name);
        if (port != NULL)
            drop_port(view, port);
    } else if (strcmp(object->kind, "host") == 0) {
        struct view_host *host = view_host(view, object->name);
        if (host != NULL) {
            list_remove(&host->link);
            view->n_hosts--;
            free_host(host);
        }
    } else if (strcmp(object->kind, "service") == 0) {
        struct view_service *service = view_service_in(view, object->scope, object->name);
        if (service != NULL) {
            list_remove(&service->link);
            view->n_services--;
            free_service(service);
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
        add_network(view, view_parse_network(object, body));
        kept = true;
    } else if (strcmp(object->kind, "endpoint") == 0) {
        struct view_endpoint *ep = view_parse_endpoint(object, body);
        list_append(&view->endpoints, &ep->link);
        index_endpoint(view, ep);
        view->n_endpoints++;
    } else if (strcmp(object->kind, "port") == 0) {
        add_port(view, view_parse_port(object, body));
        kept = true;
    } else if (strcmp(object->kind, "host") == 0) {
        struct view_host *host = view_parse_host(object, body);
        list_append(&view->hosts, &host->link);
        view->n_hosts++;
        kept = true;
    } else if (strcmp(object->kind, "service") == 0) {
        struct view_service *service = view_parse_service(object, body);
        list_append(&view->services, &service->link);
        view->n_services++;
        kept = true;
    } else if (strcmp(object->kind, "block") == 0) {
        add_block(view, view_parse_block(object, body));
    }
    if (!kept)
        node_free(body);
}

static bool is_ours(const char *kind)
{
    static const char *const kinds[] = {"network", "endpoint", "port",
                                        "host",    "block",    "service"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    }
    return false;
}

/* Whose the object is as the view knows it, "" if it does not. */
static const char *owner_now(const struct view *view, const struct store_object *object)
{
    const struct view_network *net;
    const struct view_endpoint *ep;
    const struct view_port *port;
    const struct view_service *service;
    const struct view_host *host;

    if (strcmp(object->kind, "service") == 0) {
        service = view_service_in(view, object->scope, object->name);
        return service != NULL ? service->owner : "";
    }
    if (strcmp(object->kind, "network") == 0) {
        net = view_network_in(view, object->scope, object->name);
        return net != NULL ? net->owner : "";
    }
    if (strcmp(object->kind, "endpoint") == 0) {
        ep = view_endpoint_in(view, object->scope, object->network, object->name);
        return ep != NULL ? ep->owner : "";
    }
    if (strcmp(object->kind, "port") == 0) {
        port = port_in(view, object->scope, object->network, object->name);
        return port != NULL ? port->owner : "";
    }
    host = strcmp(object->kind, "host") == 0 ? view_host(view, object->name) : NULL;
    return host != NULL ? host->owner : "";
}

static void follow(struct view *view, const struct store_object *object)
{
    struct store_object owned = *object;
    char owner[VIEW_OWNER];
    struct diags diags;
    struct node *body;

    if (!is_ours(object->kind))
        return;
    snprintf(owner, sizeof(owner), "%s",
             object->owner != NULL ? object->owner : owner_now(view, object));
    owned.owner = owner; /* A write that names nobody leaves it whose it is. */
    forget(view, object);
    if (object->body == NULL)
        return;
    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (body != NULL)
        learn(view, &owned, body);
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
    list_init(&view->services);
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
        drop_network(view, list_entry(it, struct view_network, link));
    list_for_each_safe (it, &view->hosts)
        free_host(list_entry(it, struct view_host, link));
    list_for_each_safe (it, &view->ports)
        drop_port(view, list_entry(it, struct view_port, link));
    list_for_each_safe (it, &view->services)
        free_service(list_entry(it, struct view_service, link));
    list_for_each_safe (it, &view->blocks)
        drop_block(view, list_entry(it, struct view_block, link));
    map_clear(&view->plan_blocks);
    map_clear(&view->network_by_name);
    map_clear(&view->network_by_id);
    map_clear(&view->port_by_name);
    map_clear(&view->port_by_claim);
    free(view);
}
