/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole fabric file as one change: its plan, and the plan's steps as items of the same work. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/apply.h"
#include "fabricd/control/change/work.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

struct node *apply_declared(const struct store_object *object)
{
    struct diags diags;
    struct node *body;

    if (object->body == NULL || schema_kind(object->kind) == NULL)
        return NULL;
    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (body == NULL || node_get_bool(body, "anonymous", false)) {
        node_free(body);
        return NULL;
    }
    for (size_t i = body->n; i-- > 0;) {
        if (body->key[i][0] == '_')
            node_remove(body, body->key[i]);
    }
    return body;
}

static int gather(void *aux, const struct store_object *object)
{
    const struct kind *kind = schema_kind(object->kind);
    struct node *body = apply_declared(object);

    if (body != NULL)
        objects_add(aux, kind, kind->in_network ? object->network : NULL, object->name,
                    body);
    return 0;
}

/* An endpoint outlives the membership of the host that it ran on last; a file that named that host
 * would name one that there is not. */
static void forget_departed(struct objects *all)
{
    const struct kind *host = schema_kind("host");

    for (size_t i = 0; i < all->n; i++) {
        struct node *body = all->list[i].body;
        const char *name = node_get_text(body, "host", NULL);

        if (strcmp(all->list[i].kind->name, "endpoint") == 0 && name != NULL &&
            objects_find(all, host, NULL, name) == NULL)
            node_remove(body, "host");
    }
}

static const struct object *service_of(const struct objects *services,
                                       const struct object *object)
{
    const struct object *its =
        strcmp(object->kind->name, "endpoint") == 0
            ? objects_find(services, schema_kind("service"), NULL, object->name)
            : NULL;

    return its != NULL &&
                   strcmp(node_get_text(its->body, "network", ""), object->network) == 0
               ? its
               : NULL;
}

void apply_drop_service_endpoints(struct objects *all, const struct objects *services)
{
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++) {
        struct object *object = &all->list[i];

        if (service_of(services, object) == NULL) {
            all->list[n++] = *object;
            continue;
        }
        free(object->network);
        free(object->name);
        node_free(object->body);
    }
    all->n = n;
}

/* A file may have the endpoints of services in it, as they are printed; they say nothing, and may
 * say nothing else than the service. */
static int check_service_endpoints(struct work *work, struct objects *wanted,
                                   const struct objects *now)
{
    struct diags *diags = &work->result->diags;
    size_t first = diags->n;

    for (size_t i = 0; i < wanted->n; i++) {
        const struct object *object = &wanted->list[i];
        const struct object *its = service_of(now, object);

        for (size_t k = 0; its != NULL && k < object->body->n; k++) {
            const char *key = object->body->key[k];
            char *path;

            if (node_equal(object->body->child[k], node_get(its->body, key)))
                continue;
            path = xasprintf("networks.%s.endpoints.%s.%s", object->network, object->name,
                             key);
            diags_add(diags, NULL, 0, 0, path,
                      "it is the endpoint of service %s, which says otherwise", its->name);
            free(path);
        }
    }
    if (diags->n > first) {
        change_fail(work->result, 409, "endpoints of services are declared with them");
        return -EINVAL;
    }
    apply_drop_service_endpoints(wanted, now);
    return 0;
}

int apply_gather(struct store *store, enum apply_scopes scopes, struct objects *out)
{
    struct store_object fabric;
    int r = 0;

    if ((scopes & APPLY_FABRIC) != 0)
        r = store_each(store, STORE_FABRIC, NULL, NULL, gather, out);
    if (r == 0 && (scopes & APPLY_LOCAL) != 0)
        r = store_each(store, STORE_LOCAL, NULL, NULL, gather, out);
    if ((scopes & APPLY_FABRIC) != 0)
        forget_departed(out);
    objects_sort(out);
    apply_drop_service_endpoints(out, out);
    if (r == 0 && (scopes & APPLY_FABRIC) != 0 &&
        store_get(store, STORE_FABRIC, "fabric", "", "fabric", &fabric) == 0) {
        struct diags diags;
        struct node *body;

        diags_init(&diags);
        body = node_from_json(fabric.body, strlen(fabric.body), NULL, &diags);
        if (body != NULL && node_get_text(body, "name", NULL) != NULL)
            out->fabric = strdup(node_get_text(body, "name", ""));
        node_free(body);
        diags_done(&diags);
        store_object_done(&fabric);
    }
    return r;
}

