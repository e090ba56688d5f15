/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BPDUs, and sequences of everything that can be done to a bridge. The input is read as a list of
 * steps: an octet says what, one which port, then the operands. First it is also taken as a BPDU.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/rstp/loop_probe.h"
#include "proto/rstp/rstp.h"

#define PORTS     6u
#define STEPS_MAX 400u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct rstp *rstp;
    mtime_t now;
    bool there[PORTS + 1], up[PORTS + 1], filter[PORTS + 1];
    enum rstp_state state[PORTS + 1];
};

static void on_tx(void *aux, unsigned port, const void *data, size_t size)
{
    const struct world *w = aux;
    struct bpdu b;

    /* What is sent is never sent where it may not be, and can be read, unless too old. */
    assert(w->there[port] && w->up[port] && !w->filter[port]);
    assert(size >= BPDU_SIZE_TCN && size <= BPDU_SIZE_MAX);
    assert(bpdu_decode(data, size, &b) == 0 || ((const uint8_t *)data)[3] == BPDU_CONFIG);
}

static void on_state(void *aux, unsigned port, enum rstp_state state)
{
    struct world *w = aux;

    assert(state == RSTP_DISCARDING || w->up[port]);
    w->state[port] = state;
}

static void on_flush(void *aux, unsigned port)
{
    const struct world *w = aux;

    assert(w->there[port]);
}

static const struct rstp_ops ops = {
    .tx_bpdu = on_tx,
    .set_state = on_state,
    .flush = on_flush,
};

static void check_codec(const uint8_t *data, size_t size)
{
    uint8_t out[BPDU_SIZE_MAX];
    struct bpdu b, again;
    const uint8_t *found;
    size_t found_size = 0;

    if (bpdu_decode(data, size, &b) == 0) {
        size_t n = bpdu_encode(&b, out);

        assert(n <= size && bpdu_decode(out, n, &again) == 0);
        assert(b.type == again.type && b.role == again.role && b.tc == again.tc &&
               b.tc_ack == again.tc_ack && b.proposal == again.proposal &&
               b.agreement == again.agreement && b.learning == again.learning &&
               b.forwarding == again.forwarding);
        assert(rstp_vector_compare(&b.vector, &again.vector) == 0);
        assert(rstp_times_equal(&b.times, &again.times));
    }
    found = bpdu_frame_find(data, size, &found_size);
    assert(!found || (found >= data && found + found_size <= data + size));
}

static void check_probe(const uint8_t *data, size_t size)
{
    static const uint8_t source[6] = {2, 0, 0, 0, 0, 1};
    uint8_t out[LOOP_PROBE_FRAME_SIZE];
    struct loop_probe p, again;

    if (!loop_probe_read(data, size, &p))
        return;
    loop_probe_write(source, &p, out);
    assert(loop_probe_read(out, sizeof out, &again));
    assert(p.network == again.network && p.host == again.host && p.port == again.port &&
           p.since == again.since);
    assert(!(loop_probe_younger(&p, &again) && loop_probe_younger(&again, &p)));
}

static struct rstp_port_config read_port_config(struct cur *c)
{
    uint8_t bits = cur_u8(c);

    return (struct rstp_port_config){
        .priority = cur_u8(c) & 0xf0,
        .path_cost = cur_u16(c),
        .p2p = (enum rstp_p2p)(bits % 3),
        .admin_edge = bits & 0x04,
        .auto_edge = bits & 0x08,
        .bpdu_guard = (bits & 0x30) == 0x30,
        .root_guard = bits & 0x40,
        .bpdu_filter = (bits & 0xc0) == 0xc0,
    };
}

