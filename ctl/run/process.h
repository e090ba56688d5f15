/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The launcher of `run --stack lwip`: a node that is one process, with no namespace and no device. It
 * plugs in under the node's name (place.h), serves names at a Unix socket, and starts the program
 * with libioth-preload.so, which brings the stack. It stays until the program ends, and then ends what is
 * left of what came of it.
 *
 * What it tells the preloaded library, by the environment:
 *   IOTH_STACK  lwip
 *   IOTH_NET    the networks, NET[:VLAN] each, by spaces: eth0, eth1, …
 *   IOTH_ADDR   the addresses that the fabric gave, A/LEN each
 *   IOTH_NODE   the node's name, '@', and the abstract name of the launcher's sockets: NAME.0, NAME.1, …
 *               have the places, NAME.names answers DNS (as over TCP)
 */
#ifndef CTL_RUN_PROCESS_H
#define CTL_RUN_PROCESS_H

#include "ctl/run/plan.h"

struct ctl;

/* Returns the exit status of iothctl (run.h). */
int process_main(struct ctl *, const struct run_plan *);

#endif
