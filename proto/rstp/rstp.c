/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bridge as a whole: life, settings, and how the machines are run. See rstp_internal.h. */
#include "proto/rstp/rstp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/rstp/rstp_internal.h"

#define PORT_NUMBER_BITS 12u

const struct rstp_bridge_config rstp_bridge_defaults = {
    .priority = RSTP_PRIORITY_DEFAULT,
    .version = RSTP_VERSION_RSTP,
    .hello = 2,
    .max_age = 20,
    .forward_delay = 15,
    .tx_hold_count = 6,
};

const struct rstp_port_config rstp_port_defaults = {
    .priority = RSTP_PORT_PRIORITY_DEFAULT,
    .p2p = RSTP_P2P_AUTO,
    .auto_edge = true,
};

/* --- running the machines ------------------------------------------------------------------ */

void port_mark(struct rstp_port *p)
{
    if (list_empty(&p->dirty))
        list_append(&p->bridge->dirty, &p->dirty);
}

void port_event(struct rstp_port *p, enum rstp_event event)
{
    const struct rstp *r = p->bridge;

    if (r->ops->event)
        r->ops->event(r->aux, p->number, event);
}

static void count(unsigned *total, bool *had, bool has)
{
    if (*had == has)
        return;
    *had = has;
    if (has)
        ++*total;
    else
        --*total;
}

void port_account(struct rstp_port *p)
{
    struct rstp *r = p->bridge;
    unsigned unsynced = r->n_unsynced, rr = r->n_rr;
    /* allSynced [17.20.3]; that updtInfo is false is IEEE 802.1Q's: before its port has been told
     * what is new, synced speaks of what was agreed about something else. */
    bool synced = p->selected && !p->updt_info && p->role == p->selected_role &&
                  (p->synced || p->role == RSTP_ROLE_ROOT);

    count(&r->n_unsynced, &p->counts_unsynced, !synced);
    count(&r->n_rr, &p->counts_rr, !timer_zero(p, T_RR));
    count(&r->n_reselect, &p->counts_reselect, p->reselect);
    count(&r->n_tc, &p->counts_tc, !timer_zero(p, T_TC));
    /* allSynced has become true: whoever owes an agreement can give it. */
    if (unsynced > 0 && r->n_unsynced == 0)
        for (unsigned i = 0; i < r->n_ports; i++)
            if (!r->ports[i]->agree && r->ports[i]->role != RSTP_ROLE_DISABLED &&
                r->ports[i]->role != RSTP_ROLE_DESIGNATED)
                port_mark(r->ports[i]);
    /* reRooted may have become true for the root port. */
    if (r->n_rr < rr && r->root_port)
        port_mark(r->root_port);
}

static void run_port(struct rstp_port *p)
{
    bool moved;

    do {
        moved = prx_run(p);
        moved |= ppm_run(p);
        moved |= bdm_run(p);
        moved |= pim_run(p);
        port_account(p);
        moved |= prt_run(p);
        moved |= pst_run(p);
        moved |= tcm_run(p);
        port_account(p);
    } while (moved);
    if (list_empty(&p->touched))
        list_append(&p->bridge->touched, &p->touched);
}

static void settle(struct rstp *r)
{
    struct list *link;

    for (;;) {
        if (r->n_reselect > 0) {
            prs_run(r);
        } else if ((link = list_first(&r->dirty))) {
            list_remove(link);
            run_port(list_entry(link, struct rstp_port, dirty));
        } else {
            break;
        }
    }
    while ((link = list_first(&r->touched))) {
        struct rstp_port *p = list_entry(link, struct rstp_port, touched);

        list_remove(link);
        ptx_run(p);
        heap_update(r, p);
    }
}

static void enter(struct rstp *r, mtime_t now)
{
    assert(!r->busy);
    r->busy = true;
    r->now = now;
}

static void leave(struct rstp *r)
{
    settle(r);
    r->busy = false;
}

