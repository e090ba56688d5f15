/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FABRICD_CONTROL_MIGRATE_MIGRATE_INTERNAL_H
#define FABRICD_CONTROL_MIGRATE_MIGRATE_INTERNAL_H

#include "fabricd/control/fabric/call.h"
#include "fabricd/control/migrate/migrate.h"

struct migrate {
    struct control *control;
    struct store_watch watch;
    struct loop_timer run;
    struct list moves;   /* Of all services: struct move */
    struct list leads;   /* Of this host, if it is the founding one: struct lead */
    struct list waiters; /* For the end of a move. */
};

/* A move that this host leads. */
struct lead {
    struct list link;
    struct migrate *migrate;
    char service[VIEW_NAME_SIZE];
    int64_t number;
    enum move_phase phase;
    mtime_t began;        /* Of the phase, as far as this process knows. */
    mtime_t heard;        /* The host asked has answered last. */
    mtime_t gap_began;    /* 0 = another process led then. */
    mtime_t serves_since; /* The new instance; 0 = it does not. */
    struct call *call;
    bool committing;
    struct loop_timer timer;
    int64_t progress; /* Of its state's copy; the time begins anew with it. */
    char last[240];   /* What was in the way last. */
};

/* --- lead.c --------------------------------------------------------------------------------- */

/* Follows what the moves have become: leads what is under way. */
void lead_all(struct migrate *);
void lead_free(struct lead *);

#endif
