/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes: what is completed, what is refused and why, and that a refused one leaves nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/mtime.h"
#include "proto/base/xalloc.h"
#include "tests/unit/control_fixture.h"

static int put(struct control *c, const char *kind, const char *network, const char *name,
               const char *json)
{
    return fixture_status(c, CHANGE_PUT, kind, network, name, json);
}

/* The refusal's status; its reason must hold the text. */
static void assert_refused(struct change_result result, int status, const char *why)
{
    assert_int_equal(result.status, status);
    if (strstr(result.err.why, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", result.err.why, why);
    change_result_done(&result);
}

static const char *address_of(const struct control *c, const char *network,
                              const char *name, char *out)
{
    const struct view_endpoint *ep = view_endpoint(c->view, network, name);

    if (ep == NULL || ep->n_addrs == 0)
        return "none";
    return addr_print(&ep->addrs[0], out);
}

static void test_networks_get_subnets(void **state)
{
    struct control *c = fixture_new("alpha", true);
    const struct view_network *a, *b;
    char text[ADDR_TEXT_SIZE];
    uint64_t id;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(
        put(c, "network", "", "lan2", "{\"vlans\":{\"10\":\"staff\",\"20\":{}}}"), 201);
    a = view_network(c->view, "lan1");
    b = view_network(c->view, "lan2");
    assert_string_equal(addr_print(&a->plans[0].v4, text), "10.64.0.0/24");
    assert_int_equal(a->plans[0].v6.prefix, 64);
    assert_int_equal(b->n_plans, 2);
    assert_string_equal(addr_print(&view_plan(b, 10)->v4, text), "10.64.1.0/24");
    assert_string_equal(addr_print(&view_plan(b, 20)->v4, text), "10.64.2.0/24");
    assert_int_not_equal(a->id, 0);
    assert_int_not_equal(a->id, b->id);
    /* Again, and with other settings: id and subnets stay. */
    id = a->id;
    assert_int_equal(put(c, "network", "", "lan1", "{\"mtu\":9000}"), 200);
    a = view_network(c->view, "lan1");
    assert_int_equal(a->id, id);
    assert_int_equal(a->mtu, 9000);
    assert_string_equal(addr_print(&a->plans[0].v4, text), "10.64.0.0/24");
    fixture_free(c);
}

static void test_subnets_conflict(void **state)
{
    struct control *c = fixture_new("alpha", true);

    (void)state;
    assert_int_equal(put(c, "network", "", "a", "{\"ipv4\":\"10.80.0.0/16\"}"), 201);
    assert_refused(
        fixture_change(c, CHANGE_PUT, "network", "", "b", "{\"ipv4\":\"10.80.7.0/24\"}"),
        409, "network a");
    assert_null(view_network(c->view, "b"));
    assert_int_equal(put(c, "network", "", "b", "{\"ipv4\":\"none\",\"ipv6\":\"none\"}"),
                     201);
    assert_int_equal(view_network(c->view, "b")->plans[0].v4.family, 0);
    fixture_free(c);
}

static void test_unchanged_writes_nothing(void **state)
{
    struct control *c = fixture_new("alpha", true);
    uint64_t revision;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    revision = store_revision(c->store);
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 200);
    assert_int_equal(
        fixture_status(c, CHANGE_PATCH, "network", "", "lan1", "{\"mtu\":1500}"), 200);
    assert_int_equal(store_revision(c->store), revision);
    fixture_free(c);
}

static void test_endpoints(void **state)
{
    struct control *c = fixture_new("alpha", true);
    char text[ADDR_TEXT_SIZE];
    struct view_endpoint first;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put(c, "endpoint", "lan1", "web", "{}"), 201);
    assert_int_equal(put(c, "endpoint", "lan1", "db", "{}"), 201);
    assert_string_equal(address_of(c, "lan1", "web", text), "10.64.0.2/24");
    assert_string_equal(address_of(c, "lan1", "db", text), "10.64.0.3/24");
    first = *view_endpoint(c->view, "lan1", "web");
    assert_int_equal(first.n_addrs, 2);
    assert_int_equal(first.addrs[1].family, 6);
    assert_string_equal(first.host, "alpha");
    /* Removed and made again: MAC and IPv6 follow from the name; the IPv4 is free again. */
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "endpoint", "lan1", "web", NULL),
                     204);
    assert_null(view_endpoint_by_addr(c->view, "lan1", &first.addrs[0]));
    assert_int_equal(put(c, "endpoint", "lan1", "web", "{}"), 201);
    assert_memory_equal(view_endpoint(c->view, "lan1", "web")->mac, first.mac, 6);
    assert_int_equal(
        addr_compare(&view_endpoint(c->view, "lan1", "web")->addrs[1], &first.addrs[1]), 0);
    fixture_free(c);
}

