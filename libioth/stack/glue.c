/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lwIP asks of the system: randomness, checksums, and an end where it finds itself wrong. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/arch.h>
#include <lwip/inet_chksum.h>
#include <lwip/ip_addr.h>

#include <sodium.h>

#include "libioth/stack/hooks.h"
#include "libioth/stack/timers.h"
#include "proto/wire/checksum.h"

uint32_t lwip_random(void)
{
    return randombytes_random();
}

_Noreturn void lwip_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "lwIP: %s (%s:%d)\n", what, file, line);
    abort();
}

/* lwIP takes the sum as it would be stored. */
uint16_t lwip_checksum(const void *data, int size)
{
    return htons(checksum_fold(checksum_add(0, data, (size_t)size)));
}

/* RFC 6528: a clock of 4 us, and a keyed hash of the two ends. */
u32_t lwip_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
               u16_t remote_port)
{
    static uint8_t key[crypto_shorthash_KEYBYTES];
    static bool has_key;
    uint8_t ends[2 * 16 + 4] = {0}, hash[crypto_shorthash_BYTES];
    uint32_t offset;

    if (!has_key) {
        crypto_shorthash_keygen(key);
        has_key = true;
    }
    memcpy(ends, &local_ip->u_addr, IP_IS_V6(local_ip) ? 16 : 4);
    memcpy(ends + 16, &remote_ip->u_addr, IP_IS_V6(remote_ip) ? 16 : 4);
    memcpy(ends + 32, &local_port, 2);
    memcpy(ends + 34, &remote_port, 2);
    crypto_shorthash(hash, ends, sizeof ends, key);
    memcpy(&offset, hash, sizeof offset);
    return offset + (uint32_t)(timers_now() / 4);
}
