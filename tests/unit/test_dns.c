/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The DNS server of a node, on real sockets of loopback, in a process as the launcher has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/node/dns.h"

struct server {
    pid_t pid;
    struct sockaddr_in addr;
};

/* web A, id 0x1267 */
static const uint8_t query[] = {0x12, 0x67, 1,   0,   0,   1, 0, 0, 0, 0, 0,
                                0,    3,    'w', 'e', 'b', 0, 0, 1, 0, 1};

static int look_up(void *aux, const char *name, enum answer_type type,
                   struct answer_result *out)
{
    (void)aux;
    out->found = type == ANSWER_A && strcmp(name, "web") == 0;
    if (out->found)
        (void)snprintf(out->texts[out->n++], ANSWER_NAME_SIZE, "10.64.0.2");
    return 0;
}

static int start(void **state)
{
    static struct server server;
    int sockets[DNS_SOCKETS];
    struct err err;

    /* Any free port that all four sockets get. */
    for (unsigned port = 20000; port < 20100; port++) {
        if (dns_open(sockets, port, &err))
            continue;
        server.addr = (struct sockaddr_in){.sin_family = AF_INET,
                                           .sin_port = htons((uint16_t)port),
                                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        server.pid = fork();
        if (server.pid == 0) {
            (void)dns_serve(sockets, look_up, NULL);
            _exit(1);
        }
        for (unsigned i = 0; i < DNS_SOCKETS; i++)
            if (sockets[i] >= 0)
                close(sockets[i]);
        *state = &server;
        return server.pid < 0 ? -1 : 0;
    }
    return -1;
}

static int stop(void **state)
{
    struct server *server = *state;
    int status;

    /* It must not have ended by itself. */
    if (waitpid(server->pid, &status, WNOHANG) != 0)
        return -1;
    kill(server->pid, SIGKILL);
    return waitpid(server->pid, &status, 0) == server->pid ? 0 : -1;
}

static int open_to(const struct server *server, int type)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&server->addr,
                             sizeof server->addr),
                     0);
    return fd;
}

static size_t receive(int fd, uint8_t *out, size_t room)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t n;

    assert_int_equal(poll(&wait, 1, 5000), 1);
    n = recv(fd, out, room, 0);
    return n < 0 ? 0 : (size_t)n;
}

static void expect_reply(const uint8_t *reply, size_t size)
{
    static const uint8_t address[] = {10, 64, 0, 2};

    assert_true(size > sizeof query);
    assert_int_equal(reply[0] << 8 | reply[1], 0x1267);
    assert_int_equal(reply[3] & 15, 0);
    assert_memory_equal(reply + size - 4, address, 4);
}

static void test_udp(void **state)
{
    int fd = open_to(*state, SOCK_DGRAM);
    uint8_t reply[512];

    /* What is no query gets no answer, and does no harm. */
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(send(fd, query, sizeof query, 0), sizeof query);
    expect_reply(reply, receive(fd, reply, sizeof reply));
    close(fd);
}

/* Two queries on one connection, in pieces. */
static void test_tcp(void **state)
{
    int fd = open_to(*state, SOCK_STREAM);
    uint8_t stream[2 * (2 + sizeof query)], reply[1024];

    for (unsigned i = 0; i < 2; i++) {
        uint8_t *p = stream + i * (2 + sizeof query);

        p[0] = 0;
        p[1] = sizeof query;
        memcpy(p + 2, query, sizeof query);
    }
    assert_int_equal(send(fd, stream, 1, 0), 1);
    assert_int_equal(send(fd, stream + 1, sizeof query + 6, 0), sizeof query + 6);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t head[2];
        size_t size, have = 0;

        assert_int_equal(receive(fd, head, 2), 2);
        size = (size_t)head[0] << 8 | head[1];
        assert_in_range(size, sizeof query, sizeof reply);
        while (have < size)
            have += receive(fd, reply + have, size - have);
        expect_reply(reply, size);
        if (i == 0)
            assert_int_equal(
                send(fd, stream + sizeof query + 7, sizeof stream - sizeof query - 7, 0),
                sizeof stream - sizeof query - 7);
    }
    close(fd);
}

/* A length that no query has ends the connection. */
static void test_tcp_nonsense(void **state)
{
    int fd = open_to(*state, SOCK_STREAM);
    uint8_t reply[16];

    assert_int_equal(send(fd, "\xff\xff", 2, 0), 2);
    assert_int_equal(receive(fd, reply, sizeof reply), 0);
    close(fd);
}

/* More silent connections than there is room for: the newest is still served. */
static void test_tcp_crowd(void **state)
{
    int fds[3 * DNS_CONNECTIONS];
    uint8_t message[2 + sizeof query] = {0, sizeof query}, reply[512];
    size_t n = sizeof fds / sizeof fds[0];

    memcpy(message + 2, query, sizeof query);
    for (size_t i = 0; i < n; i++)
        fds[i] = open_to(*state, SOCK_STREAM);
    assert_int_equal(send(fds[n - 1], message, sizeof message, 0), sizeof message);
    assert_true(receive(fds[n - 1], reply, sizeof reply) > 0);
    /* The oldest had to go. */
    assert_int_equal(receive(fds[0], reply, sizeof reply), 0);
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_tcp_nonsense),
        cmocka_unit_test(test_tcp_crowd),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
