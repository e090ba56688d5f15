/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VDE clients: one datagram is one plain frame. The socket is connected both ways, which lifts
 * the kernel's limit of ten waiting datagrams. Frames are read and written in vectors; what the
 * client does not take at once waits in a bounded queue. TCP segments that came in a row are
 * merged on the way in where their destination takes superframes.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fabricd/port/frameq.h"
#include "fabricd/port/port.h"
#include "proto/wire/coalesce.h"

#define SLOT_SIZE  (FRAME_HEADROOM + FRAME_SIZE_MAX + 14u)
#define QUEUE_SIZE (256u * 1024u)

static_assert(SLOT_SIZE * FRAME_BURST <= PORT_ARENA_SIZE, "a vector fits the arena");
static_assert(SLOT_SIZE % 2 == 0, "headers stay aligned to 16 bits");

struct vde {
    struct port port;
    struct loop_watch watch;
    struct frameq queue;
};

static struct vde *vde_of(struct port *p)
{
    return list_entry(p, struct vde, port);
}

/* Receives up to a vector of datagrams, one per slot of the arena. Returns how many, or -1. */
static int receive(const struct vde *vde, struct mmsghdr msgs[FRAME_BURST])
{
    struct iovec iov[FRAME_BURST];

    for (unsigned i = 0; i < FRAME_BURST; i++) {
        iov[i] = (struct iovec){
            .iov_base = vde->port.env->arena + i * SLOT_SIZE + FRAME_HEADROOM,
            .iov_len = FRAME_SIZE_MAX,
        };
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
        msgs[i].msg_len = 0;
    }
    return recvmmsg(vde->watch.fd, msgs, FRAME_BURST, MSG_DONTWAIT, NULL);
}

/* Makes frames of what was received. An empty datagram is an old client's good-bye. */
static unsigned take_frames(struct vde *vde, const struct mmsghdr *msgs, unsigned n_msgs)
{
    struct port_env *env = vde->port.env;
    unsigned n = 0;

    for (unsigned i = 0; i < n_msgs; i++) {
        uint32_t size = msgs[i].msg_len;

        if (size == 0)
            continue;
        if (size < FRAME_SIZE_MIN || msgs[i].msg_hdr.msg_flags & MSG_TRUNC) {
            port_count_malformed(&vde->port, size);
            continue;
        }
        env->frames[n++] = (struct frame){
            .data = env->arena + i * SLOT_SIZE + FRAME_HEADROOM, .size = size};
    }
    return n;
}

static bool read_burst(struct vde *vde)
{
    struct port_env *env = vde->port.env;
    struct mmsghdr msgs[FRAME_BURST];
    int received = receive(vde, msgs);
    unsigned n;

    if (received < 0) {
        /* ECONNREFUSED and the like tell of a client that went; its control stream says so. */
        return false;
    }
    n = take_frames(vde, msgs, (unsigned)received);
    if (n > 1 && switch_wants_super(&vde->port.sw))
        n = coalesce(env->frames, n);
    switch_input(&vde->port.sw, env->frames, n, loop_now(env->loop));
    return received == (int)FRAME_BURST;
}

/* Writes frames until the client takes no more. Returns how many were dealt with; those that the
 * kernel refused for good are counted as dropped. */
static unsigned write_frames(struct vde *vde, struct frame *const *frames, unsigned n)
{
    struct mmsghdr msgs[FRAME_BURST];
    struct iovec iov[FRAME_BURST];
    unsigned done = 0;

    for (unsigned i = 0; i < n; i++) {
        iov[i] = (struct iovec){.iov_base = frames[i]->data, .iov_len = frames[i]->size};
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    while (done < n) {
        int sent =
            sendmmsg(vde->watch.fd, msgs + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
            break;
        if (sent <= 0) {
            vde->port.sw.counters.tx_drops[SWPORT_DROP_IO]++;
            done++;
            continue;
        }
        for (unsigned i = 0; i < (unsigned)sent; i++)
            port_count_sent(&vde->port, frames[done + i]);
        done += (unsigned)sent;
    }
    return done;
}

static void flush_queue(struct vde *vde)
{
    struct frame *frames[FRAME_BURST];

    while (vde->queue.n) {
        unsigned n = frameq_peek(&vde->queue, frames, FRAME_BURST);
        unsigned done = write_frames(vde, frames, n);

        frameq_drop(&vde->queue, done);
        if (done < n)
            return;
    }
    loop_set_events(vde->port.env->loop, &vde->watch, EPOLLIN);
}

static void vde_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct vde *vde = vde_of(port_of_swport(sw));
    unsigned done = vde->queue.n ? 0 : write_frames(vde, frames, n);

    if (done == n)
        return;
    if (!vde->queue.n)
        loop_set_events(vde->port.env->loop, &vde->watch, EPOLLIN | EPOLLOUT);
    for (; done < n; done++) {
        if (!frameq_put(&vde->queue, frames[done]))
            sw->counters.tx_drops[SWPORT_DROP_FULL]++;
    }
}

static void vde_ready(struct loop_watch *w, uint32_t events)
{
    struct vde *vde = list_entry(w, struct vde, watch);

    if (events & EPOLLOUT && vde->queue.n)
        flush_queue(vde);
    for (unsigned i = 0; i < PORT_TURN_BURSTS; i++) {
        if (!read_burst(vde))
            break;
    }
}

static void vde_free(struct port *p)
{
    struct vde *vde = vde_of(p);

    loop_remove(p->env->loop, &vde->watch);
    frameq_done(&vde->queue);
    free(vde);
}

int vde_new(struct port_env *env, const struct ipc_port *config, int data_fd,
            struct port **out)
{
    static const struct port_ops ops = {.free = vde_free};
    static const struct swport_ops sw_ops = {.send = vde_send};
    struct vde *vde = calloc(1, sizeof *vde);
    int code;

    if (!vde)
        return -ENOMEM;
    port_init(&vde->port, env, config, &ops, &sw_ops);
    vde->watch.ready = vde_ready;
    code = frameq_init(&vde->queue, QUEUE_SIZE);
    if (code == 0)
        code = loop_add(env->loop, &vde->watch, data_fd, EPOLLIN);
    if (code < 0) {
        frameq_done(&vde->queue);
        free(vde);
        return code;
    }
    *out = &vde->port;
    return 0;
}
