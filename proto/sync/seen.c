/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What hosts report of their links, ports and services. */
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/sync/message_internal.h"

static void wr_services(struct wr *w, const struct sync_seen *seen)
{
    w->bad = w->bad || seen->n_services > SYNC_SEEN_SERVICES;
    wr_u16(w, seen->n_services);
    for (unsigned i = 0; i < seen->n_services && !w->bad; i++) {
        const struct sync_seen_service *service = &seen->service[i];

        wr_str8(w, service->name);
        wr_str8(w, service->state);
        wr_str8(w, service->health);
        wr_str8(w, service->exit);
        wr_str8(w, service->problem);
        wr_u32(w, service->pid);
        wr_u32(w, service->restarts);
        wr_u64(w, (uint64_t)service->since);
    }
}

static void wr_trees(struct wr *w, const struct sync_seen *seen)
{
    w->bad = w->bad || seen->n_trees > SYNC_SEEN_TREES;
    wr_u16(w, seen->n_trees);
    for (unsigned i = 0; i < seen->n_trees && !w->bad; i++) {
        const struct sync_seen_tree *tree = &seen->tree[i];

        wr_u64(w, tree->net);
        wr_u64(w, tree->root);
        wr_u8(w, tree->learning);
        wr_str8(w, tree->port);
    }
}

void wr_seen(struct wr *w, const struct sync_seen *seen)
{
    w->bad = w->bad || seen->n_peers > SYNC_SEEN_PEERS || seen->n_ports > SYNC_SEEN_PORTS ||
             seen->n_wrong > SYNC_SEEN_WRONG;
    wr_u16(w, seen->host);
    wr_u8(w, seen->gone);
    wr_u64(w, seen->revision);
    wr_u16(w, seen->n_peers);
    for (unsigned i = 0; i < seen->n_peers && !w->bad; i++) {
        const struct sync_seen_peer *peer = &seen->peer[i];

        wr_u16(w, peer->host);
        wr_u8(w, peer->up);
        wr_u32(w, peer->rtt_us);
        wr_u16(w, peer->mtu);
        wr_str8(w, peer->cipher);
    }
    wr_u16(w, seen->n_ports);
    for (unsigned i = 0; i < seen->n_ports && !w->bad; i++) {
        const struct sync_seen_port *port = &seen->port[i];

        wr_u64(w, port->net);
        wr_u8(w, (uint8_t)port->state);
        wr_str8(w, port->name);
    }
    wr_u16(w, seen->n_wrong);
    for (unsigned i = 0; i < seen->n_wrong && !w->bad; i++) {
        wr_str8(w, seen->wrong[i].what);
        wr_str8(w, seen->wrong[i].why);
    }
    wr_services(w, seen);
    wr_trees(w, seen);
}

/* A byte that says yes or no. */
static bool cur_bool(struct cur *c)
{
    uint8_t byte = cur_u8(c);

    c->bad = c->bad || byte > 1;
    return byte == 1;
}

/* These texts are shown on terminals. */
static void cur_plain(struct cur *c, char *out, size_t room)
{
    cur_str8(c, out, room);
    for (const char *p = out; !c->bad && *p; p++) {
        c->bad = *p < 0x20 || *p > 0x7e;
    }
}

static void cur_services(struct cur *c, struct sync_seen *seen)
{
    uint16_t n = cur_u16(c);

    c->bad = c->bad || n > SYNC_SEEN_SERVICES;
    seen->service = xcalloc(c->bad ? 0 : n, sizeof(*seen->service));
    while (!c->bad && seen->n_services < n) {
        struct sync_seen_service *service = &seen->service[seen->n_services++];

        cur_plain(c, service->name, sizeof(service->name));
        cur_plain(c, service->state, sizeof(service->state));
        cur_plain(c, service->health, sizeof(service->health));
        cur_plain(c, service->exit, sizeof(service->exit));
        cur_plain(c, service->problem, sizeof(service->problem));
        service->pid = cur_u32(c);
        service->restarts = cur_u32(c);
        service->since = (int64_t)cur_u64(c);
    }
}

static void cur_trees(struct cur *c, struct sync_seen *seen)
{
    uint16_t n = cur_u16(c);

    c->bad = c->bad || n > SYNC_SEEN_TREES;
    seen->tree = xcalloc(c->bad ? 0 : n, sizeof(*seen->tree));
    while (!c->bad && seen->n_trees < n) {
        struct sync_seen_tree *tree = &seen->tree[seen->n_trees++];

        tree->net = cur_u64(c);
        tree->root = cur_u64(c);
        tree->learning = cur_bool(c);
        cur_plain(c, tree->port, sizeof(tree->port));
        c->bad = c->bad || (seen->n_trees > 1 && tree[-1].net >= tree->net);
    }
}

