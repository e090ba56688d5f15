/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transport cipher of one direction of a session: AES-256-GCM where both ends have it in
 * hardware, else ChaCha20-Poly1305. libcrypto does the long datagrams; libsodium, which has less
 * to set up per call, the short ones under AES (they are the same cipher).
 *
 * The nonce is four zero bytes and the 64-bit number of the datagram, big-endian for AES-GCM
 * and little-endian for ChaCha20-Poly1305, as in the Noise specification, section 12.
 */
#ifndef PROTO_LINK_AEAD_H
#define PROTO_LINK_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of the mask in which a host says what it has, in the handshake. */
enum aead_suite {
    AEAD_CHACHA20_POLY1305 = 1,
    AEAD_AES256_GCM = 2,
};

struct aead;

/* What this machine has: ChaCha20-Poly1305 always, AES-256-GCM with AES-NI and PCLMUL. */
uint8_t aead_available(void);

/* The best suite of both masks; AEAD_CHACHA20_POLY1305 if AES is not in both. */
enum aead_suite aead_choose(uint8_t ours, uint8_t theirs);

const char *aead_name(enum aead_suite);

/* One direction: for sealing or for opening. NULL without memory or for a suite that this
 * machine lacks. The key is copied. */
struct aead *aead_new(enum aead_suite, const uint8_t key[32], bool seal);
void aead_free(struct aead *); /* Wipes. Accepts NULL. */

/* Seals data[size] in place and writes the tag behind it. No number may be used twice. */
void aead_seal(struct aead *, uint64_t number, const void *ad, size_t ad_size,
               uint8_t *data, size_t size);

/*
 * Opens in[size], whose last 16 bytes are the tag, to out[size - 16]; out may be in. False if
 * it is forged; out then holds rubbish that nobody may look at.
 */
bool aead_open(struct aead *, uint64_t number, const void *ad, size_t ad_size,
               const uint8_t *in, size_t size, uint8_t *out)
    __attribute__((warn_unused_result));

#endif
