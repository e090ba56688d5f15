/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/recovery.h"

#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>

#define DUP_THRESH   3
#define RTO_MAX      120000u                    /* ms */
#define RTO_SYN_LOST 3000u                      /* RFC 6298 5.7 */
#define SRTT(pcb)    ((uint32_t)(pcb)->sa >> 3) /* ms; 0: not measured. */
#define RTT_COARSE   4u  /* ms: shorter ones tell nothing in whole milliseconds. */
#define KEPT_BACK    40u /* ms, what most keep an acknowledgement back for. */
#define LOSSES       16u /* That were ones, until nothing is thought to be late any more. */

static bool recovers(const struct tcp_pcb *pcb)
{
    return pcb->flags & (TF_INFR | TF_RTO);
}

static uint32_t in_flight(const struct tcp_pcb *pcb)
{
    return pcb->snd_nxt - pcb->lastack;
}

/* What the other end has beyond pcb->lastack. Without SACK each duplicate stands for a segment. */
static uint32_t sacked(const struct tcp_pcb *pcb)
{
    uint32_t most = in_flight(pcb), guess = (uint32_t)pcb->dupacks * pcb->mss;

    if (pcb->flags & TF_SACK)
        return pcb->recovery.sacked.bytes;
    most = most > pcb->mss ? most - pcb->mss : 0;
    return guess < most ? guess : most;
}

/* What is missing first has been so for longer than it may be late. */
static bool waited(const struct tcp_pcb *pcb)
{
    return sys_now() - pcb->recovery.late.since >= pcb->recovery.late.ms;
}

/* All holes before it are lost by what the other end has behind them. */
static uint32_t sack_lost_end(const struct tcp_pcb *pcb)
{
    const struct tcp_recovery *r = &pcb->recovery;

    return r->late.ms ? seq_max(pcb->lastack, r->late.lost)
                      : scoreboard_lost(&r->sacked, pcb->lastack, pcb->mss);
}

/* All holes before it are lost. */
static uint32_t lost_end(const struct tcp_pcb *pcb)
{
    const struct tcp_recovery *r = &pcb->recovery;
    uint32_t una = pcb->lastack, end = una;

    if (pcb->flags & TF_RTO)
        end = r->end;
    if (pcb->flags & TF_SACK)
        end = seq_max(end, sack_lost_end(pcb));
    if (pcb->flags & TF_INFR) {
        if (waited(pcb))
            end = seq_max(end, una + pcb->mss);
        if (r->probed)
            end = seq_max(end, scoreboard_last(&r->sacked, una));
    }
    return seq_min(end, pcb->snd_nxt);
}

static uint32_t resend_from(const struct tcp_pcb *pcb)
{
    uint32_t ahead = pcb->recovery.sent - pcb->lastack;

    return ahead <= in_flight(pcb) ? pcb->recovery.sent : pcb->lastack;
}

/* What is on its way [RFC 6675, pipe]. */
static uint32_t on_path(const struct tcp_pcb *pcb)
{
    uint32_t gone = sacked(pcb);

    if (recovers(pcb))
        gone += scoreboard_holes(&pcb->recovery.sacked, resend_from(pcb), lost_end(pcb));
    return in_flight(pcb) > gone ? in_flight(pcb) - gone : 0;
}

static uint32_t room(const struct tcp_pcb *pcb)
{
    uint32_t path = on_path(pcb);

    return pcb->cwnd > path ? pcb->cwnd - path : 0;
}

uint32_t recovery_window(const struct tcp_pcb *pcb)
{
    return in_flight(pcb) + room(pcb);
}

/* --- what is lost --------------------------------------------------------------------------------- */

/* Half of the window, in whole segments, since it grows by what fills it; that segments are large may have kept it from
 * being full. */
static void halve(struct tcp_pcb *pcb)
{
    uint32_t used = in_flight(pcb) + pcb->cwnd / 2,
             window = used < pcb->cwnd ? used : pcb->cwnd;

    if (window > pcb->snd_wnd)
        window = pcb->snd_wnd;
    pcb->ssthresh = LWIP_MAX(window / 2 / pcb->mss, 2) * pcb->mss;
}

/* For the case that nothing was lost. What comes soon may answer what has been sent again already, and tells nothing. */
static void remember(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;
    bool clear = !r->probed && !pcb->nrtx && resend_from(pcb) == pcb->lastack;

    r->cwnd = clear ? pcb->cwnd : 0;
    r->ssthresh = pcb->ssthresh;
}

