/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rate limit of a port, towards its endpoint: stands between the switch and the driver. What
 * comes too fast waits in a bounded queue; what does not fit it is dropped and counted.
 */
#ifndef FABRICD_PORT_SHAPER_H
#define FABRICD_PORT_SHAPER_H

#include <stdint.h>

#include "proto/base/loop.h"

struct port;
struct shaper;

/* Limits a driver's port to `rate` bits per second; before it is in a switch. NULL if there is
 * no memory. */
struct shaper *shaper_new(struct port *, uint64_t rate);

/* What waits is lost. Accepts NULL. */
void shaper_free(struct shaper *);

#endif
