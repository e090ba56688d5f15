/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/services/services.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/events/events.h"
#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/services/services_internal.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/node.h"

#define RETRY    (2 * MTIME_SEC)
#define END_WAIT (8 * MTIME_SEC) /* A keeper gives its program five. */

struct service *service_find(const struct services *services, const char *name)
{
    list_for_each (it, &services->list) {
        struct service *service = list_entry(it, struct service, link);
        if (strcmp(service->name, name) == 0)
            return service;
    }
    return NULL;
}

struct service *service_get(struct services *services, const char *name)
{
    struct service *service = service_find(services, name);

    if (service != NULL)
        return service;
    service = xcalloc(1, sizeof(*service));
    service->services = services;
    memcpy(service->name, name, strnlen(name, sizeof(service->name) - 1));
    list_append(&services->list, &service->link);
    return service;
}

static void free_service(struct service *service)
{
    if (service->conn != NULL)
        keeper_drop(service->conn);
    list_remove(&service->link);
    free(service->told);
    free(service);
}

static void retry_later(struct services *services, mtime_t at)
{
    if (services->retry.index == 0 || at < services->retry.due)
        loop_timer_set(services->control->loop, &services->retry, at);
}

/* Others are told. */
static void noticed(struct control *control)
{
    if (control->member_ops != NULL && control->member_ops->noticed != NULL)
        control->member_ops->noticed(control);
    standing_noticed(control->standing);
}

/* --- what it waits for ---------------------------------------------------------------------- */

static bool is_down(const char *state)
{
    return strcmp(state, "stopped") == 0 || strcmp(state, "failed") == 0 ||
           strcmp(state, "refused") == 0;
}

/* Why the service may not run now for those that it names under the key; false if it may. */
static bool waits(struct service *service, const struct view_service *wanted,
                  const char *key)
{
    const struct control *control = service->services->control;
    const struct node *list = node_get(wanted->body, key);
    bool requires = strcmp(key, "requires") == 0;

    for (size_t i = 0; list != NULL && i < list->n; i++) {
        const char *name = list->child[i]->text;
        const struct view_service *other = view_service(control->view, name);
        const char *state = other != NULL ? services_state(control, other) : "stopped";
        bool idle = other == NULL || !node_get_bool(other->body, "run", true);

        if (strcmp(state, "running") == 0 || (!requires && idle))
            continue;
        /* One that runs goes on while another is on its way up again. */
        if (service->has_keeper && !service->ending && (!requires || !is_down(state)))
            continue;
        snprintf(service->why, sizeof(service->why), "%s service %s, which %s",
                 requires ? "requires" : "comes after", name,
                 other == NULL ? "does not exist" : "is not running");
        service->waits = true;
        return true;
    }
    return false;
}

/* Whether the service is to have a keeper now; else service->why says why not. */
static bool may_run(struct service *service, const struct view_service *wanted)
{
    const struct services *services = service->services;

    service->why[0] = '\0';
    service->waits = false;
    if (!node_get_bool(wanted->body, "run", true))
        return false;
    if (!services_asked_here(services->control, wanted) && services->foreign == (uid_t)-1) {
        snprintf(service->why, sizeof(service->why),
                 "another host asks for it, and fabricd runs here without --services USER");
        return false;
    }
    return !waits(service, wanted, "requires") && !waits(service, wanted, "after");
}

/* --- carrying it out ------------------------------------------------------------------------ */

static void started(void *aux, struct ipc_message *reply)
{
    struct service *service = aux;
    struct services *services = service->services;

    service->asked = false;
    if (reply != NULL && reply->head.type == IPC_SERVICE) {
        service->failure[0] = '\0';
        services_learn(services, &reply->body.service);
        return;
    }
    if (reply == NULL || reply->head.type != IPC_REPLY)
        return;
    service->again = loop_now(services->control->loop) + RETRY;
    /* One that survived a whole daemon is about to come. */
    if (reply->body.reply.code == -EBUSY) {
        service->again = loop_now(services->control->loop) + RETRY / 10;
    } else if (strcmp(service->failure, reply->body.reply.why) != 0) {
        snprintf(service->failure, sizeof(service->failure), "%.230s",
                 reply->body.reply.why);
        log_warn("service %s: %s", service->name, service->failure);
        noticed(services->control);
    }
    retry_later(services, service->again);
}

void fault_moving(const struct service *service, enum migrate_role role,
                  enum fault_step step)
{
    if (migrate_role(service->services->control, service->name) == role)
        fault_at(step);
}