static void begin(struct tcp_pcb *pcb, tcpflags_t how)
{
    struct tcp_recovery *r = &pcb->recovery;

    tcp_clear_flags(pcb, TF_INFR | TF_RTO);
    tcp_set_flags(pcb, how);
    r->end = pcb->snd_nxt;
    /* What an earlier one sent again beyond its own end is on its way. */
    r->sent = how == TF_INFR && pcb->flags & TF_SACK ? resend_from(pcb) : pcb->lastack;
    r->begun = true;
    r->begun_at = sys_now();
    pcb->bytes_acked = 0;
    pcb->rttest =
        0; /* What is sent again tells nothing of the time that it takes [RFC 6298 3]. */
    pcb->rtime = 0;
}

static void begin_fast(struct tcp_pcb *pcb)
{
    remember(pcb);
    halve(pcb);
    pcb->cwnd = pcb->ssthresh;
    begin(pcb, TF_INFR);
}

/* Duplicates of what a time-out has sent twice must not begin it anew [RFC 6582 3.2]. */
static bool may_begin(const struct tcp_pcb *pcb)
{
    return pcb->unacked && !recovers(pcb) &&
           ((pcb->flags & TF_SACK) || !seq_before(pcb->lastack, pcb->recovery.end));
}

/* What is missing first is, or is being, sent again just now. */
static void note_again(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;

    r->again_at = sys_now();
    r->again_end = pcb->snd_nxt;
    r->later = false;
}

/* What was sent again is lost, too: once more. */
static void look_again(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;

    if (!recovers(pcb) || !r->later ||
        sys_now() - r->again_at <= LWIP_MIN(SRTT(pcb), r->rtt) ||
        !seq_before(pcb->lastack, r->sent))
        return;
    r->sent = pcb->lastack;
    note_again(pcb);
}

/* Where something has been late: which holes have been there for long enough. */
static void judge(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;
    uint32_t end = scoreboard_lost(&r->sacked, pcb->lastack, pcb->mss);

    if (r->late.judging && sys_now() - r->late.next_at >= r->late.ms) {
        r->late.lost = r->late.next;
        r->late.judging = false;
    }
    r->late.lost = seq_max(r->late.lost, pcb->lastack);
    if (!r->late.judging && seq_before(r->late.lost, end)) {
        r->late.next = end;
        r->late.next_at = sys_now();
        r->late.judging = true;
    }
}

static void look(struct tcp_pcb *pcb)
{
    const struct tcp_recovery *r = &pcb->recovery;
    bool tail_lost = r->probed && r->sacked.n;

    if (r->late.ms)
        judge(pcb);
    look_again(pcb);
    if (may_begin(pcb) && ((pcb->dupacks >= DUP_THRESH && waited(pcb)) || tail_lost ||
                           lost_end(pcb) != pcb->lastack))
        begin_fast(pcb);
}

/* --- what was only late ------------------------------------------------------------------------- */

/* What was sent again `ms` ago cannot have been acknowledged yet. */
static bool too_soon(const struct tcp_pcb *pcb, uint32_t ms)
{
    return pcb->recovery.rtt_min >= RTT_COARSE && ms < pcb->recovery.rtt_min;
}

static void note_late(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;
    uint32_t ms = sys_now() - r->late.since;

    ms = LWIP_MAX(ms + ms / 2, r->rtt_min / 4) + 1;
    if (!r->late.ms) {
        r->late.judging = false;
        r->late.lost = pcb->lastack;
    }
    r->late.ms = LWIP_MAX(r->late.ms, LWIP_MIN(ms, LWIP_MAX(SRTT(pcb), 1)));
    r->late.losses = 0;
}

/* More is acknowledged by what had not been sent again: it came late. */
static bool came_late(const struct tcp_pcb *pcb, bool was_waiting)
{
    const struct tcp_recovery *r = &pcb->recovery;

    if (recovers(pcb))
        return r->cwnd && too_soon(pcb, sys_now() - r->begun_at);
    return was_waiting;
}

/* Nothing was lost: as if nothing had been. */
static void undo(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;

    tcp_clear_flags(pcb, TF_INFR | TF_RTO);
    pcb->cwnd = LWIP_MAX(pcb->cwnd, r->cwnd);
    pcb->ssthresh = LWIP_MAX(pcb->ssthresh, r->ssthresh);
    pcb->dupacks = 0;
    r->cwnd = 0;
    r->late.lost = pcb->lastack;
    r->late.judging = false;
}

/* A probe of the tail has been answered. That it had to be sent tells of congestion, too [RFC 8985 7.4]. */
static void end_probe(struct tcp_pcb *pcb, bool single)
{
    struct tcp_recovery *r = &pcb->recovery;

    r->probed = false;
    if (r->twice || too_soon(pcb, sys_now() - r->probed_at)) {
        r->keeps = r->keeps || single;
    } else if (!single && !recovers(pcb) && !r->sacked.n) {
        halve(pcb);
        pcb->cwnd = LWIP_MIN(pcb->cwnd, pcb->ssthresh);
    }
}

