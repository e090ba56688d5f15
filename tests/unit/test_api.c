/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests through the route table, without HTTP around them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/control/api/media.h"
#include "fabricd/control/api/routes.h"
#include "fabricd/control/events/events.h"
#include "tests/unit/api_call.h"
#include "tests/unit/control_fixture.h"

static void test_routing(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
    } table[] = {
        {"GET", "/v1/status", 200},
        {"HEAD", "/v1/status", 200},
        {"GET", "/v1/status/", 200},
        {"POST", "/v1/status", 405},
        {"GET", "/v1/nothing", 404},
        {"GET", "/v2/status", 404},
        {"GET", "//v1/status", 404},
        {"GET", "/v1/networks", 200},
        {"GET", "/v1/network", 404},
        {"GET", "/v1/networks/none", 404},
        {"GET", "/v1/networks/a/b", 404},
        {"POST", "/v1/networks", 405},
        {"POST", "/v1/networks/a", 405},
        {"GET", "/v1/ports/a", 404},
        {"GET", "/v1/ports/a/b", 404},
        {"GET", "/v1/ports/a/b/c", 404},
        {"GET", "/v1/routers", 501},
        {"PUT", "/v1/services/x", 400},
        {"POST", "/v1/services/x/start", 404},
        {"GET", "/v1/services/x/logs", 404},
        {"PUT", "/v1/routers/x", 501},
        {"GET", "/v1/events", 200},
        {"POST", "/v1/events", 405},
        {"GET", "/", 501},
        {"GET", "", 501},
        {"GET", "/v1/a/b/c/d/e/f/g/h", 404},
        {"GET", "/openapi.json", 200},
        {"GET", "/metrics", 200},
        {"GET", "/v1/hosts/invite", 404},
        {"DELETE", "/v1/hosts/none", 404},
        {"BREW", "/v1/status", 405},
    };
    struct control *c = fixture_new("alpha", true);

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        int code = api_call_status(c, table[i].method, table[i].path, NULL);

        if (code != table[i].status)
            fail_msg("%s %s: %d, not %d", table[i].method, table[i].path, code,
                     table[i].status);
    }
    fixture_free(c);
}

static void test_objects(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call call =
        api_call_request(c, "PUT", "/v1/networks/lan1", "{\"mtu\": 9000}");

    (void)state;
    assert_int_equal(call.answer.status, 201);
    assert_string_equal(api_call_text(call.json, "name", NULL), "lan1");
    assert_string_equal(api_call_text(call.json, "ipv4", NULL), "10.64.0.0/24");
    assert_true(node_get_int(call.json, "revision", 0) > 0);
    api_call_done(&call);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan1", "{\"mtu\": 9000}"),
                     200);
    call = api_call_request(c, "PATCH", "/v1/networks/lan1", "{\"mtu\": null}");
    assert_int_equal(call.answer.status, 200);
    assert_int_equal(node_get_int(call.json, "mtu", 0), 1500);
    api_call_done(&call);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/lan1/web", NULL), 201);
    call = api_call_request(c, "GET", "/v1/endpoints/lan1/web", NULL);
    assert_int_equal(call.answer.status, 200);
    assert_string_equal(api_call_text(call.json, "network", NULL), "lan1");
    assert_string_equal(api_call_text(call.json, "host", NULL), "alpha");
    assert_string_equal(api_call_text(call.json, "status", "state"), "down");
    assert_null(node_get(call.json, "_held"));
    api_call_done(&call);
    call = api_call_request(c, "GET", "/v1/endpoints?network=lan1", NULL);
    assert_int_equal(node_get(call.json, "items")->n, 1);
    api_call_done(&call);
    assert_int_equal(api_call_status(c, "GET", "/v1/endpoints?network=none", NULL), 404);
    assert_int_equal(api_call_status(c, "DELETE", "/v1/endpoints/lan1/web", NULL), 204);
    assert_int_equal(api_call_status(c, "DELETE", "/v1/endpoints/lan1/web", NULL), 404);
    assert_int_equal(api_call_status(c, "DELETE", "/v1/networks/lan1", NULL), 204);
    fixture_free(c);
}

