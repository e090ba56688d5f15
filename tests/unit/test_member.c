/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The founder's door, with the real store: who shows what, and gets what answer. The test is the
 * parent, the switch, and all the strangers.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/view/view.h"
#include "proto/base/xalloc.h"
#include "proto/link/token.h"
#include "proto/sync/message.h"
#include "proto/sync/pipe.h"

#define N_JOINERS 100

struct world;

struct joiner {
    struct world *world;
    uint32_t conn;
    struct pipe_end pipe;
    struct sync_join join;
    enum sync_type answer; /* 0 = none yet */
    struct sync_welcome welcome;
    struct sync_refuse refuse;
    unsigned rows;
};

struct world {
    struct control control;
    int parent, switch_; /* Our ends. */
    uint32_t signing[N_JOINERS];
    unsigned n_signing;
    bool hold_signatures;
    char token[TOKEN_TEXT_SIZE];
    int status; /* Of the last action. */
    char why[320];
    struct joiner *joiner;
    unsigned n_joiners;
};

/* --- control's surroundings --------------------------------------------------------------- */

static void from_switch(struct chan *chan, struct ipc_message *msg)
{
    struct control *control = chan->aux;

    if (msg->head.type == IPC_PEER_STATE) {
        control->member_ops->peer_state(control, &msg->body.peer_state);
    } else if (msg->head.type == IPC_STREAM_IN) {
        control->member_ops->stream_in(control, &msg->body.stream);
    }
}

static void from_parent(struct chan *chan, struct ipc_message *msg)
{
    (void)chan;
    (void)msg;
}

static int open_channel(struct chan *chan, struct world *w,
                        void (*message)(struct chan *, struct ipc_message *))
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    *chan = (struct chan){.message = message, .aux = &w->control, .watch.fd = -1};
    assert_int_equal(chan_open(chan, w->control.loop, pair[0]), 0);
    return pair[1];
}

static void answer_signature(struct world *w, uint32_t request)
{
    struct ipc_signed *body = xcalloc(1, sizeof(*body));

    body->chain_size = 5;
    memcpy(body->chain, "chain", 5);
    memset(body->root, 9, sizeof(body->root));
    assert_int_equal(ipc_send(w->parent, IPC_SIGNED, request, body, NULL, 0), 0);
    free(body);
}

static void be_parent(struct world *w, struct ipc_message *msg)
{
    while (ipc_recv(w->parent, msg) == 1) {
        if (msg->head.type == IPC_OPEN_UDP) {
            struct ipc_reply reply = {.port = 4655};

            assert_int_equal(
                ipc_send(w->parent, IPC_REPLY, msg->head.request, &reply, NULL, 0), 0);
        } else if (msg->head.type == IPC_SIGN && w->hold_signatures) {
            assert_true(w->n_signing < N_JOINERS);
            w->signing[w->n_signing++] = msg->head.request;
        } else if (msg->head.type == IPC_SIGN) {
            answer_signature(w, msg->head.request);
        }
    }
}

static void be_switch(struct world *w, struct ipc_message *msg)
{
    while (ipc_recv(w->switch_, msg) == 1) {
        for (unsigned i = 0; msg->head.type == IPC_STREAM_OUT && i < w->n_joiners; i++) {
            struct joiner *j = &w->joiner[i];

            if (j->conn == msg->body.stream.conn) {
                assert_int_equal(
                    pipe_input(&j->pipe, msg->body.stream.data, msg->body.stream.size), 0);
            }
        }
    }
}

static void turn(struct world *w, unsigned times)
{
    struct ipc_message *msg = xcalloc(1, sizeof(*msg));

    while (times--) {
        loop_turn(w->control.loop, 0);
        be_parent(w, msg);
        be_switch(w, msg);
    }
    free(msg);
}

