/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every engine of the store has to do. A test program includes this, defines
 * `static struct store *conformance_open(void)` (a new, empty store), and lists
 * STORE_CONFORMANCE_TESTS among its tests.
 */
#ifndef TESTS_UNIT_STORE_CONFORMANCE_H
#define TESTS_UNIT_STORE_CONFORMANCE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/store/store.h"

static struct store *conformance_open(void);

static struct store_op op_put(const char *kind, const char *network, const char *name,
                              uint64_t expect, const char *body)
{
    return (struct store_op){.verb = STORE_PUT,
                             .scope = STORE_FABRIC,
                             .kind = kind,
                             .network = network,
                             .name = name,
                             .expect = expect,
                             .body = body};
}

static struct store_op op_delete(const char *kind, const char *name, uint64_t expect)
{
    return (struct store_op){.verb = STORE_DELETE,
                             .scope = STORE_FABRIC,
                             .kind = kind,
                             .network = "",
                             .name = name,
                             .expect = expect};
}

static int commit1(struct store *store, struct store_op op)
{
    struct err err = {.why = ""};
    int r = store_commit(store, &op, 1, NULL, NULL, &err);

    if (r < 0)
        assert_true(err.why[0] != '\0');
    return r;
}

/* The body, the caller's, or NULL. */
static char *body_of(struct store *store, enum store_scope scope, const char *kind,
                     const char *network, const char *name, uint64_t *revision)
{
    struct store_object object;
    char *body;

    if (store_get(store, scope, kind, network, name, &object) < 0)
        return NULL;
    assert_string_equal(object.kind, kind);
    assert_string_equal(object.network, network);
    assert_string_equal(object.name, name);
    if (revision != NULL)
        *revision = object.revision;
    body = strdup(object.body);
    store_object_done(&object);
    return body;
}

static void assert_body(struct store *store, const char *kind, const char *name,
                        const char *expected)
{
    char *body = body_of(store, STORE_FABRIC, kind, "", name, NULL);

    if (expected == NULL) {
        assert_null(body);
    } else {
        assert_non_null(body);
        assert_string_equal(body, expected);
    }
    free(body);
}

static void conformance_put_get(void **state)
{
    struct store *store = conformance_open();
    uint64_t revision = 0, second = 0;
    char *body;

    (void)state;
    assert_int_equal(store_revision(store), 0);
    assert_int_equal(commit1(store, op_put("network", "", "a", STORE_ABSENT, "{\"x\":1}")),
                     0);
    body = body_of(store, STORE_FABRIC, "network", "", "a", &revision);
    assert_string_equal(body, "{\"x\":1}");
    free(body);
    assert_int_equal(revision, store_revision(store));
    assert_int_equal(commit1(store, op_put("network", "", "a", revision, "{\"x\":2}")), 0);
    free(body_of(store, STORE_FABRIC, "network", "", "a", &second));
    assert_true(second > revision);
    assert_null(body_of(store, STORE_LOCAL, "network", "", "a", NULL));
    assert_null(body_of(store, STORE_FABRIC, "network", "n", "a", NULL));
    store_close(store);
}

static void conformance_expectations(void **state)
{
    struct store *store = conformance_open();
    uint64_t revision;

    (void)state;
    assert_int_equal(commit1(store, op_put("k", "", "a", 7, "{}")), -ENOENT);
    assert_int_equal(commit1(store, op_delete("k", "a", 7)), -ENOENT);
    assert_int_equal(commit1(store, op_delete("k", "a", STORE_ANY)), 0);
    assert_int_equal(store_revision(store), 0);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "{}")), 0);
    revision = store_revision(store);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ABSENT, "{}")), -EEXIST);
    assert_int_equal(commit1(store, op_put("k", "", "a", revision + 1, "[]")), -ESTALE);
    assert_int_equal(commit1(store, op_delete("k", "a", revision + 1)), -ESTALE);
    assert_int_equal(store_revision(store), revision);
    assert_body(store, "k", "a", "{}");
    assert_int_equal(commit1(store, op_delete("k", "a", revision)), 0);
    assert_body(store, "k", "a", NULL);
    store_close(store);
}