/* What GET gives is valid for PUT, and changes nothing. */
static void test_round_trip(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call call;
    uint64_t revision;

    (void)state;
    assert_int_equal(
        api_call_status(c, "PUT", "/v1/networks/lan1", "{\"vlans\":{\"10\":\"staff\"}}"),
        201);
    assert_int_equal(
        api_call_status(c, "PUT", "/v1/ports/lan1/core", "{\"tap\":\"t0\",\"access\":10}"),
        201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/lan1/web", "{\"vlan\":10}"),
                     201);
    revision = store_revision(c->store);
    static const char *const paths[] = {"/v1/networks/lan1", "/v1/ports/lan1/core",
                                        "/v1/endpoints/lan1/web", "/v1/hosts/alpha"};
    for (size_t i = 0; i < 4; i++) {
        call = api_call_request(c, "GET", paths[i], NULL);
        assert_int_equal(call.answer.status, 200);
        assert_int_equal(api_call_status(c, "PUT", paths[i], call.answer.body), 200);
        api_call_done(&call);
    }
    assert_int_equal(store_revision(c->store), revision);
    fixture_free(c);
}

static void test_conditions(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call *call = malloc(sizeof(*call));
    static const struct {
        const char *match, *none_match;
        int status;
    } table[] = {
        {NULL, "*", 412},       {NULL, "\"2\"", 400}, {"\"999\"", NULL, 412},
        {"\"2\"", NULL, 200},   {"2", NULL, 412},     {"*", NULL, 200},
        {"\"x\"", NULL, 412},   {"\"2", NULL, 400},   {"2\"x", NULL, 400},
        {"W/\"2\"", NULL, 412}, {"", NULL, 400},      {"\"1\", \"2\"", NULL, 400},
    };

    (void)state;
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan1", NULL), 201);
    assert_int_equal(store_revision(c->store), 2);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        /* The fourth row changes it, so that the fifth's revision is an old one. */
        *call = api_call_prepare(c, "PUT", "/v1/networks/lan1",
                                 i == 3 ? "{\"mtu\":4000}" : "{\"mtu\":4001}");
        call->rq.if_match = table[i].match != NULL ? strdup(table[i].match) : NULL;
        call->rq.if_none_match =
            table[i].none_match != NULL ? strdup(table[i].none_match) : NULL;
        api_call_finish(call);
        assert_int_equal(call->answer.status, table[i].status);
        api_call_done(call);
    }
    *call = api_call_prepare(c, "PUT", "/v1/networks/other", NULL);
    call->rq.if_match = strdup("*");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 412);
    api_call_done(call);
    free(call);
    fixture_free(c);
}

