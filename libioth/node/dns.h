/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The DNS server of a node: 127.0.0.1:53 and [::1]:53, UDP and TCP, in the node's network
 * namespace, served by a process outside it, which alone can reach the daemon.
 *
 * Port 53 belongs to the node's programs, as every port: the sockets are at DNS_PORT_BEHIND, and
 * netns_port_move() leads there. Where the kernel cannot do that, they are at DNS_PORT itself.
 * Instead of a TCP socket it may be a Unix one, which answers this user only: of a node without
 * namespaces.
 */
#ifndef LIBIOTH_NODE_DNS_H
#define LIBIOTH_NODE_DNS_H

#include "libioth/node/answer.h"
#include "proto/base/err.h"

enum { DNS_UDP4, DNS_UDP6, DNS_TCP4, DNS_TCP6, DNS_SOCKETS };

#define DNS_PORT         53
#define DNS_PORT_BEHIND  65353 /* Above those that the kernel gives to connections. */
#define DNS_CONNECTIONS  16    /* Over TCP; the one that was silent longest makes room. */
#define DNS_PATIENCE_SEC 10    /* A TCP client that says nothing for so long is let go. */

/* Opens the sockets at `port` in this process's network namespace: non-blocking, close-on-exec.
 * Without IPv6 those are -1. Returns 0 or -errno. */
int dns_open(int sockets[DNS_SOCKETS], unsigned port, struct err *err)
    __attribute__((warn_unused_result));

/* Serves until the process ends. Returns only if it cannot start: -errno. */
int dns_serve(const int sockets[DNS_SOCKETS], answer_lookup *lookup, void *aux);

#endif
