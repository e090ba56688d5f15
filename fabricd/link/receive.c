/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the socket to the switches. A read brings up to RX_MESSAGES runs of equal datagrams
 * (UDP_GRO). Each is opened into the receive room, one after another, and those of one port are
 * merged there and handed to its switch together.
 */
#include <errno.h>
#include <linux/udp.h>
#include <string.h>
#include <sys/epoll.h>

#include "fabricd/link/link_internal.h"
#include "proto/wire/coalesce.h"
#include "proto/wire/vnet.h"

#define ALIGN 64u

static void hand_over(struct link *l)
{
    struct link_rx *rx = &l->rx;
    unsigned n = rx->n_frames;

    rx->n_frames = 0;
    if (n > 0 && rx->port) {
        n = coalesce(rx->frames, n);
        switch_input(&rx->port->sw, rx->frames, n, loop_now(l->loop));
    }
    rx->port = NULL;
    rx->used = 0;
}

void link_receive_drop(struct link *l, const struct link_port *port)
{
    if (l->rx.port == port) {
        l->rx.port = NULL;
        l->rx.n_frames = 0;
    }
}

static void metadata(const struct hub_frame *in, struct frame *f)
{
    f->size = (uint32_t)in->size;
    f->tci = in->inner.tci;
    f->gso_size = in->inner.gso_size;
    if (in->inner.flags & INNER_OPEN_CSUM) {
        f->flags = FRAME_NEEDS_CSUM;
        f->csum_start = in->inner.csum_start;
        f->csum_ofs = in->inner.csum_ofs;
    } else if (in->inner.flags & INNER_CSUM_VALID) {
        f->flags = FRAME_CSUM_VALID;
    }
    if (in->inner.flags & INNER_ISOLATED)
        f->flags |= FRAME_ISOLATED;
    if (f->gso_size == 0)
        return;
    /* Several segments, merged by the sender's switch: frame_check() looks closer. */
    f->gso = f->size > 13 && f->data[12] == 0x86 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
}

/* Takes a frame that was opened at in->data into the burst. */
static void gather(struct link *l, const struct hub_frame *in)
{
    struct link_rx *rx = &l->rx;
    struct link_port *port = link_port_find(in->peer, in->slot);
    struct frame *f;

    if (!port) {
        in->peer->counters.rx_refused++;
        return;
    }
    if (port != rx->port || rx->n_frames == FRAME_BURST) {
        uint8_t *kept = rx->room + FRAME_HEADROOM;

        if (rx->n_frames > 0) {
            hand_over(l);
            memmove(kept, in->data, in->size);
        } else {
            kept = in->data;
        }
        rx->port = port;
        f = &rx->frames[0];
        *f = (struct frame){.data = kept};
    } else {
        f = &rx->frames[rx->n_frames];
        *f = (struct frame){.data = in->data};
    }
    metadata(in, f);
    if (frame_check(f) < 0) {
        port->sw.counters.rx_frames++;
        port->sw.counters.rx_bytes += in->size;
        port->sw.counters.rx_drops[SWPORT_DROP_MALFORMED]++;
        return;
    }
    rx->n_frames++;
    rx->used = (size_t)(f->data - rx->room) + f->size;
    rx->used = (rx->used + ALIGN - 1) / ALIGN * ALIGN;
}

static void take_datagram(struct link *l, const struct link_addr *from, const uint8_t *data,
                          size_t size, int64_t wall_us)
{
    struct link_rx *rx = &l->rx;
    struct hub_frame in;
    uint8_t *out;

    if (rx->used + FRAME_HEADROOM + size + FRAME_SIZE_MAX > RX_ROOM)
        hand_over(l);
    out = rx->room + rx->used + FRAME_HEADROOM - DATAGRAM_INNER;
    if (!hub_input(l->hub, from, data, size, out, loop_now(l->loop), wall_us, &in))
        return;
    if (in.whole && in.size <= FRAME_SIZE_MAX) { /* It is the hub's until the next call. */
        memcpy(out + DATAGRAM_INNER, in.data, in.size);
        in.data = out + DATAGRAM_INNER;
    }
    gather(l, &in);
}

static size_t gro_size(struct msghdr *m, size_t whole)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        int size;

        if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
            continue;
        memcpy(&size, CMSG_DATA(c), sizeof size);
        return size > 0 ? (size_t)size : whole;
    }
    return whole;
}

static void take_message(struct link *l, unsigned i, int64_t wall_us)
{
    struct link_rx *rx = &l->rx;
    const uint8_t *data = rx->iov[i].iov_base;
    size_t size = rx->messages[i].msg_len;
    size_t each = gro_size(&rx->messages[i].msg_hdr, size);
    struct link_addr from;

    udp_from_sockaddr(&rx->from[i], &from);
    for (size_t at = 0; at < size; at += each)
        take_datagram(l, &from, data + at, size - at < each ? size - at : each, wall_us);
}

static int read_messages(struct link *l)
{
    struct link_rx *rx = &l->rx;

    for (unsigned i = 0; i < RX_MESSAGES; i++) {
        rx->iov[i] =
            (struct iovec){.iov_base = rx->datagrams + i * RX_SIZE, .iov_len = RX_SIZE};
        rx->messages[i].msg_hdr = (struct msghdr){.msg_name = &rx->from[i],
                                                  .msg_namelen = sizeof rx->from[i],
                                                  .msg_iov = &rx->iov[i],
                                                  .msg_iovlen = 1,
                                                  .msg_control = &rx->control[i],
                                                  .msg_controllen = sizeof rx->control[i]};
    }
    return recvmmsg(l->watch.fd, rx->messages, RX_MESSAGES, MSG_DONTWAIT, NULL);
}

void link_receive(struct link *l)
{
    for (unsigned turn = 0; turn < RX_TURN && l->watch.fd >= 0; turn++) {
        int n = read_messages(l);
        int64_t wall_us;

        if (n <= 0)
            break;
        wall_us = wall_now_us();
        for (int i = 0; i < n; i++)
            take_message(l, (unsigned)i, wall_us);
        hand_over(l);
        if ((unsigned)n < RX_MESSAGES)
            break;
    }
    link_rearm(l);
}
