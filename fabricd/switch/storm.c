/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Storm control: how much of what goes to all ports one port may send; policing: how much of
 * anything; and notices of what is dropped. The buckets hold STORM_TIME of the rate, so that a start-up's handful of broadcasts passes.
 * They count in millionths of a frame or bit, so that a microsecond's worth is a whole number: what passes in the
 * long run is the rate. Time is that of the burst.
 */
#include "fabricd/switch/switch_internal.h"

#define STORM_TIME (100 * MTIME_MS)
#define ONE        ((int64_t)MTIME_SEC)

static void refill(struct storm *s, const struct swport_limit *limit, mtime_t now)
{
    int64_t rate = (int64_t)limit->rate, most = rate * STORM_TIME + ONE;
    mtime_t passed = now - s->refilled;

    if (!s->refilled) {
        s->credit = most;
        s->refilled = now ? now : 1;
        return;
    }
    /* After a long time, no longer than it takes to be full: the product fits. */
    if (passed > MTIME_SEC)
        passed = mtime_min(passed, (most - s->credit) / rate + 1);
    s->credit += passed * rate;
    if (s->credit > most)
        s->credit = most;
    s->refilled = now;
}

static bool take(struct storm *s, const struct swport_limit *limit, const struct frame *f,
                 mtime_t now)
{
    refill(s, limit, now);
    if (s->credit <= 0)
        return false;
    s->credit -= (limit->in_bits ? (int64_t)f->size * 8 : 1) * ONE;
    return true;
}

bool storm_allows(struct burst *b, enum swport_flood sort, const struct frame *f)
{
    const struct swport_limit *limit = &b->in->set.storm[sort];

    if (!limit->rate || take(&b->in->storm[sort], limit, f, b->now))
        return true;
    notice(b, SWPORT_NOTICE_STORM, f->data + 6, f->tci & FRAME_TCI_VID);
    return false;
}

/* That of its VLAN, if it has one there. */
static bool vlan_allows(struct burst *b, const struct frame *f)
{
    const struct swport_settings *set = &b->in->set;

    for (unsigned i = 0; i < set->n_limits; i++) {
        const struct swport_vlan_limit *l = &set->limits[i];

        if (l->vlan == b->vid)
            return !l->police.rate || take(&b->in->vlan_police[i], &l->police, f, b->now);
    }
    return true;
}

bool police_allows(struct burst *b, const struct frame *f)
{
    const struct swport_limit *limit = &b->in->set.police;
    bool within_vlan = vlan_allows(b, f);

    if (!within_vlan)
        b->sw->vlans[b->vid].counters.policed++;
    if (within_vlan && (!limit->rate || take(&b->in->police, limit, f, b->now)))
        return true;
    notice(b, SWPORT_NOTICE_POLICED, f->data + 6, b->vid);
    return false;
}

void notice(struct burst *b, enum swport_notice sort, const uint8_t mac[6], uint16_t vlan)
{
    mtime_t *last = &b->in->noticed[sort];

    if (!b->sw->notices || (*last && b->now - *last < SWPORT_NOTICE_TIME))
        return;
    *last = b->now ? b->now : 1;
    b->sw->notices->noticed(b->sw->notices->aux, b->in, sort, mac, vlan);
}
