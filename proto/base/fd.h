/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors: closing, flags, peer credentials, and passing them over Unix sockets. */
#ifndef PROTO_BASE_FD_H
#define PROTO_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FD_PASS_MAX 16 /* Descriptors in one message. */

/* Closes *fd if it is open and makes it -1. */
void fd_close(int *fd);

/* Closes every descriptor from 3 on but those of keep[n] (FD_PASS_MAX at most; negative ones are
 * passed over): for a process that was forked. */
void fd_close_others(const int *keep, unsigned n);

int fd_set_nonblock(int fd) __attribute__((warn_unused_result));

/*
 * From now on nobody can send descriptors over this Unix socket to us: closing them could make us
 * wait (SO_LINGER and the like). Linux 6.16; older kernels let them come.
 */
void fd_refuse_rights(int sock);

/*
 * Sends one message with `n_fds` descriptors, which stay the caller's. MSG_NOSIGNAL.
 * Returns 0 or -errno (-EAGAIN when the socket is full and non-blocking).
 */
int fd_send(int sock, const void *data, size_t size, const int *fds, unsigned n_fds)
    __attribute__((warn_unused_result));

/* As fd_send(), with a message of several parts. */
struct iovec;
int fd_sendv(int sock, struct iovec *parts, unsigned n_parts, const int *fds,
             unsigned n_fds) __attribute__((warn_unused_result));

/*
 * Receives one message; descriptors are close-on-exec and the caller's. *n_fds is in: room in
 * fds (<= FD_PASS_MAX), out: received. Returns its size, 0 at the end, or -errno; a message cut
 * short, in bytes or in descriptors, gives -EMSGSIZE and all descriptors are closed.
 */
ssize_t fd_recv(int sock, void *data, size_t size, int *fds, unsigned *n_fds)
    __attribute__((warn_unused_result));

struct fd_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    unsigned n_groups;
    gid_t groups[64]; /* Supplementary groups, SO_PEERGROUPS; more than 64 are cut. */
};

/* The credentials of the other side of a connected Unix socket. Returns 0 or -errno. */
int fd_peer_get(int sock, struct fd_peer *peer) __attribute__((warn_unused_result));

bool fd_peer_in_group(const struct fd_peer *, gid_t gid);

#endif
