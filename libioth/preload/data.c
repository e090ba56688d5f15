/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes through sockets. Those of the same name with _chk are what the compiler makes of them where it
 * is told to check sizes. */
#include <string.h>

#include "libioth/api/ioth.h"
#include "libioth/preload/preload.h"

EXPORT ssize_t read(int fd, void *buf, size_t size)
{
    if (!ours(fd))
        return libc()->read(fd, buf, size);
    IN_STACK(ssize_t, ioth_read(fd, buf, size));
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
    if (!ours(fd))
        return libc()->readv(fd, iov, n);
    IN_STACK(ssize_t, ioth_readv(fd, iov, n));
}

EXPORT ssize_t recv(int fd, void *buf, size_t size, int flags)
{
    if (!ours(fd))
        return libc()->recv(fd, buf, size, flags);
    IN_STACK(ssize_t, ioth_recv(fd, buf, size, flags));
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t size, int flags, __SOCKADDR_ARG from,
                        socklen_t *len)
{
    if (!ours(fd))
        return libc()->recvfrom(fd, buf, size, flags, from, len);
    IN_STACK(ssize_t, ioth_recvfrom(fd, buf, size, flags, from.__sockaddr__, len));
}

/* How many descriptors are in a part of a message. */
static size_t n_passed(const struct msghdr *msg, const struct cmsghdr *c)
{
    const char *end = (const char *)msg->msg_control + msg->msg_controllen;
    size_t room = (size_t)(end - (const char *)c);

    /* The kernel refuses one of a length that cannot be. */
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len < CMSG_LEN(0) || c->cmsg_len > room)
        return 0;
    return (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

/* Descriptors in a message that has come. */
static void hide_passed(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n = n_passed(msg, c);

        for (size_t i = 0; i < n; i++) {
            unsigned char *at = CMSG_DATA(c) + i * sizeof(int);
            int fd;

            memcpy(&fd, at, sizeof fd);
            fd = fds_hide(fd);
            memcpy(at, &fd, sizeof fd);
        }
    }
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    ssize_t r;

    if (ours(fd))
        IN_STACK(ssize_t, ioth_recvmsg(fd, msg, flags));
    r = libc()->recvmsg(fd, msg, flags);
    if (r >= 0 && preload_self.inside)
        hide_passed(msg);
    return r;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                    struct timespec *timeout)
{
    if (!ours(fd))
        return libc()->recvmmsg(fd, msgs, n, flags, timeout);
    IN_STACK(int, ioth_recvmmsg(fd, msgs, n, flags, timeout));
}

EXPORT ssize_t write(int fd, const void *buf, size_t size)
{
    if (!ours(fd))
        return libc()->write(fd, buf, size);
    IN_STACK(ssize_t, ioth_write(fd, buf, size));
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
    if (!ours(fd))
        return libc()->writev(fd, iov, n);
    IN_STACK(ssize_t, ioth_writev(fd, iov, n));
}

EXPORT ssize_t send(int fd, const void *buf, size_t size, int flags)
{
    if (!ours(fd))
        return libc()->send(fd, buf, size, flags);
    IN_STACK(ssize_t, ioth_send(fd, buf, size, flags));
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t size, int flags,
                      __CONST_SOCKADDR_ARG to, socklen_t len)
{
    if (!ours(fd))
        return libc()->sendto(fd, buf, size, flags, to, len);
    resolver_note(to.__sockaddr__, len);
    IN_STACK(ssize_t, ioth_sendto(fd, buf, size, flags, to.__sockaddr__, len));
}

/* Would sockets of the stack go to another process? */
static bool passes_ours(const struct msghdr *msg)
{
    if (preload_self.inside || msg->msg_controllen == 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c)) {
        size_t n = n_passed(msg, c);

        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (fds_is_stack(fd))
                return true;
        }
    }
    return false;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (ours(fd)) {
        resolver_note(msg->msg_name, msg->msg_namelen);
        IN_STACK(ssize_t, ioth_sendmsg(fd, msg, flags));
    }
    return passes_ours(msg) ? refuse(REFUSE_PASS) : libc()->sendmsg(fd, msg, flags);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    if (ours(fd)) {
        if (n)
            resolver_note(msgs[0].msg_hdr.msg_name, msgs[0].msg_hdr.msg_namelen);
        IN_STACK(int, ioth_sendmmsg(fd, msgs, n, flags));
    }
    for (unsigned i = 0; i < n; i++)
        if (passes_ours(&msgs[i].msg_hdr))
            return refuse(REFUSE_PASS);
    return libc()->sendmmsg(fd, msgs, n, flags);
}

/* --- checked ------------------------------------------------------------------------------------ */

ssize_t __read_chk(int fd, void *buf, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t size, size_t room, int flags,
                       __SOCKADDR_ARG from, socklen_t *len);

EXPORT ssize_t __read_chk(int fd, void *buf, size_t size, size_t room)
{
    if (size > room)
        abort();
    return read(fd, buf, size);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t size, size_t room, int flags)
{
    if (size > room)
        abort();
    return recv(fd, buf, size, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t size, size_t room, int flags,
                              __SOCKADDR_ARG from, socklen_t *len)
{
    if (size > room)
        abort();
    return recvfrom(fd, buf, size, flags, from, len);
}

/* The C library's other names of the same. */
ssize_t __read(int fd, void *buf, size_t size);
ssize_t __write(int fd, const void *buf, size_t size);
ssize_t __send(int fd, const void *buf, size_t size, int flags);

EXPORT ssize_t __read(int fd, void *buf, size_t size)
{
    return read(fd, buf, size);
}

EXPORT ssize_t __write(int fd, const void *buf, size_t size)
{
    return write(fd, buf, size);
}

EXPORT ssize_t __send(int fd, const void *buf, size_t size, int flags)
{
    return send(fd, buf, size, flags);
}
