/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of a change: here or to the founder. */
#include "fabricd/control/change/change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "fabricd/control/context.h"
#include "fabricd/control/trial/part.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/fault.h"
#include "proto/base/xalloc.h"

struct change *change_new(const char *host, const char *owner)
{
    struct change *change = xcalloc(1, sizeof(*change));

    change->host = xstrdup(host);
    change->owner = xstrdup(owner);
    change->who = xstrdup("daemon");
    return change;
}

void change_set_who(struct change *change, const char *who)
{
    free(change->who);
    change->who = xstrdup(who);
}

void change_free(struct change *change)
{
    if (change == NULL)
        return;
    for (size_t i = 0; i < change->n; i++) {
        struct change_item *item = &change->items[i];

        free(item->kind);
        free(item->network);
        free(item->name);
        node_free(item->body);
    }
    free(change->items);
    free(change->host);
    free(change->owner);
    free(change->who);
    free(change);
}

struct change_item *change_add(struct change *change, enum change_verb verb,
                               const char *kind, const char *network, const char *name,
                               struct node *body)
{
    struct change_item *item;

    change->items = xrealloc(change->items, (change->n + 1) * sizeof(*item));
    item = &change->items[change->n++];
    *item = (struct change_item){
        .verb = verb,
        .kind = xstrdup(kind != NULL ? kind : ""),
        .network = xstrdup(network != NULL ? network : ""),
        .name = xstrdup(name != NULL ? name : ""),
        .body = body,
    };
    return item;
}

void change_result_init(struct change_result *result)
{
    *result = (struct change_result){.status = 200};
    diags_init(&result->diags);
}

void change_result_done(struct change_result *result)
{
    diags_done(&result->diags);
    node_free(result->value);
    result->value = NULL;
}

void change_fail(struct change_result *result, int status, const char *format, ...)
{
    va_list args;

    result->status = status;
    result->err = (struct err){.why = ""};
    va_start(args, format);
    vsnprintf(result->err.why, sizeof(result->err.why), format, args);
    va_end(args);
}

int change_status_of(int code)
{
    switch (code) {
    case 0:
        return 200;
    case -EINVAL:
    case -EFBIG:
        return 400;
    case -ENOENT:
        return 404;
    case -EEXIST:
    case -EADDRINUSE:
        return 409;
    case -ESTALE:
        return 412;
    case -EBUSY:
    case -EROFS:
        return 503;
    case -ENOSPC:
        return 507;
    default:
        return 500;
    }
}

/* What a plan writes has to prove itself, where there is something to prove it with. */
static bool stands(const struct work *work)
{
    return work->planned && !work->change->dry_run && !work->change->local_only &&
           work->control->standing != NULL && !list_empty(&work->pending);
}

/* The mark of a file that has a local part: at the host that asks, and here with the rest. */
static void put_mark(struct work *work)
{
    const struct change *change = work->change;

    if (change->mark[0] == '\0' || change->dry_run || !work->planned)
        return;
    if (change->local_only)
        work_put(work, STORE_LOCAL, STANDING_KIND, "", PART_NAME, part_row(change->mark),
                 STORE_ANY);
    else
        work_put(work, STORE_FABRIC, PART_KIND, "", change->host, part_row(change->mark),
                 STORE_ANY);
}

static int commit(struct work *work, bool standing, uint64_t *revision)
{
    put_mark(work);
    if (standing)
        work_put(work, STORE_FABRIC, STANDING_KIND, "", STANDING_NAME,
                 standing_row(work->change, work->note != NULL ? work->note : ""),
                 STORE_ABSENT);
    return work->change->dry_run ? 0 : work_commit(work, revision);
}