/* Takes the services that are on one of those networks, or on another local one, out of the file; NULL if
 * there are none. */
static struct node *split_services(const struct control *control, struct node *root,
                                   const struct node *networks)
{
    struct node *services = node_get(root, "services"), *mine;

    if (services == NULL || services->kind != NODE_MAP)
        return NULL;
    mine = node_map();
    for (size_t i = services->n; i-- > 0;) {
        const struct node *body = services->child[i];
        const char *network =
            body->kind == NODE_MAP ? node_get_text(body, "network", "") : "";

        if (node_get(networks, network) == NULL &&
            view_network_in(control->view, STORE_LOCAL, network) == NULL)
            continue;
        node_set(mine, services->key[i], node_copy(body));
        node_remove(services, services->key[i]);
    }
    if (mine->n > 0)
        return mine;
    node_free(mine);
    return NULL;
}

struct node *apply_split(const struct control *control, struct node *root)
{
    struct node *networks = node_get(root, "networks"), *mine, *split, *services;

    if (networks == NULL || networks->kind != NODE_MAP)
        return NULL;
    mine = node_map();
    for (size_t i = networks->n; i-- > 0;) {
        const struct node *body = networks->child[i];
        bool local = body->kind == NODE_MAP && node_get_bool(body, "local", false);

        if (local || view_network_in(control->view, STORE_LOCAL, networks->key[i]) != NULL)
            node_set(mine, networks->key[i], node_copy(body));
    }
    if (mine->n == 0) {
        node_free(mine);
        return NULL;
    }
    services = split_services(control, root, mine);
    for (size_t i = 0; i < mine->n; i++)
        node_remove(networks, mine->key[i]);
    split = node_map();
    if (node_get(root, "version") != NULL)
        node_set(split, "version", node_copy(node_get(root, "version")));
    if (node_get(root, "hosts") != NULL) /* Ports may name them. */
        node_set(split, "hosts", node_copy(node_get(root, "hosts")));
    node_set(split, "networks", mine);
    if (services != NULL)
        node_set(split, "services", services);
    return split;
}

/* Of a file of local things only networks, and what lives in them or is on them, count; its hosts are there so
 * that they can be named. */
static void keep_local_kinds(struct objects *wanted)
{
    size_t n = 0;

    for (size_t i = 0; i < wanted->n; i++) {
        struct object *object = &wanted->list[i];

        if (object->kind->in_network || strcmp(object->kind->name, "network") == 0 ||
            strcmp(object->kind->name, "service") == 0) {
            wanted->list[n++] = *object;
            continue;
        }
        free(object->network);
        free(object->name);
        node_free(object->body);
    }
    wanted->n = n;
}

enum apply_scopes apply_scopes_of(const struct work *work)
{
    if (work->change->local_only)
        return APPLY_LOCAL;
    /* A file of another host does not concern what is local here. */
    return work_foreign(work) ? APPLY_FABRIC : APPLY_BOTH;
}

/* --- a plan carried out --------------------------------------------------------------------- */

/* Where a step's object stands in a file; the caller's to free(). */
static char *place_of(const struct step *step)
{
    bool inside = step->network != NULL;

    return xasprintf("%s%s%s%s.%s", inside ? "networks." : "", inside ? step->network : "",
                     inside ? "." : "", step->kind->plural, step->name);
}

/* What was wrong with a step is wrong with its object's place in the file: `first` is the first
 * of the step's mistakes; a refusal that has none becomes one. */