static void commit(struct world *w, const char *kind, const char *name, const char *body)
{
    struct store_op op = {.verb = STORE_PUT,
                          .scope = STORE_FABRIC,
                          .kind = kind,
                          .network = "",
                          .name = name,
                          .expect = STORE_ANY,
                          .owner = "daemon",
                          .body = body};
    struct err err = {.why = ""};

    assert_int_equal(store_commit(w->control.store, &op, 1, NULL, NULL, &err), 0);
}

static struct world *world_new(void)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct control *control = &w->control;
    struct err err = {.why = ""};

    assert_true(sodium_init() >= 0);
    w->joiner = xcalloc(N_JOINERS + 8, sizeof(*w->joiner));
    control->loop = loop_new();
    assert_int_equal(store_open("sqlite::memory:", "", &control->store, &err), 0);
    control->id.founder = true;
    control->id.self = (struct ipc_self){.host = 1, .fabric = 7};
    memcpy(control->id.self.name, "alpha", 6);
    memset(control->id.self.root, 9, 32);
    commit(w, "fabric", "fabric", "{}");
    commit(w, "host", "alpha",
           "{\"number\":1,\"founder\":true,\"address\":[\"192.0.2.1:4655\"]}");
    commit(w, "host", "declared", "{\"address\":[\"192.0.2.9:4655\"]}");
    control->view = view_new(control->store, &err);
    assert_non_null(control->view);
    control->observe = observe_new(control);
    control->seen = seen_new();
    control->reconcile = reconcile_new(control);
    w->parent = open_channel(&control->parent, w, from_parent);
    w->switch_ = open_channel(&control->switch_, w, from_switch);
    reconcile_replayed(control->reconcile);
    assert_int_equal(member_start(control, &err), 0);
    turn(w, 3);
    return w;
}

static void world_free(struct world *w)
{
    struct control *control = &w->control;

    for (unsigned i = 0; i < w->n_joiners; i++) {
        pipe_done(&w->joiner[i].pipe);
    }
    member_free(control->member);
    reconcile_free(control->reconcile);
    observe_free(control->observe);
    seen_free(control->seen);
    chan_close(&control->parent);
    chan_close(&control->switch_);
    close(w->parent);
    close(w->switch_);
    view_free(control->view);
    store_close(control->store);
    loop_free(control->loop);
    free(w->joiner);
    free(w);
}

static void told(void *aux, struct change_result *result)
{
    struct world *w = aux;

    w->status = result->status;
    snprintf(w->why, sizeof(w->why), "%s", result->err.why);
    snprintf(w->token, sizeof(w->token), "%s", node_get_text(result->value, "token", ""));
}

static struct token invite(struct world *w, const char *name)
{
    struct token token;
    struct err err = {.why = ""};

    w->control.member_ops->invite(&w->control, name, 600, told, w);
    turn(w, 5);
    assert_int_equal(w->status, 201);
    assert_int_equal(token_parse(w->token, &token, &err), 0);
    assert_memory_equal(token.root, w->control.id.self.root, 32);
    return token;
}

/* --- strangers ---------------------------------------------------------------------------- */

static void frame_out(void *aux, const uint8_t *data, size_t size)
{
    struct joiner *j = aux;
    struct ipc_stream *stream = xcalloc(1, sizeof(*stream));

    stream->conn = j->conn;
    stream->size = (uint32_t)size;
    memcpy(stream->data, data, size);
    assert_int_equal(ipc_send(j->world->switch_, IPC_STREAM_IN, 0, stream, NULL, 0), 0);
    free(stream);
}

static void say_join(void *aux)
{
    struct joiner *j = aux;
    struct sync_message m = {.type = SYNC_JOIN, .u.join = j->join};
    size_t size;
    uint8_t *data = sync_encode(&m, &size);

    assert_non_null(data);
    assert_int_equal(pipe_send(&j->pipe, data, size), 0);
    free(data);
}