/* Lists by the page, in the order of names, whatever comes and goes meanwhile. */
static void test_pages(void **state)
{
    static const char *const names[] = {"e", "b", "d", "a", "c"};
    struct control *c = fixture_new("alpha", true);
    char target[64], path[64];
    struct api_call call;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "/v1/networks/%s", names[i]);
        assert_int_equal(api_call_status(c, "PUT", path, NULL), 201);
    }
    call = api_call_request(c, "GET", "/v1/networks", NULL);
    assert_int_equal(node_get(call.json, "items")->n, 5);
    assert_null(node_get(call.json, "next"));
    api_call_done(&call);
    call = api_call_request(c, "GET", "/v1/networks?limit=2", NULL);
    assert_int_equal(node_get(call.json, "items")->n, 2);
    assert_string_equal(api_call_text(node_get(call.json, "items")->child[1], "name", NULL),
                        "b");
    assert_string_equal(api_call_text(call.json, "next", NULL), "b");
    snprintf(target, sizeof(target), "/v1/networks?limit=2&after=%s",
             api_call_text(call.json, "next", NULL));
    api_call_done(&call);
    /* What the cursor names may go. */
    assert_int_equal(api_call_status(c, "DELETE", "/v1/networks/b", NULL), 204);
    call = api_call_request(c, "GET", target, NULL);
    assert_string_equal(api_call_text(node_get(call.json, "items")->child[0], "name", NULL),
                        "c");
    assert_string_equal(api_call_text(call.json, "next", NULL), "d");
    api_call_done(&call);
    call = api_call_request(c, "GET", "/v1/networks?limit=2&after=d", NULL);
    assert_int_equal(node_get(call.json, "items")->n, 1);
    assert_null(node_get(call.json, "next"));
    api_call_done(&call);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/c/web", NULL), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/a/web", NULL), 201);
    call = api_call_request(c, "GET", "/v1/endpoints?limit=1", NULL);
    assert_string_equal(api_call_text(call.json, "next", NULL), "a/web");
    api_call_done(&call);
    call = api_call_request(c, "GET", "/v1/endpoints?limit=1&after=a/web", NULL);
    assert_string_equal(
        api_call_text(node_get(call.json, "items")->child[0], "network", NULL), "c");
    api_call_done(&call);
    assert_int_equal(api_call_status(c, "GET", "/v1/networks?limit=0", NULL), 400);
    assert_int_equal(api_call_status(c, "GET", "/v1/networks?limit=1001", NULL), 400);
    assert_int_equal(api_call_status(c, "GET", "/v1/networks?limit=-1", NULL), 400);
    assert_int_equal(api_call_status(c, "GET", "/v1/networks?limit=2x", NULL), 400);
    fixture_free(c);
}

static void test_media(void **state)
{
    static const struct {
        const char *accept;
        enum media wanted;
    } accepts[] = {
        {NULL, MEDIA_JSON},
        {"", MEDIA_JSON},
        {"*/*", MEDIA_JSON},
        {"application/json", MEDIA_JSON},
        {"application/yaml", MEDIA_YAML},
        {"text/yaml; charset=utf-8", MEDIA_YAML},
        {"Application/YAML", MEDIA_YAML},
        {"application/json;q=0.5, application/yaml;q=0.8", MEDIA_YAML},
        {"application/json;q=0, */*", MEDIA_YAML},
        {"application/json;q=0.0, application/*;q=0.1", MEDIA_YAML},
        {"text/html, application/xhtml+xml, */*;q=0.8", MEDIA_JSON},
        {"text/html", MEDIA_NONE},
        {"application/yamls", MEDIA_NONE},
        {"*/*;q=0", MEDIA_NONE},
        {"application/yaml;q=2", MEDIA_YAML},
        {",,;;q,=", MEDIA_NONE},
    };
    static const struct {
        const char *type;
        enum media media;
    } bodies[] = {
        {NULL, MEDIA_JSON},
        {"application/json", MEDIA_JSON},
        {"application/json; charset=utf-8", MEDIA_JSON},
        {"application/merge-patch+json", MEDIA_MERGE},
        {"application/json-patch+json", MEDIA_NONE},
        {"application/x-yaml", MEDIA_YAML},
        {"application/x-www-form-urlencoded", MEDIA_NONE},
        {"text/plain", MEDIA_NONE},
        {"", MEDIA_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(accepts) / sizeof(accepts[0]); i++) {
        if (media_wanted(accepts[i].accept) != accepts[i].wanted)
            fail_msg("Accept: %s", accepts[i].accept);
    }
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (media_of_body(bodies[i].type) != bodies[i].media)
            fail_msg("Content-Type: %s", bodies[i].type);
    }
}

