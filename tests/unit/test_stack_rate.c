/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rate of a stack: that it is kept, and that nobody who shares it starves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "libioth/stack/rate.h"
#include "libioth/stack/settings.h"
#include "tests/unit/hand_peer.h"

#define MSS     1460
#define SECONDS 10
#define BULK    65536u
#define SMALL   100u
#define PAUSE   (50 * MTIME_MS)
#define FLOWS   3u

static int clear(void **state)
{
    (void)state;
    stack_settings.rate = 0;
    rate_reset();
    hand_clear();
    return 0;
}

static void set_rate(uint64_t bits)
{
    stack_settings.rate = bits;
    rate_reset();
}

/* --- the clock ---------------------------------------------------------------------------------- */

/* One that has as much to send as there is room for, called `late` after it was due, for a time: bits per second. */
static uint64_t alone(enum rate_kind kind, size_t size, mtime_t late, mtime_t time)
{
    uint64_t sent = 0;
    mtime_t now = MTIME_SEC;

    rate_reset();
    while (now < MTIME_SEC + time) {
        if (kind == RATE_TCP)
            rate_begin_turns();
        while (rate_allows(kind, now)) {
            rate_sent(kind, size, now);
            sent += size;
        }
        rate_end_turns();
        assert_true(rate_next() != MTIME_NEVER);
        assert_true(rate_next() > now);
        now = rate_next() + late;
        assert_true(rate_is_due(now));
    }
    return sent * 8 * (uint64_t)MTIME_SEC / (uint64_t)(now - MTIME_SEC);
}

static void test_kept(void **state)
{
    static const uint64_t rates[] = {100000, 10000000, 1000000000, 40000000000};
    static const size_t sizes[] = {100, MSS, 65000};

    (void)state;
    for (unsigned i = 0; i < 3 * 4 * 3; i++) {
        uint64_t rate = rates[i % 4];
        size_t size = sizes[i / 4 % 3];
        mtime_t late = i / 12 * 2500 * MTIME_US;
        mtime_t frame = (mtime_t)(size * 8 * (uint64_t)MTIME_SEC / rate);
        mtime_t time = frame * 3000 + 500 * MTIME_MS;

        stack_settings.rate = rate;
        /* Some go before their time, and are made up for later. */
        assert_in_range(alone(RATE_TCP, size, late, time), rate / 100 * 98,
                        rate / 100 * 102);
        assert_in_range(alone(RATE_DATAGRAM, size, late, time), rate / 100 * 98,
                        rate / 100 * 103);
    }
}

/* TCP and datagrams that both want everything: half for each. */
static void test_shared(void **state)
{
    uint64_t sent[2] = {0, 0};
    mtime_t now = MTIME_SEC;

    (void)state;
    set_rate(10000000);
    while (now < (1 + SECONDS) * MTIME_SEC) {
        rate_begin_turns();
        while (rate_allows(RATE_TCP, now)) {
            rate_sent(RATE_TCP, MSS, now);
            sent[0] += MSS;
        }
        rate_end_turns();
        while (rate_allows(RATE_DATAGRAM, now)) {
            rate_sent(RATE_DATAGRAM, 500, now);
            sent[1] += 500;
        }
        now = rate_next();
        assert_true(rate_is_due(now));
    }
    assert_in_range((sent[0] + sent[1]) * 8 / SECONDS, 9900000, 10100000);
    assert_in_range(sent[0] * 8 / SECONDS, 4500000, 5500000);
}

/* A datagram that was refused and does not come again holds nobody up for long. */
static void test_gone(void **state)
{
    mtime_t now = MTIME_SEC;
    uint64_t sent = 0;

    (void)state;
    set_rate(10000000);
    while (rate_allows(RATE_DATAGRAM, now))
        rate_sent(RATE_DATAGRAM, 1000, now);
    while (now < (1 + SECONDS) * MTIME_SEC) {
        rate_begin_turns();
        while (rate_allows(RATE_TCP, now)) {
            rate_sent(RATE_TCP, MSS, now);
            sent += MSS;
        }
        rate_end_turns();
        assert_true(rate_next() > now);
        now = rate_next();
        (void)rate_is_due(now);
    }
    assert_in_range(sent * 8 / SECONDS, 9900000, 10100000);
}

