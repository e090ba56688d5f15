/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services that move to another host. The founding host leads: elsewhere the request is passed on. */
#include <stdlib.h>
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

void api_service_migrate(struct api_request *rq)
{
    struct node *body;

    if (control_follows(rq->control)) {
        api_pass_to(rq, member_founder(rq->control),
                    xasprintf("/v1/services/%s/migrate", rq->parts[2]));
        return;
    }
    body = api_action(rq);
    if (body == NULL)
        return;
    migrate_start(rq->control, api_change(rq, "cli"), rq->parts[2],
                  node_get_text(body, "to", ""), moved, rq);
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

/* --- state folders -------------------------------------------------------------------------- */

static void answer_state(void *aux, const struct node *answer)
{
    struct api_request *rq = aux;

    if (answer != NULL)
        api_answer_node(rq, 200, node_copy(answer));
    else
        api_problem(rq, 503, "the service's keeper does not answer");
}

/* Only the host that the service is about to move to. */
static bool may_have_state(const struct api_request *rq, const char *service)
{
    const struct move *move = migrate_find(rq->control, service);

    return move != NULL && move->phase <= MOVE_STOP &&
           strcmp(move->to, rq->from_host) == 0 &&
           strcmp(move->from, control_host(rq->control)) == 0;
}

static void set_number(const struct api_request *rq, struct node *question, const char *key)
{
    const char *text = api_query(rq, key);

    node_set_int(question, key, text != NULL ? strtoll(text, NULL, 10) : 0);
}

void api_service_state(struct api_request *rq)
{
    const char *service = rq->parts[2], *op = api_query(rq, "op");
    const char *path = api_query(rq, "path");
    struct node *question;

    if (!may_have_state(rq, service) || rq->control->services == NULL) {
        api_problem(rq, 403, "the state of service %s goes to no host but the next",
                    service);
        return;
    }
    question = node_map();
    node_set_text(question, "op", op != NULL ? op : "");
    node_set_text(question, "path", path != NULL ? path : "");
    set_number(rq, question, "folder");
    set_number(rq, question, "from");
    set_number(rq, question, "offset");
    node_set_bool(question, "stopped", api_query_flag(rq, "stopped"));
    services_ask_state(rq->control->services, service, question, answer_state, rq);
}
