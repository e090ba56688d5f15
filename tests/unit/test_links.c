/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two links with real sockets on the loopback, each with a switch and a fake port. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/link/link_internal.h"
#include "fabricd/switch/switch_internal.h"
#include "proto/link/cert.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"
#include "proto/wire/vnet.h"
#include "tests/unit/frames.h"
#include "tests/unit/switch_ports.h"

#define NET_ID 5
#define FABRIC 9

struct side {
    struct link *link;
    struct switch_ *sw;
    struct fake_port port;
    struct ipc_self self;
    struct ipc_addr addr;
    int fd;
    uint16_t path_mtu; /* What the parent would answer. */
    bool asked;
    struct ipc_addr asked_for;
    struct ipc_peer_state last;
    unsigned n_up, n_down;
    unsigned n_messages;
    bool refuse;
    size_t message_size;
    struct ipc_joining joining;
    bool joined;
    unsigned n_ports;
};

static struct loop *loop;
static struct side sides[2];
static uint32_t next_port = 1;

/* --- what the switch process does for a link --------------------------------------------- */

static void on_peer_state(void *aux, const struct ipc_peer_state *state)
{
    struct side *s = aux;

    s->last = *state;
    *(state->up ? &s->n_up : &s->n_down) += 1;
}

static bool on_stream_in(void *aux, uint32_t conn, const void *data, size_t size)
{
    struct side *s = aux;

    (void)conn;
    (void)data;
    if (s->refuse)
        return false;
    s->n_messages++;
    s->message_size = size;
    return true;
}

static void on_stream_room(void *aux, uint32_t conn)
{
    (void)aux;
    (void)conn;
}

static void on_joining(void *aux, const struct ipc_joining *joining)
{
    struct side *s = aux;

    s->joining = *joining;
    s->joined = true;
}

static void on_ask_path_mtu(void *aux, const struct ipc_addr *addr)
{
    struct side *s = aux;

    s->asked = true;
    s->asked_for = *addr;
}

static uint32_t on_new_port_id(void *aux)
{
    (void)aux;
    return next_port += 2;
}

static void on_port_added(void *aux, uint64_t net, struct swport *sw, uint16_t host)
{
    (void)aux;
    (void)net;
    (void)sw;
    (void)host;
}

static void on_port_removed(void *aux, uint64_t net, struct swport *sw)
{
    (void)aux;
    (void)net;
    (void)sw;
}

static void on_port_link(void *aux, uint64_t net, struct swport *sw,
                         const struct link_below *below)
{
    (void)aux;
    (void)net;
    (void)sw;
    (void)below;
}

static void on_bpdu(void *aux, uint64_t net, struct swport *sw, const void *bpdu,
                    size_t size)
{
    (void)aux;
    (void)net;
    (void)sw;
    (void)bpdu;
    (void)size;
}

static const struct link_ops ops = {
    on_peer_state,  on_stream_in,  on_stream_room,  on_joining,   on_ask_path_mtu,
    on_new_port_id, on_port_added, on_port_removed, on_port_link, on_bpdu};

static void turn(void)
{
    loop_turn(loop, mtime_now() + 10 * MTIME_MS);
    for (unsigned i = 0; i < 2; i++) {
        if (!sides[i].asked)
            continue;
        sides[i].asked = false;
        link_path_mtu(sides[i].link, &sides[i].asked_for, sides[i].path_mtu);
    }
}

/* Turns the loop until the condition holds; fails after five seconds. */
#define wait_for(condition)                                                                \
    do {                                                                                   \
        mtime_t end_ = mtime_now() + 5 * MTIME_SEC;                                        \
        while (!(condition) && mtime_now() < end_)                                         \
            turn();                                                                        \
        assert_true(condition);                                                            \
    } while (0)

/* --- set-up ------------------------------------------------------------------------------ */