/* Over TCP: nothing without a token, and with one what its scope has. */
static void test_scopes(void **state)
{
    static const struct {
        const char *method, *path;
        int as_nobody, as_read, as_write, as_admin;
    } table[] = {
        {"GET", "/v1/status", 401, 200, 200, 200},
        {"GET", "/v1/networks", 401, 200, 200, 200},
        {"HEAD", "/v1/networks", 401, 200, 200, 200},
        {"GET", "/v1/nothing", 401, 404, 404, 404},
        {"OPTIONS", "/v1/networks", 401, 204, 204, 204},
        {"PUT", "/v1/networks/lan1", 401, 403, 201, 200},
        {"PATCH", "/v1/networks/lan1", 401, 403, 200, 200},
        {"DELETE", "/v1/networks/none", 401, 403, 404, 404},
        {"POST", "/v1/fabric/rename", 401, 403, 403, 400},
        {"GET", "/v1/tokens", 401, 403, 403, 200},
        {"POST", "/v1/tokens", 401, 403, 403, 400},
        {"DELETE", "/v1/tokens/none", 401, 403, 403, 404},
        {"GET", "/metrics", 401, 200, 200, 200},
    };
    struct control *c = fixture_new("alpha", true);
    struct api_call *call = malloc(sizeof(*call));
    char texts[4][TOKENS_TEXT_SIZE] = {"ioth_x_y"}, line[TOKENS_TEXT_SIZE + 16];
    struct token_row row;
    struct err err;

    (void)state;
    for (int s = 1; s < 4; s++)
        assert_int_equal(tokens_create(c->store, NULL, (enum scope)s, 60, wall_now(), &row,
                                       texts[s], &err),
                         0);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const int *wanted = &table[i].as_nobody;

        for (int s = 0; s < 4; s++) {
            *call = api_call_prepare(c, table[i].method, table[i].path, NULL);
            call->rq.remote = true;
            call->rq.address[0] = (uint8_t)i; /* None is refused for the others' sake. */
            call->rq.peer.uid = geteuid();
            snprintf(line, sizeof(line), "bearer  %s", texts[s]);
            call->rq.authorization = strdup(line);
            api_call_finish(call);
            if (call->answer.status != wanted[s])
                fail_msg("%s %s as %s: %d, not %d", table[i].method, table[i].path,
                         scope_name((enum scope)s), call->answer.status, wanted[s]);
            api_call_done(call);
        }
    }
    free(call);
    fixture_free(c);
}

static void test_bodies(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call *call = malloc(sizeof(*call));

    (void)state;
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/a", "{"), 400);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/a", "[]"), 400);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/a", "{\"name\":\"b\"}"), 400);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/a", "{\"mtu\":1,\"mtu\":2}"),
                     400);
    *call = api_call_prepare(c, "PUT", "/v1/networks/a", "{\"mtu\": 1, \"foo\": 2}");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 400);
    assert_int_equal(node_get(call->json, "errors")->n, 2);
    assert_string_equal(
        api_call_text(node_get(call->json, "errors")->child[0], "pointer", NULL), "/foo");
    assert_string_equal(
        api_call_text(node_get(call->json, "errors")->child[1], "pointer", NULL), "/mtu");
    api_call_done(call);
    *call = api_call_prepare(c, "PUT", "/v1/networks/a", "mtu: 4000 # YAML\n");
    call->rq.content_type = strdup("application/yaml; charset=utf-8");
    call->rq.accept = strdup("application/yaml");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 201);
    assert_string_equal(call->answer.type, "application/yaml");
    assert_non_null(strstr(call->answer.body, "mtu: 4000"));
    api_call_done(call);
    *call = api_call_prepare(c, "PUT", "/v1/networks/b", "mtu: 4000");
    call->rq.content_type = strdup("text/plain");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 415);
    api_call_done(call);
    free(call);
    fixture_free(c);
}

