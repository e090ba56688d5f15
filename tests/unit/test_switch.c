/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch with fake ports: against a naive model, and rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/frames.h"
#include "tests/unit/switch_ports.h"

#define N_PORTS 6u
#define N_MACS  12u

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static const uint8_t *mac(unsigned i)
{
    static uint8_t macs[N_MACS + 4][6];

    memcpy(macs[i], (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
    return macs[i];
}

struct world {
    struct switch_config config;
    struct switch_ *sw;
    struct fake_port ports[N_PORTS];
};

static void declare(struct switch_config *config, uint16_t vid)
{
    config->vlan_aware = true;
    config->vlans[vid / 8] = (uint8_t)(config->vlans[vid / 8] | 1u << (vid % 8));
}

static void add_port(struct world *w, unsigned i)
{
    w->ports[i].sw.id = i + 1;
    switch_add_port(w->sw, &w->ports[i].sw);
}

static int teardown(void **state)
{
    struct world *w = *state;

    fake_switch_free(w->sw, w->ports, N_PORTS);
    return 0;
}

/* All ports transparent, none added yet. */
static int setup(void **state)
{
    static struct world w;

    memset(&w, 0, sizeof w);
    w.config.mtu = 1500;
    w.config.seed = 7;
    w.sw = switch_new(&w.config);
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_init(&w.ports[i], i + 1, 0, false);
    *state = &w;
    return w.sw ? 0 : -1;
}

static void send_one(struct world *w, unsigned in, struct frame f)
{
    switch_input(&w->ports[in].sw, &f, 1, 0);
}

static void forget_all(struct world *w)
{
    for (unsigned i = 0; i < N_PORTS; i++)
        fake_port_clear(&w->ports[i]);
}

/* --- against a model ----------------------------------------------------------------------- */

struct model {
    int behind[2][N_MACS]; /* Port per VLAN (10, 20) and MAC; -1 = unknown. */
    unsigned want[N_PORTS][FAKE_MAX];
    unsigned n_want[N_PORTS];
    uint64_t nowhere;
};

/* Ports 0-3 are access ports of two VLANs, 4 and 5 are links of one horizon group. */
static void model_ports(struct world *w)
{
    for (unsigned i = 0; i < 4; i++)
        fake_port_init(&w->ports[i], i + 1, i % 2 ? 20 : 10, false);
    for (unsigned i = 4; i < N_PORTS; i++) {
        fake_port_init(&w->ports[i], i + 1, 0, false);
        w->ports[i].sw.all_vlans = true;
        w->ports[i].sw.horizon = 1;
    }
    declare(&w->config, 10);
    declare(&w->config, 20);
    switch_configure(w->sw, &w->config);
    for (unsigned i = 0; i < N_PORTS; i++)
        add_port(w, i);
}

static bool model_may(unsigned in, unsigned out, unsigned vlan)
{
    if (in == out || (in >= 4 && out >= 4))
        return false;
    return out >= 4 || out % 2 == vlan;
}

/* dst = N_MACS: broadcast. */
static void model_frame(struct model *m, unsigned in, unsigned vlan, unsigned src,
                        unsigned dst, unsigned serial)
{
    bool sent = false;
    int known;

    m->behind[vlan][src] = (int)in;
    known = dst < N_MACS ? m->behind[vlan][dst] : -1;
    for (unsigned out = 0; out < N_PORTS; out++) {
        if ((known >= 0 && known != (int)out) || !model_may(in, out, vlan))
            continue;
        m->want[out][m->n_want[out]++] = serial;
        sent = true;
    }
    m->nowhere += !sent;
}

static void check_against(struct world *w, const struct model *m)
{
    for (unsigned i = 0; i < N_PORTS; i++) {
        assert_int_equal(w->ports[i].n, m->n_want[i]);
        assert_true(w->ports[i].calls <= 1);
        for (unsigned k = 0; k < m->n_want[i]; k++)
            assert_int_equal(fake_serial(&w->ports[i].got[k]), m->want[i][k]);
    }
}

static uint64_t count_nowhere(const struct world *w)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < N_PORTS; i++)
        n += w->ports[i].sw.counters.rx_drops[SWPORT_DROP_NOWHERE];
    return n;
}

