/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the switch to a peer. A TCP superframe is cut so that each piece fills a datagram of the
 * path (proto/link/piece.h; with headers of its own for a peer that takes no pieces); what fits
 * goes as it is; the rest goes in fragments. Everything is copied into the transmit room and
 * sealed there in place (measured: as fast as sealing from two places), and leaves as messages
 * of equal datagrams.
 */
#include <linux/udp.h>
#include <string.h>

#include "fabricd/link/link_internal.h"
#include "proto/link/session.h"
#include "proto/wire/packet.h"
#include "proto/wire/segment.h"

/* Opens a new message in the batch, or goes on with the one at hand. */
static void message_begin(struct link_tx *tx, uint8_t *start)
{
    struct msghdr *m = &tx->messages[tx->n].msg_hdr;

    tx->iov[tx->n] = (struct iovec){.iov_base = start, .iov_len = 0};
    *m = (struct msghdr){.msg_name = &tx->to.sa,
                         .msg_namelen = tx->to_size,
                         .msg_iov = &tx->iov[tx->n],
                         .msg_iovlen = 1};
    tx->n++;
    tx->run_len = 0;
}

/* From two datagrams on, a message says how it is to be cut. */
static void message_segment(struct link_tx *tx)
{
    struct msghdr *m = &tx->messages[tx->n - 1].msg_hdr;
    uint16_t size = (uint16_t)tx->run_size;
    struct cmsghdr *c;

    m->msg_control = tx->control[tx->n - 1].bytes;
    m->msg_controllen = sizeof tx->control[0].bytes;
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(c), &size, sizeof size);
}

/* Room for a datagram of `inner_size` bytes under the seal; the caller fills in from the inner
 * header on and calls datagram_end(). */
static uint8_t *datagram_begin(struct link *l, size_t inner_size)
{
    struct link_tx *tx = &l->tx;
    size_t size = inner_size + DATAGRAM_OUTER + DATAGRAM_TAG;

    if (tx->used + size > TX_ROOM)
        udp_flush(l);
    return tx->room + tx->used + DATAGRAM_OUTER;
}

static void datagram_end(struct link *l, size_t inner_size)
{
    struct link_tx *tx = &l->tx;
    uint8_t *start = tx->room + tx->used;
    size_t size = session_seal(tx->peer->current, start, inner_size);
    struct iovec *iov;

    if (size == 0) {
        tx->lost++;
        return;
    }
    tx->peer->counters.tx_datagrams++;
    tx->peer->counters.tx_bytes += size;
    iov = tx->n > 0 ? &tx->iov[tx->n - 1] : NULL;
    if (!iov || tx->run_size == 0 || size > tx->run_size || tx->run_len == TX_SEGMENTS ||
        iov->iov_len + size > TX_RUN_SIZE || l->no_gso) {
        if (tx->n == TX_MESSAGES) { /* The new one moves to the front. */
            udp_flush(l);
            memmove(tx->room, start, size);
            start = tx->room;
        }
        message_begin(tx, start);
        iov = &tx->iov[tx->n - 1];
        tx->run_size = size;
    }
    iov->iov_len += size;
    if (++tx->run_len == 2)
        message_segment(tx);
    if (size < tx->run_size)
        tx->run_size = 0; /* Only the last may be shorter. */
    tx->used += size;
}

static void drop(struct link *l, enum swport_drop cause)
{
    l->tx.port->sw.counters.tx_drops[cause]++;
}

/* A peer puts together no more than FRAME_SIZE_MAX, in FRAGMENT_COUNT pieces: the switch lets in
 * nothing that is larger, or would be when it is cut. */
static void send_fragments(struct link *l, struct inner *in, const uint8_t *data,
                           size_t size, size_t max)
{
    size_t piece = max - DATAGRAM_FRAGMENT;
    struct fragment_head h = {.id = ++l->next_fragment, .total = (uint16_t)size};

    if (size > FRAME_SIZE_MAX || size > piece * FRAGMENT_COUNT) {
        drop(l, SWPORT_DROP_TOO_BIG);
        return;
    }
    in->type = INNER_FRAGMENT;
    h.count = (uint8_t)((size + piece - 1) / piece);
    for (size_t at = 0; at < size; at += piece, h.index++) {
        size_t n = size - at < piece ? size - at : piece;
        uint8_t *p = datagram_begin(l, DATAGRAM_INNER + DATAGRAM_FRAGMENT + n);

        inner_write(in, p);
        fragment_write(&h, p + DATAGRAM_INNER);
        memcpy(p + DATAGRAM_INNER + DATAGRAM_FRAGMENT, data + at, n);
        datagram_end(l, DATAGRAM_INNER + DATAGRAM_FRAGMENT + n);
    }
}

