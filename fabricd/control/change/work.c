/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/change/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/observe/observe.h"
#include "proto/base/xalloc.h"

void work_init(struct work *work, struct control *control, const struct change *change,
               struct change_result *result)
{
    work->control = control;
    work->change = change;
    work->result = result;
    list_init(&work->pending);
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
}

static struct pending *find(struct work *work, enum store_scope scope, const char *kind,
                            const char *network, const char *name)
{
    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        if (p->scope == scope && strcmp(p->kind, kind) == 0 &&
            strcmp(p->network, network) == 0 && strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
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

static void parse(struct pending *p)
{
    struct store_object object = {
        .scope = p->scope, .kind = p->kind, .network = p->network, .name = p->name};

    clear_parsed(p);
    if (p->body == NULL)
        return;
    if (strcmp(p->kind, "network") == 0)
        p->net = view_parse_network(&object, node_copy(p->body));
    else if (strcmp(p->kind, "endpoint") == 0)
        p->ep = view_parse_endpoint(&object, p->body);
    else if (strcmp(p->kind, "block") == 0)
        p->block = view_parse_block(&object, p->body);
}

static struct pending *add(struct work *work, enum store_scope scope, const char *kind,
                           const char *network, const char *name, uint64_t expect)
{
    struct pending *p = find(work, scope, kind, network, name);

    if (p != NULL)
        return p;
    p = xcalloc(1, sizeof(*p));
    p->scope = scope;
    p->kind = xstrdup(kind);
    p->network = xstrdup(network);
    p->name = xstrdup(name);
    p->expect = expect;
    list_append(&work->pending, &p->link);
    return p;
}

void work_put(struct work *work, enum store_scope scope, const char *kind,
              const char *network, const char *name, struct node *body, uint64_t expect)
{
    struct pending *p = add(work, scope, kind, network, name, expect);

    node_free(p->body);
    p->body = body;
    parse(p);
}

void work_delete(struct work *work, enum store_scope scope, const char *kind,
                 const char *network, const char *name)
{
    struct pending *p = add(work, scope, kind, network, name, STORE_ANY);

    node_free(p->body);
    p->body = NULL;
    parse(p);
}

int work_commit(struct work *work, uint64_t *revision)
{
    struct store_op *ops;
    size_t n = 0;
    int r;

    list_for_each (it, &work->pending)
        n++;
    ops = xcalloc(n + 1, sizeof(*ops));
    n = 0;
    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);

        ops[n++] = (struct store_op){
            .verb = p->body != NULL ? STORE_PUT : STORE_DELETE,
            .scope = p->scope,
            .kind = p->kind,
            .network = p->network,
            .name = p->name,
            .expect = p->expect,
            .owner = work->change->owner,
            .body = p->body != NULL ? node_to_json(p->body, 0) : NULL,
        };
    }
    r = store_commit(work->control->store, ops, n, revision, NULL, &work->result->err);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)ops[i].body);
    free(ops);
    if (r < 0)
        work->result->status = change_status_of(r);
    return r;
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

static bool ep_has_addr(const struct view_endpoint *ep, const struct addr *addr)
{
    for (unsigned i = 0; i < ep->n_addrs; i++) {
        if (addr_compare(&ep->addrs[i], addr) == 0)
            return true;
    }
    return false;
}

const struct view_endpoint *work_endpoint_by_addr(struct work *work, const char *network,
                                                  const struct addr *addr)
{
    const struct view_endpoint *ep;

    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        if (p->ep != NULL && strcmp(p->network, network) == 0 && ep_has_addr(p->ep, addr))
            return p->ep;
    }
    ep = view_endpoint_by_addr(work->control->view, network, addr);
    return ep != NULL && !hidden(work, ep->scope, "endpoint", network, ep->name) ? ep
                                                                                 : NULL;
}

const struct view_endpoint *work_endpoint_by_mac(struct work *work, const char *network,
                                                 const uint8_t mac[6])
{
    const struct view_endpoint *ep;

    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        if (p->ep != NULL && strcmp(p->network, network) == 0 &&
            memcmp(p->ep->mac, mac, 6) == 0)
            return p->ep;
    }
    ep = view_endpoint_by_mac(work->control->view, network, mac);
    return ep != NULL && !hidden(work, ep->scope, "endpoint", network, ep->name) ? ep
                                                                                 : NULL;
}

static bool block_is(const struct view_block *b, const char *network, uint16_t vlan,
                     const char *host)
{
    return b->vlan == vlan && strcmp(b->network, network) == 0 &&
           (host == NULL || strcmp(b->host, host) == 0);
}

static void block_name(const struct view_block *b, char *out, size_t size)
{
    snprintf(out, size, "%u.%s", b->vlan, b->host);
}

void work_each_block(struct work *work, const char *network, uint16_t vlan,
                     void (*each)(void *aux, const struct view_block *), void *aux)
{
    char name[VIEW_NAME_SIZE + 8];

    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        if (p->block != NULL && block_is(p->block, network, vlan, NULL))
            each(aux, p->block);
    }
    list_for_each (it, &work->control->view->blocks) {
        struct view_block *b = list_entry(it, struct view_block, link);
        block_name(b, name, sizeof(name));
        if (block_is(b, network, vlan, NULL) &&
            !hidden(work, STORE_FABRIC, "block", network, name))
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

bool work_has_host(struct work *work, const char *name)
{
    return strcmp(name, "all") == 0 || work_has(work, STORE_FABRIC, "host", "", name);
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
                          uint64_t revision)
{
    struct node *shown = node_map();

    node_set_text(shown, "name", name);
    if (network[0] != '\0')
        node_set_text(shown, "network", network);
    node_set_int(shown, "revision", (int64_t)revision);
    for (size_t i = 0; i < body->n; i++) {
        if (body->key[i][0] != '_')
            node_set(shown, body->key[i], node_copy(body->child[i]));
    }
    node_free(body);
    return shown;
}
