/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a service's move to another host, each one transaction: the row of the move, and
 * with the steps that move it the host of the service and of its endpoint, whose epoch rises. A step
 * that does not follow from the one before is refused, so that of two who want to go on and to go
 * back one prevails.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "fabricd/control/migrate/migrate.h"
#include "proto/base/xalloc.h"

/* `runs`: a program is under the name there, or about to be. */
static int set_home(struct work *work, const char *name, const char *host, bool runs)
{
    uint64_t service_revision, endpoint_revision;
    struct node *service =
        work_get(work, STORE_FABRIC, "service", "", name, &service_revision);
    const char *network = node_get_text(service, "network", "");
    struct node *endpoint =
        work_get(work, STORE_FABRIC, "endpoint", network, name, &endpoint_revision);

    if (service == NULL || endpoint == NULL) {
        node_free(service);
        node_free(endpoint);
        change_fail(work->result, 404, "service %s was removed meanwhile", name);
        return -ENOENT;
    }
    node_set_text(endpoint, "host", host);
    node_set_int(endpoint, "epoch", node_get_int(endpoint, "epoch", 0) + 1);
    if (runs)
        node_set_bool(endpoint, "_held", true);
    work_put(work, STORE_FABRIC, "endpoint", network, name, endpoint, endpoint_revision);
    node_set_text(service, "host", host);
    work_put(work, STORE_FABRIC, "service", "", name, service, service_revision);
    return 0;
}

/* Whether the service can go there at all. */
static int check_begin(struct work *work, const char *name, const struct node *service,
                       const char *to)
{
    const struct view_host *host = view_host(work->control->view, to);
    const char *network = node_get_text(service, "network", "");
    const struct view_network *net = work_network(work, network);

    if (service == NULL) {
        change_fail(work->result, 404, "there is no service %s in the fabric", name);
        err_hint(&work->result->err, "iothctl service ls");
        return -ENOENT;
    }
    if (host == NULL || host->number == 0) {
        change_fail(work->result, 400, "host %s %s", to,
                    host == NULL ? "is not in the fabric" : "has not joined yet");
        err_hint(&work->result->err, "iothctl host ls");
        return -EINVAL;
    }
    if (net == NULL || !view_network_on(net, to)) {
        change_fail(work->result, 400, "network %s is not on host %s", network, to);
        err_hint(&work->result->err, "iothctl net show %s", network);
        return -EINVAL;
    }
    if (strcmp(node_get_text(service, "host", ""), to) == 0) {
        change_fail(work->result, 409, "service %s is on host %s already", name, to);
        return -EEXIST;
    }
    return 0;
}

static int begin(struct work *work, const char *name, const struct node *now,
                 const struct node *wanted, struct node *move)
{
    struct node *service = work_get(work, STORE_FABRIC, "service", "", name, NULL);
    const char *to = node_get_text(wanted, "to", "");
    int r = check_begin(work, name, service, to);

    if (r == 0 && now != NULL && move_phase(now) < MOVE_DONE) {
        change_fail(work->result, 409, "service %s is on its way to host %s", name,
                    node_get_text(now, "to", ""));
        r = -EBUSY;
    }
    if (r == 0) {
        node_set_text(move, "from", node_get_text(service, "host", ""));
        node_set_text(move, "to", to);
        node_set_int(move, "number", node_get_int(now, "number", 0) + 1);
        if (!node_get_bool(service, "run",
                           true)) { /* Nothing runs: it only changes hosts. */
            node_set_text(move, "phase", move_phase_name(MOVE_DONE));
            r = set_home(work, name, to, false);
        }
    }
    node_free(service);
    return r;
}

static bool has_state(struct work *work, const char *name)
{
    struct node *service = work_get(work, STORE_FABRIC, "service", "", name, NULL);
    const struct node *state = node_get(service, "state");
    bool any = state != NULL && state->n > 0;

    node_free(service);
    return any;
}