static void start_keeper(struct service *service, const struct view_service *wanted)
{
    struct services *services = service->services;
    struct ipc_start_service ask = {.foreign =
                                        !services_asked_here(services->control, wanted)};

    if (service->asked)
        return;
    if (service->again > loop_now(services->control->loop)) {
        retry_later(services, service->again);
        return;
    }
    memcpy(ask.name, service->name, sizeof(ask.name));
    service->asked = true;
    chan_ask(&services->control->parent, IPC_START_SERVICE, &ask, 0, started, service);
    fault_moving(service, MIGRATE_READY, FAULT_MOVE_KEEPER_ASKED);
}

static bool has_state(const struct view_service *wanted)
{
    const struct node *state = node_get(wanted->body, "state");

    return state != NULL && state->n > 0;
}

/* One with state does not run here while it moves: its state is copied first. */
static bool holds(const struct service *service, const struct view_service *wanted)
{
    return has_state(wanted) &&
           migrate_role(service->services->control, service->name) != MIGRATE_NOTHING;
}

/* How many passes over its state are wanted of a keeper: one while the service runs where it was,
 * one more when it has stopped there. */
static int64_t copies(const struct service *service, const struct view_service *wanted)
{
    const struct control *control = service->services->control;
    const struct move *move = migrate_find(control, service->name);

    if (!has_state(wanted) || migrate_role(control, service->name) != MIGRATE_READY)
        return 0;
    return move->phase == MOVE_PREPARE ? 1 : 2;
}

static void tell(struct service *service, const struct view_service *wanted)
{
    struct node *message = node_map();
    char *text;

    node_set_text(message, "type", "want");
    node_set_int(message, "restarts", node_get_int(wanted->body, "_restarts", 0));
    if (holds(service, wanted))
        node_set_bool(message, "hold", true);
    if (copies(service, wanted) > 0) {
        node_set_int(message, "copy", copies(service, wanted));
        node_set_int(message, "move",
                     migrate_find(service->services->control, service->name)->number);
    }
    node_set_int(message, "revision", (int64_t)wanted->revision);
    node_set(message, "service", node_copy(wanted->body));
    text = node_to_json(message, 0);
    node_free(message);
    if (service->told != NULL && strcmp(service->told, text) == 0) {
        free(text);
        return;
    }
    if (!keeper_say(service, text)) {
        free(text);
        retry_later(service->services, loop_now(service->services->control->loop) + RETRY);
        return;
    }
    free(service->told);
    service->told = text;
    fault_moving(service, MIGRATE_READY, FAULT_MOVE_KEEPER_TOLD);
    fault_moving(service, MIGRATE_END, FAULT_MOVE_HOLD_TOLD);
}

static void end_keeper(struct service *service)
{
    /* The log of one that only went to another host stays. */
    const char *text = view_service(service->services->control->view, service->name) == NULL
                           ? "{\"type\":\"end\",\"forget\":true}"
                           : "{\"type\":\"end\"}";
    struct services *services = service->services;
    struct ipc_delete del = {.type = IPC_SERVICE, .id = ipc_service_id(service->name)};
    mtime_t now = loop_now(services->control->loop);

    if (!service->ending)
        service->end_by = now + END_WAIT;
    service->ending = true;
    if (service->conn != NULL &&
        (service->told == NULL || strcmp(service->told, text) != 0) &&
        keeper_say(service, text)) {
        free(service->told);
        service->told = xstrdup(text);
        if (migrate_find(services->control, service->name) != NULL)
            fault_at(FAULT_MOVE_END_TOLD);
    }
    if (now >= service->end_by) {
        log_warn("service %s: its keeper does not end, killing it", service->name);
        chan_send(&services->control->parent, IPC_DELETE, &del, NULL, 0);
        service->end_by = now + END_WAIT;
    }
    retry_later(services, service->end_by);
}

static void run_service(struct services *services, const struct view_service *wanted)
{
    struct service *service = service_get(services, wanted->name);

    service->placed = true;
    if (!may_run(service, wanted)) {
        if (service->has_keeper)
            end_keeper(service);
        return;
    }
    /* One that was told to end goes first. */
    if (service->ending && service->has_keeper) {
        end_keeper(service);
        return;
    }
    if (!service->has_keeper)
        start_keeper(service, wanted);
    else if (service->conn != NULL)
        tell(service, wanted);
}

/* It is placed here, or on its way here. */
static bool is_for_here(const struct control *control, const struct view_service *wanted)
{
    return strcmp(wanted->host, control_host(control)) == 0 ||
           migrate_role(control, wanted->name) == MIGRATE_READY;
}

