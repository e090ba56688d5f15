/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting a program from a launcher that stays beside it, and what becomes of it. */
#ifndef CTL_RUN_START_H
#define CTL_RUN_START_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct ctl;

struct start {
    char **argv;
    sigset_t mask;   /* Its signal mask. */
    bool terminal;   /* It is a job of its own and gets the terminal. */
    bool privileged; /* It keeps its capabilities. */
    /* Called in the new process first; 0 or -errno with err recorded. */
    int (*before)(void *aux, struct err *err);
    void *aux;
};

/* Forks and executes; it ends with this process. Returns its process id (of one that has ended
 * already, with the failure recorded, if it could not be executed), or 0 with the failure recorded. */
pid_t start_program(struct ctl *, const struct start *);

/* Our program was stopped by a signal: so are we, if it had the terminal, until we are let go on. */
void start_stopped(pid_t program, int signal, bool terminal);

#endif
