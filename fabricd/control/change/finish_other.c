/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports, hosts and links become complete. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabricd/control/change/work.h"

/* No two ports of a host open the same interface, or make the same socket. */
static int check_claim(struct work *work, const struct change_item *item,
                       const struct node *body)
{
    char claim[VIEW_CLAIM_SIZE];
    const struct view_port *other;

    view_port_claim(item->network, item->name, body, claim);
    other = view_port_by_claim(work->control->view, node_get_text(body, "host", ""), claim);
    if (other == NULL ||
        (strcmp(other->network, item->network) == 0 &&
         strcmp(other->name, item->name) == 0) ||
        work_moves(work, other, claim))
        return 0;
    change_fail(work->result, 409, "%s is in use by port %s/%s", claim, other->network,
                other->name);
    err_hint(&work->result->err, "iothctl port show %s/%s", other->network, other->name);
    return -EEXIST;
}

/* A VDE port is a socket of its name in the network's folder, beside those of the network itself. */
static int check_vde_name(struct work *work, const struct change_item *item)
{
    const char *name = item->name;

    if (!schema_network_door(name))
        return 0;
    change_fail(work->result, 400,
                "a VDE port cannot be called %s: that is the network's own entry%s", name,
                name[0] == 'v' ? " for a VLAN" : "");
    err_hint(&work->result->err, "iothctl port add %s vde-%s --vde", item->network, name);
    return -EINVAL;
}

/* The VLAN of a port's untagged frames. In a network that has VLANs, 0 is that of ports without one, and
 * 4095 says that it takes none. */
static int check_named(struct work *work, const struct view_network *net,
                       const struct node *vlan)
{
    if (net == NULL || (vlan->integer != 0 && vlan->integer != SCHEMA_VLAN_NONE))
        return check_vlan(work, net, vlan->integer);
    if (net->vlan_aware)
        return 0;
    change_fail(work->result, 400, "network %s has no VLANs", net->name);
    err_hint(&work->result->err, "iothctl net set %s vlans.10=staff", net->name);
    return -EINVAL;
}

/* Whether the network has the VLANs that the port is to be in. */
static int check_own_vlans(struct work *work, const struct view_network *net,
                           const struct node *body)
{
    const struct node *trunk = node_get(body, "trunk");
    const struct node *native = node_get(body, "native");
    const struct node *access = node_get(body, "access");
    int r = 0;

    if (net != NULL && net->vlan_aware && node_get_bool(body, "transparent", false)) {
        change_fail(work->result, 400,
                    "network %s has VLANs: none of its ports is transparent", net->name);
        err_hint(&work->result->err, "iothctl net show %s", net->name);
        return -EINVAL;
    }
    if (trunk == NULL)
        return access != NULL ? check_named(work, net, access) : check_vlan(work, net, 0);
    for (size_t i = 0; r == 0 && i < trunk->n; i++)
        r = check_vlan(work, net, trunk->child[i]->integer);
    return r == 0 && native != NULL ? check_named(work, net, native) : r;
}

int finish_port(struct work *work, const struct change_item *item, const struct node *now,
                struct node *body)
{
    const struct view_network *net = work_network(work, item->network);
    int r = check_own_vlans(work, net, body);

    if (r == 0)
        r = check_limits(work, net, body);
    if (r < 0)
        return r;
    if (now == NULL && work_endpoint(work, item->network, item->name) != NULL) {
        change_fail(work->result, 409, "network %s has an endpoint of the name %s",
                    item->network, item->name);
        return -EEXIST;
    }
    r = node_get_bool(body, "vde", false) ? check_vde_name(work, item) : 0;
    if (r < 0)
        return r;
    if (node_get_text(body, "host", NULL) == NULL)
        node_set_text(body, "host",
                      now != NULL ? node_get_text(now, "host", work->change->host)
                                  : work->change->host);
    if (!work_has_host(work, node_get_text(body, "host", ""))) {
        change_fail(work->result, 400, "there is no host %s in the fabric",
                    node_get_text(body, "host", ""));
        err_hint(&work->result->err, "iothctl host ls");
        return -EINVAL;
    }
    return check_claim(work, item, body);
}

int finish_host(struct work *work, const struct change_item *item, const struct node *now,
                struct node *body)
{
    static const char *const own[] = {"number",  "key",     "sign_key",
                                      "listens", "founder", "tags"};

    (void)work;
    (void)item;
    for (size_t i = 0; now != NULL && i < sizeof(own) / sizeof(own[0]); i++) {
        const struct node *value = node_get(now, own[i]);
        if (value != NULL)
            node_set(body, own[i], node_copy(value));
    }
    return 0;
}

/* --- links ---------------------------------------------------------------------------------- */

static bool same_pair(const struct node *a, const struct node *b)
{
    if (a == NULL || b == NULL || a->n != 2 || b->n != 2)
        return false;
    for (size_t first = 0; first < 2; first++) {
        if (strcmp(a->child[0]->text, b->child[first]->text) == 0 &&
            strcmp(a->child[1]->text, b->child[1 - first]->text) == 0)
            return true;
    }
    return false;
}

struct twin {
    struct work *work;
    const char *name;
    const struct node *between;
    char found[VIEW_NAME_SIZE];
};

/* Whether the other link, as it stands, is between the same hosts. */
static void compare(struct twin *twin, const char *other, const struct node *body)
{
    if (strcmp(other, twin->name) != 0 && body != NULL &&
        same_pair(twin->between, node_get(body, "between")))
        snprintf(twin->found, sizeof(twin->found), "%s", other);
}

static int compare_stored(void *aux, const struct store_object *object)
{
    struct twin *twin = aux;
    struct node *body = work_get(twin->work, STORE_FABRIC, "link", "", object->name, NULL);

    compare(twin, object->name, body);
    node_free(body);
    return 0;
}

/* Two hosts have one link. What a link is between never changes, so only a new one is looked at. */
static int check_twin(struct work *work, const struct change_item *item,
                      const struct node *between)
{
    struct twin twin = {.work = work, .name = item->name, .between = between};
    int r =
        store_each(work->control->store, STORE_FABRIC, "link", "", compare_stored, &twin);

    list_for_each (it, &work->pending) {
        const struct pending *p = list_entry(it, struct pending, link);

        if (strcmp(p->kind, "link") == 0)
            compare(&twin, p->name, p->body);
    }
    if (r < 0 || twin.found[0] == '\0')
        return r;
    change_fail(work->result, 409, "the link between %s and %s is declared as %s",
                between->child[0]->text, between->child[1]->text, twin.found);
    err_hint(&work->result->err, "iothctl link show %s", twin.found);
    return -EEXIST;
}

int finish_link(struct work *work, const struct change_item *item, const struct node *now,
                struct node *body)
{
    const struct node *between = node_get(body, "between");

    if (between == NULL || between->kind != NODE_LIST || between->n != 2 ||
        strcmp(between->child[0]->text, between->child[1]->text) == 0) {
        change_fail(work->result, 400, "a link is between two hosts");
        return -EINVAL;
    }
    for (size_t i = 0; i < 2; i++) {
        if (work_has(work, STORE_FABRIC, "host", "", between->child[i]->text))
            continue;
        change_fail(work->result, 400, "there is no host %s in the fabric",
                    between->child[i]->text);
        err_hint(&work->result->err, "iothctl host ls");
        return -EINVAL;
    }
    return now == NULL ? check_twin(work, item, between) : 0;
}
