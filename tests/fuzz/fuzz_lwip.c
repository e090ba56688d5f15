/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames into a stack, and lwIP with its assertions on. The stack has an IPv4 and an IPv6 address, a
 * listening TCP socket, one that connects, UDP sockets, one of them connected, a raw and a packet socket, a member of
 * groups, a DHCP client on an interface of its own, and connections that the input may open. The
 * input is a list of [length, 2 bytes, big-endian][flags][frame], played one after another with time
 * passing in between. Flags: 1 mends checksums; 2 says that they need not be right; 4 lets the program read and
 * write; 8 makes the numbers fit that chance never would (TCP's to its connection, DHCP's to its question), so that what
 * is behind them is reached; the upper four are the time in tenths of a second. The stack is the same for all
 * inputs, with the same random numbers: state that one leaves must not hurt the next.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/dhcp.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/prot/dhcp.h>

#include <sodium.h>

#include "libioth/sockets/icmp.h"
#include "libioth/sockets/kinds.h"
#include "libioth/sockets/tcp.h"
#include "libioth/stack/iface.h"
#include "libioth/stack/input.h"
#include "libioth/stack/route.h"
#include "libioth/stack/timers.h"
#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/packet.h"
#include "tests/support/deaf_port.h"

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

static const struct port_ops port_ops = {.send = port_send, DEAF_PORT};
static struct port port = {.ops = &port_ops, .mtu = 1500, .mac = {0x02, 0, 0, 0, 0, 0x01}};

static struct port asking = {
    .ops = &port_ops, .mtu = 1500, .mac = {0x02, 0, 0, 0, 0, 0x05}};

static struct iface *iface, *by_dhcp;
static struct sock *listener, *caller, *udp, *udp_peer, *raw, *packet;
static mtime_t now = MTIME_SEC;

static void bind_to(struct sock *s, unsigned number)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)number)};

    if (s->ops->bind(s, (const struct sockaddr *)(const void *)&in, sizeof in) < 0)
        abort();
}

static const char *random_name(void)
{
    return "fuzz";
}

/* The same every time. */
static uint32_t random_number(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return state;
}

static void random_bytes(void *const buf, const size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(random_number() >> 24);
}

static void connect_to_peer(struct sock *s, unsigned number)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)number),
                             .sin_addr.s_addr = htonl(0x0a000002)};

    (void)!s->ops->connect(s, (const struct sockaddr *)(const void *)&in, sizeof in);
}

static void join_group(struct sock *s)
{
    const int index = (int)iface_index(iface);
    struct ip_mreqn four = {.imr_multiaddr.s_addr = htonl(0xef010203),
                            .imr_ifindex = index};
    struct ipv6_mreq six = {.ipv6mr_multiaddr.s6_addr = {0xff, 5, [15] = 9},
                            .ipv6mr_interface = (unsigned)index};

    if (s->ops->setopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof four) < 0 ||
        s->ops->setopt(s, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof six) < 0)
        abort();
}

/* Both families' are asked for; a raw socket of IPv6 has only its own. */
static void ask_for_errors(struct sock *s)
{
    const int on = 1;

    if ((s->type != SOCK_RAW &&
         s->ops->setopt(s, IPPROTO_IP, IP_RECVERR, &on, sizeof on) < 0) ||
        s->ops->setopt(s, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on) < 0)
        abort();
}

/* One that connects to 10.0.0.2:80, again where the last one has ended. */
static void call(void)
{
    if (caller && tcp_sock_of(caller)->state != TCP_SOCK_DEAD && tcp_sock_of(caller)->pcb)
        return;
    if (caller)
        caller->ops->close(caller);
    if (tcp_sock_new(AF_INET, &caller) < 0)
        abort();
    connect_to_peer(caller, 80);
}

static void set_up(void)
{
    static struct randombytes_implementation same = {
        .implementation_name = random_name, .random = random_number, .buf = random_bytes};
    static const uint8_t addr4[4] = {10, 0, 0, 1};
    static const uint8_t addr6[16] = {0xfd, [15] = 1};

    randombytes_set_implementation(&same);
    if (sodium_init() < 0)
        abort();
    timers_init(now);
    lwip_init();
    iface_init();
    if (iface_add("", &port, &iface) < 0 || route_address(iface, 4, addr4, 24, true) < 0 ||
        route_address(iface, 6, addr6, 64, true) < 0 ||
        tcp_sock_new(AF_INET6, &listener) < 0 || udp_sock_new(AF_INET6, &udp) < 0 ||
        iface_add("", &asking, &by_dhcp) < 0 || udp_sock_new(AF_INET, &udp_peer) < 0 ||
        icmp_start() < 0 || raw_sock_new(AF_INET6, IPPROTO_ICMPV6, &raw) < 0 ||
        packet_sock_new(SOCK_RAW, htons(3), &packet) < 0)
        abort();
    netif_set_up(&iface->netif);
    bind_to(listener, 80);
    bind_to(udp, 53);
    join_group(udp);
    ask_for_errors(udp);
    ask_for_errors(raw);
    netif_set_up(&by_dhcp->netif);
    if (dhcp_start(&by_dhcp->netif) != ERR_OK)
        abort();
    timers_dhcp(true);
    connect_to_peer(udp_peer, 53);
    call();
    if (listener->ops->listen(listener, 8) < 0)
        abort();
}

/* The ICMP message of an IPv4 packet without options, NULL for any other; *n is its size. */
static uint8_t *icmp4_of(uint8_t *bytes, size_t size, size_t *n)
{
    size_t total;

    if (size < 14 + 20 + 8 || load_be16(bytes + 12) != 0x0800 || bytes[14] != 0x45 ||
        bytes[14 + 9] != IPPROTO_ICMP)
        return NULL;
    total = load_be16(bytes + 16);
    if (total < 28 || total > size - 14)
        return NULL;
    *n = total - 20;
    return bytes + 34;
}