static void test_endpoint_conflicts(void **state)
{
    struct control *c = fixture_new("alpha", true);

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put(c, "endpoint", "lan1", "web",
                         "{\"addresses\":\"10.64.0.9\",\"mac\":\"02:00:00:00:00:09\"}"),
                     201);
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "db",
                                  "{\"addresses\":[\"10.64.0.9/16\"]}"),
                   409, "endpoint lan1/web on host alpha");
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "db",
                                  "{\"mac\":\"02:00:00:00:00:09\"}"),
                   409, "lan1/web");
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "db",
                                  "{\"addresses\":\"10.64.0.255\"}"),
                   400, "broadcast");
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "nowhere", "db", "{}"), 404,
                   "no network nowhere");
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "db", "{\"vlan\":5}"),
                   400, "no VLANs");
    assert_null(view_endpoint(c->view, "lan1", "db"));
    /* Outside of the plan is allowed, and gets the plan's length. */
    assert_int_equal(put(c, "endpoint", "lan1", "db", "{\"addresses\":\"192.168.7.7\"}"),
                     201);
    assert_int_equal(view_endpoint(c->view, "lan1", "db")->addrs[0].prefix, 24);
    fixture_free(c);
}

static void test_vlans_of_endpoints(void **state)
{
    struct control *c = fixture_new("alpha", true);
    char text[ADDR_TEXT_SIZE];

    (void)state;
    assert_int_equal(
        put(c, "network", "", "lan1", "{\"vlans\":{\"10\":\"a\",\"20\":\"b\"}}"), 201);
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "web", "{}"), 400,
                   "must be named");
    assert_refused(
        fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "web", "{\"vlan\":30}"), 400,
        "no VLAN 30");
    assert_int_equal(put(c, "endpoint", "lan1", "web", "{\"vlan\":20}"), 201);
    assert_string_equal(address_of(c, "lan1", "web", text), "10.64.1.2/24");
    assert_refused(
        fixture_change(c, CHANGE_PATCH, "network", "", "lan1", "{\"vlans\":{\"20\":null}}"),
        409, "in use by endpoint web");
    fixture_free(c);
}

/* All addresses of a small plan are given, the next is refused, a removed one comes back. */
static void test_exhaustion(void **state)
{
    struct control *c = fixture_new("alpha", true);
    char name[16], text[ADDR_TEXT_SIZE];
    struct change_result result;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{\"ipv4\":\"10.80.0.0/28\"}"), 201);
    for (int i = 0; i < 13; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(put(c, "endpoint", "lan1", name, "{}"), 201);
    }
    result = fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "last", "{}");
    assert_int_equal(result.status, 409);
    assert_non_null(strstr(result.err.why, "no address is left"));
    assert_true(result.err.hint[0] != '\0');
    change_result_done(&result);
    assert_null(view_endpoint(c->view, "lan1", "last"));
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "endpoint", "lan1", "n5", NULL), 204);
    assert_int_equal(put(c, "endpoint", "lan1", "last", "{}"), 201);
    assert_string_equal(address_of(c, "lan1", "last", text), "10.80.0.7/28");
    fixture_free(c);
}

static int put_held(struct control *c, const char *host, const char *name)
{
    struct change *change = change_new(host, "run");
    struct change_result result = {.status = 0};

    change_add(change, CHANGE_PUT, "endpoint", "lan1", name, node_map())->held = true;
    change_execute(c, change, fixture_keep, &result);
    change_result_done(&result);
    return result.status;
}

static int let_go(struct control *c, const char *host, const char *name)
{
    struct change *change = change_new(host, "run");
    struct change_result result = {.status = 0};

    change_add(change, CHANGE_LET_GO, "endpoint", "lan1", name, NULL);
    change_execute(c, change, fixture_keep, &result);
    change_result_done(&result);
    return result.status;
}

