/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State and requests in, events out; the data path is in transmit.c and receive.c. */
#include "fabricd/link/link.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "fabricd/link/link_internal.h"
#include "proto/base/xalloc.h"

#define ANSWER_MIN (20 * MTIME_MS)
#define ANSWER_MAX MTIME_SEC

/* --- conversions ------------------------------------------------------------------------- */

static void addr_from_ipc(const struct ipc_addr *in, struct link_addr *out)
{
    *out = (struct link_addr){.family = in->family, .port = in->port};
    memcpy(out->addr, in->addr, in->family == 4 ? 4 : 16);
}

static void addr_to_ipc(const struct link_addr *in, struct ipc_addr *out)
{
    *out = (struct ipc_addr){.family = in->family, .port = in->port};
    memcpy(out->addr, in->addr, sizeof out->addr);
}

static void fill_state(const struct link *l, const struct peer *p, struct ipc_peer_state *s)
{
    mtime_t now = loop_now(l->loop);

    *s = (struct ipc_peer_state){.host = p->host,
                                 .up = p->up,
                                 .joining = p->kind == PEER_STRANGER,
                                 .conn = p->conn,
                                 .invite = p->kind == PEER_STRANGER ? p->invite : 0,
                                 .rtt_us = (uint32_t)p->srtt,
                                 .mtu = p->path.mtu,
                                 .losses = (uint8_t)p->damping.losses};
    if (p->held && now < p->damping.until)
        s->held_ms = (uint32_t)((p->damping.until - now + MTIME_MS - 1) / MTIME_MS);
    snprintf(s->name, sizeof s->name, "%s", p->name);
    memcpy(s->noise_public, p->noise_public, sizeof s->noise_public);
    addr_to_ipc(&p->addr, &s->addr);
    if (p->current)
        snprintf(s->cipher, sizeof s->cipher, "%s", aead_name(p->current->suite));
}

/* --- what the hub asks for --------------------------------------------------------------- */

static int on_send(void *aux, const struct link_addr *to, const uint8_t *data, size_t size)
{
    return udp_send(aux, to, data, size);
}

static void on_random(void *aux, void *out, size_t size)
{
    (void)aux;
    randombytes_buf(out, size);
}

static void on_peer_changed(void *aux, struct peer *p)
{
    struct link *l = aux;
    struct ipc_peer_state state;

    fill_state(l, p, &state);
    l->ops->peer_state(l->aux, &state);
    if (p->up && p->path.mtu == DATAGRAM_MTU_MIN)
        l->ops->ask_path_mtu(l->aux, &state.addr);
}

/* In powers of two, so that it does not change with every measurement. */
static mtime_t answer_of(const struct peer *p)
{
    mtime_t takes = 2 * (p->srtt + 4 * p->rttvar), answer = ANSWER_MIN;

    while (answer < takes && answer < ANSWER_MAX)
        answer *= 2;
    return p->srtt ? answer : 0;
}

static void tell_link(struct link *l, const struct peer *p, struct link_port *port)
{
    struct link_below below = {
        .alive = !p->silent, .held = p->held, .answer = answer_of(p), .cost = p->cost};

    l->ops->port_link(l->aux, port->net->id, &port->sw, &below);
}

static void tell_ports(struct link *l, const struct peer *p)
{
    const struct link_ports *ports = p->user;

    for (unsigned i = 0; ports && i < ports->room; i++) {
        if (ports->slots[i])
            tell_link(l, p, ports->slots[i]);
    }
}

static void on_condition(void *aux, struct peer *p)
{
    tell_ports(aux, p);
}

static void on_bpdu(void *aux, struct peer *p, unsigned slot, const uint8_t *data,
                    size_t size)
{
    struct link *l = aux;
    struct link_port *port = link_port_find(p, slot);

    if (!port)
        return;
    tell_link(l, p, port);
    l->ops->bpdu(l->aux, port->net->id, &port->sw, data, size);
}

static void on_peer_gone(void *aux, struct peer *p)
{
    (void)aux; /* Its ports were detached before. */
    p->user = NULL;
}

struct link_port *link_port_find(const struct peer *p, unsigned slot)
{
    const struct link_ports *ports = p->user;

    return ports && slot < ports->room ? ports->slots[slot] : NULL;
}

/* --- BPDUs ------------------------------------------------------------------------------- */

static void bpdus_flush(struct peer *p)
{
    struct link_ports *ports = p->user;

    if (!ports || !ports->bpdus_size)
        return;
    list_remove(&ports->bpdus_link);
    hub_bpdus_send(p, ports->bpdus, ports->bpdus_size);
    ports->bpdus_size = 0;
}