static void step_port(struct world *w, unsigned what, unsigned port, struct cur *c)
{
    struct rstp_port_config config;
    struct rstp_link link;
    uint8_t bits;

    switch (what) {
    case 0:
        config = read_port_config(c);
        if (!w->there[port]) {
            w->there[port] = true;
            w->up[port] = false;
            w->filter[port] = config.bpdu_filter;
            assert(rstp_port_add(w->rstp, port, &config, w->now) == 0);
        } else {
            w->filter[port] = config.bpdu_filter;
            assert(rstp_port_set(w->rstp, port, &config, w->now) == 0);
        }
        break;
    case 1:
        (void)rstp_port_remove(w->rstp, port, w->now);
        w->there[port] = w->up[port] = false;
        break;
    case 2:
        bits = cur_u8(c);
        link = (struct rstp_link){.up = bits & 1, .p2p = bits & 2, .speed_mbps = bits};
        w->up[port] = link.up && w->there[port];
        (void)rstp_port_link(w->rstp, port, &link, w->now);
        break;
    default:
        (void)rstp_port_mcheck(w->rstp, port, w->now);
        (void)rstp_port_rearm(w->rstp, port, w->now);
        break;
    }
}

static void step_bridge(struct world *w, struct cur *c)
{
    uint8_t bits = cur_u8(c);
    struct rstp_bridge_config config = rstp_bridge_defaults;

    config.priority = (uint16_t)(bits << 8 & 0xf000);
    config.version = bits & 1 ? RSTP_VERSION_STP : RSTP_VERSION_RSTP;
    config.tx_hold_count = (uint8_t)(1 + (bits >> 1 & 7));
    assert(rstp_set_bridge(w->rstp, &config, w->now) == 0);
}

/* Time goes on by up to 25 s; each deadline is met, and none comes back without time passing. */
static void step_time(struct world *w, struct cur *c)
{
    mtime_t until = w->now + (mtime_t)cur_u8(c) * 100 * MTIME_MS;

    while (rstp_deadline(w->rstp) <= until) {
        w->now = rstp_deadline(w->rstp);
        rstp_run(w->rstp, w->now);
        assert(rstp_deadline(w->rstp) > w->now);
    }
    w->now = until;
}

static void step_input(struct world *w, unsigned port, struct cur *c)
{
    uint8_t data[BPDU_SIZE_MAX] = {0};
    size_t size = cur_left(c) < sizeof data ? cur_left(c) : sizeof data;

    cur_copy(c, data, size);
    data[0] = data[1] = 0;
    (void)rstp_input(w->rstp, port, data, size, w->now);
}

static void check_status(const struct world *w)
{
    struct rstp_status s;
    unsigned roots = 0;

    rstp_get(w->rstp, &s);
    for (unsigned i = 1; i <= PORTS; i++) {
        struct rstp_port_status p;

        if (rstp_port_get(w->rstp, i, &p) < 0)
            continue;
        assert(p.state == w->state[i]);
        roots += p.role == RSTP_ROLE_ROOT;
        if (p.role == RSTP_ROLE_ROOT)
            assert(s.root_port == i);
        if (p.role != RSTP_ROLE_ROOT && p.role != RSTP_ROLE_DESIGNATED)
            assert(p.state == RSTP_DISCARDING);
    }
    assert(roots == (s.root_port != 0));
    assert((s.root_port == 0) == (s.root_id == s.bridge_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 5};
    struct world w = {.now = 50 * MTIME_SEC};
    struct cur c = cur_init(data, size);

    check_probe(data, size);
    check_codec(data, size);
    w.rstp = rstp_new(mac, &rstp_bridge_defaults, &ops, &w, w.now);
    assert(w.rstp);
    for (unsigned i = 0; i < STEPS_MAX && cur_left(&c) > 0; i++) {
        uint8_t what = cur_u8(&c);
        unsigned port = 1 + what / 8 % PORTS;

        if (what % 8 < 4)
            step_port(&w, what % 8, port, &c);
        else if (what % 8 == 4)
            step_time(&w, &c);
        else if (what % 8 == 5 && what > 240)
            step_bridge(&w, &c);
        else
            step_input(&w, port, &c);
        check_status(&w);
    }
    rstp_free(w.rstp);
    return 0;
}
