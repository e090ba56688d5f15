/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timers of ports as deadlines, and a binary heap of ports by their next one. */
#include "proto/rstp/rstp_internal.h"

void timer_start(struct rstp_port *p, enum rstp_timer t, mtime_t lasts)
{
    p->until[t] = lasts > 0 ? p->bridge->now + lasts : TIMER_ZERO;
}

void timer_stop(struct rstp_port *p, enum rstp_timer t)
{
    p->until[t] = TIMER_ZERO;
}

void timer_hold(struct rstp_port *p, enum rstp_timer t)
{
    p->until[t] = TIMER_HELD;
}

void timer_release(struct rstp_port *p, enum rstp_timer t, mtime_t lasts)
{
    if (timer_held(p, t))
        timer_start(p, t, lasts);
}

static mtime_t next_due(const struct rstp_port *p)
{
    mtime_t due = MTIME_NEVER;

    for (unsigned t = 0; t < N_TIMERS; t++)
        if (p->until[t] != TIMER_ZERO)
            due = mtime_min(due, p->until[t]);
    return due;
}

static void place(struct rstp *r, unsigned i, struct rstp_port *p)
{
    r->heap[i] = p;
    p->heap_index = i;
}

static void sift_up(struct rstp *r, struct rstp_port *p)
{
    unsigned i = p->heap_index;

    while (i > 0 && p->due < r->heap[(i - 1) / 2]->due) {
        place(r, i, r->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(r, i, p);
}

static void sift_down(struct rstp *r, struct rstp_port *p)
{
    unsigned i = p->heap_index;

    for (;;) {
        unsigned child = 2 * i + 1;

        if (child >= r->n_ports)
            break;
        if (child + 1 < r->n_ports && r->heap[child + 1]->due < r->heap[child]->due)
            child++;
        if (r->heap[child]->due >= p->due)
            break;
        place(r, i, r->heap[child]);
        i = child;
    }
    place(r, i, p);
}

void heap_insert(struct rstp *r, struct rstp_port *p)
{
    p->due = next_due(p);
    place(r, r->n_ports - 1, p);
    sift_up(r, p);
}

void heap_remove(struct rstp *r, struct rstp_port *p)
{
    struct rstp_port *last = r->heap[r->n_ports];

    if (last == p)
        return;
    place(r, p->heap_index, last);
    sift_up(r, last);
    sift_down(r, last);
}

void heap_update(struct rstp *r, struct rstp_port *p)
{
    mtime_t due = next_due(p);

    if (due == p->due)
        return;
    p->due = due;
    sift_up(r, p);
    sift_down(r, p);
}

static void count_down_tx(struct rstp_port *p)
{
    p->tx_count--;
    if (p->tx_count > 0)
        timer_start(p, T_TX, tx_time(p));
}

/* Whatever answer comes from now on is one to what we tell now. */
static void ask_again(struct rstp_port *p)
{
    p->doubt = false;
    p->new_info = p->new_info || p->proposing;
}

void timers_expire(struct rstp *r)
{
    while (r->n_ports > 0 && r->heap[0]->due <= r->now) {
        struct rstp_port *p = r->heap[0];

        for (enum rstp_timer t = 0; t < N_TIMERS; t++) {
            if (p->until[t] == TIMER_ZERO || p->until[t] > r->now)
                continue;
            timer_stop(p, t);
            if (t == T_TX)
                count_down_tx(p);
            if (t == T_DOUBT)
                ask_again(p);
        }
        port_mark(p);
        heap_update(r, p);
    }
}
