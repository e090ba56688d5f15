/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/change/work.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/observe/observe.h"
#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

void work_init(struct work *work, struct control *control, const struct change *change,
               struct change_result *result)
{
    *work = (struct work){.control = control, .change = change, .result = result};
    list_init(&work->pending);
}

/* --- indexes of what is pending ------------------------------------------------------------ */

static char *object_key(enum store_scope scope, const char *kind, const char *network,
                        const char *name)
{
    return xasprintf("%d %s %s/%s", scope == STORE_LOCAL, kind, network, name);
}

static char *addr_key(const char *network, const struct addr *addr)
{
    char text[ADDR_TEXT_SIZE];

    return xasprintf("%s %s", network, addr_print_bare(addr, text));
}

static char *mac_key(const char *network, const uint8_t mac[6])
{
    char text[MAC_TEXT_SIZE];

    mac_format(mac, text);
    return xasprintf("%s %s", network, text);
}

/* Takes the key. The first that has an address keeps it. */
static void index_key(struct map *map, char *key, struct pending *p, bool add)
{
    const struct pending *holder = map_get(map, key);

    if (add && holder == NULL)
        map_put(map, key, p);
    else if (!add && holder == p)
        map_remove(map, key);
    free(key);
}

static void index_endpoint(struct work *work, struct pending *p, bool add)
{
    if (p->ep == NULL)
        return;
    index_key(&work->by_mac, mac_key(p->network, p->ep->mac), p, add);
    for (unsigned i = 0; i < p->ep->n_addrs; i++)
        index_key(&work->by_addr, addr_key(p->network, &p->ep->addrs[i]), p, add);
}

static void clear_parsed(struct pending *p)
{
    view_free_network(p->net);
    free(p->ep);
    view_free_block(p->block);
    p->net = NULL;
    p->ep = NULL;
    p->block = NULL;
}

static void free_pending(struct pending *p)
{
    clear_parsed(p);
    node_free(p->body);
    free(p->kind);
    free(p->network);
    free(p->name);
    free(p);
}

void work_done(struct work *work)
{
    list_for_each_safe (it, &work->pending)
        free_pending(list_entry(it, struct pending, link));
    list_init(&work->pending);
    map_clear(&work->by_key);
    map_clear(&work->by_addr);
    map_clear(&work->by_mac);
    subnets_free(work->subnets);
    work->subnets = NULL;
    free(work->note);
    work->note = NULL;
}

void work_note(struct work *work, const char *format, ...)
{
    va_list args;
    char text[200];

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (work->note == NULL) {
        work->note = xstrdup(text);
    } else if (strstr(work->note, " and more") == NULL) {
        char *longer = xasprintf("%s and more", work->note);

        free(work->note);
        work->note = longer;
    }
}

static struct pending *find(struct work *work, enum store_scope scope, const char *kind,
                            const char *network, const char *name)
{
    char *key;
    struct pending *p;

    if (work->by_key.n == 0)
        return NULL;
    key = object_key(scope, kind, network, name);
    p = map_get(&work->by_key, key);
    free(key);
    return p;
}

bool work_foreign(const struct work *work)
{
    return work->change->foreign ||
           strcmp(work->change->host, control_host(work->control)) != 0;
}

struct node *work_get(struct work *work, enum store_scope scope, const char *kind,
                      const char *network, const char *name, uint64_t *revision)
{
    struct pending *p = find(work, scope, kind, network, name);
    struct store_object object;
    struct diags diags;
    struct node *body;

    if (p != NULL) {
        if (revision != NULL)
            *revision = p->expect;
        return p->body != NULL ? node_copy(p->body) : NULL;
    }
    if (revision != NULL)
        *revision = STORE_ABSENT;
    if (store_get(work->control->store, scope, kind, network, name, &object) < 0)
        return NULL;
    if (revision != NULL)
        *revision = object.revision;
    diags_init(&diags);
    body = node_from_json(object.body, strlen(object.body), NULL, &diags);
    diags_done(&diags);
    store_object_done(&object);
    return body != NULL ? body : node_map();
}

bool work_has(struct work *work, enum store_scope scope, const char *kind,
              const char *network, const char *name)
{
    struct node *body = work_get(work, scope, kind, network, name, NULL);
    bool found = body != NULL;

    node_free(body);
    return found;
}

static void parse(struct work *work, struct pending *p)
{
    struct store_object object = {
        .scope = p->scope, .kind = p->kind, .network = p->network, .name = p->name};

    index_endpoint(work, p, false);
    clear_parsed(p);
    if (strcmp(p->kind, "network") == 0) {
        if (p->body != NULL)
            p->net = view_parse_network(&object, node_copy(p->body));
        subnets_follow(work, p->scope, p->name, p->net);
    }
    if (p->body == NULL)
        return;
    if (strcmp(p->kind, "endpoint") == 0)
        p->ep = view_parse_endpoint(&object, p->body);
    else if (strcmp(p->kind, "block") == 0)
        p->block = view_parse_block(&object, p->body);
    index_endpoint(work, p, true);
}

