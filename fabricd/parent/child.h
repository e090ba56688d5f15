/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One of the two processes beside the parent, as the parent sees it: its channel with a queue, and
 * its process descriptor. It was forked here, or it was running already and has been taken over.
 *
 * A child whose queue is not empty is not read from: it waits for what it asked before it may ask
 * more, so the queue is bounded by what one request answers.
 */
#ifndef FABRICD_PARENT_CHILD_H
#define FABRICD_PARENT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/list.h"
#include "proto/base/loop.h"

struct child;

struct child_ops {
    /* A message; its descriptors are the callee's. */
    void (*message)(struct child *, struct ipc_message *);
    /* The queue is empty and the channel takes more. False: it became full again. */
    bool (*idle)(struct child *);
    /* It is gone, everything has been read from it. `how` says what it died of; it gave up if
     * it ended by itself, saying that it cannot go on. */
    void (*gone)(struct child *, const char *how, bool gave_up);
};

struct child {
    const char *name; /* "switch" */
    const struct child_ops *ops;
    void *aux;
    struct loop *loop;
    bool running;
    pid_t pid;   /* 0 = unknown */
    bool forked; /* By us, so that we reap it. */
    int sock;    /* The channel. */
    int pidfd;   /* -1 = unknown */
    struct loop_watch channel;
    struct loop_watch process;
    struct loop_timer late; /* Its channel has ended and it has not. */
    struct list queue;
};

void child_init(struct child *, const char *name, struct loop *, const struct child_ops *,
                void *aux);

/* Forks. In the new process `main_` is called with the channel, which is its only descriptor
 * beside 0 (/dev/null), 1 and 2, and the process ends with what it returns. Returns 0 or -errno. */
int child_fork(struct child *, int (*main_)(void *aux, int channel))
    __attribute__((warn_unused_result));

/* Takes over a running process. Takes both descriptors; `process` may be -1 when it is not known.
 * Returns 0 or -errno, with both closed. */
int child_take(struct child *, int channel, int process)
    __attribute__((warn_unused_result));

/* Sends, or queues what does not fit. The descriptors stay the caller's. A child that is not
 * running hears nothing. */
void child_send(struct child *, enum ipc_type, uint32_t request, const void *body,
                const int *fds, unsigned n_fds);

/* Asks to be called (ops->idle) when the channel takes more. */
void child_wait(struct child *);

/* Makes room for bursts in a channel. */
void child_widen(int sock);

void child_kill(struct child *);

/* Lets go of it without ending it. */
void child_done(struct child *);

#endif
