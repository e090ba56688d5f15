/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections that are over and still wait (TIME-WAIT): many of them, and new ones between the same ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <lwip/priv/tcp_priv.h>

#include "libioth/stack/settings.h"
#include "tests/unit/hand_peer.h"

#define MSS  1460
#define SOON MTIME_SEC
#define MANY 40000u /* More than there are ports. */

/* The stack closes first, and then waits. */
static void close_first(struct hand_conn *c)
{
    struct hand_segment got;

    c->sock->ops->close(c->sock);
    assert_true(hand_take(c, &got, SOON));
    assert_true(got.flags & HAND_FIN);
    hand_finish(c);
    assert_true(hand_take(c, &got, SOON));
    assert_int_equal(got.flags, HAND_ACK);
}

static unsigned waiting(void)
{
    unsigned n = 0;

    for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next)
        n++;
    return n;
}

/* One after the other as fast as it goes: there is always a port, and what is kept is bounded. */
static void test_many(void **state)
{
    mtime_t start = hand_now();
    unsigned most = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        struct hand_conn c;

        hand_connect(&c, hand_socket(), MSS, 7);
        close_first(&c);
        if (i % 1000 == 0 && waiting() > most)
            most = waiting();
    }
    assert_true(hand_now() - start < stack_settings.time_wait * MTIME_MS);
    assert_in_range(most, TCP_INDEX_WAITING_MAX / 2, TCP_INDEX_WAITING_MAX);
    hand_run((stack_settings.time_wait + 600) * MTIME_MS);
    assert_int_equal(waiting(), 0);
    for (unsigned port = 1; port <= UINT16_MAX; port++)
        assert_false(tcp_index_port_used((uint16_t)port));
}

/* What the stack answers to a SYN between the same ends with this number. */
static unsigned answer_to(struct hand_conn *c, uint32_t seq)
{
    struct hand_segment syn = {.from = c->peer_port,
                               .to = c->port,
                               .seq = seq,
                               .flags = HAND_SYN,
                               .mss = MSS,
                               .scale = -1};
    struct hand_segment got = {.flags = 0};

    hand_say(&syn);
    return hand_next(&got, 20 * MTIME_MS) ? got.flags : 0;
}

static void test_same_ends(void **state)
{
    struct sock *l = hand_listener(hand_socket());
    struct hand_conn c;

    (void)state;
    hand_accept(&c, l, MSS, 7);
    close_first(&c);
    assert_int_equal(waiting(), 1);
    assert_int_equal(answer_to(&c, c.seq - 100), HAND_ACK);
    assert_int_equal(answer_to(&c, c.seq + 100), HAND_SYN | HAND_ACK);
    hand_run(600 * MTIME_MS);
    assert_int_equal(waiting(), 0);
    hand_clear();
    l->ops->close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_same_ends, hand_teardown),
        cmocka_unit_test_teardown(test_many, hand_teardown),
    };

    return cmocka_run_group_tests(tests, hand_setup, NULL);
}