static void test_strangers(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
    } table[] = {
        {"GET", "/v1/status", 200},
        {"GET", "/v1/networks/open", 200},
        {"GET", "/v1/networks/shut", 404},
        {"GET", "/v1/endpoints/open/web", 200},
        {"GET", "/v1/endpoints/shut/web", 404},
        {"GET", "/v1/endpoints?network=shut", 404},
        {"GET", "/v1/resolve?name=web&type=A&network=shut", 404},
        {"GET", "/v1/hosts", 403},
        {"GET", "/v1/links", 403},
        {"GET", "/v1/export", 403},
        {"GET", "/v1/fabric", 403},
        {"GET", "/metrics", 403},
        {"GET", "/v1/macs", 403},
        {"PUT", "/v1/networks/open", 403},
        {"DELETE", "/v1/networks/open", 403},
        {"PATCH", "/v1/endpoints/open/web", 403},
        {"POST", "/v1/daemon/stop", 403},
        {"POST", "/v1/apply", 403},
        {"POST", "/v1/hosts/invite", 403},
    };
    struct control *c = fixture_new("alpha", true);
    struct api_call *call = malloc(sizeof(*call));

    (void)state;
    assert_int_equal(
        api_call_status(c, "PUT", "/v1/networks/open", "{\"allow\":\"uid:4242\"}"), 201);
    assert_int_equal(
        api_call_status(c, "PUT", "/v1/networks/shut", "{\"allow\":\"uid:4243\"}"), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/open/web", NULL), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/shut/web", NULL), 201);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        *call = api_call_prepare(c, table[i].method, table[i].path, NULL);
        call->rq.peer.uid = call->rq.peer.gid = 4242;
        api_call_finish(call);
        if (call->answer.status != table[i].status)
            fail_msg("%s %s: %d, not %d", table[i].method, table[i].path,
                     call->answer.status, table[i].status);
        api_call_done(call);
    }
    *call = api_call_prepare(c, "GET", "/v1/networks", NULL);
    call->rq.peer.uid = call->rq.peer.gid = 4242;
    api_call_finish(call);
    assert_int_equal(node_get(call->json, "items")->n, 1);
    api_call_done(call);
    *call = api_call_prepare(c, "GET", "/v1/resolve?name=web&type=A", NULL);
    call->rq.peer.uid = call->rq.peer.gid = 4242;
    api_call_finish(call);
    assert_int_equal(node_get(call->json, "answers")->n, 1);
    api_call_done(call);
    free(call);
    fixture_free(c);
}

static void assert_resolves(struct control *c, const char *query, bool found,
                            const char *first)
{
    struct api_call call = api_call_request(c, "GET", query, NULL);
    const struct node *answers = node_get(call.json, "answers");

    assert_int_equal(call.answer.status, 200);
    if (node_get_bool(call.json, "found", !found) != found)
        fail_msg("%s: %s", query, call.answer.body);
    if (first == NULL)
        assert_int_equal(answers->n, 0);
    else
        assert_string_equal(answers->child[0]->text, first);
    api_call_done(&call);
}

