/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that come by a port, into lwIP. A frame is copied before it is looked at, since who is at the
 * port's other side may change it; only the payload of a large TCP segment that its connection takes
 * at once stays where it is, and nobody but the reader of the data looks into it.
 */
#ifndef LIBIOTH_STACK_INPUT_H
#define LIBIOTH_STACK_INPUT_H

#include <lwip/netif.h>

#include "libioth/stack/iface.h"
#include "proto/wire/frame.h"

/* Checksums that lwIP makes and checks on an interface: TCP's are left open on the way out; on the
 * way in neither those that the frame says are good or open, nor what a stack sends to itself. */
#define INPUT_CHECK_ALL (NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP)
#define INPUT_CHECK_OPEN                                                                   \
    (INPUT_CHECK_ALL & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP))

/* Takes a frame that has come by the interface's port. Returns true if it was for this host and of a protocol that
 * lwIP knows. */
bool input_frame(struct iface *i, const struct frame *f);

/* netif->input of interfaces that are fed by input_frame(): never called. */
err_t input_none(struct pbuf *p, struct netif *netif);

#endif
