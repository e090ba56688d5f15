/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/control_fixture.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/events/events.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/tokens/failures.h"
#include "fabricd/control/trial/part.h"
#include "proto/base/xalloc.h"

struct node *fixture_json(const char *json)
{
    struct diags diags;
    struct node *node;

    diags_init(&diags);
    node = node_from_json(json, strlen(json), NULL, &diags);
    if (node == NULL)
        abort();
    diags_done(&diags);
    return node;
}

struct node *fixture_yaml(const char *yaml)
{
    struct diags diags;
    struct node *node;

    diags_init(&diags);
    node = node_from_yaml(yaml, strlen(yaml), NULL, &diags);
    if (node == NULL)
        abort();
    diags_done(&diags);
    return node;
}

void fixture_add_host(struct control *control, const char *name, unsigned number)
{
    char body[256];
    struct store_op op = {.verb = STORE_PUT,
                          .scope = STORE_FABRIC,
                          .kind = "host",
                          .network = "",
                          .name = name,
                          .expect = STORE_ANY,
                          .body = body};

    snprintf(body, sizeof(body),
             "{\"number\":%u,\"key\":\"%064u\",\"sign_key\":\"%064u\",\"founder\":%s}",
             number, number, number, number == 1 ? "true" : "false");
    if (store_commit(control->store, &op, 1, NULL, NULL, NULL) < 0)
        abort();
}

struct control *fixture_new(const char *name, bool founder)
{
    struct control *control = xcalloc(1, sizeof(*control));
    struct err err;

    if (sodium_init() < 0)
        abort();
    control->parent.watch.fd = control->switch_.watch.fd = -1;
    control->loop = loop_new();
    list_init(&control->in_flight);
    if (control->loop == NULL ||
        store_open("sqlite::memory:", "/nonexistent", &control->store, &err) < 0)
        abort();
    control->events = events_new(control);
    control->view = view_new(control->store, &err);
    if (control->view == NULL)
        abort();
    control->observe = observe_new(control);
    control->seen = seen_new();
    control->reconcile = reconcile_new(control);
    control->failures = failures_new();
    control->part = founder ? NULL : part_new(control);
    control->id.self.host = 1;
    control->id.self.fabric = 0x1234;
    control->id.founder = founder;
    snprintf(control->id.self.name, sizeof(control->id.self.name), "%s", name);
    snprintf(control->start.run_dir, sizeof(control->start.run_dir), "/run/ioth");
    fixture_add_host(control, name, 1);
    return control;
}

void fixture_free(struct control *control)
{
    part_free(control->part);
    reconcile_free(control->reconcile);
    observe_free(control->observe);
    seen_free(control->seen);
    events_free(control->events);
    failures_free(control->failures);
    view_free(control->view);
    store_close(control->store);
    loop_free(control->loop);
    free(control);
}

void fixture_keep(void *aux, struct change_result *result)
{
    struct change_result *out = aux;

    *out = *result;
    change_result_init(result); /* Its contents are ours now. */
}

struct change_result fixture_change(struct control *control, enum change_verb verb,
                                    const char *kind, const char *network, const char *name,
                                    const char *json)
{
    struct change *change = change_new(control_host(control), "cli");
    struct change_result result = {.status = 0};

    change_add(change, verb, kind, network, name, json != NULL ? fixture_json(json) : NULL);
    change_submit(control, change, fixture_keep, &result);
    if (result.status == 0)
        abort();
    return result;
}

int fixture_status(struct control *control, enum change_verb verb, const char *kind,
                   const char *network, const char *name, const char *json)
{
    struct change_result result = fixture_change(control, verb, kind, network, name, json);
    int status = result.status;

    change_result_done(&result);
    return status;
}
