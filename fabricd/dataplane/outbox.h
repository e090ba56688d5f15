/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A channel to a sibling process: messages are read when there are some, and those that the
 * other side does not take at once wait in a bounded queue.
 */
#ifndef FABRICD_DATAPLANE_OUTBOX_H
#define FABRICD_DATAPLANE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/list.h"
#include "proto/base/loop.h"

#define OUTBOX_MAX (4u << 20) /* Bytes that may wait. */

struct outbox {
    struct loop *loop;
    struct loop_watch watch; /* fd < 0: there is nobody. */
    struct list waiting;
    size_t n_bytes;
    bool want_write; /* Somebody besides the queue waits for room. */
    /* A message came; its descriptors are the callee's. */
    void (*received)(void *aux, struct ipc_message *);
    /* The other side went; the outbox is closed already. */
    void (*closed)(void *aux);
    /* There is room again, after outbox_await_room() or a send that failed. */
    void (*writable)(void *aux);
    void *aux;
};

/* The callbacks must be set. */
void outbox_init(struct outbox *, struct loop *);

/* Takes the descriptor, in place of the one before it; what waited is dropped. */
int outbox_open(struct outbox *, int fd) __attribute__((warn_unused_result));
void outbox_close(struct outbox *);
bool outbox_is_open(const struct outbox *);

/* Sends, or queues. False if there is nobody, or too much waits. Descriptors stay the caller's:
 * a message with descriptors that would have to wait is refused. */
bool outbox_send(struct outbox *, enum ipc_type, uint32_t request, const void *body,
                 const int *fds, unsigned n_fds);

/* Calls `writable` once there is room in the channel. */
void outbox_await_room(struct outbox *);

#endif
