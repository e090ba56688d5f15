/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drivers of VDE, ring and capture ports, with both sides in this process. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/port/capture.h"
#include "fabricd/port/frameq.h"
#include "fabricd/port/port.h"
#include "libioth/plug/ringmap.h"
#include "proto/plug/plug.h"
#include "proto/wire/vnet.h"
#include "tests/unit/frames.h"
#include "tests/unit/port_world.h"

/* --- the queue ----------------------------------------------------------------------------- */

static void check_oldest(struct frameq *q, const uint32_t *sizes, uint32_t first,
                         unsigned n)
{
    struct frame *frames[8];
    unsigned got = frameq_peek(q, frames, 8);

    assert_int_equal(got, n < 8 ? n : 8);
    for (unsigned i = 0; i < got; i++) {
        assert_int_equal(frames[i]->size, sizes[(first + i) % 1024]);
        assert_int_equal(frames[i]->data[0], (uint8_t)(first + i));
        assert_int_equal(frames[i]->data[frames[i]->size - 1], (uint8_t)(first + i));
    }
}

static void queue_keeps_order(void **state)
{
    static uint8_t bytes[FRAME_SIZE_MAX];
    static uint32_t sizes[1024];
    struct frameq q;
    uint64_t seed = 5;
    uint32_t first = 0, next = 0, refused = 0;

    (void)state;
    assert_int_equal(frameq_init(&q, 128 * 1024), 0);
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t r = frames_random(&seed);

        if (r % 9 < (i / 5000 % 2 ? 4u : 8u)) {
            struct frame f = {.data = bytes, .size = 14 + (r >> 8) % (FRAME_SIZE_MAX - 14)};

            memset(bytes, (int)(uint8_t)next, f.size);
            if (!frameq_put(&q, &f)) {
                refused++;
                /* Only a queue that is at least half full may refuse. */
                assert_true(q.n >= 5);
                continue;
            }
            sizes[next++ % 1024] = f.size;
        } else if (q.n) {
            unsigned n = 1 + (r >> 8) % (q.n < 8 ? q.n : 8);

            frameq_drop(&q, n);
            first += n;
        }
        assert_int_equal(q.n, next - first);
        check_oldest(&q, sizes, first, q.n);
    }
    assert_true(refused > 100);
    frameq_done(&q);
}

/* --- VDE ----------------------------------------------------------------------------------- */

static void make_datagram_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
}

static void vde_both_ways(void **state)
{
    struct port_world *w = *state;
    struct port *port;
    struct frame f = fake_frame(port_mac_all, port_mac_a, 9000, 1);
    uint8_t got[FRAME_SIZE_MAX];
    int pair[2];

    make_datagram_pair(pair);
    port = port_world_add(w, 1, IPC_PORT_VDE, pair, 1);
    assert_int_equal(send(pair[1], f.data, f.size, 0), f.size);
    assert_int_equal(send(pair[1], f.data, 14, 0), 14);
    assert_int_equal(send(pair[1], f.data, 13, 0), 13); /* Malformed. */
    assert_int_equal(send(pair[1], f.data, 0, 0), 0);   /* An old client's good-bye. */
    port_world_run(w, &w->fake.n, 2);
    assert_int_equal(w->fake.got[0].meta.size, 9000);
    assert_memory_equal(w->fake.got[0].bytes, f.data, 9000);
    assert_int_equal(port->sw.counters.rx_frames, 3);
    assert_int_equal(port->sw.counters.rx_drops[SWPORT_DROP_MALFORMED], 1);
    port_world_send(w, fake_frame(port_mac_a, port_mac_b, 9234, 2));
    assert_int_equal(recv(pair[1], got, sizeof got, 0), 9234);
    assert_int_equal(port->sw.counters.tx_frames, 1);
    assert_int_equal(w->n_gone, 0);
    port_free(port);
    close(pair[0]);
    close(pair[1]);
}

