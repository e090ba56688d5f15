/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frame as it travels through a program: a view of bytes plus what is known about them.
 *
 * A frame may be a superframe: a TCP segment of up to 64 KiB under one set of headers, with
 * `gso` and `gso_size` telling how it is to be cut, as in virtio_net_hdr. Its checksum may be
 * left open (FRAME_NEEDS_CSUM): the field at csum_start + csum_ofs then holds the folded sum of
 * the pseudo-header, not complemented, and whoever hands it to somebody that takes no offload
 * completes it. Offsets count from the destination MAC.
 *
 * Inside a switch the VLAN is in `tci` and the tag is not in the bytes; in a transparent network
 * tci is 0 and tags stay where they are.
 *
 * The payload of a TCP superframe may still be elsewhere (`rest`), in memory that somebody else can change
 * at any time: only its headers are at `data` then, with room for the rest behind them. A switch hands
 * it on like that to ports that say so (swport_ops.takes_rest), which copy it and read nothing of it; before
 * anybody else sees the frame, frame_whole() brings it together.
 *
 * A frame owns nothing: whoever filled it in keeps the bytes alive until the burst that it is
 * part of has been sent. A driver that must keep one copies it.
 */
#ifndef PROTO_WIRE_FRAME_H
#define PROTO_WIRE_FRAME_H

#include <stdint.h>
#include <string.h>

#define FRAME_SIZE_MIN  14u
#define FRAME_SIZE_MAX  9234u  /* Without segmentation: VDE_ETHBUFSIZE. */
#define FRAME_SUPER_MAX 65550u /* A superframe: 64 KiB IP packet and its Ethernet header. */
#define FRAME_BURST     64u    /* Frames in one vector. */
/* Of a superframe: a TCP with segments of 64 bytes still passes, one that makes everybody cut
 * thousands of them does not. */
#define FRAME_SEGMENTS_MAX 1024u
#define FRAME_HEADROOM     64u /* Writable bytes in front of `data` that drivers provide. */
#define FRAME_TCI_VID      0x0fffu

enum frame_gso {
    FRAME_GSO_NONE,
    FRAME_GSO_TCP4,
    FRAME_GSO_TCP6,
    FRAME_GSO_UDP, /* USO: UDP of either family cut into datagrams of gso_size. */
};

enum {
    FRAME_NEEDS_CSUM = 1, /* Complete the checksum from csum_start to the end. */
    FRAME_CSUM_VALID = 2, /* Somebody trusted has verified it. */
    FRAME_GSO_ECN = 4,    /* TCP CWR is set: only the first segment keeps it. */
    FRAME_ISOLATED = 8,   /* Came from an isolated port, of this host or another. */
};

/* What a port takes beyond plain, complete frames of at most its max_frame. */
enum {
    FRAME_CAP_CSUM = 1,
    FRAME_CAP_TSO4 = 2,
    FRAME_CAP_TSO6 = 4,
    FRAME_CAP_USO = 8,
    FRAME_CAP_ALL = 15,
};

struct frame {
    uint8_t *data; /* Destination MAC. FRAME_HEADROOM writable bytes lie in front. */
    uint32_t size;
    uint16_t tci;        /* PCP, DEI and VLAN id; 0 = none. Host order. */
    uint16_t gso_size;   /* Payload bytes per segment. */
    uint16_t hdr_size;   /* Ethernet to the end of the TCP or UDP header; 0 = unknown. */
    uint16_t csum_start; /* With FRAME_NEEDS_CSUM. */
    uint16_t csum_ofs;   /* From csum_start. */
    uint8_t gso;         /* enum frame_gso */
    uint8_t flags;
    uint32_t rest_size; /* Of `size`, the bytes that are not at `data`. */
    const uint8_t *rest;
};

/* Copies the rest to where it belongs. */
static inline void frame_whole(struct frame *f)
{
    if (!f->rest_size)
        return;
    memcpy(f->data + f->size - f->rest_size, f->rest, f->rest_size);
    f->rest_size = 0;
}

#endif
