/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/ring/ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "proto/wire/packet.h"

#define RING_MAGIC   0x696f7452u /* "Rtoi" in memory. */
#define RING_VERSION 3u
#define HEAD_MAX     256u /* Ethernet, IP and TCP headers fit. */

static_assert(sizeof(struct ring_desc) == 32, "half of a record's head");
static_assert(RING_RECORD_HEAD == FRAME_HEADROOM, "the head is the frame's headroom");
static_assert(sizeof(struct ring_control) <= RING_CONTROL_SIZE, "one page");

/* The lines that a record with `size` bytes takes. */
static uint32_t record_size(uint32_t size)
{
    return (RING_RECORD_HEAD + size + RING_ALIGN - 1) & ~(RING_ALIGN - 1);
}

static bool size_valid(uint32_t size)
{
    return size >= RING_SIZE_MIN && size <= RING_SIZE_MAX && (size & (size - 1)) == 0;
}

size_t ring_memory_size(uint32_t ring_size)
{
    return size_valid(ring_size)
               ? RING_CONTROL_SIZE + (size_t)(RING_DIRECTIONS + RING_POOL_RATIO) * ring_size
               : 0;
}

void ring_control_init(struct ring_control *c, uint32_t ring_size)
{
    c->magic = RING_MAGIC;
    c->version = RING_VERSION;
    c->ring_size = ring_size;
}

uint32_t ring_control_check(const struct ring_control *c, size_t memory_size)
{
    uint32_t ring_size = c->ring_size;

    if (c->magic != RING_MAGIC || c->version != RING_VERSION ||
        memory_size < RING_CONTROL_SIZE || ring_memory_size(ring_size) != memory_size)
        return 0;
    return ring_size;
}

/* True if `used` bytes between the two indices are possible. */
static bool distance_valid(uint32_t used, uint32_t size)
{
    return used <= size && used % RING_ALIGN == 0;
}

int ring_tx_init(struct ring_tx *tx, struct ring_shared *shared, uint8_t *mem,
                 uint32_t size)
{
    uint32_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&shared->tail, memory_order_acquire);

    if (!size_valid(size) || head % RING_ALIGN || !distance_valid(head - tail, size))
        return -EPROTO;
    *tx = (struct ring_tx){.shared = shared,
                           .mem = mem,
                           .size = size,
                           .head = head,
                           .published = head,
                           .tail = tail};
    return 0;
}

int ring_rx_init(struct ring_rx *rx, struct ring_shared *shared, uint8_t *mem,
                 const uint8_t *pool, uint32_t size)
{
    uint32_t tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
    uint32_t head = atomic_load_explicit(&shared->head, memory_order_acquire);

    if (!size_valid(size) || tail % RING_ALIGN || !distance_valid(head - tail, size))
        return -EPROTO;
    *rx = (struct ring_rx){.shared = shared,
                           .mem = mem,
                           .pool = pool,
                           .size = size,
                           .tail = tail,
                           .released = tail,
                           .head = head};
    return 0;
}

/* Bytes free; looks at the consumer's index only when what is known is less than `wanted`. */
static int tx_free(struct ring_tx *tx, uint32_t wanted, uint32_t *out)
{
    uint32_t tail;

    if (tx->size - (tx->head - tx->tail) < wanted) {
        tail = atomic_load_explicit(&tx->shared->tail, memory_order_acquire);
        /* It may only move forward, and not past what was published. */
        if (!distance_valid(tx->published - tail, tx->published - tx->tail))
            return -EPROTO;
        tx->tail = tail;
    }
    *out = tx->size - (tx->head - tx->tail);
    return 0;
}

static void advance(struct ring_tx *tx, uint32_t size)
{
    tx->head += size;
    tx->put += size;
}

void ring_rewind(struct ring_tx *tx, uint32_t n, uint32_t size)
{
    uint32_t at = tx->head & (tx->size - 1), room;
    struct ring_desc desc = {.skip = tx->size - at};

    if (tx->calm < RING_LOW || tx->head != tx->published || at < RING_LOW || n > RING_LOW ||
        at / record_size(size) < n || tx_free(tx, tx->size, &room) < 0 || room < tx->size)
        return;
    memcpy(tx->mem + at, &desc, sizeof desc);
    advance(tx, desc.skip);
}

