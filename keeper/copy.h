/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * At the host that a service moves to: makes its state folders what they are at the other host. A pass
 * lists each folder there, takes away what is not in it, and fetches the files whose size or time
 * differs; so the second pass, when the service has stopped, brings what changed since the first. A file
 * that had changed just before it was listed is fetched in any case, and again by the second pass: it may
 * change once more within one step of its file system's clock.
 * Files appear whole. Modes and times are kept; owners are the service's user.
 *
 * A folder that both hosts share (NFS, or two daemons of one machine) must not be copied onto itself: files that
 * the running program has open would be replaced under it. So before the first pass changes anything in
 * a folder it leaves a file of random content there and asks the other host for it.
 */
#ifndef KEEPER_COPY_H
#define KEEPER_COPY_H

#include "keeper/spec.h"
#include "keeper/tree.h"
#include "proto/base/loop.h"

struct copy {
    struct loop *loop;
    /* Asks the other keeper; copy_heard() brings the answer. Takes the node. */
    void (*ask)(struct copy *, struct node *);
    void (*done)(struct copy *);                    /* The pass is done. */
    void (*failed)(struct copy *, const char *why); /* It is tried again. */

    /* Private. */
    const struct spec *spec; /* Borrowed until the next copy_want(). */
    int64_t move;            /* The number of the move that the passes are for. */
    bool running, stopped;
    unsigned pass, passed; /* The one that goes on; the last that is done. */
    int64_t id;            /* Of the question that is out; 0 = none. */
    int64_t last_id;
    int64_t folder;
    int root;         /* Of it, here. */
    char *shared;     /* By folder: SHARED_… of copy.c. */
    char mark[40];    /* What was left in the folder and is asked for; "" = nothing. */
    struct tree tree; /* As it is there. */
    size_t at;        /* The entry that is being made. */
    int fd;           /* The file that is being written; -1 = none. */
    uint64_t offset;
    unsigned failures; /* In a row. */
    int64_t progress;  /* Bytes and entries, of all passes. */
    struct loop_timer again;
};

void copy_init(struct copy *, struct loop *);
void copy_free(struct copy *);

/*
 * How many passes are wanted for the move of that number: with 2 the other host answers once its program
 * has stopped. Passes for another move, or over other folders, do not count; 0 wants none, and those that were
 * made do not count either. The spec is borrowed until the next call; it may be NULL with 0.
 */
void copy_want(struct copy *, const struct spec *, int64_t move, unsigned passes);

/* The answer to the question `id`; NULL: there was none, it is asked again. */
void copy_heard(struct copy *, int64_t id, const struct node *answer);

#endif
