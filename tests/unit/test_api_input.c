/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What requests may say besides objects: queries, and the bodies of actions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/api_call.h"
#include "tests/unit/control_fixture.h"

/* A parameter that nobody hears would make something else of a request than was meant. */
static void test_queries(void **state)
{
    static const struct {
        const char *method, *target;
        int status;
        const char *says;
    } table[] = {
        {"GET", "/v1/networks?zork=1", 400, "\"zork\" here (valid: limit, after)"},
        {"GET", "/v1/networks?limits=1", 400, "did you mean limit?"},
        {"GET", "/v1/networks?network=lan1", 400, "valid: limit, after"},
        {"GET", "/v1/networks?limit=1&limit=2", 400, "limit is given twice"},
        {"GET", "/v1/networks/lan1?limit=1", 400, "it takes none"},
        {"GET", "/v1/ports?network=LAN", 400, "network is \"LAN\""},
        {"GET", "/v1/services?network=lan1", 200, NULL},
        {"GET", "/v1/fabric?watch=1", 400, "it takes none"},
        {"GET", "/v1/status?watch=1", 400, "valid: revision"},
        {"GET", "/v1/status?revision=0", 400, "revision"},
        {"GET", "/v1/status?revision=1", 200, ""},
        {"GET", "/v1/events?kind=network,weather", 400, "network|port"},
        {"GET", "/v1/history?before=0", 400, "before is \"0\""},
        {"GET", "/v1/history?limit=99999999999999999999", 400, "wanted: 1 to 1000"},
        {"GET", "/v1/resolve?name=web&type=MX", 400, "valid: A|AAAA|PTR"},
        {"POST", "/v1/apply?dryrun=1", 400, "did you mean dry_run?"},
        {"POST", "/v1/apply?dry_run=yes", 400, "wanted: 1, true, 0 or false"},
        {"POST", "/v1/apply?If-Match=1", 400, "no query parameter"},
        {"POST", "/v1/apply?confirm=soon", 400, "a time, as 30s"},
        {"POST", "/v1/apply?confirm=25h", 400, "confirm is at most 1d"},
        {"POST", "/v1/apply?require=most", 400, "all|quorum|reachable"},
        {"POST", "/v1/apply?dry_run", 200, NULL},
        {"PUT", "/v1/networks/lan2?dry_run=1", 400, "it takes none"},
        {"DELETE", "/v1/networks/lan1?dry_run=1", 400, "it takes none"},
    };
    static const char file[] = "{\"version\": 1, \"networks\": {\"lan3\": {}}}";
    struct control *c = fixture_new("alpha", true);

    (void)state;
    assert_int_equal(api_call_status(c, "PUT", "/v1/networks/lan1", NULL), 201);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        bool file_too = strstr(table[i].target, "apply") != NULL;
        struct api_call call =
            api_call_request(c, table[i].method, table[i].target, file_too ? file : NULL);

        if (call.answer.status != table[i].status ||
            (table[i].says != NULL &&
             strstr(api_call_text(call.json, "detail", NULL), table[i].says) == NULL))
            fail_msg("%s %s: %d %s", table[i].method, table[i].target, call.answer.status,
                     call.answer.body);
        api_call_done(&call);
    }
    assert_int_equal(store_revision(c->store), 2); /* Nothing was done. */
    fixture_free(c);
}

/* Bodies of actions are held against the tables that describe them, each mistake with its place. */
static void test_actions(void **state)
{
    static const struct {
        const char *path, *body, *pointers;
    } table[] = {
        {"/v1/rollback", "{\"revision\":-1,\"zork\":1}", "/zork /revision "},
        {"/v1/rollback", "{}", "/revision "},
        {"/v1/fabric/rename", "{\"name\":\"Zork\"}", "/name "},
        {"/v1/hosts/invite", "{\"expires\":\"2y\",\"zork\":{}}", "/zork /expires "},
        {"/v1/hosts/invite", "{\"expires\":\"367d\"}", "/expires "},
        {"/v1/hosts/join", "{\"token\":7,\"discard\":\"maybe\"}", "/token /discard "},
        {"/v1/services/web/migrate", "{\"to\":7}", "/to "},
        {"/v1/services/web/start", "{\"now\":true}", "/now "},
        {"/v1/daemon/stop", "{\"now\":true}", "/now "},
        {"/v1/apply/accept", "[1]", " "},
    };
    struct control *c = fixture_new("alpha", true);

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct api_call call = api_call_request(c, "POST", table[i].path, table[i].body);
        const struct node *errors = node_get(call.json, "errors");
        char pointers[128] = "";
        size_t used = 0;

        for (size_t k = 0; errors != NULL && k < errors->n; k++)
            used += (size_t)snprintf(pointers + used, sizeof(pointers) - used, "%s ",
                                     api_call_text(errors->child[k], "pointer", NULL));
        if (call.answer.status != 400 || strcmp(pointers, table[i].pointers) != 0)
            fail_msg("%s %s: %d %s", table[i].path, table[i].body, call.answer.status,
                     call.answer.body);
        api_call_done(&call);
    }
    fixture_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_actions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
