/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of a service's move: which may follow which, and what each makes of service, endpoint
 * and epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/migrate/migrate.h"
#include "tests/unit/control_fixture.h"

static int setup(void **state)
{
    struct control *c = fixture_new("alpha", true);

    fixture_add_host(c, "beta", 2);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "host", "", "later", "{}"), 201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "lan1", "{}"), 201);
    assert_int_equal(
        fixture_status(c, CHANGE_PUT, "network", "", "here", "{\"on\": [\"alpha\"]}"), 201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "service", "", "web",
                                    "{\"network\": \"lan1\", \"command\": [\"x\"]}"),
                     201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "service", "", "tied",
                                    "{\"network\": \"here\", \"command\": [\"x\"]}"),
                     201);
    /* Mirrors the rows; nobody leads, since no turn of the loop is made. */
    c->migrate = migrate_new(c);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct control *c = *state;

    migrate_free(c->migrate);
    fixture_free(c);
    return 0;
}

static int begin(struct control *c, const char *name, const char *to)
{
    char json[96];

    snprintf(json, sizeof(json), "{\"phase\": \"prepare\", \"to\": \"%s\"}", to);
    return fixture_status(c, CHANGE_MOVE, "service", "", name, json);
}

static int step(struct control *c, const char *phase, int number)
{
    char json[96];

    snprintf(json, sizeof(json), "{\"phase\": \"%s\", \"number\": %d}", phase, number);
    return fixture_status(c, CHANGE_MOVE, "service", "", "web", json);
}

static void is_at(struct control *c, const char *host, unsigned epoch,
                  enum move_phase phase)
{
    const struct view_endpoint *ep = view_endpoint(c->view, "lan1", "web");

    assert_string_equal(view_service(c->view, "web")->host, host);
    assert_string_equal(ep->host, host);
    assert_int_equal(ep->epoch, epoch);
    assert_int_equal(migrate_find(c, "web")->phase, phase);
}

static void there_and_back(void **state)
{
    struct control *c = *state;
    uint8_t mac[6];

    memcpy(mac, view_endpoint(c->view, "lan1", "web")->mac, 6);
    assert_int_equal(begin(c, "web", "beta"), 200);
    is_at(c, "alpha", 1, MOVE_PREPARE);
    assert_int_equal(migrate_role(c, "web"), MIGRATE_NOTHING); /* It goes on here. */
    assert_int_equal(begin(c, "web", "beta"), 409);
    assert_int_equal(step(c, "done", 1), 409);
    assert_int_equal(step(c, "verify", 2), 409); /* Of another move. */
    assert_int_equal(step(c, "stop", 1), 200);
    is_at(c, "alpha", 1, MOVE_STOP);
    assert_int_equal(migrate_role(c, "web"), MIGRATE_END);
    assert_int_equal(step(c, "stop", 1), 409);
    assert_int_equal(step(c, "verify", 1), 200);
    is_at(c, "beta", 2, MOVE_VERIFY);
    assert_true(view_endpoint(c->view, "lan1", "web")->held);
    assert_int_equal(step(c, "done", 1), 200);
    is_at(c, "beta", 2, MOVE_DONE);
    assert_int_equal(step(c, "failed", 1), 409);

    /* Back to this host: it is made ready here first. */
    assert_int_equal(begin(c, "web", "alpha"), 200);
    assert_int_equal(migrate_role(c, "web"), MIGRATE_READY);
    assert_int_equal(step(c, "verify", 2), 200);
    is_at(c, "alpha", 3, MOVE_VERIFY);
    assert_memory_equal(mac, view_endpoint(c->view, "lan1", "web")->mac, 6);
}

static void failures_go_back(void **state)
{
    struct control *c = *state;

    assert_int_equal(begin(c, "web", "beta"), 200);
    assert_int_equal(step(c, "failed", 1), 200);
    is_at(c, "alpha", 1, MOVE_FAILED); /* It never left. */
    assert_int_equal(begin(c, "web", "beta"), 200);
    assert_int_equal(step(c, "verify", 2), 200);
    is_at(c, "beta", 2, MOVE_VERIFY);
    assert_int_equal(step(c, "failed", 2), 200);
    is_at(c, "alpha", 3, MOVE_FAILED); /* One more epoch: what runs on beta is outdated. */
    assert_int_equal(step(c, "done", 2), 409);
}

/* What has state goes back by a move of its own, which brings it: nobody lives where an older state is. */
static void state_goes_back_along(void **state)
{
    struct control *c = *state;

    assert_int_equal(
        fixture_status(c, CHANGE_PATCH, "service", "", "web", "{\"state\": [\"/srv/x\"]}"),
        200);
    assert_int_equal(begin(c, "web", "beta"), 200);
    assert_int_equal(step(c, "stop", 1), 200);
    assert_int_equal(step(c, "failed", 1), 200);
    is_at(c, "alpha", 1, MOVE_FAILED); /* Nobody reached the other one. */

    assert_int_equal(begin(c, "web", "beta"), 200);
    assert_int_equal(step(c, "stop", 2), 200);
    assert_int_equal(step(c, "verify", 2), 200);
    assert_int_equal(step(c, "failed", 2), 200);
    is_at(c, "beta", 2, MOVE_PREPARE);
    assert_string_equal(migrate_find(c, "web")->to, "alpha");
    assert_int_equal(migrate_find(c, "web")->back, 2);
    assert_int_equal(migrate_role(c, "web"), MIGRATE_READY);
    assert_int_equal(step(c, "verify", 2), 409);
    assert_int_equal(step(c, "stop", 3), 200);
    assert_int_equal(step(c, "verify", 3), 200);
    is_at(c, "alpha", 3, MOVE_VERIFY);
    assert_int_equal(step(c, "done", 3), 200);
    is_at(c, "alpha", 3, MOVE_FAILED);

    /* The way back is not gone twice: it stays where its state is. */
    assert_int_equal(begin(c, "web", "beta"), 200);
    assert_int_equal(step(c, "verify", 4), 200);
    assert_int_equal(step(c, "failed", 4), 200);
    is_at(c, "beta", 4, MOVE_PREPARE);
    assert_int_equal(step(c, "failed", 5), 200);
    is_at(c, "beta", 4, MOVE_FAILED);
    assert_int_equal(begin(c, "web", "alpha"), 200);
}

static void what_cannot_move(void **state)
{
    struct control *c = *state;

    assert_int_equal(begin(c, "web", "alpha"), 409);
    assert_int_equal(begin(c, "web", "nobody"), 400);
    assert_int_equal(begin(c, "web", "later"), 400);
    assert_int_equal(begin(c, "none", "beta"), 404);
    assert_int_equal(begin(c, "tied", "beta"), 400); /* Its network is not there. */
    assert_null(migrate_find(c, "tied"));
    assert_int_equal(step(c, "verify", 1), 409);
}

/* Nothing runs: it is only written down elsewhere. */
static void a_stopped_one_moves_at_once(void **state)
{
    struct control *c = *state;

    assert_int_equal(
        fixture_status(c, CHANGE_PATCH, "service", "", "web", "{\"run\": false}"), 200);
    assert_int_equal(begin(c, "web", "beta"), 200);
    is_at(c, "beta", 2, MOVE_DONE);
    assert_false(view_endpoint(c->view, "lan1", "web")->held);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(there_and_back),
        TEST(failures_go_back),
        TEST(state_goes_back_along),
        TEST(what_cannot_move),
        TEST(a_stopped_one_moves_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
