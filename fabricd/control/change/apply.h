/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FABRICD_CONTROL_CHANGE_APPLY_H
#define FABRICD_CONTROL_CHANGE_APPLY_H

#include "fabricd/control/context.h"
#include "fabricd/control/store/store.h"
#include "proto/model/fabric_file.h"

enum apply_scopes { APPLY_FABRIC = 1, APPLY_LOCAL = 2, APPLY_BOTH = 3 };

struct work;

/* What was declared of the object, without the daemon's own keys and the caller's; NULL if it is
 * nothing that a file declares. */
struct node *apply_declared(const struct store_object *);

/* Of what the change may read and write. */
enum apply_scopes apply_scopes_of(const struct work *);

/*
 * Plans what leads from `now` to `wanted` (sorts both) and carries the steps out into the work; the
 * result's value becomes the plan. Refused if an apply stands already, hosts that are required
 * are away, it destroys what may not be, or (since not 0) others changed the fabric after that
 * revision. `what` opens the line in the history. Returns 0, or the result is filled in.
 */
int apply_plan(struct work *, struct objects *now, struct objects *wanted, bool prune,
               const char *what, uint64_t since) __attribute__((warn_unused_result));

/* Adds all objects of the store that a file can declare, and the fabric's name, to `out`.
 * Returns 0 or -errno. */
int apply_gather(struct store *, enum apply_scopes, struct objects *out)
    __attribute__((warn_unused_result));

/* The endpoint of a service is declared with it: those of the services, sorted, leave the set. */
void apply_drop_service_endpoints(struct objects *, const struct objects *services);

/*
 * A file that is applied at a host that follows: what of it is that host's own (local networks,
 * by the file's word or because there is one of the name) is taken out of `root` and returned as
 * a file of its own; NULL if there is nothing of that.
 */
struct node *apply_split(const struct control *, struct node *root);

#endif
