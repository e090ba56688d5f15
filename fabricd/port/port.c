/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/port/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool poll_rings(void *aux)
{
    return ring_poll(aux);
}

int port_env_init(struct port_env *env, struct loop *loop)
{
    *env = (struct port_env){.loop = loop};
    list_init(&env->held);
    list_init(&env->hot);
    loop_set_poll(loop, poll_rings, env);
    /* Pages that no driver has read into cost nothing. */
    env->arena = aligned_alloc(64, (PORT_ARENA_SIZE + 63u) / 64u * 64u);
    return env->arena ? 0 : -ENOMEM;
}

void port_env_done(struct port_env *env)
{
    loop_set_poll(env->loop, NULL, NULL);
    free(env->arena);
    env->arena = NULL;
}

void port_init(struct port *p, struct port_env *env, const struct ipc_port *config,
               const struct port_ops *ops, const struct swport_ops *sw_ops)
{
    p->ops = ops;
    p->env = env;
    p->sw.ops = sw_ops;
    p->sw.id = config->id;
    p->sw.set = config->set;
    p->sw.max_frame = FRAME_SIZE_MAX;
    p->sw.pinned = config->pinned;
    p->sw.station = config->station;
    memcpy(p->sw.pin_mac, config->pin_mac, sizeof p->sw.pin_mac);
    p->sw.n_pin_addrs = config->n_pins;
    for (unsigned i = 0; i < config->n_pins; i++) {
        p->sw.pin_addrs[i].family = config->pins[i].family;
        memcpy(p->sw.pin_addrs[i].addr, config->pins[i].addr, 16);
    }
}

void port_note_down(struct port *p, bool down)
{
    if (p->is_down == down)
        return;
    p->is_down = down;
    if (p->env->changed)
        p->env->changed(p->env->aux, p);
}

void port_gone(struct port *p)
{
    if (p->is_gone)
        return;
    p->is_gone = true;
    p->env->gone(p->env->aux, p);
}

static int driver_new(struct port_env *env, const struct ipc_port *config, const int *fds,
                      unsigned n_fds, struct port **out)
{
    switch ((enum ipc_port_kind)config->kind) {
    case IPC_PORT_TAP:
        return n_fds >= 1 ? tap_new(env, config, fds[0], out) : -EINVAL;
    case IPC_PORT_VDE:
        return n_fds >= 1 ? vde_new(env, config, fds[0], out) : -EINVAL;
    case IPC_PORT_RING:
        return n_fds >= 2 ? ring_new(env, config, fds, out) : -EINVAL;
    case IPC_PORT_STREAM:
        return n_fds >= 1 ? stream_new(env, config, fds[0], out) : -EINVAL;
    case IPC_PORT_RAW:
        return n_fds >= 1 ? raw_new(env, config, fds[0], out) : -EINVAL;
    case IPC_PORT_CAPTURE:
        break; /* No port of a switch: fabricd/port/capture.h. */
    }
    return -EINVAL;
}

int port_new(struct port_env *env, const struct ipc_port *config, const int *fds,
             unsigned n_fds, struct port **out)
{
    struct port *p;
    int code = driver_new(env, config, fds, n_fds, &p);

    if (code < 0)
        return code;
    if (config->rate) {
        p->shaper = shaper_new(p, config->rate);
        if (!p->shaper) {
            port_free(p);
            return -ENOMEM;
        }
    }
    port_follow_settings(p);
    *out = p;
    return 0;
}

void port_count(struct port *p)
{
    if (p->ops->count)
        p->ops->count(p);
}

void port_follow_settings(struct port *p)
{
    vlan_shaper_follow(p);
}

void port_free(struct port *p)
{
    if (!p)
        return;
    switch_remove_port(&p->sw);
    vlan_shaper_free(p->vlan_shaper);
    shaper_free(p->shaper);
    p->ops->free(p);
}
