/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ICMP, or the stack itself, says of datagrams that a socket has sent: SO_ERROR, and the queue of ip(7)'s
 * IP_RECVERR and ipv6(7)'s IPV6_RECVERR, which recvmsg(MSG_ERRQUEUE) reads. As in Linux, a socket that has not asked is told
 * only what is final, and only of where it is connected to; one that has asked, everything.
 *
 * Whoever guesses a port can send such messages, so the queue is bounded: by ERRQ_MAX bytes with the overhead of
 * each, or the receive buffer where that is less. One that comes when it is full is dropped; SO_ERROR tells of it
 * all the same. Of the packet that caused it, what is behind its transport header is kept, PAYLOAD_MAX bytes of it.
 */
#ifndef LIBIOTH_SOCKETS_ERRQ_H
#define LIBIOTH_SOCKETS_ERRQ_H

#include <stddef.h>

#include "libioth/sockets/icmp.h"
#include "libioth/sockets/ip_sock.h"

#define ERRQ_MAX         (64u * 1024)
#define ERRQ_PAYLOAD_MAX 1500u

/* A message about a packet of the socket's: its port there (0: none), and where its payload begins in the message. */
void errq_came(struct ip_sock *, const struct icmp_failure *, uint16_t port, unsigned ofs);

/* What was to be sent there is larger than `mtu`, and may not be cut. */
void errq_too_large(struct ip_sock *, const struct ip_sock_way *, uint16_t mtu);

/* recvmsg(MSG_ERRQUEUE). */
ssize_t errq_recv(struct sock *, struct msghdr *, int flags);

/* After IP_RECVERR or IPV6_RECVERR was set: who does not want to be told has no queue. */
void errq_asked(struct ip_sock *);

#endif
