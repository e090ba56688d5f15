/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One session: the transport keys of both directions after a handshake, the counter, and the
 * windows against replays. A session is rekeyed by time and count long before its counter ends,
 * and refuses to seal at SESSION_COUNT_MAX whatever happens.
 */
#ifndef PROTO_LINK_SESSION_H
#define PROTO_LINK_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"
#include "proto/link/aead.h"
#include "proto/link/datagram.h"
#include "proto/link/piece.h"
#include "proto/link/replay.h"

#define SESSION_REKEY_AFTER (120 * MTIME_SEC)
#define SESSION_LIFE        (180 * MTIME_SEC)
#define SESSION_REKEY_COUNT ((uint64_t)1 << 36)
#define SESSION_COUNT_MAX   (((uint64_t)1 << 56) - ((uint64_t)1 << 16))

struct session {
    uint32_t index;        /* Ours: what the peer puts into its datagrams. */
    uint32_t remote_index; /* The peer's. */
    enum aead_suite suite;
    bool initiator;
    bool takes_pieces; /* The peer does: see proto/link/piece.h. */
    uint64_t remote_instance;
    mtime_t born;
    uint64_t counter; /* Of the next datagram. */
    struct aead *tx, *rx;
    struct replay lanes[DATAGRAM_LANES];
    struct piece_heads *heads; /* Of superframes that come in; NULL before the first. */
};

/* Keys as noise_split() gave them; the caller wipes its copies. NULL without memory. */
struct session *session_new(enum aead_suite, const uint8_t send_key[32],
                            const uint8_t receive_key[32]);
void session_free(struct session *); /* Accepts NULL. */

/*
 * Seals a datagram in place: data has room for the outer header, then inner_size bytes (inner
 * header and what follows), then room for the tag. Returns the whole size, or 0 when the
 * counter is at its end.
 */
size_t session_seal(struct session *, uint8_t *data, size_t inner_size);

enum session_open {
    SESSION_OPEN,     /* Good; `newest` tells whether it is the newest of its lane. */
    SESSION_BAD,      /* Forged, or of another session. */
    SESSION_REPLAYED, /* Seen before, or too old to tell. */
};

/* Opens data[size], whose outer header `o` has been read, to out (size - DATAGRAM_OUTER -
 * DATAGRAM_TAG bytes, the inner header first). */
enum session_open session_open(struct session *, const struct outer *o, const uint8_t *data,
                               size_t size, uint8_t *out, bool *newest)
    __attribute__((warn_unused_result));

#endif
