/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The small parts of proto/base: lists, error texts, descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/list.h"
#include "proto/base/log.h"

struct item {
    int value;
    struct list link;
};

static void check_list(const struct list *head, const char *want)
{
    const struct list *back = head;
    char got[16];
    unsigned n = 0;

    list_for_each (it, head) {
        const struct item *item = list_entry(it, struct item, link);

        got[n++] = (char)('0' + item->value);
        assert_ptr_equal(it->prev, back);
        back = it;
    }
    got[n] = '\0';
    assert_ptr_equal(head->prev, back);
    assert_string_equal(got, want);
}

static void test_list(void **state)
{
    struct item items[5];
    struct list head;

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    check_list(&head, "");
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        if (i % 2)
            list_prepend(&head, &items[i].link);
        else
            list_append(&head, &items[i].link);
    }
    check_list(&head, "31024");
    assert_ptr_equal(list_first(&head), &items[3].link);
    list_remove(&items[0].link);
    list_remove(&items[0].link); /* Harmless. */
    check_list(&head, "3124");
    list_for_each_safe (it, &head) {
        if (list_entry(it, struct item, link)->value % 2 == 0)
            list_remove(it);
    }
    check_list(&head, "31");
}

static void test_err(void **state)
{
    struct err err = {.why = ""};
    char long_text[1000];

    (void)state;
    assert_int_equal(err_set(&err, -ENOENT, "no network %s", "lan9"), -ENOENT);
    err_hint(&err, "iothctl net create %s", "lan9");
    assert_string_equal(err.why, "no network lan9");
    assert_string_equal(err.hint, "iothctl net create lan9");
    assert_int_equal(err_set(NULL, -EIO, "nobody asked"), -EIO);
    err_hint(NULL, "nothing");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    err_set(&err, -1, "%s", long_text);
    assert_int_equal(strlen(err.why), sizeof err.why - 1);
    assert_string_equal(err_text(-ENOENT), err_text(ENOENT));
    assert_non_null(strstr(err_text(ENOENT), "No such file"));
}

static int pair[2];

static int setup_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static int teardown_pair(void **state)
{
    (void)state;
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    return 0;
}

static void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fd_close(&fds[i]);
}

static void test_pass(void **state)
{
    int fds[FD_PASS_MAX], got[FD_PASS_MAX], next = dup(STDERR_FILENO), after;
    unsigned n = FD_PASS_MAX;
    char text[16];

    (void)state;
    close(next);
    for (unsigned i = 0; i < FD_PASS_MAX; i++)
        fds[i] = dup(STDERR_FILENO);
    assert_int_equal(fd_send(pair[0], "hello", 6, fds, FD_PASS_MAX), 0);
    assert_int_equal(fd_send(pair[0], "bare", 5, NULL, 0), 0);
    assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_PASS_MAX + 1), -EINVAL);
    assert_int_equal(fd_recv(pair[1], text, sizeof text, got, &n), 6);
    assert_int_equal(n, FD_PASS_MAX);
    assert_string_equal(text, "hello");
    for (unsigned i = 0; i < n; i++)
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
    close_all(got, n);
    n = FD_PASS_MAX;
    assert_int_equal(fd_recv(pair[1], text, sizeof text, got, &n), 5);
    assert_int_equal(n, 0);
    n = FD_PASS_MAX;
    assert_int_equal(fd_recv(pair[1], text, sizeof text, got, &n), -EAGAIN);

    /* Cut short, in bytes or in descriptors: all of it is refused, nothing stays open. */
    assert_int_equal(fd_send(pair[0], "hello", 6, fds, 3), 0);
    n = 2;
    assert_int_equal(fd_recv(pair[1], text, sizeof text, got, &n), -EMSGSIZE);
    assert_int_equal(n, 0);
    assert_int_equal(fd_send(pair[0], "hello", 6, fds, 3), 0);
    n = FD_PASS_MAX;
    assert_int_equal(fd_recv(pair[1], text, 5, got, &n), -EMSGSIZE);
    assert_int_equal(n, 0);
    close_all(fds, FD_PASS_MAX);
    after = dup(STDERR_FILENO);
    assert_int_equal(after, next);
    close(after);

    fd_close(&pair[0]);
    assert_int_equal(pair[0], -1);
    fd_close(&pair[0]);
    n = FD_PASS_MAX;
    assert_int_equal(fd_recv(pair[1], text, sizeof text, got, &n), 0);
    assert_int_equal(fd_send(pair[1], "x", 1, NULL, 0), -EPIPE);
}

