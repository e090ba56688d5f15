/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans as people see them, how they are asked for, and what is waited for while they are done. */
#ifndef CTL_PLAN_SHOW_H
#define CTL_PLAN_SHOW_H

#include "ctl/api.h"

/* The steps of a daemon's answer; an empty list where it has none. Borrowed. */
const struct node *plan_steps(const struct node *answer);

/* The steps, a line each. */
void plan_print(const struct ctl *, const struct node *steps);

/* What was done, or would be with `dry`, in the format that was asked for. */
void plan_show(struct ctl *, const struct node *answer, bool dry);

/* The path with the options of apply and rollback as its query. The caller's. */
char *plan_path(const char *path, const struct args *, bool dry);

/* Whether --if-revision, --within and --confirm, where they are given, are a revision and times. 0, or
 * CTL_USAGE recorded. */
int plan_options_ok(struct ctl *, const struct args *) __attribute__((warn_unused_result));

/* Asks for a plan to be carried out: says on a terminal after a second which hosts are waited for.
 * As api_exchange_problem(). */
int plan_exchange(struct ctl *, struct http_request *, struct http_reply *reply,
                  struct node **problem) __attribute__((warn_unused_result));

/* The plan in the answer; *answer is the caller's. 0 or the exit status. */
int plan_read(struct ctl *, const struct http_reply *, struct node **answer)
    __attribute__((warn_unused_result));

#endif
