/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the lists of the API to hosts with their networks, and the links between them. */
#include "ctl/topology.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"

/* Appends one zeroed element of `size` to *list. */
static void *grow(void *list, size_t *n, size_t size)
{
    char *longer = xrealloc(list, (*n + 1) * size);
    memset(longer + *n * size, 0, size);
    (*n)++;
    return longer;
}

static bool has_text(const struct node *list, const char *text)
{
    for (size_t i = 0; list && list->kind == NODE_LIST && i < list->n; i++)
        if (list->child[i]->kind == NODE_TEXT && strcmp(list->child[i]->text, text) == 0)
            return true;
    return false;
}

static char *brief(const struct node *object, const char *map, const char *key)
{
    char *text = node_brief(object_node(object, map, key));
    char *clean = text_clean(text);
    free(text);
    return clean;
}

static bool in_place(const struct node *object, const char *network, const char *host)
{
    const char *where = node_get_text(object, "host", NULL);
    if (!where)
        where = object_text(object, "status", "host");
    return where && strcmp(where, host) == 0 &&
           strcmp(node_get_text(object, "network", ""), network) == 0;
}

static void add_item(struct topo_net *net, const struct node *object, const char *kind)
{
    bool endpoint = strcmp(kind, "endpoint") == 0;
    char *vlan = brief(object, NULL, endpoint ? "vlan" : "access");
    char *text = endpoint ? brief(object, NULL, "addresses") : xstrdup(kind);
    net->items = grow(net->items, &net->n_items, sizeof(*net->items));
    struct topo_item *item = &net->items[net->n_items - 1];
    item->name = brief(object, NULL, "name");
    item->kind = text_clean(kind);
    item->text = xasprintf("%s%s%s%s", *vlan ? "vlan " : "", vlan, *vlan ? "  " : "", text);
    item->state = brief(object, "status", "state");
    free(vlan);
    free(text);
}

static bool has_item(const struct topo_net *net, const char *name)
{
    for (size_t i = 0; i < net->n_items; i++)
        if (strcmp(net->items[i].name, name) == 0)
            return true;
    return false;
}

static void add_items(struct topo_net *net, const struct topo_source *s, const char *host)
{
    const struct node *endpoints = api_items(s->endpoints), *ports = api_items(s->ports);
    for (size_t i = 0; i < endpoints->n; i++)
        if (in_place(endpoints->child[i], net->name, host))
            add_item(net, endpoints->child[i], "endpoint");
    for (size_t i = 0; i < ports->n; i++) {
        const struct node *p = ports->child[i];
        const char *kind = object_text(p, "status", "kind");
        if (!in_place(p, net->name, host) || has_item(net, node_get_text(p, "name", "")))
            continue;
        /* Links are drawn as such; a capture looks on. */
        if (!kind || (strcmp(kind, "link") != 0 && strcmp(kind, "capture") != 0))
            add_item(net, p, kind ? kind : "port");
    }
}

static char *plan_text(const struct node *net)
{
    const struct node *vlans = node_get(net, "vlans");
    if (vlans && vlans->kind == NODE_MAP && vlans->n > 0) {
        char *text = xstrdup("vlans");
        for (size_t i = 0; i < vlans->n; i++) {
            char *longer = xasprintf("%s %s", text, vlans->key[i]);
            free(text);
            text = longer;
        }
        return text;
    }
    char *ipv4 = brief(net, NULL, "ipv4"), *ipv6 = brief(net, NULL, "ipv6");
    bool four = *ipv4 && strcmp(ipv4, "none") != 0,
         six = *ipv6 && strcmp(ipv6, "none") != 0;
    char *text =
        xasprintf("%s%s%s", four ? ipv4 : "", four && six ? "  " : "", six ? ipv6 : "");
    free(ipv4);
    free(ipv6);
    return text;
}

static void add_nets(struct topo_host *host, const struct topo_source *s)
{
    const struct node *networks = api_items(s->networks);
    for (size_t i = 0; i < networks->n; i++) {
        const struct node *n = networks->child[i];
        struct topo_net net = {.name = brief(n, NULL, "name")};
        add_items(&net, s, host->name);
        bool here = has_text(object_node(n, "status", "hosts"), host->name) ||
                    (node_get_bool(n, "local", false) && host->self) || net.n_items > 0;
        if (!here) {
            free(net.name);
            continue;
        }
        net.text = plan_text(n);
        host->nets = grow(host->nets, &host->n_nets, sizeof(*host->nets));
        host->nets[host->n_nets - 1] = net;
    }
}

static void add_hosts(struct topo *t, const struct topo_source *s)
{
    const struct node *hosts = api_items(s->hosts);
    for (size_t i = 0; i < hosts->n; i++) {
        const struct node *h = hosts->child[i];
        t->hosts = grow(t->hosts, &t->n_hosts, sizeof(*t->hosts));
        struct topo_host *host = &t->hosts[t->n_hosts - 1];
        host->name = brief(h, NULL, "name");
        host->address = brief(h, "status", "address");
        host->state = brief(h, "status", "state");
        host->self = strcmp(host->state, "self") == 0;
        add_nets(host, s);
    }
}

