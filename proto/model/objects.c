/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of objects, and the checks that need more than one of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"
#include "proto/model/schema_internal.h"

void objects_init(struct objects *o)
{
    *o = (struct objects){.sorted = true};
}

void objects_done(struct objects *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; i < o->n; i++) {
        free(o->list[i].network);
        free(o->list[i].name);
        node_free(o->list[i].body);
    }
    free(o->list);
    free(o->fabric);
    objects_init(o);
}

static int by_place(const void *a, const void *b)
{
    const struct object *x = a, *y = b;
    int order;

    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    order = strcmp(x->network ? x->network : "", y->network ? y->network : "");
    return order ? order : strcmp(x->name, y->name);
}

void objects_add(struct objects *o, const struct kind *kind, const char *network,
                 const char *name, struct node *body)
{
    if (o->n == o->room) {
        o->room = o->room ? o->room * 2 : 16;
        o->list = xrealloc(o->list, o->room * sizeof(*o->list));
    }
    o->list[o->n] = (struct object){
        .kind = kind,
        .network = network ? xstrdup(network) : NULL,
        .name = xstrdup(name),
        .body = body,
    };
    o->sorted = o->sorted && (!o->n || by_place(&o->list[o->n - 1], &o->list[o->n]) <= 0);
    o->n++;
}

void objects_sort(struct objects *o)
{
    if (!o->sorted && o->n) {
        qsort(o->list, o->n, sizeof(*o->list), by_place);
        o->sorted = true;
    }
}

