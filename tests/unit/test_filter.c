/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Socket filters: what is a program, what it says, and packet and raw sockets that have one. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"
#include "libioth/sockets/filter.h"
#include "tests/unit/wire.h"

#define WAIT_MS 10000
#define N(list) (sizeof(list) / sizeof *(list))

/* Of an Ethernet frame: UDP over IPv4 to port 700; 60 bytes of it. */
static struct sock_filter to_700[] = {
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 6),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 4),
    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 700, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 60),
    BPF_STMT(BPF_RET | BPF_K, 0),
};

static int attach(struct filter *f, struct sock_filter *program, unsigned len)
{
    struct sock_fprog prog = {.len = (unsigned short)len, .filter = program};

    return filter_setopt(f, SO_ATTACH_FILTER, &prog, sizeof prog);
}

static void test_run(void **state)
{
    struct filter_about about = {
        .ethertype = 0x86dd, .pkttype = PACKET_HOST, .if_index = 3};
    struct sock_filter sum[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),  BPF_STMT(BPF_ST, 2),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),  BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_MEM, 2),          BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 2), BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_filter by_zero[] = {
        BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
        BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_K, 1),
    };
    struct sock_filter kind[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x86dd, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 7),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    uint8_t data[20] = {17};
    struct filter f = {.program = NULL};

    (void)state;
    assert_int_equal(filter_run(&f, data, 20, &about), 20);
    assert_int_equal(attach(&f, sum, N(sum)), 0);
    assert_int_equal(filter_run(&f, data, 20, &about), 6);
    assert_int_equal(filter_run(&f, data, 0, &about), 0); /* It reads behind the end. */
    assert_int_equal(attach(&f, by_zero, N(by_zero)), 0);
    assert_int_equal(filter_run(&f, data, 20, &about), 0);
    assert_int_equal(attach(&f, kind, N(kind)), 0);
    assert_int_equal(filter_run(&f, data, 20, &about), 7);
    about.ethertype = 0x800;
    assert_int_equal(filter_run(&f, data, 20, &about), 0);
    assert_int_equal(filter_setopt(&f, SO_LOCK_FILTER, &(int){1}, sizeof(int)), 0);
    assert_int_equal(attach(&f, sum, N(sum)), -EPERM);
    assert_int_equal(filter_setopt(&f, SO_DETACH_FILTER, NULL, 0), -EPERM);
    filter_done(&f);
}

static void test_wrong(void **state)
{
    static struct sock_filter wrong[][2] = {
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)},
        {BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_STMT(BPF_ST, BPF_MEMWORDS), BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_STMT(BPF_LD | BPF_W | BPF_MEM, BPF_MEMWORDS), BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
         BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), BPF_STMT(BPF_RET | BPF_K, 0)},
        {BPF_STMT(0x1ff, 0), BPF_STMT(BPF_RET | BPF_K, 0)},
    };
    struct filter f = {.program = NULL};

    (void)state;
    for (unsigned i = 0; i < N(wrong); i++)
        assert_int_equal(attach(&f, wrong[i], 2), -EINVAL);
    assert_int_equal(attach(&f, to_700, 0), -EINVAL);
    assert_int_equal(filter_setopt(&f, SO_DETACH_FILTER, NULL, 0), -ENOENT);
    assert_int_equal(filter_setopt(&f, SO_TYPE, NULL, 0), -ENOPROTOOPT);
}

/* --- sockets -------------------------------------------------------------------------------------- */

static struct wire wire;
static struct ioth *left, *right;

static struct ioth *new_stack(const char *addr)
{
    struct ioth *s = ioth_newstack("lwip", "ioth://any");
    int index = s ? ioth_if_nametoindex(s, "vde0") : -1;
    struct in_addr in;

    inet_pton(AF_INET, addr, &in);
    if (index < 0 || ioth_linksetupdown(s, (unsigned)index, 1) < 0 ||
        ioth_ipaddr_add(s, AF_INET, &in, 24, (unsigned)index) < 0)
        return NULL;
    return s;
}

static int join(void **state)
{
    (void)state;
    if (wire_start(&wire) < 0)
        return -1;
    left = new_stack("10.1.2.1");
    right = new_stack("10.1.2.2");
    return left && right ? 0 : -1;
}

