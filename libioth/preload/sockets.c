/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets come, and are told what to do. */
#include <linux/netlink.h>

#include "libioth/api/ioth.h"
#include "libioth/preload/preload.h"

/* Families whose sockets stay on this host. */
static bool is_local(int domain)
{
    return domain == AF_UNIX || domain == AF_ALG || domain == AF_VSOCK;
}

/* Is a socket of that kind the stack's business? Else 0, or -1 if it is nobody's. */
static int for_stack(int domain, int protocol)
{
    switch (domain) {
    case AF_INET:
    case AF_INET6:
    case AF_PACKET:
        return 1;
    case AF_NETLINK:
        if (protocol == NETLINK_ROUTE)
            return 1;
        /* These tell of the host's network; the others of its devices. */
        return protocol == NETLINK_SOCK_DIAG || protocol == NETLINK_NETFILTER ||
                       protocol == NETLINK_XFRM || protocol == NETLINK_GENERIC
                   ? refuse(REFUSE_NETLINK)
                   : 0;
    default:
        return is_local(domain) || domain < 0 || domain >= AF_MAX ? 0
                                                                  : refuse(REFUSE_FAMILY);
    }
}

/* The stack's answer: a descriptor of the program's now. */
static int took(int fd, int flags)
{
    if (fd >= 0)
        fds_add(fd, flags & SOCK_CLOEXEC);
    return fd;
}

EXPORT int socket(int domain, int type, int protocol)
{
    struct ioth *stack;
    int r;

    if (preload_self.inside)
        return fds_hide(libc()->socket(domain, type, protocol));
    r = for_stack(domain, protocol);
    if (r <= 0)
        return r < 0 ? r : libc()->socket(domain, type, protocol);
    stack = node_stack();
    if (!stack || !preload_enter())
        return -1;
    r = took(ioth_msocket(stack, domain, type | SOCK_CLOEXEC, protocol), type);
    (void)preload_leave(false);
    return r;
}

/* The stack's sockets have two ends: the first is the program's. */
EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
    int r = libc()->socketpair(domain, type, protocol, fds);

    if (r == 0 && preload_self.inside)
        fds[1] = fds_hide(fds[1]);
    return r;
}

static int accept_in_stack(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    IN_STACK(int, took(ioth_accept4(fd, addr, len, flags | SOCK_CLOEXEC), flags));
}

EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
    return ours(fd) ? accept_in_stack(fd, addr.__sockaddr__, len, flags)
                    : libc()->accept4(fd, addr, len, flags);
}

EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    return accept4(fd, addr, len, 0);
}

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    if (!ours(fd))
        return libc()->bind(fd, addr, len);
    IN_STACK(int, ioth_bind(fd, addr.__sockaddr__, len));
}

/* One that was interrupted goes on by itself: waited for, not begun again. */
static int connect_on(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int error = 0;

    while (libc()->poll(&wait, 1, -1) < 0)
        if (errno != EINTR)
            return -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -1;
    errno = error;
    return error ? -1 : 0;
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
    int r;

    if (!ours(fd))
        return libc()->connect(fd, addr, len);
    resolver_note(addr.__sockaddr__, len);
    if (!preload_enter())
        return -1;
    r = ioth_connect(fd, addr.__sockaddr__, len);
    return preload_leave(r < 0) ? connect_on(fd) : r;
}

EXPORT int listen(int fd, int backlog)
{
    if (!ours(fd))
        return libc()->listen(fd, backlog);
    IN_STACK(int, ioth_listen(fd, backlog));
}

EXPORT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    if (!ours(fd))
        return libc()->getsockname(fd, addr, len);
    IN_STACK(int, ioth_getsockname(fd, addr.__sockaddr__, len));
}

EXPORT int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
    if (!ours(fd))
        return libc()->getpeername(fd, addr, len);
    IN_STACK(int, ioth_getpeername(fd, addr.__sockaddr__, len));
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (!ours(fd))
        return libc()->setsockopt(fd, level, name, value, len);
    IN_STACK(int, ioth_setsockopt(fd, level, name, value, len));
}

EXPORT int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    if (!ours(fd))
        return libc()->getsockopt(fd, level, name, value, len);
    IN_STACK(int, ioth_getsockopt(fd, level, name, value, len));
}

EXPORT int shutdown(int fd, int how)
{
    if (!ours(fd))
        return libc()->shutdown(fd, how);
    IN_STACK(int, ioth_shutdown(fd, how));
}

/* There is no urgent data. */
EXPORT int sockatmark(int fd)
{
    return ours(fd) ? 0 : libc()->sockatmark(fd);
}
