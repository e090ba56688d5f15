/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls between hosts: the API over the links. The control of any host asks another's for what its
 * API can do; there the call is dispatched to the same routes as a request over HTTP, with the
 * rights that they give to other hosts. It goes over the session of the two, or, where they have
 * none, over the founding host, which passes it on. A call of this very host takes the same way
 * without leaving it, so that who asks all hosts need not tell them apart.
 *
 * Bounds: CALLS_MAX calls under way from here, CALLS_SERVED of one other host here; of an answer
 * at most SYNC_CALL_WINDOW bytes come before call_took() has said that they are done with. A call
 * whose session is lost, or whose host begins anew, ends with an error: it may have been carried
 * out.
 */
#ifndef FABRICD_CONTROL_FABRIC_CALL_H
#define FABRICD_CONTROL_FABRIC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabricd/control/context.h"
#include "proto/base/err.h"
#include "proto/base/mtime.h"
#include "proto/model/node.h"

#define CALLS_MAX      512u
#define CALLS_SERVED   64u
#define CALL_MAX_QUERY 16u
#define CALL_WITHIN    (30 * MTIME_SEC)

struct call;

/* All texts are borrowed until the call has been begun; NULL: not said. */
struct call_request {
    const char *method;
    const char *path; /* "/v1/services/web", decoded */
    struct {
        const char *key, *value;
    } query[CALL_MAX_QUERY];
    unsigned n_query;
    const char *content_type, *accept, *if_match, *if_none_match, *last_event_id;
    const void *body;
    size_t size;
    bool read_only;   /* Whoever wants it may change nothing. */
    const char *from; /* The host for which it is passed on. */
    mtime_t within;   /* For the answer to begin; 0 = CALL_WITHIN */
};

/* None is called before call_begin() has returned, and none after call_cancel(). */
struct call_ops {
    /* The answer begins; each text may be NULL. */
    void (*head)(void *aux, int status, const char *type, const char *allow,
                 const char *etag);
    void (*part)(void *aux, const void *data, size_t size);
    /* The last that is called. NULL: the answer is whole. Else why not, in one line that names the
     * host, with the HTTP status that says the same; perhaps before head. */
    void (*done)(void *aux, int status, const struct err *why);
    /* NULL, or in place of done when call_cancel() ends the call. */
    void (*dropped)(void *aux);
};

/* Begins a call of that host's API. */
struct call *call_begin(struct control *, const char *host, const struct call_request *,
                        const struct call_ops *, void *aux);

/* Done with so many bytes of what part() brought. */
void call_took(struct call *, size_t size);

/* Ends it; what is under way is not heard of any more. The host may have carried it out. */
void call_cancel(struct call *);

/*
 * A call whose answer is one tree. `done` has the status (503 and the like where the host did not
 * answer), the tree or NULL, borrowed, and with a status from 400 on the reason. Answers over
 * CALL_TREE_MAX bytes are refused.
 */
#define CALL_TREE_MAX (16u * 1024 * 1024)
typedef void call_tree_fn(void *aux, int status, const struct node *body,
                          const struct err *why);
struct call *call_tree(struct control *, const char *host, const struct call_request *,
                       call_tree_fn *done, void *aux);

#endif
