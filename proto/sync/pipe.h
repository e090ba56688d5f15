/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of any size over a control stream whose messages are bounded, and never more under way
 * than the stream takes: what is sent beyond its room would be lost without a word.
 *
 * A frame is a byte (0 = the last of a message, 1 = more follows, 2 = received) and data; of a
 * frame "received" the data is the number of bytes of frames taken since the last one, 32 bits.
 * The receiver says so whenever PIPE_GRANT bytes have come; the sender has at most PIPE_WINDOW
 * under way. A pipe lasts as long as its stream.
 */
#ifndef PROTO_SYNC_PIPE_H
#define PROTO_SYNC_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/list.h"

#define PIPE_FRAME_MAX 30000u
#define PIPE_WINDOW    (96u * 1024)
#define PIPE_GRANT     (16u * 1024)
#define PIPE_QUEUE_MAX                                                                     \
    (64u * 1024 * 1024) /* Bytes waiting; over it the other side is dead. */

struct pipe_ops {
    /* Sends one frame; may not fail and may not call the pipe. */
    void (*frame)(void *aux, const uint8_t *data, size_t size);

    /* A whole message came; may call pipe_send(). */
    void (*message)(void *aux, const uint8_t *data, size_t size);
};

struct pipe_end {
    const struct pipe_ops *ops;
    void *aux;
    size_t max_message; /* Of what comes in. */
    struct list queue;
    size_t queued, under_way;
    uint8_t *in;
    size_t in_size, in_room;
    uint32_t ungranted;
};

void pipe_init(struct pipe_end *, const struct pipe_ops *, void *aux, size_t max_message);
void pipe_done(struct pipe_end *);

/* Queues a copy. Returns 0 or -ENOBUFS. */
int pipe_send(struct pipe_end *, const void *data, size_t size)
    __attribute__((warn_unused_result));

/* A frame from the other side. Returns 0, -EPROTO or -EMSGSIZE: the pipe is of no more use. */
int pipe_input(struct pipe_end *, const uint8_t *data, size_t size)
    __attribute__((warn_unused_result));

#endif
