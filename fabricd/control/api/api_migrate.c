/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services that move to another host. The founding host leads: elsewhere the request is passed on. */
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/fabric/fabric.h"
#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/services/services.h"
#include "proto/base/xalloc.h"

static void moved(void *aux, struct change_result *result)
{
    api_answer_result(aux, result);
}

static void begin(struct api_request *rq, const struct node *body)
{
    const char *to = node_get_text(body, "to", NULL);

    if (to == NULL || body->n != 1)
        api_problem(rq, 400, "the body says where to: {\"to\": \"HOST\"}");
    else
        migrate_start(rq->control, api_change(rq, "cli"), rq->parts[2], to, moved, rq);
}

void api_service_migrate(struct api_request *rq)
{
    struct node *body;

    if (control_follows(rq->control)) {
        api_pass_to(rq, member_founder(rq->control),
                    xasprintf("/v1/services/%s/migrate", rq->parts[2]));
        return;
    }
    body = api_body(rq);
    if (body == NULL)
        return;
    begin(rq, body);
    node_free(body);
}

void api_service_here(struct api_request *rq)
{
    const struct view_service *service = view_service(rq->control->view, rq->parts[2]);

    if (service != NULL && shape_visible(rq, service->network))
        api_answer_node(rq, 200, services_here(rq->control, service));
    else
        api_problem(rq, 404, "there is no service %s", rq->parts[2]);
}
