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

static void give(struct switch_ *sw, struct swport *port, struct frame *const *frames,
                 unsigned n)
{
    struct frame *ready[FRAME_BURST];
    unsigned n_ready = 0;

    for (unsigned i = 0; i < n; i++) {
        struct frame *f = frames[i];

        if (!port->ops->takes_rest || must_be_cut(port, f))
            frame_whole(f);
        if (!fits(port, f)) {
            port->counters.tx_drops[SWPORT_DROP_TOO_BIG]++;
            continue;
        }
        if (would_hop(sw, port, f)) {
            port->counters.tx_drops[SWPORT_DROP_VLAN]++;
            continue;
        }
        if (must_be_cut(port, f)) {
            /* What came before it leaves before it. */
            if (n_ready)
                send(port, ready, n_ready);
            n_ready = 0;
            send_cut(sw, port, f);
            continue;
        }
        if (f->flags & FRAME_NEEDS_CSUM && !(port->caps & FRAME_CAP_CSUM)) {
            frame_whole(f);
            checksum_complete(f);
        }
        ready[n_ready++] = f;
    }
    if (n_ready)
        send(port, ready, n_ready);
}

void egress_flush(struct switch_ *sw, struct swport *port)
{
    for (unsigned i = 0; sw->capture && i < port->n_pending; i++)
        frame_whole(port->pending[i]);
    if (sw->capture)
        sw->capture->out(sw->capture->aux, port, port->pending, port->n_pending);
    if (port->mirror)
        egress_mirror(sw, port->mirror, port->pending, port->n_pending);
    give(sw, port, port->pending, port->n_pending);
}

void egress_one(struct switch_ *sw, struct swport *port, struct frame *f)
{
    give(sw, port, &f, 1);
}

void egress_mirror(struct switch_ *sw, struct swport *mirror, struct frame *const *frames,
                   unsigned n)
{
    give(sw, mirror, frames, n);
}
