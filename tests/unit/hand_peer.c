/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/hand_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/priv/tcp_priv.h>

#include <sodium.h>

#include "libioth/sockets/kinds.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/input.h"
#include "libioth/stack/route.h"
#include "libioth/stack/timers.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"
#include "tests/support/deaf_port.h"

#define ETH     14u
#define IP      20u
#define TCP     20u
#define HEARD   256u
#define FIRST   0xfffff000u /* Of the peer's numbers, so that they wrap. */
#define MOST    65000u
#define OPENS   (10 * MTIME_SEC)
#define SETTLES MTIME_SEC

static struct hand_segment heard[HEARD];
static unsigned n_heard, n_taken;
static mtime_t now = MTIME_SEC;
static struct iface *iface;

static void check(bool good)
{
    if (!good)
        abort();
}

/* --- frames ------------------------------------------------------------------------------------- */

static void feed(uint8_t *packet, uint32_t size, uint16_t ethertype)
{
    static uint8_t room[FRAME_HEADROOM + ETH + MOST + 100];
    uint8_t *at = room + FRAME_HEADROOM;
    struct frame frame = {.data = at, .size = ETH + size, .flags = FRAME_NEEDS_CSUM};

    memcpy(at, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
    store_be16(at + 12, ethertype);
    memcpy(at + ETH, packet, size);
    (void)input_frame(iface, &frame);
    iface_flush();
}

static void answer_arp(const uint8_t *arp)
{
    uint8_t p[28];

    memcpy(p, arp, sizeof p);
    p[7] = 2;
    memcpy(p + 8, "\2\0\0\0\0\2", 6);
    memcpy(p + 14, "\12\0\0\2\2\0\0\0\0\1\12\0\0\1", 14);
    feed(p, sizeof p, PACKET_TYPE_ARP);
}

static void read_options(struct hand_segment *s, const uint8_t *tcp)
{
    const uint8_t *at = tcp + TCP, *end = tcp + (tcp[12] >> 4) * 4u;

    s->scale = -1;
    while (at < end && *at) {
        if (*at == 2)
            s->mss = load_be16(at + 2);
        if (*at == 3)
            s->scale = at[2];
        at += *at == 1 ? 1 : at[1];
    }
}

static void hear(const uint8_t *ip, uint32_t size)
{
    const uint8_t *tcp = ip + IP;
    struct hand_segment *s = &heard[n_heard++ % HEARD];

    check(n_heard - n_taken <= HEARD);
    *s = (struct hand_segment){.at = now,
                               .from = load_be16(tcp),
                               .to = load_be16(tcp + 2),
                               .seq = load_be32(tcp + 4),
                               .ack = load_be32(tcp + 8),
                               .window = load_be16(tcp + 14),
                               .flags = tcp[13],
                               .len = size - IP - (tcp[12] >> 4) * 4u};
    read_options(s, tcp);
}

static bool asked;

static int port_send(struct port *p, const struct frame *meta,
                     const struct ring_piece *pieces, unsigned n)
{
    static uint8_t whole[ETH + 65535];
    size_t size = 0;

    (void)p;
    for (unsigned i = 0; i < n; i++) {
        memcpy(whole + size, pieces[i].data, pieces[i].size);
        size += pieces[i].size;
    }
    check(size == meta->size);
    if (load_be16(whole + 12) == PACKET_TYPE_ARP && load_be16(whole + ETH + 6) == 1)
        asked = true;
    else if (load_be16(whole + 12) == PACKET_TYPE_IP4 && whole[ETH + 9] == PACKET_PROTO_TCP)
        hear(whole + ETH, load_be16(whole + ETH + 2));
    return 0;
}

static const struct port_ops port_ops = {.send = port_send, DEAF_PORT};
static struct port port = {.ops = &port_ops, .mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}};

void hand_init(void)
{
    static const uint8_t addr[4] = {10, 0, 0, 1};

    check(sodium_init() >= 0);
    timers_init(now);
    lwip_init();
    iface_init();
    check(iface_add("", &port, &iface) == 0 &&
          route_address(iface, 4, addr, 24, true) == 0);
    netif_set_up(&iface->netif);
}

void hand_clear(void)
{
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
    n_taken = n_heard;
}

/* --- time --------------------------------------------------------------------------------------- */

int hand_setup(void **state)
{
    (void)state;
    hand_init();
    return 0;
}

int hand_teardown(void **state)
{
    (void)state;
    hand_clear();
    return 0;
}

mtime_t hand_now(void)
{
    return now;
}

static void step(void)
{
    uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, 1};

    timers_run(now, false);
    iface_flush();
    if (asked) {
        asked = false;
        answer_arp(arp);
    }
}

bool hand_next(struct hand_segment *out, mtime_t within)
{
    mtime_t limit = now + within;

    step();
    while (n_taken == n_heard) {
        mtime_t next = mtime_min(timers_next(now), limit);

        if (now >= limit)
            return false;
        now = next > now ? next : now + 1;
        step();
    }
    *out = heard[n_taken++ % HEARD];
    return true;
}

unsigned hand_run(mtime_t time)
{
    mtime_t limit = now + time;
    struct hand_segment s;
    unsigned n = 0;

    while (hand_next(&s, limit - now))
        n++;
    return n;
}

