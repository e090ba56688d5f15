/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections of the plug server: accepting, bounds, and what becomes of endpoints. Requests are
 * carried out in plug_request.c. */
#include "fabricd/control/plugd/plugd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fabricd/control/plugd/plugd_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/view/view.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define ANSWER_WAIT (5 * MTIME_SEC)
#define GRACE       (30 * MTIME_SEC)
#define PER_USER    (PLUGD_MAX / 4)

void plug_conn_free(struct plug_conn *conn)
{
    struct plugd *plugd = conn->plugd;

    if (conn->submitted) { /* The change's end still comes and frees it. */
        conn->closed = true;
        loop_remove(plugd->control->loop, &conn->watch);
        loop_timer_set(plugd->control->loop, &conn->late, MTIME_NEVER);
        return;
    }
    loop_remove(plugd->control->loop, &conn->watch);
    loop_timer_set(plugd->control->loop, &conn->late, MTIME_NEVER);
    loop_timer_set(plugd->control->loop, &conn->again, MTIME_NEVER);
    fd_close(&conn->sock);
    fd_close(&conn->tap);
    list_remove(&conn->link);
    plugd->n_conns--;
    free(conn);
}

static void too_late(struct loop_timer *timer, mtime_t now)
{
    struct plug_conn *conn = list_entry(timer, struct plug_conn, late);
    struct err err = {.why = "the founding host does not answer"};

    (void)now;
    if (conn->submitted)
        plug_refuse(conn, -ETIMEDOUT, &err);
    else
        plug_conn_free(conn);
}

static void conn_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    plug_request(list_entry(watch, struct plug_conn, watch));
}

static void waited(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    plug_request_again(list_entry(timer, struct plug_conn, again));
}

static unsigned conns_of(const struct plugd *plugd, uid_t uid)
{
    unsigned n = 0;

    list_for_each (it, &plugd->conns)
        n += list_entry(it, struct plug_conn, link)->peer.uid == uid;
    return n;
}

/* Makes room for one more of the user by hanging up on the one that has been silent for longest.
 * False: there is none. */
static bool evict(struct plugd *plugd, uid_t uid)
{
    list_for_each (it, &plugd->conns) {
        struct plug_conn *conn = list_entry(it, struct plug_conn, link);

        if (conn->peer.uid != uid || conn->submitted)
            continue;
        plug_conn_free(conn);
        return true;
    }
    return false;
}

static void take_conn(struct plugd *plugd, int sock)
{
    struct plug_conn *conn = xcalloc(1, sizeof(*conn));
    bool room = fd_peer_get(sock, &conn->peer) == 0;

    if (room &&
        (plugd->n_conns >= PLUGD_MAX || conns_of(plugd, conn->peer.uid) >= PER_USER))
        room = evict(plugd, conn->peer.uid);
    conn->plugd = plugd;
    conn->sock = sock;
    conn->tap = -1;
    conn->watch.ready = conn_ready;
    conn->watch.fd = -1;
    conn->late.expired = too_late;
    conn->again.expired = waited;
    list_append(&plugd->conns, &conn->link);
    plugd->n_conns++;
    if (!room || loop_add(plugd->control->loop, &conn->watch, sock, EPOLLIN) < 0) {
        plug_conn_free(conn);
        return;
    }
    loop_timer_set(plugd->control->loop, &conn->late,
                   loop_now(plugd->control->loop) + ANSWER_WAIT);
}

static void came(struct door *door, int sock)
{
    take_conn(list_entry(door, struct plugd, door), sock);
}

/* --- endpoints whose program has ended ------------------------------------------------------ */

static void ended(void *aux, struct change_result *result)
{
    struct plugd *plugd = aux;

    if (result->status < 400 || result->status == 404)
        return;
    log_warn("an endpoint could not be let go: %s", result->err.why);
    loop_timer_set(plugd->control->loop, &plugd->sweep,
                   loop_now(plugd->control->loop) + GRACE);
}

