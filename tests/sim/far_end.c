/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/sim/far_end.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/priv/tcp_priv.h>

#include <sodium.h>

#include "libioth/sockets/kinds.h"
#include "libioth/sockets/sock.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/input.h"
#include "libioth/stack/route.h"
#include "libioth/stack/timers.h"
#include "proto/base/list.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"
#include "tests/support/deaf_port.h"

#define ETH    14u
#define IP     20u
#define TCP    20u
#define PORT   5001u
#define FIRST  0xfffff000u /* Of the far end's own numbers, so that they wrap. */
#define WINDOW (4u << 20)
#define SCALE  7u
#define RANGES 1024u
#define BLOCK  65536u
#define PERIOD 65521u

enum { FIN = 1, SYN = 2, ACK = 16 };

/* A segment under way, in either direction; its data is made anew from its numbers. */
struct segment {
    struct list link;
    mtime_t due;
    uint32_t seq, len;
    uint8_t flags;
    uint32_t size;
    uint8_t frame[]; /* Towards the stack. */
};

static struct {
    struct far_end_setup setup;
    mtime_t now, wire_free; /* When the path has sent what is queued. */
    uint64_t random;
    struct list out, back; /* Both in the order of their times. */
    struct sock *sock;
    uint64_t to_write;
    mtime_t write_at; /* The next piece. */
    uint16_t peer_port;
    uint32_t first, next; /* The stack's numbers: SYN, and what is expected. */
    struct {
        uint32_t left, right;
    } held[RANGES]; /* Out of order, the last that grew first. */
    unsigned n_held;
    struct {
        uint32_t left, right;
    } twice;          /* To be told of. */
    uint32_t unacked; /* Segments. */
    mtime_t ack_due;
    struct far_end_result result;
} f;

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 2};

static uint32_t random_below(uint32_t n)
{
    f.random = f.random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((f.random >> 33) % n);
}

/* What is sent: the same bytes again and again, of a number that no size here is a multiple of. */
static uint8_t pattern[PERIOD + BLOCK];

static void make_pattern(void)
{
    for (uint32_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i % PERIOD * 2654435761u >> 24);
}

static void check(bool good)
{
    if (!good)
        abort();
}

/* --- towards the stack ---------------------------------------------------------------------------- */

static void reply(const uint8_t *payload, uint32_t size, uint16_t ethertype)
{
    struct segment *s = malloc(sizeof *s + FRAME_HEADROOM + ETH + size);
    uint8_t *at = s->frame + FRAME_HEADROOM;

    check(s != NULL);
    *s = (struct segment){.due = f.now + f.setup.delay, .size = ETH + size};
    memcpy(at, "\2\0\0\0\0\1", 6);
    memcpy(at + 6, own_mac, 6);
    store_be16(at + 12, ethertype);
    memcpy(at + ETH, payload, size);
    list_append(&f.back, &s->link);
}

static void answer_arp(const uint8_t *arp)
{
    uint8_t p[28];

    memcpy(p, arp, sizeof p);
    p[7] = 2;
    memcpy(p + 8, own_mac, 6);
    memcpy(p + 14, "\12\0\0\2", 4);
    memcpy(p + 18, "\2\0\0\0\0\1\12\0\0\1", 10);
    reply(p, sizeof p, PACKET_TYPE_ARP);
}

static uint8_t *put_block(uint8_t *at, uint32_t left, uint32_t right)
{
    store_be32(at, left);
    store_be32(at + 4, right);
    return at + 8;
}

/* At most three blocks, the newest first, before them what came twice [RFC 2883]. */
static uint32_t put_sacks(uint8_t *options)
{
    uint32_t n = f.n_held < 3 ? f.n_held : 3, twice = f.twice.left != f.twice.right;
    uint8_t *at = options + 4;

    if (!f.setup.sack || !(n + twice))
        return 0;
    n = n + twice < 3 ? n + twice : 3;
    options[0] = options[1] = 1;
    options[2] = 5;
    options[3] = (uint8_t)(2 + 8 * n);
    if (twice)
        at = put_block(at, f.twice.left, f.twice.right);
    for (uint32_t i = 0; i < n - twice; i++)
        at = put_block(at, f.held[i].left, f.held[i].right);
    f.twice.left = f.twice.right;
    return 4 + 8 * n;
}

static uint32_t put_syn_options(uint8_t *options)
{
    static const uint8_t of_syn[12] = {2, 4, 0, 0, 1, 3, 3, SCALE, 1, 1, 4, 2};
    uint32_t size = f.setup.sack ? 12 : 8;

    memcpy(options, of_syn, size);
    store_be16(options + 2, (uint16_t)f.setup.mss);
    return size;
}

