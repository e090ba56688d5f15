/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A listening socket in a loop. Takes who comes, so many in a turn; while no descriptor (or no
 * memory) is to be had it rests, since whoever waits at the door goes on waiting and would keep the
 * loop busy.
 */
#ifndef PROTO_BASE_DOOR_H
#define PROTO_BASE_DOOR_H

#include "proto/base/loop.h"

#define DOOR_PER_TURN 16u
#define DOOR_REST     (100 * MTIME_MS)

struct door {
    struct loop *loop;
    struct loop_watch watch; /* watch.fd: the socket; -1 = closed. */
    struct loop_timer rest;
    /* Takes the connection, which is non-blocking. May close the door, not free it. */
    void (*came)(struct door *, int fd);
};

/* The socket stays the caller's and becomes non-blocking. Returns 0 or -errno. */
int door_open(struct door *, struct loop *, int sock, void (*came)(struct door *, int fd))
    __attribute__((warn_unused_result));

/* Nobody is taken any more. Returns the socket, -1 if the door was not open (or is all zero). */
int door_close(struct door *);

#endif