static struct pending *add(struct work *work, enum store_scope scope, const char *kind,
                           const char *network, const char *name, uint64_t expect)
{
    struct pending *p = find(work, scope, kind, network, name);
    char *key;

    if (p != NULL)
        return p;
    p = xcalloc(1, sizeof(*p));
    p->scope = scope;
    p->kind = xstrdup(kind);
    p->network = xstrdup(network);
    p->name = xstrdup(name);
    p->expect = expect;
    list_append(&work->pending, &p->link);
    key = object_key(scope, kind, network, name);
    map_put(&work->by_key, key, p);
    free(key);
    return p;
}

void work_put(struct work *work, enum store_scope scope, const char *kind,
              const char *network, const char *name, struct node *body, uint64_t expect)
{
    struct pending *p = add(work, scope, kind, network, name, expect);

    node_free(p->body);
    p->body = body;
    parse(work, p);
}

void work_delete(struct work *work, enum store_scope scope, const char *kind,
                 const char *network, const char *name)
{
    struct pending *p = add(work, scope, kind, network, name, STORE_ANY);

    node_free(p->body);
    p->body = NULL;
    parse(work, p);
}

/* A file adopts what it changes; others leave an object its owner. */
static const char *owner_of(const struct work *work, const struct pending *p)
{
    bool adopts = strcmp(work->change->owner, "file") == 0;

    return p->expect == STORE_ABSENT || adopts ? work->change->owner : NULL;
}

static unsigned count_objects(const struct work *work)
{
    unsigned n = 0;

    list_for_each (it, &work->pending) {
        const struct pending *p = list_entry(it, struct pending, link);
        n += schema_kind(p->kind) != NULL || strcmp(p->kind, "fabric") == 0;
    }
    return n;
}

int work_commit(struct work *work, uint64_t *revision)
{
    struct store_note note = {.who = work->change->who,
                              .host = work->change->host,
                              .owner = work->change->owner,
                              .what = work->note,
                              .n = count_objects(work)};
    struct store_op *ops;
    size_t n = 0;
    int r;

    ops = xcalloc(work->by_key.n + 1, sizeof(*ops));
    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);

        ops[n++] = (struct store_op){
            .verb = p->body != NULL ? STORE_PUT : STORE_DELETE,
            .scope = p->scope,
            .kind = p->kind,
            .network = p->network,
            .name = p->name,
            .expect = p->expect,
            .owner = owner_of(work, p),
            .body = p->body != NULL ? node_to_json(p->body, 0) : NULL,
        };
    }
    r = store_commit_noted(work->control->store, work->note != NULL ? &note : NULL, ops, n,
                           revision, NULL, &work->result->err);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)ops[i].body);
    free(ops);
    if (r < 0)
        work->result->status = change_status_of(r);
    return r;
}

bool work_gone(struct work *work, const char *kind, const char *network, const char *name)
{
    for (int i = 0; i < 2; i++) {
        const struct pending *p = find(work, i == 0 ? STORE_FABRIC : STORE_LOCAL, kind,
                                       network != NULL ? network : "", name);
        if (p != NULL)
            return p->body == NULL;
    }
    return false;
}

/* A pending object that hides (deleted, or another body) what the view has of the key. */
static bool hidden(struct work *work, enum store_scope scope, const char *kind,
                   const char *network, const char *name)
{
    return find(work, scope, kind, network, name) != NULL;
}

const struct view_network *work_network(struct work *work, const char *name)
{
    for (int i = 0; i < 2; i++) {
        enum store_scope scope = i == 0 ? STORE_FABRIC : STORE_LOCAL;
        struct pending *p = find(work, scope, "network", "", name);
        struct view_network *net =
            p != NULL ? p->net : view_network_in(work->control->view, scope, name);
        if (net != NULL)
            return net;
    }
    return NULL;
}

const struct view_endpoint *work_endpoint(struct work *work, const char *network,
                                          const char *name)
{
    const struct view_endpoint *ep;

    for (int i = 0; i < 2; i++) {
        enum store_scope scope = i == 0 ? STORE_FABRIC : STORE_LOCAL;
        struct pending *p = find(work, scope, "endpoint", network, name);
        if (p != NULL && p->ep != NULL)
            return p->ep;
    }
    ep = view_endpoint(work->control->view, network, name);
    return ep != NULL && !hidden(work, ep->scope, "endpoint", network, name) ? ep : NULL;
}

const struct view_endpoint *work_endpoint_by_addr(struct work *work, const char *network,
                                                  const struct addr *addr)
{
    const struct view_endpoint *ep;
    const struct pending *p = NULL;

    if (work->by_addr.n > 0) {
        char *key = addr_key(network, addr);

        p = map_get(&work->by_addr, key);
        free(key);
    }
    if (p != NULL)
        return p->ep;
    ep = view_endpoint_by_addr(work->control->view, network, addr);
    return ep != NULL && !hidden(work, ep->scope, "endpoint", network, ep->name) ? ep
                                                                                 : NULL;
}

