/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services in control: the objects, whom they are run for, and what keepers may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/services/services.h"
#include "fabricd/control/services/services_internal.h"
#include "proto/base/fd.h"
#include "tests/unit/control_fixture.h"

static struct control *with_network(void)
{
    struct control *c = fixture_new("alpha", true);

    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "lan1", "{}"), 201);
    return c;
}

static int put(struct control *c, const char *name, const char *json)
{
    return fixture_status(c, CHANGE_PUT, "service", "", name, json);
}

#define WEB "{\"network\": \"lan1\", \"command\": [\"x\", \"x\"]}"

static void objects(void **state)
{
    struct control *c = with_network();
    struct change_result result;
    const struct view_endpoint *ep;

    (void)state;
    assert_int_equal(put(c, "web", "{\"command\": [\"x\"]}"), 400);
    assert_int_equal(put(c, "web", "{\"network\": \"lan1\"}"), 400);
    assert_int_equal(put(c, "web", "{\"network\": \"lan2\", \"command\": [\"x\"]}"), 404);
    assert_int_equal(
        put(c, "web", "{\"network\": \"lan1\", \"vlan\": 3, \"command\": [\"x\"]}"), 400);
    assert_null(
        view_endpoint(c->view, "lan1", "web")); /* Nothing of a refused one is left. */

    result = fixture_change(c, CHANGE_PUT, "service", "", "web", WEB);
    assert_int_equal(result.status, 201);
    assert_string_equal(node_get_text(result.value, "host", ""), "alpha");
    assert_int_equal(node_get(result.value, "addresses")->n, 2);
    assert_int_equal(node_get(result.value, "command")->n, 2);
    assert_null(node_get(result.value, "_from"));
    change_result_done(&result);
    ep = view_endpoint(c->view, "lan1", "web");
    assert_non_null(ep);
    assert_int_equal(ep->n_addrs, 2);

    /* The endpoint is the service's, and so is its address. */
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "endpoint", "lan1", "web", NULL),
                     409);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "network", "", "lan1", NULL), 409);
    assert_int_equal(put(c, "two",
                         "{\"network\": \"lan1\", \"command\": [\"x\"],"
                         " \"addresses\": [\"10.64.0.2\"]}"),
                     409);
    assert_int_equal(put(c, "web", WEB), 200); /* Twice: it keeps what it has. */
    assert_int_equal(view_endpoint(c->view, "lan1", "web")->n_addrs, 2);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "service", "", "web", NULL), 204);
    assert_null(view_endpoint(c->view, "lan1", "web"));
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "network", "", "lan1", NULL), 204);
    fixture_free(c);
}

static void rings(void **state)
{
    struct control *c = with_network();

    (void)state;
#define AFTER(X) "{\"network\": \"lan1\", \"command\": [\"x\"], \"after\": [\"" X "\"]}"
    assert_int_equal(put(c, "a", AFTER("b")), 201); /* One that is not there yet. */
    assert_int_equal(put(c, "b", AFTER("c")), 201);
    assert_int_equal(put(c, "c", AFTER("a")), 400);
    assert_int_equal(put(c, "d", AFTER("d")), 400);
    assert_int_equal(put(c, "c", AFTER("e")), 201);
#define REQUIRES(X)                                                                        \
    "{\"network\": \"lan1\", \"command\": [\"x\"], \"requires\": [\"" X "\"]}"
    assert_int_equal(put(c, "d", REQUIRES("e")), 400); /* One that there is not. */
    assert_int_equal(put(c, "d", REQUIRES("a")), 201);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "service", "", "a", NULL), 409);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "service", "", "d", NULL), 204);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "service", "", "a", NULL), 204);
    fixture_free(c);
}