/* The program of a service that is to run here comes again, and nobody else may have the name. */
static bool starts_again(const struct control *control, const struct view_endpoint *ep)
{
    const struct view_service *service =
        view_service_of(control->view, ep->network, ep->name);

    return service != NULL && node_get_bool(service->body, "run", true) &&
           strcmp(service->host, control_host(control)) == 0;
}

static void end_endpoint(struct plugd *plugd, const struct view_endpoint *ep)
{
    struct control *control = plugd->control;
    struct change *change;
    struct change_item *item;

    if (!ep->anonymous && !ep->held)
        return;
    if (starts_again(control, ep))
        return;
    change = change_new(control_host(control), "run");
    item = change_add(change, ep->anonymous ? CHANGE_DELETE : CHANGE_LET_GO, "endpoint",
                      ep->network, ep->name, NULL);
    item->anonymous = ep->anonymous;
    item->promote = ep->promote;
    change_submit(control, change, ended, plugd);
}

void plugd_port_gone(struct plugd *plugd, const struct ipc_port *port)
{
    struct control *control = plugd->control;
    const struct view_network *net = view_network_by_id(control->view, port->net);
    const struct view_endpoint *ep;

    if (!port->pinned || net == NULL)
        return;
    ep = view_endpoint(control->view, net->name, port->name);
    if (ep != NULL && strcmp(ep->host, control_host(control)) == 0)
        end_endpoint(plugd, ep);
}

/* Level-triggered: whatever endpoint claims to run here and has no port. One at a time, since
 * each change alters the view. */
static const struct view_endpoint *find_orphan(const struct control *control)
{
    list_for_each (it, &control->view->endpoints) {
        const struct view_endpoint *ep = list_entry(it, struct view_endpoint, link);
        const struct view_network *net = view_network(control->view, ep->network);

        if ((ep->held || ep->anonymous) && strcmp(ep->host, control_host(control)) == 0 &&
            !starts_again(control, ep) &&
            (net == NULL || reconcile_port(control->reconcile, net->id, ep->name) == NULL))
            return ep;
    }
    return NULL;
}

static void sweep(struct loop_timer *timer, mtime_t now)
{
    struct plugd *plugd = list_entry(timer, struct plugd, sweep);
    struct control *control = plugd->control;
    size_t most = control->view->n_endpoints;
    const struct view_endpoint *ep;

    (void)now;
    while (most-- > 0 && (ep = find_orphan(control)) != NULL) {
        uint64_t revision = store_revision(control->store);

        end_endpoint(plugd, ep);
        if (store_revision(control->store) == revision)
            return; /* Refused, or on its way to the founder: `ended` sees to the rest. */
    }
}

void plugd_start(struct plugd *plugd)
{
    loop_timer_set(plugd->control->loop, &plugd->sweep,
                   loop_now(plugd->control->loop) + GRACE);
}

/* --- life ---------------------------------------------------------------------------------- */

struct plugd *plugd_new(struct control *control, int sock, struct err *err)
{
    struct plugd *plugd = xcalloc(1, sizeof(*plugd));
    int r;

    plugd->control = control;
    list_init(&plugd->conns);
    plugd->sweep.expired = sweep;
    r = door_open(&plugd->door, control->loop, sock, came);
    if (r < 0) {
        err_set(err, r, "the plug socket cannot be watched: %s", err_text(r));
        fd_close(&sock);
        free(plugd);
        return NULL;
    }
    return plugd;
}

void plugd_free(struct plugd *plugd)
{
    int sock;

    if (plugd == NULL)
        return;
    loop_timer_set(plugd->control->loop, &plugd->sweep, MTIME_NEVER);
    sock = door_close(&plugd->door);
    fd_close(&sock);
    list_for_each_safe (it, &plugd->conns)
        plug_conn_free(list_entry(it, struct plug_conn, link));
    free(plugd);
}
