/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What lwIP sends, as frames: TCP checksums are left open, segments larger than the peer's MSS are
 * superframes.
 */
#ifndef LIBIOTH_STACK_OUTPUT_H
#define LIBIOTH_STACK_OUTPUT_H

#include <lwip/netif.h>

/* netif->linkoutput of an interface with a port. ERR_MEM: the port has no room now, and the
 * interface is stalled until iface_flush() finds some. */
err_t output_frame(struct netif *netif, struct pbuf *p);

#endif
