/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop probe: a frame that a switch sends out of a port, to hear by which other ports it comes in
 * again. It goes to a group address that every bridge forwards, so it finds what BPDUs cannot: loops
 * through bridges that swallow BPDUs, and a foreign LAN that is attached at two hosts of a network
 * which forwards `direct`. Not authenticated: whoever forges one can only have the port blocked by
 * which it comes in, where he could as well have sent a BPDU.
 *
 * Ethernet header of type 0x88b5 (IEEE 802, local experiments); then "iothloop", version 8, zero 8,
 * host 16, network 64, port 16, since 64; padded to the minimum.
 */
#ifndef PROTO_RSTP_LOOP_PROBE_H
#define PROTO_RSTP_LOOP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_PROBE_FRAME_SIZE 60u

struct loop_probe {
    uint64_t network; /* Names the network to its own switches, and to nobody else. */
    uint16_t host;    /* Number in the fabric of the host that sent it. */
    uint16_t port;    /* Number of its port there. */
    int64_t since;    /* When that port came up: wall clock, microseconds. */
};

void loop_probe_write(const uint8_t source[6], const struct loop_probe *,
                      uint8_t out[LOOP_PROBE_FRAME_SIZE]);

/* False, with `out` untouched, if the untagged Ethernet frame is no probe. */
bool loop_probe_read(const void *frame, size_t size, struct loop_probe *out)
    __attribute__((warn_unused_result));

/* True if the port of `a` is younger than that of `b`: the one that has to give way. Never true both
 * ways round. */
bool loop_probe_younger(const struct loop_probe *a, const struct loop_probe *b);

#endif
