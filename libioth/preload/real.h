/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The C library's own functions, behind ours. */
#ifndef LIBIOTH_PRELOAD_REAL_H
#define LIBIOTH_PRELOAD_REAL_H

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

/* clang-format off */
#define REAL_FUNCTIONS(X)                                                                  \
    X(accept4) X(bind) X(clone) X(close) X(close_range) X(closefrom) X(connect)            \
    X(copy_file_range) X(daemon) X(dup) X(dup2) X(dup3) X(epoll_create1) X(epoll_ctl) X(epoll_pwait)    \
    X(epoll_pwait2) X(epoll_wait) X(eventfd) X(execve) X(execvp) X(execvpe) X(fcntl) X(fdopen)             \
    X(fexecve) X(fileno) X(fork) X(forkpty) X(gethostname) X(getnameinfo)                  \
    X(getpeername) X(getsockname) X(getsockopt) X(ioctl) X(listen) X(memfd_create)         \
    X(poll) X(posix_spawn_file_actions_adddup2) X(ppoll) X(pselect) X(pthread_cancel) X(pthread_create)      \
    X(read) X(readv) X(recv) X(recvfrom) X(recvmmsg) X(recvmsg) X(select) X(send)          \
    X(sendfile) X(sendmmsg) X(sendmsg) X(sendto) X(setsockopt) X(shutdown) X(sigaction)    \
    X(sockatmark) X(socket) X(socketpair) X(splice) X(syscall) X(tee) X(uname) X(vdprintf) \
    X(vmsplice) X(write) X(writev) X(_exit)
/* clang-format on */

struct real {
#define X(name) __typeof__(name) *name;
    REAL_FUNCTIONS(X)
#undef X
};

extern struct real real_functions;
extern _Atomic bool real_known;
void real_find(void);

/* Also for calls that come before this library has been started. */
static inline const struct real *libc(void)
{
    if (!atomic_load_explicit(&real_known, memory_order_acquire))
        real_find();
    return &real_functions;
}

#endif
