/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who runs the stack. One lock; whoever holds it may call lwIP. A program's thread that calls a socket
 * function enters, and takes along what has come and what is due, so that data takes no way through
 * another thread. A thread that must wait drives while it waits: it polls the ports, yields for as
 * long as that has been worth it, then sleeps until a port's bell. Of several waiting threads one
 * drives, the others sleep until they are woken.
 *
 * While no thread is inside, the helper (one thread per stack) serves it: for programs that poll() the
 * descriptors of their sockets, for acknowledgements and timers. It stays away from the bells while
 * threads drive themselves, takes over a millisecond after the last one left, and sleeps without
 * time-out where nothing is due.
 */
#ifndef LIBIOTH_STACK_DRIVE_H
#define LIBIOTH_STACK_DRIVE_H

#include <signal.h>
#include <stdbool.h>

#include "proto/base/list.h"
#include "proto/base/mtime.h"

struct pollfd;

/* What is above: called inside, and calls nothing of here but drive_wake(). */
struct drive_ops {
    /* Somebody is about to leave the stack, or to wait: readiness is shown to pollers. `all`: the
     * program is away, so that nothing is left for later. */
    void (*settle)(bool all);
    /* A port that had no room has some. */
    void (*room)(void);
    /* A descriptor to be watched beside the ports', -1 for none; reap() when it is readable. */
    int (*watch)(void);
    void (*reap)(void);
    /* What poll() has said of a program's descriptors, mended; returns how many have something to say. NULL: it is so. */
    int (*tell)(struct pollfd *fds, unsigned n);
};

/* Starts and ends the helper; drive_stop() returns when it is gone. */
int drive_start(const struct drive_ops *) __attribute__((warn_unused_result));
void drive_stop(void);

void drive_enter(void);
/* The same, but takes nothing along unless that was done long ago: for who may have there already what it wants, and calls
 * drive_step() if not. */
void drive_enter_only(void);
void drive_step(void);
void drive_leave(void);
/* For one that will be back at once, a reader that waits in its calls: what it leaves unsent, acknowledgements, goes out when it
 * comes again or, by the helper, a millisecond later; and the helper leaves to it what comes. */
void drive_leave_for_now(void);

/* A thread that waits for something; on its own stack, in a list of what it waits for. */
struct waiter {
    struct list link;
    void *sleeper; /* The thread's; drive.c's. */
    bool woken;
};

/*
 * Waits, inside, until somebody wakes the waiter, which is in `list` meanwhile. Returns 0, or
 * -ETIMEDOUT, or -EINTR if a signal came.
 */
int drive_wait(struct list *list, mtime_t deadline) __attribute__((warn_unused_result));

/*
 * For a thread that polls descriptors, of its sockets and others: drives until one of them is ready.
 * Outside. `fds` has DRIVE_POLL_OWN more places behind its n. Returns what poll() says of them, 0 at the
 * deadline, or -EINTR; the signal mask is as ppoll() has it. Where another thread drives already, it waits
 * only.
 */
#define DRIVE_POLL_OWN 130u
int drive_poll(struct pollfd *fds, unsigned n, mtime_t deadline, const sigset_t *mask)
    __attribute__((warn_unused_result));

/* In a signal handler: the wait of this thread that it has interrupted, if there is one, ends with -EINTR, also
 * where the thread was not asleep just then. */
void drive_interrupt(void);

/* Wakes all that wait in the list. Inside. */
void drive_wake(struct list *list);

#endif
