/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done: bridge detection [17.25], port transmit [17.26], port state transition [17.30],
 * topology change [17.31]. */
#include "proto/rstp/rstp_internal.h"

/* --- bridge detection ------------------------------------------------------------------------ */

void bdm_begin(struct rstp_port *p)
{
    p->oper_edge = p->config.admin_edge;
}

/* The state is operEdge itself: EDGE or NOT_EDGE. Port receive takes it away too. Stricter than the
 * standard: where a bridge was heard since the link came up, its silence makes no edge port, for
 * answers may have been lost. */
bool bdm_run(struct rstp_port *p)
{
    if (!p->port_enabled) {
        if (p->oper_edge == p->config.admin_edge)
            return false;
        p->oper_edge = p->config.admin_edge;
        return true;
    }
    if (p->oper_edge || p->heard || !timer_zero(p, T_EDGE_DELAY) || !p->config.auto_edge ||
        !p->send_rstp || !p->proposing)
        return false;
    p->oper_edge = true;
    return true;
}

/* --- port transmit --------------------------------------------------------------------------- */

/* TRANSMIT_INIT */
void ptx_begin(struct rstp_port *p)
{
    p->new_info = true;
    p->tx_count = 0;
    timer_stop(p, T_TX);
    timer_stop(p, T_HELLO);
}

static mtime_t floor_to_second(mtime_t t, mtime_t phase)
{
    mtime_t over = (t - phase) % MTIME_SEC;

    return t - (over < 0 ? over + MTIME_SEC : over);
}

/* IDLE. The hello is due on the last whole second before HelloTime is over; the ticks of the
 * standard are no finer. Edge ports share no link, so they have each their place in the second. */
static void ptx_idle(struct rstp_port *p)
{
    mtime_t now = p->bridge->now;
    mtime_t phase = p->oper_edge ? (mtime_t)(p->number * 617u % 1000u) * MTIME_MS : 0;
    mtime_t at = floor_to_second(now + hello_time(p), phase);

    p->until[T_HELLO] = at > now ? at : at + MTIME_SEC;
}

static enum bpdu_role role_on_wire(enum rstp_role role)
{
    switch (role) {
    case RSTP_ROLE_ROOT:
        return BPDU_ROLE_ROOT;
    case RSTP_ROLE_DESIGNATED:
        return BPDU_ROLE_DESIGNATED;
    case RSTP_ROLE_ALTERNATE:
    case RSTP_ROLE_BACKUP:
        return BPDU_ROLE_ALTERNATE_BACKUP;
    case RSTP_ROLE_DISABLED:
        break;
    }
    return BPDU_ROLE_UNKNOWN;
}

static void transmit(struct rstp_port *p, const struct bpdu *b)
{
    const struct rstp *r = p->bridge;
    uint8_t data[BPDU_SIZE_MAX];
    size_t size = bpdu_encode(b, data);

    p->new_info = false;
    if (!p->config.bpdu_filter && !p->config.silent) {
        p->counters.tx_config += b->type == BPDU_CONFIG;
        p->counters.tx_tcn += b->type == BPDU_TCN;
        p->counters.tx_rst += b->type == BPDU_RST;
        r->ops->tx_bpdu(r->aux, p->number, data, size);
    }
    p->tx_count++;
    if (timer_zero(p, T_TX))
        timer_start(p, T_TX, tx_time(p));
    if (p->role == RSTP_ROLE_DESIGNATED)
        p->told_at = r->now;
    if (p->doubt && timer_zero(p, T_DOUBT)) {
        timer_start(p, T_DOUBT, answer_time(p));
        if (p->role == RSTP_ROLE_DESIGNATED && !p->forward)
            timer_start(p, T_FD, forward_delay(p));
    }
    if (b->type != BPDU_TCN)
        p->tc_ack = false;
    ptx_idle(p);
}

/* An edge port asks, too: a bridge whose port is an alternate one answers nothing else, and the edge port would never
 * hear of it. */
