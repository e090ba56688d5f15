/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of the store that every engine shares: choosing one, bounds, and telling watchers. */
#include "fabricd/control/store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

struct store {
    const struct store_engine *engine;
    void *state;
    struct list watches;
};

static const struct store_engine *const engines[] = {&store_sqlite};

int store_open(const char *url, const char *state_dir, struct store **out, struct err *err)
{
    const char *colon = strchr(url, ':');
    size_t size = colon != NULL ? (size_t)(colon - url) : 0;

    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        const struct store_engine *engine = engines[i];
        void *state;
        int r;

        if (size != strlen(engine->scheme) || strncmp(url, engine->scheme, size) != 0)
            continue;
        r = engine->open(colon + 1, state_dir, &state, err);
        if (r < 0)
            return r;
        *out = xcalloc(1, sizeof(**out));
        (*out)->engine = engine;
        (*out)->state = state;
        list_init(&(*out)->watches);
        return 0;
    }
    if (strncmp(url, "etcd:", 5) == 0)
        return err_set(err, -ENOTSUP, "etcd as the store is not built yet (use sqlite:)");
    return err_set(err, -EINVAL, "\"%s\" names no store (sqlite:, sqlite:PATH)", url);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    list_for_each_safe (it, &store->watches)
        list_remove(it);
    store->engine->close(store->state);
    free(store);
}

uint64_t store_revision(const struct store *store)
{
    return store->engine->revision(store->state);
}

int store_get(struct store *store, enum store_scope scope, const char *kind,
              const char *network, const char *name, struct store_object *out)
{
    return store->engine->get(store->state, scope, kind, network, name, out);
}

void store_object_done(struct store_object *object)
{
    if (object == NULL)
        return;
    /* One allocation holds all texts; kind is its start. */
    free((void *)(uintptr_t)object->kind);
    *object = (struct store_object){.kind = NULL};
}

int store_each(struct store *store, enum store_scope scope, const char *kind,
               const char *network, store_each_fn *each, void *aux)
{
    return store->engine->each(store->state, scope, kind, network, each, aux);
}

int store_history(struct store *store, enum store_scope scope, uint64_t from,
                  store_each_fn *each, void *aux)
{
    return store->engine->history(store->state, scope, from, each, aux);
}

uint64_t store_oldest(const struct store *store)
{
    return store->engine->oldest(store->state);
}

int store_as_was(struct store *store, enum store_scope scope, uint64_t from, uint64_t to,
                 store_each_fn *each, void *aux)
{
    if (from < store_oldest(store) || from > store_revision(store))
        return -ERANGE;
    return store->engine->as_was(store->state, scope, from, to, each, aux);
}

int store_entries(struct store *store, uint64_t before, store_entry_fn *each, void *aux)
{
    return store->engine->entries(store->state, before, each, aux);
}

static int check_op(const struct store_op *op, struct err *err)
{
    if (op->verb != STORE_PUT)
        return 0;
    if (op->body == NULL)
        return err_set(err, -EINVAL, "%s %s has no body", op->kind, op->name);
    if (strlen(op->body) > STORE_MAX_BODY)
        return err_set(err, -EFBIG, "%s %s is larger than %u bytes", op->kind, op->name,
                       STORE_MAX_BODY);
    return 0;
}

static void tell(struct store *store, const struct store_op *ops, size_t n,
                 uint64_t revision)
{
    struct store_object *changes;
    size_t n_changes = 0;

    if (list_empty(&store->watches))
        return;
    changes = xcalloc(n + 1, sizeof(*changes));
    for (size_t i = 0; i < n; i++) {
        const struct store_op *op = &ops[i];

        if (op->verb == STORE_CHECK)
            continue;
        changes[n_changes++] = (struct store_object){
            .scope = op->scope,
            .kind = op->kind,
            .network = op->network,
            .name = op->name,
            .revision = op->revision != 0 ? op->revision : revision,
            .owner = op->owner,
            .body = op->verb == STORE_PUT ? op->body : NULL,
        };
    }
    if (n_changes > 0) {
        list_for_each_safe (it, &store->watches) {
            struct store_watch *watch = list_entry(it, struct store_watch, link);
            watch->changed(watch, revision, changes, n_changes);
        }
    }
    free(changes);
}

int store_commit(struct store *store, const struct store_op *ops, size_t n,
                 uint64_t *revision, size_t *failed, struct err *err)
{
    return store_commit_noted(store, NULL, ops, n, revision, failed, err);
}

int store_commit_noted(struct store *store, const struct store_note *note,
                       const struct store_op *ops, size_t n, uint64_t *revision,
                       size_t *failed, struct err *err)
{
    uint64_t made = 0;
    size_t refused = n;
    int r;

    for (size_t i = 0; i < n; i++) {
        r = check_op(&ops[i], err);
        if (r < 0)
            return r;
    }
    r = store->engine->commit(store->state, note, ops, n, &made, &refused, err);
    if (r < 0) {
        if (failed != NULL && refused < n)
            *failed = refused;
        return r;
    }
    if (revision != NULL)
        *revision = made;
    tell(store, ops, n, made);
    return 0;
}

void store_watch_add(struct store *store, struct store_watch *watch)
{
    list_append(&store->watches, &watch->link);
}

void store_watch_remove(struct store_watch *watch)
{
    if (watch->link.next != NULL)
        list_remove(&watch->link);
}
