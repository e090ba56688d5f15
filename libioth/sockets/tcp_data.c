/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of a connection. What a program sends is copied once, into chunks to which lwIP's segments
 * refer until they are acknowledged; what comes is copied once, to the reader that waits for it or into
 * chunks. A superframe counts as one segment for lwIP, which acknowledges every second one: here each is.
 */
#include <errno.h>
#include <string.h>

#include <lwip/priv/tcp_priv.h>

#include "libioth/sockets/tcp.h"
#include "libioth/stack/iface.h"

#define WRITE_MAX 0xffffu /* tcp_write() and tcp_recved() count in 16 bits. */
#define BULK_MIN  8192u   /* One that sends less at a time gets no large chunk at once. */

/* --- receiving ---------------------------------------------------------------------------------- */

static void recved(struct tcp_sock *t, size_t size)
{
    while (t->pcb && size) {
        u16_t n = (u16_t)(size < WRITE_MAX ? size : WRITE_MAX);

        tcp_recved(t->pcb, n);
        size -= n;
    }
}

static bool take(struct tcp_sock *t, const uint8_t *data, size_t size)
{
    struct sock *s = &t->sock;

    if (s->direct && !t->rx.size) {
        size_t n = sock_iov_out(s->direct, s->direct_size, data, size);

        s->direct_size += n;
        recved(t, n);
        data += n;
        size -= n;
    }
    while (size) {
        size_t n;
        uint8_t *room = byteq_room(&t->rx, size, &n);

        if (!room)
            return false;
        memcpy(room, data, n);
        byteq_add(&t->rx, n);
        data += n;
        size -= n;
    }
    return true;
}

err_t tcp_sock_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct tcp_sock *t = arg;
    bool good = true;

    (void)err;
    if (!p) {
        t->rx_ended = true;
        sock_changed(&t->sock, SOCK_IN | SOCK_RDHUP);
        return ERR_OK;
    }
    t->n_received += p->tot_len;
    if (t->rx_shut)
        recved(t, p->tot_len);
    for (const struct pbuf *q = p; q && good && !t->rx_shut; q = q->next)
        good = take(t, q->payload, q->len);
    if (p->tot_len >= 2 * pcb->mss)
        tcp_ack_now(pcb);
    pbuf_free(p);
    sock_changed(&t->sock, SOCK_IN);
    if (good)
        return ERR_OK;
    tcp_abort(pcb); /* No memory, and nothing that has been acknowledged may be lost. */
    return ERR_ABRT;
}

/* With MSG_TRUNC bytes are counted, and copied nowhere [tcp(7)]: there may be no buffer. */
static size_t hand_out(const struct msghdr *msg, size_t done, const uint8_t *data, size_t n,
                       int flags)
{
    size_t room;

    if (!(flags & MSG_TRUNC))
        return sock_iov_out(msg, done, data, n);
    room = sock_iov_size(msg) - done;
    return n < room ? n : room;
}

ssize_t tcp_sock_recv(struct sock *s, struct msghdr *msg, int flags)
{
    struct tcp_sock *t = tcp_sock_of(s);
    size_t done = 0, n;
    const uint8_t *data;

    msg->msg_controllen = 0;
    msg->msg_flags = 0;
    if (flags & MSG_OOB)
        return -EINVAL;
    if (t->state == TCP_SOCK_NEW || t->state == TCP_SOCK_LISTENING)
        return -ENOTCONN;
    while ((data = byteq_at(&t->rx, flags & MSG_PEEK ? done : 0, &n)) != NULL) {
        size_t got = hand_out(msg, done, data, n, flags);

        done += got;
        if (!(flags & MSG_PEEK) && got)
            byteq_drop(&t->rx, got);
        if (got < n || got == 0)
            break;
    }
    if (done || (t->rx.size && !sock_iov_size(msg))) {
        if (!(flags & MSG_PEEK))
            recved(t, done);
        if (!t->rx.size)
            sock_changed(s, 0);
        return (ssize_t)done;
    }
    if (s->error)
        return -sock_take_error(s);
    return t->rx_ended || t->rx_shut || t->state == TCP_SOCK_DEAD ? 0 : -EAGAIN;
}

size_t tcp_sock_pending(const struct sock *s)
{
    return ((const struct tcp_sock *)(const void *)s)->rx.size;
}

/* --- sending ------------------------------------------------------------------------------------ */

/* As much waits to be sent as the program wants to at the most. */
static bool has_unsent(const struct tcp_sock *t)
{
    return t->set.unsent_most && t->pcb &&
           t->pcb->snd_lbb - t->pcb->snd_nxt >= t->set.unsent_most;
}

/* Room that is worth waking a writer for: a third of the buffer. */
static bool writable(const struct tcp_sock *t)
{
    return t->tx.size + t->sock.snd_size / 3 <= t->sock.snd_size && !has_unsent(t);
}

