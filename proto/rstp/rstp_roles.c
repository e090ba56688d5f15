/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is decided: port role selection [17.28] and port role transitions [17.29]. */
#include "proto/rstp/rstp_internal.h"

#define ADDRESS_MASK 0xffffffffffffu

/* --- port role selection --------------------------------------------------------------------- */

static bool from_this_bridge(const struct rstp *r, const struct rstp_vector *v)
{
    return ((v->bridge ^ r->bridge_id) & ADDRESS_MASK) == 0;
}

/* Root path priority vector [17.5]: what the port was told, and the way to there. */
static struct rstp_vector root_path(const struct rstp_port *p)
{
    struct rstp_vector v = p->port_priority;

    v.cost = v.cost > UINT32_MAX - p->path_cost ? UINT32_MAX : v.cost + p->path_cost;
    return v;
}

/* updtRolesTree() a) to c): the root priority vector, the root port, rootTimes. */
static void choose_root(struct rstp *r)
{
    struct rstp_vector best = {.root = r->bridge_id, .bridge = r->bridge_id};
    unsigned age;

    r->root_port = NULL;
    for (unsigned i = 0; i < r->n_ports; i++) {
        struct rstp_port *p = r->ports[i];
        struct rstp_vector v = root_path(p);
        int order;

        if (p->info_is != INFO_RECEIVED || p->config.root_guard || from_this_bridge(r, &v))
            continue;
        order = rstp_vector_compare(&v, &best);
        if (order < 0 ||
            (order == 0 && r->root_port && p->port_id < r->root_port->port_id)) {
            best = v;
            r->root_port = p;
        }
    }
    r->root_priority = best;
    r->root_times = r->bridge_times;
    if (r->root_port) {
        r->root_times = r->root_port->port_times;
        age = r->root_times.message_age + RSTP_SECOND + RSTP_SECOND / 2;
        age -= age % RSTP_SECOND;
        r->root_times.message_age = (uint16_t)(age > UINT16_MAX ? UINT16_MAX : age);
    }
}

/*
 * When a root is lost, old news of it may come back to the bridge that once passed them on, and a
 * new root port that believes them closes a loop through ports that still forward. What comes from
 * a bridge nearer to the root than this one has ever been since (`feasible`) cannot be this
 * bridge's own news; this is so for every alternate port at rest, and such a root port forwards at
 * once, as the standard has it. With any other the bridge is wary: all designated ports sync
 * first, as they would for a proposal. `feasible` is forgotten when all are synced, and when the
 * root has been the same for Max Age, for then no old news are left.
 */
static void judge_root(struct rstp *r, const struct rstp_vector *before,
                       const struct rstp_port *port)
{
    struct rstp_vector now = {.root = r->root_priority.root, .cost = r->root_priority.cost};
    struct rstp_vector here = r->feasible, told;

    if (before->root == now.root && before->cost == now.cost && port == r->root_port)
        return;
    if (r->now - r->root_since > (mtime_t)r->config.max_age * MTIME_SEC)
        here = (struct rstp_vector){.root = before->root, .cost = before->cost};
    r->root_since = r->now;
    r->feasible = rstp_vector_compare(&now, &here) < 0 ? now : here;
    r->wary = false;
    if (!r->root_port)
        return;
    told = r->root_port->port_priority;
    told.port = 0;
    here.bridge = r->bridge_id;
    r->wary = rstp_vector_compare(&told, &here) >= 0;
}

static void refuse_root(struct rstp_port *p, bool refused)
{
    bool news = refused && !p->root_refused;

    p->root_refused = refused;
    if (news)
        port_event(p, RSTP_EVENT_ROOT_GUARD);
}

