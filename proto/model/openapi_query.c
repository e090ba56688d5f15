/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which parameters an operation of the API has, and whether a query keeps to them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/openapi_table.h"
#include "proto/model/schema.h"
#include "proto/model/text_internal.h"

#define NAMES_MAX 16 /* Query parameters of one operation. */

/* --- operations -------------------------------------------------------------------------- */

const char *api_kind_parameters(const struct kind *kind, const char *method, bool all)
{
    if (all) {
        bool network = kind->in_network;

        for (const struct field *f = kind->fields; f && f->name && !network; f++) {
            network = !strcmp(f->name, "network");
        }
        return network ? "network|limit|after" : "limit|after";
    }
    return !strcmp(method, "PUT")      ? "If-Match|If-None-Match"
           : !strcmp(method, "PATCH")  ? "If-Match"
           : !strcmp(method, "DELETE") ? "If-Match"
                                       : NULL;
}

/* "/v1/services/{name}/logs" against "/v1/services/ * /logs" without blanks. */
static bool path_is(const char *described, const char *route)
{
    for (; *described; described++, route++) {
        if (*described == '{' && *route == '*') {
            described += strcspn(described, "}");
        } else if (*described != *route) {
            return false;
        }
    }
    return !*route;
}

const struct api_operation *api_operation_of(const char *method, const char *path)
{
    for (const struct api_operation *o = api_operations; o->method; o++) {
        if (!strcmp(o->method, method) && path_is(o->path, path)) {
            return o;
        }
    }
    return NULL;
}

/* --- queries ----------------------------------------------------------------------------- */

static const struct api_parameter *find(const char *names, const char *key)
{
    for (const struct api_parameter *p = api_parameters; names && p->name; p++) {
        if (!strcmp(p->in, "query") && !strcmp(p->name, key) &&
            schema_has_word(names, key)) {
            return p;
        }
    }
    return NULL;
}

/* "did you mean dry_run?", or what there is. */
static int unknown(const char *names, const char *key, struct err *err)
{
    const char *words[NAMES_MAX + 1], *near;
    struct text valid = {0};
    size_t n = 0;
    char *all;
    int r;

    for (const struct api_parameter *p = api_parameters; names && p->name; p++) {
        if (strcmp(p->in, "query") != 0 || !schema_has_word(names, p->name) ||
            n == NAMES_MAX) {
            continue;
        }
        text_add(&valid, n ? ", " : "valid: ");
        text_add(&valid, p->name);
        words[n++] = p->name;
    }
    words[n] = NULL;
    if (n == 0)
        text_add(&valid, "it takes none");
    all = text_take(&valid);
    near = schema_nearest(key, words);
    r = near ? err_set(err, -EINVAL,
                       "there is no query parameter \"%.40s\" here (did you mean %s?)", key,
                       near)
             : err_set(err, -EINVAL, "there is no query parameter \"%.40s\" here (%s)", key,
                       all);
    free(all);
    return r;
}

bool api_flag_parse(const char *value)
{
    return !*value || !strcmp(value, "1") || !strcmp(value, "true");
}

static bool int_ok(const struct api_parameter *p, const char *value)
{
    size_t size = strlen(value);
    long long n;

    if (!size || strspn(value, "0123456789") != size) {
        return false;
    }
    errno = 0;
    n = strtoll(value, NULL, 10);
    return errno == 0 && n >= p->min && n <= p->max;
}

static bool words_ok(const struct api_parameter *p, const char *value)
{
    do {
        size_t size = p->list ? strcspn(value, ",") : strlen(value);
        char *word = xasprintf("%.*s", (int)(size < 64 ? size : 64), value);
        bool ok = schema_has_word(p->words, word);

        free(word);
        if (!ok) {
            return false;
        }
        value += size;
    } while (*value++ == ',');
    return true;
}

static int bad(const struct api_parameter *p, const char *value, struct err *err)
{
    char range[64] = "a whole number";
    const char *wanted = range;

    switch ((int)p->type) {
    case FIELD_BOOL:
        wanted = "1, true, 0 or false";
        break;
    case FIELD_INT:
        if (p->max < 100000) {
            snprintf(range, sizeof(range), "%lld to %lld", (long long)p->min,
                     (long long)p->max);
        }
        break;
    case FIELD_TIME:
        wanted = "a time, as 30s";
        break;
    case FIELD_NAME:
        wanted = "a name of a-z 0-9 -";
        break;
    case FIELD_ENUM:
        return err_set(err, -EINVAL, "the query parameter %s is \"%.40s\" (valid: %s%s)",
                       p->name, value, p->words, p->list ? "; several with commas" : "");
    default:
        return err_set(err, -EINVAL, "the query parameter %s is too long", p->name);
    }
    return err_set(err, -EINVAL, "the query parameter %s is \"%.40s\" (wanted: %s)",
                   p->name, value, wanted);
}

static bool value_ok(const struct api_parameter *p, const char *value)
{
    int64_t ms;

    switch ((int)p->type) {
    case FIELD_BOOL:
        return api_flag_parse(value) || !strcmp(value, "0") || !strcmp(value, "false");
    case FIELD_INT:
        return int_ok(p, value);
    case FIELD_TIME:
        return schema_parse_time(value, &ms) && ms > 0;
    case FIELD_NAME:
        return schema_name_ok(value);
    case FIELD_ENUM:
        return words_ok(p, value);
    default:
        return strlen(value) <= (size_t)p->max;
    }
}

int api_query_check(const char *parameters, const struct api_pair *pairs, unsigned n,
                    struct err *err)
{
    for (unsigned i = 0; i < n; i++) {
        const struct api_parameter *p = find(parameters, pairs[i].key);

        if (!p) {
            return unknown(parameters, pairs[i].key, err);
        }
        for (unsigned k = 0; k < i; k++) {
            if (!strcmp(pairs[k].key, pairs[i].key)) {
                return err_set(err, -EINVAL, "the query parameter %s is given twice",
                               p->name);
            }
        }
        if (!value_ok(p, pairs[i].value)) {
            return bad(p, pairs[i].value, err);
        }
    }
    return 0;
}
