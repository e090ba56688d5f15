/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Applies on trial, taken back, and the way to any earlier revision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/change/apply.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/xalloc.h"
#include "tests/unit/control_fixture.h"

static struct control *begin(void)
{
    struct control *c = fixture_new("alpha", true);

    c->standing = standing_new(c);
    return c;
}

static void end(struct control *c)
{
    standing_free(c->standing);
    c->standing = NULL;
    fixture_free(c);
}

/* A host that is there, having carried out what the store had at `revision`. */
static void report(struct control *c, uint16_t host, uint64_t revision, const char *what)
{
    struct sync_seen_wrong wrong = {.why = "it cannot be"};
    struct sync_seen seen = {.host = host, .revision = revision};

    if (what != NULL) {
        snprintf(wrong.what, sizeof(wrong.what), "%s", what);
        seen.wrong = &wrong;
        seen.n_wrong = 1;
    }
    seen_put(c->seen, &seen);
    standing_noticed(c->standing);
}

struct asked {
    const char *yaml;
    uint64_t back_to, if_revision;
    bool prune, allow_destroy, dry_run;
    int64_t confirm_ms;
    enum trial_require require;
};

/* The result is filled in when it comes; its status is 0 until then. */
static void ask(struct control *c, const struct asked *asked, struct change_result *result)
{
    struct change *change = change_new("alpha", asked->yaml != NULL ? "file" : "cli");
    struct change_item *item;
    struct node *body = node_map();

    if (asked->yaml != NULL) {
        node_free(body);
        body = fixture_yaml(asked->yaml);
    } else {
        node_set_int(body, "revision", (int64_t)asked->back_to);
    }
    item = change_add(change, asked->yaml != NULL ? CHANGE_APPLY : CHANGE_ROLLBACK, NULL,
                      NULL, NULL, body);
    item->if_revision = asked->if_revision;
    change_set_who(change, "tester");
    change->prune = asked->prune;
    change->allow_destroy = asked->allow_destroy;
    change->dry_run = asked->dry_run;
    change->terms.confirm_ms = asked->confirm_ms;
    change->terms.require = asked->require;
    *result = (struct change_result){.status = 0};
    change_submit(c, change, fixture_keep, result);
}

static int status_of(struct control *c, const struct asked *asked)
{
    struct change_result result;
    int status;

    ask(c, asked, &result);
    status = result.status;
    change_result_done(&result);
    return status;
}

