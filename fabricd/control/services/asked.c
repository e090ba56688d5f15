/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the users of a host that follows have asked for themselves. The founder says in `_from` whom a service
 * is of, and what a program does is too much to take another host's word for it: so this host keeps a
 * digest of each service that was asked for here, as the object (STORE_LOCAL, "asked", NAME), and runs
 * as its own only what has it.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/services/services_internal.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"
#include "proto/model/schema.h"

#define DIGEST_TEXT (2 * crypto_generichash_BYTES + 1)

/* What the program is: all that decides what is run. */
static const char *const keys[] = {"command", "environment", "secrets",
                                   "folder",  "check",       "state"};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static void digest_of(const struct node *body, char out[DIGEST_TEXT])
{
    unsigned char hash[crypto_generichash_BYTES];
    struct node *thing = node_map();
    char *text;

    for (size_t i = 0; i < N_KEYS; i++) {
        const struct node *value = node_get(body, keys[i]);

        if (value != NULL)
            node_set(thing, keys[i], node_copy(value));
    }
    text = node_to_json(thing, 0);
    crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL,
                       0);
    sodium_bin2hex(out, DIGEST_TEXT, hash, sizeof(hash));
    free(text);
    node_free(thing);
}

bool services_asked_here(const struct control *control, const struct view_service *service)
{
    struct store_object object;
    struct diags diags;
    struct node *row;
    char digest[DIGEST_TEXT];
    bool same;

    if (strcmp(node_get_text(service->body, "_from", ""), control_host(control)) != 0)
        return false;
    if (!control_follows(control) || service->scope == STORE_LOCAL)
        return true; /* This host wrote that itself. */
    if (store_get(control->store, STORE_LOCAL, "asked", "", service->name, &object) < 0)
        return false;
    diags_init(&diags);
    row = node_from_json(object.body, strlen(object.body), NULL, &diags);
    diags_done(&diags);
    store_object_done(&object);
    digest_of(service->body, digest);
    same = row != NULL && strcmp(node_get_text(row, "digest", ""), digest) == 0;
    node_free(row);
    return same;
}

/* --- noting it ------------------------------------------------------------------------------ */

/* A change on its way, with the digests of the services that it names. */
struct asking {
    struct control *control;
    change_done_fn *done;
    void *aux;
    struct node *digests; /* By name; of a PATCH they follow from its result. */
    char *patched;        /* The service of a PATCH, or NULL. */
};

static void note(struct asking *asking, const char *name, const struct node *body)
{
    char digest[DIGEST_TEXT];

    digest_of(body, digest);
    node_set_text(asking->digests, name, digest);
}

/* Who only stops and starts what another host asked for has not asked for it. */
static bool says_what_it_is(const struct node *patch)
{
    bool any = false;

    for (size_t i = 0; patch != NULL && i < N_KEYS; i++)
        any = any || node_get(patch, keys[i]) != NULL;
    return any;
}

static void note_item(struct asking *asking, const struct change_item *item)
{
    struct diags diags;
    struct node *body;

    if (item->verb == CHANGE_PATCH) {
        free(asking->patched);
        asking->patched = says_what_it_is(item->body) ? xstrdup(item->name) : NULL;
        return;
    }
    diags_init(&diags);
    body = item->body != NULL
               ? schema_check(schema_kind("service"), item->body, "", NULL, &diags)
               : NULL;
    if (body != NULL)
        note(asking, item->name, body);
    node_free(body);
    diags_done(&diags);
}

static void note_file(struct asking *asking, const struct node *file)
{
    struct objects objects;
    struct diags diags;

    diags_init(&diags);
    if (file != NULL && fabric_file_read(file, NULL, &objects, &diags)) {
        for (size_t i = 0; i < objects.n; i++) {
            if (strcmp(objects.list[i].kind->name, "service") == 0)
                note(asking, objects.list[i].name, objects.list[i].body);
        }
        objects_done(&objects);
    }
    diags_done(&diags);
}

static void commit(struct asking *asking)
{
    size_t n = asking->digests->n;
    struct store_op *ops = xcalloc(n + 1, sizeof(*ops));
    struct err err = {.why = ""};

    for (size_t i = 0; i < n; i++) {
        struct node *row = node_map();

        node_set_text(row, "digest", asking->digests->child[i]->text);
        ops[i] = (struct store_op){.verb = STORE_PUT,
                                   .scope = STORE_LOCAL,
                                   .kind = "asked",
                                   .network = "",
                                   .name = asking->digests->key[i],
                                   .expect = STORE_ANY,
                                   .owner = "daemon",
                                   .body = node_to_json(row, 0)};
        node_free(row);
    }
    if (n > 0 && store_commit(asking->control->store, ops, n, NULL, NULL, &err) < 0)
        log_warn("what was asked for here cannot be noted: %s", err.why);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)ops[i].body);
    free(ops);
}

static void done(void *aux, struct change_result *result)
{
    struct asking *asking = aux;

    if (result->status < 400 && asking->patched != NULL && result->value != NULL)
        note(asking, asking->patched, result->value);
    if (result->status < 400)
        commit(asking);
    asking->done(asking->aux, result);
    node_free(asking->digests);
    free(asking->patched);
    free(asking);
}

void services_forget_asked(struct control *control, const char *name)
{
    const struct store_op drop = {.verb = STORE_DELETE,
                                  .scope = STORE_LOCAL,
                                  .kind = "asked",
                                  .network = "",
                                  .name = name,
                                  .expect = STORE_ANY};
    struct store_object object;
    struct err err = {.why = ""};

    if (store_get(control->store, STORE_LOCAL, "asked", "", name, &object) < 0)
        return;
    store_object_done(&object);
    if (store_commit(control->store, &drop, 1, NULL, NULL, &err) < 0)
        log_warn("what was asked for here cannot be forgotten: %s", err.why);
}

void services_note_asked(struct control *control, const struct change *change,
                         change_done_fn **then, void **aux)
{
    struct asking *asking;
    bool any = false;

    if (change->foreign || change->dry_run || !control_follows(control))
        return;
    for (size_t i = 0; i < change->n; i++)
        any = any || change->items[i].verb == CHANGE_APPLY ||
              (strcmp(change->items[i].kind, "service") == 0 &&
               (change->items[i].verb == CHANGE_PUT ||
                change->items[i].verb == CHANGE_PATCH));
    if (!any)
        return;
    asking = xcalloc(1, sizeof(*asking));
    *asking = (struct asking){
        .control = control, .done = *then, .aux = *aux, .digests = node_map()};
    for (size_t i = 0; i < change->n; i++) {
        if (change->items[i].verb == CHANGE_APPLY)
            note_file(asking, change->items[i].body);
        else if (strcmp(change->items[i].kind, "service") == 0)
            note_item(asking, &change->items[i]);
    }
    *then = done;
    *aux = asking;
}
