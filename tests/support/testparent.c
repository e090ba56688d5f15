/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/support/testparent.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabricd/dataplane/dataplane.h"
#include "libioth/plug/ringmap.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/mtime.h"

#define WAIT_TIME (2 * MTIME_SEC)

static void make_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        err(1, "socketpair");
}

static int bind_adoption(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0)
        err(1, "%s", path);
    return fd;
}

void testparent_start(struct testparent *t, const char *adoption_path)
{
    struct ipc_start *start = calloc(1, sizeof *start);
    int parent[2], control[2], fds[2];

    if (!start)
        err(1, "calloc");
    make_pair(parent);
    make_pair(control);
    t->adoption = adoption_path ? bind_adoption(adoption_path) : -1;
    t->pid = fork();
    if (t->pid < 0)
        err(1, "fork");
    if (t->pid == 0) {
        close(parent[0]);
        close(control[0]);
        close(control[1]);
        /* A test's handlers would go on with its tests in here. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        log_init("switch", LOG_LEVEL_INFO, 2);
        _exit(dataplane_main(parent[1]));
    }
    close(parent[1]);
    t->channel = parent[0];
    t->control = control[0];
    fds[0] = control[1];
    fds[1] = t->adoption;
    testparent_send(t, IPC_START, start, fds, t->adoption >= 0 ? 2 : 1);
    /* An empty vault: from here on the switch talks to control. */
    testparent_send(t, IPC_REPLAY_END, NULL, NULL, 0);
    close(control[1]);
    free(start);
}

int testparent_stop(struct testparent *t)
{
    int status;

    testparent_send(t, IPC_STOP, NULL, NULL, 0);
    if (waitpid(t->pid, &status, 0) < 0)
        err(1, "waitpid");
    close(t->channel);
    close(t->control);
    if (t->adoption >= 0)
        close(t->adoption);
    return status;
}

void testparent_send(const struct testparent *t, enum ipc_type type, const void *body,
                     const int *fds, unsigned n_fds)
{
    int code = ipc_send(t->channel, type, 0, body, fds, n_fds);

    if (code < 0)
        errx(1, "%s to the switch: %s", ipc_type_name(type), strerror(-code));
}

bool testparent_expect(int channel, enum ipc_type type, struct ipc_message *msg)
{
    mtime_t until = mtime_now() + WAIT_TIME;
    mtime_t now;

    while ((now = mtime_now()) < until) {
        struct pollfd p = {.fd = channel, .events = POLLIN};

        if (poll(&p, 1, (int)((until - now) / MTIME_MS) + 1) <= 0)
            continue;
        if (ipc_recv(channel, msg) <= 0)
            return false;
        if (msg->head.type == type)
            return true;
        for (unsigned i = 0; i < msg->n_fds; i++)
            close(msg->fds[i]);
    }
    return false;
}

void testparent_net(const struct testparent *t, uint64_t id, const char *name, uint32_t mtu)
{
    struct ipc_net *net = calloc(1, sizeof *net);

    if (!net)
        err(1, "calloc");
    net->id = id;
    net->mtu = mtu;
    net->local = 1;
    snprintf(net->name, sizeof net->name, "%s", name);
    testparent_send(t, IPC_NET, net, NULL, 0);
    free(net);
}

int testparent_open_tap(const char *ifname)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", ifname);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
        err(1, "TAP %s", ifname);
    return fd;
}

void testring_make(struct testring *ring)
{
    int lifeline[2], bell[2];

    ring->memfd = ringmap_create(RING_SIZE_DEFAULT);
    if (ring->memfd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, bell) < 0)
        errx(1, "making a ring");
    ring->bell = bell[0];
    ring->daemon_bell = bell[1];
    make_pair(lifeline);
    ring->lifeline = lifeline[0];
    ring->daemon_lifeline = lifeline[1];
}

void testparent_put_ring(const struct testparent *t, uint32_t id, uint64_t net,
                         const char *name, const struct testring *ring)
{
    struct ipc_port port = {
        .id = id, .kind = IPC_PORT_RING, .net = net, .caps = FRAME_CAP_ALL};
    int fds[3] = {ring->memfd, ring->daemon_bell, ring->daemon_lifeline};

    snprintf(port.name, sizeof port.name, "%s", name);
    testparent_send(t, IPC_PORT, &port, fds, 3);
}

void testring_close(struct testring *ring)
{
    fd_close(&ring->memfd);
    fd_close(&ring->bell);
    fd_close(&ring->daemon_bell);
    fd_close(&ring->lifeline);
    fd_close(&ring->daemon_lifeline);
}
