/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The MTU of paths: what is believed of routers, what is not, and what packets then look like. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "libioth/stack/hooks.h"
#include "libioth/stack/pmtu.h"
#include "libioth/stack/timers.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "tests/unit/wire.h"

#define LINK     1500u
#define PORT     700u
#define ETH_SIZE 14u

/* --- the table ---------------------------------------------------------------------------------- */

static ip_addr_t four(uint8_t last)
{
    ip_addr_t ip = IPADDR4_INIT_BYTES(10, 9, 8, last);

    return ip;
}

static ip_addr_t six(uint8_t last)
{
    ip_addr_t ip = IPADDR6_INIT_HOST(0xfd000000, 0, 0, last);

    return ip;
}

static void test_values(void **state)
{
    ip_addr_t a = four(1), b = four(2), c = six(1);

    (void)state;
    pmtu_clear();
    assert_int_equal(pmtu_of(&a, LINK), LINK);
    assert_false(pmtu_learn(&a, 67, LINK, LINK));   /* No IPv4 has that. */
    assert_false(pmtu_learn(&a, LINK, 1600, LINK)); /* Nothing new. */
    assert_false(pmtu_learn(&a, 1400, 1400, LINK)); /* The packet was not too large. */
    assert_false(pmtu_learn(&c, 1279, LINK, LINK)); /* No IPv6 has that. */
    assert_false(pmtu_learn(&c, 0, LINK, LINK));    /* A router of IPv6 always says. */
    assert_int_equal(pmtu_of(&a, LINK), LINK);
    assert_true(pmtu_learn(&a, 1400, LINK, LINK));
    assert_false(pmtu_learn(&a, 1450, LINK, LINK)); /* It never grows that way. */
    assert_true(pmtu_learn(&c, 1280, LINK, LINK));
    assert_int_equal(pmtu_of(&a, LINK), 1400);
    assert_int_equal(pmtu_of(&a, 1300), 1300); /* The link is narrower. */
    assert_int_equal(pmtu_of(&b, LINK), LINK);
    assert_int_equal(pmtu_of(&c, LINK), 1280);
    assert_true(pmtu_is_whole(6, ip_2_ip4(&a)));
    assert_true(pmtu_learn(&a, 68, LINK, LINK)); /* Hardly true: cut on the way if it is. */
    assert_int_equal(pmtu_of(&a, LINK), PMTU_LEAST4);
    assert_false(pmtu_is_whole(6, ip_2_ip4(&a)));
    assert_true(
        pmtu_learn(&b, 0, 1400, LINK)); /* An old router: the next size that there is. */
    assert_int_equal(pmtu_of(&b, LINK), 1006);
}

static void test_room_and_age(void **state)
{
    ip_addr_t ip = four(0);

    (void)state;
    pmtu_clear();
    timers_init(MTIME_SEC);
    for (unsigned i = 0; i <= PMTU_ROOM; i++) {
        ip = four((uint8_t)i);
        timers_run((i + 2) * MTIME_SEC, false);
        assert_true(pmtu_learn(&ip, 1400, LINK, LINK));
    }
    ip = four(0); /* The oldest went. */
    assert_int_equal(pmtu_of(&ip, LINK), LINK);
    ip = four(1);
    assert_int_equal(pmtu_of(&ip, LINK), 1400);
    timers_run(3 * MTIME_SEC + PMTU_AGE, false);
    assert_int_equal(pmtu_of(&ip, LINK), LINK);
    ip = four(2);
    assert_int_equal(pmtu_of(&ip, LINK), 1400);
    pmtu_clear();
}

/* --- messages ----------------------------------------------------------------------------------- */

static struct wire wire;
static struct ioth *left, *right;
static int sender, receiver, forger, own_port;

static void set_up(struct ioth *s, uint8_t last)
{
    unsigned index = (unsigned)ioth_if_nametoindex(s, "vde0");
    uint8_t addr[4] = {10, 1, 2, last};

    assert_int_equal(ioth_linksetupdown(s, index, 1), 0);
    assert_int_equal(ioth_ipaddr_add(s, AF_INET, addr, 24, index), 0);
}

