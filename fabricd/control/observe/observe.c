/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/observe/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/events/events.h"
#include "proto/base/xalloc.h"

#define STATS_WAIT (1 * MTIME_SEC)
#define MACS_MAX   65536u /* Of one answer. */

/* Whoever asks seldom gets what is. In the window after an answer about all networks, WINDOW_ASKS
 * more are asked for anew; the others get the last one, or wait for one that is under way. So
 * thousands of clients a second do not keep the switch from forwarding. */
#define WINDOW      (20 * MTIME_MS)
#define WINDOW_ASKS 4u
#define RECENT_MAX  6u

struct peer {
    struct list link;
    struct ipc_peer_state state;
    bool held; /* As was told last. */
};

/* The last whole answer about all networks, by what was asked for. */
struct recent {
    uint32_t what; /* 0 = the place is free. */
    struct stats stats;
    mtime_t begin; /* Of the window. */
    unsigned asks; /* In it. */
};

struct observe {
    struct control *control;
    struct list peers;
    struct list asked;
    struct recent recent[RECENT_MAX];
};

struct waiter {
    observe_stats_fn *done;
    void *aux;
};

struct asked {
    struct list link;
    struct observe *observe;
    struct loop_timer late;
    struct stats stats;
    size_t room_ports, room_links, room_macs, room_trees, room_vlans, room_nets,
        room_groups;
    uint32_t request;
    struct recent *recent; /* Where its answer is kept, or NULL. */
    struct waiter *waiters;
    size_t n_waiters, room_waiters;
};

struct observe *observe_new(struct control *control)
{
    struct observe *observe = xcalloc(1, sizeof(*observe));

    observe->control = control;
    list_init(&observe->peers);
    list_init(&observe->asked);
    return observe;
}

static struct peer *find_peer(const struct observe *observe, uint16_t host)
{
    list_for_each (it, &observe->peers) {
        struct peer *peer = list_entry(it, struct peer, link);
        if (peer->state.host == host)
            return peer;
    }
    return NULL;
}

void observe_peer_state(struct observe *observe, const struct ipc_peer_state *state)
{
    struct peer *peer;

    if (state->joining != 0 || state->host == 0)
        return;
    peer = find_peer(observe, state->host);
    if (peer == NULL) {
        peer = xcalloc(1, sizeof(*peer));
        list_append(&observe->peers, &peer->link);
    }
    if ((peer->state.up != 0) != (state->up != 0))
        events_peer(observe->control, state->host, state->up != 0);
    if (state->up != 0 && peer->held != (state->held_ms > 0)) {
        peer->held = !peer->held;
        events_held(observe->control, state);
    }
    peer->state = *state;
}

void observe_forget_peers(struct observe *observe)
{
    list_for_each_safe (it, &observe->peers)
        free(list_entry(it, struct peer, link));
    list_init(&observe->peers);
}

const struct ipc_peer_state *observe_peer(const struct observe *observe, uint16_t host)
{
    const struct peer *peer = find_peer(observe, host);

    return peer != NULL ? &peer->state : NULL;
}

/* --- statistics ---------------------------------------------------------------------------- */

static void free_stats(struct stats *stats)
{
    free(stats->ports);
    free(stats->links);
    free(stats->macs);
    free(stats->trees);
    free(stats->vlans);
    free(stats->nets);
    free(stats->groups);
    *stats = (struct stats){.complete = false};
}

static void free_asked(struct asked *asked)
{
    loop_timer_set(asked->observe->control->loop, &asked->late, MTIME_NEVER);
    list_remove(&asked->link);
    free_stats(&asked->stats);
    free(asked->waiters);
    free(asked);
}

