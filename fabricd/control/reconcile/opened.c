/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parent opens for us: VDE entries, TAP devices, the UDP socket; and who waits for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/console/console.h"
#include "fabricd/control/events/events.h"
#include "fabricd/control/reconcile/reconcile_internal.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define RETRY_AFTER (5 * MTIME_SEC)
#define SETTLE_WAIT (1 * MTIME_SEC)

/* What another program uses may be on its way out: the TAP of a port that was removed just now. It is
 * tried again after 20 ms, 40 ms, … 640 ms before that counts. */
#define BUSY_AFTER (20 * MTIME_MS)
#define BUSY_TRIES 6u

/* All that is wanted has been sent, and answered where there is an answer. */
static bool is_said(const struct reconcile *rc)
{
    return !rc->dirty && rc->n_waiting == 0;
}

bool reconcile_settled(const struct reconcile *rc)
{
    return rc == NULL || !chan_up(&rc->control->parent) ||
           (is_said(rc) && rc->sent == rc->arrived);
}

bool reconcile_steady(const struct reconcile *rc)
{
    return reconcile_settled(rc) && (rc == NULL || rc->n_busy == 0);
}

/* Tells those who wait, if there is nothing to wait for or they have waited long enough. */
static void settle_until(struct reconcile *rc, mtime_t now)
{
    bool all = reconcile_settled(rc);

    list_for_each_safe (it, &rc->settling) {
        struct settle_waiter *waiter = list_entry(it, struct settle_waiter, link);

        if (!all && waiter->until > now)
            continue;
        list_remove(&waiter->link);
        waiter->done(waiter->aux);
        free(waiter);
    }
}

static void fence_reply(void *aux, struct ipc_message *reply)
{
    struct reconcile *rc = aux;

    /* With the channel goes what was sent: the next parent is told all of it again. */
    rc->arrived = reply != NULL ? rc->fenced : rc->sent;
    rc->fenced = 0;
    opened_settle(rc);
}

/* Asks whether what was sent has reached the switch. */
static void ask_fence(struct reconcile *rc)
{
    if (rc->fenced != 0 || !is_said(rc) || reconcile_settled(rc))
        return;
    rc->fenced = rc->sent;
    rc->fence = chan_ask(&rc->control->parent, IPC_FENCE, NULL, 0, fence_reply, rc);
}

void opened_settle(struct reconcile *rc)
{
    ask_fence(rc);
    settle_until(rc, loop_now(rc->control->loop));
    if (!reconcile_steady(rc))
        return;
    standing_noticed(rc->control->standing);
    if (rc->control->member_ops != NULL && rc->control->member_ops->noticed != NULL)
        rc->control->member_ops->noticed(rc->control);
}

void opened_settle_late(struct loop_timer *timer, mtime_t now)
{
    struct reconcile *rc = list_entry(timer, struct reconcile, settle_late);
    mtime_t next = MTIME_NEVER;

    settle_until(rc, now);
    list_for_each (it, &rc->settling)
        next = mtime_min(next, list_entry(it, struct settle_waiter, link)->until);
    loop_timer_set(rc->control->loop, timer, next);
}

void reconcile_settle(struct reconcile *rc, void (*done)(void *aux), void *aux)
{
    struct settle_waiter *waiter;

    if (reconcile_settled(rc)) {
        done(aux);
        return;
    }
    waiter = xcalloc(1, sizeof(*waiter));
    waiter->done = done;
    waiter->aux = aux;
    waiter->until = loop_now(rc->control->loop) + SETTLE_WAIT;
    list_append(&rc->settling, &waiter->link);
    ask_fence(rc);
    if (rc->settle_late.index == 0)
        loop_timer_set(rc->control->loop, &rc->settle_late, waiter->until);
}

void reconcile_stop(struct reconcile *rc)
{
    settle_until(rc, MTIME_NEVER);
}

struct opened *opened_find(struct reconcile *rc, const char *what)
{
    return map_get(&rc->opened_by_what, what);
}

static void set_waiting(struct opened *o, bool waiting)
{
    o->owner->n_waiting += waiting;
    o->owner->n_waiting -= o->waiting;
    o->waiting = waiting;
}

/* Not later than a retry that is due already. */
static void retry_after(struct reconcile *rc, mtime_t wait)
{
    mtime_t due = loop_now(rc->control->loop) + wait;

    if (rc->retry.index == 0 || due < rc->retry.due)
        loop_timer_set(rc->control->loop, &rc->retry, due);
}

