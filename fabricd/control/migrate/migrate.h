/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The move of a service from one host to another: same name, MAC and addresses. The state of a move is
 * a row of the fabric's store (kind MOVE_KIND, named after the service), so every host sees it and a
 * control process that is restarted goes on from it, or back:
 *
 *   prepare  The new host makes an instance ready, behind a port that is fenced because the
 *            endpoint's home is elsewhere. The old one works.
 *   stop     Only of services with state folders: the old host ends its instance, what changed in the
 *            folders since is copied.
 *   verify   One transaction moved service and endpoint, whose epoch rose: switches believe the new
 *            instance and fence the old, whatever becomes of its host. It has to be well within
 *            MOVE_VERIFY_WITHIN, for MOVE_SETTLE.
 *   done, failed  The end.
 *
 * A move that fails before the switch of `verify` leaves the service where it was: nobody reached the new
 * instance. One that fails after it has moved back, with one more epoch. One with state may have been
 * given some meanwhile, so it goes back by a move of its own (`back`), which takes the state along; if that
 * fails too, it stays where its state is.
 *
 * The founding host's control leads: it asks the two hosts what they have (GET
 * /v1/services/NAME/here) and commits the next phase. The hosts themselves act on the rows: services.c
 * has the instance run, ready or ended as the phase wants it. If the leader is away nothing goes on,
 * and whatever the phase is, at most one instance is reached.
 */
#ifndef FABRICD_CONTROL_MIGRATE_MIGRATE_H
#define FABRICD_CONTROL_MIGRATE_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/control/change/change.h"
#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"

#define MOVE_KIND "move"

#define MOVE_PREPARE_WITHIN (60 * MTIME_SEC) /* And as long as state is copied. */
#define MOVE_STOP_WITHIN    (30 * MTIME_SEC)
#define MOVE_VERIFY_WITHIN  (20 * MTIME_SEC)
#define MOVE_SETTLE         (1 * MTIME_SEC) /* So long it has to go on being well. */
#define MOVE_AWAY_WITHIN    (10 * MTIME_SEC) /* A host that does not answer for so long, … */
#define MOVE_GAP_WITHIN     (3 * MTIME_SEC) /* … and while nobody has the service. */

enum move_phase { MOVE_PREPARE, MOVE_STOP, MOVE_VERIFY, MOVE_DONE, MOVE_FAILED, MOVE_NONE };

/* Of a row, or of what a step wants. */
enum move_phase move_phase(const struct node *);
const char *move_phase_name(enum move_phase);

/* A move that is under way, or the last one. */
struct move {
    struct list link;
    char service[VIEW_NAME_SIZE];
    char from[VIEW_NAME_SIZE], to[VIEW_NAME_SIZE];
    enum move_phase phase;
    int64_t number; /* Of this service's moves. */
    int64_t back;   /* It is the way back of the move of this number; 0 = it is not one. */
    int64_t gap_ms; /* -1 = none was measured. */
    char why[240];  /* Why it failed, or "". */
};

struct migrate *migrate_new(struct control *);
void migrate_free(struct migrate *);

/* The move of the service, or NULL. Borrowed until the next commit. */
const struct move *migrate_find(const struct control *, const char *service);

/* What this host is to do with a service because of a move. */
enum migrate_role {
    MIGRATE_NOTHING, /* As its object says. */
    MIGRATE_READY,   /* An instance is to be made ready here. */
    MIGRATE_END,     /* Its program is to end here, and its state is asked for. */
};
enum migrate_role migrate_role(const struct control *, const char *service);

/* Begins a move with the change, which is empty and taken, and calls back when it has come to its
 * end: the founding host's. The result's value is what the API answers. */
void migrate_start(struct control *, struct change *, const char *service, const char *to,
                   change_done_fn *, void *aux);

#endif
