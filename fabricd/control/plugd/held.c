/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names that programs of this host took while the founder was out of reach are made good with
 * it. Where another host has taken the name meanwhile, the older stays and the log tells. */
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/plugd/plugd_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/view/view.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

struct promoting {
    struct plugd *plugd;
    char network[VIEW_NAME_SIZE];
    char name[VIEW_NAME_SIZE];
    bool local; /* There is a local object, which goes when the fabric has its own. */
};

static void nothing(void *aux, struct change_result *result)
{
    (void)aux;
    (void)result;
}

static void drop_local(struct control *control, const char *network, const char *name)
{
    struct change *change = change_new(control_host(control), "run");

    change_add(change, CHANGE_DELETE, "endpoint", network, name, NULL)->promote = true;
    change_execute(control, change, nothing, NULL);
}

static void promoted(void *aux, struct change_result *result)
{
    struct promoting *p = aux;

    if (result->status >= 400)
        log_warn("endpoint %s/%s is not the fabric's: %s", p->network, p->name,
                 result->err.why);
    else if (p->local)
        drop_local(p->plugd->control, p->network, p->name);
    free(p);
}

static struct node *body_of(const struct view_endpoint *ep)
{
    struct node *body = node_map(), *list = node_list();
    char text[ADDR_TEXT_SIZE], mac[MAC_TEXT_SIZE];

    if (ep->vlan != 0)
        node_set_int(body, "vlan", ep->vlan);
    mac_format(ep->mac, mac);
    node_set_text(body, "mac", mac);
    for (unsigned i = 0; i < ep->n_addrs; i++)
        node_append(list, node_text(addr_print(&ep->addrs[i], text)));
    node_set(body, "addresses", list);
    return body;
}

static void promote(struct plugd *plugd, const struct view_endpoint *ep, bool local)
{
    struct control *control = plugd->control;
    struct promoting *p = xcalloc(1, sizeof(*p));
    struct change *change = change_new(control_host(control), "run");
    struct change_item *item =
        change_add(change, CHANGE_PUT, "endpoint", ep->network, ep->name, body_of(ep));

    item->held = true;
    p->plugd = plugd;
    p->local = local;
    memcpy(p->network, ep->network, sizeof(p->network));
    memcpy(p->name, ep->name, sizeof(p->name));
    change_submit(control, change, promoted, p);
}

/* Whether the founder has still to hear that the endpoint runs here. */
static bool is_put_off(const struct control *control, const struct view_endpoint *ep)
{
    const struct view_network *net = view_network(control->view, ep->network);

    if (strcmp(ep->host, control_host(control)) != 0 || net == NULL)
        return false;
    if (ep->scope == STORE_LOCAL)
        return ep->promote;
    return !ep->held && reconcile_port(control->reconcile, net->id, ep->name) != NULL;
}

void plugd_founder_back(struct plugd *plugd)
{
    struct control *control = plugd->control;

    if (!control_follows(control))
        return;
    /* Changes are answered later than this walk ends: they go over the link. */
    list_for_each_safe (it, &control->view->endpoints) {
        const struct view_endpoint *ep = list_entry(it, struct view_endpoint, link);

        if (is_put_off(control, ep))
            promote(plugd, ep, ep->scope == STORE_LOCAL);
    }
}
