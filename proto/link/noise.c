/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names follow the Noise specification: MixKey, MixHash and so on, section 5. */
#include "proto/link/noise.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

static const char protocol_name[] = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b";

#define BLOCK_SIZE 128u /* BLAKE2b */

struct part {
    const void *data;
    size_t size;
};

static void hash_parts(uint8_t out[NOISE_HASH_SIZE], const struct part *parts, unsigned n)
{
    crypto_generichash_state st;

    crypto_generichash_init(&st, NULL, 0, NOISE_HASH_SIZE);
    for (unsigned i = 0; i < n; i++)
        crypto_generichash_update(&st, parts[i].data, parts[i].size);
    crypto_generichash_final(&st, out, NOISE_HASH_SIZE);
    sodium_memzero(&st, sizeof st);
}

/* HMAC of RFC 2104 over BLAKE2b, key of NOISE_HASH_SIZE bytes (shorter than a block). */
static void hmac(uint8_t out[NOISE_HASH_SIZE], const uint8_t key[NOISE_HASH_SIZE],
                 const void *data, size_t size)
{
    uint8_t pad[BLOCK_SIZE], inner[NOISE_HASH_SIZE];

    memset(pad, 0x36, sizeof pad);
    for (size_t i = 0; i < NOISE_HASH_SIZE; i++)
        pad[i] = (uint8_t)(key[i] ^ 0x36);
    hash_parts(inner, (struct part[]){{pad, sizeof pad}, {data, size}}, 2);
    memset(pad, 0x5c, sizeof pad);
    for (size_t i = 0; i < NOISE_HASH_SIZE; i++)
        pad[i] = (uint8_t)(key[i] ^ 0x5c);
    hash_parts(out, (struct part[]){{pad, sizeof pad}, {inner, sizeof inner}}, 2);
    sodium_memzero(pad, sizeof pad);
    sodium_memzero(inner, sizeof inner);
}

/* HKDF with up to three outputs [4.3]; the third may be NULL. */
static void hkdf(const uint8_t chaining[NOISE_HASH_SIZE], const void *input, size_t size,
                 uint8_t out1[NOISE_HASH_SIZE], uint8_t out2[NOISE_HASH_SIZE],
                 uint8_t *out3)
{
    uint8_t temp[NOISE_HASH_SIZE], block[NOISE_HASH_SIZE + 1];

    hmac(temp, chaining, input, size);
    hmac(out1, temp, (const uint8_t[]){1}, 1);
    memcpy(block, out1, NOISE_HASH_SIZE);
    block[NOISE_HASH_SIZE] = 2;
    hmac(out2, temp, block, sizeof block);
    if (out3) {
        memcpy(block, out2, NOISE_HASH_SIZE);
        block[NOISE_HASH_SIZE] = 3;
        hmac(out3, temp, block, sizeof block);
    }
    sodium_memzero(temp, sizeof temp);
    sodium_memzero(block, sizeof block);
}

static void mix_hash(struct noise *ns, const void *data, size_t size)
{
    hash_parts(ns->hash, (struct part[]){{ns->hash, NOISE_HASH_SIZE}, {data, size}}, 2);
}

static void mix_key(struct noise *ns, const uint8_t input[32])
{
    uint8_t chaining[NOISE_HASH_SIZE], key[NOISE_HASH_SIZE];

    hkdf(ns->chaining, input, 32, chaining, key, NULL);
    memcpy(ns->chaining, chaining, sizeof chaining);
    memcpy(ns->key, key, sizeof ns->key);
    ns->has_key = true;
    ns->n = 0;
    sodium_memzero(chaining, sizeof chaining);
    sodium_memzero(key, sizeof key);
}

static void mix_key_and_hash(struct noise *ns, const uint8_t psk[32])
{
    uint8_t chaining[NOISE_HASH_SIZE], hash[NOISE_HASH_SIZE], key[NOISE_HASH_SIZE];

    hkdf(ns->chaining, psk, 32, chaining, hash, key);
    memcpy(ns->chaining, chaining, sizeof chaining);
    mix_hash(ns, hash, sizeof hash);
    memcpy(ns->key, key, sizeof ns->key);
    ns->has_key = true;
    ns->n = 0;
    sodium_memzero(chaining, sizeof chaining);
    sodium_memzero(hash, sizeof hash);
    sodium_memzero(key, sizeof key);
}

