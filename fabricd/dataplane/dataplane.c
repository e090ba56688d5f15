/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The switch process: its loop, its two channels, and who is called for which message. What the
 * messages bring about is in state.c and ports.c.
 */
#include "fabricd/dataplane/dataplane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

static void close_fds(struct ipc_message *msg)
{
    for (unsigned i = 0; i < msg->n_fds; i++)
        fd_close(&msg->fds[i]);
    msg->n_fds = 0;
}

/* The next descriptor of the message becomes the caller's; -1 if there is none. */
static int take_fd(struct ipc_message *msg, unsigned i)
{
    int fd = i < msg->n_fds ? msg->fds[i] : -1;

    if (fd >= 0)
        msg->fds[i] = -1;
    return fd;
}

/* --- events of the links ------------------------------------------------------------------ */

static void link_peer_state(void *aux, const struct ipc_peer_state *state)
{
    struct dataplane *dp = aux;

    outbox_send(&dp->control, IPC_PEER_STATE, 0, state, NULL, 0);
}

static bool link_stream_in(void *aux, uint32_t conn, const void *data, size_t size)
{
    struct dataplane *dp = aux;
    struct ipc_stream *stream;
    bool taken = false;

    if (!list_empty(&dp->control.waiting) || size > sizeof stream->data)
        return false;
    stream = xcalloc(1, sizeof *stream);
    stream->conn = conn;
    stream->size = (uint32_t)size;
    memcpy(stream->data, data, size);
    taken = outbox_send(&dp->control, IPC_STREAM_IN, 0, stream, NULL, 0);
    free(stream);
    return taken;
}

static void link_stream_room(void *aux, uint32_t conn)
{
    struct dataplane *dp = aux;
    struct ipc_stream_room room = {.conn = conn};

    outbox_send(&dp->control, IPC_STREAM_ROOM, 0, &room, NULL, 0);
}

static void link_joining(void *aux, const struct ipc_joining *joining)
{
    struct dataplane *dp = aux;

    outbox_send(&dp->control, IPC_JOINING, 0, joining, NULL, 0);
}

static void link_ask_path_mtu(void *aux, const struct ipc_addr *addr)
{
    struct dataplane *dp = aux;

    /* Replies come back in order, with the request's number; the address is kept for it. */
    dp->next_request++;
    dp->mtu_asked[dp->next_request % DP_MTU_ASKED] = (struct dp_mtu_asked){
        .request = dp->next_request,
        .addr = *addr,
    };
    outbox_send(&dp->parent, IPC_PATH_MTU, dp->next_request, addr, NULL, 0);
}

static void mtu_reply(struct dataplane *dp, const struct ipc_message *msg)
{
    struct dp_mtu_asked *asked = &dp->mtu_asked[msg->head.request % DP_MTU_ASKED];

    if (asked->request != msg->head.request || msg->body.reply.code < 0)
        return;
    link_path_mtu(dp->link, &asked->addr, msg->body.reply.port);
    asked->request = 0;
}

/* --- from control ------------------------------------------------------------------------- */

static void stream_out(struct dataplane *dp, const struct ipc_stream *stream)
{
    int code = link_stream_send(dp->link, stream->conn, stream->data, stream->size);

    if (code < 0)
        log_debug("a message of a control stream was refused: %s", strerror(-code));
}

static void control_received(void *aux, struct ipc_message *msg)
{
    struct dataplane *dp = aux;

    switch (msg->head.type) {
    case IPC_STATS:
        dp_stats(dp, msg->head.request, &msg->body.stats_request);
        break;
    case IPC_STREAM_OUT:
        stream_out(dp, &msg->body.stream);
        break;
    case IPC_JOIN:
        link_join(dp->link, &msg->body.join);
        break;
    case IPC_HOMES:
        dp_put_homes(dp, &msg->body.homes);
        break;
    default:
        log_debug("from control: %s is nothing for us", ipc_type_name(msg->head.type));
    }
    close_fds(msg);
}

static void control_closed(void *aux)
{
    (void)aux;
    log_info("the control process has gone; forwarding goes on");
}

static void control_writable(void *aux)
{
    struct dataplane *dp = aux;

    link_stream_resume(dp->link);
}

static void set_control(struct dataplane *dp, int fd)
{
    if (fd < 0 || outbox_open(&dp->control, fd) < 0)
        return;
    link_stream_resume(dp->link);
}

/* --- from the parent ---------------------------------------------------------------------- */

static void start(struct dataplane *dp, struct ipc_message *msg)
{
    int adoption = take_fd(msg, 1), interfaces = take_fd(msg, 2);

    dp->pids = msg->body.start.pids;
    dp->group = msg->body.start.group;
    dp->early_control = take_fd(msg, 0);
    if (adoption >= 0)
        dp_adopt_listen(dp, adoption);
    if (interfaces >= 0)
        dp->env.carrier = carrier_new(dp->loop, interfaces);
}

