/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DNS messages of a node's answerer: a query goes in, the reply comes out. No socket, no clock.
 *
 * It is an authority for everything: there is no way out of the fabric, so a name that the
 * fabric does not know does not exist. It answers A, AAAA and PTR; other types of a name that
 * exists are empty. `localhost` and the loopback addresses are answered without asking anybody.
 */
#ifndef LIBIOTH_NODE_ANSWER_H
#define LIBIOTH_NODE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_type { ANSWER_A, ANSWER_AAAA, ANSWER_PTR };

#define ANSWER_MAX       16
#define ANSWER_NAME_SIZE 256
#define ANSWER_TTL_SEC   5    /* Of what the fabric says, and of its denials. */
#define ANSWER_UDP_SIZE  1232 /* Largest datagram, to who announces that it takes so much. */

struct answer_result {
    bool found; /* The name exists, though perhaps with no record of the type. */
    unsigned n;
    char texts[ANSWER_MAX][ANSWER_NAME_SIZE]; /* Addresses, or names for PTR. */
};

/*
 * Asks the fabric: `name` in lower case without the final dot, for PTR an address as text.
 * Returns 0 with *out filled in, or -errno when there is no saying.
 */
typedef int answer_lookup(void *aux, const char *name, enum answer_type,
                          struct answer_result *);

/*
 * Answers one message. `limit` is the room for the reply: at least 512; with `udp` the size that
 * the client takes counts too, and a longer reply is cut with TC set. Returns the size written
 * to `out`, 0 if the message deserves no reply (or there is no memory).
 */
size_t answer_message(const uint8_t *query, size_t size, bool udp, answer_lookup *lookup,
                      void *aux, uint8_t *out, size_t limit);

/* The address in a name under in-addr.arpa or ip6.arpa (lower case, no final dot), as text. */
bool answer_reverse(const char *name, char out[46]);

#endif
