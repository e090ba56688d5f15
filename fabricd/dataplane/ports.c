/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ports of the vault. Each has a driver while its network is there, and a lifeline whose end
 * is the end of the port: then it goes from the vault, at the parent too, and control is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define LIFELINE_READS 8 /* Per turn: what comes over a lifeline is of no interest. */

static struct dp_port *port_find(struct dataplane *dp, uint32_t id)
{
    list_for_each (it, &dp->ports) {
        struct dp_port *port = list_entry(it, struct dp_port, link);

        if (port->config.id == id)
            return port;
    }
    return NULL;
}

struct dp_port *dp_port_named(struct dataplane *dp, uint64_t net, const char *name)
{
    list_for_each (it, &dp->ports) {
        struct dp_port *port = list_entry(it, struct dp_port, link);

        if (port->config.net == net && strcmp(port->config.name, name) == 0 &&
            list_empty(&port->gone_link))
            return port;
    }
    return NULL;
}

bool dp_ports_room(struct dataplane *dp, uint32_t uid)
{
    bool bounded = uid != 0 && uid != geteuid();
    unsigned all = 0, own = 0;

    list_for_each (it, &dp->ports) {
        all++;
        own += list_entry(it, struct dp_port, link)->config.owner_uid == uid;
    }
    return all < IPC_PORTS_MAX && (!bounded || own < IPC_PORTS_PER_USER);
}

void dp_port_end(struct dp_port *port)
{
    if (list_empty(&port->gone_link))
        list_append(&port->dp->gone, &port->gone_link);
}

void dp_port_gone(void *aux, struct port *driver)
{
    (void)aux;
    dp_port_end(driver->owner);
}

void dp_port_changed(void *aux, struct port *driver)
{
    struct dataplane *dp = aux;
    struct dp_port *port = driver->owner;

    if (port && list_empty(&port->up_link))
        list_append(&dp->up, &port->up_link);
}

void dp_ports_tell_up(struct dataplane *dp)
{
    while (!list_empty(&dp->up)) {
        struct dp_port *port = list_entry(dp->up.next, struct dp_port, up_link);
        struct dp_net *net = dp_net_find(dp, port->config.net);

        list_remove(&port->up_link);
        if (net && port->driver)
            dp_tree_set_up(net, port);
    }
}

/* --- captures ----------------------------------------------------------------------------- */

static void seen_in(void *aux, const struct swport *port, const struct frame *frames,
                    unsigned n)
{
    struct dp_net *net = aux;

    capture_in(&net->captures, port, frames, n);
}

static void seen_out(void *aux, const struct swport *port, struct frame *const *frames,
                     unsigned n)
{
    struct dp_net *net = aux;

    capture_out(&net->captures, port, frames, n);
}

static void capture_start(struct dp_net *net, struct dp_port *port, int fd)
{
    net->capture = (struct switch_capture){.in = seen_in, .out = seen_out, .aux = net};
    capture_init(&port->capture, &port->config, fd);
    list_append(&net->captures, &port->capture.link);
    switch_set_capture(net->sw, &net->capture);
}

static void capture_stop(struct dp_net *net, struct dp_port *port)
{
    list_remove(&port->capture.link);
    if (list_empty(&net->captures))
        switch_set_capture(net->sw, NULL);
}

/* --- driver and lifeline ------------------------------------------------------------------ */

static void attach(struct dp_net *net, struct dp_port *port)
{
    const struct vault_entry *e = vault_find(port->dp->vault, IPC_PORT, port->config.id);
    int code;

    if (!e)
        return;
    if (port->config.kind == IPC_PORT_CAPTURE) {
        if (e->n_fds)
            capture_start(net, port, e->fds[0]);
        return;
    }
    code = port_new(&port->dp->env, &port->config, e->fds, e->n_fds, &port->driver);
    if (code < 0) {
        log_limited(&port->dp->ports_said, LOG_LEVEL_WARN, "port %s/%s cannot be used: %s",
                    net->config.name, port->config.name, err_text(code));
        port->driver = NULL;
        dp_port_end(port);
        return;
    }
    port->driver->owner = port;
    port->driver->sw.name = port->config.name;
    switch_add_port(net->sw, &port->driver->sw);
    dp_tree_add(net, port);
}

static void detach(struct dp_net *net, struct dp_port *port)
{
    if (port->config.kind == IPC_PORT_CAPTURE && net)
        capture_stop(net, port);
    if (port->driver && net)
        dp_tree_remove(net, port);
    port_free(port->driver);
    port->driver = NULL;
}

/* Whatever comes is dropped; its end is the end of the port. */
static void lifeline_ready(struct loop_watch *w, uint32_t events)
{
    struct dp_port *port = list_entry(w, struct dp_port, lifeline);
    char bytes[512];

    (void)events;
    for (int i = 0; i < LIFELINE_READS; i++) {
        ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);

        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (n == 0 || errno != EAGAIN) {
            loop_remove(port->dp->loop, w);
            dp_port_end(port);
        }
        return;
    }
}

/* Which of its descriptors is the lifeline; those without one live until they are deleted. */
static int lifeline_of(const struct dp_port *port, const struct vault_entry *e)
{
    static const unsigned place[] = {
        [IPC_PORT_TAP] = 1,
        [IPC_PORT_RING] = 2,
        [IPC_PORT_VDE] = 1,
        [IPC_PORT_CAPTURE] = 0,
        /* None: its driver sees the end of the connection. */
        [IPC_PORT_STREAM] = 1,
        [IPC_PORT_RAW] = 1,
    };
    unsigned i = place[port->config.kind];

    return i < e->n_fds ? e->fds[i] : -1;
}

