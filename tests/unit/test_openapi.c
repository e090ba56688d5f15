/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every route of the daemon is described in the OpenAPI document, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fabricd/control/api/routes.h"
#include "proto/base/xalloc.h"
#include "proto/model/openapi_table.h"

/* "/v1/hosts/{name}/revoke" as the route table has it: /v1/hosts/ * /revoke without blanks. */
static char *as_route(const char *path)
{
    char *route = xstrdup(path), *to = route;

    for (; *path != '\0'; path++) {
        if (*path == '{') {
            path += strcspn(path, "}");
            *to++ = '*';
        } else {
            *to++ = *path;
        }
    }
    *to = '\0';
    return route;
}

static bool built(const struct route *r)
{
    return r->later == NULL && r->handle != NULL && strstr(r->path, "KIND") == NULL;
}

static void every_route_is_described(void **state)
{
    (void)state;
    for (const struct route *r = routes; r->method != NULL; r++) {
        bool found = !built(r);

        for (const struct api_operation *o = api_operations; o->method && !found; o++) {
            char *path = as_route(o->path);

            found = strcmp(o->method, r->method) == 0 && strcmp(path, r->path) == 0;
            free(path);
        }
        if (!found)
            fail_msg("%s %s needs a row in proto/model/openapi_table.c", r->method,
                     r->path);
    }
}

static void nothing_else_is(void **state)
{
    (void)state;
    for (const struct api_operation *o = api_operations; o->method != NULL; o++) {
        char *path = as_route(o->path);
        bool found = false;

        for (const struct route *r = routes; r->method != NULL && !found; r++)
            found =
                built(r) && strcmp(o->method, r->method) == 0 && strcmp(path, r->path) == 0;
        free(path);
        if (!found)
            fail_msg("%s %s is described and no route", o->method, o->path);
    }
}

/* What a row names is there: its parameters, and no body for GET. */
static void rows_are_sound(void **state)
{
    (void)state;
    for (const struct api_operation *o = api_operations; o->method != NULL; o++) {
        const char *words = o->parameters != NULL ? o->parameters : "";

        while (*words != '\0') {
            size_t n = strcspn(words, "|");
            const struct api_parameter *p = api_parameters;

            while (p->name && (strlen(p->name) != n || memcmp(p->name, words, n) != 0))
                p++;
            if (!p->name)
                fail_msg("%s: there is no parameter %.*s", o->path, (int)n, words);
            words += n + (words[n] == '|');
        }
        assert_true(o->body == NULL || strcmp(o->method, "GET") != 0);
        assert_true(o->answer == NULL || o->type == NULL);
    }
}

/* Of a kind's name every kind is one that events can be of. */
static void kinds_are_named(void **state)
{
    const struct api_parameter *p = api_parameters;
    const char *words;

    (void)state;
    while (strcmp(p->name, "kind") != 0)
        p++;
    words = p->words;
    for (const struct kind *k = schema_kinds; k->name != NULL; k++) {
        size_t n = strcspn(words, "|");

        assert_int_equal(n, strlen(k->name));
        assert_memory_equal(words, k->name, n);
        words += n + (words[n] == '|');
    }
    assert_string_equal(words, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(nothing_else_is),
        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(kinds_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
