/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client of DHCP for IPv6 (RFC 8415) as an engine, in the shape of dhcp4.h. It asks for one address
 * (IA_NA), takes the first server that has one, with two messages where the server can (rapid
 * commit), and renews at T1 and rebinds at T2. Where a server has no address for us, or when it is told so by
 * `stateless`, it asks for the rest only (INFORMATION-REQUEST). It is known by its MAC (DUID-LL), so it is
 * the same client when it comes again, and asks for a name with option 39 (RFC 4704).
 */
#ifndef LIBIOTH_CONF_DHCP6_H
#define LIBIOTH_CONF_DHCP6_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libioth/conf/set.h"
#include "proto/base/mtime.h"

#define DHCP6_MESSAGE_MAX 1024u
#define DHCP6_DUID_MAX    130u

enum dhcp6_state {
    DHCP6_OFF,
    DHCP6_SOLICITING,
    DHCP6_REQUESTING,
    DHCP6_BOUND,
    DHCP6_RENEWING,
    DHCP6_REBINDING,
    DHCP6_INFORMING,
    DHCP6_INFORMED,
};

struct dhcp6_ops {
    /* Sends to ff02::1:2, port 547, from port 546. False: it cannot be sent yet. */
    bool (*send)(void *aux, const void *message, size_t size);
    /* d->answer is new, another, or (!d->bound) gone. */
    void (*changed)(void *aux);
    uint32_t (*random)(void *aux);
};

struct dhcp6_answer {
    uint8_t server[DHCP6_DUID_MAX];
    unsigned server_size;
    uint32_t t1_sec, t2_sec, valid_sec; /* Of the address that ends first. */
    uint32_t refresh_sec;               /* Without an address (RFC 8415, 21.23). */
    uint16_t status;                    /* Of the message or of the IA: the worst. */
    bool rapid;
    struct conf_set set;
};

struct dhcp6 {
    const struct dhcp6_ops *ops;
    void *aux;
    uint8_t mac[6];
    char name[CONF_NAME_SIZE]; /* "" = none. */
    bool stateless;            /* From the start. */

    bool bound; /* There is an answer that holds. */
    struct dhcp6_answer answer;

    /* Private. */
    enum dhcp6_state state;
    uint32_t xid;
    unsigned tries;
    mtime_t wait; /* The last retransmission time. */
    mtime_t began, next;
    mtime_t t1, t2, end;
};

/* Begins; the fields above are set, the rest is zero. */
void dhcp6_start(struct dhcp6 *, mtime_t now);

/* Gives the address back, if there is one, and is off. */
void dhcp6_stop(struct dhcp6 *);

/* From now on it asks for no address (a router says that there are none); one that it has it keeps. */
void dhcp6_go_stateless(struct dhcp6 *, mtime_t now);

/* A message that came to port 546. */
void dhcp6_input(struct dhcp6 *, const void *data, size_t size, mtime_t now);

mtime_t dhcp6_deadline(const struct dhcp6 *);
void dhcp6_run(struct dhcp6 *, mtime_t now);

#endif
