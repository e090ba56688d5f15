/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls of the daemon's API as commands make them: objects in and out, and every way to fail
 * already recorded (ctl_fail) as the contract words it. All of them connect first, and return 0
 * or the exit status to end with.
 */
#ifndef CTL_API_H
#define CTL_API_H

#include "ctl/ctl.h"
#include "proto/model/node.h"

enum {
    API_CREATE = 1, /* Only if it does not exist yet. */
    API_SLOW = 2, /* May take long: says so on a terminal after a second, waits minutes. */
};

/* GET; *out is the caller's to node_free(). The items of a list are in the order of their names,
 * those of a network together. */
int api_get(struct ctl *, const char *path, struct node **out)
    __attribute__((warn_unused_result));

/*
 * The same where others than the owner may be refused: then 0, and *out is NULL, which
 * api_items() takes for an empty list.
 */
int api_get_allowed(struct ctl *, const char *path, struct node **out)
    __attribute__((warn_unused_result));

/* `body` may be NULL, and so may `out`; *out is NULL where the answer has no body. */
int api_call(struct ctl *, const char *method, const char *path, const struct node *body,
             unsigned flags, struct node **out) __attribute__((warn_unused_result));

/* The exchange itself, for bodies that are not objects: any status of 400 and more is a failure
 * too. http_reply_done() the reply. */
int api_exchange(struct ctl *, struct http_request *, unsigned flags,
                 struct http_reply *reply) __attribute__((warn_unused_result));

/* The same for an answer that goes on: `q->data` takes it. Returns when it has ended. */
int api_stream(struct ctl *, struct http_request *, struct http_reply *reply)
    __attribute__((warn_unused_result));

/*
 * As api_exchange(), but a refusal whose problem document has errors with places or pointers is
 * left to the caller: returns its exit status with *problem set (the caller's to free).
 */
int api_exchange_problem(struct ctl *, struct http_request *, unsigned flags,
                         struct http_reply *reply, struct node **problem)
    __attribute__((warn_unused_result));

/* The exit status for a problem, with the failure recorded from its document (or NULL). */
int api_refused(struct ctl *, unsigned status, const struct node *problem);

/* The `items` of a list; never NULL (an empty list where the answer has none). Borrowed. */
const struct node *api_items(const struct node *answer);

#endif
