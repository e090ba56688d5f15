/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervision of one service, as an engine: when its program is started, ended, started again
 * and asked whether it is well. It forks nothing and reads no clock; effects go through the ops, each
 * a leaf that calls nothing here back.
 *
 *   STOPPED --want--> STARTING --started--> RUNNING --exited--> BACKOFF --time--> STARTING
 *                                              |                   or FAILED, by the policy
 *                                              +--not wanted, unhealthy--> STOPPING --exited--> …
 *
 * Back-off: SUPERVISE_AGAIN_MIN after the first end, doubled with every further one, up to
 * SUPERVISE_AGAIN_MAX; a program that ran for SUPERVISE_STEADY begins anew.
 *
 * Checks: after a start one SUPERVISE_PROBE_FIRST after it, the next twice as long after that one, up to one
 * every SUPERVISE_PROBE (or `every`, if that is shorter) until the first success, for as long as `failures` checks may take; then one `every`, and `failures` in a row
 * make the service unhealthy. An unhealthy program is ended and started again, unless the policy
 * is never. Without a check a program is well when it has run for SUPERVISE_SETTLE: many that cannot
 * do their work say so by their end, a moment after their start.
 */
#ifndef PROTO_SERVICE_SUPERVISE_H
#define PROTO_SERVICE_SUPERVISE_H

#include <stdbool.h>

#include "proto/base/mtime.h"

#define SUPERVISE_AGAIN_MIN   (100 * MTIME_MS)
#define SUPERVISE_AGAIN_MAX   (30 * MTIME_SEC)
#define SUPERVISE_STEADY      (10 * MTIME_SEC)
#define SUPERVISE_PROBE       (100 * MTIME_MS)
#define SUPERVISE_PROBE_FIRST (12 * MTIME_MS)
#define SUPERVISE_SETTLE      (1 * MTIME_SEC)

enum supervise_state {
    SUPERVISE_STOPPED,
    SUPERVISE_STARTING,
    SUPERVISE_RUNNING,
    SUPERVISE_STOPPING,
    SUPERVISE_BACKOFF,
    SUPERVISE_FAILED, /* It ended, and by its policy it is not started again. */
};

enum supervise_health { SUPERVISE_UNKNOWN, SUPERVISE_HEALTHY, SUPERVISE_UNHEALTHY };

enum supervise_restart { SUPERVISE_ALWAYS, SUPERVISE_ON_FAILURE, SUPERVISE_NEVER };

struct supervise_policy {
    enum supervise_restart restart;
    bool has_check;
    mtime_t every, timeout;
    unsigned failures; /* At least 1. */
    mtime_t stop_wait; /* Between asking a program to end and ending it. */
};

struct supervise_ops {
    void (*start)(void *aux);     /* Answered by started(), or exited() if that fails. */
    void (*terminate)(void *aux); /* Asks the program to end: answered by exited(). */
    void (*kill)(void *aux);      /* Ends it. */
    void (*check)(void *aux);     /* Answered by checked(); at most one is under way. */
    void (*changed)(void *aux);   /* State, health or counters are others now. */
};

struct supervise {
    const struct supervise_ops *ops;
    void *aux;
    struct supervise_policy policy;
    bool wanted;
    bool again;    /* STOPPING: to be started again, … */
    bool at_once;  /* … without back-off. */
    bool checking; /* A check is under way. */
    enum supervise_state state;
    enum supervise_health health;
    unsigned quick;    /* Ends in quick succession. */
    unsigned failed;   /* Checks in a row. */
    mtime_t probe;     /* Between the last check and the next, until the first success. */
    unsigned restarts; /* Since the service was wanted first. */
    mtime_t began;     /* Of the program that runs. */
    mtime_t due;       /* Of BACKOFF, of STOPPING's kill, and of settling. */
    mtime_t check_due, check_late;
};

void supervise_init(struct supervise *, const struct supervise_policy *,
                    const struct supervise_ops *, void *aux);

/* The policy is another one from now on; a program that runs goes on. */
void supervise_configure(struct supervise *, const struct supervise_policy *, mtime_t now);

void supervise_want(struct supervise *, bool wanted, mtime_t now);

/* Ends the program and starts it at once: its command is another one, or somebody asked for it.
 * Harmless where it is not wanted. */
void supervise_restart(struct supervise *, mtime_t now);

void supervise_started(struct supervise *, mtime_t now);

/* The program has ended, or could not be started: well or with a failure. */
void supervise_exited(struct supervise *, bool well, mtime_t now);

/* The result of the check under way; ignored if none is. */
void supervise_checked(struct supervise *, bool well, mtime_t now);

mtime_t supervise_deadline(const struct supervise *); /* MTIME_NEVER if idle. */
void supervise_run(struct supervise *, mtime_t now);

/* "running", "starting" (also while no check has succeeded, and it has not settled, yet), "backoff", "stopping", "stopped",
 * "failed" or "unhealthy"; and "healthy", "unhealthy", "unknown", or "" without a check. */
const char *supervise_word(const struct supervise *);
const char *supervise_health_word(const struct supervise *);

#endif
