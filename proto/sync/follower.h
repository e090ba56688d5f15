/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A joined host's side: says where it stands and takes what the founding host sends, one
 * transaction of its own store per message, together with the revision that it then has. Pages of
 * a snapshot are gathered and written as one.
 *
 * If its store refuses (a full disk), nothing of that message is kept, and it asks again from
 * where it stands after FOLLOWER_RETRY.
 */
#ifndef PROTO_SYNC_FOLLOWER_H
#define PROTO_SYNC_FOLLOWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/sync/message.h"

#define FOLLOWER_RETRY        (5 * MTIME_SEC)
#define FOLLOWER_SNAPSHOT_MAX (64u * 1024 * 1024) /* Bytes of rows. */

struct follower_ops {
    /* Writes the rows, and that this host has (store, revision), in one transaction. With
     * `snapshot`, rows that are not among these go. Returns 0 or -errno. */
    int (*apply)(void *aux, const struct sync_rows *, bool snapshot);

    void (*send)(void *aux, const void *data, size_t size);
};

struct follower {
    const struct follower_ops *ops;
    void *aux;
    struct sync_follow at; /* Where it stands; kept by apply(). */
    bool up;
    bool current; /* Has been told everything up to some moment of this association. */
    bool deaf;    /* Rows are passed over until the next FOLLOW. */
    bool paging;
    mtime_t retry;
    struct sync_rows pages; /* Of the snapshot under way. */
    size_t pages_room, pages_bytes;
};

void follower_init(struct follower *, const struct follower_ops *, void *aux);
void follower_done(struct follower *);

/* The founding host is reachable: says FOLLOW. `at` is where this host's store stands, and the
 * addresses that it listens on. */
void follower_up(struct follower *, const struct sync_follow *at);
void follower_down(struct follower *);

/* Behind a WELCOME the rows come unasked; the association is not up yet in that sense. */
void follower_welcome(struct follower *);

/* Takes the rows of a message. Returns 0, or what apply() said. */
int follower_rows(struct follower *, const struct sync_rows *, mtime_t now);

mtime_t follower_deadline(const struct follower *);
void follower_run(struct follower *, mtime_t now);

#endif
