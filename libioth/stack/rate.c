/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/rate.h"

#include "libioth/stack/settings.h"

#define NS_PER_US    1000
#define NS_PER_SEC   1000000000
#define BURST        (10000 * NS_PER_US)
#define SLACK        (5000 * NS_PER_US)
#define GRACE        (10000 * NS_PER_US) /* Who does not come in its turn meanwhile, loses it. */
#define TOGETHER     (500 * NS_PER_US) /* What is due so soon goes together. */
#define SEGMENT      (2000 * NS_PER_US)
#define AHEAD_MAX    65536
#define MESSAGE_PART 8

/* Nanoseconds: a frame of a fast rate takes few microseconds. */
static struct {
    int64_t next, next_message;
    int64_t last;            /* How long the last frame took. */
    int64_t ahead;           /* By how many bytes TCP is, before datagrams. */
    int64_t datagrams_since; /* Since when they wait; 0: they do not. */
    bool datagrams_called;   /* They have been told since they were refused last. */
    bool tcp_waits;
    bool turns;
} r;

static int64_t ns(mtime_t t)
{
    return t * NS_PER_US;
}

void rate_reset(void)
{
    r.next = r.next_message = r.ahead = r.datagrams_since = r.last = 0;
    r.tcp_waits = r.turns = r.datagrams_called = false;
}

static int64_t takes(size_t size, uint64_t rate)
{
    return (int64_t)(size * 8 * (uint64_t)NS_PER_SEC / rate);
}

static int64_t slack(void)
{
    return r.last > SLACK / 2 ? 2 * r.last : SLACK;
}

/* Do datagrams wait, and may still come? */
static bool datagrams_wait(int64_t now)
{
    if (r.datagrams_since && now - r.datagrams_since > GRACE)
        r.datagrams_since = 0;
    return r.datagrams_since != 0;
}

static bool tcp_may(int64_t now)
{
    if (r.next <= now && (r.turns || !r.tcp_waits) && !(datagrams_wait(now) && r.ahead > 0))
        return true;
    r.tcp_waits = true;
    return false;
}

/* From when on datagrams may go. */
static int64_t datagrams_due(void)
{
    return r.tcp_waits && r.ahead < 0 ? r.next : r.next - slack();
}

static bool datagram_may(int64_t now)
{
    if (datagrams_due() <= now)
        return true;
    r.datagrams_since = now;
    r.datagrams_called = false;
    return false;
}

bool rate_allows(enum rate_kind kind, mtime_t t)
{
    if (!stack_settings.rate)
        return true;
    switch (kind) {
    case RATE_TCP:
        return tcp_may(ns(t));
    case RATE_DATAGRAM:
        return datagram_may(ns(t));
    case RATE_MESSAGE:
        return r.next_message - SLACK <= ns(t);
    }
    return true;
}

static void put_forward(int64_t *clock, int64_t by, int64_t now)
{
    if (*clock < now - BURST)
        *clock = now - BURST;
    *clock += by;
}

void rate_sent(enum rate_kind kind, size_t size, mtime_t t)
{
    uint64_t rate = stack_settings.rate;

    if (!rate || !size)
        return;
    r.last = takes(size, rate);
    put_forward(&r.next, r.last, ns(t));
    if (kind == RATE_MESSAGE)
        put_forward(&r.next_message, r.last * MESSAGE_PART, ns(t));
    if (kind == RATE_DATAGRAM)
        r.datagrams_since = 0;
    r.ahead += kind == RATE_TCP ? (int64_t)size : -(int64_t)size;
    if (r.ahead > AHEAD_MAX)
        r.ahead = AHEAD_MAX;
    if (r.ahead < -AHEAD_MAX)
        r.ahead = -AHEAD_MAX;
}

static int64_t tcp_due(void)
{
    int64_t grace = r.datagrams_since + GRACE;

    return r.datagrams_since && r.ahead > 0 && grace > r.next ? grace : r.next;
}

static bool datagrams_expect(void)
{
    return r.datagrams_since && !r.datagrams_called;
}

mtime_t rate_next(void)
{
    int64_t at = INT64_MAX;

    if (r.tcp_waits)
        at = tcp_due();
    if (datagrams_expect() && datagrams_due() < at)
        at = datagrams_due();
    return at == INT64_MAX ? MTIME_NEVER : (at + TOGETHER) / NS_PER_US + 1;
}

bool rate_is_due(mtime_t t)
{
    bool tcp = r.tcp_waits && tcp_due() <= ns(t);
    bool datagrams = datagrams_expect() && datagrams_due() <= ns(t);

    r.datagrams_called = r.datagrams_called || datagrams;
    return tcp || datagrams;
}

void rate_begin_turns(void)
{
    r.turns = true;
    r.tcp_waits = false;
}

void rate_end_turns(void)
{
    r.turns = false;
}

uint32_t rate_segment(uint32_t most)
{
    uint64_t size = stack_settings.rate / 8 * (SEGMENT / NS_PER_US) / 1000000;

    return !stack_settings.rate || size > most ? most : (uint32_t)size;
}
