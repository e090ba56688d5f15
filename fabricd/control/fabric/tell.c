/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reports of what hosts see: each tells the founder, and the founder tells all. Level-triggered:
 * whenever something may have changed, the report is made anew and compared with the last one. At
 * most one round in TELL_EVERY; a stream that is behind is passed over, and made good later.
 */
#include <stdlib.h>

#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/services/services.h"
#include "fabricd/control/trial/settling.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"

#define TELL_EVERY   (1 * MTIME_SEC)
#define TELL_TRIAL   (10 * MTIME_MS)  /* The same while an apply stands on trial. */
#define TELL_REFRESH (20 * MTIME_SEC) /* Round-trip times are asked for and told anew. */
#define TELL_BEHIND  (256u * 1024)    /* Bytes waiting in a stream. */

/* The next round is due so long after the last one, or earlier. */
static void due_after(struct member *m, mtime_t wait)
{
    mtime_t now = loop_now(m->control->loop), due = m->told_at + wait;

    due = due > now ? due : now;
    if (m->tell.index == 0 || due < m->tell.due) {
        loop_timer_set(m->control->loop, &m->tell, due);
    }
}

/* An apply is being verified, and what this host has of it is done: whoever verifies it waits for that. */
static bool is_awaited(const struct control *control)
{
    return reconcile_steady(control->reconcile) && settling_is_known(control->settling) &&
           standing_is_verified(control);
}

void tell_kick(struct control *control)
{
    settling_kick(control->settling);
    if (control->member && control->view->n_hosts > 1)
        due_after(control->member, is_awaited(control) ? TELL_TRIAL : TELL_EVERY);
}

/* The revision of the founder's store that has been carried out here. */
static uint64_t carried_out(const struct member *m)
{
    const struct control *control = m->control;

    if (!reconcile_steady(control->reconcile) ||
        (standing_is_verified(control) && !settling_is_known(control->settling)))
        return m->own_seen.revision;
    return control->id.founder ? store_revision(control->store) : m->follower.at.revision;
}

/* --- sending -------------------------------------------------------------------------------- */

static void send_report(struct member_conn *c, const struct sync_seen *report)
{
    struct sync_message message = {.type = SYNC_SEEN, .u.seen = *report};

    if (member_send(c, &message) < 0)
        log_debug("a report for host %u could not be sent", c->host);
}

static void send_if_theirs_not(void *aux, const struct sync_seen *report)
{
    struct member_conn *c = aux;

    if (report->host != c->host)
        send_report(c, report);
}

/* Everything that the founder knows, to a follower. */
static void tell_everything(struct member_conn *c)
{
    c->tell_all = false;
    send_report(c, &c->member->own_seen);
    seen_each(c->member->control->seen, send_if_theirs_not, c);
}

static bool is_changed(const struct member *m, uint16_t host)
{
    for (unsigned i = 0; i < m->n_changed_seen; i++) {
        if (m->changed_seen[i] == host)
            return true;
    }
    return false;
}

static void tell_changes(struct member_conn *c)
{
    const struct member *m = c->member;

    if (is_changed(m, m->control->id.self.host))
        send_report(c, &m->own_seen);
    for (unsigned i = 0; i < m->n_changed_seen; i++) {
        uint16_t host = m->changed_seen[i];
        const struct sync_seen *report = seen_of(m->control->seen, host);
        struct sync_seen gone = {.host = host, .gone = true};

        if (host != c->host && host != m->control->id.self.host)
            send_report(c, report ? report : &gone);
    }
}

static void note_changed(struct member *m, uint16_t host)
{
    if (is_changed(m, host))
        return;
    if (m->n_changed_seen < TELL_CHANGES) {
        m->changed_seen[m->n_changed_seen++] = host;
        return;
    }
    /* So many at once: everybody is told all. */
    list_for_each (it, &m->conns) {
        list_entry(it, struct member_conn, link)->tell_all = true;
    }
}

