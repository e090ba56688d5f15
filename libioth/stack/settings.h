/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stack is told when it is made, and later: the options of ioth_newstack() behind the kind's name, and those of
 * ioth_setstack(). A text is a list of them, with commas in between. A size is in bytes (K and M are 2^10 and 2^20), a
 * time has a unit (ms, s, m, h), a rate is in bits per second (k, M, G).
 *
 * Sizes, and what sockets have options for, are those of sockets to come; the rest is of all from now on.
 */
#ifndef LIBIOTH_STACK_SETTINGS_H
#define LIBIOTH_STACK_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Times in milliseconds. */
struct stack_settings {
    bool dhcp, slaac;
    uint32_t mtu;                /* 0: the network's. */
    uint32_t rcv_size, snd_size; /* SO_RCVBUF, SO_SNDBUF of TCP. */
    uint32_t rto_initial;        /* Before there is a measurement [RFC 6298 2.1]. */
    uint32_t rto_min;            /* Beside the round trip itself. */
    uint32_t ack_delay;          /* 0: everything is acknowledged at once. */
    uint32_t syn_retries;        /* TCP_SYNCNT */
    uint32_t user_timeout;       /* TCP_USER_TIMEOUT; 0: none. */
    uint32_t time_wait;          /* How long a connection that has ended keeps its ports. */
    uint32_t keep_idle, keep_interval; /* TCP_KEEPIDLE, TCP_KEEPINTVL */
    uint32_t keep_count;               /* TCP_KEEPCNT */
    uint64_t rate; /* Bits per second of all that is sent; 0: as it comes. */
};

/* Of the stack whose copy this is. */
extern struct stack_settings stack_settings;

#define SETTINGS_TEXT 512u /* Room for all of them as text. */

/*
 * Reads a text into *s, which is left alone if there is a mistake in it: -EINVAL. `later`: the stack is there
 * already, and -EBUSY is for what is decided then.
 */
int settings_read(struct stack_settings *s, const char *text, bool later, struct err *)
    __attribute__((warn_unused_result));

/* All that can be changed later, as settings_read() takes it. */
void settings_write(const struct stack_settings *s, char text[SETTINGS_TEXT]);

#endif
