/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The window that a TCP socket offers, and what of SO_RCVBUF and its like is seen of it by the peer. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "libioth/stack/settings.h"
#include "tests/unit/hand_peer.h"

#define MSS    1460
#define UNIT   128u /* Of windows that are scaled. */
#define SOON   MTIME_SEC
#define ROUNDS 20000u

/* The system's, whose header has names of lwIP's. */
#define WINDOW_CLAMP 10

static void done(struct sock *s)
{
    hand_clear();
    s->ops->close(s);
}

static uint32_t offered(const struct hand_conn *c)
{
    return c->edge - c->seq;
}

/* What SYN and the first acknowledgement tell. */
static void test_offered(void **state)
{
    static const struct {
        int rcvbuf, scale;
        uint32_t syn, then;
    } cases[] = {
        {0, 7, 65535, 1u << 20},      {4096, 7, 4096, 4096},     {300000, 7, 65535, 299904},
        {0, -1, 65535, 65535},        {20000, -1, 20000, 20000}, {1, 7, 1152, 1152},
        {-1, 7, 65535, 65535 * UNIT},
    };
    struct hand_conn c;

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sock *s = hand_socket();

        if (cases[i].rcvbuf)
            assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, cases[i].rcvbuf), 0);
        hand_connect(&c, s, MSS, cases[i].scale);
        assert_int_equal(c.syn_window, cases[i].syn);
        assert_int_equal(offered(&c), cases[i].then);
        done(s);
    }
}

/* As in Linux, what is told is twice what was asked for. */
static void test_told(void **state)
{
    struct sock *s = hand_socket();

    (void)state;
    assert_int_equal(hand_get(s, SOL_SOCKET, SO_RCVBUF), 2 << 20);
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 10000), 0);
    assert_int_equal(hand_get(s, SOL_SOCKET, SO_RCVBUF), 20000);
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_SNDBUF, 10000), 0);
    assert_int_equal(hand_get(s, SOL_SOCKET, SO_SNDBUF), 20000);
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_SNDBUF, 0), 0);
    assert_int_equal(hand_get(s, SOL_SOCKET, SO_SNDBUF), 4608);
    done(s);
}

static void test_stack_default(void **state)
{
    struct hand_conn c;
    struct sock *s;

    (void)state;
    stack_settings.rcv_size = 32768;
    stack_settings.snd_size = 16384;
    s = hand_socket();
    assert_int_equal(hand_get(s, SOL_SOCKET, SO_SNDBUF), 2 * 16384);
    hand_connect(&c, s, MSS, 7);
    stack_settings.rcv_size = stack_settings.snd_size = 1u << 20;
    assert_int_equal(c.syn_window, 32768);
    assert_int_equal(offered(&c), 32768);
    done(s);
}

/* Sends all that is offered. */
static void fill(struct hand_conn *c)
{
    struct hand_segment s;

    hand_settle(c);
    while (offered(c)) {
        hand_send(c, offered(c) < MSS ? offered(c) : MSS);
        (void)hand_take(c, &s, SOON);
    }
    hand_settle(c);
}

/* No more is taken than was offered, and when there is room again it is said. */
static void test_bound(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 8192), 0);
    hand_connect(&c, s, MSS, 7);
    fill(&c);
    assert_int_equal(s->ops->pending(s), 8192);
    hand_send(&c, 1000); /* It is not to. */
    assert_true(hand_take(&c, &got, SOON));
    assert_int_equal(got.ack, c.seq - 1000);
    assert_int_equal(got.window, 0);
    assert_int_equal(s->ops->pending(s), 8192);
    c.seq -= 1000;
    assert_int_equal(hand_read(s, 1000), 1000); /* Too little to speak of. */
    assert_false(hand_take(&c, &got, SOON));
    assert_int_equal(hand_read(s, 3000), 3000);
    assert_true(hand_take(&c, &got, SOON));
    assert_in_range(offered(&c), 4000 - UNIT, 4000);
    assert_int_equal(hand_read(s, 8192), 4192);
    fill(&c);
    assert_in_range(s->ops->pending(s), 8192 - UNIT, 8192);
    done(s);
}

static void test_inherited(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 8192), 0);
    hand_listener(s);
    hand_accept(&c, s, MSS, 7);
    assert_int_equal(hand_get(c.sock, SOL_SOCKET, SO_RCVBUF), 16384);
    fill(&c);
    assert_int_equal(c.sock->ops->pending(c.sock), 8192);
    done(c.sock);
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 4096), 0); /* Of those to come. */
    hand_accept(&c, s, MSS, 7);
    fill(&c);
    assert_int_equal(c.sock->ops->pending(c.sock), 4096);
    done(c.sock);
    s->ops->close(s);
}

static void test_raised(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 8192), 0);
    hand_connect(&c, s, MSS, 7);
    fill(&c);
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 65536), 0);
    assert_true(hand_take(&c, &got, SOON)); /* It is said at once. */
    assert_int_equal(offered(&c), 65536 - 8192);
    fill(&c);
    assert_int_equal(s->ops->pending(s), 65536);
    done(s);
}

