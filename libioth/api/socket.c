/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket calls: each goes to the stack of its descriptor. What a stack has not is put together of
 * what it has: read of recv of recvfrom of recvmsg, and so on. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "libioth/api/stack.h"
#include "proto/base/mtime.h"

static int missing(void)
{
    errno = ENOSYS;
    return -1;
}

/* What a stack returned. Its errno is another one, where it has a C library of its own. */
static ssize_t told(const struct ioth *s, ssize_t r)
{
    if (r < 0 && s->plugin.errno_at)
        errno = *s->plugin.errno_at();
    return r;
}

int ioth_msocket(struct ioth *stack, int domain, int type, int protocol)
{
    struct ioth *s = stack_or_default(stack);
    int fd, r;

    if (!s->f.socket)
        return missing();
    stack_enter(s);
    fd = told(s, s->f.socket(domain, type, protocol));
    if (fd < 0)
        return fd;
    r = fdtab_add(fd, s);
    if (r < 0) {
        s->f.close(fd);
        errno = -r;
        return -1;
    }
    return fd;
}

int ioth_socket(int domain, int type, int protocol)
{
    return ioth_msocket(NULL, domain, type, protocol);
}

int ioth_close(int fd)
{
    struct ioth *s = fdtab_get(fd);

    if (!s || !s->f.close)
        return missing();
    stack_enter(s);
    /* Before it is closed: the number may come again at once. */
    fdtab_remove(fd);
    return told(s, s->f.close(fd));
}

/* Calls a function of the descriptor's stack, if it has it. */
#define CALL(fd, name, ...)                                                                \
    do {                                                                                   \
        struct ioth *s = stack_of(fd);                                                     \
                                                                                           \
        if (!s)                                                                            \
            return -1;                                                                     \
        return s->f.name ? told(s, s->f.name(fd, __VA_ARGS__)) : missing();                \
    } while (0)

/* The descriptor that dup() has made (or not: -1) becomes one of the socket. */
static int dup_as(struct ioth *s, int fd, int as)
{
    int r;

    if (as < 0)
        return -1;
    r = s->plugin.dup ? s->plugin.dup(fd, as) : missing();
    if (r == 0 && fdtab_add(as, s) < 0) {
        s->f.close(as);
        errno = ENOMEM;
        return -1;
    }
    if (r < 0) {
        int why = errno;

        close(as);
        errno = why;
        return -1;
    }
    return as;
}

int ioth_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
    CALL(fd, bind, addr, len);
}

int ioth_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    CALL(fd, connect, addr, len);
}

int ioth_listen(int fd, int backlog)
{
    CALL(fd, listen, backlog);
}

int ioth_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    CALL(fd, getsockname, addr, len);
}

int ioth_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    CALL(fd, getpeername, addr, len);
}

int ioth_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    CALL(fd, setsockopt, level, name, value, len);
}

int ioth_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    CALL(fd, getsockopt, level, name, value, len);
}

int ioth_shutdown(int fd, int how)
{
    CALL(fd, shutdown, how);
}

int ioth_ioctl(int fd, unsigned long cmd, void *argp)
{
    CALL(fd, ioctl, cmd, argp);
}

int ioth_fcntl(int fd, int cmd, long val)
{
    if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
        struct ioth *s = stack_of(fd);

        return s ? dup_as(s, fd, fcntl(fd, cmd, val)) : -1;
    }
    CALL(fd, fcntl, cmd, val);
}

int ioth_dup(int fd)
{
    return ioth_fcntl(fd, F_DUPFD, 0);
}

int ioth_dup2(int fd, int as)
{
    if (!stack_of(fd))
        return -1;
    return fd == as ? fd : ioth_dup3(fd, as, 0);
}

int ioth_dup3(int fd, int as, int flags)
{
    struct ioth *s = stack_of(fd);

    return s ? dup_as(s, fd, dup3(fd, as, flags)) : -1;
}

int ioth_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return ioth_accept4(fd, addr, len, 0);
}

int ioth_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    struct ioth *s = stack_of(fd);
    int made, r = 0;

    if (!s)
        return -1;
    if (!s->f.accept)
        return missing();
    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
        errno = EINVAL;
        return -1;
    }
    made = told(s, s->f.accept(fd, addr, len));
    if (made < 0)
        return made;
    if (flags & SOCK_CLOEXEC)
        r = fcntl(made, F_SETFD, FD_CLOEXEC);
    if (r == 0 && flags & SOCK_NONBLOCK)
        r = fcntl(made, F_SETFL, fcntl(made, F_GETFL) | O_NONBLOCK);
    if (r == 0)
        r = fdtab_add(made, s);
    if (r < 0) {
        s->f.close(made);
        errno = ENOMEM;
        return -1;
    }
    return made;
}

