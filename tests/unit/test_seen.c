/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What other hosts tell of their links, beside what this one sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/observe/observe.h"
#include "fabricd/control/seen/seen.h"
#include "tests/unit/control_fixture.h"

static void put(struct control *c, uint16_t host, uint16_t a, bool a_up, uint16_t b,
                bool b_up)
{
    struct sync_seen_peer peers[] = {{a, a_up, 500, 1400, "AES-256-GCM"},
                                     {b, b_up, 600, 1400, "AES-256-GCM"}};
    struct sync_seen seen = {.host = host, .n_peers = 2, .peer = peers};

    seen_put(c->seen, &seen);
}

static void own(struct control *c, uint16_t host, bool up)
{
    struct ipc_peer_state state = {.host = host, .up = up, .rtt_us = 100, .mtu = 1400};

    observe_peer_state(c->observe, &state);
}

static void list_pair(void *aux, uint16_t a, uint16_t b)
{
    char *text = aux;

    snprintf(text + strlen(text), 64 - strlen(text), "%u-%u ", a, b);
}

static const char *down_pairs(struct control *c)
{
    static char text[64];

    text[0] = '\0';
    seen_each_down(c, list_pair, text);
    return text;
}

static struct control *four_hosts(void)
{
    struct control *c = fixture_new("alpha", true);

    fixture_add_host(c, "beta", 2);
    fixture_add_host(c, "gamma", 3);
    return c;
}

static void pairs(void **state)
{
    struct control *c = four_hosts();
    const struct sync_seen_peer *told;

    (void)state;
    assert_int_equal(seen_pair(c, 2, 3, NULL), SEEN_UNKNOWN);
    assert_string_equal(down_pairs(c), "1-2 1-3 ");
    own(c, 2, true);
    own(c, 3, true);
    assert_string_equal(down_pairs(c), "");
    put(c, 2, 1, true, 3, true);
    assert_int_equal(seen_pair(c, 3, 2, &told), SEEN_UP);
    assert_int_equal(told->rtt_us, 600);
    put(c, 3, 1, true, 2, false); /* One end says no. */
    assert_int_equal(seen_pair(c, 2, 3, &told), SEEN_DOWN);
    assert_null(told);
    assert_string_equal(down_pairs(c), "2-3 ");
    put(c, 2, 1, true, 3, false); /* Both do: it is one pair still. */
    assert_string_equal(down_pairs(c), "2-3 ");
    put(c, 2, 1, false, 3, true); /* Of our own we know better. */
    put(c, 3, 1, true, 2, true);
    assert_int_equal(seen_pair(c, 1, 2, NULL), SEEN_UP);
    assert_string_equal(down_pairs(c), "");
    fixture_free(c);
}

static void who_is_gone(void **state)
{
    struct control *c = four_hosts();

    (void)state;
    put(c, 3, 1, true, 2, true);
    put(c, 2, 1, true, 3, true);
    assert_true(seen_alive(c, 2));
    seen_forget(c->seen, 2);
    seen_forget(c->seen, 2);
    assert_null(seen_of(c->seen, 2));
    assert_false(seen_alive(c, 2));
    assert_true(seen_alive(c, 3));
    assert_int_equal(seen_pair(c, 2, 3, NULL), SEEN_UP); /* The other end still says so. */
    seen_clear(c->seen);
    assert_int_equal(seen_pair(c, 2, 3, NULL), SEEN_UNKNOWN);
    own(c, 2, true);
    assert_true(seen_alive(c, 2));
    fixture_free(c);
}

static void what_this_host_tells(void **state)
{
    struct control *c = four_hosts();
    struct sync_seen first, second;

    (void)state;
    own(c, 3, true);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "network", "", "lan1", "{}"), 201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "port", "lan1", "here",
                                    "{\"tap\":\"t0\",\"host\":\"alpha\"}"),
                     201);
    assert_int_equal(fixture_status(c, CHANGE_PUT, "port", "lan1", "there",
                                    "{\"tap\":\"t0\",\"host\":\"beta\"}"),
                     201);
    first = seen_own(c, 7);
    assert_int_equal(first.host, 1);
    assert_int_equal(first.n_peers, 2);
    assert_int_equal(first.peer[0].host, 2);
    assert_false(first.peer[0].up);
    assert_true(first.peer[1].up);
    assert_int_equal(first.n_ports, 1);
    assert_string_equal(first.port[0].name, "here");
    second = seen_own(c, 7);
    assert_true(sync_seen_equal(&first, &second));

    /* The other host's port: as that host says, as long as it does. */
    assert_string_equal(seen_port_state(c, view_port(c->view, "lan1", "there")), "unknown");
    first.host = 2;
    snprintf(first.port[0].name, sizeof(first.port[0].name), "there");
    first.port[0].state = SYNC_PORT_UP;
    seen_put(c->seen, &first);
    assert_string_equal(seen_port_state(c, view_port(c->view, "lan1", "there")), "up");
    seen_forget(c->seen, 2);
    assert_string_equal(seen_port_state(c, view_port(c->view, "lan1", "there")), "unknown");
    sync_seen_done(&first);
    sync_seen_done(&second);
    fixture_free(c);
}

static void reports_are_bounded(void **state)
{
    struct control *c = four_hosts();

    (void)state;
    for (unsigned i = 0; i < SEEN_MAX + 100; i++)
        put(c, (uint16_t)(60000 - i), 1, true, 2, true);
    assert_non_null(seen_of(c->seen, 60000));
    assert_null(seen_of(c->seen, (uint16_t)(60000 - SEEN_MAX)));
    put(c, 60000, 1, false, 2, true); /* One that is there is still replaced. */
    assert_false(seen_of(c->seen, 60000)->peer[0].up);
    fixture_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(who_is_gone),
        cmocka_unit_test(what_this_host_tells),
        cmocka_unit_test(reports_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