static int join(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)}, own;
    socklen_t size = sizeof own;
    char got[8];

    (void)state;
    assert_int_equal(wire_start(&wire), 0);
    left = ioth_newstack("lwip", "ioth://any");
    right = ioth_newstack("lwip", "ioth://any");
    assert_non_null(left);
    assert_non_null(right);
    set_up(left, 1);
    set_up(right, 2);
    sender = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    forger = ioth_msocket(right, AF_INET, SOCK_RAW, IPPROTO_ICMP);
    receiver = ioth_msocket(right, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(ioth_bind(receiver, (struct sockaddr *)&to, sizeof to), 0);
    inet_pton(AF_INET, "10.1.2.2", &to.sin_addr);
    assert_int_equal(ioth_connect(sender, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(ioth_send(sender, "hello", 5, 0), 5);
    assert_int_equal(ioth_recv(receiver, got, sizeof got, 0), 5);
    assert_int_equal(ioth_getsockname(sender, (struct sockaddr *)&own, &size), 0);
    own_port = ntohs(own.sin_port);
    return 0;
}

static int part(void **state)
{
    (void)state;
    ioth_close(sender);
    ioth_close(forger);
    ioth_close(receiver);
    assert_int_equal(ioth_delstack(left), 0);
    assert_int_equal(ioth_delstack(right), 0);
    return wire_end(&wire);
}

struct claim {
    uint16_t mtu, from_port, to_port;
    uint8_t from, to; /* 10.1.2.N */
    bool bad_sum;
};

/* Tells the left stack of a datagram of 1500 bytes that was too large. */
static void say(const struct claim *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint8_t m[8 + 20 + 8] = {3, 4};
    uint8_t *ip = m + 8, *udp = ip + 20;

    store_be16(m + 6, c->mtu);
    ip[0] = 0x45;
    store_be16(ip + 2, LINK);
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, (uint8_t[]){10, 1, 2, c->from, 10, 1, 2, c->to}, 8);
    store_be16(udp, c->from_port);
    store_be16(udp + 2, c->to_port);
    store_be16(m + 2, (uint16_t)(checksum_fold(checksum_add(0, m, sizeof m)) ^ 0xffffu ^
                                 (c->bad_sum ? 0x100 : 0)));
    inet_pton(AF_INET, "10.1.2.1", &to.sin_addr);
    assert_int_equal(ioth_sendto(forger, m, sizeof m, 0, (struct sockaddr *)&to, sizeof to),
                     sizeof m);
}

static int mtu_now(void)
{
    socklen_t size = sizeof(int);
    int mtu = 0;

    assert_int_equal(ioth_getsockopt(sender, IPPROTO_IP, IP_MTU, &mtu, &size), 0);
    return mtu;
}

/* Until what was said before has been heard: an echo comes back. */
static void settle(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint8_t ping[8] = {8}, got[128];

    store_be16(ping + 2,
               (uint16_t)(checksum_fold(checksum_add(0, ping, sizeof ping)) ^ 0xffff));
    inet_pton(AF_INET, "10.1.2.1", &to.sin_addr);
    assert_int_equal(
        ioth_sendto(forger, ping, sizeof ping, 0, (struct sockaddr *)&to, sizeof to),
        sizeof ping);
    do
        assert_true(ioth_recv(forger, got, sizeof got, 0) >= 28);
    while (got[20] != 0);
}

/* Tells the left stack that a segment of its port has arrived nowhere. */
static void say_unreachable(uint16_t from_port, uint32_t seq)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint8_t m[8 + 20 + 8] = {3, 3};
    uint8_t *ip = m + 8, *tcp = ip + 20;

    ip[0] = 0x45;
    store_be16(ip + 2, 40);
    ip[9] = IPPROTO_TCP;
    memcpy(ip + 12, (uint8_t[]){10, 1, 2, 1, 10, 1, 2, 9}, 8);
    store_be16(tcp, from_port);
    store_be16(tcp + 2, PORT);
    store_be32(tcp + 4, seq);
    store_be16(m + 2, (uint16_t)(checksum_fold(checksum_add(0, m, sizeof m)) ^ 0xffffu));
    inet_pton(AF_INET, "10.1.2.1", &to.sin_addr);
    assert_int_equal(ioth_sendto(forger, m, sizeof m, 0, (struct sockaddr *)&to, sizeof to),
                     sizeof m);
}

