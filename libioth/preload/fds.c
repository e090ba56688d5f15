/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>

#include "libioth/preload/preload.h"

/* What Linux lets a process have, unless told otherwise; pages that nobody touches are not there. */
#define FDS_MAX (1 << 20)

/* Where hidden descriptors go, at most; half of what the process may have, if that is less. */
#define HIDE_FROM 65536

enum { FD_STACK = 1, FD_SEEN_CLOEXEC = 2, FD_HIDDEN = 4 };

static _Atomic uint8_t marks[FDS_MAX];
static _Atomic int n_stack;
static _Atomic int highest;

static unsigned mark(int fd)
{
    return fd >= 0 && fd < FDS_MAX ? atomic_load_explicit(&marks[fd], memory_order_relaxed)
                                   : 0;
}

bool fds_is_stack(int fd)
{
    return mark(fd) & FD_STACK;
}

bool fds_is_hidden(int fd)
{
    return mark(fd) & FD_HIDDEN;
}

bool fds_cloexec(int fd)
{
    return mark(fd) & FD_SEEN_CLOEXEC;
}

void fds_add(int fd, bool cloexec)
{
    int top = atomic_load(&highest);
    unsigned before;

    if (fd < 0 || fd >= FDS_MAX)
        return;
    before =
        atomic_exchange(&marks[fd], (uint8_t)(FD_STACK | (cloexec ? FD_SEEN_CLOEXEC : 0)));
    if (!(before & FD_STACK))
        atomic_fetch_add(&n_stack, 1);
    while (fd > top && !atomic_compare_exchange_weak(&highest, &top, fd))
        ;
}

void fds_drop(int fd)
{
    if (mark(fd) && atomic_exchange(&marks[fd], 0) & FD_STACK)
        atomic_fetch_sub(&n_stack, 1);
}

void fds_set_cloexec(int fd, bool on)
{
    if (on)
        atomic_fetch_or(&marks[fd], FD_SEEN_CLOEXEC);
    else
        atomic_fetch_and(&marks[fd], (uint8_t)~FD_SEEN_CLOEXEC);
}

int fds_count(void)
{
    return atomic_load(&n_stack);
}

int fds_next(int fd)
{
    int top = atomic_load(&highest);

    for (fd = fd < 0 ? 0 : fd; fd <= top; fd++)
        if (fds_is_stack(fd))
            return fd;
    return -1;
}

/* Numbers are given out from below: a program that closes or replaces one by its number, or that asks
 * select(), is not to meet ours. */
int fds_hide(int fd)
{
    struct rlimit limit = {.rlim_cur = 0};
    int from, high;

    if (fd < 0)
        return fd;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    from = limit.rlim_cur / 2 < HIDE_FROM ? (int)(limit.rlim_cur / 2) : HIDE_FROM;
    high = fd < from ? libc()->fcntl(fd, F_DUPFD_CLOEXEC, from) : -1;
    if (high >= 0) {
        libc()->close(fd);
        fd = high;
    }
    if (fd < FDS_MAX)
        atomic_store(&marks[fd], FD_HIDDEN);
    return fd;
}
