/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who listens to which group behind which port, by VLAN and by the group's MAC [RFC 4541]. A table of
 * fixed size: GROUPS_MAX memberships, of which a port has GROUPS_PORT_MAX at most; a further one is not
 * remembered. Entries age where nobody answers queries.
 */
#ifndef FABRICD_SWITCH_GROUPS_H
#define FABRICD_SWITCH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/mtime.h"

#define GROUPS_MAX      4096u
#define GROUPS_PORT_MAX 256u
#define GROUPS_AGE      (260 * MTIME_SEC) /* [RFC 2236 8.4] */
#define GROUPS_LEAVE    (3 * MTIME_SEC)   /* Time for other listeners to answer. */

struct groups;

struct groups *groups_new(uint64_t seed); /* NULL if there is no memory. */
void groups_free(struct groups *);

/* `key` is that of fdb_key() for the group's MAC. Joins, or joins again. False: there was no room. */
bool groups_join(struct groups *, uint64_t key, unsigned port, mtime_t now);

/* Somebody behind the port leaves: the membership ends soon if nobody joins again. */
void groups_leave(struct groups *, uint64_t key, unsigned port, mtime_t now);
void groups_remove_port(struct groups *, unsigned port);
void groups_clear(struct groups *);

/* The first membership of the group, or of the same group the next: 0 = none (further). */
uint32_t groups_first(const struct groups *, uint64_t key);
uint32_t groups_next(const struct groups *, uint32_t at);
unsigned groups_port(const struct groups *, uint32_t at);
unsigned groups_count(const struct groups *);

/* The next membership behind position `at` (0 = the start) of all of them; 0 = no further. */
uint32_t groups_walk(const struct groups *, uint32_t at, uint64_t *key, mtime_t *expires);

mtime_t groups_deadline(const struct groups *);
void groups_run(struct groups *, mtime_t now);

#endif
