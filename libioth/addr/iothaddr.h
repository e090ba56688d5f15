/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses made of names: whoever knows the name, and the secret if there is one, knows the address.
 *
 * The functions of VirtualSquare's iothaddr.h, with the same results bit for bit, by MD5; and a keyed
 * form by BLAKE2b beside them, for addresses that nobody may guess. `addr` is an IPv6 address (struct
 * in6_addr) whose first 64 bits are the network's; the functions change the rest. A dot at the end of a
 * name does not count. Link with -lioth.
 */
#ifndef IOTHADDR_H
#define IOTHADDR_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef IOTH_API
#    define IOTH_API __attribute__((visibility("default")))
#endif

/*
 * The address of a name: the last 64 bits of addr, XORed with the first 64 of the MD5 of name, passwd (unless
 * NULL) and otiptime (4 bytes, big-endian; unless 0); two bits are then cleared, so that it is nobody's
 * EUI-64. With 2000:760::, "test.v2.cs.unibo.it", NULL and 0: 2000:760::68d6:2fac:95a:5a2e.
 */
IOTH_API void iothaddr_hash(void *addr, const char *name, const char *passwd,
                            uint32_t otiptime);

/*
 * The number of the period that is now, for one-time addresses: seconds since 1970, and offset, divided
 * by period (in seconds; 0: there are none, and the result is 0). A server uses offsets of both signs to be
 * reachable a little before and after the time that its own clock tells.
 */
static inline uint32_t iothaddr_otiptime(int otip_period, int otip_offset)
{
    if (otip_period == 0)
        return 0;
    return (uint32_t)((time(NULL) + otip_offset) / otip_period);
}

/* The MAC of a name: bytes 0-2 and 5-7 of the MD5 of name and passwd, as a unicast address that is
 * locally administered. A node that comes again under its name has its MAC again. */
IOTH_API void iothaddr_hashmac(void *mac, const char *name, const char *passwd);

/* The address of a MAC (6 bytes): its modified EUI-64 form. The last three bytes are XORed with what is
 * there, which is 0 in the address of a network. */
IOTH_API void iothaddr_eui64(void *addr, void *mac);

/* iothaddr_eui64() of iothaddr_hashmac(). */
IOTH_API void iothaddr_hasheui64(void *addr, const char *name, const char *passwd);

/* --- beyond VirtualSquare's ---------------------------------------------------------------------- */

#define IOTHADDR_KEY_MIN 16
#define IOTHADDR_KEY_MAX 64

/*
 * The same with a secret key, by BLAKE2b (RFC 7693): the last 64 bits of addr are XORed with the first 8 of a
 * 16-byte keyed BLAKE2b of the name in lower case, a zero byte, and otiptime as 4 bytes, big-endian
 * (always); two bits are cleared as above. Who sees addresses learns nothing of others, past or to
 * come, without the key. key_size is IOTHADDR_KEY_MIN to IOTHADDR_KEY_MAX bytes. Returns 0, or -1
 * with errno EINVAL (then addr is as it was).
 */
IOTH_API int iothaddr_keyed(void *addr, const char *name, const void *key, size_t key_size,
                            uint32_t otiptime);

/* The MAC of a name with a secret key: bytes 8-13 of that hash with otiptime 0. Returns as iothaddr_keyed(). */
IOTH_API int iothaddr_keyedmac(void *mac, const char *name, const void *key,
                               size_t key_size);

#ifdef __cplusplus
}
#endif

#endif
