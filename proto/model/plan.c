/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The difference of two sets of objects, as steps. */
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"
#include "proto/model/node_internal.h"

/* --- one object -------------------------------------------------------------------------- */

static const struct field *find_field(const struct field *fields, const char *name)
{
    for (; fields && fields->name; fields++) {
        if (!strcmp(fields->name, name)) {
            return fields;
        }
    }
    return NULL;
}

/* An address without a length has that of its plan: the one that it has already. */
static void keep_lengths(const struct node *before, struct node *after)
{
    for (size_t i = 0; after->kind == NODE_LIST && i < after->n; i++) {
        const char *text = after->child[i]->text;
        size_t size = text ? strlen(text) : 0;

        for (size_t j = 0; text && !strchr(text, '/') && j < before->n; j++) {
            const char *old = before->child[j]->text;

            if (old && !strncmp(old, text, size) && old[size] == '/') {
                node_free(after->child[i]);
                after->child[i] = node_text(old);
                break;
            }
        }
    }
}

/* What an update does not name but keeps: what the daemon resolved, what is the daemon's own. */
static void keep(const struct field *fields, const struct node *before, struct node *after)
{
    for (size_t i = 0; i < before->n; i++) {
        const struct field *f = find_field(fields, before->key[i]);
        struct node *now = node_get(after, before->key[i]);

        if (!now && (!f || f->flags & (FIELD_READONLY | FIELD_RESOLVED))) {
            node_set(after, before->key[i], node_copy(before->child[i]));
        }
        if (now && f && f->type == FIELD_CIDR) {
            keep_lengths(before->child[i], now);
        }
        for (size_t j = 0; now && f && f->type == FIELD_MAP_OF && j < now->n; j++) {
            const struct node *same = node_get(before->child[i], now->key[j]);

            if (same) {
                keep(f->fields, same, now->child[j]);
            }
        }
    }
}

struct node *plan_update(const struct kind *kind, const struct node *before,
                         const struct node *wanted)
{
    struct node *after = node_copy(wanted), *from = node_copy(before);

    if (!strcmp(kind->name, "network") && node_get(wanted, "vlans")) {
        /* The plan goes over to the VLANs. */
        node_remove(from, "ipv4");
        node_remove(from, "ipv6");
    }
    if (!strcmp(kind->name, "endpoint") &&
        node_get_int(wanted, "vlan", 0) != node_get_int(before, "vlan", 0)) {
        node_remove(from, "addresses"); /* They are of another plan. */
    }
    keep(kind->fields, from, after);
    node_free(from);
    return after;
}

struct differing {
    struct text text;
    struct text destroys; /* The part of it that destroys. */
    enum impact impact;
};

/* One difference: takes what it says. */
static void note(struct differing *d, const char *path, const char *key, enum impact impact,
                 struct text *what)
{
    char *words = text_take(what);

    text_printf(&d->text, "%s%s%s%s: %s", d->text.size ? "; " : "", path, *path ? "." : "",
                key, words);
    if (impact == IMPACT_DESTROY) {
        text_printf(&d->destroys, "%s%s%s%s: %s", d->destroys.size ? "; " : "", path,
                    *path ? "." : "", key, words);
    }
    d->impact = impact > d->impact ? impact : d->impact;
    free(words);
}

/* A value as a person reads it: staff, [10, 20], nothing. */
static void print_value(struct text *out, const struct node *x)
{
    char *json;

    if (!x) {
        text_add(out, "none");
    } else if (x->kind == NODE_TEXT) {
        text_add(out, x->text);
    } else if (x->kind == NODE_LIST) {
        text_char(out, '[');
        for (size_t i = 0; i < x->n; i++) {
            text_add(out, i ? ", " : "");
            print_value(out, x->child[i]);
        }
        text_char(out, ']');
    } else {
        json = node_to_json(x, 0);
        text_add(out, json);
        free(json);
    }
}

