/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VDE entries: consoles RUN/net/NAME.mgmt, and folders RUN/net/NAME with the doors (listening sockets) `ctl`, one `vN` for
 * each VLAN and one of the name of each declared port, and the data sockets of the clients. Everything in them is made and removed here; accepting
 * and talking is the switch's.
 */
#ifndef FABRICD_PARENT_VDE_H
#define FABRICD_PARENT_VDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/err.h"

/*
 * Makes RUN/net/NAME, or sees to its mode where it exists, and writes its path to folder. Only
 * we may write in it: others who may knock could otherwise unlink the doors.
 * `mode` is for the folder; sockets in it have mode & 0666. Returns 0 or -errno.
 */
int vde_folder(const char *run_dir, const char *name, mode_t mode, char folder[108],
               struct err *err) __attribute__((warn_unused_result));

/* What the door is called in its folder: `ctl`, `vVLAN`, or the declared port's name. */
void vde_door(const struct ipc_listen *, char door[IPC_NAME_SIZE]);

/* Whether a declared port's door may be called so: not as the other doors, nor as a data socket. */
bool vde_door_name_ok(const char *name);

/* The same of a stream port's socket, in which points and underlines may stand too. */
bool vde_stream_name_ok(const char *name);

/* Makes a door. A descriptor or -errno. */
int vde_listen(const char *folder, const char *door, mode_t mode, struct err *err)
    __attribute__((warn_unused_result));

/* Makes the socket of the network's console, FOLDER.mgmt; and removes it. */
int vde_listen_console(const char *folder, mode_t mode, struct err *err)
    __attribute__((warn_unused_result));
void vde_unlisten_console(const char *folder);

/* Gives the doors that are in the folder, and the console, the mode of one made now. */
void vde_set_modes(const char *folder, mode_t mode);

void vde_unlisten(const char *folder, const char *door);

/* Removes what is left of sockets in it, then the folder. */
void vde_remove_folder(const char *folder);

/* Removes all folders under RUN/net: for a start without anything to adopt. */
void vde_remove_all(const char *run_dir);

/*
 * The data socket for a client: connected to the client's own socket, which must belong to
 * `uid`, then bound to a new path in the folder. `client` is what stands in sun_path, of
 * `client_size` bytes. `uid` may reach the new socket, by ownership or, where we are not root,
 * by `mode`. Returns a descriptor with its path in `path`, or -errno.
 */
int vde_data(const struct ipc_vde_data *, mode_t mode, char path[108])
    __attribute__((warn_unused_result));

/* Unlinks a data socket, if the path is that of one under RUN/net. */
void vde_unlink_data(const char *run_dir, const char *path);

#endif
