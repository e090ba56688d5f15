/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/sync/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

struct held {
    struct list link;
    uint64_t revision;
    size_t size;
    uint8_t data[];
};

void source_init(struct source *s, const struct source_ops *ops, void *aux, uint64_t store)
{
    *s = (struct source){.ops = ops, .aux = aux, .store = store};
    list_init(&s->results);
}

void source_done(struct source *s)
{
    list_for_each_safe (it, &s->results) {
        free(list_entry(it, struct held, link));
    }
    list_init(&s->results);
    s->held = 0;
    sync_row_done(&s->last);
    s->following = false;
}

/* Rows gathered for one message. */
struct batch {
    struct sync_rows rows;
    size_t room, bytes;
    bool whole_revisions; /* May end only where a revision does. */
    bool more;
};

static int gather(void *x, const struct sync_row *row)
{
    struct batch *b = x;

    if (b->bytes >= SOURCE_PAGE &&
        (!b->whole_revisions || b->rows.row[b->rows.n - 1].revision != row->revision)) {
        b->more = true;
        return 1;
    }
    if (b->rows.n == b->room) {
        b->room = b->room ? b->room * 2 : 16;
        b->rows.row = xrealloc(b->rows.row, b->room * sizeof(*b->rows.row));
    }
    b->rows.row[b->rows.n++] = sync_row_copy(row);
    b->bytes += sync_row_size(row);
    return 0;
}

static void drop_batch(struct batch *b)
{
    for (size_t i = 0; i < b->rows.n; i++) {
        sync_row_done(&b->rows.row[i]);
    }
    free(b->rows.row);
}

static void begin_snapshot(struct source *s)
{
    s->paging = s->first_page = true;
    sync_row_done(&s->last);
    s->sent = s->ops->revision(s->aux);
}

static void send_batch(struct source *s, struct batch *b)
{
    struct sync_message m = {.type = SYNC_ROWS, .u.rows = b->rows};
    size_t size;
    uint8_t *data;

    m.u.rows.store = s->store;
    m.u.rows.round = s->round;
    data = sync_encode(&m, &size);
    sync_done(&m);
    if (!data) {
        /* A transaction that no message holds: only a snapshot's pages can carry it. */
        begin_snapshot(s);
        return;
    }
    s->under_way++;
    s->ops->send(s->aux, data, size);
    free(data);
}

/* Returns false if the store could not be read. */
static bool send_page(struct source *s)
{
    struct batch b = {.rows.revision = s->sent, .rows.flags = SYNC_ROWS_SNAPSHOT};
    int r = s->ops->snapshot(s->aux, s->first_page ? NULL : &s->last, gather, &b);

    if (r < 0) {
        s->following = false;
        drop_batch(&b);
        return false;
    }
    if (b.rows.n) {
        sync_row_done(&s->last);
        s->last = sync_row_copy(&b.rows.row[b.rows.n - 1]);
    }
    b.rows.flags |= (uint8_t)(s->first_page ? SYNC_ROWS_FIRST : 0);
    b.rows.flags |= (uint8_t)(b.more ? 0 : SYNC_ROWS_LAST);
    s->first_page = s->greeting = false;
    s->paging = b.more;
    s->told = s->sent;
    send_batch(s, &b);
    return true;
}

static bool send_history(struct source *s)
{
    struct batch b = {.rows.from = s->told,
                      .rows.revision = s->ops->revision(s->aux),
                      .whole_revisions = true};
    int r = s->ops->history(s->aux, s->sent, gather, &b);

    if (r < 0) {
        drop_batch(&b);
        s->following = r == -ERANGE;
        if (s->following) {
            begin_snapshot(s);
        }
        return s->following;
    }
    if (b.more) {
        b.rows.revision = b.rows.row[b.rows.n - 1].revision;
    }
    s->sent = b.rows.revision;
    if (b.rows.n || s->greeting) {
        s->greeting = false;
        s->told = b.rows.revision;
        send_batch(s, &b);
    }
    return true;
}

static void send_results(struct source *s)
{
    list_for_each_safe (it, &s->results) {
        struct held *h = list_entry(it, struct held, link);

        if (s->paging || h->revision > s->sent) {
            break; /* They were asked for, and answered, in order. */
        }
        list_remove(&h->link);
        s->held -= h->size;
        s->ops->send(s->aux, h->data, h->size);
        free(h);
    }
}

static void pump(struct source *s)
{
    while (s->following && s->under_way < SOURCE_AHEAD &&
           (s->paging || s->greeting || s->sent != s->ops->revision(s->aux))) {
        if (!(s->paging ? send_page(s) : send_history(s))) {
            break;
        }
    }
    if (s->following) {
        send_results(s);
    }
}

void source_follow(struct source *s, const struct sync_follow *at)
{
    s->following = s->greeting = true;
    s->round = at->round;
    s->paging = false;
    s->under_way = 0;
    s->sent = s->told = at->revision;
    if (at->store != s->store || at->revision > s->ops->revision(s->aux)) {
        begin_snapshot(s);
    }
    pump(s);
}

void source_welcome(struct source *s)
{
    s->following = true;
    s->round = 0;
    s->under_way = 0;
    begin_snapshot(s);
    pump(s);
}

void source_have(struct source *s)
{
    if (s->under_way) {
        s->under_way--;
    }
    pump(s);
}

void source_changed(struct source *s)
{
    pump(s);
}

void source_after(struct source *s, uint64_t revision, const void *data, size_t size)
{
    struct held *h;

    if (size > SOURCE_HELD - s->held) {
        return;
    }
    h = xcalloc(1, sizeof(*h) + size);
    s->held += size;
    h->revision = revision;
    h->size = size;
    memcpy(h->data, data, size);
    list_append(&s->results, &h->link);
    pump(s);
}
