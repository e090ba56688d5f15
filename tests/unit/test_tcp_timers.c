/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long TCP of the stack lwip waits for what, and what it does then. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <lwip/priv/tcp_priv.h>

#include "libioth/stack/settings.h"
#include "tests/unit/hand_peer.h"

#define MSS     1460
#define SLACK   (60 * MTIME_MS) /* Ticks are of 20 ms, and one has begun already. */
#define SOON    MTIME_SEC
#define FOREVER (1000 * MTIME_SEC)

/* The system's, whose header has names of lwIP's. */
enum {
    MAXSEG = 2,
    KEEPIDLE_ = 4,
    KEEPINTVL_,
    KEEPCNT_,
    SYNCNT,
    LINGER2,
    QUICKACK = 12,
    USER_TIMEOUT = 18
};

static struct stack_settings before;

static int init(void **state)
{
    (void)state;
    hand_init();
    before = stack_settings;
    return 0;
}

static int clear(void **state)
{
    (void)state;
    hand_clear();
    stack_settings = before;
    return 0;
}

static void at(mtime_t start, mtime_t is, mtime_t expected)
{
    if (is - start < expected || is - start > expected + SLACK)
        fail_msg("%.3f s instead of %.3f", (double)(is - start) / MTIME_SEC,
                 (double)expected / MTIME_SEC);
}

/* What a socket has come to, once. */
static int error_of(struct sock *s)
{
    return hand_get(s, SOL_SOCKET, SO_ERROR);
}

static int connect_nowhere(struct sock *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = 0x100};

    memcpy(&to.sin_addr, "\12\0\0\2", 4);
    return s->ops->connect(s, (const struct sockaddr *)(const void *)&to, sizeof to);
}

static void syn_retries(struct sock *s, unsigned n)
{
    mtime_t start = hand_now(), due = 0, step = MTIME_SEC;
    struct hand_segment syn;

    assert_int_equal(connect_nowhere(s), -EINPROGRESS);
    for (unsigned i = 0; i <= n; i++) {
        assert_true(hand_next(&syn, FOREVER));
        assert_int_equal(syn.flags, HAND_SYN);
        at(start, syn.at, due);
        assert_false(s->ops->ready(s) & SOCK_OUT);
        start = syn.at - due; /* Slack does not add up. */
        due += step;
        step *= 2;
    }
    hand_run(due - (hand_now() - start) - SLACK);
    assert_false(s->ops->ready(s) & SOCK_OUT); /* The last one has its time, too. */
    assert_int_equal(hand_run(3 * SLACK), 0);
    assert_true(s->ops->ready(s) & SOCK_OUT);
    assert_int_equal(error_of(s), ETIMEDOUT);
    s->ops->close(s);
}

/* RFC 6298 5.5: doubled each time, and then it is over. */
static void test_syn(void **state)
{
    struct sock *s = hand_socket();

    (void)state;
    syn_retries(s, 6); /* As in Linux: 127 s. */
    s = hand_socket();
    assert_int_equal(hand_set(s, IPPROTO_TCP, SYNCNT, 2), 0);
    syn_retries(s, 2);
    stack_settings.syn_retries = 3;
    s = hand_socket();
    syn_retries(s, 3);
}

static void test_syn_lost(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment syn, got;
    struct hand_conn c;
    mtime_t start;

    (void)state;
    assert_int_equal(connect_nowhere(s), -EINPROGRESS);
    assert_true(hand_next(&syn, SOON));
    assert_true(hand_next(&syn, 2 * MTIME_SEC)); /* The first was lost. */
    hand_answer(&c, s, &syn, MSS, 7);
    assert_int_equal(hand_write(s, 100), 100);
    assert_true(hand_take(&c, &got, SOON));
    start = got.at;
    assert_int_equal(got.len, 100);
    assert_true(hand_take(&c, &got, FOREVER)); /* Lost, too: RFC 6298 5.7 */
    at(start, got.at, 3 * MTIME_SEC);
    s->ops->close(s);
}

/* How soon the first segment of a connection is sent again, if its SYN was answered at once; the n-th time. */
static mtime_t again_after(unsigned n)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;
    mtime_t start;

    hand_connect(&c, s, MSS, 7);
    assert_int_equal(hand_write(s, 100), 100);
    assert_true(hand_take(&c, &got, SOON));
    start = got.at;
    while (n-- > 0)
        assert_true(hand_take(&c, &got, FOREVER));
    hand_clear();
    s->ops->close(s);
    return got.at - start;
}

static void test_rto(void **state)
{
    (void)state;
    at(0, again_after(1), 40 * MTIME_MS);  /* A probe. */
    at(0, again_after(2), 200 * MTIME_MS); /* The SYN has told the round trip. */
    stack_settings.rto_min = 50;
    at(0, again_after(1), 50 * MTIME_MS);
    stack_settings.rto_min = 700;
    at(0, again_after(2), 700 * MTIME_MS);
}

