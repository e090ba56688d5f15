/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An endpoint whose home has come here from another host tells its neighbours: in its name, by
 * gratuitous ARP and unsolicited neighbour advertisements, several times, since one may be lost.
 * Its MAC is the one that it had; what has to learn are the bridges behind the ports.
 */
#include <stdlib.h>
#include <string.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/xalloc.h"
#include "proto/wire/announce.h"

#define TIMES      4u
#define WAIT_STEP  (50 * MTIME_MS) /* For its port to come, … */
#define WAIT_STEPS 1200u           /* … so often. */

struct dp_announce {
    struct list link;
    struct dataplane *dp;
    struct loop_timer timer;
    uint64_t net;
    uint8_t mac[6];
    unsigned said, waited;
};

static void drop(struct dp_announce *a)
{
    loop_timer_set(a->dp->loop, &a->timer, MTIME_NEVER);
    list_remove(&a->link);
    a->dp->n_announces--;
    free(a);
}

static struct port *port_of(const struct dp_announce *a)
{
    list_for_each (it, &a->dp->ports) {
        struct dp_port *port = list_entry(it, struct dp_port, link);

        if (port->config.net == a->net && port->config.pinned && port->driver &&
            memcmp(port->config.pin_mac, a->mac, sizeof a->mac) == 0 &&
            port->driver->sw.state == SWPORT_FORWARDING)
            return port->driver;
    }
    return NULL;
}

static void say(struct port *port, mtime_t now)
{
    struct swport *sw = &port->sw;

    for (unsigned i = 0; i < sw->n_pin_addrs; i++) {
        uint8_t room[FRAME_HEADROOM + ANNOUNCE_NA_SIZE];
        struct frame f = {.data = room + FRAME_HEADROOM, .size = ANNOUNCE_ARP_SIZE};

        if (sw->pin_addrs[i].family == 4) {
            announce_arp(f.data, sw->pin_mac, sw->pin_addrs[i].addr);
        } else {
            announce_na(f.data, sw->pin_mac, sw->pin_addrs[i].addr);
            f.size = ANNOUNCE_NA_SIZE;
        }
        switch_input(sw, &f, 1, now);
    }
}

static void expired(struct loop_timer *timer, mtime_t now)
{
    static const mtime_t pauses[TIMES] = {20 * MTIME_MS, 200 * MTIME_MS, 1 * MTIME_SEC, 0};
    struct dp_announce *a = list_entry(timer, struct dp_announce, timer);
    struct port *port = port_of(a);

    if (!port) {
        if (a->said || ++a->waited > WAIT_STEPS)
            drop(a);
        else
            loop_timer_set(a->dp->loop, timer, now + WAIT_STEP);
        return;
    }
    say(port, now);
    if (++a->said == TIMES)
        drop(a);
    else
        loop_timer_set(a->dp->loop, timer, now + pauses[a->said - 1]);
}

void dp_announce(struct dataplane *dp, uint64_t net, const uint8_t mac[6])
{
    struct dp_announce *a = NULL;

    list_for_each (it, &dp->announces) {
        struct dp_announce *other = list_entry(it, struct dp_announce, link);

        if (other->net == net && memcmp(other->mac, mac, sizeof other->mac) == 0)
            a = other;
    }
    if (!a) {
        if (dp->n_announces == DP_ANNOUNCES_MAX)
            drop(list_entry(list_first(&dp->announces), struct dp_announce, link));
        a = xcalloc(1, sizeof *a);
        a->dp = dp;
        a->net = net;
        memcpy(a->mac, mac, sizeof a->mac);
        a->timer.expired = expired;
        list_append(&dp->announces, &a->link);
        dp->n_announces++;
    }
    a->said = a->waited = 0;
    loop_timer_set(dp->loop, &a->timer, loop_now(dp->loop));
}

void dp_announce_free(struct dataplane *dp)
{
    while (!list_empty(&dp->announces))
        drop(list_entry(list_first(&dp->announces), struct dp_announce, link));
}
