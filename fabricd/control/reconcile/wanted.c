/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects of the store into the state that the switch works from. */
#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/view/view.h"

#define N_OF(list) (sizeof(list) / sizeof(*(list)))

static void set_name(char out[IPC_NAME_SIZE], const char *text)
{
    snprintf(out, IPC_NAME_SIZE, "%s", text);
}

static bool id_of(const char *text, uint32_t *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value >= UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

bool principal_parse(const char *text, struct ipc_allow *out)
{
    char buffer[4096];

    *out = (struct ipc_allow){.is_group = text[0] == 'g'};
    if (strncmp(text, "uid:", 4) == 0 || strncmp(text, "gid:", 4) == 0)
        return id_of(text + 4, &out->id);
    if (strncmp(text, "user:", 5) == 0) {
        struct passwd pw, *found = NULL;
        if (getpwnam_r(text + 5, &pw, buffer, sizeof(buffer), &found) != 0 || found == NULL)
            return false;
        out->id = pw.pw_uid;
        return true;
    }
    if (strncmp(text, "group:", 6) == 0) {
        struct group gr, *found = NULL;
        if (getgrnam_r(text + 6, &gr, buffer, sizeof(buffer), &found) != 0 || found == NULL)
            return false;
        out->id = gr.gr_gid;
        return true;
    }
    return false;
}

static void set_on(const struct control *control, const struct node *on,
                   struct ipc_net *out)
{
    if (on == NULL || on->kind != NODE_LIST || on->n == 0) {
        out->everywhere = 1;
        return;
    }
    for (size_t i = 0; i < on->n; i++) {
        const char *name = on->child[i]->text != NULL ? on->child[i]->text : "";
        const struct view_host *host = view_host(control->view, name);

        if (strcmp(name, "all") == 0)
            out->everywhere = 1;
        else if (host != NULL && host->number != 0 && out->n_on < N_OF(out->on))
            out->on[out->n_on++] = host->number;
    }
}

bool wanted_net(const struct control *control, const struct view_network *net,
                struct ipc_net *out)
{
    const struct node *allow = node_get(net->body, "allow");

    *out = (struct ipc_net){
        .id = net->id,
        .mtu = net->mtu,
        .local = net->scope == STORE_LOCAL,
        .vlan_aware = net->vlan_aware,
        .snooping = node_get_bool(node_get(net->body, "multicast"), "snooping", false),
        .suppression =
            node_get_bool(node_get(net->body, "multicast"), "suppression", false),
        .querier = node_get_bool(node_get(net->body, "multicast"), "querier", false),
    };
    if (net->id == 0 || !view_network_on(net, control_host(control)))
        return false;
    /* One of the same name that the whole fabric has goes before a local one. */
    if (view_network(control->view, net->name) != net)
        return false;
    set_name(out->name, net->name);
    wanted_stp(control, net, &out->stp);
    set_on(control, node_get(net->body, "on"), out);
    for (size_t i = 0; net->vlan_aware && i < net->n_plans; i++)
        out->vlans[net->plans[i].vlan / 8] |= (uint8_t)(1u << net->plans[i].vlan % 8);
    for (size_t i = 0; allow != NULL && allow->kind == NODE_LIST && i < allow->n; i++) {
        const char *text = allow->child[i]->text;

        if (text != NULL && out->n_allow < N_OF(out->allow) &&
            principal_parse(text, &out->allow[out->n_allow]))
            out->n_allow++;
    }
    return true;
}

bool wanted_vde(const struct control *control, const struct view_network *net,
                struct ipc_open_vde *out)
{
    struct ipc_net state;

    *out = (struct ipc_open_vde){.net = net->id};
    if (!wanted_net(control, net, &state))
        return false;
    set_name(out->name, net->name);
    memcpy(out->vlan_groups, state.vlans, sizeof(out->vlan_groups));
    /* Who comes in is checked by credentials; the mode only lets them knock. */
    out->mode = state.n_allow > 0 || geteuid() == 0 ? 0777 : 0700;
    return true;
}

bool ipc_addr_parse(const char *text, struct ipc_addr *out)
{
    struct ipc_addr a = {.family = 4};
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t size;
    uint32_t port;

    if (colon == NULL || !id_of(colon + 1, &port) || port == 0 || port > UINT16_MAX)
        return false;
    size = (size_t)(colon - text);
    if (size >= sizeof(host))
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        memmove(host, host + 1, size - 1);
        a.family = 6;
    }
    if (inet_pton(a.family == 4 ? AF_INET : AF_INET6, host, a.addr) != 1)
        return false;
    a.port = (uint16_t)port;
    *out = a;
    return true;
}

char *ipc_addr_print(const struct ipc_addr *a, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";

    out[0] = '\0';
    if (a->family != 4 && a->family != 6)
        return out;
    inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, host, sizeof(host));
    snprintf(out, size, a->family == 4 ? "%s:%u" : "[%s]:%u", host, a->port);
    return out;
}

static void add_addr(struct ipc_peer *out, const char *text)
{
    struct ipc_addr a;

    if (text == NULL || out->n_addrs == N_OF(out->addrs) || !ipc_addr_parse(text, &a))
        return;
    for (unsigned i = 0; i < out->n_addrs; i++) {
        if (memcmp(&out->addrs[i], &a, sizeof(a)) == 0)
            return;
    }
    out->addrs[out->n_addrs++] = a;
}

static void add_addrs(struct ipc_peer *out, const struct node *value)
{
    if (value == NULL)
        return;
    if (value->kind == NODE_TEXT)
        add_addr(out, value->text);
    for (size_t i = 0; value->kind == NODE_LIST && i < value->n; i++)
        add_addr(out, value->child[i]->text);
}

/* What declared links say of the way to a peer: the address where it is dialled, the cost. */
struct declared {
    const char *here, *there;
    struct ipc_peer *out;
};

static bool is_between(const struct node *between, const char *one, const char *other)
{
    return between != NULL && between->kind == NODE_LIST && between->n == 2 &&
           between->child[0]->text != NULL && between->child[1]->text != NULL &&
           strcmp(between->child[0]->text, one) == 0 &&
           strcmp(between->child[1]->text, other) == 0;
}

static int add_link(void *aux, const struct store_object *object)
{
    struct declared *d = aux;
    struct diags diags;
    struct node *body;
    const struct node *between;
    bool dials;

    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    between = node_get(body, "between");
    dials = is_between(between, d->here, d->there);
    if (dials)
        add_addr(d->out, node_get_text(body, "address", NULL));
    if (dials || is_between(between, d->there, d->here))
        d->out->cost = (uint32_t)node_get_int(body, "cost", d->out->cost);
    node_free(body);
    return 0;
}

bool wanted_peer(const struct control *control, const struct view_host *host,
                 struct ipc_peer *out)
{
    struct declared declared = {control_host(control), host->name, out};

    *out = (struct ipc_peer){.host = host->number};
    if (host->number == 0 || !host->has_key || host->number == control->id.self.host)
        return false;
    set_name(out->name, host->name);
    memcpy(out->noise_public, host->noise_public, sizeof(out->noise_public));
    /* What was declared goes first, then what the host says itself. */
    if (store_each(control->store, STORE_FABRIC, "link", "", add_link, &declared) < 0)
        return false;
    add_addrs(out, node_get(host->body, "address"));
    add_addrs(out, node_get(host->body, "listens"));
    out->dial = out->n_addrs > 0;
    return true;
}
