/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fabricd: reads its flags, makes its folders, and runs the parent of the three processes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/control.h"
#include "fabricd/dataplane/dataplane.h"
#include "fabricd/folders.h"
#include "fabricd/options.h"
#include "fabricd/parent/parent.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"

/* Room that has to be left in the path of a socket for its name in the run folder. */
#define SOCKET_NAME_ROOM sizeof "/switch.sock"

static int fail(const struct err *err)
{
    fprintf(stderr, "fabricd: %s\n", err->why);
    if (*err->hint)
        fprintf(stderr, "hint: %s\n", err->hint);
    return 1;
}

/* Others reach the sockets of root's daemon, as far as its networks allow them; a user's own are
 * the user's, unless the folder was made otherwise before. */
static int make_folders(struct ipc_start *start, struct err *err)
{
    mode_t run_mode = geteuid() == 0 ? 0755 : 0700;
    int r = folder_make(start->run_dir, sizeof start->run_dir - SOCKET_NAME_ROOM, run_mode,
                        err);

    return r < 0 ? r : folder_make(start->state_dir, sizeof start->state_dir, 0700, err);
}

int main(int argc, char **argv)
{
    struct parent_config config = {.switch_main = dataplane_main,
                                   .control_main = control_main};
    struct err err = {0};
    int status = options_read(argc, argv, &config.start, stdout, stderr);

    if (status != OPTIONS_GO)
        return status;
    fault_open(getenv("IOTH_FAULT"));
    log_init("fabricd", (enum log_level)config.start.log_level, STDERR_FILENO);
    if (make_folders(&config.start, &err) < 0)
        return fail(&err);
    log_info("starting; run folder %s, state folder %s", config.start.run_dir,
             config.start.state_dir);
    if (parent_run(&config, &err) < 0)
        return fail(&err);
    return 0;
}
