/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The moves that there are, and who waits for their end. */
#include "fabricd/control/migrate/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/migrate/migrate_internal.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

static const char *const phases[] = {"prepare", "stop", "verify", "done", "failed"};

enum move_phase move_phase(const struct node *node)
{
    const char *text = node_get_text(node, "phase", "");

    for (unsigned i = 0; i < MOVE_NONE; i++) {
        if (strcmp(phases[i], text) == 0)
            return (enum move_phase)i;
    }
    return MOVE_NONE;
}

const char *move_phase_name(enum move_phase phase)
{
    return phase < MOVE_NONE ? phases[phase] : "";
}

/* --- the mirror of the store ---------------------------------------------------------------- */

static struct move *find(const struct migrate *m, const char *service)
{
    list_for_each (it, &m->moves) {
        struct move *move = list_entry(it, struct move, link);

        if (strcmp(move->service, service) == 0)
            return move;
    }
    return NULL;
}

static void forget(struct move *move)
{
    if (move == NULL)
        return;
    list_remove(&move->link);
    free(move);
}

static const enum fault_step seen[] = {[MOVE_PREPARE] = FAULT_MOVE_SEEN_PREPARE,
                                       [MOVE_STOP] = FAULT_MOVE_SEEN_STOP,
                                       [MOVE_VERIFY] = FAULT_MOVE_SEEN_SWITCH,
                                       [MOVE_DONE] = FAULT_MOVE_SEEN_DONE,
                                       [MOVE_FAILED] = FAULT_MOVE_SEEN_FAILED};

static void learn(struct migrate *m, const struct store_object *object)
{
    struct move *move = find(m, object->name);
    struct diags diags;
    struct node *body;

    if (object->body == NULL) {
        forget(move);
        return;
    }
    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (move == NULL) {
        move = xcalloc(1, sizeof(*move));
        list_append(&m->moves, &move->link);
    }
    snprintf(move->service, sizeof(move->service), "%s", object->name);
    snprintf(move->from, sizeof(move->from), "%s", node_get_text(body, "from", ""));
    snprintf(move->to, sizeof(move->to), "%s", node_get_text(body, "to", ""));
    snprintf(move->why, sizeof(move->why), "%s", node_get_text(body, "why", ""));
    move->phase = move_phase(body);
    move->number = node_get_int(body, "number", 0);
    move->back = node_get_int(body, "back", 0);
    move->gap_ms = node_get_int(body, "gap_ms", -1);
    node_free(body);
    if (move->phase < MOVE_NONE)
        fault_at(seen[move->phase]);
}

const struct move *migrate_find(const struct control *control, const char *service)
{
    return control->migrate != NULL ? find(control->migrate, service) : NULL;
}

enum migrate_role migrate_role(const struct control *control, const char *service)
{
    const struct move *move = migrate_find(control, service);
    const char *here = control_host(control);

    if (move == NULL || move->phase > MOVE_STOP)
        return MIGRATE_NOTHING;
    if (strcmp(move->to, here) == 0)
        return MIGRATE_READY;
    return move->phase == MOVE_STOP && strcmp(move->from, here) == 0 ? MIGRATE_END
                                                                     : MIGRATE_NOTHING;
}

/* --- who waits ------------------------------------------------------------------------------ */

struct waiter {
    struct list link;
    struct migrate *migrate;
    char service[VIEW_NAME_SIZE];
    int64_t number;
    change_done_fn *done;
    void *aux;
};

static struct node *outcome(const struct move *move)
{
    struct node *node = node_map();

    node_set_text(node, "name", move->service);
    node_set_text(node, "from", move->from);
    node_set_text(node, "to", move->to);
    if (move->gap_ms >= 0)
        node_set_int(node, "gap_ms", move->gap_ms);
    return node;
}