/* One refused op of many: nothing of the transaction stays, and the op is named. */
static void conformance_all_or_nothing(void **state)
{
    struct store *store = conformance_open();
    struct store_op ops[4];
    struct err err = {.why = ""};
    size_t failed = 99;

    (void)state;
    assert_int_equal(commit1(store, op_put("k", "", "there", STORE_ABSENT, "1")), 0);
    ops[0] = op_put("k", "", "new", STORE_ABSENT, "2");
    ops[1] = op_delete("k", "there", STORE_ANY);
    ops[2] = op_put("k", "", "new", STORE_ABSENT, "3");
    ops[3] = op_put("k", "", "more", STORE_ANY, "4");
    assert_int_equal(store_commit(store, ops, 4, NULL, &failed, &err), -EEXIST);
    assert_int_equal(failed, 2);
    assert_non_null(strstr(err.why, "new"));
    assert_body(store, "k", "there", "1");
    assert_body(store, "k", "new", NULL);
    assert_body(store, "k", "more", NULL);
    assert_int_equal(store_revision(store), 1);
    ops[2] = (struct store_op){.verb = STORE_CHECK,
                               .scope = STORE_FABRIC,
                               .kind = "k",
                               .network = "",
                               .name = "absent",
                               .expect = STORE_ABSENT};
    assert_int_equal(store_commit(store, ops, 4, NULL, NULL, &err), 0);
    assert_body(store, "k", "there", NULL);
    assert_body(store, "k", "new", "2");
    assert_body(store, "k", "more", "4");
    assert_int_equal(store_revision(store), 2);
    store_close(store);
}

static void conformance_bounds(void **state)
{
    struct store *store = conformance_open();
    char *large = malloc(STORE_MAX_BODY + 2);

    (void)state;
    memset(large, 'x', STORE_MAX_BODY + 1);
    large[STORE_MAX_BODY + 1] = '\0';
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, large)), -EFBIG);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, NULL)), -EINVAL);
    large[STORE_MAX_BODY] = '\0';
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, large)), 0);
    assert_body(store, "k", "a", large);
    free(large);
    store_close(store);
}

struct listing {
    char text[512];
    unsigned stop_after;
};

static int list_one(void *aux, const struct store_object *object)
{
    struct listing *listing = aux;
    size_t n = strlen(listing->text);

    snprintf(listing->text + n, sizeof(listing->text) - n, "%s/%s/%s=%s ", object->kind,
             object->network, object->name, object->body != NULL ? object->body : "-");
    return listing->stop_after > 0 && --listing->stop_after == 0 ? 5 : 0;
}

static void conformance_list(void **state)
{
    struct store *store = conformance_open();
    struct listing all = {.text = ""}, kind = {.text = ""}, net = {.text = ""};
    struct listing stopped = {.stop_after = 2};
    struct store_op local = op_put("endpoint", "n", "z", STORE_ANY, "9");

    (void)state;
    assert_int_equal(commit1(store, op_put("port", "n", "b", STORE_ANY, "1")), 0);
    assert_int_equal(commit1(store, op_put("port", "m", "c", STORE_ANY, "2")), 0);
    assert_int_equal(commit1(store, op_put("port", "n", "a", STORE_ANY, "3")), 0);
    assert_int_equal(commit1(store, op_put("endpoint", "n", "a", STORE_ANY, "4")), 0);
    local.scope = STORE_LOCAL;
    assert_int_equal(commit1(store, local), 0);
    assert_int_equal(store_each(store, STORE_FABRIC, NULL, NULL, list_one, &all), 0);
    assert_string_equal(all.text, "endpoint/n/a=4 port/m/c=2 port/n/a=3 port/n/b=1 ");
    assert_int_equal(store_each(store, STORE_FABRIC, "port", NULL, list_one, &kind), 0);
    assert_string_equal(kind.text, "port/m/c=2 port/n/a=3 port/n/b=1 ");
    assert_int_equal(store_each(store, STORE_FABRIC, "port", "n", list_one, &net), 0);
    assert_string_equal(net.text, "port/n/a=3 port/n/b=1 ");
    assert_int_equal(store_each(store, STORE_FABRIC, NULL, NULL, list_one, &stopped), 5);
    assert_string_equal(stopped.text, "endpoint/n/a=4 port/m/c=2 ");
    store_close(store);
}

