/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/switch/qos.h"

#include "proto/wire/bytes.h"
#include "proto/wire/packet.h"

#define TAG_SIZE    4u
#define CLASS_SHIFT 5 /* Of a traffic class octet: the class selector. */

int qos_dscp(const struct frame *f)
{
    uint32_t at = 12;

    if (f->size >= at + 2 && load_be16(f->data + at) == PACKET_TYPE_VLAN)
        at += TAG_SIZE;
    if (f->size < at + 4)
        return -1;
    if (load_be16(f->data + at) == PACKET_TYPE_IP4)
        return f->data[at + 3] >> CLASS_SHIFT;
    if (load_be16(f->data + at) == PACKET_TYPE_IP6)
        return (load_be16(f->data + at + 2) >> 4 & 0xff) >> CLASS_SHIFT;
    return -1;
}

/* What the tag says, in tci or in the bytes. */
static unsigned tag_priority(const struct frame *f)
{
    if (f->tci || f->size < FRAME_SIZE_MIN + TAG_SIZE ||
        load_be16(f->data + 12) != PACKET_TYPE_VLAN)
        return f->tci >> QOS_PCP_SHIFT;
    return load_be16(f->data + 14) >> QOS_PCP_SHIFT;
}

unsigned qos_priority(const struct swport_settings *set, const struct frame *f)
{
    int dscp = set->trust == SWPORT_TRUST_DSCP ? qos_dscp(f) : -1;

    return dscp >= 0 ? (unsigned)dscp : tag_priority(f);
}

void qos_mark(const struct swport_settings *set, struct frame *f)
{
    unsigned told = set->trust == SWPORT_TRUST_NONE ? 0 : qos_priority(set, f);

    if (!told)
        told = set->priority;
    f->tci = (uint16_t)((f->tci & 0x1fff) | told << QOS_PCP_SHIFT);
}
