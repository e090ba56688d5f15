/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last step towards a port: a frame that asks for more than the port takes is brought into a
 * form that it does take. Frames that a flood shares between ports may be completed in place,
 * since a complete checksum is right for everybody; superframes are cut into the switch's
 * scratch, as many segments at a time as make a vector.
 */
#include "fabricd/switch/switch_internal.h"
#include "proto/wire/checksum.h"
#include "proto/wire/segment.h"

static unsigned cap_for(const struct frame *f)
{
    switch ((enum frame_gso)f->gso) {
    case FRAME_GSO_TCP4:
        return FRAME_CAP_TSO4;
    case FRAME_GSO_TCP6:
        return FRAME_CAP_TSO6;
    case FRAME_GSO_UDP:
        return FRAME_CAP_USO;
    case FRAME_GSO_NONE:
        break;
    }
    return 0;
}

static bool must_be_cut(const struct swport *port, const struct frame *f)
{
    return f->gso != FRAME_GSO_NONE &&
           (!(port->caps & cap_for(f)) || !(port->caps & FRAME_CAP_CSUM));
}

/* A tag inside would be taken for the VLAN's by who gets the frame untagged: on a trunk it keeps
 * its own in front, an access port does not get it. */
static bool would_hop(const struct switch_ *sw, const struct swport *port,
                      const struct frame *f)
{
    return sw->nested && sw->config.vlan_aware && !port->all_vlans && !port->set.tagged &&
           !port->is_mirror && vlan_is_tagged(f);
}

static bool fits(const struct swport *port, const struct frame *f)
{
    uint32_t size = f->gso ? (uint32_t)f->hdr_size + f->gso_size : f->size;

    return size <= port->max_frame;
}

/* The tag goes into the bytes for one call of the port, since they are shared with others. */
static void send_tagged(struct swport *port, struct frame *const *frames, unsigned n)
{
    /* A mirror is in no VLAN: none is its native one. */
    bool tagged[FRAME_BURST];

    for (unsigned i = 0; i < n; i++) {
        const struct frame *f = frames[i];

        tagged[i] = port->is_mirror ? (f->tci & FRAME_TCI_VID) != 0
                                    : vlan_leaves_tagged(port, f->tci & FRAME_TCI_VID) ||
                                          vlan_is_tagged(f);
        if (tagged[i])
            vlan_tag(frames[i]);
    }
    port->ops->send(port, frames, n);
    for (unsigned i = 0; i < n; i++) {
        if (tagged[i])
            vlan_untag(frames[i]);
    }
}

static void send(struct swport *port, struct frame *const *frames, unsigned n)
{
    if (port->set.tagged || port->is_mirror)
        send_tagged(port, frames, n);
    else
        port->ops->send(port, frames, n);
}

static void send_cut(struct switch_ *sw, struct swport *port, const struct frame *f)
{
    struct segmenter s;
    struct frame *vector[FRAME_BURST];
    unsigned open = port->caps & FRAME_CAP_CSUM ? SEGMENT_OPEN_CSUM : 0;
    unsigned n;

    if (segment_init(&s, f, 0, open) < 0) {
        port->counters.tx_drops[SWPORT_DROP_MALFORMED]++;
        return;
    }
    for (unsigned i = 0; i < FRAME_BURST; i++)
        vector[i] = &sw->cut[i];
    while ((n = segment_fill(&s, sw->scratch, EGRESS_SCRATCH, sw->cut, FRAME_BURST, NULL)))
        send(port, vector, n);
}

enum way { LEAVES, LEAVES_IN_PIECES, STAYS };

/* Brings the frame into a form that the port takes, short of cutting it; what it does not take is counted. */
static enum way prepare(const struct switch_ *sw, struct swport *port, struct frame *f)
{
    bool cut = must_be_cut(port, f);

    if (!port->ops->takes_rest || cut)
        frame_whole(f);
    if (!fits(port, f)) {
        port->counters.tx_drops[SWPORT_DROP_TOO_BIG]++;
        return STAYS;
    }
    if (would_hop(sw, port, f)) {
        port->counters.tx_drops[SWPORT_DROP_VLAN]++;
        return STAYS;
    }
    if (cut)
        return LEAVES_IN_PIECES;
    if (f->flags & FRAME_NEEDS_CSUM && !(port->caps & FRAME_CAP_CSUM)) {
        frame_whole(f);
        checksum_complete(f);
    }
    return LEAVES;
}

/* Frames that leave as they are do so together, in runs. */
static void give(struct switch_ *sw, struct swport *port, struct frame *const *frames,
                 unsigned n)
{
    unsigned from = 0;

    for (unsigned i = 0; i < n; i++) {
        enum way way = prepare(sw, port, frames[i]);

        if (way == LEAVES)
            continue;
        if (i > from) /* What came before it leaves before it. */
            send(port, frames + from, i - from);
        if (way == LEAVES_IN_PIECES)
            send_cut(sw, port, frames[i]);
        from = i + 1;
    }
    if (n > from)
        send(port, frames + from, n - from);
}

void egress_flush(struct switch_ *sw, struct swport *port, struct frame *const *frames,
                  unsigned n)
{
    for (unsigned i = 0; sw->capture && i < n; i++)
        frame_whole(frames[i]);
    if (sw->capture)
        sw->capture->out(sw->capture->aux, port, frames, n);
    if (port->mirror)
        egress_mirror(sw, port, frames, n);
    give(sw, port, frames, n);
}

static uint64_t lost_by(const struct swport *port)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < SWPORT_DROP_N; i++)
        n += port->counters.tx_drops[i];
    return n;
}

void egress_mirror(struct switch_ *sw, struct swport *port, struct frame *const *frames,
                   unsigned n)
{
    struct swport_mirrored *count = &port->counters.mirrored;
    uint64_t before = lost_by(port->mirror);

    give(sw, port->mirror, frames, n);
    count->frames += n;
    count->lost += lost_by(port->mirror) - before;
}
