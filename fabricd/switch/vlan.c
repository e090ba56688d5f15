/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VLANs: the sets of ports of each, and the tags in frames [IEEE 802.1Q-2018 6.9, 8.6.2, 8.8.10,
 * 9]. The tag is the C-tag, 0x8100; a frame with another in front counts as untagged. Priority and DEI
 * stay in tci from ingress to egress, whatever becomes of the tag.
 */
#include <stdlib.h>
#include <string.h>

#include "fabricd/switch/switch_internal.h"
#include "proto/base/xalloc.h"
#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"
#include "proto/wire/packet.h"

/* --- sets --------------------------------------------------------------------------------- */

static bool is_member(const struct switch_ *sw, const struct swport *port, uint16_t vid)
{
    const struct swport_settings *set = &port->set;

    if (port->is_mirror)
        return false;
    if (!sw->config.vlan_aware)
        return vid == 0 && !set->vlan && !set->tagged && !set->bare;
    if (!vid) /* Of ports without a VLAN, which links carry too. */
        return set->bare || port->all_vlans;
    if (!swport_vlan_has(sw->config.vlans, vid))
        return false;
    return port->all_vlans || set->vlan == vid ||
           (set->tagged && swport_vlan_has(set->trunk, vid));
}

bool switch_is_member(const struct swport *port, uint16_t vid)
{
    return port->sw && vid < SWPORT_VLANS && is_member(port->sw, port, vid);
}

/* True if it was not there. */
static bool set_bit(struct switch_ *sw, uint16_t vid, unsigned index, bool on)
{
    uint64_t bit = (uint64_t)1 << (index % 64), **set = &sw->vlans[vid].set;

    bool new = on && !(*set && set_has(*set, index));

    if (on && !*set)
        *set = xcalloc(sw->n_words, sizeof **set);
    if (on)
        (*set)[index / 64] |= bit;
    else if (*set)
        (*set)[index / 64] &= ~bit;
    return new;
}

void vlan_update_port(struct switch_ *sw, const struct swport *port)
{
    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++) {
        bool on = port->state == SWPORT_FORWARDING && is_member(sw, port, vid);

        if (set_bit(sw, vid, port->index, on) && sw->multicast && !port->all_vlans)
            multicast_port_came(sw, vid);
    }
}

static void grow(struct switch_ *sw)
{
    unsigned n = sw->n_words, more = n ? 2 * n : 1;

    sw->port_at = xrealloc(sw->port_at, more * 64u * sizeof(struct swport *));
    for (unsigned i = n * 64; i < more * 64; i++)
        sw->port_at[i] = NULL;
    for (unsigned vid = 0; vid < SWPORT_VLANS; vid++) {
        uint64_t **set = &sw->vlans[vid].set;

        if (!*set)
            continue;
        *set = xrealloc(*set, more * sizeof **set);
        memset(*set + n, 0, (more - n) * sizeof **set);
    }
    free(sw->nobody);
    sw->nobody = xcalloc(more, sizeof *sw->nobody);
    sw->n_words = more;
}

void vlan_add_port(struct switch_ *sw, struct swport *port)
{
    unsigned i = 0;

    while (i < sw->n_words * 64 && sw->port_at[i])
        i++;
    if (i == sw->n_words * 64)
        grow(sw);
    sw->port_at[i] = port;
    port->index = i;
    vlan_update_port(sw, port);
}

void vlan_remove_port(struct switch_ *sw, struct swport *port)
{
    for (uint16_t vid = 0; vid < SWPORT_VLANS; vid++)
        (void)set_bit(sw, vid, port->index, false);
    sw->port_at[port->index] = NULL;
}

void vlan_free(struct switch_ *sw)
{
    for (unsigned vid = 0; vid < SWPORT_VLANS; vid++)
        free(sw->vlans[vid].set);
    free(sw->nobody);
    free(sw->port_at);
}

/* --- tags --------------------------------------------------------------------------------- */

static void move_start(struct frame *f, int by)
{
    f->data -= by;
    f->size = (uint32_t)((int64_t)f->size + by);
    if (f->flags & FRAME_NEEDS_CSUM)
        f->csum_start = (uint16_t)(f->csum_start + by);
    if (f->hdr_size)
        f->hdr_size = (uint16_t)(f->hdr_size + by);
}

/* In the pieces in which they are read: what is read across two that were just written waits for both. */
static void move_macs(uint8_t *to, const uint8_t *from)
{
    uint32_t dst, src;
    uint16_t dst_end, src_end;

    memcpy(&dst, from, 4);
    memcpy(&dst_end, from + 4, 2);
    memcpy(&src, from + MAC_SIZE, 4);
    memcpy(&src_end, from + MAC_SIZE + 4, 2);
    memcpy(to, &dst, 4);
    memcpy(to + 4, &dst_end, 2);
    memcpy(to + MAC_SIZE, &src, 4);
    memcpy(to + MAC_SIZE + 4, &src_end, 2);
}

void vlan_tag(struct frame *f)
{
    move_start(f, VLAN_TAG_SIZE);
    move_macs(f->data, f->data + VLAN_TAG_SIZE);
    store_be16(f->data + 12, PACKET_TYPE_VLAN);
    store_be16(f->data + 14, f->tci);
    f->tci = 0;
}

void vlan_untag(struct frame *f)
{
    f->tci = load_be16(f->data + 14);
    move_macs(f->data + VLAN_TAG_SIZE, f->data);
    move_start(f, -(int)VLAN_TAG_SIZE);
}

/* An access port or a trunk: what has no VLAN of its own is of the port's. */
static enum swport_drop classify_edge(struct switch_ *sw, const struct swport *in,
                                      struct frame *f)
{
    uint16_t vid;

    f->tci = in->set.vlan;
    if (!vlan_is_tagged(f))
        return in->set.vlan || in->set.bare ? FORWARD : SWPORT_DROP_VLAN;
    /* A checksum in the tag would come to lie in the MACs. */
    if (f->size < FRAME_SIZE_MIN + VLAN_TAG_SIZE ||
        (f->flags & FRAME_NEEDS_CSUM && f->csum_start < FRAME_SIZE_MIN + VLAN_TAG_SIZE))
        return SWPORT_DROP_MALFORMED;
    vid = load_be16(f->data + 14) & FRAME_TCI_VID;
    /* An access port's station tags itself into no other VLAN, nor behind a priority tag. */
    if (!in->set.tagged && (vid || load_be16(f->data + 16) == PACKET_TYPE_VLAN))
        return SWPORT_DROP_VLAN;
    vlan_untag(f);
    if (!vid)
        f->tci = (uint16_t)((f->tci & ~FRAME_TCI_VID) | in->set.vlan);
    sw->nested |= vlan_is_tagged(f);
    return f->tci & FRAME_TCI_VID || in->set.bare ? FORWARD : SWPORT_DROP_VLAN;
}

enum swport_drop vlan_classify(struct switch_ *sw, const struct swport *in, struct frame *f)
{
    if (!in->all_vlans)
        return classify_edge(sw, in, f);
    sw->nested |= vlan_is_tagged(f);
    return FORWARD;
}