static bool is_busy(const struct opened *o)
{
    return o->busy > 0 && o->busy < BUSY_TRIES;
}

static void set_busy(struct opened *o, unsigned busy)
{
    o->owner->n_busy -= is_busy(o);
    o->busy = busy;
    o->owner->n_busy += is_busy(o);
}

void opened_free(struct opened *o)
{
    chan_forget(&o->owner->control->parent, o->request);
    set_waiting(o, false);
    set_busy(o, 0);
    map_remove(&o->owner->opened_by_what, o->what);
    list_remove(&o->link);
    free(o);
}

/* The port is there; the parent says what its interface is called. */
static void remember_device(struct reconcile *rc, const struct opened *o,
                            const struct ipc_message *reply)
{
    struct ipc_port port = o->asked.device.port;
    bool is_new = reconcile_port_by_id(rc, port.id) == NULL;

    if (reply->head.type == IPC_REPLY)
        snprintf(port.path, sizeof(port.path), "%.15s", reply->body.reply.why);
    mirror_learn_port(rc, &port);
    if (is_new)
        events_port(rc->control, &port, true);
}

/* The door is there, under the id that the parent gave it. */
static void remember_door(struct reconcile *rc, const struct opened *o,
                          const struct ipc_message *reply)
{
    const struct ipc_open_door *asked = &o->asked.door;
    struct ipc_listen door = {.kind = IPC_LISTEN_VDE,
                              .id = reply->body.reply.port,
                              .net = asked->net,
                              .stp = asked->stp,
                              .set = asked->set,
                              .rate = asked->rate};

    memcpy(door.name, asked->name, sizeof(door.name));
    memcpy(door.door, asked->door, sizeof(door.door));
    if (vault_put_body(rc->mirror, IPC_LISTEN, &door, NULL, 0, false) < 0)
        log_warn("too many ports: %s is not remembered", o->what);
}

static void note_failure(struct opened *o, const struct ipc_reply *reply)
{
    set_busy(o, reply->code == -EBUSY && o->busy < BUSY_TRIES ? o->busy + 1 : BUSY_TRIES);
    if (!is_busy(o) && (!o->failed || strcmp(o->why, reply->why) != 0))
        log_warn("%s: %s%s%s", o->what, reply->why,
                 reply->hint[0] != '\0' ? "; hint: " : "", reply->hint);
    o->failed = true;
    snprintf(o->why, sizeof(o->why), "%s", is_busy(o) ? "" : reply->why);
    snprintf(o->hint, sizeof(o->hint), "%s", is_busy(o) ? "" : reply->hint);
}

/* The reply brings the socket of the network's console. */
static void hand_console(struct reconcile *rc, const struct opened *o,
                         struct ipc_message *reply)
{
    if (reply->n_fds == 0)
        return;
    console_listen(rc->control->console, o->asked.vde.net, reply->fds[0]);
    reply->fds[0] = -1;
}

static void note_success(struct opened *o, struct ipc_message *reply)
{
    struct reconcile *rc = o->owner;

    set_busy(o, 0);
    o->failed = false;
    o->why[0] = o->hint[0] = '\0';
    if (o->kind == OPENED_DEVICE)
        remember_device(rc, o, reply);
    else if (o->kind == OPENED_DOOR)
        remember_door(rc, o, reply);
    else
        hand_console(rc, o, reply);
    if (o->kind != OPENED_VDE && o->run != rc->runs)
        reconcile_kick(rc); /* It may have been removed meanwhile. */
}

static void opened_reply(void *aux, struct ipc_message *reply)
{
    struct opened *o = aux;
    struct reconcile *rc = o->owner;

    set_waiting(o, false);
    o->request = 0;
    rc->sent++;
    if (reply == NULL) {
        o->failed = true; /* Said again to the next parent. */
        o->hint[0] = '\0';
        snprintf(o->why, sizeof(o->why), "the daemon's parent process is away");
    } else if (reply->head.type == IPC_REPLY && reply->body.reply.code != 0) {
        note_failure(o, &reply->body.reply);
    } else {
        note_success(o, reply);
    }
    if (o->failed && chan_up(&rc->control->parent))
        retry_after(rc, is_busy(o) ? BUSY_AFTER << (o->busy - 1) : RETRY_AFTER);
    opened_settle(rc);
}

