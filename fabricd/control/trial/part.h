/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of an apply that is local to a host that follows. It is written into this host's store before
 * the founder is asked for the rest, under a mark: a row of this store (STORE_LOCAL, "apply", "part").
 * The founder writes the same mark (STORE_FABRIC, "part", this host) in the transaction of the rest, and
 * takes it back with it. So whatever dies in between, this host learns from what it is told whether the
 * rest is there: when it has all that the founder has, and no apply stands, the part stays if the
 * founder's row has the mark, and is taken back if not.
 *
 * Until then nobody else changes what the part touched, and there is no other.
 */
#ifndef FABRICD_CONTROL_TRIAL_PART_H
#define FABRICD_CONTROL_TRIAL_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/change/change.h"
#include "fabricd/control/context.h"

struct part *part_new(struct control *);
void part_free(struct part *);

/* Identity and membership are there: a part that the store knows of is decided on. */
void part_start(struct part *);

/* Another mark than any before. */
void part_make_mark(char out[CHANGE_MARK_SIZE]);

/* The body of both rows. */
struct node *part_row(const char *mark);

/* The part was committed at `revision` of this store: it is open until it is decided on. */
void part_begin(struct part *, uint64_t revision, const char *mark);

/* The founder is asked, and has answered or can answer no more. While it is asked, nothing is decided. */
void part_asked(struct part *);
void part_answered(struct part *);

/* This host has all that the founder has; or the founder's rows have changed. */
void part_noticed(struct part *);

/* Takes it back now: it could not be carried out here, or nobody was asked for the rest. */
void part_take_back(struct part *, const char *why);

/* Refuses with 409 what the part touched, or a further part (kind NULL). True if refused. */
bool part_refuses(const struct control *, const char *kind, const char *network,
                  const char *name, struct change_result *);

#endif