/* TCP's sum is left open: the path is a ring's. */
static void acknowledge(uint8_t flags)
{
    uint8_t p[IP + TCP + 40] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, PACKET_PROTO_TCP};
    uint8_t *tcp = p + IP;
    uint32_t options = flags & SYN ? put_syn_options(tcp + TCP) : put_sacks(tcp + TCP);

    f.unacked = 0;
    f.ack_due = MTIME_NEVER;
    if (!(flags & SYN) && random_below(1000000) < f.setup.ack_loss)
        return;
    store_be16(p + 2, (uint16_t)(IP + TCP + options));
    memcpy(p + 12, "\12\0\0\2\12\0\0\1", 8);
    store_be16(p + 10, (uint16_t)~checksum_fold(checksum_add(0, p, IP)));
    store_be16(tcp, PORT);
    store_be16(tcp + 2, f.peer_port);
    store_be32(tcp + 4, flags & SYN ? FIRST : FIRST + 1);
    store_be32(tcp + 8, f.next);
    tcp[12] = (uint8_t)((TCP + options) / 4 << 4);
    tcp[13] = flags;
    store_be16(tcp + 14, flags & SYN ? 65535 : WINDOW >> SCALE);
    reply(p, IP + TCP + options, PACKET_TYPE_IP4);
}

/* --- what arrives -------------------------------------------------------------------------------- */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static void hold(uint32_t left, uint32_t right)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < f.n_held; i++) {
        if (before(right, f.held[i].left) || before(f.held[i].right, left)) {
            f.held[kept++] = f.held[i];
            continue;
        }
        left = before(f.held[i].left, left) ? f.held[i].left : left;
        right = before(right, f.held[i].right) ? f.held[i].right : right;
    }
    check(kept < RANGES);
    memmove(&f.held[1], &f.held[0], kept * sizeof f.held[0]);
    f.held[0].left = left;
    f.held[0].right = right;
    f.n_held = kept + 1;
}

static void release(void)
{
    for (unsigned i = 0; i < f.n_held;) {
        if (before(f.next, f.held[i].left)) {
            i++;
            continue;
        }
        if (before(f.next, f.held[i].right))
            f.next = f.held[i].right;
        memmove(&f.held[i], &f.held[i + 1], (--f.n_held - i) * sizeof f.held[0]);
        i = 0;
    }
}

static void arrive(const struct segment *s)
{
    bool gap = f.n_held;

    if (s->flags & SYN) {
        f.first = s->seq;
        f.next = s->seq + 1;
        acknowledge(SYN | ACK);
        return;
    }
    if (!s->len)
        return;
    if (!before(f.next, s->seq + s->len)) {
        f.result.sent_again += s->len;
        f.twice.left = s->seq;
        f.twice.right = s->seq + s->len;
        acknowledge(ACK);
    } else if (before(f.next, s->seq)) {
        hold(s->seq, s->seq + s->len);
        acknowledge(ACK);
    } else {
        f.next = s->seq + s->len;
        release();
        if (++f.unacked >= 2 || gap)
            acknowledge(ACK);
        else
            f.ack_due = f.now + f.setup.delay_ack;
    }
}

/* --- the path ------------------------------------------------------------------------------------- */

static void put_in_order(struct segment *s)
{
    struct list *at = f.out.prev;

    while (at != &f.out && list_entry(at, struct segment, link)->due > s->due)
        at = at->prev;
    list_append(at->next, &s->link);
}

static void carry(uint32_t seq, uint32_t len, uint8_t flags)
{
    mtime_t takes = (mtime_t)((len + 78) * 8u * (uint64_t)MTIME_SEC / f.setup.rate);
    struct segment *s;

    if (f.wire_free < f.now)
        f.wire_free = f.now;
    if ((len && random_below(1000000) < f.setup.loss) ||
        (uint64_t)(f.wire_free - f.now) * f.setup.rate / 8 / MTIME_SEC > f.setup.queue) {
        f.result.lost++;
        return;
    }
    s = malloc(sizeof *s);
    check(s != NULL);
    f.wire_free += takes;
    *s = (struct segment){
        .due = f.wire_free + f.setup.delay, .seq = seq, .len = len, .flags = flags};
    if (f.setup.late && random_below(1000000) < f.setup.late)
        s->due += f.setup.lateness;
    put_in_order(s);
}

static void take_tcp(const uint8_t *ip, uint32_t size)
{
    const uint8_t *tcp = ip + IP;
    uint32_t head = IP + (tcp[12] >> 4) * 4u, seq = load_be32(tcp + 4), len = size - head;

    f.peer_port = load_be16(tcp);
    if (tcp[13] & SYN)
        carry(seq, 0, SYN);
    check(!memcmp(ip + head, pattern + (seq - f.first - 1) % PERIOD, len));
    for (uint32_t done = 0; done < len; done += f.setup.mss) {
        uint32_t left = len - done;

        carry(seq + done, left < f.setup.mss ? left : f.setup.mss, ACK);
    }
}

