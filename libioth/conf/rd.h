/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Router discovery (RFC 4861) and addresses without state (RFC 4862) as an engine: it solicits, hears
 * what routers advertise for as long as it is on, and makes of it default routers, name servers
 * and domains (RFC 8106), and, with `slaac`, an address out of each prefix of 64 bits: of the MAC, or of the name
 * if there is one.
 */
#ifndef LIBIOTH_CONF_RD_H
#define LIBIOTH_CONF_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libioth/conf/set.h"
#include "proto/base/mtime.h"

#define RD_ITEMS_MAX 8u /* Of each kind; when all are in use, a new one is passed over. */

struct rd_ops {
    /* Sends an ICMPv6 message (its checksum is open) to all routers (ff02::2), hop limit 255. False: it
     * cannot be sent yet. */
    bool (*send)(void *aux, const void *message, size_t size);
    /* rd_set() says something else. */
    void (*changed)(void *aux);
};

/* Something that was advertised. */
struct rd_item {
    struct conf_addr addr; /* Of a router or name server; a prefix. */
    bool autonomous;       /* A prefix that addresses may be made of. */
    mtime_t end;
};

struct rd_domain {
    char name[CONF_NAME_SIZE];
    mtime_t end;
};

struct rd {
    const struct rd_ops *ops;
    void *aux;
    uint8_t mac[6];
    char name[CONF_NAME_SIZE]; /* "" = none. */
    bool slaac;

    bool heard;          /* A router has advertised. */
    bool managed, other; /* What it said of DHCPv6: it gives addresses; other things. */

    /* Private. */
    bool on;
    unsigned tries;
    mtime_t next; /* Solicitation. */
    unsigned n_routers, n_prefixes, n_dns, n_domains;
    struct rd_item routers[RD_ITEMS_MAX], prefixes[RD_ITEMS_MAX], dns[RD_ITEMS_MAX];
    struct rd_domain domains[CONF_DOMAINS_MAX];
};

/* Begins; the fields above are set, the rest is zero. */
void rd_start(struct rd *, mtime_t now);
void rd_stop(struct rd *);

/* An ICMPv6 message that came from `from` with a hop limit. */
void rd_input(struct rd *, const void *data, size_t size, const uint8_t from[16],
              int hop_limit, mtime_t now);

/* What holds now. */
void rd_set(const struct rd *, struct conf_set *out);

mtime_t rd_deadline(const struct rd *);
void rd_run(struct rd *, mtime_t now);

#endif