/* It is not this host's any more, or not at all. */
static void forget(struct service *service)
{
    struct control *control = service->services->control;
    char name[VIEW_NAME_SIZE];

    memcpy(name, service->name, sizeof(name));
    free_service(service);
    if (view_service(control->view, name) == NULL)
        services_forget_asked(control, name);
}

static void run(struct loop_timer *timer, mtime_t now)
{
    struct services *services = list_entry(timer, struct services, run);
    struct control *control = services->control;

    (void)now;
    if (!reconcile_ready(control->reconcile) || !chan_up(&control->parent))
        return;
    list_for_each (it, &services->list)
        list_entry(it, struct service, link)->placed = false;
    list_for_each (it, &control->view->services) {
        const struct view_service *wanted = list_entry(it, struct view_service, link);

        if (is_for_here(control, wanted) &&
            view_service(control->view, wanted->name) == wanted)
            run_service(services, wanted);
    }
    list_for_each_safe (it, &services->list) {
        struct service *service = list_entry(it, struct service, link);

        if (service->placed)
            continue;
        if (service->has_keeper)
            end_keeper(service);
        else if (!service->asked)
            forget(service);
    }
}

void services_kick(struct services *services)
{
    if (services != NULL)
        loop_timer_set(services->control->loop, &services->run,
                       loop_now(services->control->loop));
}

static void retry(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    services_kick(list_entry(timer, struct services, retry));
}

static void committed(struct store_watch *watch, uint64_t revision,
                      const struct store_object *changes, size_t n)
{
    (void)revision;
    (void)changes;
    (void)n;
    services_kick(list_entry(watch, struct services, watch));
}

/* --- what is told --------------------------------------------------------------------------- */

void service_changed(struct service *service, const char *was)
{
    struct control *control = service->services->control;

    if (strcmp(service->seen.state, was) != 0)
        events_service(control, service->name, service->seen.state);
    noticed(control);
    services_kick(service->services);
}

void services_learn(struct services *services, const struct ipc_service *body)
{
    struct service *service;

    if (services == NULL)
        return;
    service = service_get(services, body->name);
    service->has_keeper = true;
    service->pid = body->pid;
    service->uid = body->uid;
    service->asked = false;
    fault_moving(service, MIGRATE_READY, FAULT_MOVE_KEEPER_THERE);
    services_kick(services);
}

void services_gone(struct services *services, const struct ipc_service *body)
{
    struct service *service = services != NULL ? service_find(services, body->name) : NULL;

    if (service == NULL || service->pid != body->pid)
        return;
    if (service->conn != NULL)
        keeper_drop(service->conn);
    if (!service->ending) {
        log_warn("service %s: its keeper is gone", service->name);
        service->again = loop_now(services->control->loop) + RETRY / 10;
    }
    if (migrate_find(services->control, service->name) != NULL)
        fault_at(FAULT_MOVE_KEEPER_GONE);
    service->has_keeper = service->ending = false;
    service->pid = 0;
    service->copy_move = service->copied = service->copy_failures = service->progress = 0;
    service->up = false;
    memset(&service->seen, 0, sizeof(service->seen));
    events_service(services->control, service->name, "stopped");
    noticed(services->control);
    services_kick(services);
}

/* --- what others ask ------------------------------------------------------------------------ */

bool services_is_keeper(const struct control *control, const struct fd_peer *peer,
                        const char *network, const char *name)
{
    const struct view_service *wanted = view_service_of(control->view, network, name);
    const struct service *service =
        control->services != NULL ? service_find(control->services, name) : NULL;

    return wanted != NULL && service != NULL && service->has_keeper && !service->ending &&
           service->pid == (uint32_t)peer->pid &&
           (strcmp(wanted->host, control_host(control)) == 0 ||
            migrate_role(control, name) == MIGRATE_READY);
}

bool services_is_user(const struct control *control, uid_t uid)
{
    return control->services != NULL && uid == control->services->foreign &&
           uid != (uid_t)-1;
}

static void own(const struct control *control, const struct view_service *wanted,
                struct sync_seen_service *out)
{
    const struct service *service =
        control->services != NULL ? service_find(control->services, wanted->name) : NULL;
    const char *state = "stopped";

    *out = service != NULL && service->has_keeper ? service->seen
                                                  : (struct sync_seen_service){.name = ""};
    memcpy(out->name, wanted->name, sizeof(out->name));
    if (service != NULL && (service->why[0] != '\0' || service->failure[0] != '\0'))
        snprintf(out->problem, sizeof(out->problem), "%s",
                 service->why[0] != '\0' ? service->why : service->failure);
    if (out->state[0] != '\0')
        return;
    if (node_get_bool(wanted->body, "run", true))
        state = service == NULL               ? "starting"
                : service->waits              ? "waiting"
                : service->why[0] != '\0'     ? "refused"
                : service->failure[0] != '\0' ? "failed"
                                              : "starting";
    snprintf(out->state, sizeof(out->state), "%s", state);
}

