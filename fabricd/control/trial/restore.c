/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking an apply back: what its transaction wrote becomes what it was, in one transaction.
 *
 * What others may have changed meanwhile is that which the daemon keeps beside what was declared,
 * and it stays: the program that holds an endpoint, and a host's membership. Blocks of addresses
 * follow their subnets: where a subnet is the same before and after, they stay as they have
 * become, since addresses are given away out of them; else they become what they were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/trial/standing.h"
#include "fabricd/control/view/view.h"
#include "proto/base/xalloc.h"

struct restoring {
    struct control *control;
    struct store_op *ops;
    size_t n, room;
    struct map changed;        /* Networks whose row the apply wrote: by "scope name". */
    struct view_network **was; /* The same as they were; body NULL: not there. */
    size_t n_was;
};

static void add_op(struct restoring *r, const struct store_object *o, const char *body)
{
    if (r->n == r->room) {
        r->room = r->room * 2 + 64;
        r->ops = xrealloc(r->ops, r->room * sizeof(*r->ops));
    }
    r->ops[r->n++] = (struct store_op){
        .verb = body != NULL ? STORE_PUT : STORE_DELETE,
        .scope = o->scope,
        .kind = xstrdup(o->kind),
        .network = xstrdup(o->network),
        .name = xstrdup(o->name),
        .expect = STORE_ANY,
        .owner = o->owner != NULL && o->owner[0] != '\0' ? xstrdup(o->owner) : NULL,
        .body = body != NULL ? xstrdup(body) : NULL,
    };
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

static void restoring_done(struct restoring *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free_text(r->ops[i].kind);
        free_text(r->ops[i].network);
        free_text(r->ops[i].name);
        free_text(r->ops[i].owner);
        free_text(r->ops[i].body);
    }
    free(r->ops);
    for (size_t i = 0; i < r->n_was; i++)
        view_free_network(r->was[i]);
    free(r->was);
    map_clear(&r->changed);
}

static struct node *parse(const char *json)
{
    struct diags diags;
    struct node *body;

    diags_init(&diags);
    body = json != NULL ? node_from_json(json, strlen(json), NULL, &diags) : NULL;
    diags_done(&diags);
    return body;
}

/* What lives in a network that was not there, whoever made it since. */
static void drop_contents(struct restoring *r, const char *network)
{
    const struct view *view = r->control->view;
    char name[VIEW_NAME_SIZE + 8];

    list_for_each (it, &view->ports) {
        const struct view_port *port = list_entry(it, struct view_port, link);
        struct store_object o = {
            .scope = port->scope, .kind = "port", .network = network, .name = port->name};
        if (strcmp(port->network, network) == 0)
            add_op(r, &o, NULL);
    }
    list_for_each (it, &view->endpoints) {
        const struct view_endpoint *ep = list_entry(it, struct view_endpoint, link);
        struct store_object o = {
            .scope = ep->scope, .kind = "endpoint", .network = network, .name = ep->name};
        if (strcmp(ep->network, network) == 0)
            add_op(r, &o, NULL);
    }
    list_for_each (it, &view->blocks) {
        const struct view_block *b = list_entry(it, struct view_block, link);
        struct store_object o = {
            .scope = STORE_FABRIC, .kind = "block", .network = network, .name = name};
        snprintf(name, sizeof(name), "%u.%s", b->vlan, b->host);
        if (strcmp(b->network, network) == 0)
            add_op(r, &o, NULL);
    }
}

static void put_node(struct restoring *r, const struct store_object *o,
                     const struct node *body)
{
    char *text = node_to_json(body, 0);

    add_op(r, o, text);
    free(text);
}

/* Who runs under the name now is not the apply's to take back. */
static void restore_endpoint(struct restoring *r, const struct store_object *o)
{
    static const char *const own[] = {"_held", "host", "epoch", "_promote"};
    struct node *was = parse(o->body), *now = NULL;
    struct store_object current;

    if (was == NULL) {
        add_op(r, o, NULL);
        return;
    }
    if (store_get(r->control->store, o->scope, o->kind, o->network, o->name, &current) ==
        0) {
        now = parse(current.body);
        store_object_done(&current);
    } else {
        node_remove(was, "_held");
    }
    for (size_t i = 0; now != NULL && i < sizeof(own) / sizeof(own[0]); i++) {
        const struct node *value = node_get(now, own[i]);

        node_remove(was, own[i]);
        if (value != NULL)
            node_set(was, own[i], node_copy(value));
    }
    put_node(r, o, was);
    node_free(now);
    node_free(was);
}

