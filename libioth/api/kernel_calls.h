/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's own socket calls as the functions of a stack: of the host's, and of those in namespaces. */
#ifndef LIBIOTH_API_KERNEL_CALLS_H
#define LIBIOTH_API_KERNEL_CALLS_H

#include <unistd.h>

#include "libioth/api/ioth.h"

/* With the three arguments that ioth_ioctl() and ioth_fcntl() have. */
int kernel_ioctl(int fd, unsigned long cmd, void *arg);
int kernel_fcntl(int fd, int cmd, long val);

/* What ioth_NAME_dup() does there: the kernel knows it already. */
int kernel_dup(int fd, int as);

/* clang-format off */
#define KERNEL_CALLS {                                                                     \
    .socket = socket, .close = close, .bind = bind, .connect = connect, .listen = listen,   \
    .accept = accept, .getsockname = getsockname, .getpeername = getpeername,               \
    .setsockopt = setsockopt, .getsockopt = getsockopt, .shutdown = shutdown,               \
    .ioctl = kernel_ioctl, .fcntl = kernel_fcntl, .read = read, .readv = readv,             \
    .recv = recv, .recvfrom = recvfrom, .recvmsg = recvmsg, .write = write,                 \
    .writev = writev, .send = send, .sendto = sendto, .sendmsg = sendmsg,                   \
}
/* clang-format on */

#endif
