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
    char limit[24];

    *out = 0;
    if (text == NULL || (schema_parse_time(text, out) && *out <= most))
        return true;
    schema_print_time(most, limit);
    api_problem(rq, 400, "%s is at most %s, not %.40s", key, limit, text);
    return false;
}

bool api_terms(struct api_request *rq, struct change *change)
{
    const char *require = api_query(rq, "require");
    bool any;

    if (rq->if_none_match != NULL) {
        api_problem(rq, 400, "If-None-Match is not for this path");
        return false;
    }
    change->dry_run = api_query_flag(rq, "dry_run");
    change->prune = api_query_flag(rq, "prune");
    change->allow_destroy = api_query_flag(rq, "allow_destroy");
    if (require != NULL)
        (void)trial_require_parse(require, &change->terms.require);
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
    struct node *body = api_action(rq);
    struct change *change;

    if (body == NULL)
        return;
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

void api_history(struct api_request *rq)
{
    static const char *const asks[] = {"before", "limit"};
    const char *path = rq->n_parts == 3 ? rq->parts[2] : NULL, *text;
    struct node *asked = node_map();
    struct change *change;

    if (path != NULL) {
        char *end;
        long long revision = strtoll(path, &end, 10);

        if (*end != '\0' || revision <= 0) {
            api_problem(rq, 400, "\"%.40s\" is no revision", path);
            node_free(asked);
            return;
        }
        node_set_int(asked, "revision", revision);
    }
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        if ((text = api_query(rq, asks[i])) != NULL)
            node_set_int(asked, asks[i], strtoll(text, NULL, 10));
    }
    change = api_change(rq, "cli");
    change_add(change, CHANGE_HISTORY, NULL, NULL, NULL, asked);
    change_submit(rq->control, change, answered, rq);
}
