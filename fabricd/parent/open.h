/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What only the parent opens: TAP devices, UDP sockets, listening Unix and TCP sockets. All descriptors
 * are close-on-exec, non-blocking and the caller's. Functions return a descriptor, or -errno with
 * the reason and the remedy in `err`.
 */
#ifndef FABRICD_PARENT_OPEN_H
#define FABRICD_PARENT_OPEN_H

#include <stdint.h>
#include <sys/types.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/err.h"

#define OPEN_UDP_PORT 4655 /* Where no port is asked for. */

/*
 * Opens the TAP `ifname` ("" = the kernel chooses), existing or new, with a virtio header in
 * front of each frame. `name` receives what it is called now.
 */
int open_tap(const char *ifname, char name[16], struct err *err)
    __attribute__((warn_unused_result));

/*
 * A packet socket (packet(7)) on the Ethernet interface `ifname`, promiscuous while it is open: a
 * virtio header of ten bytes in front of each frame, VLAN tags beside it (PACKET_AUXDATA), and
 * nothing of what the host itself sends. Takes CAP_NET_RAW.
 */
int open_raw(const char *ifname, struct err *err) __attribute__((warn_unused_result));

/* The speed of the interface in Mb/s; 0 = it does not say. */
uint32_t open_speed(const char *ifname);

/* A socket on which the kernel tells of the interfaces of this namespace (fabricd/port/carrier.h); -errno. */
int open_interfaces(void) __attribute__((warn_unused_result));

/*
 * A UDP socket bound to *addr: family 0 = any address, of both families where the machine has
 * them; port 0 = OPEN_UDP_PORT. A port in use gives another one. *bound says which.
 */
int open_udp(const struct ipc_addr *addr, struct ipc_addr *bound, struct err *err)
    __attribute__((warn_unused_result));

/*
 * A Unix socket of `type` bound to `path`, with permissions `mode`, not listening yet. A socket
 * that is there and that nobody listens on is removed first; a living one gives -EADDRINUSE.
 */
int open_unix(const char *path, int type, mode_t mode, struct err *err)
    __attribute__((warn_unused_result));

/* A TCP socket bound to *addr (family 0 = any address, of both families where the machine has them),
 * not listening yet. */
int open_tcp(const struct ipc_addr *addr, struct err *err)
    __attribute__((warn_unused_result));

/* The MTU of the route to an address, or -errno. */
int open_path_mtu(const struct ipc_addr *) __attribute__((warn_unused_result));

#endif