static int port_send(struct port *p, const struct frame *meta,
                     const struct ring_piece *pieces, unsigned n)
{
    uint8_t *whole = malloc(meta->size);
    size_t size = 0;

    (void)p;
    check(whole != NULL);
    for (unsigned i = 0; i < n; i++) {
        memcpy(whole + size, pieces[i].data, pieces[i].size);
        size += pieces[i].size;
    }
    check(size == meta->size);
    if (load_be16(whole + 12) == PACKET_TYPE_ARP && load_be16(whole + ETH + 6) == 1)
        answer_arp(whole + ETH);
    else if (load_be16(whole + 12) == PACKET_TYPE_IP4 && whole[ETH + 9] == PACKET_PROTO_TCP)
        take_tcp(whole + ETH, load_be16(whole + ETH + 2));
    free(whole);
    return 0;
}

static const struct port_ops port_ops = {.send = port_send, DEAF_PORT};
static struct port port = {.ops = &port_ops, .mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}};
static struct iface *iface;

/* --- a run ---------------------------------------------------------------------------------------- */

void far_end_init(void)
{
    static const uint8_t addr[4] = {10, 0, 0, 1};

    check(sodium_init() >= 0);
    make_pattern();
    list_init(&f.out);
    list_init(&f.back);
    f.now = MTIME_SEC;
    timers_init(f.now);
    lwip_init();
    iface_init();
    check(iface_add("", &port, &iface) == 0 &&
          route_address(iface, 4, addr, 24, true) == 0);
    netif_set_up(&iface->netif);
}

static void write_some(void)
{
    struct iovec iov;
    const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    while (f.to_write && f.now >= f.write_at && f.sock->ops->ready(f.sock) & SOCK_OUT) {
        uint64_t written = f.result.bytes - f.to_write;
        uint32_t most = f.setup.pause ? f.setup.piece : BLOCK;
        ssize_t n;

        iov.iov_base = pattern + written % PERIOD;
        iov.iov_len = f.to_write < most ? f.to_write : most;
        n = f.sock->ops->send(f.sock, &msg, 0);
        check(n > 0);
        f.to_write -= (uint64_t)n;
        f.write_at = f.now + f.setup.pause;
    }
}

static struct segment *due(struct list *list)
{
    struct list *first = list_first(list);
    struct segment *s = first ? list_entry(first, struct segment, link) : NULL;

    return s && s->due <= f.now ? s : NULL;
}

static mtime_t next_of(struct list *list)
{
    struct list *first = list_first(list);

    return first ? list_entry(first, struct segment, link)->due : MTIME_NEVER;
}

/* All that is due now. */
static void step(void)
{
    struct segment *s;

    timers_run(f.now, false);
    while ((s = due(&f.out)) != NULL) {
        list_remove(&s->link);
        arrive(s);
        free(s);
    }
    if (f.ack_due <= f.now)
        acknowledge(ACK);
    while ((s = due(&f.back)) != NULL) {
        struct frame frame = {
            .data = s->frame + FRAME_HEADROOM, .size = s->size, .flags = FRAME_NEEDS_CSUM};

        list_remove(&s->link);
        (void)input_frame(iface, &frame);
        free(s);
    }
    write_some();
    iface_flush();
}

static void drop_all(struct list *list)
{
    list_for_each_safe (it, list) {
        list_remove(it);
        free(list_entry(it, struct segment, link));
    }
}

struct far_end_result far_end_run(const struct far_end_setup *setup, uint64_t bytes,
                                  mtime_t limit)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    mtime_t start = f.now;

    memcpy(&to.sin_addr, "\12\0\0\2", 4);
    f.setup = *setup;
    f.random = setup->seed;
    f.n_held = f.unacked = 0;
    f.ack_due = MTIME_NEVER;
    f.first = f.next = 0;
    f.result = (struct far_end_result){.bytes = bytes};
    f.to_write = bytes;
    f.write_at = f.now;
    f.twice.left = f.twice.right = 0;
    check(tcp_sock_new(AF_INET, &f.sock) == 0);
    check(f.sock->ops->connect(f.sock, (const struct sockaddr *)(const void *)&to,
                               sizeof to) == -EINPROGRESS);
    while (f.next - f.first - 1 != bytes || !f.first) {
        mtime_t next = mtime_min(next_of(&f.out), next_of(&f.back));

        step();
        if (f.now - start > limit)
            break;
        next = mtime_min(mtime_min(next_of(&f.out), next_of(&f.back)), f.ack_due);
        next = mtime_min(next, timers_next(f.now));
        if (f.to_write && f.write_at > f.now)
            next = mtime_min(next, f.write_at);
        check(next != MTIME_NEVER);
        f.now = next > f.now ? next : f.now;
    }
    f.result.done = f.next - f.first - 1 == bytes;
    f.result.time = f.now - start;
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    f.sock->ops->close(f.sock);
    drop_all(&f.out);
    drop_all(&f.back);
    return f.result;
}