static void one_burst(struct world *w, struct model *m, uint64_t *seed)
{
    struct frame frames[FRAME_BURST];
    unsigned n = 1 + frames_random(seed) % FRAME_BURST;
    unsigned in = frames_random(seed) % N_PORTS;

    for (unsigned i = 0; i < n; i++) {
        unsigned vlan = in >= 4 ? frames_random(seed) % 2 : in % 2;
        unsigned src = frames_random(seed) % N_MACS;
        unsigned dst = frames_random(seed) % (N_MACS + 1);

        frames[i] = fake_frame(dst < N_MACS ? mac(dst) : broadcast, mac(src), 60, i);
        if (in >= 4)
            frames[i].tci = vlan ? 20 : 10;
        model_frame(m, in, vlan, src, dst, i);
    }
    switch_input(&w->ports[in].sw, frames, n, 0);
}

static void random_traffic(void **state)
{
    static struct model m;
    struct world *w = *state;
    uint64_t seed = 4655;

    model_ports(w);
    memset(m.behind, 0xff, sizeof m.behind);
    for (unsigned i = 0; i < 3000; i++) {
        memset(m.n_want, 0, sizeof m.n_want);
        for (unsigned k = 0; k < N_MACS; k++) { /* They move too often. */
            switch_expect_move(w->sw, mac(k), 10);
            switch_expect_move(w->sw, mac(k), 20);
        }
        one_burst(w, &m, &seed);
        check_against(w, &m);
        assert_int_equal(count_nowhere(w), m.nowhere);
        forget_all(w);
        fake_frames_drop();
    }
}

/* --- rule by rule -------------------------------------------------------------------------- */

static void reserved_groups_end_here(void **state)
{
    struct world *w = *state;
    uint8_t group[6] = {0x01, 0x80, 0xc2, 0, 0, 0};

    add_port(w, 0);
    add_port(w, 1);
    for (uint8_t last = 0; last < 0x20; last++) {
        group[5] = last;
        send_one(w, 0, fake_frame(group, mac(0), 60, last));
    }
    assert_int_equal(w->ports[1].n, 0x10);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_RESERVED], 0x10);
    assert_int_equal(w->ports[0].sw.counters.rx_frames, 0x20);
}

static void group_sources_are_malformed(void **state)
{
    struct world *w = *state;

    add_port(w, 0);
    add_port(w, 1);
    send_one(w, 0, fake_frame(mac(1), broadcast, 60, 0));
    assert_int_equal(w->ports[1].n, 0);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_MALFORMED], 1);
    assert_int_equal(switch_count_macs(w->sw), 0);
}

static struct frame tagged(uint16_t tci)
{
    struct frame f = fake_frame(broadcast, mac(0), 64, 0);

    f.data[12] = 0x81;
    f.data[13] = 0x00;
    f.data[14] = (uint8_t)(tci >> 8);
    f.data[15] = (uint8_t)tci;
    f.data[16] = 0x88;
    f.data[17] = 0xb5;
    return f;
}

static void transparent_networks_leave_tags_alone(void **state)
{
    struct world *w = *state;

    add_port(w, 0);
    add_port(w, 1);
    send_one(w, 0, tagged(10));
    assert_int_equal(w->ports[1].n, 1);
    assert_int_equal(w->ports[1].got[0].meta.size, 64);
    assert_int_equal(w->ports[1].got[0].meta.tci, 0);
    assert_int_equal(w->ports[1].got[0].bytes[15], 10);
}

