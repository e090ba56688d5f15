/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/api_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/control_fixture.h"

static void answered(struct api_request *rq, const struct api_answer *answer)
{
    struct api_call *call = list_entry(rq, struct api_call, rq);

    assert_false(call->answered);
    call->answered = true;
    call->answer = *answer;
}

static void set_query(struct api_request *rq, const char *query)
{
    char *copy = strdup(query), *save = NULL;

    for (char *part = strtok_r(copy, "&", &save); part != NULL;
         part = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(part, '=');

        if (equals != NULL)
            *equals++ = '\0';
        rq->query[rq->n_query].key = strdup(part);
        rq->query[rq->n_query++].value = strdup(equals != NULL ? equals : "");
    }
    free(copy);
}

struct api_call api_call_prepare(struct control *c, const char *method, const char *target,
                                 const char *body)
{
    struct api_call call = {.rq = {.control = c, .answered = answered}};
    const char *query = strchr(target, '?');

    call.rq.method = strdup(method);
    call.rq.path =
        query != NULL ? strndup(target, (size_t)(query - target)) : strdup(target);
    if (query != NULL)
        set_query(&call.rq, query + 1);
    call.rq.body = body != NULL ? strdup(body) : NULL;
    call.rq.size = body != NULL ? strlen(body) : 0;
    call.rq.peer.uid = geteuid();
    return call;
}

void api_call_finish(struct api_call *call)
{
    api_dispatch(&call->rq);
    for (int i = 0; !call->answered && i < 10; i++)
        loop_turn(call->rq.control->loop, mtime_now() + 2 * MTIME_SEC);
    assert_true(call->answered);
    if (call->answer.body != NULL && strstr(call->answer.type, "json") != NULL)
        call->json = fixture_json(call->answer.body);
}

void api_call_done(struct api_call *call)
{
    node_free(call->json);
    free(call->answer.body);
    api_request_done(&call->rq);
    if (call->answer.stream != NULL)
        call->answer.stream->ops->free(call->answer.stream);
}

struct api_call api_call_request(struct control *c, const char *method, const char *target,
                                 const char *body)
{
    /* The request must not move while it is carried out. */
    struct api_call *call = malloc(sizeof(*call)), out;

    *call = api_call_prepare(c, method, target, body);
    api_call_finish(call);
    out = *call;
    free(call);
    return out;
}

int api_call_status(struct control *c, const char *method, const char *target,
                    const char *body)
{
    struct api_call call = api_call_request(c, method, target, body);
    int code = call.answer.status;

    if (code >= 400) {
        assert_string_equal(call.answer.type, "application/problem+json");
        assert_int_equal(node_get_int(call.json, "status", 0), code);
    }
    api_call_done(&call);
    return code;
}

const char *api_call_text(const struct node *node, const char *a, const char *b)
{
    const struct node *inner = node_get(node, a);

    if (b != NULL)
        inner = inner != NULL && inner->kind == NODE_MAP ? node_get(inner, b) : NULL;
    return inner != NULL && inner->text != NULL ? inner->text : "";
}
