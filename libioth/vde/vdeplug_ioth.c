/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvdeplug_ioth.so: the VNL ioth://NET[:VLAN] for every program of libvdeplug, by a ring.
 *
 * A program polls one descriptor and then takes one frame. Here it is an epoll of the ring's doorbell,
 * which rings only where we have said that we wait, and of an eventfd of ours: frames that came
 * between the last look and that announcement show by the latter.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvdeplug.h>
#include <libvdeplug_mod.h>

#include "libioth/plug/locate.h"
#include "libioth/plug/plug.h"
#include "libioth/port/port.h"
#include "proto/base/fd.h"

#define NOTHING                                                                            \
    1 /* What recv returns where the descriptor told of a frame, and there is none. */

struct ioth_conn {
    void *handle; /* libvdeplug's own: the first two, in this order. */
    struct vdeplug_module *module;
    struct plug *plug;
    int poller; /* What the program polls. */
    int more;   /* An eventfd: frames are there though no bell rang. */
    bool more_set;
    struct frame frames[FRAME_BURST]; /* Being handed out. */
    unsigned n_frames, next;
};

static struct ioth_conn *mine(VDECONN *conn)
{
    return (struct ioth_conn *)(void *)conn;
}

static void show_more(struct ioth_conn *c, bool more)
{
    uint64_t count = 1;

    if (more == c->more_set)
        return;
    if (more)
        (void)!write(c->more, &count, sizeof count);
    else
        (void)!read(c->more, &count, sizeof count);
    c->more_set = more;
}

/* The ring is empty: from now on the bell tells. */
static void wait_for_bell(struct ioth_conn *c)
{
    plug_wait_end(c->plug);
    show_more(c, !plug_wait_begin(c->plug));
}

static int ioth_close(VDECONN *conn)
{
    struct ioth_conn *c = mine(conn);

    plug_free(c->plug);
    fd_close(&c->poller);
    fd_close(&c->more);
    free(c);
    return 0;
}

static int watch(struct ioth_conn *c)
{
    struct epoll_event e = {.events = EPOLLIN};

    c->poller = epoll_create1(EPOLL_CLOEXEC);
    c->more = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->poller < 0 || c->more < 0 ||
        epoll_ctl(c->poller, EPOLL_CTL_ADD, c->more, &e) < 0 ||
        epoll_ctl(c->poller, EPOLL_CTL_ADD, plug_bell(c->plug), &e) < 0)
        return -errno;
    return 0;
}

static VDECONN *ioth_open(char *where, char *descr, int version, struct vde_open_args *args)
{
    struct plug_request q = {.caps = 0};
    struct plug_reply reply;
    struct ioth_conn *c = calloc(1, sizeof *c);
    struct locate at;
    int r = c ? port_ring_parse(where, &q, NULL) : -ENOMEM;

    (void)descr;
    (void)version;
    (void)args;
    if (c)
        c->poller = c->more = -1;
    if (r == 0)
        r = locate_daemon(NULL, &at, NULL);
    if (r == 0)
        r = plug_ring(at.plug, &q, &reply, &c->plug, NULL);
    if (r == 0)
        r = watch(c);
    if (r < 0) {
        if (c)
            ioth_close((VDECONN *)(void *)c);
        errno = -r;
        return NULL;
    }
    wait_for_bell(c);
    return (VDECONN *)(void *)c;
}

/* Gets the next frames; false if there are none. */
static bool refill(struct ioth_conn *c)
{
    int n = plug_recv(c->plug, c->frames, FRAME_BURST);

    c->next = 0;
    c->n_frames = n > 0 ? (unsigned)n : 0;
    return n > 0;
}

/* Would a program that polls be told that there is a frame? */
static bool is_shown(const struct ioth_conn *c)
{
    struct pollfd readable = {.fd = c->poller, .events = POLLIN};

    return poll(&readable, 1, 0) > 0;
}

/* There is no frame: waits for one, but not where the bell has rung for something else, since a program that was
 * told to come must not be made to wait. Returns 1, or what recv returns. */
static ssize_t await_frame(struct ioth_conn *c, int flags)
{
    bool shown = is_shown(c);

    while (!shown && !(flags & MSG_DONTWAIT) && plug_wait(c->plug, -1) == 1) {
        if (refill(c))
            return 1;
    }
    wait_for_bell(c);
    if (!plug_alive(c->plug))
        return 0;
    if (shown)
        return NOTHING;
    errno = EAGAIN;
    return -1;
}

static ssize_t ioth_recv(VDECONN *conn, void *buf, size_t len, int flags)
{
    struct ioth_conn *c = mine(conn);
    const struct frame *f;
    size_t size;

    if (c->next == c->n_frames && !refill(c)) {
        ssize_t r = await_frame(c, flags);

        if (c->next == c->n_frames)
            return r;
    }
    f = &c->frames[c->next++];
    size = f->size < len ? f->size : len;
    memcpy(buf, f->data, size);
    if (c->next == c->n_frames) {
        plug_recv_done(c->plug);
        if (!refill(c))
            wait_for_bell(c);
    }
    return (ssize_t)size;
}

static ssize_t ioth_send(VDECONN *conn, const void *buf, size_t len, int flags)
{
    struct ioth_conn *c = mine(conn);
    const struct ring_piece piece = {buf, (uint32_t)len};
    const struct frame f = {.size = (uint32_t)len};
    int r;

    if (len < FRAME_SIZE_MIN || len > FRAME_SIZE_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    while ((r = plug_put(c->plug, &f, &piece, 1)) == -ENOBUFS) {
        plug_flush(c->plug);
        if (flags & MSG_DONTWAIT || plug_wait_room(c->plug, (uint32_t)len, -1) < 0)
            break;
        wait_for_bell(c); /* The waiting has silenced it. */
    }
    plug_flush(c->plug);
    if (r < 0) {
        errno = r == -ENOBUFS ? EAGAIN : -r;
        return -1;
    }
    return (ssize_t)len;
}

static int ioth_datafd(VDECONN *conn)
{
    return mine(conn)->poller;
}

static int ioth_ctlfd(VDECONN *conn)
{
    return plug_fd(mine(conn)->plug);
}

extern struct vdeplug_module vdeplug_ops;
__attribute__((visibility("default"))) struct vdeplug_module vdeplug_ops = {
    .vde_open_real = ioth_open,
    .vde_recv = ioth_recv,
    .vde_send = ioth_send,
    .vde_datafd = ioth_datafd,
    .vde_ctlfd = ioth_ctlfd,
    .vde_close = ioth_close,
};