/* A client that does not read gets what fits the queue when it reads again, in order. */
static void vde_slow_client(void **state)
{
    struct port_world *w = *state;
    struct port *port;
    uint8_t got[FRAME_SIZE_MAX];
    int pair[2];
    uint32_t serial, want = 0;
    unsigned n = 0;

    make_datagram_pair(pair);
    port = port_world_add(w, 1, IPC_PORT_VDE, pair, 1);
    for (uint32_t i = 0; i < 500; i++) {
        port_world_send(w, fake_frame(port_mac_all, port_mac_b, 1514, i));
        fake_frames_drop();
    }
    assert_true(port->sw.counters.tx_drops[SWPORT_DROP_FULL] > 0);
    for (int idle = 0; idle < 50;) {
        if (recv(pair[1], got, sizeof got, 0) < 0) {
            loop_turn(w->loop, 0);
            idle++;
            continue;
        }
        memcpy(&serial, got + 14, sizeof serial);
        assert_int_equal(serial, want++);
        idle = 0;
        n++;
    }
    assert_int_equal(n, port->sw.counters.tx_frames);
    assert_int_equal(n + port->sw.counters.tx_drops[SWPORT_DROP_FULL], 500);
    port_free(port);
    close(pair[0]);
    close(pair[1]);
}

static void vde_coalesces(void **state)
{
    static const uint8_t payload[1000] = {7};
    struct port_world *w = *state;
    struct port *port;
    uint8_t bytes[1200];
    int pair[2];

    make_datagram_pair(pair);
    port = port_world_add(w, 1, IPC_PORT_VDE, pair, 1);
    /* The destination must be known, and known to take superframes. */
    memset(bytes, 0, sizeof bytes);
    frames_build(&(struct frames_spec){.payload = payload}, bytes);
    port_world_send(w, fake_frame(port_mac_all, bytes, 60, 0));
    for (uint32_t i = 0; i < 11; i++) {
        const struct frames_spec spec = {
            .payload = payload, .size = 1000, .seq = i * 1000, .flags = 0x10, .df = true};
        uint32_t size = frames_build(&spec, bytes);

        assert_int_equal(send(pair[1], bytes, size, 0), size);
        if (i == 0)
            port_world_run(w, &w->fake.n, 1);
    }
    port_world_run(w, &w->fake.n, 2);
    assert_int_equal(w->fake.got[1].meta.gso, FRAME_GSO_TCP4);
    assert_int_equal(w->fake.got[1].meta.gso_size, 1000);
    assert_int_equal(w->fake.got[1].meta.size, 54 + 10000);
    port_free(port);
    close(pair[0]);
    close(pair[1]);
}

/* --- rate limit ---------------------------------------------------------------------------- */

/* 8 Mb/s: 100 frames of 1000 bytes take about 95 ms beyond the bucket. */
static void rate_is_kept(void **state)
{
    struct port_world *w = *state;
    struct ipc_port config = {.id = 1, .kind = IPC_PORT_VDE, .rate = 8000000};
    struct port *port = NULL;
    uint8_t got[2000];
    uint32_t serial, want = 0;
    mtime_t start = mtime_now();
    int pair[2];

    make_datagram_pair(pair);
    assert_int_equal(port_new(&w->env, &config, pair, 1, &port), 0);
    switch_add_port(w->sw, &port->sw);
    loop_turn(w->loop, 0);
    for (uint32_t i = 0; i < 100; i++)
        port_world_send(w, fake_frame(port_mac_all, port_mac_b, 1000, i));
    while (want < 100 && mtime_now() - start < MTIME_SEC) {
        while (recv(pair[1], got, sizeof got, 0) > 0) {
            memcpy(&serial, got + 14, sizeof serial);
            assert_int_equal(serial, want++);
        }
        loop_turn(w->loop, mtime_now() + MTIME_MS);
    }
    assert_int_equal(want, 100);
    assert_true(mtime_now() - start >= 90 * MTIME_MS);
    /* More than the queue holds is dropped, and counted. */
    for (uint32_t i = 0; i < 300; i++) {
        port_world_send(w, fake_frame(port_mac_all, port_mac_b, 1000, i));
        fake_frames_drop();
    }
    assert_true(port->sw.counters.tx_drops[SWPORT_DROP_FULL] > 100);
    port_free(port);
    close(pair[0]);
    close(pair[1]);
}