/* Whether what the phase wants of an instance that comes here is done. What a keeper says that is to
 * end, or said of another move, does not count. */
static bool is_ready(const struct service *service, const struct view_service *wanted,
                     const struct sync_seen_service *seen)
{
    const struct control *control = service->services->control;

    if (migrate_role(control, wanted->name) != MIGRATE_READY || !service->has_keeper ||
        service->ending)
        return false;
    if (has_state(wanted))
        return service->copy_move == migrate_find(control, wanted->name)->number &&
               service->copied >= copies(service, wanted);
    return strcmp(seen->state, "running") == 0 &&
           (seen->health[0] == '\0' || strcmp(seen->health, "healthy") == 0);
}

struct node *services_here(const struct control *control, const struct view_service *wanted)
{
    const struct view_endpoint *ep =
        view_endpoint(control->view, wanted->network, wanted->name);
    const struct service *service =
        control->services != NULL ? service_find(control->services, wanted->name) : NULL;
    const struct move *move = migrate_find(control, wanted->name);
    struct node *node = node_map();
    struct sync_seen_service seen;
    bool ready, serves, copying;

    own(control, wanted, &seen);
    if (service != NULL && service->ending) /* What was before it is none of this one's. */
        seen = (struct sync_seen_service){.state = "starting"};
    copying = move != NULL && service != NULL && service->copy_move == move->number;
    ready = service != NULL && is_ready(service, wanted, &seen);
    serves = service != NULL && service->up && !service->ending &&
             (seen.health[0] == '\0' || strcmp(seen.health, "healthy") == 0);
    node_set_text(node, "name", wanted->name);
    node_set_text(node, "state", seen.state);
    if (seen.health[0] != '\0')
        node_set_text(node, "health", seen.health);
    if (seen.problem[0] != '\0')
        node_set_text(node, "problem", seen.problem);
    else if (service != NULL && holds(service, wanted) && !ready)
        node_set_text(node, "problem",
                      service->trouble[0] != '\0' ? service->trouble
                                                  : "its state is being copied");
    if (seen.exit[0] != '\0')
        node_set_text(node, "exit", seen.exit);
    node_set_int(node, "restarts", seen.restarts);
    node_set_bool(node, "serves", serves);
    node_set_bool(node, "ready", ready);
    if (ready)
        fault_at(FAULT_MOVE_READY);
    node_set_bool(node, "holds", has_state(wanted));
    node_set_int(node, "copy_failures", copying ? service->copy_failures : 0);
    node_set_int(node, "progress", copying ? service->progress : 0);
    node_set_bool(node, "home", ep != NULL && strcmp(ep->host, control_host(control)) == 0);
    return node;
}

/* For others: what it was before it was changed does not count. */
static void own_now(const struct control *control, const struct view_service *wanted,
                    struct sync_seen_service *out)
{
    const struct service *service =
        control->services != NULL ? service_find(control->services, wanted->name) : NULL;

    own(control, wanted, out);
    if (service == NULL || !service->has_keeper || service->why[0] != '\0' ||
        service->heard == wanted->revision || !node_get_bool(wanted->body, "run", true))
        return;
    snprintf(out->state, sizeof(out->state), "starting");
    out->exit[0] = out->problem[0] = '\0';
}

void services_tell(const struct control *control, const struct view_service *wanted,
                   struct sync_seen_service *out)
{
    own_now(control, wanted, out);
}

/* Of a service that its host has told nothing of: it has not been told of it yet, or is not there. */
static void untold(const struct control *control, const struct view_service *wanted,
                   struct sync_seen_service *out)
{
    const struct view_host *host = view_host(control->view, wanted->host);
    bool joined = host != NULL && host->number != 0;

    *out = (struct sync_seen_service){.state = "starting"};
    if (joined && seen_of(control->seen, host->number) != NULL)
        return;
    snprintf(out->state, sizeof(out->state), "unknown");
    snprintf(out->problem, sizeof(out->problem), "host %.64s %s", wanted->host,
             joined ? "is not reached" : "has not joined");
}

/* What is known of the service, wherever it is. */
static void look(const struct control *control, const struct view_service *wanted,
                 struct sync_seen_service *out)
{
    const struct sync_seen_service *told;

    if (strcmp(wanted->host, control_host(control)) == 0) {
        own_now(control, wanted, out);
        return;
    }
    told = seen_service(control, wanted);
    if (told != NULL)
        *out = *told;
    else
        untold(control, wanted, out);
}

