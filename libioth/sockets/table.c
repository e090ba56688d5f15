/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/table.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/fd.h"

/* A Unix stream socket is writable while what waits in it is below a quarter of its buffer. */
#define SMALLEST_BUFFER 1
#define FILL_SIZE       2048u

#define LEAF_SLOTS 64

/* By descriptor, in leaves: a process of many stacks has large numbers, and each stack few of them. */
struct leaf {
    struct sock *socks[LEAF_SLOTS];
};
static struct leaf **leaves;
static int n_leaves;
static unsigned n_socks;
static struct list unsettled = {&unsettled, &unsettled};
static struct list failed = {&failed, &failed}; /* Those with SOCK_ERR. */
_Atomic unsigned table_n_failed;
static int watch = -1; /* An epoll of our ends. */

static void watch_end(const struct sock *s, int op);

/* NULL: no socket has ever had a number near. */
static struct sock **slot(int fd)
{
    struct leaf *leaf =
        fd >= 0 && fd / LEAF_SLOTS < n_leaves ? leaves[fd / LEAF_SLOTS] : NULL;

    return leaf ? &leaf->socks[fd % LEAF_SLOTS] : NULL;
}

struct sock *table_find(int fd)
{
    struct sock **at = slot(fd);

    return at ? *at : NULL;
}

/* The first descriptor of a socket from `fd` on; -1. `s`: of that one, NULL: of any. */
static int next_of(const struct sock *s, int fd)
{
    for (; fd < n_leaves * LEAF_SLOTS; fd++) {
        struct sock **at = slot(fd);

        if (!at)
            fd |= LEAF_SLOTS - 1;
        else if (*at && (!s || *at == s))
            return fd;
    }
    return -1;
}

unsigned table_count(void)
{
    return n_socks;
}

static int make_room(int fd)
{
    int n = fd / LEAF_SLOTS + 1;
    struct leaf **more;

    if (n > n_leaves) {
        more = realloc(leaves, (size_t)n * sizeof(struct leaf *));
        if (!more)
            return -ENOMEM;
        leaves = more;
        while (n_leaves < n)
            leaves[n_leaves++] = NULL;
    }
    if (!leaves[n - 1])
        leaves[n - 1] = calloc(1, sizeof(struct leaf));
    return leaves[n - 1] ? 0 : -ENOMEM;
}

/* Is the number still that of a descriptor of the socket? */
static bool is_at(const struct sock *s, int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_ino == s->ino;
}

static bool is_ours(const struct sock *s)
{
    return is_at(s, s->fd);
}

/* A descriptor is of no socket any more; another one of the same socket takes its place. */
static void forget(struct sock *s, int fd)
{
    *slot(fd) = NULL;
    s->n_fds--;
    if (s->fd != fd)
        return;
    s->fd = s->n_fds ? next_of(s, 0) : -1;
    if (s->fd >= 0)
        watch_end(s, EPOLL_CTL_MOD);
}

static void note_failed(struct sock *s, bool has_failed)
{
    if (has_failed == !list_empty(&s->failed))
        return;
    if (has_failed) {
        list_append(&failed, &s->failed);
        table_n_failed++;
    } else {
        list_remove(&s->failed);
        table_n_failed--;
    }
}

void table_remove(struct sock *s)
{
    note_failed(s, false);
    if (s->fd >= 0)
        n_socks--;
    while (s->fd >= 0)
        forget(s, s->fd);
    fd_close(&s->end);
}

/* Somebody closed a descriptor behind our back, and its number has come again. */
static void drop_stale(int fd)
{
    struct sock *stale = *slot(fd);

    if (!stale)
        return;
    if (stale->n_fds > 1) {
        forget(stale, fd);
        return;
    }
    table_remove(stale);
    stale->ops->close(stale);
}

int table_add(struct sock *s, int flags)
{
    int fds[2], r;
    struct stat st;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    r = make_room(fds[0]);
    if (r == 0 && fstat(fds[0], &st) < 0)
        r = -errno;
    if (r < 0) {
        fd_close(&fds[0]);
        fd_close(&fds[1]);
        return r;
    }
    (void)!setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){SMALLEST_BUFFER}, sizeof(int));
    (void)!fcntl(fds[0], F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
    if (flags & SOCK_NONBLOCK)
        (void)!fd_set_nonblock(fds[0]);
    drop_stale(fds[0]);
    s->fd = fds[0];
    s->n_fds = 1;
    s->end = fds[1];
    s->ino = st.st_ino;
    s->shown = SOCK_OUT;
    *slot(s->fd) = s;
    n_socks++;
    watch_end(s, EPOLL_CTL_ADD);
    table_unsettle(s);
    return s->fd;
}

int table_dup(struct sock *s, int fd)
{
    int r = make_room(fd);

    if (r < 0)
        return r;
    drop_stale(fd);
    *slot(fd) = s;
    s->n_fds++;
    return 0;
}

bool table_close(struct sock *s, int fd)
{
    bool ours = is_at(s, fd), last = s->n_fds == 1;

    if (last)
        table_remove(s);
    else
        forget(s, fd);
    if (ours)
        close(fd);
    return last;
}

bool table_has(const struct sock *s, uint64_t ino)
{
    return next_of(s, 0) >= 0 && s->ino == ino;
}

