/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MAC addresses: six bytes in the order of the wire. */
#ifndef PROTO_WIRE_MAC_H
#define PROTO_WIRE_MAC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAC_SIZE      6
#define MAC_TEXT_SIZE 18 /* "02:00:00:00:00:09" and its NUL. */

/* Reads six pairs of hexadecimal digits separated by ':' or '-' (one sort throughout), and
 * nothing else. False, with `mac` untouched, for any other text. */
bool mac_parse(const char *text, uint8_t mac[MAC_SIZE]);

/* Writes the text in lower case with colons. */
void mac_format(const uint8_t mac[MAC_SIZE], char text[MAC_TEXT_SIZE]);

static inline bool mac_equal(const uint8_t a[MAC_SIZE], const uint8_t b[MAC_SIZE])
{
    return memcmp(a, b, MAC_SIZE) == 0;
}

static inline bool mac_is_group(const uint8_t mac[MAC_SIZE])
{
    return mac[0] & 1;
}

static inline bool mac_is_zero(const uint8_t mac[MAC_SIZE])
{
    return !(mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]);
}

/* 01-80-C2-00-00-00..0F: never forwarded by a bridge [IEEE 802.1Q 8.6.3]. */
static inline bool mac_is_reserved(const uint8_t mac[MAC_SIZE])
{
    static const uint8_t prefix[5] = {0x01, 0x80, 0xc2, 0, 0};

    return memcmp(mac, prefix, sizeof prefix) == 0 && mac[5] <= 0x0f;
}

/* The group address of loop probes (proto/rstp/loop_probe.h): locally administered, so forwarded by
 * every bridge. */
static const uint8_t mac_loop_probe[MAC_SIZE] = {0x03, 0x69, 0x6f, 0x74, 0x68, 0x01};

static inline bool mac_is_loop_probe(const uint8_t mac[MAC_SIZE])
{
    return mac_equal(mac, mac_loop_probe);
}

#endif