static void tell(struct waiter *w, const struct move *move)
{
    const struct view_service *service =
        view_service_in(w->migrate->control->view, STORE_FABRIC, w->service);
    struct change_result result;

    change_result_init(&result);
    if (move == NULL || service == NULL) {
        change_fail(&result, 404, "service %s was removed meanwhile", w->service);
    } else if (move->phase == MOVE_FAILED) {
        change_fail(&result, 409, "%s; it is on host %s still", move->why, service->host);
    } else {
        result.status = 200;
        result.value = outcome(move);
    }
    list_remove(&w->link);
    w->done(w->aux, &result);
    change_result_done(&result);
    free(w);
}

static void tell_waiters(struct migrate *m)
{
    list_for_each_safe (it, &m->waiters) {
        struct waiter *w = list_entry(it, struct waiter, link);
        const struct move *move = find(m, w->service);

        if (move == NULL || move->phase >= MOVE_DONE ||
            (move->number != w->number && move->back != w->number))
            tell(w, move);
    }
}

static void started(void *aux, struct change_result *result)
{
    struct waiter *w = aux;
    struct migrate *m = w->migrate;

    if (result->status >= 400 || result->value == NULL) {
        w->done(w->aux, result);
        free(w);
        return;
    }
    fault_at(FAULT_MOVE_BEGUN);
    w->number = node_get_int(result->value, "number", 0);
    list_append(&m->waiters, &w->link);
    loop_timer_set(m->control->loop, &m->run, loop_now(m->control->loop));
}

void migrate_start(struct control *control, struct change *change, const char *service,
                   const char *to, change_done_fn *done, void *aux)
{
    struct waiter *w = xcalloc(1, sizeof(*w));
    struct node *body = node_map();

    w->migrate = control->migrate;
    w->done = done;
    w->aux = aux;
    snprintf(w->service, sizeof(w->service), "%s", service);
    node_set_text(body, "phase", move_phase_name(MOVE_PREPARE));
    node_set_text(body, "to", to);
    change_add(change, CHANGE_MOVE, "service", NULL, service, body);
    change_execute(control, change, started, w);
}

/* --- life ----------------------------------------------------------------------------------- */

static void run(struct loop_timer *timer, mtime_t now)
{
    struct migrate *m = list_entry(timer, struct migrate, run);

    (void)now;
    lead_all(m);
    tell_waiters(m);
}

static void committed(struct store_watch *watch, uint64_t revision,
                      const struct store_object *changes, size_t n)
{
    struct migrate *m = list_entry(watch, struct migrate, watch);

    (void)revision;
    for (size_t i = 0; i < n; i++) {
        if (changes[i].scope == STORE_FABRIC && strcmp(changes[i].kind, MOVE_KIND) == 0)
            learn(m, &changes[i]);
    }
    loop_timer_set(m->control->loop, &m->run, loop_now(m->control->loop));
}

static int each_row(void *aux, const struct store_object *object)
{
    learn(aux, object);
    return 0;
}

struct migrate *migrate_new(struct control *control)
{
    struct migrate *m = xcalloc(1, sizeof(*m));

    m->control = control;
    list_init(&m->moves);
    list_init(&m->leads);
    list_init(&m->waiters);
    m->run.expired = run;
    m->watch.changed = committed;
    store_watch_add(control->store, &m->watch);
    if (store_each(control->store, STORE_FABRIC, MOVE_KIND, "", each_row, m) < 0)
        log_error("the moves of services cannot be read");
    loop_timer_set(control->loop, &m->run, loop_now(control->loop));
    return m;
}

void migrate_free(struct migrate *m)
{
    if (m == NULL)
        return;
    loop_timer_set(m->control->loop, &m->run, MTIME_NEVER);
    store_watch_remove(&m->watch);
    while (!list_empty(&m->leads))
        lead_free(list_entry(list_first(&m->leads), struct lead, link));
    list_for_each_safe (it, &m->waiters) {
        struct waiter *w = list_entry(it, struct waiter, link);
        struct change_result result;

        change_result_init(&result);
        change_fail(&result, 503, "the daemon ends; the move of service %s goes on with it",
                    w->service);
        list_remove(&w->link);
        w->done(w->aux, &result);
        change_result_done(&result);
        free(w);
    }
    list_for_each_safe (it, &m->moves)
        forget(list_entry(it, struct move, link));
    free(m);
}
