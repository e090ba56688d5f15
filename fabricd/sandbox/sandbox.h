/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each process gives up before it serves: no_new_privs, core files, capabilities that it
 * does not need, by seccomp the system calls that it has no use for, and by Landlock (Linux 5.13 and
 * later, where it is switched on) the files.
 */
#ifndef FABRICD_SANDBOX_SANDBOX_H
#define FABRICD_SANDBOX_SANDBOX_H

#include <stdbool.h>

/* Whether this kernel confines files; where it does not, the processes run without that. */
bool sandbox_has_landlock(void);

/* For all three processes: no core files, which would hold keys. */
int sandbox_common(void) __attribute__((warn_unused_result));

/* The switch process: only what a running data path needs. It opens no file, makes no socket and
 * starts no program. Returns 0 or -errno. */
int sandbox_switch(void) __attribute__((warn_unused_result));

/* Of the file system, what is the control process's: NULL = none. */
struct sandbox_folders {
    const char *store, *api; /* To read and write. */
    const char *logs;        /* Of services: to read. */
};

/* The control process: everything but what no daemon of this kind needs (tracing, mounting,
 * modules, clocks, keys of the kernel, other processes' memory). Of files it has those in its
 * folders, and the system's own to read: so not the keys, unless they lie in one of these. Returns 0
 * or -errno. */
int sandbox_control(const struct sandbox_folders *) __attribute__((warn_unused_result));

#endif
