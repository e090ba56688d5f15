/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a socket of the kind that domain, type and protocol say. */
#ifndef LIBIOTH_SOCKETS_KINDS_H
#define LIBIOTH_SOCKETS_KINDS_H

#include "libioth/sockets/sock.h"

/* 0; -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENOMEM. */
int kind_new(int domain, int type, int protocol, struct sock **out)
    __attribute__((warn_unused_result));

/* The kinds. `protocol` is what kind_new() has made of 0. */
int tcp_sock_new(int domain, struct sock **out);
int udp_sock_new(int domain, struct sock **out);
int raw_sock_new(int domain, int protocol, struct sock **out);
int packet_sock_new(int type, int protocol, struct sock **out);
int nl_sock_new(int type, int protocol, struct sock **out);

#endif
