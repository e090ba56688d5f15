/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/sync/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"

enum { FRAME_LAST = 0, FRAME_MORE = 1, FRAME_RECEIVED = 2 };

#define OVERHEAD 8u /* What the stream may add to a frame, reckoned generously. */

struct waiting {
    struct list link;
    size_t size, sent;
    uint8_t data[];
};

void pipe_init(struct pipe_end *p, const struct pipe_ops *ops, void *aux,
               size_t max_message)
{
    *p = (struct pipe_end){.ops = ops, .aux = aux, .max_message = max_message};
    list_init(&p->queue);
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

int pipe_input(struct pipe_end *p, const uint8_t *data, size_t size)
{
    uint8_t *whole;
    size_t whole_size;

    if (!size || data[0] > FRAME_RECEIVED) {
        return -EPROTO;
    }
    if (data[0] == FRAME_RECEIVED) {
        return received(p, data + 1, size - 1);
    }
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
