/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network becomes complete: its random id, its subnets, and first blocks of addresses. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"

/* The subnets that others have, against which new ones are picked and checked. */
struct taken {
    struct subnets *subnets;
    const char *owner; /* The network itself, as owner of its subnets. */
    enum store_scope scope;
};

/* Local and fabric networks may have the same name. */
static const char *owner_key(char owner[SUBNETS_OWNER], enum store_scope scope,
                             const char *name)
{
    snprintf(owner, SUBNETS_OWNER, "%c%.63s", scope == STORE_LOCAL ? '~' : '=', name);
    return owner;
}

static void take_plans(void *aux, const struct view_network *net)
{
    struct subnets *subnets = aux;
    char owner[SUBNETS_OWNER];

    owner_key(owner, net->scope, net->name);
    for (size_t i = 0; i < net->n_plans; i++) {
        subnets_add(subnets, owner, &net->plans[i].v4);
        subnets_add(subnets, owner, &net->plans[i].v6);
    }
}

/* Those of all networks, with what is pending laid over: gathered once, and kept up by
 * subnets_follow(). */
static struct subnets *subnets_of(struct work *work)
{
    if (work->subnets == NULL) {
        work->subnets = xcalloc(1, sizeof(*work->subnets));
        work_each_network(work, take_plans, work->subnets);
    }
    return work->subnets;
}

void subnets_follow(struct work *work, enum store_scope scope, const char *name,
                    const struct view_network *now)
{
    char owner[SUBNETS_OWNER];

    if (work->subnets == NULL)
        return;
    subnets_drop(work->subnets, owner_key(owner, scope, name));
    if (now != NULL)
        take_plans(work->subnets, now);
}

/* The subnet that the key will have, if that is known: as asked for, or as before. */
static void reserve_key(struct subnets *subnets, const char *owner,
                        const struct node *before, const struct node *after,
                        const char *key)
{
    const char *text = node_get_text(after, key, "auto");
    struct addr net;

    if (strcmp(text, "auto") == 0 && before != NULL)
        text = node_get_text(before, key, "auto");
    if (strchr(text, '/') == NULL || !addr_parse(text, &net))
        return;
    addr_mask(&net);
    subnets_add(subnets, owner, &net);
}

void subnets_reserve(struct work *work, const char *name, const struct node *before,
                     const struct node *after)
{
    const struct view_network *now = work_network(work, name);
    bool local =
        now != NULL ? now->scope == STORE_LOCAL : node_get_bool(after, "local", false);
    const struct node *vlans = node_get(after, "vlans");
    const struct node *had = before != NULL ? node_get(before, "vlans") : NULL;
    struct subnets *subnets = subnets_of(work);
    char owner[SUBNETS_OWNER];

    subnets_drop(subnets, owner_key(owner, local ? STORE_LOCAL : STORE_FABRIC, name));
    if (vlans == NULL) {
        reserve_key(subnets, owner, before, after, "ipv4");
        reserve_key(subnets, owner, before, after, "ipv6");
    }
    for (size_t i = 0; vlans != NULL && vlans->kind == NODE_MAP && i < vlans->n; i++) {
        const struct node *was = had != NULL ? node_get(had, vlans->key[i]) : NULL;

        reserve_key(subnets, owner, was, vlans->child[i], "ipv4");
        reserve_key(subnets, owner, was, vlans->child[i], "ipv6");
    }
}

/* A subnet that was asked for. */
static int check_subnet(struct work *work, const struct taken *taken, const char *text,
                        struct addr *out)
{
    const struct subnet *other;
    char host[ADDR_TEXT_SIZE];

    if (!addr_parse(text, out) || out->prefix == ADDR_NO_LEN) {
        change_fail(work->result, 400, "\"%s\" is no subnet", text);
        return -EINVAL;
    }
    addr_mask(out);
    other = subnets_overlap(taken->subnets, out);
    if (other == NULL)
        return 0;
    change_fail(work->result, 409, "subnet %s overlaps %s of network %s", text,
                addr_print(&other->net, host), other->owner + 1);
    err_hint(&work->result->err, "iothctl net show %s", other->owner + 1);
    return -EADDRINUSE;
}

static int pick_subnet(struct work *work, const struct taken *taken, const char *network,
                       uint16_t vlan, bool v4, struct addr *out)
{
    const struct identity *id = &work->control->id;
    int r;

    if (v4) /* Local ones of a joined host come from the top: the founder cannot see them. */
        r = plan_pick4(taken->subnets, taken->scope == STORE_LOCAL && !id->founder, out);
    else
        r = plan_pick6(id->self.fabric, network, vlan, taken->subnets, out);
    if (r < 0) {
        change_fail(work->result, 409, "no subnet is left for network %s", network);
        err_hint(&work->result->err, "iothctl net create %s --ipv4 CIDR", network);
    }
    return r;
}

