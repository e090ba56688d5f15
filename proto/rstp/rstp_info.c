/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes in: port receive [17.23], port protocol migration [17.24], port information [17.27]. */
#include "proto/rstp/rstp_internal.h"

/* What the message's port number and bridge address say, without priorities [17.6]. */
#define ADDRESS_MASK     0xffffffffffffu
#define PORT_NUMBER_MASK 0x0fffu

enum rcvd_info { /* [17.21.8] */
                 SUPERIOR_DESIGNATED_INFO,
                 REPEATED_DESIGNATED_INFO,
                 INFERIOR_DESIGNATED_INFO,
                 INFERIOR_ROOT_ALTERNATE_INFO,
                 OTHER_INFO,
};

/* --- port receive ---------------------------------------------------------------------------- */

/* DISCARD */
void prx_begin(struct rstp_port *p)
{
    p->rcvd_bpdu = p->rcvd_rstp = p->rcvd_stp = false;
    p->rcvd_msg = false;
    p->heard = false;
    timer_hold(p, T_EDGE_DELAY);
}

bool prx_run(struct rstp_port *p)
{
    if (!p->port_enabled) {
        if (!p->rcvd_bpdu && timer_held(p, T_EDGE_DELAY))
            return false;
        prx_begin(p);
        return true;
    }
    timer_release(p, T_EDGE_DELAY, MIGRATE_TIME);
    if (!p->rcvd_bpdu || p->rcvd_msg)
        return false;
    /* RECEIVE, with updtBPDUversion() [17.21.22] */
    if (p->msg.type == BPDU_RST)
        p->rcvd_rstp = true;
    else
        p->rcvd_stp = true;
    p->oper_edge = p->rcvd_bpdu = false;
    p->rcvd_msg = p->heard = true;
    /* The standard has MigrateTime here. On a shared medium others may be silent for longer, as
     * long as they believe in a designated bridge that is gone. */
    timer_start(p, T_EDGE_DELAY, edge_delay(p));
    return true;
}

/* --- port protocol migration ----------------------------------------------------------------- */

/* CHECKING_RSTP */
void ppm_begin(struct rstp_port *p)
{
    p->ppm = PPM_CHECKING_RSTP;
    p->mcheck = false;
    p->send_rstp = rstp_version(p->bridge);
    timer_hold(p, T_MDELAY);
    if (p->port_enabled)
        timer_release(p, T_MDELAY, MIGRATE_TIME);
}

static void ppm_sensing(struct rstp_port *p)
{
    p->ppm = PPM_SENSING;
    p->rcvd_rstp = p->rcvd_stp = false;
}

static bool ppm_checking(struct rstp_port *p)
{
    if (p->port_enabled)
        timer_release(p, T_MDELAY, MIGRATE_TIME);
    if (timer_zero(p, T_MDELAY)) {
        ppm_sensing(p);
        return true;
    }
    if (!p->port_enabled && !timer_held(p, T_MDELAY)) {
        ppm_begin(p);
        return true;
    }
    return false;
}

bool ppm_run(struct rstp_port *p)
{
    switch (p->ppm) {
    case PPM_CHECKING_RSTP:
        return ppm_checking(p);
    case PPM_SELECTING_STP:
        if (!timer_zero(p, T_MDELAY) && p->port_enabled && !p->mcheck)
            return false;
        ppm_sensing(p);
        return true;
    case PPM_SENSING:
        if (!p->port_enabled || p->mcheck ||
            (rstp_version(p->bridge) && !p->send_rstp && p->rcvd_rstp)) {
            ppm_begin(p);
            return true;
        }
        if (p->send_rstp && p->rcvd_stp) {
            p->ppm = PPM_SELECTING_STP;
            p->send_rstp = false;
            timer_start(p, T_MDELAY, MIGRATE_TIME);
            return true;
        }
        return false;
    }
    return false;
}

