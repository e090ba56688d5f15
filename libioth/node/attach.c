/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Not libioth/plug: that waits for replies, and a launcher has signals to pass on meanwhile. */
#include "libioth/node/attach.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"

/* Connects, non-blocking, and sends the request with the TAP. Returns the socket or -errno. */
static int offer(const struct attach *attach)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    uint8_t message[PLUG_MAX_SIZE];
    size_t size = plug_request_encode(&attach->request, message, sizeof message);
    int fd, r = 0;

    if (size == 0 || strlen(attach->plug_path) >= sizeof addr.sun_path)
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, attach->plug_path, strlen(attach->plug_path) + 1);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)(const void *)&addr, sizeof addr) < 0)
        r = -errno;
    if (r == 0)
        r = fd_send(fd, message, size, &attach->tap, attach->tap >= 0 ? 1 : 0);
    if (r)
        close(fd);
    return r ? r : fd;
}

static void drop_ring(struct attach *attach)
{
    if (attach->request.kind != PLUG_RING)
        return;
    fd_close(&attach->ring[0]);
    fd_close(&attach->ring[1]);
}

/* Reads the reply, and takes the ring. -ENOTCONN when the daemon hung up. */
static int read_reply(struct attach *attach, int fd, struct plug_reply *reply)
{
    bool ring = attach->request.kind == PLUG_RING;
    uint8_t message[PLUG_MAX_SIZE];
    int fds[FD_PASS_MAX];
    unsigned n_fds = ring ? FD_PASS_MAX : 0;
    ssize_t n = fd_recv(fd, message, sizeof message, fds, &n_fds);
    int r;

    if (n <= 0)
        return n < 0 ? (int)n : -ENOTCONN;
    r = plug_reply_decode(message, (size_t)n, reply);
    if (r == 0 && reply->code == 0 && ring && n_fds != 2)
        r = -EPROTO;
    if (r == 0 && reply->code == 0 && ring) {
        drop_ring(attach);
        memcpy(attach->ring, fds, sizeof attach->ring);
        n_fds = 0;
    }
    while (n_fds)
        fd_close(&fds[--n_fds]);
    return r;
}

int attach_first(struct attach *attach, struct err *err)
{
    struct plug_reply reply;
    struct pollfd wait = {.events = POLLIN};
    int fd = offer(attach);
    int r;

    attach->watch.fd = attach->ring[0] = attach->ring[1] = -1;
    if (fd < 0)
        return err_set(err, fd, "cannot plug into the daemon at %s: %s", attach->plug_path,
                       err_text(fd));
    wait.fd = fd;
    do
        r = poll(&wait, 1, ATTACH_PATIENCE_SEC * 1000);
    while (r < 0 && errno == EINTR);
    r = r == 0 ? -ETIMEDOUT : read_reply(attach, fd, &reply);
    if (r) {
        close(fd);
        return err_set(err, r, "the daemon did not answer: %s", err_text(r));
    }
    if (reply.code) {
        close(fd);
        err_set(err, reply.code, "%s", reply.why);
        if (reply.hint[0])
            err_hint(err, "%s", reply.hint);
        return reply.code;
    }
    attach->reply = reply;
    attach->watch.fd = fd;
    return 0;
}

/* The same endpoint again: what was granted is what is asked for from now on. */
static void remember(struct attach *attach)
{
    struct plug_request *request = &attach->request;
    const struct plug_reply *reply = &attach->reply;

    memcpy(request->name, reply->name, sizeof request->name);
    memcpy(request->mac, reply->mac, sizeof request->mac);
    memcpy(request->addrs, reply->addrs, sizeof request->addrs);
    request->n_addrs = reply->n_addrs;
}

/* The addresses that were granted cannot be had any more (another took them while the daemon was
 * away, or the network has others now): those that nobody asked for are chosen anew. */
static void let_choose(struct attach *attach, int refusal)
{
    if (refusal != -EINVAL && refusal != -EADDRINUSE)
        return;
    memcpy(attach->request.addrs, attach->asked, sizeof attach->asked);
    attach->request.n_addrs = attach->n_asked;
}

/* Hangs up. */
static void drop_line(struct attach *attach)
{
    int fd = attach->watch.fd;

    if (attach->loop)
        loop_remove(attach->loop, &attach->watch);
    attach->watch.fd = -1;
    fd_close(&fd);
}

