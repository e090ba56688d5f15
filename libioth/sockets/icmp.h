/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ICMP says of packets that sockets have sent. Of datagrams their sockets are told as errq.h has it. A TCP connection
 * that is being opened ends [RFC 1122 4.2.3.9]; one that is open does not, since whoever can guess its ports would
 * end it [RFC 5927]: it has the error as the reason of a time-out to come, or is told of it if it has asked (IP_RECVERR).
 * A message about a segment that is not under way is of nobody.
 */
#ifndef LIBIOTH_SOCKETS_ICMP_H
#define LIBIOTH_SOCKETS_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include <lwip/ip_addr.h>
#include <lwip/pbuf.h>

#include "libioth/sockets/mtu.h"

struct icmp_failure {
    int error;      /* What Linux makes of it. */
    bool is_final;  /* Nothing that time would mend. */
    bool too_large; /* Whether that is final is the socket's affair (IP_MTU_DISCOVER). */
    bool ip6;
    uint8_t type, code;
    uint32_t info; /* An MTU, or which byte was wrong. */
    struct mtu_packet packet;
    const struct pbuf *message; /* From its IP header on. */
    unsigned ip_ofs, l4_ofs;    /* The packet's two headers in it. */
};

/* Listens from now on; 0 or -ENOBUFS. And no more. */
int icmp_start(void) __attribute__((warn_unused_result));
void icmp_stop(void);

/* The kinds': one of their sockets may have sent it. */
void tcp_sock_failed(const struct icmp_failure *);
void udp_sock_failed(const struct icmp_failure *);
void raw_sock_failed(unsigned proto, const struct icmp_failure *);

#endif
