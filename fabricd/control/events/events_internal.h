/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the events share. */
#ifndef FABRICD_CONTROL_EVENTS_EVENTS_INTERNAL_H
#define FABRICD_CONTROL_EVENTS_EVENTS_INTERNAL_H

#include "fabricd/control/events/events.h"
#include "fabricd/control/view/view.h"

/* What an event says at least. */
struct node *events_entry(const char *kind, const char *network, const char *name,
                          const char *verb);

/* Keeps the event and tells all who watch. Takes the body. `network`: whose visibility counts; `local`:
 * no other host is told. */
void events_add(struct events *, const char *type, const char *network, bool local,
                struct node *body);

#endif