/* A frame of a priority, whose serial number is the priority. */
static void from_fake_of(struct port_world *w, unsigned priority)
{
    struct frame f = fake_frame(port_mac_all, port_mac_b, 1000, priority);

    f.tci = (uint16_t)(priority << 13);
    port_world_send(w, f);
    fake_frames_drop();
}

/* 40 frames of each of three priorities wait: what has no weight goes first, the others share by
 * their weights; and a frame of the highest waits for nobody. */
static void queues_are_served(void **state)
{
    struct port_world *w = *state;
    struct ipc_port config = {.id = 1, .kind = IPC_PORT_VDE, .rate = 8000000};
    static const unsigned of[3] = {2, 3, 4};
    struct port *port = NULL;
    uint8_t got[2000];
    uint32_t serial;
    unsigned order[160], n = 0, early[8] = {0};
    mtime_t start = mtime_now();
    int pair[2];

    config.set.weights[2] = 1;
    config.set.weights[3] = 3;
    make_datagram_pair(pair);
    assert_int_equal(port_new(&w->env, &config, pair, 1, &port), 0);
    switch_add_port(w->sw, &port->sw);
    loop_turn(w->loop, 0);
    for (unsigned i = 0; i < 10; i++)
        from_fake_of(w, 0); /* Empties the bucket. */
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned k = 0; k < 3; k++)
            from_fake_of(w, of[k]);
    }
    from_fake_of(w, 6);
    while (n < 131 && mtime_now() - start < 2 * MTIME_SEC) {
        while (n < 160 && recv(pair[1], got, sizeof got, 0) > 0) {
            memcpy(&serial, got + 14, sizeof serial);
            order[n++] = serial;
        }
        loop_turn(w->loop, mtime_now() + MTIME_MS);
    }
    assert_int_equal(n, 131);
    for (unsigned i = 0; i < 12; i++)
        early[order[i]]++;
    assert_int_equal(early[6], 1); /* It came last. */
    memset(early, 0, sizeof early);
    for (unsigned i = 0; i < 52;
         i++) /* Best effort is strict as well, and waited from the start. */
        early[order[i]]++;
    assert_true(early[4] == 40);
    memset(early, 0, sizeof early);
    for (unsigned i = 55; i < 95; i++)
        early[order[i] & 7]++;
    assert_in_range(early[3], 27, 33);
    port_free(port);
    close(pair[0]);
    close(pair[1]);
}

static void send_in_vlan(struct port *port, uint16_t vlan)
{
    struct frame f = fake_frame(port_mac_all, port_mac_b, 1000, vlan), *frames = &f;

    f.tci = vlan;
    port->sw.ops->send(&port->sw, &frames, 1);
    fake_frames_drop();
}

/* What waits for its VLAN's limit goes on in time, though frames of another one come all the while. */
static void vlan_limit_beside_traffic(void **state)
{
    struct port_world *w = *state;
    struct ipc_port config = {.id = 1, .kind = IPC_PORT_VDE};
    struct port *port = NULL;
    uint8_t got[2000];
    uint32_t serial;
    unsigned n = 0;
    mtime_t start;
    int pair[2];

    config.set.limits[0] = (struct swport_vlan_limit){.vlan = 10, .rate = 100000};
    config.set.n_limits = 1;
    make_datagram_pair(pair);
    assert_int_equal(port_new(&w->env, &config, pair, 1, &port), 0);
    switch_add_port(w->sw, &port->sw);
    loop_turn(w->loop, 0);
    start = loop_now(w->loop);
    send_in_vlan(port, 10);
    send_in_vlan(port, 10);
    while (n < 2 && mtime_now() - start < MTIME_SEC) {
        loop_turn(w->loop, 0);
        send_in_vlan(port, 20);
        while (recv(pair[1], got, sizeof got, 0) > 0) {
            memcpy(&serial, got + 14, sizeof serial);
            n += serial == 10;
        }
    }
    assert_int_equal(n, 2);
    assert_true(mtime_now() - start >= 70 * MTIME_MS); /* 937 bytes beyond the bucket. */
    port_free(port);
    close(pair[0]);
    close(pair[1]);
}