void change_execute(struct control *control, struct change *change, change_done_fn *done,
                    void *aux)
{
    struct change_result result;
    struct work work;
    uint64_t revision = 0;
    bool standing = false;
    int r = 0;

    change_result_init(&result);
    work_init(&work, control, change, &result);
    for (size_t i = 0; r == 0 && i < change->n; i++)
        r = execute_item(&work, &change->items[i]);
    if (r == 0)
        r = check_services(&work);
    if (r == 0)
        r = check_mirrors(&work);
    if (r == 0)
        r = check_vlans(&work);
    if (r == 0) {
        standing = stands(&work);
        if (standing)
            fault_at(FAULT_APPLY_PLANNED);
        r = commit(&work, standing, &revision);
    }
    if (r == 0 && !change->dry_run && result.value != NULL && change->n == 1 &&
        node_get(result.value, "revision") != NULL && !list_empty(&work.pending))
        node_set_int(result.value, "revision", (int64_t)revision);
    if (r == 0 && work.planned)
        node_set_bool(result.value, "applied", !change->dry_run);
    if (r < 0 && result.status < 400)
        result.status = change_status_of(r);
    work_done(&work);
    if (r == 0 && standing)
        fault_at(FAULT_APPLY_COMMITTED);
    if (r == 0 && standing)
        standing_begin(control->standing, revision, &result, done, aux);
    else
        done(aux, &result);
    change_result_done(&result);
    change_free(change);
}

/* A snapshot names all that the founder has: what this store has beyond that goes. */
struct leftover {
    const struct store_op **ops; /* By kind, network and name. */
    size_t n_ops;
    struct store_op *drop;
    size_t n, room;
};

static int by_key(const void *a, const void *b)
{
    const struct store_op *const *x = a, *const *y = b;
    int order = strcmp((*x)->kind, (*y)->kind);

    order = order != 0 ? order : strcmp((*x)->network, (*y)->network);
    return order != 0 ? order : strcmp((*x)->name, (*y)->name);
}

static int find_leftover(void *aux, const struct store_object *object)
{
    struct leftover *left = aux;
    struct store_op key = {
        .kind = object->kind, .network = object->network, .name = object->name};
    const struct store_op *wanted = &key;

    if (left->n_ops > 0 &&
        bsearch(&wanted, left->ops, left->n_ops, sizeof(*left->ops), by_key) != NULL)
        return 0;
    if (left->n == left->room) {
        left->room = left->room * 2 + 16;
        left->drop = xrealloc(left->drop, left->room * sizeof(*left->drop));
    }
    left->drop[left->n++] = (struct store_op){
        .verb = STORE_DELETE,
        .scope = STORE_FABRIC,
        .kind = xstrdup(object->kind),
        .network = xstrdup(object->network),
        .name = xstrdup(object->name),
        .expect = STORE_ANY,
    };
    return 0;
}

static int find_leftovers(struct control *control, struct leftover *left,
                          const struct store_op *ops, size_t n)
{
    int r;

    left->ops = xcalloc(n, sizeof(*left->ops));
    left->n_ops = n;
    for (size_t i = 0; i < n; i++)
        left->ops[i] = &ops[i];
    qsort(left->ops, n, sizeof(*left->ops), by_key);
    r = store_each(control->store, STORE_FABRIC, NULL, NULL, find_leftover, left);
    free(left->ops);
    return r;
}

int change_replicate(struct control *control, const struct store_op *ops, size_t n,
                     bool snapshot, const struct store_op *also, size_t n_also,
                     struct err *err)
{
    struct leftover left = {.drop = NULL};
    struct store_op *all;
    size_t at = 0;
    int r = 0;

    if (snapshot)
        r = find_leftovers(control, &left, ops, n);
    all = xcalloc(left.n + n + n_also + 1, sizeof(*all));
    for (size_t i = 0; i < left.n; i++)
        all[at++] = left.drop[i];
    for (size_t i = 0; i < n; i++)
        all[at++] = ops[i];
    for (size_t i = 0; i < n_also; i++)
        all[at++] = also[i];
    if (r == 0)
        r = store_commit(control->store, all, at, NULL, NULL, err);
    else
        err_set(err, r, "the store cannot be read: %s", err_text(r));
    for (size_t i = 0; i < left.n; i++) {
        free((void *)(uintptr_t)left.drop[i].kind);
        free((void *)(uintptr_t)left.drop[i].network);
        free((void *)(uintptr_t)left.drop[i].name);
    }
    free(left.drop);
    free(all);
    return r;
}
