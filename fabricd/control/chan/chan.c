/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See chan.h. The channel's watch asks for EPOLLOUT only while messages are queued. */
#include "fabricd/control/chan/chan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

struct queued {
    struct list link;
    uint16_t type;
    uint32_t request;
    int fds[IPC_MAX_FDS];
    unsigned n_fds;
    size_t size;
    uint8_t body[]; /* As large as the type says. */
};

struct asked {
    struct list link;
    uint32_t request;
    uint16_t last;
    bool forgotten;
    chan_reply_fn *reply;
    void *aux;
};

/* The most messages taken from one channel in one turn of the loop. */
#define CHAN_BUDGET 64

static void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fd_close(&fds[i]);
}

static void take_reply(struct asked *asked, struct ipc_message *msg)
{
    bool last = asked->last == 0 || msg->head.type == asked->last;

    if (last)
        list_remove(&asked->link);
    if (!asked->forgotten)
        asked->reply(asked->aux, msg);
    if (last)
        free(asked);
}

static struct asked *find_asked(struct chan *chan, uint32_t request)
{
    list_for_each (it, &chan->asked) {
        struct asked *asked = list_entry(it, struct asked, link);
        if (asked->request == request)
            return asked;
    }
    return NULL;
}

static void dispatch(struct chan *chan, struct ipc_message *msg)
{
    struct asked *asked = NULL;

    if (msg->head.request != 0)
        asked = find_asked(chan, msg->head.request);
    if (asked != NULL)
        take_reply(asked, msg);
    else
        chan->message(chan, msg);
    close_all(msg->fds, msg->n_fds);
}

static void lose(struct chan *chan)
{
    chan_close(chan);
    if (chan->lost != NULL)
        chan->lost(chan);
}

static void flush(struct chan *chan)
{
    while (!list_empty(&chan->queue)) {
        struct queued *q = list_entry(list_first(&chan->queue), struct queued, link);
        int r = ipc_send(chan->watch.fd, q->type, q->request, q->body, q->fds, q->n_fds);

        if (r == -EAGAIN)
            return;
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
            log_error("message %s could not be sent: %s", ipc_type_name(q->type),
                      err_text(r));
        list_remove(&q->link);
        chan->n_queue--;
        close_all(q->fds, q->n_fds);
        free(q);
    }
    loop_set_events(chan->loop, &chan->watch, EPOLLIN);
}

static void receive(struct chan *chan)
{
    /* Too large for the stack of a busy process, and only one is read at a time. */
    struct ipc_message *msg = xcalloc(1, sizeof(*msg));

    for (int i = 0; i < CHAN_BUDGET && chan_up(chan); i++) {
        int r = ipc_recv(chan->watch.fd, msg);

        if (r == -EAGAIN || r == -EINTR)
            break;
        if (r == -EPROTO) {
            log_error("a message of a sibling process was refused");
            continue;
        }
        if (r <= 0) {
            lose(chan);
            break;
        }
        dispatch(chan, msg);
    }
    free(msg);
}

static void ready(struct loop_watch *watch, uint32_t events)
{
    struct chan *chan = list_entry(watch, struct chan, watch);

    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        receive(chan);
    if ((events & EPOLLOUT) != 0 && chan_up(chan))
        flush(chan);
}

int chan_open(struct chan *chan, struct loop *loop, int sock)
{
    int r;

    chan->loop = loop;
    chan->watch.ready = ready;
    list_init(&chan->queue);
    list_init(&chan->asked);
    chan->n_queue = 0;
    r = fd_set_nonblock(sock);
    if (r == 0)
        r = loop_add(loop, &chan->watch, sock, EPOLLIN);
    if (r < 0) {
        fd_close(&sock);
        chan->watch.fd = -1;
    }
    return r;
}

void chan_close(struct chan *chan)
{
    if (!chan_up(chan))
        return;
    loop_remove(chan->loop, &chan->watch);
    fd_close(&chan->watch.fd);
    while (!list_empty(&chan->queue)) {
        struct queued *q = list_entry(list_first(&chan->queue), struct queued, link);
        list_remove(&q->link);
        close_all(q->fds, q->n_fds);
        free(q);
    }
    chan->n_queue = 0;
    while (!list_empty(&chan->asked)) {
        struct asked *asked = list_entry(list_first(&chan->asked), struct asked, link);
        list_remove(&asked->link);
        if (!asked->forgotten)
            asked->reply(asked->aux, NULL);
        free(asked);
    }
}

bool chan_up(const struct chan *chan)
{
    return chan->loop != NULL && chan->watch.fd >= 0;
}

static void enqueue(struct chan *chan, enum ipc_type type, uint32_t request,
                    const void *body, int *fds, unsigned n_fds)
{
    size_t size = ipc_body_size(type, body);
    struct queued *q = xcalloc(1, sizeof(*q) + size);

    q->type = (uint16_t)type;
    q->request = request;
    q->size = size;
    if (size > 0)
        memcpy(q->body, body, size);
    for (unsigned i = 0; i < n_fds; i++)
        q->fds[i] = fds[i];
    q->n_fds = n_fds;
    list_append(&chan->queue, &q->link);
    chan->n_queue++;
    loop_set_events(chan->loop, &chan->watch, EPOLLIN | EPOLLOUT);
}

static void put(struct chan *chan, enum ipc_type type, uint32_t request, const void *body,
                const int *fds, unsigned n_fds)
{
    int mine[IPC_MAX_FDS];
    int r = -EAGAIN;

    n_fds = n_fds < IPC_MAX_FDS ? n_fds : IPC_MAX_FDS;
    for (unsigned i = 0; i < n_fds; i++)
        mine[i] = fds[i];
    if (!chan_up(chan) || chan->n_queue >= CHAN_MAX_QUEUE) {
        if (chan_up(chan))
            log_warn("message %s dropped: a sibling process takes none",
                     ipc_type_name(type));
        close_all(mine, n_fds);
        return;
    }
    if (list_empty(&chan->queue))
        r = ipc_send(chan->watch.fd, type, request, body, mine, n_fds);
    if (r == -EAGAIN) {
        enqueue(chan, type, request, body, mine, n_fds);
        return;
    }
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        log_error("message %s could not be sent: %s", ipc_type_name(type), err_text(r));
    close_all(mine, n_fds);
}

void chan_send(struct chan *chan, enum ipc_type type, const void *body, const int *fds,
               unsigned n_fds)
{
    put(chan, type, 0, body, fds, n_fds);
}

uint32_t chan_ask(struct chan *chan, enum ipc_type type, const void *body,
                  enum ipc_type last, chan_reply_fn *reply, void *aux)
{
    struct asked *asked;

    if (!chan_up(chan)) {
        reply(aux, NULL);
        return 0;
    }
    asked = xcalloc(1, sizeof(*asked));
    asked->request = ++chan->last_request != 0 ? chan->last_request : ++chan->last_request;
    asked->last = (uint16_t)last;
    asked->reply = reply;
    asked->aux = aux;
    list_append(&chan->asked, &asked->link);
    put(chan, type, asked->request, body, NULL, 0);
    return asked->request;
}

void chan_forget(struct chan *chan, uint32_t request)
{
    struct asked *asked =
        request != 0 && chan->loop != NULL ? find_asked(chan, request) : NULL;

    if (asked != NULL)
        asked->forgotten = true;
}
