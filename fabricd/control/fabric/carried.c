/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/fabric/carried.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fabricd/control/fabric/call.h"
#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "proto/base/xalloc.h"

struct carried {
    struct list link;
    struct member *member;
    struct loop_timer late;
    uint64_t revision;
    void (*done)(void *aux);
    void *aux;
};

static void finish(struct carried *w)
{
    list_remove(&w->link);
    loop_timer_set(w->member->control->loop, &w->late, MTIME_NEVER);
    w->done(w->aux);
    free(w);
}

static void too_late(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    finish(list_entry(timer, struct carried, late));
}

void carried_here(struct control *control, uint64_t revision, void (*done)(void *aux),
                  void *aux)
{
    struct member *m = control->member;
    struct carried *w;

    if (m == NULL || control->id.founder || m->follower.at.revision >= revision) {
        reconcile_settle(control->reconcile, done, aux);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    *w = (struct carried){.member = m, .revision = revision, .done = done, .aux = aux};
    w->late.expired = too_late;
    list_append(&m->carried, &w->link);
    loop_timer_set(control->loop, &w->late, loop_now(control->loop) + CARRIED_WITHIN);
}

void carried_look(struct member *m)
{
    list_for_each_safe (it, &m->carried) {
        struct carried *w = list_entry(it, struct carried, link);

        if (m->follower.at.revision < w->revision)
            continue;
        list_remove(&w->link);
        loop_timer_set(m->control->loop, &w->late, MTIME_NEVER);
        reconcile_settle(m->control->reconcile, w->done, w->aux);
        free(w);
    }
}

void carried_end(struct member *m)
{
    while (!list_empty(&m->carried))
        finish(list_entry(m->carried.next, struct carried, link));
}

/* --- another host --------------------------------------------------------------------------- */

struct asked {
    void (*done)(void *aux);
    void *aux;
};

static void answered(void *aux, int status, const struct node *body, const struct err *why)
{
    struct asked asked = *(struct asked *)aux;

    (void)status;
    (void)body;
    (void)why;
    free(aux);
    asked.done(asked.aux);
}

void carried_there(struct control *control, const char *host, uint64_t revision,
                   void (*done)(void *aux), void *aux)
{
    const struct view_host *other = view_host(control->view, host);
    char text[24];
    struct call_request rq = {.method = "GET",
                              .path = "/v1/status",
                              .query = {{"revision", text}},
                              .n_query = 1,
                              .read_only = true,
                              .within = CARRIED_WITHIN + MTIME_SEC};
    struct asked *asked;

    if (other == NULL || !seen_alive(control, other->number)) {
        done(aux);
        return;
    }
    snprintf(text, sizeof(text), "%" PRIu64, revision);
    asked = xcalloc(1, sizeof(*asked));
    *asked = (struct asked){.done = done, .aux = aux};
    (void)call_tree(control, host, &rq, answered, asked);
}
