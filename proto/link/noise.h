/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b (Noise Protocol Framework, revision 34), to
 * the letter:
 *
 *     <- s
 *     ...
 *     -> e, es, s, ss
 *     <- e, ee, se, psk
 *
 * One value per handshake. Randomness is handed in (the ephemeral secrets). A step that fails
 * leaves the value unusable for later steps but safe to wipe; nothing of a payload is given out
 * before it is authenticated.
 */
#ifndef PROTO_LINK_NOISE_H
#define PROTO_LINK_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOISE_KEY_SIZE  32u
#define NOISE_HASH_SIZE 64u
#define NOISE_TAG_SIZE  16u

/* What the two messages take beyond their payloads. */
#define NOISE_FIRST_OVERHEAD  (32u + 48u + 16u)
#define NOISE_SECOND_OVERHEAD (32u + 16u)

enum noise_stage {
    NOISE_STAGE_FIRST,  /* The first message is to be written or read. */
    NOISE_STAGE_SECOND, /* The second one. */
    NOISE_STAGE_SPLIT,  /* Both done: noise_split(). */
    NOISE_STAGE_DEAD,   /* Failed or wiped. */
};

struct noise {
    enum noise_stage stage;
    bool initiator;
    bool has_key;
    uint64_t n;
    uint8_t key[NOISE_KEY_SIZE];
    uint8_t chaining[NOISE_HASH_SIZE];
    uint8_t hash[NOISE_HASH_SIZE]; /* At the split: the handshake hash. */
    uint8_t static_secret[32], static_public[32];
    uint8_t ephemeral_secret[32], ephemeral_public[32];
    uint8_t remote_static[32]; /* Responder: known and proven after the first message. */
    uint8_t remote_ephemeral[32];
    uint8_t psk[32];
};

/*
 * Begins a handshake. static_secret and static_public are this end's X25519 pair; remote_static
 * is the responder's public key for an initiator, NULL for a responder; psk NULL means zeros.
 */
void noise_begin(struct noise *, bool initiator, const void *prologue, size_t prologue_size,
                 const uint8_t static_secret[32], const uint8_t static_public[32]);
void noise_set_remote(struct noise *, const uint8_t remote_static[32]);
void noise_set_psk(struct noise *, const uint8_t psk[32]);

/* Writes the next message with `payload` into out[room]. `ephemeral` is 32 fresh random bytes.
 * Returns 0, -ENOSPC, -EPROTO (not this end's turn, or a public key of low order). */
int noise_write(struct noise *, const uint8_t ephemeral[32], const void *payload,
                size_t payload_size, uint8_t *out, size_t room, size_t *sizep)
    __attribute__((warn_unused_result));

/* Reads the next message; its payload goes to payload[room]. Returns 0, -ENOSPC, -EPROTO,
 * -EBADMSG (forged or for another key). */
int noise_read(struct noise *, const void *message, size_t size, uint8_t *payload,
               size_t room, size_t *payload_sizep) __attribute__((warn_unused_result));

/* The keys of the two directions, after both messages; the value is wiped but for `hash` and
 * `remote_static`. */
int noise_split(struct noise *, uint8_t send_key[32], uint8_t receive_key[32])
    __attribute__((warn_unused_result));

void noise_wipe(struct noise *);

#endif
