/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/ipc/vault.h"

static int ends[2];
static struct vault *vault;
static struct ipc_message msg;

static int setup(void **state)
{
    (void)state;
    vault = vault_new();
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    vault_free(vault);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void put_port(uint32_t id, const char *name, bool with_fd)
{
    struct ipc_port p = {.id = id, .kind = IPC_PORT_TAP};
    int fd = with_fd ? dup(STDIN_FILENO) : -1;

    strncpy(p.name, name, sizeof p.name - 1);
    assert_int_equal(vault_put_body(vault, IPC_PORT, &p, &fd, with_fd, true), 0);
}

static void put_net(uint64_t id)
{
    struct ipc_net n = {.id = id, .mtu = 1500};

    assert_int_equal(vault_put_body(vault, IPC_NET, &n, NULL, 0, true), 0);
}

static void sync_all(void)
{
    assert_int_equal(vault_sync(vault, ends[0], NULL, NULL), 0);
}

static void expect(enum ipc_type type, uint64_t id)
{
    assert_int_equal(ipc_recv(ends[1], &msg), 1);
    assert_int_equal(msg.head.type, type);
    if (type == IPC_DELETE)
        assert_int_equal(msg.body.del.id, id);
    else
        assert_int_equal(ipc_state_id(&msg), id);
    for (unsigned i = 0; i < msg.n_fds; i++)
        close(msg.fds[i]);
}

static void expect_nothing(void)
{
    assert_int_equal(ipc_recv(ends[1], &msg), -EAGAIN);
}

static void test_sends_once_in_order_of_types(void **state)
{
    (void)state;
    put_port(2, "a", true);
    put_net(5);
    put_port(4, "b", false);
    sync_all();
    expect(IPC_NET, 5);
    expect(IPC_PORT, 2);
    assert_int_equal(msg.n_fds, 1);
    expect(IPC_PORT, 4);
    sync_all();
    expect_nothing();
    vault_mark_all(vault);
    sync_all();
    expect(IPC_NET, 5);
    expect(IPC_PORT, 2);
    expect(IPC_PORT, 4);
    expect_nothing();
}

static void test_put_without_descriptors_keeps_them(void **state)
{
    int fd;

    (void)state;
    put_port(2, "a", true);
    fd = vault_find(vault, IPC_PORT, 2)->fds[0];
    put_port(2, "renamed", false);
    assert_int_equal(vault_find(vault, IPC_PORT, 2)->fds[0], fd);
    assert_string_equal(vault_find(vault, IPC_PORT, 2)->body->port.name, "renamed");
    sync_all();
    expect(IPC_PORT, 2);
    assert_string_equal(msg.body.port.name, "renamed");
    expect_nothing(); /* Two puts before a sync are one message. */

    put_port(2, "again", true);
    assert_int_equal(vault_find(vault, IPC_PORT, 2)->n_fds, 1);
    if (vault_find(vault, IPC_PORT, 2)->fds[0] != fd)
        assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_deletes_are_told_and_close(void **state)
{
    int fd;

    (void)state;
    put_port(2, "a", true);
    put_net(5);
    fd = vault_find(vault, IPC_PORT, 2)->fds[0];
    sync_all();
    expect(IPC_NET, 5);
    expect(IPC_PORT, 2);
    assert_true(vault_delete(vault, IPC_PORT, 2, true));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_null(vault_find(vault, IPC_PORT, 2));
    assert_false(vault_delete(vault, IPC_PORT, 2, true));
    assert_true(vault_delete(vault, IPC_NET, 5, false));
    sync_all();
    expect(IPC_DELETE, 2);
    assert_int_equal(msg.body.del.type, IPC_PORT);
    expect_nothing();

    /* Back to life before the deletion was told: only the put is. */
    put_port(2, "a", true);
    assert_true(vault_delete(vault, IPC_PORT, 2, true));
    put_port(2, "b", true);
    sync_all();
    expect(IPC_PORT, 2);
    expect_nothing();

    /* A new other side hears of no deletions. */
    assert_true(vault_delete(vault, IPC_PORT, 2, true));
    vault_mark_all(vault);
    sync_all();
    expect_nothing();
}

static void test_full_channel_is_resumed(void **state)
{
    unsigned got = 0;
    int r;

    (void)state;
    for (uint64_t id = 1; id <= 500; id++)
        put_net(id);
    do {
        r = vault_sync(vault, ends[0], NULL, NULL);
        while (ipc_recv(ends[1], &msg) == 1)
            assert_int_equal(ipc_state_id(&msg), ++got);
    } while (r == -EAGAIN);
    assert_int_equal(r, 0);
    assert_int_equal(got, 500);
}

static void fill(void *aux, struct ipc_self *self)
{
    memset(self->noise_secret, *(int *)aux, sizeof self->noise_secret);
}

static void test_the_secret_is_not_kept(void **state)
{
    struct ipc_self self = {.host = 1};
    uint8_t zero[32] = {0}, sevens[32];
    int seven = 7;

    (void)state;
    memset(self.noise_secret, 9, sizeof self.noise_secret);
    memset(sevens, 7, sizeof sevens);
    assert_int_equal(vault_put_body(vault, IPC_SELF, &self, NULL, 0, true), 0);
    assert_memory_equal(vault_find(vault, IPC_SELF, 0)->body->self.noise_secret, zero, 32);
    assert_int_equal(vault_sync(vault, ends[0], fill, &seven), 0);
    expect(IPC_SELF, 0);
    assert_memory_equal(msg.body.self.noise_secret, sevens, 32);
    assert_memory_equal(vault_find(vault, IPC_SELF, 0)->body->self.noise_secret, zero, 32);
}

static void test_bounded(void **state)
{
    struct ipc_net n = {.id = VAULT_MAX + 1, .mtu = 1500};

    (void)state;
    for (uint64_t id = 1; id <= VAULT_MAX; id++)
        put_net(id);
    assert_int_equal(vault_put_body(vault, IPC_NET, &n, NULL, 0, true), -ENOSPC);
    n.id = 7;
    assert_int_equal(vault_put_body(vault, IPC_NET, &n, NULL, 0, true), 0);
    n.mtu = 0;
    assert_int_equal(vault_put_body(vault, IPC_NET, &n, NULL, 0, true), -EINVAL);
}

static bool delete_odd(void *aux, const struct vault_entry *e)
{
    ++*(unsigned *)aux;
    if (e->id % 2)
        vault_delete(vault, e->type, e->id, false);
    return true;
}

static void test_each_may_delete(void **state)
{
    unsigned n = 0;

    (void)state;
    for (uint32_t id = 1; id <= 10; id++)
        put_port(id, "p", true);
    vault_each(vault, delete_odd, &n);
    assert_int_equal(n, 10);
    n = 0;
    vault_each(vault, delete_odd, &n);
    assert_int_equal(n, 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sends_once_in_order_of_types),
        T(test_put_without_descriptors_keeps_them),
        T(test_deletes_are_told_and_close),
        T(test_full_channel_is_resumed),
        T(test_the_secret_is_not_kept),
        T(test_bounded),
        T(test_each_may_delete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