static void differ_maps(struct differing *d, const struct field *fields, const char *path,
                        const struct node *a, const struct node *b);

/* Entries of a map with free keys. To remove one whose change is noticed destroys it, since others
 * may use it (a VLAN); where changes are live so is the removal (a bridge priority). */
static void differ_entries(struct differing *d, const struct field *f, const char *path,
                           const struct node *a, const struct node *b)
{
    for (size_t i = 0; b && i < b->n; i++) {
        const struct node *old = node_get(a, b->key[i]);
        struct text what = {0};
        char *inner;

        if (!old) {
            text_add(&what, "added");
            note(d, path, b->key[i], f->impact, &what);
        } else if (!node_equal(old, b->child[i])) {
            inner = xasprintf("%s.%s", path, b->key[i]);
            differ_maps(d, f->fields, inner, old, b->child[i]);
            free(inner);
        }
    }
    for (size_t i = 0; a && i < a->n; i++) {
        struct text what = {0};

        if (!node_get(b, a->key[i])) {
            text_add(&what, "removed");
            note(d, path, a->key[i],
                 f->impact == IMPACT_LIVE ? IMPACT_LIVE : IMPACT_DESTROY, &what);
        }
    }
}

static void differ_maps(struct differing *d, const struct field *fields, const char *path,
                        const struct node *a, const struct node *b)
{
    for (const struct field *f = fields; f && f->name; f++) {
        const struct node *x = node_get(a, f->name), *y = node_get(b, f->name);
        struct text what = {0};
        char *inner;

        if (f->flags & FIELD_READONLY || node_equal(x, y)) {
            continue;
        }
        inner = xasprintf("%s%s%s", path, *path ? "." : "", f->name);
        if (f->type == FIELD_MAP_OF) {
            differ_entries(d, f, inner, x, y);
        } else if (f->type == FIELD_MAP && !(f->flags & FIELD_LIST)) {
            differ_maps(d, f->fields, inner, x, y);
        } else {
            print_value(&what, x);
            text_add(&what, " -> ");
            print_value(&what, y);
            note(d, path, f->name, f->impact, &what);
        }
        free(inner);
    }
}

char *plan_difference(const struct kind *kind, const struct node *before,
                      const struct node *after, enum impact *impact, char **destroys)
{
    struct differing d = {.impact = IMPACT_LIVE};
    char *part;

    differ_maps(&d, kind->fields, "", before, after);
    *impact = d.impact;
    part = text_take(&d.destroys);
    if (destroys) {
        *destroys = part;
    } else {
        free(part);
    }
    return text_take(&d.text);
}

/* --- the plan ---------------------------------------------------------------------------- */

static void add_step(struct plan *plan, enum step_verb verb, const struct object *o,
                     struct node *before, struct node *after)
{
    struct step *s;

    if (plan->n == plan->room) {
        plan->room = plan->room ? plan->room * 2 : 16;
        plan->list = xrealloc(plan->list, plan->room * sizeof(*plan->list));
    }
    s = &plan->list[plan->n++];
    *s = (struct step){
        .verb = verb,
        .kind = o->kind,
        .network = o->network ? xstrdup(o->network) : NULL,
        .name = xstrdup(o->name),
        .before = before,
        .after = after,
        .impact = verb == STEP_DELETE ? IMPACT_DESTROY : IMPACT_LIVE,
    };
    if (verb == STEP_UPDATE) {
        s->what = plan_difference(o->kind, before, after, &s->impact, &s->destroys);
    } else {
        s->what = xstrdup(verb == STEP_CREATE ? "new" : "no longer declared");
        s->destroys = xstrdup(verb == STEP_CREATE ? "" : "no longer declared");
    }
}