/* A plain frame in one piece, or in as many as it takes. */
static void send_plain(struct link *l, struct inner *in, const struct frame *f, size_t max)
{
    uint8_t *p;

    if (f->flags & FRAME_NEEDS_CSUM) {
        in->flags |= INNER_OPEN_CSUM;
        in->csum_start = f->csum_start;
        in->csum_ofs = f->csum_ofs;
    } else if (f->flags & FRAME_CSUM_VALID) {
        in->flags |= INNER_CSUM_VALID;
    }
    if (f->size > max) {
        send_fragments(l, in, f->data, f->size, max);
        return;
    }
    in->type = INNER_FRAME;
    p = datagram_begin(l, DATAGRAM_INNER + f->size);
    inner_write(in, p);
    memcpy(p + DATAGRAM_INNER, f->data, f->size);
    datagram_end(l, DATAGRAM_INNER + f->size);
}

static void send_segments(struct link *l, struct inner *in, struct segmenter *seg,
                          size_t max, uint16_t gso_size)
{
    struct segment s;

    in->flags |= INNER_OPEN_CSUM;
    while (segment_next(seg, &s)) {
        size_t size = s.hdr_size + s.payload_size;
        uint8_t *p;

        in->type = INNER_FRAME;
        in->csum_start = s.csum_start;
        in->csum_ofs = s.csum_ofs;
        in->gso_size = s.payload_size > gso_size ? gso_size : 0;
        if (size > max) { /* UDP segments, and TCP that may not be cut elsewhere. */
            uint8_t whole[FRAME_SIZE_MAX];

            if (size > sizeof whole) {
                drop(l, SWPORT_DROP_TOO_BIG);
                continue;
            }
            memcpy(whole, s.header, s.hdr_size);
            memcpy(whole + s.hdr_size, s.payload, s.payload_size);
            send_fragments(l, in, whole, size, max);
            continue;
        }
        p = datagram_begin(l, DATAGRAM_INNER + size);
        inner_write(in, p);
        memcpy(p + DATAGRAM_INNER, s.header, s.hdr_size);
        memcpy(p + DATAGRAM_INNER + s.hdr_size, s.payload, s.payload_size);
        datagram_end(l, DATAGRAM_INNER + size);
    }
}

/* Payload bytes per datagram: all that fits, but whole segments where several fit, so that the
 * receiver can put together what it was. 0 if the headers alone do not fit. */
static uint16_t cut_size(const struct frame *f, size_t hdr_size, size_t max)
{
    size_t fits;

    if (hdr_size == 0 || hdr_size + 64 > max)
        return 0;
    fits = max - hdr_size;
    if (f->gso_size > 0 && fits >= f->gso_size)
        fits -= fits % f->gso_size;
    return (uint16_t)(fits > UINT16_MAX ? UINT16_MAX : fits);
}

/* Copies part of a frame, whose end may be elsewhere. */
static void copy_out(uint8_t *out, const struct frame *f, size_t at, size_t size)
{
    size_t here = f->size - f->rest_size;
    size_t n = at >= here ? 0 : (size < here - at ? size : here - at);

    if (n > 0)
        memcpy(out, f->data + at, n);
    if (n < size)
        memcpy(out + n, f->rest + (at + n - here), size - n);
}

