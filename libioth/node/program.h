/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a process in a node to a program in it, for `run` and `exec` alike. */
#ifndef LIBIOTH_NODE_PROGRAM_H
#define LIBIOTH_NODE_PROGRAM_H

#include <signal.h>
#include <stdbool.h>

#include "proto/base/err.h"

#define PROGRAM_OURS       125
#define PROGRAM_CANNOT_RUN 126
#define PROGRAM_NOT_FOUND  127

/* The signals that a launcher passes on to its program. */
sigset_t program_signals(void);

/* The exit status for what waitpid() gave: the program's own, or 128+N for signal N. */
int program_status(int wait_status);

/* True if the program should be a job of its own: all three standard descriptors are the
 * terminal, and it is ours. (In a pipeline the others need the terminal too.) */
bool program_wants_terminal(void);

/* Gives the terminal to the process group of `pid`, or to our own with 0. */
void program_give_terminal(int pid);

/*
 * Becomes the program: signal handling as it was (`mask`), capabilities dropped unless
 * `privileged`, the terminal taken if `terminal`. Returns only on failure, with the exit status
 * (125, 126, 127) and `err` recorded.
 */
int program_exec(char **argv, const sigset_t *mask, bool terminal, bool privileged,
                 struct err *err);

/* Where this process was started with standard descriptors closed, nothing of ours may take their
 * numbers, to be written to as if it were stderr. The program still finds them closed. */
void program_hold_standard(void);

#endif
