/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hub is told: this host, the directory, networks, invitations. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/link/hub_internal.h"

#define ON_SIZE (65536u / 8)

void hub_put_peer(struct hub *h, const struct hub_peer_config *c, mtime_t now)
{
    struct peer *p = hub_find_host(h, c->host);

    if (c->host == 0 || c->host == h->self.host)
        return;
    if (p && memcmp(p->noise_public, c->noise_public, 32) != 0) {
        peer_down(p, true, now);
        hub_peer_free(p);
        p = NULL;
    }
    if (!p)
        p = hub_peer_new(h, PEER_MEMBER, c->noise_public, now);
    if (!p)
        return;
    p->host = c->host;
    p->listed = true;
    p->dial = c->dial;
    p->cost = c->cost;
    memcpy(p->name, c->name, sizeof p->name);
    p->n_addrs = c->n_addrs < PEER_ADDRS_MAX ? c->n_addrs : PEER_ADDRS_MAX;
    memcpy(p->addrs, c->addrs, sizeof p->addrs);
    if (!p->up && p->dial) {
        p->hs.attempts = 0;
        p->hs.due = now;
    }
    hub_soon(h, now);
}

void hub_delete_peer(struct hub *h, uint16_t host, mtime_t now)
{
    struct peer *p = hub_find_host(h, host);

    if (!p)
        return;
    peer_down(p, true, now);
    hub_peer_free(p);
}

static bool same_self(const struct hub_self *a, const struct hub_self *b)
{
    return a->host == b->host && a->fabric == b->fabric && a->chain_size == b->chain_size &&
           memcmp(a->root, b->root, sizeof a->root) == 0 &&
           memcmp(a->noise_public, b->noise_public, sizeof a->noise_public) == 0 &&
           sodium_memcmp(a->noise_secret, b->noise_secret, sizeof a->noise_secret) == 0 &&
           memcmp(a->chain, b->chain, a->chain_size) == 0;
}

void hub_set_self(struct hub *h, const struct hub_self *self, mtime_t now)
{
    if (h->has_self && same_self(&h->self, self))
        return;
    list_for_each_safe (it, &h->peers) {
        struct peer *p = list_entry(it, struct peer, link);

        if (p->kind == PEER_MEMBER)
            peer_down(p, true, now);
        if (p->kind == PEER_MEMBER && !p->listed)
            hub_peer_free(p);
    }
    h->self = *self;
    h->has_self = true;
    cookie_keys_init(&h->self_keys, self->noise_public);
    hub_soon(h, now);
}

void hub_join(struct hub *h, uint32_t conn, uint64_t invite, const uint8_t noise_public[32],
              const struct link_addr *addrs, unsigned n_addrs, mtime_t now)
{
    struct peer *p = hub_peer_new(h, PEER_INVITER, noise_public, now);

    if (!p) {
        h->ops->joining(h->aux, conn, -ENOSPC);
        return;
    }
    p->conn = conn;
    p->invite = invite;
    p->dial = true;
    p->n_addrs = (uint8_t)(n_addrs < PEER_ADDRS_MAX ? n_addrs : PEER_ADDRS_MAX);
    memcpy(p->addrs, addrs, p->n_addrs * sizeof *addrs);
    p->hs.due = now;
}

/* --- networks and invitations ------------------------------------------------------------ */

bool hub_allowed(const struct hub *h, unsigned slot, const struct peer *p)
{
    const struct hub_net *net = &h->nets[slot];

    return net->used && p->kind == PEER_MEMBER &&
           (net->everywhere || (net->on[p->host / 8] >> (p->host % 8) & 1));
}

static int slot_for(struct hub *h, uint64_t id)
{
    int spare = -ENOSPC;

    for (unsigned i = 0; i < h->n_nets; i++) {
        if (h->nets[i].used && h->nets[i].id == id)
            return (int)i;
        if (!h->nets[i].used && spare < 0)
            spare = (int)i;
    }
    if (spare < 0 && h->n_nets < HUB_NETS_MAX) {
        h->nets = xrealloc(h->nets, (h->n_nets + 1) * sizeof *h->nets);
        h->nets[h->n_nets] = (struct hub_net){.used = false};
        spare = (int)h->n_nets++;
    }
    return spare;
}

int hub_put_net(struct hub *h, uint64_t id, bool everywhere, const uint16_t *on,
                unsigned n_on, mtime_t now)
{
    int slot = slot_for(h, id);
    struct hub_net *net;

    if (slot < 0)
        return slot;
    net = &h->nets[slot];
    net->used = true;
    net->id = id;
    net->everywhere = everywhere;
    free(net->on);
    net->on = everywhere ? NULL : xcalloc(1, ON_SIZE);
    for (unsigned i = 0; !everywhere && i < n_on; i++)
        net->on[on[i] / 8] |= (uint8_t)(1u << (on[i] % 8));
    channel_net_new(h, (unsigned)slot, now);
    return slot;
}

void hub_delete_net(struct hub *h, uint64_t id, mtime_t now)
{
    for (unsigned i = 0; i < h->n_nets; i++) {
        struct hub_net *net = &h->nets[i];

        if (!net->used || net->id != id)
            continue;
        channel_net_gone(h, i, now);
        free(net->on);
        *net = (struct hub_net){.turn = (uint8_t)((net->turn + 1u) % HUB_TURNS)};
    }
}

void hub_put_invite(struct hub *h, uint64_t id, wall_t expires)
{
    hub_delete_invite(h, id);
    if (h->n_invites == HUB_INVITES_MAX) { /* The oldest goes. */
        memmove(h->invites, h->invites + 1, (h->n_invites - 1) * sizeof *h->invites);
        h->n_invites--;
    }
    h->invites = xrealloc(h->invites, (h->n_invites + 1) * sizeof *h->invites);
    h->invites[h->n_invites++] = (struct hub_invite){id, expires};
}

void hub_delete_invite(struct hub *h, uint64_t id)
{
    for (unsigned i = 0; i < h->n_invites; i++) {
        if (h->invites[i].id != id)
            continue;
        h->n_invites--;
        memmove(&h->invites[i], &h->invites[i + 1],
                (h->n_invites - i) * sizeof *h->invites);
        return;
    }
}
