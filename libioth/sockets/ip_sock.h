/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What UDP and raw sockets have in common: a queue of datagrams, control messages, multicast. */
#ifndef LIBIOTH_SOCKETS_IP_SOCK_H
#define LIBIOTH_SOCKETS_IP_SOCK_H

#include <lwip/ip.h>
#include <lwip/ip_addr.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>

#include "libioth/sockets/dgramq.h"
#include "libioth/sockets/sock.h"

#define IP_SOCK_GROUPS_MAX 32u /* Memberships of one socket. */

struct ip_sock {
    struct sock sock;
    struct dgramq rx;
    struct dgramq errors; /* errq.h */
    struct list stalled;  /* Waits for a port that had no room. */
    bool rx_shut, tx_shut;
    bool connected;
    ip_addr_t remote_ip;
    uint16_t remote_port;
    ip_addr_t last_ip; /* Where the last datagram went. */
    uint16_t last_port;

    bool info4, info6, recv_ttl, recv_tos, recv_hops6,
        recv_tclass6;    /* Wanted of each datagram. */
    bool recv_old_hops6; /* The same in the form of RFC 2292. */
    uint8_t mcast_ttl, mcast_hops6;
    bool mcast_loop;
    bool mcast_all4, mcast_all6; /* Also of groups that only other sockets are in. */
    unsigned mcast_if;           /* lwIP's index, 0 = by route. */

    unsigned n_groups;
    struct {
        ip_addr_t ip;
        unsigned if_index;
        struct mcast_sources *sources; /* NULL: whoever sends (mcast_source.c). */
    } groups[IP_SOCK_GROUPS_MAX];
};

static inline struct ip_sock *ip_sock_of(struct sock *s)
{
    return (struct ip_sock *)(void *)s;
}

void ip_sock_init(struct ip_sock *);

/* Before it is freed: leaves its groups and drops its queue. */
void ip_sock_done(struct ip_sock *);

/* A datagram has come, its bytes are in p from `ofs` on. */
void ip_sock_came(struct ip_sock *, const struct pbuf *p, unsigned ofs,
                  const ip_addr_t *from, uint16_t port);

/* Where a message goes, and how. */
struct ip_sock_way {
    ip_addr_t to;
    uint16_t port;
    struct netif *netif; /* NULL: by route. */
    ip_addr_t from;      /* With has_from. */
    bool has_from;
    bool is_lo;   /* Where a group's members hear all without a copy. */
    int ttl, tos; /* Of this message; -1: the socket's. */
};
int ip_sock_way(struct ip_sock *, const struct msghdr *, struct ip_sock_way *)
    __attribute__((warn_unused_result));

/* Whether what is to be sent there, `size` bytes without the header of IP, may go (mtu_send()); -EMSGSIZE, and who
 * wants to hear of it is told how much would fit. */
int ip_sock_fits(struct ip_sock *, const struct ip_sock_way *, size_t size)
    __attribute__((warn_unused_result));

/* Control messages, as many as fit into a message. */
struct ip_sock_controls {
    struct msghdr *msg;
    size_t room, used;
};
struct ip_sock_controls ip_sock_controls(struct msghdr *);
void ip_sock_control(struct ip_sock_controls *, int level, int type, const void *data,
                     size_t size);
/* Those that the socket wants of each datagram. */
void ip_sock_put_controls(const struct ip_sock *, const struct dgram *,
                          struct ip_sock_controls *);

/* Gives a control block what the message wants in place of the socket's own; true: the kind is to put that back, and has
 * some to give by itself. */
bool ip_sock_lend(const struct ip_sock_way *, struct ip_pcb *);

/* The control messages of level SOL_SOCKET, of any socket with datagrams. */
void ip_sock_put_general(const struct sock *, const struct dgram *, uint64_t dropped,
                         struct ip_sock_controls *);

/* Notes when a datagram came, if somebody wants to know. */
void ip_sock_stamp(const struct sock *, struct dgram *);

/* Notes how the packet came that lwIP is at. */
void ip_sock_mark(struct dgram *);

/* The port had no room for what was sent: -EAGAIN, and the socket is writable when there is some. */
int ip_sock_stall(struct ip_sock *);

/* A port has room again (drive_ops). */
void ip_sock_room(void);

ssize_t ip_sock_recv(struct sock *, struct msghdr *, int flags);
int ip_sock_shutdown(struct sock *, int how);
unsigned ip_sock_ready(const struct sock *);
size_t ip_sock_pending(const struct sock *);

/* All levels but the kind's own; the caller then applies them to its control block. */
int ip_sock_getopt(struct sock *, int level, int name, void *value, socklen_t *size);
int ip_sock_setopt(struct sock *, int level, int name, const void *value, socklen_t size);

/* mcast.c: options of multicast; -ENOPROTOOPT for others. */
int mcast_getopt(struct ip_sock *, int level, int name, void *value, socklen_t *size);
int mcast_setopt(struct ip_sock *, int level, int name, const void *value, socklen_t size);
void mcast_leave_all(struct ip_sock *);
/* Does the socket want what came to a group from there? */
bool mcast_wants(const struct ip_sock *, const ip_addr_t *group, const ip_addr_t *from,
                 unsigned if_index);

/* mcast_source.c: from whom a member of a group wants to hear. One that joins for a source hears that one, and others
 * that it joins for; one that joins for all, all but those that it blocks, and may say while it blocks none that it
 * wants to hear some only. */
enum mcast_change { MCAST_JOIN, MCAST_LEAVE, MCAST_BLOCK, MCAST_UNBLOCK };
struct mcast_sources;
/* 0; 1: nothing is left, and the group is to be left; -EADDRNOTAVAIL, -EINVAL, -ENOBUFS. */
int mcast_source_change(struct mcast_sources **, enum mcast_change,
                        const ip_addr_t *source);
bool mcast_source_passes(const struct mcast_sources *, const ip_addr_t *source);

#endif