static void test_names(void **state)
{
    struct control *c = fixture_new("alpha", true);

    (void)state;
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan1", "{\"ipv6\":\"none\"}"),
                     201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan2",
                                     "{\"ipv6\":\"fd42:80::/64\",\"ipv4\":\"none\"}"),
                     201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/lan1/web", NULL), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/lan2/six",
                                     "{\"addresses\":\"fd42:80::abc\"}"),
                     201);
    assert_resolves(c, "/v1/resolve?name=web&type=A", true, "10.64.0.2");
    assert_resolves(c, "/v1/resolve?name=WEB.lan1&type=A", true, "10.64.0.2");
    assert_resolves(c, "/v1/resolve?name=web.lan1.ioth.&type=A", true, "10.64.0.2");
    assert_resolves(c, "/v1/resolve?name=web.lan1.ioth&type=AAAA", true, NULL);
    assert_resolves(c, "/v1/resolve?name=web&type=A&network=lan2", false, NULL);
    assert_resolves(c, "/v1/resolve?name=web.lan2&type=A", false, NULL);
    assert_resolves(c, "/v1/resolve?name=web.lan1.com&type=A", false, NULL);
    assert_resolves(c, "/v1/resolve?name=a.web.lan1.ioth&type=A", false, NULL);
    assert_resolves(c, "/v1/resolve?name=.&type=A", false, NULL);
    assert_resolves(c, "/v1/resolve?name=&type=A", false, NULL);
    assert_resolves(c, "/v1/resolve?name=six&type=AAAA", true, "fd42:80::abc");
    assert_resolves(c, "/v1/resolve?name=10.64.0.2&type=PTR", true, "web.lan1.ioth");
    assert_resolves(c, "/v1/resolve?name=2.0.64.10.in-addr.arpa&type=PTR", true,
                    "web.lan1.ioth");
    assert_resolves(c, "/v1/resolve?name=3.0.64.10.in-addr.arpa&type=PTR", false, NULL);
    assert_resolves(
        c,
        "/v1/resolve?name=c.b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.0.0."
        "2.4.d.f.ip6.arpa&type=PTR",
        true, "six.lan2.ioth");
    assert_resolves(c, "/v1/resolve?name=c.b.a.ip6.arpa&type=PTR", false, NULL);
    assert_int_equal(api_call_status(c, "GET", "/v1/resolve?name=web&type=MX", NULL), 400);
    assert_int_equal(api_call_status(c, "GET", "/v1/resolve", NULL), 400);
    fixture_free(c);
}

static void test_files(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call *call = malloc(sizeof(*call));
    char *file;

    (void)state;
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan1", NULL), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/ports/lan1/core", "{\"tap\":\"t0\"}"),
                     201);
    *call = api_call_prepare(c, "GET", "/v1/export", NULL);
    call->rq.accept = strdup("application/yaml");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 200);
    file = strdup(call->answer.body);
    api_call_done(call);
    *call = api_call_prepare(c, "POST", "/v1/apply?dry_run=1&prune=1", file);
    call->rq.content_type = strdup("application/yaml");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 200);
    assert_int_equal(node_get(call->json, "steps")->n, 0);
    assert_false(node_get_bool(call->json, "applied", true));
    api_call_done(call);
    free(file);
    *call = api_call_prepare(
        c, "POST", "/v1/apply",
        "- {kind: network, name: lan1, mtu: 9000}\n- {kind: network, name: b}\n");
    call->rq.content_type = strdup("application/yaml");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 200);
    assert_int_equal(node_get(call->json, "steps")->n, 2);
    api_call_done(call);
    *call = api_call_prepare(c, "POST", "/v1/apply",
                             "version: 1\nnetworks:\n  a: {mtu: 3}\n  b: {foo: 1}\n");
    call->rq.content_type = strdup("application/yaml");
    api_call_finish(call);
    assert_int_equal(call->answer.status, 400);
    assert_int_equal(node_get(call->json, "errors")->n, 2);
    assert_int_equal(node_get_int(node_get(call->json, "errors")->child[0], "line", 0), 3);
    api_call_done(call);
    free(call);
    fixture_free(c);
}

