/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of the levels IPPROTO_IP and IPPROTO_IPV6 that TCP, UDP and raw sockets share. */
#ifndef LIBIOTH_SOCKETS_IPOPT_H
#define LIBIOTH_SOCKETS_IPOPT_H

#include <lwip/ip.h>

#include "libioth/sockets/sock.h"

void ipopt_init(struct sock *);

/* What a connection has of its listener. */
void ipopt_inherit(struct sock *, const struct sock *listener);

/* Puts the socket's options into a control block. */
void ipopt_apply(const struct sock *, struct ip_pcb *);

/* Whether a socket has the options of a level: one of IPv6 has those of IPv4, too, but for raw sockets. */
bool ipopt_has_level(const struct sock *, int level);

/* -ENOPROTOOPT for what is not of here. */
int ipopt_get(struct sock *, int level, int name, void *value, socklen_t *size);
int ipopt_set(struct sock *, int level, int name, const void *value, socklen_t size);

/* A number of `least` to 255 that an option is set to; -1 stands for `none`. -EINVAL. */
int ipopt_octet(uint8_t *out, int n, int least, uint8_t none);

/* Is it an address of this stack (or any)? */
bool ipopt_is_local(const ip_addr_t *);

/* May a socket that is bound to `own` (or to any) have sent from there? */
bool ipopt_may_send(const ip_addr_t *own, const ip_addr_t *from);

const ip_addr_t *ipopt_loopback4(void);
const ip_addr_t *ipopt_loopback6(void);

#endif
