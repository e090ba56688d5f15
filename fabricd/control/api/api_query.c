/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parameters behind the "?": only those that the OpenAPI document has for the operation, each
 * of them once. One that is taken for another word must not be passed over: `?dryrun=1` would
 * apply what somebody wanted to look at. */
#include <stdio.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "proto/model/openapi_table.h"

/* "/v1/services/{name}/logs" describes the row "/v1/services/ * /logs" (without blanks). */
static bool describes(const char *described, const char *row)
{
    for (; *described != '\0' && *row != '\0'; described++, row++) {
        if (*described == '{' && *row == '*')
            described += strcspn(described, "}");
        else if (*described != *row)
            return false;
    }
    return *described == *row;
}

static const char *parameters_of(const struct api_request *rq, const struct route *route)
{
    if (strstr(route->path, "KIND") != NULL)
        return strcmp(route->path, "/v1/KIND") == 0
                   ? api_list_parameters(schema_kind(rq->parts[1]))
                   : NULL;
    for (const struct api_operation *o = api_operations; o->method != NULL; o++) {
        if (strcmp(o->method, route->method) == 0 && describes(o->path, route->path))
            return o->parameters;
    }
    return NULL;
}

/* Splits "network|limit|If-Match" into those of the query; the list ends with NULL. */
struct words {
    char text[256];
    const char *word[API_MAX_QUERY + 1];
};

static const struct api_parameter *query_parameter(const char *name)
{
    const struct api_parameter *p = api_parameters;

    while (p->name != NULL && strcmp(p->name, name) != 0)
        p++;
    return p->name != NULL && strcmp(p->in, "query") == 0 ? p : NULL;
}

static void split(struct words *out, const char *parameters)
{
    unsigned n = 0;
    char *at;

    snprintf(out->text, sizeof(out->text), "%s", parameters != NULL ? parameters : "");
    for (char *rest = out->text; n < API_MAX_QUERY && (at = strsep(&rest, "|")) != NULL;) {
        if (query_parameter(at) != NULL)
            out->word[n++] = at;
    }
    out->word[n] = NULL;
}

static void refuse_name(struct api_request *rq, const char *const *words, const char *name)
{
    const char *nearest = schema_nearest(name, words);
    char list[256] = "";
    size_t n = 0;

    for (; *words != NULL; words++)
        n +=
            (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n > 0 ? ", " : "", *words);
    if (n == 0)
        api_problem(rq, 400, "there is no query parameter \"%.40s\": this path takes none",
                    name);
    else if (nearest != NULL)
        api_problem(rq, 400, "there is no query parameter \"%.40s\", did you mean %s? (%s)",
                    name, nearest, list);
    else
        api_problem(rq, 400, "there is no query parameter \"%.40s\" (%s)", name, list);
}

/* A flag may also be set as ?prune and ?prune=true. */
static bool value_fits(const struct api_parameter *p, const char *value)
{
    bool flag = p->words != NULL && strcmp(p->words, "0|1") == 0;

    return p->words == NULL || schema_has_word(p->words, value) ||
           (flag && (value[0] == '\0' || schema_has_word("true|false", value)));
}

bool api_query_check(struct api_request *rq, const struct route *route)
{
    const char *parameters = parameters_of(rq, route);
    struct words words;

    split(&words, parameters);
    for (unsigned i = 0; i < rq->n_query; i++) {
        const char *name = rq->query[i].key, *value = rq->query[i].value;
        const struct api_parameter *p = query_parameter(name);

        if (p == NULL || !schema_has_word(parameters, name)) {
            refuse_name(rq, words.word, name);
            return false;
        }
        if (api_query(rq, name) != value) {
            api_problem(rq, 400, "the query parameter %s is given twice", name);
            return false;
        }
        if (!value_fits(p, value)) {
            api_problem(rq, 400, "%s=%.40s: one of %s is wanted", name, value, p->words);
            return false;
        }
    }
    return true;
}
