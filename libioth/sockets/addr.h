/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Socket addresses and lwIP's. Ports are in host order. */
#ifndef LIBIOTH_SOCKETS_ADDR_H
#define LIBIOTH_SOCKETS_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include <lwip/err.h>
#include <lwip/ip_addr.h>

/*
 * Reads the address of a socket of `domain`. An IPv4-mapped one of AF_INET6 becomes an IPv4 address,
 * unless only_v6. Returns 0, -EINVAL (too short), -EAFNOSUPPORT, or -ENODEV (a scope that does not exist,
 * or none where a link-local address needs one and there are several interfaces).
 */
int addr_get(int domain, bool only_v6, const struct sockaddr *, socklen_t size,
             ip_addr_t *ip, u16_t *port) __attribute__((warn_unused_result));

/* Writes it, cut to *size, which becomes what it takes. An IPv4 address in an AF_INET6 socket is mapped. */
void addr_put(int domain, const ip_addr_t *ip, u16_t port, struct sockaddr *,
              socklen_t *size);

/* errno for an lwIP error, negative. */
int addr_error(err_t);

#endif