static void answer(struct asked *asked)
{
    struct recent *recent = asked->recent;

    list_remove(&asked->link); /* Nobody joins it any more. */
    list_init(&asked->link);
    for (size_t i = 0; i < asked->n_waiters; i++)
        asked->waiters[i].done(asked->waiters[i].aux, &asked->stats);
    if (recent != NULL && asked->stats.complete) {
        free_stats(&recent->stats);
        recent->stats = asked->stats;
        asked->stats = (struct stats){.complete = false};
    }
    free_asked(asked);
}

static void *grow(void *list, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return list;
    *room = *room * 2 + 16;
    return xrealloc(list, *room * size);
}

static void add_macs(struct observed_mac **list, size_t *n, size_t *room,
                     const struct ipc_stats_macs *macs)
{
    for (uint32_t i = 0; i < macs->n && *n < MACS_MAX; i++) {
        *list = grow(*list, *n, room, sizeof(**list));
        (*list)[(*n)++] = (struct observed_mac){macs->net, macs->macs[i]};
    }
}

static void got(void *aux, struct ipc_message *msg)
{
    struct asked *asked = aux;
    struct stats *stats = &asked->stats;

    if (msg == NULL) {
        asked->request = 0;
        answer(asked);
        return;
    }
    switch (msg->head.type) {
    case IPC_STATS_PORT:
        stats->ports =
            grow(stats->ports, stats->n_ports, &asked->room_ports, sizeof(*stats->ports));
        stats->ports[stats->n_ports++] = msg->body.stats_port;
        break;
    case IPC_STATS_LINK:
        observe_peer_state(asked->observe, &msg->body.stats_link.state);
        stats->links =
            grow(stats->links, stats->n_links, &asked->room_links, sizeof(*stats->links));
        stats->links[stats->n_links++] = msg->body.stats_link;
        break;
    case IPC_STATS_MACS:
        add_macs(&stats->macs, &stats->n_macs, &asked->room_macs, &msg->body.stats_macs);
        break;
    case IPC_STATS_GROUPS:
        add_macs(&stats->groups, &stats->n_groups, &asked->room_groups,
                 &msg->body.stats_macs);
        break;
    case IPC_STATS_TREE:
        stats->trees =
            grow(stats->trees, stats->n_trees, &asked->room_trees, sizeof(*stats->trees));
        stats->trees[stats->n_trees++] = msg->body.stats_tree;
        break;
    case IPC_STATS_VLAN:
        stats->vlans =
            grow(stats->vlans, stats->n_vlans, &asked->room_vlans, sizeof(*stats->vlans));
        stats->vlans[stats->n_vlans++] = msg->body.stats_vlan;
        break;
    case IPC_STATS_NET:
        stats->nets =
            grow(stats->nets, stats->n_nets, &asked->room_nets, sizeof(*stats->nets));
        stats->nets[stats->n_nets++] = msg->body.stats_net;
        break;
    case IPC_STATS_END:
        asked->request = 0;
        stats->complete = true;
        answer(asked);
        break;
    default:
        break;
    }
}

static void too_late(struct loop_timer *timer, mtime_t now)
{
    struct asked *asked = list_entry(timer, struct asked, late);

    (void)now;
    chan_forget(&asked->observe->control->switch_, asked->request);
    answer(asked);
}

static void join(struct asked *asked, observe_stats_fn *done, void *aux)
{
    asked->waiters = grow(asked->waiters, asked->n_waiters, &asked->room_waiters,
                          sizeof(*asked->waiters));
    asked->waiters[asked->n_waiters++] = (struct waiter){done, aux};
}

static struct recent *recent_of(struct observe *observe, uint32_t what)
{
    for (unsigned i = 0; i < RECENT_MAX; i++) {
        struct recent *recent = &observe->recent[i];

        if (recent->what == 0)
            recent->what = what;
        if (recent->what == what)
            return recent;
    }
    return NULL;
}

/* Whether so many have asked of late that this one need not. */
static bool is_busy(struct recent *recent, mtime_t now)
{
    if (now - recent->begin >= WINDOW) {
        recent->begin = now;
        recent->asks = 0;
        recent->stats.complete = false; /* Lent perhaps; the next answer replaces it. */
    }
    return recent->asks++ >= WINDOW_ASKS;
}

