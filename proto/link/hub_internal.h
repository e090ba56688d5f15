/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by hub*.c, peer.c and channel.c only. */
#ifndef PROTO_LINK_HUB_INTERNAL_H
#define PROTO_LINK_HUB_INTERNAL_H

#include "proto/link/hub.h"
#include "proto/link/rate.h"

/* Who owns an index that datagrams carry: a session, or a handshake that we began. */
struct hub_index {
    uint32_t index; /* 0 = free. */
    struct peer *peer;
    struct session *session; /* NULL: the peer's handshake. */
};

struct hub_net {
    bool used;
    bool everywhere;
    uint8_t turn; /* How often the slot was used before: see hub_channel_of(). */
    uint64_t id;
    uint8_t *on; /* Bitmap by host number, 8 KiB; NULL with `everywhere`. */
};

struct hub_invite {
    uint64_t id;
    wall_t expires;
};

struct hub {
    const struct hub_ops *ops;
    void *aux;
    struct hub_self self;
    bool has_self;
    struct cookie_keys self_keys;
    struct list peers;
    unsigned n_members, n_strangers;
    uint32_t next_id, next_conn;
    struct hub_index *table;
    uint32_t table_size; /* A power of two. */
    struct hub_net *nets;
    unsigned n_nets;
    struct hub_invite *invites;
    unsigned n_invites;
    struct fragments *fragments;
    struct pieces *pieces;
    struct hub_counters counters;
    int64_t wall_us; /* As of the last call that told it. */
    mtime_t deadline;
    uint64_t last_timestamp; /* Of our own first messages. */
    uint8_t offer_key[16];   /* Orders the peers' offers. */

    uint8_t cookie_secret[32];
    mtime_t cookie_secret_until;
    mtime_t load_from; /* Handshakes are counted per second. */
    unsigned load_count;
    struct rate rate; /* Under load, of those who have a cookie. */
};

/* A slot that is used again has another channel, so that a frame under way for the network of
 * before is not one of the network of now. */
#define HUB_TURNS (UINT16_MAX / HUB_NETS_MAX)

static inline uint16_t hub_channel_of(const struct hub *h, unsigned slot)
{
    return (uint16_t)(h->nets[slot].turn * HUB_NETS_MAX + slot + 1);
}

/* Handshakes in a second above which a cookie is asked for. */
#define HUB_LOAD_MAX 100u

/* A process that is later than this cannot tell how long others have been silent. */
#define PEER_ATTENTIVE (25 * MTIME_MS)

/* --- hub.c --- */
struct peer *hub_peer_new(struct hub *, enum peer_kind, const uint8_t noise_public[32],
                          mtime_t now);
void hub_peer_free(struct peer *);
struct peer *hub_find_key(const struct hub *, enum peer_kind, const uint8_t key[32]);
struct peer *hub_find_host(const struct hub *, uint16_t host);
uint32_t hub_index_new(struct hub *, struct peer *, struct session *);
void hub_index_free(struct hub *, uint32_t index);
struct hub_index *hub_index_find(const struct hub *, uint32_t index);
void hub_soon(struct hub *, mtime_t due); /* The deadline is not later than this. */
bool hub_allowed(const struct hub *, unsigned slot, const struct peer *);
uint64_t hub_random64(struct hub *); /* Never 0. */

/* --- hub_handshake.c --- */
void handshake_start(struct peer *, mtime_t now);
void handshake_abort(struct peer *);
void handshake_input(struct hub *, const struct link_addr *from, const uint8_t *data,
                     size_t size, mtime_t now);

/* --- peer.c --- */
void peer_begin(struct peer *, mtime_t now); /* Streams, instance: a new association. */
void peer_session_free(struct peer *, struct session **);
void peer_promote(struct peer *, struct session *, mtime_t now);
void peer_set_next(struct peer *, struct session *);
void peer_down(struct peer *, bool tell, mtime_t now);
void peer_heard(struct peer *, const struct link_addr *from, bool newest, mtime_t now);
void peer_probe_input(struct peer *, const uint8_t *data, size_t size, mtime_t now);
void peer_probe_reply_input(struct peer *, const uint8_t *data, size_t size, mtime_t now);
void peer_probe(struct peer *, uint16_t ip_size, mtime_t now);
bool peer_send(struct peer *, const struct inner *, const void *body, size_t size);
void peer_close(struct peer *);
mtime_t peer_deadline(const struct peer *);
bool peer_run(struct peer *, mtime_t now); /* False: the peer was freed. */

/* --- channel.c --- */
void channel_sync(struct peer *, mtime_t now);
/* Tells the other end. False if the stream is full: then it is held at one end only. */
bool channel_hold(struct peer *, mtime_t lasts, mtime_t now);
void channel_input(struct peer *, const uint8_t *data, size_t size);
void channel_reset(struct peer *); /* The association ended: detaches everything. */
void channel_net_new(struct hub *, unsigned slot, mtime_t now);
void channel_net_gone(struct hub *, unsigned slot, mtime_t now);
void channel_done(struct peer *);

#endif
