/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's `-netdev stream` and everything that speaks like it (passt, socket_vmnet): a Unix stream
 * connection on which each frame has its size in front, 32 bits in network byte order.
 *
 * What was read ends anywhere: the rest of a frame waits in `rest` for its other part. What the
 * client does not take at once waits in a bounded queue, whose first frame may be sent in part.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fabricd/port/frameq.h"
#include "fabricd/port/port.h"
#include "proto/wire/bytes.h"
#include "proto/wire/coalesce.h"

#define PREFIX_SIZE 4u
#define READ_SIZE   (32u * 1024u)
#define SIZE_LIMIT                                                                         \
    (68u * 1024u) /* QEMU's NET_BUFSIZE: who says more speaks something else. */
#define QUEUE_SIZE (256u * 1024u)
#define REST_SIZE  (PREFIX_SIZE + FRAME_SIZE_MAX)

struct stream {
    struct port port;
    struct loop_watch watch;
    struct frameq queue;
    size_t sent; /* Bytes of the queue's first record, prefix included, that are out. */
    uint32_t to_skip; /* Bytes of a frame that is too long, still to come. */
    size_t n_rest;
    uint8_t rest[REST_SIZE]; /* The beginning of a frame, prefix included. */
};

/* Frames that were taken apart, one behind the other with headroom. */
struct burst {
    struct frame *frames;
    unsigned n;
    uint8_t *next, *end;
};

static struct stream *stream_of(struct port *p)
{
    return list_entry(p, struct stream, port);
}

/* --- in --------------------------------------------------------------------------------- */

static void flush_burst(struct stream *s, struct burst *b)
{
    struct port_env *env = s->port.env;
    unsigned n = b->n;

    if (n > 1 && switch_wants_super(&s->port.sw))
        n = coalesce(b->frames, n);
    switch_input(&s->port.sw, b->frames, n, loop_now(env->loop));
    b->n = 0;
    b->next = env->arena + READ_SIZE;
}

static void take_frame(struct stream *s, struct burst *b, const uint8_t *data,
                       uint32_t size)
{
    size_t span = (FRAME_HEADROOM + size + 63u) / 64u * 64u;

    if (size < FRAME_SIZE_MIN) {
        port_count_malformed(&s->port, size);
        return;
    }
    if (b->n == FRAME_BURST || (size_t)(b->end - b->next) < span)
        flush_burst(s, b);
    memcpy(b->next + FRAME_HEADROOM, data, size);
    b->frames[b->n++] = (struct frame){.data = b->next + FRAME_HEADROOM, .size = size};
    b->next += span;
}

/* What stands at `data`: returns its bytes with the prefix, 0 if there is more to come, or -1 if
 * this is no such stream. A frame longer than ours may be is passed over. */
static int64_t take_one(struct stream *s, struct burst *b, const uint8_t *data, size_t size)
{
    uint32_t length;

    if (size < PREFIX_SIZE)
        return 0;
    length = load_be32(data);
    if (length > SIZE_LIMIT)
        return -1;
    if (length > FRAME_SIZE_MAX) {
        port_count_malformed(&s->port, length);
        s->to_skip = length;
        return PREFIX_SIZE;
    }
    if (size < PREFIX_SIZE + length)
        return 0;
    take_frame(s, b, data + PREFIX_SIZE, length);
    return PREFIX_SIZE + length;
}

/* Completes the frame whose beginning waits. Returns how many bytes of `data` that took, or -1. */
static int64_t take_rest(struct stream *s, struct burst *b, const uint8_t *data,
                         size_t size)
{
    size_t before = s->n_rest;
    size_t want = before < PREFIX_SIZE ? PREFIX_SIZE : PREFIX_SIZE + load_be32(s->rest);
    size_t take = want - before < size ? want - before : size;
    int64_t done;

    memcpy(s->rest + before, data, take);
    s->n_rest += take;
    done = take_one(s, b, s->rest, s->n_rest);
    if (done > 0)
        s->n_rest = 0;
    return done < 0 ? -1 : (int64_t)take;
}

/* Takes apart what was read. False if this is no such stream. */
static bool take_apart(struct stream *s, const uint8_t *data, size_t size)
{
    struct port_env *env = s->port.env;
    struct burst b = {.frames = env->frames,
                      .next = env->arena + READ_SIZE,
                      .end = env->arena + PORT_ARENA_SIZE};
    int64_t done = 1;

    while (size && done > 0) {
        if (s->to_skip) {
            done = s->to_skip < size ? s->to_skip : (int64_t)size;
            s->to_skip -= (uint32_t)done;
        } else if (s->n_rest) {
            done = take_rest(s, &b, data, size);
        } else {
            done = take_one(s, &b, data, size);
        }
        if (done > 0) {
            data += done;
            size -= (size_t)done;
        }
    }
    if (done == 0) { /* Less than a frame. */
        memcpy(s->rest, data, size);
        s->n_rest = size;
    }
    if (b.n)
        flush_burst(s, &b);
    return done >= 0;
}