void link_send_bpdu(struct swport *sw, const void *bpdu, size_t size)
{
    struct link_port *port = list_entry(sw, struct link_port, sw);
    struct link_ports *ports = port->peer->user;

    for (unsigned attempt = 0; attempt < 2; attempt++) {
        if (hub_bpdu_add(port->peer, port->slot, bpdu, size, ports->bpdus,
                         &ports->bpdus_size))
            break;
        bpdus_flush(port->peer); /* No room: once more in the next one. */
    }
    if (ports->bpdus_size && list_empty(&ports->bpdus_link))
        list_append(&port->link->bpdus, &ports->bpdus_link);
}

void link_flush_bpdus(struct link *l)
{
    if (list_empty(&l->bpdus))
        return;
    while (!list_empty(&l->bpdus))
        bpdus_flush(list_entry(l->bpdus.next, struct link_ports, bpdus_link)->peer);
    link_rearm(l);
}

/* --- ports ------------------------------------------------------------------------------- */

/* Slots are given from 0 on, so the table is as long as there are networks. */
static void port_note(struct peer *p, struct link_port *port)
{
    struct link_ports *ports = p->user;
    unsigned old = ports ? ports->room : 0, room = old ? old : 8;

    while (room <= port->slot)
        room *= 2;
    if (room != old) {
        bpdus_flush(p);
        ports = xrealloc(ports, sizeof *ports + room * sizeof(struct link_port *));
        if (!old)
            memset(ports, 0, sizeof *ports);
        ports->peer = p;
        list_init(&ports->bpdus_link);
        for (unsigned i = old; i < room; i++)
            ports->slots[i] = NULL;
        ports->room = room;
        p->user = ports;
    }
    ports->slots[port->slot] = port;
    ports->n++;
}

static void port_forget(struct peer *p, const struct link_port *port)
{
    struct link_ports *ports = p->user;

    ports->slots[port->slot] = NULL;
    if (--ports->n)
        return;
    list_remove(&ports->bpdus_link);
    free(ports);
    p->user = NULL;
}

static void on_attach(void *aux, struct peer *p, unsigned slot)
{
    struct link *l = aux;
    uint64_t id = hub_net_id(l->hub, slot);
    struct link_net *net = l->nets;
    struct link_port *port;

    while (net && net->id != id)
        net = net->next;
    if (!net)
        return;
    port = xcalloc(1, sizeof *port);
    port->link = l;
    port->peer = p;
    port->net = net;
    port->slot = slot;
    snprintf(port->name, sizeof port->name, "link-%.58s", p->name);
    port->sw.name = port->name;
    port->sw.ops = &link_port_ops;
    port->sw.id = l->ops->new_port_id(l->aux);
    port->sw.all_vlans = true;
    port->sw.horizon = 1;
    port->sw.host = p->host;
    port->sw.caps = FRAME_CAP_ALL;
    port->sw.max_frame = FRAME_SIZE_MAX;
    port_note(p, port);
    switch_add_port(net->sw, &port->sw);
    l->ops->port_added(l->aux, net->id, &port->sw, p->host);
    tell_link(l, p, port);
}

static void on_detach(void *aux, struct peer *p, unsigned slot)
{
    struct link_port *port = link_port_find(p, slot);
    struct link *l = aux;

    if (!port)
        return;
    link_receive_drop(l, port);
    l->ops->port_removed(l->aux, port->net->id, &port->sw);
    switch_remove_port(&port->sw);
    port_forget(p, port);
    free(port);
}

static bool on_stream_in(void *aux, struct peer *p, const uint8_t *data, size_t size)
{
    struct link *l = aux;

    return l->ops->stream_in(l->aux, p->conn, data, size);
}

static void on_stream_room(void *aux, struct peer *p)
{
    struct link *l = aux;

    l->ops->stream_room(l->aux, p->conn);
}

static void on_joining(void *aux, uint32_t conn, int code)
{
    struct link *l = aux;
    struct ipc_joining joining = {.conn = conn, .code = code};

    l->ops->joining(l->aux, &joining);
}

static const struct hub_ops hub_ops = {
    .send = on_send,
    .random = on_random,
    .peer_changed = on_peer_changed,
    .peer_gone = on_peer_gone,
    .attach = on_attach,
    .detach = on_detach,
    .stream_in = on_stream_in,
    .stream_room = on_stream_room,
    .joining = on_joining,
    .condition = on_condition,
    .bpdu = on_bpdu,
};

/* --- life -------------------------------------------------------------------------------- */

void link_rearm(struct link *l)
{
    mtime_t due = l->watch.fd < 0 ? MTIME_NEVER : hub_deadline(l->hub);

    if (due != l->timer.due)
        loop_timer_set(l->loop, &l->timer, due);
}

