/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver of QEMU's stream ports, with its client in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/wire/bytes.h"
#include "tests/unit/port_world.h"

struct client {
    struct port *port;
    int pair[2];
};

static struct client client_of(struct port_world *w)
{
    struct client c;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, c.pair), 0);
    c.port = port_world_add(w, 1, IPC_PORT_STREAM, c.pair, 1);
    return c;
}

static void client_end(struct client *c)
{
    port_free(c->port);
    close(c->pair[0]);
    close(c->pair[1]);
}

/* A frame as it stands in the stream; returns its bytes. */
static size_t put_frame(uint8_t *out, uint32_t size, uint32_t serial)
{
    struct frame f = fake_frame(port_mac_all, port_mac_a, size, serial);

    store_be32(out, size);
    memcpy(out + 4, f.data, size);
    fake_frames_drop();
    return 4 + size;
}

static void frames_in_pieces_of_any_size(void **state)
{
    static const uint32_t sizes[] = {60, 18, 9234, 1514, 64, 9000, 60};
    static uint8_t stream[32 * 1024];
    struct port_world *w = *state;

    for (size_t piece = 1; piece < 12000; piece = piece < 8 ? piece + 1 : piece * 7) {
        struct client c = client_of(w);
        size_t size = 0;

        for (uint32_t i = 0; i < 7; i++)
            size += put_frame(stream + size, sizes[i], i);
        for (size_t at = 0; at < size; at += piece) {
            size_t n = size - at < piece ? size - at : piece;

            assert_int_equal(send(c.pair[1], stream + at, n, 0), n);
            loop_turn(w->loop, 0);
        }
        port_world_run(w, &w->fake.n, 7);
        for (uint32_t i = 0; i < 7; i++) {
            assert_int_equal(w->fake.got[i].meta.size, sizes[i]);
            assert_int_equal(fake_serial(&w->fake.got[i]), i);
        }
        assert_int_equal(c.port->sw.counters.rx_frames, 7);
        fake_port_clear(&w->fake);
        client_end(&c);
    }
    assert_int_equal(w->n_gone, 0);
}

static void many_small_frames_in_one_read(void **state)
{
    static uint8_t stream[64 * 1024];
    struct port_world *w = *state;
    struct client c = client_of(w);
    size_t size = 0;

    for (uint32_t i = 0; i < 400; i++)
        size += put_frame(stream + size, 60, i);
    assert_int_equal(send(c.pair[1], stream, size, 0), size);
    port_world_run(w, &w->fake.n, 400);
    for (uint32_t i = 0; i < 400; i++)
        assert_int_equal(fake_serial(&w->fake.got[i]), i);
    client_end(&c);
}

/* Frames that are too short or too long are passed over; the stream goes on behind them. */
static void odd_sizes_are_passed_over(void **state)
{
    static uint8_t stream[80 * 1024];
    struct port_world *w = *state;
    struct client c = client_of(w);
    size_t size = 0;

    store_be32(stream, 0);
    size = 4;
    size += put_frame(stream + size, 60, 1);
    store_be32(stream + size, 13);
    size += 4 + 13;
    store_be32(stream + size, 30000);
    size += 4 + 30000;
    size += put_frame(stream + size, 60, 2);
    assert_int_equal(send(c.pair[1], stream, size, 0), size);
    port_world_run(w, &w->fake.n, 2);
    assert_int_equal(fake_serial(&w->fake.got[1]), 2);
    assert_int_equal(c.port->sw.counters.rx_drops[SWPORT_DROP_MALFORMED], 3);
    assert_int_equal(w->n_gone, 0);
    client_end(&c);
}

static void something_else_ends_the_port(void **state)
{
    struct port_world *w = *state;
    struct client c = client_of(w);

    assert_int_equal(send(c.pair[1], "GET / HTTP/1.1\r\n", 16, 0), 16);
    port_world_run(w, &w->n_gone, 1);
    client_end(&c);
    w->n_gone = 0;
    c = client_of(w);
    close(c.pair[1]);
    port_world_run(w, &w->n_gone, 1);
    port_free(c.port);
    close(c.pair[0]);
}

/* Reads all that the client is sent; every frame is whole, and in order. Returns how many. */
static uint32_t read_frames(struct port_world *w, int fd, uint32_t frame_size)
{
    static uint8_t got[4 * 1024 * 1024];
    size_t size = 0, at = 0;
    uint32_t n = 0, serial, last = 0;

    for (int idle = 0; idle < 50;) {
        ssize_t k =
            recv(fd, got + size, sizeof got - size < 1000 ? sizeof got - size : 1000, 0);

        if (k > 0) {
            size += (size_t)k;
            idle = 0;
        } else {
            loop_turn(w->loop, 0);
            idle++;
        }
    }
    for (; at < size; at += 4 + frame_size, n++) {
        assert_int_equal(load_be32(got + at), frame_size);
        memcpy(&serial, got + at + 4 + 14, sizeof serial);
        assert_true(n == 0 || serial > last);
        last = serial;
    }
    assert_int_equal(at, size);
    return n;
}

static void slow_client_gets_whole_frames(void **state)
{
    struct port_world *w = *state;
    struct client c = client_of(w);
    int buffer = 4096; /* So that vectors are cut anywhere. */
    uint32_t n;

    assert_int_equal(setsockopt(c.pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer),
                     0);
    for (uint32_t i = 0; i < 500; i++) {
        port_world_send(w, fake_frame(port_mac_all, port_mac_b, 1501, i));
        fake_frames_drop();
    }
    assert_true(c.port->sw.counters.tx_drops[SWPORT_DROP_FULL] > 0);
    n = read_frames(w, c.pair[1], 1501);
    assert_true(n > 100);
    assert_int_equal(n, c.port->sw.counters.tx_frames);
    assert_int_equal(n + c.port->sw.counters.tx_drops[SWPORT_DROP_FULL], 500);
    client_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_in_pieces_of_any_size, port_world_setup,
                                        port_world_teardown),
        cmocka_unit_test_setup_teardown(many_small_frames_in_one_read, port_world_setup,
                                        port_world_teardown),
        cmocka_unit_test_setup_teardown(odd_sizes_are_passed_over, port_world_setup,
                                        port_world_teardown),
        cmocka_unit_test_setup_teardown(something_else_ends_the_port, port_world_setup,
                                        port_world_teardown),
        cmocka_unit_test_setup_teardown(slow_client_gets_whole_frames, port_world_setup,
                                        port_world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