static void want(struct plan *plan, const struct objects *now, const struct object *o)
{
    const struct object *present = objects_find(now, o->kind, o->network, o->name);
    struct node *after;

    if (!present) {
        add_step(plan, STEP_CREATE, o, NULL, node_copy(o->body));
        return;
    }
    after = plan_update(o->kind, present->body, o->body);
    if (node_equal(present->body, after)) {
        node_free(after);
        return;
    }
    add_step(plan, STEP_UPDATE, o, node_copy(present->body), after);
}

static bool is_local(const struct object *network)
{
    return network && node_get_bool(network->body, "local", false);
}

/* Whether an object that the wanted set does not have is to go. */
static bool to_be_pruned(const struct objects *now, const struct objects *wanted,
                         const struct object *o)
{
    const struct kind *network = schema_kind("network");
    bool service = !strcmp(o->kind->name, "service");
    const char *in = service ? node_get_text(o->body, "network", "") : o->network;
    const struct object *home = in ? objects_find(now, network, NULL, in) : NULL;

    if (objects_find(wanted, o->kind, o->network, o->name) ||
        !strcmp(o->kind->name, "host") || !strcmp(o->kind->name, "endpoint") ||
        is_local(o->network ? home : o)) {
        return false;
    }
    if (home && !is_local(home) && wanted->declares[network - schema_kinds] &&
        !objects_find(wanted, network, NULL, in)) {
        return true; /* It goes with its network. */
    }
    return wanted->declares[o->kind - schema_kinds];
}

static void walk(struct plan *plan, const struct objects *set, const char *const *kinds,
                 const struct objects *now, const struct objects *wanted)
{
    for (; *kinds; kinds++) {
        for (size_t i = 0; i < set->n; i++) {
            const struct object *o = &set->list[i];

            if (strcmp(o->kind->name, *kinds) != 0) {
                continue;
            }
            if (set == wanted) {
                want(plan, now, o);
            } else if (to_be_pruned(now, wanted, o)) {
                add_step(plan, STEP_DELETE, o, node_copy(o->body), NULL);
            }
        }
    }
}

void plan_make(struct objects *now, struct objects *wanted, bool prune, struct plan *out)
{
    /* What goes makes room first (a TAP's name); users go before what they use. */
    static const char *const first_to_go[] = {"service", "port", "link", "network", NULL};
    static const char *const first_to_come[] = {"host", "network", "port", "endpoint",
                                                "link", "service", NULL};

    *out = (struct plan){0};
    objects_sort(now);
    objects_sort(wanted);
    if (prune) {
        walk(out, now, first_to_go, now, wanted);
    }
    walk(out, wanted, first_to_come, now, wanted);
}

void plan_done(struct plan *plan)
{
    if (!plan) {
        return;
    }
    for (size_t i = 0; i < plan->n; i++) {
        struct step *s = &plan->list[i];

        free(s->network);
        free(s->name);
        free(s->what);
        free(s->destroys);
        node_free(s->before);
        node_free(s->after);
    }
    free(plan->list);
    *plan = (struct plan){0};
}

struct node *plan_to_node(const struct plan *plan)
{
    static const char *const verbs[] = {
        [STEP_CREATE] = "create", [STEP_UPDATE] = "update", [STEP_DELETE] = "delete"};
    static const char *const impacts[] = {[IMPACT_LIVE] = "live",
                                          [IMPACT_FLAP] = "flap",
                                          [IMPACT_RESTART] = "restart",
                                          [IMPACT_DESTROY] = "destroy"};
    struct node *out = node_map(), *list = node_list();

    for (size_t i = 0; i < plan->n; i++) {
        const struct step *s = &plan->list[i];
        struct node *x = node_map();

        node_set_text(x, "verb", verbs[s->verb]);
        node_set_text(x, "kind", s->kind->name);
        if (s->network) {
            node_set_text(x, "network", s->network);
        }
        node_set_text(x, "name", s->name);
        node_set_text(x, "impact", impacts[s->impact]);
        node_set_text(x, "what", s->what);
        node_append(list, x);
    }
    node_set(out, "steps", list);
    return out;
}