/* One of the keys ipv4, ipv6 of the network or a VLAN: what was chosen before stays. */
static int resolve_subnet(struct work *work, struct taken *taken, const char *network,
                          uint16_t vlan, const struct node *now, struct node *body, bool v4)
{
    const char *key = v4 ? "ipv4" : "ipv6";
    const char *text = node_get_text(body, key, "auto");
    const char *before = now != NULL ? node_get_text(now, key, "auto") : "auto";
    char print[ADDR_TEXT_SIZE];
    struct addr net;
    int r;

    if (strcmp(text, "none") == 0)
        return 0;
    if (strcmp(text, "auto") == 0 && strchr(before, '/') != NULL)
        text = before;
    if (strcmp(text, "auto") != 0)
        r = check_subnet(work, taken, text, &net);
    else
        r = pick_subnet(work, taken, network, vlan, v4, &net);
    if (r < 0)
        return r;
    node_set_text(body, key, addr_print(&net, print));
    subnets_add(taken->subnets, taken->owner, &net);
    return 0;
}

static int resolve_vlans(struct work *work, struct taken *taken, const char *network,
                         const struct node *now, struct node *vlans)
{
    const struct node *before = now != NULL ? node_get(now, "vlans") : NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && i < vlans->n; i++) {
        uint16_t vlan = (uint16_t)strtoul(vlans->key[i], NULL, 10);
        const struct node *was = before != NULL && before->kind == NODE_MAP
                                     ? node_get(before, vlans->key[i])
                                     : NULL;

        was = was != NULL && was->kind == NODE_MAP ? was : NULL;
        r = resolve_subnet(work, taken, network, vlan, was, vlans->child[i], true);
        if (r == 0)
            r = resolve_subnet(work, taken, network, vlan, was, vlans->child[i], false);
    }
    return r;
}

static bool same_net(const struct addr *a, const struct addr *b)
{
    return addr_compare(a, b) == 0 && a->prefix == b->prefix;
}

/* A subnet from which addresses are held stays what it is, and so does a VLAN. */
static int check_in_use(struct work *work, const struct view_network *before,
                        const struct view_network *after)
{
    list_for_each (it, &work->control->view->endpoints) {
        struct view_endpoint *ep = list_entry(it, struct view_endpoint, link);
        const struct view_plan *was, *is;

        if (strcmp(ep->network, before->name) != 0)
            continue;
        was = view_plan(before, ep->vlan);
        is = view_plan(after, ep->vlan);
        if (was == NULL ||
            (is != NULL && same_net(&was->v4, &is->v4) && same_net(&was->v6, &is->v6)))
            continue;
        if (is == NULL && before->vlan_aware)
            change_fail(work->result, 409, "VLAN %u of network %s is in use by endpoint %s",
                        ep->vlan, before->name, ep->name);
        else
            change_fail(work->result, 409,
                        "the addresses of network %s are in use by endpoint %s",
                        before->name, ep->name);
        work_hint_endpoint(work, ep);
        return -EBUSY;
    }
    return 0;
}

/* Blocks of subnets that are gone or have become others. */
static void drop_blocks(struct work *work, const struct view_network *before,
                        const struct view_network *after)
{
    list_for_each (it, &work->control->view->blocks) {
        struct view_block *b = list_entry(it, struct view_block, link);
        const struct view_plan *was, *is;
        char name[VIEW_NAME_SIZE + 8];

        if (strcmp(b->network, before->name) != 0)
            continue;
        was = view_plan(before, b->vlan);
        is = view_plan(after, b->vlan);
        if (was != NULL && is != NULL && same_net(&was->v4, &is->v4))
            continue;
        snprintf(name, sizeof(name), "%u.%s", b->vlan, b->host);
        work_delete(work, STORE_FABRIC, "block", before->name, name);
    }
}

static int check_hosts(struct work *work, const struct node *body)
{
    const struct node *on = node_get(body, "on");

    for (size_t i = 0; on != NULL && on->kind == NODE_LIST && i < on->n; i++) {
        const char *host = on->child[i]->text;

        if (host == NULL || work_has_host(work, host))
            continue;
        change_fail(work->result, 400, "there is no host %s in the fabric", host);
        err_hint(&work->result->err, "iothctl host ls");
        return -EINVAL;
    }
    return 0;
}

/* Bridge priorities are of hosts that there are; one that has left may stay where it is named. */
static int check_priorities(struct work *work, const struct node *now,
                            const struct node *body)
{
    const struct node *stp = node_get(body, "stp"),
                      *was = now != NULL ? node_get(now, "stp") : NULL;
    const struct node *priority = stp != NULL ? node_get(stp, "priority") : NULL;
    const struct node *had = was != NULL ? node_get(was, "priority") : NULL;

    for (size_t i = 0; priority != NULL && priority->kind == NODE_MAP && i < priority->n;
         i++) {
        const char *host = priority->key[i];
        char *path;

        if ((had != NULL && node_get(had, host) != NULL) || work_has_host(work, host))
            continue;
        change_fail(work->result, 400, "there is no host %.63s in the fabric", host);
        err_hint(&work->result->err, "iothctl host ls");
        path = xasprintf("stp.priority.%s", host);
        diags_add(&work->result->diags, NULL, 0, 0, path, "%s", work->result->err.why);
        free(path);
        return -EINVAL;
    }
    return 0;
}

