/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The history: its lines, what one of them changed, and the way back to how it was. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/apply.h"
#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

#define PAGE     50
#define PAGE_MAX 500

static struct node *entry_node(const struct store_entry *entry)
{
    struct node *node = node_map();

    node_set_int(node, "revision", (int64_t)entry->revision);
    node_set_int(node, "time", entry->time);
    node_set_text(node, "who", entry->note.who);
    node_set_text(node, "host", entry->note.host);
    node_set_text(node, "owner", entry->note.owner);
    node_set_text(node, "what", entry->note.what);
    node_set_int(node, "objects", entry->note.n);
    return node;
}

/* --- lines ---------------------------------------------------------------------------------- */

struct page {
    struct node *items;
    size_t limit;
    bool more;
};

static int add_entry(void *aux, const struct store_entry *entry)
{
    struct page *page = aux;

    if (page->items->n == page->limit) {
        page->more = true;
        return 1;
    }
    node_append(page->items, entry_node(entry));
    return 0;
}

static int list_entries(struct work *work, int64_t before, int64_t limit)
{
    struct page page = {.items = node_list(), .limit = PAGE};
    const struct node *last;
    int r;

    if (limit > 0)
        page.limit = limit < PAGE_MAX ? (size_t)limit : PAGE_MAX;
    r = store_entries(work->control->store, before > 0 ? (uint64_t)before : 0, add_entry,
                      &page);
    if (r < 0) {
        node_free(page.items);
        return r;
    }
    work->result->value = node_map();
    if (page.more) {
        last = page.items->child[page.items->n - 1];
        node_set_int(work->result->value, "next", node_get_int(last, "revision", 0));
    }
    node_set_int(work->result->value, "oldest",
                 (int64_t)store_oldest(work->control->store));
    node_set(work->result->value, "items", page.items);
    return 0;
}

/* --- one line ------------------------------------------------------------------------------- */

/* Objects as they were at some revision, by "kind network/name"; a null where one was not. */
static int add_was(void *aux, const struct store_object *object)
{
    struct node *was = aux, *body = apply_declared(object);
    char *key;

    if (schema_kind(object->kind) == NULL)
        return 0;
    key = xasprintf("%s %s/%s", object->kind, object->network, object->name);
    node_set(was, key, body != NULL ? body : node_new(NODE_NULL));
    free(key);
    return 0;
}

struct changed {
    struct work *work;
    struct node *later; /* What was changed again after it: as it was before that. */
    struct node *list;
};

static struct node *after_of(struct changed *c, const struct store_object *object)
{
    char *key = xasprintf("%s %s/%s", object->kind, object->network, object->name);
    const struct node *later = node_get(c->later, key);
    struct store_object now;
    struct node *body = NULL;

    free(key);
    if (later != NULL)
        return later->kind == NODE_MAP ? node_copy(later) : NULL;
    if (store_get(c->work->control->store, object->scope, object->kind, object->network,
                  object->name, &now) == 0) {
        body = apply_declared(&now);
        store_object_done(&now);
    }
    return body;
}

static int add_changed(void *aux, const struct store_object *object)
{
    struct changed *c = aux;
    const struct kind *kind = schema_kind(object->kind);
    struct node *before = apply_declared(object), *after, *item;
    enum impact impact;
    char *what;

    if (kind == NULL)
        return 0;
    after = after_of(c, object);
    if (before != NULL || after != NULL) {
        item = node_map();
        node_set_text(item, "verb",
                      before == NULL  ? "create"
                      : after == NULL ? "delete"
                                      : "update");
        node_set_text(item, "kind", object->kind);
        if (kind->in_network)
            node_set_text(item, "network", object->network);
        node_set_text(item, "name", object->name);
        if (before != NULL && after != NULL) {
            what = plan_difference(kind, before, after, &impact, NULL);
            node_set_text(item, "what", what);
            free(what);
        }
        node_append(c->list, item);
    }
    node_free(before);
    node_free(after);
    return 0;
}

