/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which connection a segment is of, and which local ports are in use, found without a walk over all connections: lwIP
 * (patch 0021) tells of each control block that enters or leaves one of its lists.
 *
 * Who closes first keeps a connection in TIME-WAIT for a while. Of TCP_INDEX_WAITING_MAX of them the older half goes
 * before its time, so neither a peer that comes again and again nor a program that does uses up memory or ports.
 */
#ifndef LIBIOTH_STACK_TCP_INDEX_H
#define LIBIOTH_STACK_TCP_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include <lwip/ip_addr.h>

#define TCP_INDEX_WAITING_MAX 8192u

struct tcp_pcb;

/* Of a connection. */
struct tcp_index_place {
    struct tcp_pcb *next; /* In the same bucket. */
    uint16_t bucket;
};

/* The control block has been put into the list, or is out of it; its local port is still set. */
void tcp_index_add(struct tcp_pcb **list, struct tcp_pcb *);
void tcp_index_remove(struct tcp_pcb **list, struct tcp_pcb *);

/* Active, or in TIME-WAIT; NULL. */
struct tcp_pcb *tcp_index_find(const ip_addr_t *local_ip, uint16_t local_port,
                               const ip_addr_t *remote_ip, uint16_t remote_port,
                               uint8_t netif_index);

/* One in TIME-WAIT whose ends are those of a new connection: it is not found any more, and goes soon. */
void tcp_index_retire(struct tcp_pcb *);

bool tcp_index_port_used(uint16_t port);

#endif