err_t tcp_sock_on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
    struct tcp_sock *t = arg;

    t->n_acked += size;
    byteq_drop(&t->tx, size);
    t->reported = 0; /* It goes on. */
    if (t->state == TCP_SOCK_ORPHAN) {
        if (!t->tx.size) {
            tcp_arg(pcb, NULL);
            tcp_err(pcb, NULL);
            tcp_sent(pcb, NULL);
            tcp_sock_free(t);
        }
    } else if (writable(t)) {
        sock_changed(&t->sock, SOCK_OUT);
    }
    return ERR_OK;
}

/* Begins a chunk that can be sent without being copied, if there is much to send. Segments begin and end with
 * it, so that each lies in one. */
static bool begin_chunk(struct tcp_sock *t, size_t size)
{
    const struct tcp_pcb *pcb = t->pcb;
    struct pool *pool;

    if (!byteq_full(&t->tx) || (size < BULK_MIN && !t->tx.size))
        return false;
    pool = iface_pool(ip_route(&pcb->local_ip, &pcb->remote_ip));
    return pool && byteq_begin(&t->tx, pool, TCP_SUPER_MAX / pcb->mss * pcb->mss);
}

static size_t fill(struct tcp_sock *t, const struct msghdr *msg, size_t total, bool more)
{
    size_t done = 0;

    while (done < total && t->tx.size < t->sock.snd_size && !has_unsent(t)) {
        size_t room = t->sock.snd_size - t->tx.size, n = total - done;
        uint8_t *to, flags = begin_chunk(t, n) ? TCP_WRITE_FLAG_NEW : 0;

        if (n > room)
            n = room;
        to = byteq_room(&t->tx, n < WRITE_MAX ? n : WRITE_MAX, &n);
        if (!to)
            break;
        sock_iov_in(msg, done, to, n);
        if (more || done + n < total)
            flags |= TCP_WRITE_FLAG_MORE;
        if (tcp_write(t->pcb, to, (u16_t)n, flags) != ERR_OK)
            break;
        byteq_add(&t->tx, n);
        done += n;
    }
    return done;
}

ssize_t tcp_sock_send(struct sock *s, const struct msghdr *msg, int flags)
{
    struct tcp_sock *t = tcp_sock_of(s);
    size_t total = sock_iov_size(msg), done;
    bool more = flags & MSG_MORE || t->cork;

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (t->state == TCP_SOCK_CONNECTING)
        return -EAGAIN;
    if (s->error)
        return -sock_take_error(s);
    if (t->state != TCP_SOCK_OPEN || t->tx_shut || !t->pcb)
        return -EPIPE;
    if (!total)
        return 0;
    done = fill(t, msg, total, more);
    if (!more)
        tcp_output(t->pcb);
    if (!writable(t))
        sock_changed(s, 0);
    if (!done && !t->tx.size && !has_unsent(t))
        return -ENOBUFS; /* Nothing is under way that would make room. */
    return done ? (ssize_t)done : -EAGAIN;
}

/* SO_RCVLOWAT: at most what there can be. */
static size_t low_water(const struct tcp_sock *t)
{
    uint32_t low = (uint32_t)t->sock.rcv_low, most = t->sock.rcv_size / 2;

    return low < most ? low : most;
}

size_t tcp_sock_outgoing(const struct sock *s, bool unsent)
{
    const struct tcp_sock *t = (const struct tcp_sock *)(const void *)s;

    if (!t->pcb || t->state != TCP_SOCK_OPEN)
        return 0;
    if (unsent)
        return t->pcb->snd_lbb - t->pcb->snd_nxt;
    return t->tx.size;
}

unsigned tcp_sock_ready(const struct sock *s)
{
    const struct tcp_sock *t = (const struct tcp_sock *)(const void *)s;
    unsigned ready = s->error ? SOCK_ERR : 0;

    switch (t->state) {
    case TCP_SOCK_NEW:
        return ready | (t->failed ? SOCK_IN | SOCK_OUT : SOCK_OUT);
    case TCP_SOCK_LISTENING:
        return list_empty(&t->waiting) ? 0 : SOCK_IN;
    case TCP_SOCK_CONNECTING:
    case TCP_SOCK_ORPHAN:
        return 0;
    case TCP_SOCK_DEAD:
        return ready | SOCK_IN | SOCK_OUT | SOCK_RDHUP | SOCK_HUP;
    case TCP_SOCK_OPEN:
        if (t->rx.size >= low_water(t))
            ready |= SOCK_IN;
        if (t->rx_ended || t->rx_shut)
            ready |= SOCK_IN | SOCK_RDHUP;
        if (writable(t) || t->tx_shut)
            ready |= SOCK_OUT;
        if ((t->rx_ended || t->rx_shut) && t->tx_shut)
            ready |= SOCK_HUP;
    }
    return ready;
}
