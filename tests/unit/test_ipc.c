/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/ipc/ipc.h"

static int ends[2];
static struct ipc_message msg;

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int count_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static struct ipc_port a_port(void)
{
    struct ipc_port p = {
        .id = 6, .kind = IPC_PORT_TAP, .set = {.vlan = 10}, .net = 77, .n_pins = 1};

    memcpy(p.name, "web", 4);
    p.pins[0].family = 4;
    return p;
}

static void test_round_trip_with_descriptors(void **state)
{
    struct ipc_port p = a_port();
    int fds[2] = {STDIN_FILENO, STDOUT_FILENO};
    struct stat sent, got;

    (void)state;
    assert_int_equal(ipc_send(ends[0], IPC_PORT, 0, &p, fds, 2), 0);
    assert_int_equal(ipc_recv(ends[1], &msg), 1);
    assert_int_equal(msg.head.type, IPC_PORT);
    assert_int_equal(msg.n_fds, 2);
    assert_memory_equal(&msg.body.port, &p, sizeof p);
    assert_int_equal(ipc_state_id(&msg), 6);
    assert_int_equal(fstat(STDOUT_FILENO, &sent), 0);
    assert_int_equal(fstat(msg.fds[1], &got), 0);
    assert_true(sent.st_ino == got.st_ino && sent.st_dev == got.st_dev);
    assert_true(fcntl(msg.fds[1], F_GETFD) & FD_CLOEXEC);
    close(msg.fds[0]);
    close(msg.fds[1]);
}

static void test_stream_is_as_long_as_it_says(void **state)
{
    struct ipc_stream *s = calloc(1, sizeof *s);

    (void)state;
    s->conn = 3;
    s->size = 5;
    memcpy(s->data, "hello", 5);
    assert_int_equal(ipc_send(ends[0], IPC_STREAM_OUT, 0, s, NULL, 0), 0);
    assert_int_equal(ipc_recv(ends[1], &msg), 1);
    assert_int_equal(msg.head.size, 8 + 5);
    assert_memory_equal(msg.body.stream.data, "hello", 5);

    s->size = sizeof s->data;
    assert_int_equal(ipc_send(ends[0], IPC_STREAM_IN, 0, s, NULL, 0), 0);
    assert_int_equal(ipc_recv(ends[1], &msg), 1);
    assert_int_equal(msg.body.stream.size, sizeof s->data);

    s->size = sizeof s->data + 1;
    assert_int_equal(ipc_send(ends[0], IPC_STREAM_IN, 0, s, NULL, 0), -EMSGSIZE);
    free(s);
}

static void test_end_and_empty(void **state)
{
    (void)state;
    assert_int_equal(ipc_recv(ends[1], &msg), -EAGAIN);
    assert_int_equal(ipc_send(ends[0], IPC_STOP, 9, NULL, NULL, 0), 0);
    assert_int_equal(ipc_send(ends[1], IPC_STOP, 0, NULL, NULL, 0), 0);
    close(ends[0]); /* With a message unread. */
    ends[0] = -1;
    assert_int_equal(ipc_recv(ends[1], &msg), 1);
    assert_int_equal(msg.head.request, 9);
    assert_int_equal(ipc_recv(ends[1], &msg), 0);
}

static void test_a_full_channel_says_so(void **state)
{
    struct ipc_net n = {.id = 1, .mtu = 1500};
    int r;
    unsigned sent = 0;

    (void)state;
    while (!(r = ipc_send(ends[0], IPC_NET, 0, &n, NULL, 0)))
        sent++;
    assert_int_equal(r, -EAGAIN);
    assert_true(sent > 10);
}

static void test_bad_message_closes_its_descriptors(void **state)
{
    struct {
        struct ipc_head head;
        char body[4];
    } raw = {{.type = IPC_PORT, .version = IPC_VERSION, .size = 4}, "abc"};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {&raw, sizeof raw};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int before = count_fds();
    int fd = STDIN_FILENO;

    (void)state;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    assert_int_equal(sendmsg(ends[0], &m, 0), sizeof raw);
    assert_int_equal(ipc_recv(ends[1], &msg), -EPROTO);
    assert_int_equal(count_fds(), before);
    assert_int_equal(send(ends[0], &raw, 3, 0), 3);
    assert_int_equal(ipc_recv(ends[1], &msg), -EPROTO);
}

static void start_message(enum ipc_type type, size_t size)
{
    memset(&msg, 0, sizeof msg);
    msg.head.type = (uint16_t)type;
    msg.head.version = IPC_VERSION;
    msg.head.size = (uint32_t)size;
}

static void test_check_refuses_what_is_out_of_range(void **state)
{
    (void)state;
    start_message(IPC_PORT, sizeof msg.body.port);
    msg.body.port = a_port();
    assert_true(ipc_check(&msg));
    msg.body.port.n_pins = 9;
    assert_false(ipc_check(&msg));
    msg.body.port = a_port();
    msg.body.port.kind = 0;
    assert_false(ipc_check(&msg));
    msg.body.port = a_port();
    memset(msg.body.port.name, 'x', sizeof msg.body.port.name);
    assert_false(ipc_check(&msg));
    msg.body.port = a_port();
    msg.body.port.pins[0].family = 5;
    assert_false(ipc_check(&msg));
    msg.body.port = a_port();
    msg.head.size--;
    assert_false(ipc_check(&msg));
    msg.head.size++;
    msg.head.version++;
    assert_false(ipc_check(&msg));

    start_message(IPC_NET, sizeof msg.body.net);
    msg.body.net.mtu = 1500;
    assert_true(ipc_check(&msg));
    msg.body.net.n_on = 513;
    assert_false(ipc_check(&msg));
    msg.body.net.n_on = 0;
    msg.body.net.mtu = 576;
    assert_false(ipc_check(&msg));

    start_message(IPC_DELETE, sizeof msg.body.del);
    msg.body.del.type = IPC_DELETE;
    assert_false(ipc_check(&msg));
    msg.body.del.type = IPC_PORT;
    assert_true(ipc_check(&msg));

    start_message(IPC_STREAM_IN, 8);
    msg.body.stream.size = 1;
    assert_false(ipc_check(&msg));
    start_message(99, 0);
    assert_false(ipc_check(&msg));
}

static void test_every_state_type_has_a_name_and_size(void **state)
{
    (void)state;
    for (unsigned t = IPC_SELF; t <= IPC_STATE_LAST; t++)
        assert_string_not_equal(ipc_type_name(t), "unknown");
    assert_string_equal(ipc_type_name(15), "unknown");
    assert_string_equal(ipc_type_name(60000), "unknown");
    assert_int_equal(ipc_send(ends[0], (enum ipc_type)15, 0, NULL, NULL, 0), -EINVAL);
    assert_int_equal(ipc_send(ends[0], IPC_NET, 0, NULL, NULL, 0), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip_with_descriptors),
        T(test_stream_is_as_long_as_it_says),
        T(test_end_and_empty),
        T(test_a_full_channel_says_so),
        T(test_bad_message_closes_its_descriptors),
        T(test_check_refuses_what_is_out_of_range),
        T(test_every_state_type_has_a_name_and_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
