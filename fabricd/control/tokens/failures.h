/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has shown wrong tokens lately, by address: FAILURES_BURST at once, then one every
 * FAILURES_EVERY. An IPv6 address counts as its /64, which one guest has whole. The table has
 * FAILURES_TABLE places; when it is full, the address whose failures are soonest forgotten makes
 * room. An engine: no clock, no sockets.
 */
#ifndef FABRICD_CONTROL_TOKENS_FAILURES_H
#define FABRICD_CONTROL_TOKENS_FAILURES_H

#include <stdint.h>

#include "proto/base/mtime.h"

#define FAILURES_BURST 10
#define FAILURES_EVERY (6 * MTIME_SEC)
#define FAILURES_TABLE 512u

struct failures;

struct failures *failures_new(void);
void failures_free(struct failures *);

/* How long the address (IPv6, or IPv4 mapped into it) has to wait: 0 = it may try. */
mtime_t failures_wait(const struct failures *, const uint8_t address[16], mtime_t now);

void failures_note(struct failures *, const uint8_t address[16], mtime_t now);

#endif