static void test_parts(void **state)
{
    char first[] = "two ", second[] = "parts", text[16];
    struct iovec parts[2] = {{first, 4}, {second, 6}};
    unsigned n = 0;

    (void)state;
    assert_int_equal(fd_sendv(pair[0], parts, 2, NULL, 0), 0);
    assert_int_equal(fd_recv(pair[1], text, sizeof text, NULL, &n), 10);
    assert_string_equal(text, "two parts");
}

static void test_full(void **state)
{
    char block[4096] = {0};
    int r = 0;

    (void)state;
    for (unsigned i = 0; i < 10000 && r == 0; i++)
        r = fd_send(pair[0], block, sizeof block, NULL, 0);
    assert_int_equal(r, -EAGAIN);
}

static void test_peer(void **state)
{
    struct fd_peer peer;

    (void)state;
    assert_int_equal(fd_peer_get(pair[0], &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    assert_true(fd_peer_in_group(&peer, getegid()));
    peer.gid = 7;
    peer.n_groups = 1;
    peer.groups[0] = 8;
    assert_true(fd_peer_in_group(&peer, 7));
    assert_true(fd_peer_in_group(&peer, 8));
    assert_false(fd_peer_in_group(&peer, 9));
    assert_true(fd_peer_get(-1, &peer) < 0);
}

static void test_nonblock(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fd_set_nonblock(ends[0]), 0);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    close(ends[0]);
    assert_int_equal(fd_set_nonblock(ends[0]), -EBADF);
    close(ends[1]);
}

static void test_log(void **state)
{
    enum log_level level = LOG_LEVEL_ERROR;
    char text[256];
    ssize_t size;
    int ends[2];

    (void)state;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_init("tester", LOG_LEVEL_INFO, ends[1]);
    log_debug("not %s", "this");
    log_warn("port %s gone", "web");
    size = read(ends[0], text, sizeof text - 1);
    assert_true(size > 0);
    text[size] = '\0';
    assert_null(strstr(text, "not this"));
    assert_non_null(strstr(text, "tester"));
    assert_non_null(strstr(text, "port web gone\n"));
    /* A reader that stops reading holds nobody up. */
    for (unsigned i = 0; i < 5000; i++)
        log_info("line %u", i);
    log_init("tester", LOG_LEVEL_ERROR, STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
}

/* A flood of one kind costs so many lines, and then one that counts the others. */
static void test_log_limit(void **state)
{
    struct log_limit limit = {0}, other = {0};
    char text[8192];
    unsigned n = 0;
    ssize_t size;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_init("tester", LOG_LEVEL_INFO, ends[1]);
    for (unsigned i = 0; i < LOG_LIMIT_LINES + 7; i++)
        log_limited(&limit, LOG_LEVEL_INFO, "flood %u", i);
    log_limited(&limit, LOG_LEVEL_DEBUG,
                "flood"); /* Not a line in any case: not counted. */
    log_limited(&other, LOG_LEVEL_INFO, "drop");
    assert_int_equal(limit.left_out, 7);
    limit.since -= LOG_LIMIT_TIME;
    log_limited(&limit, LOG_LEVEL_INFO, "later");
    log_limited(&limit, LOG_LEVEL_INFO, "later still");
    log_init("tester", LOG_LEVEL_ERROR, STDERR_FILENO);
    size = read(ends[0], text, sizeof text - 1);
    assert_true(size > 0);
    text[size] = '\0';
    for (const char *p = text; (p = strstr(p, "flood")) != NULL; p++)
        n++;
    assert_int_equal(n, LOG_LIMIT_LINES);
    assert_non_null(strstr(text, "info: drop\n"));
    assert_non_null(strstr(text, "info: 7 lines like the next one were left out\n"));
    assert_non_null(strstr(text, "info: later\n"));
    assert_non_null(strstr(text, "info: later still\n"));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_err),
        cmocka_unit_test_setup_teardown(test_pass, setup_pair, teardown_pair),
        cmocka_unit_test_setup_teardown(test_parts, setup_pair, teardown_pair),
        cmocka_unit_test_setup_teardown(test_full, setup_pair, teardown_pair),
        cmocka_unit_test_setup_teardown(test_peer, setup_pair, teardown_pair),
        cmocka_unit_test(test_nonblock),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_log_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
