/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State messages: each is kept in our copy of the vault, and the objects that it speaks of are
 * made, changed or ended. The vault owns the descriptors, the objects borrow them; so an object
 * is ended before an entry with its descriptors is replaced or deleted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* --- networks ----------------------------------------------------------------------------- */

const char *dp_key(char out[DP_KEY_SIZE], uint64_t id)
{
    snprintf(out, DP_KEY_SIZE, "%llx", (unsigned long long)id);
    return out;
}

struct dp_net *dp_net_find(struct dataplane *dp, uint64_t id)
{
    char key[DP_KEY_SIZE];

    return map_get(&dp->net_by_id, dp_key(key, id));
}

static struct switch_config config_of(struct dataplane *dp, const struct ipc_net *net)
{
    struct switch_config config = {.mtu = net->mtu,
                                   .vlan_aware = net->vlan_aware,
                                   .snooping = net->snooping,
                                   .querier = net->querier,
                                   .suppression = net->suppression,
                                   .sooner = &dp->age_sooner};

    memcpy(config.mac, net->stp.bridge, sizeof config.mac);
    memcpy(config.vlans, net->vlans, sizeof config.vlans);
    if (getrandom(&config.seed, sizeof config.seed, 0) < 0)
        config.seed = (uint64_t)mtime_now();
    return config;
}

static void age(struct loop_timer *timer, mtime_t now)
{
    struct dp_net *net = list_entry(timer, struct dp_net, ageing);

    switch_run(net->sw, now);
    loop_timer_set(net->dp->loop, timer, switch_deadline(net->sw));
}

/* Wakes up for the next ageing only where something has been learnt. Looked into in the few turns in
 * which an empty table learns its first address. */
void dp_arm_ageing(struct dataplane *dp)
{
    if (!dp->age_sooner)
        return;
    dp->age_sooner = false;
    list_for_each (it, &dp->nets) {
        struct dp_net *net = list_entry(it, struct dp_net, link);

        loop_timer_set(dp->loop, &net->ageing, switch_deadline(net->sw));
    }
}

/* --- homes -------------------------------------------------------------------------------- */

static void set_neighbor(struct dp_net *net, const struct ipc_home *home)
{
    struct neighbor_addr addrs[8];

    for (unsigned i = 0; i < home->n_addrs; i++) {
        addrs[i].family = home->addrs[i].family;
        memcpy(addrs[i].addr, home->addrs[i].addr, sizeof addrs[i].addr);
    }
    if (home->gone)
        switch_remove_neighbor(net->sw, home->mac);
    else
        switch_put_neighbor(net->sw, home->mac, home->vlan, addrs, home->n_addrs);
}

static void set_homes(struct dp_net *net, const struct ipc_homes *homes)
{
    mtime_t now = loop_now(net->dp->loop);

    if (homes->begin)
        switch_begin_homes(net->sw);
    for (unsigned i = 0; i < homes->n; i++) {
        const struct ipc_home *home = &homes->homes[i];

        set_neighbor(net, home);
        if (home->gone)
            switch_remove_home(net->sw, home->mac);
        else if (switch_put_home(net->sw, home->mac, home->vlan, home->host, now))
            dp_announce(net->dp, net->config.id, home->mac);
    }
    if (homes->end)
        switch_end_homes(net->sw);
}

static void drop_homes(struct dataplane *dp, struct dp_homes *waiting)
{
    list_remove(&waiting->link);
    dp->n_homes--;
    free(waiting);
}

static void take_homes(struct dataplane *dp, struct dp_net *net)
{
    list_for_each_safe (it, &dp->homes) {
        struct dp_homes *waiting = list_entry(it, struct dp_homes, link);

        if (waiting->homes.net != net->config.id)
            continue;
        set_homes(net, &waiting->homes);
        drop_homes(dp, waiting);
    }
}

/* Control tells us by itself, of networks by way of the parent: which may take longer. */
void dp_put_homes(struct dataplane *dp, const struct ipc_homes *homes)
{
    struct dp_net *net = dp_net_find(dp, homes->net);
    struct dp_homes *waiting;

    if (net) {
        set_homes(net, homes);
        return;
    }
    if (dp->n_homes == DP_HOMES_MAX)
        drop_homes(dp, list_entry(list_first(&dp->homes), struct dp_homes, link));
    waiting = xcalloc(1, sizeof *waiting);
    waiting->homes = *homes;
    list_append(&dp->homes, &waiting->link);
    dp->n_homes++;
}

static void net_put(struct dataplane *dp, const struct ipc_net *config)
{
    struct dp_net *net = dp_net_find(dp, config->id);
    struct switch_config sw_config = config_of(dp, config);
    char key[DP_KEY_SIZE];

    if (net) {
        net->config = *config;
        switch_configure(net->sw, &sw_config);
        dp_tree_configure(net);
        link_put_net(dp->link, config, net->sw);
        return;
    }
    net = xcalloc(1, sizeof *net);
    net->dp = dp;
    net->config = *config;
    net->ageing.expired = age;
    list_init(&net->captures);
    net->sw = switch_new(&sw_config);
    if (!net->sw || !dp_tree_open(net)) {
        log_error("network %s: out of memory", config->name);
        switch_free(net->sw);
        free(net);
        return;
    }
    dp_notices_open(net);
    list_append(&dp->nets, &net->link);
    map_put(&dp->net_by_id, dp_key(key, config->id), net);
    take_homes(dp, net);
    link_put_net(dp->link, config, net->sw);
    dp_ports_attach(dp, net);
}