int ring_put_ref(struct ring_tx *tx, const struct frame *f, const struct ring_piece *pieces,
                 unsigned n, uint64_t ref_offset, uint32_t ref_size)
{
    struct ring_desc desc = {.inline_size = f->size - ref_size,
                             .ref_size = ref_size,
                             .ref_offset = ref_offset,
                             .gso_size = f->gso_size,
                             .hdr_size = f->hdr_size,
                             .csum_start = f->csum_start,
                             .csum_ofs = f->csum_ofs,
                             .tci = f->tci,
                             .gso = f->gso,
                             .flags = f->flags};
    uint8_t *record = tx->mem + (tx->head & (tx->size - 1));
    uint32_t wanted, room;

    if (f->size > FRAME_SUPER_MAX)
        return -EMSGSIZE;
    wanted = record_size(desc.inline_size);
    if (tx_free(tx, wanted, &room) < 0)
        return -EPROTO;
    if (room < wanted)
        return -ENOBUFS;
    memcpy(record, &desc, sizeof desc);
    record += RING_RECORD_HEAD;
    for (unsigned i = 0; i < n; i++) {
        memcpy(record, pieces[i].data, pieces[i].size);
        record += pieces[i].size;
    }
    advance(tx, wanted);
    return 0;
}

int ring_put_pieces(struct ring_tx *tx, const struct frame *f,
                    const struct ring_piece *pieces, unsigned n)
{
    return ring_put_ref(tx, f, pieces, n, 0, 0);
}

int ring_put(struct ring_tx *tx, const struct frame *f)
{
    const struct ring_piece pieces[] = {{f->data, f->size - f->rest_size},
                                        {f->rest, f->rest_size}};

    return ring_put_ref(tx, f, pieces, f->rest_size ? 2 : 1, 0, 0);
}

/* Of all that was put, only the last head - tail bytes may not have been taken. */
static bool is_behind(const struct ring_tx *tx, uint64_t mark)
{
    return tx->put - mark >= tx->head - tx->tail;
}

bool ring_taken(struct ring_tx *tx, uint64_t mark)
{
    uint32_t room;

    /* A peer that lies takes nothing; the port goes for that elsewhere. */
    if (!is_behind(tx, mark) && tx_free(tx, tx->size, &room) < 0)
        return false;
    return is_behind(tx, mark);
}

unsigned ring_room(struct ring_tx *tx, uint32_t size)
{
    uint32_t room;

    /* Asking for all of it makes it look: the answer holds back a sender. */
    if (tx_free(tx, tx->size, &room) < 0)
        return 0;
    return room / record_size(size);
}

/*
 * The fence pairs with the one in ring_rx_sleep() and ring_tx_sleep(): either we see that the other side sleeps, or
 * it sees what we have just stored. Only one of several publishers' calls rings.
 */
static bool must_ring(_Atomic uint32_t *sleeping)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(sleeping, memory_order_relaxed) &&
           atomic_exchange_explicit(sleeping, 0, memory_order_relaxed);
}

bool ring_publish(struct ring_tx *tx)
{
    uint32_t size = tx->head - tx->published;

    if (size == 0)
        return false;
    tx->calm = size <= RING_LITTLE ? tx->calm + size : 0;
    tx->published = tx->head;
    atomic_store_explicit(&tx->shared->head, tx->head, memory_order_release);
    return must_ring(&tx->shared->rx_sleeping);
}

/* Looks at the producer's index. */
static int rx_look(struct ring_rx *rx)
{
    uint32_t head = atomic_load_explicit(&rx->shared->head, memory_order_acquire);

    if (!distance_valid(head - rx->released, rx->size) ||
        head - rx->released < rx->tail - rx->released)
        return -EPROTO;
    rx->head = head;
    return 0;
}

/* Does the descriptor refer to bytes of the pool? */
static bool ref_valid(const struct ring_rx *rx, const struct ring_desc *d)
{
    uint64_t pool_size = (uint64_t)RING_POOL_RATIO * rx->size;

    if (!d->ref_size)
        return true;
    return rx->pool && d->ref_size <= FRAME_SUPER_MAX - d->inline_size &&
           d->ref_offset <= pool_size - d->ref_size;
}

/* Takes the next record's descriptor into a frame that views the ring, and the pool as its rest; or into one without
 * data, which is none, where it says to skip. Returns the bytes that the record fills, or 0 if it lies. There is a
 * record: tail != head. */
static uint32_t rx_record(const struct ring_rx *rx, struct frame *f)
{
    uint32_t at = rx->tail & (rx->size - 1);
    uint8_t *record = rx->mem + at;
    struct ring_desc desc;

    memcpy(&desc, record, sizeof desc);
    /* So that checks and uses are of the same copy, whatever the compiler would rather do. */
    atomic_signal_fence(memory_order_seq_cst);
    if (desc.skip) {
        f->data = NULL;
        return desc.skip == rx->size - at && desc.skip <= rx->head - rx->tail ? desc.skip
                                                                              : 0;
    }
    if (desc.inline_size > FRAME_SUPER_MAX ||
        record_size(desc.inline_size) > rx->head - rx->tail || !ref_valid(rx, &desc))
        return 0;
    *f = (struct frame){.data = record + RING_RECORD_HEAD,
                        .size = desc.inline_size + desc.ref_size,
                        .rest_size = desc.ref_size,
                        .rest = desc.ref_size ? rx->pool + desc.ref_offset : NULL,
                        .tci = desc.tci,
                        .gso_size = desc.gso_size,
                        .hdr_size = desc.hdr_size,
                        .csum_start = desc.csum_start,
                        .csum_ofs = desc.csum_ofs,
                        .gso = desc.gso,
                        .flags = desc.flags};
    return record_size(desc.inline_size);
}

