/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/dgramq.h"

#include <stdlib.h>

#include "libioth/sockets/sock.h"

void dgramq_init(struct dgramq *q)
{
    list_init(&q->list);
    q->size = 0;
    q->dropped = 0;
}

static size_t cost(const struct dgram *d)
{
    return sizeof *d + d->size;
}

struct dgram *dgramq_new(struct dgramq *q, size_t size, size_t limit)
{
    struct dgram *d = NULL;

    /* One always fits, however small the limit. */
    if (q->size + sizeof *d + size <= limit || list_empty(&q->list))
        d = malloc(sizeof *d + size);
    if (!d) {
        q->dropped++;
        return NULL;
    }
    *d = (struct dgram){.size = (uint32_t)size};
    return d;
}

void dgramq_put(struct dgramq *q, struct dgram *d)
{
    q->size += cost(d);
    list_append(&q->list, &d->link);
}

struct dgram *dgramq_first(const struct dgramq *q)
{
    struct list *first = list_first(&q->list);

    return first ? list_entry(first, struct dgram, link) : NULL;
}

void dgramq_pop(struct dgramq *q)
{
    struct dgram *d = dgramq_first(q);

    list_remove(&d->link);
    q->size -= cost(d);
    free(d);
}

void dgramq_clear(struct dgramq *q)
{
    while (!list_empty(&q->list))
        dgramq_pop(q);
}

ssize_t dgramq_copy(const struct dgram *d, struct msghdr *msg, int flags)
{
    size_t n = sock_iov_out(msg, 0, d->data, d->size);

    msg->msg_flags = n < d->size ? MSG_TRUNC : 0;
    return (ssize_t)(flags & MSG_TRUNC ? d->size : n);
}