/* A new parent's channel for control: it goes on as it is. */
static void pass_parent_on(struct dataplane *dp, const struct ipc_message *msg)
{
    dp->pids.parent = msg->body.pids.parent;
    if (msg->n_fds && outbox_is_open(&dp->control))
        outbox_send(&dp->control, IPC_PARENT, 0, &msg->body.pids, msg->fds, 1);
}

static void parent_received(void *aux, struct ipc_message *msg)
{
    struct dataplane *dp = aux;

    if (msg->head.type <= IPC_STATE_LAST) {
        dp_state_put(dp, msg);
        return;
    }
    switch (msg->head.type) {
    case IPC_DELETE:
        dp_state_delete(dp, &msg->body.del);
        break;
    case IPC_START:
        start(dp, msg);
        break;
    case IPC_CHANNEL:
        dp->pids = msg->body.pids;
        fd_close(&dp->early_control);
        set_control(dp, take_fd(msg, 0));
        break;
    case IPC_PARENT:
        pass_parent_on(dp, msg);
        break;
    case IPC_REPLAY_END:
        dp_entries_open(dp);
        set_control(dp, dp->early_control);
        dp->early_control = -1;
        break;
    case IPC_FENCE:
        outbox_send(&dp->parent, IPC_FENCE, msg->head.request, NULL, NULL, 0);
        break;
    case IPC_STOP:
        loop_stop(dp->loop);
        break;
    case IPC_REPLY:
        if (!dp_vde_reply(dp, msg))
            mtu_reply(dp, msg);
        break;
    default:
        log_debug("from the parent: %s is nothing for us", ipc_type_name(msg->head.type));
    }
    close_fds(msg);
}

static void parent_closed(void *aux)
{
    (void)aux;
    log_warn("the parent process has gone; forwarding goes on until another adopts us");
}

static void parent_writable(void *aux)
{
    dp_parent_sync(aux);
}

void dp_set_parent(struct dataplane *dp, int fd)
{
    if (outbox_open(&dp->parent, fd) < 0)
        log_error("the parent's channel cannot be watched");
}

/* --- the process -------------------------------------------------------------------------- */

static void turn_end(void *aux)
{
    struct dataplane *dp = aux;

    dp_ports_tell_up(dp);
    dp_ports_sweep(dp);
    dp_arm_ageing(dp);
    link_flush_bpdus(dp->link);
    if (dp->vault_changed)
        dp_parent_sync(dp);
}

static void init_channels(struct dataplane *dp)
{
    outbox_init(&dp->parent, dp->loop);
    dp->parent.received = parent_received;
    dp->parent.closed = parent_closed;
    dp->parent.writable = parent_writable;
    dp->parent.aux = dp;
    outbox_init(&dp->control, dp->loop);
    dp->control.received = control_received;
    dp->control.closed = control_closed;
    dp->control.writable = control_writable;
    dp->control.aux = dp;
}

static struct dataplane *dataplane_new(void)
{
    static const struct link_ops link_ops = {
        .peer_state = link_peer_state,
        .stream_in = link_stream_in,
        .stream_room = link_stream_room,
        .joining = link_joining,
        .ask_path_mtu = link_ask_path_mtu,
        .new_port_id = dp_new_port_id,
        .port_added = dp_link_port_added,
        .port_removed = dp_link_port_removed,
        .port_link = dp_link_port_link,
        .bpdu = dp_link_bpdu,
    };
    struct dataplane *dp = xcalloc(1, sizeof *dp);

    list_init(&dp->nets);
    list_init(&dp->homes);
    list_init(&dp->announces);
    list_init(&dp->ports);
    list_init(&dp->gone);
    list_init(&dp->up);
    list_init(&dp->entries);
    list_init(&dp->clients);
    dp->next_port_id = 1;
    dp->next_link_id = 0x80000001u;
    dp->vault = vault_new();
    dp->loop = loop_new();
    if (!dp->loop || port_env_init(&dp->env, dp->loop) < 0) {
        log_error("the switch process cannot be set up");
        exit(1);
    }
    dp->env.gone = dp_port_gone;
    dp->env.changed = dp_port_changed;
    dp->env.aux = dp;
    dp->early_control = -1;
    init_channels(dp);
    dp->link = link_new(dp->loop, &link_ops, dp);
    if (!dp->link) {
        log_error("the links cannot be set up");
        exit(1);
    }
    loop_set_turn_end(dp->loop, turn_end, dp);
    return dp;
}

static void dataplane_free(struct dataplane *dp)
{
    int adoption = door_close(&dp->adoption);

    dp_vde_free(dp);
    dp_free_state(dp);
    link_free(dp->link);
    outbox_close(&dp->parent);
    outbox_close(&dp->control);
    fd_close(&adoption);
    fd_close(&dp->early_control);
    carrier_free(dp->env.carrier);
    port_env_done(&dp->env);
    vault_free(dp->vault);
    loop_free(dp->loop);
    free(dp);
}

int dataplane_main(int parent_channel)
{
    struct dataplane *dp = dataplane_new();

    dp_set_parent(dp, parent_channel);
    loop_run(dp->loop);
    dataplane_free(dp);
    return 0;
}
