/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel tells of the interfaces in the daemon's own network namespace: one that goes down or loses its
 * carrier is known before anything is sent there, or when nothing ever is. The socket is the parent's
 * (IPC_START), of NETLINK_ROUTE and in the group RTMGRP_LINK.
 *
 * A TAP that was moved to another namespace, or has got another name there, is not told of; that it is down its
 * driver finds out by what it sends.
 */
#ifndef FABRICD_PORT_CARRIER_H
#define FABRICD_PORT_CARRIER_H

#include <net/if.h>
#include <stdbool.h>

#include "proto/base/list.h"
#include "proto/base/loop.h"

struct carrier;

/* Whoever wants to know of an interface; a driver has one. */
struct carrier_look {
    struct list link;
    int index;           /* The interface's; 0: it goes by its name. */
    char name[IFNAMSIZ]; /* "" = none. */
    /* `up`: it is up and has a carrier. A leaf call, whether or not that is news. */
    void (*told)(struct carrier_look *, bool up);
};

/* Takes fd. NULL if there is no memory or it cannot be watched. */
struct carrier *carrier_new(struct loop *, int fd);
void carrier_free(struct carrier *); /* Nobody may look any more. Accepts NULL. */

/* Who has an index is told how it is now, too, before this returns. `c` NULL: nobody is ever told. */
void carrier_add(struct carrier *c, struct carrier_look *);
void carrier_remove(struct carrier_look *); /* Harmless if it was not added. */

#endif
