/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/homes/homes.h"

#include <stdlib.h>
#include <string.h>

#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/view/view.h"
#include "proto/base/xalloc.h"

#define PAGE (sizeof(((struct ipc_homes *)NULL)->homes) / sizeof(struct ipc_home))

struct told {
    uint64_t net;
    struct ipc_home home;
};

struct homes_teller {
    struct control *control;
    struct store_watch watch;
    struct loop_timer run;
    struct told *told; /* What the switch knows, in order. */
    size_t n;
    bool again; /* It knows nothing for sure. */
};

/* --- what should be ------------------------------------------------------------------------- */

static int by_mac(const void *a, const void *b)
{
    const struct told *x = a, *y = b;

    if (x->net != y->net)
        return x->net < y->net ? -1 : 1;
    return memcmp(x->home.mac, y->home.mac, sizeof(x->home.mac));
}

static bool wanted_home(const struct control *control, const struct view_endpoint *ep,
                        struct told *out)
{
    const struct view_network *net =
        view_network_in(control->view, STORE_FABRIC, ep->network);
    const struct view_host *host = view_host(control->view, ep->host);

    if (ep->scope != STORE_FABRIC || (!ep->held && ep->epoch < 2) || net == NULL ||
        host == NULL || host->number == 0 || !view_network_on(net, control_host(control)))
        return false;
    *out = (struct told){.net = net->id};
    memcpy(out->home.mac, ep->mac, sizeof(out->home.mac));
    out->home.vlan = ep->vlan;
    for (; out->home.n_addrs < ep->n_addrs; out->home.n_addrs++) {
        struct ipc_pin *addr = &out->home.addrs[out->home.n_addrs];

        addr->family = ep->addrs[out->home.n_addrs].family;
        memcpy(addr->addr, ep->addrs[out->home.n_addrs].bytes, sizeof(addr->addr));
    }
    if (host->number != control->id.self.host)
        out->home.host = host->number;
    return true;
}

static size_t gather(const struct control *control, struct told **out)
{
    struct told *list = xcalloc(control->view->n_endpoints, sizeof(*list));
    size_t n = 0;

    list_for_each (it, &control->view->endpoints) {
        if (n < control->view->n_endpoints &&
            wanted_home(control, list_entry(it, struct view_endpoint, link), &list[n]))
            n++;
    }
    if (n > 1)
        qsort(list, n, sizeof(*list), by_mac);
    *out = list;
    return n;
}

/* --- what is said --------------------------------------------------------------------------- */

struct saying {
    struct homes_teller *teller;
    struct ipc_homes page;
};

static void flush(struct saying *s)
{
    struct ipc_homes *page = &s->page;

    if (page->n > 0 || page->begin || page->end)
        chan_send(&s->teller->control->switch_, IPC_HOMES, page, NULL, 0);
    *page = (struct ipc_homes){.net = page->net};
}

static void say(struct saying *s, uint64_t net, const struct ipc_home *home)
{
    if (s->page.net != net || s->page.n == PAGE) {
        flush(s);
        s->page.net = net;
    }
    s->page.homes[s->page.n++] = *home;
}

static void say_differences(struct saying *s, const struct told *list, size_t n)
{
    const struct homes_teller *t = s->teller;
    size_t i = 0, k = 0;

    while (i < n || k < t->n) {
        int order = i == n ? 1 : k == t->n ? -1 : by_mac(&list[i], &t->told[k]);

        if (order > 0) {
            struct ipc_home gone = t->told[k].home;

            gone.gone = 1;
            say(s, t->told[k].net, &gone);
        } else if (order < 0 ||
                   memcmp(&list[i].home, &t->told[k].home, sizeof(list[i].home)) != 0) {
            say(s, list[i].net, &list[i].home);
        }
        i += order <= 0;
        k += order >= 0;
    }
    flush(s);
}

/* Every network anew, those without homes too. */
static void say_all(struct saying *s, const struct told *list, size_t n)
{
    list_for_each (it, &s->teller->control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);

        if (net->scope != STORE_FABRIC ||
            !view_network_on(net, control_host(s->teller->control)))
            continue;
        s->page = (struct ipc_homes){.net = net->id, .begin = 1};
        for (size_t i = 0; i < n; i++) {
            if (list[i].net == net->id)
                say(s, net->id, &list[i].home);
        }
        s->page.end = 1;
        flush(s);
    }
}

static void run(struct loop_timer *timer, mtime_t now)
{
    struct homes_teller *t = list_entry(timer, struct homes_teller, run);
    struct saying s = {.teller = t};
    struct told *list;
    size_t n;

    (void)now;
    if (!reconcile_ready(t->control->reconcile) || !chan_up(&t->control->switch_))
        return;
    n = gather(t->control, &list);
    if (t->again)
        say_all(&s, list, n);
    else
        say_differences(&s, list, n);
    t->again = false;
    free(t->told);
    t->told = list;
    t->n = n;
}

/* --- life ----------------------------------------------------------------------------------- */

static void soon(struct homes_teller *t)
{
    loop_timer_set(t->control->loop, &t->run, loop_now(t->control->loop));
}

static void committed(struct store_watch *watch, uint64_t revision,
                      const struct store_object *changes, size_t n)
{
    (void)revision;
    (void)changes;
    (void)n;
    soon(list_entry(watch, struct homes_teller, watch));
}

void homes_teller_again(struct homes_teller *t)
{
    if (t == NULL)
        return;
    t->again = true;
    soon(t);
}

struct homes_teller *homes_teller_new(struct control *control)
{
    struct homes_teller *t = xcalloc(1, sizeof(*t));

    t->control = control;
    t->again = true;
    t->run.expired = run;
    t->watch.changed = committed;
    store_watch_add(control->store, &t->watch);
    return t;
}

void homes_teller_free(struct homes_teller *t)
{
    if (t == NULL)
        return;
    loop_timer_set(t->control->loop, &t->run, MTIME_NEVER);
    store_watch_remove(&t->watch);
    free(t->told);
    free(t);
}