/* updtRolesTree() d) to l) for one port [17.21.25] */
static void select_role(struct rstp *r, struct rstp_port *p)
{
    p->designated_priority = (struct rstp_vector){.root = r->root_priority.root,
                                                  .cost = r->root_priority.cost,
                                                  .bridge = r->bridge_id,
                                                  .port = p->port_id};
    p->designated_times = r->root_times;
    p->designated_times.hello = r->bridge_times.hello;
    p->updt_info = false;
    switch (p->info_is) {
    case INFO_DISABLED:
        p->selected_role = RSTP_ROLE_DISABLED;
        break;
    case INFO_AGED:
        p->selected_role = RSTP_ROLE_DESIGNATED;
        p->updt_info = true;
        break;
    case INFO_MINE:
        p->selected_role = RSTP_ROLE_DESIGNATED;
        p->updt_info =
            rstp_vector_compare(&p->port_priority, &p->designated_priority) != 0 ||
            !rstp_times_equal(&p->port_times, &p->designated_times);
        break;
    case INFO_RECEIVED:
        if (p == r->root_port) {
            p->selected_role = RSTP_ROLE_ROOT;
        } else if (rstp_vector_compare(&p->designated_priority, &p->port_priority) < 0) {
            p->selected_role = RSTP_ROLE_DESIGNATED;
            p->updt_info = true;
        } else {
            p->selected_role = from_this_bridge(r, &p->port_priority) ? RSTP_ROLE_BACKUP
                                                                      : RSTP_ROLE_ALTERNATE;
        }
        break;
    }
    refuse_root(p, p->config.root_guard && p->selected_role == RSTP_ROLE_ALTERNATE);
}

void prs_run(struct rstp *r)
{
    struct rstp_vector before = r->root_priority;
    const struct rstp_port *port = r->root_port;

    choose_root(r);
    judge_root(r, &before, port);
    for (unsigned i = 0; i < r->n_ports; i++) {
        struct rstp_port *p = r->ports[i];
        bool was_selected = p->selected;

        p->reselect = false; /* clearReselectTree() [17.21.2] */
        select_role(r, p);
        p->selected = true; /* setSelectedTree() [17.21.16] */
        if (!was_selected || p->updt_info || p->selected_role != p->role)
            port_mark(p);
    }
    for (unsigned i = 0; i < r->n_ports; i++)
        port_account(r->ports[i]);
    if ((before.root != r->root_priority.root || port != r->root_port) && r->ops->event)
        r->ops->event(r->aux, 0, RSTP_EVENT_ROOT);
}

/* --- port role transitions ------------------------------------------------------------------- */

/* allSynced [17.20.3] */
static bool all_synced(const struct rstp_port *p)
{
    return p->bridge->n_unsynced == 0;
}

/* reRooted [17.20.10]: no other port has rrWhile running. */
static bool re_rooted(const struct rstp_port *p)
{
    return p->bridge->n_rr == (p->counts_rr ? 1u : 0u);
}

/* setSyncTree() [17.21.14] */
static void set_sync_tree(struct rstp *r)
{
    for (unsigned i = 0; i < r->n_ports; i++) {
        r->ports[i]->sync = true;
        port_mark(r->ports[i]);
    }
}

/* setReRootTree() [17.21.15] */
static void set_re_root_tree(struct rstp *r)
{
    for (unsigned i = 0; i < r->n_ports; i++) {
        r->ports[i]->re_root = true;
        port_mark(r->ports[i]);
    }
}

/* INIT_PORT */
void prt_begin(struct rstp_port *p)
{
    p->prt = PRT_INIT_PORT;
    p->role = RSTP_ROLE_DISABLED;
    p->learn = p->forward = false;
    p->synced = false;
    p->sync = p->re_root = true;
    timer_start(p, T_RR, fwd_delay(p));
    timer_start(p, T_FD, max_age(p));
    timer_stop(p, T_RB);
}