struct watcher {
    struct store_watch watch;
    struct listing seen;
    uint64_t revision;
};

static void watched(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    struct watcher *watcher = list_entry(watch, struct watcher, watch);

    watcher->revision = revision;
    for (size_t i = 0; i < n; i++)
        list_one(&watcher->seen, &changes[i]);
}

static void conformance_watch(void **state)
{
    struct store *store = conformance_open();
    struct watcher watcher = {.watch.changed = watched};
    struct store_op ops[2] = {op_put("k", "", "a", STORE_ANY, "1"),
                              op_delete("k", "a", STORE_ANY)};

    (void)state;
    store_watch_add(store, &watcher.watch);
    assert_int_equal(store_commit(store, ops, 1, NULL, NULL, NULL), 0);
    assert_int_equal(watcher.revision, 1);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ABSENT, "2")), -EEXIST);
    assert_int_equal(store_commit(store, &ops[1], 1, NULL, NULL, NULL), 0);
    assert_string_equal(watcher.seen.text, "k//a=1 k//a=- ");
    store_watch_remove(&watcher.watch);
    assert_int_equal(store_commit(store, ops, 1, NULL, NULL, NULL), 0);
    assert_int_equal(watcher.revision, 2);
    store_close(store);
}

static void conformance_history(void **state)
{
    struct store *store = conformance_open();
    struct listing from0 = {.text = ""}, from2 = {.text = ""}, now = {.text = ""};
    struct store_op local = op_put("k", "", "l", STORE_ANY, "9");

    (void)state;
    local.scope = STORE_LOCAL;
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "1")), 0);
    assert_int_equal(commit1(store, op_put("k", "", "b", STORE_ANY, "2")), 0);
    assert_int_equal(commit1(store, local), 0);
    assert_int_equal(commit1(store, op_delete("k", "a", STORE_ANY)), 0);
    assert_int_equal(commit1(store, op_put("k", "", "b", STORE_ANY, "3")), 0);
    assert_int_equal(store_history(store, STORE_FABRIC, 0, list_one, &from0), 0);
    assert_string_equal(from0.text, "k//a=1 k//b=2 k//a=- k//b=3 ");
    assert_int_equal(store_history(store, STORE_FABRIC, 2, list_one, &from2), 0);
    assert_string_equal(from2.text, "k//a=- k//b=3 ");
    assert_int_equal(store_history(store, STORE_FABRIC, 5, list_one, &now), 0);
    assert_string_equal(now.text, "");
    assert_int_equal(store_history(store, STORE_FABRIC, 6, list_one, &now), -ERANGE);
    store_close(store);
}

/* History is bounded: what lies too far back is said to be gone, the rest is there. */
static void conformance_history_bounds(void **state)
{
    struct store *store = conformance_open();
    struct listing listing = {.stop_after = 1};
    struct store_op *ops;
    uint64_t last;

    (void)state;
    ops = calloc(2, sizeof(*ops));
    for (unsigned i = 0; i < STORE_HISTORY + 5; i++) {
        ops[0] = op_put("k", "", "a", STORE_ANY, "1");
        assert_int_equal(store_commit(store, ops, 1, NULL, NULL, NULL), 0);
    }
    free(ops);
    last = store_revision(store);
    assert_int_equal(
        store_history(store, STORE_FABRIC, last - STORE_HISTORY - 1, list_one, &listing),
        -ERANGE);
    assert_int_equal(
        store_history(store, STORE_FABRIC, last - STORE_HISTORY, list_one, &listing), 5);
    store_close(store);
}

/* Rows replicated from another store keep their revisions. */
static void conformance_replicated(void **state)
{
    struct store *store = conformance_open();
    struct store_op op = op_put("k", "", "a", STORE_ANY, "1");
    uint64_t revision = 0;

    (void)state;
    op.revision = 4711;
    assert_int_equal(commit1(store, op), 0);
    free(body_of(store, STORE_FABRIC, "k", "", "a", &revision));
    assert_int_equal(revision, 4711);
    assert_int_equal(store_revision(store), 1);
    assert_int_equal(commit1(store, op_put("k", "", "a", 4711, "2")), 0);
    store_close(store);
}

