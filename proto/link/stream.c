/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/bytes.h"

#define RTO_FIRST   (300 * MTIME_MS)
#define RTO_MIN     (30 * MTIME_MS)
#define RTO_MAX     (3 * MTIME_SEC)
#define BACKOFF_MAX 6u
#define SIZE_FIELD  2u
#define SEGMENT_MAX 1600u /* Of the scratch area: longer segments gain nothing here. */

enum { FLAG_ANSWER = 1 }; /* An acknowledgement is wanted. */

static uint32_t payload_max(const struct stream *s)
{
    return s->segment_max - STREAM_HEAD;
}

void stream_init(struct stream *s, const struct stream_ops *ops, void *aux)
{
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->aux = aux;
    s->segment_max = 1024;
    stream_reset(s);
}

void stream_done(struct stream *s)
{
    free(s->out);
    free(s->in);
    s->out = s->in = NULL;
}

void stream_reset(struct stream *s)
{
    const struct stream_ops *ops = s->ops;
    void *aux = s->aux;
    uint32_t segment_max = s->segment_max;

    stream_done(s);
    memset(s, 0, sizeof *s);
    s->ops = ops;
    s->aux = aux;
    s->segment_max = segment_max;
    s->limit = STREAM_RECEIVE_ROOM;
    s->cwnd = 10 * payload_max(s);
    s->ssthresh = UINT32_MAX;
    s->rto = RTO_FIRST;
    s->due = MTIME_NEVER;
}

void stream_set_segment(struct stream *s, uint32_t segment_max)
{
    s->segment_max = segment_max < 256           ? 256
                     : segment_max > SEGMENT_MAX ? SEGMENT_MAX
                                                 : segment_max;
}

static uint32_t window(const struct stream *s)
{
    return (uint32_t)(s->in_read + STREAM_RECEIVE_ROOM - s->in_next);
}

static void transmit(struct stream *s, uint64_t from, uint32_t size, uint8_t flags)
{
    uint8_t segment[SEGMENT_MAX];
    struct wr w = wr_init(segment, sizeof segment);

    wr_u8(&w, flags);
    wr_u64(&w, from);
    wr_u64(&w, s->in_next);
    wr_u32(&w, window(s));
    if (size > 0)
        wr_bytes(&w, s->out + (from - s->out_base), size);
    if (!w.bad)
        s->ops->transmit(s->aux, segment, wr_size(&w));
}

static void timer_arm(struct stream *s, mtime_t now)
{
    mtime_t wait = s->rto << s->backoff;

    s->due = now + (wait > RTO_MAX ? RTO_MAX : wait);
}

/* Sends what the window and the congestion window allow. */
static void push(struct stream *s, mtime_t now)
{
    while (s->next < s->out_end) {
        uint64_t room = s->limit > s->next ? s->limit - s->next : 0;
        uint64_t flight = s->next - s->una;
        uint64_t size = s->out_end - s->next;

        if (size > payload_max(s))
            size = payload_max(s);
        if (size > room)
            size = room;
        if (size == 0 || (flight > 0 && flight + size > s->cwnd))
            break;
        if (!s->timing && s->next == s->highest) {
            s->timing = true;
            s->timed = s->next + size;
            s->timed_at = now;
        }
        transmit(s, s->next, (uint32_t)size, FLAG_ANSWER);
        s->next += size;
        if (s->next > s->highest)
            s->highest = s->next;
    }
    if (s->due == MTIME_NEVER && s->una < s->out_end)
        timer_arm(s, now); /* For the flight, or to probe a closed window. */
}

int stream_send(struct stream *s, const void *data, size_t size, mtime_t now)
{
    uint64_t used = s->out_end - s->una;

    if (size > STREAM_MESSAGE_MAX)
        return -EMSGSIZE;
    if (used + SIZE_FIELD + size > STREAM_SEND_ROOM) {
        s->room_wanted = true;
        return -EAGAIN;
    }
    if (!s->out) {
        s->out = malloc(STREAM_SEND_ROOM);
        if (!s->out)
            return -ENOMEM;
        s->out_base = s->una;
    }
    if (s->out_end - s->out_base + SIZE_FIELD + size > STREAM_SEND_ROOM) {
        memmove(s->out, s->out + (s->una - s->out_base), used);
        s->out_base = s->una;
    }
    store_be16(s->out + (s->out_end - s->out_base), (uint16_t)size);
    s->out_end += SIZE_FIELD;
    memcpy(s->out + (s->out_end - s->out_base), data, size);
    s->out_end += size;
    push(s, now);
    return 0;
}

