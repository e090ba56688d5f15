/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lwIP's cyclic timers, without its wake-ups: a stack where nothing goes on has no deadline. TCP ticks
 * while a connection waits for something; the others (neighbours, reassembly, group membership,
 * addresses) where they have something to do (due.h), while the stack is in use and QUIET seconds longer. Ticks
 * that were missed meanwhile are made up for, so that lifetimes go on, at the next call.
 *
 * DHCP has its deadlines as long as it is on.
 */
#ifndef LIBIOTH_STACK_TIMERS_H
#define LIBIOTH_STACK_TIMERS_H

#include <stdbool.h>

#include "proto/base/mtime.h"

void timers_init(mtime_t now);

/* Runs what is due. `used`: somebody called, or a frame came. */
void timers_run(mtime_t now, bool used);

/* When timers_run() is to be called next; MTIME_NEVER. Looks at every connection: for who is about to
 * sleep. */
mtime_t timers_next(mtime_t now);

/* The time that lwIP sees: that of the last timers_run(). */
mtime_t timers_now(void);

/* A DHCP client runs, or has ended. */
void timers_dhcp(bool on);

#endif