/* --- parameters [17.20], within the ranges of Table 17-1 ------------------------------------- */

static mtime_t within(uint16_t time, unsigned least, unsigned most)
{
    mtime_t t = (mtime_t)time * MTIME_SEC / (mtime_t)RSTP_SECOND;

    if (t < (mtime_t)least * MTIME_SEC)
        return (mtime_t)least * MTIME_SEC;
    return mtime_min(t, (mtime_t)most * MTIME_SEC);
}

mtime_t hello_time(const struct rstp_port *p)
{
    return within(p->designated_times.hello, 1, 10);
}

mtime_t fwd_delay(const struct rstp_port *p)
{
    return within(p->designated_times.forward_delay, 4, 30);
}

/* On a shared medium twice as long as [17.20.5] says: 4 s to forward would be less than the 6 s
 * for which another port there may still believe old news. */
mtime_t forward_delay(const struct rstp_port *p)
{
    if (!p->send_rstp)
        return fwd_delay(p);
    return p->oper_p2p ? hello_time(p) : 2 * hello_time(p);
}

mtime_t max_age(const struct rstp_port *p)
{
    return within(p->designated_times.max_age, 6, 40);
}

mtime_t edge_delay(const struct rstp_port *p)
{
    return p->oper_p2p ? MIGRATE_TIME : max_age(p);
}

/* --- bridge ---------------------------------------------------------------------------------- */

static bool bridge_config_valid(const struct rstp_bridge_config *c)
{
    return c->priority % RSTP_PRIORITY_STEP == 0 &&
           (c->version == RSTP_VERSION_STP || c->version == RSTP_VERSION_RSTP) &&
           c->hello >= 1 && c->hello <= 2 && c->max_age >= 6 && c->max_age <= 40 &&
           c->forward_delay >= 4 && c->forward_delay <= 30 && c->tx_hold_count >= 1 &&
           c->tx_hold_count <= 10 && 2 * (c->forward_delay - 1) >= c->max_age &&
           c->max_age >= 2 * (c->hello + 1);
}

static void apply_bridge_config(struct rstp *r, const struct rstp_bridge_config *c)
{
    r->config = *c;
    r->bridge_id = (uint64_t)c->priority << 48 | r->address;
    r->bridge_times.max_age = (uint16_t)(c->max_age * RSTP_SECOND);
    r->bridge_times.hello = (uint16_t)(c->hello * RSTP_SECOND);
    r->bridge_times.forward_delay = (uint16_t)(c->forward_delay * RSTP_SECOND);
}

struct rstp *rstp_new(const uint8_t mac[6], const struct rstp_bridge_config *config,
                      const struct rstp_ops *ops, void *aux, mtime_t now)
{
    struct rstp *r = bridge_config_valid(config) ? calloc(1, sizeof *r) : NULL;

    if (!r)
        return NULL;
    for (unsigned i = 0; i < 6; i++)
        r->address = r->address << 8 | mac[i];
    r->ops = ops;
    r->aux = aux;
    r->now = now;
    r->tc_at = MTIME_NEVER;
    list_init(&r->dirty);
    list_init(&r->touched);
    r->root_since = now;
    r->feasible = (struct rstp_vector){.root = UINT64_MAX, .cost = UINT32_MAX};
    apply_bridge_config(r, config);
    prs_run(r);
    return r;
}

void rstp_free(struct rstp *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < r->n_ports; i++)
        free(r->ports[i]);
    free(r->ports);
    free(r->heap);
    free(r->by_number);
    free(r);
}

/* [17.13]: a parameter that selection depends on has changed. */
static void reselect(struct rstp_port *p)
{
    p->reselect = true;
    p->selected = false;
    port_account(p);
    port_mark(p);
}

