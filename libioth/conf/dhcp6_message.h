/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of DHCP for IPv6 (RFC 8415, 8 and 21). */
#ifndef LIBIOTH_CONF_DHCP6_MESSAGE_H
#define LIBIOTH_CONF_DHCP6_MESSAGE_H

#include "libioth/conf/dhcp6.h"

enum dhcp6_type {
    DHCP6_SOLICIT = 1,
    DHCP6_ADVERTISE = 2,
    DHCP6_REQUEST = 3,
    DHCP6_RENEW = 5,
    DHCP6_REBIND = 6,
    DHCP6_REPLY = 7,
    DHCP6_RELEASE = 8,
    DHCP6_INFORMATION_REQUEST = 11,
};

enum dhcp6_status {
    DHCP6_SUCCESS = 0,
    DHCP6_NO_ADDRS = 2,
    DHCP6_NO_BINDING = 3,
};

/* What the client says, `elapsed` hundredths of a second after it began. Returns its size. */
size_t dhcp6_encode(const struct dhcp6 *d, enum dhcp6_type type, uint16_t elapsed,
                    uint8_t out[DHCP6_MESSAGE_MAX]);

/* What a server says to this client in this exchange. Returns its type, or -EBADMSG. */
int dhcp6_decode(const struct dhcp6 *d, const void *data, size_t size,
                 struct dhcp6_answer *out) __attribute__((warn_unused_result));

#endif