/* Many ways lead through them, and each is looked at once; a chain has an end. */
static void chains(void **state)
{
    struct control *c = with_network();
    char name[24], json[160];

    (void)state;
    assert_int_equal(put(c, "s0-0", AFTER("none")), 201);
    assert_int_equal(put(c, "s0-1", AFTER("none")), 201);
    for (int i = 1; i < 64; i++) {
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof(name), "s%d-%d", i, k);
            snprintf(json, sizeof(json),
                     "{\"network\": \"lan1\", \"command\": [\"x\"], \"after\": [\"s%d-0\","
                     " \"s%d-1\"]}",
                     i - 1, i - 1);
            assert_int_equal(put(c, name, json), 201);
        }
    }
    assert_int_equal(put(c, "more", AFTER("s63-0")), 400);
    assert_int_equal(put(c, "s0-0", AFTER("s63-1")), 400);
    fixture_free(c);
}

static void places(void **state)
{
    struct control *c = with_network();
    struct change_result result;

    (void)state;
    fixture_add_host(c, "beta", 2);
#define PLACE "{\"network\": \"lan1\", \"command\": [\"x\"], \"place\": [\"ssd\", \"big\"]}"
    assert_int_equal(put(c, "db", PLACE), 409);
    assert_int_equal(fixture_status(c, CHANGE_PATCH, "host", "", "beta",
                                    "{\"labels\": [\"big\", \"ssd\"]}"),
                     200);
    result = fixture_change(c, CHANGE_PUT, "service", "", "db", PLACE);
    assert_int_equal(result.status, 201);
    assert_string_equal(node_get_text(result.value, "host", ""), "beta");
    change_result_done(&result);
    assert_int_equal(put(c, "db2",
                         "{\"network\": \"lan1\", \"command\": [\"x\"],"
                         " \"place\": [\"ssd\"], \"host\": \"alpha\"}"),
                     400);
    assert_int_equal(put(c, "db3",
                         "{\"network\": \"lan1\", \"command\": [\"x\"],"
                         " \"host\": \"gamma\"}"),
                     400);
    /* What is told of a service elsewhere: nothing yet. */
    assert_string_equal(services_state(c, view_service(c->view, "db")), "unknown");
    fixture_free(c);
}

/* --- whom they are run for ------------------------------------------------------------------ */

static void ended(void *aux, struct change_result *result)
{
    *(int *)aux = result->status;
}

/* A change on its way that ends well, as the founder would have it. */
static void ask(struct control *c, enum change_verb verb, const char *json, bool foreign)
{
    struct change *change = change_new(control_host(c), "cli");
    struct change_result result;
    change_done_fn *done = ended;
    int status = 0;
    void *aux = &status;

    change->foreign = foreign;
    change_add(change, verb, verb == CHANGE_APPLY ? "" : "service", "", "web",
               fixture_json(json));
    services_note_asked(c, change, &done, &aux);
    change_result_init(&result);
    if (verb == CHANGE_PATCH)
        result.value = fixture_json(WEB);
    done(aux, &result);
    assert_int_equal(status, 200);
    change_result_done(&result);
    change_free(change);
}

/* What the founder says that the service is, and that this host asked for it. */
static bool is_own(struct control *c, const char *command)
{
    char body[200];
    struct store_op op = {.verb = STORE_PUT,
                          .scope = STORE_FABRIC,
                          .kind = "service",
                          .network = "",
                          .name = "web",
                          .expect = STORE_ANY,
                          .body = body};

    snprintf(body, sizeof(body),
             "{\"network\": \"lan1\", \"host\": \"beta\", \"_from\": \"beta\","
             " \"folder\": \"/\", \"command\": [\"%s\", \"x\"]}",
             command);
    assert_int_equal(store_commit(c->store, &op, 1, NULL, NULL, NULL), 0);
    return services_asked_here(c, view_service(c->view, "web"));
}