static void make_self(struct ipc_self *self, uint16_t host)
{
    uint8_t seed[32] = {1}, root_secret[64], issuer_secret[64], cert[256];
    struct cert_issuer issuer = {.fabric = FABRIC, .not_after = wall_now() + 86400};
    struct cert_host leaf = {
        .fabric = FABRIC, .host = host, .not_after = wall_now() + 86400};
    size_t size = 0;

    memset(self, 0, sizeof *self);
    self->host = host;
    self->fabric = FABRIC;
    crypto_sign_seed_keypair(self->root, root_secret, seed);
    seed[0] = 2;
    crypto_sign_seed_keypair(issuer.sign_public, issuer_secret, seed);
    self->noise_secret[0] = (uint8_t)host;
    crypto_scalarmult_base(self->noise_public, self->noise_secret);
    snprintf(leaf.name, sizeof leaf.name, "host-%u", host);
    memcpy(leaf.noise_public, self->noise_public, 32);
    assert_int_equal(cert_issuer_sign(&issuer, root_secret, cert, sizeof cert, &size), 0);
    assert_int_equal(cert_host_sign(&leaf, issuer_secret, cert, size, self->chain,
                                    sizeof self->chain, &size),
                     0);
    self->chain_size = (uint16_t)size;
}

static void open_socket(struct side *s, bool dual)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    int off = 0;

    s->fd = socket(dual ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(s->fd >= 0);
    if (dual) {
        assert_int_equal(setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
        assert_int_equal(bind(s->fd, (struct sockaddr *)&in6, sizeof in6), 0);
    } else {
        assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof in), 0);
    }
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&bound, &size), 0);
    memcpy(&in6, &bound, sizeof in6); /* The port is at the same place in both. */
    s->addr = (struct ipc_addr){
        .family = 4, .port = ntohs(in6.sin6_port), .addr = {127, 0, 0, 1}};
}

static void put_net(struct side *s, uint64_t id)
{
    struct ipc_net net = {.id = id, .name = "lan", .mtu = 9216, .everywhere = 1};

    link_put_net(s->link, &net, s->sw);
}

static void put_peer(struct side *s, const struct side *of)
{
    struct ipc_peer peer = {.host = of->self.host, .dial = 1, .n_addrs = 1};

    memcpy(peer.noise_public, of->self.noise_public, 32);
    snprintf(peer.name, sizeof peer.name, "host-%u", of->self.host);
    peer.addrs[0] = of->addr;
    link_put_peer(s->link, &peer);
}

static void count_port(void *aux, const struct ipc_stats_port *port)
{
    struct side *s = aux;

    assert_int_equal(port->kind, 0);
    assert_true(port->net == NET_ID);
    s->n_ports++;
}

static bool has_port(struct side *s)
{
    s->n_ports = 0;
    link_list_ports(s->link, NET_ID, count_port, s);
    return s->n_ports == 1;
}

static void start(unsigned i)
{
    struct switch_config config = {.mtu = 9216, .seed = 7};
    struct side *s = &sides[i];

    memset(s, 0, sizeof *s);
    s->path_mtu = 1500;
    s->sw = switch_new(&config);
    fake_port_init(&s->port, 1000 + i, 0, false);
    s->port.sw.all_vlans = true;
    switch_add_port(s->sw, &s->port.sw);
    s->link = link_new(loop, &ops, s);
    make_self(&s->self, (uint16_t)(i + 1));
    open_socket(s, i == 1);
}

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    for (unsigned i = 0; i < 2; i++)
        start(i);
    for (unsigned i = 0; i < 2; i++) {
        link_set_self(sides[i].link, &sides[i].self);
        assert_int_equal(link_set_udp(sides[i].link, sides[i].fd), 0);
        put_net(&sides[i], NET_ID);
        put_peer(&sides[i], &sides[1 - i]);
    }
    wait_for(has_port(&sides[0]) && has_port(&sides[1]));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        link_free(sides[i].link);
        switch_remove_port(&sides[i].port.sw);
        switch_free(sides[i].sw);
        fake_port_clear(&sides[i].port);
        close(sides[i].fd);
    }
    fake_frames_drop();
    loop_free(loop);
    return 0;
}

static void wait_mtu(uint16_t mtu)
{
    wait_for(sides[0].last.mtu == mtu && sides[1].last.mtu == mtu);
}

/* --- frames ------------------------------------------------------------------------------ */

static uint8_t payload[64000];

