/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * switch_alone [-r FOLDER] [-t VLAN] [TAP…]: the switch process without the rest of the daemon, with
 * these TAPs as the ports of one network; with -t they are trunks of that VLAN. With -r it serves FOLDER/plug.sock: every client there gets
 * a ring on the network. Ends when its standard input does, and on SIGTERM.
 */
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libioth/plug/ringmap.h"
#include "proto/base/fd.h"
#include "proto/plug/plug.h"
#include "tests/support/testparent.h"

#define NET_ID 1

/* Only interrupts what waits. */
static void on_signal(int number)
{
    (void)number;
}

static uint32_t next_id(void)
{
    static uint32_t id;

    return id += 2;
}

static uint16_t trunk; /* 0 = transparent ports. */

/* The same network, which declares the VLAN now. */
static void declare(const struct testparent *t)
{
    struct ipc_net net = {.id = NET_ID, .mtu = 9216, .vlan_aware = 1};

    snprintf(net.name, sizeof net.name, "bench");
    swport_vlan_add(net.vlans, trunk);
    testparent_send(t, IPC_NET, &net, NULL, 0);
}

static void add_tap(const struct testparent *t, const char *name)
{
    struct ipc_port port = {.id = next_id(), .kind = IPC_PORT_TAP, .net = NET_ID};
    int fd = testparent_open_tap(name);

    snprintf(port.name, sizeof port.name, "%s", name);
    port.set.tagged = trunk != 0;
    if (trunk)
        swport_vlan_add(port.set.trunk, trunk);
    testparent_send(t, IPC_PORT, &port, &fd, 1);
    close(fd);
}

static int listen_at(const char *folder)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (snprintf(sun.sun_path, sizeof sun.sun_path, "%s/plug.sock", folder) >=
        (int)sizeof sun.sun_path)
        errx(1, "%s: too long", folder);
    unlink(sun.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) < 0 || listen(fd, 8) < 0)
        err(1, "%s", sun.sun_path);
    return fd;
}

/* Whatever is asked for, a ring is given; the connection becomes its lifeline. */
static void serve(const struct testparent *t, int listener)
{
    struct ipc_port port = {
        .id = next_id(), .kind = IPC_PORT_RING, .net = NET_ID, .caps = FRAME_CAP_ALL};
    struct plug_reply reply = {.mtu = 1500};
    uint8_t bytes[PLUG_MAX_SIZE];
    int conn = accept(listener, NULL, NULL);
    int fds[3] = {ringmap_create(RING_SIZE_DEFAULT), -1, conn}, bell[2];
    size_t size = plug_reply_encode(&reply, bytes, sizeof bytes);
    uint8_t request[PLUG_MAX_SIZE];

    if (conn < 0 || recv(conn, request, sizeof request, 0) <= 0)
        errx(1, "a client went");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, bell) < 0)
        err(1, "socketpair");
    fds[1] = bell[0];
    snprintf(port.name, sizeof port.name, "ring%u", port.id);
    testparent_send(t, IPC_PORT, &port, fds, 3);
    if (fd_send(conn, bytes, size, (int[]){fds[0], bell[1]}, 2) < 0)
        errx(1, "a client went");
    close(bell[1]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct pollfd polled[2] = {{.fd = 0, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    struct testparent t;
    int i = 1;

    sigaction(SIGTERM, &action, NULL);
    testparent_start(&t, NULL);
    testparent_net(&t, NET_ID, "bench", 9216);
    if (argc > 2 && strcmp(argv[1], "-r") == 0) {
        polled[1].fd = listen_at(argv[2]);
        i = 3;
    }
    if (argc > i + 1 && strcmp(argv[i], "-t") == 0) {
        trunk = (uint16_t)strtoul(argv[i + 1], NULL, 10);
        declare(&t);
        i += 2;
    }
    for (; i < argc; i++)
        add_tap(&t, argv[i]);
    while (poll(polled, 2, -1) > 0 && !polled[0].revents) {
        if (polled[1].revents)
            serve(&t, polled[1].fd);
    }
    return testparent_stop(&t) == 0 ? 0 : 1;
}