static void hear(void *aux, const uint8_t *data, size_t size)
{
    struct joiner *j = aux;
    struct sync_message m;

    assert_int_equal(sync_decode(data, size, &m), 0);
    if (m.type == SYNC_WELCOME) {
        j->answer = m.type;
        j->welcome = m.u.welcome;
    } else if (m.type == SYNC_REFUSE) {
        j->answer = m.type;
        j->refuse = m.u.refuse;
    } else {
        assert_int_equal(m.type, SYNC_ROWS);
        j->rows += (unsigned)m.u.rows.n;
    }
    sync_done(&m);
}

static const struct pipe_ops pipe_ops = {frame_out, say_join, hear};

/* A stranger that shows a token, its session open with the key of `seed`. */
static struct joiner *arrive(struct world *w, const struct token *token, const char *name,
                             uint8_t seed)
{
    struct joiner *j = &w->joiner[w->n_joiners++];
    struct ipc_peer_state state = {.up = 1, .joining = 1};

    j->world = w;
    j->conn = state.conn = 0x80000000U + w->n_joiners;
    j->join.invite = token->invite;
    memcpy(j->join.secret, token->secret, 32);
    snprintf(j->join.name, sizeof(j->join.name), "%s", name);
    memset(j->join.noise_public, seed, 32);
    memset(j->join.sign_public, seed + 1, 32);
    memset(state.noise_public, seed, 32);
    state.invite = token->invite;
    state.addr = (struct ipc_addr){.family = 4, .port = 4655, .addr = {192, 0, 2, seed}};
    assert_int_equal(ipc_send(w->switch_, IPC_PEER_STATE, 0, &state, NULL, 0), 0);
    pipe_init(&j->pipe, &pipe_ops, j, SYNC_MAX_MESSAGE, w->n_joiners);
    turn(w, 3);
    return j;
}

static void expect_refused(struct world *w, struct joiner *j, int status, const char *why)
{
    turn(w, 10);
    assert_int_equal(j->answer, SYNC_REFUSE);
    if (j->refuse.status != status || !strstr(j->refuse.why, why)) {
        fail_msg("refused with %d: %s", j->refuse.status, j->refuse.why);
    }
    assert_int_equal(j->rows, 0);
}

/* --- tests -------------------------------------------------------------------------------- */

static void one_gets_in(void **state)
{
    struct world *w = world_new();
    struct token token = invite(w, NULL);
    struct joiner *j = arrive(w, &token, "beta", 2);
    const struct view_host *beta;

    (void)state;
    turn(w, 10);
    assert_int_equal(j->answer, SYNC_WELCOME);
    assert_int_equal(j->welcome.host, 2);
    assert_int_equal(j->welcome.fabric, 7);
    assert_string_equal(j->welcome.name, "beta");
    assert_memory_equal(j->welcome.chain, "chain", 5);
    assert_int_equal(j->rows, 4); /* The fabric and three hosts. */
    beta = view_host(w->control.view, "beta");
    assert_non_null(beta);
    assert_int_equal(beta->number, 2);
    assert_memory_equal(beta->noise_public, j->join.noise_public, 32);
    assert_string_equal(node_get(beta->body, "listens")->child[0]->text, "192.0.2.2:4655");
    world_free(w);
}

/* All have been looked at, and the parent has signed for all, before the first one is let in. */
static void a_hundred_race_for_one_token(void **state)
{
    struct world *w = world_new();
    struct token token = invite(w, NULL);
    unsigned welcome = 0, refused = 0;
    char name[16];

    (void)state;
    w->hold_signatures = true;
    for (unsigned i = 0; i < N_JOINERS; i++) {
        snprintf(name, sizeof(name), "h%u", i);
        (void)arrive(w, &token, name, (uint8_t)(10 + i));
    }
    turn(w, 20);
    assert_int_equal(w->n_signing, N_JOINERS);
    for (unsigned i = N_JOINERS; i-- > 0;) {
        answer_signature(w, w->signing[i]);
        turn(w, 1);
    }
    turn(w, 20);
    for (unsigned i = 0; i < N_JOINERS; i++) {
        welcome += w->joiner[i].answer == SYNC_WELCOME;
        refused += w->joiner[i].answer == SYNC_REFUSE &&
                   strstr(w->joiner[i].refuse.why, "used already") != NULL;
    }
    assert_int_equal(welcome, 1);
    assert_int_equal(refused, N_JOINERS - 1);
    assert_int_equal(w->control.view->n_hosts, 3); /* alpha, declared, and one of them. */
    world_free(w);
}

