/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mirror: what the parent was told, or had when control started; with an index of ports. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fabricd/control/events/events.h"
#include "fabricd/control/reconcile/reconcile_internal.h"
#include "proto/base/log.h"

void mirror_put(struct reconcile *rc, enum ipc_type type, uint64_t id, const void *body)
{
    const struct vault_entry *have = vault_find(rc->mirror, (uint16_t)type, id);
    size_t size = ipc_body_size(type, body);

    if (have != NULL && have->size == size && memcmp(have->body, body, size) == 0)
        return;
    if (vault_put_body(rc->mirror, type, body, NULL, 0, false) < 0) {
        log_warn("too many networks, peers and ports: %s %llu is left out",
                 ipc_type_name(type), (unsigned long long)id);
        return;
    }
    chan_send(&rc->control->parent, type, body, NULL, 0);
    rc->sent++;
}

/* --- ports --------------------------------------------------------------------------------- */

#define KEY_SIZE (IPC_NAME_SIZE + 20)

static const char *key_of(char key[KEY_SIZE], uint64_t net, const char *name)
{
    snprintf(key, KEY_SIZE, "%016" PRIx64 " %.*s", net, IPC_NAME_SIZE - 1, name);
    return key;
}

/* The index holds ids, which are never 0, since entries of the vault move. */
static void *from_id(uint32_t id)
{
    return (void *)(uintptr_t)id;
}

void mirror_learn_port(struct reconcile *rc, const struct ipc_port *port)
{
    char key[KEY_SIZE];

    if (vault_put_body(rc->mirror, IPC_PORT, port, NULL, 0, false) < 0) {
        log_warn("too many ports: %s is not remembered", port->name);
        return;
    }
    map_put(&rc->port_by_name, key_of(key, port->net, port->name), from_id(port->id));
}

bool mirror_forget_port(struct reconcile *rc, uint32_t id)
{
    const struct ipc_port *port = reconcile_port_by_id(rc, id);
    char key[KEY_SIZE];

    if (port == NULL)
        return false;
    events_port(rc->control, port, false);
    key_of(key, port->net, port->name);
    if (map_get(&rc->port_by_name, key) == from_id(id)) /* Not a newer one of the name. */
        map_remove(&rc->port_by_name, key);
    return vault_delete(rc->mirror, IPC_PORT, id, false);
}

void mirror_delete(struct reconcile *rc, uint16_t type, uint64_t id)
{
    struct ipc_delete del = {.type = type, .id = id};
    bool there = type == IPC_PORT ? mirror_forget_port(rc, (uint32_t)id)
                                  : vault_delete(rc->mirror, type, id, false);

    if (!there)
        return;
    chan_send(&rc->control->parent, IPC_DELETE, &del, NULL, 0);
    rc->sent++;
}

const struct ipc_port *reconcile_port(const struct reconcile *rc, uint64_t net,
                                      const char *name)
{
    char key[KEY_SIZE];
    uintptr_t id = (uintptr_t)map_get(&rc->port_by_name, key_of(key, net, name));

    return id != 0 ? reconcile_port_by_id(rc, (uint32_t)id) : NULL;
}

const struct ipc_port *reconcile_port_by_id(const struct reconcile *rc, uint32_t id)
{
    const struct vault_entry *e = vault_find(rc->mirror, IPC_PORT, id);

    return e != NULL ? &e->body->port : NULL;
}

struct port_walk {
    bool (*each)(void *aux, const struct ipc_port *);
    void *aux;
};

static bool walk_port(void *aux, const struct vault_entry *e)
{
    const struct port_walk *walk = aux;

    return e->type != IPC_PORT || walk->each(walk->aux, &e->body->port);
}

void reconcile_each_port(const struct reconcile *rc,
                         bool (*each)(void *aux, const struct ipc_port *), void *aux)
{
    struct port_walk walk = {each, aux};

    vault_each(rc->mirror, walk_port, &walk);
}
