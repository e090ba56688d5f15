/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop: one epoll, level-triggered; the clock is read once per turn. A handler may
 * add, change and remove any watch or timer, its own too, at any time: a removed watch is never
 * called again, not even for an event already fetched. Watches and timers are embedded in their
 * owners; the loop owns nothing. Single-threaded.
 */
#ifndef PROTO_BASE_LOOP_H
#define PROTO_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/list.h"
#include "proto/base/mtime.h"

struct loop;

struct loop_watch {
    void (*ready)(struct loop_watch *, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP … */
    int fd;
    uint32_t slot; /* The loop's. */
};

struct loop_timer {
    void (*expired)(struct loop_timer *, mtime_t now);
    mtime_t due;
    uint32_t index; /* The loop's: 0 = not armed. */
};

struct loop *loop_new(void); /* NULL and errno if epoll cannot be had. */
void loop_free(struct loop *);

/* Runs until loop_stop(). */
void loop_run(struct loop *);

/* One turn that waits at most until `until` (0: does not wait; MTIME_NEVER: no bound). */
void loop_turn(struct loop *, mtime_t until);

void loop_stop(struct loop *);

/* The time of this turn. */
mtime_t loop_now(const struct loop *);

/* Reads the clock again: for a handler that has worked long. */
mtime_t loop_now_fresh(struct loop *);

/* Watches fd for `events` (level-triggered). w->ready must be set. Returns 0 or -errno. */
int loop_add(struct loop *, struct loop_watch *w, int fd, uint32_t events)
    __attribute__((warn_unused_result));
void loop_set_events(struct loop *, struct loop_watch *w, uint32_t events);

/* Stops watching; harmless if w is not watched (fd < 0 or never added and zeroed). The
 * descriptor stays open and the caller's. */
void loop_remove(struct loop *, struct loop_watch *w);

/* Arms (or moves) a timer; MTIME_NEVER disarms it. */
void loop_timer_set(struct loop *, struct loop_timer *, mtime_t due);

/* Called at the end of each turn, before the loop waits: for flushes that span a turn. */
void loop_set_turn_end(struct loop *, void (*turn_end)(void *aux), void *aux);

/* Called before the loop looks at its descriptors; true: it looks, and does not wait. For who polls
 * memory as well. */
void loop_set_poll(struct loop *, bool (*poll)(void *aux), void *aux);

#endif