/* Two tokens, one name: who is signed for second must not become the first. */
static void two_race_for_one_name(void **state)
{
    struct world *w = world_new();
    struct token first = invite(w, NULL), second = invite(w, NULL), third = invite(w, NULL);
    struct joiner *a, *b, *c;
    const struct view_host *beta;

    (void)state;
    w->hold_signatures = true;
    a = arrive(w, &first, "beta", 2);
    b = arrive(w, &second, "beta", 3);
    c = arrive(w, &third, "gamma", 2); /* The first one's key, under another name. */
    turn(w, 20);
    assert_int_equal(w->n_signing, 3);
    for (unsigned i = 0; i < 3; i++) {
        answer_signature(w, w->signing[i]);
        turn(w, 10);
    }
    assert_int_equal(a->answer, SYNC_WELCOME);
    expect_refused(w, b, 409, "a host beta came into the fabric meanwhile");
    expect_refused(w, c, 409, "meanwhile");
    beta = view_host(w->control.view, "beta");
    assert_int_equal(beta->number, a->welcome.host);
    assert_memory_equal(beta->noise_public, a->join.noise_public, 32);
    world_free(w);
}

static void tokens_that_do_not_fit(void **state)
{
    struct world *w = world_new();
    struct token token = invite(w, NULL), wrong = token;
    struct joiner *j;

    (void)state;
    wrong.secret[0] ^= 1;
    expect_refused(w, arrive(w, &wrong, "beta", 2), 403, "altered");
    wrong = token;
    wrong.invite++;
    expect_refused(w, arrive(w, &wrong, "beta", 2), 404, "not known");
    expect_refused(w, arrive(w, &token, "Be\nta", 2), 400, "no name of a host");
    expect_refused(w, arrive(w, &token, "all", 2), 400, "no name of a host");
    expect_refused(w, arrive(w, &token, "alpha", 2), 409, "a host alpha in the fabric");
    /* The key that is to be certified is not the session's. */
    j = &w->joiner[w->n_joiners];
    j->join.noise_public[0] = 0;
    (void)arrive(w, &token, "beta", 3);
    j->answer = 0;
    j->join.noise_public[0] ^= 1;
    say_join(j);
    turn(w, 10);
    /* It was let in with its own key before; the second JOIN is by another. */
    assert_int_equal(j->answer, SYNC_REFUSE);
    assert_non_null(strstr(j->refuse.why, "another key"));
    world_free(w);
}

static void names_that_were_given_or_declared(void **state)
{
    struct world *w = world_new();
    struct token token = invite(w, "gamma");
    struct joiner *j = arrive(w, &token, "whatever", 2);
    const struct view_host *host;

    (void)state;
    turn(w, 10);
    assert_int_equal(j->answer, SYNC_WELCOME);
    assert_string_equal(j->welcome.name, "gamma");
    token = invite(w, NULL);
    j = arrive(w, &token, "declared", 3);
    turn(w, 10);
    assert_int_equal(j->answer, SYNC_WELCOME);
    assert_int_equal(j->welcome.host, 3);
    host = view_host(w->control.view, "declared");
    assert_string_equal(node_get(host->body, "address")->child[0]->text, "192.0.2.9:4655");
    /* A member under another name. */
    token = invite(w, NULL);
    expect_refused(w, arrive(w, &token, "delta", 3), 409, "already, as declared");
    w->control.member_ops->invite(&w->control, "gamma", 600, told, w);
    assert_int_equal(w->status, 409);
    world_free(w);
}

