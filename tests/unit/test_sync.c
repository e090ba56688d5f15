/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages between controls, and the pipe that carries them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/xalloc.h"
#include "proto/sync/message.h"
#include "proto/sync/pipe.h"
#include "proto/sync/source.h"

/* Every prefix of a message, and it with a byte more, is refused; whole it is read. Returns it. */
static struct sync_message round_trip(const struct sync_message *m)
{
    struct sync_message out;
    size_t size;
    uint8_t *data = sync_encode(m, &size), *longer;

    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        uint8_t *exact = xcalloc(1, i);

        memcpy(exact, data, i);
        assert_int_equal(sync_decode(exact, i, &out), -EPROTO);
        free(exact);
    }
    longer = xcalloc(1, size + 1);
    memcpy(longer, data, size);
    assert_int_equal(sync_decode(longer, size + 1, &out), -EPROTO);
    longer[0]++;
    assert_int_equal(sync_decode(longer, size, &out), -EPROTONOSUPPORT);
    free(longer);
    assert_int_equal(sync_decode(data, size, &out), 0);
    free(data);
    assert_int_equal(out.type, m->type);
    return out;
}

static void join_and_answers(void **state)
{
    struct sync_message m = {.type = SYNC_JOIN}, out;

    (void)state;
    m.u.join.invite = 0x0123456789abcdef;
    memset(m.u.join.secret, 7, 32);
    memcpy(m.u.join.name, "beta", 5);
    m.u.join.n_addrs = 2;
    m.u.join.addrs[0] = (struct sync_addr){4, 4655, {192, 0, 2, 1}};
    m.u.join.addrs[1] = (struct sync_addr){6, 4656, {0x20, 1, 0xd, 0xb8}};
    out = round_trip(&m);
    assert_memory_equal(&out.u.join, &m.u.join, sizeof(m.u.join));
    sync_done(&out);

    m = (struct sync_message){.type = SYNC_WELCOME};
    m.u.welcome.fabric = 9;
    m.u.welcome.host = 3;
    m.u.welcome.chain_size = SYNC_MAX_CHAIN;
    memcpy(m.u.welcome.name, "beta", 5);
    out = round_trip(&m);
    assert_memory_equal(&out.u.welcome, &m.u.welcome, sizeof(m.u.welcome));

    m = (struct sync_message){.type = SYNC_REFUSE, .u.refuse = {409, "taken", "try"}};
    out = round_trip(&m);
    assert_memory_equal(&out.u.refuse, &m.u.refuse, sizeof(m.u.refuse));

    memcpy(m.u.refuse.why, "\033[2J", 5);
    {
        size_t size;
        uint8_t *data = sync_encode(&m, &size);

        assert_int_equal(sync_decode(data, size, &out), -EPROTO);
        free(data);
    }

    m = (struct sync_message){.type = SYNC_FOLLOW, .u.follow = {.round = 2, .revision = 5}};
    out = round_trip(&m);
    assert_int_equal(out.u.follow.round, 2);
    assert_int_equal(out.u.follow.revision, 5);
    m = (struct sync_message){.type = SYNC_HAVE, .u.have = 12};
    out = round_trip(&m);
    assert_int_equal(out.u.have, 12);
}

static void rows_and_requests(void **state)
{
    char kind[] = "network", empty[] = "", name[] = "lan1", body[] = "{\"mtu\":1500}";
    struct sync_row rows[2] = {{5, kind, empty, name, empty, body},
                               {6, kind, empty, name, empty, NULL}};
    struct sync_message m = {.type = SYNC_ROWS}, out;

    (void)state;
    m.u.rows = (struct sync_rows){
        .round = 1, .store = 2, .from = 3, .revision = 6, .n = 2, .row = rows};
    out = round_trip(&m);
    assert_int_equal(out.u.rows.n, 2);
    assert_string_equal(out.u.rows.row[0].body, body);
    assert_null(out.u.rows.row[1].body);
    assert_int_equal(out.u.rows.row[1].revision, 6);
    sync_done(&out);
    m.u.rows.flags = SYNC_ROWS_LAST;
    {
        size_t size;
        uint8_t *data = sync_encode(&m, &size);

        assert_int_equal(sync_decode(data, size, &out), -EPROTO); /* LAST of no snapshot. */
        free(data);
    }
    m = (struct sync_message){.type = SYNC_REQUEST, .u.request = {1, SYNC_CHANGE, body}};
    out = round_trip(&m);
    assert_string_equal(out.u.request.json, body);
    sync_done(&out);
    m = (struct sync_message){.type = SYNC_RESULT, .u.result = {1, 99, body}};
    out = round_trip(&m);
    assert_int_equal(out.u.result.revision, 99);
    sync_done(&out);
}

