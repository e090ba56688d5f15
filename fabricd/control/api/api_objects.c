/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects of the model: list, get, put, patch, delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/media.h"
#include "fabricd/control/api/routes.h"
#include "fabricd/control/fabric/carried.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/xalloc.h"

static const struct kind *kind_of(const struct api_request *rq)
{
    return schema_kind(rq->parts[1]);
}

static const char *network_of(const struct api_request *rq)
{
    return rq->n_parts == 4 ? rq->parts[2] : NULL;
}

static const char *name_of(const struct api_request *rq)
{
    return rq->parts[rq->n_parts - 1];
}

static void not_found(struct api_request *rq)
{
    const struct kind *kind = kind_of(rq);
    struct err err = {.why = ""};
    const char *network = network_of(rq);

    snprintf(err.why, sizeof(err.why), "there is no %s %s%s%s", kind->name,
             network != NULL ? network : "", network != NULL ? "/" : "", name_of(rq));
    snprintf(err.hint, sizeof(err.hint), "iothctl %s ls",
             strcmp(kind->name, "network") == 0 ? "net" : kind->name);
    api_problem_err(rq, 404, &err, NULL);
}

static void answer_list(void *aux, const struct stats *stats)
{
    struct api_request *rq = aux;

    api_answer_page(rq, shape_all(rq, kind_of(rq), api_query(rq, "network"), stats));
}

static void answer_one(void *aux, const struct stats *stats)
{
    struct api_request *rq = aux;
    struct node *one = shape_one(rq, kind_of(rq), network_of(rq), name_of(rq), stats);

    if (one != NULL)
        api_answer_node(rq, 200, one);
    else
        not_found(rq);
}

static void with_stats(struct api_request *rq, observe_stats_fn *answer)
{
    static const struct stats none = {.complete = true};
    const struct kind *kind = kind_of(rq);
    uint32_t needs = shape_needs(kind);

    if (!rq->full && !kind->in_network && strcmp(kind->name, "network") != 0)
        api_problem(rq, 403, "only the daemon's owner, root and group ioth may see that");
    else if (needs != 0)
        observe_stats(rq->control->observe, 0, needs, answer, rq);
    else
        answer(rq, &none);
}

void api_list(struct api_request *rq)
{
    const char *network = api_query(rq, "network");

    if (network != NULL &&
        (view_network(rq->control->view, network) == NULL || !shape_visible(rq, network))) {
        struct err err = {.why = ""};

        snprintf(err.why, sizeof(err.why), "there is no network %s", network);
        err_hint(&err, "iothctl net ls");
        api_problem_err(rq, 404, &err, NULL);
        return;
    }
    with_stats(rq, answer_list);
}

void api_get(struct api_request *rq)
{
    with_stats(rq, answer_one);
}

/* --- changes ------------------------------------------------------------------------------- */

/* The answer waits until the data path has followed. */
struct waiting {
    struct api_request *rq;
    struct change_result result;
};

static void followed(void *aux)
{
    struct waiting *waiting = aux;

    api_answer_result(waiting->rq, &waiting->result);
    change_result_done(&waiting->result);
    free(waiting);
}

/* A port is another host's matter to carry out. */
static void settled(void *aux)
{
    struct waiting *waiting = aux;
    const struct node *value = waiting->result.value;
    const struct kind *kind = kind_of(waiting->rq);
    struct control *control = waiting->rq->control;
    const char *host = node_get_text(value, "host", "");
    int64_t revision = node_get_int(value, "revision", 0);

    if (kind == NULL || strcmp(kind->name, "port") != 0 || revision <= 0 ||
        host[0] == '\0' || strcmp(host, control_host(control)) == 0)
        followed(waiting);
    else
        carried_there(control, host, (uint64_t)revision, followed, waiting);
}

static void changed(void *aux, struct change_result *result)
{
    struct api_request *rq = aux;
    struct waiting *waiting;

    if (result->status >= 400) {
        api_answer_result(rq, result);
        return;
    }
    waiting = xcalloc(1, sizeof(*waiting));
    waiting->rq = rq;
    change_result_init(&waiting->result);
    waiting->result.status = result->status;
    waiting->result.value = result->value;
    result->value = NULL;
    reconcile_settle(rq->control->reconcile, settled, waiting);
}

bool api_if_match(struct api_request *rq, uint64_t *revision, bool *any)
{
    *revision = 0;
    *any = false;
    if (rq->if_match == NULL || etag_parse(rq->if_match, revision, any))
        return true;
    api_problem(rq, 400, "If-Match wants one revision in quotes, or *");
    return false;
}

/* If-Match: "REVISION" (or without quotes), "*" = it exists; If-None-Match: * = it does not. False:
 * answered. */
static bool take_conditions(struct api_request *rq, struct change_item *item)
{
    bool any;

    item->create_only = rq->if_none_match != NULL;
    if (item->create_only && strcmp(rq->if_none_match, "*") != 0) {
        api_problem(rq, 400, "If-None-Match takes nothing but * for a change");
        return false;
    }
    if (!api_if_match(rq, &item->if_revision, &any))
        return false;
    item->update_only = any || item->if_revision != 0;
    return true;
}

/* A body that was read with GET comes back with what names the object: it must agree. */
static bool name_agrees(struct api_request *rq, const struct node *body)
{
    const char *name = node_get_text(body, "name", name_of(rq));
    const char *network = node_get_text(body, "network", network_of(rq));

    if (strcmp(name, name_of(rq)) != 0) {
        api_problem(rq, 400, "the body is of %s, the path of %s", name, name_of(rq));
        return false;
    }
    if (network != NULL && network_of(rq) != NULL && strcmp(network, network_of(rq)) != 0) {
        api_problem(rq, 400, "the body is of network %s, the path of %s", network,
                    network_of(rq));
        return false;
    }
    return true;
}

void api_submit(struct api_request *rq, struct change *change)
{
    change_submit(rq->control, change, changed, rq);
}

static void submit(struct api_request *rq, enum change_verb verb)
{
    struct node *body = NULL;
    struct change *change;
    struct change_item *item;

    if (verb != CHANGE_DELETE) {
        body = api_body(rq);
        if (body == NULL)
            return;
        if (!name_agrees(rq, body)) {
            node_free(body);
            return;
        }
    }
    change = api_change(rq, "cli");
    item = change_add(change, verb, kind_of(rq)->name, network_of(rq), name_of(rq), body);
    if (take_conditions(rq, item))
        api_submit(rq, change);
    else
        change_free(change);
}

void api_put(struct api_request *rq)
{
    submit(rq, CHANGE_PUT);
}

void api_patch(struct api_request *rq)
{
    submit(rq, CHANGE_PATCH);
}

void api_delete(struct api_request *rq)
{
    submit(rq, CHANGE_DELETE);
}
