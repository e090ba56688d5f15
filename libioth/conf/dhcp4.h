/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client of DHCP for IPv4 (RFC 2131) as an engine: it is handed messages and time, and has its effects
 * through ops. From DISCOVER to a lease, its renewal with the server at T1, with any server at T2, and
 * its end; then it begins anew. It never gives up; who waits for it decides for how long.
 *
 * Options that it reads: subnet mask, routers, DNS servers, domain name, domain search (RFC 3397), lease
 * times, option overload. It asks for a name with option 81 (RFC 4702). That an offered address is used by
 * nobody is left to the server (and to the fabric): no ARP probe is made.
 */
#ifndef LIBIOTH_CONF_DHCP4_H
#define LIBIOTH_CONF_DHCP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libioth/conf/set.h"
#include "proto/base/mtime.h"

#define DHCP4_MESSAGE_MAX 1024u /* Of what is sent. */

enum dhcp4_state {
    DHCP4_OFF,
    DHCP4_SELECTING,
    DHCP4_REQUESTING,
    DHCP4_BOUND,
    DHCP4_RENEWING,
    DHCP4_REBINDING,
};

struct dhcp4_ops {
    /* Sends a message to port 67 of everybody on the link (from 0.0.0.0), or, with `to`, to that
     * address from the lease's; the last word when the engine is off. False: it cannot be sent yet. */
    bool (*send)(void *aux, const void *message, size_t size, const uint8_t *to);
    /* d->lease is new, another, or (!d->bound) gone. */
    void (*changed)(void *aux);
    uint32_t (*random)(void *aux);
};

struct dhcp4_offer {
    uint8_t addr[4], server[4];
    uint8_t prefix;
    uint32_t lease_sec, t1_sec, t2_sec;
    struct conf_set set; /* With the address. */
};

struct dhcp4 {
    const struct dhcp4_ops *ops;
    void *aux;
    uint8_t mac[6];
    char name[CONF_NAME_SIZE]; /* "" = none. */

    bool bound;               /* There is a lease. */
    struct dhcp4_offer lease; /* Or, while requesting, the offer. */

    /* Private. */
    enum dhcp4_state state;
    uint32_t xid;
    unsigned tries;
    mtime_t began, asked, next; /* Of this exchange; of the request; when to act. */
    mtime_t t1, t2, end;
};

/* Begins; the fields above are set, the rest is zero. */
void dhcp4_start(struct dhcp4 *, mtime_t now);

/* Gives the lease back, if there is one, and is off. */
void dhcp4_stop(struct dhcp4 *);

/* A message (the payload of a datagram to port 68). */
void dhcp4_input(struct dhcp4 *, const void *data, size_t size, mtime_t now);

mtime_t dhcp4_deadline(const struct dhcp4 *);
void dhcp4_run(struct dhcp4 *, mtime_t now);

#endif