static void test_rto_initial(void **state)
{
    struct hand_segment syn;
    struct sock *s = hand_socket();
    mtime_t start;

    (void)state;
    hand_clear();
    s->ops->close(s);
    stack_settings.rto_initial = 300;
    s = hand_socket();
    assert_int_equal(connect_nowhere(s), -EINPROGRESS);
    assert_true(hand_next(&syn, SOON));
    start = syn.at;
    assert_true(hand_next(&syn, SOON));
    at(start, syn.at, 300 * MTIME_MS);
    hand_clear();
    s->ops->close(s);
}

/* A peer that says nothing any more: given up after the time, by option or by the stack's setting. */
static void silence(struct hand_conn *c, mtime_t limit)
{
    mtime_t start = hand_now();

    assert_int_equal(hand_write(c->sock, 5000), 5000);
    hand_run(limit - SLACK);
    assert_false(c->sock->ops->ready(c->sock) & SOCK_HUP);
    hand_run(2 * SLACK);
    assert_true(c->sock->ops->ready(c->sock) & SOCK_HUP);
    assert_int_equal(error_of(c->sock), ETIMEDOUT);
    at(start, hand_now(), limit);
    c->sock->ops->close(c->sock);
}

static void test_user_timeout(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, IPPROTO_TCP, USER_TIMEOUT, 3000), 0);
    hand_connect(&c, s, MSS, 7);
    silence(&c, 3 * MTIME_SEC);
    stack_settings.user_timeout = 5000;
    s = hand_socket();
    hand_connect(&c, s, MSS, 7);
    hand_run(10 * MTIME_SEC); /* Nothing waits. */
    silence(&c, 5 * MTIME_SEC);
}

/* Without it: RFC 9293 3.8.3, R2 of at least 100 s. */
static void test_gives_up(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;
    mtime_t start;

    (void)state;
    hand_connect(&c, s, MSS, 7);
    assert_int_equal(hand_write(s, 100), 100);
    start = hand_now();
    hand_run(300 * MTIME_SEC);
    assert_false(s->ops->ready(s) & SOCK_HUP);
    assert_true(hand_run(900 * MTIME_SEC) > 0);
    assert_true(s->ops->ready(s) & SOCK_HUP);
    assert_true(hand_now() - start > 300 * MTIME_SEC);
    s->ops->close(s);
}

/* RFC 9293 3.8.6.1: probes come as often as retransmissions would, twice as seldom each time, for ever if
 * they are answered. */
static void test_zero_window(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;
    mtime_t last, step = 0;

    (void)state;
    hand_connect(&c, s, MSS, 7);
    c.window = 0;
    hand_ack(&c);
    last = hand_now();
    assert_int_equal(hand_write(s, 1000), 1000);
    for (unsigned i = 0; i < 25; i++) {
        assert_true(hand_next(&got, FOREVER));
        assert_in_range(got.len, 0, 1);
        if (step)
            at(last, got.at, mtime_min(2 * step, 120 * MTIME_SEC) - SLACK * 2 / 3);
        else
            at(last, got.at, 200 * MTIME_MS);
        step = got.at - last;
        last = got.at;
        hand_ack(&c);
    }
    assert_false(s->ops->ready(s) & SOCK_HUP);
    c.window = 100;
    hand_ack(&c);
    assert_true(hand_take(&c, &got, SOON));
    assert_int_equal(got.len, 1000);
    s->ops->close(s);
}

static void test_zero_window_unanswered(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;

    (void)state;
    hand_connect(&c, s, MSS, 7);
    c.window = 0;
    hand_ack(&c);
    assert_int_equal(hand_write(s, 1000), 1000);
    assert_int_equal(hand_run(FOREVER), 12);
    assert_int_equal(error_of(s), ETIMEDOUT);
    s->ops->close(s);
    s = hand_socket();
    assert_int_equal(hand_set(s, IPPROTO_TCP, USER_TIMEOUT, 3000), 0);
    hand_connect(&c, s, MSS, 7);
    c.window = 0;
    hand_ack(&c);
    silence(&c, 3 * MTIME_SEC);
}

static void test_keep_alive(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;
    mtime_t start;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    assert_int_equal(hand_set(s, IPPROTO_TCP, KEEPIDLE_, 10), 0);
    assert_int_equal(hand_set(s, IPPROTO_TCP, KEEPINTVL_, 5), 0);
    assert_int_equal(hand_set(s, IPPROTO_TCP, KEEPCNT_, 3), 0);
    hand_connect(&c, s, MSS, 7);
    start = hand_now();
    assert_true(hand_next(&got, FOREVER));
    at(start, got.at, 10 * MTIME_SEC);
    assert_int_equal(got.seq, c.ack - 1);
    hand_ack(&c); /* It lives. */
    start = hand_now();
    for (unsigned i = 0; i < 3; i++) {
        assert_true(hand_next(&got, FOREVER));
        at(start, got.at, (10 + 5 * i) * MTIME_SEC);
        assert_int_equal(got.seq, c.ack - 1);
    }
    assert_true(hand_next(&got, FOREVER));
    at(start, got.at, 25 * MTIME_SEC);
    assert_true(got.flags & HAND_RST);
    assert_int_equal(error_of(s), ETIMEDOUT);
    s->ops->close(s);
}

