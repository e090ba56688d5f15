/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * syscall(): what a program, or a library under it, asks of the kernel by number. libuv, for one, sends and receives
 * datagrams so. Where it is about a socket of the stack, what goes through it takes the way of the function of the same
 * name; all else is the kernel's.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "libioth/preload/preload.h"

#define N_ARGS 6

static void *at(long arg)
{
    return (void *)(intptr_t)arg; /* As the kernel would take it. */
}

static long about_ours(long number, const long a[N_ARGS])
{
    int fd = (int)a[0];

    switch (number) {
    case SYS_read:
        return read(fd, at(a[1]), (size_t)a[2]);
    case SYS_readv:
        return readv(fd, at(a[1]), (int)a[2]);
    case SYS_recvfrom:
        return recvfrom(fd, at(a[1]), (size_t)a[2], (int)a[3], at(a[4]), at(a[5]));
    case SYS_recvmsg:
        return recvmsg(fd, at(a[1]), (int)a[2]);
    case SYS_recvmmsg:
        return recvmmsg(fd, at(a[1]), (unsigned)a[2], (int)a[3], at(a[4]));
    case SYS_write:
        return write(fd, at(a[1]), (size_t)a[2]);
    case SYS_writev:
        return writev(fd, at(a[1]), (int)a[2]);
    case SYS_sendto:
        return sendto(fd, at(a[1]), (size_t)a[2], (int)a[3], at(a[4]), (socklen_t)a[5]);
    case SYS_sendmsg:
        return sendmsg(fd, at(a[1]), (int)a[2]);
    case SYS_sendmmsg:
        return sendmmsg(fd, at(a[1]), (unsigned)a[2], (int)a[3]);
    case SYS_accept4:
        return accept4(fd, at(a[1]), at(a[2]), (int)a[3]);
    case SYS_close:
        return close(fd);
    default:
        return libc()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

EXPORT long syscall(long number, ...)
{
    long a[N_ARGS];
    va_list args;

    va_start(args, number);
    for (unsigned i = 0; i < N_ARGS; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (a[0] >= 0 && a[0] <= INT_MAX && ours((int)a[0]))
        return about_ours(number, a);
    return libc()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
