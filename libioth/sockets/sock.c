/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that may wait, around the ops that do not. */
#include "libioth/sockets/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "libioth/sockets/kinds.h"
#include "libioth/sockets/table.h"
#include "libioth/stack/drive.h"
#include "libioth/stack/settings.h"

void sock_init(struct sock *s, const struct sock_ops *ops, int domain, int type,
               int protocol)
{
    s->ops = ops;
    s->domain = domain;
    s->type = type;
    s->protocol = protocol;
    s->fd = s->end = -1;
    s->rcv_size = type == SOCK_STREAM ? stack_settings.rcv_size : SOCK_RCV_DGRAM;
    s->snd_size = stack_settings.snd_size;
    s->rcv_low = 1;
    list_init(&s->unsettled);
    list_init(&s->failed);
    list_init(&s->readers);
    list_init(&s->writers);
}

void sock_done(struct sock *s)
{
    table_remove(s);
    drive_wake(&s->readers);
    drive_wake(&s->writers);
    list_remove(&s->unsettled);
}

void sock_failed(struct sock *s, int error)
{
    s->error = error;
    sock_changed(s, SOCK_IN | SOCK_OUT);
}

int sock_take_error(struct sock *s)
{
    int error = s->error;

    s->error = 0;
    if (error)
        table_unsettle(s);
    return error;
}

void sock_changed(struct sock *s, unsigned what)
{
    s->came = s->came || what & SOCK_IN;
    if (what & (SOCK_IN | SOCK_RDHUP | SOCK_HUP))
        drive_wake(&s->readers);
    if (what & (SOCK_OUT | SOCK_HUP))
        drive_wake(&s->writers);
    table_unsettle(s);
}

struct sock *sock_enter(int fd)
{
    struct sock *s;

    drive_enter();
    s = table_find(fd);
    if (!s)
        drive_leave();
    return s;
}

void sock_leave(void)
{
    drive_leave();
}

void sock_settle(bool all)
{
    table_settle(all);
}

unsigned sock_count(void)
{
    return table_count();
}

void sock_end_all(void)
{
    table_end_all();
}

static bool must_wait(const struct sock *s, int flags)
{
    int status = flags & MSG_DONTWAIT ? O_NONBLOCK : fcntl(s->fd, F_GETFL);

    return status >= 0 && !(status & O_NONBLOCK);
}

/*
 * Waits as a reader or writer of a socket, which may go meanwhile. Returns it, with *r = 0, -EAGAIN at
 * the end of the time, or -EINTR; or NULL with *r = -EBADF.
 */
static struct sock *wait_for(struct sock *s, bool writing, mtime_t deadline, int *r)
{
    int fd = s->fd;
    uint64_t ino = s->ino;

    *(writing ? &s->n_writing : &s->n_reading) += 1;
    *r = drive_wait(writing ? &s->writers : &s->readers, deadline);
    if (table_find(fd) != s && !table_has(s, ino)) {
        *r = -EBADF;
        return NULL;
    }
    *(writing ? &s->n_writing : &s->n_reading) -= 1;
    table_unsettle(s);
    if (*r == -ETIMEDOUT)
        *r = -EAGAIN;
    return s;
}

static mtime_t deadline_of(mtime_t timeout)
{
    return timeout ? mtime_now() + timeout : MTIME_NEVER;
}

int sock_open(int domain, int type, int protocol)
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct sock *s;
    int r;

    drive_enter();
    r = kind_new(domain, type & ~flags, protocol, &s);
    if (r == 0) {
        r = table_add(s, flags);
        if (r < 0)
            s->ops->close(s);
    }
    drive_leave();
    return r;
}

/* SO_LINGER with a time: who waits in its calls knows afterwards whether all has arrived. NULL: it is gone. */
static struct sock *linger(struct sock *s)
{
    mtime_t deadline = mtime_now() + s->linger.l_linger * MTIME_SEC;
    int r = 0;

    while (s && r == 0 && s->ops->outgoing && s->ops->outgoing(s, false) &&
           !s->ops->pending(s))
        s = wait_for(s, true, deadline, &r);
    return s;
}

int sock_close(int fd)
{
    struct sock *s = sock_enter(fd);

    if (!s)
        return -EBADF;
    if (s->linger.l_onoff && s->linger.l_linger > 0 && s->n_fds == 1 && must_wait(s, 0))
        s = linger(s);
    if (s && table_close(s, fd))
        s->ops->close(s);
    drive_leave();
    return 0;
}

