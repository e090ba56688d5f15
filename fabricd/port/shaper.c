/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What waits is in a queue for each priority. Queues without a weight are served first, the
 * highest before the others; those with one share what is left, by deficit round robin [Shreedhar
 * and Varghese 1995]. Frames of EXPRESS and above may run the debt up by EXPRESS_TIME of the rate
 * more, so that voice waits for no bulk frame that is on its way; the debt is paid all the same.
 */
#include "fabricd/port/shaper.h"

#include <stdlib.h>

#include "fabricd/port/bucket.h"
#include "fabricd/port/frameq.h"
#include "fabricd/port/port.h"
#include "fabricd/switch/qos.h"

#define QUEUE_TIME     (50 * MTIME_MS) /* Of the rate, may wait in each queue. */
#define EXPRESS_TIME   (10 * MTIME_MS)
#define EXPRESS        5u   /* Voice [802.1Q Annex I]. */
#define QUANTUM        1600 /* Bytes per weight and round. */
#define QUEUE_SIZE_MIN (128u * 1024u)
#define QUEUE_SIZE_MAX (4u * 1024u * 1024u)
#define WHOLE_RATE     100000000u /* Slower ones get no superframes: those take too long. */
#define N_QUEUES       SWPORT_PRIORITIES

struct shaper {
    struct port *port;
    struct swport_ops ops;
    const struct swport_ops *driver;
    struct frameq queues[N_QUEUES]; /* From the lowest. */
    int64_t deficit[N_QUEUES]; /* Of those with weights: bytes that they may still send. */
    unsigned n_queued;         /* In all. */
    unsigned turn;             /* Whose round it is, of those with weights. */
    struct loop_timer timer;
    struct bucket bucket;
    int64_t express; /* How far below zero frames of EXPRESS may bring it. */
};

/* How many of these may go while the credit is above `floor` and their sizes come to no more than
 * `most`; pays for them. */
static unsigned affordable(struct shaper *s, struct frame *const *frames, unsigned n,
                           int64_t floor, int64_t most)
{
    unsigned i;

    for (i = 0; i < n && s->bucket.credit > floor && frames[i]->size <= most; i++) {
        s->bucket.credit -= frames[i]->size;
        most -= frames[i]->size;
    }
    return i;
}

static void wait_for_credit(struct shaper *s)
{
    loop_timer_set(s->port->env->loop, &s->timer, bucket_due(&s->bucket));
}

/* --- queues ------------------------------------------------------------------------------- */

static unsigned priority_of(unsigned queue)
{
    return qos_queue(queue); /* It is its own inverse. */
}

static unsigned weight_of(const struct shaper *s, unsigned queue)
{
    return s->port->sw.set.weights[priority_of(queue)];
}

static void enqueue(struct shaper *s, struct frame *f)
{
    unsigned queue = qos_queue(qos_priority(&s->port->sw.set, f));

    if (frameq_put(&s->queues[queue], f))
        s->n_queued++;
    else
        s->port->sw.counters.tx_drops[SWPORT_DROP_FULL]++;
}

/* The queue that is to be served, with what it may send. */
static unsigned choose(struct shaper *s, int64_t *most)
{
    for (unsigned q = N_QUEUES; q-- > 0;) {
        if (s->queues[q].n && !weight_of(s, q)) {
            *most = INT64_MAX;
            return q;
        }
    }
    /* Each round the one whose turn it is gets its quantum; what it does not use is kept while it
     * has something to send. A quantum is more than nothing, so this ends. */
    for (;;) {
        struct frame *first;
        unsigned q = s->turn;

        if (frameq_peek(&s->queues[q], &first, 1) && s->deficit[q] >= first->size) {
            *most = s->deficit[q];
            return q;
        }
        if (!s->queues[q].n)
            s->deficit[q] = 0;
        s->turn = (q + 1) % N_QUEUES;
        if (s->queues[s->turn].n)
            s->deficit[s->turn] += (int64_t)weight_of(s, s->turn) * QUANTUM;
    }
}

static void credit_is_back(struct loop_timer *timer, mtime_t now)
{
    struct shaper *s = list_entry(timer, struct shaper, timer);
    struct frame *frames[FRAME_BURST];

    bucket_refill(&s->bucket, now);
    while (s->n_queued) {
        int64_t most;
        unsigned q = choose(s, &most);
        unsigned n = frameq_peek(&s->queues[q], frames, FRAME_BURST);
        int64_t before = s->bucket.credit;

        n = affordable(s, frames, n, 0, most);
        if (!n) {
            wait_for_credit(s);
            return;
        }
        if (weight_of(s, q))
            s->deficit[q] -= before - s->bucket.credit;
        s->driver->send(&s->port->sw, frames, n);
        frameq_drop(&s->queues[q], n);
        s->n_queued -= n;
    }
}

/* A frame that goes past what waits, if nothing of its sort does. */
static bool goes_express(struct shaper *s, struct frame *f)
{
    unsigned queue = qos_queue(qos_priority(&s->port->sw.set, f));

    if (queue < EXPRESS || weight_of(s, queue))
        return false;
    for (unsigned q = queue; q < N_QUEUES; q++) {
        if (s->queues[q].n)
            return false;
    }
    return affordable(s, &f, 1, -s->express, INT64_MAX) == 1;
}

static void shaped_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct shaper *s = port_of_swport(sw)->shaper;
    mtime_t now = loop_now(s->port->env->loop);
    unsigned sent = 0;

    bucket_refill(&s->bucket, now);
    if (!s->n_queued) {
        sent = affordable(s, frames, n, 0, INT64_MAX);
        if (sent)
            s->driver->send(sw, frames, sent);
        if (sent < n)
            wait_for_credit(s);
    }
    for (; sent < n; sent++) {
        if (goes_express(s, frames[sent]))
            s->driver->send(sw, &frames[sent], 1);
        else
            enqueue(s, frames[sent]);
    }
}

/* --- life --------------------------------------------------------------------------------- */

static size_t queue_size(uint64_t rate)
{
    uint64_t size = rate * QUEUE_TIME / MTIME_SEC;

    if (size < QUEUE_SIZE_MIN)
        return QUEUE_SIZE_MIN;
    return size < QUEUE_SIZE_MAX ? (size_t)size / 64 * 64 : QUEUE_SIZE_MAX;
}

static bool make_queues(struct shaper *s)
{
    for (unsigned q = 0; q < N_QUEUES; q++) {
        if (frameq_init(&s->queues[q], queue_size(s->bucket.rate)) < 0)
            return false;
    }
    return true;
}

static void free_queues(struct shaper *s)
{
    for (unsigned q = 0; q < N_QUEUES; q++)
        frameq_done(&s->queues[q]);
}

struct shaper *shaper_new(struct port *port, uint64_t rate)
{
    struct shaper *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->port = port;
    bucket_init(&s->bucket, rate, loop_now(port->env->loop));
    if (!make_queues(s)) {
        free_queues(s);
        free(s);
        return NULL;
    }
    s->express = (int64_t)(s->bucket.rate * EXPRESS_TIME / MTIME_SEC);
    s->timer.expired = credit_is_back;
    s->driver = port->sw.ops;
    s->ops.send = shaped_send;
    port->sw.ops = &s->ops;
    if (rate < WHOLE_RATE)
        port->sw.caps &= FRAME_CAP_CSUM;
    return s;
}

void shaper_free(struct shaper *s)
{
    if (!s)
        return;
    loop_timer_set(s->port->env->loop, &s->timer, MTIME_NEVER);
    free_queues(s);
    free(s);
}
