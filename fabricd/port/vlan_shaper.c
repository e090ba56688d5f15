/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A token bucket and a queue for each VLAN with a limit. Frames come here in the form in
 * which they leave: on a trunk their tag is in the bytes. */
#include "fabricd/port/vlan_shaper.h"

#include <stdlib.h>

#include "fabricd/port/bucket.h"
#include "fabricd/port/frameq.h"
#include "fabricd/port/port.h"
#include "proto/wire/bytes.h"
#include "proto/wire/packet.h"

#define QUEUE_SIZE (128u * 1024u)
#define WHOLE_RATE 100000000u /* Slower ones get no superframes: those take too long. */
#define TAG_AT     12u

struct lane {
    uint16_t vlan;
    struct bucket bucket;
    struct frameq queue;
};

struct vlan_shaper {
    struct port *port;
    struct swport_ops ops;
    const struct swport_ops *next;
    struct loop_timer timer;
    uint8_t caps; /* The port's own. */
    unsigned n;
    struct lane lanes[SWPORT_VLAN_LIMITS];
};

static uint16_t vlan_of(const struct swport *sw, const struct frame *f)
{
    uint16_t vid = f->tci & FRAME_TCI_VID;

    if (sw->set.tagged && f->size >= FRAME_SIZE_MIN + 4 &&
        load_be16(f->data + TAG_AT) == PACKET_TYPE_VLAN)
        return load_be16(f->data + TAG_AT + 2) & FRAME_TCI_VID;
    return vid ? vid : sw->set.vlan;
}

static struct lane *lane_of(struct vlan_shaper *v, uint16_t vlan)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (v->lanes[i].vlan == vlan)
            return &v->lanes[i];
    }
    return NULL;
}

/* When the first of those who wait may go on. */
static void wait_for_credit(struct vlan_shaper *v)
{
    mtime_t due = MTIME_NEVER;

    for (unsigned i = 0; i < v->n; i++) {
        const struct lane *lane = &v->lanes[i];

        if (lane->queue.n)
            due = mtime_min(due, bucket_due(&lane->bucket));
    }
    loop_timer_set(v->port->env->loop, &v->timer, due);
}

static bool may_go(struct lane *lane, const struct frame *f, mtime_t now)
{
    bucket_refill(&lane->bucket, now);
    if (lane->queue.n || lane->bucket.credit <= 0)
        return false;
    lane->bucket.credit -= f->size;
    return true;
}

static void shaped_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct vlan_shaper *v = port_of_swport(sw)->vlan_shaper;
    mtime_t now = loop_now(v->port->env->loop);
    struct frame *through[FRAME_BURST];
    unsigned n_through = 0;

    for (unsigned i = 0; i < n; i++) {
        struct lane *lane = lane_of(v, vlan_of(sw, frames[i]));

        if (!lane || may_go(lane, frames[i], now))
            through[n_through++] = frames[i];
        else if (!frameq_put(&lane->queue, frames[i]))
            sw->counters.tx_drops[SWPORT_DROP_FULL]++;
    }
    if (n_through)
        v->next->send(sw, through, n_through);
    wait_for_credit(v);
}

/* All of it, or what the credit allows. */
static void release(struct vlan_shaper *v, struct lane *lane, bool all)
{
    struct frame *frames[FRAME_BURST];
    unsigned n;

    do {
        unsigned found = frameq_peek(&lane->queue, frames, FRAME_BURST);

        for (n = 0; n < found && (all || lane->bucket.credit > 0); n++)
            lane->bucket.credit -= frames[n]->size;
        if (n)
            v->next->send(&v->port->sw, frames, n);
        frameq_drop(&lane->queue, n);
    } while (n);
}

static void credit_is_back(struct loop_timer *timer, mtime_t now)
{
    struct vlan_shaper *v = list_entry(timer, struct vlan_shaper, timer);

    for (unsigned i = 0; i < v->n; i++) {
        bucket_refill(&v->lanes[i].bucket, now);
        release(v, &v->lanes[i], false);
    }
    wait_for_credit(v);
}

/* --- settings ----------------------------------------------------------------------------- */

static const struct swport_vlan_limit *limit_of(const struct swport *sw, uint16_t vlan)
{
    for (unsigned i = 0; i < sw->set.n_limits; i++) {
        if (sw->set.limits[i].vlan == vlan && sw->set.limits[i].rate)
            return &sw->set.limits[i];
    }
    return NULL;
}

static void add_lane(struct vlan_shaper *v, const struct swport_vlan_limit *limit)
{
    struct lane *lane = &v->lanes[v->n];

    *lane = (struct lane){.vlan = limit->vlan};
    if (frameq_init(&lane->queue, QUEUE_SIZE) < 0)
        return;
    bucket_init(&lane->bucket, limit->rate, loop_now(v->port->env->loop));
    v->n++;
}

static void drop_lane(struct vlan_shaper *v, unsigned i)
{
    release(v, &v->lanes[i], true);
    frameq_done(&v->lanes[i].queue);
    v->lanes[i] = v->lanes[--v->n];
}

static struct vlan_shaper *make(struct port *port)
{
    struct vlan_shaper *v = calloc(1, sizeof *v);

    if (!v)
        return NULL;
    v->port = port;
    v->next = port->sw.ops;
    v->caps = port->sw.caps;
    v->timer.expired = credit_is_back;
    v->ops.send = shaped_send;
    port->sw.ops = &v->ops;
    return v;
}

static bool is_limited(const struct swport *sw, bool *slow)
{
    bool any = false;

    *slow = false;
    for (unsigned i = 0; i < sw->set.n_limits; i++) {
        any |= sw->set.limits[i].rate > 0;
        *slow |= sw->set.limits[i].rate > 0 && sw->set.limits[i].rate < WHOLE_RATE;
    }
    return any;
}

void vlan_shaper_follow(struct port *port)
{
    struct vlan_shaper *v = port->vlan_shaper;
    bool slow, any = is_limited(&port->sw, &slow);

    if (!v && any)
        v = port->vlan_shaper = make(port);
    if (!v)
        return;
    for (unsigned i = v->n; i-- > 0;) {
        const struct swport_vlan_limit *limit = limit_of(&port->sw, v->lanes[i].vlan);

        if (limit)
            bucket_set_rate(&v->lanes[i].bucket, limit->rate);
        else
            drop_lane(v, i);
    }
    for (unsigned i = 0; i < port->sw.set.n_limits; i++) {
        const struct swport_vlan_limit *limit = &port->sw.set.limits[i];

        if (limit->rate && !lane_of(v, limit->vlan))
            add_lane(v, limit);
    }
    port->sw.caps = slow ? v->caps & FRAME_CAP_CSUM : v->caps;
    if (!any) {
        port->sw.ops = v->next;
        vlan_shaper_free(v);
        port->vlan_shaper = NULL;
        return;
    }
    wait_for_credit(v);
}

void vlan_shaper_free(struct vlan_shaper *v)
{
    if (!v)
        return;
    loop_timer_set(v->port->env->loop, &v->timer, MTIME_NEVER);
    for (unsigned i = 0; i < v->n; i++)
        frameq_done(&v->lanes[i].queue);
    free(v);
}