/* How long an acknowledgement is kept back. */
static mtime_t acknowledged_after(int quick)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;
    mtime_t start;

    hand_connect(&c, s, MSS, 7);
    if (quick >= 0)
        assert_int_equal(hand_set(s, IPPROTO_TCP, QUICKACK, quick), 0);
    start = hand_now();
    hand_send(&c, 10);
    assert_true(hand_take(&c, &got, SOON));
    assert_int_equal(got.ack, c.seq);
    hand_clear();
    s->ops->close(s);
    return got.at - start;
}

static void test_delayed(void **state)
{
    (void)state;
    assert_in_range(acknowledged_after(-1), 0, 20 * MTIME_MS);
    assert_int_equal(acknowledged_after(1), 0);
    stack_settings.ack_delay = 200;
    assert_in_range(acknowledged_after(-1), 190 * MTIME_MS, 210 * MTIME_MS);
    assert_in_range(acknowledged_after(0), 190 * MTIME_MS, 210 * MTIME_MS);
    assert_int_equal(acknowledged_after(1), 0);
    stack_settings.ack_delay = 0;
    assert_int_equal(acknowledged_after(-1), 0);
}

/* The peer's last segment comes again: it is known, or is of nobody. */
static void again(struct hand_conn *c, bool is_over)
{
    struct hand_segment got;

    c->seq--;
    hand_finish(c);
    assert_true(hand_take(c, &got, 0));
    assert_int_equal((got.flags & HAND_RST) != 0, is_over);
}

/* Both ends say that they have nothing more, ours first. */
static void test_time_wait(void **state)
{
    static const uint32_t times[] = {4000, 1000, 0};

    (void)state;
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++) {
        struct sock *s = hand_socket();
        struct hand_segment got;
        struct hand_conn c;

        stack_settings.time_wait = times[i];
        hand_connect(&c, s, MSS, 7);
        s->ops->close(s);
        assert_true(hand_take(&c, &got, SOON));
        assert_true(got.flags & HAND_FIN);
        hand_finish(&c);
        (void)hand_take(&c, &got, 0); /* It is acknowledged. */
        again(&c, false);
        hand_run(times[i] * MTIME_MS > SLACK ? times[i] * MTIME_MS - SLACK : 0);
        assert_true(times[i] == 0 || tcp_tw_pcbs);
        hand_run(10 * SLACK);
        assert_null(tcp_tw_pcbs);
        again(&c, true);
    }
}

/* The peer never says that it has nothing more. */
static void test_linger2(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, IPPROTO_TCP, LINGER2, 3), 0);
    hand_connect(&c, s, MSS, 7);
    s->ops->close(s);
    assert_true(hand_take(&c, &got, SOON));
    hand_ack(&c);
    hand_run(2900 * MTIME_MS);
    assert_non_null(tcp_active_pcbs);
    hand_run(200 * MTIME_MS);
    assert_null(tcp_active_pcbs);
}

/* RFC 9293 3.2: the option is for a segment with SYN. */
static void test_mss(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment late = {.from = HAND_PORT + 1, .flags = HAND_ACK, .mss = 100};
    struct hand_segment got;
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, IPPROTO_TCP, MAXSEG, 87), -EINVAL);
    assert_int_equal(hand_set(s, IPPROTO_TCP, MAXSEG, 1000), 0);
    hand_connect(&c, s, MSS, 7);
    assert_int_equal(c.mss, 1000); /* What is asked of the peer; and what it is sent: */
    assert_int_equal(hand_get(s, IPPROTO_TCP, MAXSEG), 1000);
    late.to = c.port;
    late.seq = c.seq;
    late.ack = c.ack;
    late.window = c.window;
    hand_say(&late);
    assert_int_equal(hand_get(s, IPPROTO_TCP, MAXSEG), 1000);
    assert_int_equal(hand_write(s, 900), 900);
    assert_true(hand_take(&c, &got, SOON));
    assert_int_equal(got.len, 900);
    hand_clear();
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_syn, clear),
        cmocka_unit_test_teardown(test_syn_lost, clear),
        cmocka_unit_test_teardown(test_rto, clear),
        cmocka_unit_test_teardown(test_rto_initial, clear),
        cmocka_unit_test_teardown(test_user_timeout, clear),
        cmocka_unit_test_teardown(test_gives_up, clear),
        cmocka_unit_test_teardown(test_zero_window, clear),
        cmocka_unit_test_teardown(test_zero_window_unanswered, clear),
        cmocka_unit_test_teardown(test_keep_alive, clear),
        cmocka_unit_test_teardown(test_delayed, clear),
        cmocka_unit_test_teardown(test_time_wait, clear),
        cmocka_unit_test_teardown(test_linger2, clear),
        cmocka_unit_test_teardown(test_mss, clear),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
