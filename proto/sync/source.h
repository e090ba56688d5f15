/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The founding host's side of one follower: what of the store it has still to be told. Pure: the
 * store is read and messages are sent through ops.
 *
 * A follower that names a revision of this store gets what was committed since; one that does
 * not, or lies too far back, gets a snapshot. A snapshot is read in pages while the store may go
 * on changing, so its rows may be newer than the revision it began at; the history from that
 * revision on is sent behind it and puts right whatever fell between two pages.
 *
 * At most SOURCE_AHEAD messages of rows are under way until the follower says HAVE. A result
 * waits until the rows of its revision have been sent, so whoever asked finds what it changed in
 * its own store.
 */
#ifndef PROTO_SYNC_SOURCE_H
#define PROTO_SYNC_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/list.h"
#include "proto/sync/message.h"

#define SOURCE_PAGE  (128u * 1024) /* Bytes of rows in a message, about. */
#define SOURCE_AHEAD 4u
#define SOURCE_HELD                                                                        \
    (8u * 1024 * 1024) /* Bytes of results waiting; what is beyond is lost. */

/* Called for each row, which it borrows; returns non-zero to stop the reading. */
typedef int source_row_fn(void *x, const struct sync_row *);

struct source_ops {
    uint64_t (*revision)(void *aux);

    /* Rows changed after `from`, by revision. Returns what `each` stopped with, 0, -ERANGE (too
     * far back, or in the future) or another -errno. */
    int (*history)(void *aux, uint64_t from, source_row_fn *each, void *x);

    /* Rows by (kind, network, name), those behind `after` only (NULL = all). */
    int (*snapshot)(void *aux, const struct sync_row *after, source_row_fn *each, void *x);

    /* One message; the data is borrowed. */
    void (*send)(void *aux, const void *data, size_t size);
};

struct source {
    const struct source_ops *ops;
    void *aux;
    uint64_t store; /* Names this store. */
    bool following;
    bool greeting; /* An answer is due even if there is nothing to tell. */
    uint32_t round;
    bool paging; /* In a snapshot. */
    bool first_page;
    struct sync_row last; /* The last row sent of it. */
    uint64_t sent;        /* The follower will have everything up to here. */
    uint64_t told;        /* The revision of the last message: later ones held no rows. */
    unsigned under_way;   /* Messages of rows. */
    struct list results;  /* Waiting for rows. */
    size_t held;          /* Bytes of them. */
};

void source_init(struct source *, const struct source_ops *, void *aux, uint64_t store);
void source_done(struct source *);

/* The follower said where it stands. Begins anew. */
void source_follow(struct source *, const struct sync_follow *);

/* Begins with a snapshot, for one that has just become a member. */
void source_welcome(struct source *);

/* The follower said HAVE. */
void source_have(struct source *);

/* Something was committed. */
void source_changed(struct source *);

/* Sends the message once the follower has been sent the rows up to `revision`. One that takes no
 * rows and goes on asking gets no more than SOURCE_HELD kept for it. */
void source_after(struct source *, uint64_t revision, const void *data, size_t size);

#endif
