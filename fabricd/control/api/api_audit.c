/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit log: what was asked for by whom, and what came of it, refusals with their reason. Bodies
 * are not in it, nor what is wrong with them, and so no secret is.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/audit/audit.h"
#include "fabricd/control/plan/addr.h"
#include "proto/base/xalloc.h"

#define LIMIT_DEFAULT 100u
#define PATH_SHOWN    512u /* Bytes of a path. */

/* --- writing -------------------------------------------------------------------------------- */

static const char *address_text(const struct api_request *rq, char out[ADDR_TEXT_SIZE])
{
    struct in6_addr six;

    memcpy(&six, rq->address, sizeof(six));
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return inet_ntop(AF_INET, rq->address + 12, out, ADDR_TEXT_SIZE);
    return inet_ntop(AF_INET6, &six, out, ADDR_TEXT_SIZE);
}

static void set_who(struct node *entry, const struct api_request *rq)
{
    char text[ADDR_TEXT_SIZE];

    if (rq->from_host[0] != '\0') {
        node_set_text(entry, "host", rq->from_host);
    } else if (rq->remote) {
        if (rq->token[0] != '\0')
            node_set_text(entry, "token", rq->token);
        node_set_text(entry, "address", address_text(rq, text));
    } else {
        audit_set_peer(entry, &rq->peer);
    }
}

void api_audit_note(const struct api_request *rq, const struct api_answer *answer)
{
    struct control *control = rq->control;
    struct node *entry;
    char path[PATH_SHOWN];

    if (!rq->audited || control->audit == NULL)
        return;
    entry = node_map();
    snprintf(path, sizeof(path), "%s", rq->path);
    set_who(entry, rq);
    if (rq->to_host != NULL && rq->to_host[0] != '\0')
        node_set_text(entry, "to", rq->to_host);
    node_set_text(entry, "method", rq->method);
    node_set_text(entry, "path", path);
    node_set_int(entry, "status", answer->status);
    if (rq->why[0] != '\0')
        node_set_text(entry, "why", rq->why);
    if (answer->status < 300)
        node_set_int(entry, "revision",
                     (int64_t)(answer->revision != 0 ? answer->revision
                                                     : store_revision(control->store)));
    if (answer->status < 400)
        audit_add(control->audit, entry);
    else
        audit_add_cheap(control->audit, entry, loop_now(control->loop));
}

/* --- reading -------------------------------------------------------------------------------- */

void api_audit(struct api_request *rq)
{
    struct node *answer, *items, *last;
    struct api_page page = api_page_asked(rq);
    uint64_t before = 0;
    char next[24], *end;
    bool more = false;

    if (page.after != NULL) {
        before = strtoull(page.after, &end, 10);
        if (before == 0 || *end != '\0') {
            api_problem(rq, 400, "after=%.40s is not what an answer gave as `next`",
                        page.after);
            return;
        }
    }
    items = audit_read(rq->control->audit, before,
                       page.limit > 0 ? page.limit : LIMIT_DEFAULT, &more);
    if (items == NULL) {
        api_problem(rq, 500, "the audit log cannot be read");
        return;
    }
    answer = node_map();
    last = items->n > 0 ? items->child[items->n - 1] : NULL;
    node_set(answer, "items", items);
    if (more && last != NULL) {
        snprintf(next, sizeof(next), "%lld", (long long)node_get_int(last, "number", 0));
        node_set_text(answer, "next", next);
    }
    api_answer_node(rq, 200, answer);
}
