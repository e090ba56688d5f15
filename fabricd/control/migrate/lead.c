/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The founding host leads a move: asks the host that matters in the phase what it has, and commits
 * the next phase when that is what is wanted, or the failure when it will not be. What it knows
 * beside the row is when the phase began; a process that was restarted begins to count again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/migrate/migrate_internal.h"
#include "fabricd/control/services/services.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define TRIES    3
#define ASK_IDLE (50 * MTIME_MS) /* While nobody is without the service, … */
#define ASK_GAP  (5 * MTIME_MS)  /* … and while everybody is. */

void lead_free(struct lead *l)
{
    call_cancel(l->call);
    loop_timer_set(l->migrate->control->loop, &l->timer, MTIME_NEVER);
    list_remove(&l->link);
    free(l);
}

static void soon(struct lead *l, mtime_t wait)
{
    struct loop *loop = l->migrate->control->loop;

    loop_timer_set(loop, &l->timer, loop_now(loop) + wait);
}

/* --- the next phase ------------------------------------------------------------------------- */

static struct lead *find(const struct migrate *m, const char *service)
{
    list_for_each (it, &m->leads) {
        struct lead *l = list_entry(it, struct lead, link);

        if (strcmp(l->service, service) == 0)
            return l;
    }
    return NULL;
}

struct committing {
    struct migrate *migrate;
    char service[VIEW_NAME_SIZE];
    enum move_phase next;
};

static const enum fault_step decided[] = {[MOVE_STOP] = FAULT_MOVE_STOP,
                                          [MOVE_VERIFY] = FAULT_MOVE_SWITCH,
                                          [MOVE_DONE] = FAULT_MOVE_DONE,
                                          [MOVE_FAILED] = FAULT_MOVE_FAILED};
static const enum fault_step written[] = {[MOVE_STOP] = FAULT_MOVE_STOPPED,
                                          [MOVE_VERIFY] = FAULT_MOVE_SWITCHED,
                                          [MOVE_DONE] = FAULT_MOVE_DONE_COMMITTED,
                                          [MOVE_FAILED] = FAULT_MOVE_FAILED_COMMITTED};

static void committed(void *aux, struct change_result *result)
{
    struct committing *c = aux;
    struct lead *l = find(c->migrate, c->service);

    fault_at(written[c->next]);
    if (l != NULL) {
        l->committing = false;
        soon(l, ASK_IDLE);
    }
    if (result->status >= 400)
        log_warn("the move of service %s does not go on: %s", c->service, result->err.why);
    free(c);
}

static void commit(struct lead *l, enum move_phase next, int64_t gap_ms, const char *why)
{
    struct control *control = l->migrate->control;
    struct change *change = change_new(control_host(control), "daemon");
    struct committing *c = xcalloc(1, sizeof(*c));
    struct node *body = node_map();

    fault_at(decided[next]);
    c->migrate = l->migrate;
    c->next = next;
    memcpy(c->service, l->service, sizeof(c->service));
    node_set_text(body, "phase", move_phase_name(next));
    node_set_int(body, "number", l->number);
    if (gap_ms >= 0)
        node_set_int(body, "gap_ms", gap_ms);
    if (why != NULL)
        node_set_text(body, "why", why);
    change_add(change, CHANGE_MOVE, "service", NULL, l->service, body);
    l->committing = true;
    change_execute(control, change, committed, c);
}

static void give_up(struct lead *l, const char *why)
{
    log_warn("service %s does not move: %s", l->service, why);
    commit(l, MOVE_FAILED, -1, why);
}

/* --- what the hosts say --------------------------------------------------------------------- */

static bool is_well(const struct node *here)
{
    const char *health = node_get_text(here, "health", "");

    return strcmp(node_get_text(here, "state", ""), "running") == 0 &&
           (health[0] == '\0' || strcmp(health, "healthy") == 0);
}

/* It will not become well by waiting. */
static bool is_hopeless(const struct node *here)
{
    const char *state = node_get_text(here, "state", "");

    return strcmp(state, "refused") == 0 || strcmp(state, "failed") == 0 ||
           node_get_int(here, "restarts", 0) >= TRIES ||
           node_get_int(here, "copy_failures", 0) >= TRIES;
}