/* False when there is no more for now, or never again. */
static bool read_some(struct stream *s)
{
    uint8_t *data = s->port.env->arena;
    ssize_t n = recv(s->watch.fd, data, READ_SIZE, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0 || !take_apart(s, data, (size_t)n)) {
        port_gone(&s->port);
        return false;
    }
    return n == READ_SIZE;
}

/* --- out -------------------------------------------------------------------------------- */

/* Writes frames, of the first of which `skip` bytes are out already. Returns how many are out
 * whole; *part becomes the bytes of the next one. Fewer than n: it takes no more for now. */
static unsigned write_frames(struct stream *s, struct frame *const *frames, unsigned n,
                             size_t skip, size_t *part)
{
    uint8_t prefix[FRAME_BURST][PREFIX_SIZE];
    struct iovec iov[2 * FRAME_BURST];
    struct msghdr msg = {.msg_iov = iov};
    size_t left;
    ssize_t sent;
    unsigned i;

    for (i = 0; i < n; i++) {
        size_t out = i == 0 ? skip : 0;
        size_t of_prefix = out < PREFIX_SIZE ? out : PREFIX_SIZE;

        store_be32(prefix[i], frames[i]->size);
        iov[2 * i] = (struct iovec){.iov_base = prefix[i] + of_prefix,
                                    .iov_len = PREFIX_SIZE - of_prefix};
        iov[2 * i + 1] = (struct iovec){.iov_base = frames[i]->data + (out - of_prefix),
                                        .iov_len = frames[i]->size - (out - of_prefix)};
    }
    msg.msg_iovlen = 2 * (size_t)n;
    sent = sendmsg(s->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    left = skip + (sent > 0 ? (size_t)sent : 0);
    for (i = 0; i < n && left >= PREFIX_SIZE + frames[i]->size; i++) {
        left -= PREFIX_SIZE + frames[i]->size;
        port_count_sent(&s->port, frames[i]);
    }
    *part = left;
    return i;
}

static void flush_queue(struct stream *s)
{
    struct frame *frames[FRAME_BURST];

    while (s->queue.n) {
        unsigned n = frameq_peek(&s->queue, frames, FRAME_BURST);
        unsigned done = write_frames(s, frames, n, s->sent, &s->sent);

        frameq_drop(&s->queue, done);
        if (done < n)
            return;
    }
    loop_set_events(s->port.env->loop, &s->watch, EPOLLIN | EPOLLRDHUP);
}

static void stream_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct stream *s = stream_of(port_of_swport(sw));
    bool was_empty = s->queue.n == 0;
    unsigned done = was_empty ? write_frames(s, frames, n, 0, &s->sent) : 0;

    if (done == n)
        return;
    if (was_empty)
        loop_set_events(s->port.env->loop, &s->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    for (; done < n;
         done++) { /* The first, partly sent or not, always fits an empty one. */
        if (!frameq_put(&s->queue, frames[done]))
            sw->counters.tx_drops[SWPORT_DROP_FULL]++;
    }
}

/* --- the port --------------------------------------------------------------------------- */

static void stream_ready(struct loop_watch *w, uint32_t events)
{
    struct stream *s = list_entry(w, struct stream, watch);

    if (events & EPOLLOUT && s->queue.n)
        flush_queue(s);
    for (unsigned i = 0; i < PORT_TURN_BURSTS; i++) {
        if (!read_some(s))
            return;
    }
}

static void stream_free(struct port *p)
{
    struct stream *s = stream_of(p);

    loop_remove(p->env->loop, &s->watch);
    frameq_done(&s->queue);
    free(s);
}

int stream_new(struct port_env *env, const struct ipc_port *config, int fd,
               struct port **out)
{
    static const struct port_ops ops = {.free = stream_free};
    static const struct swport_ops sw_ops = {.send = stream_send};
    struct stream *s = calloc(1, sizeof *s);
    int code;

    if (!s)
        return -ENOMEM;
    port_init(&s->port, env, config, &ops, &sw_ops);
    s->watch.ready = stream_ready;
    code = frameq_init(&s->queue, QUEUE_SIZE);
    if (code == 0)
        code = loop_add(env->loop, &s->watch, fd, EPOLLIN | EPOLLRDHUP);
    if (code < 0) {
        frameq_done(&s->queue);
        free(s);
        return code;
    }
    *out = &s->port;
    return 0;
}