/* A name is held while its program runs, moves only when it was let go, and keeps its address. */
static void test_names_are_held(void **state)
{
    struct control *c = fixture_new("alpha", true);
    char before[ADDR_TEXT_SIZE], after[ADDR_TEXT_SIZE];
    uint32_t epoch;

    (void)state;
    fixture_add_host(c, "beta", 2);
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put_held(c, "alpha", "web"), 201);
    assert_int_equal(put_held(c, "alpha", "web"), 200);
    assert_int_equal(put_held(c, "beta", "web"), 409);
    assert_int_equal(let_go(c, "beta", "web"), 204); /* Not beta's to let go. */
    assert_int_equal(put_held(c, "beta", "web"), 409);
    address_of(c, "lan1", "web", before);
    epoch = view_endpoint(c->view, "lan1", "web")->epoch;
    assert_refused(fixture_change(c, CHANGE_DELETE, "endpoint", "lan1", "web", NULL), 409,
                   "runs as lan1/web on host alpha");
    assert_int_equal(let_go(c, "alpha", "web"), 204);
    assert_false(view_endpoint(c->view, "lan1", "web")->held);
    assert_int_equal(put_held(c, "beta", "web"), 200);
    assert_string_equal(view_endpoint(c->view, "lan1", "web")->host, "beta");
    assert_string_equal(address_of(c, "lan1", "web", after), before);
    assert_int_equal(view_endpoint(c->view, "lan1", "web")->epoch, epoch + 1);
    fixture_free(c);
}

/* What runs on another host is removed only while nobody there can say when it ends. */
static void test_removal_of_remote(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct ipc_peer_state beta = {.host = 2, .up = 1};
    struct change_result result;

    (void)state;
    fixture_add_host(c, "beta", 2);
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put_held(c, "beta", "web"), 201);
    observe_peer_state(c->observe, &beta);
    result = fixture_change(c, CHANGE_DELETE, "endpoint", "lan1", "web", NULL);
    assert_int_equal(result.status, 409);
    assert_string_equal(result.err.hint, "iothctl endpoint show lan1/web");
    change_result_done(&result);
    beta.up = 0;
    observe_peer_state(c->observe, &beta);
    result = fixture_change(c, CHANGE_DELETE, "network", "", "lan1", NULL);
    assert_int_equal(result.status, 409);
    assert_string_equal(result.err.hint, "iothctl endpoint rm lan1/web");
    change_result_done(&result);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "endpoint", "lan1", "web", NULL),
                     204);
    fixture_free(c);
}

static void test_removal(void **state)
{
    struct control *c = fixture_new("alpha", true);

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put(c, "port", "lan1", "core", "{\"tap\":\"t0\"}"), 201);
    assert_int_equal(put_held(c, "alpha", "web"), 201);
    assert_refused(fixture_change(c, CHANGE_DELETE, "network", "", "lan1", NULL), 409,
                   "endpoint web");
    assert_non_null(view_port(c->view, "lan1", "core"));
    assert_int_equal(let_go(c, "alpha", "web"), 204);
    assert_int_equal(fixture_status(c, CHANGE_DELETE, "network", "", "lan1", NULL), 204);
    assert_null(view_network(c->view, "lan1"));
    assert_null(view_port(c->view, "lan1", "core"));
    assert_null(view_endpoint(c->view, "lan1", "web"));
    assert_true(list_empty(&c->view->blocks));
    assert_refused(fixture_change(c, CHANGE_DELETE, "network", "", "lan1", NULL), 404,
                   "lan1");
    fixture_free(c);
}

static void test_ports(void **state)
{
    struct control *c = fixture_new("alpha", true);

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put(c, "endpoint", "lan1", "web", "{}"), 201);
    assert_refused(fixture_change(c, CHANGE_PUT, "port", "lan1", "web", "{\"tap\":\"t0\"}"),
                   409, "endpoint");
    assert_int_equal(put(c, "port", "lan1", "core", "{\"tap\":\"t0\"}"), 201);
    assert_refused(fixture_change(c, CHANGE_PUT, "endpoint", "lan1", "core", "{}"), 409,
                   "port");
    assert_refused(
        fixture_change(c, CHANGE_PUT, "port", "lan1", "other", "{\"tap\":\"t0\"}"), 409,
        "lan1/core");
    assert_refused(fixture_change(c, CHANGE_PUT, "port", "lan1", "other",
                                  "{\"tap\":\"t1\",\"host\":\"gamma\"}"),
                   400, "no host gamma");
    assert_refused(fixture_change(c, CHANGE_PUT, "port", "lan1", "other",
                                  "{\"tap\":\"t1\",\"access\":4}"),
                   400, "no VLANs");
    fixture_free(c);
}

static struct change_result apply(struct control *c, const char *yaml, bool prune, bool dry)
{
    struct change *change = change_new("alpha", "file");
    struct change_result result = {.status = 0};