/* Which step may follow which. */
static bool follows(enum move_phase now, enum move_phase next)
{
    switch (next) {
    case MOVE_STOP:
        return now == MOVE_PREPARE;
    case MOVE_VERIFY:
        return now == MOVE_PREPARE || now == MOVE_STOP;
    case MOVE_DONE:
        return now == MOVE_VERIFY;
    case MOVE_FAILED:
        return now < MOVE_DONE;
    case MOVE_PREPARE:
    case MOVE_NONE:
        break;
    }
    return false;
}

/* The new host has the newest state: it goes back as it came, by a move of its own. */
static void turn_back(const struct node *now, struct node *move)
{
    node_set_text(move, "phase", move_phase_name(MOVE_PREPARE));
    node_set_text(move, "from", node_get_text(now, "to", ""));
    node_set_text(move, "to", node_get_text(now, "from", ""));
    node_set_int(move, "number", node_get_int(now, "number", 0) + 1);
    node_set_int(move, "back", node_get_int(now, "number", 0));
}

/* A move on the way back keeps why there is one, and its end is no success. */
static void keep_going_back(const struct node *now, const struct node *wanted,
                            enum move_phase next, struct node *move)
{
    const char *first = node_get_text(now, "why", ""),
               *then = node_get_text(wanted, "why", "");
    char *both;

    node_set_int(move, "back", node_get_int(now, "back", 0));
    if (next == MOVE_FAILED) {
        both = xasprintf("%.110s; nor does it go back: %.100s", first, then);
        node_set_text(move, "why", both);
        free(both);
        return;
    }
    node_set_text(move, "why", first);
    if (next == MOVE_DONE)
        node_set_text(move, "phase", move_phase_name(MOVE_FAILED));
}

/* What a failure makes of the service. One with state never goes without it. */
static int fail(struct work *work, const char *name, const struct node *now,
                struct node *move)
{
    if (move_phase(now) != MOVE_VERIFY)
        return 0;
    if (!has_state(work, name))
        return set_home(work, name, node_get_text(now, "from", ""), true);
    if (node_get_int(now, "back", 0) == 0)
        turn_back(now, move);
    return 0;
}

static int go_on(struct work *work, const char *name, const struct node *now,
                 const struct node *wanted, struct node *move)
{
    enum move_phase was = move_phase(now), next = move_phase(wanted);

    if (now == NULL || !follows(was, next) ||
        node_get_int(now, "number", 0) != node_get_int(wanted, "number", 0)) {
        change_fail(work->result, 409, "service %s is past that step of its move", name);
        return -ESTALE;
    }
    node_set_text(move, "from", node_get_text(now, "from", ""));
    node_set_text(move, "to", node_get_text(now, "to", ""));
    node_set_int(move, "number", node_get_int(now, "number", 0));
    if (node_get(wanted, "gap_ms") != NULL)
        node_set_int(move, "gap_ms", node_get_int(wanted, "gap_ms", 0));
    if (node_get(wanted, "why") != NULL)
        node_set_text(move, "why", node_get_text(wanted, "why", ""));
    if (node_get_int(now, "back", 0) != 0)
        keep_going_back(now, wanted, next, move);
    if (next == MOVE_VERIFY)
        return set_home(work, name, node_get_text(now, "to", ""), true);
    return next == MOVE_FAILED ? fail(work, name, now, move) : 0;
}

int execute_move(struct work *work, const struct change_item *item)
{
    uint64_t revision;
    struct node *now = work_get(work, STORE_FABRIC, MOVE_KIND, "", item->name, &revision);
    struct node *move = node_map();
    enum move_phase next = move_phase(item->body);
    int r;

    node_set_text(move, "phase", move_phase_name(next));
    if (next == MOVE_PREPARE)
        r = begin(work, item->name, now, item->body, move);
    else
        r = go_on(work, item->name, now, item->body, move);
    node_free(now);
    if (r < 0) {
        node_free(move);
        return r;
    }
    work_put(work, STORE_FABRIC, MOVE_KIND, "", item->name, move, revision);
    work_note(work, "service %s: move to host %s: %s", item->name,
              node_get_text(move, "to", ""), node_get_text(move, "phase", ""));
    work->result->status = 200;
    work->result->value = node_copy(move);
    return 0;
}
