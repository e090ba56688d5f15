/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client's side of plugging in, against a daemon that is a thread of this test. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/plug/plug.h"
#include "proto/base/fd.h"
#include "proto/base/mtime.h"

#define FRAMES 20000u

/* What the daemon does with one client. */
struct served {
    struct plug_reply reply;
    struct plug_request request;
    unsigned n_fds; /* Given by the client. */
    bool hang_up;   /* Without an answer. */
    bool echo;      /* Send back what comes by the ring, until hang-up. */
    bool keep; /* The connection outlives the thread, in `kept`, and with it the bell. */
};

static char folder[] = "/tmp/ioth-plug-XXXXXX";
static char path[64];
static int listener, kept, kept_bell;
static struct served served;

static int setup(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/plug.sock", folder);
    memcpy(un.sun_path, path, sizeof path);
    served = (struct served){.keep = true};
    kept = kept_bell = -1;
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (bind(listener, (const struct sockaddr *)&un, sizeof un) < 0)
        return -1;
    return listen(listener, 4);
}

static int teardown(void **state)
{
    (void)state;
    fd_close(&listener);
    fd_close(&kept);
    fd_close(&kept_bell);
    unlink(path);
    return rmdir(folder);
}

/* Sends everything back until the client hangs up; sleeps and rings as a daemon does. */
static void echo(struct ringmap *m, int conn, int bell)
{
    struct frame frames[FRAME_BURST];
    char byte;

    for (;;) {
        int n = ring_peek(&m->rx, frames, FRAME_BURST);

        if (n == 0) {
            if (recv(conn, &byte, 1, MSG_DONTWAIT) == 0)
                return;
            if (ring_rx_sleep(&m->rx)) {
                /* Bounded, so that a hang-up of the connection is seen. */
                struct timeval wait = {.tv_usec = 2000};
                fd_set set;

                FD_ZERO(&set);
                FD_SET(bell, &set);
                (void)select(bell + 1, &set, NULL, NULL, &wait);
                (void)!recv(bell, &byte, 1, MSG_DONTWAIT);
            }
            ring_rx_wake(&m->rx);
            continue;
        }
        assert_true(n > 0);
        for (int i = 0; i < n; i++) {
            while (ring_put(&m->tx, &frames[i]) == -ENOBUFS) {
                if (ring_publish(&m->tx))
                    (void)!send(bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (recv(conn, &byte, 1, MSG_DONTWAIT) == 0)
                    return;
                sched_yield();
            }
        }
        if (ring_publish(&m->tx))
            (void)!send(bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (ring_release(&m->rx))
            (void)!send(bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void *serve(void *aux)
{
    uint8_t data[PLUG_MAX_SIZE];
    int fds[FD_PASS_MAX], ring[2] = {-1, -1}, bell[2];
    unsigned n_fds = FD_PASS_MAX;
    int conn = accept(listener, NULL, NULL);
    ssize_t size = fd_recv(conn, data, sizeof data, fds, &n_fds);
    struct ringmap m = {.control = NULL};
    bool is_ring;

    (void)aux;
    assert_int_equal(plug_request_decode(data, (size_t)size, &served.request), 0);
    served.n_fds = n_fds;
    for (unsigned i = 0; i < n_fds; i++)
        fd_close(&fds[i]);
    is_ring = served.request.kind == PLUG_RING && served.reply.code == 0;
    if (is_ring) {
        ring[0] = ringmap_create(RING_SIZE_MIN);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bell), 0);
        ring[1] = bell[0];
        assert_int_equal(ringmap_attach(&m, ring[0], RINGMAP_DAEMON), 0);
    }
    if (!served.hang_up) {
        size = (ssize_t)plug_reply_encode(&served.reply, data, sizeof data);
        assert_int_equal(fd_send(conn, data, (size_t)size, ring, is_ring ? 2 : 0), 0);
    }
    if (served.echo)
        echo(&m, conn, bell[1]);
    ringmap_done(&m);
    for (unsigned i = 0; i < 2; i++)
        fd_close(&ring[i]);
    if (is_ring && served.keep)
        kept_bell = bell[1];
    else if (is_ring)
        close(bell[1]);
    if (served.keep)
        kept = conn;
    else
        close(conn);
    return NULL;
}

static void test_tap(void **state)
{
    struct plug_request q = {.network = "lan1", .flags = PLUG_ENDPOINT | PLUG_ANONYMOUS};
    struct plug_reply reply;
    struct plug *p;
    struct err err;
    pthread_t thread;
    int tap = dup(STDERR_FILENO);

    (void)state;
    served.reply =
        (struct plug_reply){.name = "anon-7", .mtu = 1500, .mac = {2}, .n_addrs = 1};
    served.reply.addrs[0] =
        (struct plug_addr){.family = 4, .prefix = 24, .addr = {10, 64, 0, 2}};
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_int_equal(plug_tap(path, &q, tap, &reply, &p, &err), 0);
    pthread_join(thread, NULL);
    assert_string_equal(reply.name, "anon-7");
    assert_int_equal(served.request.kind, PLUG_TAP);
    assert_int_equal(served.n_fds, 1);
    assert_true(plug_alive(p));

    fd_close(&kept); /* The daemon goes. */
    fd_close(&kept_bell);
    assert_false(plug_alive(p));
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_int_equal(plug_again(p, &err), 0);
    pthread_join(thread, NULL);
    assert_true(plug_alive(p));
    assert_string_equal(served.request.name, "anon-7");
    assert_int_equal(served.request.mac[0], 2);
    assert_int_equal(served.request.n_addrs, 1);
    assert_int_equal(served.n_fds, 1);
    plug_free(p);
    plug_free(NULL);
    close(tap);
}

static void test_refusals(void **state)
{
    struct plug_request q = {.network = "lan1"};
    struct plug_reply reply;
    struct plug *p = NULL;
    struct err err = {.why = ""};
    pthread_t thread;

    (void)state;
    served.reply = (struct plug_reply){
        .code = -EEXIST, .why = "web is on beta", .hint = "iothctl endpoint rm lan1/web"};
    served.keep = false;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_int_equal(plug_ring(path, &q, &reply, &p, &err), -EEXIST);
    pthread_join(thread, NULL);
    assert_string_equal(err.why, "web is on beta");
    assert_string_equal(err.hint, "iothctl endpoint rm lan1/web");

    served.hang_up = true;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_int_equal(plug_capture(path, &q, &reply, &p, &err), -ECONNRESET);
    pthread_join(thread, NULL);

    memset(q.name, 'x', sizeof q.name);
    assert_int_equal(plug_capture(path, &q, &reply, &p, &err), -EINVAL);
    fd_close(&listener);
    q.name[0] = '\0';
    assert_int_equal(plug_capture(path, &q, &reply, &p, &err), -ECONNREFUSED);
    assert_int_equal(plug_capture("/nowhere/plug.sock", &q, &reply, &p, &err), -ENOENT);
    assert_non_null(strstr(err.why, "/nowhere/plug.sock"));
    assert_null(p);
}

static void drain(struct plug *p, unsigned *received)
{
    struct frame got[FRAME_BURST];
    int n = plug_recv(p, got, FRAME_BURST);

    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        uint32_t number;

        memcpy(&number, got[i].data, sizeof number);
        assert_int_equal(number, *received);
        assert_int_equal(got[i].size, 60 + number % 1400);
        (*received)++;
    }
    plug_recv_done(p);
}

/* Every frame comes back once, in order, however often both sides sleep. */
static void test_ring_echo(void **state)
{
    struct plug_request q = {.network = "lan1"};
    struct plug_reply reply;
    unsigned sent = 0, received = 0;
    uint8_t bytes[1500] = {0};
    struct plug *p;
    struct err err;
    pthread_t thread;

    (void)state;
    served.echo = true;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_int_equal(plug_ring(path, &q, &reply, &p, &err), 0);
    while (received < FRAMES) {
        struct frame f = {.data = bytes, .size = 60 + sent % 1400};
        int r = 0;

        memcpy(bytes, &sent, sizeof sent);
        if (sent < FRAMES)
            r = plug_send(p, &f, 1);
        assert_true(r >= 0);
        sent += (unsigned)r;
        /* All may have come back before its room has. */
        if (r == 0 && received == sent)
            assert_int_equal(plug_wait_room(p, f.size, 10000), 1);
        else if (r == 0 || sent % 100 == 0)
            assert_int_equal(plug_wait(p, 10000), 1);
        drain(p, &received);
    }
    assert_int_equal(plug_wait(p, 0), 0);
    assert_int_equal(plug_wait_room(p, 60, 10000), 1);
    assert_true(plug_wait_begin(p));
    plug_wait_end(p);
    plug_free(p);
    pthread_join(thread, NULL);
}

/* A daemon that takes nothing: the ring fills, waiting ends in time, and its end is noticed. */
static void test_full_ring(void **state)
{
    struct plug_request q = {.network = "lan1"};
    struct plug_reply reply;
    uint8_t bytes[9000] = {0};
    struct frame f[2] = {{.data = bytes, .size = 9000}, {.data = bytes, .size = 9000}};
    struct plug *p;
    struct err err;
    pthread_t thread;
    mtime_t start;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_int_equal(plug_ring(path, &q, &reply, &p, &err), 0);
    pthread_join(thread, NULL);
    while (plug_send(p, f, 2) == 2)
        ;
    assert_int_equal(plug_send(p, f, 1), 0);
    start = mtime_now();
    assert_int_equal(plug_wait_room(p, 9000, 5), 0);
    assert_true(mtime_now() - start >= 5 * MTIME_MS);
    fd_close(&kept);
    fd_close(&kept_bell);
    assert_int_equal(plug_wait_room(p, 9000, 10000), -EPIPE);
    assert_int_equal(plug_wait(p, 10000), -EPIPE);
    plug_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ring_echo, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_ring, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