static void nothing_tags_itself_into_a_vlan(void **state)
{
    struct world *w = *state;

    model_ports(w);
    send_one(w, 0, tagged(20));
    send_one(w, 0, tagged(10));
    for (unsigned i = 0; i < N_PORTS; i++)
        assert_int_equal(w->ports[i].n, 0);
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_VLAN], 2);
    /* A priority tag goes, its priority stays. */
    send_one(w, 0, tagged(5 << 13));
    assert_int_equal(w->ports[2].n, 1);
    assert_int_equal(w->ports[2].got[0].meta.size, 60);
    assert_int_equal(w->ports[2].got[0].meta.tci, 5 << 13 | 10);
    assert_int_equal(w->ports[2].got[0].bytes[12], 0x88);
    assert_memory_equal(w->ports[2].got[0].bytes, broadcast, 6);
    assert_memory_equal(w->ports[2].got[0].bytes + 6, mac(0), 6);
}

static void undeclared_vlans_are_dropped(void **state)
{
    struct world *w = *state;
    struct frame f = fake_frame(broadcast, mac(0), 60, 0);

    model_ports(w);
    f.tci = 30;
    send_one(w, 4, f);
    assert_int_equal(w->ports[4].sw.counters.rx_drops[SWPORT_DROP_VLAN], 1);
    /* A VLAN that is declared no more takes what was learnt in it along. */
    f.tci = 0;
    send_one(w, 0, f);
    assert_int_equal(w->ports[2].n, 1);
    memset(w->config.vlans, 0, sizeof w->config.vlans);
    declare(&w->config, 20);
    switch_configure(w->sw, &w->config);
    send_one(w, 2, fake_frame(mac(0), mac(1), 60, 0));
    assert_int_equal(w->ports[2].sw.counters.rx_drops[SWPORT_DROP_VLAN], 1);
    assert_int_equal(w->ports[0].n, 0);
}

static void bare_ports_are_among_themselves(void **state)
{
    struct world *w = *state;
    struct swport_settings bare = {.bare = true};
    struct swport_settings both = {.bare = true, .tagged = true};

    swport_vlan_add(both.trunk, 20);
    model_ports(w);
    switch_set_port(&w->ports[0].sw, &bare);
    switch_set_port(&w->ports[2].sw, &both);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    for (unsigned i = 1; i < N_PORTS; i++)
        assert_int_equal(w->ports[i].n, i == 2 || i >= 4); /* Links. */
    assert_int_equal(w->ports[2].got[0].meta.size, 60);
    send_one(w, 0, tagged(20));
    send_one(w, 0, tagged(10));
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_VLAN], 2);
    /* Back over the link, and a priority tag. */
    send_one(w, 4, fake_frame(mac(0), mac(4), 60, 0));
    assert_int_equal(w->ports[0].n, 1);
    send_one(w, 0, tagged(5 << 13));
    assert_int_equal(w->ports[2].n, 2);
    assert_int_equal(w->ports[2].got[1].meta.tci & 0xfff, 0);
}

static void oversize_is_dropped_where_it_does_not_fit(void **state)
{
    struct world *w = *state;

    w->ports[2].sw.max_frame = 1000;
    for (unsigned i = 0; i < 3; i++)
        add_port(w, i);
    send_one(w, 0, fake_frame(broadcast, mac(0), 1519, 0));
    assert_int_equal(w->ports[0].sw.counters.rx_drops[SWPORT_DROP_TOO_BIG], 1);
    send_one(w, 0, fake_frame(broadcast, mac(0), 1518, 0));
    assert_int_equal(w->ports[1].n, 1);
    assert_int_equal(w->ports[2].n, 0);
    assert_int_equal(w->ports[2].sw.counters.tx_drops[SWPORT_DROP_TOO_BIG], 1);
}