static void begin(struct rstp_port *p)
{
    p->role = p->selected_role = RSTP_ROLE_DISABLED;
    p->updt_info = false;
    p->designated_times = p->bridge->root_times;
    prx_begin(p);
    ppm_begin(p);
    bdm_begin(p);
    pim_begin(p);
    prt_begin(p);
    pst_begin(p);
    tcm_begin(p);
    ptx_begin(p);
    port_account(p);
    port_mark(p);
}

/*
 * The bridge is another one for its neighbours. With a better identifier it turns the direction of
 * ports that forward, which agreements never covered: two fronts of the news could close a loop
 * where they meet. So nothing agreed holds, and all designated ports sync, as if a proposal had
 * come in.
 */
static void sync_anew(struct rstp_port *p)
{
    p->agreed = p->synced = false;
    p->sync = true;
}

int rstp_set_bridge(struct rstp *r, const struct rstp_bridge_config *config, mtime_t now)
{
    bool anew = config->version != r->config.version;
    bool other = config->priority != r->config.priority;

    if (!bridge_config_valid(config))
        return -EINVAL;
    enter(r, now);
    apply_bridge_config(r, config);
    for (unsigned i = 0; i < r->n_ports; i++) {
        if (other)
            sync_anew(r->ports[i]);
        if (anew)
            begin(r->ports[i]);
        else
            reselect(r->ports[i]);
    }
    if (r->n_ports == 0)
        prs_run(r);
    leave(r);
    return 0;
}

/* --- ports ----------------------------------------------------------------------------------- */

static struct rstp_port *find(const struct rstp *r, unsigned number)
{
    return number < r->n_numbers ? r->by_number[number] : NULL;
}

static bool port_config_valid(const struct rstp_port_config *c)
{
    return c->priority % RSTP_PORT_PRIORITY_STEP == 0 && c->path_cost <= RSTP_COST_MAX;
}

uint32_t rstp_path_cost(uint32_t speed_mbps)
{
    uint32_t cost = 20000000u / (speed_mbps ? speed_mbps : 10000u);

    return cost ? cost : 1;
}

/* Takes settings and link over into the variables they make; true if selection depends on it. */
static bool apply_port_config(struct rstp_port *p)
{
    const struct rstp_port_config *c = &p->config;
    unsigned id =
        (unsigned)c->priority / RSTP_PORT_PRIORITY_STEP << PORT_NUMBER_BITS | p->number;
    uint32_t cost = c->path_cost ? c->path_cost : rstp_path_cost(p->link.speed_mbps);
    bool changed;

    if (c->last_resort)
        cost += RSTP_LAST_RESORT_COST;
    changed = id != p->port_id || cost != p->path_cost;
    p->port_id = (uint16_t)id;
    p->path_cost = cost;
    p->oper_p2p = c->p2p == RSTP_P2P_AUTO ? p->link.p2p : c->p2p == RSTP_P2P_YES;
    if (!c->bpdu_guard)
        p->guarded = false;
    p->port_enabled = p->link.up && !p->guarded;
    return changed;
}

static int grow(struct rstp *r, unsigned number)
{
    void *p;

    if (r->n_ports == r->room) {
        unsigned room = r->room ? 2 * r->room : 8;

        p = realloc(r->ports, room * sizeof(struct rstp_port *));
        if (!p)
            return -ENOMEM;
        r->ports = p;
        p = realloc(r->heap, room * sizeof(struct rstp_port *));
        if (!p)
            return -ENOMEM;
        r->heap = p;
        r->room = room;
    }
    if (number >= r->n_numbers) {
        unsigned n = r->n_numbers ? r->n_numbers : 8;

        while (n <= number)
            n *= 2;
        p = realloc(r->by_number, n * sizeof(struct rstp_port *));
        if (!p)
            return -ENOMEM;
        r->by_number = p;
        memset(r->by_number + r->n_numbers, 0,
               (n - r->n_numbers) * sizeof(struct rstp_port *));
        r->n_numbers = n;
    }
    return 0;
}

