/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of a host's API, of this host's own by the way that they take to others; and hosts that
 * cannot be called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/fabric/call.h"
#include "fabricd/control/fabric/fabric.h"
#include "proto/sync/message.h"
#include "tests/unit/control_fixture.h"

static int setup(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct err err = {.why = ""};

    fixture_add_host(c, "beta", 2);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "host", "", "later", "{}"), 201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "lan1", "{}"), 201);
    assert_int_equal(member_start(c, &err), 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct control *c = *state;

    member_free(c->member);
    fixture_free(c);
    return 0;
}

static void turn(struct control *c)
{
    for (int i = 0; i < 20; i++)
        loop_turn(c->loop, 0);
}

/* --- trees ---------------------------------------------------------------------------------- */

struct outcome {
    int status; /* 0 = not yet */
    struct node *body;
    char why[320];
};

static void keep(void *aux, int status, const struct node *body, const struct err *why)
{
    struct outcome *out = aux;

    assert_int_equal(out->status, 0);
    out->status = status;
    out->body = body != NULL ? node_copy(body) : NULL;
    if (why != NULL)
        snprintf(out->why, sizeof(out->why), "%s", why->why);
}

static struct outcome ask(struct control *c, const char *host, const char *method,
                          const char *path, const char *body)
{
    const struct call_request rq = {.method = method,
                                    .path = path,
                                    .content_type = "application/json",
                                    .body = body,
                                    .size = body != NULL ? strlen(body) : 0};
    struct outcome out = {.status = 0};

    (void)call_tree(c, host, &rq, keep, &out);
    assert_int_equal(out.status, 0); /* Never before it has been begun. */
    turn(c);
    assert_true(out.status != 0);
    return out;
}

static void own_api(void **state)
{
    struct control *c = *state;
    struct outcome out = ask(c, "alpha", "GET", "/v1/networks/lan1", NULL);

    assert_int_equal(out.status, 200);
    assert_string_equal(node_get_text(out.body, "name", ""), "lan1");
    node_free(out.body);
    out = ask(c, "alpha", "PUT", "/v1/networks/lan2", "{\"mtu\": 1400}");
    assert_int_equal(out.status, 201);
    node_free(out.body);
    assert_non_null(view_network(c->view, "lan2"));
    out = ask(c, "alpha", "GET", "/v1/networks/none", NULL);
    assert_int_equal(out.status, 404);
    assert_string_equal(out.why, "host alpha: there is no network none");
    node_free(out.body);
    /* It comes as from another host. */
    out = ask(c, "alpha", "POST", "/v1/daemon/stop", NULL);
    assert_int_equal(out.status, 403);
    node_free(out.body);
}

static void hosts_that_cannot_be_called(void **state)
{
    struct control *c = *state;
    struct outcome out = ask(c, "beta", "GET", "/v1/status", NULL);

    assert_int_equal(out.status, 503);
    assert_string_equal(out.why, "host beta cannot be reached");
    out = ask(c, "later", "GET", "/v1/status", NULL);
    assert_int_equal(out.status, 503);
    assert_string_equal(out.why, "host later has not joined yet");
    out = ask(c, "nobody", "GET", "/v1/status", NULL);
    assert_int_equal(out.status, 404);
    out = ask(c, "alpha", "GET", "/v1/net\nworks", NULL);
    assert_int_equal(out.status, 400);
}

static void too_many(void **state)
{
    struct control *c = *state;
    const struct call_request rq = {.method = "GET", .path = "/v1/status"};
    struct outcome out[CALLS_SERVED + 9];
    unsigned served = 0, refused = 0;

    memset(out, 0, sizeof(out));
    for (unsigned i = 0; i < CALLS_SERVED + 9; i++)
        (void)call_tree(c, "alpha", &rq, keep, &out[i]);
    turn(c);
    for (unsigned i = 0; i < CALLS_SERVED + 9; i++) {
        served += out[i].status == 200;
        refused += out[i].status == 503;
        node_free(out[i].body);
    }
    assert_int_equal(served, CALLS_SERVED);
    assert_int_equal(refused, 9);
    node_free(ask(c, "alpha", "GET", "/v1/status", NULL).body); /* There is room again. */
}

/* --- answers in parts ----------------------------------------------------------------------- */

struct stream {
    int status;
    size_t size;
    bool done, broken, dropped;
};

static void head(void *aux, int status, const char *type, const char *allow,
                 const char *etag)
{
    struct stream *s = aux;

    assert_non_null(type);
    assert_null(allow);
    (void)etag;
    s->status = status;
}

static void part(void *aux, const void *data, size_t size)
{
    struct stream *s = aux;

    assert_non_null(data);
    assert_true(size <= SYNC_CALL_PART);
    s->size += size;
}

static void done(void *aux, int status, const struct err *why)
{
    struct stream *s = aux;

    (void)status;
    s->done = true;
    s->broken = why != NULL;
}

static void dropped(void *aux)
{
    ((struct stream *)aux)->dropped = true;
}

static const struct call_ops ops = {head, part, done, dropped};

/* A network whose object is large. */
static void make_large(struct control *c)
{
    static char body[64 * 16 + 64];
    char name[16];
    size_t n = (size_t)snprintf(body, sizeof(body), "{\"allow\": [\"uid:0\"");

    for (unsigned i = 1; i < 60; i++)
        n += (size_t)snprintf(body + n, sizeof(body) - n, ",\"uid:%u\"", 10000 + i);
    snprintf(body + n, sizeof(body) - n, "]}");
    for (unsigned i = 0; i < 150; i++) {
        snprintf(name, sizeof(name), "net%u", i);
        assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", name, body), 201);
    }
}

static void windows_hold(void **state)
{
    struct control *c = *state;
    const struct call_request rq = {.method = "GET", .path = "/v1/export"};
    struct stream s = {.status = 0};
    struct call *call;

    make_large(c);
    call = call_begin(c, "alpha", &rq, &ops, &s);
    turn(c);
    assert_int_equal(s.status, 200);
    assert_int_equal(s.size, SYNC_CALL_WINDOW); /* Nobody has said that it is done with. */
    assert_false(s.done);
    call_took(call, 1000);
    turn(c);
    assert_int_equal(s.size, SYNC_CALL_WINDOW + 1000);
    for (int i = 0; i < 100 && !s.done; i++) {
        call_took(call, SYNC_CALL_PART);
        turn(c);
    }
    assert_true(s.done);
    assert_false(s.broken);
    assert_false(s.dropped);
}

static void a_cancelled_call_is_silent(void **state)
{
    struct control *c = *state;
    const struct call_request rq = {.method = "GET", .path = "/v1/events"};
    struct stream s = {.status = 0}, early = {.status = 0};
    struct call *call = call_begin(c, "alpha", &rq, &ops, &s);
    size_t size;

    turn(c);
    assert_int_equal(s.status, 200);
    assert_true(s.size > 0); /* An answer that does not end. */
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "lan3", "{}"), 201);
    size = s.size;
    turn(c);
    assert_true(s.size > size);
    call_cancel(call);
    assert_true(s.dropped);
    size = s.size;
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "lan4", "{}"), 201);
    turn(c);
    assert_int_equal(s.size, size);
    assert_false(s.done);
    call_cancel(call_begin(c, "alpha", &rq, &ops, &early));
    turn(c);
    assert_int_equal(early.status, 0);
    assert_true(early.dropped);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(own_api),      TEST(hosts_that_cannot_be_called), TEST(too_many),
        TEST(windows_hold), TEST(a_cancelled_call_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