static void calls(void **state)
{
    char path[] = "/v1/networks/lan1", key[] = "network", value[] = "lan1",
         type[] = "Accept", yaml[] = "application/yaml";
    uint8_t body[] = {'{', 0, '}', 0xff};
    struct sync_message m = {.type = SYNC_CALL}, out;
    size_t size;

    (void)state;
    m.u.call = (struct sync_call){.id = 7,
                                  .flags = SYNC_CALL_READS,
                                  .host = "beta",
                                  .from = "gamma",
                                  .method = "PUT",
                                  .path = path,
                                  .query = {1, {{key, value}}},
                                  .headers = {1, {{type, yaml}}},
                                  .size = sizeof(body),
                                  .body = body};
    out = round_trip(&m);
    assert_int_equal(out.u.call.id, 7);
    assert_int_equal(out.u.call.flags, SYNC_CALL_READS);
    assert_string_equal(out.u.call.host, "beta");
    assert_string_equal(out.u.call.from, "gamma");
    assert_string_equal(out.u.call.method, "PUT");
    assert_string_equal(out.u.call.path, path);
    assert_string_equal(out.u.call.query.pair[0].value, value);
    assert_string_equal(out.u.call.headers.pair[0].value, yaml);
    assert_int_equal(out.u.call.size, sizeof(body));
    assert_memory_equal(out.u.call.body, body, sizeof(body));
    sync_done(&out);

    value[1] = '\n'; /* No line may end in a header. */
    assert_null(sync_encode(&m, &size));
    value[1] = 'a';
    m.u.call.size = SYNC_CALL_BODY + 1;
    assert_null(sync_encode(&m, &size));

    m = (struct sync_message){.type = SYNC_ANSWER};
    m.u.answer = (struct sync_answer){.id = 7,
                                      .flags = SYNC_ANSWER_FIRST | SYNC_ANSWER_LAST,
                                      .status = 200,
                                      .headers = {1, {{type, yaml}}},
                                      .size = sizeof(body),
                                      .data = body};
    out = round_trip(&m);
    assert_int_equal(out.u.answer.status, 200);
    assert_string_equal(out.u.answer.headers.pair[0].key, type);
    assert_memory_equal(out.u.answer.data, body, sizeof(body));
    sync_done(&out);
    m.u.answer = (struct sync_answer){.id = 7, .flags = SYNC_ANSWER_BROKEN};
    out = round_trip(&m);
    assert_int_equal(out.u.answer.flags, SYNC_ANSWER_BROKEN);
    sync_done(&out);

    m = (struct sync_message){.type = SYNC_TOOK, .u.took = {7, 4096}};
    out = round_trip(&m);
    assert_int_equal(out.u.took.size, 4096);
    m = (struct sync_message){.type = SYNC_CANCEL, .u.cancel = 7};
    out = round_trip(&m);
    assert_int_equal(out.u.cancel, 7);
}

static void reports(void **state)
{
    struct sync_seen_peer peers[] = {{2, true, 400, 1400, "AES-256-GCM"},
                                     {7, false, 0, 0, ""}};
    struct sync_seen_port ports[] = {{9, SYNC_PORT_PENDING, "core"},
                                     {9, SYNC_PORT_UP, "lan"}};
    struct sync_seen_tree trees[] = {{3, 77, false, ""}, {9, 0, true, "core"}};
    struct sync_message m = {.type = SYNC_SEEN}, out;
    struct sync_seen copy;
    size_t size;
    uint8_t *data;

    (void)state;
    m.u.seen = (struct sync_seen){.host = 1, .n_peers = 2, .n_ports = 2, .n_trees = 2};
    m.u.seen.peer = peers;
    m.u.seen.port = ports;
    m.u.seen.tree = trees;
    out = round_trip(&m);
    assert_true(sync_seen_equal(&out.u.seen, &m.u.seen));
    assert_int_equal(out.u.seen.peer[0].rtt_us, 400);
    assert_string_equal(out.u.seen.peer[0].cipher, "AES-256-GCM");
    assert_int_equal(out.u.seen.port[1].state, SYNC_PORT_UP);
    copy = sync_seen_copy(&out.u.seen);
    sync_done(&out);
    copy.peer[0].rtt_us = 1; /* Not a change of its own. */
    assert_true(sync_seen_equal(&copy, &m.u.seen));
    copy.port[0].state = SYNC_PORT_UP;
    assert_false(sync_seen_equal(&copy, &m.u.seen));
    copy.port[0].state = SYNC_PORT_PENDING;
    copy.tree[1].learning = false;
    assert_false(sync_seen_equal(&copy, &m.u.seen));
    sync_seen_done(&copy);

    peers[1].host = 2; /* Hosts rise, and none is there twice. */
    data = sync_encode(&m, &size);
    assert_int_equal(sync_decode(data, size, &out), -EPROTO);
    free(data);
    peers[1].host = 7;
    trees[1].net = 3; /* So do networks. */
    data = sync_encode(&m, &size);
    assert_int_equal(sync_decode(data, size, &out), -EPROTO);
    free(data);
    trees[1].net = 9;
    memcpy(peers[0].cipher, "\033[2J", 5); /* Ends up on terminals. */
    data = sync_encode(&m, &size);
    assert_int_equal(sync_decode(data, size, &out), -EPROTO);
    free(data);
    m.u.seen = (struct sync_seen){.host = 3, .gone = true};
    out = round_trip(&m);
    assert_true(out.u.seen.gone);
    sync_done(&out);
    m.u.seen.n_peers = SYNC_SEEN_PEERS + 1;
    assert_null(sync_encode(&m, &size));
}