static void lose(struct attach *attach)
{
    bool had = attach->watch.fd >= 0 && !attach->waiting;

    drop_line(attach);
    drop_ring(attach);
    attach->waiting = false;
    if (had && attach->lost)
        attach->lost(attach);
    loop_timer_set(attach->loop, &attach->timer,
                   loop_now(attach->loop) + attach->again_ms * MTIME_MS);
    attach->again_ms *= 2;
    if (attach->again_ms > ATTACH_AGAIN_MAX_MS)
        attach->again_ms = ATTACH_AGAIN_MAX_MS;
}

static void granted(struct attach *attach, const struct plug_reply *reply)
{
    bool same = reply->n_addrs == attach->reply.n_addrs &&
                memcmp(reply->addrs, attach->reply.addrs, sizeof reply->addrs) == 0 &&
                memcmp(reply->mac, attach->reply.mac, sizeof reply->mac) == 0;

    attach->reply = *reply;
    attach->waiting = attach->told = false;
    attach->again_ms = ATTACH_AGAIN_MIN_MS;
    loop_timer_set(attach->loop, &attach->timer, MTIME_NEVER);
    remember(attach);
    if (!same)
        attach->changed(attach);
    if (attach->granted)
        attach->granted(attach);
}

static void lifeline_ready(struct loop_watch *watch, uint32_t events)
{
    struct attach *attach = list_entry(watch, struct attach, watch);
    struct plug_reply reply;
    int r = read_reply(attach, watch->fd, &reply);

    (void)events;
    if (r == -EAGAIN)
        return;
    if (r || !attach->waiting) {
        lose(attach);
    } else if (reply.code) {
        if (!attach->told)
            attach->refused(attach, &reply);
        attach->told = true;
        let_choose(attach, reply.code);
        lose(attach);
    } else {
        granted(attach, &reply);
    }
}

/* Time to offer (again), or no reply came in time. */
static void timer_expired(struct loop_timer *timer, mtime_t now)
{
    struct attach *attach = list_entry(timer, struct attach, timer);
    int fd;

    if (attach->watch.fd >= 0) {
        lose(attach);
        return;
    }
    fd = offer(attach);
    if (fd >= 0 && loop_add(attach->loop, &attach->watch, fd, EPOLLIN) == 0) {
        attach->waiting = true;
        loop_timer_set(attach->loop, timer, now + ATTACH_PATIENCE_SEC * MTIME_SEC);
        return;
    }
    if (fd >= 0)
        close(fd);
    attach->watch.fd = -1;
    lose(attach);
}

static void set_up(struct attach *attach, struct loop *loop)
{
    attach->loop = loop;
    attach->again_ms = ATTACH_AGAIN_MIN_MS;
    attach->watch.ready = lifeline_ready;
    attach->timer.expired = timer_expired;
    memcpy(attach->asked, attach->request.addrs, sizeof attach->asked);
    attach->n_asked = attach->request.n_addrs;
}

void attach_start(struct attach *attach, struct loop *loop)
{
    set_up(attach, loop);
    attach->reply = (struct plug_reply){.code = 0};
    attach->waiting = attach->told = false;
    attach->watch.fd = -1;
    loop_timer_set(loop, &attach->timer, loop_now(loop));
}

int attach_keep(struct attach *attach, struct loop *loop)
{
    set_up(attach, loop);
    remember(attach);
    return loop_add(loop, &attach->watch, attach->watch.fd, EPOLLIN);
}

void attach_renew(struct attach *attach)
{
    lose(attach);
}

void attach_hang_up(struct attach *attach)
{
    if (attach->watch.fd >= 0)
        (void)shutdown(attach->watch.fd, SHUT_WR);
}

void attach_done(struct attach *attach)
{
    struct pollfd wait = {.fd = attach->watch.fd, .events = POLLIN};

    if (wait.fd >= 0 && !attach->waiting)
        while (poll(&wait, 1, ATTACH_GONE_MS) < 0 && errno == EINTR)
            ;
    attach_drop(attach);
}

void attach_drop(struct attach *attach)
{
    if (attach->loop)
        loop_timer_set(attach->loop, &attach->timer, MTIME_NEVER);
    drop_line(attach);
    drop_ring(attach);
    fd_close(&attach->tap);
}
