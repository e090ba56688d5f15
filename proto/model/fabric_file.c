/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fabric file, or objects as they are printed, in and out. */
#include "proto/model/fabric_file.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"
#include "proto/model/schema_internal.h"

struct reading {
    struct check check;
    struct objects *out;
    bool links; /* The file declares links. */
};

static void declare(struct reading *r, const struct kind *kind)
{
    r->out->declares[kind - schema_kinds] = true;
}

/* What a name must be; `at` is its place. */
static bool name_ok(struct reading *r, const struct kind *kind, const char *name,
                    const struct node *at)
{
    if (!schema_name_ok(name)) {
        check_bad_key(&r->check, at,
                      "not a name (1-63 of a-z 0-9 -, beginning with a letter)");
        return false;
    }
    if (!strcmp(kind->name, "host") && !strcmp(name, "all")) {
        check_bad_key(&r->check, at, "all is not a name of a host: it means every host");
        return false;
    }
    return true;
}

/* One object whose path has been entered. */
static void read_object(struct reading *r, const struct kind *kind, const char *network,
                        const char *name, const struct node *x)
{
    bool ok = name_ok(r, kind, name, x);
    struct node *body = schema_check(kind, x, r->check.path, r->check.file, r->check.diags);

    if (!ok) {
        node_free(body);
        return;
    }
    /* Without a body if it failed, so that what refers to it is no second mistake. */
    objects_add(r->out, kind, network, name, body);
}

static void read_network(struct reading *r, const char *name, const struct node *x);

/* A section: names, and what stands under each. */
static void read_section(struct reading *r, const struct kind *kind, const char *network,
                         const struct node *section)
{
    size_t top = check_down(&r->check, kind->plural);

    declare(r, kind);
    if (section->kind != NODE_MAP && section->kind != NODE_NULL) {
        check_bad(&r->check, section, "not a map of names");
    }
    for (size_t i = 0; section->kind == NODE_MAP && i < section->n; i++) {
        size_t before = check_down(&r->check, section->key[i]);

        if (!strcmp(kind->name, "network")) {
            read_network(r, section->key[i], section->child[i]);
        } else {
            read_object(r, kind, network, section->key[i], section->child[i]);
        }
        check_up(&r->check, before);
    }
    check_up(&r->check, top);
}

/* Whether the network is said to have no spanning tree. */
static bool is_off(const struct node *network)
{
    const struct node *stp = node_get(network, "stp");

    return stp && !strcmp(stp->kind == NODE_MAP ? node_get_text(stp, "mode", "")
                          : stp->text           ? stp->text
                                                : "",
                          "off");
}

static void read_network(struct reading *r, const char *name, const struct node *x)
{
    struct node *bare = node_copy(x);

    for (const struct kind *k = schema_kinds; k->name; k++) {
        const struct node *inner = k->in_network ? node_get(x, k->plural) : NULL;

        if (inner) {
            read_section(r, k, name, inner);
            node_remove(bare, k->plural);
        }
    }
    /* The default where links are declared, unless there is no tree to forward by. */
    if (r->links && bare->kind == NODE_NULL) {
        node_free(bare);
        bare = node_map();
    }
    if (r->links && bare->kind == NODE_MAP && !node_get(x, "forwarding") && !is_off(x)) {
        node_set_text(bare, "forwarding", "tree");
    }
    read_object(r, schema_kind("network"), NULL, name, bare);
    node_free(bare);
}

static void read_head(struct reading *r, const struct node *root)
{
    const struct node *version = node_get(root, "version");
    const struct node *fabric = node_get(root, "fabric");
    size_t before = check_down(&r->check, "version");

    if (!version) {
        check_bad(&r->check, root, "is missing (1)");
    } else if (version->kind != NODE_INT || version->integer != 1) {
        check_bad(&r->check, version, "not a version that is known (1)");
    }
    check_up(&r->check, before);
    before = check_down(&r->check, "fabric");
    if (fabric && fabric->kind == NODE_TEXT && schema_name_ok(fabric->text)) {
        r->out->fabric = xstrdup(fabric->text);
    } else if (fabric && fabric->kind != NODE_NULL) {
        check_bad(&r->check, fabric,
                  "not a name (1-63 of a-z 0-9 -, beginning with a letter)");
    }
    check_up(&r->check, before);
}

static bool top_level(const struct kind *kind)
{
    return !kind->in_network;
}

static bool among(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0) {
        words++;
    }
    return *words;
}

static void read_file(struct reading *r, const struct node *root)
{
    static const char *const words[] = {"version",  "fabric",   "hosts",
                                        "links",    "networks", "routers",
                                        "services", "include",  NULL};
    static const char *const handled[] = {"version", "fabric", "items", NULL};
    const struct node *links = node_get(root, "links");

    r->links = links && links->n;
    read_head(r, root);
    for (size_t i = 0; i < root->n; i++) {
        const char *key = root->key[i];
        const struct kind *kind = schema_kind(key);

        if (kind && top_level(kind) && !strcmp(kind->plural, key)) {
            read_section(r, kind, NULL, root->child[i]);
        } else if (!strcmp(key, "include")) {
            size_t before = check_down(&r->check, key);

            check_bad_key(&r->check, root->child[i],
                          "files are included by who reads them (iothctl apply -f FILE)");
            check_up(&r->check, before);
        } else if (!among(handled, key)) {
            check_unknown(&r->check, root->child[i], key, words);
        }
    }
}

