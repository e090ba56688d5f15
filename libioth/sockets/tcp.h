/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP sockets over lwIP's raw API: tcp.c (connections), tcp_data.c (bytes), tcp_option.c. */
#ifndef LIBIOTH_SOCKETS_TCP_H
#define LIBIOTH_SOCKETS_TCP_H

#include <lwip/tcp.h>

#include "libioth/sockets/byteq.h"
#include "libioth/sockets/sock.h"
#include "libioth/stack/settings.h"

enum tcp_sock_state {
    TCP_SOCK_NEW,
    TCP_SOCK_LISTENING,
    TCP_SOCK_CONNECTING,
    TCP_SOCK_OPEN,
    TCP_SOCK_DEAD,   /* The connection is gone; what was received can still be read. */
    TCP_SOCK_ORPHAN, /* The program has closed it; it waits until all is acknowledged. */
};

struct tcp_sock {
    struct sock sock;
    enum tcp_sock_state state;
    struct tcp_pcb *pcb; /* NULL where there is none yet, or no more. */
    struct byteq rx,
        tx;        /* What the program has not read; what the peer has not acknowledged. */
    bool rx_ended; /* FIN. */
    bool rx_shut, tx_shut;
    bool failed;  /* To connect; a new attempt is possible. */
    int reported; /* Why it ends, if ICMP has told. */

    struct list link;    /* In the listener's, until accept(). */
    struct list waiting; /* Of a listener: connections that are not accepted yet. */

    bool no_delay, cork;
    uint64_t n_acked, n_received; /* Bytes. */
    struct tcp_settings {
        uint32_t keep_idle_ms, keep_interval_ms, keep_count;
        uint32_t clamp;       /* TCP_WINDOW_CLAMP; 0: none. */
        uint32_t unsent_most; /* TCP_NOTSENT_LOWAT; 0: as much as there is room for. */
        struct tcp_limits limits;
    } set;                         /* A connection has its listener's. */
    ip_addr_t local_ip, remote_ip; /* When the connection is gone. */
    u16_t local_port, remote_port;
};

static inline struct tcp_sock *tcp_sock_of(struct sock *s)
{
    return (struct tcp_sock *)(void *)s;
}

/* Makes the control block if there is none, with the socket's options. -ENOBUFS. */
int tcp_sock_need_pcb(struct tcp_sock *) __attribute__((warn_unused_result));
void tcp_sock_apply(struct tcp_sock *);

/* Frees a socket whose control block is gone. */
void tcp_sock_free(struct tcp_sock *);

err_t tcp_sock_on_recv(void *arg, struct tcp_pcb *, struct pbuf *, err_t);
err_t tcp_sock_on_sent(void *arg, struct tcp_pcb *, u16_t size);
ssize_t tcp_sock_send(struct sock *, const struct msghdr *, int flags);
ssize_t tcp_sock_recv(struct sock *, struct msghdr *, int flags);
size_t tcp_sock_pending(const struct sock *);
size_t tcp_sock_outgoing(const struct sock *, bool unsent);
unsigned tcp_sock_ready(const struct sock *);
struct tcp_info;
void tcp_sock_info(const struct tcp_sock *, struct tcp_info *);
int tcp_sock_getopt(struct sock *, int level, int name, void *value, socklen_t *size);
int tcp_sock_setopt(struct sock *, int level, int name, const void *value, socklen_t size);

#endif