/* --- rings --------------------------------------------------------------------------------- */

struct client {
    int fds[2]; /* As the daemon's port wants them. */
    int bell;   /* Our end. */
    struct ringmap map;
    struct port *port;
};

static void client_plug(struct port_world *w, struct client *c, uint32_t id)
{
    int bell[2];

    c->fds[0] = ringmap_create(RING_SIZE_MIN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, bell), 0);
    c->fds[1] = bell[0];
    c->bell = bell[1];
    memset(&c->map, 0, sizeof c->map);
    assert_int_equal(ringmap_attach(&c->map, c->fds[0], RINGMAP_CLIENT), 0);
    c->port = port_world_add(w, id, IPC_PORT_RING, c->fds, 2);
}

static void client_unplug(struct client *c)
{
    port_free(c->port);
    ringmap_done(&c->map);
    for (unsigned i = 0; i < 2; i++)
        close(c->fds[i]);
    close(c->bell);
}

static void client_ring(const struct client *c)
{
    assert_int_equal(send(c->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL), 1);
}

static void client_send(struct client *c, struct frame f)
{
    assert_int_equal(ring_put(&c->map.tx, &f), 0);
    if (ring_publish(&c->map.tx))
        client_ring(c);
}

/* Takes everything that is there; returns how many, and the serial of the first. */
static unsigned client_read(struct client *c, uint32_t *serial)
{
    struct frame frames[FRAME_BURST];
    unsigned total = 0;
    int n;

    while ((n = ring_peek(&c->map.rx, frames, FRAME_BURST)) > 0) {
        if (!total)
            memcpy(serial, frames[0].data + 14, sizeof *serial);
        total += (unsigned)n;
    }
    assert_int_equal(n, 0);
    if (ring_release(&c->map.rx))
        client_ring(c);
    return total;
}

static void ring_both_ways(void **state)
{
    struct port_world *w = *state;
    struct client c;
    uint32_t serial;

    client_plug(w, &c, 1);
    client_send(&c, fake_frame(port_mac_all, port_mac_a, 60, 5));
    port_world_run(w, &w->fake.n, 1);
    assert_int_equal(fake_serial(&w->fake.got[0]), 5);
    port_world_send(w, fake_frame(port_mac_a, port_mac_b, 60, 6));
    assert_int_equal(client_read(&c, &serial), 1);
    assert_int_equal(serial, 6);
    client_unplug(&c);
}

/* What was put into a ring before the daemon was there is not lost. */
static void ring_goes_on(void **state)
{
    struct port_world *w = *state;
    struct client c;

    client_plug(w, &c, 1);
    port_world_idle(w);
    port_free(c.port);
    client_send(&c, fake_frame(port_mac_all, port_mac_a, 60, 5));
    c.port = port_world_add(w, 1, IPC_PORT_RING, c.fds, 2);
    port_world_run(w, &w->fake.n, 1);
    client_unplug(&c);
}