/* Who made an object stays, unless it is said anew. */
static void conformance_owner(void **state)
{
    struct store *store = conformance_open();
    struct store_op op = op_put("k", "", "a", STORE_ANY, "1");
    struct store_object object;

    (void)state;
    op.owner = "file";
    assert_int_equal(commit1(store, op), 0);
    op.owner = NULL;
    op.body = "2";
    assert_int_equal(commit1(store, op), 0);
    assert_int_equal(store_get(store, STORE_FABRIC, "k", "", "a", &object), 0);
    assert_string_equal(object.owner, "file");
    assert_string_equal(object.body, "2");
    store_object_done(&object);
    store_close(store);
}

/* "kind name=body …" of what was otherwise at a revision; "-" for what was not there. */
static int list_was(void *aux, const struct store_object *object)
{
    char *text = aux;

    snprintf(text + strlen(text), 200 - strlen(text), "%s=%s ", object->name,
             object->body != NULL ? object->body : "-");
    return 0;
}

static void assert_was(struct store *store, uint64_t from, uint64_t to,
                       const char *expected)
{
    char text[200] = "";

    assert_int_equal(store_as_was(store, STORE_FABRIC, from, to, list_was, text), 0);
    assert_string_equal(text, expected);
}

static int list_entries(void *aux, const struct store_entry *entry)
{
    char *text = aux;

    snprintf(text + strlen(text), 200 - strlen(text), "%u:%s@%s:%s:%u ",
             (unsigned)entry->revision, entry->note.who, entry->note.host, entry->note.what,
             entry->note.n);
    return 0;
}

/* Every state that there was can be found again, and who changed it. */
static void conformance_as_was(void **state)
{
    const struct store_note note = {"root", "alpha", "cli", "a and b", 2};
    struct store *store = conformance_open();
    struct store_op ops[2], local = op_put("k", "", "a", STORE_ANY, "local");
    char text[200] = "";

    (void)state;
    local.scope = STORE_LOCAL;
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "1")), 0);
    ops[0] = op_put("k", "", "a", STORE_ANY, "2");
    ops[1] = op_put("k", "", "b", STORE_ANY, "1");
    assert_int_equal(store_commit_noted(store, &note, ops, 2, NULL, NULL, NULL), 0);
    assert_int_equal(commit1(store, op_delete("k", "a", STORE_ANY)), 0);
    assert_int_equal(commit1(store, local), 0);
    assert_int_equal(commit1(store, op_put("k", "", "a", STORE_ANY, "3")), 0);
    assert_int_equal(store_oldest(store), 0);
    assert_was(store, 0, 5, "a=- b=- ");
    assert_was(store, 1, 5, "a=1 b=- ");
    assert_was(store, 2, 5, "a=2 ");
    assert_was(store, 3, 5, "a=- ");
    assert_was(store, 4, 5, "a=- ");
    assert_was(store, 5, 5, "");
    assert_was(store, 1, 2, "a=1 b=- ");
    assert_int_equal(store_as_was(store, STORE_FABRIC, 6, 6, list_was, text), -ERANGE);
    assert_int_equal(store_commit_noted(store, &note, ops, 0, NULL, NULL, NULL), 0);
    assert_int_equal(commit1(store, op_put("k", "", "c", STORE_ANY, "1")), 0);
    assert_int_equal(store_entries(store, 0, list_entries, text), 0);
    assert_string_equal(text, "2:root@alpha:a and b:2 ");
    text[0] = '\0';
    assert_int_equal(store_entries(store, 2, list_entries, text), 0);
    assert_string_equal(text, "");
    store_close(store);
}

#define STORE_CONFORMANCE_TESTS                                                            \
    cmocka_unit_test(conformance_put_get), cmocka_unit_test(conformance_expectations),     \
        cmocka_unit_test(conformance_all_or_nothing),                                      \
        cmocka_unit_test(conformance_bounds), cmocka_unit_test(conformance_list),          \
        cmocka_unit_test(conformance_watch), cmocka_unit_test(conformance_history),        \
        cmocka_unit_test(conformance_history_bounds),                                      \
        cmocka_unit_test(conformance_replicated), cmocka_unit_test(conformance_owner),     \
        cmocka_unit_test(conformance_as_was)

#endif