    change->prune = prune;
    change->dry_run = dry;
    change_add(change, CHANGE_APPLY, NULL, NULL, NULL, fixture_yaml(yaml));
    change_submit(c, change, fixture_keep, &result);
    return result;
}

static size_t steps_of(struct change_result result)
{
    const struct node *steps =
        result.value != NULL ? node_get(result.value, "steps") : NULL;
    size_t n = steps != NULL ? steps->n : SIZE_MAX;

    assert_int_equal(result.status, 200);
    change_result_done(&result);
    return n;
}

static const char campus[] = "version: 1\n"
                             "fabric: campus\n"
                             "networks:\n"
                             "  office:\n"
                             "    vlans: {10: staff, 20: guests}\n"
                             "    ports:\n"
                             "      core: {host: alpha, tap: office0, access: 10}\n"
                             "  lab: {ipv4: 10.80.0.0/24}\n";

static void test_apply(void **state)
{
    struct control *c = fixture_new("alpha", true);
    uint64_t revision = store_revision(c->store);

    (void)state;
    assert_int_equal(steps_of(apply(c, campus, false, true)), 3);
    assert_int_equal(store_revision(c->store), revision);
    assert_null(view_network(c->view, "office"));
    assert_int_equal(steps_of(apply(c, campus, false, false)), 3);
    assert_int_equal(store_revision(c->store), revision + 1);
    assert_non_null(view_network(c->view, "office"));
    assert_non_null(view_port(c->view, "office", "core"));
    /* Again: nothing to do. */
    assert_int_equal(steps_of(apply(c, campus, false, false)), 0);
    assert_int_equal(store_revision(c->store), revision + 1);
    /* Pruning removes what the file does not name, of the kinds that it declares. */
    assert_int_equal(put(c, "network", "", "extra", "{}"), 201);
    assert_int_equal(put(c, "network", "", "mine", "{\"local\":true}"), 201);
    assert_int_equal(steps_of(apply(c, campus, false, false)), 0);
    assert_int_equal(steps_of(apply(c, campus, true, false)), 1);
    assert_null(view_network(c->view, "extra"));
    assert_non_null(view_network(c->view, "mine"));
    fixture_free(c);
}

/* One bad step, and nothing of the file is applied. */
static void test_apply_is_whole(void **state)
{
    struct control *c = fixture_new("alpha", true);
    uint64_t revision;

    (void)state;
    assert_int_equal(put(c, "network", "", "held", "{\"ipv4\":\"10.80.0.0/24\"}"), 201);
    revision = store_revision(c->store);
    assert_refused(apply(c, campus, false, false), 409, "held");
    assert_null(view_network(c->view, "office"));
    assert_int_equal(store_revision(c->store), revision);
    assert_int_equal(
        steps_of(apply(c, "version: 1\nfabric: campus\nnetworks: {a: {}}\n", false, false)),
        1);
    assert_refused(apply(c, "version: 1\nfabric: other\nnetworks: {b: {}}\n", false, false),
                   409, "fabric campus");
    assert_null(view_network(c->view, "b"));
    fixture_free(c);
}

static void test_conditions(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct change *change;
    struct change_result result;
    struct change_item *item;
    uint64_t revision;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    revision = store_revision(c->store);
    change = change_new("alpha", "cli");
    change_add(change, CHANGE_PUT, "network", "", "lan1", NULL)->create_only = true;
    change_submit(c, change, fixture_keep, &result);
    assert_refused(result, 412, "exists already");
    change = change_new("alpha", "cli");
    item = change_add(change, CHANGE_PATCH, "network", "", "lan1",
                      fixture_json("{\"mtu\":9000}"));
    item->if_revision = revision + 1;
    change_submit(c, change, fixture_keep, &result);
    assert_refused(result, 412, "changed meanwhile");
    assert_refused(fixture_change(c, CHANGE_PATCH, "network", "", "none", "{}"), 404,
                   "none");
    assert_refused(fixture_change(c, CHANGE_PUT, "network", "", "Bad_Name", "{}"), 400,
                   "no valid name");
    assert_refused(fixture_change(c, CHANGE_PUT, "router", "", "r", "{}"), 501, "routers");
    assert_refused(
        fixture_change(c, CHANGE_PATCH, "network", "", "lan1", "{\"local\":true}"), 400,
        "");
    fixture_free(c);
}

/* --- at a host that follows ---------------------------------------------------------------- */