static void timer_expired(struct loop_timer *t, mtime_t now)
{
    struct link *l = list_entry(t, struct link, timer);

    t->due = MTIME_NEVER;
    /* What has arrived meanwhile is heard first: silence is judged after it. */
    link_receive(l);
    hub_run(l->hub, now, wall_now_us());
    link_rearm(l);
}

static void socket_ready(struct loop_watch *w, uint32_t events)
{
    (void)events;
    link_receive(list_entry(w, struct link, watch));
}

struct link *link_new(struct loop *loop, const struct link_ops *ops, void *aux)
{
    struct link *l;

    if (sodium_init() < 0)
        return NULL;
    l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->ops = ops;
    l->aux = aux;
    l->hub = hub_new(&hub_ops, l);
    list_init(&l->bpdus);
    l->watch.fd = -1;
    l->watch.ready = socket_ready;
    l->timer.expired = timer_expired;
    l->timer.due = MTIME_NEVER;
    return l;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    hub_free(l->hub, loop_now(l->loop));
    loop_remove(l->loop, &l->watch);
    loop_timer_set(l->loop, &l->timer, MTIME_NEVER);
    while (l->nets) {
        struct link_net *net = l->nets;

        l->nets = net->next;
        free(net);
    }
    free(l->tx.room);
    free(l->rx.room);
    free(l->rx.datagrams);
    free(l);
}

/* --- state ------------------------------------------------------------------------------- */

void link_set_self(struct link *l, const struct ipc_self *in)
{
    struct hub_self self;

    if (in->chain_size > sizeof self.chain)
        return;
    memset(&self, 0, sizeof self);
    self.host = in->host;
    self.fabric = in->fabric;
    self.chain_size = in->chain_size;
    memcpy(self.root, in->root, sizeof self.root);
    memcpy(self.noise_public, in->noise_public, sizeof self.noise_public);
    memcpy(self.noise_secret, in->noise_secret, sizeof self.noise_secret);
    memcpy(self.chain, in->chain, self.chain_size);
    hub_set_self(l->hub, &self, loop_now(l->loop));
    sodium_memzero(&self, sizeof self);
    link_rearm(l);
}

/* Rooms are made with the first socket: a daemon without links needs none. */
static int make_rooms(struct link *l)
{
    if (l->tx.room)
        return 0;
    l->tx.room = aligned_alloc(64, TX_ROOM);
    l->rx.room = aligned_alloc(64, (RX_ROOM + 63u) / 64u * 64u);
    l->rx.datagrams = aligned_alloc(64, RX_MESSAGES * RX_SIZE);
    if (!l->tx.room || !l->rx.room || !l->rx.datagrams)
        return -ENOMEM;
    gather_init(&l->rx.gather, l->rx.room, RX_ROOM);
    return 0;
}

int link_set_udp(struct link *l, int fd)
{
    int r;

    loop_remove(l->loop, &l->watch);
    l->watch.fd = -1;
    if (fd >= 0) {
        r = make_rooms(l);
        if (r == 0)
            r = udp_prepare(l, fd);
        if (r == 0)
            r = loop_add(l->loop, &l->watch, fd, EPOLLIN);
        if (r < 0) {
            l->watch.fd = -1;
            return r;
        }
    }
    link_rearm(l);
    return 0;
}

void link_put_peer(struct link *l, const struct ipc_peer *in)
{
    struct hub_peer_config c = {
        .host = in->host, .dial = in->dial, .n_addrs = in->n_addrs, .cost = in->cost};

    if (c.n_addrs > PEER_ADDRS_MAX)
        return;
    snprintf(c.name, sizeof c.name, "%s", in->name);
    memcpy(c.noise_public, in->noise_public, sizeof c.noise_public);
    for (unsigned i = 0; i < c.n_addrs; i++)
        addr_from_ipc(&in->addrs[i], &c.addrs[i]);
    hub_put_peer(l->hub, &c, loop_now(l->loop));
    for (struct peer *p = hub_first(l->hub); p; p = hub_next(l->hub, p)) {
        if (p->host == c.host)
            tell_ports(l, p);
    }
    link_rearm(l);
}

void link_delete_peer(struct link *l, uint16_t host)
{
    hub_delete_peer(l->hub, host, loop_now(l->loop));
    link_rearm(l);
}

static struct link_net *net_find(const struct link *l, uint64_t id)
{
    struct link_net *net = l->nets;

    while (net && net->id != id)
        net = net->next;
    return net;
}