static void measure(struct stream *s, mtime_t now)
{
    mtime_t rtt = now - s->timed_at, delta;

    s->timing = false;
    if (s->srtt == 0) {
        s->srtt = rtt > 0 ? rtt : 1;
        s->rttvar = rtt / 2;
    } else {
        delta = rtt > s->srtt ? rtt - s->srtt : s->srtt - rtt;
        s->rttvar += (delta - s->rttvar) / 4;
        s->srtt += (rtt - s->srtt) / 8;
    }
    s->rto = s->srtt + 4 * s->rttvar;
    if (s->rto < RTO_MIN)
        s->rto = RTO_MIN;
    if (s->rto > RTO_MAX)
        s->rto = RTO_MAX;
}

static void halve(struct stream *s)
{
    uint64_t half = (s->highest - s->una) / 2;

    s->ssthresh = half < 2 * payload_max(s) ? 2 * payload_max(s) : (uint32_t)half;
}

static void retransmit_first(struct stream *s)
{
    uint64_t size = s->highest - s->una;

    if (size > payload_max(s))
        size = payload_max(s);
    s->timing = false; /* Karn: its answer would be ambiguous. */
    transmit(s, s->una, (uint32_t)size, FLAG_ANSWER);
}

static void acked(struct stream *s, uint64_t ack, mtime_t now)
{
    uint32_t growth = payload_max(s);

    if (s->timing && ack >= s->timed)
        measure(s, now);
    s->una = ack;
    if (s->next < ack)
        s->next = ack;
    s->backoff = 0;
    s->due = MTIME_NEVER;
    if (s->dup_acks >= 3 && ack < s->recover) {
        retransmit_first(s); /* A partial acknowledgement: the next one is lost as well. */
    } else {
        if (s->dup_acks >= 3)
            s->cwnd = s->ssthresh;
        else if (s->cwnd < s->ssthresh)
            s->cwnd += growth;
        else
            s->cwnd += (uint32_t)((uint64_t)growth * growth / s->cwnd) + 1;
        if (s->cwnd > STREAM_SEND_ROOM)
            s->cwnd = STREAM_SEND_ROOM;
        s->dup_acks = 0;
    }
    if (s->una == s->out_end) {
        free(s->out);
        s->out = NULL;
        s->out_base = s->una;
    }
    if (s->room_wanted && s->out_end - s->una <= STREAM_SEND_ROOM / 2) {
        s->room_wanted = false;
        s->ops->room(s->aux);
    }
}

static void input_ack(struct stream *s, uint64_t ack, uint32_t wnd, bool pure, mtime_t now)
{
    uint64_t limit = ack + wnd;

    if (ack > s->highest || ack < s->una || wnd > STREAM_RECEIVE_ROOM)
        return;
    if (ack > s->una) {
        acked(s, ack, now);
    } else if (pure && s->una < s->highest && limit == s->limit) {
        if (++s->dup_acks == 3) {
            halve(s);
            s->recover = s->highest;
            s->cwnd = s->ssthresh;
            retransmit_first(s);
        }
    }
    if (limit > s->limit)
        s->limit = limit;
    push(s, now);
}

/* Adds a range to those ahead of the gap; they stay ordered, disjoint and not touching. */
static bool gap_add(struct stream *s, uint64_t from, uint64_t to)
{
    unsigned i = 0, j;

    while (i < s->n_gaps && s->gaps[i].to < from)
        i++;
    for (j = i; j < s->n_gaps && s->gaps[j].from <= to; j++) {
        from = s->gaps[j].from < from ? s->gaps[j].from : from;
        to = s->gaps[j].to > to ? s->gaps[j].to : to;
    }
    if (j == i && s->n_gaps == STREAM_GAPS)
        return false;
    memmove(&s->gaps[i + 1], &s->gaps[j], (s->n_gaps - j) * sizeof s->gaps[0]);
    s->n_gaps = s->n_gaps - (j - i) + 1;
    s->gaps[i] = (struct stream_range){from, to};
    return true;
}

