/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a console changes: lines into changes of objects, and what comes of them into answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/change.h"
#include "fabricd/control/console/console_internal.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/xalloc.h"

#define OWNER "console"

/* What a command works with. */
struct setting {
    struct console_call *call;
    const struct view_network *net;
    struct console_port *ports;
    size_t n;
    uint32_t arg[CONSOLE_ARGS]; /* The numbers that it was given. */
    unsigned n_args;
};

/* --- the way of a change -------------------------------------------------------------------- */

static int errno_of(int status)
{
    switch (status) {
    case 400:
    case 422:
        return EINVAL;
    case 403:
        return EPERM;
    case 404:
        return ENXIO;
    case 409:
        return EBUSY;
    case 412:
        return EEXIST;
    case 503:
        return EAGAIN;
    case 507:
        return ENOSPC;
    default:
        return EIO;
    }
}

static void settled(void *aux)
{
    console_answer(aux, 0);
}

static void changed(void *aux, struct change_result *result)
{
    struct console_call *call = aux;

    call->status = result->status;
    if (result->status < 400) {
        reconcile_settle(call->control->reconcile, settled, call);
        return;
    }
    if (result->err.why[0] != '\0')
        fprintf(call->data, "%s\n", result->err.why);
    for (size_t i = 0; i < result->diags.n; i++)
        fprintf(call->data, "%s: %s\n", result->diags.list[i].path,
                result->diags.list[i].text);
    if (result->err.hint[0] != '\0')
        fprintf(call->data, "hint: %s\n", result->err.hint);
    console_answer(call, errno_of(result->status));
}

static struct change *begin(const struct setting *set)
{
    struct change *change = change_new(control_host(set->call->control), OWNER);

    change_set_who(change, set->call->user);
    return change;
}

static void submit(const struct setting *set, struct change *change)
{
    change_submit(set->call->control, change, changed, set->call);
}

static void refuse(const struct setting *set, int code, const char *why)
{
    if (why != NULL)
        fprintf(set->call->data, "%s\n", why);
    console_answer(set->call, code);
}

static struct node *nothing(void)
{
    return node_new(NODE_NULL);
}

/* --- ports ---------------------------------------------------------------------------------- */

/* The declared port of that number as it is made: a place for a VDE client. */
static struct node *new_port(const struct setting *set)
{
    struct node *body = node_map();

    node_set_text(body, "host", control_host(set->call->control));
    node_set_bool(body, "vde", true);
    if (set->net->vlan_aware)
        node_set_int(body, "access", 0);
    return body;
}

static void create_port(const struct setting *set, uint32_t number)
{
    struct change *change;
    struct change_item *item;
    char name[16];

    if (number == 0 || number > CONSOLE_VDE_PORTS) {
        refuse(set, EINVAL, NULL);
        return;
    }
    if (console_port(set->ports, set->n, number) != NULL) {
        refuse(set, EEXIST, NULL);
        return;
    }
    snprintf(name, sizeof(name), "vde%u", number);
    change = begin(set);
    item = change_add(change, CHANGE_PUT, "port", set->net->name, name, new_port(set));
    item->create_only = true;
    submit(set, change);
}

static void create_any_port(const struct setting *set)
{
    uint32_t number = 1;

    while (console_port(set->ports, set->n, number) != NULL)
        number++;
    fprintf(set->call->data, "Port %04u\n", number);
    create_port(set, number);
}

static void remove_port(const struct setting *set)
{
    const struct console_port *port = console_port(set->ports, set->n, set->arg[0]);
    struct change *change;

    if (port == NULL || port->stats != NULL) {
        refuse(set, port == NULL ? ENXIO : EADDRINUSE, NULL);
        return;
    }
    change = begin(set);
    change_add(change, CHANGE_DELETE, "port", set->net->name, port->name, NULL);
    submit(set, change);
}

