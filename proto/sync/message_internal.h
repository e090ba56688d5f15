/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls, call.c, and reports, seen.c, for message.c. */
#ifndef PROTO_SYNC_MESSAGE_INTERNAL_H
#define PROTO_SYNC_MESSAGE_INTERNAL_H

#include "proto/base/cur.h"
#include "proto/sync/message.h"

#define SEEN_PEER_MOST  (2u + 1 + 4 + 2 + 1 + 24) /* Bytes of an entry. */
#define SEEN_PORT_MOST  (8u + 1 + 1 + SYNC_NAME_SIZE)
#define SEEN_WRONG_MOST (1u + 160 + 1 + 256)

void wr_call(struct wr *, const struct sync_call *);
void cur_call(struct cur *, struct sync_call *);
size_t call_most(const struct sync_call *); /* Bytes, at most. */
void call_done(struct sync_call *);
void wr_answer(struct wr *, const struct sync_answer *);
void cur_answer(struct cur *, struct sync_answer *);
size_t answer_most(const struct sync_answer *);
void answer_done(struct sync_answer *);

void wr_seen(struct wr *, const struct sync_seen *);
void cur_seen(struct cur *, struct sync_seen *);

#endif