static void removed_ports_are_forgotten(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 3; i++)
        add_port(w, i);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    send_one(w, 1, fake_frame(mac(0), mac(1), 60, 0));
    switch_remove_port(&w->ports[0].sw);
    forget_all(w);
    send_one(w, 1, fake_frame(mac(0), mac(1), 60, 0));
    assert_int_equal(w->ports[2].n, 1);
    assert_int_equal(w->ports[0].n, 0);
}

static void moves_are_followed_at_once(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 3; i++)
        add_port(w, i);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    send_one(w, 1, fake_frame(mac(0), mac(1), 60, 0));
    send_one(w, 2, fake_frame(broadcast, mac(0), 60, 0));
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    forget_all(w);
    send_one(w, 1, fake_frame(mac(0), mac(1), 60, 0));
    assert_int_equal(w->ports[0].n, 1);
    assert_int_equal(w->ports[2].n, 0);
}

static void senders_are_held_back(void **state)
{
    struct world *w = *state;
    struct frame frames[4];
    struct swport *blocked;

    fake_port_init(&w->ports[1], 2, 0, true);
    for (unsigned i = 0; i < 3; i++)
        add_port(w, i);
    send_one(w, 1, fake_frame(broadcast, mac(1), 60, 0));
    send_one(w, 2, fake_frame(broadcast, mac(2), 60, 0));
    forget_all(w);
    w->ports[1].room = 60 + SWPORT_ROOM_FRAME;
    for (unsigned i = 0; i < 4; i++)
        frames[i] = fake_frame(mac(i == 1 ? 2 : 1), mac(0), 60, i);
    assert_int_equal(switch_input_held(&w->ports[0].sw, frames, 4, 0, &blocked), 2);
    assert_ptr_equal(blocked, &w->ports[1].sw);
    assert_int_equal(w->ports[1].n, 1);
    assert_int_equal(w->ports[2].n, 1);
    assert_int_equal(w->ports[0].sw.counters.rx_frames, 2);
    /* Floods never wait. */
    w->ports[1].room = 0;
    frames[0] = fake_frame(broadcast, mac(0), 60, 9);
    assert_int_equal(switch_input_held(&w->ports[0].sw, frames, 1, 0, &blocked), 1);
    assert_null(blocked);
    assert_int_equal(w->ports[1].n, 2);
}

/* --- offloads ------------------------------------------------------------------------------ */

static struct frame tcp_frame(const struct frames_spec *spec)
{
    static uint8_t bytes[FRAME_SUPER_MAX];
    uint32_t size = frames_build(spec, bytes);

    return fake_frame_of(bytes, size);
}

/* What the kernel does when it leaves a checksum open: the pseudo-header's sum in the field. */
static void open_checksum(struct frame *f)
{
    uint8_t *ip = f->data + 14;
    uint32_t l4_size = f->size - 34;
    uint16_t sum = frames_sum(ip + 12, 8, 6 + l4_size);

    f->flags = FRAME_NEEDS_CSUM;
    f->csum_start = 34;
    f->csum_ofs = 16;
    f->data[50] = (uint8_t)(sum >> 8);
    f->data[51] = (uint8_t)sum;
}

static void checksums_are_completed_where_needed(void **state)
{
    static const uint8_t payload[301] = {1, 2, 3};
    const struct frames_spec spec = {.payload = payload, .size = 301, .flags = 0x10};
    struct world *w = *state;
    struct frame f = tcp_frame(&spec);

    w->ports[1].sw.caps = 0;
    add_port(w, 0);
    add_port(w, 1);
    open_checksum(&f);
    assert_false(frames_checksums_right(f.data, f.size));
    send_one(w, 0, f);
    assert_int_equal(w->ports[1].n, 1);
    assert_int_equal(w->ports[1].got[0].meta.flags & FRAME_NEEDS_CSUM, 0);
    assert_true(frames_checksums_right(w->ports[1].got[0].bytes, f.size));
}