void link_put_net(struct link *l, const struct ipc_net *in, struct switch_ *sw)
{
    struct link_net *net = net_find(l, in->id);

    if (net && (net->sw != sw || in->local)) {
        link_delete_net(l, in->id);
        net = NULL;
    }
    if (in->local)
        return;
    if (!net) {
        net = xcalloc(1, sizeof *net);
        *net = (struct link_net){.next = l->nets, .id = in->id, .sw = sw};
        l->nets = net;
    }
    if (hub_put_net(l->hub, in->id, in->everywhere, in->on, in->n_on, loop_now(l->loop)) <
        0)
        link_delete_net(l, in->id);
    link_rearm(l);
}

void link_delete_net(struct link *l, uint64_t id)
{
    struct link_net **at = &l->nets;

    hub_delete_net(l->hub, id, loop_now(l->loop));
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (*at) {
        struct link_net *net = *at;

        *at = net->next;
        free(net);
    }
    link_rearm(l);
}

void link_put_invite(struct link *l, const struct ipc_invite *in)
{
    hub_put_invite(l->hub, in->id, in->expires);
}

void link_delete_invite(struct link *l, uint64_t id)
{
    hub_delete_invite(l->hub, id);
}

/* --- requests ---------------------------------------------------------------------------- */

void link_join(struct link *l, const struct ipc_join *in)
{
    struct link_addr addrs[PEER_ADDRS_MAX];
    unsigned n = in->n_addrs < PEER_ADDRS_MAX ? in->n_addrs : PEER_ADDRS_MAX;

    for (unsigned i = 0; i < n; i++)
        addr_from_ipc(&in->addrs[i], &addrs[i]);
    hub_join(l->hub, in->conn, in->invite, in->noise_public, addrs, n, loop_now(l->loop));
    link_rearm(l);
}

int link_stream_send(struct link *l, uint32_t conn, const void *data, size_t size)
{
    int r = hub_stream_send(l->hub, conn, data, size, loop_now(l->loop));

    link_rearm(l);
    return r;
}

void link_stream_resume(struct link *l)
{
    hub_stream_resume(l->hub);
    link_rearm(l);
}

void link_path_mtu(struct link *l, const struct ipc_addr *addr, uint32_t mtu)
{
    struct link_addr to;

    if (mtu == 0)
        return;
    addr_from_ipc(addr, &to);
    hub_path_limit(l->hub, &to, mtu, loop_now(l->loop));
    link_rearm(l);
}

/* --- statistics -------------------------------------------------------------------------- */

static void fill_port(const struct link_port *port, struct ipc_stats_port *s)
{
    const struct swport_counters *c = &port->sw.counters;

    *s = (struct ipc_stats_port){.id = port->sw.id,
                                 .net = port->net->id,
                                 .host = port->peer->host,
                                 .stp = {.number = port->sw.tree_port},
                                 .rx_frames = c->rx_frames,
                                 .rx_bytes = c->rx_bytes,
                                 .tx_frames = c->tx_frames,
                                 .tx_bytes = c->tx_bytes};
    snprintf(s->name, sizeof s->name, "%s", port->peer->name);
    memcpy(s->rx_drops, c->rx_drops, sizeof s->rx_drops);
    memcpy(s->tx_drops, c->tx_drops, sizeof s->tx_drops);
    memcpy(s->heard, c->heard, sizeof s->heard);
}

void link_list_ports(const struct link *l, uint64_t net,
                     void (*each)(void *aux, const struct ipc_stats_port *), void *aux)
{
    for (struct peer *p = hub_first(l->hub); p; p = hub_next(l->hub, p)) {
        const struct link_ports *ports = p->user;

        for (unsigned i = 0; ports && i < ports->room; i++) {
            const struct link_port *port = ports->slots[i];
            struct ipc_stats_port s;

            if (!port || (net != 0 && port->net->id != net))
                continue;
            fill_port(port, &s);
            each(aux, &s);
        }
    }
}

void link_list_peers(const struct link *l,
                     void (*each)(void *aux, const struct ipc_stats_link *), void *aux)
{
    mtime_t now = loop_now(l->loop);

    for (struct peer *p = hub_first(l->hub); p; p = hub_next(l->hub, p)) {
        const struct peer_counters *c = &p->counters;
        struct ipc_stats_link s = {.rx_datagrams = c->rx_datagrams,
                                   .rx_bytes = c->rx_bytes,
                                   .tx_datagrams = c->tx_datagrams,
                                   .tx_bytes = c->tx_bytes,
                                   .rx_bad = c->rx_bad,
                                   .rx_replayed = c->rx_replayed,
                                   .rx_refused = c->rx_refused,
                                   .rx_orphans = c->rx_orphans,
                                   .handshakes = c->handshakes,
                                   .last_rx_us = p->last_rx ? now - p->last_rx : -1};

        if (p->kind == PEER_INVITER)
            continue;
        fill_state(l, p, &s.state);
        each(aux, &s);
    }
}
