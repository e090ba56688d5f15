/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses between text and bytes, as the control process keeps them. Pure. */
#ifndef FABRICD_CONTROL_PLAN_ADDR_H
#define FABRICD_CONTROL_PLAN_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_TEXT_SIZE 56  /* Longest IPv6 address, a slash, three digits, NUL. */
#define ADDR_NO_LEN    255 /* prefix: none was given. */

struct addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint8_t prefix; /* Length, or ADDR_NO_LEN. */
    uint8_t bytes[16];
};

/* "A" or "A/LEN" of either family. IPv4 in IPv6 (::ffff:a.b.c.d) becomes IPv4. */
bool addr_parse(const char *text, struct addr *out);

/* Into out[ADDR_TEXT_SIZE], RFC 5952; "/LEN" only if it has one. Returns out. */
char *addr_print(const struct addr *, char *out);
char *addr_print_bare(const struct addr *, char *out); /* Without the length. */

/* Order by family and bytes; the length does not count. */
int addr_compare(const struct addr *, const struct addr *);
bool addr_in_net(const struct addr *, const struct addr *net);
bool addr_nets_overlap(const struct addr *, const struct addr *);

/* All bits behind the prefix to 0. */
void addr_mask(struct addr *);

/* IPv4 addresses as numbers, for counting. */
uint32_t addr_to_v4(const struct addr *);
struct addr addr_from_v4(uint32_t value, uint8_t prefix);

#endif