static int part(void **state)
{
    (void)state;
    return ioth_delstack(left) < 0 || ioth_delstack(right) < 0 || wire_end(&wire) < 0;
}

static void say(unsigned port, const char *text)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = ioth_msocket(right, AF_INET, SOCK_DGRAM, 0);

    inet_pton(AF_INET, "10.1.2.1", &to.sin_addr);
    assert_int_equal(
        ioth_sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to),
        strlen(text));
    assert_int_equal(ioth_close(fd), 0);
}

/* Sees what was sent last to port 700, and nothing before. */
static void sees_700(int fd, size_t payload_ofs, ssize_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint8_t data[256];

    say(701, "not this");
    say(700, "this");
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(ioth_recv(fd, data, sizeof data, MSG_TRUNC), size);
    assert_memory_equal(data + payload_ofs, "this", 4);
}

static void test_packet(void **state)
{
    struct sock_fprog prog = {.len = N(to_700), .filter = to_700};
    int fd = ioth_msocket(left, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_IP));

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog),
                     0);
    sees_700(fd, 42, 46);
    assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0), 0);
    assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, NULL, 0), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(ioth_close(fd), 0);
}

static void test_raw(void **state)
{
    /* Of an IP packet. */
    struct sock_filter program[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 700, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog prog = {.len = N(program), .filter = program};
    int fd = ioth_msocket(left, AF_INET, SOCK_RAW, IPPROTO_UDP);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ioth_setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog),
                     0);
    sees_700(fd, 28, 32);
    assert_int_equal(ioth_close(fd), 0);
}

static void test_multicast(void **state)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(5000)}, group = any;
    struct ip_mreqn here = {.imr_ifindex = ioth_if_nametoindex(left, "vde0")};
    int ear = ioth_msocket(left, AF_INET, SOCK_DGRAM, 0);
    int mouth = ioth_msocket(right, AF_INET, SOCK_DGRAM, 0);
    struct ip_mreqn there = {.imr_ifindex = ioth_if_nametoindex(right, "vde0")};
    struct pollfd p = {.fd = ear, .events = POLLIN};
    char text[16];

    (void)state;
    inet_pton(AF_INET, "239.1.2.3", &group.sin_addr);
    here.imr_multiaddr = group.sin_addr;
    assert_int_equal(ioth_bind(ear, (struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(
        ioth_setsockopt(mouth, IPPROTO_IP, IP_MULTICAST_TTL, &(int){3}, sizeof(int)), 0);
    /* There is no route to groups. */
    assert_int_equal(
        ioth_sendto(mouth, "no", 2, 0, (struct sockaddr *)&group, sizeof group), -1);
    assert_int_equal(errno, ENETUNREACH);
    assert_int_equal(
        ioth_setsockopt(mouth, IPPROTO_IP, IP_MULTICAST_IF, &there, sizeof there), 0);
    /* Before it is in the group it hears nothing. */
    assert_int_equal(
        ioth_sendto(mouth, "one", 3, 0, (struct sockaddr *)&group, sizeof group), 3);
    say(5000, "mark"); /* Which comes behind it. */
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(ioth_recv(ear, text, sizeof text, 0), 4);
    assert_memory_equal(text, "mark", 4);
    assert_int_equal(
        ioth_setsockopt(ear, IPPROTO_IP, IP_ADD_MEMBERSHIP, &here, sizeof here), 0);
    assert_int_equal(
        ioth_sendto(mouth, "two", 3, 0, (struct sockaddr *)&group, sizeof group), 3);
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(ioth_recv(ear, text, sizeof text, 0), 3);
    assert_memory_equal(text, "two", 3);
    assert_int_equal(
        ioth_setsockopt(ear, IPPROTO_IP, IP_DROP_MEMBERSHIP, &here, sizeof here), 0);
    assert_int_equal(
        ioth_setsockopt(ear, IPPROTO_IP, IP_DROP_MEMBERSHIP, &here, sizeof here), -1);
    assert_int_equal(ioth_close(ear), 0);
    assert_int_equal(ioth_close(mouth), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test_setup_teardown(test_packet, join, part),
        cmocka_unit_test_setup_teardown(test_raw, join, part),
        cmocka_unit_test_setup_teardown(test_multicast, join, part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
