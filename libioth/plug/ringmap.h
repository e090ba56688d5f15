/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring port's memory in a process: creating it, mapping it (each ring twice in a row), and the
 * two ends as this side sees them. Used by the daemon and by clients.
 */
#ifndef LIBIOTH_PLUG_RINGMAP_H
#define LIBIOTH_PLUG_RINGMAP_H

#include <stddef.h>
#include <stdint.h>

#include "proto/ring/ring.h"

enum ringmap_side { RINGMAP_DAEMON, RINGMAP_CLIENT };

struct ringmap {
    struct ring_control *control;
    uint8_t *mem[RING_DIRECTIONS];
    const uint8_t *pool; /* The daemon's side only; the client has pool.h. */
    uint32_t ring_size;
    struct ring_tx tx; /* What this side writes. */
    struct ring_rx rx; /* What it reads. */
};

/* Makes the sealed memfd of a new port with rings of ring_size bytes (RING_SIZE_DEFAULT), its
 * control page filled in. Returns the descriptor, the caller's, or -errno. */
int ringmap_create(uint32_t ring_size) __attribute__((warn_unused_result));

/*
 * Maps a port's memory; `fd` stays the caller's and may be closed afterwards. Goes on where the
 * indices stand, so a restarted daemon finds what was in the rings. The geometry is taken from
 * the memory's own size where the page contradicts it. Returns 0, -EPERM (not sealed), -EPROTO
 * (not a ring port's memory), or -errno.
 */
int ringmap_attach(struct ringmap *m, int fd, enum ringmap_side side)
    __attribute__((warn_unused_result));

/* Unmaps; harmless on a zeroed one. */
void ringmap_done(struct ringmap *m);

#endif