/* Its WELCOME was lost: the same host may show the same token again; no other may. */
static void the_same_host_again(void **state)
{
    struct world *w = world_new();
    struct token token = invite(w, NULL);
    struct joiner *j = arrive(w, &token, "beta", 2);

    (void)state;
    turn(w, 10);
    assert_int_equal(j->answer, SYNC_WELCOME);
    j = arrive(w, &token, "beta", 2);
    turn(w, 10);
    assert_int_equal(j->answer, SYNC_WELCOME);
    assert_int_equal(j->welcome.host, 2);
    assert_int_equal(w->control.view->n_hosts, 3);
    expect_refused(w, arrive(w, &token, "beta", 4), 410, "used already, by host beta");
    world_free(w);
}

/* A stranger that says anything but JOIN, or too much, or nonsense, changes nothing. */
static void noise_at_the_door(void **state)
{
    struct world *w = world_new();
    struct token token = invite(w, NULL);
    struct joiner *j = arrive(w, &token, "all", 2);
    struct sync_message m = {.type = SYNC_FOLLOW};
    uint64_t revision;
    uint8_t *data, *large = xcalloc(1, 5000);
    size_t size;

    (void)state;
    expect_refused(w, j, 400, "no name");
    revision = store_revision(w->control.store);
    data = sync_encode(&m, &size);
    assert_int_equal(pipe_send(&j->pipe, data, size), 0);
    assert_int_equal(pipe_send(&j->pipe, "nonsense", 8), 0);
    free(data);
    m = (struct sync_message){.type = SYNC_HAVE, .u.have = 5};
    data = sync_encode(&m, &size);
    assert_int_equal(pipe_send(&j->pipe, data, size), 0);
    free(data);
    turn(w, 10);
    j->answer = 0;
    assert_int_equal(pipe_send(&j->pipe, large, 5000), 0); /* More than a JOIN may be. */
    turn(w, 10);
    say_join(j); /* Nobody listens to it any more. */
    turn(w, 10);
    assert_int_equal(j->answer, 0);
    assert_int_equal(j->rows, 0);
    assert_int_equal(store_revision(w->control.store), revision);
    free(large);
    world_free(w);
}

/* What the founder sends is looked at too: names end up in paths and tables. */
static void names_of_rows(void **state)
{
    static const char *const good[][3] = {{"network", "", "lan1"},
                                          {"endpoint", "lan1", "web"},
                                          {"block", "lan1", "10.beta"},
                                          {"fabric", "", "fabric"}};
    static const char *const bad[][3] = {
        {"network", "", "../../x"},     {"network", "", "a\nb"},
        {"endpoint", "lan1/..", "web"}, {"block", "lan1", "10."},
        {"endpoint", "lan1", "1.x"},    {"Host", "", "a"}};
    char kind[16], network[16], name[80];
    struct sync_row row = {.kind = kind, .network = network, .name = name};
    struct sync_rows rows = {.n = 1, .row = &row};

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        const char *const *texts = i < 4 ? good[i] : bad[i - 4];

        snprintf(kind, sizeof(kind), "%s", texts[0]);
        snprintf(network, sizeof(network), "%s", texts[1]);
        snprintf(name, sizeof(name), "%s", texts[2]);
        assert_int_equal(follow_rows_ok(&rows), i < 4);
    }
    memset(name, 'a', 64);
    name[64] = '\0';
    assert_false(follow_rows_ok(&rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_gets_in),
        cmocka_unit_test(a_hundred_race_for_one_token),
        cmocka_unit_test(two_race_for_one_name),
        cmocka_unit_test(tokens_that_do_not_fit),
        cmocka_unit_test(names_that_were_given_or_declared),
        cmocka_unit_test(the_same_host_again),
        cmocka_unit_test(noise_at_the_door),
        cmocka_unit_test(names_of_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
