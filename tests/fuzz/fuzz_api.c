/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests of the API without HTTP: the input's lines are method, target, Content-Type,
 * If-Match, If-None-Match, Accept, and who asks (a uid, another host's name, or "Bearer TOKEN"
 * over TCP); the rest is the body. Invariants: each request is answered exactly once, with a status
 * that HTTP knows; a stranger changes nothing; a refused request changes nothing; a token that
 * nobody made opens nothing; JSON answers are JSON.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/api/api.h"
#include "fabricd/control/view/view.h"
#include "tests/unit/control_fixture.h"

#define STRANGER 4242

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { METHOD, TARGET, TYPE, MATCH, NONE_MATCH, ACCEPT, WHO, LINES };

struct call {
    struct api_request rq;
    unsigned answers;
};

static void check_answer(const struct api_answer *answer)
{
    struct diags diags;
    struct node *json;

    if (answer->status < 200 || answer->status > 599)
        abort();
    if (answer->body == NULL || strstr(answer->type, "json") == NULL)
        return;
    diags_init(&diags);
    json = node_from_json(answer->body, answer->size, NULL, &diags);
    diags_done(&diags);
    if (json == NULL)
        abort();
    node_free(json);
}

static void answered(struct api_request *rq, const struct api_answer *answer)
{
    struct call *call = list_entry(rq, struct call, rq);

    check_answer(answer);
    call->answers++;
    rq->aux = answer->status >= 400 ? rq : NULL;
    if (answer->stream != NULL) {
        char text[64];

        while (answer->stream->ops->read(answer->stream, text, sizeof(text)) > 0) {
        }
        answer->stream->ops->free(answer->stream);
    }
    free(answer->body);
}

static void take_target(struct api_request *rq, char *target)
{
    char *query = strchr(target, '?'), *save = NULL;

    if (query != NULL)
        *query++ = '\0';
    rq->path = strdup(target);
    for (char *part = query != NULL ? strtok_r(query, "&", &save) : NULL;
         part != NULL && rq->n_query < API_MAX_QUERY; part = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(part, '=');

        if (equals != NULL)
            *equals++ = '\0';
        rq->query[rq->n_query].key = strdup(part);
        rq->query[rq->n_query++].value = strdup(equals != NULL ? equals : "");
    }
}

static char *header(const char *line)
{
    return line[0] != '\0' ? strdup(line) : NULL;
}

/* The objects that requests find. */
static struct control *new_control(void)
{
    struct control *c = fixture_new("alpha", true);

    fixture_status(c, CHANGE_PUT, "network", "", "lan1", "{\"allow\":\"uid:4242\"}");
    fixture_status(c, CHANGE_PUT, "network", "", "lan2", "{\"vlans\":{\"10\":\"staff\"}}");
    fixture_status(c, CHANGE_PUT, "endpoint", "lan1", "web", "{}");
    fixture_status(c, CHANGE_PUT, "port", "lan2", "core", "{\"tap\":\"t0\",\"access\":10}");
    return c;
}

static void run(char *lines[LINES], char *body, size_t size)
{
    struct control *c = new_control();
    struct call call = {.rq = {.control = c, .answered = answered}};
    uint64_t revision = store_revision(c->store);
    bool stranger = strcmp(lines[WHO], "4242") == 0;
    bool host = lines[WHO][0] >= 'a' && lines[WHO][0] <= 'z';

    call.rq.method = strdup(lines[METHOD]);
    take_target(&call.rq, lines[TARGET]);
    call.rq.content_type = header(lines[TYPE]);
    call.rq.if_match = header(lines[MATCH]);
    call.rq.if_none_match = header(lines[NONE_MATCH]);
    call.rq.last_event_id = header(lines[MATCH]);
    call.rq.accept = header(lines[ACCEPT]);
    call.rq.peer.uid = stranger ? STRANGER : geteuid();
    call.rq.peer.gid = stranger ? STRANGER : getegid();
    call.rq.remote = lines[WHO][0] == 'B';
    call.rq.authorization = call.rq.remote ? strdup(lines[WHO]) : NULL;
    if (host)
        snprintf(call.rq.from_host, sizeof(call.rq.from_host), "%s", lines[WHO]);
    call.rq.body = body;
    call.rq.size = size < API_MAX_BODY ? size : API_MAX_BODY;
    api_dispatch(&call.rq);
    for (int i = 0; call.answers == 0 && i < 4; i++)
        loop_turn(c->loop, mtime_now() + 2 * MTIME_SEC);
    if (call.answers != 1)
        abort();
    if (call.rq.remote && (call.rq.aux == NULL || store_revision(c->store) != revision))
        abort(); /* There is no token. */
    if ((stranger || call.rq.aux != NULL) && store_revision(c->store) != revision)
        abort();
    call.rq.body = NULL; /* It is the input. */
    api_request_done(&call.rq);
    fixture_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *at = text, *lines[LINES];

    memcpy(text, data, size);
    text[size] = '\0';
    for (unsigned i = 0; i < LINES; i++) {
        char *end = memchr(at, '\n', size - (size_t)(at - text));

        if (end == NULL) {
            free(text);
            return -1;
        }
        *end = '\0';
        lines[i] = at;
        at = end + 1;
    }
    run(lines, at, size - (size_t)(at - text));
    free(text);
    return 0;
}
