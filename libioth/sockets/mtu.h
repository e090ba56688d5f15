/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets and the MTU of their path: IP_MTU_DISCOVER, IP_MTU and their namesakes of IPv6, as Linux has them, and
 * what routers say of packets that are too large. They are believed where a socket has just sent such a packet: of TCP,
 * a segment that is not acknowledged yet; of UDP, a datagram to the socket's peer, or to where it sent last.
 */
#ifndef LIBIOTH_SOCKETS_MTU_H
#define LIBIOTH_SOCKETS_MTU_H

#include <lwip/ip_addr.h>
#include <lwip/netif.h>

#include "libioth/sockets/sock.h"

/* -ENOPROTOOPT for other options. `peer`: NULL where there is none. */
int mtu_getopt(const struct sock *, const ip_addr_t *peer, int level, int name, void *value,
               socklen_t *size);
int mtu_setopt(struct sock *, int level, int name, const void *value, socklen_t size);

/* Before `size` bytes, without the header of IP, are sent to there: -EMSGSIZE, or 0; then they are sent as the
 * socket wants it, until mtu_sent(). */
int mtu_send(const struct sock *, const ip_addr_t *to, const struct netif *, size_t size)
    __attribute__((warn_unused_result));
void mtu_sent(void);

/* What fits on the way to there for the socket, with the header of IP. */
uint16_t mtu_of(const struct sock *, const ip_addr_t *to, const struct netif *);

/* What a message about a packet says of it. */
struct mtu_packet {
    ip_addr_t from, to;
    uint16_t from_port, to_port;
    uint32_t seq; /* TCP's. */
    unsigned size;
};

/* A router takes no packets of more than `mtu` bytes on that packet's way; 0: it does not say. */
void mtu_too_large(unsigned proto, const struct mtu_packet *, unsigned mtu);

/* The kinds': whether one of their sockets may have sent it; and what TCP does about it if the MTU is less now. */
bool udp_sock_sent(const struct mtu_packet *);
bool tcp_sock_sent(const struct mtu_packet *);
void tcp_sock_too_large(const struct mtu_packet *);

#endif