/* Messages have an eighth, whatever else goes on. */
static void test_messages(void **state)
{
    uint64_t sent = 0, messages = 0;

    (void)state;
    set_rate(10000000);
    for (mtime_t now = MTIME_SEC; now < (1 + SECONDS) * MTIME_SEC; now += 100 * MTIME_US) {
        rate_begin_turns();
        while (rate_allows(RATE_TCP, now)) {
            rate_sent(RATE_TCP, MSS, now);
            sent += MSS;
        }
        rate_end_turns();
        while (rate_allows(RATE_MESSAGE, now)) {
            rate_sent(RATE_MESSAGE, 56, now);
            messages += 56;
        }
    }
    assert_in_range(messages * 8 / SECONDS, 1200000, 1300000);
    assert_in_range((sent + messages) * 8 / SECONDS, 9900000, 10100000);
}

/* --- connections -------------------------------------------------------------------------------- */

struct flow {
    struct hand_conn conn;
    uint64_t bytes;
    mtime_t wrote; /* When a small one has written; 0: it has arrived. */
    mtime_t worst;
};

static struct flow flows[FLOWS + 1];

static void write_more(struct flow *f)
{
    while (f->conn.sock->ops->ready(f->conn.sock) & SOCK_OUT)
        assert_true(hand_write(f->conn.sock, BULK) > 0);
}

/* Several that send as much as they can, and one that says little now and then: for SECONDS. */
static uint64_t run(unsigned n_bulk)
{
    struct flow *small = &flows[FLOWS];
    mtime_t start = hand_now(), next_small = start;
    struct hand_segment s;
    uint64_t sum = 0;

    for (unsigned i = 0; i < n_bulk; i++)
        write_more(&flows[i]);
    while (hand_now() < start + SECONDS * MTIME_SEC) {
        if (hand_now() >= next_small && !small->wrote) {
            assert_int_equal(hand_write(small->conn.sock, SMALL), SMALL);
            small->wrote = hand_now();
            next_small = small->wrote + PAUSE;
        }
        if (!hand_next(&s, 5 * MTIME_MS))
            continue;
        for (unsigned i = 0; i <= FLOWS; i++) {
            struct flow *f = &flows[i];

            if (f->conn.port != s.from)
                continue;
            f->bytes += s.len;
            f->conn.ack = s.seq + s.len;
            hand_ack(&f->conn);
            if (f != small) {
                write_more(f);
            } else {
                small->worst =
                    s.at - small->wrote > small->worst ? s.at - small->wrote : small->worst;
                small->wrote = 0;
            }
        }
    }
    for (unsigned i = 0; i <= FLOWS; i++)
        sum += flows[i].bytes;
    return sum * 8 / SECONDS;
}

static void test_connections(void **state)
{
    static const uint64_t rates[] = {1000000, 10000000, 100000000};

    (void)state;
    for (unsigned i = 0; i < sizeof rates / sizeof *rates; i++) {
        mtime_t frame = (mtime_t)(MSS * 8 * (uint64_t)MTIME_SEC / rates[i]);

        for (unsigned n = 0; n <= FLOWS; n++) {
            flows[n] = (struct flow){.bytes = 0};
            hand_connect(&flows[n].conn, hand_socket(), MSS, 7);
        }
        set_rate(rates[i]);
        assert_in_range(run(FLOWS), rates[i] / 100 * 98, rates[i] / 100 * 102);
        for (unsigned n = 0; n < FLOWS; n++)
            assert_in_range(flows[n].bytes * 8 / SECONDS, rates[i] / (FLOWS + 1),
                            rates[i] / (FLOWS - 1));
        assert_true(flows[FLOWS].bytes >= SMALL * (SECONDS * MTIME_SEC / PAUSE) / 2);
        assert_true(flows[FLOWS].worst <= (mtime_t)(2 * FLOWS) * frame + 10 * MTIME_MS);
        stack_settings.rate = 0;
        hand_clear();
        for (unsigned n = 0; n <= FLOWS; n++)
            flows[n].conn.sock->ops->close(flows[n].conn.sock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_kept, clear),
        cmocka_unit_test_teardown(test_shared, clear),
        cmocka_unit_test_teardown(test_gone, clear),
        cmocka_unit_test_teardown(test_messages, clear),
        cmocka_unit_test_teardown(test_connections, clear),
    };

    return cmocka_run_group_tests(tests, hand_setup, NULL);
}
