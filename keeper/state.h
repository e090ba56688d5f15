/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At the host that a service leaves: answers what the other host's keeper asks of its state
 * folders (copy.h). */
#ifndef KEEPER_STATE_H
#define KEEPER_STATE_H

#include "keeper/spec.h"
#include "keeper/tree.h"

#define STATE_PART (64u * 1024) /* Bytes of a file in one message. */

struct state {
    struct tree listed; /* The folder that is being listed. */
    int64_t folder;     /* Which; -1 = none. */
};

void state_init(struct state *);
void state_done(struct state *);

/*
 * The answer to {op, folder, …}: op "list" with `from`: {entries, more}; op "read" with path,
 * offset: {data}, or {gone} of a file that is not there any more. {error} where it cannot be had. The caller's. An empty answer if `stopped` is asked
 * for and `runs`.
 */
struct node *state_answer(struct state *, const struct spec *, bool runs,
                          const struct node *request);

/* The folder of that number, opened; -errno. */
int state_open(const struct spec *, int64_t folder) __attribute__((warn_unused_result));
unsigned state_folders(const struct spec *);

#endif
