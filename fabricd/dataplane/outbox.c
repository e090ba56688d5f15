/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/dataplane/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"

#define MESSAGES_PER_TURN 32

struct waiting {
    struct list link;
    enum ipc_type type;
    uint32_t request;
    size_t size;
    unsigned char body[];
};

void outbox_init(struct outbox *o, struct loop *loop)
{
    o->loop = loop;
    o->watch.fd = -1;
    list_init(&o->waiting);
}

bool outbox_is_open(const struct outbox *o)
{
    return o->watch.fd >= 0;
}

static void drop_waiting(struct outbox *o)
{
    list_for_each_safe (it, &o->waiting) {
        list_remove(it);
        free(list_entry(it, struct waiting, link));
    }
    o->n_bytes = 0;
}

void outbox_close(struct outbox *o)
{
    int fd = o->watch.fd;

    loop_remove(o->loop, &o->watch);
    o->watch.fd = -1;
    fd_close(&fd);
    drop_waiting(o);
    o->want_write = false;
}

static void update_events(struct outbox *o)
{
    uint32_t events = EPOLLIN;

    if (o->want_write || !list_empty(&o->waiting))
        events |= EPOLLOUT;
    loop_set_events(o->loop, &o->watch, events);
}

static void flush(struct outbox *o)
{
    while (!list_empty(&o->waiting)) {
        struct waiting *w = list_entry(o->waiting.next, struct waiting, link);
        int code = ipc_send(o->watch.fd, w->type, w->request, w->body, NULL, 0);

        if (code == -EAGAIN)
            break;
        list_remove(&w->link);
        o->n_bytes -= w->size;
        free(w);
    }
    update_events(o);
}

static void receive(struct outbox *o)
{
    static struct ipc_message msg; /* 60 KiB: not for the stack. */

    for (int i = 0; i < MESSAGES_PER_TURN && outbox_is_open(o); i++) {
        int code = ipc_recv(o->watch.fd, &msg);

        if (code == -EAGAIN)
            return;
        if (code == -EPROTO ||
            code == -EMSGSIZE) { /* Or no descriptor is left to take it. */
            log_warn("a message from a sibling process is dropped: %s", err_text(code));
            continue;
        }
        if (code <= 0) {
            outbox_close(o);
            o->closed(o->aux);
            return;
        }
        o->received(o->aux, &msg);
    }
}

static void ready(struct loop_watch *w, uint32_t events)
{
    struct outbox *o = list_entry(w, struct outbox, watch);

    if (events & EPOLLOUT) {
        o->want_write = false;
        flush(o);
        if (list_empty(&o->waiting) && o->writable)
            o->writable(o->aux);
    }
    if (outbox_is_open(o) && events & ~(uint32_t)EPOLLOUT)
        receive(o);
}

int outbox_open(struct outbox *o, int fd)
{
    int code = fd_set_nonblock(fd);

    outbox_close(o);
    o->watch.ready = ready;
    if (code == 0)
        code = loop_add(o->loop, &o->watch, fd, EPOLLIN);
    if (code < 0) {
        o->watch.fd = -1;
        fd_close(&fd);
    }
    return code;
}

static bool queue(struct outbox *o, enum ipc_type type, uint32_t request, const void *body)
{
    size_t size = ipc_body_size(type, body);
    struct waiting *w;

    if (o->n_bytes + size > OUTBOX_MAX)
        return false;
    w = malloc(sizeof *w + size);
    if (!w)
        return false;
    w->type = type;
    w->request = request;
    w->size = size;
    if (size)
        memcpy(w->body, body, size);
    list_append(&o->waiting, &w->link);
    o->n_bytes += size;
    update_events(o);
    return true;
}

bool outbox_send(struct outbox *o, enum ipc_type type, uint32_t request, const void *body,
                 const int *fds, unsigned n_fds)
{
    int code = -EAGAIN;

    if (!outbox_is_open(o))
        return false;
    if (list_empty(&o->waiting))
        code = ipc_send(o->watch.fd, type, request, body, fds, n_fds);
    if (code == -EAGAIN)
        return n_fds == 0 && queue(o, type, request, body);
    return code == 0;
}

void outbox_await_room(struct outbox *o)
{
    o->want_write = true;
    if (outbox_is_open(o))
        update_events(o);
}
