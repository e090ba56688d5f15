/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A token bucket that may go below zero by one frame: a frame leaves while there is credit, and
 * the next one waits until the debt is paid. So large frames need no large bucket.
 */
#include "fabricd/port/shaper.h"

#include <stdlib.h>

#include "fabricd/port/frameq.h"
#include "fabricd/port/port.h"

#define BUCKET_TIME    (5 * MTIME_MS)  /* Of the rate, after a pause. */
#define QUEUE_TIME     (50 * MTIME_MS) /* Of the rate, may wait. */
#define QUEUE_SIZE_MIN (128u * 1024u)
#define QUEUE_SIZE_MAX (4u * 1024u * 1024u)
#define WHOLE_RATE     100000000u /* Slower ones get no superframes: those take too long. */

struct shaper {
    struct port *port;
    struct swport_ops ops;
    const struct swport_ops *driver;
    struct frameq queue;
    struct loop_timer timer;
    uint64_t rate; /* Bytes per second. */
    int64_t credit, credit_max;
    mtime_t refilled;
};

static void refill(struct shaper *s, mtime_t now)
{
    mtime_t passed = now - s->refilled;

    if (passed > MTIME_SEC)
        passed = MTIME_SEC;
    s->credit += (int64_t)(s->rate * (uint64_t)passed / MTIME_SEC);
    if (s->credit > s->credit_max)
        s->credit = s->credit_max;
    s->refilled = now;
}

/* How many of these may go now; pays for them. */
static unsigned affordable(struct shaper *s, struct frame *const *frames, unsigned n)
{
    unsigned i;

    for (i = 0; i < n && s->credit > 0; i++)
        s->credit -= frames[i]->size;
    return i;
}

static void wait_for_credit(struct shaper *s, mtime_t now)
{
    uint64_t debt = (uint64_t)(1 - s->credit);

    loop_timer_set(s->port->env->loop, &s->timer,
                   now + (mtime_t)(debt * MTIME_SEC / s->rate) + 1);
}

static void credit_is_back(struct loop_timer *timer, mtime_t now)
{
    struct shaper *s = list_entry(timer, struct shaper, timer);
    struct frame *frames[FRAME_BURST];

    refill(s, now);
    while (s->queue.n) {
        unsigned n = frameq_peek(&s->queue, frames, FRAME_BURST);

        n = affordable(s, frames, n);
        if (!n) {
            wait_for_credit(s, now);
            return;
        }
        s->driver->send(&s->port->sw, frames, n);
        frameq_drop(&s->queue, n);
    }
}

static void shaped_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct shaper *s = port_of_swport(sw)->shaper;
    mtime_t now = loop_now(s->port->env->loop);
    unsigned sent = 0;

    refill(s, now);
    if (!s->queue.n) {
        sent = affordable(s, frames, n);
        if (sent)
            s->driver->send(sw, frames, sent);
        if (sent < n)
            wait_for_credit(s, now);
    }
    for (; sent < n; sent++) {
        if (!frameq_put(&s->queue, frames[sent]))
            sw->counters.tx_drops[SWPORT_DROP_FULL]++;
    }
}

static size_t queue_size(uint64_t rate)
{
    uint64_t size = rate * QUEUE_TIME / MTIME_SEC;

    if (size < QUEUE_SIZE_MIN)
        return QUEUE_SIZE_MIN;
    return size < QUEUE_SIZE_MAX ? (size_t)size / 64 * 64 : QUEUE_SIZE_MAX;
}

struct shaper *shaper_new(struct port *port, uint64_t rate)
{
    struct shaper *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->port = port;
    s->rate = rate / 8 ? rate / 8 : 1;
    if (frameq_init(&s->queue, queue_size(s->rate)) < 0) {
        free(s);
        return NULL;
    }
    s->credit_max = (int64_t)(s->rate * BUCKET_TIME / MTIME_SEC) + 1;
    s->credit = s->credit_max;
    s->refilled = loop_now(port->env->loop);
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
    frameq_done(&s->queue);
    free(s);
}
