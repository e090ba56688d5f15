/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/cookie.h"

#include <sodium.h>
#include <string.h>

#include "proto/wire/bytes.h"

#define MACS_SIZE (2 * DATAGRAM_MAC)

static void derive(uint8_t out[32], const char label[8], const uint8_t public[32])
{
    crypto_generichash_state st;

    crypto_generichash_init(&st, NULL, 0, 32);
    crypto_generichash_update(&st, (const uint8_t *)label, 8);
    crypto_generichash_update(&st, public, 32);
    crypto_generichash_final(&st, out, 32);
}

void cookie_keys_init(struct cookie_keys *k, const uint8_t noise_public[32])
{
    derive(k->mac1, "mac1----", noise_public);
    derive(k->seal, "cookie--", noise_public);
}

static void mac(uint8_t out[DATAGRAM_MAC], const uint8_t *key, size_t key_size,
                const uint8_t *data, size_t size)
{
    crypto_generichash(out, DATAGRAM_MAC, data, size, key, key_size);
}

void cookie_sign(const struct cookie_keys *to, const uint8_t *cookie, uint8_t *data,
                 size_t size)
{
    mac(data + size - MACS_SIZE, to->mac1, 32, data, size - MACS_SIZE);
    if (cookie)
        mac(data + size - DATAGRAM_MAC, cookie, COOKIE_SIZE, data, size - DATAGRAM_MAC);
    else
        memset(data + size - DATAGRAM_MAC, 0, DATAGRAM_MAC);
}

bool cookie_mac1_good(const struct cookie_keys *self, const uint8_t *data, size_t size)
{
    uint8_t want[DATAGRAM_MAC];

    if (size < MACS_SIZE)
        return false;
    mac(want, self->mac1, 32, data, size - MACS_SIZE);
    return sodium_memcmp(want, data + size - MACS_SIZE, DATAGRAM_MAC) == 0;
}

static void cookie_of(uint8_t cookie[COOKIE_SIZE], const uint8_t secret[32],
                      const struct link_addr *from)
{
    uint8_t text[19];

    text[0] = from->family;
    store_be16(text + 1, from->port);
    memset(text + 3, 0, 16);
    memcpy(text + 3, from->addr, from->family == 4 ? 4 : 16);
    crypto_generichash(cookie, COOKIE_SIZE, text, sizeof text, secret, 32);
}

bool cookie_mac2_good(const uint8_t secret[32], const struct link_addr *from,
                      const uint8_t *data, size_t size)
{
    uint8_t cookie[COOKIE_SIZE], want[DATAGRAM_MAC];

    if (size < MACS_SIZE)
        return false;
    cookie_of(cookie, secret, from);
    mac(want, cookie, sizeof cookie, data, size - DATAGRAM_MAC);
    return sodium_memcmp(want, data + size - DATAGRAM_MAC, DATAGRAM_MAC) == 0;
}

void cookie_reply(const struct cookie_keys *self, const uint8_t secret[32],
                  const struct link_addr *from, const uint8_t *data, size_t size,
                  const uint8_t nonce[24], uint8_t out[DATAGRAM_COOKIE_SIZE])
{
    uint8_t cookie[COOKIE_SIZE];

    cookie_of(cookie, secret, from);
    store_be32(out, (uint32_t)DATAGRAM_COOKIE << 24);
    memcpy(out + 4, data + 4,
           4); /* Both handshake datagrams have the sender's index there. */
    memcpy(out + 8, nonce, 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + 32, NULL, cookie, sizeof cookie,
                                               data + size - MACS_SIZE, DATAGRAM_MAC, NULL,
                                               nonce, self->seal);
}

bool cookie_open(const struct cookie_keys *to, const uint8_t mac1[DATAGRAM_MAC],
                 const uint8_t *data, size_t size, uint8_t cookie[COOKIE_SIZE])
{
    return size == DATAGRAM_COOKIE_SIZE &&
           crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, data + 32,
                                                      COOKIE_SIZE + 16, mac1, DATAGRAM_MAC,
                                                      data + 8, to->seal) == 0;
}
