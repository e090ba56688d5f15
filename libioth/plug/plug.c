/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/plug/plug.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/mtime.h"

#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)NULL)->sun_path)
#define REPLY_MS         10000
#define RING_FDS         2u
#define YIELD_MAX_US     50 /* Longer than a wake-up costs is wasted. */
#define YIELD_FLOOR_US   2
#define REF_MIN          2048u /* Fewer bytes are copied. */

struct plug {
    char socket[SOCKET_PATH_SIZE];
    struct plug_request request;
    struct plug_reply reply;
    int tap;      /* The caller's. */
    int lifeline; /* -1 only before the first exchange. */
    int bell;     /* Rung to wake the daemon, or by it. */
    bool waiting_rx, waiting_tx;
    unsigned yield_us; /* How long yielding has been worth it lately. */
    struct ringmap map;
    struct pool *pool;
};

/* What one exchange brings. */
struct exchange {
    int lifeline;
    int fds[FD_PASS_MAX];
    unsigned n_fds;
    struct plug_reply reply;
};

static void exchange_done(struct exchange *x)
{
    fd_close(&x->lifeline);
    for (unsigned i = 0; i < x->n_fds; i++)
        fd_close(&x->fds[i]);
}

static int connect_to(const char path[SOCKET_PATH_SIZE], struct err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t size = sizeof un;
    int r = 0;
    int fd;

    memcpy(un.sun_path, path, sizeof un.sun_path);
    if (path[0] == '@') { /* A name that is no file's. */
        un.sun_path[0] = 0;
        size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "no socket: %s", err_text(errno));
    do
        r = connect(fd, (const struct sockaddr *)&un, size) < 0 ? -errno : 0;
    while (r == -EINTR);
    if (r < 0) {
        fd_close(&fd);
        return err_set(err, r, "the daemon cannot be reached at %s: %s", path, err_text(r));
    }
    return fd;
}

/* Waits until fd is readable. Returns 1, 0 at the end of the time, or -errno. */
static int wait_readable(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int r;

    do
        r = poll(&p, 1, timeout_ms);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int receive_reply(struct exchange *x, struct err *err)
{
    uint8_t data[PLUG_MAX_SIZE];
    ssize_t size;

    if (wait_readable(x->lifeline, REPLY_MS) != 1)
        return err_set(err, -ETIMEDOUT, "the daemon does not answer");
    x->n_fds = FD_PASS_MAX;
    size = fd_recv(x->lifeline, data, sizeof data, x->fds, &x->n_fds);
    if (size <= 0) {
        x->n_fds = 0;
        return err_set(err, size < 0 ? (int)size : -ECONNRESET,
                       "the daemon hung up before it answered");
    }
    if (plug_reply_decode(data, (size_t)size, &x->reply) < 0)
        return err_set(err, -EPROTO, "the daemon speaks another version");
    if (x->reply.code < 0) {
        err_set(err, x->reply.code, "%s",
                x->reply.why[0] ? x->reply.why : err_text(x->reply.code));
        if (x->reply.hint[0])
            err_hint(err, "%s", x->reply.hint);
    }
    return x->reply.code;
}

static int exchange(const struct plug *p, struct exchange *x, struct err *err)
{
    uint8_t data[PLUG_MAX_SIZE];
    size_t size = plug_request_encode(&p->request, data, sizeof data);
    int r;

    *x = (struct exchange){.lifeline = -1};
    if (!size)
        return err_set(err, -EINVAL, "a name or address in the request is not valid");
    r = connect_to(p->socket, err);
    if (r < 0)
        return r;
    x->lifeline = r;
    r = fd_send(x->lifeline, data, size, &p->tap, p->tap >= 0 ? 1 : 0);
    if (r < 0)
        err_set(err, r, "the daemon hung up: %s", err_text(r));
    else
        r = receive_reply(x, err);
    if (r == 0 && p->request.kind == PLUG_RING && x->n_fds != RING_FDS)
        r = err_set(err, -EPROTO, "the daemon gave no ring");
    if (r < 0)
        exchange_done(x);
    return r;
}

/* Puts what an exchange brought in place of what the plug had. */
static int adopt(struct plug *p, struct exchange *x, struct err *err)
{
    if (p->request.kind == PLUG_RING) {
        struct ringmap fresh;
        int r = ringmap_attach(&fresh, x->fds[0], RINGMAP_CLIENT);

        if (r < 0) {
            exchange_done(x);
            return err_set(err, r, "the daemon's ring cannot be mapped: %s", err_text(r));
        }
        ringmap_done(&p->map);
        p->map = fresh;
        pool_leave(p->pool);
        p->pool = pool_new(x->fds[0], fresh.ring_size, &p->map.tx);
        fd_close(&p->bell);
        p->bell = x->fds[1];
        x->fds[1] = -1;
        p->waiting_rx = p->waiting_tx = false;
    }
    fd_close(&p->lifeline);
    p->lifeline = x->lifeline;
    x->lifeline = -1;
    p->reply = x->reply;
    exchange_done(x);
    return 0;
}

/* What plug_again() offers: what the daemon chose the first time is now asked for. */
static void insist(struct plug *p)
{
    struct plug_request *q = &p->request;

    if (!(q->flags & PLUG_ENDPOINT))
        return;
    memcpy(q->name, p->reply.name, sizeof q->name);
    memcpy(q->mac, p->reply.mac, sizeof q->mac);
    memcpy(q->addrs, p->reply.addrs, sizeof q->addrs);
    q->n_addrs = p->reply.n_addrs;
}

static int plug_new(const char *socket_path, const struct plug_request *request, int tap,
                    struct plug **out, struct err *err)
{
    struct exchange x;
    struct plug *p;
    int r;

    if (strlen(socket_path) >= sizeof p->socket)
        return err_set(err, -ENAMETOOLONG, "the path %.80s… is too long for a socket",
                       socket_path);
    p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, -ENOMEM, "out of memory");
    memcpy(p->socket, socket_path, strlen(socket_path) + 1);
    p->request = *request;
    p->tap = tap;
    p->lifeline = p->bell = -1;
    p->yield_us = YIELD_FLOOR_US;
    r = exchange(p, &x, err);
    if (r == 0)
        r = adopt(p, &x, err);
    if (r < 0) {
        plug_free(p);
        return r;
    }
    insist(p);
    *out = p;
    return 0;
}