static void ring_drops_the_malformed_only(void **state)
{
    struct port_world *w = *state;
    struct client c;
    struct frame bad = fake_frame(port_mac_all, port_mac_a, 60, 2);

    bad.gso = FRAME_GSO_TCP4;
    bad.gso_size = 9;
    bad.hdr_size = 200;
    client_plug(w, &c, 1);
    port_world_idle(w);
    for (uint32_t i = 0; i < 5; i++) {
        struct frame f = i % 2 ? bad : fake_frame(port_mac_all, port_mac_a, 60, i);

        assert_int_equal(ring_put(&c.map.tx, &f), 0);
    }
    (void)ring_publish(&c.map.tx);
    client_ring(&c);
    port_world_run(w, &w->fake.n, 3);
    assert_int_equal(fake_serial(&w->fake.got[2]), 4);
    assert_int_equal(c.port->sw.counters.rx_drops[SWPORT_DROP_MALFORMED], 2);
    client_unplug(&c);
}

static void ring_that_lies_goes(void **state)
{
    struct port_world *w = *state;
    struct client c;

    client_plug(w, &c, 1);
    port_world_idle(w);
    atomic_store(&c.map.control->dir[RING_TO_DAEMON].head, 12345u);
    client_ring(&c);
    port_world_run(w, &w->n_gone, 1);
    port_world_idle(w);
    assert_int_equal(w->n_gone, 1);
    client_unplug(&c);
}

/* Two rings: a sender is held back while the other's is full, and loses nothing if the reader
 * comes within the time. */
static void ring_sender_waits(void **state)
{
    struct port_world *w = *state;
    struct client a, b;
    unsigned sent = 0, got = 0;
    uint32_t serial;

    client_plug(w, &a, 1);
    client_plug(w, &b, 2);
    client_send(&b, fake_frame(port_mac_all, port_mac_b, 60, 0));
    port_world_run(w, &w->fake.n, 1);
    (void)client_read(&a, &serial);
    for (unsigned i = 0; i < 3000; i++) {
        struct frame f = fake_frame(port_mac_b, port_mac_a, 1514, sent);

        if (ring_put(&a.map.tx, &f) == 0)
            sent++;
        if (ring_publish(&a.map.tx) || i % 100 == 0)
            client_ring(&a);
        if (i % 10 == 0)
            loop_turn(w->loop, 0);
        if (i % 400 == 0)
            got += client_read(&b, &serial);
        fake_frames_drop();
    }
    for (int i = 0; i < PORT_WORLD_TURNS && got < sent; i++) {
        got += client_read(&b, &serial);
        loop_turn(w->loop, mtime_now() + MTIME_MS);
    }
    assert_true(sent > 400);
    assert_int_equal(got + b.port->sw.counters.tx_drops[SWPORT_DROP_FULL], sent);
    client_unplug(&a);
    client_unplug(&b);
}

/* A reader that is dead costs its sender 2 ms once, not others their traffic. */
static void ring_dead_reader(void **state)
{
    struct port_world *w = *state;
    struct client a, b;
    uint32_t serial;
    mtime_t start;
    unsigned sent = 0;

    client_plug(w, &a, 1);
    client_plug(w, &b, 2);
    client_send(&b, fake_frame(port_mac_all, port_mac_b, 60, 0));
    port_world_run(w, &w->fake.n, 1);
    fake_port_clear(&w->fake);
    (void)client_read(&a, &serial);
    start = mtime_now();
    while (b.port->sw.counters.tx_drops[SWPORT_DROP_FULL] == 0 &&
           mtime_now() - start < MTIME_SEC) {
        struct frame f = fake_frame(port_mac_b, port_mac_a, 1514, sent);

        if (ring_put(&a.map.tx, &f) == 0)
            sent++;
        if (ring_publish(&a.map.tx))
            client_ring(&a);
        loop_turn(w->loop, 0);
        fake_frames_drop();
    }
    assert_true(mtime_now() - start >= 2 * MTIME_MS);
    /* From now on it goes on at once. */
    port_world_idle(w);
    assert_int_equal(
        ring_put(&a.map.tx,
                 &(struct frame){.data = fake_frame(port_mac_all, port_mac_a, 60, 77).data,
                                 .size = 60}),
        0);
    (void)ring_publish(&a.map.tx);
    client_ring(&a);
    port_world_run(w, &w->fake.n, 1);
    assert_int_equal(fake_serial(&w->fake.got[0]), 77);
    /* The reader is back: nothing is dropped any more. */
    (void)client_read(&b, &serial);
    client_send(&a, fake_frame(port_mac_b, port_mac_a, 60, 78));
    port_world_idle(w);
    assert_int_equal(client_read(&b, &serial), 1);
    assert_int_equal(serial, 78);
    client_unplug(&b);
    client_unplug(&a);
}

