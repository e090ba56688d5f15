/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FABRICD_CONTROL_CHANGE_APPLY_H
#define FABRICD_CONTROL_CHANGE_APPLY_H

#include "fabricd/control/store/store.h"
#include "proto/model/fabric_file.h"

/* Adds all objects of the store that a file can declare, and the fabric's name, to `out`.
 * Returns 0 or -errno. */
int apply_gather(struct store *, struct objects *out) __attribute__((warn_unused_result));

#endif
