/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The switch process. The parent forks it, without exec, with the channel as its only descriptor
 * beside 0, 1 and 2 (0 is /dev/null), the log set up, SIGINT and SIGHUP ignored, no_new_privs
 * set and the seccomp filter of fabricd/sandbox in force: it can open no file.
 *
 * What comes over the channel: IPC_START first, then the vault (state in the order of its types),
 * IPC_REPLAY_END, and from then on state and deletions as they happen.
 *
 * The adoption socket (second descriptor of IPC_START, bound to RUN/switch.sock, SOCK_SEQPACKET,
 * non-blocking) is for a parent that comes after this one:
 * - the switch calls listen() on it itself, so that SO_PEERCRED at the other end names the switch;
 * - it accepts one, checks that SO_PEERCRED has its own uid, and takes the connection in place of
 *   its parent channel (the newest parent is the parent: it holds the lock of the run folder);
 * - it sends its whole copy of the vault with the descriptors, IPC_SELF with noise_secret zeroed,
 *   then IPC_REPLAY_END (vault_mark_all() and vault_sync() of fabricd/ipc/vault.h do this);
 * - an IPC_PARENT from the new parent goes on to control over the control channel; where control
 *   is gone its descriptor is closed.
 * While it has no parent it goes on: state that it makes itself waits in its copy of the vault.
 *
 * Returns the exit status of the process: 0 after IPC_STOP.
 */
#ifndef FABRICD_DATAPLANE_DATAPLANE_H
#define FABRICD_DATAPLANE_DATAPLANE_H

int dataplane_main(int parent_channel);

#endif
