/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one source (the program, DHCP, a router) says of an interface: addresses, routers, name servers and
 * domains. All in fixed room; what does not fit is passed over, so no source can fill memory.
 */
#ifndef LIBIOTH_CONF_SET_H
#define LIBIOTH_CONF_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"

#define CONF_FOR_EVER    0xffffffffu /* Of lifetimes in seconds. */
#define CONF_ADDRS_MAX   16u
#define CONF_ROUTERS_MAX 4u
#define CONF_DNS_MAX     8u
#define CONF_DOMAINS_MAX 6u
#define CONF_NAME_SIZE   256u /* A domain name as text. */

struct conf_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t prefix; /* 0 where it means nothing. */
    uint8_t bytes[16];
};

struct conf_set {
    unsigned n_addrs, n_routers, n_dns, n_domains;
    struct conf_addr addrs[CONF_ADDRS_MAX];
    struct conf_addr routers[CONF_ROUTERS_MAX];
    struct conf_addr dns[CONF_DNS_MAX];
    char domains[CONF_DOMAINS_MAX][CONF_NAME_SIZE];
};

struct conf_addr conf_addr4(const uint8_t bytes[4], uint8_t prefix);
struct conf_addr conf_addr6(const uint8_t bytes[16], uint8_t prefix);
bool conf_addr_equal(const struct conf_addr *, const struct conf_addr *);

/* Of 16 bytes: is it an IPv6 address of one link? */
bool conf_is_link_local(const uint8_t addr[16]);

/* When that ends which holds for `sec` seconds. */
mtime_t conf_end_of(mtime_t now, uint32_t sec);

/* Of a list of n: puts an item at its end unless it is there or the list is full; takes it out; tells
 * whether it is there. */
void conf_put(struct conf_addr *list, unsigned *n, unsigned max, const struct conf_addr *);
void conf_take(struct conf_addr *list, unsigned *n, const struct conf_addr *);
bool conf_has(const struct conf_addr *list, unsigned n, const struct conf_addr *);

/* A domain for the search list; names that are none (conf_name_ok()) are passed over. */
void conf_put_domain(struct conf_set *, const char *name);
void conf_take_domain(struct conf_set *, const char *name);

/* True for a text that may stand in a resolv.conf as a name: letters, digits, '-', '_' and dots. */
bool conf_name_ok(const char *name);

/*
 * Domain names as the DNS writes them (RFC 1035, 3.1), in a list of `size` bytes, as options of DHCP and of
 * router advertisements have them; pointers (4.1.4) count from the list's beginning and are for
 * RFC 3397 only. Stops at what is no name.
 */
void conf_put_domain_list(struct conf_set *, const uint8_t *data, size_t size,
                          bool pointers);

/* A name as the DNS writes it, for an option. Returns its size, or 0: no name, or no room. */
size_t conf_name_encode(const char *name, uint8_t *out, size_t room);

#endif
