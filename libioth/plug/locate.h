/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which daemon a program talks to, the same for iothctl, the library and the plugin: the socket
 * named, else IOTH_SOCKET, else the user's own running daemon, else /run/ioth where the user
 * may, else the place where the user's own would be. And where its folders are.
 */
#ifndef LIBIOTH_PLUG_LOCATE_H
#define LIBIOTH_PLUG_LOCATE_H

#include <stdbool.h>

#include "proto/base/err.h"

#define LOCATE_PATH_SIZE 512

struct locate {
    char run_dir[LOCATE_PATH_SIZE];
    char api[LOCATE_PATH_SIZE];  /* RUN/api.sock, or the socket that was named. */
    char plug[LOCATE_PATH_SIZE]; /* RUN/plug.sock, beside the API socket. */
    bool running;                /* Somebody accepts connections on `api`. */
    bool named;                  /* By the caller or IOTH_SOCKET: no other will do. */
};

/*
 * Finds the daemon. `socket` is what the user named, or NULL. Returns 0, also where none runs
 * (then out->running is false and the paths are where the user's own would be); -EACCES if one
 * runs that the user may not talk to or if /tmp/ioth-UID is somebody else's; -ENAMETOOLONG.
 */
int locate_daemon(const char *socket, struct locate *out, struct err *err)
    __attribute__((warn_unused_result));

/*
 * The folders of the user's own daemon: IOTH_RUN_DIR or IOTH_STATE_DIR; as root /run/ioth and
 * /var/lib/ioth; else $XDG_RUNTIME_DIR/ioth (without it /tmp/ioth-UID) and $XDG_STATE_HOME/ioth
 * (without it ~/.local/state/ioth). Makes nothing. Returns 0, -ENAMETOOLONG, or -ENOENT where
 * the user has no home.
 */
int locate_run_dir(char out[LOCATE_PATH_SIZE], struct err *err)
    __attribute__((warn_unused_result));
int locate_state_dir(char out[LOCATE_PATH_SIZE], struct err *err)
    __attribute__((warn_unused_result));

/*
 * Whether an existing run folder in a place where everybody may write is ours alone: a folder,
 * no link, of this user, closed to others. 0 also if it does not exist; -EACCES otherwise.
 */
int locate_check_private(const char *run_dir, struct err *err)
    __attribute__((warn_unused_result));

#endif
