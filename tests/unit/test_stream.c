/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reliable stream over wires that lose, double and reorder, and against a liar. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/stream.h"

#define WIRE_MAX 4096u

struct packet {
    mtime_t at;
    unsigned to;
    size_t size;
    uint8_t data[1600];
};

struct end {
    struct stream st;
    struct world *world;
    unsigned place;
    unsigned got;      /* Messages. */
    uint32_t expected; /* Number of the next one. */
    bool refuse;
    unsigned rooms;
};

struct world {
    struct end ends[2];
    struct packet *wire;
    unsigned n_wire;
    mtime_t now;
    uint64_t random;
    unsigned loss, duplicate; /* Per thousand. */
    mtime_t delay, jitter;
    unsigned sent;
    uint64_t bytes;
};

static uint64_t draw(struct world *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static void put(struct world *w, unsigned to, const uint8_t *data, size_t size)
{
    struct packet *p = &w->wire[w->n_wire];

    if (w->n_wire == WIRE_MAX || draw(w) % 1000 < w->loss)
        return;
    p->at = w->now + w->delay + (w->jitter ? (mtime_t)(draw(w) % (uint64_t)w->jitter) : 0);
    p->to = to;
    p->size = size;
    memcpy(p->data, data, size);
    w->n_wire++;
}

static void on_transmit(void *aux, const uint8_t *data, size_t size)
{
    struct end *e = aux;
    struct world *w = e->world;

    assert_true(size <= e->st.segment_max);
    w->sent++;
    w->bytes += size;
    put(w, 1 - e->place, data, size);
    if (draw(w) % 1000 < w->duplicate)
        put(w, 1 - e->place, data, size);
}

static size_t size_of(uint32_t number)
{
    static const size_t sizes[] = {4, 100, 1000, 60000, 5, 2000, 30000};

    return sizes[number % 7];
}

static void fill(uint8_t *out, uint32_t number)
{
    size_t size = size_of(number);

    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(number * 31 + i * 7 + i / 251);
}

static bool on_message(void *aux, const uint8_t *data, size_t size)
{
    static uint8_t want[STREAM_MESSAGE_MAX];
    struct end *e = aux;

    if (e->refuse)
        return false;
    fill(want, e->expected);
    assert_int_equal(size, size_of(e->expected));
    assert_memory_equal(data, want, size);
    e->expected++;
    e->got++;
    return true;
}

static void on_room(void *aux)
{
    struct end *e = aux;

    e->rooms++;
}

static const struct stream_ops ops = {on_transmit, on_message, on_room};

static struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof *w);

    w->wire = calloc(WIRE_MAX, sizeof *w->wire);
    w->random = seed * 0x9e3779b97f4a7c15u + 1;
    w->delay = 5 * MTIME_MS;
    for (unsigned i = 0; i < 2; i++) {
        w->ends[i].world = w;
        w->ends[i].place = i;
        stream_init(&w->ends[i].st, &ops, &w->ends[i]);
        stream_set_segment(&w->ends[i].st, 1400);
    }
    return w;
}

static void world_free(struct world *w)
{
    stream_done(&w->ends[0].st);
    stream_done(&w->ends[1].st);
    free(w->wire);
    free(w);
}

static bool step(struct world *w, mtime_t end)
{
    unsigned first = WIRE_MAX;
    mtime_t due =
        mtime_min(stream_deadline(&w->ends[0].st), stream_deadline(&w->ends[1].st));

    for (unsigned i = 0; i < w->n_wire; i++) {
        if (first == WIRE_MAX || w->wire[i].at < w->wire[first].at)
            first = i;
    }
    if (first < WIRE_MAX && w->wire[first].at <= due) {
        struct packet p = w->wire[first];

        if (p.at > end)
            return false;
        w->wire[first] = w->wire[--w->n_wire];
        w->now = p.at > w->now ? p.at : w->now;
        stream_input(&w->ends[p.to].st, p.data, p.size, w->now);
        return true;
    }
    if (due > end)
        return false;
    w->now = due;
    stream_run(&w->ends[0].st, w->now);
    stream_run(&w->ends[1].st, w->now);
    return true;
}

