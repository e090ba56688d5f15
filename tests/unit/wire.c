/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/plug/plug.h"

#define MTU     1500
#define LOOK_MS 5 /* So that an end is seen. */

static void ring_bell(const struct wire_port *p)
{
    if (p->bell >= 0)
        (void)!send(p->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void leave(struct wire_port *p)
{
    ringmap_done(&p->map);
    fd_close(&p->conn);
    fd_close(&p->bell);
    p->blocked = false;
}

static void welcome(struct wire *w)
{
    uint8_t data[PLUG_MAX_SIZE];
    int fds[FD_PASS_MAX], bell[2], conn = accept(w->listener, NULL, NULL);
    unsigned n_fds = FD_PASS_MAX;
    ssize_t size = conn < 0 ? -1 : fd_recv(conn, data, sizeof data, fds, &n_fds);
    struct plug_reply reply = {.mtu = MTU};
    struct plug_request request;
    struct wire_port *p = w->ports;
    int memory;

    while (p < w->ports + WIRE_PORTS && p->conn >= 0)
        p++;
    if (size < 0 || plug_request_decode(data, (size_t)size, &request) < 0 ||
        p == w->ports + WIRE_PORTS || socketpair(AF_UNIX, SOCK_STREAM, 0, bell) < 0) {
        fd_close(&conn);
        return;
    }
    memcpy(reply.mac, request.mac, sizeof reply.mac);
    memory = ringmap_create(RING_SIZE_DEFAULT);
    size = (ssize_t)plug_reply_encode(&reply, data, sizeof data);
    if (ringmap_attach(&p->map, memory, RINGMAP_DAEMON) < 0 ||
        fd_send(conn, data, (size_t)size, (int[]){memory, bell[1]}, 2) < 0)
        abort();
    fd_close(&memory);
    fd_close(&bell[1]);
    p->conn = conn;
    p->bell = bell[0];
}

/* One burst from a port to the other; true if something went. */
static bool carry(struct wire *w, struct wire_port *from, struct wire_port *to)
{
    struct frame frames[FRAME_BURST];
    unsigned every = atomic_load(&w->drop_every);
    int n = from->conn >= 0 ? ring_peek(&from->map.rx, frames, FRAME_BURST) : 0;
    int i;

    for (i = 0; i < n; i++) {
        if (to->conn < 0)
            continue;
        if (every && (atomic_load(&w->passed) + 1) % every == 0) {
            atomic_fetch_add(&w->dropped, 1);
        } else if (ring_put(&to->map.tx, &frames[i]) == -ENOBUFS) {
            to->blocked = true;
            break;
        }
        atomic_fetch_add(&w->passed, 1);
        atomic_fetch_add(&w->supers, frames[i].gso != FRAME_GSO_NONE);
    }
    if (n > 0)
        ring_unget(&from->map.rx, (unsigned)(n - i));
    if (to->conn >= 0 && ring_publish(&to->map.tx))
        ring_bell(to);
    if (n > 0 && ring_release(&from->map.rx))
        ring_bell(from);
    return i > 0;
}

/* Announces that nobody looks; true if there is nothing to do. */
static bool may_sleep(struct wire *w)
{
    bool quiet = true;

    for (unsigned i = 0; i < WIRE_PORTS; i++) {
        struct wire_port *p = &w->ports[i];

        if (p->conn < 0)
            continue;
        if (p->blocked)
            quiet = ring_tx_sleep(&p->map.tx, FRAME_SUPER_MAX) && quiet;
        else
            quiet = (ring_rx_sleep(&w->ports[!i].map.rx) || w->ports[!i].conn < 0) && quiet;
    }
    return quiet;
}

static void look_around(struct wire *w, int timeout)
{
    struct pollfd fds[1 + 2 * WIRE_PORTS] = {{.fd = w->listener, .events = POLLIN}};
    char rung[64];

    for (unsigned i = 0; i < WIRE_PORTS; i++) {
        fds[1 + 2 * i] = (struct pollfd){.fd = w->ports[i].conn, .events = POLLIN};
        fds[2 + 2 * i] = (struct pollfd){.fd = w->ports[i].bell, .events = POLLIN};
    }
    (void)!poll(fds, 1 + 2 * WIRE_PORTS, timeout);
    for (unsigned i = 0; i < WIRE_PORTS; i++) {
        struct wire_port *p = &w->ports[i];

        if (p->conn < 0)
            continue;
        ring_rx_wake(&p->map.rx);
        ring_tx_wake(&p->map.tx);
        p->blocked = false;
        if (fds[2 + 2 * i].revents)
            (void)!recv(p->bell, rung, sizeof rung, MSG_DONTWAIT);
        if (fds[1 + 2 * i].revents) {
            carry(w, p, &w->ports[!i]); /* What it said last. */
            leave(p);
        }
    }
    if (fds[0].revents)
        welcome(w);
}

static void *serve(void *aux)
{
    struct wire *w = aux;

    while (!atomic_load(&w->stop)) {
        bool both = w->ports[0].conn >= 0 && w->ports[1].conn >= 0;
        bool busy = carry(w, &w->ports[0], &w->ports[1]);

        busy = carry(w, &w->ports[1], &w->ports[0]) || busy;
        look_around(w, busy || (both && !may_sleep(w)) ? 0 : LOOK_MS);
    }
    return NULL;
}

int wire_start(struct wire *w)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char api[64];

    *w = (struct wire){.folder = "/tmp/ioth-wire-XXXXXX"};
    for (unsigned i = 0; i < WIRE_PORTS; i++)
        w->ports[i].conn = w->ports[i].bell = -1;
    if (!mkdtemp(w->folder))
        return -1;
    snprintf(un.sun_path, sizeof un.sun_path, "%s/plug.sock", w->folder);
    snprintf(api, sizeof api, "%s/api.sock", w->folder);
    setenv("IOTH_SOCKET", api, 1);
    w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (bind(w->listener, (const struct sockaddr *)&un, sizeof un) < 0 ||
        listen(w->listener, 4) < 0)
        return -1;
    return pthread_create(&w->thread, NULL, serve, w) ? -1 : 0;
}

int wire_end(struct wire *w)
{
    char path[64];

    atomic_store(&w->stop, true);
    pthread_join(w->thread, NULL);
    for (unsigned i = 0; i < WIRE_PORTS; i++)
        leave(&w->ports[i]);
    fd_close(&w->listener);
    snprintf(path, sizeof path, "%s/plug.sock", w->folder);
    unlink(path);
    unsetenv("IOTH_SOCKET");
    return rmdir(w->folder);
}
