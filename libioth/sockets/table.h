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

/* Closes both ends; the socket has no descriptor any more. */
void table_close(struct sock *);

/* The same for a socket that goes by itself; its descriptor, if the program has it still, hangs up. */
void table_remove(struct sock *);

/* Marks a socket whose readiness may have changed; table_settle() shows it, but not what a thread in a
 * call waits for, which is about to take it. */
void table_unsettle(struct sock *);
void table_settle(bool all);

/* A descriptor that is readable when a program has closed one of its own without us; table_reap() then
 * closes the sockets. -1 if there is none. */
int table_watch(void);
void table_reap(void);

unsigned table_count(void);
void table_end_all(void);

#endif
