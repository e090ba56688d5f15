/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the socket to the switches. A read brings up to RX_MESSAGES runs of equal datagrams
 * (UDP_GRO). Each is opened into the receive room, one after another (proto/link/gather.h), and those of one
 * port are merged there and handed to its switch together.
 */
#include <errno.h>
#include <linux/udp.h>
#include <string.h>
#include <sys/epoll.h>

#include "fabricd/link/link_internal.h"
#include "proto/wire/coalesce.h"

static void hand_over(struct link *l)
{
    struct link_rx *rx = &l->rx;
    struct gather *g = &rx->gather;

    gather_end(g);
    if (rx->port) {
        rx->port->sw.counters.rx_frames += g->n_bad;
        rx->port->sw.counters.rx_bytes += g->n_bad_bytes;
        rx->port->sw.counters.rx_drops[SWPORT_DROP_MALFORMED] += g->n_bad;
    }
    if (rx->port && g->n > 0)
        switch_input(&rx->port->sw, g->frames, coalesce(g->frames, g->n),
                     loop_now(l->loop));
    rx->port = NULL;
    gather_clear(g);
}

void link_receive_drop(struct link *l, const struct link_port *port)
{
    if (l->rx.port == port) {
        l->rx.port = NULL;
        gather_clear(&l->rx.gather);
    }
}

/* Takes what came out of a datagram into the burst. */
static void take(struct link *l, const struct hub_frame *in)
{
    struct link_rx *rx = &l->rx;
    struct link_port *port = link_port_find(in->peer, in->slot);

    if (!port) {
        in->peer->counters.rx_refused++;
        return;
    }
    if (port != rx->port || !gather_has_room(&rx->gather, in->size))
        hand_over(l);
    rx->port = port;
    gather_add(&rx->gather, in);
}

static void take_datagram(struct link *l, const struct link_addr *from, const uint8_t *data,
                          size_t size, int64_t wall_us)
{
    struct gather *g = &l->rx.gather;
    struct hub_frame in;
    bool good;

    if (!gather_has_room(g, size))
        hand_over(l);
    good = hub_input(l->hub, from, data, size, gather_place(g), loop_now(l->loop), wall_us,
                     &in);
    gather_opened(g);
    for (; good; good = hub_more(l->hub, &in))
        take(l, &in);
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
