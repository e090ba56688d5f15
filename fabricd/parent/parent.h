/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parent process: forks the switch and control processes, starts them again when they end,
 * keeps the vault, opens devices and sockets and signs on request. It reads nothing that comes
 * from outside the daemon.
 *
 * A run folder has one parent at a time, which holds RUN/fabricd.lock. If a switch is running
 * there without one, parent_run() adopts it: takes the vault from it and hands new channels to it
 * and to the control process that may still be there.
 */
#ifndef FABRICD_PARENT_PARENT_H
#define FABRICD_PARENT_PARENT_H

#include <stdint.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/err.h"

struct parent_config {
    struct ipc_start
        start; /* What both processes are told; `pids` and `adopted` are set here. */
    /* The processes' own main functions, called with their channel. */
    int (*switch_main)(int channel);
    int (*control_main)(int channel);
};

/*
 * Runs the daemon until it is told to end (SIGTERM, SIGINT, SIGHUP, or by control). Folders exist
 * and are ours. Returns 0 when it has ended cleanly, or -errno with the reason when it could not
 * begin (-EBUSY: another parent is there).
 */
int parent_run(const struct parent_config *, struct err *err)
    __attribute__((warn_unused_result));

#endif
