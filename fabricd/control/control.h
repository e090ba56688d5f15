/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control process. The parent forks it, without exec, with the channel as its only descriptor
 * beside 0, 1 and 2 (0 is /dev/null), the log set up, SIGINT and SIGHUP ignored, no_new_privs
 * set and the filter of fabricd/sandbox in force.
 *
 * What comes over the parent channel: IPC_START first (see there for its descriptors); then what
 * the vault holds at that time, bodies without descriptors, so that a control that was restarted
 * knows what is there; IPC_REPLAY_END. Later IPC_CHANNEL with a new channel to a new switch.
 * What comes over the switch channel: events and statistics, and IPC_PARENT with a new channel to
 * a new parent, which takes the place of the parent channel (nothing is replayed).
 * With the parent gone it goes on, and refuses what needs one; with parent and switch both gone
 * it ends itself.
 *
 * Sending IPC_STOP to the parent ends the whole daemon cleanly.
 *
 * Returns the exit status of the process: 0 after IPC_STOP from the parent.
 */
#ifndef FABRICD_CONTROL_CONTROL_H
#define FABRICD_CONTROL_CONTROL_H

int control_main(int parent_channel);

#endif