/* A superframe's payload in pieces, most of them without headers. */
static void send_pieces(struct link *l, struct inner *in, const struct frame *f,
                        const struct segmenter *seg, struct piece_plan *plan)
{
    struct piece p;

    in->type = INNER_PIECE;
    in->gso_size = f->gso == FRAME_GSO_NONE ? 0 : f->gso_size;
    while (piece_next(plan, &p)) {
        size_t head_size = p.has_head ? seg->hdr_size : 0;
        size_t size = DATAGRAM_INNER + p.size + head_size;
        uint8_t *out = datagram_begin(l, size);

        in->index = p.index;
        in->piece_at = p.at;
        in->head_size = (uint16_t)head_size;
        if (p.last)
            in->flags |= INNER_LAST;
        inner_write(in, out);
        copy_out(out + DATAGRAM_INNER, f, (size_t)seg->hdr_size + p.at, p.size);
        if (p.has_head)
            piece_head_write(seg, out + DATAGRAM_INNER + p.size);
        datagram_end(l, size);
    }
}

/* Can the peer be sent this TCP frame in pieces? */
static bool plan_pieces(const struct link *l, const struct frame *f, size_t max,
                        struct segmenter *seg, struct piece_plan *plan)
{
    return l->tx.peer->current->takes_pieces && f->size > max &&
           (!f->rest_size || f->flags & FRAME_NEEDS_CSUM) &&
           segment_init(seg, f, UINT16_MAX, SEGMENT_OPEN_CSUM) == 0 &&
           piece_plan_init(plan, seg->left, seg->hdr_size, max);
}

static size_t tcp_header_end(const struct frame *f)
{
    struct packet pk;

    if (packet_parse(f->data, f->size, &pk) < 0 || pk.l4 != PACKET_L4_TCP)
        return 0;
    return pk.payload_ofs;
}

static void send_frame(struct link *l, struct inner *in, struct frame *f, size_t max)
{
    bool tcp = f->gso == FRAME_GSO_TCP4 || f->gso == FRAME_GSO_TCP6;
    struct piece_plan plan;
    struct segmenter seg;
    uint16_t cut = 0;

    if (f->gso != FRAME_GSO_UDP && plan_pieces(l, f, max, &seg, &plan)) {
        send_pieces(l, in, f, &seg, &plan);
        return;
    }
    frame_whole(f);
    if (f->gso == FRAME_GSO_NONE && f->size <= max) {
        send_plain(l, in, f, max);
        return;
    }
    if (tcp || f->gso == FRAME_GSO_NONE)
        cut = cut_size(f, tcp ? f->hdr_size : tcp_header_end(f), max);
    if (cut > 0 && segment_init(&seg, f, cut, SEGMENT_OPEN_CSUM) == 0)
        send_segments(l, in, &seg, max, tcp ? f->gso_size : 0);
    else if (f->gso == FRAME_GSO_NONE)
        send_plain(l, in, f, max);
    else if (segment_init(&seg, f, 0, SEGMENT_OPEN_CSUM) == 0)
        send_segments(l, in, &seg, max, 0);
    else
        drop(l, SWPORT_DROP_MALFORMED); /* As at every port that takes no superframes. */
}

static void batch_begin(struct link *l, struct link_port *port)
{
    struct link_tx *tx = &l->tx;

    tx->peer = port->peer;
    tx->port = port;
    tx->n = 0;
    tx->used = 0;
    tx->run_size = 0;
    tx->lost = 0;
    tx->to_size = udp_to_sockaddr(l, &port->peer->addr, &tx->to);
}

static void port_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct link_port *port = list_entry(sw, struct link_port, sw);
    struct link *l = port->link;
    struct peer *p = port->peer;
    uint16_t channel = hub_channel(p, port->slot);
    size_t max = peer_payload_max(p);

    batch_begin(l, port);
    if (!p->current || l->watch.fd < 0 || l->tx.to_size == 0) {
        sw->counters.tx_drops[SWPORT_DROP_IO] += n;
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        struct inner in = {
            .channel = channel, .source = hub_host(l->hub), .tci = frames[i]->tci};

        if (frames[i]->flags & FRAME_ISOLATED)
            in.flags = INNER_ISOLATED;

        send_frame(l, &in, frames[i], max);
        sw->counters.tx_frames++;
        sw->counters.tx_bytes += frames[i]->size;
    }
    udp_flush(l);
    sw->counters.tx_drops[SWPORT_DROP_FULL] += l->tx.lost;
    peer_note_frames(p, loop_now(l->loop));
    link_rearm(l);
}

const struct swport_ops link_port_ops = {.send = port_send, .takes_rest = true};