/* What is in the way of it there. */
static void take_reason(const struct node *here, char *out, size_t size)
{
    const char *problem = node_get_text(here, "problem", NULL);
    const char *end = node_get_text(here, "exit", NULL);
    const char *state = node_get_text(here, "state", "");

    if (problem != NULL && end != NULL && node_get_int(here, "restarts", 0) > 0)
        snprintf(out, size, "%.120s; its last end: %s", problem, end);
    else if (problem != NULL)
        snprintf(out, size, "%s", problem);
    else if (end != NULL && (strcmp(state, "backoff") == 0 || strcmp(state, "failed") == 0))
        snprintf(out, size, "its program ended: %s", end);
    else
        snprintf(out, size, "it is %s", state);
}

static void give_up_there(struct lead *l, const struct move *move)
{
    char why[320];

    snprintf(why, sizeof(why), "it does not run on host %s: %.200s", move->to, l->last);
    give_up(l, why);
}

static void heard_ready(struct lead *l, const struct move *move, const struct node *here)
{
    if (node_get_bool(here, "ready", false)) {
        l->gap_began = loop_now_fresh(l->migrate->control->loop);
        commit(l, node_get_bool(here, "holds", false) ? MOVE_STOP : MOVE_VERIFY, -1, NULL);
    } else if (is_hopeless(here)) {
        give_up_there(l, move);
    }
}

static void heard_stopped(struct lead *l, const struct move *move, const struct node *here)
{
    if (node_get_bool(here, "ready", false))
        commit(l, MOVE_VERIFY, -1, NULL);
    else if (is_hopeless(here))
        give_up_there(l, move);
}

/* Whether this host, too, would say that it runs: not of one that its host has no room to report. */
static bool is_told(const struct lead *l)
{
    const struct control *control = l->migrate->control;
    const struct view_service *service =
        view_service_in(control->view, STORE_FABRIC, l->service);

    return service == NULL || strcmp(services_state(control, service), "running") == 0;
}

/* The gap is over when it serves; the move, when it has gone on to do so for a while: the first who come
 * to a new instance are those who find out what is wrong with it. */
static void heard_well(struct lead *l, const struct move *move, const struct node *here)
{
    mtime_t now = loop_now_fresh(l->migrate->control->loop);
    bool serves =
        node_get_bool(here, "home", false) && node_get_bool(here, "serves", false);

    if (!serves)
        l->serves_since = 0;
    else if (l->serves_since == 0)
        l->serves_since = now;
    if (serves)
        soon(l, ASK_IDLE);
    if (serves && is_well(here) && now - l->serves_since >= MOVE_SETTLE &&
        (is_told(l) || now - l->serves_since >= 2 * MOVE_SETTLE)) {
        commit(l, MOVE_DONE,
               l->gap_began != 0 ? (l->serves_since - l->gap_began) / MTIME_MS : -1, NULL);
        log_info("service %s is on host %s", l->service, move->to);
    } else if (is_hopeless(here)) {
        give_up_there(l, move);
    }
}

static void answered(void *aux, int status, const struct node *here, const struct err *err)
{
    struct lead *l = aux;
    const struct move *move = migrate_find(l->migrate->control, l->service);

    fault_at(FAULT_MOVE_ANSWERED);
    l->call = NULL;
    soon(l, l->phase == MOVE_PREPARE ? ASK_IDLE : ASK_GAP);
    if (status >= 400 || here == NULL) {
        snprintf(l->last, sizeof(l->last), "%.230s", err != NULL ? err->why : "no answer");
        soon(l, ASK_IDLE);
        return;
    }
    if (move == NULL || move->phase != l->phase || move->number != l->number)
        return;
    l->heard = loop_now(l->migrate->control->loop);
    if (node_get_int(here, "progress", 0) != l->progress)
        l->began = l->heard;
    l->progress = node_get_int(here, "progress", 0);
    take_reason(here, l->last, sizeof(l->last));
    if (l->phase == MOVE_PREPARE)
        heard_ready(l, move, here);
    else if (l->phase == MOVE_STOP)
        heard_stopped(l, move, here);
    else
        heard_well(l, move, here);
}