static int find_entry(void *aux, const struct store_entry *entry)
{
    struct node **out = aux;

    *out = entry_node(entry);
    return 1;
}

static int not_there(struct work *work, uint64_t revision)
{
    uint64_t first = store_oldest(work->control->store) + 1,
             last = store_revision(work->control->store);

    if (revision >= first && revision <= last)
        change_fail(work->result, 404,
                    "revision %llu changed nothing that the history tells of",
                    (unsigned long long)revision);
    else
        change_fail(work->result, 404,
                    "the history has no revision %llu (it goes from %llu to %llu)",
                    (unsigned long long)revision, (unsigned long long)first,
                    (unsigned long long)last);
    err_hint(&work->result->err, "iothctl history");
    return -ENOENT;
}

static int show_entry(struct work *work, uint64_t revision)
{
    struct store *store = work->control->store;
    uint64_t now = store_revision(store);
    struct changed c = {.work = work};
    struct node *entry = NULL;
    int r = store_entries(store, revision + 1, find_entry, &entry);

    if (r >= 0 &&
        (entry == NULL || node_get_int(entry, "revision", 0) != (int64_t)revision ||
         revision <= store_oldest(store))) {
        node_free(entry);
        return not_there(work, revision);
    }
    c.later = node_map();
    c.list = node_list();
    r = store_as_was(store, STORE_FABRIC, revision, now, add_was, c.later);
    if (r == 0)
        r = store_as_was(store, STORE_FABRIC, revision - 1, revision, add_changed, &c);
    node_free(c.later);
    node_set(entry, "changes", c.list);
    work->result->value = entry;
    return r;
}

int execute_history(struct work *work, const struct change_item *item)
{
    int64_t revision = item->body != NULL ? node_get_int(item->body, "revision", 0) : 0;
    int64_t before = item->body != NULL ? node_get_int(item->body, "before", 0) : 0;
    int64_t limit = item->body != NULL ? node_get_int(item->body, "limit", 0) : 0;

    work->result->status = 200;
    return revision > 0 ? show_entry(work, (uint64_t)revision)
                        : list_entries(work, before, limit);
}

/* --- the way back ---------------------------------------------------------------------------- */

struct going_back {
    struct objects *now; /* Sorted. */
    struct node *was;    /* Keys of objects that were changed since, as they were. */
    struct objects *wanted;
};

/* Whether a rollback may make, change and remove objects of the kind. Hosts come and go by joining
 * and leaving, endpoints with their programs. */
static bool is_planned(const struct kind *kind)
{
    return kind->later == NULL && strcmp(kind->name, "host") != 0 &&
           strcmp(kind->name, "endpoint") != 0;
}

/* What is the daemon's own may be another by now: the id of a network that was made anew. */
static struct node *without_read_only(const struct kind *kind, struct node *body)
{
    for (const struct field *f = kind->fields; f->name != NULL; f++) {
        if ((f->flags & FIELD_READONLY) != 0)
            node_remove(body, f->name);
    }
    return body;
}

static void want(struct objects *wanted, const struct object *o, const struct node *body)
{
    objects_add(wanted, o->kind, o->network, o->name, node_copy(body));
}

static void want_was(struct objects *wanted, const struct object *o, const struct node *was)
{
    objects_add(wanted, o->kind, o->network, o->name,
                without_read_only(o->kind, node_copy(was)));
}

/* A host that is there keeps what it is, with the address that was declared for it then. */
static void want_host(struct objects *wanted, const struct object *now,
                      const struct node *was)
{
    struct node *body = node_copy(now->body);
    const struct node *address = node_get(was, "address");

    node_remove(body, "address");
    if (address != NULL)
        node_set(body, "address", node_copy(address));
    objects_add(wanted, now->kind, NULL, now->name, body);
}

