/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the payloads of the two handshake messages say. */
#ifndef PROTO_LINK_HELLO_H
#define PROTO_LINK_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/link/cert.h"

#define HELLO_FIXED 30u

/* Features: what the sender takes beyond what every version 1 does. */
#define HELLO_PIECES 1u /* INNER_PIECE */

struct hello {
    uint8_t version;
    uint8_t
        suites; /* First message: what the sender has. Second: the one that was chosen. */
    uint16_t features;
    uint64_t
        instance; /* Of the sender's association with this peer; new after a restart. */
    uint64_t timestamp; /* First message: rises with every one that the sender makes. */
    uint64_t invite;    /* First message of a stranger: the invitation; else 0. */
    uint16_t chain_size;
    uint8_t chain[CERT_CHAIN_MAX]; /* None in a stranger's. */
};

/* Returns the size, or 0 if it does not fit. */
size_t hello_write(const struct hello *, uint8_t *out, size_t room);

/* Further bytes are for later versions and ignored. */
bool hello_read(const uint8_t *data, size_t size, struct hello *)
    __attribute__((warn_unused_result));

#endif
