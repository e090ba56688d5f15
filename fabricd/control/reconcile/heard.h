/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * At which declared ports of this host a bridge was heard, kept in the store: the object (STORE_LOCAL, "heard",
 * ID-OF-NETWORK/PORT). A daemon that starts from its store alone so begins such a port discarding, where one
 * that forwards at once could close a loop until the first BPDU comes. It goes with its port.
 */
#ifndef FABRICD_CONTROL_RECONCILE_HEARD_H
#define FABRICD_CONTROL_RECONCILE_HEARD_H

#include <stdbool.h>
#include <stdint.h>

struct control;
struct heard;

/* What the store has. */
struct heard *heard_new(struct control *);
void heard_free(struct heard *); /* Accepts NULL. */

bool heard_at(const struct heard *, uint64_t net, const char *port);

/* A bridge was heard there. Of no effect if the port is not a declared one of this host. */
void heard_note(struct heard *, uint64_t net, const char *port);

#endif
