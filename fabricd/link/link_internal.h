/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by link.c, transmit.c, receive.c and udp.c only. */
#ifndef FABRICD_LINK_LINK_INTERNAL_H
#define FABRICD_LINK_LINK_INTERNAL_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fabricd/link/link.h"
#include "proto/link/gather.h"
#include "proto/link/hub.h"

#define TX_MESSAGES 32u
#define TX_SEGMENTS 64u    /* Of one message; what every kernel with UDP_SEGMENT takes. */
#define TX_RUN_SIZE 65000u /* Bytes of one message: an IP packet's worth. */
#define TX_ROOM     (4u * 65536)

/* A message takes 64 KiB; more, so that not all begin in the same sets of a cache. */
#define RX_MESSAGES 8u
#define RX_SIZE     (65536u + 4096u + 192u)
#define RX_ROOM     (RX_MESSAGES * RX_SIZE + FRAME_BURST * (GATHER_LEAD + 80u) + 65536u)
#define RX_TURN     4u /* System calls in one turn. */

struct link_net {
    struct link_net *next;
    uint64_t id;
    struct switch_ *sw;
};

/* A port of one network towards one peer. */
struct link_port {
    struct swport sw; /* First. */
    struct link *link;
    struct peer *peer;
    struct link_net *net;
    unsigned slot;
    char name[IPC_NAME_SIZE]; /* link-HOST */
};

/* The ports of a peer, which it has as its `user`; NULL while it has none. */
struct link_ports {
    struct peer *peer;
    struct list bpdus_link; /* In link->bpdus while it has some. */
    size_t bpdus_size;
    uint8_t bpdus[HUB_BPDUS_ROOM];
    unsigned room, n;
    struct link_port *slots[]; /* By the slot of the network; NULL where there is none. */
};

union link_sockaddr {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Datagrams to one peer, gathered into messages of equal ones for UDP_SEGMENT. */
struct link_tx {
    uint8_t *room;
    size_t used;
    unsigned n;
    struct mmsghdr messages[TX_MESSAGES];
    struct iovec iov[TX_MESSAGES];
    struct {
        _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control[TX_MESSAGES];
    size_t run_size;  /* Of the datagrams of the last message; 0 = none open. */
    unsigned run_len; /* How many it has. */
    struct peer *peer;
    struct link_port *port; /* Whose frames they are. */
    union link_sockaddr to;
    socklen_t to_size;
    unsigned lost; /* Datagrams that the kernel did not take, of this batch. */
};

struct link_rx {
    uint8_t *datagrams; /* RX_MESSAGES times RX_SIZE */
    uint8_t *room;      /* Where they are opened to. */
    struct gather gather;
    struct mmsghdr messages[RX_MESSAGES];
    struct iovec iov[RX_MESSAGES];
    union link_sockaddr from[RX_MESSAGES];
    struct {
        _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control[RX_MESSAGES];
    struct link_port *port; /* Of the frames gathered. */
};

struct link {
    struct loop *loop;
    const struct link_ops *ops;
    void *aux;
    struct hub *hub;
    struct link_net *nets;
    struct loop_watch watch;
    struct loop_timer timer;
    int family; /* Of the socket. */
    bool no_gso;
    uint32_t next_fragment;
    struct list bpdus; /* link_ports with BPDUs to send. */
    struct link_tx tx;
    struct link_rx rx;
};

/* --- udp.c --- */
int udp_prepare(struct link *, int fd);
socklen_t udp_to_sockaddr(const struct link *, const struct link_addr *,
                          union link_sockaddr *);
void udp_from_sockaddr(const union link_sockaddr *, struct link_addr *);
int udp_send(struct link *, const struct link_addr *to, const uint8_t *data, size_t size);
void udp_flush(struct link *); /* Sends what link->tx has gathered. */

/* --- transmit.c --- */
extern const struct swport_ops link_port_ops;

/* --- receive.c --- */
void link_receive(struct link *);
void link_receive_drop(struct link *, const struct link_port *); /* The port goes. */

/* --- link.c --- */
void link_rearm(struct link *);
struct link_port *link_port_find(const struct peer *, unsigned slot);

#endif
