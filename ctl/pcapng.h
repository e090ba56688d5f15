/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing pcapng (draft-ietf-opsawg-pcapng): one section, an interface per port, a block per
 * frame, nanoseconds, in the byte order of this machine. Pure but for the stream, whose errors
 * the caller asks for (ferror) when it likes.
 */
#ifndef CTL_PCAPNG_H
#define CTL_PCAPNG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void pcapng_section(FILE *, const char *application);

/* The interfaces count from 0 in the order in which they are written. Ethernet. */
void pcapng_interface(FILE *, const char *name, uint32_t snap);

/* `size` bytes of a frame that had `frame_size`. */
void pcapng_frame(FILE *, uint32_t interface, uint64_t time_ns, const uint8_t *data,
                  uint32_t size, uint32_t frame_size);

#endif
