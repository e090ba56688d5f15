/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file with local things in it, at a host that follows. What is local is carried out first and has
 * to prove itself here; then the founder is asked for the rest, which proves itself on all hosts;
 * and if that is refused or taken back, so is what is local (trial/part.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/apply.h"
#include "fabricd/control/change/work.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/trial/part.h"
#include "proto/base/xalloc.h"

struct split {
    struct control *control;
    struct change *local;  /* Its part of the file. */
    struct change *fabric; /* The founder's, until it is on its way. */
    change_done_fn *done;
    void *aux;
    struct node *steps; /* Of the local part. */
    uint64_t revision;  /* Of this store, with the local part; 0 = nothing was written. */
    char mark[CHANGE_MARK_SIZE]; /* Of both parts. */
    char wrong[320];             /* What of it could not be carried out. */
};

static void free_split(struct split *split)
{
    change_free(split->local);
    change_free(split->fabric);
    node_free(split->steps);
    free(split);
}

static void end(struct split *split, struct change_result *result)
{
    split->done(split->aux, result);
    free_split(split);
}

static void end_with(struct split *split, int status, const char *why)
{
    struct change_result result;

    change_result_init(&result);
    change_fail(&result, status, "%s", why);
    end(split, &result);
    change_result_done(&result);
}

/* --- the founder's part ---------------------------------------------------------------------- */

static void fabric_done(void *aux, struct change_result *result)
{
    struct split *split = aux;
    struct node *steps = result->value != NULL ? node_get(result->value, "steps") : NULL;

    part_answered(split->control->part);
    for (size_t i = 0; steps != NULL && split->steps != NULL && i < split->steps->n; i++)
        node_append(steps, node_copy(split->steps->child[i]));
    end(split, result);
}

static void ask_founder(struct split *split)
{
    struct control *control = split->control;
    struct change *fabric = split->fabric;

    split->fabric = NULL;
    if (!control->member_ops->founder_reachable(control))
        part_take_back(control->part, "the founding host cannot be reached");
    if (split->revision != 0)
        memcpy(fabric->mark, split->mark, sizeof(fabric->mark));
    control->member_ops->forward(control, fabric, fabric_done, split);
}

/* --- our part -------------------------------------------------------------------------------- */

struct search {
    const char *what;
    const char *why;
};

static void match_problem(void *aux, const char *what, const char *why)
{
    struct search *search = aux;

    if (strcmp(what, search->what) == 0)
        search->why = why;
}

static int find_wrong(void *aux, const struct store_object *object)
{
    struct split *split = aux;
    char *what = xasprintf("%s %s%s%s", object->kind, object->network,
                           object->network[0] != '\0' ? "/" : "", object->name);
    struct search search = {what, NULL};

    reconcile_each_problem(split->control->reconcile, match_problem, &search);
    if (search.why != NULL)
        snprintf(split->wrong, sizeof(split->wrong),
                 "the apply was rolled back: %.100s: %.140s on host %.40s", what,
                 search.why, control_host(split->control));
    free(what);
    return search.why != NULL;
}

static void local_settled(void *aux)
{
    struct split *split = aux;

    if (store_as_was(split->control->store, STORE_LOCAL, split->revision - 1,
                     split->revision, find_wrong, split) == 0) {
        ask_founder(split);
        return;
    }
    part_take_back(split->control->part, split->wrong);
    end_with(split, 409, split->wrong);
}

static void local_done(void *aux, struct change_result *result)
{
    struct split *split = aux;
    uint64_t before = split->revision;

    split->revision = 0;
    if (result->status >= 400) {
        end(split, result);
        return;
    }
    if (store_revision(split->control->store) == before) {
        ask_founder(split);
        return;
    }
    split->revision = store_revision(split->control->store);
    part_begin(split->control->part, split->revision, split->mark);
    reconcile_settle(split->control->reconcile, local_settled, split);
}

static struct change *copy_local(const struct split *split, bool dry_run)
{
    const struct change_item *item = &split->local->items[0];
    struct change *copy = change_new(split->local->host, split->local->owner);

    change_set_who(copy, split->local->who);
    copy->local_only = true;
    copy->allow_destroy = split->fabric->allow_destroy;
    copy->dry_run = dry_run;
    if (!dry_run)
        memcpy(copy->mark, split->mark, sizeof(copy->mark));
    change_add(copy, CHANGE_APPLY, NULL, NULL, NULL, node_copy(item->body));
    return copy;
}

static void local_tried(void *aux, struct change_result *result)
{
    struct split *split = aux;
    const struct node *steps =
        result->value != NULL ? node_get(result->value, "steps") : NULL;
    struct change_result refused;

    if (result->status >= 400) {
        end(split, result);
        return;
    }
    change_result_init(&refused);
    split->steps = steps != NULL ? node_copy(steps) : node_list();
    if (split->fabric->dry_run || split->steps->n == 0) {
        ask_founder(split);
    } else if (part_refuses(split->control, NULL, "", "", &refused)) {
        end(split, &refused);
    } else {
        part_make_mark(split->mark);
        split->revision = store_revision(split->control->store);
        change_execute(split->control, copy_local(split, false), local_done, split);
    }
    change_result_done(&refused);
}

bool change_submit_split(struct control *control, struct change *change,
                         change_done_fn *done, void *aux)
{
    struct node *local = NULL;
    struct split *split;

    if (!change->foreign && change->n == 1 && change->items[0].verb == CHANGE_APPLY &&
        change->items[0].body != NULL)
        local = apply_split(control, change->items[0].body);
    if (local == NULL)
        return false;
    split = xcalloc(1, sizeof(*split));
    split->control = control;
    split->done = done;
    split->aux = aux;
    split->fabric = change;
    split->local = change_new(change->host, change->owner);
    change_set_who(split->local, change->who);
    change_add(split->local, CHANGE_APPLY, NULL, NULL, NULL, local);
    change_execute(control, copy_local(split, true), local_tried, split);
    return true;
}
