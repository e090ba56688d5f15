/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames for tests: TCP and UDP over IPv4 and IPv6, built field by field and independently of
 * proto/wire, with checksums computed the slow way. */
#ifndef TESTS_UNIT_FRAMES_H
#define TESTS_UNIT_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frames_spec {
    bool ip6;
    bool udp;
    uint8_t flags; /* TCP */
    uint8_t options_size;
    const uint8_t *options; /* TCP; a multiple of 4 bytes. */
    uint16_t id;
    bool df;
    uint32_t seq;
    uint32_t ack;
    uint16_t urgent;
    uint16_t src_port;
    const uint8_t *payload;
    uint32_t size; /* Of the payload. */
};

/* Writes the frame with right checksums; returns its size. */
uint32_t frames_build(const struct frames_spec *spec, uint8_t *out);

/* The folded ones-complement sum of big-endian words, byte by byte. */
uint16_t frames_sum(const uint8_t *data, size_t size, uint32_t sum);

/* True if the IPv4 header and the TCP or UDP checksum of a frame without options are right. */
bool frames_checksums_right(const uint8_t *frame, uint32_t size);

/* A small generator with a fixed sequence for each seed. */
uint32_t frames_random(uint64_t *state);

#endif
