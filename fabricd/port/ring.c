/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shared-memory ring of a fast client. Frames are copied out of it before they are looked
 * at, since the client can change them at any time.
 *
 * Waiting, three ways:
 * - A ring that had something is hot: the process looks at all hot rings, yields the processor, and looks
 *   again, for as long as that has lately been worth it; then it announces its sleep to their clients and waits
 *   for the doorbells. An answer comes by another ring than the question, so it must be all of them.
 * - A client whose frame goes to a ring without room is held back: its frames stay in its own
 *   ring until the other one has room or HOLD_TIME is over. Then the destination counts as
 *   stuck, and what it has no room for is dropped, until it has taken something.
 * - The doorbell is a socketpair: a byte comes where the other side sleeps. Not an eventfd or a
 *   pipe: those share flags or a lock with the client, who could make us wait. An unfinished turn
 *   goes on in the next one, after the others.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fabricd/port/port.h"
#include "libioth/plug/ringmap.h"
#include "proto/ring/ring.h"
#include "proto/wire/vnet.h"

#define HOLD_TIME   (2 * MTIME_MS)
#define TURN_BURSTS 8u
#define HOT_LOOKS   8u /* At the rings, for each one at the descriptors. */

struct ring {
    struct port port;
    struct loop_watch bell;  /* Rung by the client, and by us to wake it. */
    struct loop_timer again; /* The turn is not finished. */
    struct ringmap map;
    struct list hot_link;  /* In env->hot. */
    bool stuck;            /* The client took nothing for HOLD_TIME. */
    struct list held_link; /* In env->held while its sender is held back. */
    struct ring *held_for; /* The ring without room. */
    struct loop_timer held_until;
};

static void ring_turn(struct ring *ring);

static struct ring *ring_of(struct port *p)
{
    return list_entry(p, struct ring, port);
}

static struct ring *ring_of_swport(struct swport *sw)
{
    return ring_of(port_of_swport(sw));
}

