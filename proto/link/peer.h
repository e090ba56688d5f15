/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One peer of this host: what is known about it, its sessions, and how it is doing. Owned by the
 * hub (proto/link/hub.h); the I/O half reads what is marked so.
 *
 * Sessions: `current` seals. `previous` only opens, so that datagrams under way at a rekey are not
 * lost. `next` is one that this host answered and that the peer has not used yet; its first
 * datagram makes it current. When both ends begin at once two sessions come about, and each
 * end seals with the one it confirmed last; both open with both.
 *
 * An association lasts from up to down. Both ends name it by an instance, a random number; when
 * a handshake shows another one, the peer has forgotten the association, and streams and
 * channels begin anew.
 */
#ifndef PROTO_LINK_PEER_H
#define PROTO_LINK_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/damping.h"
#include "proto/base/list.h"
#include "proto/base/mtime.h"
#include "proto/link/addr.h"
#include "proto/link/cert.h"
#include "proto/link/cookie.h"
#include "proto/link/noise.h"
#include "proto/link/path.h"
#include "proto/link/session.h"
#include "proto/link/stream.h"

#define PEER_ADDRS_MAX 8u

enum peer_kind {
    PEER_MEMBER,   /* A host of this fabric. */
    PEER_STRANGER, /* Came with an invitation of ours. */
    PEER_INVITER,  /* The host that we, as strangers, talk to. */
};

enum { PEER_STREAM_LINK, PEER_STREAM_CONTROL, PEER_STREAM_N };

struct peer_counters {
    uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes;
    uint64_t rx_bad;      /* Forged, malformed. */
    uint64_t rx_replayed; /* Seen before or too old. */
    uint64_t
        rx_refused; /* Frames of networks that the peer may not enter, or not yet here. */
    uint64_t rx_orphans; /* Pieces whose headers did not come: see piece.h. */
    uint64_t handshakes;
};

struct peer_handshake {
    bool under_way;
    uint32_t index;
    unsigned attempts;
    mtime_t due; /* Of the next attempt. */
    struct noise noise;
    uint8_t mac1[DATAGRAM_MAC]; /* Of the last one sent: a cookie answers it. */
    uint8_t cookie[COOKIE_SIZE];
    mtime_t cookie_until;
};

struct peer_offer {
    uint64_t net;
    uint16_t channel;
};

struct peer {
    /* Read by the I/O half. */
    enum peer_kind kind;
    uint32_t id;   /* Unique among the hub's peers, never used again. */
    uint32_t conn; /* Names the control stream of this association. */
    uint16_t host; /* 0 for strangers. */
    char name[CERT_NAME_SIZE];
    uint8_t noise_public[32];
    uint64_t invite;
    bool up;
    struct link_addr addr; /* Where it was last heard; family 0 = not yet. */
    mtime_t srtt, rttvar;
    mtime_t last_rx;
    bool silent; /* Frames flow, and nothing has come back for a while: see peer.c. */
    bool held;   /* It was lost too often of late: see damping.h. */
    struct damping damping;
    uint32_t cost; /* Of the link in a spanning tree; 0 = not said. */
    struct path path;
    struct session *current;
    struct peer_counters counters;
    void *user; /* The I/O half's. */

    /* The hub's. */
    struct hub *hub;
    struct list link;
    bool listed; /* The directory names it. */
    bool dial;
    bool joined; /* PEER_INVITER: the session has been up. */
    uint8_t n_addrs;
    struct link_addr addrs[PEER_ADDRS_MAX];
    struct cookie_keys keys;
    uint64_t instance, remote_instance;
    uint64_t last_timestamp; /* Of the newest first message accepted. */
    struct peer_handshake hs;
    struct session *previous, *next;
    mtime_t rekey_at;
    mtime_t created;

    bool moved; /* To another address, of which nobody was told yet. */
    mtime_t moved_told;

    mtime_t check_at; /* Liveness. */
    mtime_t quiet_since;
    mtime_t attentive_since; /* From then on this process ran whenever it had to. */
    mtime_t probe_sent, idle_interval, last_frame, full_probe_at;
    unsigned unanswered;
    bool full_probe; /* One of the size of the MTU has not been answered yet. */
    mtime_t full_sent;
    mtime_t last_use; /* Of the control stream; ends strangers' sessions. */

    struct stream streams[PEER_STREAM_N];
    uint16_t *out;      /* By slot of a network: the channel to send on, 0 = none. */
    uint8_t *announced; /* By slot: the peer was told our channel. */
    unsigned n_slots;
    struct peer_offer *offers;
    uint32_t n_offers, used_offers, room_offers; /* In force; places taken; places. */
    bool announce_later;                         /* The stream was full. */
    uint16_t
        told_held; /* The other end holds the link for so many seconds; to be looked at. */
};

/* The largest frame data that fits one datagram now: path MTU less all headers. */
size_t peer_payload_max(const struct peer *);

/* For the data path: frames were sent to the peer. */
void peer_note_frames(struct peer *, mtime_t now);

#endif