static bool bell_is_wanted(const struct client *c)
{
    return atomic_load(&c->map.control->dir[RING_TO_CLIENT].tx_sleeping);
}

/* Fills b's ring from a's until a is held back. */
static void hold_back(struct port_world *w, struct client *a, struct client *b)
{
    struct frame f = fake_frame(port_mac_b, port_mac_a, 1514, 0);

    for (unsigned i = 0; i < PORT_WORLD_TURNS && !bell_is_wanted(b); i++) {
        if (ring_put(&a->map.tx, &f) == 0 && ring_publish(&a->map.tx))
            client_ring(a);
        loop_turn(w->loop, 0);
    }
    assert_true(bell_is_wanted(b));
}

/* Small frames that might take much room, so that a burst has to wait before the ring is full. */
static void put_burst(struct client *c, const uint8_t from[6])
{
    static const uint8_t payload[100];
    uint8_t bytes[200];
    struct frame f = {.data = bytes, .gso = FRAME_GSO_TCP4, .gso_size = 1, .hdr_size = 54};

    f.size = frames_build(&(struct frames_spec){.payload = payload, .size = 100}, bytes);
    f.flags = FRAME_NEEDS_CSUM;
    f.csum_start = 34;
    f.csum_ofs = 16;
    memcpy(bytes, port_mac_b, 6);
    memcpy(bytes + 6, from, 6);
    assert_int_equal(frame_check(&f), 0);
    for (unsigned i = 0; i < FRAME_BURST; i++)
        assert_int_equal(ring_put(&c->map.tx, &f), 0);
    (void)ring_publish(&c->map.tx);
    client_ring(c);
}

/* Takes everything, like client_read(), but has not looked yet whether it must ring. */
static void client_take(struct client *c)
{
    struct frame frames[FRAME_BURST];
    struct ring_rx *rx = &c->map.rx;

    while (ring_peek(rx, frames, FRAME_BURST) > 0)
        ;
    rx->released = rx->tail;
    atomic_store(&rx->shared->tail, rx->tail);
}

/* One sender is held back, and the reader makes room; before it looks whether somebody wants to be told, another
 * sender finds the room. The first one wants to be told all the same. */
static void ring_bell_of_two_senders(void **state)
{
    static const uint8_t mac_c[6] = {2, 0, 0, 0, 0, 3};
    struct port_world *w = *state;
    struct client a, b, c;
    uint64_t before;
    unsigned tries = 0;

    client_plug(w, &a, 1);
    client_plug(w, &b, 2);
    client_plug(w, &c, 3);
    client_send(&b, fake_frame(port_mac_all, port_mac_b, 60, 0));
    port_world_run(w, &w->fake.n, 1);
    do { /* Until it all happens before the sender was held back for too long. */
        port_world_idle(w);
        hold_back(w, &a, &b);
        client_take(&b);
        before = c.port->sw.counters.rx_frames;
        put_burst(&c, mac_c);
        loop_turn(w->loop, 0);
        assert_true(c.port->sw.counters.rx_frames > before);
    } while (list_empty(&w->env.held) && ++tries < 100);
    assert_false(list_empty(&w->env.held));
    assert_true(bell_is_wanted(&b));
    client_unplug(&a);
    client_unplug(&b);
    client_unplug(&c);
    fake_frames_drop();
}

/* --- captures ------------------------------------------------------------------------------ */