static bool proposes(const struct rstp_port *p)
{
    return p->proposing || (p->role == RSTP_ROLE_DESIGNATED && p->oper_edge && !p->heard);
}

/* TRANSMIT_RSTP, txRstp() [17.21.20] */
static void tx_rstp(struct rstp_port *p)
{
    struct bpdu b = {
        .type = BPDU_RST,
        .role = role_on_wire(p->role),
        .tc = !timer_zero(p, T_TC),
        .proposal = proposes(p),
        .agreement = p->agree,
        .learning = p->learning,
        .forwarding = p->forwarding,
        .vector = p->designated_priority,
        .times = p->designated_times,
    };

    transmit(p, &b);
}

/* TRANSMIT_CONFIG, txConfig() [17.21.19] */
static void tx_config(struct rstp_port *p)
{
    struct bpdu b = {
        .type = BPDU_CONFIG,
        .role = BPDU_ROLE_DESIGNATED,
        .tc = !timer_zero(p, T_TC),
        .tc_ack = p->tc_ack,
        .vector = p->designated_priority,
        .times = p->designated_times,
    };

    transmit(p, &b);
}

/* TRANSMIT_TCN, txTcn() [17.21.21] */
static void tx_tcn(struct rstp_port *p)
{
    struct bpdu b = {.type = BPDU_TCN};

    transmit(p, &b);
}

void ptx_run(struct rstp_port *p)
{
    if (!p->port_enabled || p->role == RSTP_ROLE_DISABLED) {
        timer_stop(p, T_HELLO);
        return;
    }
    if (!p->selected || p->updt_info)
        return;
    if (timer_zero(p, T_HELLO)) { /* TRANSMIT_PERIODIC */
        p->new_info = p->new_info || p->role == RSTP_ROLE_DESIGNATED ||
                      (p->role == RSTP_ROLE_ROOT && !timer_zero(p, T_TC));
        ptx_idle(p);
    }
    if (!p->new_info || p->tx_count >= tx_hold_count(p))
        return;
    if (p->send_rstp)
        tx_rstp(p);
    else if (p->role == RSTP_ROLE_DESIGNATED)
        tx_config(p);
    else if (p->role == RSTP_ROLE_ROOT)
        tx_tcn(p);
}

/* --- port state transition ------------------------------------------------------------------- */

static void set_state(struct rstp_port *p, enum rstp_state state)
{
    const struct rstp *r = p->bridge;

    p->pst = state;
    p->learning = state != RSTP_DISCARDING;
    p->forwarding = state == RSTP_FORWARDING;
    p->counters.forwarded += p->forwarding;
    r->ops->set_state(r->aux, p->number, state);
}

void pst_begin(struct rstp_port *p)
{
    set_state(p, RSTP_DISCARDING);
}

bool pst_run(struct rstp_port *p)
{
    switch (p->pst) {
    case RSTP_DISCARDING:
        if (!p->learn)
            return false;
        set_state(p, RSTP_LEARNING);
        return true;
    case RSTP_LEARNING:
        if (p->learn && !p->forward)
            return false;
        set_state(p, p->learn ? RSTP_FORWARDING : RSTP_DISCARDING);
        return true;
    case RSTP_FORWARDING:
        if (p->forward)
            return false;
        set_state(p, RSTP_DISCARDING);
        return true;
    }
    return false;
}

/* --- topology change ------------------------------------------------------------------------- */

/* fdbFlush [17.19.7]: done at once. With STP the standard lets entries age quickly instead; to
 * forget them is stricter. */
static void fdb_flush(struct rstp_port *p)
{
    const struct rstp *r = p->bridge;

    r->ops->flush(r->aux, p->number);
}

/* INACTIVE */
void tcm_begin(struct rstp_port *p)
{
    p->tcm = TCM_INACTIVE;
    fdb_flush(p);
    timer_stop(p, T_TC);
    p->tc_ack = false;
}

