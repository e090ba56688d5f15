/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where MACs live: for the endpoints of a network, which host is to be believed. Control fills it
 * in from the endpoints' highest epochs; the switch drops what says that it comes from such a MAC
 * and comes from elsewhere. So a second instance of an endpoint is never reached, wherever it runs.
 */
#ifndef FABRICD_SWITCH_HOMES_H
#define FABRICD_SWITCH_HOMES_H

#include <stdbool.h>
#include <stdint.h>

#define HOMES_HERE 0u         /* In place of a host's number: on this host. */
#define HOMES_NONE UINT32_MAX /* Nobody has said. */

struct homes;

struct homes *homes_new(uint64_t seed); /* NULL if there is no memory. */
void homes_free(struct homes *);

/* True if that changed the answer for the MAC. Without memory for one more nothing changes. */
bool homes_put(struct homes *, const uint8_t mac[6], uint16_t host);
bool homes_remove(struct homes *, const uint8_t mac[6]);

/* Between the two all that holds is put again; what was not, goes with homes_end(). */
void homes_begin(struct homes *);
void homes_end(struct homes *);

/* The host's number, HOMES_HERE or HOMES_NONE. */
uint32_t homes_of(const struct homes *, const uint8_t mac[6]);
unsigned homes_count(const struct homes *);

#endif