int sock_dup(int fd, int as)
{
    struct sock *s = sock_enter(fd);
    int r = s ? table_dup(s, as) : -EBADF;

    if (s)
        drive_leave();
    return r;
}

int sock_edges(int fd)
{
    struct sock *s = sock_enter(fd);

    if (!s)
        return -EBADF;
    s->edges = true;
    drive_leave();
    return 0;
}

int sock_accept(int fd, struct sockaddr *addr, socklen_t *size, int flags)
{
    struct sock *s = sock_enter(fd), *made;
    mtime_t deadline;
    int r;

    if (!s)
        return -EBADF;
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) || !s->ops->accept) {
        drive_leave();
        return flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) ? -EINVAL : -EOPNOTSUPP;
    }
    deadline = deadline_of(s->rcv_timeout);
    while ((r = s->ops->accept(s, &made)) == -EAGAIN && must_wait(s, 0)) {
        if (!wait_for(s, false, deadline, &r) || r < 0)
            break;
    }
    if (r == 0) {
        r = table_add(made, flags);
        if (r < 0)
            made->ops->close(made);
        else if (addr && made->ops->name(made, true, addr, size) < 0)
            *size = 0; /* Gone again already. */
    }
    drive_leave();
    return r;
}

int sock_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
    struct sock *s = sock_enter(fd);
    int r = s ? s->ops->connect(s, addr, size) : -EBADF;

    if (!s)
        return r;
    if (r == -EINPROGRESS)
        s->would_block = true; /* poll() is to tell when it is decided, from now on. */
    if (r == -EINPROGRESS && must_wait(s, 0)) {
        mtime_t deadline = deadline_of(s->snd_timeout);

        r = 0;
        while (s && r == 0 && !(s->ops->ready(s) & (SOCK_OUT | SOCK_HUP)))
            s = wait_for(s, true, deadline, &r);
        if (r == -EAGAIN)
            r = -EINPROGRESS;
        if (s && r == 0) {
            r = -sock_take_error(s);
        }
    }
    drive_leave();
    return r;
}

ssize_t sock_send(int fd, const struct msghdr *msg, int flags)
{
    struct sock *s = sock_enter(fd);
    struct msghdr left = *msg;
    size_t total = sock_iov_size(msg), done = 0;
    mtime_t deadline;
    ssize_t r;
    int why = 0;

    if (!s)
        return -EBADF;
    deadline = deadline_of(s->snd_timeout);
    for (;;) {
        struct iovec iov[8];

        /* What has been taken counts; the error is the next call's. */
        if (done && s->error) {
            r = 0;
            break;
        }
        /* What has been taken is not offered again. */
        left.msg_iov = iov;
        left.msg_iovlen = sock_iov_rest(msg, done, iov, 8);
        r = s->ops->send(s, done ? &left : msg, flags);
        if (r > 0)
            done += (size_t)r;
        if (r >= 0 && (done >= total || s->type != SOCK_STREAM))
            break;
        if (r < 0 && (r != -EAGAIN || !must_wait(s, flags)))
            break;
        if (r == -EAGAIN && (!(s = wait_for(s, true, deadline, &why)) || why < 0)) {
            r = why;
            break;
        }
    }
    if (s && done < total && (r == -EAGAIN || r >= 0)) {
        s->would_block = true;
        table_unsettle(s);
    }
    drive_leave();
    return done ? (ssize_t)done : r;
}

/* Waits for data, offering the place where it is wanted: *r is how much was put there. */
static struct sock *wait_for_data(struct sock *s, const struct msghdr *msg, int flags,
                                  mtime_t deadline, ssize_t *r)
{
    bool direct = s->type == SOCK_STREAM && !s->direct && !(flags & MSG_PEEK);
    int why;

    s->waits = true;
    if (direct) {
        s->direct = msg;
        s->direct_size = 0;
    }
    s = wait_for(s, false, deadline, &why);
    *r = why;
    if (s && direct) {
        s->direct = NULL;
        if (s->direct_size)
            *r = (ssize_t)s->direct_size;
    }
    return s;
}

/* What is there already, else what has come meanwhile. Who is about to wait finds that while it waits: what is
 * bulk then comes to its place without a copy in between. */
static ssize_t take_what_is_there(struct sock *s, struct msghdr *msg, int flags,
                                  bool *waits)
{
    ssize_t r = s->ops->recv(s, msg, flags);

    if (s->shown & SOCK_IN)
        s->waits = false; /* It may have been told so by poll(). */
    *waits = r == -EAGAIN && must_wait(s, flags);
    if (r != -EAGAIN || *waits)
        return r;
    drive_step();
    return s->ops->recv(s, msg, flags);
}

