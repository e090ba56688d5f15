/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks of addresses in advance, so that programs can be run while the founder is out of reach.
 * The founder gives each host a first block of every plan of the networks that it is on; a host
 * whose blocks of a plan are three quarters used asks for one more. Level-triggered.
 */
#ifndef FABRICD_CONTROL_BLOCKS_BLOCKS_H
#define FABRICD_CONTROL_BLOCKS_BLOCKS_H

#include "fabricd/control/context.h"

struct blocks *blocks_new(struct control *);
void blocks_free(struct blocks *);
void blocks_kick(struct blocks *); /* Looks again soon. */

#endif
