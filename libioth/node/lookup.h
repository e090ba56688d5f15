/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and addresses asked of the daemon's API, for a node's DNS answerer, with a short memory.
 * While the daemon is away (it is being restarted) what was known stays known; for the rest one
 * waits for it, for a time that a resolver has patience for.
 */
#ifndef LIBIOTH_NODE_LOOKUP_H
#define LIBIOTH_NODE_LOOKUP_H

#include "libioth/node/answer.h"

struct lookup;

/* `networks` are the node's own, in their order: a bare name is looked for there first. The
 * texts are borrowed. NULL when there is no memory. */
struct lookup *lookup_new(const char *api_path, const char *const *networks,
                          unsigned n_networks);
void lookup_free(struct lookup *);

/* An answer_lookup; aux is a struct lookup. May block for LOOKUP_PATIENCE_MS. */
int lookup_ask(void *aux, const char *name, enum answer_type, struct answer_result *);

/* Reads the API's answer to /v1/resolve. Returns 0 or -EPROTO. */
int lookup_read(const char *body, size_t size, struct answer_result *out)
    __attribute__((warn_unused_result));

#define LOOKUP_PATIENCE_MS 4000 /* Resolvers ask again after five seconds. */
#define LOOKUP_FRESH_SEC   2
#define LOOKUP_STALE_SEC   600 /* Only while the daemon is away. */
#define LOOKUP_CACHE       32  /* Names kept; the one asked for longest ago goes first. */

#endif
