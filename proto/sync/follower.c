/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/sync/follower.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

static void drop_pages(struct follower *f)
{
    for (size_t i = 0; i < f->pages.n; i++) {
        sync_row_done(&f->pages.row[i]);
    }
    free(f->pages.row);
    f->pages = (struct sync_rows){0};
    f->pages_room = f->pages_bytes = 0;
}

void follower_init(struct follower *f, const struct follower_ops *ops, void *aux)
{
    *f = (struct follower){.ops = ops, .aux = aux, .retry = MTIME_NEVER};
}

void follower_done(struct follower *f)
{
    drop_pages(f);
}

static void say(struct follower *f, const struct sync_message *m)
{
    size_t size;
    uint8_t *data = sync_encode(m, &size);

    if (data) {
        f->ops->send(f->aux, data, size);
        free(data);
    }
}

static void say_follow(struct follower *f)
{
    struct sync_message m = {.type = SYNC_FOLLOW, .u.follow = f->at};

    f->at.round++;
    m.u.follow.round = f->at.round;
    f->deaf = false;
    f->paging = false;
    f->retry = MTIME_NEVER;
    drop_pages(f);
    say(f, &m);
}

void follower_up(struct follower *f, const struct sync_follow *at)
{
    uint32_t round = f->at.round;

    f->at = *at;
    f->at.round = round;
    f->up = true;
    f->current = false;
    say_follow(f);
}

void follower_welcome(struct follower *f)
{
    f->at = (struct sync_follow){0};
    f->deaf = f->paging = f->current = false;
    drop_pages(f);
}

void follower_down(struct follower *f)
{
    f->up = f->current = false;
    f->retry = MTIME_NEVER;
    drop_pages(f);
}

static int fail(struct follower *f, int code, mtime_t now)
{
    f->deaf = true;
    f->retry = now + FOLLOWER_RETRY;
    drop_pages(f);
    return code;
}

static int keep_page(struct follower *f, const struct sync_rows *rows)
{
    if (rows->flags & SYNC_ROWS_FIRST) {
        drop_pages(f);
    }
    for (size_t i = 0; i < rows->n; i++) {
        f->pages_bytes += sync_row_size(&rows->row[i]);
        if (f->pages_bytes > FOLLOWER_SNAPSHOT_MAX) {
            return -EFBIG;
        }
        if (f->pages.n == f->pages_room) {
            f->pages_room = f->pages_room ? f->pages_room * 2 : 64;
            f->pages.row = xrealloc(f->pages.row, f->pages_room * sizeof(*f->pages.row));
        }
        f->pages.row[f->pages.n++] = sync_row_copy(&rows->row[i]);
    }
    f->pages.store = rows->store;
    f->pages.revision = rows->revision;
    return 0;
}

int follower_rows(struct follower *f, const struct sync_rows *rows, mtime_t now)
{
    struct sync_message have = {.type = SYNC_HAVE, .u.have = rows->revision};
    bool snapshot = rows->flags & SYNC_ROWS_SNAPSHOT;
    bool whole = !snapshot || rows->flags & SYNC_ROWS_LAST;
    int r = 0;

    if (f->deaf || rows->round != f->at.round) { /* They answer an older FOLLOW. */
        return 0;
    }
    /* History of another store, or with a gap: only a fault of the other side can cause it. */
    if (snapshot ? !f->paging && !(rows->flags & SYNC_ROWS_FIRST)
                 : rows->store != f->at.store || rows->from != f->at.revision) {
        return fail(f, -EPROTO, now);
    }
    if (snapshot) {
        f->paging = !whole;
        r = keep_page(f, rows);
    }
    if (!r && whole) {
        r = f->ops->apply(f->aux, snapshot ? &f->pages : rows, snapshot);
    }
    if (r < 0) {
        return fail(f, r, now);
    }
    if (whole) {
        f->at.store = rows->store;
        f->at.revision = rows->revision;
        f->current = true;
    }
    if (snapshot && whole) {
        drop_pages(f);
    }
    say(f, &have);
    return 0;
}

mtime_t follower_deadline(const struct follower *f)
{
    return f->up ? f->retry : MTIME_NEVER;
}

void follower_run(struct follower *f, mtime_t now)
{
    if (f->up && f->retry <= now) {
        say_follow(f);
    }
}