static int plug_kind(const char *socket_path, const struct plug_request *request, int tap,
                     struct plug **out, struct err *err, enum plug_kind kind)
{
    struct plug_request q = *request;

    q.kind = (uint8_t)kind;
    return plug_new(socket_path, &q, tap, out, err);
}

int plug_tap(const char *socket_path, const struct plug_request *request, int tap,
             struct plug_reply *reply, struct plug **out, struct err *err)
{
    int r = plug_kind(socket_path, request, tap, out, err, PLUG_TAP);

    if (r == 0)
        *reply = (*out)->reply;
    return r;
}

int plug_ring(const char *socket_path, const struct plug_request *request,
              struct plug_reply *reply, struct plug **out, struct err *err)
{
    int r = plug_kind(socket_path, request, -1, out, err, PLUG_RING);

    if (r == 0)
        *reply = (*out)->reply;
    return r;
}

int plug_capture(const char *socket_path, const struct plug_request *request,
                 struct plug_reply *reply, struct plug **out, struct err *err)
{
    int r = plug_kind(socket_path, request, -1, out, err, PLUG_CAPTURE);

    if (r == 0)
        *reply = (*out)->reply;
    return r;
}

int plug_again(struct plug *p, struct err *err)
{
    struct exchange x;
    int r = exchange(p, &x, err);

    return r < 0 ? r : adopt(p, &x, err);
}

void plug_free(struct plug *p)
{
    if (!p)
        return;
    pool_leave(p->pool);
    ringmap_done(&p->map);
    fd_close(&p->lifeline);
    fd_close(&p->bell);
    free(p);
}

int plug_fd(const struct plug *p)
{
    return p->lifeline;
}

bool plug_alive(const struct plug *p)
{
    struct pollfd fd = {.fd = p->lifeline, .events = POLLIN};

    if (p->request.kind == PLUG_CAPTURE)
        fd.events = 0;
    return poll(&fd, 1, 0) <= 0;
}

int plug_bell(const struct plug *p)
{
    return p->bell;
}

