/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/addr/iothaddr.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <md5.h>
#include <sodium.h>

#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"

#define ADDR_SIZE 16
#define HOST_OFS  8 /* Where the part of the host begins. */
#define HASH_SIZE 16
#define LOCAL_BIT 0x02 /* Of a MAC's first byte: nobody has bought it. */
#define GROUP_BIT 0x01
#define KEYED_MAC 8 /* Where the MAC begins in the keyed hash. */

static size_t name_len(const char *name)
{
    size_t n = strlen(name);

    return n && name[n - 1] == '.' ? n - 1 : n;
}

/* --- MD5 ---------------------------------------------------------------------------------------- */

static void hash_name(uint8_t out[MD5_DIGEST_LENGTH], const char *name, const char *passwd,
                      uint32_t otiptime)
{
    uint8_t number[4];
    MD5_CTX ctx;

    MD5Init(&ctx);
    MD5Update(&ctx, (const uint8_t *)name, name_len(name));
    if (passwd)
        MD5Update(&ctx, (const uint8_t *)passwd, strlen(passwd));
    if (otiptime) {
        store_be32(number, otiptime);
        MD5Update(&ctx, number, sizeof number);
    }
    MD5Final(out, &ctx);
}

static void put_host(uint8_t *addr, const uint8_t *hash)
{
    for (unsigned i = 0; i < ADDR_SIZE - HOST_OFS; i++)
        addr[HOST_OFS + i] ^= hash[i];
    addr[HOST_OFS] &= (uint8_t) ~(LOCAL_BIT | GROUP_BIT);
}

void iothaddr_hash(void *addr, const char *name, const char *passwd, uint32_t otiptime)
{
    uint8_t hash[MD5_DIGEST_LENGTH];

    hash_name(hash, name, passwd, otiptime);
    put_host(addr, hash);
}

static void make_local(uint8_t *mac)
{
    mac[0] = (uint8_t)((mac[0] | LOCAL_BIT) & ~GROUP_BIT);
}

void iothaddr_hashmac(void *mac, const char *name, const char *passwd)
{
    uint8_t hash[MD5_DIGEST_LENGTH], *out = mac;

    hash_name(hash, name, passwd, 0);
    memcpy(out, hash, 3);
    memcpy(out + 3, hash + 5, 3);
    make_local(out);
}

void iothaddr_eui64(void *addr, void *mac)
{
    uint8_t *host = (uint8_t *)addr + HOST_OFS;
    const uint8_t *m = mac;

    memcpy(host, m, 3);
    host[0] ^= LOCAL_BIT;
    host[3] = 0xff;
    host[4] = 0xfe;
    for (unsigned i = 3; i < MAC_SIZE; i++)
        host[i + 2] ^= m[i];
}

void iothaddr_hasheui64(void *addr, const char *name, const char *passwd)
{
    uint8_t mac[MAC_SIZE];

    iothaddr_hashmac(mac, name, passwd);
    iothaddr_eui64(addr, mac);
}

/* --- BLAKE2b ------------------------------------------------------------------------------------ */

static int keyed_hash(uint8_t out[HASH_SIZE], const char *name, const void *key,
                      size_t key_size, uint32_t otiptime)
{
    crypto_generichash_state state;
    uint8_t tail[5] = {0};

    if (!key || key_size < IOTHADDR_KEY_MIN || key_size > IOTHADDR_KEY_MAX) {
        errno = EINVAL;
        return -1;
    }
    crypto_generichash_init(&state, key, key_size, HASH_SIZE);
    for (size_t i = 0, n = name_len(name); i < n; i++) {
        uint8_t c = (uint8_t)name[i];

        /* As the DNS has it, whatever the locale. */
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        crypto_generichash_update(&state, &c, 1);
    }
    store_be32(tail + 1, otiptime);
    crypto_generichash_update(&state, tail, sizeof tail);
    crypto_generichash_final(&state, out, HASH_SIZE);
    sodium_memzero(&state, sizeof state);
    return 0;
}

int iothaddr_keyed(void *addr, const char *name, const void *key, size_t key_size,
                   uint32_t otiptime)
{
    uint8_t hash[HASH_SIZE];

    if (keyed_hash(hash, name, key, key_size, otiptime) < 0)
        return -1;
    put_host(addr, hash);
    return 0;
}

int iothaddr_keyedmac(void *mac, const char *name, const void *key, size_t key_size)
{
    uint8_t hash[HASH_SIZE];

    if (keyed_hash(hash, name, key, key_size, 0) < 0)
        return -1;
    memcpy(mac, hash + KEYED_MAC, MAC_SIZE);
    make_local(mac);
    return 0;
}
