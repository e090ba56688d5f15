/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An endpoint becomes complete: VLAN, MAC, addresses, host. The name keeps what it once had. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

struct placing {
    struct work *work;
    const struct change_item *item;
    const struct view_network *net;
    const struct view_plan *plan;
    struct node *body;
};

int check_vlan(struct work *work, const struct view_network *net, int64_t vlan)
{
    if (net->vlan_aware && vlan == 0) {
        change_fail(work->result, 400, "network %s has VLANs: one must be named",
                    net->name);
        err_hint(&work->result->err, "iothctl net show %s", net->name);
    } else if (!net->vlan_aware && vlan != 0) {
        change_fail(work->result, 400, "network %s declares no VLANs", net->name);
        err_hint(&work->result->err, "iothctl net set %s vlans.%u=NAME", net->name,
                 (unsigned)vlan);
    } else if (view_plan(net, (uint16_t)vlan) == NULL) {
        change_fail(work->result, 400, "network %s has no VLAN %u", net->name,
                    (unsigned)vlan);
        err_hint(&work->result->err, "iothctl net show %s", net->name);
    } else {
        return 0;
    }
    return -EINVAL;
}

static int in_use(struct placing *p, const char *what, const struct view_endpoint *holder)
{
    change_fail(p->work->result, 409, "%s is in use by endpoint %s/%s on host %s", what,
                holder->network, holder->name, holder->host);
    err_hint(&p->work->result->err, "iothctl endpoint show %s/%s", holder->network,
             holder->name);
    return -EADDRINUSE;
}

static bool is_self(const struct placing *p, const struct view_endpoint *ep)
{
    return strcmp(ep->name, p->item->name) == 0;
}

static int place_mac(struct placing *p, const struct node *now)
{
    const char *text = node_get_text(p->body, "mac", NULL);
    const struct view_endpoint *holder;
    char print[MAC_TEXT_SIZE];
    uint8_t mac[MAC_SIZE];

    if (text == NULL && now != NULL)
        text = node_get_text(now, "mac", NULL);
    if (text != NULL) {
        if (!mac_parse(text, mac) || mac_is_group(mac) || mac_is_zero(mac)) {
            change_fail(p->work->result, 400, "%s is no MAC of a single station", text);
            return -EINVAL;
        }
        holder = work_endpoint_by_mac(p->work, p->net->name, mac);
        if (holder != NULL && !is_self(p, holder))
            return in_use(p, text, holder);
    } else {
        unsigned salt = 0;
        do {
            plan_mac(p->work->control->id.self.fabric, p->net->name, p->item->name, salt++,
                     mac);
            holder = work_endpoint_by_mac(p->work, p->net->name, mac);
        } while (holder != NULL && !is_self(p, holder));
    }
    mac_format(mac, print);
    node_set_text(p->body, "mac", print);
    return 0;
}

/* Addresses that were asked for: with the plan's length where none was given. */
static int check_addresses(struct placing *p, struct node *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *text = list->child[i]->text != NULL ? list->child[i]->text : "";
        const struct view_endpoint *holder;
        const struct addr *net;
        char print[ADDR_TEXT_SIZE];
        struct addr a;

        if (!addr_parse(text, &a)) {
            change_fail(p->work->result, 400, "\"%s\" is no address", text);
            return -EINVAL;
        }
        net = a.family == 4 ? &p->plan->v4 : &p->plan->v6;
        if (a.prefix == ADDR_NO_LEN)
            a.prefix = net->family != 0 ? net->prefix : a.family == 4 ? 24 : 64;
        if (a.family == 4 && a.prefix < 31) {
            struct addr first = a;
            uint32_t host;

            addr_mask(&first);
            host = addr_to_v4(&a) - addr_to_v4(&first);
            if (host == 0 || host == (UINT32_MAX >> a.prefix)) {
                change_fail(p->work->result, 400,
                            "%s is the subnet's own or its broadcast address",
                            addr_print(&a, print));
                return -EINVAL;
            }
        }
        holder = work_endpoint_by_addr(p->work, p->net->name, &a);
        if (holder != NULL && !is_self(p, holder))
            return in_use(p, addr_print_bare(&a, print), holder);
        node_free(list->child[i]);
        list->child[i] = node_text(addr_print(&a, print));
    }
    return 0;
}

struct used_in {
    struct work *work;
    const char *network;
};

static bool v4_used(const void *aux, uint32_t value)
{
    const struct used_in *in = aux;
    struct addr a = addr_from_v4(value, 32);

    return work_endpoint_by_addr(in->work, in->network, &a) != NULL ||
           change_in_flight(in->work->control, in->network, &a);
}

static int take_v4(struct placing *p, uint32_t *out)
{
    struct used_in in = {p->work, p->net->name};
    const struct view_block *block;
    struct plan_block all = plan_usable(&p->plan->v4);
    const char *host = p->work->change->host;

    if (p->net->scope == STORE_LOCAL)
        return plan_take_addr(&all, 1, v4_used, &in, out);
    block = work_block(p->work, p->net->name, p->plan->vlan, host);
    if (block == NULL)
        return -ENOSPC;
    return plan_take_addr(block->ranges, block->n_ranges, v4_used, &in, out);
}