static void run(struct world *w, mtime_t span)
{
    mtime_t end = w->now + span;

    while (step(w, end))
        ;
    w->now = end;
}

static void send_all(struct world *w, unsigned from, uint32_t n)
{
    static uint8_t text[STREAM_MESSAGE_MAX];

    for (uint32_t i = 0; i < n; i++) {
        int r;

        fill(text, i);
        do {
            r = stream_send(&w->ends[from].st, text, size_of(i), w->now);
            if (r != 0)
                run(w, 10 * MTIME_MS);
        } while (r == -EAGAIN);
        assert_int_equal(r, 0);
    }
}

static void everything_arrives(void **state)
{
    static const unsigned losses[] = {0, 10, 100, 300};

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *w = world_new(seed);

        w->loss = losses[seed % 4];
        w->duplicate = seed % 3 ? 100 : 0;
        w->jitter = seed % 2 ? 15 * MTIME_MS : 0;
        send_all(w, 0, 40);
        run(w, 300 * MTIME_SEC);
        assert_int_equal(w->ends[1].got, 40);
        assert_null(w->ends[0].st.out); /* Idle: no memory, no timer. */
        assert_null(w->ends[1].st.in);
        assert_true(stream_deadline(&w->ends[0].st) == MTIME_NEVER);
        world_free(w);
    }
}

static void both_ways_at_once(void **state)
{
    struct world *w = world_new(5);
    static uint8_t text[STREAM_MESSAGE_MAX];

    (void)state;
    w->loss = 50;
    for (uint32_t i = 0; i < 3; i++) {
        fill(text, i);
        assert_int_equal(stream_send(&w->ends[0].st, text, size_of(i), w->now), 0);
        assert_int_equal(stream_send(&w->ends[1].st, text, size_of(i), w->now), 0);
    }
    run(w, 60 * MTIME_SEC);
    assert_int_equal(w->ends[0].got, 3);
    assert_int_equal(w->ends[1].got, 3);
    world_free(w);
}

/* A clean wire carries little more than the bytes themselves, and at speed. */
static void costs_are_small(void **state)
{
    struct world *w = world_new(3);
    uint64_t bytes = 0;
    mtime_t start;

    (void)state;
    for (uint32_t i = 0; i < 70; i++)
        bytes += size_of(i);
    start = w->now;
    send_all(w, 0, 70);
    run(w, MTIME_SEC);
    assert_int_equal(w->ends[1].got, 70);
    assert_in_range(w->bytes, bytes, bytes * 11 / 10);
    assert_in_range(w->now - start, 0, 3 * MTIME_SEC);
    world_free(w);
}

static void limits(void **state)
{
    struct world *w = world_new(4);
    static uint8_t text[STREAM_MESSAGE_MAX + 1];
    unsigned taken = 0;

    (void)state;
    assert_int_equal(stream_send(&w->ends[0].st, text, sizeof text, 0), -EMSGSIZE);
    w->loss = 1000;
    while (stream_send(&w->ends[0].st, text, STREAM_MESSAGE_MAX, 0) == 0)
        taken++;
    assert_int_equal(taken, STREAM_SEND_ROOM / (STREAM_MESSAGE_MAX + 2));
    assert_int_equal(w->ends[0].rooms, 0);
    run(w, 60 * MTIME_SEC); /* Nothing arrives; retransmissions back off. */
    assert_in_range(w->sent, 10, 80);
    w->loss = 0;
    w->ends[1].refuse = true;
    run(w, 30 * MTIME_SEC);
    assert_int_equal(w->ends[0].rooms, 1);
    assert_int_equal(stream_send(&w->ends[0].st, "", 0, w->now), 0);
    world_free(w);
}