static int rx_begin(struct ring_rx *rx, unsigned *max)
{
    rx->n_last = 0;
    if (*max > FRAME_BURST)
        *max = FRAME_BURST;
    return rx->tail == rx->head ? rx_look(rx) : 0;
}

int ring_peek(struct ring_rx *rx, struct frame *frames, unsigned max)
{
    unsigned n = 0;

    if (rx_begin(rx, &max) < 0)
        return -EPROTO;
    while (n < max && rx->tail != rx->head) {
        uint32_t filled = rx_record(rx, &frames[n]);

        if (!filled)
            return -EPROTO;
        if (frames[n].data)
            rx->last[n++] = rx->tail;
        rx->tail += filled;
    }
    rx->n_last = n;
    return (int)n;
}

/* Copies a frame out of the ring, or its headers if they are those of a TCP superframe. What the copy says of
 * itself decides, not the ring's bytes, which may change. */
static void copy_out(struct frame *f, uint8_t *copy)
{
    bool tcp = f->gso == FRAME_GSO_TCP4 || f->gso == FRAME_GSO_TCP6;
    uint32_t here = f->size - f->rest_size, head = here;

    if (tcp && head > HEAD_MAX)
        head = HEAD_MAX;
    memcpy(copy, f->data, head);
    if (head < here && f->rest_size == 0 && packet_head_is_tcp(copy, head)) {
        f->rest = f->data + head;
        f->rest_size = here - head;
    } else if (head < here) {
        memcpy(copy + head, f->data + head, here - head);
        head = here;
    }
    f->data = copy;
    if (f->rest_size && (!tcp || !packet_head_is_tcp(copy, head)))
        frame_whole(f);
}

int ring_get(struct ring_rx *rx, uint8_t *arena, size_t room, size_t *used,
             struct frame *frames, unsigned max)
{
    size_t at = 0;
    unsigned n = 0;

    if (rx_begin(rx, &max) < 0)
        return -EPROTO;
    while (n < max && rx->tail != rx->head) {
        uint32_t filled = rx_record(rx, &frames[n]);
        uint8_t *copy = arena + at + FRAME_HEADROOM;

        if (!filled)
            return -EPROTO;
        if (!frames[n].data) {
            rx->tail += filled;
            continue;
        }
        if (room - at < FRAME_HEADROOM + frames[n].size)
            break;
        copy_out(&frames[n], copy);
        at += FRAME_HEADROOM + frames[n].size;
        at += -at & 15;
        if (at > room)
            at = room;
        rx->last[n++] = rx->tail;
        rx->tail += filled;
    }
    rx->n_last = n;
    *used = at;
    return (int)n;
}

void ring_unget(struct ring_rx *rx, unsigned n)
{
    assert(n <= rx->n_last);
    if (n == 0)
        return;
    rx->n_last -= n;
    rx->tail = rx->last[rx->n_last];
}

bool ring_release(struct ring_rx *rx)
{
    if (rx->released == rx->tail)
        return false;
    rx->released = rx->tail;
    rx->n_last = 0;
    atomic_store_explicit(&rx->shared->tail, rx->tail, memory_order_release);
    return must_ring(&rx->shared->tx_sleeping);
}

bool ring_ready(struct ring_rx *rx)
{
    return rx->tail != rx->head ||
           atomic_load_explicit(&rx->shared->head, memory_order_relaxed) != rx->tail;
}

bool ring_rx_sleep(struct ring_rx *rx)
{
    atomic_store_explicit(&rx->shared->rx_sleeping, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    return !ring_ready(rx);
}

void ring_rx_wake(struct ring_rx *rx)
{
    atomic_store_explicit(&rx->shared->rx_sleeping, 0, memory_order_relaxed);
}

bool ring_tx_sleep(struct ring_tx *tx, uint32_t size)
{
    atomic_store_explicit(&tx->shared->tx_sleeping, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    return ring_room(tx, size) == 0;
}

void ring_tx_wake(struct ring_tx *tx)
{
    atomic_store_explicit(&tx->shared->tx_sleeping, 0, memory_order_relaxed);
}