static void ask_opened(struct opened *o)
{
    static const enum ipc_type types[] = {
        [OPENED_DEVICE] = IPC_OPEN_DEVICE,
        [OPENED_VDE] = IPC_OPEN_VDE,
        [OPENED_DOOR] = IPC_OPEN_DOOR,
    };

    set_waiting(o, true);
    o->run = o->owner->runs;
    o->request =
        chan_ask(&o->owner->control->parent, types[o->kind], &o->asked, 0, opened_reply, o);
}

/* Asks once for the same thing, and again while it fails. */
void opened_want(struct reconcile *rc, const char *what, enum opened_kind kind,
                 const void *asked, size_t size)
{
    struct opened *o = opened_find(rc, what);
    bool same;

    if (o != NULL && o->kind != kind) {
        opened_free(o);
        o = NULL;
    }
    same = o != NULL && memcmp(&o->asked, asked, size) == 0;

    if (o == NULL) {
        o = xcalloc(1, sizeof(*o));
        o->owner = rc;
        o->kind = kind;
        snprintf(o->what, sizeof(o->what), "%s", what);
        list_append(&rc->opened, &o->link);
        map_put(&rc->opened_by_what, what, o);
    }
    o->wanted = true;
    if (o->waiting || (same && !o->failed))
        return;
    if (!same)
        set_busy(o, 0);
    memcpy(&o->asked, asked, size);
    ask_opened(o);
}

void opened_drop_unwanted(struct reconcile *rc)
{
    list_for_each_safe (it, &rc->opened) {
        struct opened *o = list_entry(it, struct opened, link);

        if (!o->wanted && !o->waiting)
            opened_free(o);
        else
            o->wanted = false;
    }
}

const char *reconcile_problem(const struct reconcile *rc, const char *network,
                              const char *name, const char **hint)
{
    char what[2 * IPC_NAME_SIZE + 8];
    const struct opened *o;

    snprintf(what, sizeof(what), "port %s/%s", network, name);
    o = map_get(&rc->opened_by_what, what);
    if (o == NULL || !o->failed || is_busy(o))
        return NULL;
    if (hint != NULL)
        *hint = o->hint;
    return o->why;
}

void reconcile_each_problem(const struct reconcile *rc,
                            void (*each)(void *aux, const char *what, const char *why),
                            void *aux)
{
    list_for_each (it, &rc->opened) {
        const struct opened *o = list_entry(it, struct opened, link);
        if (o->failed && !is_busy(o))
            each(aux, o->what, o->why);
    }
}

/* --- UDP ----------------------------------------------------------------------------------- */

static void udp_tell(struct reconcile *rc, int code, uint16_t port, const char *why)
{
    while (!list_empty(&rc->udp_waiters)) {
        struct udp_waiter *waiter =
            list_entry(list_first(&rc->udp_waiters), struct udp_waiter, link);

        list_remove(&waiter->link);
        if (waiter->done != NULL)
            waiter->done(waiter->aux, code, port, why);
        free(waiter);
    }
}

static void udp_reply(void *aux, struct ipc_message *reply)
{
    struct reconcile *rc = aux;

    rc->udp_asked = false;
    if (reply == NULL || reply->head.type != IPC_REPLY) {
        udp_tell(rc, -EPIPE, 0, "the daemon's parent process is away");
    } else if (reply->body.reply.code < 0) {
        log_warn("no socket for the links: %s", reply->body.reply.why);
        retry_after(rc, RETRY_AFTER);
        udp_tell(rc, reply->body.reply.code, 0, reply->body.reply.why);
    } else {
        rc->udp = rc->control->start.listen;
        rc->udp.family = rc->udp.family != 0 ? rc->udp.family : 6;
        rc->udp.port = (uint16_t)reply->body.reply.port;
        udp_tell(rc, 0, rc->udp.port, "");
    }
}

void reconcile_open_udp(struct reconcile *rc, reconcile_udp_fn *done, void *aux)
{
    struct ipc_open_udp open = {.addr = rc->control->start.listen};
    struct udp_waiter *waiter;

    if (rc->udp.family != 0) {
        if (done != NULL)
            done(aux, 0, rc->udp.port, "");
        return;
    }
    waiter = xcalloc(1, sizeof(*waiter));
    waiter->done = done;
    waiter->aux = aux;
    list_append(&rc->udp_waiters, &waiter->link);
    if (rc->udp_asked)
        return;
    rc->udp_asked = true;
    chan_ask(&rc->control->parent, IPC_OPEN_UDP, &open, 0, udp_reply, rc);
}

bool reconcile_udp(const struct reconcile *rc, struct ipc_addr *out)
{
    *out = rc->udp;
    return rc->udp.family != 0;
}
