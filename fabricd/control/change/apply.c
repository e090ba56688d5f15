/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole fabric file as one change: its plan, and the plan's steps as items of the same work. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/apply.h"
#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

static int gather(void *aux, const struct store_object *object)
{
    struct objects *out = aux;
    const struct kind *kind = schema_kind(object->kind);
    struct diags diags;
    struct node *body;

    if (kind == NULL)
        return 0;
    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (body == NULL || node_get_bool(body, "anonymous", false)) {
        node_free(body);
        return 0;
    }
    for (size_t i = body->n; i-- > 0;) {
        if (body->key[i][0] == '_')
            node_remove(body, body->key[i]);
    }
    objects_add(out, kind, kind->in_network ? object->network : NULL, object->name, body);
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

struct node *apply_split(const struct control *control, struct node *root)
{
    struct node *networks = node_get(root, "networks"), *mine, *split;

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
    for (size_t i = 0; i < mine->n; i++)
        node_remove(networks, mine->key[i]);
    split = node_map();
    if (node_get(root, "version") != NULL)
        node_set(split, "version", node_copy(node_get(root, "version")));
    if (node_get(root, "hosts") != NULL) /* Ports may name them. */
        node_set(split, "hosts", node_copy(node_get(root, "hosts")));
    node_set(split, "networks", mine);
    return split;
}

/* Of a file of local things only networks, and what lives in them, count; its hosts are there so
 * that they can be named. */
static void keep_local_kinds(struct objects *wanted)
{
    size_t n = 0;

    for (size_t i = 0; i < wanted->n; i++) {
        struct object *object = &wanted->list[i];

        if (object->kind->in_network || strcmp(object->kind->name, "network") == 0) {
            wanted->list[n++] = *object;
            continue;
        }
        free(object->network);
        free(object->name);
        node_free(object->body);
    }
    wanted->n = n;
}

static enum apply_scopes scopes_of(const struct work *work)
{
    if (work->change->local_only)
        return APPLY_LOCAL;
    /* A file of another host does not concern what is local here. */
    return work_foreign(work) ? APPLY_FABRIC : APPLY_BOTH;
}

/* What was wrong with a step is wrong with its object's place in the file: `first` is the first
 * of the step's mistakes; a refusal that has none becomes one. */
static void place_mistakes(struct work *work, const struct step *step, size_t first)
{
    struct diags *diags = &work->result->diags;
    bool inside = step->network != NULL;
    char *place =
        xasprintf("%s%s%s%s.%s", inside ? "networks." : "", inside ? step->network : "",
                  inside ? "." : "", step->kind->plural, step->name);

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

static int execute_steps(struct work *work, const struct plan *plan)
{
    size_t first;
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->n; i++) {
        const struct step *step = &plan->list[i];
        char empty[] = "", kind[32];
        struct change_item item = {
            .verb = step->verb == STEP_DELETE ? CHANGE_DELETE : CHANGE_PUT,
            .network = step->network != NULL ? step->network : empty,
            .name = step->name,
            .body = step->after,
        };

        snprintf(kind, sizeof(kind), "%s", step->kind->name);
        item.kind = kind;
        first = work->result->diags.n;
        r = execute_item(work, &item);
        if (r != 0)
            place_mistakes(work, step, first);
    }
    return r;
}

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
    err_hint(&work->result->err, "iothctl fabric rename %s", wanted->fabric);
    return -EINVAL;
}

int execute_apply(struct work *work, const struct change_item *item)
{
    struct objects now, wanted;
    struct plan plan = {.list = NULL};
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
    r = apply_gather(work->control->store, scopes_of(work), &now);
    if (r == 0)
        r = check_fabric(work, &now, &wanted);
    if (r == 0) {
        plan_make(&now, &wanted, work->change->prune, &plan);
        r = execute_steps(work, &plan);
    }
    if (r == 0) {
        node_free(work->result->value);
        work->result->value = plan_to_node(&plan);
        work->result->status = 200;
    }
    plan_done(&plan);
out:
    objects_done(&now);
    objects_done(&wanted);
    return r;
}
