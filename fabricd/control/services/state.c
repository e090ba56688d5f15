/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State folders of a service on the way to another host: its keeper there asks, its keeper here
 * answers (keeper/copy.h, state.h). Control only carries the questions, as calls of the API over the
 * link: so they are sealed, bounded, and answered to nobody but the host that the service moves to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/call.h"
#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/services/services_internal.h"
#include "proto/base/xalloc.h"

#define ANSWER_WITHIN (10 * MTIME_SEC)

/* --- here is what is asked ------------------------------------------------------------------ */

/* A question that the keeper has. */
struct asked {
    struct list link;
    struct services *services;
    char name[VIEW_NAME_SIZE];
    int64_t id;
    state_answer_fn *done;
    void *aux;
    struct loop_timer late;
};

static void finish(struct asked *a, const struct node *answer)
{
    loop_timer_set(a->services->control->loop, &a->late, MTIME_NEVER);
    list_remove(&a->link);
    a->done(a->aux, answer);
    free(a);
}

static void too_late(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    finish(list_entry(timer, struct asked, late), NULL);
}

void services_ask_state(struct services *services, const char *name, struct node *question,
                        state_answer_fn *done, void *aux)
{
    struct service *service = service_find(services, name);
    struct asked *a = xcalloc(1, sizeof(*a));
    char *text;

    a->services = services;
    a->id = ++services->last_asked;
    a->done = done;
    a->aux = aux;
    a->late.expired = too_late;
    snprintf(a->name, sizeof(a->name), "%s", name);
    list_append(&services->asked, &a->link);
    node_set_text(question, "type", "state");
    node_set_int(question, "id", a->id);
    text = node_to_json(question, 0);
    node_free(question);
    if (service != NULL && keeper_say(service, text))
        loop_timer_set(services->control->loop, &a->late,
                       loop_now(services->control->loop) + ANSWER_WITHIN);
    else
        finish(a, NULL);
    free(text);
    fault_at(FAULT_MOVE_STATE_ASKED);
}

static void answered(struct service *service, struct node *message)
{
    struct services *services = service->services;

    list_for_each_safe (it, &services->asked) {
        struct asked *a = list_entry(it, struct asked, link);

        if (a->id != node_get_int(message, "id", 0) || strcmp(a->name, service->name) != 0)
            continue;
        node_remove(message, "type");
        node_remove(message, "id");
        finish(a, message);
        fault_at(FAULT_MOVE_STATE_ANSWERED);
        return;
    }
}

void services_state_free(struct services *services)
{
    while (!list_empty(&services->asked))
        finish(list_entry(list_first(&services->asked), struct asked, link), NULL);
}

/* --- here is who asks ----------------------------------------------------------------------- */

struct fetch {
    struct services *services;
    char name[VIEW_NAME_SIZE];
    int64_t id;
};

static void fetched(void *aux, int status, const struct node *body, const struct err *err)
{
    struct fetch *f = aux;
    struct service *service = service_find(f->services, f->name);
    struct node *message = node_map();
    char *text;

    if (service != NULL)
        snprintf(service->trouble, sizeof(service->trouble), "%.230s",
                 status < 400  ? ""
                 : err != NULL ? err->why
                               : "the host that it leaves does not answer");
    node_set_text(message, "type", "fetched");
    node_set_int(message, "id", f->id);
    if (status < 400 && body != NULL)
        node_set(message, "answer", node_copy(body));
    text = node_to_json(message, 0);
    node_free(message);
    if (service != NULL)
        (void)keeper_say(service, text); /* One that is gone asks again when it is back. */
    fault_at(FAULT_MOVE_FETCHED);
    free(text);
    free(f);
}

static void add_query(struct call_request *rq, const char *key, const char *value)
{
    rq->query[rq->n_query].key = key;
    rq->query[rq->n_query++].value = value;
}

static void fetch(struct service *service, const struct node *message)
{
    struct control *control = service->services->control;
    const struct move *move = migrate_find(control, service->name);
    struct call_request rq = {.method = "GET", .within = ANSWER_WITHIN};
    struct fetch *f;
    char path[VIEW_NAME_SIZE + 24], folder[24], from[24], offset[24];

    if (move == NULL || migrate_role(control, service->name) != MIGRATE_READY)
        return;
    snprintf(path, sizeof(path), "/v1/services/%s/state", service->name);
    snprintf(folder, sizeof(folder), "%lld", (long long)node_get_int(message, "folder", 0));
    snprintf(from, sizeof(from), "%lld", (long long)node_get_int(message, "from", 0));
    snprintf(offset, sizeof(offset), "%lld", (long long)node_get_int(message, "offset", 0));
    rq.path = path;
    add_query(&rq, "op", node_get_text(message, "op", ""));
    add_query(&rq, "folder", folder);
    add_query(&rq, "from", from);
    add_query(&rq, "offset", offset);
    add_query(&rq, "path", node_get_text(message, "path", ""));
    if (node_get_bool(message, "stopped", false))
        add_query(&rq, "stopped", "1");
    f = xcalloc(1, sizeof(*f));
    f->services = service->services;
    f->id = node_get_int(message, "id", 0);
    memcpy(f->name, service->name, sizeof(f->name));
    (void)call_tree(control, move->from, &rq, fetched, f);
    fault_at(FAULT_MOVE_FETCH);
}

bool services_state_message(struct service *service, struct node *message)
{
    const char *type = node_get_text(message, "type", "");

    if (strcmp(type, "state") == 0)
        answered(service, message);
    else if (strcmp(type, "fetch") == 0)
        fetch(service, message);
    else
        return false;
    return true;
}
