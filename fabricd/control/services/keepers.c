/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections of keepers: who they are, and what they say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/control/services/services_internal.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/node.h"
#include "proto/model/schema.h"

#define MESSAGE_MAX (200u * 1024u) /* Of a status, and of a part of a state folder. */
#define HELLO_WAIT  (5 * MTIME_SEC)
#define SEND_BUFFER (400 * 1024) /* An object has 256 KiB at most. */

void keeper_drop(struct keeper_conn *conn)
{
    if (conn->service != NULL) {
        conn->service->conn = NULL;
        free(conn->service->told);
        conn->service->told = NULL;
    }
    loop_remove(conn->services->control->loop, &conn->watch);
    loop_timer_set(conn->services->control->loop, &conn->late, MTIME_NEVER);
    fd_close(&conn->sock);
    list_remove(&conn->link);
    conn->services->n_conns--;
    free(conn);
}

bool keeper_say(struct service *service, const char *text)
{
    struct keeper_conn *conn = service->conn;

    if (conn == NULL)
        return false;
    if (send(conn->sock, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return true;
    if (errno != EAGAIN) /* It comes again. */
        keeper_drop(conn);
    return false;
}

/* --- what they say -------------------------------------------------------------------------- */

/* Printable, and as long as it fits. */
static void take_text(char *out, size_t size, const struct node *message, const char *key)
{
    const char *text = node_get_text(message, key, "");
    size_t n = strnlen(text, size - 1);

    memset(out, 0, size);
    memcpy(out, text, n);
    for (size_t i = 0; i < n; i++) {
        if (out[i] < 0x20 || out[i] > 0x7e)
            out[i] = '?';
    }
}

static uint32_t take_number(const struct node *message, const char *key)
{
    int64_t n = node_get_int(message, key, 0);

    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

static void take_status(struct service *service, const struct node *message)
{
    struct sync_seen_service *seen = &service->seen;
    char was[sizeof(seen->state)];

    memcpy(was, seen->state, sizeof(was));
    take_text(seen->state, sizeof(seen->state), message, "state");
    take_text(seen->health, sizeof(seen->health), message, "health");
    take_text(seen->exit, sizeof(seen->exit), message, "exit");
    take_text(seen->problem, sizeof(seen->problem), message, "problem");
    seen->pid = take_number(message, "pid");
    seen->restarts = take_number(message, "restarts");
    seen->since = node_get_int(message, "since", 0);
    service->up = node_get_bool(message, "up", false);
    service->starts_at = node_get_int(message, "starts_at", 0);
    service->heard = (uint64_t)node_get_int(message, "revision", 0);
    service->copy_move = node_get_int(message, "move", 0);
    service->copied = node_get_int(message, "copied", 0);
    service->copy_failures = node_get_int(message, "copy_failures", 0);
    service->progress = node_get_int(message, "progress", 0);
    service_changed(service, was);
}

void keeper_heard(struct service *service, struct node *message)
{
    if (!services_state_message(service, message))
        take_status(service, message);
}

/* A keeper that the parent knows is who it says; one that it does not know survived a whole daemon:
 * it must be of a user whom we run services as, and the parent gets its descriptor. */
static bool introduce(struct keeper_conn *conn, const char *name, int process)
{
    struct services *services = conn->services;
    struct service *service = schema_name_ok(name) ? service_get(services, name) : NULL;
    struct ipc_service body = {.pid = (uint32_t)conn->peer.pid,
                               .uid = (uint32_t)conn->peer.uid};
    int fd;

    if (service == NULL)
        return false;
    if (service->has_keeper && service->pid != body.pid)
        return false;
    if (!service->has_keeper) {
        if ((conn->peer.uid != geteuid() && conn->peer.uid != services->foreign) ||
            process < 0)
            return false;
        memcpy(body.name, service->name, sizeof(body.name));
        body.id = ipc_service_id(body.name);
        fd = dup(process);
        chan_send(&services->control->parent, IPC_SERVICE, &body, &fd, 1);
        services_learn(services, &body);
    }
    if (service->conn != NULL)
        keeper_drop(service->conn);
    service->conn = conn;
    conn->service = service;
    fault_moving(service, MIGRATE_READY, FAULT_MOVE_KEEPER_CAME);
    loop_timer_set(services->control->loop, &conn->late, MTIME_NEVER);
    return true;
}

static void receive(struct keeper_conn *conn)
{
    char *text = xcalloc(1, MESSAGE_MAX);
    unsigned n_fds = 1;
    int process = -1;
    ssize_t n = fd_recv(conn->sock, text, MESSAGE_MAX, &process, &n_fds);
    struct diags diags;
    struct node *message = NULL;
    bool ok;

    if (n == -EAGAIN) {
        free(text);
        return;
    }
    diags_init(&diags);
    if (n > 0)
        message = node_from_json(text, (size_t)n, NULL, &diags);
    diags_done(&diags);
    free(text);
    ok = message != NULL && message->kind == NODE_MAP;
    if (ok && conn->service == NULL)
        ok = introduce(conn, node_get_text(message, "name", ""), n_fds > 0 ? process : -1);
    if (n_fds > 0)
        fd_close(&process);
    if (ok)
        keeper_heard(conn->service, message);
    else
        keeper_drop(conn);
    node_free(message);
}

static void conn_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    receive(list_entry(watch, struct keeper_conn, watch));
}

static void too_late(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    keeper_drop(list_entry(timer, struct keeper_conn, late));
}

/* --- accepting ------------------------------------------------------------------------------ */

static void came(struct door *door, int sock)
{
    struct services *services = list_entry(door, struct services, door);
    struct keeper_conn *conn = xcalloc(1, sizeof(*conn));
    int size = SEND_BUFFER;

    conn->services = services;
    conn->sock = sock;
    conn->watch.ready = conn_ready;
    conn->watch.fd = -1;
    conn->late.expired = too_late;
    list_append(&services->conns, &conn->link);
    services->n_conns++;
    (void)setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (services->n_conns > SERVICES_MAX || fd_peer_get(sock, &conn->peer) < 0 ||
        (conn->peer.uid != geteuid() && conn->peer.uid != services->foreign) ||
        loop_add(services->control->loop, &conn->watch, sock, EPOLLIN) < 0) {
        keeper_drop(conn);
        return;
    }
    loop_timer_set(services->control->loop, &conn->late,
                   loop_now(services->control->loop) + HELLO_WAIT);
}

int keepers_open(struct services *services, int sock)
{
    return door_open(&services->door, services->control->loop, sock, came);
}

void keepers_close(struct services *services)
{
    int sock = door_close(&services->door);

    fd_close(&sock);
    list_for_each_safe (it, &services->conns)
        keeper_drop(list_entry(it, struct keeper_conn, link));
}