/* Timers that the state rewound all the time begin to run when it is left. */
static void leave_state(struct rstp_port *p)
{
    switch (p->prt) {
    case PRT_ROOT_PORT:
        timer_release(p, T_RR, fwd_delay(p));
        break;
    case PRT_DISABLED_PORT:
        timer_release(p, T_FD, max_age(p));
        break;
    case PRT_ALTERNATE_PORT:
        timer_release(p, T_FD, forward_delay(p));
        timer_release(p, T_RB, 2 * hello_time(p));
        break;
    case PRT_INIT_PORT:
    case PRT_DISABLE_PORT:
    case PRT_DESIGNATED_PORT:
    case PRT_BLOCK_PORT:
        break;
    }
}

static void take_role(struct rstp_port *p)
{
    leave_state(p);
    p->role = p->selected_role;
    p->role_since = p->bridge->now;
    switch (p->role) {
    case RSTP_ROLE_DISABLED:
        p->prt = PRT_DISABLE_PORT;
        p->learn = p->forward = false;
        break;
    case RSTP_ROLE_ROOT:
        p->prt = PRT_ROOT_PORT;
        timer_hold(p, T_RR);
        break;
    case RSTP_ROLE_DESIGNATED:
        p->prt = PRT_DESIGNATED_PORT;
        break;
    case RSTP_ROLE_ALTERNATE:
    case RSTP_ROLE_BACKUP:
        p->prt = PRT_BLOCK_PORT;
        p->learn = p->forward = false;
        break;
    }
    port_event(p, RSTP_EVENT_ROLE);
}

static bool disabled_port(struct rstp_port *p)
{
    if (timer_held(p, T_FD) && !p->sync && !p->re_root && p->synced)
        return false;
    timer_hold(p, T_FD);
    p->synced = true;
    timer_stop(p, T_RR);
    p->sync = p->re_root = false;
    return true;
}

/* ROOT_LEARN and ROOT_FORWARD: when the port may go on. */
static bool root_may_forward(const struct rstp_port *p)
{
    return !p->bridge->wary &&
           (timer_zero(p, T_FD) ||
            (re_rooted(p) && timer_zero(p, T_RB) && rstp_version(p->bridge)));
}

/*
 * A port that forwards without an agreement and was not told to sync: it will not by itself. That
 * the root port has `sync` says nothing about it: set for an earlier cause, it stays there until
 * the root port agrees, and meanwhile a designated port loses its agreement when its news worsen.
 */
static bool must_be_told(const struct rstp *r)
{
    for (unsigned i = 0; i < r->n_ports; i++)
        if (r->ports[i]->counts_unsynced && !r->ports[i]->sync)
            return true;
    return false;
}

/* Not the standard's; see judge_root(). True if there was something to do. */
static bool be_wary(struct rstp_port *p)
{
    struct rstp *r = p->bridge;

    if (!r->wary || p->forward)
        return false;
    if (all_synced(p)) {
        r->wary = false;
        r->feasible = (struct rstp_vector){.root = r->root_priority.root,
                                           .cost = r->root_priority.cost};
        return true;
    }
    if (!must_be_told(r))
        return false;
    set_sync_tree(r);
    return true;
}

static bool root_port(struct rstp_port *p)
{
    if (p->proposed && !p->agree) { /* ROOT_PROPOSED */
        set_sync_tree(p->bridge);
        p->proposed = false;
    } else if ((all_synced(p) && !p->agree) ||
               (p->proposed && p->agree)) { /* ROOT_AGREED */
        p->proposed = p->sync = false;
        p->agree = p->new_info = true;
    } else if (!p->forward && !p->re_root) { /* REROOT */
        set_re_root_tree(p->bridge);
    } else if (be_wary(p)) {
        return true;
    } else if (p->re_root && p->forward) { /* REROOTED */
        p->re_root = false;
    } else if (root_may_forward(p) && !p->learn) { /* ROOT_LEARN */
        timer_start(p, T_FD, forward_delay(p));
        p->learn = true;
    } else if (root_may_forward(p) && !p->forward) { /* ROOT_FORWARD */
        timer_stop(p, T_FD);
        p->forward = true;
    } else {
        return false;
    }
    return true;
}