/* However many segments it has to be cut into: a port that cannot get emptier takes it. */
static void no_superframe_waits_forever(void **state)
{
    static const uint8_t payload[60000] = {1};
    const struct frames_spec spec = {.payload = payload, .size = 60000, .flags = 0x10};
    struct world *w = *state;
    struct swport *blocked;
    struct frame f = tcp_frame(&spec);

    fake_port_init(&w->ports[1], 2, 0, true);
    add_port(w, 0);
    add_port(w, 1);
    memcpy(f.data, mac(1), 6);
    open_checksum(&f);
    f.gso = FRAME_GSO_TCP4;
    f.gso_size = 100;
    f.hdr_size = 54;
    w->ports[1].room = FRAME_SUPER_MAX;
    send_one(w, 1, fake_frame(broadcast, mac(1), 60, 0));
    assert_int_equal(switch_input_held(&w->ports[0].sw, &f, 1, 0, &blocked), 1);
    assert_null(blocked);
    assert_int_equal(w->ports[1].n, 1);
    w->ports[1].room--;
    assert_int_equal(switch_input_held(&w->ports[0].sw, &f, 1, 0, &blocked), 0);
    assert_ptr_equal(blocked, &w->ports[1].sw);
}

/* All frames but the first and the last. */
static void check_segments(const struct fake_port *p, const uint8_t *payload, uint32_t size)
{
    uint32_t at = 0;

    for (unsigned i = 1; i + 1 < p->n; i++) {
        uint32_t part = p->got[i].meta.size - 54;

        assert_int_equal(p->got[i].meta.gso, FRAME_GSO_NONE);
        assert_true(part <= 1448);
        assert_true(frames_checksums_right(p->got[i].bytes, p->got[i].meta.size));
        assert_memory_equal(p->got[i].bytes + 54, payload + at, part);
        at += part;
    }
    assert_int_equal(at, size);
}