static void test_without_membership(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call call;

    (void)state;
    assert_int_equal(api_call_status(c, "POST", "/v1/hosts/invite", "{}"), 503);
    assert_int_equal(
        api_call_status(c, "POST", "/v1/hosts/invite", "{\"expires\":\"soon\"}"), 400);
    assert_int_equal(api_call_status(c, "POST", "/v1/hosts/invite",
                                     "{\"expires\":-9223372036854775807}"),
                     400);
    assert_int_equal(api_call_status(c, "POST", "/v1/hosts/invite", "{\"name\":\"A B\"}"),
                     400);
    assert_int_equal(api_call_status(c, "POST", "/v1/hosts/invite", "{\"nam\":\"a\"}"),
                     400);
    assert_int_equal(api_call_status(c, "POST", "/v1/hosts/join", "{}"), 400);
    assert_int_equal(api_call_status(c, "POST", "/v1/hosts/beta/revoke", "{}"), 501);
    assert_int_equal(api_call_status(c, "POST", "/v1/daemon/stop", NULL), 503);
    call = api_call_request(c, "POST", "/v1/fabric/rename", "{\"name\":\"campus\"}");
    assert_int_equal(call.answer.status, 200);
    assert_string_equal(api_call_text(call.json, "name", NULL), "campus");
    api_call_done(&call);
    assert_int_equal(api_call_status(c, "POST", "/v1/fabric/rename", "{\"name\":\"C A\"}"),
                     400);
    fixture_free(c);
}

/* What the stream has to say now. */
static const char *heard(struct api_call *call)
{
    static char text[4096];
    size_t size = 0;
    ssize_t n;

    while ((n = call->answer.stream->ops->read(call->answer.stream, text + size,
                                               size < 4000 ? 7 : sizeof(text) - 1 - size)) >
           0)
        size += (size_t)n;
    text[size] = '\0';
    return text;
}

static struct api_call *watch(struct control *c, const char *last)
{
    struct api_call *call = malloc(sizeof(*call));

    *call = api_call_prepare(c, "GET", "/v1/events", NULL);
    call->rq.last_event_id = last != NULL ? strdup(last) : NULL;
    api_call_finish(call);
    return call;
}

static void end(struct api_call *call)
{
    api_call_done(call);
    free(call);
}

static void test_events(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call *first = watch(c, NULL), *second, *many[EVENTS_CLIENTS + 1];
    char id[64], text[64];
    const char *all;
    unsigned n = 0;

    (void)state;
    assert_int_equal(first->answer.status, 200);
    assert_string_equal(first->answer.type, "text/event-stream");
    assert_string_equal(heard(first), ": events\n\n");
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan1", "{}"), 201);
    all = heard(first);
    assert_int_equal(sscanf(all, "id: %63s", id), 1);
    assert_non_null(strstr(all,
                           "event: object\ndata: {\"kind\":\"network\",\"name\":\"lan1\","
                           "\"verb\":\"created\",\"revision\":"));
    assert_string_equal(heard(first), "");
    assert_int_equal(api_call_status(c, "PATCH", "/v1/networks/lan1", "{\"mtu\":1400}"),
                     200);
    assert_non_null(strstr(heard(first), "\"changed\""));
    assert_int_equal(api_call_status(c, "DELETE", "/v1/networks/lan1", NULL), 204);
    assert_non_null(strstr(heard(first), "\"removed\""));

    second = watch(c, id); /* From behind that event. */
    all = heard(second);
    assert_null(strstr(all, "created"));
    assert_null(strstr(all, "reset"));
    assert_non_null(strstr(all, "changed"));
    assert_non_null(strstr(all, "removed"));
    end(second);
    second = watch(c, "0123456789abcdef-1"); /* Of another process. */
    assert_non_null(strstr(heard(second), "event: reset"));

    /* One who does not read loses its place, others do not. */
    for (unsigned i = 0; i < EVENTS_KEPT + 2; i++) {
        snprintf(text, sizeof(text), "{\"mtu\":%u}", 1300 + i % 2);
        assert_int_equal(i == 0 ? api_call_status(c, "PUT", "/v1/networks/lan2", text)
                                : api_call_status(c, "PATCH", "/v1/networks/lan2", text),
                         i == 0 ? 201 : 200);
        (void)heard(second);
    }
    assert_int_equal(
        first->answer.stream->ops->read(first->answer.stream, text, sizeof(text)),
        API_STREAM_BROKEN);
    assert_int_equal(
        second->answer.stream->ops->read(second->answer.stream, text, sizeof(text)), 0);
    end(first);
    end(second);
    second = watch(c, id); /* Its event is forgotten. */
    assert_non_null(strstr(heard(second), "event: reset"));
    end(second);

    while (n < EVENTS_CLIENTS)
        many[n++] = watch(c, NULL);
    many[n] = watch(c, NULL);
    assert_int_equal(many[n]->answer.status, 503);
    for (unsigned i = 0; i <= n; i++)
        end(many[i]);
    fixture_free(c);
}