/* A full bell has been rung already, so a failed send loses nothing. */
static void ring_bell(const struct plug *p)
{
    (void)!send(p->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void hush_bell(const struct plug *p)
{
    uint8_t rung[512];

    (void)!recv(p->bell, rung, sizeof rung, MSG_DONTWAIT);
}

static uint32_t largest(const struct frame *frames, unsigned n)
{
    uint32_t size = 0;

    for (unsigned i = 0; i < n; i++)
        size = frames[i].size > size ? frames[i].size : size;
    return size;
}

int plug_send(struct plug *p, const struct frame *frames, unsigned n)
{
    unsigned i = 0;
    int r = 0;

    ring_rewind(&p->map.tx, n, largest(frames, n));
    while (i < n && r == 0) {
        r = ring_put(&p->map.tx, &frames[i]);
        i += r == 0;
    }
    if (ring_publish(&p->map.tx))
        ring_bell(p);
    return i == 0 && r < 0 && r != -ENOBUFS ? r : (int)i;
}

/* How many of the pieces are to be copied; those behind them are *size bytes in a row at *offset in the pool. */
static unsigned leave_in_pool(const struct pool *pool, const struct ring_piece *pieces,
                              unsigned n, uint64_t *offset, uint32_t *size)
{
    const uint8_t *start = NULL;
    unsigned copied = n;

    *size = 0;
    while (copied > 0) {
        const struct ring_piece *piece = &pieces[copied - 1];
        const uint8_t *data = piece->data;
        uint64_t at;

        if ((start && data + piece->size != start) ||
            !pool_has(pool, data, piece->size, &at))
            break;
        start = data;
        *offset = at;
        *size += piece->size;
        copied--;
    }
    if (*size >= REF_MIN)
        return copied;
    *size = 0;
    return n;
}

int plug_put(struct plug *p, const struct frame *f, const struct ring_piece *pieces,
             unsigned n)
{
    uint64_t offset = 0;
    uint32_t size = 0;

    if (p->pool)
        n = leave_in_pool(p->pool, pieces, n, &offset, &size);
    ring_rewind(&p->map.tx, 1, f->size);
    return ring_put_ref(&p->map.tx, f, pieces, n, offset, size);
}

struct pool *plug_pool(const struct plug *p)
{
    return p->pool;
}

void plug_flush(struct plug *p)
{
    if (ring_publish(&p->map.tx))
        ring_bell(p);
}

bool plug_has_room(struct plug *p, uint32_t size)
{
    return ring_room(&p->map.tx, size) > 0;
}

bool plug_taken(struct plug *p)
{
    return ring_taken(&p->map.tx, p->map.tx.put);
}

int plug_recv(struct plug *p, struct frame *frames, unsigned max)
{
    return ring_peek(&p->map.rx, frames, max);
}

void plug_recv_done(struct plug *p)
{
    if (ring_release(&p->map.rx))
        ring_bell(p);
}

void plug_recv_back(struct plug *p, unsigned n)
{
    ring_unget(&p->map.rx, n);
}

bool plug_wait_begin(struct plug *p)
{
    p->waiting_rx = true;
    return ring_rx_sleep(&p->map.rx);
}

bool plug_wait_room_begin(struct plug *p, uint32_t size)
{
    p->waiting_tx = true;
    return ring_tx_sleep(&p->map.tx, size);
}

void plug_wait_end(struct plug *p)
{
    if (p->waiting_rx)
        ring_rx_wake(&p->map.rx);
    if (p->waiting_tx)
        ring_tx_wake(&p->map.tx);
    p->waiting_rx = p->waiting_tx = false;
    hush_bell(p);
}

static bool there_is(struct plug *p, uint32_t room)
{
    return room ? ring_room(&p->map.tx, room) > 0 : ring_ready(&p->map.rx);
}

/*
 * Yields for as long as it has been worth it: twice the time it took when it worked, half of it
 * when it did not. Yielding rather than spinning, since the other side may need this processor.
 */
static bool yield_a_while(struct plug *p, uint32_t room)
{
    mtime_t start = mtime_now(), now = start;

    while (now - start < p->yield_us) {
        sched_yield();
        now = mtime_now();
        if (there_is(p, room)) {
            unsigned took = (unsigned)(now - start) * 2;

            p->yield_us = took < YIELD_FLOOR_US ? YIELD_FLOOR_US
                          : took > YIELD_MAX_US ? YIELD_MAX_US
                                                : took;
            return true;
        }
    }
    p->yield_us = p->yield_us / 2 < YIELD_FLOOR_US ? YIELD_FLOOR_US : p->yield_us / 2;
    return false;
}

/* Sleeps until the bell rings. Returns 1, 0 at the end of the time, -EPIPE, or -errno. */
static int sleep_for_bell(const struct plug *p, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = p->bell, .events = POLLIN},
                            {.fd = p->lifeline, .events = POLLIN}};
    int r = poll(fds, 2, timeout_ms);

    if (r < 0)
        return errno == EINTR ? 1 : -errno;
    if (r > 0 && (!fds[0].revents || fds[0].revents & POLLHUP))
        return -EPIPE;
    return r > 0;
}

static int wait_for(struct plug *p, uint32_t room, int timeout_ms)
{
    mtime_t end = timeout_ms < 0 ? MTIME_NEVER : mtime_now() + timeout_ms * MTIME_MS;

    if (there_is(p, room) || yield_a_while(p, room))
        return 1;
    for (;;) {
        mtime_t left = end == MTIME_NEVER ? 0 : end - mtime_now();
        int r = 1;

        if (room ? plug_wait_room_begin(p, room) : plug_wait_begin(p))
            r = sleep_for_bell(p, timeout_ms < 0 ? -1
                                  : left > 0     ? (int)((left + 999) / MTIME_MS)
                                                 : 0);
        plug_wait_end(p);
        if (there_is(p, room))
            return 1;
        if (r <= 0)
            return r;
    }
}

int plug_wait(struct plug *p, int timeout_ms)
{
    return wait_for(p, 0, timeout_ms);
}

int plug_wait_room(struct plug *p, uint32_t size, int timeout_ms)
{
    assert(size > 0 && size <= FRAME_SUPER_MAX);
    return wait_for(p, size, timeout_ms);
}