/* The client is hung up on, and may come again. */
static void close_endpoint(const struct setting *set)
{
    const struct console_port *port = console_port(set->ports, set->n, set->arg[0]);

    if (port == NULL || port->live == NULL || port->live->id != set->arg[1]) {
        refuse(set, ENXIO, NULL);
        return;
    }
    if (port->live->kind != IPC_PORT_VDE && port->live->kind != IPC_PORT_STREAM) {
        refuse(set, EOPNOTSUPP, "only clients of sockets can be hung up on");
        return;
    }
    reconcile_drop_port(set->call->control->reconcile, port->live->id);
    reconcile_settle(set->call->control->reconcile, settled, set->call);
}

static void set_unnamed(const struct setting *set)
{
    if (console_port(set->ports, set->n, set->arg[0]) == NULL)
        refuse(set, ENXIO, NULL);
    else if (set->arg[1] != 0)
        refuse(
            set, EOPNOTSUPP,
            "port/allocatable N 1 is not offered here: clients ask for a declared port by "
            "its number");
    else
        console_answer(set->call, 0);
}

/* --- VLANs of a port ------------------------------------------------------------------------ */

/* How the port's VLANs are said in its object; keys that it is not to have are null. */
static void say_vlans(struct node *body, const struct swport_settings *now)
{
    struct node *trunk = node_list();

    for (uint16_t vid = 1; vid < SWPORT_VLANS; vid++) {
        if (now->tagged && vid != now->vlan && swport_vlan_has(now->trunk, vid))
            node_append(trunk, node_int(vid));
    }
    if (trunk->n == 0) {
        node_free(trunk);
        node_set(body, "trunk", nothing());
        node_set(body, "native", nothing());
        node_set_int(body, "access",
                     now->vlan != 0 || now->bare ? now->vlan : CONSOLE_VLAN_NONE);
        return;
    }
    node_set(body, "access", nothing());
    node_set(body, "trunk", trunk);
    if (now->vlan != 0 || now->bare)
        node_set_int(body, "native", now->vlan);
    else
        node_set(body, "native", nothing());
}

/* A patch of the port; of one that only a client has made, the object that it becomes. */
static void patch_port(const struct setting *set, const struct console_port *port,
                       struct node *patch)
{
    struct change *change;

    if (port->declared == NULL && port->number > CONSOLE_VDE_PORTS) {
        node_free(patch);
        refuse(set, EOPNOTSUPP,
               "the port is of a program or a link, which bring what it is");
        return;
    }
    change = begin(set);
    if (port->declared == NULL) {
        struct node *body = new_port(set), *merged = node_merge(body, patch);

        node_free(body);
        node_free(patch);
        change_add(change, CHANGE_PUT, "port", set->net->name, port->name, merged);
    } else {
        change_add(change, CHANGE_PATCH, "port", set->net->name, port->name, patch);
    }
    submit(set, change);
}

static void patch_vlans(const struct setting *set, const struct console_port *port,
                        const struct swport_settings *now)
{
    struct node *patch = node_map();

    say_vlans(patch, now);
    patch_port(set, port, patch);
}

static void drop_tag(struct swport_settings *now, uint32_t vlan)
{
    now->trunk[vlan / 8] &= (uint8_t) ~(1u << vlan % 8);
}

static bool is_declared(const struct setting *set, uint32_t vlan)
{
    return vlan > 0 && vlan < CONSOLE_VLAN_NONE &&
           view_plan(set->net, (uint16_t)vlan) != NULL;
}

