/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stack inside a process cannot do for a program that does not know of it, and how it is told. */
#include <stdio.h>
#include <string.h>

#include "libioth/preload/preload.h"

static const struct {
    const char *what, *why;
    int error;
} refusals[REFUSALS] = {
    [REFUSE_FORK] = {"fork()",
                     "sockets are open, and their stack cannot be in two processes",
                     ENOTSUP},
    [REFUSE_INHERIT] = {"handing a socket to another program",
                        "its stack is in this process and ends with it", ENOTSUP},
    [REFUSE_PASS] = {"sending a socket to another process (SCM_RIGHTS)",
                     "its stack is in this process", ENOTSUP},
    [REFUSE_SPLICE] = {"splice()",
                       "a socket of a stack in this process has no pages to move", EINVAL},
    [REFUSE_ASYNC] = {"O_ASYNC", "a stack in this process sends no signals", EINVAL},
    [REFUSE_HIDDEN] = {"dup2()", "the number is one of the stack's own descriptors", EBUSY},
    [REFUSE_HANDLER] = {"a socket call in a signal handler",
                        "it has interrupted the stack that it needs", EDEADLK},
    [REFUSE_NETLINK] = {"a netlink socket", "the stack has NETLINK_ROUTE only",
                        EPROTONOSUPPORT},
    [REFUSE_FAMILY] = {"a socket of another network's family",
                       "it would pass by the node's network", EAFNOSUPPORT},
    [REFUSE_CHANGE] = {"an ioctl() that changes the network",
                       "interfaces are the launcher's to set up", EPERM},
    [REFUSE_RAW_SOCKET] = {"a socket made by the system call itself",
                           "it would be the host's, not the node's", EACCES},
    [REFUSE_IO_URING] = {"io_uring", "it would pass by the stack in this process", ENOSYS},
};

static _Atomic bool told[REFUSALS];

/* In one write(), without the heap: it may be a handler, or a child of vfork(). */
void preload_line(const char *line)
{
    char text[640];
    int n =
        snprintf(text, sizeof text, "iothctl: %s: %s\nhint: iothctl run --stack netns …\n",
                 program_invocation_short_name, line);

    if (n > 0)
        (void)!libc()->write(2, text,
                             (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void preload_say(const char *what, const char *why)
{
    char line[512];

    (void)snprintf(line, sizeof line, "%s failed: %s", what, why);
    preload_line(line);
}

int refuse(enum refusal r)
{
    if (!atomic_exchange(&told[r], true))
        preload_say(refusals[r].what, refusals[r].why);
    errno = refusals[r].error;
    return -1;
}
