/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Closes devices. The kernel lets whoever closes the last descriptor of a TAP or of a physical
 * interface wait for some 10 ms, and thousands of them, one after another, for half a minute. So the
 * parent's descriptor is the last one, for it is kept until the switch has closed its own, and does not
 * hold up the forwarding; and threads close it, which wait side by side. They do nothing else: no other
 * thread of ours shares anything with them but the list of what is to be closed.
 */
#ifndef FABRICD_PARENT_CLOSER_H
#define FABRICD_PARENT_CLOSER_H

#include <stdbool.h>

#include "proto/base/loop.h"

struct closer;

/* `idle` is called from the loop when all that was to be closed is. NULL if an eventfd cannot be had. */
struct closer *closer_new(struct loop *, void (*idle)(void *aux), void *aux);

/* Waits until all that was handed over is closed. Accepts NULL. */
void closer_free(struct closer *);

/* Takes the descriptor, and holds it until the switch has closed its own. */
void closer_hold(struct closer *, int fd);

/* Whether the switch is to be asked about what is held: not while it is asked already, since an answer
 * does not say what to. And that it is asked now. */
bool closer_is_to_ask(const struct closer *);
void closer_asked(struct closer *);

/* The switch has closed all that it had been asked about; or, with `all`, all that is held. */
void closer_release(struct closer *, bool all);

/* Nothing is held, and nothing being closed. */
bool closer_is_idle(struct closer *);

#endif