int rstp_port_add(struct rstp *r, unsigned number, const struct rstp_port_config *config,
                  mtime_t now)
{
    struct rstp_port *p;

    if (number < 1 || number > RSTP_PORTS_MAX || !port_config_valid(config))
        return -EINVAL;
    if (find(r, number))
        return -EEXIST;
    p = grow(r, number) == 0 ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return -ENOMEM;
    enter(r, now);
    p->bridge = r;
    p->number = number;
    p->config = *config;
    p->role_since = now;
    for (unsigned t = 0; t < N_TIMERS; t++)
        p->until[t] = TIMER_ZERO;
    list_init(&p->dirty);
    list_init(&p->touched);
    p->index = r->n_ports++;
    r->ports[p->index] = r->by_number[number] = p;
    heap_insert(r, p);
    apply_port_config(p);
    begin(p);
    leave(r);
    return 0;
}

int rstp_port_set(struct rstp *r, unsigned number, const struct rstp_port_config *config,
                  mtime_t now)
{
    struct rstp_port *p = find(r, number);

    if (!p)
        return -ENOENT;
    if (!port_config_valid(config))
        return -EINVAL;
    enter(r, now);
    if (p->config.admin_edge && !config->admin_edge)
        p->oper_edge = false;
    if (p->config.root_guard != config->root_guard)
        reselect(p);
    p->config = *config;
    if (apply_port_config(p))
        reselect(p);
    port_mark(p);
    leave(r);
    return 0;
}

int rstp_port_link(struct rstp *r, unsigned number, const struct rstp_link *link,
                   mtime_t now)
{
    struct rstp_port *p = find(r, number);

    if (!p)
        return -ENOENT;
    enter(r, now);
    if (link->up != p->link.up)
        p->guarded = p->looped = false;
    p->link = *link;
    if (apply_port_config(p))
        reselect(p);
    port_mark(p);
    leave(r);
    return 0;
}

int rstp_port_remove(struct rstp *r, unsigned number, mtime_t now)
{
    struct rstp_port *p = find(r, number);

    if (!p)
        return -ENOENT;
    enter(r, now);
    p->port_enabled = false;
    port_mark(p);
    settle(r);
    /* Nothing depends on it now: it is disabled, so synced, and no timer of the tree runs. */
    timer_stop(p, T_RR);
    timer_stop(p, T_TC);
    p->reselect = false;
    p->selected = p->synced = true;
    p->role = p->selected_role = RSTP_ROLE_DISABLED;
    port_account(p);
    list_remove(&p->dirty);
    list_remove(&p->touched);
    r->by_number[number] = NULL;
    r->n_ports--;
    r->ports[p->index] = r->ports[r->n_ports];
    r->ports[p->index]->index = p->index;
    heap_remove(r, p);
    free(p);
    leave(r);
    return 0;
}

int rstp_port_mcheck(struct rstp *r, unsigned number, mtime_t now)
{
    struct rstp_port *p = find(r, number);

    if (!p)
        return -ENOENT;
    enter(r, now);
    p->mcheck = rstp_version(r);
    port_mark(p);
    leave(r);
    return 0;
}

int rstp_port_rearm(struct rstp *r, unsigned number, mtime_t now)
{
    struct rstp_port *p = find(r, number);

    if (!p)
        return -ENOENT;
    enter(r, now);
    p->guarded = false;
    (void)apply_port_config(p);
    port_mark(p);
    leave(r);
    return 0;
}

/* --- input and time -------------------------------------------------------------------------- */

static void count_rx(struct rstp_port *p, enum bpdu_type type)
{
    switch (type) {
    case BPDU_CONFIG:
        p->counters.rx_config++;
        break;
    case BPDU_TCN:
        p->counters.rx_tcn++;
        break;
    case BPDU_RST:
        p->counters.rx_rst++;
        break;
    }
}