static void asked_here(void **state)
{
    static const struct member_ops none = {.forward = NULL};
    struct control *c = fixture_new("beta", false);

    (void)state;
    c->member_ops = &none; /* It follows. */
    assert_false(is_own(c, "x"));
    ask(c, CHANGE_PUT, WEB, true); /* Another host, by this one's API. */
    assert_false(is_own(c, "x"));
    ask(c, CHANGE_PATCH, "{\"run\": true}", false); /* Started is not asked for. */
    assert_false(is_own(c, "x"));
    ask(c, CHANGE_PUT, WEB, false);
    assert_true(is_own(c, "x"));
    assert_false(is_own(c, "evil")); /* Whatever the founder says. */
    assert_true(is_own(c, "x"));
    ask(c, CHANGE_APPLY,
        "{\"version\": 1, \"services\": {\"web\": {\"network\": \"lan1\", \"command\": "
        "[\"y\","
        " \"x\"]}}}",
        false);
    assert_true(is_own(c, "y"));
    assert_false(is_own(c, "x"));
    ask(c, CHANGE_PATCH, "{\"command\": [\"x\", \"x\"]}", false);
    assert_false(is_own(c, "y"));
    fixture_free(c);
}

/* --- keepers -------------------------------------------------------------------------------- */

static char place[64];

