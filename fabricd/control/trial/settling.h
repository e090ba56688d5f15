/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the spanning trees have settled after an apply. While one is being verified, each host asks
 * its switch how the trees are, first when it has carried everything out and then again and again, and
 * tells it with its report; who verifies compares. A tree has settled when no port that is to forward
 * is still on its way there, and when both ends of each link believe in the same root.
 */
#ifndef FABRICD_CONTROL_TRIAL_SETTLING_H
#define FABRICD_CONTROL_TRIAL_SETTLING_H

#include <stdbool.h>
#include <stddef.h>

#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"
#include "proto/base/map.h"
#include "proto/sync/message.h"

struct settling *settling_new(struct control *);
void settling_free(struct settling *);

/* Something may have been carried out, or an apply begun or ended. NULL is fine. */
void settling_kick(struct settling *);

/* Whether the switch has told how the trees are since the last of what was wanted reached it; so too
 * where there is none to ask. */
bool settling_is_known(const struct settling *);

/* What this host tells of its trees: a copy, rising by network, the caller's to free(). */
struct sync_seen_tree *settling_own(const struct settling *, uint16_t *n);

/* What the host still waits for, of the networks of `touched` (touched.h): one line, or ""
 * in `out`. */
void settling_waits(const struct control *, const struct map *touched,
                    const struct view_host *, char *out, size_t size);

#endif
