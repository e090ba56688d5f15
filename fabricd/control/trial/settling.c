/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/trial/settling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/trial/standing.h"
#include "fabricd/control/trial/touched.h"
#include "proto/base/xalloc.h"
#include "proto/rstp/rstp.h"

#define ASK_FIRST (20 * MTIME_MS)  /* So long after an answer it is asked again, */
#define ASK_MOST  (200 * MTIME_MS) /* and after twice as long each time, up to this. */

struct settling {
    struct control *control;
    struct loop_timer again;
    mtime_t wait;
    bool asking;
    uint64_t asked_runs; /* Of the reconciler when the question went out, */
    uint64_t known_runs; /* and when that went out which was answered last; 0 = none was. */
    struct sync_seen_tree *tree;
    uint16_t n;
};

bool settling_is_known(const struct settling *s)
{
    return s == NULL || !chan_up(&s->control->parent) ||
           (s->known_runs != 0 && s->known_runs == reconcile_runs(s->control->reconcile));
}

/* --- asking -------------------------------------------------------------------------------- */

static bool forwards_by_tree(const struct control *control, uint64_t id)
{
    const struct view_network *net = view_network_by_id(control->view, id);

    return net != NULL &&
           strcmp(node_get_text(net->body, "forwarding", "direct"), "tree") == 0;
}

static int by_net(const void *a, const void *b)
{
    const struct sync_seen_tree *x = a, *y = b;

    return x->net < y->net ? -1 : x->net > y->net;
}

/* Those that others have to agree with, and those that have not settled. */
static void take(struct settling *s, const struct stats *stats)
{
    free(s->tree);
    s->tree = xcalloc(stats->n_trees, sizeof(*s->tree));
    s->n = 0;
    for (size_t i = 0; i < stats->n_trees && s->n < SYNC_SEEN_TREES; i++) {
        const struct ipc_stats_tree *from = &stats->trees[i];
        bool by_tree = forwards_by_tree(s->control, from->net);
        struct sync_seen_tree *tree = &s->tree[s->n];

        if (!by_tree && from->unsettled[0] == '\0')
            continue;
        tree->net = from->net;
        tree->root = by_tree ? from->root : 0;
        tree->learning = from->unsettled_state == RSTP_LEARNING;
        memcpy(tree->port, from->unsettled,
               strnlen(from->unsettled, sizeof(tree->port) - 1));
        s->n++;
    }
    qsort(s->tree, s->n, sizeof(*s->tree), by_net);
}

static void answered(void *aux, const struct stats *stats)
{
    struct settling *s = aux;
    struct control *control = s->control;

    s->asking = false;
    if (stats->complete) {
        take(s, stats);
        s->known_runs = s->asked_runs;
    }
    loop_timer_set(control->loop, &s->again, loop_now(control->loop) + s->wait);
    s->wait = mtime_min(s->wait * 2, ASK_MOST);
    standing_noticed(control->standing);
    if (control->member_ops != NULL && control->member_ops->noticed != NULL)
        control->member_ops->noticed(control);
}

static void ask(struct settling *s)
{
    s->asking = true;
    s->asked_runs = reconcile_runs(s->control->reconcile);
    loop_timer_set(s->control->loop, &s->again, MTIME_NEVER);
    observe_stats_anew(s->control->observe, IPC_STATS_TREES, answered, s);
}

void settling_kick(struct settling *s)
{
    if (s == NULL || s->asking || !standing_is_verified(s->control) ||
        !reconcile_steady(s->control->reconcile) || settling_is_known(s))
        return;
    s->wait = ASK_FIRST;
    ask(s);
}

static void again(struct loop_timer *timer, mtime_t now)
{
    struct settling *s = list_entry(timer, struct settling, again);

    if (s->asking || !standing_is_verified(s->control))
        return;
    if (reconcile_steady(s->control->reconcile))
        ask(s);
    else
        loop_timer_set(s->control->loop, timer, now + s->wait);
}

struct sync_seen_tree *settling_own(const struct settling *s, uint16_t *n)
{
    struct sync_seen_tree *copy;

    *n = s != NULL ? s->n : 0;
    copy = xcalloc(*n, sizeof(*copy));
    if (*n > 0)
        memcpy(copy, s->tree, *n * sizeof(*copy));
    return copy;
}

/* --- judging ------------------------------------------------------------------------------- */

struct trees {
    const struct sync_seen_tree *tree;
    uint16_t n;
};

static struct trees trees_of(const struct control *control, const struct view_host *host)
{
    const struct sync_seen *seen;

    if (host->number == control->id.self.host)
        return control->settling != NULL
                   ? (struct trees){control->settling->tree, control->settling->n}
                   : (struct trees){NULL, 0};
    seen = seen_of(control->seen, host->number);
    return seen != NULL ? (struct trees){seen->tree, seen->n_trees}
                        : (struct trees){NULL, 0};
}

static const struct sync_seen_tree *find(struct trees trees, uint64_t net)
{
    struct sync_seen_tree key = {.net = net};

    return trees.n > 0 ? bsearch(&key, trees.tree, trees.n, sizeof(key), by_net) : NULL;
}

/* A host with a link to this one that believes in another root; or NULL. */
static const struct view_host *disagrees(const struct control *control,
                                         const struct view_host *host,
                                         const struct sync_seen_tree *tree)
{
    list_for_each (it, &control->view->hosts) {
        const struct view_host *other = list_entry(it, struct view_host, link);
        const struct sync_seen_tree *theirs;

        if (other->number == 0 || other == host)
            continue;
        theirs = find(trees_of(control, other), tree->net);
        if (theirs != NULL && theirs->root != 0 && theirs->root != tree->root &&
            seen_pair(control, host->number, other->number, NULL) == SEEN_UP)
            return other;
    }
    return NULL;
}

void settling_waits(const struct control *control, const struct map *touched,
                    const struct view_host *host, char *out, size_t size)
{
    struct trees trees = trees_of(control, host);

    out[0] = '\0';
    for (uint16_t i = 0; i < trees.n && out[0] == '\0'; i++) {
        const struct sync_seen_tree *tree = &trees.tree[i];
        const struct view_network *net = view_network_by_id(control->view, tree->net);
        const struct view_host *other;

        if (net == NULL || !touched_has(touched, "network", "", net->name))
            continue;
        if (tree->port[0] != '\0') {
            snprintf(out, size, "network %s: tree not settled on host %s: port %s is %s",
                     net->name, host->name, tree->port,
                     rstp_state_name(tree->learning ? RSTP_LEARNING : RSTP_DISCARDING));
            continue;
        }
        other = tree->root != 0 ? disagrees(control, host, tree) : NULL;
        if (other != NULL)
            snprintf(
                out, size,
                "network %s: tree not settled on host %s: its root is not that of host %s",
                net->name, host->name, other->name);
    }
}

/* --- life ---------------------------------------------------------------------------------- */

struct settling *settling_new(struct control *control)
{
    struct settling *s = xcalloc(1, sizeof(*s));

    s->control = control;
    s->again.expired = again;
    return s;
}

void settling_free(struct settling *s)
{
    if (s == NULL)
        return;
    loop_timer_set(s->control->loop, &s->again, MTIME_NEVER);
    free(s->tree);
    free(s);
}
