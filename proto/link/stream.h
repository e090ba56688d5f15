/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reliable, ordered stream of messages inside a session: what the controls of two hosts, and
 * the links themselves, say to one another. Messages are of at most STREAM_MESSAGE_MAX bytes.
 *
 * Underneath is a byte stream, each message preceded by its size in 16 bits. A segment carries:
 *     flags 8, place of its first byte 64, next byte wanted 64, window 32, bytes
 * Retransmission as in RFC 6298 and RFC 6582 (bounds suited to links), slow start and halving.
 * Memory: STREAM_SEND_ROOM and STREAM_RECEIVE_ROOM bytes while something is under way, none
 * while idle. A receiver that does not take its messages closes the window.
 */
#ifndef PROTO_LINK_STREAM_H
#define PROTO_LINK_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"

#define STREAM_MESSAGE_MAX  60000u
#define STREAM_SEND_ROOM    (128u * 1024)
#define STREAM_RECEIVE_ROOM (64u * 1024)
#define STREAM_HEAD         21u
#define STREAM_GAPS         16u /* Separate pieces kept ahead of a gap; a further one is dropped. */

struct stream_ops {
    /* Sends one segment; it may be lost. */
    void (*transmit)(void *aux, const uint8_t *data, size_t size);

    /* One message has arrived. False: not now; stream_resume() will ask again. */
    bool (*message)(void *aux, const uint8_t *data, size_t size);

    /* There is room again after stream_send() said -EAGAIN. */
    void (*room)(void *aux);
};

struct stream_range {
    uint64_t from, to;
};

struct stream {
    const struct stream_ops *ops;
    void *aux;
    uint32_t segment_max; /* Bytes of a segment, head included. */

    uint8_t *out;                /* Bytes from out_base to out_end; NULL while empty. */
    uint64_t out_base, out_end;  /* out_base <= una */
    uint64_t una, next, highest; /* Unacknowledged from, to be sent next, sent up to. */
    uint64_t limit;              /* The other side's window ends here. */
    uint64_t recover;            /* RFC 6582. */
    uint32_t cwnd, ssthresh;
    unsigned dup_acks, backoff;
    bool room_wanted;
    bool timing;
    uint64_t timed; /* The byte whose round trip is being measured. */
    mtime_t timed_at;
    mtime_t srtt, rttvar, rto;
    mtime_t due; /* Retransmission or window probe. */

    uint8_t *in; /* Bytes from in_read; NULL while empty. */
    uint64_t in_read, in_next;
    struct stream_range gaps[STREAM_GAPS]; /* Received ahead of in_next, in order. */
    unsigned n_gaps;
    bool in_blocked;
    bool
        broken; /* The other side began a message that is too long: nothing comes after it. */
};

void stream_init(struct stream *, const struct stream_ops *, void *aux);
void stream_done(struct stream *);

/* Forgets everything under way and begins anew, as the other side does too. */
void stream_reset(struct stream *);

/* Segments of at most this many bytes, head included; at least 256. */
void stream_set_segment(struct stream *, uint32_t segment_max);

/* Queues a message. Returns 0, -EMSGSIZE, -EAGAIN (no room; ops->room will tell) or -ENOMEM. */
int stream_send(struct stream *, const void *data, size_t size, mtime_t now)
    __attribute__((warn_unused_result));

/* A segment from the other side. Malformed ones are ignored; a message over STREAM_MESSAGE_MAX
 * breaks the stream, which then takes nothing until stream_reset(): whoever owns it ends the
 * session. */
void stream_input(struct stream *, const uint8_t *data, size_t size, mtime_t now);

/* The receiver takes messages again. */
void stream_resume(struct stream *);

/* The path works again: sends what is unacknowledged at once. */
void stream_kick(struct stream *, mtime_t now);

/* 0 where it is broken. */
mtime_t stream_deadline(const struct stream *);
void stream_run(struct stream *, mtime_t now);

#endif
