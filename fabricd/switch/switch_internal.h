/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For the files of the switch only. */
#ifndef FABRICD_SWITCH_SWITCH_INTERNAL_H
#define FABRICD_SWITCH_SWITCH_INTERNAL_H

#include "fabricd/switch/switch.h"

struct switch_ {
    struct switch_config config;
    struct fdb *fdb;
    struct list ports;
    const struct switch_capture *capture; /* NULL = nobody looks. */
    const struct switch_trap *trap;       /* NULL = no bridge protocol runs. */
    struct frame *cut;                    /* [FRAME_BURST], for segments of a superframe. */
    uint8_t *scratch; /* Their bytes; pages are only touched where something is cut. */
};

#define EGRESS_SCRATCH ((FRAME_BURST + 1u) * (FRAME_SIZE_MAX + 2u * FRAME_HEADROOM))

/* Gives the port its pending frames, in a form that it takes. */
void egress_flush(struct switch_ *, struct swport *);

/* True if the pinned port may send this frame: its MAC, ARP sender, IPv4 and IPv6 source are
 * its own, and it does not play DHCP server or router. */
bool guard_allows(const struct swport *, const struct frame *);

#endif
