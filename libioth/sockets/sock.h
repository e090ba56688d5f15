/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sockets of a stack. A socket is a state with ops that never wait: sock.c puts the waiting, the
 * descriptor and its readiness around them; tcp.c, udp.c, raw.c, packet.c and nl.c are the kinds.
 *
 * A program sees one end of a socketpair. What is sent to it from our end makes it readable, what
 * fills it makes it unwritable, and closing or shutting our end down is the hang-up; so poll(), select()
 * and epoll see what they would see of a kernel's socket. O_NONBLOCK is the descriptor's own flag.
 * A program that closes the descriptor without us is noticed, by its end hanging up.
 *
 * Ops are called inside (libioth/stack/drive.h) and return 0 or more, or -errno; -EAGAIN is what would
 * make a call wait.
 */
#ifndef LIBIOTH_SOCKETS_SOCK_H
#define LIBIOTH_SOCKETS_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include "proto/base/list.h"
#include "proto/base/mtime.h"

struct sock;

/* Readiness, as poll() has it. */
enum {
    SOCK_IN = 1,
    SOCK_OUT = 2,
    SOCK_RDHUP = 4, /* Nothing more will come. */
    SOCK_HUP = 8,   /* Nor can anything be sent. */
    SOCK_ERR =
        16, /* There is an error to tell: POLLERR, or SOCK_IN for who cannot be told that. */
};

enum sock_stamps {
    SOCK_STAMPS_NONE,
    SOCK_STAMPS_US,
    SOCK_STAMPS_NS,
    SOCK_STAMPS_SILENT, /* For SIOCGSTAMP. */
};

/* A kind without listen, accept or shutdown has NULL there: -EOPNOTSUPP. */
struct sock_ops {
    int (*bind)(struct sock *, const struct sockaddr *, socklen_t);
    /* 0, or -EINPROGRESS: then the socket is writable when it is decided, `error` tells how. */
    int (*connect)(struct sock *, const struct sockaddr *, socklen_t);
    int (*listen)(struct sock *, int backlog);
    int (*accept)(struct sock *, struct sock **out);
    /* The own or the peer's address; *size as in getsockname(). */
    int (*name)(struct sock *, bool peer, struct sockaddr *, socklen_t *size);
    /* May take a part. */
    ssize_t (*send)(struct sock *, const struct msghdr *, int flags);
    ssize_t (*recv)(struct sock *, struct msghdr *, int flags);
    /* With MSG_ERRQUEUE. NULL: it has no such queue, -EAGAIN. */
    ssize_t (*recv_error)(struct sock *, struct msghdr *, int flags);
    int (*shutdown)(struct sock *, int how);
    int (*getopt)(struct sock *, int level, int name, void *value, socklen_t *size);
    int (*setopt)(struct sock *, int level, int name, const void *value, socklen_t size);
    unsigned (*ready)(const struct sock *);
    /* How many bytes recv() would give at once (FIONREAD). */
    size_t (*pending)(const struct sock *);
    /* How many bytes have not been acknowledged, or sent (SIOCOUTQ); NULL: none ever. */
    size_t (*outgoing)(const struct sock *, bool unsent);
    /* Gives everything back, at once or when the protocol is done; the socket is gone. */
    void (*close)(struct sock *);
};

struct sock {
    const struct sock_ops *ops;
    int domain, type, protocol;

    int fd; /* The program's end, by one of its descriptors; -1 before it has one. */
    unsigned n_fds;   /* How many descriptors of it there are. */
    int end;          /* Ours. */
    uint64_t ino;     /* The program's end's: it is not another file that got its number. */
    bool would_block; /* Somebody was told to ask poll() for SOCK_OUT. */
    bool
        waits; /* Its reader waits in calls, rather than to poll: it is shown late that there is something. */
    unsigned shown; /* Readiness that the descriptor shows now. */
    bool edges;     /* Somebody wants to be told each time that something comes … */
    bool came;      /* … which it has. */
    struct list unsettled;        /* Its readiness may have changed. */
    struct list failed;           /* It has an error to tell (table.c). */
    struct list readers, writers; /* Threads that wait (drive_wait). */
    unsigned n_reading,
        n_writing; /* Threads in a call that waits, or has just been woken. */
    mtime_t rcv_timeout, snd_timeout; /* 0 = none. */
    int error; /* SO_ERROR, positive: what happened since it was asked last. */

    /* Where a thread that waits in sock_recv() wants its data: a stream may put it there at once, and
     * says how much in direct_size. */
    const struct msghdr *direct;
    size_t direct_size;

