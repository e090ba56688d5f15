/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a program can have a stack in its own process (`run --stack lwip`): the dynamic loader has
 * to put libioth-preload.so in front of its C library, and what passes it by must not reach the kernel's
 * sockets unnoticed.
 */
#ifndef CTL_RUN_SUITS_H
#define CTL_RUN_SUITS_H

#include "proto/base/err.h"

/* Looks at the program that execvp() would take, and at a script's interpreter. Returns 0, also for one
 * that is not there or cannot be read, which execvp() has more to say about; -ENOEXEC with `err`
 * recorded for one that is linked statically or for another kind of machine, or that the loader will
 * not preload into. */
int suits_check(const char *program, struct err *err) __attribute__((warn_unused_result));

/* Makes network sockets of the kernel's, and io_uring, a trap (SIGSYS) for this process and all that come of
 * it: what a program reaches by the system call itself. Returns 0 or -errno. */
int suits_confine(struct err *err) __attribute__((warn_unused_result));

#endif