/* The kind that an object as it is printed says that it is. */
static const struct kind *kind_of(struct reading *r, const struct node *x)
{
    static const char *const words[] = {"network", "port",   "endpoint", "host",
                                        "link",    "router", "service",  NULL};
    const struct node *named = node_get(x, "kind");
    const struct kind *kind = NULL;
    const char *nearest;

    if (!named || named->kind != NODE_TEXT) {
        check_bad(&r->check, x,
                  "kind is missing (network, port, endpoint, host, link, service)");
        return NULL;
    }
    kind = schema_kind(named->text);
    if (!kind) {
        nearest = schema_nearest(named->text, words);
        check_bad(&r->check, named,
                  "kind \"%.60s\" is not known%s%s (network, port, "
                  "endpoint, host, link, service)",
                  named->text, nearest ? ", did you mean " : "", nearest ? nearest : "");
    }
    return kind;
}

/* Under a network, what an object as printed says of itself becomes its path. */
static void enter_object(struct reading *r, const struct kind *kind, const char *network,
                         const char *name)
{
    if (network) {
        check_down(&r->check, "networks");
        check_down(&r->check, network);
    }
    check_down(&r->check, kind->plural);
    check_down(&r->check, name);
}

/* An object with kind, name and, of kinds in a network, network. */
static void read_printed(struct reading *r, const struct node *x)
{
    const struct kind *kind = kind_of(r, x);
    const char *name = node_get_text(x, "name", NULL);
    const char *network = node_get_text(x, "network", NULL);
    size_t before = r->check.size;
    struct node *bare;

    if (!kind || !node_get_int(x, "revision", 1)) {
        return; /* Revision 0: it is there by itself, as a link's port is; nobody declared it. */
    }
    if (!name || (kind->in_network && !network)) {
        check_bad(&r->check, x, "%s is missing", name ? "network" : "name");
        return;
    }
    if (kind->in_network && !schema_name_ok(network)) {
        check_bad(&r->check, node_get(x, "network"), "network is not a name");
        return;
    }
    bare = node_copy(x);
    node_remove(bare, "kind");
    enter_object(r, kind, kind->in_network ? network : NULL, name);
    read_object(r, kind, kind->in_network ? network : NULL, name, bare);
    check_up(&r->check, before);
    node_free(bare);
}

static void read_items(struct reading *r, const struct node *items)
{
    if (items->kind != NODE_LIST) {
        size_t before = check_down(&r->check, "items");

        check_bad(&r->check, items, "not a list of objects");
        check_up(&r->check, before);
        return;
    }
    for (size_t i = 0; i < items->n; i++) {
        read_printed(r, items->child[i]);
    }
}

static void read_any(struct reading *r, const struct node *root)
{
    const struct node *items = root->kind == NODE_LIST ? root : node_get(root, "items");

    if (node_get(root, "kind")) {
        read_printed(r, root);
        return;
    }
    if (root->kind != NODE_LIST && root->kind != NODE_MAP) {
        check_bad(&r->check, root, "not a fabric file (version: 1, networks: …)");
        return;
    }
    if (items) {
        read_items(r, items);
    }
    if (root->kind == NODE_MAP && (!items || root->n > 1)) {
        read_file(r, root);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct diag *x = a, *y = b;

    int order = strcmp(x->file ? x->file : "", y->file ? y->file : "");

    if (order) {
        return order;
    }
    if (x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    if (x->column != y->column) {
        return x->column < y->column ? -1 : 1;
    }
    return strcmp(x->path, y->path);
}

bool fabric_file_read(const struct node *root, const char *file, struct objects *out,
                      struct diags *diags)
{
    struct reading r = {.out = out};
    size_t mistakes = diags->n;

    objects_init(out);
    check_init(&r.check, "", file, diags);
    read_any(&r, root);
    objects_check(out, file, diags);
    if (diags->n == mistakes) {
        return true;
    }
    /* In the order in which a person reads the file. */
    qsort(diags->list + mistakes, diags->n - mistakes, sizeof(*diags->list), by_place);
    objects_done(out);
    return false;
}

/* --- out --------------------------------------------------------------------------------- */

static struct node *child_map(struct node *map, const char *key)
{
    struct node *x = node_get(map, key);

    if (!x) {
        x = node_map();
        node_set(map, key, x);
    }
    return x;
}

static struct node *section_of(struct node *root, const struct object *o)
{
    if (o->network) {
        root = child_map(child_map(root, "networks"), o->network);
    }
    return child_map(root, o->kind->plural);
}

static size_t count(const struct objects *set, const char *kind)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        n += !strcmp(set->list[i].kind->name, kind);
    }
    return n;
}

struct node *fabric_file_write(const struct objects *set)
{
    static const char *const order[] = {"host", "link",     "network",
                                        "port", "endpoint", "service"};
    bool links = count(set, "link");
    struct node *root = node_map();

    node_set_int(root, "version", 1);
    if (set->fabric) {
        node_set_text(root, "fabric", set->fabric);
    }
    for (size_t k = 0; k < sizeof(order) / sizeof(*order); k++) {
        for (size_t i = 0; i < set->n; i++) {
            const struct object *o = &set->list[i];
            struct node *body;

            if (strcmp(o->kind->name, order[k]) != 0) {
                continue;
            }
            body = schema_minimal(o->kind, o->body);
            /* Where links are declared the default is another. */
            if (links && !strcmp(order[k], "network")) {
                node_set_text(body, "forwarding",
                              node_get_text(o->body, "forwarding", "direct"));
            }
            node_set(section_of(root, o), o->name, body);
        }
    }
    return root;
}