static void captures_are_cut_and_filtered(void **state)
{
    struct list captures;
    struct ipc_port config = {.snap = 20, .watch = "web"};
    struct capture c;
    struct swport in = {.id = 7, .name = "web"}, other = {.id = 8, .name = "db"};
    struct frame f = fake_frame(port_mac_all, port_mac_a, 60, 5);
    struct frame *out = &f;
    uint8_t bytes[1000];
    struct plug_captured head;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    list_init(&captures);
    capture_init(&c, &config, pair[0]);
    list_append(&captures, &c.link);
    f.tci = 10;
    capture_in(&captures, &other, &f, 1);
    capture_in(&captures, &in, &f, 1);
    assert_int_equal(recv(pair[1], bytes, sizeof bytes, 0), (int)sizeof head + 20);
    memcpy(&head, bytes, sizeof head);
    assert_int_equal(head.port_id, 7);
    assert_string_equal(head.port, "web");
    assert_int_equal(head.frame_size, 60);
    assert_int_equal(head.size, 20);
    assert_int_equal(head.tci, 10);
    assert_int_equal(head.direction, PLUG_IN);
    assert_memory_equal(bytes + sizeof head, f.data, 20);
    assert_int_equal(recv(pair[1], bytes, sizeof bytes, 0), -1);
    capture_out(&captures, &other, &out, 1);
    assert_int_equal(recv(pair[1], bytes, sizeof bytes, 0), -1);
    capture_out(&captures, &in, &out, 1);
    assert_int_equal(recv(pair[1], bytes, sizeof bytes, 0), (int)sizeof head + 20);
    memcpy(&head, bytes, sizeof head);
    assert_int_equal(head.direction, PLUG_OUT);
    for (unsigned i = 0; i < 5000; i++)
        capture_in(&captures, &in, &f, 1);
    assert_true(c.counters.tx_drops[SWPORT_DROP_FULL] > 0);
    assert_int_equal(c.counters.tx_frames + c.counters.tx_drops[SWPORT_DROP_FULL], 5002);
    fake_frames_drop();
    close(pair[0]);
    close(pair[1]);
}

static bool client_must_ring(const struct client *c)
{
    return atomic_load(&c->map.control->dir[RING_TO_DAEMON].rx_sleeping);
}

/* A ring that had something is looked at without a bell for a while, and an answer's way by another
 * ring too; then the clients are asked to ring, and nothing is looked at any more. */
static void hot_rings_are_looked_at(void **state)
{
    struct port_world *w = *state;
    struct client a, b;
    uint32_t serial;

    client_plug(w, &a, 1);
    client_plug(w, &b, 2);
    w->env.patience.span = 3600 * MTIME_SEC;
    client_send(&a, fake_frame(port_mac_all, port_mac_a, 60, 5));
    client_send(&b, fake_frame(port_mac_all, port_mac_b, 60, 6));
    port_world_run(w, &w->fake.n, 2);
    client_read(&a, &serial);
    client_read(&b, &serial);
    assert_false(client_must_ring(&a));
    assert_false(client_must_ring(&b));
    for (uint32_t i = 0; i < 10; i++) {
        client_send(&a, fake_frame(port_mac_b, port_mac_a, 60, i));
        loop_turn(w->loop, 0);
        assert_int_equal(client_read(&b, &serial), 1);
        client_send(&b, fake_frame(port_mac_a, port_mac_b, 60, i));
        loop_turn(w->loop, 0);
        assert_int_equal(client_read(&a, &serial), 1);
        assert_int_equal(serial, i);
    }
    w->env.patience.span = 0;
    loop_turn(w->loop, 0);
    assert_true(client_must_ring(&a) && client_must_ring(&b));
    assert_true(list_empty(&w->env.hot));
    client_unplug(&a);
    client_unplug(&b);
}

