/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/blocks/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "fabricd/control/view/view.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define SETTLE      (20 * MTIME_MS) /* Lets the changes of a moment come together. */
#define RETRY_AFTER (30 * MTIME_SEC)
#define AT_ONCE     2048u /* Blocks asked for in one go, which is one transaction. */

struct blocks {
    struct control *control;
    struct store_watch watch;
    struct loop_timer run;
    bool asking;
    bool again; /* Something changed meanwhile. */
};

struct wanted {
    char network[VIEW_NAME_SIZE];
    char host[VIEW_NAME_SIZE];
    uint16_t vlan;
};

static bool is_used(const struct control *control, const char *network, uint32_t value)
{
    struct addr a = addr_from_v4(value, 32);

    return view_endpoint_by_addr(control->view, network, &a) != NULL;
}

/* Three quarters of what the host holds are in use. Only for this host: of the anonymous
 * endpoints of others nothing is known here. */
static bool runs_short(const struct control *control, const struct view_block *block)
{
    uint64_t total = 0, used = 0;

    for (size_t i = 0; i < block->n_ranges; i++) {
        for (uint32_t j = 0; j < block->ranges[i].n; j++)
            used += is_used(control, block->network, block->ranges[i].first + j);
        total += block->ranges[i].n;
    }
    return used * 4 > total * 3;
}

static bool wants_block(const struct control *control, const struct view_network *net,
                        uint16_t vlan, const char *host)
{
    const struct view_block *block = view_block(control->view, net->name, vlan, host);
    bool here = strcmp(host, control_host(control)) == 0;

    /* The founder itself takes what it needs when it needs it. */
    if (here && control->id.founder)
        return false;
    return block == NULL || (here && runs_short(control, block));
}

/* The blocks that are wanted; copies, since each change alters the view. */
static size_t gather(struct blocks *blocks, const struct view_network *net,
                     const struct view_host *host, struct wanted *list, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < net->n_plans && n < room; i++) {
        const struct view_plan *plan = &net->plans[i];

        if (plan->v4.family == 0 ||
            !wants_block(blocks->control, net, plan->vlan, host->name))
            continue;
        memcpy(list[n].network, net->name, sizeof(list[n].network));
        memcpy(list[n].host, host->name, sizeof(list[n].host));
        list[n++].vlan = plan->vlan;
    }
    return n;
}

static size_t gather_all(struct blocks *blocks, struct wanted *list, size_t room)
{
    struct control *control = blocks->control;
    size_t n = 0;

    list_for_each (it, &control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);

        if (net->scope != STORE_FABRIC)
            continue;
        list_for_each (jt, &control->view->hosts) {
            const struct view_host *host = list_entry(jt, struct view_host, link);
            bool ours = strcmp(host->name, control_host(control)) == 0;

            if (host->number != 0 && (ours || control->id.founder) &&
                view_network_on(net, host->name))
                n += gather(blocks, net, host, list + n, room - n);
        }
    }
    return n;
}

/* What is left wanting is asked for again in a while: nothing is lost yet, and whoever needs an
 * address is told when there is none. */
static void answered(void *aux, struct change_result *result)
{
    struct blocks *blocks = aux;
    struct control *control = blocks->control;
    struct wanted *left = xcalloc(1, sizeof(*left));

    blocks->asking = false;
    if (result->status >= 400)
        log_debug("no blocks of addresses: %s", result->err.why);
    if (blocks->again)
        blocks_kick(blocks);
    else if (blocks->run.index == 0 && gather_all(blocks, left, 1) > 0)
        loop_timer_set(control->loop, &blocks->run, loop_now(control->loop) + RETRY_AFTER);
    free(left);
}

static void add(struct control *control, struct change *change, const struct wanted *wanted)
{
    struct change_item *item =
        change_add(change, CHANGE_BLOCK, "", wanted->network, wanted->host, NULL);
    const struct view_block *have =
        view_block(control->view, wanted->network, wanted->vlan, wanted->host);

    item->vlan = wanted->vlan;
    item->create_only = have == NULL;
    item->if_revision = have != NULL ? have->revision : 0;
    item->optional = true;
}

static void run(struct loop_timer *timer, mtime_t now)
{
    struct blocks *blocks = list_entry(timer, struct blocks, run);
    struct control *control = blocks->control;
    struct change *change;
    struct wanted *list;
    size_t n;

    (void)now;
    blocks->again = blocks->asking;
    if (blocks->asking || control->id.self.host == 0 ||
        (control_follows(control) && !control->member_ops->founder_reachable(control)))
        return;
    list = xcalloc(AT_ONCE, sizeof(*list));
    n = gather_all(blocks, list, AT_ONCE);
    if (n > 0) {
        change = change_new(control_host(control), "daemon");
        for (size_t i = 0; i < n; i++)
            add(control, change, &list[i]);
        blocks->asking = true;
        change_submit(control, change, answered, blocks);
    }
    free(list);
}

void blocks_kick(struct blocks *blocks)
{
    if (blocks != NULL)
        loop_timer_set(blocks->control->loop, &blocks->run,
                       loop_now(blocks->control->loop) + SETTLE);
}

static void changed(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    static const char *const kinds[] = {"network", "host", "block", "endpoint"};
    struct blocks *blocks = list_entry(watch, struct blocks, watch);

    (void)revision;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            if (strcmp(changes[i].kind, kinds[k]) == 0) {
                blocks_kick(blocks);
                return;
            }
        }
    }
}

struct blocks *blocks_new(struct control *control)
{
    struct blocks *blocks = xcalloc(1, sizeof(*blocks));

    blocks->control = control;
    blocks->run.expired = run;
    blocks->watch.changed = changed;
    store_watch_add(control->store, &blocks->watch);
    return blocks;
}

void blocks_free(struct blocks *blocks)
{
    if (blocks == NULL)
        return;
    loop_timer_set(blocks->control->loop, &blocks->run, MTIME_NEVER);
    store_watch_remove(&blocks->watch);
    free(blocks);
}