/* Only what was declared of it. */
static void restore_host(struct restoring *r, const struct store_object *o)
{
    const struct view_host *host = view_host(r->control->view, o->name);
    const struct node *address;
    struct node *was, *body;

    if (host == NULL || host->number == 0) {
        add_op(r, o, o->body);
        return;
    }
    was = parse(o->body);
    body = node_copy(host->body);
    address = was != NULL ? node_get(was, "address") : NULL;
    node_remove(body, "address");
    if (address != NULL)
        node_set(body, "address", node_copy(address));
    put_node(r, o, body);
    node_free(body);
    node_free(was);
}

static int first_pass(void *aux, const struct store_object *o)
{
    struct restoring *r = aux;
    char key[VIEW_NAME_SIZE + 4];
    struct node *body;

    if (strcmp(o->kind, "network") != 0)
        return 0;
    body = parse(o->body);
    r->was = xrealloc(r->was, (r->n_was + 1) * sizeof(*r->was));
    r->was[r->n_was] = view_parse_network(o, body != NULL ? body : node_map());
    if (body == NULL)
        r->was[r->n_was]->n_plans = 0;
    snprintf(key, sizeof(key), "%d %.63s", o->scope == STORE_LOCAL, o->name);
    map_put(&r->changed, key, r->was[r->n_was]);
    r->n_was++;
    return 0;
}

static bool same_v4(const struct view_plan *a, const struct view_plan *b)
{
    return a != NULL && b != NULL && a->v4.prefix == b->v4.prefix &&
           addr_compare(&a->v4, &b->v4) == 0;
}

/* Whether the apply gave the VLAN another subnet. */
static bool plan_moved(const struct restoring *r, const char *network, uint16_t vlan)
{
    const struct view_network *now =
        view_network_in(r->control->view, STORE_FABRIC, network);
    const struct view_network *was;
    char key[VIEW_NAME_SIZE + 4];

    snprintf(key, sizeof(key), "0 %.63s", network);
    was = map_get(&r->changed, key);
    return was != NULL &&
           !same_v4(view_plan(was, vlan), now != NULL ? view_plan(now, vlan) : NULL);
}

static int second_pass(void *aux, const struct store_object *o)
{
    struct restoring *r = aux;

    if (strcmp(o->kind, STANDING_KIND) == 0 && o->scope == STORE_FABRIC)
        return 0;
    if (strcmp(o->kind, "block") == 0) {
        if (plan_moved(r, o->network, (uint16_t)strtoul(o->name, NULL, 10)))
            add_op(r, o, o->body);
    } else if (strcmp(o->kind, "endpoint") == 0) {
        restore_endpoint(r, o);
    } else if (strcmp(o->kind, "host") == 0) {
        restore_host(r, o);
    } else {
        if (strcmp(o->kind, "network") == 0 && o->body == NULL)
            drop_contents(r, o->name);
        add_op(r, o, o->body);
    }
    return 0;
}

/* Blocks that were taken out of subnets that go now; those that were before are put next. */
static void drop_moved_blocks(struct restoring *r)
{
    char name[VIEW_NAME_SIZE + 8];

    list_for_each (it, &r->control->view->blocks) {
        const struct view_block *b = list_entry(it, struct view_block, link);
        struct store_object o = {
            .scope = STORE_FABRIC, .kind = "block", .network = b->network, .name = name};

        snprintf(name, sizeof(name), "%u.%s", b->vlan, b->host);
        if (plan_moved(r, b->network, b->vlan))
            add_op(r, &o, NULL);
    }
}

int restore_commit(struct control *control, uint64_t revision, bool row,
                   const struct store_note *note, struct err *err)
{
    static const enum store_scope scopes[] = {STORE_FABRIC, STORE_LOCAL};
    struct restoring r = {.control = control};
    struct store_object standing = {
        .scope = STORE_FABRIC, .kind = STANDING_KIND, .network = "", .name = STANDING_NAME};
    struct store_note full = *note;
    int code = 0;

    for (size_t i = 0; code == 0 && i < 2; i++)
        code =
            store_as_was(control->store, scopes[i], revision - 1, revision, first_pass, &r);
    if (code == 0)
        drop_moved_blocks(&r);
    for (size_t i = 0; code == 0 && i < 2; i++)
        code = store_as_was(control->store, scopes[i], revision - 1, revision, second_pass,
                            &r);
    full.n = (uint32_t)r.n;
    if (row)
        add_op(&r, &standing, NULL);
    if (code < 0)
        err_set(err, code, "the history cannot be read: %s", err_text(code));
    else
        code = store_commit_noted(control->store, &full, r.ops, r.n, NULL, NULL, err);
    restoring_done(&r);
    return code;
}
