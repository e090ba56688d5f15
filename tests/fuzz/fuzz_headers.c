/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What headers and queries of requests say, as texts: Content-Type, Accept, If-Match, and the pairs
 * of a query against the parameters of an operation. Invariants: a query that is let through has
 * known parameters only, none twice, numbers in their range and words of their lists; a revision that
 * is taken prints as the digits that stood there.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/media.h"
#include "proto/model/openapi_table.h"

#define PAIRS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_etag(const char *text)
{
    uint64_t revision = 0;
    char digits[24];
    bool any = false;

    if (!etag_parse(text, &revision, &any) || any || revision == REVISION_NEVER)
        return;
    snprintf(digits, sizeof(digits), "%" PRIu64, revision);
    if (revision == 0 || strstr(text, digits) == NULL)
        abort();
}

static const struct api_parameter *parameter(const char *name)
{
    const struct api_parameter *p = api_parameters;

    while (p->name != NULL && strcmp(p->name, name) != 0)
        p++;
    return p;
}

static void check_let_through(const char *parameters, const struct api_pair *pairs,
                              unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct api_parameter *p = parameter(pairs[i].key);

        if (p->name == NULL || strcmp(p->in, "query") != 0 || parameters == NULL ||
            !schema_has_word(parameters, p->name))
            abort();
        if (p->type == FIELD_INT && (strtoll(pairs[i].value, NULL, 10) < p->min ||
                                     strtoll(pairs[i].value, NULL, 10) > p->max))
            abort();
        if (p->type == FIELD_ENUM && !p->list && !schema_has_word(p->words, pairs[i].value))
            abort();
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(pairs[k].key, pairs[i].key) == 0)
                abort();
        }
    }
}

static void check_query(char *text)
{
    struct api_pair pairs[PAIRS];
    struct err err = {.why = ""};
    unsigned n = 0;
    char *save = NULL;

    for (char *part = strtok_r(text, "&", &save); part != NULL && n < PAIRS;
         part = strtok_r(NULL, "&", &save)) {
        char *equals = strchr(part, '=');

        if (equals != NULL)
            *equals++ = '\0';
        pairs[n++] = (struct api_pair){part, equals != NULL ? equals : part + strlen(part)};
    }
    for (const struct api_operation *o = api_operations; o->method != NULL; o++) {
        if (api_query_check(o->parameters, pairs, n, &err) == 0)
            check_let_through(o->parameters, pairs, n);
        else if (err.why[0] == '\0')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    check_etag(text);
    (void)media_of_body(text);
    (void)media_wanted(text);
    check_query(text);
    free(text);
    return 0;
}
