/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which daemon a program talks to (contract, section 2): the socket that was named (--socket),
 * else $IOTH_SOCKET, else the user's own running daemon, else /run/ioth where the user may.
 * The user's own run folder is $IOTH_RUN_DIR, else /run/ioth for root, else
 * $XDG_RUNTIME_DIR/ioth, else /tmp/ioth-UID, which counts only if it is the user's and closed
 * to others. Only looks; starts and connects nothing for keeps.
 */
#ifndef LIBIOTH_PLUG_LOCATE_H
#define LIBIOTH_PLUG_LOCATE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

#define LOCATE_PATH_SIZE 108 /* sun_path */

struct locate {
    char run_dir[LOCATE_PATH_SIZE];     /* "" if only a socket was named. */
    char api_socket[LOCATE_PATH_SIZE];  /* RUN/api.sock, or the one that was named. */
    char plug_socket[LOCATE_PATH_SIZE]; /* RUN/plug.sock, beside the API socket. */
    bool own;                           /* The user's own daemon, not the machine's. */
    bool running;                       /* Somebody listens there. */
};

/*
 * Finds the daemon. `socket` is what --socket said, or NULL. When none runs, the answer is where
 * the user's own would be (running is false), so that the caller can start one there; with a
 * socket that was named, it is that one.
 * Returns 0, -ENAMETOOLONG, or -EPERM if /tmp/ioth-UID is somebody else's; `err` (may be NULL)
 * then says why.
 */
int locate_daemon(const char *socket, struct locate *out, struct err *err)
    __attribute__((warn_unused_result));

/*
 * The run and state folders of the user's own daemon, as fabricd takes them without flags:
 * out[LOCATE_PATH_SIZE] and state[256]; either may be NULL. Does not make them, but for
 * /tmp/ioth-UID, which it makes with mode 0700 if `make` is set. Errors as above.
 */
int locate_folders(char *run_dir, char *state_dir, bool make, struct err *err)
    __attribute__((warn_unused_result));

#endif