/* Its own BPDU came back [9.3.4 a) for CFG; the same for RST]: there is a loop behind the port. */
static void take_own(struct rstp_port *p)
{
    p->counters.rx_own++;
    p->oper_edge = false;
    p->disputed = true;
    p->agreed = false;
    timer_start(p, T_EDGE_DELAY, MIGRATE_TIME);
    if (!p->looped) {
        p->looped = true;
        port_event(p, RSTP_EVENT_LOOPED);
    }
}

static void take(struct rstp_port *p, const struct bpdu *b)
{
    const struct rstp *r = p->bridge;

    if (p->config.bpdu_guard) {
        p->guarded = true;
        p->port_enabled = false;
        port_event(p, RSTP_EVENT_BPDU_GUARD);
    } else if (b->type != BPDU_TCN && b->vector.bridge == r->bridge_id &&
               b->vector.port == p->port_id) {
        take_own(p);
    } else {
        p->looped = false;
        p->rcvd_bpdu = true;
        p->msg = *b;
    }
    port_mark(p);
}

int rstp_input(struct rstp *r, unsigned number, const void *data, size_t size, mtime_t now)
{
    struct rstp_port *p = find(r, number);
    struct bpdu b;
    int code;

    if (!p)
        return -ENOENT;
    if (!p->port_enabled || p->config.bpdu_filter) {
        p->counters.rx_filtered++;
        return 0;
    }
    code = bpdu_decode(data, size, &b);
    if (code < 0) {
        p->counters.rx_bad++;
        return code;
    }
    count_rx(p, b.type);
    enter(r, now);
    take(p, &b);
    leave(r);
    return 0;
}

mtime_t rstp_deadline(const struct rstp *r)
{
    return r->n_ports > 0 ? r->heap[0]->due : MTIME_NEVER;
}

void rstp_run(struct rstp *r, mtime_t now)
{
    enter(r, now);
    timers_expire(r);
    leave(r);
}

/* --- looking --------------------------------------------------------------------------------- */

void rstp_get(const struct rstp *r, struct rstp_status *s)
{
    *s = (struct rstp_status){
        .bridge_id = r->bridge_id,
        .root_id = r->root_priority.root,
        .root_cost = r->root_priority.cost,
        .root_port = r->root_port ? (uint16_t)r->root_port->number : 0,
        .times = r->root_times,
        .tc_count = r->tc_count,
        .tc_cause = r->tc_cause,
        .tc_port = r->tc_port,
        .tc_bridge = r->tc_bridge,
        .tc_at = r->tc_at,
    };
}

int rstp_port_get(const struct rstp *r, unsigned number, struct rstp_port_status *s)
{
    const struct rstp_port *p = find(r, number);

    if (!p)
        return -ENOENT;
    *s = (struct rstp_port_status){
        .role = p->role,
        .state = p->pst,
        .port_id = p->port_id,
        .path_cost = p->path_cost,
        .enabled = p->port_enabled,
        .edge = p->oper_edge,
        .p2p = p->oper_p2p,
        .rapid = p->send_rstp,
        .guarded = p->guarded,
        .root_refused = p->root_refused,
        .looped = p->looped,
        .last_resort = p->config.last_resort,
        .spare = p->role == RSTP_ROLE_DESIGNATED && waits_to_be_needed(p),
        .role_since = p->role_since,
        .designated = p->port_priority,
        .counters = p->counters,
    };
    return 0;
}

const char *rstp_role_name(enum rstp_role role)
{
    static const char *const names[] = {
        [RSTP_ROLE_DISABLED] = "disabled",     [RSTP_ROLE_ROOT] = "root",
        [RSTP_ROLE_DESIGNATED] = "designated", [RSTP_ROLE_ALTERNATE] = "alternate",
        [RSTP_ROLE_BACKUP] = "backup",
    };

    return names[role];
}

const char *rstp_state_name(enum rstp_state state)
{
    static const char *const names[] = {
        [RSTP_DISCARDING] = "discarding",
        [RSTP_LEARNING] = "learning",
        [RSTP_FORWARDING] = "forwarding",
    };

    return names[state];
}