void table_end_all(void)
{
    int fd = 0;

    while ((fd = next_of(NULL, fd)) >= 0) {
        struct sock *s = table_find(fd);

        table_remove(s);
        s->ops->close(s);
    }
    for (int i = 0; i < n_leaves; i++)
        free(leaves[i]);
    free(leaves);
    leaves = NULL;
    n_leaves = 0;
    fd_close(&watch);
}

/* --- readiness ---------------------------------------------------------------------------------- */

static void show_in(const struct sock *s, bool in)
{
    uint8_t byte = 0;

    if (in)
        (void)!send(s->end, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        (void)!recv(s->fd, &byte, 1, MSG_DONTWAIT);
}

static void show_out(const struct sock *s, bool out)
{
    uint8_t fill[FILL_SIZE] = {0};

    if (out)
        (void)!recv(s->end, fill, sizeof fill, MSG_DONTWAIT);
    else
        (void)!send(s->fd, fill, sizeof fill, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* For who polls by edges: more has come to what was there already. */
static void show_again(struct sock *s)
{
    if (s->edges && s->came && s->shown & SOCK_IN && is_ours(s)) {
        show_in(s, true);
        show_in(s, false);
    }
    s->came = false;
}

/* What can be shown: an error as something to read, which the call for it then returns. */
static unsigned shown_of(struct sock *s)
{
    unsigned ready = s->ops->ready(s);

    note_failed(s, ready & SOCK_ERR);
    return ready & SOCK_ERR ? (ready & ~(unsigned)SOCK_ERR) | SOCK_IN : ready;
}

/*
 * Shows what has changed; false if a part is left for later: to a thread in a call, which is about to
 * change it; that the socket is full, unless a send was refused or `all` is wanted; and that there is more for a
 * reader who waits in its calls. A program that does not ask poll() is spared the calls, and who asks after a millisecond
 * is told the truth.
 */
static bool settle(struct sock *s, bool all)
{
    unsigned ready = shown_of(s), now, changed, cleared;
    bool full = s->shown & SOCK_OUT && !(ready & SOCK_OUT);
    bool late = s->waits && !all && ready & SOCK_IN && !(s->shown & SOCK_IN);
    unsigned busy = (s->n_reading || late ? SOCK_IN : 0) |
                    (s->n_writing || (full && !all && !s->would_block) ? SOCK_OUT : 0);

    if (ready & SOCK_OUT)
        s->would_block = false;
    if (s->came && !(busy & SOCK_IN) && ready & SOCK_IN)
        show_again(s);
    now = (ready & ~busy) | (s->shown & busy);
    changed = now ^ s->shown;
    cleared = changed & s->shown & (SOCK_IN | SOCK_OUT);

    /* What clears is done to the program's end, and must not hit another file. */
    if (!changed || (cleared && !is_ours(s)))
        return !busy;
    if (changed & SOCK_IN)
        show_in(s, now & SOCK_IN);
    if (changed & SOCK_OUT)
        show_out(s, now & SOCK_OUT);
    if (changed & now & SOCK_RDHUP)
        (void)!shutdown(s->end, SHUT_WR);
    if (changed & now & SOCK_HUP)
        (void)!shutdown(s->end, SHUT_RDWR);
    s->shown = now | (s->shown & (SOCK_RDHUP | SOCK_HUP));
    return !busy;
}

int table_tell(struct pollfd *fds, unsigned n)
{
    int told = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct sock *s = table_n_failed ? table_find(fds[i].fd) : NULL;
        unsigned ready = s ? s->ops->ready(s) : 0;

        if (ready & SOCK_ERR && is_at(s, fds[i].fd)) {
            if (!(ready & SOCK_IN))
                fds[i].revents &= (short)~(POLLIN | POLLRDNORM);
            fds[i].revents |= POLLERR;
        }
        told += fds[i].revents != 0;
    }
    return told;
}

unsigned table_failed(int *fds, unsigned max)
{
    unsigned n = 0;

    list_for_each (it, &failed) {
        const struct sock *s = list_entry(it, struct sock, failed);

        for (int fd = next_of(s, 0); fd >= 0 && n < max; fd = next_of(s, fd + 1))
            fds[n++] = fd;
    }
    return n;
}

void table_unsettle(struct sock *s)
{
    if (s->fd >= 0 && list_empty(&s->unsettled))
        list_append(&unsettled, &s->unsettled);
}

void table_settle(bool all)
{
    list_for_each_safe (it, &unsettled) {
        struct sock *s = list_entry(it, struct sock, unsettled);

        if (settle(s, all))
            list_remove(&s->unsettled);
    }
}

/* --- closed without us --------------------------------------------------------------------------- */

static void watch_end(const struct sock *s, int op)
{
    struct epoll_event e = {.events = EPOLLET, .data.fd = s->fd};

    if (watch < 0)
        watch = epoll_create1(EPOLL_CLOEXEC);
    (void)!epoll_ctl(watch, op, s->end, &e);
}

int table_watch(void)
{
    return watch;
}

void table_reap(void)
{
    struct epoll_event events[16];
    int n = epoll_wait(watch, events, 16, 0);

    for (int i = 0; i < n; i++) {
        struct sock *s = table_find(events[i].data.fd);

        /* What we have shut down ourselves hangs up, too. All of its descriptors are gone. */
        if (s && events[i].events & EPOLLHUP && !(s->shown & SOCK_HUP) && !is_ours(s)) {
            table_remove(s);
            s->ops->close(s);
        }
    }
}
