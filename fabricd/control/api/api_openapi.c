/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GET /openapi.json: what the model says of the routes, with what the route table says of who may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "ioth_version.h"

static void describe(struct node *operation, const char *method, const char *path)
{
    static const char *const who[] = {
        [API_FULL] = "For the daemon's owner, root and group ioth",
        [API_READ] = "For everybody on the socket, who sees what --allow opens to him",
        [API_ADMIN] = "For the daemon's owner, root and group ioth",
        [API_OWN] = "For this host's own owner, root and group ioth"};
    const struct route *route;
    char capitals[8] = "", text[200];

    for (size_t i = 0; method[i] != '\0' && i + 1 < sizeof(capitals); i++)
        capitals[i] = (char)(method[i] & ~32);
    route = api_route_of(capitals, path);
    if (route == NULL)
        return; /* "parameters" */
    snprintf(text, sizeof(text), "%s; over TCP for a token of scope %s.", who[route->who],
             scope_name(api_scope_of(route)));
    node_set_text(operation, "description", text);
}

void api_openapi(struct api_request *rq)
{
    struct node *document = schema_openapi(IOTH_VERSION_TEXT);
    struct node *paths = node_get(document, "paths");

    for (size_t i = 0; i < paths->n; i++) {
        struct node *item = paths->child[i];

        for (size_t k = 0; k < item->n; k++)
            describe(item->child[k], item->key[k], paths->key[i]);
    }
    free(rq->accept); /* Always JSON: the path says so. */
    rq->accept = NULL;
    api_answer_node(rq, 200, document);
}
