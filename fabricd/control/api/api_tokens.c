/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tokens of the API over TCP. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "proto/base/xalloc.h"

static struct node *token_node(const struct token_row *row)
{
    struct node *node = node_map();

    node_set_text(node, "name", row->name);
    node_set_text(node, "scope", scope_name(row->scope));
    api_set_time(node, "created", row->created);
    api_set_time(node, "expires", row->expires);
    node_set_bool(node, "expired", row->expires <= wall_now());
    return node;
}

static void add_token(void *aux, const struct token_row *row)
{
    node_append(aux, token_node(row));
}

void api_tokens(struct api_request *rq)
{
    struct node *items = node_list();
    int r = tokens_each(rq->control->store, add_token, items);

    if (r < 0) {
        node_free(items);
        api_problem(rq, 500, "the store cannot be read: %s", err_text(r));
        return;
    }
    api_answer_page(rq, items);
}

/* --- making --------------------------------------------------------------------------------- */

struct asked {
    const char *name;
    enum scope scope;
    int64_t seconds;
};

static struct asked asked_of(const struct node *body)
{
    struct asked out = {.name = node_get_text(body, "name", NULL),
                        .seconds = TOKENS_EXPIRES};
    const char *expires = node_get_text(body, "expires", NULL);
    int64_t ms;

    (void)scope_parse(node_get_text(body, "scope", ""), &out.scope);
    if (expires != NULL && schema_parse_time(expires, &ms))
        out.seconds = ms / 1000;
    return out;
}

static int status_of(int code)
{
    return code == -EEXIST || code == -E2BIG ? 409 : change_status_of(code);
}

static void create(struct api_request *rq, const struct asked *asked)
{
    struct err err = {.why = ""};
    char text[TOKENS_TEXT_SIZE];
    struct token_row row;
    struct node *answer;
    int r = tokens_create(rq->control->store, asked->name, asked->scope, asked->seconds,
                          wall_now(), &row, text, &err);

    if (r < 0) {
        api_problem_err(rq, status_of(r), &err, NULL);
        return;
    }
    answer = token_node(&row);
    node_set_text(answer, "token", text);
    sodium_memzero(text, sizeof(text));
    api_answer_node(rq, 201, answer);
}

void api_token_create(struct api_request *rq)
{
    struct node *body = api_action(rq);
    struct asked asked;

    if (body == NULL)
        return;
    asked = asked_of(body);
    create(rq, &asked);
    node_free(body);
}

void api_token_delete(struct api_request *rq)
{
    struct err err = {.why = ""};
    int r = tokens_remove(rq->control->store, rq->parts[2], &err);

    if (r == 0) {
        api_answer_empty(rq, 204);
        return;
    }
    if (r == -ENOENT)
        snprintf(err.hint, sizeof(err.hint), "iothctl token ls");
    api_problem_err(rq, r == -ENOENT ? 404 : change_status_of(r), &err, NULL);
}