/* --- port information ------------------------------------------------------------------------ */

/* [17.6]: better than the port's, or from the very same designated port. */
static bool superior(const struct rstp_vector *msg, const struct rstp_vector *port)
{
    return rstp_vector_compare(msg, port) < 0 ||
           (((msg->bridge ^ port->bridge) & ADDRESS_MASK) == 0 &&
            ((msg->port ^ port->port) & PORT_NUMBER_MASK) == 0);
}

/* rcvInfo() [17.21.8] */
static enum rcvd_info rcv_info(struct rstp_port *p)
{
    const struct bpdu *b = &p->msg;
    int order;

    if (b->type == BPDU_TCN)
        return OTHER_INFO;
    p->msg_priority = b->vector;
    p->msg_times = b->times;
    /* recordTimes() would put the minimum of Table 17-1 [17.21.13]; here already, so that a
     * repetition is known as one. */
    if (p->msg_times.hello < RSTP_SECOND)
        p->msg_times.hello = RSTP_SECOND;
    order = rstp_vector_compare(&p->msg_priority, &p->port_priority);
    if (b->role == BPDU_ROLE_DESIGNATED) {
        if (order == 0 && rstp_times_equal(&p->msg_times, &p->port_times))
            return REPEATED_DESIGNATED_INFO;
        if (superior(&p->msg_priority, &p->port_priority))
            return SUPERIOR_DESIGNATED_INFO;
        return INFERIOR_DESIGNATED_INFO;
    }
    return order >= 0 ? INFERIOR_ROOT_ALTERNATE_INFO : OTHER_INFO;
}

/* betterorsameinfo() [17.21.1] */
static bool better_or_same_info(const struct rstp_port *p, enum info_is new_info_is)
{
    const struct rstp_vector *v =
        new_info_is == INFO_RECEIVED ? &p->msg_priority : &p->designated_priority;

    return p->info_is == new_info_is && rstp_vector_compare(v, &p->port_priority) <= 0;
}

/*
 * recordAgreement() [17.21.9]. Whoever agrees to what this port tells now has the same root in
 * mind: as root port because it follows, as alternate port because it would be designated
 * otherwise. An agreement about another root was given to something told before, and, when old
 * news of a lost root go round in circles, would close a loop; it is not taken.
 */
static void record_agreement(struct rstp_port *p)
{
    if (waits_to_be_needed(p) && p->msg.role != BPDU_ROLE_ROOT)
        return;
    if (rstp_version(p->bridge) && p->oper_p2p && p->msg.agreement && !p->doubt &&
        !p->new_info && p->msg_priority.root == p->port_priority.root) {
        p->agreed = true;
        p->proposing = false;
    } else {
        p->agreed = false;
    }
}

/* recordDispute(), as IEEE 802.1Q has it. */
static void record_dispute(struct rstp_port *p)
{
    if (p->msg.type == BPDU_RST && p->msg.learning) {
        p->disputed = true;
        p->agreed = false;
    }
}

/* recordProposal() [17.21.11] */
static void record_proposal(struct rstp_port *p)
{
    if (p->msg.role == BPDU_ROLE_DESIGNATED && p->msg.proposal)
        p->proposed = true;
}

/* setTcFlags() [17.21.17] */
static void set_tc_flags(struct rstp_port *p)
{
    p->rcvd_tc |= p->msg.tc;
    p->rcvd_tc_ack |= p->msg.tc_ack;
    p->rcvd_tcn |= p->msg.type == BPDU_TCN;
}

/* updtRcvdInfoWhile() [17.21.23] */
static void updt_rcvd_info_while(struct rstp_port *p)
{
    unsigned age = p->port_times.message_age + RSTP_SECOND + RSTP_SECOND / 2;

    age -= age % RSTP_SECOND;
    if (age > p->port_times.max_age)
        timer_stop(p, T_RCVD_INFO);
    else
        timer_start(p, T_RCVD_INFO,
                    3 * (mtime_t)p->port_times.hello * MTIME_SEC / (mtime_t)RSTP_SECOND);
}

