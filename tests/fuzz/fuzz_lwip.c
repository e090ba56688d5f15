/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames into a stack, and lwIP with its assertions on. The stack has an IPv4 and an IPv6 address, a
 * listening TCP socket, a UDP, a raw and a packet socket, and connections that the input may open. The
 * input is a list of [length, 2 bytes, big-endian][flags][frame], played one after another with time
 * passing in between. The stack is the same for all inputs: state that one leaves must not hurt the next.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#include <sodium.h>

#include "libioth/sockets/kinds.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/input.h"
#include "libioth/stack/route.h"
#include "libioth/stack/timers.h"
#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"

#define PCBS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* lwIP links fragments of IPv6 by pointers at addresses that are no multiples of eight, where the leak finder
 * does not look: it would report those that wait for others. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

/* A port that swallows what is sent. */
static int port_send(struct port *p, const struct frame *meta,
                     const struct ring_piece *pieces, unsigned n)
{
    size_t total = 0;

    (void)p;
    for (unsigned i = 0; i < n; i++)
        total += pieces[i].size;
    if (total != meta->size)
        abort();
    return 0;
}

static void port_nothing(struct port *p)
{
    (void)p;
}

static unsigned port_recv(struct port *p, struct frame *frames, unsigned max)
{
    (void)p;
    (void)frames;
    (void)max;
    return 0;
}

static bool port_yes(struct port *p)
{
    (void)p;
    return true;
}

static const struct port_ops port_ops = {
    .send = port_send,
    .flush = port_nothing,
    .recv = port_recv,
    .recv_done = port_nothing,
    .room = port_yes,
    .free = port_nothing,
};
static struct port port = {.ops = &port_ops, .mtu = 1500, .mac = {0x02, 0, 0, 0, 0, 0x01}};

static struct iface *iface;
static struct sock *listener, *udp, *raw, *packet;
static mtime_t now = MTIME_SEC;

static void bind_to(struct sock *s, unsigned number)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)number)};

    if (s->ops->bind(s, (const struct sockaddr *)(const void *)&in, sizeof in) < 0)
        abort();
}

static void set_up(void)
{
    static const uint8_t addr4[4] = {10, 0, 0, 1};
    static const uint8_t addr6[16] = {0xfd, [15] = 1};

    if (sodium_init() < 0)
        abort();
    timers_init(now);
    lwip_init();
    iface_init();
    if (iface_add("", &port, &iface) < 0 || route_address(iface, 4, addr4, 24, true) < 0 ||
        route_address(iface, 6, addr6, 64, true) < 0 ||
        tcp_sock_new(AF_INET6, &listener) < 0 || udp_sock_new(AF_INET6, &udp) < 0 ||
        raw_sock_new(AF_INET6, IPPROTO_ICMPV6, &raw) < 0 ||
        packet_sock_new(SOCK_RAW, htons(3), &packet) < 0)
        abort();
    netif_set_up(&iface->netif);
    bind_to(listener, 80);
    bind_to(udp, 53);
    if (listener->ops->listen(listener, 8) < 0)
        abort();
}

/* Makes the checksums right, which chance never does: what is behind them is to be tested. */
static void mend(uint8_t *bytes, size_t size)
{
    struct packet pk;
    uint32_t l4, at;

    if (packet_parse(bytes, size, &pk) < 0)
        return;
    if (pk.l3 == PACKET_L3_IP4)
        checksum_set_ip4(bytes, &pk);
    at = pk.l4 == PACKET_L4_TCP ? 16 : pk.l4 == PACKET_L4_UDP ? 6 : 2;
    if (pk.l4 == PACKET_L4_NONE || (uint32_t)pk.l4_ofs + at + 2 > pk.end)
        return;
    l4 = pk.end - pk.l4_ofs;
    store_be16(bytes + pk.l4_ofs + at, 0);
    store_be16(bytes + pk.l4_ofs + at,
               (uint16_t)~checksum_fold(
                   checksum_add(checksum_pseudo(bytes, &pk, l4), bytes + pk.l4_ofs, l4)));
}

static void drain(struct sock *s)
{
    static uint8_t buf[2000];
    struct iovec iov = {buf, sizeof buf};
    struct sockaddr_storage from;
    struct msghdr msg = {.msg_name = &from, .msg_iov = &iov, .msg_iovlen = 1};

    do
        msg.msg_namelen = sizeof from;
    while (s->ops->recv(s, &msg, 0) > 0);
}

/* A program that takes what comes, says something, and closes. */
static void serve(void)
{
    struct iovec iov = {(void *)(uintptr_t) "answer", 6};
    const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct sock *s;

    drain(udp);
    drain(raw);
    drain(packet);
    while (listener->ops->accept(listener, &s) == 0) {
        drain(s);
        (void)!s->ops->send(s, &msg, 0);
        s->ops->close(s);
    }
}

static void play(uint8_t flags, const uint8_t *bytes, size_t size)
{
    /* With room in front, and of its own size, so that a read beyond it is seen. */
    uint8_t *copy = malloc(FRAME_HEADROOM + size);
    struct frame f = {.data = copy + FRAME_HEADROOM, .size = (uint32_t)size};

    if (!copy)
        abort();
    memcpy(f.data, bytes, size);
    if (flags & 1)
        mend(f.data, size);
    if (flags & 2)
        f.flags |= FRAME_NEEDS_CSUM;
    (void)input_frame(iface, &f);
    free(copy);
    if (flags & 4)
        serve();
    now += (mtime_t)(flags >> 4) * 100 * MTIME_MS;
    timers_run(now, true);
    iface_flush();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_init(data, size);
    unsigned n = 0;

    if (!iface)
        set_up();
    while (cur_left(&c) >= 3 && n++ < 64) {
        uint16_t frame_size = cur_u16(&c);
        uint8_t flags = cur_u8(&c);
        const uint8_t *bytes;

        if (frame_size > cur_left(&c))
            frame_size = (uint16_t)cur_left(&c);
        bytes = cur_bytes(&c, frame_size);
        play(flags, bytes, frame_size);
    }
    serve();
    n = 0;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        n++;
    if (n > PCBS_MAX) {
        while (tcp_active_pcbs)
            tcp_abort(tcp_active_pcbs);
    }
    return 0;
}
