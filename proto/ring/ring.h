/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring of a fast port: frames through shared memory, one producer and one consumer.
 *
 * A port's memory is RING_CONTROL_SIZE bytes with struct ring_shared for each direction,
 * followed by the two byte rings, each of a power-of-two size. Each byte ring is mapped twice
 * in a row (proto/base/shm.h), so that a record never wraps:
 *
 *     | control page | to the daemon: N bytes | to the client: N bytes | pool: 4 N bytes |
 *
 * A record is RING_RECORD_HEAD bytes with a struct ring_desc at its start, then the frame's
 * bytes, and fills whole lines of RING_ALIGN. The rest of the head is the frame's headroom. One that says
 * `skip` is no frame: what follows begins at the start of the ring, where the producer goes back to where it puts
 * little at a time into an empty ring, so that one which is hardly used touches few pages.
 *
 * The pool is the client's: towards the daemon the end of a frame may lie there instead of in the record
 * (ref_offset, ref_size; the frame is inline_size + ref_size bytes). The daemon only reads there, and
 * what it reads may change. The bytes are the client's again when the record's room is (ring_taken).
 * The daemon refers to nothing.
 *
 * Indices count bytes and run free; head is the producer's, tail the consumer's. Each side keeps
 * its own index in private memory and never reads it back. What it reads of the other side is
 * hostile: an index is checked at every look, a descriptor is copied once and then checked. A
 * peer that lies gets -EPROTO and loses its port; it can change the bytes of a frame at any time,
 * so whoever decides on their content copies them first (ring_get, not ring_peek).
 *
 * Doorbells: before it waits, a side says so (ring_rx_sleep, ring_tx_sleep) and looks again; the
 * other side finds that out after publishing and rings only then.
 *
 * Pure: works on memory that the caller mapped; rings no bell, blocks nowhere.
 */
#ifndef PROTO_RING_RING_H
#define PROTO_RING_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/frame.h"

#define RING_ALIGN        64u
#define RING_RECORD_HEAD  64u
#define RING_CONTROL_SIZE 4096u
#define RING_SIZE_DEFAULT (1u << 20)
#define RING_SIZE_MIN     (1u << 18) /* Three superframes fit. */
#define RING_SIZE_MAX     (1u << 26)
#define RING_POOL_RATIO   4u         /* The pool's size in rings. */
#define RING_LOW          (1u << 15) /* Of a ring that is hardly used, so much is touched. */
#define RING_LITTLE       (1u << 12) /* At a time. */

enum ring_direction { RING_TO_DAEMON, RING_TO_CLIENT, RING_DIRECTIONS };

/* One direction's indices and flags, each on a cache line of its writer. */
struct ring_shared {
    _Alignas(RING_ALIGN) _Atomic uint32_t head;
    _Atomic uint32_t tx_sleeping; /* The producer waits for room. */
    _Alignas(RING_ALIGN) _Atomic uint32_t tail;
    _Alignas(RING_ALIGN) _Atomic uint32_t rx_sleeping; /* The consumer waits for frames. */
};

/* The control page. The daemon writes the geometry once, before it shows the memory. */
struct ring_control {
    uint32_t magic;
    uint32_t version;
    uint32_t ring_size; /* Of each direction. */
    uint32_t reserved;
    struct ring_shared dir[RING_DIRECTIONS];
};

struct ring_desc {
    uint32_t inline_size; /* Bytes behind the record's head. */
    uint32_t ref_size;    /* 0 = all are there. */
    uint64_t ref_offset;  /* In the pool. */
    uint16_t gso_size;
    uint16_t hdr_size;
    uint16_t csum_start;
    uint16_t csum_ofs;
    uint16_t tci;
    uint8_t gso;
    uint8_t flags;
    uint32_t skip; /* Not 0: no frame, but so many bytes to the end of the ring. */
};

/* The size of the whole memory, or 0 if ring_size is no power of two in range. */
size_t ring_memory_size(uint32_t ring_size);

/* Fills in a zeroed control page: the daemon's side. */
void ring_control_init(struct ring_control *c, uint32_t ring_size);

/* What the control page of a memory of memory_size bytes says the ring size is, or 0 if it is
 * not ours: the client's side. */
uint32_t ring_control_check(const struct ring_control *c, size_t memory_size);

struct ring_tx {
    struct ring_shared *shared;
    uint8_t *mem; /* Mapped twice: 2 * size bytes. */
    uint32_t size;
    uint32_t head; /* Ours; what is published lags behind until ring_publish(). */
    uint32_t published;
    uint32_t tail; /* The consumer's when last looked at. */
    uint32_t calm; /* Bytes put since much was put at a time. */
    uint64_t put;  /* All bytes ever, as `head`, but without an end. */
};