static void ask_selection(struct rstp_port *p)
{
    p->reselect = true;
    p->selected = false;
}

/* DISABLED */
void pim_begin(struct rstp_port *p)
{
    p->pim = PIM_DISABLED;
    p->rcvd_msg = false;
    p->proposing = p->proposed = p->agree = p->agreed = false;
    timer_stop(p, T_RCVD_INFO);
    p->info_is = INFO_DISABLED;
    p->disputed = p->doubt = false;
    p->told_at = INT64_MIN / 2;
    timer_stop(p, T_DOUBT);
    ask_selection(p);
}

static void pim_aged(struct rstp_port *p)
{
    p->pim = PIM_AGED;
    p->info_is = INFO_AGED;
    ask_selection(p);
}

static void pim_update(struct rstp_port *p)
{
    p->pim = PIM_CURRENT;
    p->proposing = p->proposed = false;
    p->agreed = p->agreed && better_or_same_info(p, INFO_MINE);
    if (p->info_is == INFO_MINE ? !better_or_same_info(p, INFO_MINE)
                                : p->bridge->now < p->told_at + answer_time(p)) {
        p->doubt = true;
        timer_stop(p, T_DOUBT);
        if (!p->forward)
            timer_start(p, T_FD, forward_delay(p));
    }
    p->synced = p->synced && p->agreed;
    p->port_priority = p->designated_priority;
    p->port_times = p->designated_times;
    p->updt_info = false;
    p->info_is = INFO_MINE;
    p->new_info = true;
}

static void pim_superior_designated(struct rstp_port *p)
{
    p->agreed = p->proposing = false;
    record_proposal(p);
    set_tc_flags(p);
    p->agree = p->agree && better_or_same_info(p, INFO_RECEIVED);
    p->port_priority = p->msg_priority; /* recordPriority() [17.21.12] */
    p->port_times = p->msg_times;       /* recordTimes() [17.21.13] */
    updt_rcvd_info_while(p);
    p->info_is = INFO_RECEIVED;
    ask_selection(p);
}

static void pim_receive(struct rstp_port *p)
{
    switch (rcv_info(p)) {
    case SUPERIOR_DESIGNATED_INFO:
        pim_superior_designated(p);
        break;
    case REPEATED_DESIGNATED_INFO:
        record_proposal(p);
        set_tc_flags(p);
        updt_rcvd_info_while(p);
        break;
    case INFERIOR_DESIGNATED_INFO:
        record_dispute(p);
        break;
    case INFERIOR_ROOT_ALTERNATE_INFO: /* NOT_DESIGNATED */
        record_agreement(p);
        set_tc_flags(p);
        break;
    case OTHER_INFO:
        if (p->msg.type == BPDU_TCN)
            set_tc_flags(p);
        break;
    }
    p->rcvd_msg = false;
}

bool pim_run(struct rstp_port *p)
{
    if (!p->port_enabled && p->info_is != INFO_DISABLED) {
        pim_begin(p);
        return true;
    }
    switch (p->pim) {
    case PIM_DISABLED:
        if (p->port_enabled)
            pim_aged(p);
        else if (p->rcvd_msg)
            pim_begin(p);
        else
            return false;
        return true;
    case PIM_AGED:
        if (!p->selected || !p->updt_info)
            return false;
        pim_update(p);
        return true;
    case PIM_CURRENT:
        if (p->selected && p->updt_info)
            pim_update(p);
        else if (p->rcvd_msg && !p->updt_info)
            pim_receive(p);
        else if (p->info_is == INFO_RECEIVED && timer_zero(p, T_RCVD_INFO) &&
                 !p->updt_info && !p->rcvd_msg)
            pim_aged(p);
        else
            return false;
        return true;
    }
    return false;
}
