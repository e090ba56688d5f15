/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `iothctl run` and `iothctl exec`. Both return the exit status of iothctl: the program's own;
 * 125 for our own failures, 126 and 127 as a shell's, 128+N for signal N. Messages go out by
 * ctl_fail() (ctl/ctl.h); the caller prints them.
 *
 * Options of run: net (repeated), name, ip (repeated), mac, stack, rate, root; args->rest is the
 * command. exec: words[0] is NET/NAME, args->rest the command.
 */
#ifndef CTL_RUN_RUN_H
#define CTL_RUN_RUN_H

#include "ctl/grammar.h"
#include "libioth/plug/locate.h"

struct ctl;
struct run_plan;
struct answerer;

int run_main(struct ctl *, const struct args *);
int exec_main(struct ctl *, const struct args *);

/* The daemon's plug.sock, beside the API socket that ctl is connected to. Returns 0 or CTL_OURS with the
 * failure recorded. */
int run_plug_path(struct ctl *, char out[LOCATE_PATH_SIZE])
    __attribute__((warn_unused_result));

/* Starts the answerer of the names in the plan's networks, by the daemon that ctl is connected to. Returns 0 or
 * CTL_OURS with the failure recorded. */
int run_serve_names(struct ctl *, const struct run_plan *, struct answerer *)
    __attribute__((warn_unused_result));

#endif
