/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/timers.h"

#include <assert.h>

#include <lwip/dhcp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>
#include <lwip/timeouts.h>

#include "libioth/stack/due.h"
#include "libioth/stack/rate.h"

#define QUIET        (20 * MTIME_SEC)
#define TCP_TICK     (TCP_TMR_INTERVAL * MTIME_MS)
#define TCP_COARSE   (500 * MTIME_MS) /* TIME-WAIT is in no hurry. */
#define TCP_TICK_MAX 32               /* Made up for one by one; the others at once. */
#define TICKS_MAX    7200             /* Of one other timer, two hours of most. */
#define TIMERS_MAX   16

static struct {
    mtime_t now;
    mtime_t last_use;
    mtime_t tcp_ticked;         /* Up to where TCP's ticks have been counted. */
    mtime_t ticked[TIMERS_MAX]; /* The same, by index of lwip_cyclic_timers. */
    bool dhcp;
} t;

u32_t sys_now(void)
{
    return (u32_t)(t.now / MTIME_MS);
}

/* lwip_init() calls it; timers_init() is ours. */
void sys_timeouts_init(void)
{
}

mtime_t timers_now(void)
{
    return t.now;
}

void timers_dhcp(bool on)
{
    t.dhcp = on;
}

void timers_init(mtime_t now)
{
    assert(lwip_num_cyclic_timers <= TIMERS_MAX);
    t.now = t.last_use = t.tcp_ticked = now;
    for (int i = 0; i < TIMERS_MAX; i++)
        t.ticked[i] = now;
}

static void run_tcp(void)
{
    mtime_t ticks = (t.now - t.tcp_ticked) / TCP_TICK;

    t.tcp_ticked += ticks * TCP_TICK;
    if (ticks > TCP_TICK_MAX) {
        tcp_ticks += (u32_t)((ticks - TCP_TICK_MAX) / 2);
        ticks = TCP_TICK_MAX;
    }
    while (ticks-- > 0)
        tcp_tmr();
}

static bool is_dhcp(const struct lwip_cyclic_timer *timer)
{
    return timer->handler == dhcp_coarse_tmr || timer->handler == dhcp_fine_tmr;
}

static void run_one(int i)
{
    const struct lwip_cyclic_timer *timer = &lwip_cyclic_timers[i];
    mtime_t interval = timer->interval_ms * MTIME_MS;
    mtime_t ticks = (t.now - t.ticked[i]) / interval;

    t.ticked[i] += ticks * interval;
    if (is_dhcp(timer) && !t.dhcp)
        return;
    if (ticks > TICKS_MAX)
        ticks = TICKS_MAX;
    while (ticks-- > 0)
        timer->handler();
}

void timers_run(mtime_t now, bool used)
{
    if (now > t.now)
        t.now = now;
    if (t.now - t.tcp_ticked >= TCP_TICK)
        run_tcp();
    /* The first is TCP's. After QUIET the others rest until somebody uses the stack. */
    if (used || t.dhcp || t.now - t.last_use < QUIET) {
        for (int i = 1; i < lwip_num_cyclic_timers; i++)
            run_one(i);
    }
    if (used)
        t.last_use = t.now;
}

/* Until the slow timer finds that more than `ms` have passed since something came. */
static mtime_t silence(const struct tcp_pcb *pcb, uint32_t ms)
{
    uint32_t target = ms / TCP_SLOW_INTERVAL, passed = tcp_ticks - pcb->tmr;

    return (passed < target ? target + 1 - passed : 1) * (mtime_t)(2 * TCP_TICK);
}

/* How soon a connection needs a tick. */
static mtime_t pcb_wait(const struct tcp_pcb *pcb)
{
    mtime_t wait = MTIME_NEVER;

    if (pcb->flags & (TF_ACK_DELAY | TF_CLOSEPEND) || pcb->refused_data)
        return TCP_TICK;
    if (pcb->unsent || pcb->unacked || pcb->rtime >= 0 || pcb->ooseq ||
        (pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT && pcb->state != FIN_WAIT_2))
        return 2 * TCP_TICK;
    if (pcb->so_options & SOF_KEEPALIVE && pcb->state != FIN_WAIT_2)
        wait = silence(pcb, pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl);
    if (pcb->state == FIN_WAIT_2 && pcb->flags & TF_RXCLOSED)
        wait = silence(pcb, pcb->limits.fin_wait);
    return wait;
}

static mtime_t tcp_next(void)
{
    mtime_t wait = tcp_tw_pcbs ? TCP_COARSE : MTIME_NEVER;

    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb && wait > TCP_TICK;
         pcb = pcb->next)
        wait = mtime_min(wait, pcb_wait(pcb));
    return wait == MTIME_NEVER ? MTIME_NEVER : t.tcp_ticked + wait;
}

mtime_t timers_next(mtime_t now)
{
    mtime_t next = mtime_min(tcp_next(), rate_next());
    bool others = now - t.last_use < QUIET;

    for (int i = 1; i < lwip_num_cyclic_timers; i++) {
        const struct lwip_cyclic_timer *timer = &lwip_cyclic_timers[i];

        unsigned due =
            (is_dhcp(timer) ? t.dhcp : others) ? due_in(timer->handler) : DUE_NEVER;

        if (due != DUE_NEVER)
            next = mtime_min(next, t.ticked[i] + due * timer->interval_ms * MTIME_MS);
    }
    return next;
}