static void test_lowered(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;
    uint32_t edge;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 65536), 0);
    hand_connect(&c, s, MSS, 7);
    edge = c.edge;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, 8192), 0);
    fill(&c); /* What was offered is taken, and no more. */
    assert_int_equal(c.edge, edge);
    assert_int_equal(s->ops->pending(s), 65536);
    assert_int_equal(hand_read(s, 57344), 57344); /* 8192 are left. */
    fill(&c);
    assert_int_equal(c.edge, edge);
    assert_int_equal(hand_read(s, 8192), 8192);
    fill(&c);
    assert_int_equal(s->ops->pending(s), 8192);
    done(s);
}

static void test_clamp(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, IPPROTO_TCP, WINDOW_CLAMP, 10000), 0);
    hand_connect(&c, s, MSS, 7);
    assert_int_equal(offered(&c), 10000);
    assert_int_equal(hand_set(s, IPPROTO_TCP, WINDOW_CLAMP, 0), -EINVAL);
    assert_int_equal(hand_get(s, IPPROTO_TCP, WINDOW_CLAMP), 10000);
    done(s);
}

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*random >> 33) % n);
}

/* Looks at what the stack tells: the edge never goes back, but by less than a unit where the buffer is full. */
static void look(struct hand_conn *c, uint32_t rcvbuf)
{
    struct hand_segment got;

    while (hand_take(c, &got, 0)) {
        uint32_t told = got.ack + ((uint32_t)got.window * UNIT);

        assert_int_equal(got.ack, c->seq); /* All that was within the window is taken. */
        assert_true((int32_t)(c->edge - told) < (int32_t)UNIT);
        if (told != c->edge)
            assert_true(c->sock->ops->pending(c->sock) + (told - c->seq) + UNIT > rcvbuf);
    }
}

/* All that is kept back is said; when all has been read, the limit is what it is, whatever it was before. */
static void now_and_then(struct hand_conn *c, uint32_t rcvbuf)
{
    uint32_t before = c->edge;

    hand_settle(c);
    while (hand_read(c->sock, 4096) > 0)
        ;
    hand_settle(c);
    if (c->edge != before)
        assert_true(offered(c) <= rcvbuf);
}

/* A peer that keeps to the window, a program that reads and changes its mind: whatever happens. */
static void test_random(void **state)
{
    struct sock *s = hand_socket();
    uint32_t rcvbuf = 65536;
    struct hand_conn c;
    uint64_t random = 1;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, (int)rcvbuf), 0);
    hand_connect(&c, s, MSS, 7);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t n = 1 + below(&random, below(&random, 2) ? MSS : 9);

        switch (below(&random, 16)) {
        case 0:
            rcvbuf = 2048 + below(&random, 100000);
            assert_int_equal(hand_set(s, SOL_SOCKET, SO_RCVBUF, (int)rcvbuf), 0);
            break;
        case 1:
        case 2:
        case 3:
        case 4:
            (void)hand_read(s, 1 + below(&random, 4000));
            break;
        case 5:
            hand_run(0);
            break;
        default:
            if (offered(&c))
                hand_send(&c, n < offered(&c) ? n : offered(&c));
        }
        look(&c, rcvbuf);
        if (below(&random, 64) == 0)
            now_and_then(&c, rcvbuf);
    }
    done(s);
}

/* The end of the peer's data is no byte that waits to be read. */
static void test_fin_and_reset(void **state)
{
    struct sock *s = hand_socket();
    struct hand_segment got;
    struct hand_conn c;

    (void)state;
    hand_connect(&c, s, MSS, 7);
    hand_send(&c, 100);
    assert_int_equal(hand_read(s, 100), 100);
    hand_settle(&c);
    s->ops->close(s); /* All was read: an end in order. */
    assert_true(hand_take(&c, &got, SOON));
    assert_true(got.flags & HAND_FIN);
    hand_clear();
    s = hand_socket();
    hand_connect(&c, s, MSS, 7);
    hand_send(&c, 100);
    hand_settle(&c);
    s->ops->close(s); /* Something was not. */
    assert_true(hand_take(&c, &got, SOON));
    assert_true(got.flags & HAND_RST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_offered, hand_teardown),
        cmocka_unit_test_teardown(test_told, hand_teardown),
        cmocka_unit_test_teardown(test_stack_default, hand_teardown),
        cmocka_unit_test_teardown(test_bound, hand_teardown),
        cmocka_unit_test_teardown(test_inherited, hand_teardown),
        cmocka_unit_test_teardown(test_raised, hand_teardown),
        cmocka_unit_test_teardown(test_lowered, hand_teardown),
        cmocka_unit_test_teardown(test_clamp, hand_teardown),
        cmocka_unit_test_teardown(test_random, hand_teardown),
        cmocka_unit_test_teardown(test_fin_and_reset, hand_teardown),
    };

    return cmocka_run_group_tests(tests, hand_setup, NULL);
}
