/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segments of a control stream from a peer that says anything. Records of: size 16, segment; an
 * odd size lets time pass, and every eighth makes the reader refuse. Invariant: what is kept
 * stays inside its bounds, and every answer is a segment.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/cur.h"
#include "proto/link/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool refuse;

static void on_transmit(void *aux, const uint8_t *data, size_t size)
{
    (void)aux;
    (void)data;
    if (size < STREAM_HEAD || size > 1400)
        abort();
}

static bool on_message(void *aux, const uint8_t *data, size_t size)
{
    volatile uint8_t *sum = aux;

    for (size_t i = 0; i < size; i++) /* All of it can be read. */
        *sum = (uint8_t)(*sum ^ data[i]);
    return !refuse;
}

static void on_room(void *aux)
{
    (void)aux;
}

static void check(const struct stream *s)
{
    uint64_t end = s->in_next;

    for (unsigned i = 0; i < s->n_gaps; i++) {
        if (s->gaps[i].from <= end || s->gaps[i].to <= s->gaps[i].from)
            abort();
        end = s->gaps[i].to;
    }
    if (s->in_read > s->in_next || end > s->in_read + STREAM_RECEIVE_ROOM ||
        s->una > s->next || s->next > s->out_end || s->highest > s->out_end)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stream_ops ops = {on_transmit, on_message, on_room};
    struct cur in = cur_init(data, size);
    uint8_t sum = 0;
    struct stream s;
    mtime_t now = 0;

    stream_init(&s, &ops, &sum);
    stream_set_segment(&s, 1400);
    if (stream_send(&s, "a message to be acknowledged", 28, now) != 0)
        abort();
    refuse = false;
    while (cur_left(&in) > 2) {
        size_t n = cur_u16(&in);

        if (n & 1) {
            now = stream_deadline(&s) < 1000 * MTIME_SEC ? stream_deadline(&s) : now + 1;
            stream_run(&s, now);
        }
        refuse = n % 8 == 7;
        n = n < cur_left(&in) ? n : cur_left(&in);
        stream_input(&s, cur_bytes(&in, n), n, now);
        check(&s);
        if (s.broken)
            stream_reset(&s);
        if (!refuse)
            stream_resume(&s);
    }
    stream_done(&s);
    return 0;
}