const struct view_endpoint *work_endpoint_by_mac(struct work *work, const char *network,
                                                 const uint8_t mac[6])
{
    const struct view_endpoint *ep;
    const struct pending *p = NULL;

    if (work->by_mac.n > 0) {
        char *key = mac_key(network, mac);

        p = map_get(&work->by_mac, key);
        free(key);
    }
    if (p != NULL)
        return p->ep;
    ep = view_endpoint_by_mac(work->control->view, network, mac);
    return ep != NULL && !hidden(work, ep->scope, "endpoint", network, ep->name) ? ep
                                                                                 : NULL;
}

static bool block_is(const struct view_block *b, const char *network, uint16_t vlan)
{
    return b->vlan == vlan && strcmp(b->network, network) == 0;
}

static void block_name(const struct view_block *b, char *out, size_t size)
{
    snprintf(out, size, "%u.%s", b->vlan, b->host);
}

void work_each_block(struct work *work, const char *network, uint16_t vlan,
                     void (*each)(void *aux, const struct view_block *), void *aux)
{
    char name[VIEW_NAME_SIZE + 8];
    struct list *blocks;

    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        if (p->block != NULL && block_is(p->block, network, vlan))
            each(aux, p->block);
    }
    blocks = view_blocks(work->control->view, network, vlan);
    if (blocks == NULL)
        return;
    list_for_each (it, blocks) {
        struct view_block *b = list_entry(it, struct view_block, plan);
        block_name(b, name, sizeof(name));
        if (!hidden(work, STORE_FABRIC, "block", network, name))
            each(aux, b);
    }
}

struct wanted_block {
    const char *host;
    const struct view_block *found;
};

static void match_block(void *aux, const struct view_block *b)
{
    struct wanted_block *wanted = aux;

    if (strcmp(b->host, wanted->host) == 0)
        wanted->found = b;
}

const struct view_block *work_block(struct work *work, const char *network, uint16_t vlan,
                                    const char *host)
{
    struct wanted_block wanted = {host, NULL};

    work_each_block(work, network, vlan, match_block, &wanted);
    return wanted.found;
}

bool work_moves(struct work *work, const struct view_port *port, const char *claim)
{
    const struct pending *p = find(work, port->scope, "port", port->network, port->name);
    char then[VIEW_CLAIM_SIZE] = "";

    if (p != NULL && p->body != NULL)
        view_port_claim(port->network, port->name, p->body, then);
    return p != NULL && (p->body == NULL || strcmp(then, claim) != 0 ||
                         strcmp(node_get_text(p->body, "host", ""),
                                node_get_text(port->body, "host", "")));
}

bool work_has_host(struct work *work, const char *name)
{
    return strcmp(name, "all") == 0 || work_has(work, STORE_FABRIC, "host", "", name);
}

const struct node *work_host(struct work *work, const struct view_host *host)
{
    const struct pending *p = find(work, STORE_FABRIC, "host", "", host->name);

    return p != NULL ? p->body : host->body;
}

bool work_runs(const struct work *work, const struct view_endpoint *ep)
{
    const struct control *control = work->control;
    const struct view_host *host = view_host(control->view, ep->host);
    const struct ipc_peer_state *peer;

    if (!ep->held)
        return false;
    if (ep->scope == STORE_LOCAL || strcmp(ep->host, control_host(control)) == 0)
        return true;
    peer = host != NULL ? observe_peer(control->observe, host->number) : NULL;
    return peer != NULL && peer->up != 0;
}

void work_hint_endpoint(struct work *work, const struct view_endpoint *ep)
{
    err_hint(&work->result->err, "iothctl endpoint %s %s/%s",
             work_runs(work, ep) ? "show" : "rm", ep->network, ep->name);
}

void work_place(struct work *work, char *path)
{
    if (work->planned)
        diags_add(&work->result->diags, NULL, 0, 0, path, "%s", work->result->err.why);
    free(path);
}

void work_each_network(struct work *work,
                       void (*each)(void *aux, const struct view_network *), void *aux)
{
    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        if (p->net != NULL)
            each(aux, p->net);
    }
    list_for_each (it, &work->control->view->networks) {
        struct view_network *net = list_entry(it, struct view_network, link);
        if (!hidden(work, net->scope, "network", "", net->name))
            each(aux, net);
    }
}

struct node *object_shown(struct node *body, const char *network, const char *name,
                          uint64_t revision, const char *owner)
{
    struct node *shown = node_map();

    node_set_text(shown, "name", name);
    if (network[0] != '\0')
        node_set_text(shown, "network", network);
    node_set_int(shown, "revision", (int64_t)revision);
    if (owner != NULL && owner[0] != '\0')
        node_set_text(shown, "owner", owner);
    for (size_t i = 0; i < body->n; i++) {
        if (body->key[i][0] != '_')
            node_set(shown, body->key[i], node_copy(body->child[i]));
    }
    node_free(body);
    return shown;
}
