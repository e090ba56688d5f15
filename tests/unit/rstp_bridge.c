/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/rstp_bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void on_tx(void *aux, unsigned port, const void *data, size_t size)
{
    struct bridge *b = aux;

    b->n_sent[port]++;
    assert_int_equal(bpdu_decode(data, size, &b->sent[port]), 0);
}

static void on_state(void *aux, unsigned port, enum rstp_state state)
{
    struct bridge *b = aux;

    b->state[port] = state;
}

static void on_flush(void *aux, unsigned port)
{
    struct bridge *b = aux;

    b->n_flushes[port]++;
}

static void on_event(void *aux, unsigned port, enum rstp_event event)
{
    struct bridge *b = aux;

    (void)port;
    b->n_events[event]++;
}

static const struct rstp_ops ops = {
    .tx_bpdu = on_tx,
    .set_state = on_state,
    .flush = on_flush,
    .event = on_event,
};

void bridge_init_with(struct bridge *b, const struct rstp_bridge_config *config,
                      unsigned ports, const struct rstp_port_config *port_config)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 5};

    memset(b, 0, sizeof *b);
    b->now = 77 * MTIME_SEC + 300 * MTIME_MS;
    b->rstp = rstp_new(mac, config, &ops, b, b->now);
    assert_non_null(b->rstp);
    for (unsigned i = 1; i <= ports; i++) {
        assert_int_equal(rstp_port_add(b->rstp, i, port_config, b->now), 0);
        bridge_link(b, i, true);
    }
}

void bridge_init(struct bridge *b, unsigned ports)
{
    struct rstp_port_config c = rstp_port_defaults;

    c.auto_edge = false;
    bridge_init_with(b, &rstp_bridge_defaults, ports, &c);
}

void bridge_done(struct bridge *b)
{
    rstp_free(b->rstp);
}

void bridge_link(struct bridge *b, unsigned port, bool up)
{
    struct rstp_link link = {.up = up, .p2p = true, .speed_mbps = 1000};

    assert_int_equal(rstp_port_link(b->rstp, port, &link, b->now), 0);
}

void bridge_wait(struct bridge *b, mtime_t lasts)
{
    mtime_t until = b->now + lasts;

    while (rstp_deadline(b->rstp) <= until) {
        b->now = rstp_deadline(b->rstp);
        rstp_run(b->rstp, b->now);
        assert_true(rstp_deadline(b->rstp) > b->now);
    }
    b->now = until;
}

struct rstp_port_status bridge_port(const struct bridge *b, unsigned port)
{
    struct rstp_port_status s;

    assert_int_equal(rstp_port_get(b->rstp, port, &s), 0);
    assert_int_equal(s.state, b->state[port]);
    return s;
}

struct rstp_status bridge_status(const struct bridge *b)
{
    struct rstp_status s;

    rstp_get(b->rstp, &s);
    return s;
}

struct bpdu bridge_says(uint64_t id)
{
    return (struct bpdu){
        .type = BPDU_RST,
        .role = BPDU_ROLE_DESIGNATED,
        .vector = {.root = id, .bridge = id, .port = 0x8001},
        .times = {.max_age = 20 * RSTP_SECOND,
                  .hello = 2 * RSTP_SECOND,
                  .forward_delay = 15 * RSTP_SECOND},
    };
}

void bridge_hears(struct bridge *b, unsigned port, const struct bpdu *say)
{
    uint8_t data[BPDU_SIZE_MAX];
    size_t size = bpdu_encode(say, data);

    assert_int_equal(rstp_input(b->rstp, port, data, size, b->now), 0);
}