static struct frame tcp_frame(bool ip6, uint32_t size, uint16_t gso_size)
{
    static uint8_t bytes[FRAME_SUPER_MAX];
    struct frames_spec spec = {.ip6 = ip6,
                               .flags = 0x18,
                               .id = 100,
                               .df = true,
                               .seq = 0xfffffe00,
                               .ack = 7,
                               .src_port = 1234,
                               .payload = payload,
                               .size = size};
    struct frame f = fake_frame_of(bytes, frames_build(&spec, bytes));
    struct packet pk;

    assert_int_equal(packet_parse(f.data, f.size, &pk), 0);
    if (gso_size == 0)
        return f;
    f.gso = ip6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4;
    f.gso_size = gso_size;
    f.hdr_size = pk.payload_ofs;
    f.flags = FRAME_NEEDS_CSUM;
    f.csum_start = pk.l4_ofs;
    f.csum_ofs = 16;
    store_be16(f.data + pk.l4_ofs + 16,
               checksum_fold(checksum_pseudo(f.data, &pk, f.size - pk.l4_ofs)));
    assert_int_equal(frame_check(&f), 0);
    return f;
}

/* Sends from side 0 and waits for n frames at side 1. */
static void cross(struct frame *frames, unsigned n, unsigned expected)
{
    fake_port_clear(&sides[1].port);
    switch_input(&sides[0].port.sw, frames, n, mtime_now());
    wait_for(sides[1].port.n >= expected);
    assert_int_equal(sides[1].port.n, expected);
}

static void superframes_come_out_whole(void **state)
{
    (void)state;
    wait_mtu(1500);
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        struct frame f = tcp_frame(ip6, 60000, 1448);
        const struct fake_frame *got = &sides[1].port.got[0];

        cross(&f, 1, 1);
        assert_int_equal(got->meta.size, f.size);
        assert_int_equal(got->meta.gso, f.gso);
        assert_int_equal(got->meta.flags, FRAME_NEEDS_CSUM);
        assert_int_equal(got->meta.gso_size, 1448);
        assert_memory_equal(got->bytes, f.data, f.size);
    }
}

/* As if it did not know them: every piece has headers of its own, which the receiver takes off again. */
static void peers_without_pieces(void **state)
{
    struct frame f = tcp_frame(true, 60000, 1448);
    const struct fake_frame *got = &sides[1].port.got[0];
    struct peer *p = hub_first(sides[0].link->hub);
    uint64_t sent;

    (void)state;
    wait_mtu(1500);
    p->current->takes_pieces = false;
    sent = p->counters.tx_bytes;
    cross(&f, 1, 1);
    assert_in_range(p->counters.tx_bytes - sent, 60000 + 44 * (74 + 48), 70000);
    assert_int_equal(got->meta.size, f.size);
    assert_in_range(got->meta.gso_size, 1300, 1400);
    assert_memory_equal(got->bytes, f.data, f.size);
    p->current->takes_pieces = true;
    sent = p->counters.tx_bytes;
    cross(&f, 1, 1);
    assert_in_range(p->counters.tx_bytes - sent, 60000, 60000 + 44 * 48 + 5 * 74);
}

/* What a client has in its own memory is read there, once. */
static void payload_may_be_elsewhere(void **state)
{
    static const uint16_t here[] = {54, 100, 2000, 30000};
    const struct fake_frame *got = &sides[1].port.got[0];

    (void)state;
    wait_mtu(1500);
    for (unsigned i = 0; i < 4; i++) {
        struct frame f = tcp_frame(false, 60000, 1448);
        static uint8_t whole[FRAME_SUPER_MAX], rest[FRAME_SUPER_MAX];

        memcpy(whole, f.data, f.size);
        f.rest_size = f.size - here[i];
        memcpy(rest, f.data + here[i], f.rest_size);
        memset(f.data + here[i], 0, f.rest_size);
        f.rest = rest;
        cross(&f, 1, 1);
        assert_int_equal(got->meta.size, f.size);
        assert_memory_equal(got->bytes, whole, f.size);
    }
}

