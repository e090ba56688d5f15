/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors that ICMP tells of, for the sockets that caused them: of a UDP socket that is connected to where the
 * datagram went (SO_ERROR, as RFC 1122 4.1.3.3 wants it), and of a TCP connection that is being opened,
 * which ends [4.2.3.9]. One that is open does not: whoever can guess its ports would end it.
 */
#ifndef LIBIOTH_SOCKETS_ICMP_H
#define LIBIOTH_SOCKETS_ICMP_H

#include <stdint.h>

#include <lwip/ip_addr.h>

/* Listens from now on; 0 or -ENOBUFS. And no more. */
int icmp_start(void) __attribute__((warn_unused_result));
void icmp_stop(void);

/* The kinds': what was sent from local_port to that peer has failed. */
void tcp_sock_failed(const ip_addr_t *peer, uint16_t peer_port, uint16_t local_port,
                     int error);
void udp_sock_failed(const ip_addr_t *peer, uint16_t peer_port, uint16_t local_port,
                     int error);

#endif
