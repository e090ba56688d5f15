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

static void mistake(struct diags *diags, const struct node *at, const char *pointer,
                    const char *text)
{
    diags_add(diags, NULL, at != NULL ? at->line : 0, at != NULL ? at->column : 0, pointer,
              "%s", text);
}

static void read_expires(const struct node *expires, struct asked *out, struct diags *diags)
{
    int64_t ms = 0;

    out->seconds = TOKENS_EXPIRES;
    if (expires == NULL)
        return;
    if (expires->kind == NODE_INT)
        out->seconds = expires->integer;
    else if (expires->kind == NODE_TEXT && schema_parse_time(expires->text, &ms))
        out->seconds = ms / 1000;
    else
        out->seconds = 0;
    if (out->seconds < 1 || out->seconds > TOKENS_LONGEST)
        mistake(diags, expires, "expires",
                "is no time between 1s and 366d (90d where it is not given)");
}

static void read_asked(const struct node *body, struct asked *out, struct diags *diags)
{
    const struct node *name = node_get(body, "name"), *scope = node_get(body, "scope");

    *out = (struct asked){.name = node_get_text(body, "name", NULL)};
    for (size_t i = 0; i < body->n; i++) {
        if (strcmp(body->key[i], "name") != 0 && strcmp(body->key[i], "scope") != 0 &&
            strcmp(body->key[i], "expires") != 0)
            mistake(diags, body->child[i], body->key[i],
                    "is an unknown key (name, scope, expires)");
    }
    if (name != NULL && (out->name == NULL || !schema_name_ok(out->name)))
        mistake(diags, name, "name",
                "is no name (1-63 of a-z 0-9 -, beginning with a letter)");
    if (!scope_parse(node_get_text(body, "scope", ""), &out->scope))
        mistake(diags, scope, "scope", "is needed (read, write or admin)");
    read_expires(node_get(body, "expires"), out, diags);
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
    struct err err = {.why = "the token cannot be made"};
    struct node *body = api_body(rq);
    struct diags diags;
    struct asked asked;

    if (body == NULL)
        return;
    diags_init(&diags);
    read_asked(body, &asked, &diags);
    if (diags.n > 0)
        api_problem_err(rq, 400, &err, &diags);
    else
        create(rq, &asked);
    diags_done(&diags);
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