static void expect_refused(struct control *c, const struct asked *asked, int status,
                           const char *why)
{
    uint64_t revision = store_revision(c->store);
    struct change_result result;

    ask(c, asked, &result);
    assert_int_equal(result.status, status);
    if (strstr(result.err.why, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", result.err.why, why);
    assert_int_equal(store_revision(c->store), revision);
    change_result_done(&result);
}

/* Every row but those of the trial, without revisions. */
static int print_row(void *aux, const struct store_object *object)
{
    if (strcmp(object->kind, STANDING_KIND) != 0)
        fprintf(aux, "%d %s %s/%s %s %s\n", object->scope, object->kind, object->network,
                object->name, object->owner, object->body);
    return 0;
}

static char *rows_of(struct control *c)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(store_each(c->store, STORE_FABRIC, NULL, NULL, print_row, out), 0);
    assert_int_equal(store_each(c->store, STORE_LOCAL, NULL, NULL, print_row, out), 0);
    fclose(out);
    return text;
}

static char *export_of(struct control *c)
{
    struct objects objects;
    struct node *file;
    char *text;

    objects_init(&objects);
    assert_int_equal(apply_gather(c->store, APPLY_BOTH, &objects), 0);
    objects_sort(&objects);
    file = fabric_file_write(&objects);
    text = node_to_yaml(file);
    node_free(file);
    objects_done(&objects);
    return text;
}

static void expect_same(char *now, char *then)
{
    assert_string_equal(now, then);
    free(now);
    free(then);
}

#define LAB                                                                                \
    "version: 1\nnetworks:\n  lab:\n    vlans: {10: staff, 20: guests}\n"                  \
    "    ports: {a: {tap: lab-a, access: 10}}\n"

static void test_destroy(void **state)
{
    static const char less[] = "version: 1\nnetworks: {lab: {vlans: {10: staff}}}\n";
    static const char none[] = "version: 1\nnetworks: {}\n";
    struct control *c = begin();

    (void)state;
    assert_int_equal(status_of(c, &(struct asked){.yaml = LAB}), 200);
    assert_null(standing_show(c));
    expect_refused(c, &(struct asked){.yaml = less}, 409,
                   "network lab (vlans.20: removed)");
    expect_refused(c, &(struct asked){.yaml = less, .prune = true}, 409, "would destroy");
    assert_int_equal(status_of(c, &(struct asked){.yaml = less, .dry_run = true}), 200);
    assert_int_equal(status_of(c, &(struct asked){.yaml = less, .allow_destroy = true}),
                     200);
    assert_int_equal(status_of(c, &(struct asked){.yaml = none}), 200);
    assert_non_null(view_network(c->view, "lab"));
    assert_int_equal(status_of(c, &(struct asked){.yaml = none, .prune = true}), 200);
    assert_null(view_network(c->view, "lab"));
    end(c);
}

/* Each change that destroys is told whole, at its place, and no other one is. */
static void test_destroy_all(void **state)
{
    static const char more[] =
        "version: 1\nnetworks:\n"
        "  one: {vlans: {10: a, 20: b, 30: c, 40: d, 50: e, 60: f}}\n"
        "  two: {vlans: {10: a, 20: b}}\n"
        "  three: {vlans: {10: a, 20: b}}\n"
        "  four: {vlans: {10: a, 20: b}}\n";
    static const char less[] = "version: 1\nnetworks:\n"
                               "  one: {vlans: {10: renamed}, mtu: 1400}\n"
                               "  two: {vlans: {10: a}}\n"
                               "  three: {vlans: {10: a}}\n"
                               "  four: {vlans: {10: a}}\n";
    struct control *c = begin();
    struct change_result result;
    char *pointer;

    (void)state;
    assert_int_equal(status_of(c, &(struct asked){.yaml = more}), 200);
    ask(c, &(struct asked){.yaml = less}, &result);
    assert_int_equal(result.status, 409);
    assert_int_equal(result.diags.n, 4);
    for (size_t i = 0; i < 4; i++) {
        if (strstr(result.diags.list[i].text, "network one") == NULL)
            continue;
        assert_string_equal(
            result.diags.list[i].text,
            "it would destroy network one (vlans.20: removed; vlans.30: "
            "removed; vlans.40: removed; vlans.50: removed; vlans.60: removed)");
        pointer = diag_pointer(&result.diags.list[i]);
        assert_string_equal(pointer, "/networks/one");
        free(pointer);
    }
    change_result_done(&result);
    end(c);
}

/* As what runs a service does when its program begins. */
static void hold(struct control *c, const char *network, const char *name)
{
    struct change *change = change_new("alpha", "run");
    struct change_result result = {.status = 0};

    change_add(change, CHANGE_PUT, "endpoint", network, name, node_map())->held = true;
    change_submit(c, change, fixture_keep, &result);
    assert_int_equal(result.status, 200);
    change_result_done(&result);
}

/* A network goes together with the services on it, whose endpoints are held. */
static void test_service_network(void **state)
{
    static const char ts[] = "{\"network\": \"tn\", \"command\": [\"sleep\", \"500\"]}";
    static const char none[] = "version: 1\nnetworks: {keep: {}}\n";
    struct control *c = begin();
    struct asked back = {.allow_destroy = true};

    (void)state;
    assert_int_equal(status_of(c, &(struct asked){.yaml = none}), 200);
    back.back_to = store_revision(c->store);
    for (int way = 0; way < 2; way++) {
        assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "tn", "{}"), 201);
        assert_int_equal(fixture_status(c, CHANGE_PUT, "service", "", "ts", ts), 201);
        hold(c, "tn", "ts");
        assert_true(view_endpoint(c->view, "tn", "ts")->held);
        assert_int_equal(
            status_of(c, way == 0 ? &back : &(struct asked){.yaml = none, .prune = true}),
            200);
        assert_null(view_network(c->view, "tn"));
        assert_null(view_endpoint(c->view, "tn", "ts"));
        assert_null(view_service(c->view, "ts"));
        assert_non_null(view_network(c->view, "keep"));
    }
    end(c);
}

/* A host that the file does not name is known to the fabric, or to nobody. */
static void test_joined_host(void **state)
{
    static const char known[] = "version: 1\nhosts: {alpha: {labels: ssd}}\n"
                                "networks: {lab: {ports: {p: {host: beta, vde: true}}}}\n";
    static const char unknown[] =
        "version: 1\nhosts: {alpha: {labels: ssd}}\n"
        "networks: {lab: {ports: {p: {host: zeta, vde: true}}}}\n";
    struct control *c = begin();

    (void)state;
    fixture_add_host(c, "beta", 2);
    assert_int_equal(status_of(c, &(struct asked){.yaml = known, .dry_run = true}), 200);
    expect_refused(c, &(struct asked){.yaml = unknown, .dry_run = true}, 400,
                   "there is no host zeta");
    end(c);
}

