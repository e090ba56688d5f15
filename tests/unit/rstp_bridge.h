/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One RSTP engine whose effects are written down, and what its neighbours say to it. */
#ifndef TESTS_UNIT_RSTP_BRIDGE_H
#define TESTS_UNIT_RSTP_BRIDGE_H

#include "proto/rstp/rstp.h"

#define BRIDGE_PORTS RSTP_PORTS_MAX

/* Our bridge; the neighbour's identifier may be better or worse. */
#define OUR_ID 0x8000020000000005u
#define BETTER 0x1000020000000001u
#define WORSE  0xf000020000000009u

struct bridge {
    struct rstp *rstp;
    mtime_t now;
    unsigned n_sent[BRIDGE_PORTS + 1];
    struct bpdu sent[BRIDGE_PORTS + 1]; /* The last one. */
    enum rstp_state state[BRIDGE_PORTS + 1];
    unsigned n_flushes[BRIDGE_PORTS + 1];
    unsigned n_events[RSTP_EVENT_LOOPED + 1];
};

/* `ports` ports, numbered from 1, with links up, point-to-point, not edge ports. */
void bridge_init(struct bridge *, unsigned ports);
void bridge_done(struct bridge *);

/* As bridge_init(), settings changed by the caller. */
void bridge_init_with(struct bridge *, const struct rstp_bridge_config *, unsigned ports,
                      const struct rstp_port_config *);

void bridge_link(struct bridge *, unsigned port, bool up);
void bridge_wait(struct bridge *, mtime_t);
struct rstp_port_status bridge_port(const struct bridge *, unsigned port);
struct rstp_status bridge_status(const struct bridge *);

/* A RST BPDU of a designated port 0x8001 of bridge `id`, which is the root at no cost. */
struct bpdu bridge_says(uint64_t id);
void bridge_hears(struct bridge *, unsigned port, const struct bpdu *);

#endif
