/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rate of a stack: how many bits of what its sockets send leave in a second (payload; headers are not counted, nor
 * acknowledgements, nor what stays in the stack). Nothing is queued for it: who comes too early is refused, as where a
 * port has no room, and is called when it is time.
 *
 * It is a clock that each frame puts forward by the time that it takes. TCP sends when the clock has been passed;
 * it may lag by BURST, so that who is called late makes up for it. Connections that wait have turns, the one that has
 * waited longest first, and none that does not wait goes before. Datagrams, which programs may not repeat, go up to
 * SLACK before the clock; messages of ICMP also beyond that, in an eighth of the rate, since nobody repeats them.
 * Where both wait, TCP and datagrams have the same share.
 *
 * Pure: time is handed in.
 */
#ifndef LIBIOTH_STACK_RATE_H
#define LIBIOTH_STACK_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"

enum rate_kind { RATE_TCP, RATE_DATAGRAM, RATE_MESSAGE };

/* Begins anew, with no debts. */
void rate_reset(void);

/* May something of this kind leave now? If not, rate_next() says when to ask again. */
bool rate_allows(enum rate_kind, mtime_t now);

/* So many bytes of payload have left. */
void rate_sent(enum rate_kind, size_t size, mtime_t now);

/* When rate_is_due() will be true; MTIME_NEVER: nobody waits. */
mtime_t rate_next(void);

/* Who waited is to try again: told once. */
bool rate_is_due(mtime_t now);

/* Between the two, connections have their turns. */
void rate_begin_turns(void);
void rate_end_turns(void);

/* How much a segment may carry at the most, of `most`, so that others have their turn soon. */
uint32_t rate_segment(uint32_t most);

#endif