static void nonce_of(uint64_t n, uint8_t nonce[12])
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(n >> (8 * i));
}

/* In this pattern every encryption happens under a key: there is no clear form. */
static void encrypt_and_hash(struct noise *ns, const void *plain, size_t size, uint8_t *out)
{
    uint8_t nonce[12];

    nonce_of(ns->n++, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, size, ns->hash,
                                              NOISE_HASH_SIZE, NULL, nonce, ns->key);
    mix_hash(ns, out, size + NOISE_TAG_SIZE);
}

/* `size` counts the tag. */
static int decrypt_and_hash(struct noise *ns, const uint8_t *sealed, size_t size,
                            uint8_t *plain)
{
    uint8_t nonce[12];

    nonce_of(ns->n++, nonce);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed, size, ns->hash,
                                                  NOISE_HASH_SIZE, nonce, ns->key) != 0)
        return -EBADMSG;
    mix_hash(ns, sealed, size);
    return 0;
}

static int mix_dh(struct noise *ns, const uint8_t secret[32], const uint8_t public[32])
{
    uint8_t shared[32];
    int bad = crypto_scalarmult(shared, secret, public); /* Refuses low-order points. */

    if (bad == 0)
        mix_key(ns, shared);
    sodium_memzero(shared, sizeof shared);
    return bad == 0 ? 0 : -EPROTO;
}

/* In psk patterns the ephemeral key goes into the chaining key too [9.2]. */
static void mix_ephemeral(struct noise *ns, const uint8_t public[32])
{
    mix_hash(ns, public, 32);
    mix_key(ns, public);
}

void noise_begin(struct noise *ns, bool initiator, const void *prologue,
                 size_t prologue_size, const uint8_t static_secret[32],
                 const uint8_t static_public[32])
{
    memset(ns, 0, sizeof *ns);
    ns->initiator = initiator;
    static_assert(sizeof protocol_name - 1 <= NOISE_HASH_SIZE,
                  "name is padded, not hashed");
    memcpy(ns->hash, protocol_name, sizeof protocol_name - 1);
    memcpy(ns->chaining, ns->hash, NOISE_HASH_SIZE);
    mix_hash(ns, prologue, prologue_size);
    memcpy(ns->static_secret, static_secret, 32);
    memcpy(ns->static_public, static_public, 32);
    if (!initiator)
        mix_hash(ns, static_public, 32);
    /* An initiator first has to be told whom it talks to. */
    ns->stage = initiator ? NOISE_STAGE_DEAD : NOISE_STAGE_FIRST;
}

void noise_set_remote(struct noise *ns, const uint8_t remote_static[32])
{
    memcpy(ns->remote_static, remote_static, 32);
    mix_hash(ns, remote_static, 32);
    ns->stage = NOISE_STAGE_FIRST;
}

void noise_set_psk(struct noise *ns, const uint8_t psk[32])
{
    memcpy(ns->psk, psk, 32);
}

static int write_first(struct noise *ns, uint8_t *out)
{
    memcpy(out, ns->ephemeral_public, 32);
    mix_ephemeral(ns, ns->ephemeral_public);
    if (mix_dh(ns, ns->ephemeral_secret, ns->remote_static) != 0) /* es */
        return -EPROTO;
    encrypt_and_hash(ns, ns->static_public, 32, out + 32);   /* s */
    return mix_dh(ns, ns->static_secret, ns->remote_static); /* ss */
}

static int write_second(struct noise *ns, uint8_t *out)
{
    memcpy(out, ns->ephemeral_public, 32);
    mix_ephemeral(ns, ns->ephemeral_public);
    if (mix_dh(ns, ns->ephemeral_secret, ns->remote_ephemeral) != 0 || /* ee */
        mix_dh(ns, ns->ephemeral_secret, ns->remote_static) != 0)      /* se */
        return -EPROTO;
    mix_key_and_hash(ns, ns->psk);
    return 0;
}

