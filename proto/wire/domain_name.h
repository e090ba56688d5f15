/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domain names as the DNS writes them (RFC 1035, 3.1 and 4.1.4), which DHCP and router advertisements do, too. */
#ifndef PROTO_WIRE_DOMAIN_NAME_H
#define PROTO_WIRE_DOMAIN_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMAIN_LABEL_MAX 63u
#define DOMAIN_NAME_SIZE 256u /* A text with its end; the bytes of a name, too. */
#define DOMAIN_POINTER   0xc0u

enum domain_name {
    DOMAIN_NAME_BROKEN, /* It is none. */
    DOMAIN_NAME_UNSPOKEN, /* It cannot be written as a text: not printable, a dot or a backslash in a label. */
    DOMAIN_NAME_READ
};

/* Reads the name at *at of `size` bytes into `name`, without a dot at its end ("" for the root's, and for one that
 * is not READ); *at is behind it, unless it is BROKEN. Pointers, where there may be any, count from `data`. */
enum domain_name domain_name_read(const uint8_t *data, size_t size, size_t *at,
                                  bool pointers, char name[DOMAIN_NAME_SIZE]);

#endif