/* Out of this host's blocks; at the founder they grow as needed, in the same transaction. */
static int place_v4(struct placing *p, struct node *list)
{
    char print[ADDR_TEXT_SIZE];
    struct addr a;
    uint32_t value;
    int r = take_v4(p, &value);

    if (r == -ENOSPC && p->net->scope == STORE_FABRIC && p->work->control->id.founder) {
        r = take_block(p->work, p->net, p->plan->vlan, p->work->change->host);
        if (r == 0)
            r = take_v4(p, &value);
    }
    if (r < 0) {
        if (p->work->result->err.why[0] == '\0') {
            change_fail(p->work->result, 409, "no address is left in %s of network %s%s",
                        addr_print(&p->plan->v4, print), p->net->name,
                        p->net->scope == STORE_FABRIC ? " on this host" : "");
            err_hint(&p->work->result->err, "iothctl endpoint ls");
        }
        return r;
    }
    a = addr_from_v4(value, p->plan->v4.prefix);
    node_append(list, node_text(addr_print(&a, print)));
    return 0;
}

static void place_v6(struct placing *p, struct node *list)
{
    char print[ADDR_TEXT_SIZE];
    const struct view_endpoint *holder;
    struct addr a;
    unsigned salt = 0;

    do {
        a = plan_addr6(&p->plan->v6, p->work->control->id.self.fabric, p->net->name,
                       p->item->name, salt++);
        holder = work_endpoint_by_addr(p->work, p->net->name, &a);
    } while (holder != NULL && !is_self(p, holder));
    node_append(list, node_text(addr_print(&a, print)));
}

/* With the same VLAN as before the addresses of before are still right. */
static bool keeps_addresses(const struct placing *p, const struct node *now)
{
    return now != NULL && node_get(now, "addresses") != NULL &&
           node_get_int(now, "vlan", 0) == node_get_int(p->body, "vlan", 0);
}

static int place_addresses(struct placing *p, const struct node *now)
{
    struct node *list = node_get(p->body, "addresses");
    int r = 0;

    if (list != NULL && list->kind == NODE_LIST && list->n > 0)
        return check_addresses(p, list);
    if (keeps_addresses(p, now)) {
        node_set(p->body, "addresses", node_copy(node_get(now, "addresses")));
        return 0;
    }
    list = node_list();
    if (p->plan->v4.family != 0)
        r = place_v4(p, list);
    if (r == 0 && p->plan->v6.family != 0)
        place_v6(p, list);
    node_set(p->body, "addresses", list);
    return r;
}

int propose_addresses(struct work *work, const struct change_item *item, struct node **out)
{
    const struct node *asked =
        item->body != NULL ? node_get(item->body, "addresses") : NULL;
    struct placing p = {.work = work, .item = item};
    const struct view_endpoint *now = work_endpoint(work, item->network, item->name);
    uint16_t vlan = (uint16_t)node_get_int(item->body, "vlan", 0);
    struct node *list;
    int r;

    *out = NULL;
    p.net = work_network(work, item->network);
    p.plan = p.net != NULL ? view_plan(p.net, vlan) : NULL;
    if (asked != NULL || p.plan == NULL || p.plan->v4.family == 0 ||
        (now != NULL && now->vlan == vlan && now->n_addrs > 0))
        return 0;
    list = node_list();
    r = place_v4(&p, list);
    if (r == 0 && p.plan->v6.family != 0)
        place_v6(&p, list);
    if (r < 0) {
        node_free(list);
        return r;
    }
    *out = list;
    return 0;
}

/* Whether another host's program has the name, and what becomes of host and epoch. */
static int place_host(struct placing *p, const struct node *now)
{
    const char *here = p->work->change->host;
    const char *was = now != NULL ? node_get_text(now, "host", "") : "";
    bool held = now != NULL && node_get_bool(now, "_held", false);
    int64_t epoch = now != NULL ? node_get_int(now, "epoch", 0) : 0;
    const struct view_endpoint *holder;

    if (p->item->held && held && strcmp(was, here) != 0) {
        change_fail(p->work->result, 409, "endpoint %s/%s runs on host %s", p->net->name,
                    p->item->name, was);
        holder = work_endpoint(p->work, p->net->name, p->item->name);
        if (holder != NULL)
            work_hint_endpoint(p->work, holder);
        return -EADDRINUSE;
    }
    if (p->item->held || was[0] == '\0')
        was = node_get_text(p->body, "host", here);
    if (p->item->held)
        was = here;
    if (now == NULL || strcmp(was, node_get_text(now, "host", "")) != 0)
        epoch++;
    node_set_text(p->body, "host", was);
    node_set_int(p->body, "epoch", epoch);
    if (p->item->held || held)
        node_set_bool(p->body, "_held", true);
    return 0;
}

int finish_endpoint(struct work *work, const struct change_item *item,
                    enum store_scope scope, const struct node *now, struct node *body)
{
    struct placing p = {
        .work = work,
        .item = item,
        .net = work_network(work, item->network),
        .body = body,
    };
    int r = check_vlan(work, p.net, node_get_int(body, "vlan", 0));

    (void)scope;
    if (r < 0)
        return r;
    p.plan = view_plan(p.net, (uint16_t)node_get_int(body, "vlan", 0));
    if (now == NULL && view_port(work->control->view, item->network, item->name) != NULL) {
        change_fail(work->result, 409, "network %s has a port of the name %s",
                    item->network, item->name);
        return -EEXIST;
    }
    r = place_host(&p, now);
    if (r == 0)
        r = place_mac(&p, now);
    if (r == 0)
        r = place_addresses(&p, now);
    /* A change of an anonymous one while it runs does not make it stay. */
    if (item->anonymous || (!item->held && node_get_bool(now, "anonymous", false)))
        node_set_bool(body, "anonymous", true);
    if (item->promote || (!item->held && node_get_bool(now, "_promote", false)))
        node_set_bool(body, "_promote", true);
    return r;
}