/* Labels count that the same file gives, and so do the services that it has placed already. */
static void test_place(void **state)
{
    static const char yaml[] =
        "version: 1\nhosts: {beta: {labels: ssd}, gamma: {labels: ssd}}\n"
        "networks: {lab: {}}\n"
        "services:\n"
        "  s1: {network: lab, command: [x], place: ssd}\n"
        "  s2: {network: lab, command: [x], place: ssd}\n";
    struct control *c = begin();
    struct change_result result;

    (void)state;
    fixture_add_host(c, "beta", 2);
    fixture_add_host(c, "gamma", 3);
    ask(c, &(struct asked){.yaml = yaml, .require = TRIAL_REACHABLE}, &result);
    assert_string_not_equal(view_service(c->view, "s1")->host,
                            view_service(c->view, "s2")->host);
    end(c);
    change_result_done(&result);
}

/* A bridge priority is one of a host that there is. */
static void test_priority(void **state)
{
    static const char wrong[] =
        "version: 1\nnetworks: {lab: {stp: {priority: {nohost: 4096}}}}\n";
    struct control *c = begin();
    struct change_result result;

    (void)state;
    ask(c, &(struct asked){.yaml = wrong, .dry_run = true}, &result);
    assert_int_equal(result.status, 400);
    assert_int_equal(result.diags.n, 1);
    assert_string_equal(result.diags.list[0].path, "networks.lab.stp.priority.nohost");
    change_result_done(&result);
    end(c);
}

/* A mirror is a port of the network, be it one of the same change. */
static void test_mirror(void **state)
{
    static const char wrong[] =
        "version: 1\nnetworks: {lab: {ports: {a: {vde: true, mirror: nope}}}}\n";
    static const char right[] = "version: 1\nnetworks: {lab: {ports: {a: {vde: true, "
                                "mirror: spy}, spy: {vde: true}}}}\n";
    struct control *c = begin();
    struct change_result result;

    (void)state;
    ask(c, &(struct asked){.yaml = wrong, .dry_run = true}, &result);
    assert_int_equal(result.status, 400);
    assert_string_equal(result.diags.list[0].path, "networks.lab.ports.a.mirror");
    change_result_done(&result);
    assert_int_equal(status_of(c, &(struct asked){.yaml = right}), 200);
    end(c);
}

static void test_hosts(void **state)
{
    struct control *c = begin();
    struct change_result result;
    uint64_t revision;
    char *before;

    (void)state;
    fixture_add_host(c, "beta", 2);
    before = rows_of(c);
    expect_refused(c, &(struct asked){.yaml = LAB}, 503, "host beta cannot be reached");
    expect_refused(c, &(struct asked){.yaml = LAB, .require = TRIAL_QUORUM}, 503,
                   "more than half");
    report(c, 2, 0, "port lab/a"); /* Of an earlier revision: it does not count. */
    ask(c, &(struct asked){.yaml = LAB}, &result);
    assert_int_equal(result.status, 0);
    assert_true(standing_is_verified(c));
    revision = store_revision(c->store);
    report(c, 2, revision, "port lab/other");
    assert_int_equal(result.status, 200);
    assert_null(standing_show(c));
    assert_int_equal(node_get_int(result.value, "revision", 0), revision);
    change_result_done(&result);

    /* One that a host cannot carry out leaves nothing behind. */
    free(before);
    before = rows_of(c);
    ask(c,
        &(struct asked){.yaml = "version: 1\nnetworks: {lab: {vlans: {10: x, 30: }, mtu: "
                                "1400}, more: {ports: {p: {vde: true}}}}\n",
                        .allow_destroy = true},
        &result);
    assert_int_equal(result.status, 0);
    assert_non_null(view_network(c->view, "more"));
    report(c, 2, store_revision(c->store), "port more/p");
    assert_int_equal(result.status, 409);
    assert_non_null(
        strstr(result.err.why, "rolled back: port more/p: it cannot be on host beta"));
    change_result_done(&result);
    expect_same(rows_of(c), before);

    /* And without beta. */
    seen_clear(c->seen);
    assert_int_equal(
        status_of(c, &(struct asked){.yaml = "version: 1\nnetworks: {apart: {}}",
                                     .require = TRIAL_REACHABLE}),
        200);
    end(c);
}

static struct change_result accept(struct control *c)
{
    return fixture_change(c, CHANGE_ACCEPT, NULL, NULL, NULL, NULL);
}

