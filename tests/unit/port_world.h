/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A switch with a fake port and the environment of drivers: where drivers are tested. */
#ifndef TESTS_UNIT_PORT_WORLD_H
#define TESTS_UNIT_PORT_WORLD_H

#include "fabricd/port/port.h"
#include "tests/unit/switch_ports.h"

#define PORT_WORLD_TURNS 4000 /* Of the loop, before a test gives up. */

struct port_world {
    struct loop *loop;
    struct port_env env;
    struct switch_ *sw;
    struct fake_port fake; /* In the switch as well. */
    unsigned n_gone;       /* Ports whose other side went. */
};

extern const uint8_t port_mac_a[6], port_mac_b[6], port_mac_all[6];

/* For cmocka; *state is the world. */
int port_world_setup(void **state);
int port_world_teardown(void **state);

/* A port of that kind, in the switch; to be freed by port_free(). */
struct port *port_world_add(struct port_world *, uint32_t id, enum ipc_port_kind,
                            const int *fds, unsigned n_fds);

/* Turns the loop until `*count` has reached `want`; a while without waiting. */
void port_world_run(struct port_world *, const unsigned *count, unsigned want);
void port_world_idle(struct port_world *);

/* A frame comes in by the fake port. */
void port_world_send(struct port_world *, struct frame);

#endif