int noise_write(struct noise *ns, const uint8_t ephemeral[32], const void *payload,
                size_t payload_size, uint8_t *out, size_t room, size_t *sizep)
{
    bool first = ns->stage == NOISE_STAGE_FIRST && ns->initiator;
    bool second = ns->stage == NOISE_STAGE_SECOND && !ns->initiator;
    size_t head = first ? 32u + 48u : 32u;
    int r;

    if (!first && !second)
        return -EPROTO;
    if (room < head + NOISE_TAG_SIZE || payload_size > room - head - NOISE_TAG_SIZE)
        return -ENOSPC;
    memcpy(ns->ephemeral_secret, ephemeral, 32);
    crypto_scalarmult_base(ns->ephemeral_public, ns->ephemeral_secret);
    r = first ? write_first(ns, out) : write_second(ns, out);
    if (r != 0) {
        noise_wipe(ns);
        return r;
    }
    encrypt_and_hash(ns, payload, payload_size, out + head);
    ns->stage = first ? NOISE_STAGE_SECOND : NOISE_STAGE_SPLIT;
    *sizep = head + payload_size + NOISE_TAG_SIZE;
    return 0;
}

static int read_first(struct noise *ns, const uint8_t *in)
{
    int r;

    memcpy(ns->remote_ephemeral, in, 32);
    mix_ephemeral(ns, ns->remote_ephemeral);
    if (mix_dh(ns, ns->static_secret, ns->remote_ephemeral) != 0) /* es */
        return -EPROTO;
    r = decrypt_and_hash(ns, in + 32, 48, ns->remote_static); /* s */
    if (r != 0)
        return r;
    return mix_dh(ns, ns->static_secret, ns->remote_static); /* ss */
}

static int read_second(struct noise *ns, const uint8_t *in)
{
    memcpy(ns->remote_ephemeral, in, 32);
    mix_ephemeral(ns, ns->remote_ephemeral);
    if (mix_dh(ns, ns->ephemeral_secret, ns->remote_ephemeral) != 0 || /* ee */
        mix_dh(ns, ns->static_secret, ns->remote_ephemeral) != 0)      /* se */
        return -EPROTO;
    mix_key_and_hash(ns, ns->psk);
    return 0;
}

int noise_read(struct noise *ns, const void *message, size_t size, uint8_t *payload,
               size_t room, size_t *payload_sizep)
{
    bool first = ns->stage == NOISE_STAGE_FIRST && !ns->initiator;
    bool second = ns->stage == NOISE_STAGE_SECOND && ns->initiator;
    size_t head = first ? 32u + 48u : 32u;
    const uint8_t *in = message;
    int r;

    if (!first && !second)
        return -EPROTO;
    if (size < head + NOISE_TAG_SIZE)
        return -EBADMSG;
    if (size - head - NOISE_TAG_SIZE > room)
        return -ENOSPC;
    r = first ? read_first(ns, in) : read_second(ns, in);
    if (r == 0)
        r = decrypt_and_hash(ns, in + head, size - head, payload);
    if (r != 0) {
        noise_wipe(ns);
        return r;
    }
    ns->stage = first ? NOISE_STAGE_SECOND : NOISE_STAGE_SPLIT;
    *payload_sizep = size - head - NOISE_TAG_SIZE;
    return 0;
}

int noise_split(struct noise *ns, uint8_t send_key[32], uint8_t receive_key[32])
{
    uint8_t one[NOISE_HASH_SIZE], two[NOISE_HASH_SIZE];
    uint8_t hash[NOISE_HASH_SIZE], remote[32];

    if (ns->stage != NOISE_STAGE_SPLIT)
        return -EPROTO;
    hkdf(ns->chaining, "", 0, one, two, NULL);
    memcpy(send_key, ns->initiator ? one : two, 32);
    memcpy(receive_key, ns->initiator ? two : one, 32);
    sodium_memzero(one, sizeof one);
    sodium_memzero(two, sizeof two);
    memcpy(hash, ns->hash, sizeof hash);
    memcpy(remote, ns->remote_static, sizeof remote);
    noise_wipe(ns);
    memcpy(ns->hash, hash, sizeof hash);
    memcpy(ns->remote_static, remote, sizeof remote);
    return 0;
}

void noise_wipe(struct noise *ns)
{
    sodium_memzero(ns, sizeof *ns);
    ns->stage = NOISE_STAGE_DEAD;
}
