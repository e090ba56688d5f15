/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way of a change: carried out here, or forwarded to the founder.
 *
 * Addresses come out of the blocks of the host where the endpoint is, and only that host knows
 * which of them its anonymous endpoints have. So a joined host chooses the addresses before it
 * forwards, and holds them until the founder has answered; when its blocks are used up it asks
 * for one more first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/apply.h"
#include "fabricd/control/change/work.h"
#include "fabricd/control/services/services.h"
#include "proto/base/xalloc.h"

struct submission {
    struct list link; /* In control->in_flight. */
    struct control *control;
    struct change *change;
    change_done_fn *done;
    void *aux;
    bool asked_block;
    struct {
        char network[VIEW_NAME_SIZE];
        struct addr addr;
    } * held;
    size_t n_held;
};

/* Whether the item is this host's own business. */
static bool item_is_local(struct control *control, const struct change_item *item)
{
    const struct view_network *net;

    if (item->verb == CHANGE_APPLY || item->verb == CHANGE_RENAME ||
        item->verb == CHANGE_BLOCK || item->verb == CHANGE_MOVE)
        return false;
    if (item->anonymous || item->promote)
        return true;
    if (strcmp(item->kind, "network") == 0) {
        net = view_network(control->view, item->name);
        if (net != NULL)
            return net->scope == STORE_LOCAL;
        return item->body != NULL && node_get_bool(item->body, "local", false);
    }
    if (strcmp(item->kind, "endpoint") == 0) {
        const struct view_endpoint *ep =
            view_endpoint(control->view, item->network, item->name);
        /* One that was put off until the founder is back goes to it with the next PUT. */
        if (ep != NULL && !(ep->promote && item->verb == CHANGE_PUT))
            return ep->scope == STORE_LOCAL;
    }
    if (strcmp(item->kind, "service") == 0)
        net = view_network(control->view, service_network(control, item));
    else
        net = item->network[0] != '\0' ? view_network(control->view, item->network) : NULL;
    return net != NULL && net->scope == STORE_LOCAL;
}

bool change_in_flight(const struct control *control, const char *network,
                      const struct addr *addr)
{
    if (control->in_flight.next == NULL)
        return false;
    list_for_each (it, &control->in_flight) {
        const struct submission *s = list_entry(it, struct submission, link);

        for (size_t i = 0; i < s->n_held; i++) {
            if (strcmp(s->held[i].network, network) == 0 &&
                addr_compare(&s->held[i].addr, addr) == 0)
                return true;
        }
    }
    return false;
}

static void free_submission(struct submission *s)
{
    list_remove(&s->link);
    change_free(s->change);
    free(s->held);
    free(s);
}

static void ended(void *aux, struct change_result *result)
{
    struct submission *s = aux;

    s->done(s->aux, result);
    free_submission(s);
}

static void hold(struct submission *s, const char *network, const struct node *list)
{
    for (size_t i = 0; i < list->n; i++) {
        s->held = xrealloc(s->held, (s->n_held + 1) * sizeof(*s->held));
        memset(&s->held[s->n_held], 0, sizeof(*s->held));
        memcpy(s->held[s->n_held].network, network,
               strnlen(network, sizeof(s->held->network) - 1));
        if (addr_parse(list->child[i]->text, &s->held[s->n_held].addr))
            s->n_held++;
    }
}

/* Chooses addresses where the daemon is to. *failed is the item whose plan is used up. */
static int choose_addresses(struct submission *s, struct change_result *result,
                            const struct change_item **failed)
{
    struct work work;
    int r = 0;

    work_init(&work, s->control, s->change, result);
    for (size_t i = 0; r == 0 && i < s->change->n; i++) {
        struct change_item *item = &s->change->items[i];
        struct change_item endpoint = *item;
        struct node *list;
        bool service = strcmp(item->kind, "service") == 0;
        char *network = NULL;

        if (item->verb != CHANGE_PUT || (!service && strcmp(item->kind, "endpoint") != 0))
            continue;
        if (service) /* It becomes an endpoint of its network. */
            endpoint.network = network = xstrdup(service_network(s->control, item));
        *failed = item;
        r = propose_addresses(&work, &endpoint, &list);
        if (r == 0 && list != NULL)
            hold(s, endpoint.network, list);
        free(network);
        if (r < 0 || list == NULL)
            continue;
        if (item->body == NULL)
            item->body = node_map();
        node_set(item->body, "addresses", list);
    }
    work_done(&work);
    return r;
}

static void go_on(struct submission *s);

static void got_block(void *aux, struct change_result *result)
{
    struct submission *s = aux;

    if (result->status < 400)
        go_on(s);
    else
        ended(s, result);
}

static void ask_block(struct submission *s, const struct change_item *item)
{
    const char *network = strcmp(item->kind, "service") == 0
                              ? service_network(s->control, item)
                              : item->network;
    struct change *change = change_new(control_host(s->control), "run");
    struct change_item *block =
        change_add(change, CHANGE_BLOCK, "", network, control_host(s->control), NULL);
    const struct view_block *have;

    block->vlan = item->body != NULL ? (uint16_t)node_get_int(item->body, "vlan", 0) : 0;
    have = view_block(s->control->view, network, block->vlan, control_host(s->control));
    block->create_only = have == NULL;
    block->if_revision = have != NULL ? have->revision : 0;
    s->asked_block = true;
    s->control->member_ops->forward(s->control, change, got_block, s);
}

static void go_on(struct submission *s)
{
    const struct change_item *failed = NULL;
    struct change_result result;
    struct change *change = s->change;
    bool forward = false;
    int r;

    change_result_init(&result);
    r = choose_addresses(s, &result, &failed);
    if (r == -ENOSPC && !s->asked_block) {
        change_result_done(&result);
        ask_block(s, failed);
        return;
    }
    if (r < 0) {
        ended(s, &result);
        change_result_done(&result);
        return;
    }
    change_result_done(&result);
    for (size_t i = 0; i < change->n; i++)
        forward = forward || !item_is_local(s->control, &change->items[i]);
    s->change = NULL;
    if (forward)
        s->control->member_ops->forward(s->control, change, ended, s);
    else
        change_execute(s->control, change, ended, s);
}

void change_submit(struct control *control, struct change *change, change_done_fn *done,
                   void *aux)
{
    struct change_result result;
    struct submission *s;
    bool ok;

    change_result_init(&result);
    ok = change_allow_ok(control, change, &result);
    if (!ok) {
        change_free(change);
        done(aux, &result);
    }
    change_result_done(&result);
    if (!ok)
        return;
    if (!control_follows(control)) {
        change_execute(control, change, done, aux);
        return;
    }
    services_note_asked(control, change, &done, &aux);
    if (change_submit_split(control, change, done, aux))
        return;
    if (control->in_flight.next == NULL)
        list_init(&control->in_flight);
    s = xcalloc(1, sizeof(*s));
    s->control = control;
    s->change = change;
    s->done = done;
    s->aux = aux;
    list_append(&control->in_flight, &s->link);
    go_on(s);
}
