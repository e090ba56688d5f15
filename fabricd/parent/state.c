/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two processes may say: control puts and deletes the wanted state, the switch the
 * ports that it makes itself, and where it heard bridges. Anything else is said by a process that is not ours any more, so
 * it is refused even where it would do no harm.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/parent/parent_internal.h"
#include "fabricd/parent/vde.h"
#include "proto/base/log.h"

static void close_all(struct ipc_message *msg)
{
    for (unsigned i = 0; i < msg->n_fds; i++)
        close(msg->fds[i]);
    msg->n_fds = 0;
}

static void refuse(const struct parent *p, unsigned from, struct ipc_message *msg,
                   const char *why)
{
    log_warn("%s: %s refused: %s", p->processes[from].child.name,
             ipc_type_name(msg->head.type), why);
    close_all(msg);
}

/* A put that has been judged. */
static void put(struct parent *p, unsigned from, struct ipc_message *msg)
{
    int r = vault_put(p->vault, msg, from == CONTROL);

    msg->n_fds = 0;
    if (r < 0)
        log_error("%s: %s not kept: %s", p->processes[from].child.name,
                  ipc_type_name(msg->head.type), err_text(r));
    else if (from == CONTROL)
        parent_sync(p);
}

/* Whether somebody knocked at a door for the port. */
static bool is_clients(const struct ipc_port *port)
{
    return port->kind == IPC_PORT_VDE || port->kind == IPC_PORT_STREAM;
}

static void put_port_from_control(struct parent *p, struct ipc_message *msg)
{
    const struct ipc_port *port = &msg->body.port;
    bool known = vault_find(p->vault, IPC_PORT, port->id) != NULL;

    if (is_clients(port) && (!known || msg->n_fds))
        refuse(p, CONTROL, msg, "the switch makes the ports of those who knock");
    else if (!known && !msg->n_fds)
        refuse(p, CONTROL, msg, "a port without descriptors");
    else
        put(p, CONTROL, msg);
}

/* --- deleting ---------------------------------------------------------------------------- */

void state_close_device(struct parent *p, const struct vault_entry *e)
{
    int fds[IPC_MAX_FDS];
    unsigned n;

    if (e->type != IPC_PORT ||
        (e->body->port.kind != IPC_PORT_TAP && e->body->port.kind != IPC_PORT_RAW))
        return;
    n = vault_take_fds(p->vault, IPC_PORT, e->id, fds);
    for (unsigned i = 0; i < n; i++)
        closer_hold(p->closer, fds[i]);
}

static void delete_port(struct parent *p, uint64_t id, bool tell)
{
    const struct vault_entry *e = vault_find(p->vault, IPC_PORT, id);

    if (!e)
        return;
    if (e->body->port.kind == IPC_PORT_VDE)
        vde_unlink_data(p->config->start.run_dir, e->body->port.path);
    state_close_device(p, e);
    vault_delete(p->vault, IPC_HEARD, id, tell);
    vault_delete(p->vault, IPC_PORT, id, tell);
}

struct of_net {
    struct parent *parent;
    uint64_t net;
};

static bool delete_vde_port(void *aux, const struct vault_entry *e)
{
    struct of_net *of = aux;

    if (e->type == IPC_PORT && e->body->port.net == of->net && is_clients(&e->body->port))
        delete_port(of->parent, e->id, true);
    return true;
}

static void delete_net(struct parent *p, uint64_t net)
{
    struct of_net of = {.parent = p, .net = net};

    vault_each(p->vault, delete_vde_port, &of);
    request_close_vde(p, net);
    vault_delete(p->vault, IPC_NET, net, true);
}

static void delete_for_control(struct parent *p, const struct ipc_delete *del)
{
    if (del->type == IPC_NET)
        delete_net(p, del->id);
    else if (del->type == IPC_PORT)
        delete_port(p, del->id, true);
    else if (del->type == IPC_LISTEN && del->id >= LISTEN_FIRST_VDE)
        request_close_door(p, del->id);
    else if (del->type == IPC_SERVICE)
        service_kill(p, del->id);
    else if (del->type != IPC_LISTEN || del->id >= LISTEN_UDP)
        vault_delete(p->vault, del->type, del->id, true);
    parent_sync(p);
}

/* --- the two ------------------------------------------------------------------------------ */

void state_from_control(struct parent *p, struct ipc_message *msg)
{
    switch (msg->head.type) {
    case IPC_SELF:
    case IPC_NET:
    case IPC_PEER:
    case IPC_INVITE:
        close_all(msg);
        put(p, CONTROL, msg);
        break;
    case IPC_PORT:
        put_port_from_control(p, msg);
        break;
    case IPC_DELETE:
        delete_for_control(p, &msg->body.del);
        break;
    case IPC_SERVICE:
        if (msg->n_fds != 1 || !service_take(p, msg))
            refuse(p, CONTROL, msg, "no keeper of a service");
        break;
    case IPC_STOP:
        parent_stop(p);
        break;
    default:
        if (!request_from_control(p, msg))
            refuse(p, CONTROL, msg, "not for it to say");
        break;
    }
    close_all(msg);
}

void state_from_switch(struct parent *p, struct ipc_message *msg)
{
    switch (msg->head.type) {
    case IPC_PORT:
        if (!is_clients(&msg->body.port) || msg->body.port.id % 2 == 0)
            refuse(p, SWITCH, msg, "only ports of those who knock, with odd numbers");
        else
            put(p, SWITCH, msg);
        break;
    case IPC_HEARD:
        close_all(msg);
        put(p, SWITCH, msg);
        break;
    case IPC_DELETE:
        if (msg->body.del.type == IPC_PORT)
            delete_port(p, msg->body.del.id, false);
        else if (msg->body.del.type == IPC_HEARD)
            vault_delete(p->vault, IPC_HEARD, msg->body.del.id, false);
        else
            refuse(p, SWITCH, msg, "not for it to say");
        parent_sync(p);
        break;
    default:
        if (!request_from_switch(p, msg))
            refuse(p, SWITCH, msg, "not for it to say");
        break;
    }
    close_all(msg);
}