static void place_mistakes(struct work *work, const struct step *step, size_t first)
{
    struct diags *diags = &work->result->diags;
    char *place = place_of(step);

    for (size_t i = first; i < diags->n; i++) {
        struct diag *diag = &diags->list[i];
        char *path =
            diag->path[0] != '\0' ? xasprintf("%s.%s", place, diag->path) : xstrdup(place);

        free(diag->path);
        diag->path = path;
    }
    if (diags->n == first)
        diags_add(diags, NULL, 0, 0, place, "%s", work->result->err.why);
    free(place);
}

static int execute_step(struct work *work, const struct step *step)
{
    size_t first = work->result->diags.n;
    char empty[] = "", kind[32];
    struct change_item item = {
        .verb = step->verb == STEP_DELETE ? CHANGE_DELETE : CHANGE_PUT,
        .network = step->network != NULL ? step->network : empty,
        .name = step->name,
        .body = step->after,
        .kind = kind,
    };
    int r;

    /* It went with its network. */
    if (step->verb == STEP_DELETE &&
        work_gone(work, step->kind->name, step->network, step->name))
        return 0;
    snprintf(kind, sizeof(kind), "%s", step->kind->name);
    r = execute_item(work, &item);
    if (r != 0)
        place_mistakes(work, step, first);
    return r;
}

/* The network that the step's object needs, or NULL. */
static const char *network_of(const struct step *step)
{
    return step->network != NULL ? step->network
                                 : node_get_text(step->after, "network", NULL);
}

/* All mistakes are told at once: after the first, steps go on for what is wrong with them, but not
 * those of a network that could not be made. */
static int execute_steps(struct work *work, const struct plan *plan)
{
    struct map failed = {.n = 0};
    struct err why = {.why = ""};
    int status = 0, r = 0;

    for (size_t i = 0; i < plan->n; i++) {
        const struct step *step = &plan->list[i];

        if (step->verb != STEP_DELETE && strcmp(step->kind->name, "network") == 0)
            subnets_reserve(work, step->name, step->before, step->after);
    }
    for (size_t i = 0; i < plan->n; i++) {
        struct step *step = &plan->list[i];
        const char *network = network_of(step);
        int code;

        if (network != NULL && map_get(&failed, network) != NULL)
            continue;
        code = execute_step(work, step);
        if (code == 0)
            continue;
        if (strcmp(step->kind->name, "network") == 0)
            map_put(&failed, step->name, step);
        if (r != 0)
            continue;
        r = code;
        status = work->result->status;
        why = work->result->err;
    }
    map_clear(&failed);
    if (r != 0) {
        work->result->status = status;
        work->result->err = why;
    }
    return r;
}

/* What a plan destroys has to be allowed: by `prune` what that removes, else by its own word. Each
 * such step is told at its object's place in the file. */
static int check_destroy(struct work *work, const struct plan *plan)
{
    struct diags *diags = &work->result->diags;
    size_t first = diags->n;

    if (work->change->allow_destroy)
        return 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct step *s = &plan->list[i];
        char *place;

        if (s->impact != IMPACT_DESTROY || (s->verb == STEP_DELETE && work->change->prune))
            continue;
        place = place_of(s);
        diags_add(diags, NULL, 0, 0, place, "it would destroy %s %s%s%s (%s)",
                  s->kind->name, s->network != NULL ? s->network : "",
                  s->network != NULL ? "/" : "", s->name, s->destroys);
        free(place);
    }
    if (diags->n == first)
        return 0;
    change_fail(work->result, 409, "%s", diags->list[first].text);
    err_hint(&work->result->err,
             "give it --allow-destroy, or see what it is with --dry-run");
    return -EBUSY;
}

/* Conflicts with whoever changed the fabric since it was looked at. */
struct conflict {
    uint64_t since;
    struct work *work;
};

static int find_conflict(void *aux, const struct store_entry *entry)
{
    const struct conflict *c = aux;

    if (entry->revision <= c->since)
        return 1;
    if (strcmp(entry->note.owner, "run") == 0 || entry->note.n == 0)
        return 0;
    change_fail(c->work->result, 412,
                "the fabric was changed meanwhile: revision %llu by %s on %s (%.120s)",
                (unsigned long long)entry->revision, entry->note.who, entry->note.host,
                entry->note.what);
    err_hint(&c->work->result->err, "iothctl history");
    return -ESTALE;
}

