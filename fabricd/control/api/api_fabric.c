/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fabric itself and its membership. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/identity/identity.h"

#define INVITE_DEFAULT 3600

static struct node *fabric_node(const struct control *control)
{
    struct node *fabric = node_map(), *status = node_map();
    char *name = identity_fabric_name(control);
    char id[17], root[65];

    snprintf(id, sizeof(id), "%016" PRIx64, control->id.self.fabric);
    if (name != NULL)
        node_set_text(fabric, "name", name);
    else
        node_set(fabric, "name", node_new(NODE_NULL));
    node_set_text(fabric, "id", id);
    sodium_bin2hex(root, sizeof(root), control->id.self.root,
                   sizeof(control->id.self.root));
    node_set_text(fabric, "root", root);
    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        if (node_get_bool(host->body, "founder", false))
            node_set_text(fabric, "founder", host->name);
    }
    node_set_text(fabric, "host", control_host(control));
    node_set_int(status, "hosts", (int64_t)control->view->n_hosts);
    node_set_int(status, "revision", (int64_t)store_revision(control->store));
    node_set(fabric, "status", status);
    free(name);
    return fabric;
}

void api_fabric(struct api_request *rq)
{
    api_answer_node(rq, 200, fabric_node(rq->control));
}

static void answer_fabric(void *aux, struct change_result *result)
{
    struct api_request *rq = aux;

    if (result->status >= 400)
        api_answer_result(rq, result);
    else
        api_answer_node(rq, 200, fabric_node(rq->control));
}

static void answer_change(void *aux, struct change_result *result)
{
    api_answer_result(aux, result);
}

void api_fabric_rename(struct api_request *rq)
{
    struct node *body = api_action(rq);
    struct change *change;

    if (body == NULL)
        return;
    change = api_change(rq, "cli");
    change_add(change, CHANGE_RENAME, NULL, NULL, node_get_text(body, "name", ""), NULL);
    node_free(body);
    change_submit(rq->control, change, answer_fabric, rq);
}

static void key_dropped(void *aux, struct ipc_message *reply)
{
    struct api_request *rq = aux;

    if (reply == NULL)
        api_problem(rq, 503, "the daemon's parent process is away");
    else if (reply->head.type == IPC_REPLY && reply->body.reply.code < 0)
        api_problem(rq, 409, "%s", reply->body.reply.why);
    else
        api_answer_empty(rq, 204);
}

void api_key_drop(struct api_request *rq)
{
    struct ipc_keys keys = {.what = IPC_KEYS_DROP_ROOT};

    chan_ask(&rq->control->parent, IPC_KEYS, &keys, 0, key_dropped, rq);
}

/* False: answered, since this host has no membership to speak of. */
static bool have_member(struct api_request *rq)
{
    if (rq->control->member_ops != NULL)
        return true;
    api_problem(rq, 503, "the daemon is still starting");
    return false;
}

void api_invite(struct api_request *rq)
{
    struct node *body = api_action(rq);
    int64_t ms = INVITE_DEFAULT * 1000;
    const char *expires;

    if (body == NULL)
        return;
    expires = node_get_text(body, "expires", NULL);
    if (expires != NULL)
        (void)schema_parse_time(expires, &ms);
    if (have_member(rq))
        rq->control->member_ops->invite(rq->control, node_get_text(body, "name", NULL),
                                        ms / 1000, answer_change, rq);
    node_free(body);
}

void api_join(struct api_request *rq)
{
    struct node *body = api_action(rq);

    if (body == NULL)
        return;
    if (have_member(rq))
        rq->control->member_ops->join(rq->control, node_get_text(body, "token", ""),
                                      node_get_bool(body, "discard", false), answer_fabric,
                                      rq);
    node_free(body);
}

void api_leave(struct api_request *rq)
{
    if (have_member(rq))
        rq->control->member_ops->leave(rq->control, answer_fabric, rq);
}