/* --- receiving ---------------------------------------------------------------------------------- */

ssize_t ioth_recvmsg(int fd, struct msghdr *msg, int flags)
{
    CALL(fd, recvmsg, msg, flags);
}

ssize_t ioth_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
                      socklen_t *fromlen)
{
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct ioth *s = stack_of(fd);
    ssize_t n;

    if (!s)
        return -1;
    if (s->f.recvfrom)
        return told(s, s->f.recvfrom(fd, buf, len, flags, from, fromlen));
    if (!s->f.recvmsg)
        return missing();
    if (from && fromlen) {
        msg.msg_name = from;
        msg.msg_namelen = *fromlen;
    }
    n = told(s, s->f.recvmsg(fd, &msg, flags));
    if (n >= 0 && from && fromlen)
        *fromlen = msg.msg_namelen;
    return n;
}

ssize_t ioth_recv(int fd, void *buf, size_t len, int flags)
{
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    return s->f.recv ? told(s, s->f.recv(fd, buf, len, flags))
                     : ioth_recvfrom(fd, buf, len, flags, NULL, NULL);
}

ssize_t ioth_read(int fd, void *buf, size_t len)
{
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    return s->f.read ? told(s, s->f.read(fd, buf, len)) : ioth_recv(fd, buf, len, 0);
}

ssize_t ioth_readv(int fd, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                         .msg_iovlen = (size_t)n};
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    if (n < 0) {
        errno = EINVAL;
        return -1;
    }
    return s->f.readv ? told(s, s->f.readv(fd, iov, n)) : ioth_recvmsg(fd, &msg, 0);
}

/* --- sending ------------------------------------------------------------------------------------ */

ssize_t ioth_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    CALL(fd, sendmsg, msg, flags);
}

ssize_t ioth_sendto(int fd, const void *buf, size_t len, int flags,
                    const struct sockaddr *to, socklen_t tolen)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr msg = {.msg_name = (void *)(uintptr_t)to,
                         .msg_namelen = to ? tolen : 0,
                         .msg_iov = &iov,
                         .msg_iovlen = 1};
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    if (s->f.sendto)
        return told(s, s->f.sendto(fd, buf, len, flags, to, tolen));
    return s->f.sendmsg ? told(s, s->f.sendmsg(fd, &msg, flags)) : missing();
}

ssize_t ioth_send(int fd, const void *buf, size_t len, int flags)
{
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    return s->f.send ? told(s, s->f.send(fd, buf, len, flags))
                     : ioth_sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t ioth_write(int fd, const void *buf, size_t len)
{
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    return s->f.write ? told(s, s->f.write(fd, buf, len)) : ioth_send(fd, buf, len, 0);
}

ssize_t ioth_writev(int fd, const struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                         .msg_iovlen = (size_t)n};
    struct ioth *s = stack_of(fd);

    if (!s)
        return -1;
    if (n < 0) {
        errno = EINVAL;
        return -1;
    }
    return s->f.writev ? told(s, s->f.writev(fd, iov, n)) : ioth_sendmsg(fd, &msg, 0);
}

/* --- several ------------------------------------------------------------------------------------ */

int ioth_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    for (unsigned i = 0; i < n; i++) {
        ssize_t size = ioth_sendmsg(fd, &msgs[i].msg_hdr, flags);

        if (size < 0)
            return i ? (int)i : -1;
        msgs[i].msg_len = (unsigned)size;
    }
    return (int)n;
}

int ioth_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                  struct timespec *timeout)
{
    mtime_t until = mtime_deadline(timeout);
    unsigned i;

    for (i = 0; i < n; i++) {
        ssize_t size = ioth_recvmsg(fd, &msgs[i].msg_hdr, flags & ~MSG_WAITFORONE);

        if (size < 0)
            return i ? (int)i : -1;
        msgs[i].msg_len = (unsigned)size;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        /* As in Linux, the time is looked at after each message only. */
        if (until != MTIME_NEVER && mtime_now() >= until)
            return (int)i + 1;
    }
    return (int)i;
}
