/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bridge protocol data units [IEEE 802.1D-2004, clause 9.3]: configuration (CFG), topology
 * change notification (TCN) and rapid spanning tree (RST), and the frames that carry them.
 *
 * A BPDU is taken or refused as a whole [9.3.4]; what comes after the part that is known, such
 * as the rest of a version 3 BPDU, is not looked at [9.3.4, note]. Times are kept as on the wire,
 * in 1/256 s, so that nothing is lost when a bridge passes on what it was told.
 */
#ifndef PROTO_RSTP_BPDU_H
#define PROTO_RSTP_BPDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPDU_SIZE_TCN    4u
#define BPDU_SIZE_CONFIG 35u
#define BPDU_SIZE_RST    36u
#define BPDU_SIZE_MAX    BPDU_SIZE_RST

/* An Ethernet frame with one BPDU: padded to the minimum, without FCS. */
#define BPDU_FRAME_SIZE 60u

/* One second in the units of struct rstp_times. */
#define RSTP_SECOND 256u

enum bpdu_type {
    BPDU_CONFIG = 0x00,
    BPDU_RST = 0x02,
    BPDU_TCN = 0x80,
};

/* Port roles as in the flags of a RST BPDU [9.2.9]. A CFG BPDU conveys Designated [17.21.8]. */
enum bpdu_role {
    BPDU_ROLE_UNKNOWN = 0,
    BPDU_ROLE_ALTERNATE_BACKUP = 1,
    BPDU_ROLE_ROOT = 2,
    BPDU_ROLE_DESIGNATED = 3,
};

/* Timer parameter values [17.18.1]. */
struct rstp_times {
    uint16_t message_age;
    uint16_t max_age;
    uint16_t hello;
    uint16_t forward_delay;
};

/* The first four components of a priority vector [17.5]; lower is better. */
struct rstp_vector {
    uint64_t root;   /* Bridge identifier of the root. */
    uint32_t cost;   /* Path cost to it. */
    uint64_t bridge; /* Designated bridge identifier. */
    uint16_t port;   /* Designated port identifier. */
};

struct bpdu {
    enum bpdu_type type;
    enum bpdu_role role;
    bool tc;
    bool tc_ack;
    bool proposal;
    bool agreement;
    bool learning;
    bool forwarding;
    struct rstp_vector vector;
    struct rstp_times times;
};

/*
 * Reads the BPDU in data[size], which begins with the protocol identifier (behind the LLC
 * header). Returns 0, or -EBADMSG with `out` untouched if it is not valid [9.3.4]. A RST BPDU of
 * unknown role comes out as a CFG BPDU [9.2.9, note]. That a CFG BPDU is not the receiving port's
 * own is left to the caller, who knows the port.
 */
int bpdu_decode(const void *data, size_t size, struct bpdu *out)
    __attribute__((warn_unused_result));

/* Writes the BPDU and returns its size. */
size_t bpdu_encode(const struct bpdu *, uint8_t out[BPDU_SIZE_MAX]);

/* Writes the frame that carries a BPDU of at most BPDU_SIZE_MAX bytes from `source` to the bridge
 * group address, with LLC header [9.1, 7.12]. */
void bpdu_frame_write(const uint8_t source[6], const void *bpdu, size_t size,
                      uint8_t out[BPDU_FRAME_SIZE]);

/*
 * Finds the BPDU in an untagged Ethernet frame. Returns a borrowed view and its size, as the
 * frame's own length field tells it; NULL if the frame carries none: another destination or LLC
 * address, or a length that goes beyond the frame.
 */
const uint8_t *bpdu_frame_find(const void *frame, size_t frame_size, size_t *size)
    __attribute__((warn_unused_result));

/* <0, 0, >0 as `a` is better than, the same as, or worse than `b` [17.5]. */
int rstp_vector_compare(const struct rstp_vector *a, const struct rstp_vector *b);

bool rstp_times_equal(const struct rstp_times *, const struct rstp_times *);

#endif