void recovery_sacked(struct tcp_pcb *pcb, uint32_t left, uint32_t right)
{
    struct tcp_recovery *r = &pcb->recovery;

    if (!(pcb->flags & TF_SACK) || !seq_before(left, right) ||
        seq_before(pcb->snd_nxt, right))
        return;
    /* What is acknowledged already is told, too, if it came twice [RFC 2883]. */
    if (!seq_before(pcb->lastack, left)) {
        r->twice = true;
        return;
    }
    if (!scoreboard_add(&r->sacked, left, right))
        return;
    r->fresh = true;
    if (seq_before(left, r->sent) || seq_before(r->again_end, right))
        r->later = true;
}

void recovery_repeated(struct tcp_pcb *pcb, bool duplicate)
{
    struct tcp_recovery *r = &pcb->recovery;

    if ((duplicate || r->fresh) && pcb->unacked && pcb->dupacks < UINT8_MAX &&
        pcb->dupacks++ == 0)
        r->late.since = sys_now();
    r->fresh = r->twice = false;
    look(pcb);
}

static void end(struct tcp_pcb *pcb)
{
    /* A burst of all that duplicates have let go is not due [RFC 6582 3.2, step 3]. */
    if (pcb->flags & TF_INFR && !(pcb->flags & TF_SACK))
        pcb->cwnd = LWIP_MIN(pcb->ssthresh, LWIP_MAX(in_flight(pcb), pcb->mss) + pcb->mss);
    tcp_clear_flags(pcb, TF_INFR | TF_RTO);
    pcb->dupacks = 0;
    if (pcb->recovery.late.ms && ++pcb->recovery.late.losses >= LOSSES)
        pcb->recovery.late.ms = 0;
}

/* Some, but not all of what was in flight is acknowledged. */
static void advance(struct tcp_pcb *pcb, uint32_t acked)
{
    unsigned segments = acked / pcb->mss;

    note_again(pcb);
    if (pcb->flags & TF_SACK)
        return;
    /* The next segment is lost, too, and those behind the last one came as duplicates. */
    if (segments > 1)
        pcb->dupacks =
            (u8_t)(pcb->dupacks > segments - 1 ? pcb->dupacks - (segments - 1) : 0);
    if (pcb->flags & TF_INFR)
        pcb->recovery.sent = pcb->lastack;
}

uint32_t recovery_advanced(struct tcp_pcb *pcb, uint32_t acked)
{
    struct tcp_recovery *r = &pcb->recovery;
    uint32_t known = r->sacked.bytes;
    bool fast = pcb->flags & TF_INFR, again = r->sent != pcb->lastack - acked, late;

    pcb->limits.waits_since = sys_now();
    scoreboard_forget(&r->sacked, pcb->lastack);
    known -= r->sacked.bytes;
    r->fresh = false;
    late = came_late(pcb, !again && (pcb->flags & TF_SACK ? known > 0 : pcb->dupacks > 0));
    if (r->probed)
        end_probe(pcb, acked <= pcb->mss);
    r->twice = false;
    if (late) {
        note_late(pcb);
        if (recovers(pcb))
            undo(pcb);
    }
    r->late.since = sys_now();
    if (!recovers(pcb)) {
        pcb->dupacks = 0;
        r->end = pcb->lastack;
    } else if (seq_before(pcb->lastack, r->end)) {
        advance(pcb, acked);
    } else {
        end(pcb);
    }
    r->sent = resend_from(pcb);
    look(pcb);
    return fast || known > acked ? 0 : acked - known;
}

bool recovery_timed_out(struct tcp_pcb *pcb)
{
    if (!pcb->unacked)
        return false;
    remember(pcb);
    /* A second time: the other end may have dropped what it told to have. */
    if (pcb->nrtx)
        scoreboard_clear(&pcb->recovery.sacked);
    else
        halve(pcb);
    begin(pcb, TF_RTO);
    pcb->dupacks = 0;
    pcb->cwnd = pcb->mss;
    return true;
}

void recovery_resend(struct tcp_pcb *pcb)
{
    if (!pcb->unacked || pcb->state < ESTABLISHED)
        return;
    begin(pcb, TF_RTO);
    pcb->recovery.cwnd = 0;
    pcb->dupacks = 0;
    tcp_output(pcb);
}

/* --- sending ------------------------------------------------------------------------------------ */

