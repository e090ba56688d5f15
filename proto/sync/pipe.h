/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of any size over a control stream whose messages are bounded, and never more under way
 * than the stream takes: what is sent beyond its room would be lost without a word.
 *
 * A frame is a byte and data:
 *     0 LAST      the last piece of a message
 *     1 MORE      a piece that more follow
 *     2 RECEIVED  bytes of frames taken since the last such frame, 32 bits
 *     3 START     a number, 64 bits: this end begins anew
 *     4 STARTED   the number of a START, by which it has been taken note of
 * The receiver says RECEIVED whenever PIPE_GRANT bytes have come; the sender has at most
 * PIPE_WINDOW under way.
 *
 * A stream may outlive the process at one of its ends. So each end says START with a number of
 * its own and hears nothing else until that comes back in STARTED: what is still under way from
 * before then passes it by. The other end, on a START that it does not know, forgets all that was
 * under way and waiting, says STARTED, and repeats its own START if that is unanswered.
 */
#ifndef PROTO_SYNC_PIPE_H
#define PROTO_SYNC_PIPE_H

#include <stdbool.h>
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

    /* Both ends are ready, for the first time or anew: nothing said before holds any more. May
     * call pipe_send(). */
    void (*began)(void *aux);

    /* A whole message came; may call pipe_send(). */
    void (*message)(void *aux, const uint8_t *data, size_t size);
};

struct pipe_end {
    const struct pipe_ops *ops;
    void *aux;
    size_t max_message;   /* Of what comes in. */
    uint64_t own, theirs; /* Numbers of START; 0 = none. */
    bool open;            /* Ours came back. */
    struct list queue;
    size_t queued, under_way;
    uint8_t *in;
    size_t in_size, in_room;
    uint32_t ungranted;
};

/* Begins; `number` is random, not 0. */
void pipe_init(struct pipe_end *, const struct pipe_ops *, void *aux, size_t max_message,
               uint64_t number);
void pipe_done(struct pipe_end *);

/* Queues a copy. Returns 0, -ENOBUFS, or -ENOTCONN before the pipe began. */
int pipe_send(struct pipe_end *, const void *data, size_t size)
    __attribute__((warn_unused_result));

/* A frame from the other side. Returns 0, -EPROTO or -EMSGSIZE: the pipe is of no more use. */
int pipe_input(struct pipe_end *, const uint8_t *data, size_t size)
    __attribute__((warn_unused_result));

#endif