/* Never waits. */
static ssize_t recv_error(struct sock *s, struct msghdr *msg, int flags)
{
    drive_step();
    return s->ops->recv_error ? s->ops->recv_error(s, msg, flags) : -EAGAIN;
}

/* How much a reader waits for: more than a byte only of streams. */
static size_t wanted(const struct sock *s, size_t total, int flags)
{
    size_t low = (size_t)s->rcv_low;

    if (s->type != SOCK_STREAM || flags & MSG_PEEK)
        return 0;
    return flags & MSG_WAITALL || low > total ? total : low;
}

ssize_t sock_recv(int fd, struct msghdr *msg, int flags)
{
    struct sock *s;
    struct msghdr want = *msg;
    mtime_t deadline;
    size_t done = 0, total = sock_iov_size(msg);
    bool waits;
    ssize_t r;

    drive_enter_only();
    s = table_find(fd);
    if (!s || flags & MSG_ERRQUEUE) {
        r = s ? recv_error(s, msg, flags) : -EBADF;
        drive_leave();
        return r;
    }
    deadline = deadline_of(s->rcv_timeout);
    for (;;) {
        struct iovec iov[8];

        if (done) {
            want.msg_iov = iov;
            want.msg_iovlen = sock_iov_rest(msg, done, iov, 8);
        }
        r = take_what_is_there(s, done ? &want : msg, flags, &waits);
        if (r > 0)
            done += (size_t)r;
        if (done && r < 0 && r != -EAGAIN)
            s->error = (int)-r; /* The next call's, as above. */
        if (r == 0 || (r > 0 && done >= wanted(s, total, flags)))
            break;
        if (r < 0 && !waits)
            break;
        if (r > 0)
            continue;
        s = wait_for_data(s, done ? &want : msg, flags, deadline, &r);
        done += r > 0 ? (size_t)r : 0;
        if (!s || r < 0 || (r > 0 && done >= wanted(s, total, flags)))
            break;
    }
    if (s && s->waits)
        drive_leave_for_now();
    else
        drive_leave();
    return done ? (ssize_t)done : r;
}

/* SIOCGSTAMP and SIOCGSTAMPNS: of what was read last; from the first time that it is asked for. */
static int tell_stamp(struct sock *s, bool ns, void *arg)
{
    struct timeval tv = {.tv_sec = s->came_at.tv_sec, .tv_usec = s->came_at.tv_nsec / 1000};

    if (s->stamps == SOCK_STAMPS_NONE)
        s->stamps = SOCK_STAMPS_SILENT;
    if (!s->came_at.tv_sec)
        return -ENOENT;
    if (ns)
        memcpy(arg, &s->came_at, sizeof s->came_at);
    else
        memcpy(arg, &tv, sizeof tv);
    return 0;
}

static int tell_number(void *arg, size_t n)
{
    *(int *)arg = n > INT32_MAX ? INT32_MAX : (int)n;
    return 0;
}

static int answer_ioctl(struct sock *s, unsigned long request, void *arg)
{
    bool stream = s->type == SOCK_STREAM;
    int listens = 0;
    socklen_t size = sizeof listens;

    switch (request) {
    case FIONBIO:
        return ioctl(s->fd, FIONBIO, arg) < 0 ? -errno : 0;
    case FIONREAD:
    case SIOCOUTQ:
    case SIOCOUTQNSD:
        if (stream && s->ops->getopt(s, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
            listens)
            return -EINVAL;
        if (request == FIONREAD)
            return tell_number(arg, s->ops->pending(s));
        if (request == SIOCOUTQNSD && !stream)
            return -ENOTTY;
        return tell_number(
            arg, s->ops->outgoing ? s->ops->outgoing(s, request == SIOCOUTQNSD) : 0);
    case SIOCATMARK:
        /* Urgent data is data like any other here. */
        return stream ? tell_number(arg, 0) : -ENOTTY;
    case SIOCGSTAMP_OLD:
    case SIOCGSTAMP_NEW:
        return tell_stamp(s, false, arg);
    case SIOCGSTAMPNS_OLD:
    case SIOCGSTAMPNS_NEW:
        return tell_stamp(s, true, arg);
    default:
        return -ENOTTY;
    }
}

int sock_ioctl(int fd, unsigned long request, void *arg)
{
    struct sock *s = sock_enter(fd);
    int r;

    if (!s)
        return -EBADF;
    r = answer_ioctl(s, request, arg);
    drive_leave();
    return r;
}