/* A message that is not taken stays; the sender learns of the open window though it is lost. */
static void the_window_opens_again(void **state)
{
    struct world *w = world_new(6);

    (void)state;
    w->ends[1].refuse = true;
    send_all(w, 0, 5);
    run(w, 10 * MTIME_SEC);
    assert_int_equal(w->ends[1].got, 0);
    w->ends[1].refuse = false;
    w->loss = 1000;
    stream_resume(&w->ends[1].st);
    w->loss = 0;
    run(w, 60 * MTIME_SEC);
    assert_int_equal(w->ends[1].got, 5);
    world_free(w);
}

static void reset_begins_anew(void **state)
{
    struct world *w = world_new(7);

    (void)state;
    w->loss = 300;
    send_all(w, 0, 3);
    stream_reset(&w->ends[0].st);
    stream_reset(&w->ends[1].st);
    w->n_wire = 0;
    w->ends[1].expected = 0;
    w->ends[1].got = 0;
    send_all(w, 0, 10);
    run(w, 60 * MTIME_SEC);
    assert_int_equal(w->ends[1].got, 10);
    world_free(w);
}

/* The longest message is taken; a longer one breaks the stream until it is begun anew. */
static void too_long_a_message(void **state)
{
    struct world *w = world_new(9);
    struct stream *s = &w->ends[1].st;
    uint8_t segment[STREAM_HEAD + 2] = {0};

    (void)state;
    segment[STREAM_HEAD] = STREAM_MESSAGE_MAX >> 8;
    segment[STREAM_HEAD + 1] = STREAM_MESSAGE_MAX & 0xff;
    stream_input(s, segment, sizeof segment, w->now);
    assert_false(s->broken);
    stream_reset(s);
    segment[STREAM_HEAD + 1]++;
    stream_input(s, segment, sizeof segment, w->now);
    assert_true(s->broken);
    assert_true(stream_deadline(s) == 0);
    stream_run(s, w->now);
    stream_resume(s);
    assert_int_equal(w->ends[1].got, 0);
    stream_reset(s);
    send_all(w, 0, 5);
    run(w, 10 * MTIME_SEC);
    assert_int_equal(w->ends[1].got, 5);
    world_free(w);
}

/* Segments at the edges of numbers change nothing that matters. */
static void liars_are_ignored(void **state)
{
    static const struct {
        uint64_t from, ack;
        uint32_t window;
        size_t size;
    } lies[] = {
        {0, UINT64_MAX, 65536, 0},   {0, UINT64_MAX / 2, 65536, 0}, {0, 1, 65536, 0},
        {UINT64_MAX, 0, 65536, 100}, {UINT64_MAX / 2, 0, 0, 100},   {65537, 0, 65536, 100},
        {65500, 0, 65536, 100},      {0, 0, UINT32_MAX, 0},
    };
    struct world *w = world_new(8);

    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t s[STREAM_HEAD + 100] = {0};

        for (unsigned b = 0; b < 8; b++) {
            s[1 + b] = (uint8_t)(lies[i].from >> (56 - 8 * b));
            s[9 + b] = (uint8_t)(lies[i].ack >> (56 - 8 * b));
        }
        for (unsigned b = 0; b < 4; b++)
            s[17 + b] = (uint8_t)(lies[i].window >> (24 - 8 * b));
        stream_input(&w->ends[0].st, s, STREAM_HEAD + lies[i].size, w->now);
        for (size_t n = 0; n < STREAM_HEAD; n++)
            stream_input(&w->ends[0].st, s, n, w->now);
    }
    assert_int_equal(w->ends[0].got, 0);
    assert_true(w->ends[0].st.limit == STREAM_RECEIVE_ROOM);
    send_all(w, 0, 5);
    run(w, 10 * MTIME_SEC);
    assert_int_equal(w->ends[1].got, 5);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_arrives),     cmocka_unit_test(both_ways_at_once),
        cmocka_unit_test(costs_are_small),        cmocka_unit_test(limits),
        cmocka_unit_test(the_window_opens_again), cmocka_unit_test(reset_begins_anew),
        cmocka_unit_test(liars_are_ignored),      cmocka_unit_test(too_long_a_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