static void ring_bell(const struct ring *ring)
{
    /* A bell that cannot be rung is one that is already ringing. */
    (void)!send(ring->bell.fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void drain_bell(const struct ring *ring)
{
    uint8_t rung[512];

    (void)!recv(ring->bell.fd, rung, sizeof rung, MSG_DONTWAIT);
}

/* After the others had their turn. */
static void go_on_later(struct ring *ring)
{
    loop_timer_set(ring->port.env->loop, &ring->again, loop_now(ring->port.env->loop));
}

static bool is_held(const struct ring *ring)
{
    return ring->held_for != NULL;
}

static void release_hold(struct ring *ring)
{
    loop_timer_set(ring->port.env->loop, &ring->held_until, MTIME_NEVER);
    list_remove(&ring->held_link);
    ring->held_for = NULL;
}

/* Lets those go on that waited for `full`. */
static void wake_senders(struct ring *full)
{
    struct port_env *env = full->port.env;
    struct list ready;

    list_init(&ready);
    list_for_each_safe (it, &env->held) {
        struct ring *held = list_entry(it, struct ring, held_link);

        if (held->held_for == full) {
            release_hold(held);
            list_append(&ready, &held->held_link);
        }
    }
    while (!list_empty(&ready)) {
        struct ring *held = list_entry(ready.next, struct ring, held_link);

        list_remove(&held->held_link);
        ring_turn(held);
    }
}

static void hold_expired(struct loop_timer *timer, mtime_t now)
{
    struct ring *ring = list_entry(timer, struct ring, held_until);

    (void)now;
    ring->held_for->stuck = true;
    ring_tx_wake(&ring->held_for->map.tx);
    wake_senders(ring->held_for);
}

/* Is another one held back until `full` has room? */
static bool is_awaited(const struct ring *full)
{
    list_for_each (it, &full->port.env->held) {
        if (list_entry(it, struct ring, held_link)->held_for == full)
            return true;
    }
    return false;
}

static void hold(struct ring *ring, struct ring *full)
{
    struct port_env *env = ring->port.env;

    ring->held_for = full;
    list_append(&env->held, &ring->held_link);
    loop_timer_set(env->loop, &ring->held_until, loop_now_fresh(env->loop) + HOLD_TIME);
}

/* Gives n checked frames to the switch. Returns how many it took; fewer where the rest has to
 * wait for *full. */
static unsigned input(struct ring *ring, struct frame *frames, unsigned n,
                      struct ring **full)
{
    struct port_env *env = ring->port.env;
    struct swport *blocked;
    unsigned taken;

    taken = switch_input_held(&ring->port.sw, frames, n, loop_now(env->loop), &blocked);
    *full = blocked ? ring_of_swport(blocked) : NULL;
    return taken;
}

static bool is_sound(struct frame *f)
{
    if (!f->gso && !f->flags)
        return f->size >= FRAME_SIZE_MIN && f->size <= FRAME_SIZE_MAX;
    return frame_check(f) == 0;
}

/* Takes one burst of n frames to the switch, but for the malformed ones. Returns how many were
 * dealt with. */
static unsigned forward(struct ring *ring, unsigned n, struct ring **full)
{
    struct frame *frames = ring->port.env->frames;
    unsigned done = 0;

    *full = NULL;
    while (done < n && !*full) {
        unsigned good = done;

        while (good < n && is_sound(&frames[good])) {
            frames[good].tci = 0;
            good++;
        }
        if (good > done) {
            done += input(ring, frames + done, good - done, full);
            continue;
        }
        port_count_malformed(&ring->port, frames[done].size);
        done++;
    }
    return done;
}

enum turn { TURN_MORE, TURN_EMPTY, TURN_HELD, TURN_GONE };

static enum turn read_burst(struct ring *ring)
{
    struct port_env *env = ring->port.env;
    struct ring *full;
    size_t used;
    unsigned done;
    int n = ring_get(&ring->map.rx, env->arena, PORT_ARENA_SIZE, &used, env->frames,
                     FRAME_BURST);

    if (n < 0) {
        port_gone(&ring->port);
        return TURN_GONE;
    }
    if (n == 0)
        return TURN_EMPTY;
    done = forward(ring, (unsigned)n, &full);
    ring_unget(&ring->map.rx, (unsigned)n - done);
    if (ring_release(&ring->map.rx))
        ring_bell(ring);
    if (!full)
        return TURN_MORE;
    /* Last look before waiting: the client may have made room meanwhile. Others who were held back before still
     * wait for its bell, which it may be about to ring. */
    if (!ring_tx_sleep(&full->map.tx, FRAME_SUPER_MAX)) {
        if (!is_awaited(full))
            ring_tx_wake(&full->map.tx);
        return TURN_MORE;
    }
    hold(ring, full);
    return TURN_HELD;
}

static void ring_turn(struct ring *ring)
{
    ring_rx_wake(&ring->map.rx);
    for (unsigned i = 0; i < TURN_BURSTS; i++) {
        switch (read_burst(ring)) {
        case TURN_MORE:
            continue;
        case TURN_HELD:
        case TURN_GONE:
            return;
        case TURN_EMPTY:
            if (list_empty(&ring->hot_link))
                list_append(&ring->port.env->hot, &ring->hot_link);
            return;
        }
    }
    go_on_later(ring);
}

/* --- hot rings ----------------------------------------------------------------------------- */

static bool look_at_hot(struct port_env *env)
{
    bool found = false;

    list_for_each_safe (it, &env->hot) {
        struct ring *ring = list_entry(it, struct ring, hot_link);

        if (is_held(ring) || ring->port.is_gone || !ring_ready(&ring->map.rx))
            continue;
        if (!found)
            env->hot_since = loop_now_fresh(env->loop);
        found = true;
        ring_turn(ring);
    }
    return found;
}

/* Their clients ring from now on. Returns false if something has come meanwhile. */
static bool cool_down(struct port_env *env)
{
    bool quiet = true;
    struct list cooling;

    list_init(&cooling);
    list_for_each_safe (it, &env->hot) {
        list_remove(it);
        list_append(&cooling, it);
    }
    while (!list_empty(&cooling)) {
        struct ring *ring = list_entry(cooling.next, struct ring, hot_link);

        list_remove(&ring->hot_link);
        if (is_held(ring) || ring->port.is_gone || ring_rx_sleep(&ring->map.rx))
            continue;
        quiet = false;
        ring_turn(ring);
    }
    return quiet;
}

bool ring_poll(struct port_env *env)
{
    mtime_t now, before;

    if (list_empty(&env->hot))
        return false;
    now = mtime_now();
    for (unsigned i = 0; i < HOT_LOOKS; i++) {
        if (look_at_hot(env)) {
            now = env->hot_since;
            continue;
        }
        if (!patience_lasts(&env->patience, env->hot_since, now))
            return !cool_down(env);
        before = now;
        sched_yield();
        now = mtime_now();
        patience_yielded(&env->patience, before, now);
    }
    return true;
}

/* Somebody rang: was it so soon that it would have been better to look for longer, or not? */
static void learn_from_bell(struct port_env *env)
{
    mtime_t now = loop_now(env->loop);

    patience_learn(&env->patience, now - env->hot_since);
    env->hot_since = now;
}

static void turn_again(struct loop_timer *timer, mtime_t now)
{
    struct ring *ring = list_entry(timer, struct ring, again);

    (void)now;
    if (!is_held(ring) && !ring->port.is_gone)
        ring_turn(ring);
}

static void bell_rung(struct loop_watch *w, uint32_t events)
{
    struct ring *ring = list_entry(w, struct ring, bell);

    if (events & (EPOLLHUP | EPOLLERR)) {
        port_gone(&ring->port);
        return;
    }
    drain_bell(ring);
    if (list_empty(&ring->port.env->hot))
        learn_from_bell(ring->port.env);
    ring_tx_wake(&ring->map.tx);
    wake_senders(ring);
    if (!is_held(ring) && !ring->port.is_gone)
        ring_turn(ring);
}

static size_t ring_room_bytes(struct swport *sw)
{
    struct ring *ring = ring_of_swport(sw);
    size_t room = (size_t)ring_room(&ring->map.tx, 0) * RING_RECORD_HEAD;

    if (ring->stuck && room < ring->map.ring_size / 2)
        return SIZE_MAX;
    ring->stuck = false;
    return room;
}

static uint32_t largest(struct frame *const *frames, unsigned n)
{
    uint32_t size = 0;

    for (unsigned i = 0; i < n; i++)
        size = frames[i]->size > size ? frames[i]->size : size;
    return size;
}

static void ring_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct ring *ring = ring_of_swport(sw);

    if (ring->map.tx.calm >= RING_LOW && n > 0)
        ring_rewind(&ring->map.tx, n, largest(frames, n));
    for (unsigned i = 0; i < n; i++) {
        int code = ring_put(&ring->map.tx, frames[i]);

        if (code == 0)
            port_count_sent(&ring->port, frames[i]);
        else
            sw->counters.tx_drops[code == -ENOBUFS ? SWPORT_DROP_FULL : SWPORT_DROP_IO]++;
        if (code == -EPROTO)
            port_gone(&ring->port);
    }
    if (ring_publish(&ring->map.tx))
        ring_bell(ring);
}

static void ring_free(struct port *p)
{
    struct ring *ring = ring_of(p);

    wake_senders(ring);
    if (is_held(ring))
        release_hold(ring);
    list_remove(&ring->hot_link);
    loop_timer_set(p->env->loop, &ring->again, MTIME_NEVER);
    loop_remove(p->env->loop, &ring->bell);
    ringmap_done(&ring->map);
    free(ring);
}

static int attach(struct ring *ring, const int fds[2])
{
    int code = ringmap_attach(&ring->map, fds[0], RINGMAP_DAEMON);

    if (code == 0)
        code = loop_add(ring->port.env->loop, &ring->bell, fds[1], EPOLLIN);
    return code;
}

int ring_new(struct port_env *env, const struct ipc_port *config, const int fds[2],
             struct port **out)
{
    static const struct port_ops ops = {.free = ring_free};
    static const struct swport_ops sw_ops = {
        .send = ring_send, .room = ring_room_bytes, .takes_rest = true};
    struct ring *ring = calloc(1, sizeof *ring);
    int code;

    if (!ring)
        return -ENOMEM;
    port_init(&ring->port, env, config, &ops, &sw_ops);
    ring->port.sw.caps = (uint8_t)(config->caps & FRAME_CAP_ALL);
    ring->bell.ready = bell_rung;
    ring->held_until.expired = hold_expired;
    ring->again.expired = turn_again;
    list_init(&ring->held_link);
    list_init(&ring->hot_link);
    code = attach(ring, fds);
    if (code < 0) {
        loop_remove(env->loop, &ring->bell);
        ringmap_done(&ring->map);
        free(ring);
        return code;
    }
    /* What the client put there before we came, or before our predecessor went. */
    go_on_later(ring);
    *out = &ring->port;
    return 0;
}