static bool find_host(const struct topo *t, const struct node *name, size_t *at)
{
    for (size_t i = 0; name->kind == NODE_TEXT && i < t->n_hosts; i++) {
        if (strcmp(t->hosts[i].name, name->text) == 0) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* "up, 0.4 ms, AES-256-GCM" */
static char *link_text(const struct node *link, bool *up)
{
    const struct node *rtt = object_node(link, "status", "rtt_us");
    char *state = brief(link, "status", "state"), *cipher = brief(link, "status", "cipher");
    char us[HUMAN_SIZE] = "";
    *up = strcmp(state, "up") == 0;
    if (rtt && rtt->kind == NODE_INT && rtt->integer > 0)
        human_us(us, sizeof(us), (uint64_t)rtt->integer);
    char *text = xasprintf("%s%s%s%s%s", state, *up && *us ? ", " : "", *up ? us : "",
                           *up && *cipher ? ", " : "", *up ? cipher : "");
    free(state);
    free(cipher);
    return text;
}

static void add_links(struct topo *t, const struct topo_source *s)
{
    const struct node *links = api_items(s->links);
    for (size_t i = 0; i < links->n; i++) {
        const struct node *l = links->child[i], *ends = node_get(l, "between");
        struct topo_link link = {0};
        if (!ends || ends->kind != NODE_LIST || ends->n != 2 ||
            !find_host(t, ends->child[0], &link.from) ||
            !find_host(t, ends->child[1], &link.to) || link.from == link.to)
            continue;
        if (link.from > link.to) {
            size_t swap = link.from;
            link.from = link.to;
            link.to = swap;
        }
        link.name = brief(l, NULL, "name");
        link.text = link_text(l, &link.up);
        t->links = grow(t->links, &t->n_links, sizeof(*t->links));
        t->links[t->n_links - 1] = link;
    }
}

static void add_degraded(struct topo *t, const struct topo_source *s)
{
    const struct node *networks = api_items(s->networks);
    for (size_t i = 0; i < networks->n; i++) {
        char *pairs = brief(networks->child[i], "status", "degraded");
        char *name = brief(networks->child[i], NULL, "name");
        if (*pairs) {
            t->degraded = grow(t->degraded, &t->n_degraded, sizeof(*t->degraded));
            t->degraded[t->n_degraded - 1] = xasprintf("%s: %s", name, pairs);
        }
        free(pairs);
        free(name);
    }
}

void topo_init(struct topo *t, const struct topo_source *s)
{
    *t =
        (struct topo){.fabric = s->status ? brief(s->status, NULL, "fabric") : xstrdup("")};
    add_hosts(t, s);
    add_links(t, s);
    add_degraded(t, s);
}

static void net_done(struct topo_net *net)
{
    for (size_t i = 0; i < net->n_items; i++) {
        free(net->items[i].name);
        free(net->items[i].kind);
        free(net->items[i].text);
        free(net->items[i].state);
    }
    free(net->items);
    free(net->name);
    free(net->text);
}

void topo_done(struct topo *t)
{
    for (size_t i = 0; i < t->n_hosts; i++) {
        struct topo_host *h = &t->hosts[i];
        for (size_t n = 0; n < h->n_nets; n++)
            net_done(&h->nets[n]);
        free(h->nets);
        free(h->name);
        free(h->address);
        free(h->state);
    }
    for (size_t i = 0; i < t->n_links; i++) {
        free(t->links[i].name);
        free(t->links[i].text);
    }
    for (size_t i = 0; i < t->n_degraded; i++)
        free(t->degraded[i]);
    free(t->hosts);
    free(t->links);
    free(t->degraded);
    free(t->fabric);
}

static struct node *net_node(const struct topo_net *net)
{
    struct node *out = node_map(), *endpoints = node_list(), *ports = node_list();
    node_set_text(out, "name", net->name);
    for (size_t i = 0; i < net->n_items; i++) {
        const struct topo_item *item = &net->items[i];
        bool endpoint = strcmp(item->kind, "endpoint") == 0;
        struct node *n = node_map();
        node_set_text(n, "name", item->name);
        node_set_text(n, endpoint ? "addresses" : "kind",
                      endpoint ? item->text : item->kind);
        node_set_text(n, "state", item->state);
        node_append(endpoint ? endpoints : ports, n);
    }
    node_set(out, "endpoints", endpoints);
    node_set(out, "ports", ports);
    return out;
}

struct node *topo_node(const struct topo *t)
{
    struct node *out = node_map(), *hosts = node_list(), *links = node_list(),
                *degraded = node_list();
    node_set_text(out, "fabric", t->fabric);
    for (size_t i = 0; i < t->n_hosts; i++) {
        const struct topo_host *h = &t->hosts[i];
        struct node *host = node_map(), *nets = node_list();
        node_set_text(host, "name", h->name);
        node_set_text(host, "state", h->state);
        node_set_text(host, "address", h->address);
        for (size_t n = 0; n < h->n_nets; n++)
            node_append(nets, net_node(&h->nets[n]));
        node_set(host, "networks", nets);
        node_append(hosts, host);
    }
    for (size_t i = 0; i < t->n_links; i++) {
        struct node *link = node_map(), *between = node_list();
        node_append(between, node_text(t->hosts[t->links[i].from].name));
        node_append(between, node_text(t->hosts[t->links[i].to].name));
        node_set_text(link, "name", t->links[i].name);
        node_set(link, "between", between);
        node_set_bool(link, "up", t->links[i].up);
        node_append(links, link);
    }
    for (size_t i = 0; i < t->n_degraded; i++)
        node_append(degraded, node_text(t->degraded[i]));
    node_set(out, "hosts", hosts);
    node_set(out, "links", links);
    node_set(out, "degraded", degraded);
    return out;
}
