/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control group (version 2) of a service with limits: ioth-NAME below the keeper's own. Where
 * the machine does not let us make one that has the controllers asked for, the limits are refused, and
 * with them the service: it must not run without.
 */
#ifndef KEEPER_GROUP_H
#define KEEPER_GROUP_H

#include <sys/types.h>

#include "keeper/spec.h"
#include "proto/base/err.h"

#define GROUP_PATH_SIZE 4096

/* The folder of the daemon's group, in which this process began. Returns 0 or -errno. */
int group_own(char out[GROUP_PATH_SIZE], struct err *err)
    __attribute__((warn_unused_result));

/* Makes the service's group below the folder `own`, sets its limits and puts process `pid` into it; a
 * spec without limits needs none. Returns 0 or -errno. */
int group_enter(const char *own, const char *name, const struct spec *, pid_t pid,
                struct err *err) __attribute__((warn_unused_result));

/* Moves the processes that are in the group itself into one below it: a group whose own groups have limits may
 * have none. Returns 0 or -errno. */
int group_make_room(const char *own) __attribute__((warn_unused_result));

/* Has the kernel ended a process of the service's group because the memory of its limit was used up? */
bool group_out_of_memory(const char *own, const char *name);

/* Removes the group, which has no processes any more; harmless if there is none. */
void group_remove(const char *own, const char *name);

#endif
