/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/aead.h"

#include <limits.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TAG_SIZE 16u

/* Measured: below this libsodium's AES-GCM takes 100-275 ns and libcrypto's 200-300; above it
 * libcrypto is up to twice as fast. ChaCha20 is faster in libcrypto at every size that matters. */
#define SHORT_MAX 480u

struct aead {
    enum aead_suite suite;
    EVP_CIPHER_CTX *evp;
    crypto_aead_aes256gcm_state *aes; /* NULL for ChaCha20-Poly1305. */
};

uint8_t aead_available(void)
{
    uint8_t mask = AEAD_CHACHA20_POLY1305;

    if (crypto_aead_aes256gcm_is_available())
        mask |= AEAD_AES256_GCM;
    return mask;
}

enum aead_suite aead_choose(uint8_t ours, uint8_t theirs)
{
    return ours & theirs & AEAD_AES256_GCM ? AEAD_AES256_GCM : AEAD_CHACHA20_POLY1305;
}

const char *aead_name(enum aead_suite suite)
{
    return suite == AEAD_AES256_GCM ? "aes-256-gcm" : "chacha20-poly1305";
}

static bool aead_start(struct aead *a, const uint8_t key[32], bool seal)
{
    const EVP_CIPHER *cipher =
        a->suite == AEAD_AES256_GCM ? EVP_aes_256_gcm() : EVP_chacha20_poly1305();

    a->evp = EVP_CIPHER_CTX_new();
    if (!a->evp || EVP_CipherInit_ex(a->evp, cipher, NULL, key, NULL, seal ? 1 : 0) != 1)
        return false;
    if (a->suite != AEAD_AES256_GCM)
        return true;
    a->aes = aligned_alloc(16, (sizeof *a->aes + 15) & ~(size_t)15);
    if (!a->aes)
        return false;
    return crypto_aead_aes256gcm_beforenm(a->aes, key) == 0;
}

struct aead *aead_new(enum aead_suite suite, const uint8_t key[32], bool seal)
{
    struct aead *a;

    if (!(aead_available() & suite))
        return NULL;
    a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->suite = suite;
    if (!aead_start(a, key, seal)) {
        aead_free(a);
        return NULL;
    }
    return a;
}

void aead_free(struct aead *a)
{
    if (!a)
        return;
    EVP_CIPHER_CTX_free(a->evp); /* Clears the key schedule. */
    if (a->aes)
        sodium_memzero(a->aes, sizeof *a->aes);
    free(a->aes);
    free(a);
}

static void nonce_of(const struct aead *a, uint64_t number, uint8_t nonce[12])
{
    memset(nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] =
            (uint8_t)(number >> (a->suite == AEAD_AES256_GCM ? 56 - 8 * i : 8 * i));
}

void aead_seal(struct aead *a, uint64_t number, const void *ad, size_t ad_size,
               uint8_t *data, size_t size)
{
    uint8_t nonce[12];
    int n = 0, good;

    nonce_of(a, number, nonce);
    if (a->aes && size <= SHORT_MAX) {
        crypto_aead_aes256gcm_encrypt_detached_afternm(data, data + size, NULL, data, size,
                                                       ad, ad_size, NULL, nonce, a->aes);
        return;
    }
    good = EVP_EncryptInit_ex(a->evp, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(a->evp, NULL, &n, ad, (int)ad_size) == 1 &&
           EVP_EncryptUpdate(a->evp, data, &n, data, (int)size) == 1 &&
           EVP_EncryptFinal_ex(a->evp, data + size, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(a->evp, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, data + size) == 1;
    if (!good) /* Cannot happen for these sizes; clear text must never leave. */
        memset(data, 0, size + TAG_SIZE);
}

bool aead_open(struct aead *a, uint64_t number, const void *ad, size_t ad_size,
               const uint8_t *in, size_t size, uint8_t *out)
{
    uint8_t nonce[12], tag[TAG_SIZE];
    int n = 0;

    if (size < TAG_SIZE || size > INT_MAX)
        return false;
    size -= TAG_SIZE;
    nonce_of(a, number, nonce);
    if (a->aes && size <= SHORT_MAX)
        return crypto_aead_aes256gcm_decrypt_detached_afternm(
                   out, NULL, in, size, in + size, ad, ad_size, nonce, a->aes) == 0;
    memcpy(tag, in + size, TAG_SIZE);
    return EVP_DecryptInit_ex(a->evp, NULL, NULL, NULL, nonce) == 1 &&
           EVP_DecryptUpdate(a->evp, NULL, &n, ad, (int)ad_size) == 1 &&
           EVP_DecryptUpdate(a->evp, out, &n, in, (int)size) == 1 &&
           EVP_CIPHER_CTX_ctrl(a->evp, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(a->evp, out + size, &n) == 1;
}
