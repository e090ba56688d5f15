/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a connection waits, and how much it takes: what sockets set of it (patches 0013 and 0014). A listener has
 * those of the connections that come.
 */
#ifndef LIBIOTH_STACK_TCP_LIMITS_H
#define LIBIOTH_STACK_TCP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_pcb;

/* Times in milliseconds. */
struct tcp_limits {
    uint32_t rcv_max;      /* Bytes that the peer may have sent and the program not read. */
    uint32_t user_timeout; /* Without progress the connection is given up; 0: later. */
    uint32_t ack_delay;    /* 0: all is acknowledged at once. */
    uint32_t fin_wait;     /* For the peer's end, once both directions are closed here. */
    uint16_t mss;          /* 0: what the path takes. */
    uint8_t syn_retries;

    /* Where the connection stands: since when something that was sent waits for an acknowledgement, or for a
     * window; and since when an acknowledgement is kept back. */
    uint32_t waits_since, ack_since;
    uint64_t turn; /* When it was its turn last (rate.h). */
};

/* The stack's settings. */
struct tcp_limits tcp_limits_default(void);

/* Sets what is set, and leaves where the connection stands; rcv_max is for tcp_set_rcv_max(). */
void tcp_limits_set(struct tcp_limits *, const struct tcp_limits *from);

/* What was sent, or is to be, has waited for too long. */
bool tcp_limits_exceeded(const struct tcp_pcb *);

/* An acknowledgement that is kept back goes now. */
bool tcp_limits_ack_due(const struct tcp_pcb *);

/* May a segment with data be sent now, or is it another's turn? */
bool tcp_limits_may_send(const struct tcp_pcb *);

/* The most that a superframe may carry: whole segments. */
uint16_t tcp_limits_super(const struct tcp_pcb *);

uint16_t tcp_limits_mss(const struct tcp_limits *, uint16_t mss);

#endif
