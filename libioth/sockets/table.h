/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which descriptor is which socket, and what it shows to pollers. Inside only.
 */
#ifndef LIBIOTH_SOCKETS_TABLE_H
#define LIBIOTH_SOCKETS_TABLE_H

#include "libioth/sockets/sock.h"

/* Gives a socket a descriptor (flags: SOCK_NONBLOCK, SOCK_CLOEXEC). Returns it, or -errno. */
int table_add(struct sock *, int flags) __attribute__((warn_unused_result));

/* The socket of a descriptor, or NULL. */
struct sock *table_find(int fd);

/* `fd` is one more descriptor of the socket, made by dup(). 0 or -ENOMEM. */
int table_dup(struct sock *, int fd) __attribute__((warn_unused_result));

/* Closes one of its descriptors; true if it was the last, and both ends are closed. */
bool table_close(struct sock *, int fd);

/* Is there still a socket at that place which had that inode? */
bool table_has(const struct sock *, uint64_t ino);

/* For a socket that goes by itself: its descriptors, if the program has them still, hang up. */
void table_remove(struct sock *);

/* Marks a socket whose readiness may have changed; table_settle() shows it, but not what a thread in a
 * call waits for, which is about to take it. */
void table_unsettle(struct sock *);
void table_settle(bool all);

/* What poll() has said of descriptors, mended: an error that is to be told is one (POLLERR), which their sockets cannot
 * show. Returns how many have something to say. */
struct pollfd;
int table_tell(struct pollfd *fds, unsigned n);

/* The descriptors of sockets with an error to tell, up to `max`; and how many sockets there are, for anybody. */
unsigned table_failed(int *fds, unsigned max);
extern _Atomic unsigned table_n_failed;

/* A descriptor that is readable when a program has closed one of its own without us; table_reap() then
 * closes the sockets. -1 if there is none. */
int table_watch(void);
void table_reap(void);

unsigned table_count(void);
void table_end_all(void);

#endif
