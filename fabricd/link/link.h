/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The links of this host: the I/O half of proto/link inside the switch process. It owns the UDP
 * sockets, runs the Noise sessions with all peers, and puts one swport per (network, peer host)
 * into the switch of each network, in horizon group 1 (direct forwarding) until whoever is told of the
 * port says otherwise.
 *
 * Everything is fed from the parent's state messages, in any order: a peer may come before this
 * host's identity, a network before its peers. Nothing here blocks; nothing is allocated on the
 * data path. Callbacks in link_ops are leaf calls: they may queue and send messages, and may not
 * call back into the link.
 */
#ifndef FABRICD_LINK_LINK_H
#define FABRICD_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/ipc/ipc.h"
#include "fabricd/switch/switch.h"
#include "proto/base/loop.h"

struct link;

struct link_below {
    bool alive;     /* False: frames flow, and nothing comes back. */
    bool held;      /* It was lost too often of late: see proto/base/damping.h. */
    mtime_t answer; /* An answer takes no longer; 0 = not known. */
    uint32_t cost;  /* In a spanning tree; 0 = not said. */
};

struct link_ops {
    /* A session came up, went down, roamed, or changed cipher or MTU: IPC_PEER_STATE. With up 0
     * the conn named in it is gone. */
    void (*peer_state)(void *aux, const struct ipc_peer_state *);

    /* One message of the control stream `conn`: IPC_STREAM_IN. Returns false if it cannot be
     * taken now; it is offered again after link_stream_resume(). */
    bool (*stream_in)(void *aux, uint32_t conn, const void *data, size_t size);

    /* `conn` takes messages again after link_stream_send() said -EAGAIN: IPC_STREAM_ROOM. */
    void (*stream_room)(void *aux, uint32_t conn);

    /* What became of a link_join(): IPC_JOINING. */
    void (*joining)(void *aux, const struct ipc_joining *);

    /* Asks the parent for the route's MTU (IPC_PATH_MTU); the answer goes to link_path_mtu(). */
    void (*ask_path_mtu)(void *aux, const struct ipc_addr *);

    /* A number for a port that the switch process makes (odd). */
    uint32_t (*new_port_id)(void *aux);

    /* A port towards a host is in the switch of the network now, or is about to leave it. */
    void (*port_added)(void *aux, uint64_t net, struct swport *, uint16_t host);
    void (*port_removed)(void *aux, uint64_t net, struct swport *);

    /* What is known of the link below a port, after it was added and when it changes. */
    void (*port_link)(void *aux, uint64_t net, struct swport *, const struct link_below *);

    /* A BPDU came from the other end of a port. link_send_bpdu() may be called inside. */
    void (*bpdu)(void *aux, uint64_t net, struct swport *, const void *bpdu, size_t size);
};

/* Draws on `loop` for its sockets and timers. NULL only when libsodium cannot be started. */
struct link *link_new(struct loop *, const struct link_ops *, void *aux);

/* Tells the peers, closes the sessions, takes its ports out of their switches. Accepts NULL. */
void link_free(struct link *);

/* --- state, from the vault. A put of what exists replaces it. ------------------------------ */

/* A change of keys, number or fabric ends all sessions with members; they are made anew. */
void link_set_self(struct link *, const struct ipc_self *);

/* The UDP socket (non-blocking, dual stack or of one family), borrowed: the caller closes it
 * after link_set_udp(link, -1). Sizes its buffers and switches offloads on. Returns 0 or -errno. */
int link_set_udp(struct link *, int fd) __attribute__((warn_unused_result));

void link_put_peer(struct link *, const struct ipc_peer *);
void link_delete_peer(struct link *, uint16_t host);

/* `sw` stays the caller's and must outlive link_delete_net(). A local network gets no ports. */
void link_put_net(struct link *, const struct ipc_net *, struct switch_ *sw);
void link_delete_net(struct link *, uint64_t net);

void link_put_invite(struct link *, const struct ipc_invite *);
void link_delete_invite(struct link *, uint64_t id);

/* --- requests ----------------------------------------------------------------------------- */

/* Opens a session with the inviting host as a stranger; ops->joining tells the outcome within 15 s,
 * then conn is a control stream like any other, until the other side or 60 s of silence end it. */
void link_join(struct link *, const struct ipc_join *);

/* Queues one message of at most 60,000 bytes. Returns 0, -EAGAIN (ops->stream_room will tell),
 * -ENOTCONN (no such conn any more), -EMSGSIZE. */
int link_stream_send(struct link *, uint32_t conn, const void *data, size_t size)
    __attribute__((warn_unused_result));

/* The caller takes stream messages again, after ops->stream_in returned false. */
void link_stream_resume(struct link *);

/* A BPDU for the other end of a port of ours. Those of all networks are gathered, and share
 * datagrams; they leave with link_flush_bpdus() at the latest. */
void link_send_bpdu(struct swport *, const void *bpdu, size_t size);
void link_flush_bpdus(struct link *);

/* The answer to ops->ask_path_mtu. */
void link_path_mtu(struct link *, const struct ipc_addr *, uint32_t mtu);

/* --- statistics --------------------------------------------------------------------------- */

/* One call of `each` per link port of the network (0 = all): kind 0, named after the peer. */
void link_list_ports(const struct link *, uint64_t net,
                     void (*each)(void *aux, const struct ipc_stats_port *), void *aux);

/* One call per peer, up or not, and per stranger with a session. */
void link_list_peers(const struct link *,
                     void (*each)(void *aux, const struct ipc_stats_link *), void *aux);

#endif