static void set_vlan(const struct setting *set)
{
    struct console_port *port = console_port(set->ports, set->n, set->arg[0]);
    uint32_t vlan = set->arg[1];
    bool none = vlan == CONSOLE_VLAN_NONE;

    if (vlan > CONSOLE_VLAN_NONE) {
        refuse(set, EINVAL, NULL);
    } else if (port == NULL || (vlan != 0 && !none && !is_declared(set, vlan))) {
        refuse(set, ENXIO, NULL);
    } else if (!set->net->vlan_aware) {
        refuse(set, none ? EOPNOTSUPP : 0,
               none ? "without VLANs every port takes all frames: vlan/create first"
                    : NULL);
    } else {
        drop_tag(&port->set, none ? 0 : vlan);
        port->set.vlan = none ? 0 : (uint16_t)vlan;
        port->set.bare = vlan == 0;
        port->set.tagged = port->set.tagged || none;
        patch_vlans(set, port, &port->set);
    }
}

/* vlan/addport VLAN PORT; vlan/delport */
static void set_tagged(const struct setting *set, bool tagged)
{
    uint32_t vlan = set->arg[0];
    struct console_port *port = console_port(set->ports, set->n, set->arg[1]);

    if (port == NULL || !is_declared(set, vlan)) {
        refuse(set, ENXIO, NULL);
        return;
    }
    if (console_port_untagged(port, (uint16_t)vlan)) {
        refuse(set, tagged ? 0 : EADDRINUSE, NULL); /* It carries it already. */
        return;
    }
    if (!port->set.tagged) /* It was no trunk: nothing counts that stands there. */
        memset(port->set.trunk, 0, sizeof(port->set.trunk));
    port->set.tagged = true;
    if (tagged)
        swport_vlan_add(port->set.trunk, (uint16_t)vlan);
    else
        drop_tag(&port->set, vlan);
    patch_vlans(set, port, &port->set);
}

/* --- VLANs of the network ------------------------------------------------------------------- */

/*
 * With the first VLAN each port has to be in one, or to say that it is in none: that is said of those
 * that the console made and nobody has set. With the last one it is taken back.
 */
static void set_bare_ports(const struct setting *set, struct change *change, bool bare)
{
    list_for_each (it, &set->call->control->view->ports) {
        const struct view_port *port = list_entry(it, struct view_port, link);
        bool is_bare = node_get_int(port->body, "access", -1) == 0;
        struct node *patch;

        if (strcmp(port->network, set->net->name) != 0 || is_bare == bare ||
            node_get(port->body, "trunk") != NULL ||
            (bare &&
             (strcmp(port->owner, OWNER) != 0 || node_get(port->body, "access") != NULL)))
            continue;
        patch = node_map();
        node_set(patch, "access", bare ? node_int(0) : nothing());
        change_add(change, CHANGE_PATCH, "port", set->net->name, port->name, patch);
    }
}

static void patch_network(const struct setting *set, struct change *change, const char *key,
                          struct node *value)
{
    struct node *patch = node_map();

    node_set(patch, key, value);
    change_add(change, CHANGE_PATCH, "network", NULL, set->net->name, patch);
}

static void set_net_vlan(const struct setting *set, bool there)
{
    bool last = !there && set->net->n_plans == 1;
    struct node *vlans = node_map();
    struct change *change;
    char id[16];

    snprintf(id, sizeof(id), "%u", set->arg[0]);
    node_set(vlans, id, there ? node_map() : nothing());
    change = begin(set);
    patch_network(set, change, "vlans", last ? nothing() : vlans);
    if (last)
        node_free(vlans);
    if (last || !set->net->vlan_aware)
        set_bare_ports(set, change, there);
    submit(set, change);
}

static void create_vlan(const struct setting *set)
{
    if (set->arg[0] == 0 || set->arg[0] >= CONSOLE_VLAN_NONE)
        refuse(set, EINVAL, NULL);
    else if (is_declared(set, set->arg[0]))
        refuse(set, EEXIST, NULL);
    else
        set_net_vlan(set, true);
}

static void remove_vlan(const struct setting *set)
{
    if (!is_declared(set, set->arg[0])) {
        refuse(set, ENXIO, NULL);
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (!console_port_is_link(&set->ports[i]) &&
            (console_port_tagged(&set->ports[i], (uint16_t)set->arg[0]) ||
             console_port_untagged(&set->ports[i], (uint16_t)set->arg[0]))) {
            refuse(set, EADDRINUSE, NULL);
            return;
        }
    }
    set_net_vlan(set, false);
}

