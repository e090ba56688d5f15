/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Internet checksum [RFC 1071]. A running sum is a 64-bit number in the machine's byte order
 * (the arithmetic does not mind); checksum_fold() turns it into the 16-bit value, in host order,
 * that store_be16() puts on the wire. The field of a header holds the complement of the sum.
 */
#ifndef PROTO_WIRE_CHECKSUM_H
#define PROTO_WIRE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/frame.h"
#include "proto/wire/packet.h"

/* Adds data[size] to the sum. Only the last piece of a message may have an odd size. Sums of up
 * to 2^31 bytes do not overflow. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t size);

/* Adds one 16-bit word, given in host order. */
uint64_t checksum_add_u16(uint64_t sum, uint16_t word);

/* The sum as 16 bits in host order, not complemented. */
uint16_t checksum_fold(uint64_t sum);

/* The sum of the pseudo-header of a parsed TCP, UDP or ICMPv6 packet whose transport part, header
 * included, is l4_size bytes long. `data` is the frame. */
uint64_t checksum_pseudo(const uint8_t *data, const struct packet *pk, uint32_t l4_size);

/* Computes the IPv4 header checksum at data + pk->l3_ofs anew. */
void checksum_set_ip4(uint8_t *data, const struct packet *pk);
bool checksum_ip4_ok(const uint8_t *data, const struct packet *pk);

/* True if the TCP or UDP checksum of a parsed packet is right (or absent: UDP over IPv4). */
bool checksum_l4_ok(const uint8_t *data, const struct packet *pk);

/*
 * Completes a checksum left open (FRAME_NEEDS_CSUM) and clears the flag; does nothing without
 * it. The metadata must have passed frame_check(). Not for superframes: cut them first.
 */
void checksum_complete(struct frame *f);

#endif