/* The founder, played by a second store: changes go there as trees, rows come back. */
static struct control *founder;
static unsigned forwarded;
static bool reachable;

static int replicate_one(void *aux, const struct store_object *object)
{
    struct store_op op = {.verb = STORE_PUT,
                          .scope = STORE_FABRIC,
                          .kind = object->kind,
                          .network = object->network,
                          .name = object->name,
                          .expect = STORE_ANY,
                          .revision = object->revision,
                          .body = object->body};
    struct control *follower = aux;

    return change_replicate(follower, &op, 1, false, NULL, 0, NULL);
}

static void forward(struct control *follower, struct change *change, change_done_fn *done,
                    void *aux)
{
    struct node *tree = change_to_node(change), *answer;
    struct change_result result = {.status = 0}, back;

    change_free(change);
    forwarded++;
    change_execute(founder, change_from_node(tree), fixture_keep, &result);
    node_free(tree);
    answer = change_result_to_node(&result);
    assert_true(change_result_from_node(answer, &back));
    node_free(answer);
    change_result_done(&result);
    assert_int_equal(
        store_each(founder->store, STORE_FABRIC, NULL, NULL, replicate_one, follower), 0);
    done(aux, &back);
    change_result_done(&back);
}

static bool is_there(const struct control *control)
{
    (void)control;
    return reachable;
}

static const struct member_ops fake_member = {
    .forward = forward, .founder_reachable = is_there, .is_current = is_there};

static struct control *new_follower(void)
{
    struct control *c = fixture_new("beta", false);

    founder = fixture_new("alpha", true);
    fixture_add_host(founder, "beta", 2);
    c->id.self.host = 2;
    c->member_ops = &fake_member;
    forwarded = 0;
    reachable = true;
    return c;
}

static int put_anonymous(struct control *c, const char *name)
{
    struct change *change = change_new(control_host(c), "run");
    struct change_result result = {.status = 0};

    change_add(change, CHANGE_PUT, "endpoint", "lan1", name, NULL)->anonymous = true;
    change_submit(c, change, fixture_keep, &result);
    change_result_done(&result);
    return result.status;
}

static void test_follower_forwards(void **state)
{
    struct control *c = new_follower();

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{\"ipv4\":\"10.80.0.0/24\"}"), 201);
    assert_int_equal(forwarded, 1);
    assert_non_null(view_network(founder->view, "lan1"));
    assert_non_null(view_network(c->view, "lan1"));
    assert_int_equal(view_network(c->view, "lan1")->revision,
                     view_network(founder->view, "lan1")->revision);
    /* A refusal comes back as it was said there. */
    assert_refused(
        fixture_change(c, CHANGE_PUT, "network", "", "lan2", "{\"ipv4\":\"10.80.0.0/25\"}"),
        409, "network lan1");
    assert_refused(fixture_change(c, CHANGE_PUT, "network", "", "lan2", "{\"mtu\":1}"), 400,
                   "");
    /* Local things stay here. */
    assert_int_equal(put(c, "network", "", "mine", "{\"local\":true}"), 201);
    assert_int_equal(put(c, "endpoint", "mine", "web", "{}"), 201);
    assert_int_equal(forwarded, 3);
    assert_null(view_network(founder->view, "mine"));
    fixture_free(c);
    fixture_free(founder);
}

/* Addresses of this host's endpoints come out of its own blocks, anonymous ones included, and
 * never meet those of the founder. */
static void test_follower_chooses_addresses(void **state)
{
    struct control *c = new_follower();
    char name[16], a[ADDR_TEXT_SIZE];
    const struct view_endpoint *web;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put_held(founder, "alpha", "first"), 201);
    assert_int_equal(put_anonymous(c, "run-1"), 201);
    assert_int_equal(view_endpoint(c->view, "lan1", "run-1")->scope, STORE_LOCAL);
    assert_null(view_endpoint(founder->view, "lan1", "run-1"));
    /* Changing one does not make it stay when its program ends. */
    assert_int_equal(
        fixture_status(c, CHANGE_PATCH, "endpoint", "lan1", "run-1", "{\"host\":\"beta\"}"),
        200);
    assert_true(view_endpoint(c->view, "lan1", "run-1")->anonymous);
    assert_int_equal(put(c, "endpoint", "lan1", "web", "{}"), 201);
    web = view_endpoint(c->view, "lan1", "web");
    assert_int_equal(web->scope, STORE_FABRIC);
    assert_string_equal(web->host, "beta");
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "run-x%u", i);
        assert_int_equal(put_anonymous(c, name), 201);
    }
    for (unsigned i = 0; i < 40; i++) {
        const struct view_endpoint *ep;

        snprintf(name, sizeof(name), "f%u", i);
        assert_int_equal(put_held(founder, "alpha", name), 201);
        ep = view_endpoint(founder->view, "lan1", name);
        assert_null(view_endpoint_by_addr(c->view, "lan1", &ep->addrs[0]));
    }
    assert_string_not_equal(address_of(c, "lan1", "web", a), "none");
    fixture_free(c);
    fixture_free(founder);
}

