/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Own ports whose interface goes down again and again are held as links are (proto/base/damping.h), where a bridge
 * was heard behind them: the tree uses them only where there is no other way. The port of an end station
 * changes no tree when it comes and goes, and forwards whenever it is up.
 */
#include "fabricd/tree/tree_internal.h"

static void arm(struct tree *t)
{
    t->held_until = MTIME_NEVER;
    for (unsigned i = 0; t->n_held && i < t->room; i++) {
        if (t->ports[i] && t->ports[i]->held)
            t->held_until = mtime_min(t->held_until, t->ports[i]->damping.until);
    }
}

static void set(struct tree *t, struct tree_port *p, bool held)
{
    if (p->held != held)
        t->n_held += held ? 1u : -1u;
    p->held = held;
    arm(t);
}

void hold_look(struct tree *t, struct tree_port *p, mtime_t now)
{
    if (p->held || p->is_link || !p->alive || !p->heard || !damping_held(&p->damping, now))
        return;
    set(t, p, true);
    if (t->rstp)
        t->ops->event(t->aux, p->sw, TREE_EVENT_HELD, 0);
}

void hold_note(struct tree *t, struct tree_port *p, mtime_t now)
{
    if (p->alive) {
        (void)damping_back(&p->damping, now);
        hold_look(t, p, now);
    } else {
        damping_lost(&p->damping, now);
        hold_forget(t, p);
    }
}

void hold_forget(struct tree *t, struct tree_port *p)
{
    set(t, p, false);
}

void hold_run(struct tree *t, mtime_t now)
{
    for (unsigned i = 0; now >= t->held_until && i < t->room; i++) {
        struct tree_port *p = t->ports[i];

        if (!p || !p->held || damping_held(&p->damping, now))
            continue;
        set(t, p, false);
        tree_update(t, p, now);
        if (t->rstp)
            t->ops->event(t->aux, p->sw, TREE_EVENT_RELEASED, 0);
    }
}
