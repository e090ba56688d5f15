/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports of a network on this host as a console sees them: declared ones, those of programs and of
 * VDE clients, and links. */
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/console/console_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/xalloc.h"

struct gathering {
    struct console_port *list;
    size_t n, room;
};

static struct console_port *add(struct gathering *g, const char *name)
{
    struct console_port *port;

    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->list[i].name, name) == 0)
            return &g->list[i];
    }
    if (g->n == g->room) {
        g->room = g->room * 2 + 16;
        g->list = xrealloc(g->list, g->room * sizeof(*g->list));
    }
    port = &g->list[g->n++];
    memset(port, 0, sizeof(*port));
    snprintf(port->name, sizeof(port->name), "%s", name);
    return port;
}

/* N of "vdeN". */
static uint32_t vde_number(const char *name)
{
    uint32_t number;

    return strncmp(name, "vde", 3) == 0 && name[3] != '0' &&
                   console_number(name + 3, CONSOLE_VDE_PORTS, &number)
               ? number
               : 0;
}

uint32_t console_port_number(const struct console_entry *entry, const char *name)
{
    uint32_t number = vde_number(name);

    for (size_t i = 0; number == 0 && i < entry->n_names; i++) {
        if (strcmp(entry->names[i], name) == 0)
            number = (uint32_t)(CONSOLE_VDE_PORTS + 1 + i);
    }
    return number;
}

static uint32_t give_number(struct console_entry *entry, const char *name)
{
    uint32_t number = console_port_number(entry, name);
    size_t i = 0;

    if (number != 0)
        return number;
    while (i < entry->n_names && entry->names[i][0] != '\0')
        i++;
    if (i == entry->n_names)
        entry->names = xrealloc(entry->names, ++entry->n_names * sizeof(entry->names[0]));
    snprintf(entry->names[i], sizeof(entry->names[i]), "%s", name);
    return (uint32_t)(CONSOLE_VDE_PORTS + 1 + i);
}

/* Numbers of ports that have gone are free. */
static void drop_numbers(struct console_entry *entry, const struct gathering *g)
{
    for (size_t i = 0; i < entry->n_names; i++) {
        bool found = false;

        for (size_t k = 0; k < g->n && !found; k++)
            found = strcmp(g->list[k].name, entry->names[i]) == 0;
        if (!found)
            entry->names[i][0] = '\0';
    }
}

static int by_name(const void *a, const void *b)
{
    const struct console_port *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int by_number(const void *a, const void *b)
{
    const struct console_port *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static void gather_declared(struct gathering *g, const struct control *control,
                            const struct view_network *net)
{
    list_for_each (it, &control->view->ports) {
        const struct view_port *port = list_entry(it, struct view_port, link);

        if (strcmp(port->network, net->name) == 0 &&
            strcmp(node_get_text(port->body, "host", ""), control_host(control)) == 0)
            add(g, port->name)->declared = port;
    }
}

static void gather_live(struct gathering *g, const struct view_network *net,
                        const struct stats *stats)
{
    for (size_t i = 0; i < stats->n_ports; i++) {
        const struct ipc_stats_port *port = &stats->ports[i];
        char name[IPC_NAME_SIZE];

        if (port->net != net->id || port->kind == IPC_PORT_CAPTURE)
            continue;
        stats_port_name(port, name);
        add(g, name)->stats = port;
    }
}

struct console_port *console_ports(struct console_entry *entry, const struct stats *stats,
                                   size_t *n)
{
    const struct control *control = entry->console->control;
    const struct view_network *net = view_network_by_id(control->view, entry->net);
    struct gathering g = {NULL, 0, 0};

    *n = 0;
    if (net == NULL)
        return NULL;
    gather_declared(&g, control, net);
    gather_live(&g, net, stats);
    drop_numbers(entry, &g);
    if (g.n > 0)
        qsort(g.list, g.n, sizeof(*g.list), by_name);
    for (size_t i = 0; i < g.n; i++) {
        struct console_port *port = &g.list[i];

        port->number = give_number(entry, port->name);
        if (port->stats != NULL)
            port->live = reconcile_port_by_id(control->reconcile, port->stats->id);
        if (port->declared != NULL)
            wanted_settings(port->declared->body, &port->set);
        else if (port->live != NULL)
            port->set = port->live->set;
    }
    if (g.n > 0)
        qsort(g.list, g.n, sizeof(*g.list), by_number);
    *n = g.n;
    return g.list;
}

struct console_port *console_port(struct console_port *ports, size_t n, uint32_t number)
{
    for (size_t i = 0; i < n; i++) {
        if (ports[i].number == number)
            return &ports[i];
    }
    return NULL;
}

bool console_port_is_link(const struct console_port *port)
{
    return port->stats != NULL && port->stats->kind == 0;
}

/* Links carry the VLANs tagged, and what is in none as it is. */
bool console_port_untagged(const struct console_port *port, uint16_t vlan)
{
    return console_port_vlan(port) == vlan;
}

bool console_port_tagged(const struct console_port *port, uint16_t vlan)
{
    if (console_port_is_link(port))
        return vlan != 0;
    return port->set.tagged && vlan != port->set.vlan &&
           swport_vlan_has(port->set.trunk, vlan);
}

uint16_t console_port_vlan(const struct console_port *port)
{
    bool none = port->set.tagged && port->set.vlan == 0 && !port->set.bare;

    return none ? CONSOLE_VLAN_NONE : port->set.vlan;
}
