/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guards of the handshake datagrams, WireGuard's scheme (its paper, 5.3 and 5.4.4-7) over
 * BLAKE2b and XChaCha20-Poly1305. mac1 proves that the sender knows whom it talks to: without it
 * there is no answer at all. Under load, mac2 proves that it receives at its address: a host
 * without it is told a cookie, which costs no public-key work, and comes back with it.
 */
#ifndef PROTO_LINK_COOKIE_H
#define PROTO_LINK_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/link/addr.h"
#include "proto/link/datagram.h"

#define COOKIE_SIZE 16u
#define COOKIE_LIFE (120 * MTIME_SEC)

/* Keys that follow from a host's public key. */
struct cookie_keys {
    uint8_t mac1[32];
    uint8_t seal[32];
};

void cookie_keys_init(struct cookie_keys *, const uint8_t noise_public[32]);

/* Fills in the two MACs at the end of data[size]; cookie NULL leaves mac2 zero. */
void cookie_sign(const struct cookie_keys *to, const uint8_t *cookie, uint8_t *data,
                 size_t size);

/* The responder's side. */
bool cookie_mac1_good(const struct cookie_keys *self, const uint8_t *data, size_t size)
    __attribute__((warn_unused_result));
bool cookie_mac2_good(const uint8_t secret[32], const struct link_addr *from,
                      const uint8_t *data, size_t size) __attribute__((warn_unused_result));

/* The cookie datagram in answer to data[size], whose sender's index is `index`; `nonce` is 24
 * random bytes. */
void cookie_reply(const struct cookie_keys *self, const uint8_t secret[32],
                  const struct link_addr *from, const uint8_t *data, size_t size,
                  const uint8_t nonce[24], uint8_t out[DATAGRAM_COOKIE_SIZE]);

/* The initiator's side: opens the answer to a datagram whose mac1 was `mac1`. */
bool cookie_open(const struct cookie_keys *to, const uint8_t mac1[DATAGRAM_MAC],
                 const uint8_t *data, size_t size, uint8_t cookie[COOKIE_SIZE])
    __attribute__((warn_unused_result));

#endif