static void what_cannot_be_said(void **state)
{
    char kind[] = "network", empty[] = "", name[] = "n";
    char *large = xcalloc(1, SYNC_MAX_BODY + 2);
    struct sync_row row = {1, kind, empty, name, empty, large};
    struct sync_message m = {.type = SYNC_ROWS, .u.rows = {.n = 1, .row = &row}};
    size_t size;
    uint8_t *data;

    (void)state;
    memset(large, 'x', SYNC_MAX_BODY);
    data = sync_encode(&m, &size);
    assert_non_null(data);
    free(data);
    large[SYNC_MAX_BODY] = 'x';
    assert_null(sync_encode(&m, &size));
    free(large);
}

/* --- the pipe ----------------------------------------------------------------------------- */

struct end {
    struct pipe_end pipe;
    struct end *other;
    uint8_t *frames[64];
    size_t sizes[64];
    unsigned head, tail;
    size_t most; /* Bytes under way towards this end. */
    unsigned messages, began;
    size_t last;
};

static void frame_out(void *aux, const uint8_t *data, size_t size)
{
    struct end *to = ((struct end *)aux)->other;
    size_t under_way = 0;

    assert_true(size <= PIPE_FRAME_MAX);
    assert_true(to->tail - to->head < 64);
    to->frames[to->tail % 64] = xcalloc(1, size);
    memcpy(to->frames[to->tail % 64], data, size);
    to->sizes[to->tail++ % 64] = size;
    for (unsigned i = to->head; i != to->tail; i++) {
        under_way += to->sizes[i % 64];
    }
    to->most = under_way > to->most ? under_way : to->most;
}

static void message_in(void *aux, const uint8_t *data, size_t size)
{
    struct end *e = aux;

    for (size_t i = 0; i < size; i++) {
        assert_int_equal(data[i], (uint8_t)(size + i));
    }
    e->messages++;
    e->last = size;
}

static void began(void *aux)
{
    struct end *e = aux;

    e->began++;
}

static const struct pipe_ops ops = {frame_out, began, message_in};

static int take(struct end *e)
{
    unsigned at = e->head++ % 64;
    int r = pipe_input(&e->pipe, e->frames[at], e->sizes[at]);

    free(e->frames[at]);
    return r;
}

static void pipes_bound_what_is_under_way(void **state)
{
    static const size_t sizes[] = {0,      1,     PIPE_FRAME_MAX - 1, PIPE_FRAME_MAX,
                                   100000, 900000};
    struct end *a = xcalloc(1, sizeof(*a)), *b = xcalloc(1, sizeof(*b));
    uint8_t *data = xcalloc(1, 900000);

    (void)state;
    a->other = b;
    b->other = a;
    pipe_init(&a->pipe, &ops, a, 1000000, 1);
    assert_int_equal(pipe_send(&a->pipe, data, 1), -ENOTCONN);
    pipe_init(&b->pipe, &ops, b, 1000000, 2);
    while (a->head != a->tail || b->head != b->tail) {
        assert_int_equal(take(b->head != b->tail ? b : a), 0);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            data[j] = (uint8_t)(sizes[i] + j);
        }
        assert_int_equal(pipe_send(&a->pipe, data, sizes[i]), 0);
    }
    while (a->head != a->tail || b->head != b->tail) {
        assert_int_equal(take(b->head != b->tail ? b : a), 0);
    }
    assert_int_equal(b->messages, 6);
    assert_int_equal(b->last, 900000);
    assert_true(b->most > PIPE_WINDOW / 2 && b->most <= PIPE_WINDOW);
    assert_int_equal(a->pipe.queued, 0);
    pipe_done(&a->pipe);
    pipe_done(&b->pipe);
    free(data);
    free(a);
    free(b);
}

