/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loop probes: every own port sends one when it begins to forward, and on every second whole second of
 * the clock; an older port answers a younger one at once, so that a port that closes a loop is
 * blocked within a round trip.
 */
#include "fabricd/tree/tree_internal.h"

#define ANSWER_EVERY (100 * MTIME_MS)

static struct loop_probe probe_of(const struct tree *t, const struct tree_port *p,
                                  unsigned number)
{
    return (struct loop_probe){.network = t->config.network,
                               .host = t->config.host,
                               .port = (uint16_t)number,
                               .since = p->config.since};
}

void probe_send(struct tree *t, const struct tree_port *p, unsigned number)
{
    uint8_t room[FRAME_HEADROOM + LOOP_PROBE_FRAME_SIZE];
    struct loop_probe probe = probe_of(t, p, number);
    struct frame f = {.data = room + FRAME_HEADROOM, .size = LOOP_PROBE_FRAME_SIZE};

    if (p->is_link || p->sw->station || p->state != RSTP_FORWARDING ||
        p->config.rstp.bpdu_filter)
        return;
    loop_probe_write(t->config.mac, &probe, f.data);
    switch_send(p->sw, &f);
}

/* One port alone hears nobody, unless other hosts are there. */
void probe_arm(struct tree *t, mtime_t now)
{
    bool wanted = t->rstp && t->n_own > 0 && t->n_own + t->n_links > 1;

    if (!wanted)
        t->probe_at = MTIME_NEVER;
    else if (t->probe_at == MTIME_NEVER)
        t->probe_at = now - now % TREE_PROBE_EVERY + TREE_PROBE_EVERY;
}

static bool has_link(const struct tree *t, uint16_t host)
{
    for (unsigned i = 0; i < t->room; i++) {
        if (t->ports[i] && t->ports[i]->is_link && t->ports[i]->host == host)
            return true;
    }
    return false;
}

/* Whether frames come from there to the port by another way than the one that the probe took, of which
 * the tree knows nothing. */
static bool is_loop(const struct tree *t, const struct tree_port *p, uint16_t host)
{
    if (host == t->config.host || t->config.links)
        return !p->heard;
    return has_link(t, host);
}

void probe_input(struct tree *t, struct tree_port *p, unsigned number,
                 const struct loop_probe *heard, mtime_t now)
{
    struct loop_probe own = probe_of(t, p, number);

    if (heard->network != own.network || p->state != RSTP_FORWARDING ||
        (heard->host == own.host && heard->port == own.port) || !is_loop(t, p, heard->host))
        return;
    if (!loop_probe_younger(&own, heard)) {
        if (now - p->answered >= ANSWER_EVERY) {
            p->answered = now;
            probe_send(t, p, number);
        }
        return;
    }
    p->blocked_until = now + TREE_PROBE_LOST;
    p->blocked_by = heard->host;
    if (p->blocked)
        return;
    p->blocked = true;
    tree_apply_state(t, p);
    switch_flush_port(p->sw);
    t->ops->event(t->aux, p->sw, TREE_EVENT_PROBE_BLOCKED, heard->host);
}

mtime_t probe_deadline(const struct tree *t)
{
    return t->probe_at;
}

static void release(struct tree *t, struct tree_port *p)
{
    p->blocked = false;
    tree_apply_state(t, p);
    t->ops->event(t->aux, p->sw, TREE_EVENT_PROBE_FREED, p->blocked_by);
}

void probe_leave_to_tree(struct tree *t, struct tree_port *p)
{
    if (p->blocked && !is_loop(t, p, p->blocked_by))
        release(t, p);
}

void probe_run(struct tree *t, mtime_t now)
{
    if (now < t->probe_at)
        return;
    t->probe_at = now - now % TREE_PROBE_EVERY + TREE_PROBE_EVERY;
    for (unsigned i = 0; i < t->room; i++) {
        struct tree_port *p = t->ports[i];

        if (!p || p->is_link)
            continue;
        if (p->blocked && now >= p->blocked_until)
            release(t, p);
        probe_send(t, p, i + 1);
    }
}