/* The objects of now, but for those that were otherwise. */
static void keep_present(struct going_back *back)
{
    for (size_t i = 0; i < back->now->n; i++) {
        const struct object *o = &back->now->list[i];
        char *key = xasprintf("%s %s/%s", o->kind->name,
                              o->network != NULL ? o->network : "", o->name);
        const struct node *was = node_get(back->was, key);

        free(key);
        if (was == NULL)
            want(back->wanted, o, o->body);
        else if (is_planned(o->kind) && was->kind == NODE_MAP)
            want_was(back->wanted, o, was);
        else if (strcmp(o->kind->name, "host") == 0 && was->kind == NODE_MAP)
            want_host(back->wanted, o, was);
        else if (!is_planned(o->kind))
            want(back->wanted, o, o->body);
    }
}

/* Those that are gone. */
static int add_gone(void *aux, const struct store_object *object)
{
    struct going_back *back = aux;
    const struct kind *kind = schema_kind(object->kind);
    struct node *body = apply_declared(object);
    const char *network = kind != NULL && kind->in_network ? object->network : NULL;

    if (body == NULL || strcmp(kind->name, "host") == 0 ||
        objects_find(back->now, kind, network, object->name) != NULL)
        node_free(body);
    else
        objects_add(back->wanted, kind, network, object->name,
                    without_read_only(kind, body));
    return 0;
}

/* What lived in a network that was not there then goes with it. */
static void drop_homeless(struct objects *wanted)
{
    struct map networks = {0};
    size_t n = 0;

    for (size_t i = 0; i < wanted->n; i++) {
        if (strcmp(wanted->list[i].kind->name, "network") == 0)
            map_put(&networks, wanted->list[i].name, wanted);
    }
    for (size_t i = 0; i < wanted->n; i++) {
        struct object *o = &wanted->list[i];

        if (o->network == NULL || map_get(&networks, o->network) != NULL) {
            wanted->list[n++] = *o;
            continue;
        }
        free(o->network);
        free(o->name);
        node_free(o->body);
    }
    wanted->n = n;
    map_clear(&networks);
}

static int read_back(struct going_back *back, struct store *store, enum store_scope scope,
                     uint64_t revision)
{
    uint64_t now = store_revision(store);
    int r = store_as_was(store, scope, revision, now, add_was, back->was);

    return r == 0 ? store_as_was(store, scope, revision, now, add_gone, back) : r;
}

int execute_rollback(struct work *work, const struct change_item *item)
{
    struct store *store = work->control->store;
    int64_t to = item->body != NULL ? node_get_int(item->body, "revision", 0) : 0;
    enum apply_scopes scopes = apply_scopes_of(work);
    struct objects now, wanted;
    struct going_back back = {&now, node_map(), &wanted};
    char what[48];
    int r;

    objects_init(&now);
    objects_init(&wanted);
    if (to < (int64_t)store_oldest(store) || to > (int64_t)store_revision(store)) {
        r = not_there(work, to > 0 ? (uint64_t)to : 0);
    } else {
        r = apply_gather(store, scopes, &now);
        objects_sort(&now);
        if (r == 0)
            r = read_back(&back, store, STORE_FABRIC, (uint64_t)to);
        if (r == 0 && (scopes & APPLY_LOCAL) != 0)
            r = read_back(&back, store, STORE_LOCAL, (uint64_t)to);
        if (r == 0) {
            keep_present(&back);
            drop_homeless(&wanted);
            objects_sort(&wanted);
            apply_drop_service_endpoints(&wanted, &now);
            apply_drop_service_endpoints(&wanted, &wanted);
            for (const struct kind *kind = schema_kinds; kind->name != NULL; kind++)
                wanted.declares[kind - schema_kinds] = is_planned(kind);
            snprintf(what, sizeof(what), "rollback to %lld", (long long)to);
            r = apply_plan(work, &now, &wanted, true, what, item->if_revision);
        }
    }
    node_free(back.was);
    objects_done(&now);
    objects_done(&wanted);
    return r;
}
