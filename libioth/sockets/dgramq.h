/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bounded queue of received datagrams with what is known about each: of UDP, raw and packet sockets.
 * A datagram that does not fit is dropped and counted, as anywhere.
 */
#ifndef LIBIOTH_SOCKETS_DGRAMQ_H
#define LIBIOTH_SOCKETS_DGRAMQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <lwip/ip_addr.h>

#include "proto/base/list.h"

struct pbuf;

struct dgram {
    struct list link;
    uint32_t size;
    ip_addr_t from, to;
    uint16_t from_port;
    uint8_t if_index; /* By which it came. */
    uint8_t ttl, tos;
    uint8_t from_mac[6]; /* Packet sockets. */
    uint16_t ethertype;
    uint8_t pkttype;
    struct timespec at; /* When it came, if somebody wants to know. */
    _Alignas(8) uint8_t data[];
};

struct dgramq {
    struct list list;
    size_t size; /* Bytes, with the overhead of each. */
    uint64_t dropped;
};

void dgramq_init(struct dgramq *);
void dgramq_clear(struct dgramq *);

/* Room for a datagram in a queue that holds at most `limit` bytes: filled in by the caller and handed to
 * dgramq_put(). NULL: it is dropped. */
struct dgram *dgramq_new(struct dgramq *, size_t size, size_t limit);
void dgramq_put(struct dgramq *, struct dgram *);

/* The first, NULL if there is none. dgramq_pop() frees it. */
struct dgram *dgramq_first(const struct dgramq *);
void dgramq_pop(struct dgramq *);

/* Copies the first one's bytes to a message: what recv() returns, with MSG_TRUNC in both ways. */
ssize_t dgramq_copy(const struct dgram *, struct msghdr *, int flags);

#endif