static int check_changes(struct work *work, const struct change_item *item,
                         enum store_scope scope, const struct node *body)
{
    struct store_object object = {.scope = scope, .name = item->name};
    const struct view_network *before = work_network(work, item->name);
    struct view_network *after;
    int r;

    if (before == NULL)
        return 0;
    after = view_parse_network(&object, node_copy(body));
    r = check_in_use(work, before, after);
    if (r == 0)
        drop_blocks(work, before, after);
    view_free_network(after);
    return r;
}

static void set_id(const struct node *now, struct node *body)
{
    const char *before = now != NULL ? node_get_text(now, "id", "") : "";
    char text[17];
    uint64_t id = 0;

    while (before[0] == '\0' && id == 0) {
        if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
            id = 0;
    }
    snprintf(text, sizeof(text), "%016" PRIx64, id);
    node_set_text(body, "id", before[0] != '\0' ? before : text);
}

int finish_network(struct work *work, const struct change_item *item,
                   enum store_scope scope, const struct node *now, struct node *body)
{
    char owner[SUBNETS_OWNER];
    struct taken taken = {.subnets = subnets_of(work),
                          .owner = owner_key(owner, scope, item->name),
                          .scope = scope};
    struct node *vlans = node_get(body, "vlans");
    int r = check_hosts(work, body);

    r = r == 0 ? check_priorities(work, now, body) : r;
    subnets_drop(taken.subnets,
                 owner); /* Its own are no hindrance, and are added as found. */
    if (r == 0 && vlans != NULL && vlans->kind == NODE_MAP && vlans->n > 0) {
        /* The subnets are the VLANs'; what the network had before it declared any goes. */
        node_remove(body, "ipv4");
        node_remove(body, "ipv6");
        r = resolve_vlans(work, &taken, item->name, now, vlans);
    } else if (r == 0) {
        r = resolve_subnet(work, &taken, item->name, 0, now, body, true);
        if (r == 0)
            r = resolve_subnet(work, &taken, item->name, 0, now, body, false);
    }
    if (r == 0)
        r = check_changes(work, item, scope, body);
    if (r == 0)
        set_id(now, body);
    return r;
}

/* --- blocks -------------------------------------------------------------------------------- */

struct held_blocks {
    struct plan_block *list;
    size_t n;
};

static void gather_block(void *aux, const struct view_block *block)
{
    struct held_blocks *held = aux;

    held->list =
        xrealloc(held->list, (held->n + block->n_ranges + 1) * sizeof(*held->list));
    for (size_t i = 0; i < block->n_ranges; i++)
        held->list[held->n++] = block->ranges[i];
}

static struct node *range_node(const struct plan_block *block)
{
    struct node *range = node_list();

    node_append(range, node_int(block->first));
    node_append(range, node_int(block->n));
    return range;
}

int take_block(struct work *work, const struct view_network *net, uint16_t vlan,
               const char *host)
{
    const struct view_plan *plan = view_plan(net, vlan);
    struct held_blocks held = {NULL, 0};
    struct plan_block block;
    char name[VIEW_NAME_SIZE + 8], text[ADDR_TEXT_SIZE];
    struct node *body, *ranges;
    uint64_t revision;
    int r;

    if (plan == NULL || plan->v4.family == 0)
        return 0;
    work_each_block(work, net->name, vlan, gather_block, &held);
    r = plan_take_block(&plan->v4, held.list, held.n, &block);
    free(held.list);
    if (r < 0) {
        change_fail(work->result, 409, "no address is left in %s of network %s",
                    addr_print(&plan->v4, text), net->name);
        err_hint(&work->result->err, "iothctl net set %s ipv4=CIDR with a larger subnet",
                 net->name);
        return r;
    }
    snprintf(name, sizeof(name), "%u.%s", vlan, host);
    body = work_get(work, STORE_FABRIC, "block", net->name, name, &revision);
    body = body != NULL ? body : node_map();
    node_set_int(body, "vlan", vlan);
    node_set_text(body, "host", host);
    ranges = node_get(body, "ranges");
    if (ranges == NULL) {
        node_set(body, "ranges", node_list());
        ranges = node_get(body, "ranges");
    }
    node_append(ranges, range_node(&block));
    work_put(work, STORE_FABRIC, "block", net->name, name, body, revision);
    return 0;
}
