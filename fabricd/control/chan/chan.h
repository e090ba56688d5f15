/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control's end of a channel to a sibling process: messages queue while the other side is busy,
 * and requests find their replies. A channel that dies fails what was asked over it.
 */
#ifndef FABRICD_CONTROL_CHAN_CHAN_H
#define FABRICD_CONTROL_CHAN_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/list.h"
#include "proto/base/loop.h"

struct chan {
    struct loop *loop;
    struct loop_watch watch; /* watch.fd < 0: closed */
    struct list queue;       /* Messages that did not fit yet. */
    unsigned n_queue;
    struct list asked;
    uint32_t last_request;
    /* Everything that is no reply. The message's descriptors are the handler's if it sets
     * them to -1; the rest is closed after it returns. */
    void (*message)(struct chan *, struct ipc_message *);
    void (*lost)(
        struct chan *); /* The other side is gone; the channel is closed already. */
    void *aux;
};

#define CHAN_MAX_QUEUE                                                                     \
    65536u /* Messages; over it the oldest requester has a dead sibling. */

/* Takes the socket. Returns 0 or -errno. */
int chan_open(struct chan *, struct loop *, int sock) __attribute__((warn_unused_result));
void chan_close(struct chan *); /* Fails what was asked with -EPIPE. Harmless if closed. */
bool chan_up(const struct chan *);

/* Sends, or queues. Descriptors are taken over in any case. Quietly drops when closed: state is
 * sent again to whoever comes next. */
void chan_send(struct chan *, enum ipc_type type, const void *body, const int *fds,
               unsigned n_fds);

/* Called once: with the reply, or with NULL if the channel died. */
typedef void chan_reply_fn(void *aux, struct ipc_message *reply);

/* Sends a request; its reply is whatever comes back with the request's number. Replies in
 * several messages (IPC_STATS_*) are given one by one until one of type `last` (0 = the first
 * one is the last). Returns the number of the request, 0 if the channel is closed (`reply` has
 * been called then). */
uint32_t chan_ask(struct chan *, enum ipc_type type, const void *body, enum ipc_type last,
                  chan_reply_fn *reply, void *aux);

/* Forgets a request: its reply is ignored. */
void chan_forget(struct chan *, uint32_t request);

#endif
