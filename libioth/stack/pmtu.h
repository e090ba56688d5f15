/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What packets may be as large as on the way to a destination: the interface's MTU, or what a router on the way
 * said [RFC 1191, RFC 8201]. Whether it was asked for (whether such a packet was sent) is the sockets' to judge
 * before pmtu_learn(); here, values that cannot be are not believed. An IPv4 path of less than PMTU_LEAST4, of which
 * there are none but an attacker's, is taken for one of PMTU_LEAST4 where packets may be cut on the way.
 *
 * PMTU_ROOM destinations are known; a new one takes the place of the one that was heard of first. Each is forgotten
 * after PMTU_AGE, since paths become better too.
 */
#ifndef LIBIOTH_STACK_PMTU_H
#define LIBIOTH_STACK_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include <lwip/ip_addr.h>
#include <lwip/netif.h>

#include "proto/base/mtime.h"

#define PMTU_ROOM   64u
#define PMTU_AGE    (10 * 60 * MTIME_SEC)
#define PMTU_LEAST4 552u
#define PMTU_LEAST6 1280u

/* How large packets to there may be; `link` is the MTU of the interface. */
uint16_t pmtu_of(const ip_addr_t *to, uint16_t link);

/* A router had a packet of `size` bytes to there, and takes only `mtu`; 0: it does not say. True if that is less
 * than what was known. */
bool pmtu_learn(const ip_addr_t *to, unsigned mtu, unsigned size, uint16_t link);

/* Forgets everything. */
void pmtu_clear(void);

/* What is sent by others than TCP is not to be cut on the way, until this is false again. */
extern bool pmtu_whole;

#endif
