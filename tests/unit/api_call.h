/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request through the route table, without HTTP around it. */
#ifndef TESTS_UNIT_API_CALL_H
#define TESTS_UNIT_API_CALL_H

#include "fabricd/control/api/api.h"

struct api_call {
    struct api_request rq;
    struct api_answer answer;
    bool answered;
    struct node *json; /* The answer's body, if it is JSON. */
};

/* A request of this very user; "/v1/networks?limit=1" with its query. Headers are put in by hand. */
struct api_call api_call_prepare(struct control *, const char *method, const char *target,
                                 const char *body);

/* Carries it out and waits for the answer. It must not move meanwhile. */
void api_call_finish(struct api_call *);
void api_call_done(struct api_call *);

/* Both. */
struct api_call api_call_request(struct control *, const char *method, const char *target,
                                 const char *body);

/* The same for the status alone; refusals are held to be problem documents. */
int api_call_status(struct control *, const char *method, const char *target,
                    const char *body);

/* The text under a key, or under two; "" if there is none. */
const char *api_call_text(const struct node *, const char *a, const char *b);

#endif
