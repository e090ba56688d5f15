/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services wait for, when all items of a change are in: so a file may have them in any order. */
#include <errno.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "proto/base/xalloc.h"

#define CHAIN_MAX 64 /* Services of which each waits for the next. */

static const char *const keys[] = {"requires", "after"};

struct chains {
    struct work *work;
    struct map length; /* By service: &lengths[of the longest chain from it]. */
};

static char lengths[CHAIN_MAX + 1], under_way;

/* Wrong with the key of the service. */
static int refuse(struct work *work, const char *name, const char *key)
{
    work_place(work, xasprintf("services.%s.%s", name, key));
    return -EINVAL;
}

static struct node *service(struct work *work, const char *name)
{
    struct node *body = work_get(work, STORE_FABRIC, "service", "", name, NULL);

    return body != NULL ? body : work_get(work, STORE_LOCAL, "service", "", name, NULL);
}

/* The length of the longest chain that begins at the service, which is `depth` services into one; or the result
 * is filled in and -errno returned. */
static int follow(struct chains *c, const char *name, int depth)
{
    const char *known = map_get(&c->length, name);
    struct node *body;
    int longest = 0;

    if (known == &under_way) {
        change_fail(c->work->result, 400,
                    "service %s would wait for itself (after, requires)", name);
        return refuse(c->work, name, keys[1]);
    }
    if (known != NULL)
        return (int)(known - lengths);
    body = service(c->work, name);
    map_put(&c->length, name, &under_way);
    for (size_t k = 0; body != NULL && longest >= 0 && k < 2; k++) {
        const struct node *list = node_get(body, keys[k]);

        for (size_t i = 0; list != NULL && longest >= 0 && i < list->n; i++) {
            int r = depth < CHAIN_MAX ? follow(c, list->child[i]->text, depth + 1) + 1
                                      : CHAIN_MAX + 1;

            longest = r <= 0 ? -EINVAL : r > longest ? r : longest;
        }
    }
    node_free(body);
    if (longest > CHAIN_MAX) {
        change_fail(c->work->result, 400,
                    "service %s waits for more than %d others in a row (after, requires)",
                    name, CHAIN_MAX);
        return refuse(c->work, name, keys[1]);
    }
    if (longest >= 0)
        map_put(&c->length, name, &lengths[longest]);
    return longest;
}

static int check_required(struct work *work, const char *name, const struct node *body)
{
    const struct node *list = node_get(body, "requires");

    for (size_t i = 0; list != NULL && i < list->n; i++) {
        const char *other = list->child[i]->text;
        struct node *its = service(work, other);

        if (its == NULL) {
            change_fail(work->result, 400,
                        "service %s requires %s, and there is no such service", name,
                        other);
            err_hint(&work->result->err, "iothctl service ls");
            return refuse(work, name, "requires");
        }
        node_free(its);
    }
    return 0;
}

/* What the services that stay require, each with one of those that do. */
static void find_required(struct work *work, struct map *required)
{
    list_for_each (it, &work->control->view->services) {
        struct view_service *other = list_entry(it, struct view_service, link);
        struct node *body = service(work, other->name);
        const struct node *list = body != NULL ? node_get(body, "requires") : NULL;

        for (size_t i = 0; list != NULL && i < list->n; i++)
            map_put(required, list->child[i]->text, other->name);
        node_free(body);
    }
}

static int check_gone(struct work *work, const char *name, const struct map *required)
{
    const char *other = map_get(required, name);

    if (other == NULL)
        return 0;
    change_fail(work->result, 409, "service %s requires service %s", other, name);
    err_hint(&work->result->err, "iothctl service rm %s %s", other, name);
    return -EBUSY;
}

/* What a move changes has nothing to do with others. */
static bool is_move(const struct work *work)
{
    return work->change->n > 0 && work->change->items[0].verb == CHANGE_MOVE;
}

int check_services(struct work *work)
{
    struct chains chains = {.work = work};
    struct map required = {.n = 0};
    bool looked = false;
    int r = 0;

    list_for_each (it, &work->pending) {
        const struct pending *p = list_entry(it, struct pending, link);

        if (r < 0 || is_move(work))
            break;
        if (strcmp(p->kind, "service") != 0)
            continue;
        if (p->body == NULL && !looked)
            find_required(work, &required);
        looked = looked || p->body == NULL;
        r = p->body == NULL ? check_gone(work, p->name, &required)
                            : check_required(work, p->name, p->body);
        if (r == 0)
            r = follow(&chains, p->name, 0);
        r = r > 0 ? 0 : r;
    }
    map_clear(&chains.length);
    map_clear(&required);
    return r;
}
