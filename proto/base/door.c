/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/door.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "proto/base/fd.h"

static void rested(struct loop_timer *timer, mtime_t now)
{
    struct door *d = list_entry(timer, struct door, rest);

    (void)now;
    loop_set_events(d->loop, &d->watch, EPOLLIN);
}

static void ready(struct loop_watch *watch, uint32_t events)
{
    struct door *d = list_entry(watch, struct door, watch);

    (void)events;
    for (unsigned i = 0; i < DOOR_PER_TURN && d->watch.slot; i++) {
        int fd = accept4(d->watch.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            d->came(d, fd);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            loop_set_events(d->loop, &d->watch, 0);
            loop_timer_set(d->loop, &d->rest, loop_now(d->loop) + DOOR_REST);
        }
        return;
    }
}

int door_open(struct door *d, struct loop *loop, int sock,
              void (*came)(struct door *, int fd))
{
    int r = fd_set_nonblock(sock);

    *d = (struct door){.loop = loop, .came = came};
    d->watch.fd = -1;
    d->watch.ready = ready;
    d->rest.expired = rested;
    return r < 0 ? r : loop_add(loop, &d->watch, sock, EPOLLIN);
}

int door_close(struct door *d)
{
    int sock = d->watch.slot ? d->watch.fd : -1;

    if (sock < 0)
        return -1;
    loop_timer_set(d->loop, &d->rest, MTIME_NEVER);
    loop_remove(d->loop, &d->watch);
    return sock;
}