static void mend_icmp4(uint8_t *icmp, size_t n)
{
    store_be16(icmp + 2, 0);
    store_be16(icmp + 2, (uint16_t)~checksum_fold(checksum_add(0, icmp, n)));
}

/* Makes the checksums right, which chance never does: what is behind them is to be tested. */
static void mend(uint8_t *bytes, size_t size)
{
    struct packet pk;
    uint32_t l4, at;
    size_t n;
    uint8_t *icmp = icmp4_of(bytes, size, &n);

    if (packet_parse(bytes, size, &pk) < 0)
        return;
    if (pk.l3 == PACKET_L3_IP4)
        checksum_set_ip4(bytes, &pk);
    if (icmp)
        mend_icmp4(icmp, n);
    at = pk.l4 == PACKET_L4_TCP ? 16 : pk.l4 == PACKET_L4_UDP ? 6 : 2;
    if (pk.l4 == PACKET_L4_NONE || (uint32_t)pk.l4_ofs + at + 2 > pk.end)
        return;
    l4 = pk.end - pk.l4_ofs;
    store_be16(bytes + pk.l4_ofs + at, 0);
    store_be16(bytes + pk.l4_ofs + at,
               (uint16_t)~checksum_fold(
                   checksum_add(checksum_pseudo(bytes, &pk, l4), bytes + pk.l4_ofs, l4)));
}

static uint32_t moved_by(uint8_t byte)
{
    return byte < 128 ? byte : byte - 256u;
}

/* The numbers of a segment are those of the frame added to where its connection is. */
static void fit_tcp(uint8_t *tcp, bool six)
{
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        bool fresh = pcb->state == SYN_SENT;

        if (pcb->remote_port != load_be16(tcp) || pcb->local_port != load_be16(tcp + 2) ||
            IP_IS_V6(&pcb->remote_ip) != six)
            continue;
        store_be32(tcp + 4, (fresh ? 0u : pcb->rcv_nxt) + moved_by(tcp[7]));
        store_be32(tcp + 8, pcb->snd_nxt + moved_by(tcp[11]));
        return;
    }
}

/* A message of ICMP about a segment: the port and the number are of the connection that calls. */
static void fit_quoted(uint8_t *ip, size_t size, bool six)
{
    const struct tcp_pcb *pcb = tcp_sock_of(caller)->pcb;
    size_t head = six ? 40 : 20;
    uint8_t *tcp = ip + head;

    if (size < head + 8 || !pcb || ip[six ? 6 : 9] != IPPROTO_TCP || load_be16(tcp) != 0)
        return;
    store_be16(tcp, pcb->local_port);
    store_be32(tcp + 4, pcb->lastack + moved_by(tcp[7]));
}

static void fit(uint8_t *bytes, size_t size)
{
    const struct dhcp *dhcp = netif_dhcp_data(&by_dhcp->netif);
    struct packet pk;
    size_t n;
    uint8_t *l4 = icmp4_of(bytes, size, &n);

    if (l4)
        fit_quoted(l4 + 8, n - 8, false);
    if (packet_parse(bytes, size, &pk) < 0 || pk.l4 == PACKET_L4_NONE)
        return;
    l4 = bytes + pk.l4_ofs;
    if (pk.l4 == PACKET_L4_TCP && pk.end >= pk.l4_ofs + 20u) {
        /* The port of whoever calls is not known to the input: 0 stands for it. */
        if (load_be16(l4 + 2) == 0 && tcp_sock_of(caller)->pcb)
            store_be16(l4 + 2, tcp_sock_of(caller)->pcb->local_port);
        fit_tcp(l4, pk.l3 == PACKET_L3_IP6);
    }
    if (pk.l4 == PACKET_L4_ICMP6)
        fit_quoted(l4 + 8, pk.end > pk.l4_ofs + 8u ? pk.end - pk.l4_ofs - 8u : 0, true);
    if (pk.l4 == PACKET_L4_UDP && dhcp && pk.end >= pk.l4_ofs + 8u + 34u &&
        load_be16(l4 + 2) == 68) {
        store_be32(l4 + 8 + 4, dhcp->xid);
        memcpy(l4 + 8 + 28, by_dhcp->netif.hwaddr, 6);
    }
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

/* The queue of errors, with room for all of its parts. */
static void drain_errors(struct sock *s)
{
    static uint8_t buf[2000], control[256];
    struct iovec iov = {buf, sizeof buf};
    struct sockaddr_storage from;
    struct msghdr msg = {.msg_name = &from, .msg_iov = &iov, .msg_iovlen = 1};

    do {
        msg.msg_namelen = sizeof from;
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
    } while (s->ops->recv_error(s, &msg, MSG_ERRQUEUE) >= 0);
}

/* A program that takes what comes, says something, and closes. */
static void serve(void)
{
    struct iovec iov = {(void *)(uintptr_t) "answer", 6};
    const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct sock *s;

    drain_errors(udp);
    drain_errors(raw);
    drain(udp);
    drain(raw);
    drain(packet);
    drain(udp_peer);
    drain(caller);
    (void)!caller->ops->send(caller, &msg, 0);
    call();
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
    if (flags & 8)
        fit(f.data, size);
    if (flags & 1)
        mend(f.data, size);
    if (flags & 2)
        f.flags |= FRAME_NEEDS_CSUM;
    (void)input_frame(size >= 6 && bytes[5] == asking.mac[5] ? by_dhcp : iface, &f);
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
