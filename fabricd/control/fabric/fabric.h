/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Membership: how hosts come into a fabric, follow its founding host's store, write through it,
 * and leave. What is said between hosts, and the engines that say it, are in proto/sync; here
 * they meet the store, the sessions' control streams and the parent's keys.
 *
 *   member.c  streams of other hosts, and who is at their other end
 *   serve.c   at the founder: rows for followers, changes that they forward
 *   follow.c  at the others: the copy of the store, changes to be forwarded
 *   invite.c  tokens           admit.c  at the founder: a joiner
 *   join.c    at the joiner    leave.c  both ends of leaving
 *   carried.c  how far this host, or another, has carried out what was changed
 *   call.c, call_serve.c  the API of one host, asked by another: call.h
 */
#ifndef FABRICD_CONTROL_FABRIC_FABRIC_H
#define FABRICD_CONTROL_FABRIC_FABRIC_H

#include "fabricd/control/context.h"

/* Called once the identity is known. Sets control->member and control->member_ops. Returns 0, or
 * -errno with the reason in err. */
int member_start(struct control *, struct err *err) __attribute__((warn_unused_result));
void member_free(struct member *);

/* The name of the founding host, as far as it is known. */
const char *member_founder(const struct control *);

/* Where other hosts can reach this one, the best first. Returns how many. */
unsigned member_addrs(const struct control *, struct ipc_addr *out, unsigned room);

#endif
