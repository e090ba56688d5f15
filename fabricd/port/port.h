/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port drivers: what stands between a switch and a TAP device, a VDE client, a shared-memory
 * ring, a stream of QEMU's, a physical interface or a capture. A driver borrows its descriptors;
 * whoever made the port closes them after port_free(). All drivers of the process read into one
 * arena, so that the bytes of a burst are still in the cache when they are written out.
 *
 * Each turn of a driver is bounded (PORT_TURN_BURSTS), so that no port keeps the others waiting.
 */
#ifndef FABRICD_PORT_PORT_H
#define FABRICD_PORT_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "fabricd/ipc/ipc.h"
#include "fabricd/port/carrier.h"
#include "fabricd/port/shaper.h"
#include "fabricd/port/vlan_shaper.h"
#include "fabricd/switch/switch.h"
#include "proto/base/loop.h"
#include "proto/base/patience.h"
#include "proto/wire/frame.h"

#define PORT_TURN_BURSTS 4u
/* Room for FRAME_BURST plain frames of the largest size, which is that of nine superframes. */
#define PORT_ARENA_SIZE (FRAME_BURST * (FRAME_SIZE_MAX + FRAME_HEADROOM + 14u))

struct port;

/* What the drivers of one process share. */
struct port_env {
    struct loop *loop;
    uint8_t *arena; /* [PORT_ARENA_SIZE], cache-aligned. */
    struct frame frames[FRAME_BURST];
    struct list held; /* Rings whose sender waits for another ring. */
    /* Rings that are looked at without being rung for (ring.c). */
    struct list hot;
    mtime_t hot_since; /* When one of them last had something. */
    struct patience patience;
    /* The other side of the port went or broke the rules. A leaf call: the port must be freed
     * later, not inside. Called at most once per port. */
    void (*gone)(void *aux, struct port *);
    /* port->is_down changed: the interface at the other side was set down or up. A leaf call, from
     * inside a send, too. NULL = nobody asks. */
    void (*changed)(void *aux, struct port *);
    void *aux;
    struct carrier *carrier; /* NULL = nobody tells of interfaces. */
};

struct port_ops {
    void (*free)(struct port *);
    /* Adds to the counters what the kernel has counted meanwhile; NULL = nothing. */
    void (*count)(struct port *);
};

struct port {
    struct swport sw; /* First: a swport of a driver is its port. */
    const struct port_ops *ops;
    struct port_env *env;
    struct shaper *shaper;           /* NULL = no rate limit. */
    struct vlan_shaper *vlan_shaper; /* NULL = no VLAN has one. */
    void *owner;                     /* The caller's. */
    bool is_gone;
    bool is_down; /* What is sent is lost: the interface at the other side is down. */
};

int port_env_init(struct port_env *, struct loop *) __attribute__((warn_unused_result));
void port_env_done(struct port_env *);

/*
 * Makes the driver of a port and starts it; frames flow once its swport is in a switch. fds as
 * ipc.h says for the kind; each stays the caller's. Returns 0 or -errno (-EINVAL: descriptors
 * that are not what the kind asks for).
 */
int port_new(struct port_env *, const struct ipc_port *, const int *fds, unsigned n_fds,
             struct port **out) __attribute__((warn_unused_result));

/* What was lost is counted in the port's counters up to now. */
void port_count(struct port *);

/* The port's swport has other settings: those that concern its driver take effect. */
void port_follow_settings(struct port *);

/* Takes the port out of its switch and ends the driver. Accepts NULL. */
void port_free(struct port *);

/* --- for the drivers ---------------------------------------------------------------------- */

/* Fills in what all kinds have in common. */
void port_init(struct port *, struct port_env *, const struct ipc_port *,
               const struct port_ops *, const struct swport_ops *);

/* Tells the environment, once. */
void port_gone(struct port *);

/* The interface at the other side went down, or came up: tells the environment if that is news. */
void port_note_down(struct port *, bool down);

static inline struct port *port_of_swport(struct swport *sw)
{
    return list_entry(sw, struct port, sw);
}

static inline void port_count_sent(struct port *p, const struct frame *f)
{
    p->sw.counters.tx_frames++;
    p->sw.counters.tx_bytes += f->size;
}

static inline void port_count_malformed(struct port *p, uint32_t size)
{
    p->sw.counters.rx_frames++;
    p->sw.counters.rx_bytes += size;
    p->sw.counters.rx_drops[SWPORT_DROP_MALFORMED]++;
}

int tap_new(struct port_env *, const struct ipc_port *, int fd, struct port **out);
int vde_new(struct port_env *, const struct ipc_port *, int data_fd, struct port **out);
int ring_new(struct port_env *, const struct ipc_port *, const int fds[2],
             struct port **out);
/* Looks at the hot rings; true while there are any. The loop's poll. */
bool ring_poll(struct port_env *);
int stream_new(struct port_env *, const struct ipc_port *, int fd, struct port **out);
int raw_new(struct port_env *, const struct ipc_port *, int fd, struct port **out);

#endif