static void tell_followers(struct member *m)
{
    list_for_each (it, &m->conns) {
        struct member_conn *c = list_entry(it, struct member_conn, link);

        if (c->role != ROLE_FOLLOWER || !c->pipe.open || !c->has_source ||
            !c->source.following)
            continue;
        if (c->pipe.queued > TELL_BEHIND)
            c->tell_all = true;
        else if (c->tell_all)
            tell_everything(c);
        else
            tell_changes(c);
    }
    m->n_changed_seen = 0;
}

static bool rtt_differs(const struct sync_seen *a, const struct sync_seen *b)
{
    for (unsigned i = 0; i < a->n_peers; i++) {
        uint32_t x = a->peer[i].rtt_us, y = b->peer[i].rtt_us;

        if (x > y + y / 4 + 100 || y > x + x / 4 + 100)
            return true;
    }
    return false;
}

static void tell(struct member *m)
{
    struct sync_seen own = seen_own(m->control, carried_out(m));
    bool changed = !sync_seen_equal(&own, &m->own_seen) || rtt_differs(&own, &m->own_seen);

    if (changed) {
        sync_seen_done(&m->own_seen);
        m->own_seen = own;
    } else {
        sync_seen_done(&own);
    }
    if (m->control->id.founder) {
        if (changed)
            note_changed(m, m->control->id.self.host);
        tell_followers(m);
    } else if (m->founder && m->founder->pipe.open && (changed || m->tell_founder)) {
        send_report(m->founder, &m->own_seen);
        fault_at(FAULT_FOLLOW_REPORTED);
        m->tell_founder = false;
    }
}

/* --- time ----------------------------------------------------------------------------------- */

static void refreshed(void *aux, const struct stats *stats)
{
    struct control *control = aux;

    (void)stats; /* What came with them is what matters: observe has it. */
    tell_kick(control);
}

void tell_expired(struct loop_timer *timer, mtime_t now)
{
    struct member *m = list_entry(timer, struct member, tell);

    m->told_at = now;
    tell(m);
    if (m->control->view->n_hosts < 2)
        return;
    if (now - m->refreshed_at >= TELL_REFRESH) {
        m->refreshed_at = now;
        observe_stats(m->control->observe, 0, IPC_STATS_LINKS, refreshed, m->control);
    }
    due_after(m, TELL_REFRESH);
}

/* --- what comes ----------------------------------------------------------------------------- */

void tell_began(struct member_conn *c)
{
    if (c->role == ROLE_FOUNDER)
        c->member->tell_founder = true;
    else
        c->tell_all = true;
    tell_kick(c->member->control);
}

void tell_lost(struct member_conn *c)
{
    struct member *m = c->member;

    if (c->role == ROLE_FOUNDER) {
        seen_clear(m->control->seen);
        return;
    }
    if (c->role != ROLE_FOLLOWER)
        return;
    list_for_each (it, &m->conns) { /* A newer stream of the same host has its report. */
        const struct member_conn *other = list_entry(it, struct member_conn, link);

        if (other != c && other->role == ROLE_FOLLOWER && other->host == c->host)
            return;
    }
    seen_forget(m->control->seen, c->host);
    standing_noticed(m->control->standing);
    note_changed(m, c->host);
    tell_kick(m->control);
}

void tell_message(struct member_conn *c, struct sync_seen *report)
{
    struct member *m = c->member;

    if (c->role == ROLE_FOLLOWER) {
        report->host = c->host;
        report->gone = false;
    }
    if (report->host == m->control->id.self.host)
        return;
    if (report->gone)
        seen_forget(m->control->seen, report->host);
    else
        seen_put(m->control->seen, report);
    standing_noticed(m->control->standing);
    services_kick(m->control->services); /* Some may wait for one over there. */
    if (c->role == ROLE_FOLLOWER) {
        note_changed(m, c->host);
        tell_kick(m->control);
    }
}
