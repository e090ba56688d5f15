/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fabric as a file: apply and export. */
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/change/apply.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/xalloc.h"
#include "proto/model/fabric_file.h"

struct applying {
    struct api_request *rq;
    struct node *value;
};

static void applied(void *aux)
{
    struct applying *applying = aux;

    api_answer_node(applying->rq, 200, applying->value);
    free(applying);
}

static void changed(void *aux, struct change_result *result)
{
    struct api_request *rq = aux;
    struct applying *applying;

    if (result->status >= 400 || result->value == NULL) {
        api_answer_result(rq, result);
        return;
    }
    applying = xcalloc(1, sizeof(*applying));
    applying->rq = rq;
    applying->value = result->value;
    result->value = NULL;
    reconcile_settle(rq->control->reconcile, applied, applying);
}

void api_submit_plan(struct api_request *rq, struct change *change)
{
    change_submit(rq->control, change, changed, rq);
}

void api_apply(struct api_request *rq)
{
    struct node *body = api_file(rq);
    struct change *change;

    if (body == NULL)
        return;
    change = api_change(rq, "file");
    change_add(change, CHANGE_APPLY, NULL, NULL, NULL, body);
    if (api_terms(rq, change))
        api_submit_plan(rq, change);
    else
        change_free(change);
}

void api_export(struct api_request *rq)
{
    struct objects objects;
    int r;

    objects_init(&objects);
    r = apply_gather(rq->control->store,
                     rq->from_host[0] != '\0' ? APPLY_FABRIC : APPLY_BOTH, &objects);
    if (r == 0)
        api_answer_node(rq, 200, fabric_file_write(&objects));
    else
        api_problem(rq, 500, "the store cannot be read: %s", err_text(r));
    objects_done(&objects);
}
