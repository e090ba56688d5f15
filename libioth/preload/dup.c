/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors are doubled, changed and closed, on whatever path. */
#include <limits.h>
#include <linux/close_range.h>
#include <stdarg.h>

#include "libioth/api/ioth.h"
#include "libioth/preload/preload.h"

/* --- closing -------------------------------------------------------------------------------------- */

/* In a child of vfork() only its own copy of the number goes: the memory is its parent's. */
static int close_in_stack(int fd)
{
    int r;

    if (!node_is_ours())
        return libc()->close(fd);
    if (!preload_enter())
        return -1;
    fds_drop(fd); /* Before: the number may come again at once. */
    r = ioth_close(fd);
    (void)preload_leave(false);
    return r;
}

EXPORT int close(int fd)
{
    if (preload_self.inside) {
        if (fds_is_hidden(fd))
            fds_drop(fd);
        return libc()->close(fd);
    }
    if (fds_is_hidden(fd)) {
        errno = EBADF; /* The program does not know of it. */
        return -1;
    }
    return fds_is_stack(fd) ? close_in_stack(fd) : libc()->close(fd);
}

int __close(int fd);
EXPORT int __close(int fd)
{
    return close(fd);
}

/* What is ours in a range is closed by us, or left alone; what is between is the C library's. */
static int close_between(unsigned first, unsigned last, int flags)
{
    unsigned from = first;
    int r = 0;

    for (unsigned fd = first; fd <= last && fd < INT_MAX && r == 0; fd++) {
        bool hidden = fds_is_hidden((int)fd);

        if (fd >= 1U << 20) /* None of ours is there. */
            break;
        if (!hidden && !fds_is_stack((int)fd))
            continue;
        if (fd > from)
            r = libc()->close_range(from, fd - 1, flags);
        from = fd + 1;
        if (!hidden)
            (void)close_in_stack((int)fd);
    }
    return r == 0 && from <= last ? libc()->close_range(from, last, flags) : r;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    if (preload_self.inside || first > last || !node_is_ours())
        return libc()->close_range(first, last, flags);
    if (!(flags & (int)CLOSE_RANGE_CLOEXEC))
        return close_between(first, last, flags);
    for (int fd = fds_next((int)(first < INT_MAX ? first : INT_MAX));
         fd >= 0 && (unsigned)fd <= last; fd = fds_next(fd + 1))
        fds_set_cloexec(fd, true);
    return libc()->close_range(first, last, flags);
}

EXPORT void closefrom(int first)
{
    if (node_is_ours())
        (void)close_between(first < 0 ? 0 : (unsigned)first, ~0U, 0);
    else
        libc()->closefrom(first);
}

/* --- doubling ------------------------------------------------------------------------------------- */

enum where { FROM, ONTO };

/* One more descriptor of a socket: the lowest number that is free from `as` on, or that number itself. */
static int dup_in_stack(int fd, enum where where, int as, bool cloexec)
{
    int r;

    if (!node_is_ours())
        return refuse(REFUSE_INHERIT);
    if (!preload_enter())
        return -1;
    r = where == ONTO ? ioth_dup3(fd, as, O_CLOEXEC) : ioth_fcntl(fd, F_DUPFD_CLOEXEC, as);
    if (r >= 0)
        fds_add(r, cloexec);
    (void)preload_leave(false);
    return r;
}

EXPORT int dup(int fd)
{
    return ours(fd) ? dup_in_stack(fd, FROM, 0, false) : libc()->dup(fd);
}

/* A socket of the stack that was at the number is closed by it. */
static int dup_to(int fd, int as, int flags)
{
    if (!preload_self.inside && fds_is_hidden(as))
        return refuse(REFUSE_HIDDEN);
    if (ours(fd))
        return dup_in_stack(fd, ONTO, as, flags & O_CLOEXEC);
    if (ours(as) && libc()->fcntl(fd, F_GETFD) >= 0)
        (void)close_in_stack(as);
    return libc()->dup3(fd, as, flags);
}

EXPORT int dup2(int fd, int as)
{
    if (fd == as)
        return libc()->dup2(fd, as);
    return dup_to(fd, as, 0);
}

EXPORT int dup3(int fd, int as, int flags)
{
    if (fd == as)
        return libc()->dup3(fd, as, flags);
    return dup_to(fd, as, flags);
}

/* --- changing ------------------------------------------------------------------------------------- */

static int control(int fd, int cmd, void *arg)
{
    long value = (long)(intptr_t)arg;

    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return dup_in_stack(fd, FROM, (int)value, cmd == F_DUPFD_CLOEXEC);
    case F_GETFD:
        return fds_cloexec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
        if (node_is_ours())
            fds_set_cloexec(fd, value & FD_CLOEXEC);
        else if (!(value & FD_CLOEXEC))
            return refuse(REFUSE_INHERIT);
        return 0;
    case F_SETFL:
        return value & O_ASYNC ? refuse(REFUSE_ASYNC) : libc()->fcntl(fd, cmd, arg);
    case F_SETOWN:
    case F_SETOWN_EX:
    case F_SETSIG:
        return refuse(REFUSE_ASYNC);
    default:
        return libc()->fcntl(fd, cmd, arg);
    }
}

EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list args;
    void *arg;

    va_start(args, cmd);
    arg = va_arg(args, void *);
    va_end(args);
    return ours(fd) ? control(fd, cmd, arg) : libc()->fcntl(fd, cmd, arg);
}

/* The C library's other name of it; an alias, for what it is given cannot be handed on uncounted. */
EXPORT int fcntl64(int fd, int cmd, ...) __attribute__((alias("fcntl")));

/* --- libioth's own, which the program does not see ---------------------------------------------------- */

EXPORT int eventfd(unsigned count, int flags)
{
    int fd = libc()->eventfd(count, flags);

    return preload_self.inside ? fds_hide(fd) : fd;
}

EXPORT int epoll_create1(int flags)
{
    int fd = libc()->epoll_create1(flags);

    return preload_self.inside ? fds_hide(fd) : fd;
}

EXPORT int memfd_create(const char *name, unsigned flags)
{
    int fd = libc()->memfd_create(name, flags);

    return preload_self.inside ? fds_hide(fd) : fd;
}