/* Looking goes on for longer where the bell came soon after it ended, and for less where it did not. */
static mtime_t looks_after_bell(struct port_world *w, struct client *c, mtime_t since)
{
    for (int turn = 0; turn < PORT_WORLD_TURNS && !client_must_ring(c); turn++)
        loop_turn(w->loop, 0);
    assert_true(client_must_ring(c));
    w->env.hot_since = since;
    client_send(c, fake_frame(port_mac_all, port_mac_a, 60, 1));
    port_world_run(w, &w->fake.n, w->fake.n + 1);
    return w->env.patience.span;
}

static void looking_follows_the_traffic(void **state)
{
    struct port_world *w = *state;
    struct client c;
    mtime_t most = 0, least = 0;

    client_plug(w, &c, 1);
    for (unsigned i = 0; i < 5; i++) /* As if the bell came in no time. */
        most = looks_after_bell(w, &c, mtime_now() + MTIME_SEC);
    assert_true(most > 0);
    for (unsigned i = 0; i < 5; i++)
        least = looks_after_bell(w, &c, 0);
    assert_true(least < most);
    client_unplug(&c);
}

/* The bell's flags are the client's business, and so are one that is full and one closed. */
static void ring_bell_never_blocks(void **state)
{
    struct port_world *w = *state;
    struct client c;
    unsigned sent = 0, woken = 0;
    struct frame f;
    uint32_t serial;
    uint8_t byte;

    client_plug(w, &c, 1);
    port_world_idle(w);
    for (int i = 0; i < 2; i++) {
        int fd = i ? c.bell : c.fds[1];

        assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
    }
    while (send(c.bell, "", 1, MSG_DONTWAIT) == 1)
        sent++;
    assert_true(sent > 0);
    f = fake_frame(port_mac_all, port_mac_a, 60, 5);
    assert_int_equal(ring_put(&c.map.tx, &f), 0);
    (void)ring_publish(&c.map.tx);
    port_world_run(w, &w->fake.n, 1);
    for (uint32_t i = 0; i < 1000; i++) { /* More than the socket takes. */
        atomic_store(&c.map.control->dir[RING_TO_CLIENT].rx_sleeping, 1u);
        port_world_send(w, fake_frame(port_mac_a, port_mac_b, 60, i));
        fake_frames_drop();
    }
    assert_int_equal(client_read(&c, &serial), 1000);
    while (recv(c.bell, &byte, 1, MSG_DONTWAIT) == 1)
        woken++;
    assert_in_range(woken, 1, 999);
    assert_int_equal(w->n_gone, 0);
    close(c.bell);
    c.bell = -1;
    port_world_run(w, &w->n_gone, 1);
    client_unplug(&c);
}

static void wrong_descriptors_are_refused(void **state)
{
    struct port_world *w = *state;
    struct ipc_port config = {.id = 1, .kind = IPC_PORT_TAP};
    struct port *port = NULL;
    int pair[2];

    make_datagram_pair(pair);
    assert_int_equal(port_new(&w->env, &config, pair, 1, &port), -EINVAL);
    assert_int_equal(port_new(&w->env, &config, pair, 0, &port), -EINVAL);
    config.kind = IPC_PORT_RING;
    assert_int_equal(port_new(&w->env, &config, pair, 1, &port), -EINVAL);
    assert_true(port_new(&w->env, &config, pair, 2, &port) < 0);
    assert_null(port);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, port_world_setup, port_world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_keeps_order),
        TEST(vde_both_ways),
        TEST(vde_slow_client),
        TEST(vde_coalesces),
        TEST(rate_is_kept),
        TEST(queues_are_served),
        TEST(vlan_limit_beside_traffic),
        TEST(ring_bell_never_blocks),
        TEST(hot_rings_are_looked_at),
        TEST(looking_follows_the_traffic),
        TEST(ring_both_ways),
        TEST(ring_goes_on),
        TEST(ring_drops_the_malformed_only),
        TEST(ring_that_lies_goes),
        TEST(ring_sender_waits),
        TEST(ring_dead_reader),
        TEST(ring_bell_of_two_senders),
        cmocka_unit_test(captures_are_cut_and_filtered),
        TEST(wrong_descriptors_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