void cur_seen(struct cur *c, struct sync_seen *seen)
{
    uint16_t n;

    seen->host = cur_u16(c);
    seen->gone = cur_bool(c);
    seen->revision = cur_u64(c);
    n = cur_u16(c);
    c->bad = c->bad || n > SYNC_SEEN_PEERS;
    seen->peer = xcalloc(c->bad ? 0 : n, sizeof(*seen->peer));
    while (!c->bad && seen->n_peers < n) {
        struct sync_seen_peer *peer = &seen->peer[seen->n_peers++];

        peer->host = cur_u16(c);
        peer->up = cur_bool(c);
        peer->rtt_us = cur_u32(c);
        peer->mtu = cur_u16(c);
        cur_plain(c, peer->cipher, sizeof(peer->cipher));
        c->bad = c->bad || (seen->n_peers > 1 && peer[-1].host >= peer->host);
    }
    n = cur_u16(c);
    c->bad = c->bad || n > SYNC_SEEN_PORTS;
    seen->port = xcalloc(c->bad ? 0 : n, sizeof(*seen->port));
    while (!c->bad && seen->n_ports < n) {
        struct sync_seen_port *port = &seen->port[seen->n_ports++];
        uint8_t state;

        port->net = cur_u64(c);
        state = cur_u8(c);
        c->bad = c->bad || state > SYNC_PORT_PENDING;
        port->state = state;
        cur_plain(c, port->name, sizeof(port->name));
    }
    n = cur_u16(c);
    c->bad = c->bad || n > SYNC_SEEN_WRONG;
    seen->wrong = xcalloc(c->bad ? 0 : n, sizeof(*seen->wrong));
    while (!c->bad && seen->n_wrong < n) {
        struct sync_seen_wrong *wrong = &seen->wrong[seen->n_wrong++];

        cur_plain(c, wrong->what, sizeof(wrong->what));
        cur_plain(c, wrong->why, sizeof(wrong->why));
    }
    cur_services(c, seen);
    cur_trees(c, seen);
}

static void *copy_rows(const void *rows, size_t n, size_t size)
{
    void *copy = xcalloc(n, size);

    if (n > 0) {
        memcpy(copy, rows, n * size);
    }
    return copy;
}

struct sync_seen sync_seen_copy(const struct sync_seen *seen)
{
    struct sync_seen copy = *seen;

    copy.peer = copy_rows(seen->peer, seen->n_peers, sizeof(*copy.peer));
    copy.port = copy_rows(seen->port, seen->n_ports, sizeof(*copy.port));
    copy.wrong = copy_rows(seen->wrong, seen->n_wrong, sizeof(*copy.wrong));
    copy.service = copy_rows(seen->service, seen->n_services, sizeof(*copy.service));
    copy.tree = copy_rows(seen->tree, seen->n_trees, sizeof(*copy.tree));
    return copy;
}

void sync_seen_done(struct sync_seen *seen)
{
    free(seen->peer);
    free(seen->port);
    free(seen->wrong);
    free(seen->service);
    free(seen->tree);
    *seen = (struct sync_seen){0};
}

static bool same_peer(const struct sync_seen_peer *a, const struct sync_seen_peer *b)
{
    return a->host == b->host && a->up == b->up && a->mtu == b->mtu &&
           strcmp(a->cipher, b->cipher) == 0;
}

static bool same_port(const struct sync_seen_port *a, const struct sync_seen_port *b)
{
    return a->net == b->net && a->state == b->state && strcmp(a->name, b->name) == 0;
}

static bool same_service(const struct sync_seen_service *a,
                         const struct sync_seen_service *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->state, b->state) == 0 &&
           strcmp(a->health, b->health) == 0 && strcmp(a->exit, b->exit) == 0 &&
           strcmp(a->problem, b->problem) == 0 && a->pid == b->pid &&
           a->restarts == b->restarts && a->since == b->since;
}

static bool same_tree(const struct sync_seen_tree *a, const struct sync_seen_tree *b)
{
    return a->net == b->net && a->root == b->root && a->learning == b->learning &&
           strcmp(a->port, b->port) == 0;
}

bool sync_seen_equal(const struct sync_seen *a, const struct sync_seen *b)
{
    bool same = a->host == b->host && a->gone == b->gone && a->n_peers == b->n_peers &&
                a->n_ports == b->n_ports && a->n_wrong == b->n_wrong &&
                a->revision == b->revision && a->n_services == b->n_services &&
                a->n_trees == b->n_trees;

    for (unsigned i = 0; same && i < a->n_peers; i++) {
        same = same_peer(&a->peer[i], &b->peer[i]);
    }
    for (unsigned i = 0; same && i < a->n_ports; i++) {
        same = same_port(&a->port[i], &b->port[i]);
    }
    for (unsigned i = 0; same && i < a->n_wrong; i++) {
        same = strcmp(a->wrong[i].what, b->wrong[i].what) == 0 &&
               strcmp(a->wrong[i].why, b->wrong[i].why) == 0;
    }
    for (unsigned i = 0; same && i < a->n_services; i++) {
        same = same_service(&a->service[i], &b->service[i]);
    }
    for (unsigned i = 0; same && i < a->n_trees; i++) {
        same = same_tree(&a->tree[i], &b->tree[i]);
    }
    return same;
}