/* True if it has been, or will be, answered by what another asks for. */
static bool shared(struct observe *observe, struct recent *recent, observe_stats_fn *done,
                   void *aux)
{
    if (recent->stats.complete) {
        done(aux, &recent->stats);
        return true;
    }
    list_for_each (it, &observe->asked) {
        struct asked *asked = list_entry(it, struct asked, link);

        if (asked->recent == recent) {
            join(asked, done, aux);
            return true;
        }
    }
    return false;
}

static void ask(struct observe *observe, const struct ipc_stats_request *request,
                struct recent *recent, observe_stats_fn *done, void *aux)
{
    struct asked *asked = xcalloc(1, sizeof(*asked));

    asked->observe = observe;
    asked->recent = recent;
    asked->late.expired = too_late;
    join(asked, done, aux);
    list_append(&observe->asked, &asked->link);
    if (!chan_up(&observe->control->switch_)) {
        answer(asked);
        return;
    }
    loop_timer_set(observe->control->loop, &asked->late,
                   loop_now(observe->control->loop) + STATS_WAIT);
    asked->request =
        chan_ask(&observe->control->switch_, IPC_STATS, request, IPC_STATS_END, got, asked);
}

void observe_stats(struct observe *observe, uint64_t net, uint32_t what,
                   observe_stats_fn *done, void *aux)
{
    struct ipc_stats_request request = {.net = net, .what = what};
    struct recent *recent = net == 0 ? recent_of(observe, what) : NULL;

    if (recent != NULL && is_busy(recent, loop_now(observe->control->loop)) &&
        shared(observe, recent, done, aux))
        return;
    ask(observe, &request, recent, done, aux);
}

void observe_stats_anew(struct observe *observe, uint32_t what, observe_stats_fn *done,
                        void *aux)
{
    struct ipc_stats_request request = {.what = what};

    ask(observe, &request, NULL, done, aux);
}

const struct ipc_stats_net *stats_net(const struct stats *stats, uint64_t net)
{
    for (size_t i = 0; i < stats->n_nets; i++) {
        if (stats->nets[i].net == net)
            return &stats->nets[i];
    }
    return NULL;
}

const struct ipc_stats_tree *stats_tree(const struct stats *stats, uint64_t net)
{
    for (size_t i = 0; i < stats->n_trees; i++) {
        if (stats->trees[i].net == net)
            return &stats->trees[i];
    }
    return NULL;
}

const struct ipc_stats_port *stats_port(const struct stats *stats, uint32_t id)
{
    for (size_t i = 0; i < stats->n_ports; i++) {
        if (stats->ports[i].id == id && stats->ports[i].kind != 0)
            return &stats->ports[i];
    }
    return NULL;
}

void stats_port_name(const struct ipc_stats_port *port, char out[IPC_NAME_SIZE])
{
    bool link = port->kind == 0;

    snprintf(out, IPC_NAME_SIZE, "%s%.*s", link ? "link-" : "", link ? 58 : 63, port->name);
}

const struct ipc_stats_link *stats_link(const struct stats *stats, uint16_t host)
{
    for (size_t i = 0; i < stats->n_links; i++) {
        if (stats->links[i].state.host == host)
            return &stats->links[i];
    }
    return NULL;
}

void observe_free(struct observe *observe)
{
    if (observe == NULL)
        return;
    list_for_each_safe (it, &observe->asked) {
        struct asked *asked = list_entry(it, struct asked, link);
        chan_forget(&observe->control->switch_, asked->request);
        free_asked(asked);
    }
    for (unsigned i = 0; i < RECENT_MAX; i++)
        free_stats(&observe->recent[i].stats);
    observe_forget_peers(observe);
    free(observe);
}
