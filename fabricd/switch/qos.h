/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Priorities of frames [IEEE 802.1Q 6.9.3, 8.6.6]. A frame is given its priority where it comes in, by
 * what the port trusts, and carries it in tci through the fabric; queues are served by it.
 */
#ifndef FABRICD_SWITCH_QOS_H
#define FABRICD_SWITCH_QOS_H

#include "fabricd/switch/settings.h"
#include "proto/wire/frame.h"

#define QOS_PCP_SHIFT 13u

/* The priority that its DSCP tells, 0..7, behind one tag if it has one; -1 if it is not IP. */
int qos_dscp(const struct frame *);

/* The priority that it leaves by the port with, whether its tag is in tci or in the bytes. */
unsigned qos_priority(const struct swport_settings *, const struct frame *);

/* The queue of a priority, from the lowest: background (1) comes below best effort (0). */
static inline unsigned qos_queue(unsigned priority)
{
    return priority > 1 ? priority : 1 - priority;
}

/* Writes the priority of a frame that came in into its tci. */
void qos_mark(const struct swport_settings *, struct frame *);

#endif
