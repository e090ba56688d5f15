/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who this host is. A fresh daemon founds a fabric of its own; afterwards it is what the store
 * says, and the parent's keys agree.
 */
#ifndef FABRICD_CONTROL_IDENTITY_IDENTITY_H
#define FABRICD_CONTROL_IDENTITY_IDENTITY_H

#include <stdint.h>

#include "fabricd/control/context.h"

/* Finds out, asking the parent for the keys; `ready` is called once control->id is right. It
 * tries again for as long as the parent cannot say. */
void identity_start(struct control *, void (*ready)(struct control *));

/* Founds a new fabric of this host alone: what a host does that has left its fabric. The store's
 * fabric objects must be gone. Ends with `done` as identity_start() does. */
void identity_found(struct control *, void (*ready)(struct control *));

/* The ops (of STORE_LOCAL) that store an identity; body is the caller's to free. */
struct store_op identity_op(const struct identity *, char **body);

/* The name of the fabric, the caller's to free, or NULL while it has none. */
char *identity_fabric_name(const struct control *);

#endif