static void take_contiguous(struct stream *s)
{
    if (s->n_gaps == 0 || s->gaps[0].from > s->in_next)
        return;
    if (s->gaps[0].to > s->in_next)
        s->in_next = s->gaps[0].to;
    s->n_gaps--;
    memmove(&s->gaps[0], &s->gaps[1], s->n_gaps * sizeof s->gaps[0]);
}

static void deliver(struct stream *s)
{
    uint64_t at = s->in_read;

    s->in_blocked = false;
    while (s->in_next - at >= SIZE_FIELD) {
        const uint8_t *p = s->in + (at - s->in_read);
        uint16_t size = load_be16(p);

        if (size > STREAM_MESSAGE_MAX) {
            s->broken = true;
            break;
        }
        if (s->in_next - at < SIZE_FIELD + (uint64_t)size)
            break;
        if (!s->ops->message(s->aux, p + SIZE_FIELD, size)) {
            s->in_blocked = true;
            break;
        }
        at += SIZE_FIELD + size;
    }
    if (at == s->in_next && s->n_gaps == 0) {
        free(s->in);
        s->in = NULL;
    } else if (at > s->in_read) {
        uint64_t end = s->n_gaps > 0 ? s->gaps[s->n_gaps - 1].to : s->in_next;

        memmove(s->in, s->in + (at - s->in_read), end - at);
    }
    s->in_read = at;
}

static void input_data(struct stream *s, uint64_t from, const uint8_t *data, size_t size)
{
    uint64_t to = from + size;

    if (from < s->in_next) { /* Its beginning is here already. */
        if (to <= s->in_next)
            return;
        data += s->in_next - from;
        from = s->in_next;
    }
    if (to > s->in_read + STREAM_RECEIVE_ROOM || to < from)
        return;
    if (!s->in)
        s->in = malloc(STREAM_RECEIVE_ROOM);
    if (!s->in || !gap_add(s, from, to))
        return;
    memcpy(s->in + (from - s->in_read), data, to - from);
    take_contiguous(s);
    if (!s->in_blocked)
        deliver(s);
}

void stream_input(struct stream *s, const uint8_t *data, size_t size, mtime_t now)
{
    struct cur in = cur_init(data, size);
    uint8_t flags = cur_u8(&in);
    uint64_t from = cur_u64(&in), ack = cur_u64(&in);
    uint32_t wnd = cur_u32(&in);

    if (s->broken || in.bad || from > UINT64_MAX / 2 || ack > UINT64_MAX / 2)
        return;
    size = cur_left(&in);
    if (size > 0)
        input_data(s, from, cur_bytes(&in, size), size);
    input_ack(s, ack, wnd, size == 0, now);
    if (flags & FLAG_ANSWER)
        transmit(s, s->next, 0, 0);
}

void stream_resume(struct stream *s)
{
    if (!s->in_blocked || s->broken)
        return;
    deliver(s);
    transmit(s, s->next, 0, 0); /* The window has opened. */
}

void stream_kick(struct stream *s, mtime_t now)
{
    if (s->una == s->out_end)
        return;
    s->backoff = 0;
    s->next = s->una;
    s->timing = false;
    s->dup_acks = 0;
    s->due = MTIME_NEVER;
    push(s, now);
}

mtime_t stream_deadline(const struct stream *s)
{
    return s->broken ? 0 : s->due;
}

void stream_run(struct stream *s, mtime_t now)
{
    if (s->broken || now < s->due)
        return;
    s->due = MTIME_NEVER;
    if (s->backoff < BACKOFF_MAX)
        s->backoff++;
    s->timing = false;
    if (s->una < s->highest) {
        halve(s);
        s->cwnd = payload_max(s);
        s->dup_acks = 0;
        s->next = s->una;
        s->recover = s->highest;
        if (s->limit <= s->next) /* The window shrank to nothing: ask. */
            transmit(s, s->next, 0, FLAG_ANSWER);
        push(s, now);
    } else if (s->una < s->out_end) {
        transmit(s, s->next, 0, FLAG_ANSWER); /* Is the window still closed? */
        push(s, now);
    }
    if (s->due != MTIME_NEVER)
        timer_arm(s, now);
}
