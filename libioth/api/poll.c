/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting: the system's own calls, with a stack that is driven until they have something to say. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "libioth/api/stack.h"
#include "libioth/api/watch.h"
#include "proto/base/mtime.h"

#define FDS_FEW  64 /* Polled without asking for memory. */
#define OWN_FDS  130
#define N_EPOLLS 256
#define N_FAILED 64 /* Sockets with errors that are told of at a time. */

/* --- which stack -------------------------------------------------------------------------------- */

/* Which stack has sockets in an epoll; one that is not found here (there are others of its number modulo
 * N_EPOLLS) is waited for all the same. */
static struct {
    _Atomic int epoll; /* 0 = none: that is no epoll. */
    struct ioth *_Atomic stack;
} epolls[N_EPOLLS];

static struct ioth *stack_of_epoll(int epoll)
{
    unsigned i = (unsigned)epoll % N_EPOLLS;

    return epoll > 0 && atomic_load(&epolls[i].epoll) == epoll
               ? atomic_load(&epolls[i].stack)
               : NULL;
}

static void note_epoll(int epoll, struct ioth *s)
{
    unsigned i = (unsigned)epoll % N_EPOLLS;

    if (stack_of_epoll(epoll) == s)
        return;
    atomic_store(&epolls[i].epoll, 0);
    atomic_store(&epolls[i].stack, s);
    atomic_store(&epolls[i].epoll, epoll);
}

void poll_forget(const struct ioth *s)
{
    for (unsigned i = 0; i < N_EPOLLS; i++)
        if (atomic_load(&epolls[i].stack) == s)
            atomic_store(&epolls[i].epoll, 0);
}

static struct ioth *stack_to_drive(const struct pollfd *fds, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) {
        struct ioth *s = fdtab_get(fds[i].fd);

        if (s && s->plugin.poll)
            return s;
    }
    return NULL;
}

/* --- time --------------------------------------------------------------------------------------- */

static struct timespec of_ms(int ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
}

/* --- poll --------------------------------------------------------------------------------------- */

int ioth_ppoll(struct pollfd *fds, unsigned long n, const struct timespec *timeout,
               const sigset_t *mask)
{
    struct pollfd few[FDS_FEW + OWN_FDS], *all = few;
    struct ioth *s = stack_to_drive(fds, n);
    int r;

    if (!s || n > INT_MAX)
        return ppoll(fds, n, timeout, mask);
    if (n > FDS_FEW)
        all = calloc(n + OWN_FDS, sizeof *all);
    if (!all)
        return -1;
    memcpy(all, fds, n * sizeof *fds);
    stack_enter(s);
    r = s->plugin.poll(all, (unsigned)n, mtime_deadline(timeout), mask);
    for (unsigned long i = 0; i < n; i++)
        fds[i].revents = r >= 0 ? all[i].revents : fds[i].revents;
    if (all != few)
        free(all);
    return r;
}

int ioth_poll(struct pollfd *fds, unsigned long n, int timeout_ms)
{
    struct timespec timeout = of_ms(timeout_ms < 0 ? 0 : timeout_ms);

    return ioth_ppoll(fds, n, timeout_ms < 0 ? NULL : &timeout, NULL);
}

int ioth_flush(struct ioth *stack)
{
    struct ioth *s = stack_or_default(stack);

    if (!s->plugin.flush) {
        errno = ENOSYS;
        return -1;
    }
    stack_enter(s);
    s->plugin.flush();
    return 0;
}

void ioth_interrupt(struct ioth *stack)
{
    if (stack && stack->plugin.interrupt)
        stack->plugin.interrupt();
}

/* --- epoll -------------------------------------------------------------------------------------- */

int ioth_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    struct ioth *s = fdtab_get(fd);
    int r = epoll_ctl(epoll, op, fd, event);

    if (r < 0 || !s)
        return r;
    if (op == EPOLL_CTL_DEL) {
        watch_remove(fd, epoll);
        return r;
    }
    if (s->plugin.poll)
        note_epoll(epoll, s);
    if (s->plugin.failed)
        watch_add(fd, epoll, event->data.u64);
    if (event->events & (uint32_t)EPOLLET && s->plugin.edges) {
        stack_enter(s);
        return s->plugin.edges(fd);
    }
    return r;
}

/* An error of a socket is shown as something to read; here it can be told for what it is. */
static void tell_error(int fd, struct epoll_event *event)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (ioth_poll(&p, 1, 0) <= 0 || !(p.revents & POLLERR))
        return;
    event->events |= EPOLLERR;
    if (!(p.revents & POLLIN))
        event->events &= ~(uint32_t)(EPOLLIN | EPOLLRDNORM);
}

static void tell_errors(struct ioth *s, int epoll, struct epoll_event *events, int n)
{
    unsigned failed;
    int fds[N_FAILED];
    uint64_t data;

    if (!s->plugin.failed)
        return;
    stack_enter(s);
    failed = s->plugin.failed(fds, N_FAILED);
    for (unsigned f = 0; f < failed; f++) {
        if (!watch_find(fds[f], epoll, &data))
            continue;
        for (int i = 0; i < n; i++)
            if (events[i].data.u64 == data)
                tell_error(fds[f], &events[i]);
    }
}

int ioth_epoll_pwait(int epoll, struct epoll_event *events, int n, int timeout_ms,
                     const sigset_t *mask)
{
    struct timespec timeout = of_ms(timeout_ms < 0 ? 0 : timeout_ms);
    struct ioth *s = stack_of_epoll(epoll);
    struct pollfd fds[1 + OWN_FDS];
    mtime_t deadline;
    int r;

    if (!s)
        return epoll_pwait(epoll, events, n, timeout_ms, mask);
    deadline = mtime_deadline(timeout_ms < 0 ? NULL : &timeout);
    /* What has made it ready may be gone again, taken by another thread. */
    do {
        fds[0] = (struct pollfd){.fd = epoll, .events = POLLIN};
        stack_enter(s);
        r = s->plugin.poll(fds, 1, deadline, mask);
        if (r < 0)
            return r;
        r = epoll_wait(epoll, events, n, 0);
    } while (r == 0 && fds[0].revents);
    if (r > 0)
        tell_errors(s, epoll, events, r);
    return r;
}

int ioth_epoll_wait(int epoll, struct epoll_event *events, int n, int timeout_ms)
{
    return ioth_epoll_pwait(epoll, events, n, timeout_ms, NULL);
}
