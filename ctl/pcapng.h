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

enum pcapng_direction { PCAPNG_UNKNOWN, PCAPNG_IN, PCAPNG_OUT };

struct pcapng_frame {
    const uint8_t *data;
    uint32_t size;       /* Of data. */
    uint32_t frame_size; /* Before it was cut. */
    uint64_t time_ns;
    uint32_t interface;
    enum pcapng_direction direction;
};

void pcapng_frame(FILE *, const struct pcapng_frame *);

#endif
