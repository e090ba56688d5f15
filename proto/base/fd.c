/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void fd_close_others(const int *keep, unsigned n)
{
    int sorted[FD_PASS_MAX];
    unsigned from = 3;

    n = n < FD_PASS_MAX ? n : FD_PASS_MAX;
    for (unsigned i = 0; i < n; i++)
        sorted[i] = keep[i];
    qsort(sorted, n, sizeof sorted[0], by_number);
    for (unsigned i = 0; i < n; i++) {
        if (sorted[i] < 0 || (unsigned)sorted[i] < from)
            continue;
        if ((unsigned)sorted[i] > from)
            (void)close_range(from, (unsigned)sorted[i] - 1, 0);
        from = (unsigned)sorted[i] + 1;
    }
    (void)close_range(from, ~0U, 0);
}

int fd_set_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

void fd_refuse_rights(int sock)
{
    const int so_passrights = 83; /* SO_PASSRIGHTS: not in Debian 12's header. */
    int no = 0;

    (void)setsockopt(sock, SOL_SOCKET, so_passrights, &no, sizeof no);
}

int fd_sendv(int sock, struct iovec *parts, unsigned n_parts, const int *fds,
             unsigned n_fds)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
    } control;
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = n_parts};
    size_t size = 0;
    ssize_t n;

    if (n_fds > FD_PASS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < n_parts; i++)
        size += parts[i].iov_len;
    if (n_fds) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof control);
        msg.msg_control = control.room;
        msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    do
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == size ? 0 : -EMSGSIZE;
}

int fd_send(int sock, const void *data, size_t size, const int *fds, unsigned n_fds)
{
    union {
        const void *in;
        void *out;
    } base = {.in = data};
    struct iovec part = {.iov_base = base.out, .iov_len = size};

    return fd_sendv(sock, &part, 1, fds, n_fds);
}

/* Moves the descriptors of one control message to fds[]; closes those for which there is no room. */
static bool take_fds(const struct cmsghdr *c, int *fds, unsigned room, unsigned *n_fds)
{
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    bool fits = true;

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        if (*n_fds < room) {
            fds[(*n_fds)++] = fd;
        } else {
            close(fd);
            fits = false;
        }
    }
    return fits;
}

ssize_t fd_recv(int sock, void *data, size_t size, int *fds, unsigned *n_fds)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof control.room};
    unsigned room = *n_fds;
    bool whole = true;
    ssize_t n;

    *n_fds = 0;
    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            whole = take_fds(c, fds, room, n_fds) && whole;
    }
    if (whole && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return n;
    for (unsigned i = 0; i < *n_fds; i++)
        close(fds[i]);
    *n_fds = 0;
    return -EMSGSIZE;
}

int fd_peer_get(int sock, struct fd_peer *peer)
{
    struct ucred cred;
    socklen_t size = sizeof cred;
    socklen_t groups_size = sizeof peer->groups;

    if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
        return -errno;
    peer->pid = cred.pid;
    peer->uid = cred.uid;
    peer->gid = cred.gid;
    peer->n_groups = 0;
    if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &groups_size) == 0)
        peer->n_groups = (unsigned)(groups_size / sizeof peer->groups[0]);
    return 0;
}

bool fd_peer_in_group(const struct fd_peer *peer, gid_t gid)
{
    if (peer->gid == gid)
        return true;
    for (unsigned i = 0; i < peer->n_groups; i++) {
        if (peer->groups[i] == gid)
            return true;
    }
    return false;
}
