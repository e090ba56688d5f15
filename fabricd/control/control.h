/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control process: store, API, reconciler, plug server, membership. */
#ifndef FABRICD_CONTROL_CONTROL_H
#define FABRICD_CONTROL_CONTROL_H

/* Runs until the parent says IPC_STOP or both the parent and the switch are gone. Waits for
 * IPC_START on `parent_channel`, which it owns. Returns the process's exit status. */
int control_main(int parent_channel);

#endif
