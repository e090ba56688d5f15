/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/reconcile/heard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/context.h"
#include "fabricd/control/store/store.h"
#include "fabricd/control/view/view.h"
#include "fabricd/ipc/ipc.h"
#include "proto/base/list.h"
#include "proto/base/log.h"
#include "proto/base/map.h"
#include "proto/base/xalloc.h"

#define KIND     "heard"
#define KEY_SIZE (17 + IPC_NAME_SIZE)

struct heard {
    struct control *control;
    struct map ports; /* By key; the value is this. */
    struct store_watch watch;
    struct loop_timer sweep; /* Due when a port may have gone. */
};

static const char *key_of(uint64_t net, const char *port, char out[KEY_SIZE])
{
    snprintf(out, KEY_SIZE, "%016" PRIx64 "/%s", net, port);
    return out;
}

static bool is_here(const struct control *control, uint64_t net, const char *port)
{
    const struct view_network *of = view_network_by_id(control->view, net);
    const struct view_port *p =
        of != NULL ? view_port(control->view, of->name, port) : NULL;

    return p != NULL &&
           strcmp(node_get_text(p->body, "host", ""), control_host(control)) == 0;
}

static struct store_op op_of(enum store_verb verb, const char *key)
{
    return (struct store_op){.verb = verb,
                             .scope = STORE_LOCAL,
                             .kind = KIND,
                             .network = "",
                             .name = key,
                             .expect = STORE_ANY,
                             .owner = "daemon",
                             .body = verb == STORE_PUT ? "{}" : NULL};
}

bool heard_at(const struct heard *h, uint64_t net, const char *port)
{
    char key[KEY_SIZE];

    return map_get(&h->ports, key_of(net, port, key)) != NULL;
}

void heard_note(struct heard *h, uint64_t net, const char *port)
{
    char key[KEY_SIZE];
    struct store_op op = op_of(STORE_PUT, key_of(net, port, key));
    struct err err = {.why = ""};

    if (map_get(&h->ports, key) != NULL || !is_here(h->control, net, port))
        return;
    map_put(&h->ports, key, h);
    if (store_commit(h->control->store, &op, 1, NULL, NULL, &err) < 0)
        log_warn("that a bridge is at port %s cannot be noted: %s", port, err.why);
}

/* --- ports that have gone --------------------------------------------------------------------- */

struct stale {
    const struct control *control;
    struct store_op *ops;
    size_t n, room;
};

static int find_stale(void *aux, const struct store_object *object)
{
    struct stale *s = aux;
    char *end;
    uint64_t net = strtoull(object->name, &end, 16);

    if (*end == '/' && is_here(s->control, net, end + 1))
        return 0;
    if (s->n == s->room) {
        s->room = 2 * s->room + 16;
        s->ops = xrealloc(s->ops, s->room * sizeof(*s->ops));
    }
    s->ops[s->n++] = op_of(STORE_DELETE, xstrdup(object->name));
    return 0;
}

static void swept(struct loop_timer *timer, mtime_t now)
{
    struct heard *h = list_entry(timer, struct heard, sweep);
    struct stale s = {.control = h->control};
    struct err err = {.why = ""};

    (void)now;
    if (store_each(h->control->store, STORE_LOCAL, KIND, "", find_stale, &s) == 0 &&
        s.n > 0 && store_commit(h->control->store, s.ops, s.n, NULL, NULL, &err) < 0)
        log_warn("where bridges were heard cannot be forgotten: %s", err.why);
    for (size_t i = 0; i < s.n; i++) {
        map_remove(&h->ports, s.ops[i].name);
        free((void *)(uintptr_t)s.ops[i].name);
    }
    free(s.ops);
}

static void changed(struct store_watch *watch, uint64_t revision,
                    const struct store_object *changes, size_t n)
{
    struct heard *h = list_entry(watch, struct heard, watch);

    (void)revision;
    for (size_t i = 0; h->ports.n > 0 && i < n; i++) {
        if (strcmp(changes[i].kind, "port") == 0 || strcmp(changes[i].kind, "network") == 0)
            loop_timer_set(h->control->loop, &h->sweep, loop_now(h->control->loop));
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static int load(void *aux, const struct store_object *object)
{
    struct heard *h = aux;

    map_put(&h->ports, object->name, h);
    return 0;
}

struct heard *heard_new(struct control *control)
{
    struct heard *h = xcalloc(1, sizeof(*h));

    h->control = control;
    h->sweep.expired = swept;
    h->watch.changed = changed;
    if (store_each(control->store, STORE_LOCAL, KIND, "", load, h) < 0)
        log_warn("where bridges were heard cannot be read");
    store_watch_add(control->store, &h->watch);
    return h;
}

void heard_free(struct heard *h)
{
    if (h == NULL)
        return;
    store_watch_remove(&h->watch);
    loop_timer_set(h->control->loop, &h->sweep, MTIME_NEVER);
    map_clear(&h->ports);
    free(h);
}
