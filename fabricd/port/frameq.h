/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bounded queue of copied frames, for ports whose other side is slower than the switch. Its
 * memory is reserved when it is made, and costs nothing until something is queued.
 */
#ifndef FABRICD_PORT_FRAMEQ_H
#define FABRICD_PORT_FRAMEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/frame.h"

struct frameq {
    uint8_t *mem;
    size_t size;
    size_t head, tail; /* Where the next is put, and the oldest lies. */
    unsigned n;
};

/* `size` bytes, at least 128 KiB. Returns 0 or -errno. */
int frameq_init(struct frameq *, size_t size) __attribute__((warn_unused_result));
void frameq_done(struct frameq *); /* Harmless for one that is all zero. */

/* Copies a frame to the end. False if there is no room. */
bool frameq_put(struct frameq *, const struct frame *);

/* The oldest frames, up to `max`, in order: they stay, with FRAME_HEADROOM writable bytes, until
 * frameq_drop(). Returns how many. */
unsigned frameq_peek(const struct frameq *, struct frame **frames, unsigned max);

/* Removes the n oldest (n <= queued). */
void frameq_drop(struct frameq *, unsigned n);

#endif
