/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The trial of an apply: what was written has to prove itself on the hosts, and then, if that was
 * asked for, be accepted by a second word. Otherwise it is to be rolled back. An engine: it is
 * handed reports, words and time, and tells its end through ops, once. What it decides on must
 * be in the store already, and its row with it, so that a process that takes the place of a dead
 * one begins the same trial anew.
 *
 * VERIFY ends well when every host that is counted on has carried the revision out without a
 * problem, and waits for nothing that follows from it; under TRIAL_QUORUM also at the deadline, if more than half of all have; under
 * TRIAL_REACHABLE hosts that went away are not counted on. It ends badly with the first problem,
 * at the deadline otherwise, and as soon as a quorum cannot be reached any more.
 * CONFIRM ends well with trial_accept() and badly at its deadline.
 */
#ifndef FABRICD_CONTROL_TRIAL_TRIAL_H
#define FABRICD_CONTROL_TRIAL_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"

#define TRIAL_WHY 320 /* Bytes of a reason. */

enum trial_require { TRIAL_ALL, TRIAL_QUORUM, TRIAL_REACHABLE };
enum trial_phase { TRIAL_OVER, TRIAL_VERIFY, TRIAL_CONFIRM };

struct trial_ops {
    /* VERIFY ended well. With a time to confirm, CONFIRM has begun; else the trial is over. */
    void (*verified)(void *aux);

    /* The trial is over: what was applied is to be taken back. */
    void (*failed)(void *aux, const char *why);
};

struct trial_host {
    char name[64];
    bool there; /* Reachable. */
    bool done;  /* It has carried the revision out. */
    char waits
        [TRIAL_WHY]; /* What has to settle there after that, as of the last report; or "". */
};

struct trial {
    const struct trial_ops *ops;
    void *aux;
    enum trial_phase phase;
    enum trial_require require;
    struct trial_host *host;
    size_t n;
    mtime_t within;  /* For VERIFY. */
    mtime_t confirm; /* For CONFIRM; 0 = no second word is wanted. */
    mtime_t due;     /* End of the phase. */
};

void trial_init(struct trial *, const struct trial_ops *, void *aux);
void trial_done(struct trial *);

/* Begins; hosts are added next, all joined ones, before anything else is called. */
void trial_begin(struct trial *, enum trial_require, mtime_t within, mtime_t confirm,
                 mtime_t now);
void trial_add(struct trial *, const char *host, bool there);

/* Begins in CONFIRM, what is left of it: after a restart. */
void trial_resume_confirm(struct trial *, mtime_t left, mtime_t now);

/* What is known of a host now. Texts are copied, NULL = there is none. */
struct trial_report {
    bool there;          /* It can be reached. */
    bool done;           /* It has carried the revision out. Once done remains done. */
    const char *problem; /* The first of what was applied. */
    const char
        *waits; /* With `done`: what has to settle there after that, may come and go. */
};

/* Harmless for a host that is not counted on. */
void trial_report(struct trial *, const char *host, const struct trial_report *,
                  mtime_t now);

/* The second word. False if none is wanted now. */
bool trial_accept(struct trial *);

mtime_t trial_deadline(const struct trial *);
void trial_run(struct trial *, mtime_t now);

/* Whether so many hosts may begin: all, more than half, or any of them are there. */
bool trial_may_begin(enum trial_require, size_t there, size_t all);

/* "all", "quorum", "reachable" and back; false for another word. */
const char *trial_require_name(enum trial_require);
bool trial_require_parse(const char *, enum trial_require *);

#endif
