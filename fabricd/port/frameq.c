/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records lie one after another; one that does not fit before the end of the memory begins at
 * its start again, and a record of span 0 (or the end itself) marks the jump.
 */
#include "fabricd/port/frameq.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGN 16u

struct record {
    size_t span; /* Bytes to the next record; 0 = the next is at the start. */
    struct frame frame;
};

#define RECORD_HEAD ((sizeof(struct record) + FRAME_HEADROOM + ALIGN - 1) / ALIGN * ALIGN)

int frameq_init(struct frameq *q, size_t size)
{
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mem == MAP_FAILED)
        return -errno;
    *q = (struct frameq){.mem = mem, .size = size};
    return 0;
}

void frameq_done(struct frameq *q)
{
    if (q->mem)
        munmap(q->mem, q->size);
    q->mem = NULL;
}

static struct record *record_at(const struct frameq *q, size_t offset)
{
    return (struct record *)(void *)(q->mem + offset);
}

/* Makes `span` bytes in a row free at q->head. */
static bool make_room(struct frameq *q, size_t span)
{
    if (!q->n)
        q->head = q->tail = 0;
    else if (q->head == q->tail)
        return false;
    if (q->head < q->tail)
        return q->tail - q->head >= span;
    if (q->size - q->head >= span)
        return true;
    if (q->tail < span)
        return false;
    if (q->size - q->head >= sizeof(struct record))
        record_at(q, q->head)->span = 0;
    q->head = 0;
    return true;
}

bool frameq_put(struct frameq *q, const struct frame *f)
{
    size_t span = RECORD_HEAD + (f->size + ALIGN - 1) / ALIGN * ALIGN;
    struct record *r;

    assert(!f->rest_size);
    if (!make_room(q, span))
        return false;
    r = record_at(q, q->head);
    r->span = span;
    r->frame = *f;
    r->frame.data = q->mem + q->head + RECORD_HEAD;
    memcpy(r->frame.data, f->data, f->size);
    q->head += span;
    q->n++;
    return true;
}

/* Follows the jump to the start, if there is one at `offset`. */
static size_t settle(const struct frameq *q, size_t offset)
{
    if (q->size - offset < sizeof(struct record) || record_at(q, offset)->span == 0)
        return 0;
    return offset;
}

unsigned frameq_peek(const struct frameq *q, struct frame **frames, unsigned max)
{
    size_t offset = q->tail;
    unsigned n = q->n < max ? q->n : max;

    for (unsigned i = 0; i < n; i++) {
        struct record *r;

        offset = settle(q, offset);
        r = record_at(q, offset);
        frames[i] = &r->frame;
        offset += r->span;
    }
    return n;
}

void frameq_drop(struct frameq *q, unsigned n)
{
    q->n -= n;
    for (unsigned i = 0; i < n; i++) {
        q->tail = settle(q, q->tail);
        q->tail += record_at(q, q->tail)->span;
    }
    if (!q->n) {
        q->head = q->tail = 0;
        return;
    }
    q->tail = settle(q, q->tail);
}
