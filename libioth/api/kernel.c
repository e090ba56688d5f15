/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's own stack. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libioth/api/stack.h"

static int control(int fd, unsigned long cmd, void *arg)
{
    return ioctl(fd, cmd, arg);
}

static int flags(int fd, int cmd, long val)
{
    return fcntl(fd, cmd, val);
}

/* The kernel knows it already. */
static int also(int fd, int as)
{
    (void)fd;
    (void)as;
    return 0;
}

struct ioth stack_kernel = {
    .f =
        {
            .socket = socket,
            .close = close,
            .bind = bind,
            .connect = connect,
            .listen = listen,
            .accept = accept,
            .getsockname = getsockname,
            .getpeername = getpeername,
            .setsockopt = setsockopt,
            .getsockopt = getsockopt,
            .shutdown = shutdown,
            .ioctl = control,
            .fcntl = flags,
            .read = read,
            .readv = readv,
            .recv = recv,
            .recvfrom = recvfrom,
            .recvmsg = recvmsg,
            .write = write,
            .writev = writev,
            .send = send,
            .sendto = sendto,
            .sendmsg = sendmsg,
        },
    .plugin = {.copy = -1, .dup = also},
};