/* The founder away: what this host holds can still be given, and is made good later. */
static void test_follower_alone(void **state)
{
    struct control *c = new_follower();
    struct change *change;
    struct change_result result;
    const struct view_endpoint *ep;

    (void)state;
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put_anonymous(c, "run-1"), 201);
    reachable = false;
    forwarded = 0;
    assert_int_equal(put_anonymous(c, "run-2"), 201);
    change = change_new("beta", "run");
    change_add(change, CHANGE_PUT, "endpoint", "lan1", "web", NULL)->promote = true;
    change_submit(c, change, fixture_keep, &result);
    assert_int_equal(result.status, 201);
    change_result_done(&result);
    ep = view_endpoint(c->view, "lan1", "web");
    assert_int_equal(ep->scope, STORE_LOCAL);
    assert_true(ep->promote);
    assert_int_equal(forwarded, 0);
    reachable = true;
    assert_int_equal(put(c, "endpoint", "lan1", "web", "{}"), 201);
    assert_int_equal(forwarded, 1);
    assert_int_equal(view_endpoint(c->view, "lan1", "web")->scope, STORE_FABRIC);
    fixture_free(c);
    fixture_free(founder);
}

static struct change_result apply_file(struct control *c, const char *yaml, bool dry)
{
    struct change *change = change_new("beta", "file");
    struct change_result result;

    change->dry_run = dry;
    change_add(change, CHANGE_APPLY, NULL, NULL, NULL, fixture_yaml(yaml));
    change_submit(c, change, fixture_keep, &result);
    return result;
}

/* A file with local networks in it: these are made here, the rest at the founder; and what is
 * exported here changes nothing. */
#define MIXED(FABRIC, LOCAL)                                                               \
    "version: 1\nnetworks: {" FABRIC ", mine: {local: true, " LOCAL "}}\n"

static void test_follower_applies(void **state)
{
    static const char file[] = "version: 1\n"
                               "hosts: {alpha: {}, beta: {}}\n"
                               "networks:\n"
                               "  shared: {}\n"
                               "  mine: {local: true, ports: {p: {tap: t7, host: beta}}}\n";
    struct control *c = new_follower();

    (void)state;
    for (int i = 0; i < 3; i++) { /* Dry, wet, again. */
        assert_int_equal(steps_of(apply_file(c, file, i == 0)), i < 2 ? 3 : 0);
        assert_int_equal(view_network(c->view, "shared") != NULL, i > 0);
    }
    assert_int_equal(view_network(c->view, "mine")->scope, STORE_LOCAL);
    assert_non_null(view_port(c->view, "mine", "p"));
    assert_null(view_network(founder->view, "mine"));
    /* Our part is wrong: nothing is done at the founder either. Its part is: ours is taken back. */
    assert_refused(apply_file(c, MIXED("more: {}", "mtu: 1"), false), 400, "");
    assert_null(view_network(founder->view, "more"));
    assert_refused(apply_file(c, MIXED("shared: {on: nowhere}", "mtu: 1400"), false), 400,
                   "");
    assert_int_equal(view_network(c->view, "mine")->mtu, 1500);
    fixture_free(c);
    fixture_free(founder);
}

/* What host beta says to the founder, whatever beta's own daemon would have let through. */
static struct change_result foreign(struct control *c, enum change_verb verb,
                                    const char *kind, const char *network, const char *name,
                                    const char *json)
{
    struct change *change = change_new("beta", "cli");
    struct change_result result = {.status = 0};

    change_add(change, verb, kind, network, name, json != NULL ? fixture_json(json) : NULL);
    change_execute(c, change, fixture_keep, &result);
    return result;
}