/* What another host may ask for. */
static int status_from(struct control *c, const char *host, const char *method,
                       const char *target, const char *body)
{
    struct api_call *call = malloc(sizeof(*call));
    int out;

    *call = api_call_prepare(c, method, target, body);
    call->rq.peer.uid = 4242;
    memcpy(call->rq.from_host, host, strlen(host) + 1);
    api_call_finish(call);
    out = call->answer.status;
    end(call);
    return out;
}

static void test_other_hosts(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call *events = malloc(sizeof(*events));
    const char *all;

    (void)state;
    *events = api_call_prepare(c, "GET", "/v1/events", NULL);
    memcpy(events->rq.from_host, "beta", 5);
    api_call_finish(events);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/here", "{\"local\":true}"),
                     201);
    assert_int_equal(status_from(c, "beta", "PUT", "/v1/networks/lan1", "{}"), 201);
    assert_int_equal(status_from(c, "beta", "GET", "/v1/networks/lan1", NULL), 200);
    assert_int_equal(status_from(c, "beta", "GET", "/v1/fabric", NULL), 200);
    assert_int_equal(status_from(c, "beta", "GET", "/v1/export", NULL), 200);

    /* What is local to the host is no other's business. */
    assert_int_equal(status_from(c, "beta", "GET", "/v1/networks/here", NULL), 404);
    assert_int_equal(status_from(c, "beta", "GET", "/v1/macs?network=here", NULL), 404);
    assert_int_equal(status_from(c, "beta", "DELETE", "/v1/networks/here", NULL), 409);
    assert_int_equal(status_from(c, "beta", "PUT", "/v1/endpoints/here/web", "{}"), 409);
    assert_int_equal(
        status_from(c, "beta", "PUT", "/v1/networks/there", "{\"local\":true}"), 400);
    assert_int_equal(api_call_status(c, "GET", "/v1/networks/here", NULL), 200);
    all = heard(events);
    assert_null(strstr(all, "here"));
    assert_non_null(strstr(all, "lan1"));
    end(events);

    assert_int_equal(status_from(c, "beta", "POST", "/v1/daemon/stop", NULL), 403);
    assert_int_equal(status_from(c, "beta", "POST", "/v1/hosts/leave", NULL), 403);
    assert_int_equal(status_from(c, "beta", "POST", "/v1/hosts/join", NULL), 403);
    assert_int_equal(status_from(c, "beta", "POST", "/v1/fabric/key/drop", NULL), 403);
    fixture_free(c);
}

/* Others see what they may see. */
static void test_events_of_others(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct api_call *call = malloc(sizeof(*call));
    const char *all;

    (void)state;
    *call = api_call_prepare(c, "GET", "/v1/events", NULL);
    call->rq.peer.uid = 4242;
    call->rq.peer.gid = 4242;
    api_call_finish(call);
    assert_int_equal(
        api_call_status(c, "PUT", "/v1/networks/open", "{\"allow\":\"uid:4242\"}"), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/closed", "{}"), 201);
    assert_int_equal(api_call_status(c, "PUT", "/v1/endpoints/closed/web", "{}"), 201);
    all = heard(call);
    assert_non_null(strstr(all, "\"open\""));
    assert_null(strstr(all, "closed"));
    end(call);
    fixture_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routing),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_of_others),
        cmocka_unit_test(test_other_hosts),
        cmocka_unit_test(test_without_membership),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
