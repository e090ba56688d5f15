/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The link engine of one host: identity, peers, networks and their channels, handshakes,
 * sessions, liveness. Pure: datagrams, time and randomness are handed in, effects go out through
 * hub_ops, which are leaf calls (they may not call the hub).
 *
 * Bounds: HUB_PEERS_MAX members and HUB_STRANGERS_MAX strangers. When a member comes that the
 * directory does not name and there is no room, it is ignored; a new stranger takes the place of
 * the oldest one that has not proven it receives, or is ignored. What an outsider without keys
 * sends changes nothing but counters.
 */
#ifndef PROTO_LINK_HUB_H
#define PROTO_LINK_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/link/fragment.h"
#include "proto/link/peer.h"

#define HUB_PEERS_MAX     1024u
#define HUB_STRANGERS_MAX 256u
#define HUB_NETS_MAX      4096u
#define HUB_INVITES_MAX   4096u

struct hub;

struct hub_ops {
    /* Sends one datagram of the hub's own. 0, or -errno; -EMSGSIZE tells the hub that it is too
     * large for the first hop. */
    int (*send)(void *aux, const struct link_addr *to, const uint8_t *data, size_t size);

    void (*random)(void *aux, void *out, size_t size);

    /* Up, down, or something worth telling about it changed. On the way down peer->conn is the
     * conn that is gone. */
    void (*peer_changed)(void *aux, struct peer *);

    /* The peer is about to be freed. */
    void (*peer_gone)(void *aux, struct peer *);

    /* The peer takes frames of the network in this slot now, or no longer. */
    void (*attach)(void *aux, struct peer *, unsigned slot);
    void (*detach)(void *aux, struct peer *, unsigned slot);

    bool (*stream_in)(void *aux, struct peer *, const uint8_t *data, size_t size);
    void (*stream_room)(void *aux, struct peer *);

    /* A hub_join() has come to an end: 0 or -ETIMEDOUT. */
    void (*joining)(void *aux, uint32_t conn, int code);

    /* peer->silent or peer->held changed, while it is up. */
    void (*condition)(void *aux, struct peer *);

    /* A BPDU of the network in this slot came from the peer. */
    void (*bpdu)(void *aux, struct peer *, unsigned slot, const uint8_t *data, size_t size);
};

struct hub_self {
    uint16_t host; /* 0 = no member of any fabric yet. */
    uint64_t fabric;
    uint8_t root[32];
    uint8_t noise_public[32], noise_secret[32];
    uint16_t chain_size;
    uint8_t chain[CERT_CHAIN_MAX];
};

struct hub_peer_config {
    uint16_t host;
    bool dial;
    char name[CERT_NAME_SIZE];
    uint8_t noise_public[32];
    uint8_t n_addrs;
    struct link_addr addrs[PEER_ADDRS_MAX];
    uint32_t cost; /* Of the link in a spanning tree; 0 = not said. */
};

struct hub_counters {
    uint64_t rx_garbage;  /* Not a datagram of ours, or for nobody here. */
    uint64_t rx_unproven; /* Handshakes without a right mac1. */
    uint64_t rx_rejected; /* Handshakes of whom we do not let in. */
    uint64_t rx_limited;  /* Handshakes of sources that had had enough: see rate.h. */
    uint64_t cookies_sent;
};

struct hub *hub_new(const struct hub_ops *, void *aux);
void hub_free(struct hub *, mtime_t now); /* Closes the sessions. Accepts NULL. */

/* --- state --- */

/* A change ends all associations with members. */
void hub_set_self(struct hub *, const struct hub_self *, mtime_t now);
void hub_put_peer(struct hub *, const struct hub_peer_config *, mtime_t now);
void hub_delete_peer(struct hub *, uint16_t host, mtime_t now);

/* A network that peers may enter: all, or those in on[n_on]. Returns its slot, or -ENOSPC. */
int hub_put_net(struct hub *, uint64_t id, bool everywhere, const uint16_t *on,
                unsigned n_on, mtime_t now) __attribute__((warn_unused_result));
void hub_delete_net(struct hub *, uint64_t id, mtime_t now);

void hub_put_invite(struct hub *, uint64_t id, wall_t expires);
void hub_delete_invite(struct hub *, uint64_t id);

/* --- requests --- */

void hub_join(struct hub *, uint32_t conn, uint64_t invite, const uint8_t noise_public[32],
              const struct link_addr *addrs, unsigned n_addrs, mtime_t now);

/* As stream_send(), on the control stream of the association named by conn; -ENOTCONN. */
int hub_stream_send(struct hub *, uint32_t conn, const void *data, size_t size, mtime_t now)
    __attribute__((warn_unused_result));
void hub_stream_resume(struct hub *);

/* --- datagrams --- */

/* What came out of a datagram: a frame, or (with a head) a piece of a superframe's payload. */
struct hub_frame {
    struct peer *peer;
    unsigned slot; /* Of the network. */
    struct inner inner;
    uint8_t *
        data; /* In `out`, or (reassembled, or having waited) the hub's until the next call. */
    size_t size;
    bool whole;                    /* Was reassembled. */
    bool more;                     /* hub_more() has further ones. */
    const struct piece_head *head; /* The hub's until the next call of hub_input(). */
    struct piece piece;
    uint32_t session; /* Tells superframes of the same number apart. */
};

/*
 * Takes one datagram. `out` has room for `size` bytes. Returns true if a frame came out of it.
 * wall_us: the wall clock, in microseconds, for certificates and timestamps.
 */
bool hub_input(struct hub *, const struct link_addr *from, const uint8_t *data, size_t size,
               uint8_t *out, mtime_t now, int64_t wall_us, struct hub_frame *frame)
    __attribute__((warn_unused_result));

/* With frame->more: replaces it by the next that came out of the same datagram. False if there is none. */
bool hub_more(struct hub *, struct hub_frame *) __attribute__((warn_unused_result));

/*
 * BPDUs of several networks, in one datagram. hub_bpdu_add() appends one for the network in the slot to
 * body[*used] and returns false if there is no room for it, or if the peer takes none of that
 * network. hub_bpdus_send() sends what was gathered.
 */
#define HUB_BPDUS_ROOM (DATAGRAM_MTU_MIN - DATAGRAM_UNDER6 - DATAGRAM_OVERHEAD)
#define HUB_BPDU_HEAD  3u

bool hub_bpdu_add(const struct peer *, unsigned slot, const void *bpdu, size_t size,
                  uint8_t body[HUB_BPDUS_ROOM], size_t *used)
    __attribute__((warn_unused_result));
void hub_bpdus_send(struct peer *, const uint8_t *body, size_t used);

/* By which channel the peer wants the network's frames; 0 = it takes none. */
uint16_t hub_channel(const struct peer *, unsigned slot);
uint16_t hub_host(const struct hub *);
uint64_t hub_net_id(const struct hub *, unsigned slot);

/* The kernel refused a datagram of this IP size to that peer. */
void hub_too_big(struct peer *, size_t ip_size, mtime_t now);

/* What is known of the first hop towards these addresses. */
void hub_path_limit(struct hub *, const struct link_addr *, uint32_t mtu, mtime_t now);

/* --- time --- */

mtime_t hub_deadline(const struct hub *);
void hub_run(struct hub *, mtime_t now, int64_t wall_us);

/* --- looking --- */

struct peer *hub_first(const struct hub *);
struct peer *hub_next(const struct hub *, const struct peer *);
const struct hub_counters *hub_counters(const struct hub *);

#endif
