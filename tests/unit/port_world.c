/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/port_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

const uint8_t port_mac_a[6] = {2, 0, 0, 0, 0, 1};
const uint8_t port_mac_b[6] = {2, 0, 0, 0, 0, 2};
const uint8_t port_mac_all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void count_gone(void *aux, struct port *port)
{
    struct port_world *w = aux;

    (void)port;
    w->n_gone++;
}

int port_world_setup(void **state)
{
    static struct port_world w;
    const struct switch_config config = {.mtu = 9216};

    memset(&w, 0, sizeof w);
    w.loop = loop_new();
    w.sw = switch_new(&config);
    if (!w.loop || !w.sw || port_env_init(&w.env, w.loop) < 0)
        return -1;
    w.env.gone = count_gone;
    w.env.aux = &w;
    fake_port_init(&w.fake, 99, 0, false);
    switch_add_port(w.sw, &w.fake.sw);
    *state = &w;
    return 0;
}

int port_world_teardown(void **state)
{
    struct port_world *w = *state;

    switch_remove_port(&w->fake.sw);
    fake_port_clear(&w->fake);
    fake_frames_drop();
    switch_free(w->sw);
    port_env_done(&w->env);
    loop_free(w->loop);
    return 0;
}

struct port *port_world_add(struct port_world *w, uint32_t id, enum ipc_port_kind kind,
                            const int *fds, unsigned n_fds)
{
    struct ipc_port config = {.id = id, .kind = (uint8_t)kind, .caps = FRAME_CAP_ALL};
    struct port *port = NULL;

    assert_int_equal(port_new(&w->env, &config, fds, n_fds, &port), 0);
    switch_add_port(w->sw, &port->sw);
    return port;
}

void port_world_run(struct port_world *w, const unsigned *count, unsigned want)
{
    for (int i = 0; i < PORT_WORLD_TURNS && *count < want; i++)
        loop_turn(w->loop, mtime_now() + MTIME_MS);
    assert_int_equal(*count, want);
}

void port_world_idle(struct port_world *w)
{
    for (int i = 0; i < 20; i++)
        loop_turn(w->loop, 0);
}

void port_world_send(struct port_world *w, struct frame f)
{
    switch_input(&w->fake.sw, &f, 1, 0);
}
