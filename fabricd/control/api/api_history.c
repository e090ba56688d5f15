/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an apply proves itself, the history, and the way back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/trial/standing.h"

/* A time of the query in milliseconds, 0 without one. False: answered. */
static bool take_time(struct api_request *rq, const char *key, int64_t most, int64_t *out)
{
    const char *text = api_query(rq, key);

    *out = 0;
    if (text == NULL)
        return true;
    if (schema_parse_time(text, out) && *out > 0 && *out <= most)
        return true;
    api_problem(rq, 400, "\"%.40s\" is no time for %s (1ms to %llds)", text, key,
                (long long)(most / 1000));
    return false;
}

bool api_terms(struct api_request *rq, struct change *change)
{
    const char *require = api_query(rq, "require");
    bool any;

    change->dry_run = api_query_flag(rq, "dry_run");
    change->prune = api_query_flag(rq, "prune");
    change->allow_destroy = api_query_flag(rq, "allow_destroy");
    if (require != NULL && !trial_require_parse(require, &change->terms.require)) {
        api_problem(rq, 400, "\"%.40s\" says not which hosts (all, quorum, reachable)",
                    require);
        return false;
    }
    return take_time(rq, "within", CHANGE_WITHIN_MAX, &change->terms.within_ms) &&
           take_time(rq, "confirm", CHANGE_CONFIRM_MAX, &change->terms.confirm_ms) &&
           api_if_match(rq, &change->items[0].if_revision, &any);
}

static void answered(void *aux, struct change_result *result)
{
    api_answer_result(aux, result);
}

void api_rollback(struct api_request *rq)
{
    struct node *body = api_body(rq);
    struct change *change;

    if (body == NULL)
        return;
    if (node_get_int(body, "revision", 0) <= 0) {
        api_problem(rq, 400, "a revision to go back to is wanted ({\"revision\": 12})");
        node_free(body);
        return;
    }
    change = api_change(rq, "cli");
    change_add(change, CHANGE_ROLLBACK, NULL, NULL, NULL, body);
    if (api_terms(rq, change))
        api_submit_plan(rq, change);
    else
        change_free(change);
}

void api_accept(struct api_request *rq)
{
    struct change *change = api_change(rq, "cli");

    change_add(change, CHANGE_ACCEPT, NULL, NULL, NULL, NULL);
    change_submit(rq->control, change, answered, rq);
}

void api_standing(struct api_request *rq)
{
    struct node *shown = standing_show(rq->control);

    if (shown != NULL)
        api_answer_node(rq, 200, shown);
    else
        api_problem(rq, 404, "no apply is being proved");
}

/* A number of the query or the path into the map. False: answered. */
static bool take_number(struct api_request *rq, const char *key, const char *text,
                        struct node *out)
{
    char *end;
    long long value;

    if (text == NULL)
        return true;
    value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || value <= 0) {
        api_problem(rq, 400, "\"%.40s\" is no number for %s", text, key);
        return false;
    }
    node_set_int(out, key, value);
    return true;
}

void api_history(struct api_request *rq)
{
    struct node *asked = node_map();
    struct change *change;

    if (!take_number(rq, "revision", rq->n_parts == 3 ? rq->parts[2] : NULL, asked) ||
        !take_number(rq, "before", api_query(rq, "before"), asked) ||
        !take_number(rq, "limit", api_query(rq, "limit"), asked)) {
        node_free(asked);
        return;
    }
    change = api_change(rq, "cli");
    change_add(change, CHANGE_HISTORY, NULL, NULL, NULL, asked);
    change_submit(rq->control, change, answered, rq);
}