static int check_since(struct work *work, uint64_t since)
{
    struct conflict c = {since, work};
    int r = since != 0 ? store_entries(work->control->store, 0, find_conflict, &c) : 0;

    return r > 0 ? 0 : r;
}

static void note_plan(struct work *work, const char *what, const struct plan *plan)
{
    static const char *const verbs[] = {
        [STEP_CREATE] = "created", [STEP_UPDATE] = "changed", [STEP_DELETE] = "removed"};
    size_t n[3] = {0};
    char text[120];
    size_t used = (size_t)snprintf(text, sizeof(text), "%s", what);
    const char *mark = ": ";

    for (size_t i = 0; i < plan->n; i++)
        n[plan->list[i].verb]++;
    for (size_t v = 0; v < 3; v++) {
        if (n[v] == 0)
            continue;
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%zu %s", mark, n[v],
                                 verbs[v]);
        mark = ", ";
    }
    free(work->note);
    work->note = xstrdup(text);
}

int apply_plan(struct work *work, struct objects *now, struct objects *wanted, bool prune,
               const char *what, uint64_t since)
{
    const struct change *change = work->change;
    struct plan plan = {.list = NULL};
    struct node *value;
    int r = check_since(work, since);

    plan_make(now, wanted, prune, &plan);
    if (r == 0 && plan.n > 0 && !change->dry_run && !change->local_only &&
        (standing_refuses(work->control, NULL, "", "", work->result) ||
         !standing_may_begin(work->control, change->terms.require, work->result)))
        r = -EBUSY;
    if (r == 0 && !change->dry_run)
        r = check_destroy(work, &plan);
    work->planned = true;
    if (r == 0)
        r = execute_steps(work, &plan);
    if (r == 0) {
        note_plan(work, what, &plan);
        value = plan_to_node(&plan);
        node_set_int(value, "revision", (int64_t)store_revision(work->control->store));
        if (change->dry_run && !change->local_only)
            node_set(value, "unreachable", standing_unreachable(work->control));
        node_free(work->result->value);
        work->result->value = value;
        work->result->status = 200;
    }
    plan_done(&plan);
    return r;
}

/* --- a file --------------------------------------------------------------------------------- */

static int check_fabric(struct work *work, const struct objects *now,
                        const struct objects *wanted)
{
    struct change_item rename = {.verb = CHANGE_RENAME, .name = wanted->fabric};

    if (wanted->fabric == NULL)
        return 0;
    if (now->fabric == NULL)
        return execute_item(work, &rename);
    if (strcmp(now->fabric, wanted->fabric) == 0)
        return 0;
    change_fail(work->result, 409, "the file is for fabric %s, this is fabric %s",
                wanted->fabric, now->fabric);
    err_hint(&work->result->err,
             "apply it on a host of fabric %s; a file of this one says \"fabric: %s\"",
             wanted->fabric, now->fabric);
    return -EINVAL;
}

int execute_apply(struct work *work, const struct change_item *item)
{
    struct objects now, wanted;
    int r;

    objects_init(&now);
    objects_init(&wanted);
    if (item->body == NULL ||
        !fabric_file_read(item->body, NULL, &wanted, &work->result->diags)) {
        change_fail(work->result, 400, "the file is not valid");
        r = -EINVAL;
        goto out;
    }
    if (work->change->local_only)
        keep_local_kinds(&wanted);
    r = apply_gather(work->control->store, apply_scopes_of(work), &now);
    if (r == 0)
        r = check_fabric(work, &now, &wanted);
    if (r == 0)
        r = check_service_endpoints(work, &wanted, &now);
    if (r == 0)
        r = apply_plan(work, &now, &wanted, work->change->prune, "apply",
                       item->if_revision);
out:
    objects_done(&now);
    objects_done(&wanted);
    return r;
}