/* --- the tree ------------------------------------------------------------------------------- */

static void set_tree(const struct setting *set)
{
    struct change *change = begin(set);
    struct node *stp = node_map();

    node_set_text(stp, "mode", set->arg[0] != 0 ? "rstp" : "off");
    patch_network(set, change, "stp", stp);
    submit(set, change);
}

static void set_edge(const struct setting *set)
{
    const struct console_port *port = console_port(set->ports, set->n, set->arg[1]);
    struct node *patch, *stp;

    if (port == NULL || (set->arg[0] != 0 && !is_declared(set, set->arg[0]))) {
        refuse(set, ENXIO, NULL);
        return;
    }
    stp = node_map();
    node_set_text(stp, "edge", set->arg[2] != 0 ? "true" : "false");
    patch = node_map();
    node_set(patch, "stp", stp);
    patch_port(set, port, patch);
}

/* --- all ------------------------------------------------------------------------------------ */

static unsigned args_wanted(enum console_command command)
{
    switch (command) {
    case CONSOLE_PORT_CREATEAUTO:
        return 0;
    case CONSOLE_FSTP_SETEDGE:
        return 3;
    case CONSOLE_PORT_SETVLAN:
    case CONSOLE_PORT_ALLOCATABLE:
    case CONSOLE_PORT_EPCLOSE:
    case CONSOLE_VLAN_ADDPORT:
    case CONSOLE_VLAN_DELPORT:
        return 2;
    default:
        return 1;
    }
}

static bool take_args(struct setting *set)
{
    const struct console_request *rq = &set->call->request;

    for (unsigned i = 0; i < rq->n_args; i++) {
        if (!console_number(rq->arg[i], UINT32_MAX, &set->arg[i]))
            return false;
    }
    return rq->n_args >= args_wanted(rq->row->command);
}

static void set_hub(const struct setting *set)
{
    refuse(set, set->arg[0] != 0 ? EOPNOTSUPP : 0,
           set->arg[0] != 0
               ? "a hub is not offered here: iothctl port set NET/PORT mirror=PORT"
               : NULL);
}

static void run(const struct setting *set)
{
    enum console_command command = set->call->request.row->command;

    switch (command) {
    case CONSOLE_PORT_CREATEAUTO:
        create_any_port(set);
        break;
    case CONSOLE_PORT_CREATE:
        create_port(set, set->arg[0]);
        break;
    case CONSOLE_PORT_REMOVE:
        remove_port(set);
        break;
    case CONSOLE_PORT_SETVLAN:
        set_vlan(set);
        break;
    case CONSOLE_PORT_ALLOCATABLE:
        set_unnamed(set);
        break;
    case CONSOLE_PORT_EPCLOSE:
        close_endpoint(set);
        break;
    case CONSOLE_VLAN_CREATE:
        create_vlan(set);
        break;
    case CONSOLE_VLAN_REMOVE:
        remove_vlan(set);
        break;
    case CONSOLE_VLAN_ADDPORT:
    case CONSOLE_VLAN_DELPORT:
        set_tagged(set, command == CONSOLE_VLAN_ADDPORT);
        break;
    case CONSOLE_FSTP_SETFSTP:
        set_tree(set);
        break;
    case CONSOLE_FSTP_SETEDGE:
        set_edge(set);
        break;
    default:
        set_hub(set);
        break;
    }
}

void console_set(struct console_call *call, const struct stats *stats)
{
    struct setting set = {.call = call, .net = console_net(call)};

    if (!take_args(&set)) {
        console_answer(call, EINVAL);
        return;
    }
    set.ports = console_ports(call->session->entry, stats, &set.n);
    run(&set);
    free(set.ports);
}
