/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this host has carried out of the founder's store, and what another host has: whoever answers that a change is
 * done asks the host that it is for. */
#ifndef FABRICD_CONTROL_FABRIC_CARRIED_H
#define FABRICD_CONTROL_FABRIC_CARRIED_H

#include <stdint.h>

#include "fabricd/control/context.h"

#define CARRIED_WITHIN (2 * MTIME_SEC)

/* Calls `done` once, when what the founder's store has at the revision has been carried out here or has failed; after
 * CARRIED_WITHIN at the latest. */
void carried_here(struct control *, uint64_t revision, void (*done)(void *aux), void *aux);

/* The same of another host; at once if that is not reached. */
void carried_there(struct control *, const char *host, uint64_t revision,
                   void (*done)(void *aux), void *aux);

/* Rows have come from the founder; the member ends: whoever waits is told. */
void carried_look(struct member *);
void carried_end(struct member *);

#endif
