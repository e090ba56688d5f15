/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A jack joins a TAP of a stack to its network. A network of the fabric takes the TAP itself (its
 * switch reads and writes it, so we are not in the way), and is offered it again when the daemon was
 * restarted. For any other network of libvdeplug we carry the frames. One thread serves all jacks of a
 * stack.
 */
#ifndef LIBIOTH_VDESTACK_JACK_H
#define LIBIOTH_VDESTACK_JACK_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

#include "libioth/netns/netcfg.h"
#include "libioth/plug/plug.h"
#include "libioth/port/port.h"
#include "proto/base/err.h"
#include "proto/base/mtime.h"

#define JACKS_MAX 64u

struct jack {
    int tap;           /* The jack's. */
    struct plug *plug; /* A fabric network, or … */
    struct port *port; /* … another one. */
    mtime_t again;     /* When to offer the TAP again. */
};

struct jacks {
    struct jack *of[JACKS_MAX];
    unsigned n;
    int stop[2]; /* A pair; closing ours ends the thread. */
    pthread_t thread;
    bool running;
};

/* Joins `tap` to the VNL. On success the jack owns the TAP, and *config says how its interface is to be
 * (but for its name). Returns 0 or -errno. */
int jack_open(const char *vnl, int tap, struct jack **out, struct netcfg *config,
              struct err *err) __attribute__((warn_unused_result));
void jack_free(struct jack *);

/* Serves what is in of[n]; with none there is no thread. Returns 0 or -errno. */
int jacks_start(struct jacks *) __attribute__((warn_unused_result));

/* Ends the thread and frees the jacks. */
void jacks_end(struct jacks *);

#endif