/* Who guesses the ports of a connection that is being opened, but not its number, does not end it. */
static void test_forged_connection(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)}, own;
    int fd = ioth_msocket(left, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = -1;
    socklen_t size = sizeof own;

    (void)state;
    inet_pton(AF_INET, "10.1.2.9", &to.sin_addr); /* Nobody. */
    assert_int_equal(ioth_connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EINPROGRESS);
    assert_int_equal(ioth_getsockname(fd, (struct sockaddr *)&own, &size), 0);
    for (unsigned i = 0; i < 64; i++)
        say_unreachable(ntohs(own.sin_port), i << 26);
    settle();
    size = sizeof error;
    assert_int_equal(ioth_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
    assert_int_equal(error, 0);
    assert_int_equal(ioth_connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EALREADY);
    ioth_close(fd);
}

static void test_forged(void **state)
{
    uint16_t own = (uint16_t)own_port;
    const struct claim forged[] = {
        {.mtu = 1000,
         .from_port = (uint16_t)(own + 1),
         .to_port = PORT,
         .from = 1,
         .to = 2},
        {.mtu = 1000, .from_port = own, .to_port = PORT + 1, .from = 1, .to = 2},
        {.mtu = 1000, .from_port = own, .to_port = PORT, .from = 1, .to = 3},
        {.mtu = 1000, .from_port = own, .to_port = PORT, .from = 3, .to = 2},
        {.mtu = 60, .from_port = own, .to_port = PORT, .from = 1, .to = 2},
        {.mtu = 1000,
         .from_port = own,
         .to_port = PORT,
         .from = 1,
         .to = 2,
         .bad_sum = true},
    };
    struct claim good = forged[0];
    int before = mtu_now();

    (void)state;
    for (unsigned i = 0; i < sizeof forged / sizeof *forged; i++) {
        say(&forged[i]);
        settle();
        assert_int_equal(mtu_now(), before);
    }
    good.from_port = own;
    say(&good);
    settle();
    assert_int_equal(mtu_now(), 1000);
    assert_int_equal(ioth_send(sender, "x", 1, 0), -1); /* It is told, once. */
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(ioth_send(sender, "x", 1, 0), 1);
    good.mtu = 100;
    say(&good);
    settle();
    assert_int_equal(mtu_now(), PMTU_LEAST4);
}

/* The flags and the piece's place of the next IPv4 packet of UDP on the wire. */
static uint16_t next_offset(int ear)
{
    uint8_t got[2048];

    for (;;) {
        ssize_t n = ioth_recv(ear, got, sizeof got, 0);

        assert_true(n >= 20);
        if (got[9] == IPPROTO_UDP)
            return load_be16(got + 6);
    }
}

static void test_flags(void **state)
{
    static const struct {
        int how, size, error;
        uint16_t offset;
    } sent[] = {{IP_PMTUDISC_WANT, 100, 0, 0x4000},  {IP_PMTUDISC_DONT, 100, 0, 0},
                {IP_PMTUDISC_DO, 1400, 0, 0x4000},   {IP_PMTUDISC_PROBE, 100, 0, 0x4000},
                {IP_PMTUDISC_INTERFACE, 100, 0, 0},  {IP_PMTUDISC_DO, 1473, 1, 0},
                {IP_PMTUDISC_PROBE, 1473, 1, 0},     {IP_PMTUDISC_INTERFACE, 1473, 1, 0},
                {IP_PMTUDISC_WANT, 1473, 0, 0x2000}, {IP_PMTUDISC_OMIT, 1473, 0, 0x2000}};
    int ear = ioth_msocket(right, AF_PACKET, SOCK_DGRAM, htons(0x0800)), wrong = 6;
    static uint8_t bytes[2000];

    (void)state;
    for (unsigned i = 0; i < sizeof sent / sizeof *sent; i++) {
        assert_int_equal(
            ioth_setsockopt(sender, IPPROTO_IP, IP_MTU_DISCOVER, &sent[i].how, sizeof(int)),
            0);
        assert_int_equal(ioth_send(sender, bytes, (size_t)sent[i].size, 0),
                         sent[i].error ? -1 : sent[i].size);
        if (sent[i].error)
            continue;
        assert_int_equal(next_offset(ear), sent[i].offset);
        if (sent[i].offset & 0x2000)
            (void)next_offset(ear);
    }
    assert_int_equal(
        ioth_setsockopt(sender, IPPROTO_IP, IP_MTU_DISCOVER, &wrong, sizeof wrong), -1);
    ioth_close(ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_room_and_age),
        cmocka_unit_test_setup_teardown(test_forged, join, part),
        cmocka_unit_test_setup_teardown(test_flags, join, part),
        cmocka_unit_test_setup_teardown(test_forged_connection, join, part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