/* What is local to the founder is none of another host's business. */
static void test_foreign_changes(void **state)
{
    struct control *c = fixture_new("alpha", true);
    uint64_t revision;

    (void)state;
    fixture_add_host(c, "beta", 2);
    assert_int_equal(put(c, "network", "", "lan1", "{}"), 201);
    assert_int_equal(put(c, "network", "", "mine", "{\"local\":true}"), 201);
    assert_int_equal(put(c, "port", "mine", "tap", "{\"tap\":\"t0\"}"), 201);
    assert_int_equal(put_anonymous(c, "run-1"), 201);
    revision = store_revision(c->store);
    assert_refused(foreign(c, CHANGE_PATCH, "network", "", "mine", "{\"mtu\":9000}"), 409,
                   "host alpha has a local network");
    assert_refused(foreign(c, CHANGE_PUT, "network", "", "mine", "{}"), 409, "local");
    assert_refused(foreign(c, CHANGE_DELETE, "network", "", "mine", NULL), 409, "local");
    assert_refused(foreign(c, CHANGE_PUT, "network", "", "new", "{\"local\":true}"), 400,
                   "made on its host");
    assert_refused(foreign(c, CHANGE_DELETE, "port", "mine", "tap", NULL), 409, "local");
    assert_refused(foreign(c, CHANGE_PUT, "endpoint", "mine", "web", "{}"), 409, "local");
    assert_refused(foreign(c, CHANGE_DELETE, "endpoint", "lan1", "run-1", NULL), 409,
                   "runs on host alpha");
    assert_refused(foreign(c, CHANGE_PUT, "endpoint", "lan1", "run-1", "{}"), 409,
                   "runs on host alpha");
    assert_refused(foreign(c, CHANGE_BLOCK, "", "lan1", "alpha", NULL), 403,
                   "may not take addresses for host alpha");
    assert_int_equal(store_revision(c->store), revision);
    fixture_free(c);
}

/* A snapshot replaces what was there, and nothing local. */
static void test_snapshot(void **state)
{
    struct control *c = new_follower();
    struct store_op op = {.verb = STORE_PUT,
                          .scope = STORE_FABRIC,
                          .kind = "network",
                          .network = "",
                          .name = "new",
                          .expect = STORE_ANY,
                          .revision = 77,
                          .body = "{\"id\":\"00000000000000aa\"}"};

    (void)state;
    assert_int_equal(put(c, "network", "", "old", "{}"), 201);
    assert_int_equal(put(c, "network", "", "mine", "{\"local\":true}"), 201);
    assert_int_equal(change_replicate(c, &op, 1, true, NULL, 0, NULL), 0);
    assert_null(view_network(c->view, "old"));
    assert_null(view_host(c->view, "alpha"));
    assert_non_null(view_network(c->view, "mine"));
    assert_int_equal(view_network(c->view, "new")->revision, 77);
    fixture_free(c);
    fixture_free(founder);
}

/* Ten thousand endpoints, twice: the second snapshot is compared with the first. */
static void test_large_snapshot(void **state)
{
    enum { N = 10000 };
    struct control *c = new_follower();
    struct store_op *ops = xcalloc(N, sizeof(*ops));
    char(*names)[16] = xcalloc(N, sizeof(*names));
    mtime_t begun;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "n%05u", N - i);
        ops[i] = (struct store_op){.verb = STORE_PUT,
                                   .scope = STORE_FABRIC,
                                   .kind = "endpoint",
                                   .network = "lan1",
                                   .name = names[i],
                                   .expect = STORE_ANY,
                                   .revision = 77,
                                   .body = "{\"host\":\"alpha\"}"};
    }
    assert_int_equal(change_replicate(c, ops, N, true, NULL, 0, NULL), 0);
    assert_int_equal(c->view->n_endpoints, N);
    begun = mtime_now();
    assert_int_equal(change_replicate(c, ops, N - 1, true, NULL, 0, NULL), 0);
    print_message("a snapshot of %d endpoints took %lld ms\n", N,
                  (long long)((mtime_now() - begun) / MTIME_MS));
    assert_int_equal(c->view->n_endpoints, N - 1);
    assert_null(view_endpoint(c->view, "lan1", names[N - 1]));
    assert_non_null(view_endpoint(c->view, "lan1", names[0]));
    free(names);
    free(ops);
    fixture_free(c);
    fixture_free(founder);
}