/* Whatever a datagram holds, what comes out has the sender's segment size. */
static void wide_paths_keep_the_segment_size(void **state)
{
    struct frame f = tcp_frame(false, 60000, 1448);
    const struct fake_frame *got = &sides[1].port.got[0];

    (void)state;
    sides[0].path_mtu = sides[1].path_mtu = 9000;
    link_path_mtu(sides[0].link, &sides[1].addr, 9000);
    link_path_mtu(sides[1].link, &sides[0].addr, 9000);
    wait_mtu(9000);
    cross(&f, 1, 1);
    assert_int_equal(got->meta.size, f.size);
    assert_int_equal(got->meta.gso_size, 1448);
    assert_memory_equal(got->bytes, f.data, f.size);
}

static void long_tcp_frames_are_cut(void **state)
{
    struct frame f = tcp_frame(false, 1460, 0);
    const struct fake_frame *got = &sides[1].port.got[0];
    struct frame back;

    (void)state;
    wait_mtu(1500);
    cross(&f, 1, 1);
    assert_int_equal(got->meta.size, f.size);
    back = fake_frame_of(got->bytes, got->meta.size);
    back.flags = got->meta.flags;
    back.csum_start = got->meta.csum_start;
    back.csum_ofs = got->meta.csum_ofs;
    checksum_complete(&back);
    assert_memory_equal(back.data, f.data, f.size);
}

/* Cutting would hide that a checksum is wrong: such a frame goes in fragments, as it is. */
static void wrong_checksums_stay_wrong(void **state)
{
    struct frame f = tcp_frame(false, 1460, 0);
    const struct fake_frame *got = &sides[1].port.got[0];

    (void)state;
    wait_mtu(1500);
    f.data[700] ^= 1;
    cross(&f, 1, 1);
    assert_int_equal(got->meta.size, f.size);
    assert_int_equal(got->meta.flags & FRAME_NEEDS_CSUM, 0);
    assert_memory_equal(got->bytes, f.data, f.size);
}

static void large_frames_of_any_kind(void **state)
{
    static const uint8_t dst[6] = {2, 0, 0, 0, 0, 9}, src[6] = {2, 0, 0, 0, 0, 8};
    static const uint32_t sizes[] = {14, 60, 1404, 1405, 1406, 1514, 3000, 9014, 9234};
    struct switch_config config = {.mtu = 9216, .vlan_aware = true};
    struct frame frames[9];

    (void)state;
    memset(config.vlans, 0xff, sizeof config.vlans);
    switch_configure(sides[0].sw, &config);
    switch_configure(sides[1].sw, &config);
    wait_mtu(1500);
    for (uint32_t i = 0; i < 9; i++) {
        frames[i] = fake_frame(dst, src, sizes[i] < 18 ? 18 : sizes[i], i);
        frames[i].size = sizes[i];
        frames[i].tci = (uint16_t)(0x2001 + i);
        for (uint32_t b = 18; b < sizes[i]; b++)
            frames[i].data[b] = (uint8_t)(b * 13 + i);
    }
    cross(frames, 9, 9);
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(sides[1].port.got[i].meta.size, sizes[i]);
        assert_int_equal(sides[1].port.got[i].meta.tci, 0x2001 + i);
        assert_memory_equal(sides[1].port.got[i].bytes, frames[i].data, sizes[i]);
    }
}

/* UDP superframes are cut to the datagrams that they are made of, and these, where they do not fit
 * the path, go in fragments. */
static void udp_superframes_are_cut(void **state)
{
    static const uint16_t sizes[] = {1200, 1400, 8000};
    static uint8_t bytes[FRAME_SUPER_MAX];

    (void)state;
    wait_mtu(1500);
    for (unsigned i = 0; i < 3; i++) {
        struct frames_spec spec = {
            .udp = true, .ip6 = i == 1, .src_port = 9, .payload = payload, .size = 60000};
        struct frame f = fake_frame_of(bytes, frames_build(&spec, bytes));
        uint32_t at = 0, headers = spec.ip6 ? 62 : 42;

        f.gso = FRAME_GSO_UDP;
        f.gso_size = sizes[i];
        f.hdr_size = (uint16_t)headers;
        f.flags = FRAME_CSUM_VALID;
        cross(&f, 1, (60000u + sizes[i] - 1) / sizes[i]);
        for (unsigned n = 0; n < sides[1].port.n; n++) {
            const struct fake_frame *got = &sides[1].port.got[n];
            struct frame back = fake_frame_of(got->bytes, got->meta.size);

            back.flags = got->meta.flags;
            back.csum_start = got->meta.csum_start;
            back.csum_ofs = got->meta.csum_ofs;
            checksum_complete(&back);
            assert_true(frames_checksums_right(back.data, back.size));
            assert_memory_equal(back.data + headers, payload + at, back.size - headers);
            at += back.size - headers;
        }
        assert_int_equal(at, 60000);
    }
}

