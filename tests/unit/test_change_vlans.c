/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of a network's VLANs while ports are in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/control_fixture.h"

static int put(struct control *c, const char *kind, const char *network, const char *name,
               const char *json)
{
    return fixture_status(c, CHANGE_PUT, kind, network, name, json);
}

static void assert_refused(struct change_result result, int status, const char *why)
{
    assert_int_equal(result.status, status);
    assert_non_null(strstr(result.err.why, why));
    change_result_done(&result);
}

static const char core_moves[] = "version: 1\n"
                                 "fabric: campus\n"
                                 "networks:\n"
                                 "  office:\n"
                                 "    vlans: {20: guests, 30: servers}\n"
                                 "    ports:\n"
                                 "      core: {host: alpha, tap: t0, trunk: [20, 30]}\n";

/* A network keeps the VLANs that its ports are in, unless the same change gives them others. */
static void test_vlans_of_ports(void **state)
{
    static const char keeps_10[] = "{\"vlans\":{\"20\":null,\"30\":null}}";
    static const char keeps_20[] = "{\"vlans\":{\"10\":null,\"30\":null}}";
    static const char keeps_none[] = "{\"vlans\":null}";
    struct control *c = fixture_new("alpha", true);
    struct change_result result;
    struct change *change;

    (void)state;
    assert_int_equal(put(c, "network", "", "office",
                         "{\"vlans\":{\"10\":\"a\",\"20\":\"b\",\"30\":\"c\"}}"),
                     201);
    assert_int_equal(put(c, "port", "office", "core",
                         "{\"tap\":\"t0\",\"trunk\":[10,20],\"native\":10}"),
                     201);
    assert_int_equal(put(c, "port", "office", "edge", "{\"tap\":\"t1\",\"access\":30}"),
                     201);
    result = fixture_change(c, CHANGE_PATCH, "network", "", "office", keeps_20);
    assert_string_equal(result.err.hint,
                        "iothctl port set office/core 'trunk=[20]' native=");
    assert_refused(result, 409, "VLAN 10 of network office is in use by port office/core");
    assert_refused(fixture_change(c, CHANGE_PATCH, "network", "", "office", keeps_10), 409,
                   "VLAN 20 of network office is in use by port office/core");
    assert_int_equal(put(c, "port", "office", "core", "{\"tap\":\"t0\",\"trunk\":[10]}"),
                     200);
    result = fixture_change(c, CHANGE_PATCH, "network", "", "office", keeps_10);
    assert_string_equal(result.err.hint, "iothctl port set office/edge access=10");
    assert_refused(result, 409, "VLAN 30 of network office is in use by port office/edge");
    result = fixture_change(c, CHANGE_PATCH, "network", "", "office", keeps_none);
    assert_string_equal(result.err.hint, "iothctl port rm office/edge");
    assert_refused(result, 409, "VLAN 30");
    change = change_new("alpha", "file");
    change->allow_destroy = true;
    change_add(change, CHANGE_APPLY, NULL, NULL, NULL, fixture_yaml(core_moves));
    change_submit(c, change, fixture_keep, &result);
    assert_int_equal(result.status, 200);
    change_result_done(&result);
    assert_int_equal(view_network(c->view, "office")->n_plans, 2);
    fixture_free(c);
}

/* The limits of a port are for VLANs that there are, and the network keeps these too. */
static void test_vlans_of_limits(void **state)
{
    static const char both[] = "{\"tap\":\"t0\",\"trunk\":[10,20],\"qos\":{\"vlans\":"
                               "{\"20\":{\"rate\":\"1M\"},\"30\":{\"police\":\"1M\"}}}}";
    struct control *c = fixture_new("alpha", true);
    struct change_result result;

    (void)state;
    assert_int_equal(put(c, "network", "", "plain", "{}"), 201);
    assert_int_equal(put(c, "network", "", "office",
                         "{\"vlans\":{\"10\":\"a\",\"20\":\"b\",\"30\":\"c\"}}"),
                     201);
    assert_refused(
        fixture_change(c, CHANGE_PUT, "port", "plain", "edge",
                       "{\"tap\":\"t1\",\"qos\":{\"vlans\":{\"10\":{\"rate\":\"1M\"}}}}"),
        400, "network plain declares no VLANs");
    assert_refused(fixture_change(c, CHANGE_PUT, "port", "office", "edge",
                                  "{\"tap\":\"t1\",\"access\":10,\"qos\":{\"vlans\":{"
                                  "\"40\":{\"rate\":\"1M\"}}}}"),
                   400, "network office has no VLAN 40");
    assert_int_equal(put(c, "port", "office", "core", both), 201);
    result = fixture_change(c, CHANGE_PATCH, "network", "", "office",
                            "{\"vlans\":{\"30\":null}}");
    assert_string_equal(result.err.hint, "iothctl port set office/core qos.vlans.30=");
    assert_refused(result, 409, "VLAN 30 of network office is in use by port office/core");
    result = fixture_change(c, CHANGE_PATCH, "network", "", "office",
                            "{\"vlans\":{\"20\":null,\"30\":null}}");
    assert_string_equal(
        result.err.hint,
        "iothctl port set office/core 'trunk=[10]' qos.vlans.20= qos.vlans.30=");
    assert_refused(result, 409, "VLAN 20");
    assert_int_equal(fixture_status(c, CHANGE_PATCH, "port", "office", "core",
                                    "{\"qos\":{\"vlans\":{\"30\":null}}}"),
                     200);
    assert_int_equal(fixture_status(c, CHANGE_PATCH, "network", "", "office",
                                    "{\"vlans\":{\"30\":null}}"),
                     200);
    fixture_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vlans_of_ports),
        cmocka_unit_test(test_vlans_of_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
