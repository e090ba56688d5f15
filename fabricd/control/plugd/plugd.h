/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plug server: programs on this host plug into networks over RUN/plug.sock. A request is
 * checked against the peer's credentials, registers an endpoint if it asks for one, becomes a
 * port at the parent, and is answered; then the connection itself is the port's lifeline and
 * leaves this process for the switch.
 *
 * Bounds: PLUGD_MAX connections that have not been answered yet, a quarter of them of one user,
 * five seconds each; beyond that the user's own that has been silent for longest is hung up on.
 */
#ifndef FABRICD_CONTROL_PLUGD_PLUGD_H
#define FABRICD_CONTROL_PLUGD_PLUGD_H

#include "fabricd/control/context.h"
#include "proto/base/err.h"

#define PLUGD_MAX 256u

/* Takes the listening socket. NULL and err on failure. */
struct plugd *plugd_new(struct control *, int sock, struct err *err);
void plugd_free(struct plugd *);

/* A port's other side went. */
void plugd_port_gone(struct plugd *, const struct ipc_port *);

/* After a start: endpoints of this host whose program has not come back within the grace time
 * are let go, anonymous ones removed. */
void plugd_start(struct plugd *);

/* Endpoints that were registered here while the founder was out of reach become the fabric's,
 * and those that programs of this host hold are claimed. */
void plugd_founder_back(struct plugd *);

#endif
