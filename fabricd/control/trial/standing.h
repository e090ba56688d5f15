/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The apply that is on trial at the host whose store is the fabric's. Its row (STORE_FABRIC,
 * "apply", "standing") is written in the transaction of the apply itself and goes with the
 * transaction that ends the trial, so whatever dies in the middle, the next process of control
 * finds either both or none, and takes the trial up again. Other hosts see the row, and report
 * at once what they have carried out (fabricd/control/seen).
 *
 * While it stands, no other apply begins, and what it touched cannot be changed by others: so
 * taking it back gives exactly what was there before.
 */
#ifndef FABRICD_CONTROL_TRIAL_STANDING_H
#define FABRICD_CONTROL_TRIAL_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/change/change.h"
#include "fabricd/control/context.h"

#define STANDING_KIND "apply"
#define STANDING_NAME "standing"
#define PART_KIND     "part" /* What is local of it to a host that follows: part.h. */
#define PART_NAME     "part"

struct standing *standing_new(struct control *);
void standing_free(struct standing *);

/* Identity and membership are there: an apply that the store knows of goes on. */
void standing_start(struct standing *);

/* Hosts may have reported, come or gone; this host may have carried something out. NULL is fine. */
void standing_noticed(struct standing *);

/* Refuses with 409 while an apply stands: a further one, or a change of something that it touched
 * (kind NULL = a further apply). True if refused. */
bool standing_refuses(const struct control *, const char *kind, const char *network,
                      const char *name, struct change_result *);

/* Whether enough joined hosts can be reached for the change to begin; else 503, naming them. */
bool standing_may_begin(const struct control *, enum trial_require, struct change_result *);

/* The names of joined hosts that cannot be reached, a list. */
struct node *standing_unreachable(const struct control *);

/* The body of the row that goes with the change's transaction. */
struct node *standing_row(const struct change *, const char *what);

/* The transaction was committed: the trial begins. `done` is called when it is verified or has been
 * rolled back; what is in the result is taken over. */
void standing_begin(struct standing *, uint64_t revision, struct change_result *,
                    change_done_fn *done, void *aux);

/* The second word. Fills the result in. */
void standing_accept(struct standing *, struct change_result *);

/* The apply that stands, as the API shows it, on any host; NULL if there is none. */
struct node *standing_show(const struct control *);

/* Whether an apply stands, and whether it is being verified, by the row: known on every host. */
bool standing_is(const struct control *);
bool standing_is_verified(const struct control *);

/* Control ends: whoever waits is told. */
void standing_stop(struct standing *);

/* --- restore.c: taking an apply back ------------------------------------------------------- */

/* One transaction that puts what the transaction of `revision` wrote back to what it was, and with
 * `row` takes the row away. Returns 0, or -errno with err filled in and nothing changed. */
int restore_commit(struct control *, uint64_t revision, bool row, const struct store_note *,
                   struct err *err) __attribute__((warn_unused_result));

#endif
