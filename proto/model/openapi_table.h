/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the API's routes take and answer, besides those of the kinds of objects, which follow from
 * the kinds' tables. The OpenAPI document and the reference come from these rows; a test holds
 * them against the daemon's route table.
 */
#ifndef PROTO_MODEL_OPENAPI_TABLE_H
#define PROTO_MODEL_OPENAPI_TABLE_H

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
    const char *in;    /* query, header */
    const char *words; /* Its values, or NULL. */
    const char *help;
};

extern const struct api_parameter api_parameters[]; /* Ends with name == NULL. */

/* Those of the list of a kind's objects, separated by '|'. */
const char *api_list_parameters(const struct kind *);

/* `body` and `answer` of a fabric file: its schema is another. */
extern const struct field api_fabric_file[];

#endif