/* The first object at or after the key, in a sorted set. */
static size_t lower_bound(const struct objects *o, const struct object *key)
{
    size_t low = 0, high = o->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (by_place(&o->list[mid], key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

struct object *objects_find(const struct objects *o, const struct kind *kind,
                            const char *network, const char *name)
{
    /* Only compared with; by_place() changes nothing. */
    union {
        const char *in;
        char *out;
    } net = {.in = network}, label = {.in = name};
    struct object key = {.kind = kind, .network = net.out, .name = label.out};
    size_t i = o->sorted ? lower_bound(o, &key) : 0;

    for (; i < o->n; i++) {
        int order = by_place(&o->list[i], &key);

        if (!order) {
            return &o->list[i];
        }
        if (o->sorted && order > 0) {
            break;
        }
    }
    return NULL;
}

/* --- cross-references -------------------------------------------------------------------- */

/* Something that may be there once: `what` of `owner` within a scope. */
struct claim {
    char *key;
    const struct object *by;
    const struct node *at;
    const char *field;
};

struct crossing {
    struct objects *set;
    struct check check;
    struct claim *claims;
    size_t n, room;
};

/* Steps into an object's path: networks.office.ports.core. */
static size_t enter(struct crossing *x, const struct object *o)
{
    size_t before = x->check.size;

    if (o->network) {
        check_down(&x->check, "networks");
        check_down(&x->check, o->network);
    }
    check_down(&x->check, o->kind->plural);
    check_down(&x->check, o->name);
    return before;
}

static void claim(struct crossing *x, const struct object *by, const char *field,
                  const struct node *at, char *key)
{
    if (x->n == x->room) {
        x->room = x->room ? x->room * 2 : 16;
        x->claims = xrealloc(x->claims, x->room * sizeof(*x->claims));
    }
    x->claims[x->n++] = (struct claim){.key = key, .by = by, .at = at, .field = field};
}

/* A VLAN that is named, against those that the network declares. */
static void check_declared(struct crossing *x, const struct object *net,
                           const struct node *vlan)
{
    const struct node *vlans = node_get(net->body, "vlans");
    char number[24];

    snprintf(number, sizeof(number), "%lld", (long long)vlan->integer);
    if (!vlans) {
        check_bad(&x->check, vlan, "network %s declares no VLANs", net->name);
    } else if (vlan->integer && vlan->integer != SCHEMA_VLAN_NONE &&
               !node_get(vlans, number)) {
        check_bad(&x->check, vlan, "network %s does not declare VLAN %s", net->name,
                  number);
    }
}

/* The network that an object is in, if the set has it to be checked against. */
static const struct object *network_of(const struct crossing *x, const char *network)
{
    const struct object *net = objects_find(x->set, schema_kind("network"), NULL, network);

    return net && net->body ? net : NULL;
}

/* The VLAN that a port or endpoint names, against those of its network. */
static void check_vlan(struct crossing *x, const struct object *o, const char *network,
                       const char *field)
{
    const struct object *net = network_of(x, network);
    const struct node *vlan = node_get(o->body, field);
    size_t before = check_down(&x->check, field);

    if (net && vlan) {
        check_declared(x, net, vlan);
    } else if (net && node_get(net->body, "vlans")) {
        check_bad(&x->check, o->body, "is missing: network %s has VLANs", net->name);
    }
    check_up(&x->check, before);
}

/* The VLANs of a trunk, and of what is none in a network with VLANs. */
static void check_trunk(struct crossing *x, const struct object *o)
{
    const struct node *trunk = node_get(o->body, "trunk");
    const struct node *native = node_get(o->body, "native");
    const struct object *net = network_of(x, o->network);
    size_t before;

    for (size_t i = 0; net && trunk && i < trunk->n; i++) {
        before = check_down(&x->check, "trunk");
        check_declared(x, net, trunk->child[i]);
        check_up(&x->check, before);
    }
    if (net && native) {
        before = check_down(&x->check, "native");
        check_declared(x, net, native);
        check_up(&x->check, before);
    }
    if (net && !trunk && node_get(net->body, "vlans")) {
        before = check_down(&x->check, "transparent");
        check_bad(&x->check, node_get(o->body, "transparent"),
                  "network %s has VLANs: none of its ports is transparent", net->name);
        check_up(&x->check, before);
    }
}

static void cross_port(struct crossing *x, const struct object *o)
{
    const struct node *host = node_get(o->body, "host");
    const char *kind = schema_port_kind(o->body), *at = host ? host->text : "here";

    if (node_get(o->body, "trunk") || node_get_bool(o->body, "transparent", false)) {
        check_trunk(x, o);
    } else {
        check_vlan(x, o, o->network, "access");
    }
    if (kind && (!strcmp(kind, "tap") || !strcmp(kind, "raw"))) {
        claim(x, o, kind, node_get(o->body, kind),
              xasprintf("interface %s on host %s", node_get_text(o->body, kind, ""), at));
    } else if (kind && !strcmp(kind, "stream")) {
        claim(x, o, kind, node_get(o->body, kind),
              xasprintf("socket %s of network %s on host %s",
                        node_get_text(o->body, kind, ""), o->network, at));
    }
}

/* An endpoint, or a service, which is one of `network`. */
static void cross_endpoint(struct crossing *x, const struct object *o, const char *network)
{
    const struct node *mac = node_get(o->body, "mac");
    const struct node *addresses = node_get(o->body, "addresses");
    const struct node *vlan = node_get(o->body, "vlan");

    check_vlan(x, o, network, "vlan");
    if (mac) {
        claim(x, o, "mac", mac, xasprintf("%s in network %s", mac->text, network));
    }
    for (size_t i = 0; addresses && i < addresses->n; i++) {
        const char *text = addresses->child[i]->text;
        int size = (int)strcspn(text, "/");

        claim(x, o, "addresses", addresses->child[i],
              vlan ? xasprintf("%.*s in VLAN %lld of network %s", size, text,
                               (long long)vlan->integer, network)
                   : xasprintf("%.*s in network %s", size, text, network));
    }
}

static void cross_link(struct crossing *x, const struct object *o)
{
    const struct node *between = node_get(o->body, "between");
    size_t before = check_down(&x->check, "between");
    const char *a, *b;

    if (between && between->n == 2) {
        a = between->child[0]->text;
        b = between->child[1]->text;
        claim(x, o, "between", between,
              xasprintf("the pair %s-%s", strcmp(a, b) < 0 ? a : b,
                        strcmp(a, b) < 0 ? b : a));
    }
    check_up(&x->check, before);
}

static int by_claim(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : by_place(x->by, y->by);
}

/* The endpoint of a service is declared with it. */
static bool is_its_endpoint(const struct object *a, const struct object *b)
{
    const struct object *service = !strcmp(a->kind->name, "service") ? a : b;
    const struct object *endpoint = service == a ? b : a;

    return !strcmp(service->kind->name, "service") && endpoint->network &&
           !strcmp(service->name, endpoint->name) &&
           !strcmp(node_get_text(service->body, "network", ""), endpoint->network);
}

static void check_claims(struct crossing *x)
{
    if (x->n) {
        qsort(x->claims, x->n, sizeof(*x->claims), by_claim);
    }
    for (size_t i = 1; i < x->n; i++) {
        const struct claim *c = &x->claims[i];

        if (!strcmp(c->key, c[-1].key) && !is_its_endpoint(c->by, c[-1].by)) {
            const char *network = c[-1].by->network;
            size_t before = enter(x, c->by);

            check_down(&x->check, c->field);
            check_bad(&x->check, c->at, "%s is taken by %s %s%s%s", c->key,
                      c[-1].by->kind->name, network ? network : "", network ? "/" : "",
                      c[-1].by->name);
            check_up(&x->check, before);
        }
    }
}

/* In a map the reader of YAML has told it already, at the same place: there it is told once. */
static void stands_twice(struct check *c, const struct node *body)
{
    if (body && body->key_line) {
        check_bad_key(c, body, "stands twice");
    } else {
        check_bad(c, body, "stands twice");
    }
}

bool objects_check(struct objects *set, const char *file, struct diags *diags)
{
    struct crossing x = {.set = set};
    size_t mistakes = diags->n + diags->suppressed;

    objects_sort(set);
    check_init(&x.check, "", file, diags);
    for (size_t i = 0; i < set->n; i++) {
        const struct object *o = &set->list[i];
        size_t before = enter(&x, o);

        if (i && !by_place(o - 1, o)) {
            stands_twice(&x.check, o->body);
        }
        if (!o->body) {
            /* It failed its own check; here it only keeps its name known. */
        } else if (!strcmp(o->kind->name, "port")) {
            cross_port(&x, o);
        } else if (!strcmp(o->kind->name, "endpoint")) {
            cross_endpoint(&x, o, o->network);
        } else if (!strcmp(o->kind->name, "service")) {
            cross_endpoint(&x, o, node_get_text(o->body, "network", ""));
        } else if (!strcmp(o->kind->name, "link")) {
            cross_link(&x, o);
        }
        check_up(&x.check, before);
    }
    check_claims(&x);
    for (size_t i = 0; i < x.n; i++) {
        free(x.claims[i].key);
    }
    free(x.claims);
    return diags->n + diags->suppressed == mistakes;
}