    uint32_t rcv_size, snd_size; /* SO_RCVBUF, SO_SNDBUF: what a program may count on. */
    uint8_t reuse_addr, reuse_port, keep_alive, broadcast;
    uint8_t no_check, debug; /* SO_NO_CHECK: UDP over IPv4 makes no sums. */
    uint8_t tells_drops;     /* SO_RXQ_OVFL */
    uint8_t stamps;          /* SO_TIMESTAMP, SO_TIMESTAMPNS: enum sock_stamps. */
    int priority;            /* SO_PRIORITY */
    int rcv_low;             /* SO_RCVLOWAT; 1 or more. */
    struct timespec came_at; /* When what was read last came, if that is known. */
    int bound_if;            /* SO_BINDTODEVICE: lwIP's index, 0 = none. */
    struct linger linger;
    /* Options of the IP level, for the protocol control block when there is one (ipopt.h). */
    uint8_t ttl, tos, hops6, tclass6;
    uint8_t pmtu4, pmtu6; /* IP_PMTUDISC_*, which IPv6 has alike. */
    bool only_v6;
    bool free_bind;        /* IP_FREEBIND */
    bool port_later;       /* IP_BIND_ADDRESS_NO_PORT */
    bool never_cut;        /* IPV6_DONTFRAG */
    bool errors4, errors6; /* IP_RECVERR, IPV6_RECVERR. */
};

/* As Linux has it: what is told is twice what was asked for, and not less than this. */
#define SOCK_RCV_MIN   1152u
#define SOCK_SND_MIN   2304u
#define SOCK_BUF_MAX   (16u << 20)
#define SOCK_RCV_DGRAM (256u << 10) /* Of sockets that receive datagrams. */

/* --- for the kinds ------------------------------------------------------------------------------ */

void sock_init(struct sock *, const struct sock_ops *, int domain, int type, int protocol);

/* Something has changed: wakes who waits for it and shows it to pollers, soon. */
void sock_changed(struct sock *, unsigned what);

/* An error is to be told; and it is told, 0 if there is none. */
void sock_failed(struct sock *, int error);
int sock_take_error(struct sock *);

/* Takes a socket that is about to be freed out of all lists. Ops->close() calls it. */
void sock_done(struct sock *);

/* The options of level SOL_SOCKET that are the same for all kinds; -ENOPROTOOPT for others. */
int sock_getopt(struct sock *, int name, void *value, socklen_t *size);
int sock_setopt(struct sock *, int name, const void *value, socklen_t size);

/* Reads an option's int (a byte will do, as in Linux); -EINVAL. And gives one. */
int sock_opt_int(const void *value, socklen_t size, int *out)
    __attribute__((warn_unused_result));
int sock_opt_put(void *value, socklen_t *size, const void *from, size_t from_size);
int sock_opt_put_int(void *value, socklen_t *size, int from);

/* A flag that is any number but 0. */
int sock_opt_bool(const void *value, socklen_t size, bool *out)
    __attribute__((warn_unused_result));

/* Bytes of a message's parts. */
size_t sock_iov_size(const struct msghdr *);

/* Up to `max` parts of what is left behind `ofs`; returns how many. */
struct iovec;
size_t sock_iov_rest(const struct msghdr *, size_t ofs, struct iovec *out, size_t max);

/* Copies between a buffer and a message's parts, from `ofs` of them on; returns how many fit. */
size_t sock_iov_in(const struct msghdr *, size_t ofs, void *to, size_t size);
size_t sock_iov_out(const struct msghdr *, size_t ofs, const void *from, size_t size);

/* --- for the stack's functions (calls.c) ------------------------------------------------------- */

/* Everything below is called outside and may wait; 0 or more, or -errno. */
int sock_open(int domain, int type, int protocol);
int sock_close(int fd);
int sock_dup(int fd, int as);
int sock_edges(int fd);
int sock_accept(int fd, struct sockaddr *, socklen_t *, int flags);
int sock_connect(int fd, const struct sockaddr *, socklen_t);
ssize_t sock_send(int fd, const struct msghdr *, int flags);
ssize_t sock_recv(int fd, struct msghdr *, int flags);
int sock_ioctl(int fd, unsigned long request, void *arg);

/* The socket of a descriptor, entered; NULL, not entered, if there is none. sock_leave() after it. */
struct sock *sock_enter(int fd);
void sock_leave(void);

/* Shows what has changed to pollers (drive_ops.settle). */
void sock_settle(bool all);

/* How many sockets there are that a program has not closed. */
unsigned sock_count(void);

/* Ends every socket, for a stack that goes. Inside. */
void sock_end_all(void);

#endif
