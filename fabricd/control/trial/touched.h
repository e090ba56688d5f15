/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The objects that a transaction wrote: "port lan1/core", and "in lan1" for what lives in a network.
 * Blocks of addresses and the daemon's own rows are none.
 */
#ifndef FABRICD_CONTROL_TRIAL_TOUCHED_H
#define FABRICD_CONTROL_TRIAL_TOUCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/store/store.h"
#include "proto/base/map.h"

/* Fills an empty map with what the transaction of `revision` wrote. Returns 0 or -errno. */
int touched_read(struct map *, struct store *, enum store_scope, uint64_t revision)
    __attribute__((warn_unused_result));

/* Whether the object is among them, or something that lives in the network that it is. */
bool touched_has(const struct map *, const char *kind, const char *network,
                 const char *name);

#endif
