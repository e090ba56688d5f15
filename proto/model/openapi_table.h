/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the API's routes take and answer, besides those of the kinds of objects, which follow from
 * the kinds' tables. The OpenAPI document and the reference come from these rows, and the daemon
 * checks queries by them; a test holds them against the daemon's route table.
 */
#ifndef PROTO_MODEL_OPENAPI_TABLE_H
#define PROTO_MODEL_OPENAPI_TABLE_H

#include "proto/base/err.h"
#include "proto/model/schema.h"

struct api_operation {
    const char *method; /* In capitals. */
    const char *path;   /* "/v1/hosts/{name}/revoke" */
    const char *id;     /* operationId */
    const char *summary;
    const char *parameters;   /* Names of api_parameters[], separated by '|', or NULL. */
    const struct field *body; /* Keys of the request's body, or NULL = it takes none. */
    const struct field
        *answer;      /* Keys of the answer; others may come. NULL = see `type`. */
    const char *code; /* Status of success; NULL = 200. 204 has no body. */
    const char *type; /* Media type of an answer that is no object. */
};

extern const struct api_operation api_operations[]; /* Ends with method == NULL. */

struct api_parameter {
    const char *name;
    const char *in; /* query, header */
    enum field_type
        type;  /* BOOL, INT (min..max), TEXT (at most max bytes), NAME, ENUM, TIME */
    bool list; /* ENUM: several, with commas between them. */
    int64_t min, max;
    const char *words; /* FIELD_ENUM */
    const char *help;
};

extern const struct api_parameter api_parameters[]; /* Ends with name == NULL. */

/* Of an operation on a kind's objects (GET, PUT, …): the names of its parameters, as in
 * `parameters` above. `all`: on all objects of the kind, not on one. */
const char *api_kind_parameters(const struct kind *, const char *method, bool all);

/* Another operation; `path` with '*' where the row has {a name}. NULL = there is none. */
const struct api_operation *api_operation_of(const char *method, const char *path);

/* A parameter of a query; decoded. */
struct api_pair {
    char *key, *value;
};

/* Whether a query says nothing but these parameters, each once and with one of its values. 0, or
 * -EINVAL with `err`. */
int api_query_check(const char *parameters, const struct api_pair *, unsigned n,
                    struct err *) __attribute__((warn_unused_result));

/* What a flag says: "1", "true" or nothing is true. */
bool api_flag_parse(const char *value);

/* `body` and `answer` of a fabric file: its schema is another. */
extern const struct field api_fabric_file[];

#endif