static void test_confirm(void **state)
{
    static const struct asked wanted = {.yaml = LAB, .confirm_ms = 60000};
    struct control *c = begin();
    struct change_result result;

    (void)state;
    result = accept(c);
    assert_int_equal(result.status, 404);
    change_result_done(&result);
    ask(c, &wanted, &result);
    assert_int_equal(result.status, 200);
    assert_non_null(node_get(result.value, "confirm"));
    change_result_done(&result);
    expect_refused(c, &(struct asked){.yaml = "version: 1\nnetworks: {x: {}}"}, 409,
                   "by tester on alpha, which waits to be accepted");
    expect_refused(c, &(struct asked){.back_to = 1}, 409, "waits to be accepted");
    assert_int_equal(
        fixture_status(c, CHANGE_PATCH, "network", NULL, "lab", "{\"mtu\":1400}"), 409);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "port", "lab", "a", NULL), 409);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", NULL, "apart", "{}"), 201);
    assert_int_equal(
        fixture_status(c, CHANGE_PUT, "endpoint", "lab", "web", "{\"vlan\":10}"), 201);

    /* Another process of control finds it as it is. */
    standing_free(c->standing);
    c->standing = standing_new(c);
    standing_start(c->standing);
    expect_refused(c, &(struct asked){.yaml = "version: 1\nnetworks: {x: {}}"}, 409,
                   "waits to be accepted");
    result = accept(c);
    assert_int_equal(result.status, 200);
    change_result_done(&result);
    assert_null(standing_show(c));
    assert_int_equal(
        fixture_status(c, CHANGE_PATCH, "network", NULL, "lab", "{\"mtu\":1400}"), 200);
    end(c);
}

/* What came into being in what is taken back goes with it; what the daemon keeps stays. */
static void test_taken_back(void **state)
{
    struct control *c = begin();
    struct store_note note = {"daemon", "alpha", "daemon", "taken back", 0};
    struct change_result result;
    uint64_t revision;

    (void)state;
    assert_int_equal(
        fixture_status(c, CHANGE_PUT, "network", NULL, "lab", "{\"ipv4\":\"10.9.0.0/24\"}"),
        201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "endpoint", "lab", "web", "{}"), 201);
    ask(c,
        &(struct asked){.yaml =
                            "version: 1\nnetworks: {lab: {ipv4: 10.9.0.0/24, mtu: 1400, "
                            "endpoints: {web: {addresses: 10.9.0.77}}}, more: {}}",
                        .confirm_ms = 60000},
        &result);
    assert_int_equal(result.status, 200);
    change_result_done(&result);
    revision = store_revision(c->store) - 1; /* The row's own came behind it. */
    assert_int_equal(fixture_status(c, CHANGE_PUT, "endpoint", "more", "late", "{}"), 201);
    assert_int_equal(restore_commit(c, revision, true, &note, NULL), 0);
    assert_null(view_network(c->view, "more"));
    assert_null(view_endpoint(c->view, "more", "late"));
    assert_null(view_block(c->view, "more", 0, "alpha"));
    assert_int_equal(view_network(c->view, "lab")->mtu, 1500);
    assert_int_not_equal(addr_to_v4(&view_endpoint(c->view, "lab", "web")->addrs[0]),
                         0x0a09004d);
    assert_non_null(view_block(c->view, "lab", 0, "alpha"));
    end(c);
}

static void test_conflict(void **state)
{
    struct control *c = begin();
    uint64_t seen;

    (void)state;
    assert_int_equal(status_of(c, &(struct asked){.yaml = LAB}), 200);
    seen = store_revision(c->store);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", NULL, "other", "{}"), 201);
    expect_refused(
        c, &(struct asked){.yaml = "version: 1\nnetworks: {x: {}}", .if_revision = seen},
        412, "(network other created)");
    assert_int_equal(status_of(c, &(struct asked){.yaml = "version: 1\nnetworks: {x: {}}",
                                                  .if_revision = store_revision(c->store)}),
                     200);
    end(c);
}

