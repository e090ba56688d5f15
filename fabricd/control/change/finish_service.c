/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service becomes complete: its host, its endpoint with MAC and addresses, who asked for it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "fabricd/control/seen/seen.h"

const char *service_network(struct control *control, const struct change_item *item)
{
    const char *network =
        item->body != NULL ? node_get_text(item->body, "network", NULL) : NULL;
    const struct view_service *service = view_service(control->view, item->name);

    if (network != NULL)
        return network;
    return service != NULL ? service->network : "";
}

/* --- where ---------------------------------------------------------------------------------- */

static bool has_label(const struct node *host, const char *label)
{
    const struct node *labels = node_get(host, "labels");

    for (size_t i = 0; labels != NULL && i < labels->n; i++) {
        if (labels->child[i]->text != NULL && strcmp(labels->child[i]->text, label) == 0)
            return true;
    }
    return false;
}

/* The label of its place that the host lacks, or NULL. */
static const char *lacks(struct work *work, const struct view_host *host,
                         const struct node *place)
{
    const struct node *body = work_host(work, host);

    for (size_t i = 0; place != NULL && i < place->n; i++) {
        if (!has_label(body, place->child[i]->text))
            return place->child[i]->text;
    }
    return NULL;
}

/* Those that the change adds too. */
static unsigned services_on(struct work *work, const char *host)
{
    const struct view *view = work->control->view;
    unsigned n = 0;

    list_for_each (it, &view->services)
        n += strcmp(list_entry(it, struct view_service, link)->host, host) == 0;
    list_for_each (it, &work->pending) {
        const struct pending *p = list_entry(it, struct pending, link);

        n += strcmp(p->kind, "service") == 0 && p->body != NULL &&
             view_service(view, p->name) == NULL &&
             strcmp(node_get_text(p->body, "host", ""), host) == 0;
    }
    return n;
}

/* Of the hosts that have the labels: one that is there before others, then the one with the fewest
 * services. */
static const char *find_place(struct work *work, const struct view_network *net,
                              const struct node *place)
{
    const struct control *control = work->control;
    const struct view_host *best = NULL;
    bool best_alive = false;
    unsigned best_load = 0;

    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        bool alive = host->number != 0 && seen_alive(control, host->number);
        unsigned load = services_on(work, host->name);

        if (lacks(work, host, place) != NULL || !view_network_on(net, host->name) ||
            host->number == 0)
            continue;
        if (best != NULL &&
            (best_alive > alive || (best_alive == alive && best_load <= load)))
            continue;
        best = host;
        best_alive = alive;
        best_load = load;
    }
    return best != NULL ? best->name : NULL;
}

static int check_host(struct work *work, const struct view_network *net,
                      const struct node *place, const char *name)
{
    const struct view_host *host = view_host(work->control->view, name);
    const char *label;

    if (!work_has_host(work, name) || strcmp(name, "all") == 0) {
        change_fail(work->result, 400, "there is no host %s in the fabric", name);
        err_hint(&work->result->err, "iothctl host ls");
        return -EINVAL;
    }
    label = host != NULL ? lacks(work, host, place) : NULL;
    if (label != NULL) {
        change_fail(work->result, 400, "host %s has not the label %s", name, label);
        err_hint(&work->result->err, "iothctl host show %s", name);
        return -EINVAL;
    }
    if (!view_network_on(net, name)) {
        change_fail(work->result, 400, "network %s is not on host %s", net->name, name);
        err_hint(&work->result->err, "iothctl net show %s", net->name);
        return -EINVAL;
    }
    return 0;
}

static int place_service(struct work *work, const struct view_network *net,
                         const struct node *now, struct node *body)
{
    const struct node *place = node_get(body, "place");
    const char *host = node_get_text(body, "host", NULL);
    const struct view_host *was;

    if (net->scope == STORE_LOCAL && host == NULL)
        host = work->change->host;
    if (host != NULL) {
        node_set_text(body, "host", host);
        return check_host(work, net, place, node_get_text(body, "host", ""));
    }
    host = now != NULL ? node_get_text(now, "host", NULL) : NULL;
    was = host != NULL ? view_host(work->control->view, host) : NULL;
    if (was == NULL || lacks(work, was, place) != NULL)
        host = place != NULL ? find_place(work, net, place) : work->change->host;
    if (host == NULL) {
        change_fail(work->result, 409, "no host has the labels of its place");
        err_hint(&work->result->err, "iothctl host ls");
        return -ENOENT;
    }
    node_set_text(body, "host", host);
    return check_host(work, net, NULL, node_get_text(body, "host", ""));
}