static int listener(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(place, sizeof(place), "/tmp/test-services.%d", (int)getpid());
    memcpy(sun.sun_path, place, strlen(place));
    unlink(place);
    assert_int_equal(bind(sock, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(listen(sock, 8), 0);
    return sock;
}

static int dial(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    memcpy(sun.sun_path, place, strlen(place));
    assert_int_equal(connect(sock, (struct sockaddr *)&sun, sizeof(sun)), 0);
    return sock;
}

static void turns(struct control *c)
{
    for (int i = 0; i < 4; i++)
        loop_turn(c->loop, 0);
}

/* Says it; true if the connection is there still. */
static bool says(struct control *c, int sock, const char *text, int process)
{
    char byte;

    turns(c);
    assert_int_equal(fd_send(sock, text, strlen(text), &process, process >= 0), 0);
    turns(c);
    return recv(sock, &byte, 1, MSG_DONTWAIT) < 0;
}

static void keepers(void **state)
{
    struct control *c = with_network();
    struct err err = {.why = ""};
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0U);
    const struct view_service *web;
    struct node *status;
    char text[200];
    int sock;

    (void)state;
    c->services = services_new(c, listener(), &err);
    assert_non_null(c->services);
    assert_int_equal(put(c, "web", WEB), 201);
    web = view_service(c->view, "web");
    assert_string_equal(services_state(c, web), "starting");

    /* Who is not known, and says nothing of use, is hung up on. */
    static const char *const bad[] = {
        "x", "[]", "{}", "{\"name\": \"../x\"}", "{\"name\": 3}", "{\"name\": \"web\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        sock = dial();
        assert_false(says(c, sock, bad[i], -1));
        close(sock);
    }
    assert_string_equal(services_state(c, web), "starting");

    /* One that survived a whole daemon brings its descriptor. */
    sock = dial();
    assert_true(says(c, sock, "{\"name\": \"web\", \"state\": \"running\"}", self));
    assert_string_equal(services_state(c, web),
                        "starting"); /* As it was before a change. */
    snprintf(text, sizeof(text),
             "{\"state\": \"running\", \"restarts\": -7, \"revision\": %llu,"
             " \"problem\": \"a\\u001b[31m\\u00e9\", \"pid\": 99999999999}",
             (unsigned long long)web->revision);
    assert_true(says(c, sock, text, -1));
    assert_string_equal(services_state(c, web), "running");
    status = services_status(c, web);
    assert_string_equal(node_get_text(status, "problem", ""), "a?[31m??");
    assert_int_equal(node_get_int(status, "restarts", -1), 0);
    node_free(status);
    snprintf(text, sizeof(text), "{\"state\": \"on fire\", \"revision\": %llu}",
             (unsigned long long)web->revision);
    assert_true(says(c, sock, text, -1));
    assert_string_equal(services_state(c, web), "unknown");
    close(sock);
    turns(c);

    /* Its end, and what it had said, is forgotten. */
    services_gone(c->services,
                  &(struct ipc_service){.name = "web", .pid = (uint32_t)getpid()});
    assert_string_equal(services_state(c, web), "starting");
    services_free(c->services);
    c->services = NULL;
    unlink(place);
    close(self);
    fixture_free(c);
}

static int move_step(struct control *c, const char *json)
{
    int status;

    c->id.founder = true;
    status = fixture_status(c, CHANGE_MOVE, "service", "", "web", json);
    c->id.founder = false; /* Nobody leads. */
    return status;
}

static bool is_ready(struct control *c)
{
    struct node *here = services_here(c, view_service_in(c->view, STORE_FABRIC, "web"));
    bool ready = node_get_bool(here, "ready", false);

    node_free(here);
    return ready;
}

/* A keeper's word on how much is copied counts for the move that it speaks of, and while it is not told to end. */
static void copies_count_for_one_move(void **state)
{
    struct control *c = with_network();
    struct ipc_service body = {.name = "web", .pid = (uint32_t)getpid()};
    struct err err = {.why = ""};
    struct service *web;
    int sock;

    (void)state;
    fixture_add_host(c, "beta", 2);
    c->services = services_new(c, listener(), &err);
    c->migrate = migrate_new(c);
    assert_int_equal(put(c, "web",
                         "{\"network\": \"lan1\", \"command\": [\"x\"],"
                         " \"state\": [\"/srv/x\"]}"),
                     201);
    /* It goes to beta, comes back, and is on its way here when that fails; then it comes again. */
    assert_int_equal(move_step(c, "{\"phase\": \"prepare\", \"to\": \"beta\"}"), 200);
    assert_int_equal(move_step(c, "{\"phase\": \"verify\", \"number\": 1}"), 200);
    assert_int_equal(move_step(c, "{\"phase\": \"done\", \"number\": 1}"), 200);
    assert_int_equal(move_step(c, "{\"phase\": \"prepare\", \"to\": \"alpha\"}"), 200);
    services_learn(c->services, &body);
    sock = dial();
    assert_true(says(c, sock, "{\"name\": \"web\", \"state\": \"stopped\"}", -1));
    assert_false(is_ready(c));
    assert_true(says(c, sock, "{\"move\": 2, \"copied\": 1}", -1));
    assert_true(is_ready(c));
    assert_int_equal(move_step(c, "{\"phase\": \"failed\", \"number\": 2}"), 200);
    assert_int_equal(move_step(c, "{\"phase\": \"prepare\", \"to\": \"alpha\"}"), 200);
    assert_false(is_ready(c));
    assert_true(says(c, sock, "{\"move\": 2, \"copied\": 2}", -1));
    assert_false(is_ready(c));
    assert_true(says(c, sock, "{\"move\": 3, \"copied\": 1}", -1));
    assert_true(is_ready(c));
    assert_int_equal(move_step(c, "{\"phase\": \"stop\", \"number\": 3}"), 200);
    assert_false(is_ready(c));
    assert_true(says(c, sock, "{\"move\": 3, \"copied\": 2}", -1));
    assert_true(is_ready(c));

    web = service_find(c->services, "web");
    web->ending = true;
    assert_false(is_ready(c));
    web->ending = false;
    close(sock);
    services_gone(c->services, &body);
    assert_false(is_ready(c));
    services_learn(c->services, &body); /* Another one has not said anything yet. */
    assert_false(is_ready(c));

    migrate_free(c->migrate);
    services_free(c->services);
    c->migrate = NULL;
    c->services = NULL;
    unlink(place);
    fixture_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects),
        cmocka_unit_test(rings),
        cmocka_unit_test(chains),
        cmocka_unit_test(places),
        cmocka_unit_test(asked_here),
        cmocka_unit_test(keepers),
        cmocka_unit_test(copies_count_for_one_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