static void test_history(void **state)
{
    struct control *c = begin();
    struct change_result result;
    const struct node *items;

    (void)state;
    assert_int_equal(status_of(c, &(struct asked){.yaml = LAB}), 200);
    result = fixture_change(c, CHANGE_HISTORY, NULL, NULL, NULL, "{}");
    assert_int_equal(result.status, 200);
    items = node_get(result.value, "items");
    assert_int_equal(items->n, 1);
    assert_string_equal(node_get_text(items->child[0], "who", ""), "tester");
    assert_string_equal(node_get_text(items->child[0], "what", ""), "apply: 2 created");
    assert_int_equal(node_get_int(items->child[0], "revision", 0), 2);
    change_result_done(&result);
    result = fixture_change(c, CHANGE_HISTORY, NULL, NULL, NULL, "{\"revision\":2}");
    items = node_get(result.value, "changes");
    assert_int_equal(items->n, 2);
    assert_string_equal(node_get_text(items->child[0], "verb", ""), "create");
    change_result_done(&result);
    result = fixture_change(c, CHANGE_HISTORY, NULL, NULL, NULL, "{\"revision\":99}");
    assert_int_equal(result.status, 404);
    change_result_done(&result);
    end(c);
}

/* --- any earlier state ----------------------------------------------------------------------- */

#define STEPS 120

static void random_change(struct control *c)
{
    char net[16], port[16], body[120];
    int which = rand() % 8;

    snprintf(net, sizeof(net), "n%d", rand() % 5);
    snprintf(port, sizeof(port), "p%d", rand() % 4);
    if (which < 2) {
        snprintf(body, sizeof(body), "{\"mtu\":%d,\"ipv4\":\"10.%c.0.0/24\"}",
                 1300 + rand() % 200, net[1]);
        (void)fixture_status(c, CHANGE_PUT, "network", NULL, net, body);
    } else if (which < 3) {
        (void)fixture_status(c, CHANGE_DELETE, "network", NULL, net, NULL);
    } else if (which < 6) {
        snprintf(body, sizeof(body),
                 rand() % 2 ? "{\"vde\":true,\"rate\":%d000}" : "{\"tap\":\"%d-%s-%s\"}",
                 1 + rand() % 9, net, port);
        (void)fixture_status(c, CHANGE_PUT, "port", net, port, body);
    } else if (which < 7) {
        (void)fixture_status(c, CHANGE_DELETE, "port", net, port, NULL);
    } else {
        snprintf(body, sizeof(body),
                 "version: 1\nnetworks: {%s: {ports: {%s: {vde: true}}}}", net, port);
        (void)status_of(c, &(struct asked){.yaml = body, .allow_destroy = true});
    }
}

/* IPv6 subnets of networks that are made anew follow from their names: everything comes back. */
static void test_any_state(void **state)
{
    struct control *c = begin();
    char *then[STEPS];
    uint64_t at[STEPS];

    (void)state;
    srand(3);
    for (int i = 0; i < STEPS; i++) {
        random_change(c);
        then[i] = export_of(c);
        at[i] = store_revision(c->store);
    }
    for (int i = 0; i < STEPS; i++) {
        int to = rand() % STEPS;
        struct asked back = {.back_to = at[to], .allow_destroy = true};

        struct change_result result;

        ask(c, &back, &result);
        if (result.status != 200)
            fail_msg("back to %d: %s", to, result.err.why);
        change_result_done(&result);
        expect_same(export_of(c), xstrdup(then[to]));
    }
    for (int i = 0; i < STEPS; i++)
        free(then[i]);
    end(c);
}

/* A trial that fails leaves every row as it was, whatever it did. */
static void test_any_failure(void **state)
{
    struct control *c = begin();

    (void)state;
    srand(4);
    fixture_add_host(c, "beta", 2);
    report(c, 2, 0, NULL);
    for (int i = 0; i < STEPS; i++) {
        struct change_result result;
        uint64_t now = store_revision(c->store);
        char *before;

        report(c, 2, UINT32_MAX, NULL); /* Whatever it applies stays. */
        random_change(c);
        report(c, 2, 0, NULL);
        before = rows_of(c);
        ask(c,
            &(struct asked){.back_to = (uint64_t)rand() % (now + 1), .allow_destroy = true},
            &result);
        if (result.status == 0) {
            char what[40];

            snprintf(what, sizeof(what), "network n%d", rand() % 5);
            report(c, 2, UINT32_MAX, what);
            if (result.status == 409)
                expect_same(rows_of(c), xstrdup(before));
            report(c, 2, 0, NULL);
        }
        assert_int_not_equal(result.status, 0);
        free(before);
        change_result_done(&result);
    }
    end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destroy),     cmocka_unit_test(test_destroy_all),
        cmocka_unit_test(test_hosts),       cmocka_unit_test(test_confirm),
        cmocka_unit_test(test_taken_back),  cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_history),     cmocka_unit_test(test_any_state),
        cmocka_unit_test(test_any_failure), cmocka_unit_test(test_service_network),
        cmocka_unit_test(test_joined_host), cmocka_unit_test(test_place),
        cmocka_unit_test(test_priority),    cmocka_unit_test(test_mirror),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