/* The payload is elsewhere, too. */
static void superframes_are_cut_where_needed(void **state)
{
    static uint8_t payload[60000], elsewhere[sizeof payload];
    const struct frames_spec spec = {
        .payload = payload, .size = sizeof payload, .flags = 0x18};
    struct world *w = *state;
    struct frame frames[3];

    for (unsigned i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    w->ports[2].sw.caps = 0;
    for (unsigned i = 0; i < 3; i++)
        add_port(w, i);
    frames[0] = fake_frame(broadcast, mac(0), 60, 1);
    frames[1] = tcp_frame(&spec);
    memset(frames[1].data, 0xff, 6);
    frames[1].gso = FRAME_GSO_TCP4;
    frames[1].gso_size = 1448;
    frames[1].hdr_size = 54;
    open_checksum(&frames[1]);
    memcpy(elsewhere, payload, sizeof payload);
    memset(frames[1].data + 54, 0, sizeof payload);
    frames[1].rest = elsewhere;
    frames[1].rest_size = sizeof payload;
    frames[2] = fake_frame(broadcast, mac(0), 60, 2);
    switch_input(&w->ports[0].sw, frames, 3, 0);
    /* Whole, to the one that takes it. */
    assert_int_equal(w->ports[1].n, 3);
    assert_int_equal(w->ports[1].got[1].meta.size, sizeof payload + 54);
    assert_int_equal(w->ports[1].got[1].meta.rest_size, 0);
    assert_memory_equal(w->ports[1].got[1].bytes + 54, payload, sizeof payload);
    /* In pieces, in order, to the other. */
    assert_int_equal(w->ports[2].n, 2 + (sizeof payload + 1447) / 1448);
    assert_int_equal(fake_serial(&w->ports[2].got[0]), 1);
    assert_int_equal(fake_serial(&w->ports[2].got[w->ports[2].n - 1]), 2);
    check_segments(&w->ports[2], payload, sizeof payload);
}

/* --- the rest ------------------------------------------------------------------------------ */

struct captured {
    unsigned in[N_PORTS + 1], out[N_PORTS + 1];
};

static void count_in(void *aux, const struct swport *port, const struct frame *frames,
                     unsigned n)
{
    struct captured *counts = aux;

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(frames[i].rest_size, 0);
    counts->in[port->id] += n;
}

static void count_out(void *aux, const struct swport *port, struct frame *const *frames,
                      unsigned n)
{
    struct captured *counts = aux;

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(frames[i]->rest_size, 0);
    counts->out[port->id] += n;
}

static void captures_see_both_ways(void **state)
{
    struct world *w = *state;
    struct captured counts = {.in = {0}};
    static const uint8_t rest[6];
    struct frame f;
    const struct switch_capture capture = {
        .in = count_in, .out = count_out, .aux = &counts};

    for (unsigned i = 0; i < 3; i++)
        add_port(w, i);
    switch_set_capture(w->sw, &capture);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    f = fake_frame(mac(0), mac(1), 60, 0);
    f.rest = rest;
    f.rest_size = sizeof rest;
    send_one(w, 1, f);
    switch_set_capture(w->sw, NULL);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    assert_int_equal(counts.in[1], 1);
    assert_int_equal(counts.in[2], 1);
    assert_int_equal(counts.in[3], 0);
    assert_int_equal(counts.out[1], 1);
    assert_int_equal(counts.out[2], 1);
    assert_int_equal(counts.out[3], 1);
}

static void learnt_macs_are_listed_and_age(void **state)
{
    struct world *w = *state;
    struct switch_mac found[4];
    uint32_t cursor = 0;

    add_port(w, 0);
    add_port(w, 1);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    assert_int_equal(switch_list_macs(w->sw, found, 4, &cursor), 1);
    assert_int_equal(cursor, 0);
    assert_int_equal(found[0].port_id, 1);
    assert_memory_equal(found[0].mac, mac(0), 6);
    assert_int_equal(switch_deadline(w->sw), 300 * MTIME_SEC);
    switch_run(w->sw, 300 * MTIME_SEC);
    assert_int_equal(switch_count_macs(w->sw), 0);
    assert_int_equal(switch_deadline(w->sw), MTIME_NEVER);
}

/* Whoever waits for the ageing looks again when there is something new to wait for, not after each
 * burst. */
static void earlier_ageing_is_told(void **state)
{
    struct world *w = *state;
    bool sooner = false;

    w->config.sooner = &sooner;
    switch_configure(w->sw, &w->config);
    assert_true(sooner);
    sooner = false;
    add_port(w, 0);
    add_port(w, 1);
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    assert_true(sooner);
    sooner = false;
    send_one(w, 0, fake_frame(broadcast, mac(0), 60, 0));
    send_one(w, 1, fake_frame(broadcast, mac(1), 60, 0));
    assert_false(sooner);
    switch_run(w->sw, 300 * MTIME_SEC);
    assert_int_equal(switch_deadline(w->sw), MTIME_NEVER);
    assert_false(sooner);
    send_one(w, 1, fake_frame(broadcast, mac(1), 60, 0));
    assert_true(sooner);
    w->config.sooner = NULL;
    switch_configure(w->sw, &w->config);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_traffic),
        TEST(reserved_groups_end_here),
        TEST(group_sources_are_malformed),
        TEST(transparent_networks_leave_tags_alone),
        TEST(nothing_tags_itself_into_a_vlan),
        TEST(undeclared_vlans_are_dropped),
        TEST(bare_ports_are_among_themselves),
        TEST(oversize_is_dropped_where_it_does_not_fit),
        TEST(removed_ports_are_forgotten),
        TEST(moves_are_followed_at_once),
        TEST(senders_are_held_back),
        TEST(no_superframe_waits_forever),
        TEST(checksums_are_completed_where_needed),
        TEST(superframes_are_cut_where_needed),
        TEST(captures_see_both_ways),
        TEST(learnt_macs_are_listed_and_age),
        TEST(earlier_ageing_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