static void net_delete(struct dataplane *dp, uint64_t id)
{
    struct dp_net *net = dp_net_find(dp, id);
    char key[DP_KEY_SIZE];

    if (!net)
        return;
    link_delete_net(dp->link, id);
    dp_ports_detach(dp, net);
    loop_timer_set(dp->loop, &net->ageing, MTIME_NEVER);
    list_remove(&net->link);
    map_remove(&dp->net_by_id, dp_key(key, id));
    dp_tree_close(net);
    switch_free(net->sw);
    free(net);
}

/* --- listening sockets -------------------------------------------------------------------- */

static void listen_delete(struct dataplane *dp, uint32_t id)
{
    if (id == dp->udp_listen) {
        int code = link_set_udp(dp->link, -1);

        if (code < 0)
            log_error("the socket of the links cannot be taken off: %s", err_text(code));
        dp->udp_listen = 0;
    }
    dp_entry_delete(dp, id);
}

static void listen_put(struct dataplane *dp, const struct ipc_listen *config)
{
    const struct vault_entry *e = vault_find(dp->vault, IPC_LISTEN, config->id);
    int code = 0;

    if (!e || !e->n_fds)
        return;
    if (config->kind == IPC_LISTEN_VDE) {
        dp_entry_put(dp, config, e->fds[0]);
    } else if (config->kind == IPC_LISTEN_UDP) {
        code = link_set_udp(dp->link, e->fds[0]);
        dp->udp_listen = config->id;
    }
    if (code < 0)
        log_error("the socket of the links cannot be used: %s", err_text(code));
}

/* --- all ---------------------------------------------------------------------------------- */

static void keep(struct dataplane *dp, struct ipc_message *msg)
{
    int code = vault_put(dp->vault, msg, false);

    if (code < 0)
        log_error("state %s is refused: %s", ipc_type_name(msg->head.type), err_text(code));
}

void dp_state_put(struct dataplane *dp, struct ipc_message *msg)
{
    union ipc_body *body = &msg->body;
    bool new_descriptors = msg->n_fds > 0;

    switch (msg->head.type) {
    case IPC_SELF:
        link_set_self(dp->link, &body->self);
        keep(dp, msg);
        explicit_bzero(body->self.noise_secret, sizeof body->self.noise_secret);
        break;
    case IPC_LISTEN:
        if (new_descriptors)
            listen_delete(dp, body->listen.id);
        keep(dp, msg);
        listen_put(dp, &body->listen);
        break;
    case IPC_NET:
        keep(dp, msg);
        net_put(dp, &body->net);
        break;
    case IPC_PEER:
        keep(dp, msg);
        link_put_peer(dp->link, &body->peer);
        break;
    case IPC_INVITE:
        keep(dp, msg);
        link_put_invite(dp->link, &body->invite);
        break;
    case IPC_HEARD:
        keep(dp, msg);
        break;
    case IPC_PORT:
        dp_port_put(dp, msg);
        break;
    case IPC_SERVICE: /* Only kept, for a new parent. */
        keep(dp, msg);
        break;
    default:
        break;
    }
}

void dp_state_delete(struct dataplane *dp, const struct ipc_delete *del)
{
    switch (del->type) {
    case IPC_LISTEN:
        dp_entry_close(dp, (uint32_t)del->id);
        listen_delete(dp, (uint32_t)del->id);
        break;
    case IPC_NET:
        net_delete(dp, del->id);
        break;
    case IPC_PEER:
        link_delete_peer(dp->link, (uint16_t)del->id);
        break;
    case IPC_INVITE:
        link_delete_invite(dp->link, del->id);
        break;
    case IPC_PORT:
        dp_port_delete(dp, (uint32_t)del->id);
        vault_delete(dp->vault, IPC_HEARD, del->id, false);
        break;
    default:
        break;
    }
    vault_delete(dp->vault, del->type, del->id, false);
}

uint32_t dp_new_port_id(void *aux)
{
    struct dataplane *dp = aux;

    return dp->next_link_id += 2;
}

uint32_t dp_new_client_id(struct dataplane *dp)
{
    uint32_t id;

    do {
        id = dp->next_port_id;
        dp->next_port_id += 2;
    } while (vault_find(dp->vault, IPC_PORT, id));
    return id;
}

void dp_free_state(struct dataplane *dp)
{
    dp_announce_free(dp);
    while (!list_empty(&dp->homes))
        drop_homes(dp, list_entry(list_first(&dp->homes), struct dp_homes, link));
    while (!list_empty(&dp->ports))
        dp_port_delete(dp, list_entry(dp->ports.next, struct dp_port, link)->config.id);
    while (!list_empty(&dp->nets))
        net_delete(dp, list_entry(dp->nets.next, struct dp_net, link)->config.id);
    map_clear(&dp->net_by_id);
}
