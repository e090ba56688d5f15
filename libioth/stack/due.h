/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lwIP's cyclic timers have to do, for timers.c, which arms none that has nothing to do: an address that is
 * asked for, a datagram of which pieces are missing, a report to a querier, an address that is probed for, a
 * question to a DHCP server. What only grows old (neighbours that are known, lifetimes of prefixes and addresses)
 * does so at the next call, before anybody can see it.
 */
#ifndef LIBIOTH_STACK_DUE_H
#define LIBIOTH_STACK_DUE_H

#include <lwip/timeouts.h>

#define DUE_NEVER 0u

/* At which tick from now the timer has something to do: 1 is the next one. */
unsigned due_in(lwip_cyclic_timer_handler handler);

#endif