static struct ipc_stats_port link_stats;

static void keep_stats(void *aux, const struct ipc_stats_port *port)
{
    (void)aux;
    link_stats = *port;
}

/* What nobody could put together again is a drop with a cause, and nothing of it goes. */
static void what_is_too_large_is_counted(void **state)
{
    static uint8_t bytes[40000];
    struct frame f = fake_frame_of(bytes, sizeof bytes);
    struct frame *one = &f;
    uint64_t before;

    (void)state;
    wait_mtu(1500);
    link_list_ports(sides[0].link, NET_ID, keep_stats, NULL);
    before = link_stats.tx_drops[SWPORT_DROP_TOO_BIG];
    /* The switch would not let it in: past it, to the link's port. */
    list_for_each (it, &sides[0].sw->ports) {
        struct swport *port = list_entry(it, struct swport, ports_link);

        if (port->horizon)
            port->ops->send(port, &one, 1);
    }
    link_list_ports(sides[0].link, NET_ID, keep_stats, NULL);
    assert_true(link_stats.tx_drops[SWPORT_DROP_TOO_BIG] == before + 1);
}

static void many_bursts_keep_their_order(void **state)
{
    static const uint8_t dst[6] = {2, 0, 0, 0, 0, 9}, src[6] = {2, 0, 0, 0, 0, 8};
    uint64_t random = 5;
    uint32_t serial = 0;

    (void)state;
    wait_mtu(1500);
    fake_port_clear(&sides[1].port);
    for (unsigned burst = 0; burst < 5; burst++) {
        struct frame frames[FRAME_BURST];

        for (unsigned i = 0; i < FRAME_BURST; i++)
            frames[i] = fake_frame(dst, src, 60 + frames_random(&random) % 2000, serial++);
        switch_input(&sides[0].port.sw, frames, FRAME_BURST, mtime_now());
        wait_for(sides[1].port.n == serial);
    }
    for (uint32_t i = 0; i < serial; i++)
        assert_int_equal(fake_serial(&sides[1].port.got[i]), i);
}

static void networks_come_and_go(void **state)
{
    struct frame f = tcp_frame(false, 100, 0);

    (void)state;
    cross(&f, 1, 1);
    link_delete_net(sides[1].link, NET_ID);
    wait_for(!has_port(&sides[0]));
    assert_false(has_port(&sides[1]));
    put_net(&sides[1], NET_ID);
    wait_for(has_port(&sides[0]) && has_port(&sides[1]));
    f = tcp_frame(false, 100, 0);
    cross(&f, 1, 1);
}

static void count_any(void *aux, const struct ipc_stats_port *port)
{
    (void)port;
    ++*(unsigned *)aux;
}

static unsigned ports_of(const struct side *s)
{
    unsigned n = 0;

    link_list_ports(s->link, 0, count_any, &n);
    return n;
}

/* A port per network, found by the network's slot however many there are. */
static void many_networks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t id = 100; id < 140; id++)
            put_net(&sides[i], id);
    }
    wait_for(ports_of(&sides[0]) == 41 && ports_of(&sides[1]) == 41);
    for (uint64_t id = 100; id < 140; id += 2)
        link_delete_net(sides[1].link, id);
    wait_for(ports_of(&sides[0]) == 21 && ports_of(&sides[1]) == 21);
    put_net(&sides[1], 500);
    put_net(&sides[0], 500);
    wait_for(ports_of(&sides[0]) == 22 && ports_of(&sides[1]) == 22);
    assert_true(has_port(&sides[0]) && has_port(&sides[1]));
}

