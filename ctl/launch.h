/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user's own daemon, started in the background. */
#ifndef CTL_LAUNCH_H
#define CTL_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

struct ctl;
struct locate;

#define LAUNCH_LIMIT_MS 10000 /* For the daemon to answer, and to go. */

/*
 * Starts fabricd and waits until its API answers; says so on stderr. It is the one beside
 * iothctl, in the build tree or in PATH; its log goes to STATE/fabricd.log. Returns 0, or the
 * exit status with the failure recorded.
 */
int launch_fabricd(struct ctl *, const struct locate *where)
    __attribute__((warn_unused_result));

/* Waits until nobody answers at the API any more and the daemon's parent process, if `pid` is not
 * 0, is no more. 0, or CTL_REFUSED with the failure recorded. */
int launch_wait_gone(struct ctl *, const struct locate *where, pid_t pid)
    __attribute__((warn_unused_result));

/* STATE/fabricd.log. 0, or CTL_REFUSED with the failure recorded. */
int launch_log_path(struct ctl *, char *out, size_t size)
    __attribute__((warn_unused_result));

#endif
