/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FABRICD_CONTROL_SERVICES_SERVICES_INTERNAL_H
#define FABRICD_CONTROL_SERVICES_SERVICES_INTERNAL_H

#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/services/services.h"
#include "proto/base/door.h"
#include "proto/base/fault.h"

struct services {
    struct control *control;
    struct store_watch watch;
    struct loop_timer run;   /* Due at once when something has changed, … */
    struct loop_timer retry; /* … and when something failed. */
    struct list list;        /* struct service */
    struct list conns;
    unsigned n_conns;
    struct door door;
    struct list asked; /* Of keepers, about state folders: state.c. */
    int64_t last_asked;
    uid_t foreign; /* The user of --services; (uid_t)-1 = none. */
};

/* A service that is, or was, this host's. */
struct service {
    struct list link;
    struct services *services;
    char name[VIEW_NAME_SIZE];
    bool has_keeper;   /* The parent has one. */
    uint32_t pid, uid; /* Of it. */
    bool asked;        /* The parent is to start one. */
    mtime_t again;     /* Not before: the last attempt failed. */
    struct keeper_conn *conn;
    char *told;  /* What it was told last over this connection. */
    bool placed; /* It is here, in this run. */
    bool ending; /* Its keeper has been told to end. */
    mtime_t end_by;
    uint64_t heard;    /* The revision of the object that its keeper has taken up. */
    char why[240];     /* Why it does not run, or "". */
    bool waits;        /* For another one. */
    bool up;           /* Its program runs, as its keeper said; … */
    int64_t starts_at; /* … or will again then: milliseconds since 1970; 0 = no more. */
    char failure[240]; /* Why its keeper could not be started last, or "". */
    char trouble[240]; /* Why its state could not be asked for, or "". */
    /* Of its state on the way here, as its keeper said: for which move, and how far it is. */
    int64_t copy_move, copied, copy_failures, progress;
    struct sync_seen_service seen; /* As its keeper said last. */
};

/* A keeper's connection. */
struct keeper_conn {
    struct list link;
    struct services *services;
    struct service *service; /* NULL until it has said whose it is. */
    struct loop_watch watch;
    struct loop_timer late;
    struct fd_peer peer;
    int sock;
};

/* --- services.c ----------------------------------------------------------------------------- */

struct service *service_find(const struct services *, const char *name);
struct service *service_get(struct services *,
                            const char *name); /* Made if there is none. */

/* For tests: the step, if the host has that part in a move of it. */
void fault_moving(const struct service *, enum migrate_role, enum fault_step);

/* Its keeper said something. */
void service_changed(struct service *, const char *was);

/* --- state.c -------------------------------------------------------------------------------- */

/* True if the message of the keeper was about state folders. It may alter the message. */
bool services_state_message(struct service *, struct node *message);
void services_state_free(struct services *);

/* --- asked.c ------------------------------------------------------------------------------- */

/* The service is no more. */
void services_forget_asked(struct control *, const char *name);

/* --- keepers.c: the connections ------------------------------------------------------------- */

int keepers_open(struct services *, int sock) __attribute__((warn_unused_result));
void keepers_close(struct services *);

/* What the service's keeper says, a map, which may be altered. */
void keeper_heard(struct service *, struct node *message);

/* Says it, if there is a connection; true if it went out. */
bool keeper_say(struct service *, const char *text);

/* Hangs up. */
void keeper_drop(struct keeper_conn *);

#endif
