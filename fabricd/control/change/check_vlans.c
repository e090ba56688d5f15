/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether ports still have the VLANs that they name, when all items of a change are in: a network gives up none
 * that a port is in, as it gives up none of an endpoint. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"

static bool has(const struct view_network *net, int64_t vlan)
{
    return vlan == 0 || vlan == SCHEMA_VLAN_NONE ||
           (net->vlan_aware && view_plan(net, (uint16_t)vlan) != NULL);
}

/* The first VLAN that the port is in and the network has not; 0 = none. */
static int64_t missing_of_port(const struct view_network *net, const struct node *port)
{
    const struct node *trunk = node_get(port, "trunk");
    const char *key = trunk != NULL ? "native" : "access";
    int64_t untagged = node_get_int(port, key, 0);

    for (size_t i = 0; trunk != NULL && i < trunk->n; i++) {
        if (!has(net, trunk->child[i]->integer))
            return trunk->child[i]->integer;
    }
    return has(net, untagged) ? 0 : untagged;
}

static const struct node *limits_of(const struct node *port)
{
    const struct node *limits = node_get(node_get(port, "qos"), "vlans");

    return limits != NULL && limits->kind == NODE_MAP ? limits : NULL;
}

/* The first one above `after` that the port has limits for and the network has not; 0 = none. */
static int64_t missing_limit(const struct view_network *net, const struct node *port,
                             int64_t after)
{
    const struct node *limits = limits_of(port);
    int64_t first = 0;

    for (size_t i = 0; limits != NULL && i < limits->n; i++) {
        int64_t vlan = strtol(limits->key[i], NULL, 10);

        if (vlan > after && !has(net, vlan) && (first == 0 || vlan < first))
            first = vlan;
    }
    return first;
}

static int64_t missing_of(const struct view_network *net, const struct node *port)
{
    int64_t missing = missing_of_port(net, port);

    return missing != 0 ? missing : missing_limit(net, port, 0);
}

static void print_trunk(FILE *f, const struct view_network *net, const struct node *port)
{
    const struct node *trunk = node_get(port, "trunk");
    size_t n = 0;

    fputs(" 'trunk=[", f);
    for (size_t i = 0; i < trunk->n; i++) {
        if (has(net, trunk->child[i]->integer))
            fprintf(f, "%s%lld", n++ > 0 ? ", " : "", (long long)trunk->child[i]->integer);
    }
    if (n == 0)
        fprintf(f, "%u", net->plans[0].vlan);
    fputs("]'", f);
    if (!has(net, node_get_int(port, "native", 0)))
        fputs(" native=", f);
}

/* The settings with which the port would name only VLANs that stay: the caller's. */
static char *remedy(const struct view_network *net, const struct node *port)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (f == NULL)
        abort();
    if (missing_of_port(net, port) != 0) {
        if (node_get(port, "trunk") != NULL)
            print_trunk(f, net, port);
        else
            fprintf(f, " access=%u", net->plans[0].vlan);
    }
    for (int64_t vlan = 0; (vlan = missing_limit(net, port, vlan)) != 0;)
        fprintf(f, " qos.vlans.%lld=", (long long)vlan);
    if (fclose(f) != 0)
        abort();
    return text;
}

int check_limits(struct work *work, const struct view_network *net, const struct node *port)
{
    const struct node *limits = net != NULL ? limits_of(port) : NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && limits != NULL && i < limits->n; i++)
        r = check_vlan(work, net, strtol(limits->key[i], NULL, 10));
    return r;
}

static int check_port(struct work *work, const struct view_network *net,
                      const struct view_port *p)
{
    struct node *port = work_get(work, p->scope, "port", p->network, p->name, NULL);
    int64_t missing = port != NULL ? missing_of(net, port) : 0;

    if (missing != 0) {
        change_fail(work->result, 409, "VLAN %lld of network %s is in use by port %s/%s",
                    (long long)missing, net->name, net->name, p->name);
        if (net->vlan_aware) {
            char *setting = remedy(net, port);

            err_hint(&work->result->err, "iothctl port set %s/%s%s", net->name, p->name,
                     setting);
            free(setting);
        } else {
            err_hint(&work->result->err, "iothctl port rm %s/%s", net->name, p->name);
        }
        work_place(work, xasprintf("networks.%s.vlans", net->name));
    }
    node_free(port);
    return missing != 0 ? -EBUSY : 0;
}

/* Networks that have been there, whose VLANs become others; by name, the pending ones. */
static void find_changed(struct work *work, struct map *changed)
{
    list_for_each (it, &work->pending) {
        struct pending *p = list_entry(it, struct pending, link);
        const struct view_network *was;

        if (p->net == NULL)
            continue;
        was = view_network(work->control->view, p->name);
        if (was != NULL &&
            !node_equal(node_get(was->body, "vlans"), node_get(p->net->body, "vlans")))
            map_put(changed, p->name, p->net);
    }
}

int check_vlans(struct work *work)
{
    struct map changed = {.n = 0};
    int r = 0;

    find_changed(work, &changed);
    if (changed.n == 0)
        return 0;
    list_for_each (it, &work->control->view->ports) {
        const struct view_port *p = list_entry(it, struct view_port, link);
        const struct view_network *net = map_get(&changed, p->network);

        if (r == 0 && net != NULL)
            r = check_port(work, net, p);
    }
    map_clear(&changed);
    return r;
}