void hand_say(const struct hand_segment *s)
{
    static uint8_t p[IP + TCP + 8 + MOST];
    uint8_t *tcp = p + IP, *options = tcp + TCP;

    memset(p, 0, IP + TCP + 8);
    if (s->mss) {
        memcpy(options, "\2\4", 2);
        store_be16(options + 2, s->mss);
        options += 4;
    }
    if (s->flags & HAND_SYN && s->scale >= 0) {
        memcpy(options, "\1\3\3", 3);
        options[3] = (uint8_t)s->scale;
        options += 4;
    }
    memset(options, 'x', s->len);
    p[0] = 0x45;
    p[8] = 64;
    p[9] = PACKET_PROTO_TCP;
    store_be16(p + 2, (uint16_t)(options + s->len - p));
    memcpy(p + 12, "\12\0\0\2\12\0\0\1", 8);
    store_be16(p + 10, (uint16_t)~checksum_fold(checksum_add(0, p, IP)));
    store_be16(tcp, s->from);
    store_be16(tcp + 2, s->to);
    store_be32(tcp + 4, s->seq);
    store_be32(tcp + 8, s->ack);
    tcp[12] = (uint8_t)((options - tcp) / 4 << 4);
    tcp[13] = s->flags;
    store_be16(tcp + 14, s->window);
    timers_run(now, false);
    feed(p, (uint32_t)(options + s->len - p), PACKET_TYPE_IP4);
}

/* --- connections -------------------------------------------------------------------------------- */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static void say(const struct hand_conn *c, uint8_t flags, uint32_t len, uint16_t mss)
{
    const struct hand_segment s = {
        .from = c->peer_port,
        .to = c->port,
        .seq = c->seq,
        .ack = c->ack,
        .len = len,
        .window = c->window,
        .flags = flags,
        .mss = mss,
        .scale = c->scale,
    };

    hand_say(&s);
}

static void learn(struct hand_conn *c, const struct hand_segment *s)
{
    int scale = s->flags & HAND_SYN || c->scale < 0 ? 0 : TCP_RCV_SCALE;
    uint32_t edge = s->ack + ((uint32_t)s->window << scale);

    if (before(c->edge, edge))
        c->edge = edge;
    if (!before(s->seq, c->ack) && s->seq == c->ack)
        c->ack += s->len + ((s->flags & (HAND_SYN | HAND_FIN)) != 0);
}

void hand_answer(struct hand_conn *c, struct sock *s, const struct hand_segment *syn,
                 uint16_t mss, int scale)
{
    struct hand_segment answer;

    *c = (struct hand_conn){.sock = s,
                            .port = syn->from,
                            .peer_port = syn->to,
                            .seq = FIRST,
                            .ack = syn->seq + 1,
                            .edge = FIRST + 1 + syn->window,
                            .scale = scale,
                            .window = 0xffff,
                            .syn_window = syn->window,
                            .mss = syn->mss};
    say(c, HAND_SYN | HAND_ACK, 0, mss);
    c->seq++;
    check(hand_take(c, &answer, OPENS) && answer.flags == HAND_ACK);
}

void hand_connect(struct hand_conn *c, struct sock *sock, uint16_t mss, int scale)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(HAND_PORT + 1)};
    struct hand_segment syn;

    memcpy(&to.sin_addr, "\12\0\0\2", 4);
    check(sock->ops->connect(sock, (const struct sockaddr *)(const void *)&to, sizeof to) ==
          -EINPROGRESS);
    check(hand_next(&syn, OPENS) && syn.flags == HAND_SYN);
    hand_answer(c, sock, &syn, mss, scale);
}

void hand_accept(struct hand_conn *c, struct sock *listener, uint16_t mss, int scale)
{
    struct hand_segment answer;

    *c = (struct hand_conn){.port = HAND_PORT,
                            .peer_port = HAND_PORT + 1,
                            .seq = FIRST,
                            .scale = scale,
                            .window = 0xffff};
    say(c, HAND_SYN, 0, mss);
    c->seq++;
    check(hand_next(&answer, OPENS) && answer.flags == (HAND_SYN | HAND_ACK));
    c->ack = answer.seq;
    c->edge = c->seq;
    learn(c, &answer);
    hand_ack(c);
    check(listener->ops->accept(listener, &c->sock) == 0);
}

void hand_send(struct hand_conn *c, uint32_t len)
{
    say(c, HAND_ACK | HAND_PSH, len, 0);
    c->seq += len;
}

void hand_ack(struct hand_conn *c)
{
    say(c, HAND_ACK, 0, 0);
}

void hand_finish(struct hand_conn *c)
{
    say(c, HAND_ACK | HAND_FIN, 0, 0);
    c->seq++;
}

bool hand_take(struct hand_conn *c, struct hand_segment *out, mtime_t within)
{
    if (!hand_next(out, within))
        return false;
    learn(c, out);
    return true;
}

void hand_settle(struct hand_conn *c)
{
    struct hand_segment s;

    while (hand_take(c, &s, SETTLES))
        ;
}

struct sock *hand_socket(void)
{
    struct sock *s;

    check(tcp_sock_new(AF_INET, &s) == 0);
    return s;
}

struct sock *hand_listener(struct sock *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(HAND_PORT)};

    check(s->ops->bind(s, (const struct sockaddr *)(const void *)&at, sizeof at) == 0);
    check(s->ops->listen(s, 5) == 0);
    return s;
}

static uint8_t bytes[1 << 20];

ssize_t hand_read(struct sock *s, size_t size)
{
    struct iovec iov = {.iov_base = bytes, .iov_len = size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    check(size <= sizeof bytes);
    return s->ops->recv(s, &msg, 0);
}

ssize_t hand_write(struct sock *s, size_t size)
{
    struct iovec iov = {.iov_base = bytes, .iov_len = size};
    const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    check(size <= sizeof bytes);
    return s->ops->send(s, &msg, 0);
}

int hand_set(struct sock *s, int level, int name, int value)
{
    return s->ops->setopt(s, level, name, &value, sizeof value);
}

int hand_get(struct sock *s, int level, int name)
{
    int value = 0, r;
    socklen_t size = sizeof value;

    r = s->ops->getopt(s, level, name, &value, &size);
    return r < 0 ? r : value;
}