const char *services_state(const struct control *control, const struct view_service *wanted)
{
    static const char *const words[] = {"running",   "starting", "backoff",
                                        "stopping",  "stopped",  "failed",
                                        "unhealthy", "waiting",  "refused"};
    struct sync_seen_service seen;

    look(control, wanted, &seen);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(seen.state, words[i]) == 0)
            return words[i];
    }
    return "unknown";
}

enum services_verdict services_judge(const struct control *control,
                                     const struct view_service *wanted, char *why,
                                     size_t size)
{
    static const char *const bad[] = {"failed", "unhealthy", "refused", "backoff"};
    struct sync_seen_service seen;
    bool ended;

    look(control, wanted, &seen);
    ended = strcmp(seen.state, "backoff") == 0 || strcmp(seen.state, "failed") == 0;
    if (seen.problem[0] != '\0' && !ended)
        snprintf(why, size, "%s", seen.problem);
    else if (seen.problem[0] == '\0' && seen.exit[0] != '\0' && ended)
        snprintf(why, size, "its program ended: %s", seen.exit);
    else
        snprintf(why, size, "it is %s%s%s", seen.state, seen.problem[0] != '\0' ? ": " : "",
                 seen.problem);
    if (strcmp(seen.state, "running") == 0 ||
        (strcmp(seen.state, "stopped") == 0 &&
         (seen.exit[0] != '\0' || !node_get_bool(wanted->body, "run", true))))
        return SERVICES_WELL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        /* Where a check has the last word one end may be an accident of the start. */
        if (strcmp(seen.state, bad[i]) == 0 &&
            (strcmp(bad[i], "backoff") != 0 || seen.health[0] == '\0' ||
             seen.restarts >= 3))
            return SERVICES_BAD;
    }
    return SERVICES_YET;
}

struct node *services_status(const struct control *control,
                             const struct view_service *wanted)
{
    struct sync_seen_service seen;
    struct node *status = node_map();
    const struct service *service =
        control->services != NULL ? service_find(control->services, wanted->name) : NULL;
    const struct move *move = migrate_find(control, wanted->name);

    look(control, wanted, &seen);
    node_set_text(status, "state", services_state(control, wanted));
    node_set_text(status, "host", wanted->host);
    if (move != NULL && move->phase < MOVE_DONE)
        node_set_text(status, "moving", move->to);
    if (seen.health[0] != '\0')
        node_set_text(status, "health", seen.health);
    if (seen.pid != 0)
        node_set_int(status, "pid", seen.pid);
    node_set_int(status, "restarts", seen.restarts);
    if (seen.since > 0)
        node_set_int(status, "since", seen.since);
    if (strcmp(wanted->host, control_host(control)) == 0 && service != NULL &&
        service->starts_at > 0 && strcmp(seen.state, "backoff") == 0)
        node_set_int(status, "starts_at", service->starts_at);
    if (seen.exit[0] != '\0')
        node_set_text(status, "exit", seen.exit);
    if (seen.problem[0] != '\0')
        node_set_text(status, "problem", seen.problem);
    return status;
}

/* --- life ----------------------------------------------------------------------------------- */

static uid_t user_of(const char *name)
{
    char room[4096];
    struct passwd pw, *found = NULL;

    if (name[0] == '\0' || getpwnam_r(name, &pw, room, sizeof(room), &found) != 0 ||
        found == NULL)
        return (uid_t)-1;
    return pw.pw_uid;
}

struct services *services_new(struct control *control, int sock, struct err *err)
{
    struct services *services = xcalloc(1, sizeof(*services));
    int r;

    services->control = control;
    services->foreign = user_of(control->start.services);
    services->run.expired = run;
    services->retry.expired = retry;
    list_init(&services->asked);
    list_init(&services->list);
    list_init(&services->conns);
    services->watch.changed = committed;
    store_watch_add(control->store, &services->watch);
    r = keepers_open(services, sock);
    if (r < 0) {
        err_set(err, r, "the socket of services cannot be watched: %s", err_text(r));
        fd_close(&sock);
        services_free(services);
        return NULL;
    }
    return services;
}

void services_free(struct services *services)
{
    if (services == NULL)
        return;
    store_watch_remove(&services->watch);
    loop_timer_set(services->control->loop, &services->run, MTIME_NEVER);
    loop_timer_set(services->control->loop, &services->retry, MTIME_NEVER);
    services_state_free(services);
    keepers_close(services);
    list_for_each_safe (it, &services->list)
        free_service(list_entry(it, struct service, link));
    free(services);
}