/* How much of a hole goes at once. */
static uint32_t piece(const struct tcp_pcb *pcb, uint32_t hole)
{
    uint32_t n = room(pcb), most = tcp_limits_super(pcb);

    if (pcb->recovery.begun)
        n = LWIP_MAX(n, pcb->mss);
    if (hole <= n && hole <= most)
        return hole;
    n = n / pcb->mss * pcb->mss;
    return LWIP_MIN(n, most);
}

static bool send_again(struct tcp_pcb *pcb, uint32_t from, uint32_t n)
{
    if (tcp_send_again(pcb, from, (u16_t)n) != ERR_OK)
        return false;
    pcb->recovery.resent += (n + pcb->mss - 1) / pcb->mss;
    pcb->recovery.resent_bytes += n;
    return true;
}

void recovery_output(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;
    uint32_t left, right, n;

    if (!recovers(pcb) || !pcb->unacked)
        return;
    while (scoreboard_hole(&r->sacked, resend_from(pcb), lost_end(pcb), &left, &right)) {
        n = piece(pcb, right - left);
        if (!n || !tcp_limits_may_send(pcb) || !send_again(pcb, left, n))
            return;
        if (left == pcb->lastack)
            note_again(pcb);
        r->sent = left + n;
        r->begun = false;
    }
}

bool recovery_pending(const struct tcp_pcb *pcb)
{
    uint32_t left, right;

    return recovers(pcb) && pcb->unacked &&
           scoreboard_hole(&pcb->recovery.sacked, resend_from(pcb), lost_end(pcb), &left,
                           &right);
}

/* --- time ----------------------------------------------------------------------------------------- */

static uint32_t ticks(uint32_t ms)
{
    return (ms + TCP_SLOW_INTERVAL - 1) / TCP_SLOW_INTERVAL +
           1; /* One has begun already. */
}

int16_t recovery_rto(const struct tcp_pcb *pcb, unsigned backoff)
{
    uint32_t ms = stack_settings.rto_initial;

    if (pcb->sa)
        ms = SRTT(pcb) + LWIP_MAX((uint32_t)pcb->sv, stack_settings.rto_min);
    while (backoff-- > 0 && ms < RTO_MAX)
        ms *= 2;
    return (int16_t)ticks(LWIP_MIN(ms, RTO_MAX));
}

/* RFC 6298 2.2 and 2.3; sa is eight times the mean, sv four times the deviation. */
void recovery_measured(struct tcp_pcb *pcb, uint32_t ms)
{
    int32_t m = (int32_t)LWIP_MIN(LWIP_MAX(ms, 1), RTO_MAX), d;

    if (!pcb->sa) {
        pcb->sa = m * 8;
        pcb->sv = m * 2;
    } else {
        d = m - (pcb->sa >> 3);
        pcb->sa = LWIP_MAX(pcb->sa + d, 8);
        pcb->sv += (d < 0 ? -d : d) - (pcb->sv >> 2);
    }
    pcb->recovery.rtt = (uint32_t)m;
    if (!pcb->recovery.rtt_min || (uint32_t)m < pcb->recovery.rtt_min)
        pcb->recovery.rtt_min = (uint32_t)m;
    pcb->rto = recovery_rto(pcb, 0);
}

void recovery_connected(struct tcp_pcb *pcb)
{
    if (pcb->rttest)
        recovery_measured(pcb, sys_now() - pcb->rttest);
    else
        pcb->rto = (int16_t)ticks(LWIP_MAX(RTO_SYN_LOST, stack_settings.rto_initial));
    pcb->rttest = 0;
    pcb->recovery.resent += pcb->nrtx;
    pcb->nrtx = 0;
}

/* How long what is sent last is waited for before it is sent once more; 0: it is not. */
static uint32_t probe_wait(const struct tcp_pcb *pcb)
{
    if (in_flight(pcb) > pcb->mss)
        return 2 * SRTT(pcb);
    return pcb->recovery.keeps ? 0 : 2 * SRTT(pcb) + KEPT_BACK;
}

void recovery_tick(struct tcp_pcb *pcb)
{
    struct tcp_recovery *r = &pcb->recovery;
    uint32_t n = LWIP_MIN(in_flight(pcb), pcb->mss), wait = probe_wait(pcb);

    if (!pcb->unacked || pcb->state < ESTABLISHED)
        return;
    if (r->late.ms) {
        look(pcb);
        if (recovery_pending(pcb))
            tcp_output(pcb);
    }
    if (r->probed || recovers(pcb) || pcb->nrtx || !pcb->sa || !wait ||
        pcb->rtime < (int32_t)ticks(wait) || pcb->rtime >= pcb->rto)
        return;
    if (send_again(pcb, pcb->snd_nxt - n, n)) {
        r->probed = true;
        r->probed_at = sys_now();
        pcb->rttest = 0;
    }
}
