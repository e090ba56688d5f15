/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/link/session.h"

#include <sodium.h>
#include <stdlib.h>

/* One key serves one cipher: a suite that changes between two sessions changes the keys too. */
static void transport_key(uint8_t out[32], const uint8_t key[32], enum aead_suite suite)
{
    static const char label[] = "ioth transport 1";
    uint8_t text[sizeof label];

    for (size_t i = 0; i < sizeof label - 1; i++)
        text[i] = (uint8_t)label[i];
    text[sizeof label - 1] = (uint8_t)suite;
    crypto_generichash(out, 32, text, sizeof text, key, 32);
}

struct session *session_new(enum aead_suite suite, const uint8_t send_key[32],
                            const uint8_t receive_key[32])
{
    struct session *s = calloc(1, sizeof *s);
    uint8_t key[32];

    if (!s)
        return NULL;
    s->suite = suite;
    transport_key(key, send_key, suite);
    s->tx = aead_new(suite, key, true);
    transport_key(key, receive_key, suite);
    s->rx = aead_new(suite, key, false);
    sodium_memzero(key, sizeof key);
    if (!s->tx || !s->rx) {
        session_free(s);
        return NULL;
    }
    return s;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    aead_free(s->tx);
    aead_free(s->rx);
    free(s->heads);
    free(s);
}

size_t session_seal(struct session *s, uint8_t *data, size_t inner_size)
{
    struct outer o = {.index = s->remote_index, .lane = 0, .counter = s->counter};

    if (s->counter >= SESSION_COUNT_MAX)
        return 0;
    s->counter++;
    outer_write(&o, data);
    aead_seal(s->tx, outer_number(&o), data, DATAGRAM_OUTER, data + DATAGRAM_OUTER,
              inner_size);
    return DATAGRAM_OUTER + inner_size + DATAGRAM_TAG;
}

enum session_open session_open(struct session *s, const struct outer *o,
                               const uint8_t *data, size_t size, uint8_t *out, bool *newest)
{
    struct replay *lane = &s->lanes[o->lane];

    if (o->counter >= SESSION_COUNT_MAX)
        return SESSION_BAD;
    if (!replay_check(lane, o->counter))
        return SESSION_REPLAYED;
    if (!aead_open(s->rx, outer_number(o), data, DATAGRAM_OUTER, data + DATAGRAM_OUTER,
                   size - DATAGRAM_OUTER, out))
        return SESSION_BAD;
    *newest = o->counter >= lane->next;
    replay_note(lane, o->counter);
    return SESSION_OPEN;
}