static void port_start(struct dp_port *port)
{
    const struct vault_entry *e = vault_find(port->dp->vault, IPC_PORT, port->config.id);
    struct dp_net *net = dp_net_find(port->dp, port->config.net);
    int fd = e ? lifeline_of(port, e) : -1;

    port->lifeline.ready = lifeline_ready;
    port->lifeline.fd = -1;
    if (fd >= 0 && loop_add(port->dp->loop, &port->lifeline, fd, EPOLLIN | EPOLLRDHUP) < 0)
        dp_port_end(port);
    if (net)
        attach(net, port);
}

static void port_stop(struct dp_port *port)
{
    loop_remove(port->dp->loop, &port->lifeline);
    detach(dp_net_find(port->dp, port->config.net), port);
    list_remove(&port->gone_link);
    list_remove(&port->up_link);
}

/* True if all that is new is what a port is set to in the switch and its tree: that is changed while it
 * forwards. */
static bool is_live(const struct dp_port *port, const struct ipc_message *msg)
{
    struct ipc_port same = msg->body.port;

    memcpy(&same.set, &port->config.set, sizeof same.set);
    memcpy(&same.stp, &port->config.stp, sizeof same.stp);
    same.speed_mbps = port->config.speed_mbps;
    return port->driver && !msg->n_fds && !same.pinned &&
           memcmp(&port->config, &same, sizeof same) == 0;
}

static void put_live(struct dp_port *port, struct ipc_message *msg, bool tell)
{
    struct dp_net *net = dp_net_find(port->dp, msg->body.port.net);
    int code;

    port->config = msg->body.port;
    switch_set_port(&port->driver->sw, &port->config.set);
    port_follow_settings(port->driver);
    if (net)
        dp_tree_set(net, port);
    code = vault_put(port->dp->vault, msg, tell);
    if (code < 0)
        log_limited(&port->dp->ports_said, LOG_LEVEL_ERROR,
                    "the settings of port %s are not kept: %s", port->config.name,
                    err_text(code));
}

static void put(struct dataplane *dp, struct ipc_message *msg, bool tell)
{
    struct ipc_port config = msg->body.port;
    struct dp_port *port = port_find(dp, config.id);
    struct swport_counters counters = {.rx_frames = 0};
    int code;

    if (port && !msg->n_fds && memcmp(&port->config, &config, sizeof config) == 0)
        return;
    if (port && is_live(port, msg)) {
        put_live(port, msg, tell);
        return;
    }
    if (port) {
        if (port->driver)
            counters = port->driver->sw.counters;
        port_stop(port);
    } else {
        port = xcalloc(1, sizeof *port);
        port->dp = dp;
        port->since = wall_now_us();
        list_init(&port->gone_link);
        list_init(&port->up_link);
        list_init(&port->capture.link);
        list_append(&dp->ports, &port->link);
    }
    port->config = config;
    code = vault_put(dp->vault, msg, tell);
    if (code < 0) {
        log_limited(&dp->ports_said, LOG_LEVEL_ERROR, "port %s is refused: %s", config.name,
                    err_text(code));
        dp_port_end(port);
    }
    port_start(port);
    if (port->driver)
        port->driver->sw.counters = counters;
}

void dp_port_put(struct dataplane *dp, struct ipc_message *msg)
{
    put(dp, msg, false);
}

void dp_port_put_own(struct dataplane *dp, const struct ipc_port *port, const int *fds,
                     unsigned n_fds)
{
    struct ipc_message *msg = xcalloc(1, sizeof *msg);

    msg->head.type = IPC_PORT;
    msg->head.version = IPC_VERSION;
    msg->head.size = sizeof msg->body.port;
    msg->body.port = *port;
    for (unsigned i = 0; i < n_fds; i++)
        msg->fds[i] = fds[i];
    msg->n_fds = n_fds;
    outbox_send(&dp->control, IPC_PORT_NEW, 0, port, NULL, 0);
    put(dp, msg, true);
    dp->vault_changed = true;
    free(msg);
}

void dp_port_delete(struct dataplane *dp, uint32_t id)
{
    struct dp_port *port = port_find(dp, id);

    if (!port)
        return;
    port_stop(port);
    list_remove(&port->link);
    free(port);
}

void dp_ports_attach(struct dataplane *dp, struct dp_net *net)
{
    list_for_each (it, &dp->ports) {
        struct dp_port *port = list_entry(it, struct dp_port, link);

        if (port->config.net == net->config.id)
            attach(net, port);
    }
}

void dp_ports_detach(struct dataplane *dp, struct dp_net *net)
{
    list_for_each (it, &dp->ports) {
        struct dp_port *port = list_entry(it, struct dp_port, link);

        if (port->config.net == net->config.id)
            detach(net, port);
    }
}

static void end_port(struct dataplane *dp, struct dp_port *port)
{
    struct ipc_port_gone gone = {
        .id = port->config.id,
        .net = port->config.net,
        .kind = port->config.kind,
    };

    memcpy(gone.name, port->config.name, sizeof gone.name);
    dp_port_delete(dp, gone.id);
    vault_delete(dp->vault, IPC_HEARD, gone.id, true);
    vault_delete(dp->vault, IPC_PORT, gone.id, true);
    dp->vault_changed = true;
    outbox_send(&dp->control, IPC_PORT_GONE, 0, &gone, NULL, 0);
}

void dp_ports_sweep(struct dataplane *dp)
{
    while (!list_empty(&dp->gone))
        end_port(dp, list_entry(dp->gone.next, struct dp_port, gone_link));
}
