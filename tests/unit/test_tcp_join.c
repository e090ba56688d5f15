/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits to be sent leaves in segments as large as the windows allow when it goes, not when it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/unit/hand_peer.h"

#define MSS   1460u
#define SUPER (65400u / MSS * MSS)

struct flight {
    uint32_t size, largest;
    unsigned n;
    bool pushed; /* By its last segment. */
};

/* All that the stack sends before it waits for an acknowledgement; none of it twice, and nothing left out. */
static struct flight take(struct hand_conn *c)
{
    struct flight f = {0};
    struct hand_segment got;
    uint32_t next = c->ack;

    while (hand_take(c, &got, 0)) {
        assert_false(f.pushed);
        assert_int_equal(got.seq, next);
        next += got.len;
        f.size += got.len;
        f.largest = got.len > f.largest ? got.len : f.largest;
        f.n++;
        f.pushed = got.flags & HAND_PSH;
    }
    return f;
}

static void test_initial_window(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;
    struct flight f;

    (void)state;
    hand_connect(&c, s, MSS, 7);
    c.window = 8000;
    hand_ack(&c);
    assert_int_equal(hand_write(s, 60000), 60000);
    f = take(&c);
    assert_int_equal(f.size, 10 * MSS); /* RFC 6928 */
    assert_int_equal(f.largest, 5 * MSS);
    s->ops->close(s);
}

static void test_they_grow(void **state)
{
    struct sock *s = hand_socket();
    uint32_t total = 0, window = 10 * MSS, size = 220000;
    struct hand_conn c;

    (void)state;
    assert_int_equal(hand_set(s, SOL_SOCKET, SO_SNDBUF, 400000), 0);
    hand_connect(&c, s, MSS, 7);
    c.window = 8000;
    hand_ack(&c);
    assert_int_equal(hand_write(s, size),
                     size); /* When half of the window are 5 segments. */
    while (total < size) {
        struct flight f = take(&c);
        uint32_t half = window / 2 < SUPER ? window / 2 : SUPER;

        assert_true(f.size > 0);
        assert_true(f.largest <= half);
        assert_true(f.pushed == (total + f.size == size));
        if (total + f.size < size) {
            assert_true(f.size > window - half);
            assert_true(f.largest > half - 5 * MSS);
        }
        total += f.size;
        window += f.size;
        hand_ack(&c);
    }
    assert_int_equal(total, size);
    s->ops->close(s);
}

/* Small ones of a program that wants each to leave at once do so; what the peer has no room for is not joined. */
static void test_the_peers_window(void **state)
{
    struct sock *s = hand_socket();
    struct hand_conn c;
    struct flight f;

    (void)state;
    hand_connect(&c, s, MSS, 0);
    c.window = 3 * MSS;
    hand_ack(&c);
    assert_int_equal(hand_write(s, 20000), 20000);
    f = take(&c);
    assert_in_range(f.size, 2 * MSS, 3 * MSS);
    c.window = 12 * MSS;
    hand_ack(&c);
    f = take(&c);
    assert_in_range(f.size, 10 * MSS, 12 * MSS);
    assert_in_range(f.largest, 2 * MSS, 6 * MSS);
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_initial_window, hand_teardown),
        cmocka_unit_test_teardown(test_they_grow, hand_teardown),
        cmocka_unit_test_teardown(test_the_peers_window, hand_teardown),
    };

    return cmocka_run_group_tests(tests, hand_setup, NULL);
}