/* One end begins anew in the middle of a message; the stream between them stays. */
static void pipes_begin_anew(void **state)
{
    struct end *a = xcalloc(1, sizeof(*a)), *b = xcalloc(1, sizeof(*b));
    uint8_t *data = xcalloc(1, 100000);

    (void)state;
    a->other = b;
    b->other = a;
    for (size_t j = 0; j < 100000; j++) {
        data[j] = (uint8_t)(100000 + j);
    }
    pipe_init(&a->pipe, &ops, a, 1000000, 1);
    pipe_init(&b->pipe, &ops, b, 1000000, 2);
    while (a->head != a->tail || b->head != b->tail) {
        assert_int_equal(take(b->head != b->tail ? b : a), 0);
    }
    assert_int_equal(a->began, 1);
    assert_int_equal(b->began, 1);
    assert_int_equal(pipe_send(&a->pipe, data, 100000), 0);
    assert_int_equal(pipe_send(&b->pipe, data, 100000), 0);
    assert_int_equal(take(b), 0); /* The first piece; the rest is under way, both ways. */
    pipe_done(&b->pipe);
    pipe_init(&b->pipe, &ops, b, 1000000, 3);
    while (a->head != a->tail || b->head != b->tail) {
        assert_int_equal(take(b->head != b->tail ? b : a), 0);
    }
    assert_int_equal(a->began, 2);
    assert_int_equal(b->began, 2);
    assert_int_equal(a->messages + b->messages, 0);
    assert_int_equal(pipe_send(&a->pipe, data, 100000), 0);
    while (a->head != a->tail || b->head != b->tail) {
        assert_int_equal(take(b->head != b->tail ? b : a), 0);
    }
    assert_int_equal(b->messages, 1);
    assert_int_equal(b->last, 100000);
    pipe_done(&a->pipe);
    pipe_done(&b->pipe);
    free(data);
    free(a);
    free(b);
}

static void pipes_refuse_nonsense(void **state)
{
    struct end e = {.other = &e};
    static const uint8_t bad_kind[] = {5, 1}, started[] = {4, 0, 0, 0, 0, 0, 0, 0, 9},
                         more[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, grant[] = {2, 0, 0, 0, 1},
                         short_grant[] = {2, 0};

    (void)state;
    pipe_init(&e.pipe, &ops, &e, 16, 9);
    assert_int_equal(pipe_input(&e.pipe, started, 8), -EPROTO);
    assert_int_equal(pipe_input(&e.pipe, more, 10), 0); /* Not heard yet. */
    assert_int_equal(pipe_input(&e.pipe, started, 9), 0);
    free(e.frames[0]);
    assert_int_equal(pipe_input(&e.pipe, bad_kind, 0), -EPROTO);
    assert_int_equal(pipe_input(&e.pipe, bad_kind, 2), -EPROTO);
    assert_int_equal(pipe_input(&e.pipe, short_grant, 2), -EPROTO);
    assert_int_equal(pipe_input(&e.pipe, grant, 5), -EPROTO); /* More than was sent. */
    assert_int_equal(pipe_input(&e.pipe, more, 10), 0);
    assert_int_equal(pipe_input(&e.pipe, more, 10), -EMSGSIZE);
    pipe_done(&e.pipe);
}

static uint64_t some_revision(void *aux)
{
    (void)aux;
    return 9;
}

/* A follower that asks and asks, and takes nothing, does not fill the founder's memory. */
static void results_are_bounded(void **state)
{
    static const struct source_ops store = {.revision = some_revision};
    static const uint8_t result[65536];
    struct source source;

    (void)state;
    source_init(&source, &store, NULL, 1);
    for (unsigned i = 0; i < 1000; i++) {
        source_after(&source, 9, result, sizeof(result));
        assert_true(source.held <= SOURCE_HELD);
    }
    assert_int_equal(source.held, SOURCE_HELD);
    source_done(&source);
    assert_int_equal(source.held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_and_answers),
        cmocka_unit_test(rows_and_requests),
        cmocka_unit_test(reports),
        cmocka_unit_test(calls),
        cmocka_unit_test(what_cannot_be_said),
        cmocka_unit_test(pipes_bound_what_is_under_way),
        cmocka_unit_test(pipes_begin_anew),
        cmocka_unit_test(pipes_refuse_nonsense),
        cmocka_unit_test(results_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
