/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/sync/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"

enum {
    FRAME_LAST = 0,
    FRAME_MORE = 1,
    FRAME_RECEIVED = 2,
    FRAME_START = 3,
    FRAME_STARTED = 4
};

#define OVERHEAD 8u /* What the stream may add to a frame, reckoned generously. */

struct waiting {
    struct list link;
    size_t size, sent;
    uint8_t data[];
};

static void send_number(struct pipe_end *p, uint8_t kind, uint64_t number)
{
    uint8_t frame[9];
    struct wr w = wr_init(frame, sizeof(frame));

    wr_u8(&w, kind);
    wr_u64(&w, number);
    p->ops->frame(p->aux, frame, wr_size(&w));
}

void pipe_init(struct pipe_end *p, const struct pipe_ops *ops, void *aux,
               size_t max_message, uint64_t number)
{
    *p = (struct pipe_end){
        .ops = ops, .aux = aux, .max_message = max_message, .own = number};
    list_init(&p->queue);
    send_number(p, FRAME_START, number);
}

void pipe_done(struct pipe_end *p)
{
    list_for_each_safe (it, &p->queue) {
        free(list_entry(it, struct waiting, link));
    }
    list_init(&p->queue);
    free(p->in);
    p->in = NULL;
    p->in_size = p->in_room = p->queued = 0;
    p->under_way = 0;
    p->ungranted = 0;
}

static void pump(struct pipe_end *p)
{
    uint8_t frame[PIPE_FRAME_MAX];

    while (!list_empty(&p->queue) && p->under_way + PIPE_FRAME_MAX <= PIPE_WINDOW) {
        struct waiting *w = list_entry(list_first(&p->queue), struct waiting, link);
        size_t left = w->size - w->sent;
        size_t part = left < PIPE_FRAME_MAX - 1 ? left : PIPE_FRAME_MAX - 1;

        frame[0] = part == left ? FRAME_LAST : FRAME_MORE;
        memcpy(frame + 1, w->data + w->sent, part);
        w->sent += part;
        p->queued -= part;
        p->under_way += part + 1 + OVERHEAD;
        if (part == left) {
            list_remove(&w->link);
            free(w);
        }
        p->ops->frame(p->aux, frame, part + 1);
    }
}

int pipe_send(struct pipe_end *p, const void *data, size_t size)
{
    struct waiting *w;

    if (!p->open) {
        return -ENOTCONN;
    }
    if (p->queued + size > PIPE_QUEUE_MAX) {
        return -ENOBUFS;
    }
    w = xcalloc(1, sizeof(*w) + size);
    w->size = size;
    memcpy(w->data, data, size);
    p->queued += size;
    list_append(&p->queue, &w->link);
    pump(p);
    return 0;
}

static int received(struct pipe_end *p, const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    uint32_t n = cur_u32(&c);

    if (!cur_done(&c) || n > p->under_way) {
        return -EPROTO;
    }
    p->under_way -= n;
    pump(p);
    return 0;
}

static void grant(struct pipe_end *p, size_t size)
{
    uint8_t frame[5];
    struct wr w = wr_init(frame, sizeof(frame));

    p->ungranted += (uint32_t)(size + OVERHEAD);
    if (p->ungranted < PIPE_GRANT) {
        return;
    }
    wr_u8(&w, FRAME_RECEIVED);
    wr_u32(&w, p->ungranted);
    p->ungranted = 0;
    p->ops->frame(p->aux, frame, wr_size(&w));
}

static int start(struct pipe_end *p, uint64_t number)
{
    bool known = number == p->theirs;

    if (!known) {
        pipe_done(p); /* What was under way and waiting. */
        p->theirs = number;
    }
    send_number(p, FRAME_STARTED, number);
    if (!known && !p->open) {
        send_number(p, FRAME_START, p->own);
    } else if (!known) {
        p->ops->began(p->aux);
    }
    return 0;
}

static int started(struct pipe_end *p, uint64_t number)
{
    if (number != p->own || p->open) {
        return 0;
    }
    p->open = true;
    p->ops->began(p->aux);
    pump(p);
    return 0;
}

/* START and STARTED. */
static int begin(struct pipe_end *p, const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    uint8_t kind = cur_u8(&c);
    uint64_t number = cur_u64(&c);

    if (!cur_done(&c) || !number) {
        return -EPROTO;
    }
    return kind == FRAME_START ? start(p, number) : started(p, number);
}

static int piece(struct pipe_end *p, const uint8_t *data, size_t size)
{
    uint8_t *whole;
    size_t whole_size;

    if (p->in_size + size - 1 > p->max_message) {
        return -EMSGSIZE;
    }
    if (p->in_size + size > p->in_room) {
        p->in_room = (p->in_size + size) * 2;
        p->in = xrealloc(p->in, p->in_room);
    }
    memcpy(p->in + p->in_size, data + 1, size - 1);
    p->in_size += size - 1;
    grant(p, size);
    if (data[0] == FRAME_MORE) {
        return 0;
    }
    whole = p->in;
    whole_size = p->in_size;
    p->in = NULL;
    p->in_size = p->in_room = 0;
    p->ops->message(p->aux, whole, whole_size);
    free(whole);
    return 0;
}

int pipe_input(struct pipe_end *p, const uint8_t *data, size_t size)
{
    if (!size || data[0] > FRAME_STARTED) {
        return -EPROTO;
    }
    if (data[0] >= FRAME_START) {
        return begin(p, data, size);
    }
    if (!p->open) { /* From before we began. */
        return 0;
    }
    return data[0] == FRAME_RECEIVED ? received(p, data + 1, size - 1)
                                     : piece(p, data, size);
}
