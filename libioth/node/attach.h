/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One TAP of a node plugged into a network: offers its descriptor to the daemon, keeps the
 * connection as the port's lifeline, and offers it again, with the name and addresses it had,
 * when the daemon was restarted. Or, where the request says PLUG_RING, a ring, whose descriptors
 * the daemon gives, new ones each time. proto/plug/plug.h is the exchange.
 */
#ifndef LIBIOTH_NODE_ATTACH_H
#define LIBIOTH_NODE_ATTACH_H

#include <stdbool.h>

#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/plug/plug.h"

#define ATTACH_PATIENCE_SEC 15   /* For a reply. */
#define ATTACH_AGAIN_MIN_MS 20   /* The first new attempt after a loss … */
#define ATTACH_GONE_MS      300  /* For the daemon to let a port go. */
#define ATTACH_AGAIN_MAX_MS 1000 /* … and, doubled each time, the slowest. */

struct attach {
    void *aux;             /* The owner's. */
    const char *plug_path; /* The daemon's RUN/plug.sock. Borrowed. */
    int tap;     /* The interface's descriptor: ours until attach_done(). -1 with a ring. */
    int ring[2]; /* Memory and doorbell: ours until somebody takes them; -1 = none there. */
    struct plug_request request;
    struct plug_reply reply; /* The last that was granted. */

    /* Called when an offer of the loop was granted with other addresses than before, and, with
     * why, the first time that one is refused. */
    void (*changed)(struct attach *);
    void (*refused)(struct attach *, const struct plug_reply *why);
    /* Or NULL: each time that the loop has an offer granted, and each time that one has ended. */
    void (*granted)(struct attach *);
    void (*lost)(struct attach *);

    /* Private. */
    struct loop *loop;
    struct loop_watch watch; /* watch.fd is the lifeline. */
    struct loop_timer timer;
    bool waiting; /* For the reply. */
    bool told;    /* Of a refusal. */
    unsigned again_ms;
    struct plug_addr asked[PLUG_MAX_ADDRS]; /* What the first request named. */
    uint8_t n_asked;
};

/* Offers for the first time; waits for the reply. The plug_path, tap and request are set.
 * Returns 0, the daemon's refusal, or -errno if there is no talking to it; `err` recorded. */
int attach_first(struct attach *, struct err *err) __attribute__((warn_unused_result));

/* Offers for the first time without waiting: in the loop, again until it is granted, which is
 * told by changed(). */
void attach_start(struct attach *, struct loop *);

/* From now on the loop keeps it attached. Returns 0 or -errno. */
int attach_keep(struct attach *, struct loop *) __attribute__((warn_unused_result));

/* Unplugs, and plugs in again in the loop. */
void attach_renew(struct attach *);

/* Begins to unplug: the daemon is told. */
void attach_hang_up(struct attach *);

/* Unplugs and closes the TAP. After attach_hang_up() it waits until the daemon has let the port
 * go, so that the name may be used again at once: ATTACH_GONE_MS at most. */
void attach_done(struct attach *);

/* The same without waiting: for a process that will plug the name in again itself, or ends. */
void attach_drop(struct attach *);

#endif