/* Users and groups are looked for where the change is asked for. */
static void test_allow(void **state)
{
    struct control *c = fixture_new("alpha", true);
    struct change_result r;

    (void)state;
    r = fixture_change(c, CHANGE_PUT, "network", "", "a",
                       "{\"allow\":[\"user:root\",\"user:nosuchuser\"]}");
    assert_int_equal(r.status, 400);
    assert_string_equal(r.err.why, "allow: there is no user nosuchuser on this host");
    change_result_done(&r);
    assert_null(view_network(c->view, "a"));
    assert_int_equal(
        put(c, "network", "", "a", "{\"allow\":[\"user:root\",\"uid:65000\"]}"), 201);
    assert_int_equal(fixture_status(c, CHANGE_PATCH, "network", "", "a",
                                    "{\"allow\":\"group:nosuchgroup\"}"),
                     400);
    assert_int_equal(
        fixture_status(
            c, CHANGE_APPLY, NULL, NULL, NULL,
            "{\"version\":1,\"networks\":{\"b\":{\"allow\":\"user:nosuchuser\"}}}"),
        400);
    fixture_free(c);
}

/* Rows come from another host: VLANs that there are not, and ranges without end, are passed over. */
static void test_odd_rows(void **state)
{
    struct control *c = fixture_new("beta", false);
    const struct store_op ops[] = {
        {.verb = STORE_PUT,
         .kind = "network",
         .network = "",
         .name = "lan1",
         .expect = STORE_ANY,
         .body = "{\"id\":\"1\",\"vlans\":{\"0\":{},\"10\":7,\"4095\":{},\"65535\":{}}}"},
        {.verb = STORE_PUT,
         .kind = "block",
         .network = "lan1",
         .name = "10.beta",
         .expect = STORE_ANY,
         .body =
             "{\"vlan\":10,\"host\":\"beta\",\"ranges\":[[1,4294967295],[5,-1],[7,3]]}"},
        {.verb = STORE_PUT,
         .kind = "link",
         .network = "",
         .name = "odd",
         .expect = STORE_ANY,
         .body = "{\"between\":[[],{}]}"}};
    const struct view_network *net;
    const struct view_host *beta;
    struct ipc_peer peer;

    (void)state;
    assert_int_equal(change_replicate(c, ops, 3, false, NULL, 0, NULL), 0);
    net = view_network(c->view, "lan1");
    assert_int_equal(net->n_plans, 1);
    assert_int_equal(net->plans[0].vlan, 10);
    assert_int_equal(view_block(c->view, "lan1", 10, "beta")->n_ranges, 1);
    c->id.self.host = 9;
    beta = view_host(c->view, "beta");
    assert_true(wanted_peer(c, beta, &peer));
    fixture_free(c);
}

static void test_trees(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"host\":\"a\",\"owner\":\"b\",\"items\":[1]}",
        "{\"host\":\"a\",\"owner\":\"b\",\"items\":[{\"verb\":\"nix\"}]}",
        "{\"host\":\"a\",\"owner\":\"b\",\"items\":[{\"verb\":\"put\",\"body\":3}]}",
        "{\"host\":\"a\",\"owner\":\"b\",\"items\":[{\"verb\":\"block\",\"vlan\":9999}]}",
    };
    struct change *change = change_new("alpha", "cli"), *back;
    struct change_item *item;
    struct node *tree, *again;

    (void)state;
    change->prune = true;
    item = change_add(change, CHANGE_PUT, "endpoint", "lan1", "web",
                      fixture_json("{\"vlan\":3}"));
    item->held = item->create_only = true;
    item->if_revision = 12;
    item = change_add(change, CHANGE_BLOCK, NULL, "lan1", "beta", NULL);
    item->vlan = 20;
    tree = change_to_node(change);
    back = change_from_node(tree);
    assert_non_null(back);
    again = change_to_node(back);
    assert_true(node_equal(tree, again));
    node_free(tree);
    node_free(again);
    change_free(change);
    change_free(back);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct change_result result;

        tree = fixture_json(bad[i]);
        assert_null(change_from_node(tree));
        assert_false(change_result_from_node(tree, &result));
        node_free(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks_get_subnets),
        cmocka_unit_test(test_subnets_conflict),
        cmocka_unit_test(test_unchanged_writes_nothing),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_endpoint_conflicts),
        cmocka_unit_test(test_vlans_of_endpoints),
        cmocka_unit_test(test_exhaustion),
        cmocka_unit_test(test_names_are_held),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_removal_of_remote),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_apply_is_whole),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_follower_forwards),
        cmocka_unit_test(test_follower_chooses_addresses),
        cmocka_unit_test(test_follower_alone),
        cmocka_unit_test(test_follower_applies),
        cmocka_unit_test(test_foreign_changes),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_large_snapshot),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_odd_rows),
        cmocka_unit_test(test_trees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