/* --- its endpoint --------------------------------------------------------------------------- */

static void pass(struct node *to, const struct node *from, const char *key)
{
    const struct node *value = node_get(from, key);

    if (value != NULL)
        node_set(to, key, node_copy(value));
}

/* A program under `run`, or an endpoint of another host, may have the name. */
static int check_free(struct work *work, const struct change_item *item,
                      const struct node *now, const char *network)
{
    const struct view_endpoint *ep = work_endpoint(work, network, item->name);

    if (ep == NULL || !ep->held ||
        (now != NULL && strcmp(node_get_text(now, "network", ""), network) == 0))
        return 0;
    change_fail(work->result, 409, "a program runs as %s/%s on host %s", network,
                item->name, ep->host);
    work_hint_endpoint(work, ep);
    return -EADDRINUSE;
}

/* In the same transaction: what the endpoint becomes is what the service has. */
static int put_endpoint(struct work *work, const struct change_item *item,
                        enum store_scope scope, const struct node *now, struct node *body)
{
    char name[VIEW_NAME_SIZE] = "", network[VIEW_NAME_SIZE] = "", kind[] = "endpoint";
    struct change_item endpoint = {
        .verb = CHANGE_PUT, .kind = kind, .network = network, .name = name};
    struct node *made;
    int r;

    memcpy(name, item->name, strnlen(item->name, sizeof(name) - 1));
    memcpy(network, node_get_text(body, "network", ""),
           strnlen(node_get_text(body, "network", ""), sizeof(network) - 1));
    r = check_free(work, item, now, network);
    if (r < 0)
        return r;
    if (now != NULL && strcmp(node_get_text(now, "network", ""), network) != 0)
        work_delete(work, scope, "endpoint", node_get_text(now, "network", ""), name);
    endpoint.body = node_map();
    pass(endpoint.body, body, "vlan");
    pass(endpoint.body, body, "mac");
    pass(endpoint.body, body, "addresses");
    pass(endpoint.body, body, "host");
    r = execute_item(work, &endpoint);
    node_free(endpoint.body);
    if (r < 0)
        return r;
    made = work_get(work, scope, "endpoint", network, name, NULL);
    pass(body, made, "mac");
    pass(body, made, "addresses");
    node_free(made);
    return 0;
}

/* --- who asked ------------------------------------------------------------------------------ */

/* Whether the two say the same but for whether it is to run. */
static bool same_thing(const struct node *now, const struct node *body)
{
    static const char *const apart[] = {"run", "_from", "_restarts"};
    struct node *a = node_copy(now), *b = node_copy(body);
    bool same;

    for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
        node_remove(a, apart[i]);
        node_remove(b, apart[i]);
    }
    same = node_equal(a, b);
    node_free(a);
    node_free(b);
    return same;
}

static void note_origin(struct work *work, const struct change_item *item,
                        const struct node *now, struct node *body)
{
    int64_t restarts = node_get_int(now, "_restarts", 0) + item->restart;

    if (now != NULL && same_thing(now, body))
        pass(body, now, "_from");
    else if (!work->change->foreign)
        node_set_text(body, "_from", work->change->host);
    if (restarts > 0)
        node_set_int(body, "_restarts", restarts);
}

int finish_service(struct work *work, const struct change_item *item,
                   enum store_scope scope, const struct node *now, struct node *body)
{
    const char *network = node_get_text(body, "network", "");
    const struct view_network *net = work_network(work, network);
    const struct view_service *other = view_service(work->control->view, item->name);
    int r;

    if (net == NULL) {
        change_fail(work->result, 404, "there is no network %s", network);
        err_hint(&work->result->err, "iothctl net create %s", network);
        return -ENOENT;
    }
    if (now == NULL && other != NULL && other->scope != scope) {
        change_fail(work->result, 409, "service %s exists already on network %s",
                    item->name, other->network);
        return -EEXIST;
    }
    r = check_vlan(work, net, node_get_int(body, "vlan", 0));
    if (r == 0)
        r = place_service(work, net, now, body);
    if (r == 0)
        r = put_endpoint(work, item, scope, now, body);
    if (r == 0)
        note_origin(work, item, now, body);
    return r;
}