/* DESIGNATED_LEARN and DESIGNATED_FORWARD: when the port may go on. */
static bool designated_may_forward(const struct rstp_port *p)
{
    bool waited = timer_zero(p, T_FD) && !waits_to_be_needed(p);

    return (waited || p->agreed || p->oper_edge) && (timer_zero(p, T_RR) || !p->re_root) &&
           !p->sync;
}

static bool designated_port(struct rstp_port *p)
{
    bool stop =
        (p->sync && !p->synced) || (p->re_root && !timer_zero(p, T_RR)) || p->disputed;

    if (stop && !p->oper_edge && (p->learn || p->forward)) { /* DESIGNATED_DISCARD */
        p->learn = p->forward = p->disputed = false;
        timer_start(p, T_FD, forward_delay(p));
    } else if ((!p->learning && !p->forwarding && !p->synced) ||
               (p->agreed && !p->synced) || (p->oper_edge && !p->synced) ||
               (p->sync && p->synced)) { /* DESIGNATED_SYNCED */
        timer_stop(p, T_RR);
        p->synced = true;
        p->sync = false;
    } else if (timer_zero(p, T_RR) && p->re_root) { /* DESIGNATED_RETIRED */
        p->re_root = false;
    } else if (!p->forward && !p->agreed && !p->proposing &&
               !p->oper_edge) { /* DESIGNATED_PROPOSE */
        p->proposing = true;
        timer_start(p, T_EDGE_DELAY, edge_delay(p));
        p->new_info = true;
    } else if (designated_may_forward(p) && !p->learn) { /* DESIGNATED_LEARN */
        p->learn = true;
        timer_start(p, T_FD, forward_delay(p));
    } else if (designated_may_forward(p) && !p->forward) { /* DESIGNATED_FORWARD */
        p->forward = true;
        timer_stop(p, T_FD);
        p->agreed = p->send_rstp;
    } else {
        return false;
    }
    return true;
}

/* ALTERNATE_PORT */
static void rest_port(struct rstp_port *p)
{
    p->prt = PRT_ALTERNATE_PORT;
    timer_hold(p, T_FD);
    p->synced = true;
    timer_stop(p, T_RR);
    p->sync = p->re_root = false;
}

static bool alternate_port(struct rstp_port *p)
{
    if (p->role == RSTP_ROLE_BACKUP && !timer_held(p, T_RB)) { /* BACKUP_PORT */
        timer_hold(p, T_RB);
    } else if (!timer_held(p, T_FD) || p->sync || p->re_root || !p->synced) {
        rest_port(p);
    } else if (p->proposed && !p->agree) { /* ALTERNATE_PROPOSED */
        set_sync_tree(p->bridge);
        p->proposed = false;
    } else if ((all_synced(p) && !p->agree) ||
               (p->proposed && p->agree)) { /* ALTERNATE_AGREED */
        p->proposed = false;
        p->agree = true;
        p->new_info = true;
    } else {
        return false;
    }
    return true;
}

bool prt_run(struct rstp_port *p)
{
    if (p->prt == PRT_INIT_PORT) {
        p->prt = PRT_DISABLE_PORT;
        return true;
    }
    if (!p->selected || p->updt_info)
        return false;
    if (p->selected_role != p->role) {
        take_role(p);
        return true;
    }
    switch (p->prt) {
    case PRT_DISABLE_PORT:
        if (p->learning || p->forwarding)
            return false;
        p->prt = PRT_DISABLED_PORT;
        (void)disabled_port(p);
        return true;
    case PRT_DISABLED_PORT:
        return disabled_port(p);
    case PRT_ROOT_PORT:
        return root_port(p);
    case PRT_DESIGNATED_PORT:
        return designated_port(p);
    case PRT_BLOCK_PORT:
        if (p->learning || p->forwarding)
            return false;
        rest_port(p);
        return true;
    case PRT_ALTERNATE_PORT:
        return alternate_port(p);
    case PRT_INIT_PORT:
        break;
    }
    return false;
}
