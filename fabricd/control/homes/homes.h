/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells the switch where the fabric's endpoints live: the host that the endpoint's object names, which
 * is the one of its highest epoch. The switch then takes their frames from there only. An endpoint
 * counts that a program holds, or that has ever moved; one that was only written down does not: it
 * may stand for a machine behind any port.
 *
 * Level-triggered: what should be is worked out anew when something was committed, and what differs
 * from what the switch was told is sent.
 */
#ifndef FABRICD_CONTROL_HOMES_HOMES_H
#define FABRICD_CONTROL_HOMES_HOMES_H

#include "fabricd/control/context.h"

struct homes_teller;

struct homes_teller *homes_teller_new(struct control *);
void homes_teller_free(struct homes_teller *);

/* The switch, or the channel to it, is new: all is said again. */
void homes_teller_again(struct homes_teller *);

#endif
