/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for sockets, and for anything else at the same time: by libioth's, which drive the stack meanwhile.
 * None of these is made again after a signal. */
#include <string.h>
#include <time.h>

#include "libioth/api/ioth.h"
#include "libioth/preload/preload.h"

/* --- poll() ------------------------------------------------------------------------------------- */

static bool any_ours(const struct pollfd *fds, nfds_t n)
{
    if (preload_self.inside || fds_count() == 0 || preload_self.interrupted)
        return false;
    for (nfds_t i = 0; i < n; i++)
        if (fds_is_stack(fds[i].fd))
            return true;
    return false;
}

static int wait_for(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                    const sigset_t *mask)
{
    int r;

    if (!preload_enter())
        return -1;
    r = ioth_ppoll(fds, n, timeout, mask);
    (void)preload_leave(false);
    return r;
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                 const sigset_t *mask)
{
    return any_ours(fds, n) ? wait_for(fds, n, timeout, mask)
                            : libc()->ppoll(fds, n, timeout, mask);
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    const struct timespec ts = {.tv_sec = timeout / 1000,
                                .tv_nsec = timeout % 1000 * 1000000L};

    return any_ours(fds, n) ? wait_for(fds, n, timeout < 0 ? NULL : &ts, NULL)
                            : libc()->poll(fds, n, timeout);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
    if (room / sizeof *fds < n)
        abort();
    return poll(fds, n, timeout);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                const sigset_t *mask, size_t room);
EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                       const sigset_t *mask, size_t room)
{
    if (room / sizeof *fds < n)
        abort();
    return ppoll(fds, n, timeout, mask);
}

/* --- select() ------------------------------------------------------------------------------------- */

static bool in_set(int fd, const fd_set *set)
{
    return set && FD_ISSET(fd, set);
}

static bool any_selected(int n, const fd_set *in, const fd_set *out, const fd_set *except)
{
    if (preload_self.inside || n > FD_SETSIZE || preload_self.interrupted)
        return false;
    for (int fd = fds_next(0); fd >= 0 && fd < n; fd = fds_next(fd + 1))
        if (in_set(fd, in) || in_set(fd, out) || in_set(fd, except))
            return true;
    return false;
}

static nfds_t to_poll(struct pollfd *fds, int n, const fd_set *in, const fd_set *out,
                      const fd_set *except)
{
    nfds_t n_fds = 0;

    for (int fd = 0; fd < n; fd++) {
        short events =
            (short)((in_set(fd, in) ? POLLIN : 0) | (in_set(fd, out) ? POLLOUT : 0) |
                    (in_set(fd, except) ? POLLPRI : 0));

        if (events)
            fds[n_fds++] = (struct pollfd){.fd = fd, .events = events};
    }
    return n_fds;
}

static int put(int fd, bool ready, fd_set *set)
{
    if (!set)
        return 0;
    if (ready)
        FD_SET(fd, set);
    return ready;
}

static int from_poll(const struct pollfd *fds, nfds_t n_fds, fd_set *in, fd_set *out,
                     fd_set *except)
{
    int n = 0;

    for (nfds_t i = 0; i < n_fds; i++) {
        if (fds[i].revents & POLLNVAL) {
            errno = EBADF;
            return -1;
        }
    }
    if (in)
        FD_ZERO(in);
    if (out)
        FD_ZERO(out);
    if (except)
        FD_ZERO(except);
    for (nfds_t i = 0; i < n_fds; i++) {
        const struct pollfd *p = &fds[i];

        if (p->events & POLLIN)
            n += put(p->fd, p->revents & (POLLIN | POLLHUP | POLLERR), in);
        if (p->events & POLLOUT)
            n += put(p->fd, p->revents & (POLLOUT | POLLERR), out);
        if (p->events & POLLPRI)
            n += put(p->fd, p->revents & POLLPRI, except);
    }
    return n;
}

static int select_ours(int n, fd_set *in, fd_set *out, fd_set *except,
                       const struct timespec *timeout, const sigset_t *mask)
{
    struct pollfd fds[FD_SETSIZE];
    nfds_t n_fds = to_poll(fds, n, in, out, except);

    return wait_for(fds, n_fds, timeout, mask) < 0 ? -1
                                                   : from_poll(fds, n_fds, in, out, except);
}

EXPORT int pselect(int n, fd_set *in, fd_set *out, fd_set *except,
                   const struct timespec *timeout, const sigset_t *mask)
{
    return any_selected(n, in, out, except)
               ? select_ours(n, in, out, except, timeout, mask)
               : libc()->pselect(n, in, out, except, timeout, mask);
}

/* What is left of the time, as Linux puts it there. A program may have put any number of seconds. */
static void put_left(struct timeval *timeout, const struct timespec *start)
{
    struct timespec now;
    struct timeval left = *timeout;

    clock_gettime(CLOCK_MONOTONIC, &now);
    left.tv_sec -= now.tv_sec - start->tv_sec;
    left.tv_usec -= (now.tv_nsec - start->tv_nsec) / 1000;
    if (left.tv_usec < 0) {
        left.tv_sec--;
        left.tv_usec += 1000000;
    } else if (left.tv_usec >= 1000000) {
        left.tv_sec++;
        left.tv_usec -= 1000000;
    }
    *timeout = left.tv_sec < 0 ? (struct timeval){.tv_sec = 0} : left;
}

EXPORT int select(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    struct timespec ts = {.tv_sec = 0}, start;
    int r;

    if (!any_selected(n, in, out, except))
        return libc()->select(n, in, out, except, timeout);
    if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)) {
        errno = EINVAL;
        return -1;
    }
    if (timeout)
        ts = (struct timespec){timeout->tv_sec + timeout->tv_usec / 1000000,
                               timeout->tv_usec % 1000000 * 1000};
    clock_gettime(CLOCK_MONOTONIC, &start);
    r = select_ours(n, in, out, except, timeout ? &ts : NULL, NULL);
    if (timeout)
        put_left(timeout, &start);
    return r;
}

/* --- epoll ---------------------------------------------------------------------------------------- */

EXPORT int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (!ours(fd))
        return libc()->epoll_ctl(epoll, op, fd, event);
    IN_STACK(int, ioth_epoll_ctl(epoll, op, fd, event));
}

EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int n, int timeout,
                       const sigset_t *mask)
{
    int r;

    if (preload_self.inside || fds_count() == 0 || preload_self.interrupted ||
        !preload_enter())
        return libc()->epoll_pwait(epoll, events, n, timeout, mask);
    r = ioth_epoll_pwait(epoll, events, n, timeout, mask);
    (void)preload_leave(false);
    return r;
}

EXPORT int epoll_wait(int epoll, struct epoll_event *events, int n, int timeout)
{
    return epoll_pwait(epoll, events, n, timeout, NULL);
}

/* To the next millisecond, as the kernel's timers are no finer for it. */
EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int n,
                        const struct timespec *timeout, const sigset_t *mask)
{
    if (preload_self.inside || fds_count() == 0)
        return libc()->epoll_pwait2(epoll, events, n, timeout, mask);
    return epoll_pwait(
        epoll, events, n,
        !timeout ? -1
        : timeout->tv_sec > 1000000L
            ? 1000000000
            : (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000),
        mask);
}