static void a_peer_that_leaves_says_so(void **state)
{
    (void)state;
    assert_int_equal(sides[0].n_down, 0);
    link_delete_peer(sides[1].link, 1);
    wait_for(sides[0].n_down == 1);
    assert_false(has_port(&sides[0]));
    put_peer(&sides[1], &sides[0]);
    wait_for(has_port(&sides[0]) && has_port(&sides[1]));
}

static void streams_carry_messages(void **state)
{
    static uint8_t text[60000];
    struct side *a = &sides[0], *b = &sides[1];

    (void)state;
    assert_int_equal(link_stream_send(a->link, a->last.conn, text, sizeof text), 0);
    wait_for(b->n_messages == 1);
    assert_int_equal(b->message_size, sizeof text);
    b->refuse = true;
    assert_int_equal(link_stream_send(a->link, a->last.conn, text, 10), 0);
    for (unsigned i = 0; i < 5; i++)
        turn();
    assert_int_equal(b->n_messages, 1);
    b->refuse = false;
    link_stream_resume(b->link);
    wait_for(b->n_messages == 2);
    assert_int_equal(link_stream_send(a->link, 12345, text, 10), -ENOTCONN);
    assert_int_equal(link_stream_send(a->link, a->last.conn, text, 60001), -EMSGSIZE);
}

static void strangers_join_by_invitation(void **state)
{
    struct ipc_join join = {.conn = 3, .invite = 42, .n_addrs = 1};
    struct ipc_invite invite = {.id = 42, .expires = wall_now() + 60};
    struct side *a = &sides[0], *b = &sides[1];
    struct ipc_self stranger = {.host = 0};

    (void)state;
    link_delete_peer(a->link, 2);
    link_delete_peer(b->link, 1);
    stranger.noise_secret[0] = 99;
    crypto_scalarmult_base(stranger.noise_public, stranger.noise_secret);
    link_set_self(b->link, &stranger);
    link_put_invite(a->link, &invite);
    memcpy(join.noise_public, a->self.noise_public, 32);
    join.addrs[0] = a->addr;
    link_join(b->link, &join);
    wait_for(b->joined && a->last.joining);
    assert_int_equal(b->joining.code, 0);
    assert_int_equal(b->joining.conn, 3);
    assert_true(a->last.invite == 42);
    assert_int_equal(a->last.host, 0);
    assert_memory_equal(a->last.noise_public, stranger.noise_public, 32);
    assert_int_equal(link_stream_send(b->link, 3, "let me in", 9), 0);
    wait_for(a->n_messages == 1);
    assert_false(has_port(a) || has_port(b));
}

static void see_peer(void *aux, const struct ipc_stats_link *s)
{
    unsigned *n = aux;

    assert_true(s->state.up);
    assert_true(s->tx_datagrams > 0 && s->rx_datagrams > 0 && s->handshakes > 0);
    assert_string_equal(s->state.name, "host-2");
    assert_true(strcmp(s->state.cipher, "aes-256-gcm") == 0 ||
                strcmp(s->state.cipher, "chacha20-poly1305") == 0);
    assert_int_equal(s->state.addr.port, sides[1].addr.port);
    assert_int_equal(s->state.addr.family, 4);
    ++*n;
}

static void statistics_are_told(void **state)
{
    struct frame f = tcp_frame(false, 100, 0);
    unsigned n = 0;

    (void)state;
    cross(&f, 1, 1);
    link_list_peers(sides[0].link, see_peer, &n);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(superframes_come_out_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_without_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(payload_may_be_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_paths_keep_the_segment_size, setup, teardown),
        cmocka_unit_test_setup_teardown(long_tcp_frames_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_checksums_stay_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(large_frames_of_any_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(udp_superframes_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_too_large_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(many_bursts_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(networks_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(many_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_leaves_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(streams_carry_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_join_by_invitation, setup, teardown),
        cmocka_unit_test_setup_teardown(statistics_are_told, setup, teardown),
    };

    if (sodium_init() < 0)
        return 1;
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 11 + i / 253);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
