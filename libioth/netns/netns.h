/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making a node: a process in namespaces of its own, whose network is one or more TAPs.
 *
 * The order, each step in the process named:
 *   1. parent: netns_fork()             namespaces; the child has every capability inside them
 *   2. child:  netns_map_self(), or     its user is the same inside and outside,
 *      parent: netns_map_root()         or root inside, with subordinate ids
 *   3. child:  netns_prepare()          loopback, sysctls
 *      child:  netns_port_move()      a port of loopback stands for another (may be refused)
 *   4. child:  netns_tap()              the interfaces; their descriptors go to a switch
 *   5. child:  netns_mounts()           /proc and /sys of its own namespaces
 *   6. child:  netns_configure()        MAC, MTU, addresses, routes, up (netcfg.h)
 *   7. child:  netns_drop()             no capabilities, none to be had; then exec
 *
 * Every function returns 0 (or what it says) or -errno with `err` recorded; where the machine
 * forbids something, the hint is the command that allows it. Linux only, no globals.
 */
#ifndef LIBIOTH_NETNS_NETNS_H
#define LIBIOTH_NETNS_NETNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct netns_user {
    uid_t uid;
    gid_t gid;
};

/* Who runs this process; to be asked before netns_fork(). */
struct netns_user netns_user_self(void);

/*
 * Forks into new user, network, mount, host name and process id namespaces. Returns the child's
 * pid in the parent, 0 in the child, -errno in the parent. The child is process 1 of its
 * namespace: it must reap, and all that runs there is killed with it. Only in a process with one
 * thread: no fork handlers are run.
 */
pid_t netns_fork(struct err *err) __attribute__((warn_unused_result));

/* Puts this process itself, which has one thread, into new user and network namespaces. Then
 * netns_map_self(). */
int netns_enter_new(struct err *err) __attribute__((warn_unused_result));

/* Maps the user and group to themselves, and no others. */
int netns_map_self(struct netns_user, struct err *err) __attribute__((warn_unused_result));

/*
 * Maps root inside to `user`, and subordinate ids (subuid(5)) behind it by newuidmap and
 * newgidmap; a caller who is root gets every id that it has, unchanged. Called in the parent;
 * the child has to wait for it and then to call netns_become_root().
 */
int netns_map_root(pid_t child, struct netns_user user, struct err *err)
    __attribute__((warn_unused_result));
int netns_become_root(struct err *err) __attribute__((warn_unused_result));

/* The range of subordinate ids of `user` (a name or a number) in a file of subuid(5)'s form.
 * -ENOENT where there is none. Reads the file at `path`. */
int netns_subids(const char *path, const char *name, unsigned long id, unsigned long *first,
                 unsigned long *count) __attribute__((warn_unused_result));

/*
 * Brings loopback up and sets what makes a node pleasant: every port may be bound, every mapped
 * group may ping, IPv6 is on, its addresses are usable at once, and nobody's router
 * advertisements are believed.
 */
int netns_prepare(struct err *err) __attribute__((warn_unused_result));

/*
 * Makes the TAP `name` (15 bytes at most) in this process's network namespace, with virtio-net
 * headers of 12 bytes and every offload that the kernel has, down. Returns its descriptor
 * (close-on-exec, non-blocking); the interface lives as long as its namespace.
 */
int netns_tap(const char *name, struct err *err) __attribute__((warn_unused_result));

/* Mounts /proc and, where the kernel lets it, /sys for the namespaces of this process. Other
 * mounts stay, and follow the host's. */
int netns_mounts(struct err *err) __attribute__((warn_unused_result));

struct netns_port_move {
    uint16_t port, behind;
    bool guarded; /* Others with capabilities here cannot take it away. */
};

/*
 * Whoever in this process's network namespace sends to `port` of 127.0.0.1 or ::1, by UDP or
 * TCP, reaches `behind` there, and is answered from `port`; so everybody may bind `port`. Needs
 * nf_tables in the kernel, and to be guarded 5.12 or later. Returns a descriptor (close-on-exec)
 * to be kept: what is guarded goes with it, and closing it takes the kernel some 15 ms.
 */
int netns_port_move(const struct netns_port_move *, struct err *err)
    __attribute__((warn_unused_result));

/* Gives up every capability for good: also for programs that the file system would give some.
 * User and group ids stay. */
int netns_drop(struct err *err) __attribute__((warn_unused_result));

#endif
