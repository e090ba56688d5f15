/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/run/place.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define RING_FDS 2u

int place_listen(const char *name, const char *part, int type)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int n = snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s.%s", name, part);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1U + (size_t)n);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = 0;

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)&un, size) < 0 || listen(fd, 8) < 0) {
        r = -errno;
        close(fd);
    }
    return r ? r : fd;
}

void place_init(struct place *p)
{
    *p = (struct place){.sock = -1, .holder.fd = -1, .other.fd = -1};
    p->attach.tap = p->attach.watch.fd = p->attach.ring[0] = p->attach.ring[1] = -1;
}

int place_take(struct place *p, const char *name, unsigned number, struct err *err)
{
    char part[16];
    int r = attach_first(&p->attach, err);

    if (r < 0)
        return r;
    (void)snprintf(part, sizeof part, "%u", number);
    p->sock = place_listen(name, part, SOCK_SEQPACKET);
    if (p->sock < 0)
        return err_set(err, p->sock, "no socket: %s", err_text(p->sock));
    return 0;
}

static void drop(struct place *p, struct loop_watch *watch)
{
    int fd = watch->fd;

    loop_remove(p->loop, watch);
    watch->fd = -1;
    fd_close(&fd);
}

static void let_go(struct place *p)
{
    drop(p, &p->holder);
}

static void answer(int fd, const struct plug_reply *reply, const int *fds, unsigned n_fds)
{
    uint8_t message[PLUG_MAX_SIZE];
    size_t size = plug_reply_encode(reply, message, sizeof message);

    /* Who is not there any more hangs up. */
    if (size)
        (void)!fd_send(fd, message, size, fds, n_fds);
}

/* The ring goes to the holder, which waits for it. */
static void give(struct place *p)
{
    struct plug_reply reply = p->attach.reply;
    int *ring = p->attach.ring;

    if (!p->with_gateway)
        reply.gateway4.family = reply.gateway6.family = 0;
    answer(p->holder.fd, &reply, ring, RING_FDS);
    fd_close(&ring[0]);
    fd_close(&ring[1]);
    p->waiting = false;
}

/* Its process has ended. */
static void end_holder(struct place *p)
{
    bool used = !p->waiting;

    let_go(p);
    if (used)
        attach_renew(&p->attach);
}

/* Its process asks, or has ended, or says what nobody should: the connection is silent. */
static void holder_ready(struct loop_watch *watch, uint32_t events)
{
    struct place *p = list_entry(watch, struct place, holder);
    uint8_t message[PLUG_MAX_SIZE];
    struct plug_request request;
    unsigned n_fds = 0;
    ssize_t n = fd_recv(watch->fd, message, sizeof message, NULL, &n_fds);

    (void)events;
    if (n == -EAGAIN)
        return;
    if (n > 0 && p->waiting && plug_request_decode(message, (size_t)n, &request) == 0) {
        if (p->attach.ring[0] >= 0)
            give(p);
        return; /* Else when there is one. */
    }
    end_holder(p);
}

/* Why somebody else cannot have it. */
static struct plug_reply refusal(const struct place *p)
{
    struct plug_reply reply = {.code = -EBUSY};
    char comm[32] = "", path[64];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)p->pid);
    file = fopen(path, "re");
    if (file) {
        if (fgets(comm, sizeof comm, file))
            comm[strcspn(comm, "\n")] = '\0';
        (void)fclose(file);
    }
    (void)snprintf(reply.why, sizeof reply.why,
                   "process %d%s%s%s has this node's stack, and only one process can (with "
                   "--stack netns all share one)",
                   (int)p->pid, *comm ? " (" : "", comm, *comm ? ")" : "");
    return reply;
}

/* It has asked, or has gone. (A connection that is closed before its question is read loses the answer.) */
static void other_ready(struct loop_watch *watch, uint32_t events)
{
    struct place *p = list_entry(watch, struct place, other);
    const struct plug_reply reply = refusal(p);
    uint8_t message[PLUG_MAX_SIZE];
    unsigned n_fds = 0;

    (void)events;
    if (fd_recv(watch->fd, message, sizeof message, NULL, &n_fds) > 0)
        answer(watch->fd, &reply, NULL, 0);
    drop(p, watch);
}

/* One who is silent makes room for the next. */
static void refuse(struct place *p, int fd)
{
    if (p->other.fd >= 0)
        drop(p, &p->other);
    p->other.ready = other_ready;
    if (loop_add(p->loop, &p->other, fd, EPOLLIN)) {
        close(fd);
        p->other.fd = -1;
    }
}

static bool has_hung_up(int fd)
{
    struct pollfd p = {.fd = fd};

    return poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

static void came(struct door *door, int fd)
{
    struct place *p = list_entry(door, struct place, door);
    struct fd_peer peer;

    if (fd_peer_get(fd, &peer) < 0 || peer.uid != geteuid()) {
        close(fd);
        return;
    }
    fd_refuse_rights(fd);
    /* One program after another: the end of the first may not have been heard of yet. */
    if (p->holder.fd >= 0 && has_hung_up(p->holder.fd))
        end_holder(p);
    if (p->holder.fd >= 0) {
        refuse(p, fd);
        return;
    }
    p->pid = peer.pid;
    p->waiting = true;
    p->holder.ready = holder_ready;
    if (loop_add(p->loop, &p->holder, fd, EPOLLIN)) {
        close(fd);
        p->holder.fd = -1;
    }
}

static struct place *place_of(struct attach *attach)
{
    return list_entry(attach, struct place, attach);
}

static void granted(struct attach *attach)
{
    struct place *p = place_of(attach);

    if (p->holder.fd >= 0 && p->waiting)
        give(p);
}

/* The port has gone: whoever has its ring is told so, and comes again. */
static void lost(struct attach *attach)
{
    struct place *p = place_of(attach);

    if (p->holder.fd >= 0 && !p->waiting)
        let_go(p);
}

int place_keep(struct place *p, struct loop *loop)
{
    int r = attach_keep(&p->attach, loop);

    p->loop = loop;
    p->attach.granted = granted;
    p->attach.lost = lost;
    return r ? r : door_open(&p->door, loop, p->sock, came);
}

void place_done(struct place *p)
{
    if (p->loop) {
        if (p->holder.fd >= 0)
            let_go(p);
        if (p->other.fd >= 0)
            drop(p, &p->other);
        (void)door_close(&p->door);
    }
    fd_close(&p->sock);
    attach_done(&p->attach);
}
