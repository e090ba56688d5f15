/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ioth-holder: see holder.h. Not to be started by hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libioth/netns/netns.h"
#include "libioth/vdestack/holder.h"
#include "proto/base/fd.h"

/* Interfaces have a link-local address as soon as they are up, as everywhere: that of the MAC that they then have. */
static void have_link_local(void)
{
    int fd = open("/proc/sys/net/ipv6/conf/default/addr_gen_mode", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!write(fd, "0", 1);
    fd_close(&fd);
}

static int start(struct err *err)
{
    struct netns_user self = netns_user_self();
    int r = netns_enter_new(err);

    if (r == 0)
        r = netns_map_self(self, err);
    if (r == 0)
        r = netns_prepare(err);
    if (r == 0)
        have_link_local();
    return r;
}

/* Returns a descriptor for the answer, 0 where it has none, or -errno. */
static int carry_out(const struct holder_question *q, struct err *err)
{
    int fd;

    switch ((enum holder_op)q->op) {
    case HOLDER_START:
        return start(err);
    case HOLDER_TAP:
        return netns_tap(q->config.ifname, err);
    case HOLDER_CONFIGURE:
        return netns_configure(&q->config, err);
    case HOLDER_SOCKET:
        fd = socket(q->domain, q->type | SOCK_CLOEXEC, q->protocol);
        return fd < 0 ? -errno : fd;
    }
    return -EINVAL;
}

int main(void)
{
    struct holder_question q;
    int keep[] = {HOLDER_FD};

    fd_close_others(keep, 1);
    while (recv(HOLDER_FD, &q, sizeof q, 0) == sizeof q) {
        struct holder_answer a = {.code = 0};
        int fd = carry_out(&q, &a.err);

        a.code = fd < 0 ? fd : 0;
        if (fd_send(HOLDER_FD, &a, sizeof a, &fd, fd > 0 ? 1 : 0) < 0)
            break;
        if (fd > 0)
            close(fd);
    }
    return 0;
}