/* --- time ----------------------------------------------------------------------------------- */

static mtime_t within(enum move_phase phase)
{
    return phase == MOVE_PREPARE ? MOVE_PREPARE_WITHIN
           : phase == MOVE_STOP  ? MOVE_STOP_WITHIN
                                 : MOVE_VERIFY_WITHIN;
}

/* How long a host may say nothing: where that is a gap, going back mends it. */
static mtime_t away_within(enum move_phase phase)
{
    return phase == MOVE_PREPARE ? MOVE_AWAY_WITHIN : MOVE_GAP_WITHIN;
}

static bool is_over(struct lead *l, mtime_t now)
{
    char why[320];

    if (now - l->heard < away_within(l->phase) && now - l->began < within(l->phase))
        return false;
    snprintf(why, sizeof(why), "it was not %s in time%s%.160s",
             l->phase == MOVE_PREPARE ? "ready"
             : l->phase == MOVE_STOP  ? "stopped and copied"
                                      : "well",
             l->last[0] != '\0' ? ": " : "", l->last);
    give_up(l, why);
    return true;
}

static void expired(struct loop_timer *timer, mtime_t now)
{
    struct lead *l = list_entry(timer, struct lead, timer);
    const struct move *move = migrate_find(l->migrate->control, l->service);
    char path[VIEW_NAME_SIZE + 24];
    struct call_request rq = {
        .method = "GET", .path = path, .read_only = true, .within = away_within(l->phase)};

    if (move == NULL || l->call != NULL || l->committing || is_over(l, now))
        return;
    snprintf(path, sizeof(path), "/v1/services/%s/here", l->service);
    l->call = call_tree(l->migrate->control, move->to, &rq, answered, l);
    fault_at(FAULT_MOVE_ASKED);
}

/* --- which ---------------------------------------------------------------------------------- */

static void follow(struct migrate *m, const struct move *move)
{
    struct lead *l = find(m, move->service);
    mtime_t now = loop_now(m->control->loop);

    if (l != NULL && l->number != move->number) {
        lead_free(l);
        l = NULL;
    }
    if (l == NULL) {
        l = xcalloc(1, sizeof(*l));
        l->migrate = m;
        l->number = move->number;
        l->phase = MOVE_NONE;
        l->timer.expired = expired;
        memcpy(l->service, move->service, sizeof(l->service));
        list_append(&m->leads, &l->link);
    }
    if (l->phase == move->phase)
        return;
    l->phase = move->phase;
    l->began = l->heard = now;
    l->serves_since = 0;
    l->last[0] = '\0';
    soon(l, 0);
}

/* A service that was removed takes its move along. */
static void drop_row(struct migrate *m, const struct move *move)
{
    struct store_op op = {.verb = STORE_DELETE,
                          .scope = STORE_FABRIC,
                          .kind = MOVE_KIND,
                          .network = "",
                          .name = move->service,
                          .expect = STORE_ANY};
    struct err err = {.why = ""};

    if (store_commit(m->control->store, &op, 1, NULL, NULL, &err) < 0)
        log_warn("the move of service %s is not forgotten: %s", move->service, err.why);
}

void lead_all(struct migrate *m)
{
    if (!m->control->id.founder)
        return;
    list_for_each_safe (it, &m->leads) {
        struct lead *l = list_entry(it, struct lead, link);
        const struct move *move = migrate_find(m->control, l->service);

        if (move == NULL || move->phase >= MOVE_DONE)
            lead_free(l);
    }
    list_for_each_safe (it, &m->moves) {
        const struct move *move = list_entry(it, struct move, link);

        if (view_service_in(m->control->view, STORE_FABRIC, move->service) == NULL)
            drop_row(m, move);
        else if (move->phase < MOVE_DONE)
            follow(m, move);
    }
}
