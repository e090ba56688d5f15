/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Metadata of frames at the borders: the check of what somebody else said about a frame, and
 * struct virtio_net_hdr_v1, 12 bytes in native byte order, as TAP devices speak it with
 * IFF_VNET_HDR and TUNSETVNETHDRSZ 12.
 */
#ifndef PROTO_WIRE_VNET_H
#define PROTO_WIRE_VNET_H

#include <stdint.h>

#include "proto/wire/frame.h"

#define VNET_HDR_SIZE 12u

/*
 * Checks the metadata of a frame against its bytes, which an outsider chose as well; sets
 * hdr_size of a superframe to what the headers say, and turns a superframe that is a single
 * segment into a plain frame. Returns 0, or -EBADMSG if the frame is shorter than a header,
 * longer than FRAME_SUPER_MAX (FRAME_SIZE_MAX without segmentation), or says what is not so.
 * Afterwards segment_init() and checksum_complete() stay inside the frame.
 */
int frame_check(struct frame *f) __attribute__((warn_unused_result));

/* Takes the metadata of a frame, whose data and size are set, from a header and checks it. */
int vnet_decode(const uint8_t hdr[VNET_HDR_SIZE], struct frame *f)
    __attribute__((warn_unused_result));

/* Writes the header for a frame that has passed frame_check(). */
void vnet_encode(const struct frame *f, uint8_t hdr[VNET_HDR_SIZE]);

#endif
