/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The window against replays of one lane [RFC 6479's shape: a ring of words, no shifting]. */
#ifndef PROTO_LINK_REPLAY_H
#define PROTO_LINK_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WINDOW 8192u /* Counters behind the newest that are still accepted. */

struct replay {
    uint64_t next; /* The newest counter seen and one. */
    uint64_t seen[REPLAY_WINDOW / 64 + 1];
};

/* True if this counter is new. Changes nothing: the datagram is not authenticated yet. */
bool replay_check(const struct replay *, uint64_t counter)
    __attribute__((warn_unused_result));

/* Notes an authenticated counter for which replay_check() held. */
void replay_note(struct replay *, uint64_t counter);

#endif
