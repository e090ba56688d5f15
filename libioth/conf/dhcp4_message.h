/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of DHCP for IPv4 (RFC 2131, RFC 2132). */
#ifndef LIBIOTH_CONF_DHCP4_MESSAGE_H
#define LIBIOTH_CONF_DHCP4_MESSAGE_H

#include "libioth/conf/dhcp4.h"

enum dhcp4_type {
    DHCP4_DISCOVER = 1,
    DHCP4_OFFER = 2,
    DHCP4_REQUEST = 3,
    DHCP4_ACK = 5,
    DHCP4_NAK = 6,
    DHCP4_RELEASE = 7,
};

/* What the client says: with `ask`, the address that it wants of the lease's server; with `have`, that it
 * has the lease's address. Returns its size. */
size_t dhcp4_encode(const struct dhcp4 *d, enum dhcp4_type type, bool ask, bool have,
                    uint16_t secs, uint8_t out[DHCP4_MESSAGE_MAX]);

/* What a server says to this client in this exchange. Returns its type, or -EBADMSG; an ACK or an offer
 * without address, server or time is none. */
int dhcp4_decode(const struct dhcp4 *d, const void *data, size_t size,
                 struct dhcp4_offer *out) __attribute__((warn_unused_result));

#endif