/* newTcWhile() [17.21.7] */
static void new_tc_while(struct rstp_port *p)
{
    if (!timer_zero(p, T_TC))
        return;
    if (p->send_rstp) {
        timer_start(p, T_TC, hello_time(p) + MTIME_SEC);
        p->new_info = true;
    } else {
        timer_start(p, T_TC, max_age(p) + fwd_delay(p));
    }
}

/* setTcPropTree() [17.21.18]. Where the machine is inactive the flag has no effect. */
static void set_tc_prop_tree(struct rstp_port *p)
{
    const struct rstp *r = p->bridge;

    for (unsigned i = 0; i < r->n_ports; i++) {
        if (r->ports[i] == p)
            continue;
        r->ports[i]->tc_prop = true;
        if (r->ports[i]->tcm != TCM_INACTIVE)
            port_mark(r->ports[i]);
    }
}

/* Keeps cause and time for people. A change counts once, though its notification is repeated. */
static void note_change(struct rstp_port *p, enum rstp_tc_cause cause, uint64_t from)
{
    struct rstp *r = p->bridge;

    if (cause == RSTP_TC_NOTIFIED &&
        (r->n_tc > 0 ||
         (r->tc_at != MTIME_NEVER && r->now - r->tc_at <= hello_time(p) + MTIME_SEC)))
        return;
    r->tc_count++;
    r->tc_cause = cause;
    r->tc_port = (uint16_t)p->number;
    r->tc_bridge = from;
    r->tc_at = r->now;
    port_event(p, RSTP_EVENT_TOPOLOGY);
}

static void tcm_learning(struct rstp_port *p)
{
    p->tcm = TCM_LEARNING;
    p->rcvd_tc = p->rcvd_tcn = p->rcvd_tc_ack = p->tc_prop = false;
}

/* NOTIFIED_TCN and NOTIFIED_TC */
static void tcm_notified(struct rstp_port *p)
{
    note_change(p, RSTP_TC_NOTIFIED, p->msg.vector.bridge);
    if (p->rcvd_tcn)
        new_tc_while(p);
    p->rcvd_tcn = p->rcvd_tc = false;
    if (p->role == RSTP_ROLE_DESIGNATED)
        p->tc_ack = true;
    set_tc_prop_tree(p);
}

static bool tcm_active(struct rstp_port *p, bool in_tree)
{
    if (!in_tree || p->oper_edge) {
        tcm_learning(p);
    } else if (p->rcvd_tcn || p->rcvd_tc) {
        tcm_notified(p);
    } else if (p->tc_prop) { /* PROPAGATING */
        new_tc_while(p);
        fdb_flush(p);
        p->tc_prop = false;
    } else if (p->rcvd_tc_ack) { /* ACKNOWLEDGED */
        timer_stop(p, T_TC);
        p->rcvd_tc_ack = false;
    } else {
        return false;
    }
    return true;
}

bool tcm_run(struct rstp_port *p)
{
    bool in_tree = p->role == RSTP_ROLE_ROOT || p->role == RSTP_ROLE_DESIGNATED;
    bool told = p->rcvd_tc || p->rcvd_tcn || p->rcvd_tc_ack || p->tc_prop;

    switch (p->tcm) {
    case TCM_INACTIVE:
        if (!p->learn)
            return false;
        tcm_learning(p);
        return true;
    case TCM_LEARNING:
        if (in_tree && p->forward && !p->oper_edge) { /* DETECTED */
            note_change(p, RSTP_TC_DETECTED, 0);
            p->tcm = TCM_ACTIVE;
            new_tc_while(p);
            set_tc_prop_tree(p);
            p->new_info = true;
        } else if (told) {
            tcm_learning(p);
        } else if (!in_tree && !p->learn && !p->learning) {
            tcm_begin(p);
        } else {
            return false;
        }
        return true;
    case TCM_ACTIVE:
        return tcm_active(p, in_tree);
    }
    return false;
}