struct ring_rx {
    struct ring_shared *shared;
    uint8_t *mem;
    const uint8_t *pool; /* The producer's; NULL = it has none, and may not refer to it. */
    uint32_t size;
    uint32_t tail; /* Ours. */
    uint32_t released;
    uint32_t head; /* The producer's when last looked at. */
    unsigned n_last;
    uint32_t last[FRAME_BURST]; /* Where the records of the last call began. */
};

/* Begin where the shared indices stand, so that either side may be replaced. -EPROTO if they
 * make no sense. `mem` and `pool`, of RING_POOL_RATIO * size bytes, stay the caller's. */
int ring_tx_init(struct ring_tx *tx, struct ring_shared *shared, uint8_t *mem,
                 uint32_t size) __attribute__((warn_unused_result));
int ring_rx_init(struct ring_rx *rx, struct ring_shared *shared, uint8_t *mem,
                 const uint8_t *pool, uint32_t size) __attribute__((warn_unused_result));

/*
 * Copies a frame in; the consumer sees it after ring_publish(). Returns 0, -ENOBUFS if there is
 * no room now, -EMSGSIZE if it is larger than FRAME_SUPER_MAX, or -EPROTO if the consumer's
 * index makes no sense.
 */
int ring_put(struct ring_tx *tx, const struct frame *f) __attribute__((warn_unused_result));

/* The same with the bytes gathered from n pieces, f->size in all; f->data is not used. */
struct ring_piece {
    const void *data;
    uint32_t size;
};
int ring_put_pieces(struct ring_tx *tx, const struct frame *f,
                    const struct ring_piece *pieces, unsigned n)
    __attribute__((warn_unused_result));

/* How many frames of at most `size` bytes ring_put() would take now; 0 also if the peer lies. */
unsigned ring_room(struct ring_tx *tx, uint32_t size);

/* The same with the frame's last ref_size bytes left in the pool, at ref_offset, which lies in it; the pieces are
 * what is in front of them. */
int ring_put_ref(struct ring_tx *tx, const struct frame *f, const struct ring_piece *pieces,
                 unsigned n, uint64_t ref_offset, uint32_t ref_size)
    __attribute__((warn_unused_result));

/* Before the first of n frames of at most `size` bytes that are published together: goes back to the start of a
 * ring that is empty and hardly used, if all of them have room there. Until they are taken there is room for little
 * more, since what was skipped counts. */
void ring_rewind(struct ring_tx *tx, uint32_t n, uint32_t size);

/* True if the consumer has given back the room of everything put before tx->put was `mark`. */
bool ring_taken(struct ring_tx *tx, uint64_t mark);

/* Shows everything put since the last time, with one release store. Returns true if the
 * consumer sleeps and its doorbell must be rung. */
bool ring_publish(struct ring_tx *tx);

/*
 * Looks at up to `max` (at most FRAME_BURST) frames and moves on. Their bytes stay in the ring, writable with
 * FRAME_HEADROOM in front, until ring_release(). Only for who trusts the producer, or does not
 * mind that bytes change. What is in a pool stays there (frame.rest), and there is no room to bring it. Returns how
 * many (0 = empty), or -EPROTO. Metadata is not checked: frame_check() does that.
 */
int ring_peek(struct ring_rx *rx, struct frame *frames, unsigned max)
    __attribute__((warn_unused_result));

/*
 * The same, copied out to arena[room], with FRAME_HEADROOM in front of each; stops when the next
 * frame does not fit (an arena of FRAME_HEADROOM + FRAME_SUPER_MAX holds any). *used is what the
 * copies take. The payload of TCP superframes stays where it is (frame.rest), until ring_release().
 */
int ring_get(struct ring_rx *rx, uint8_t *arena, size_t room, size_t *used,
             struct frame *frames, unsigned max) __attribute__((warn_unused_result));

/* Goes back to before the last `n` frames of the last ring_peek() or ring_get(): they will come
 * again. For a sender that is held back. Not after ring_release(). */
void ring_unget(struct ring_rx *rx, unsigned n);

/* Gives the room of everything looked at back to the producer, with one release store. Returns
 * true if the producer waits for room and its doorbell must be rung. */
bool ring_release(struct ring_rx *rx);

/* True if there is something to read. One load, for polling loops. */
bool ring_ready(struct ring_rx *rx);

/* Announces sleep; true if the ring is still empty and the caller may wait for its doorbell.
 * ring_rx_wake() after waiting, or after false was returned, takes it back. */
bool ring_rx_sleep(struct ring_rx *rx);
void ring_rx_wake(struct ring_rx *rx);

/* The same for a producer whose ring_put() said -ENOBUFS: true if there is still no room for a
 * frame of `size` bytes. */
bool ring_tx_sleep(struct ring_tx *tx, uint32_t size);
void ring_tx_wake(struct ring_tx *tx);

#endif
